//! Which scheme a request was signed with. One and no more.

use crate::params::Params;
use crate::presented::Presented;
use crate::refusal::{Reason, Refusal};
use crate::request::{Body, Request};
use crate::s3v2::{self, Mount};
use crate::v2;
use crate::v4::{self, Door};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Where the credentials of a request stand.
#[derive(Default)]
struct Found<'a> {
    header: Option<&'a str>,
    v4_query: bool,
    v2_query: bool,
}

impl<'a> Found<'a> {
    fn in_request(request: &Request<'a>, params: &Params) -> Result<Self, Refusal> {
        let found = Self {
            header: request.header("authorization")?,
            v4_query: ["X-Amz-Algorithm", "X-Amz-Signature", "X-Amz-Credential"].iter().any(|name| params.in_query(name).is_some()),
            v2_query: ["Signature", "AWSAccessKeyId"].iter().any(|name| params.get(name).is_some()),
        };
        let schemes = [found.header.is_some(), found.v4_query, found.v2_query];
        if schemes.iter().filter(|there| **there).count() > 1 {
            return Err(Refusal::new(Reason::Combination, "The request is signed in more than one way"));
        }
        Ok(found)
    }
}

/// Reads the signature of an EC2 Query request; `None` when it has none.
///
/// `params` are those of the query and the form body together, see [`Params::of_request`].
///
/// # Errors
/// Everything that is wrong whatever the secret: parts missing or unreadable, an unsupported scheme, a session token,
/// a body that is not the one whose hash was sent.
pub fn detect_ec2(request: &Request<'_>, params: &Params) -> Result<Option<Presented>, Refusal> {
    no_session_token(request, params)?;
    let Body::Whole(body) = request.body else {
        return Err(Refusal::of(Reason::Malformed, "body", "must be read before it is checked"));
    };
    let found = Found::in_request(request, params)?;
    if let Some(header) = found.header {
        let rest = of_algorithm(header).ok_or_else(unknown_scheme)?;
        return v4::of_header(request, params, rest, Door::Ec2(body)).map(Some);
    }
    if found.v4_query {
        return v4::of_query(request, params, Door::Ec2(body)).map(Some);
    }
    if found.v2_query || params.get("SignatureVersion").is_some() {
        return v2::of_params(request, params).map(Some);
    }
    Ok(None)
}

/// Reads the signature of an S3 REST request; `None` when it is anonymous.
///
/// `params` are those of the query, see [`Params::of_query`]; `mount` says where the door stands.
///
/// # Errors
/// As [`detect_ec2`].
pub fn detect_s3(request: &Request<'_>, params: &Params, mount: &Mount<'_>) -> Result<Option<Presented>, Refusal> {
    no_session_token(request, params)?;
    let found = Found::in_request(request, params)?;
    if let Some(header) = found.header {
        if let Some(rest) = header.strip_prefix("AWS ") {
            return s3v2::of_header(request, params, rest, mount).map(Some);
        }
        let rest = of_algorithm(header).ok_or_else(unknown_scheme)?;
        return v4::of_header(request, params, rest, Door::S3).map(Some);
    }
    if found.v4_query {
        return v4::of_query(request, params, Door::S3).map(Some);
    }
    if found.v2_query {
        return s3v2::of_query(request, params, mount).map(Some);
    }
    Ok(None)
}

fn of_algorithm(header: &str) -> Option<&str> {
    header.strip_prefix(ALGORITHM).filter(|rest| rest.starts_with(' '))
}

fn unknown_scheme() -> Refusal {
    Refusal::of(Reason::Malformed, "Authorization", "not a signing method known here; use AWS4-HMAC-SHA256")
}

fn no_session_token(request: &Request<'_>, params: &Params) -> Result<(), Refusal> {
    const HEADER: &str = "x-amz-security-token";
    let sent = request.headers.contains_key(HEADER) || params.in_query(HEADER).is_some() || params.get("SecurityToken").is_some();
    if sent {
        return Err(Refusal::of(Reason::SessionToken, HEADER, "there are no session tokens here; use a user's own keys"));
    }
    Ok(())
}
