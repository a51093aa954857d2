//! Getting an object: versions, conditions, ranges, parts, and headers overridden.
use crate::access::Act;
use crate::meta::{Meta, put};
use crate::ops::tagging;
use crate::request::Request;
use crate::respond::{Answer, Segment, empty};
use crate::text::{http_date, parse_http_date};
use crate::{Door, Fault, Outcome};
use axum::body::Body;
use http::{HeaderMap, StatusCode};
use std::sync::Arc;
use stratus_store::{S3Bucket, S3Object, S3Part};

/// What a request may set of the answer's headers.
const OVERRIDES: &[(&str, &str)] = &[
    ("response-content-type", "content-type"),
    ("response-content-language", "content-language"),
    ("response-expires", "expires"),
    ("response-cache-control", "cache-control"),
    ("response-content-disposition", "content-disposition"),
    ("response-content-encoding", "content-encoding"),
];
/// How often a read that lost its file to a newer version looks again.
const TRIES: usize = 5;

/// The object that a request names, once the sender may do this with it. Actions on a version have their own names.
pub async fn found(door: &Door, r: &Request, action: &str) -> Outcome<(Arc<S3Bucket>, S3Object)> {
    let bucket = door.bucket(r.bucket()).await?;
    let version = r.version()?;
    let of_version = match (action, version) {
        ("s3:GetObject", Some(_)) => "s3:GetObjectVersion",
        ("s3:GetObjectAcl", Some(_)) => "s3:GetObjectVersionAcl",
        ("s3:PutObjectAcl", Some(_)) => "s3:PutObjectVersionAcl",
        _ => action,
    };
    let object = door.engine.object_get(bucket.id, r.key(), version).await?;
    let Some(object) = object else {
        let fault = match version {
            Some(v) => Fault::new("NoSuchVersion", "The specified version does not exist.").with("Key", r.key()).with("VersionId", v),
            None => Fault::no_key(r.key()),
        };
        return Err(door.missing(r, &bucket, fault));
    };
    if object.marker {
        let fault = match version {
            Some(_) => Fault::new("MethodNotAllowed", "The specified method is not allowed against this resource."),
            None => Fault::no_key(r.key()),
        };
        return Err(door.missing(r, &bucket, fault.with("DeleteMarker", "true").with("VersionId", &object.version)));
    }
    door.allow(r, &bucket, Act::object(of_version, &object))?;
    Ok((bucket, object))
}

/// Conditions on what is read, `prefix` in front of the headers' names (for copies).
pub fn conditions(r: &Request, object: &S3Object, prefix: &str, read: bool) -> Outcome<()> {
    let get = |name: &str| r.header(&format!("{prefix}{name}"));
    let tag_fits =
        |list: &str| list.split(',').map(|t| t.trim().trim_start_matches("W/").trim_matches('"')).any(|t| t == "*" || t == object.etag);
    let failed = |name: &str| {
        Fault::new("PreconditionFailed", "At least one of the pre-conditions you specified did not hold").with("Condition", name)
    };
    let modified = object.created / 1_000_000;
    // A time that cannot be read is no condition (RFC 9110, 13.1.3).
    let time = |name: &str| get(name).and_then(parse_http_date);
    match (get("if-match"), time("if-unmodified-since")) {
        (Some(list), _) if !tag_fits(list) => return Err(failed("If-Match")),
        (None, Some(t)) if modified > t => return Err(failed("If-Unmodified-Since")),
        _ => {}
    }
    let unchanged = match (get("if-none-match"), time("if-modified-since")) {
        (Some(list), _) => tag_fits(list),
        (None, Some(t)) => modified <= t,
        _ => false,
    };
    match (unchanged, read) {
        (true, true) => Err(Fault::new("NotModified", "Not Modified")),
        (true, false) => Err(failed("If-None-Match")),
        (false, _) => Ok(()),
    }
}

