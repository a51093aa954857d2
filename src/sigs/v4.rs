//! SigV4, in the Authorization header and in the query (AWS general reference, "Signature Version 4").
//!
//! Region and service of the scope are hashed as sent and compared with nothing: clients fill them with what they
//! like, and the keys of this cloud are good for all of it.

use crate::clock::{self, Window};
use crate::crypto::{sha256, sha256_hex};
use crate::params::{Origin, Param, Params};
use crate::presented::{Method, Payload, Presented, Scheme, Scope};
use crate::refusal::{Reason, Refusal};
use crate::request::{Body, Request};
use crate::text::{digest_from_hex, encode_path};
use crate::v2::pair;

const CONTENT_HASH: &str = "x-amz-content-sha256";
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// What differs between the doors.
#[derive(Clone, Copy)]
pub(crate) enum Door<'a> {
    /// the whole body, which is always hashed
    Ec2(&'a [u8]),
    S3,
}

/// The claim of a request with an Authorization header; `rest` is what follows the algorithm.
pub(crate) fn of_header(request: &Request<'_>, params: &Params, rest: &str, door: Door<'_>) -> Result<Presented, Refusal> {
    let [credential, signed, signature] = authorization(rest)?;
    let (at, moment) = header_time(request)?;
    let (access_key, scope) = credential_scope(credential, &at)?;
    let signed = SignedHeaders::parse(signed)?;
    signed.covers(request, "host")?;
    if signed.covers(request, "x-amz-date").is_err() {
        signed.covers(request, "date")?;
    }
    if matches!(door, Door::S3) {
        signed.covers_all_amz(request)?;
    }
    let (payload, hash) = payload(request, door, request.header(CONTENT_HASH)?)?;
    let texts = texts(request, params, &signed, &hash, &scope, door)?;
    Ok(Presented {
        scheme: Scheme::V4Header,
        access_key,
        method: Method::V4(scope),
        signature: signature.to_owned(),
        texts,
        window: Window::around(moment),
        payload,
    })
}

/// The claim of a presigned request.
pub(crate) fn of_query(request: &Request<'_>, params: &Params, door: Door<'_>) -> Result<Presented, Refusal> {
    let need = |name: &str| params.in_query(name).ok_or_else(|| Refusal::missing(name));
    let bad = |name: &str, why: &str| Refusal::of(Reason::InvalidParameter, name, why);
    if need("X-Amz-Algorithm")? != "AWS4-HMAC-SHA256" {
        return Err(bad("X-Amz-Algorithm", "use AWS4-HMAC-SHA256"));
    }
    let at = need("X-Amz-Date")?;
    let moment = clock::basic(at).ok_or_else(|| bad("X-Amz-Date", "not a time like 20260131T235959Z"))?;
    let life = clock::lifetime(need("X-Amz-Expires")?).ok_or_else(|| bad("X-Amz-Expires", "not a number of seconds from 1 to 604800"))?;
    let (access_key, scope) = credential_scope(need("X-Amz-Credential")?, at)?;
    let signed = SignedHeaders::parse(need("X-Amz-SignedHeaders")?)?;
    signed.covers(request, "host")?;
    let mut declared = params.in_query(CONTENT_HASH);
    if matches!(door, Door::S3) {
        signed.covers_all_amz(request)?;
        declared = declared.or(request.header(CONTENT_HASH)?).or(Some(UNSIGNED));
    }
    let (payload, hash) = payload(request, door, declared)?;
    Ok(Presented {
        scheme: Scheme::V4Query,
        access_key,
        signature: need("X-Amz-Signature")?.to_owned(),
        texts: texts(request, params, &signed, &hash, &scope, door)?,
        method: Method::V4(scope),
        window: Window::between(moment, moment.saturating_add(life)),
        payload,
    })
}

