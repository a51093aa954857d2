//! The index of `tests/wire` and its expectations.

use crate::http_file::Owned;
use serde_json::Value;
use std::path::PathBuf;

/// One entry of the index with its request.
pub struct Vector {
    entry: Value,
    pub file: String,
    pub request: Owned,
}

/// What a verifier must say.
#[derive(Debug, PartialEq, Eq)]
pub enum Expect {
    Accept,
    Refuse(&'static str),
}

impl Vector {
    pub fn text(&self, name: &str) -> Option<&str> {
        self.entry.get(name).and_then(Value::as_str)
    }

    pub fn auth(&self) -> &str {
        self.text("auth").expect("every entry has an auth kind")
    }

    pub fn secret(&self) -> &str {
        self.text("secret_key").expect("the entry has a secret")
    }

    pub fn verified(&self) -> bool {
        self.entry.get("verified").and_then(Value::as_bool).unwrap_or_default()
    }

    /// The clock in microseconds. Three spellings: SigV2's, SigV4's and S3's, and `before Expires=<seconds>`.
    pub fn clock(&self) -> i64 {
        let text = self.text("clock").expect("every entry has a clock");
        if let Some(end) = text.strip_prefix("before Expires=") {
            return (end.parse::<i64>().expect("seconds") - 1) * 1_000_000;
        }
        let basic = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text);
        let at =
            text.parse::<jiff::Timestamp>().or_else(|_| basic.and_then(|at| at.to_zoned(jiff::tz::TimeZone::UTC)).map(|at| at.timestamp()));
        at.or_else(|_| jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text)).expect("a clock").as_microsecond()
    }

    /// The index's words, with the code where it leaves that to us.
    pub fn expect(&self) -> Expect {
        let words = self.text("expect").expect("every entry has an expectation");
        if words.starts_with("accept") || words.starts_with("decide: some old tools") {
            return Expect::Accept;
        }
        Expect::Refuse(match (self.file.as_str(), words.split([' ', ':', '/']).nth(1)) {
            ("synth-neg-sigv1.http", _) => "InvalidParameterValue",
            ("synth-neg-sigv4-host-not-signed.http", _) => "IncompleteSignature",
            ("synth-neg-sigv4-scope-date-mismatch.http", _) => "SignatureDoesNotMatch",
            (_, Some("SignatureDoesNotMatch")) => "SignatureDoesNotMatch",
            (_, Some("RequestExpired")) => "RequestExpired",
            (_, Some("InvalidParameterCombination")) => "InvalidParameterCombination",
            (_, Some("MissingParameter")) => "MissingParameter",
            (_, Some("InvalidClientTokenId")) => "InvalidClientTokenId",
            (_, Some("AuthFailure")) => "AuthFailure",
            (_, Some("AccessDenied")) => "AccessDenied",
            (file, _) => panic!("{file}: nobody knows what to expect of {words:?}"),
        })
    }
}

/// All entries of the index.
pub fn all() -> Vec<Vector> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/wire");
    let index = std::fs::read(folder.join("index.json")).expect("tests/wire/index.json");
    let entries: Vec<Value> = serde_json::from_slice(&index).expect("JSON");
    let vectors = entries.into_iter().map(|entry| {
        let file = entry["file"].as_str().expect("a file's name").to_owned();
        let bytes = std::fs::read(folder.join(&file)).expect("the file of an entry");
        assert_eq!(entry["bytes"].as_u64(), Some(bytes.len() as u64), "{file} is not as captured");
        Vector { entry, file, request: Owned::parse(&bytes) }
    });
    vectors.collect()
}

/// How many `.http` files there are, listed or not.
pub fn files() -> usize {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/wire");
    let names = std::fs::read_dir(folder).expect("tests/wire").map(|f| f.expect("an entry").path());
    names.filter(|path| path.extension().is_some_and(|e| e == "http")).count()
}
