//! A request as it came, and what it names.
use crate::text::unescape;
use crate::{Fault, Outcome};
use http::{HeaderMap, Method};
use std::net::IpAddr;
use std::sync::Arc;
use stratus_model::Caller;
use stratus_sigs::{ChunkChain, Limits, Params, Payload};

/// The longest key, in bytes.
pub const KEY: usize = 1024;

/// Parameters that may stand without a value.
const PARAMETERS: &[&str] = &[
    "prefix",
    "marker",
    "delimiter",
    "max-keys",
    "encoding-type",
    "continuation-token",
    "start-after",
    "fetch-owner",
    "list-type",
    "key-marker",
    "version-id-marker",
    "upload-id-marker",
    "max-uploads",
    "max-parts",
    "part-number-marker",
    "partNumber",
    "versionId",
    "x-id",
    "max-buckets",
    "bucket-region",
];

/// Whether a name is a parameter and no sub-resource.
pub fn is_parameter(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    PARAMETERS.contains(&name)
        || lower.starts_with("x-amz-")
        || lower.starts_with("response-")
        || matches!(name, "AWSAccessKeyId" | "Signature" | "Expires")
}

/// How a request was signed, for policies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Signed {
    /// `REST-HEADER`, `REST-QUERY-STRING` or `POST`.
    pub how: &'static str,
    /// `AWS` or `AWS4-HMAC-SHA256`.
    pub version: &'static str,
}

/// A request, its body apart.
pub struct Request {
    /// The method.
    pub method: Method,
    /// The path as sent.
    pub path: String,
    /// The query.
    pub params: Params,
    /// The headers.
    pub headers: HeaderMap,
    /// The path before the bucket.
    pub prefix: &'static str,
    /// Whether the bucket stands in Host.
    pub by_host: bool,
    /// The bucket.
    pub bucket: Option<String>,
    /// The key.
    pub key: Option<String>,
    /// Who sent it.
    pub peer: Option<IpAddr>,
    /// The id given to it.
    pub id: String,
    /// Who signed it.
    pub who: Option<Arc<Caller>>,
    /// How.
    pub signed: Signed,
    /// What the signature says of the body.
    pub payload: Payload,
    /// The signatures of the body's chunks.
    pub chain: Option<ChunkChain>,
}

impl Request {
    /// Reads what a request names. `domains` are the names under which a Host carries a bucket in front.
    pub fn read(head: &http::request::Parts, prefix: &'static str, domains: &[String], peer: Option<IpAddr>, id: String) -> Outcome<Self> {
        let path = head.uri.path().to_owned();
        let params = Params::of_query(head.uri.query().unwrap_or_default(), &Limits::S3)?;
        let mut inside = path.strip_prefix(prefix).unwrap_or(&path);
        let host = head.headers.get("host").and_then(|h| h.to_str().ok()).or_else(|| head.uri.host()).unwrap_or_default();
        let mut bucket = bucket_of_host(host, domains);
        let by_host = bucket.is_some();
        inside = inside.strip_prefix('/').unwrap_or(inside);
        let mut key = inside;
        if !by_host && !inside.is_empty() {
            let (name, rest) = inside.split_once('/').unwrap_or((inside, ""));
            bucket = Some(unescape(name).ok_or_else(bad_uri)?);
            key = rest;
        }
        let key = match key {
            "" => None,
            k => Some(checked_key(unescape(k).ok_or_else(bad_uri)?)?),
        };
        Ok(Self {
            method: head.method.clone(),
            path,
            params,
            headers: head.headers.clone(),
            prefix,
            by_host,
            bucket,
            key,
            peer,
            id,
            who: None,
            signed: Signed::default(),
            payload: Payload::Unsigned,
            chain: None,
        })
    }