/// Credential, SignedHeaders and Signature, separated by commas with or without blanks, each once.
fn authorization(rest: &str) -> Result<[&str; 3], Refusal> {
    let bad = |why: &str| Refusal::of(Reason::Malformed, "Authorization", why);
    let mut found = [None; 3];
    for part in rest.split(',') {
        let (name, value) = part.trim().split_once('=').ok_or_else(|| bad("a part without ="))?;
        let slot = ["Credential", "SignedHeaders", "Signature"].iter().position(|known| *known == name);
        let slot = slot.ok_or_else(|| bad("an unknown part"))?;
        if found[slot].replace(value).is_some() {
            return Err(bad("a part comes twice"));
        }
    }
    match found {
        [Some(credential), Some(signed), Some(signature)] => Ok([credential, signed, signature]),
        _ => Err(bad("needs Credential, SignedHeaders and Signature")),
    }
}

/// X-Amz-Date, or Date in its place, in the basic form and in microseconds.
fn header_time(request: &Request<'_>) -> Result<(String, i64), Refusal> {
    let (name, moment) = match request.header("x-amz-date")? {
        Some(text) => ("X-Amz-Date", clock::basic(text)),
        None => match request.header("date")? {
            Some(text) => ("Date", clock::header_date(text)),
            None => return Err(Refusal::of(Reason::Malformed, "X-Amz-Date", "missing")),
        },
    };
    let moment = moment.ok_or_else(|| Refusal::of(Reason::Malformed, name, "not a time"))?;
    Ok((clock::to_basic(moment), moment))
}

/// `<key>/<day>/<region>/<service>/aws4_request`, read from the right, since a key is the sender's text.
pub(crate) fn credential_scope(credential: &str, at: &str) -> Result<(String, Scope), Refusal> {
    let bad = |why: &str| Refusal::of(Reason::Malformed, "Credential", why);
    let mut parts = credential.rsplitn(5, '/');
    let (Some(end), Some(service), Some(region), Some(day), Some(key)) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(bad("not <key>/<day>/<region>/<service>/aws4_request"));
    };
    if end != "aws4_request" || key.is_empty() {
        return Err(bad("not <key>/<day>/<region>/<service>/aws4_request"));
    }
    if at.get(..8) != Some(day) {
        return Err(Refusal::of(Reason::Mismatch, "Credential", "its day is not the day of X-Amz-Date"));
    }
    let scope = Scope { day: day.into(), region: region.into(), service: service.into(), at: at.into() };
    Ok((key.to_owned(), scope))
}

/// The names of the headers that were signed, in the order of the list.
struct SignedHeaders<'a> {
    list: &'a str,
    names: Vec<&'a str>,
}

impl<'a> SignedHeaders<'a> {
    fn parse(list: &'a str) -> Result<Self, Refusal> {
        let names: Vec<&str> = list.split(';').collect();
        // Strictly rising: AWS wants them sorted, and no name can then come twice.
        let sorted = names.windows(2).all(|two| two[0] < two[1]);
        if !sorted || names.iter().any(|n| n.is_empty() || n.bytes().any(|c| c.is_ascii_uppercase())) {
            let why = "not a sorted list of names in lower case";
            return Err(Refusal::of(Reason::Malformed, "SignedHeaders", why));
        }
        Ok(Self { list, names })
    }

    /// That a header was sent and signed.
    fn covers(&self, request: &Request<'_>, name: &str) -> Result<(), Refusal> {
        if self.names.contains(&name) && request.headers.contains_key(name) {
            return Ok(());
        }
        Err(Refusal::of(Reason::NotCovered, name, "must be sent and be among the signed headers"))
    }

    /// That nobody on the way has added a header S3 acts upon.
    fn covers_all_amz(&self, request: &Request<'_>) -> Result<(), Refusal> {
        // The hash is part of what is signed whether or not the header is.
        let acts = |name: &&str| name.starts_with("x-amz-") && *name != CONTENT_HASH;
        let mut names = request.headers.keys().map(http::HeaderName::as_str).filter(acts);
        names.try_for_each(|name| self.covers(request, name))
    }

    /// `name:value` lines; values trimmed, blanks collapsed, several values joined by commas.
    fn block(&self, request: &Request<'_>) -> Result<Vec<u8>, Refusal> {
        let mut out = Vec::new();
        for name in &self.names {
            if !request.headers.contains_key(*name) {
                return Err(Refusal::of(Reason::Mismatch, name, "signed, but not in the request; a proxy may drop it"));
            }
            out.extend_from_slice(name.as_bytes());
            for (i, value) in request.headers.get_all(*name).iter().enumerate() {
                out.push(if i == 0 { b':' } else { b',' });
                let words = value.as_bytes().split(|c| matches!(c, b' ' | b'\t')).filter(|word| !word.is_empty());
                out.extend(words.collect::<Vec<_>>().join(&b' '));
            }
            out.push(b'\n');
        }
        Ok(out)
    }
}

