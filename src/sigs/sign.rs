//! The other side: signing requests, for the product's own clients and for tests of the doors.

use crate::chunk::ChunkChain;
use crate::clock::{to_basic, to_extended, to_header_date};
use crate::crypto::sha256_hex;
use crate::presented::{Method, Scope};
use crate::text::encode_path;
use crate::v2::{pair, string_to_sign};
use crate::v4::{canonical_query, canonical_request};

/// A user's keys.
#[derive(Clone, Copy)]
pub struct Keys<'a> {
    /// the access key
    pub access: &'a str,
    /// the secret key
    pub secret: &'a str,
}

/// The hash of a SigV2 signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// HmacSHA1
    Sha1,
    /// HmacSHA256
    Sha256,
}

/// The target of a SigV4 request.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// the method, in capitals
    pub method: &'a str,
    /// the Host header
    pub host: &'a str,
    /// the path as it is sent
    pub path: &'a str,
    /// the decoded parameters of the URL
    pub query: &'a [(&'a str, &'a str)],
    /// the scope's region
    pub region: &'a str,
    /// the scope's service; `s3` makes a path be signed as sent, any other encodes it once more
    pub service: &'a str,
}

impl Target<'_> {
    fn scope(&self, now_micros: i64) -> Scope {
        let at = to_basic(now_micros);
        Scope { day: at[..8].to_owned(), region: self.region.into(), service: self.service.into(), at }
    }

    fn signature(&self, keys: Keys<'_>, scope: &Scope, query: &str, headers: &[(&str, &str)], hash: &str) -> String {
        let path = if self.service == "s3" { self.path.to_owned() } else { encode_path(self.path) };
        let block: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let canonical = canonical_request(self.method, &path, query, block.as_bytes(), &names(headers), hash);
        Method::V4(scope.clone()).sign(keys.secret, &scope.string_to_sign(&canonical))
    }
}

/// Signs with SigV2 and gives back the whole query, or form body, encoded: `params` (Action, Version and so on)
/// with the parameters of the signature added. The time is in microseconds since the epoch.
#[must_use]
pub fn sign_v2(keys: Keys<'_>, method: &str, host: &str, path: &str, params: &[(&str, &str)], hash: Hash, now_micros: i64) -> String {
    let at = to_extended(now_micros);
    let (name, by) = match hash {
        Hash::Sha1 => ("HmacSHA1", Method::Sha1),
        Hash::Sha256 => ("HmacSHA256", Method::Sha256),
    };
    let mut all = params.to_vec();
    let own = [("AWSAccessKeyId", keys.access), ("SignatureMethod", name), ("SignatureVersion", "2"), ("Timestamp", &at)];
    all.extend(own);
    all.sort_unstable();
    let query = all.iter().map(|(name, value)| pair(name, value)).collect::<Vec<_>>().join("&");
    let text = string_to_sign(method, &host.to_ascii_lowercase(), path, &query);
    format!("{query}&{}", pair("Signature", &by.sign(keys.secret, &text)))
}

/// Signs with SigV4 and gives back all headers to send but Content-Length: Host, `headers` (names in lower case,
/// values without outer blanks), X-Amz-Date, X-Amz-Content-SHA256 and Authorization. `hash` is the body's SHA-256 in
/// hexadecimal or one of S3's words; see [`body_hash`].
#[must_use]
pub fn sign_v4(keys: Keys<'_>, target: &Target<'_>, headers: &[(&str, &str)], hash: &str, now_micros: i64) -> Vec<(String, String)> {
    let scope = target.scope(now_micros);
    let mut signed = headers.to_vec();
    signed.extend([("host", target.host), ("x-amz-content-sha256", hash), ("x-amz-date", scope.at.as_str())]);
    signed.sort_unstable();
    let query = canonical_query(target.query.iter().copied());
    let signature = target.signature(keys, &scope, &query, &signed, hash);
    let authorization =
        format!("AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={signature}", keys.access, scope.text(), names(&signed),);
    let mut out: Vec<_> = signed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    out.push(("authorization".to_owned(), authorization));
    out
}

/// Presigns with SigV4 and gives back the whole query. `hash` as for [`sign_v4`]; S3 takes `UNSIGNED-PAYLOAD`.
#[must_use]
pub fn presign_v4(keys: Keys<'_>, target: &Target<'_>, hash: &str, seconds: u32, now_micros: i64) -> String {
    let scope = target.scope(now_micros);
    let (credential, seconds) = (format!("{}/{}", keys.access, scope.text()), seconds.to_string());
    let mut all = target.query.to_vec();
    all.extend([
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", credential.as_str()),
        ("X-Amz-Date", scope.at.as_str()),
        ("X-Amz-Expires", seconds.as_str()),
        ("X-Amz-SignedHeaders", "host"),
    ]);
    let query = canonical_query(all.into_iter());
    let signature = target.signature(keys, &scope, &query, &[("host", target.host)], hash);
    format!("{query}&X-Amz-Signature={signature}")
}

/// Signs with S3's SigV2; gives back the Date and Authorization headers. `resource` is the path with the
/// sub-resources, `headers` are Content-MD5, Content-Type and x-amz headers, names in lower case.
#[must_use]
pub fn sign_s3_v2(keys: Keys<'_>, method: &str, resource: &str, headers: &[(&str, &str)], now_micros: i64) -> [(String, String); 2] {
    let date = to_header_date(now_micros);
    let text = s3_v2_text(method, resource, headers, &date);
    let signature = Method::Sha1.sign(keys.secret, text.as_bytes());
    [("date".into(), date), ("authorization".into(), format!("AWS {}:{signature}", keys.access))]
}

/// Presigns with S3's SigV2; gives back the parameters to add to the query. The end is in seconds since the epoch.
#[must_use]
pub fn presign_s3_v2(keys: Keys<'_>, method: &str, resource: &str, end_seconds: i64) -> String {
    let end = end_seconds.to_string();
    let signature = Method::Sha1.sign(keys.secret, s3_v2_text(method, resource, &[], &end).as_bytes());
    [("AWSAccessKeyId", keys.access), ("Expires", &end), ("Signature", &signature)].map(|(name, value)| pair(name, value)).join("&")
}

/// The running signature of a chunked upload whose headers [`sign_v4`] signed at the same time; `authorization` is the
/// header it gave.
#[must_use]
pub fn chunk_chain(keys: Keys<'_>, target: &Target<'_>, authorization: &str, now_micros: i64) -> ChunkChain {
    let seed = authorization.rsplit_once('=').map_or("", |(_, seed)| seed);
    ChunkChain::new(&target.scope(now_micros), keys.secret, seed)
}

/// The SHA-256 of a body in lower-case hexadecimal.
#[must_use]
pub fn body_hash(body: &[u8]) -> String {
    sha256_hex(body)
}

fn s3_v2_text(method: &str, resource: &str, headers: &[(&str, &str)], date: &str) -> String {
    let value = |name: &str| headers.iter().find(|(n, _)| *n == name).map_or("", |(_, v)| *v);
    let mut amz: Vec<_> = headers.iter().filter(|(n, _)| n.starts_with("x-amz-")).collect();
    amz.sort_unstable();
    let amz: String = amz.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    format!("{method}\n{}\n{}\n{date}\n{amz}{resource}", value("content-md5"), value("content-type"))
}

fn names(headers: &[(&str, &str)]) -> String {
    headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";")
}