    /// A header's text, when it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok()).map(str::trim)
    }

    /// A parameter of the query; an empty one counts as not there.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.get(name).filter(|v| !v.is_empty())
    }

    /// The bucket named.
    pub fn bucket(&self) -> &str {
        self.bucket.as_deref().unwrap_or_default()
    }

    /// The key named.
    pub fn key(&self) -> &str {
        self.key.as_deref().unwrap_or_default()
    }

    /// The version asked for.
    pub fn version(&self) -> Outcome<Option<&str>> {
        match self.params.get("versionId") {
            Some("") => Err(Fault::argument("versionId", "", "Version id cannot be the empty string")),
            Some(v) if v != "null" && (v.len() > 36 || !v.bytes().all(|c| c.is_ascii_alphanumeric())) => {
                Err(Fault::argument("versionId", v, "Invalid version id specified"))
            }
            other => Ok(other),
        }
    }

    /// A number in the query.
    pub fn number(&self, name: &str, default: i64, most: i64) -> Outcome<i64> {
        match self.params.get(name) {
            None | Some("") => Ok(default),
            Some(text) => match text.parse::<i64>() {
                Ok(n) if (0..=i64::from(i32::MAX)).contains(&n) => Ok(n.min(most)),
                _ => Err(Fault::argument(name, text, "Provided argument is not an integer or not within its range")),
            },
        }
    }
}

fn bad_uri() -> Fault {
    Fault::new("InvalidURI", "Couldn't parse the specified URI: it is not UTF-8 once decoded.")
}

/// That a key can be one.
pub fn checked_key(key: String) -> Outcome<String> {
    if key.len() > KEY {
        return Err(Fault::new("KeyTooLongError", "Your key is too long")
            .with("Size", key.len().to_string())
            .with("MaxSizeAllowed", "1024"));
    }
    if key.contains('\0') {
        return Err(Fault::argument("key", "", "a key must not hold NUL"));
    }
    Ok(key)
}

/// The bucket in front of a domain; an address has none.
fn bucket_of_host(host: &str, domains: &[String]) -> Option<String> {
    if host.starts_with('[') {
        return None;
    }
    let name = host.rsplit_once(':').filter(|(_, p)| p.bytes().all(|c| c.is_ascii_digit())).map_or(host, |(n, _)| n);
    if name.parse::<IpAddr>().is_ok() {
        return None;
    }
    let lower = name.to_ascii_lowercase();
    if domains.contains(&lower) {
        return None;
    }
    let longest = domains.iter().filter(|d| lower.len() > d.len() + 1 && lower.ends_with(&format!(".{d}"))).max_by_key(|d| d.len())?;
    name.get(..name.len() - longest.len() - 1).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(host: &str, path: &str) -> Outcome<(Option<String>, Option<String>)> {
        let (head, ()) = http::Request::builder().uri(path).header("host", host).body(()).expect("a request").into_parts();
        let domains = ["localhost".to_owned(), "s3.localhost".to_owned()];
        Request::read(&head, "/p", &domains, None, "id".into()).map(|r| (r.bucket, r.key))
    }

    #[test]
    fn buckets_and_keys_are_found_in_path_or_host() {
        let some = |b: &str, k: &str| Ok((Some(b.to_owned()), (!k.is_empty()).then(|| k.to_owned())));
        assert_eq!(read("127.0.0.1:7080", "/p"), Ok((None, None)));
        assert_eq!(read("localhost:7080", "/p/"), Ok((None, None)));
        assert_eq!(read("localhost:7080", "/p/b"), some("b", ""));
        assert_eq!(read("localhost:7080", "/p/b/"), some("b", ""));
        assert_eq!(read("localhost:7080", "/p/b//a/../%C3%A9"), some("b", "/a/../é"));
        assert_eq!(read("b.localhost:7080", "/p/k/"), some("b", "k/"));
        assert_eq!(read("a.b.s3.localhost", "/p"), some("a.b", ""));
        assert_eq!(read("127.0.0.1:7080", "/p/b/%ff").map_err(|f| f.code), Err("InvalidURI"));
        assert_eq!(read("127.0.0.1:7080", "/p/b/a%00").map_err(|f| f.code), Err("InvalidArgument"));
        assert_eq!(read("127.0.0.1:7080", &format!("/p/b/{}", "k".repeat(1025))).map_err(|f| f.code), Err("KeyTooLongError"));
        assert!(read("127.0.0.1:7080", &format!("/p/b/{}", "k".repeat(1024))).is_ok());
    }
}
