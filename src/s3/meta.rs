//! What is kept of an object's headers, and what they become in answers.
use crate::checksum::Kept;
use crate::{Fault, Outcome};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

/// Headers kept as sent and given back as they were.
const KEPT: &[&str] =
    &["cache-control", "content-disposition", "content-encoding", "content-language", "expires", "x-amz-website-redirect-location"];
/// Bytes of all x-amz-meta-* together, as S3 has it.
const USER_BYTES: usize = 2048;
const DEFAULT_TYPE: &str = "binary/octet-stream";

/// Headers and checksums of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Content-Type.
    #[serde(default, rename = "t")]
    pub content_type: Option<String>,
    /// The other headers, names in lower case, x-amz-meta-* among them.
    #[serde(default, rename = "h", skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// Checksums.
    #[serde(default, rename = "c", skip_serializing_if = "Vec::is_empty")]
    pub checksums: Vec<Kept>,
    /// Of an upload: the algorithm and whether the whole object is summed.
    #[serde(default, rename = "a", skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<(crate::checksum::Algorithm, bool)>,
}

impl Meta {
    /// What a request's headers ask to be kept.
    pub fn of_headers(headers: &HeaderMap) -> Outcome<Self> {
        Self::of_pairs(headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes())))
    }

    /// The same of pairs, as forms have them.
    pub fn of_pairs<'a>(pairs: impl Iterator<Item = (&'a str, &'a [u8])>) -> Outcome<Self> {
        let mut meta = Self::default();
        let mut bytes = 0;
        for (name, value) in pairs {
            let name = name.to_ascii_lowercase();
            let user = name.starts_with("x-amz-meta-");
            if !user && name != "content-type" && !KEPT.contains(&name.as_str()) {
                continue;
            }
            let value = match std::str::from_utf8(value) {
                Ok(text) => text.trim().to_owned(),
                Err(_) => value.iter().map(|b| char::from(*b)).collect(),
            };
            if user {
                bytes += name.len() - "x-amz-meta-".len() + value.len();
            }
            match name.as_str() {
                "content-type" => meta.content_type = Some(value).filter(|v| !v.is_empty()),
                "content-encoding" => {
                    // The transfer's coding is not the object's.
                    let codings: Vec<&str> = value.split(',').map(str::trim).filter(|c| !c.is_empty() && *c != "aws-chunked").collect();
                    if !codings.is_empty() {
                        meta.headers.push((name, codings.join(",")));
                    }
                }
                _ => match meta.headers.iter_mut().find(|(n, _)| *n == name) {
                    Some((_, before)) => *before = format!("{before},{value}"),
                    None => meta.headers.push((name, value)),
                },
            }
        }
        if bytes > USER_BYTES {
            let why = "Your metadata headers exceed the maximum allowed metadata size";
            return Err(Fault::new("MetadataTooLarge", why).with("MaxSizeAllowed", USER_BYTES.to_string()));
        }
        Ok(meta)
    }

    /// From the store.
    pub fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }
    /// To the store.
    pub fn write(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| "{}".into())
    }
    /// Content-Type, or S3's default.
    pub fn content_type(&self) -> &str {
        self.content_type.as_deref().unwrap_or(DEFAULT_TYPE)
    }

    /// Puts the headers into an answer.
    pub fn show(&self, out: &mut HeaderMap) {
        put(out, "content-type", self.content_type());
        for (name, value) in &self.headers {
            put(out, name, value);
        }
    }
    /// Puts the checksums into an answer.
    pub fn show_checksums(&self, out: &mut HeaderMap) {
        for c in &self.checksums {
            put(out, c.algorithm.header(), &c.value);
            put(out, "x-amz-checksum-type", c.kind());
        }
    }
}

/// Sets a header, when name and value can be one.
pub fn put(out: &mut HeaderMap, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value.as_bytes())) {
        out.insert(name, value);
    }
}
