//! S3's SigV2, in the Authorization header and in the query (S3 API reference, "Signing and authenticating REST
//! requests", SigV2).

use crate::clock::{self, Window};
use crate::params::Params;
use crate::presented::{Method, Payload, Presented, Scheme};
use crate::refusal::{Reason, Refusal};
use crate::request::Request;
use std::collections::BTreeMap;

/// The parameters that are part of the resource; all others are not signed.
const SUB_RESOURCES: &[&str] = &[
    "accelerate",
    "acl",
    "analytics",
    "cors",
    "delete",
    "inventory",
    "lifecycle",
    "location",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "partNumber",
    "policy",
    "replication",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "select",
    "select-type",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
];

/// Where the S3 door stands, for the clients that leave some of it out of what they sign.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mount<'a> {
    /// the path before the bucket, without a slash at its end; empty on a listener of its own
    pub prefix: &'a str,
    /// the bucket, when the Host names it instead of the path
    pub bucket: Option<&'a str>,
}

impl Mount<'_> {
    /// The resources a path may have been signed as: boto 2 signs it as sent, botocore without the prefix; a bucket
    /// alone with or without the slash after it.
    fn resources(&self, path: &str) -> Vec<String> {
        let inside = path.strip_prefix(self.prefix).filter(|rest| rest.is_empty() || rest.starts_with('/'));
        // A slash after a key names another object, so only a bucket may lose or gain one.
        let slash_is_free = is_bucket(&self.resource(inside.unwrap_or(path)));
        let mut out: Vec<String> = Vec::with_capacity(4);
        for path in [Some(path), inside].into_iter().flatten() {
            let resource = self.resource(path);
            let other = match resource.strip_suffix('/') {
                Some(bare) => bare.to_owned(),
                None => format!("{resource}/"),
            };
            for text in [Some(resource), slash_is_free.then_some(other)].into_iter().flatten() {
                if !out.contains(&text) {
                    out.push(text);
                }
            }
        }
        out
    }

    fn resource(&self, path: &str) -> String {
        let path = if path.is_empty() { "/" } else { path };
        self.bucket.map_or_else(|| path.to_owned(), |bucket| format!("/{bucket}{path}"))
    }
}

/// Whether a resource is a bucket and nothing below it.
fn is_bucket(resource: &str) -> bool {
    let name = resource.strip_prefix('/').unwrap_or(resource);
    let name = name.strip_suffix('/').unwrap_or(name);
    !name.is_empty() && !name.contains('/')
}

/// The claim of a request with the header `AWS key:signature`; `rest` is what follows `AWS `.
pub(crate) fn of_header(request: &Request<'_>, params: &Params, rest: &str, mount: &Mount<'_>) -> Result<Presented, Refusal> {
    let bad = |field: &str, why: &str| Refusal::of(Reason::Malformed, field, why);
    let (key, signature) = rest.trim().rsplit_once(':').ok_or_else(|| bad("Authorization", "not AWS key:signature"))?;
    let amz = request.header("x-amz-date")?;
    let date = request.header("date")?;
    let Some(when) = amz.or(date) else {
        return Err(Refusal::of(Reason::NotCovered, "Date", "a signed request needs Date or x-amz-date"));
    };
    let moment = clock::header_date(when).ok_or_else(|| bad("Date", "not a time"))?;
    // x-amz-date stands among the x-amz headers, and then Date does not count.
    let date = if amz.is_some() { "" } else { date.unwrap_or_default() };
    Ok(Presented {
        scheme: Scheme::S3V2Header,
        access_key: key.to_owned(),
        method: Method::Sha1,
        signature: signature.to_owned(),
        texts: texts(request, params, date, mount)?,
        window: Window::around(moment),
        payload: Payload::Unsigned,
    })
}

