//! Times, encodings and ids as S3 writes them.
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};
use stratus_engine::bucket_object::hex_of;

const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/').remove(b'*');

/// A time in a document.
pub fn iso(micros: i64) -> String {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH).strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// A time in a header.
pub fn http_date(micros: i64) -> String {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// A time in a header, in whole seconds since 1970.
pub fn parse_http_date(text: &str) -> Option<i64> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).or_else(|_| text.parse::<Timestamp>()).ok().map(|t| t.as_second())
}

/// A name as `encoding-type=url` has it.
pub fn url(text: &str) -> String {
    utf8_percent_encode(text, KEPT).to_string()
}

/// Takes percent-encoding off; `None` when what comes out is not UTF-8.
pub fn unescape(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// An account's canonical id: its uuid and 32 digits that prove it is one.
pub fn canonical(account_uuid: &str) -> String {
    let plain = account_uuid.replace('-', "").to_ascii_lowercase();
    let proof = hex_of(&Sha256::digest(plain.as_bytes()));
    format!("{plain}{}", &proof[..32])
}

/// The account's uuid of a canonical id.
pub fn of_canonical(id: &str) -> Option<String> {
    let uuid = uuid::Uuid::try_parse(id.get(..32)?).ok()?.to_string();
    (id.len() == 64 && canonical(&uuid) == id).then_some(uuid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canonical_id_has_64_digits_and_leads_back() {
        let uuid = uuid::Uuid::new_v4().to_string();
        let id = canonical(&uuid);
        assert_eq!(id.len(), 64);
        assert_eq!(of_canonical(&id), Some(uuid));
        assert_eq!(of_canonical(&id.replace(&id[60..], "zzzz")), None);
        assert_eq!(of_canonical("é"), None);
    }

    #[test]
    fn times_and_names_are_written_as_s3_does() {
        assert_eq!(iso(1_795_226_400_123_000), "2026-11-21T02:00:00.123Z");
        assert_eq!(http_date(1_795_226_400_123_000), "Sat, 21 Nov 2026 02:00:00 GMT");
        assert_eq!(parse_http_date("Sat, 21 Nov 2026 02:00:00 GMT"), Some(1_795_226_400));
        assert_eq!(url("a b/y+1é"), "a%20b/y%2B1%C3%A9");
    }
}