/// First byte and length of a range; `None` when the whole is meant, as for ranges nobody can read.
pub fn range(text: &str, size: u64) -> Outcome<Option<(u64, u64)>> {
    let Some(spec) = text.trim().strip_prefix("bytes=") else { return Ok(None) };
    // Several ranges in one answer are not offered; the whole is always a right answer.
    let Some((from, to)) = spec.split_once('-').filter(|_| !spec.contains(',')) else { return Ok(None) };
    let (from, to) = (from.trim(), to.trim());
    let unsatisfiable = || {
        Fault::new("InvalidRange", "The requested range is not satisfiable")
            .with("RangeRequested", text.chars().take(128).collect::<String>())
            .with("ActualObjectSize", size.to_string())
    };
    let number = |t: &str| t.parse::<u64>().ok();
    let (first, last) = match (number(from), number(to)) {
        (None, Some(n)) if from.is_empty() => {
            if n == 0 || size == 0 {
                return Err(unsatisfiable());
            }
            (size.saturating_sub(n), size - 1)
        }
        (Some(f), None) if to.is_empty() => (f, size.saturating_sub(1)),
        (Some(f), Some(t)) if f <= t => (f, t.min(size.saturating_sub(1))),
        _ => return Ok(None),
    };
    if first >= size {
        return Err(unsatisfiable());
    }
    Ok(Some((first, last - first + 1)))
}

/// The files of a piece of an object.
pub fn segments(object: &S3Object, parts: &[S3Part], from: u64, length: u64) -> Vec<Segment> {
    if let Some(blob) = &object.blob_id {
        return vec![Segment { blob: blob.clone(), from, length }];
    }
    let (mut at, mut found) = (0, Vec::new());
    for p in parts {
        let size = p.size_bytes as u64;
        let (begin, end) = (from.max(at), (from + length).min(at + size));
        if begin < end {
            found.push(Segment { blob: p.blob_id.clone(), from: begin - at, length: end - begin });
        }
        at += size;
    }
    found
}

/// The parts of an object that lies in parts.
pub async fn parts(door: &Door, object: &S3Object) -> Outcome<Vec<S3Part>> {
    match object.blob_id {
        Some(_) => Ok(Vec::new()),
        None => Ok(door.engine.object_parts(object.id).await?),
    }
}

pub async fn get(door: &Arc<Door>, r: &Request, head: bool) -> Outcome<Answer> {
    let overrides = overrides(r)?;
    for _ in 0..TRIES {
        let (bucket, object) = match found(door, r, "s3:GetObject").await {
            Err(fault) => return marker(fault, head, r),
            Ok(found) => found,
        };
        if let Err(fault) = conditions(r, &object, "", true) {
            if fault.code != "NotModified" {
                return Err(fault);
            }
            let mut answer = empty(304);
            put(answer.headers_mut(), "etag", &format!("\"{}\"", object.etag));
            put(answer.headers_mut(), "last-modified", &http_date(object.created));
            return Ok(answer);
        }
        let parts = parts(door, &object).await?;
        let size = object.size_bytes as u64;
        let piece = piece(r, &object, &parts)?;
        let mut answer = empty(if piece.is_some() { 206 } else { 200 });
        let (from, length) = piece.unwrap_or((0, size));
        show(&bucket, &object, answer.headers_mut());
        if r.header("x-amz-checksum-mode").is_some_and(|m| m.eq_ignore_ascii_case("ENABLED")) && piece.is_none() {
            Meta::read(&object.meta).show_checksums(answer.headers_mut());
        }
        if piece.is_some() {
            put(answer.headers_mut(), "content-range", &format!("bytes {from}-{}/{size}", (from + length).saturating_sub(1)));
        }
        if r.param("partNumber").is_some() && !parts.is_empty() {
            put(answer.headers_mut(), "x-amz-mp-parts-count", &parts.len().to_string());
        }
        overrides.iter().for_each(|(name, value)| put(answer.headers_mut(), name, value));
        put(answer.headers_mut(), "content-length", &length.to_string());
        if head {
            return Ok(answer);
        }
        let segments = segments(&object, &parts, from, length);
        let several = segments.len() > 1;
        let Some(body) = door.body(segments, r).await? else { continue };
        // The parts are held from here on; whether they were still there when that began, the row says.
        if several && door.engine.object_get(bucket.id, r.key(), Some(&object.version)).await?.is_none_or(|o| o.id != object.id) {
            continue;
        }
        *answer.body_mut() = body;
        return Ok(answer);
    }
    Err(Fault::new("SlowDown", "The object is being replaced again and again; please try later"))
}