/// The claim of a presigned request.
pub(crate) fn of_query(request: &Request<'_>, params: &Params, mount: &Mount<'_>) -> Result<Presented, Refusal> {
    let expires = params.require("Expires")?;
    let end = clock::epoch_seconds(expires)
        .ok_or_else(|| Refusal::of(Reason::InvalidParameter, "Expires", "not a number of seconds since 1970"))?;
    Ok(Presented {
        scheme: Scheme::S3V2Query,
        access_key: params.require("AWSAccessKeyId")?.to_owned(),
        method: Method::Sha1,
        signature: params.require("Signature")?.to_owned(),
        texts: texts(request, params, expires, mount)?,
        window: Window::until(end),
        payload: Payload::Unsigned,
    })
}

fn texts(request: &Request<'_>, params: &Params, date: &str, mount: &Mount<'_>) -> Result<Vec<Vec<u8>>, Refusal> {
    let mut head = Vec::new();
    for line in
        [request.method, request.header("content-md5")?.unwrap_or_default(), request.header("content-type")?.unwrap_or_default(), date]
    {
        head.extend_from_slice(line.as_bytes());
        head.push(b'\n');
    }
    head.extend(amz_headers(request));
    let query = sub_resources(params)?;
    let resources = mount.resources(request.path_or_root());
    Ok(resources.iter().map(|path| [head.as_slice(), path.as_bytes(), query.as_bytes()].concat()).collect())
}

/// The x-amz headers, `name:value` with several values joined by commas, sorted.
fn amz_headers(request: &Request<'_>) -> Vec<u8> {
    let mut lines: BTreeMap<&str, Vec<&[u8]>> = BTreeMap::new();
    for (name, value) in request.headers {
        if name.as_str().starts_with("x-amz-") {
            lines.entry(name.as_str()).or_default().push(value.as_bytes().trim_ascii());
        }
    }
    let mut out = Vec::new();
    for (name, values) in lines {
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        out.extend(values.join(&b','));
        out.push(b'\n');
    }
    out
}

/// The sub-resources, sorted, their values decoded; `?` in front when there are any.
fn sub_resources(params: &Params) -> Result<String, Refusal> {
    let mut found = Vec::new();
    for param in params.iter().filter(|p| SUB_RESOURCES.contains(&p.name.as_str())) {
        // The scheme does not encode values, so `a=1%26acl` would be signed as `a=1&acl` is.
        let hides = |part: &str| SUB_RESOURCES.contains(&part.split('=').next().unwrap_or_default());
        if param.value.split('&').skip(1).any(hides) {
            return Err(Refusal::of(Reason::InvalidParameter, &param.name, "cannot be told from two parameters"));
        }
        found.push(if param.bare() { param.name.clone() } else { format!("{}={}", param.name, param.value) });
    }
    found.sort();
    Ok(if found.is_empty() { String::new() } else { format!("?{}", found.join("&")) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_signed_with_or_without_what_the_client_does_not_know() {
        let mount = Mount { prefix: "/awsapi/rest/AmazonS3", bucket: None };
        let at = |mount: Mount<'_>, path: &str| mount.resources(path);
        assert_eq!(at(mount, "/awsapi/rest/AmazonS3/b/k/"), ["/awsapi/rest/AmazonS3/b/k/", "/b/k/"]);
        assert_eq!(at(mount, "/awsapi/rest/AmazonS3/b"), ["/awsapi/rest/AmazonS3/b", "/awsapi/rest/AmazonS3/b/", "/b", "/b/"]);
        assert_eq!(at(mount, "/awsapi/rest/AmazonS3"), ["/awsapi/rest/AmazonS3", "/"]);
        let root = Mount { prefix: "", bucket: None };
        assert_eq!(at(root, "/b/"), ["/b/", "/b"]);
        assert_eq!(at(root, "/b//"), ["/b//"]);
        let host = Mount { prefix: "/p", bucket: Some("b") };
        assert_eq!(at(host, "/p/k"), ["/b/p/k", "/b/k"]);
    }
}
