//! The signature of a form upload: over the base64 text of its policy (S3 API reference, "POST policy").

use crate::clock::{self, Window};
use crate::conditions::Policy;
use crate::presented::{Method, Payload, Presented, Scheme};
use crate::refusal::{Reason, Refusal};
use crate::v4::credential_scope;

/// Reads the signature of a form upload from its fields (all but the file); `None` when it is anonymous. A believed
/// form must then meet its [`Policy`]. Field names are taken in any case, as clients send both.
///
/// # Errors
/// A part missing or unreadable, two schemes at once, a field sent twice, a session token, a policy that is no policy.
pub fn detect(fields: &[(String, String)]) -> Result<Option<Presented>, Refusal> {
    let get = |name: &str| field(fields, name);
    if get("x-amz-security-token")?.is_some() {
        let why = "there are no session tokens here; use a user's own keys";
        return Err(Refusal::of(Reason::SessionToken, "x-amz-security-token", why));
    }
    let v2 = get("AWSAccessKeyId")?.is_some() || get("signature")?.is_some();
    let v4 = get("x-amz-credential")?.is_some() || get("x-amz-signature")?.is_some();
    match (v2, v4) {
        (true, true) => Err(Refusal::new(Reason::Combination, "The form is signed in more than one way")),
        (true, false) => of_v2(fields).map(Some),
        (false, true) => of_v4(fields).map(Some),
        (false, false) => Ok(None),
    }
}

fn of_v2(fields: &[(String, String)]) -> Result<Presented, Refusal> {
    let policy = need(fields, "policy")?;
    Ok(Presented {
        scheme: Scheme::PolicyV2,
        access_key: need(fields, "AWSAccessKeyId")?.to_owned(),
        method: Method::Sha1,
        signature: need(fields, "signature")?.to_owned(),
        texts: vec![policy.as_bytes().to_vec()],
        window: Window::until(Policy::parse(policy)?.expiration()),
        payload: Payload::Unsigned,
    })
}

fn of_v4(fields: &[(String, String)]) -> Result<Presented, Refusal> {
    let policy = need(fields, "policy")?;
    if need(fields, "x-amz-algorithm")? != "AWS4-HMAC-SHA256" {
        return Err(Refusal::of(Reason::InvalidParameter, "x-amz-algorithm", "use AWS4-HMAC-SHA256"));
    }
    let at = need(fields, "x-amz-date")?;
    let moment = clock::basic(at).ok_or_else(|| Refusal::of(Reason::InvalidParameter, "x-amz-date", "not a time like 20260131T235959Z"))?;
    let (access_key, scope) = credential_scope(need(fields, "x-amz-credential")?, at)?;
    Ok(Presented {
        scheme: Scheme::PolicyV4,
        access_key,
        method: Method::V4(scope),
        signature: need(fields, "x-amz-signature")?.to_owned(),
        texts: vec![policy.as_bytes().to_vec()],
        window: Window::between(moment, Policy::parse(policy)?.expiration()),
        payload: Payload::Unsigned,
    })
}

fn need<'a>(fields: &'a [(String, String)], name: &str) -> Result<&'a str, Refusal> {
    field(fields, name)?.filter(|value| !value.is_empty()).ok_or_else(|| Refusal::missing(name))
}

/// The value of a field that may stand once only.
pub(crate) fn field<'a>(fields: &'a [(String, String)], name: &str) -> Result<Option<&'a str>, Refusal> {
    let mut found = fields.iter().filter(|(field, _)| field.eq_ignore_ascii_case(name));
    let first = found.next();
    if found.next().is_some() {
        return Err(Refusal::of(Reason::Combination, name, "sent more than once"));
    }
    Ok(first.map(|(_, value)| value.as_str()))
}
