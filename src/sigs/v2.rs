//! SigV2 of the Query services (EC2 API reference, "Signature Version 2").

use crate::clock::{self, Window};
use crate::params::{Param, Params};
use crate::presented::{Method, Payload, Presented, Scheme};
use crate::refusal::{Reason, Refusal};
use crate::request::Request;
use crate::text::encode;

/// The claim of a request whose parameters hold the signature.
pub(crate) fn of_params(request: &Request<'_>, params: &Params) -> Result<Presented, Refusal> {
    let version = params.get("SignatureVersion").ok_or_else(|| Refusal::missing("SignatureVersion"))?;
    if version != "2" {
        return Err(Refusal::of(Reason::InvalidParameter, "SignatureVersion", "only 2 is accepted, or SigV4"));
    }
    let method = match params.require("SignatureMethod")? {
        "HmacSHA256" => Method::Sha256,
        "HmacSHA1" => Method::Sha1,
        _ => return Err(Refusal::of(Reason::InvalidParameter, "SignatureMethod", "use HmacSHA256 or HmacSHA1")),
    };
    Ok(Presented {
        scheme: Scheme::V2,
        access_key: params.require("AWSAccessKeyId")?.to_owned(),
        signature: params.require("Signature")?.to_owned(),
        window: window(params)?,
        texts: texts(request, params)?,
        method,
        payload: Payload::Checked,
    })
}

fn window(params: &Params) -> Result<Window, Refusal> {
    let at =
        |name: &str, text: &str| clock::extended(text).ok_or_else(|| Refusal::of(Reason::InvalidParameter, name, "not an ISO 8601 time"));
    match (params.get("Timestamp"), params.get("Expires")) {
        (Some(text), None) => at("Timestamp", text).map(Window::around),
        (None, Some(text)) => at("Expires", text).map(Window::until),
        (Some(_), Some(_)) => Err(Refusal::of(Reason::Combination, "Expires", "excludes Timestamp")),
        (None, None) => Err(Refusal::missing("Timestamp")),
    }
}

/// As the standard has it; with the pairs as sent (the registration script signs those); both again without the
/// port of Host, as some old tools have it.
fn texts(request: &Request<'_>, params: &Params) -> Result<Vec<Vec<u8>>, Refusal> {
    let mut signed: Vec<&Param> = params.iter().filter(|p| p.name != "Signature").collect();
    signed.sort_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
    let encoded = signed.iter().map(|p| pair(&p.name, &p.value)).collect::<Vec<_>>().join("&");
    let raw = signed.iter().map(|p| p.raw.as_str()).collect::<Vec<_>>().join("&");

    let host = request.host()?.to_ascii_lowercase();
    let bare = without_port(&host);
    let mut texts = Vec::with_capacity(4);
    for host in [&host, bare] {
        for query in [&encoded, &raw] {
            let text = string_to_sign(request.method, host, request.path_or_root(), query);
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
    }
    Ok(texts)
}

pub(crate) fn string_to_sign(method: &str, host: &str, path: &str, query: &str) -> Vec<u8> {
    format!("{method}\n{host}\n{path}\n{query}").into_bytes()
}

pub(crate) fn pair(name: &str, value: &str) -> String {
    format!("{}={}", encode(name), encode(value))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !name.is_empty() && port.bytes().all(|c| c.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_goes_and_the_rest_stays() {
        for (host, bare) in [("a:7080", "a"), ("a", "a"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]"), (":80", ":80")] {
            assert_eq!(without_port(host), bare);
        }
    }
}
