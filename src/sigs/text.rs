//! Percent-encoding, both ways.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const RESERVED_IN_PATH: &AsciiSet = &RESERVED.remove(b'/');

/// The text with all but the unreserved characters of RFC 3986 as `%XX`, in capitals.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// As [`encode`], with slashes left alone.
pub(crate) fn encode_path(path: &str) -> String {
    utf8_percent_encode(path, RESERVED_IN_PATH).to_string()
}

/// Form decoding: `+` is a blank, `%XX` a byte of UTF-8.
///
/// # Errors
/// A text saying what is wrong: an escape that is none, or bytes that are not UTF-8.
pub(crate) fn decode(raw: &str) -> Result<String, &'static str> {
    let mut out = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => match (bytes.next().and_then(hex), bytes.next().and_then(hex)) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => return Err("a % is not followed by two hexadecimal digits"),
            },
            other => other,
        });
    }
    String::from_utf8(out).map_err(|_| "not UTF-8")
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Lower-case hexadecimal.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// The 32 bytes of a SHA-256 in lower-case hexadecimal.
pub(crate) fn digest_from_hex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 || digits.iter().any(u8::is_ascii_uppercase) {
        return None;
    }
    let mut out = [0; 32];
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = hex(pair[0])? << 4 | hex(pair[1])?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_undoes_encoding_for_every_character() {
        let all: String = (0..0x3000).filter_map(char::from_u32).collect();
        assert_eq!(decode(&encode(&all)), Ok(all));
        assert_eq!(encode("a ~*/%"), "a%20~%2A%2F%25");
        assert_eq!(encode_path("/a%20b/c"), "/a%2520b/c");
    }

    #[test]
    fn broken_escapes_and_broken_utf8_are_refused() {
        for raw in ["%", "%4", "a%zz", "%ff", "%e5%90", "%+1"] {
            assert!(decode(raw).is_err(), "{raw}");
        }
    }

    #[test]
    fn a_digest_has_one_spelling() {
        let digest = [0xab; 32];
        assert_eq!(digest_from_hex(&to_hex(&digest)), Some(digest));
        assert_eq!(digest_from_hex(&to_hex(&digest).to_uppercase()), None);
        assert_eq!(digest_from_hex("ab"), None);
    }
}
