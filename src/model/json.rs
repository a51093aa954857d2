//! Text as JSON, written where it is to stand: a page of a list is ten thousand short texts.

/// Writes a text with its quotes, escaped as `serde_json` does.
pub fn push_text(to: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    to.push(b'"');
    // Looked at as a whole and not up to the first one, so that many bytes are looked at together.
    if bytes.iter().fold(true, |plain, b| plain & (*b >= 0x20) & (*b != b'"') & (*b != b'\\')) {
        to.extend_from_slice(bytes);
    } else {
        bytes.iter().for_each(|b| push_escaped(to, *b));
    }
    to.push(b'"');
}

fn push_escaped(to: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match byte {
        b'"' => to.extend_from_slice(b"\\\""),
        b'\\' => to.extend_from_slice(b"\\\\"),
        0x08 => to.extend_from_slice(b"\\b"),
        0x09 => to.extend_from_slice(b"\\t"),
        0x0a => to.extend_from_slice(b"\\n"),
        0x0c => to.extend_from_slice(b"\\f"),
        0x0d => to.extend_from_slice(b"\\r"),
        0..0x20 => to.extend_from_slice(&[b'\\', b'u', b'0', b'0', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]),
        _ => to.push(byte),
    }
}

/// Writes a whole number.
pub fn push_number(to: &mut Vec<u8>, number: i64) {
    // Digits from the last one on; 19 and a sign are the most there are.
    let (mut digits, mut at, mut rest) = ([0u8; 20], 20, number.unsigned_abs());
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        to.push(b'-');
    }
    to.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_numbers_are_written_as_elsewhere() {
        for text in [
            "",
            "plain",
            "a \"b\" \\ c",
            "tab\tnew\nline\u{1}\u{8}\u{c}\r\u{1f}\u{7f}",
            "Zürich ☁",
            "a long text that is more than sixteen bytes",
        ] {
            let mut out = Vec::new();
            push_text(&mut out, text);
            assert_eq!(String::from_utf8(out).expect("utf-8"), serde_json::to_string(text).expect("json"));
        }
        for number in [0, 7, -7, 10, 1_000_000, i64::MAX, i64::MIN] {
            let mut out = Vec::new();
            push_number(&mut out, number);
            assert_eq!(String::from_utf8(out).expect("utf-8"), number.to_string());
        }
    }
}