/// What is asked for of the object: a range or a part; `None` for all of it.
fn piece(r: &Request, object: &S3Object, parts: &[S3Part]) -> Outcome<Option<(u64, u64)>> {
    let size = object.size_bytes as u64;
    if let Some(text) = r.param("partNumber") {
        if r.header("range").is_some() {
            return Err(Fault::new("InvalidRequest", "Cannot specify both Range header and partNumber query parameter"));
        }
        let number = text.parse::<usize>().ok().filter(|n| (1..=10_000).contains(n));
        let number =
            number.ok_or_else(|| Fault::argument("partNumber", text, "Part number must be an integer between 1 and 10000, inclusive"))?;
        if parts.is_empty() && number == 1 {
            return Ok((size > 0).then_some((0, size)));
        }
        let missing = || Fault::new("InvalidRange", "The requested partnumber is not satisfiable");
        let part = parts.get(number - 1).ok_or_else(missing)?;
        let before: i64 = parts[..number - 1].iter().map(|p| p.size_bytes).sum();
        return Ok(Some((before as u64, part.size_bytes as u64)));
    }
    let Some(text) = r.header("range") else { return Ok(None) };
    // With If-Range, a range of another version is no range.
    if let Some(wanted) = r.header("if-range") {
        let same = wanted.trim_matches('"') == object.etag || parse_http_date(wanted).is_some_and(|t| object.created / 1_000_000 <= t);
        if !same {
            return Ok(None);
        }
    }
    range(text, size)
}

fn overrides(r: &Request) -> Outcome<Vec<(&'static str, String)>> {
    let found: Vec<_> = OVERRIDES.iter().filter_map(|(param, header)| r.params.get(param).map(|v| (*header, v.to_owned()))).collect();
    if !found.is_empty() && r.who.is_none() {
        return Err(Fault::new("InvalidRequest", "Request specific response headers cannot be used for anonymous GET requests."));
    }
    Ok(found)
}

/// The headers of an object.
fn show(bucket: &S3Bucket, object: &S3Object, out: &mut HeaderMap) {
    Meta::read(&object.meta).show(out);
    put(out, "etag", &format!("\"{}\"", object.etag));
    put(out, "last-modified", &http_date(object.created));
    put(out, "accept-ranges", "bytes");
    if !bucket.versioning.is_empty() {
        put(out, "x-amz-version-id", &object.version);
    }
    let tags = tagging::read(object.tags.as_deref()).len();
    if tags > 0 {
        put(out, "x-amz-tagging-count", &tags.to_string());
    }
}

/// A fault for a delete marker says so in headers too.
fn marker(fault: Fault, head: bool, r: &Request) -> Outcome<Answer> {
    let value = |name: &str| fault.more.iter().find(|(n, _)| *n == name).map(|(_, v)| v.clone());
    if value("DeleteMarker").is_none() {
        return Err(fault);
    }
    let mut answer = crate::respond::fault(&fault, head, &r.path, &r.id);
    put(answer.headers_mut(), "x-amz-delete-marker", "true");
    put(answer.headers_mut(), "x-amz-version-id", &value("VersionId").unwrap_or_default());
    if head {
        *answer.body_mut() = Body::empty();
        *answer.status_mut() = StatusCode::from_u16(fault.status()).unwrap_or(StatusCode::NOT_FOUND);
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_http_has_them() {
        for (text, wanted) in [
            ("bytes=0-0", Ok(Some((0, 1)))),
            ("bytes=2-", Ok(Some((2, 8)))),
            ("bytes=2-100", Ok(Some((2, 8)))),
            ("bytes=-3", Ok(Some((7, 3)))),
            ("bytes=-30", Ok(Some((0, 10)))),
            ("bytes=10-", Err("InvalidRange")),
            ("bytes=-0", Err("InvalidRange")),
            ("bytes=5-2", Ok(None)),
            ("bytes=0-1,3-4", Ok(None)),
            ("lines=1-2", Ok(None)),
            ("bytes=a-b", Ok(None)),
        ] {
            assert_eq!(range(text, 10).map_err(|f| f.code), wanted, "{text}");
        }
        assert_eq!(range("bytes=0-", 0).map_err(|f| f.code), Err("InvalidRange"));
    }

    #[test]
    fn a_piece_may_cross_parts() {
        let part = |blob: &str, size| S3Part { blob_id: blob.into(), size_bytes: size, ..Default::default() };
        let parts = [part("a", 5), part("b", 5), part("c", 2)];
        let found = segments(&S3Object::default(), &parts, 3, 8);
        let found: Vec<_> = found.iter().map(|s| (s.blob.as_str(), s.from, s.length)).collect();
        assert_eq!(found, [("a", 3, 2), ("b", 0, 5), ("c", 0, 1)]);
    }
}
