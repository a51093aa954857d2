//! The native API's signature (catalog/README.md "Signature"): HMAC-SHA1 over the sorted, lower-cased query.
use crate::request::Pair;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha1::Sha1;
use stratus_model::{Error, Micros, Result, parse_date};

/// What Java's URLEncoder leaves: letters, digits and `. - * _`.
const JAVA: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'*').remove(b'_');
/// What Python's `quote` and JavaScript leave beside these.
const PYTHON: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'_').remove(b'~');
const TILDE: &AsciiSet = &PYTHON.remove(b'*');
const NEITHER: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'_');

/// The value of a parameter whose name is compared without regard to case.
pub fn loose<'a>(pairs: &'a [Pair], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
}

/// Whether the request is signed with this secret and, in signature version 3, not past its end.
pub fn verify(pairs: &[Pair], secret: &str, now: Micros) -> Result<()> {
    let given = loose(pairs, "signature").and_then(|s| STANDARD.decode(s.trim()).ok()).ok_or(Error::Unauthenticated)?;
    if loose(pairs, "signatureversion") == Some("3") {
        let end = loose(pairs, "expires").and_then(parse_date).ok_or(Error::Unauthenticated)?;
        if end < now {
            return Err(Error::Unauthenticated);
        }
    }
    // Clients sort by the name as sent or lower-cased, and differ in how they write `*` and `~`; `[` in names stays as it is. Most
    // requests read the same in all of these, so each text is signed once; which one fits is no secret.
    let mut tried: Vec<String> = Vec::new();
    for encoding in [JAVA, PYTHON, TILDE, NEITHER] {
        for folded in [false, true] {
            let text = text(pairs, encoding, folded);
            if tried.contains(&text) {
                continue;
            }
            let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(secret.as_bytes()) else { return Err(Error::Unauthenticated) };
            mac.update(text.as_bytes());
            if bool::from(subtle::ConstantTimeEq::ct_eq(&mac.finalize().into_bytes()[..], &given[..])) {
                return Ok(());
            }
            tried.push(text);
        }
    }
    Err(Error::Unauthenticated)
}

fn text(pairs: &[Pair], encoding: &'static AsciiSet, folded: bool) -> String {
    let mut sorted: Vec<&Pair> = pairs.iter().filter(|(n, _)| !n.eq_ignore_ascii_case("signature")).collect();
    if folded {
        sorted.sort_by_key(|(n, _)| n.to_lowercase());
    } else {
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
    }
    let parts: Vec<String> = sorted.iter().map(|(n, v)| format!("{n}={}", utf8_percent_encode(v, encoding))).collect();
    parts.join("&").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(of: &[(&str, &str)]) -> Vec<Pair> {
        of.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    }

    /// The worked example of the developer's guide (promise API-03).
    #[test]
    fn the_documented_example_verifies() {
        let key = "plgWJfZK4gyS3mOMTVmjUVg-X-jlWlnfaUJ9GAbBbf9EdM-kAYMmAiLqzzq1ElZLYq_u38zCm0bewzGUdP66mg";
        let secret = "VDaACYb0LV9eNjTetIOElcVQkvJck_J_QljX_FcHRj87ZKiy0z0ty0ZsYBkoXkY9b7eq1EhwJaw7FF3akA3KBQ";
        let signed =
            pairs(&[("command", "listUsers"), ("response", "json"), ("apikey", key), ("signature", "TTpdDq/7j/J58XCRHomKoQXEQds=")]);
        assert!(verify(&signed, secret, 0).is_ok());
        assert!(verify(&signed, "another", 0).is_err());
        let mut changed = signed.clone();
        changed[0].1 = "listHosts".into();
        assert!(verify(&changed, secret, 0).is_err());
    }

    #[test]
    fn version_three_needs_an_end_in_the_future() {
        let sign = |p: &mut Vec<Pair>| {
            let mut mac = Hmac::<Sha1>::new_from_slice(b"s").expect("any length");
            mac.update(text(p, JAVA, false).as_bytes());
            p.push(("signature".into(), STANDARD.encode(mac.finalize().into_bytes())));
        };
        let mut p = pairs(&[("command", "x"), ("signatureVersion", "3"), ("expires", "2026-11-21T05:00:00+0000")]);
        sign(&mut p);
        let end = parse_date("2026-11-21T05:00:00+0000").expect("a date");
        assert!(verify(&p, "s", end - 1).is_ok());
        assert!(verify(&p, "s", end + 1).is_err());
        let mut p = pairs(&[("command", "x"), ("signatureVersion", "3")]);
        sign(&mut p);
        assert!(verify(&p, "s", 0).is_err());
    }
}