/// What the body must be, and the text that stands for it in the canonical request.
fn payload(request: &Request<'_>, door: Door<'_>, declared: Option<&str>) -> Result<(Payload, String), Refusal> {
    if let Door::Ec2(body) = door {
        let hash = sha256_hex(body);
        let same = |declared: Option<&str>| declared.is_none_or(|text| text == hash);
        if !same(declared) || !same(request.header(CONTENT_HASH)?) {
            return Err(wrong_body());
        }
        return Ok((Payload::Checked, hash));
    }
    let Some(declared) = declared else {
        return match request.body {
            Body::Whole(body) => Ok((Payload::Checked, sha256_hex(body))),
            Body::Later => Err(Refusal::of(Reason::InvalidParameter, CONTENT_HASH, "missing")),
        };
    };
    let payload = match declared {
        UNSIGNED => Payload::Unsigned,
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => Payload::Chunks { trailer: false },
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => Payload::Chunks { trailer: true },
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Payload::UnsignedChunks,
        text => {
            let why = "neither a SHA-256 in hexadecimal nor a known word";
            let wanted = digest_from_hex(text).ok_or_else(|| Refusal::of(Reason::InvalidParameter, CONTENT_HASH, why))?;
            match request.body {
                Body::Whole(body) if sha256(body) != wanted => return Err(wrong_body()),
                Body::Whole(_) => Payload::Checked,
                Body::Later => Payload::Sha256(wanted),
            }
        }
    };
    Ok((payload, declared.to_owned()))
}

fn wrong_body() -> Refusal {
    Refusal::of(Reason::BodyMismatch, CONTENT_HASH, "the body has another hash")
}

/// The query re-encoded, or its pairs as sent; the path as sent, and at the EC2 door also encoded once more, as the
/// standard has it for all services but S3.
fn texts(
    request: &Request<'_>,
    params: &Params,
    signed: &SignedHeaders<'_>,
    hash: &str,
    scope: &Scope,
    door: Door<'_>,
) -> Result<Vec<Vec<u8>>, Refusal> {
    let counts = |p: &&Param| p.origin == Origin::Query && !p.name.eq_ignore_ascii_case("X-Amz-Signature");
    let pairs: Vec<&Param> = params.iter().filter(counts).collect();
    let encoded = sorted(pairs.iter().map(|p| pair(&p.name, &p.value)).collect());
    let raw = sorted(pairs.iter().map(|p| if p.bare() { format!("{}=", p.raw) } else { p.raw.clone() }).collect());
    let block = signed.block(request)?;
    let path = request.path_or_root().to_owned();
    let mut paths = vec![path];
    if matches!(door, Door::Ec2(_)) {
        paths.push(encode_path(&paths[0]));
    }
    let mut texts = Vec::with_capacity(4);
    for path in &paths {
        for query in [&encoded, &raw] {
            let canonical = canonical_request(request.method, path, query, &block, signed.list, hash);
            let text = scope.string_to_sign(&canonical);
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
    }
    Ok(texts)
}

fn sorted(mut pairs: Vec<String>) -> String {
    // By name, then by value: `=` must not take part in the order of names.
    pairs.sort_by(|a, b| a.split_once('=').cmp(&b.split_once('=')));
    pairs.join("&")
}

/// The canonical query of decoded pairs.
pub(crate) fn canonical_query<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    sorted(pairs.map(|(name, value)| pair(name, value)).collect())
}

pub(crate) fn canonical_request(method: &str, path: &str, query: &str, headers: &[u8], signed: &str, hash: &str) -> Vec<u8> {
    let mut out = format!("{method}\n{path}\n{query}\n").into_bytes();
    out.extend_from_slice(headers);
    out.extend_from_slice(format!("\n{signed}\n{hash}").as_bytes());
    out
}
