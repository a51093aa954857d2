//! Parameters of a query or a form body, in order of arrival.

use crate::refusal::{Reason, Refusal};
use crate::request::{Body, Request};
use crate::text::decode;
use std::collections::HashSet;

/// How much a door takes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// parameters in all
    pub count: usize,
    /// bytes of one name, as sent
    pub name: usize,
    /// bytes of one value, as sent
    pub value: usize,
    /// whether a name may come twice
    pub repeats: bool,
}

impl Limits {
    /// The EC2 door: user data of 16 KiB is 22 KB in base64 and more when encoded; no name comes twice.
    pub const EC2: Self = Self { count: 4096, name: 256, value: 128 * 1024, repeats: false };
    /// The S3 door, where values are key names and policies of presigned requests.
    pub const S3: Self = Self { count: 256, name: 1024, value: 16 * 1024, repeats: false };
}

/// Where a parameter came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// the URL
    Query,
    /// the form body
    Form,
}

/// One parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    /// the decoded name
    pub name: String,
    /// the decoded value; empty when there was no `=`
    pub value: String,
    /// the pair as sent
    pub raw: String,
    /// where it stood
    pub origin: Origin,
}

impl Param {
    /// Whether the parameter was sent without an `=`.
    #[must_use]
    pub fn bare(&self) -> bool {
        !self.raw.contains('=')
    }
}

/// The parameters of one request. What a door executes it must read from here, so that it is what was signed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<Param>);

impl Params {
    /// The parameters of the query and of the form body together, the query's first.
    ///
    /// # Errors
    /// [`Reason::InvalidParameter`] for a body that is not a form, or a pair that is too long, too many or badly
    /// encoded; [`Reason::Combination`] for a name that comes twice against the limits.
    pub fn of_request(request: &Request<'_>, limits: &Limits) -> Result<Self, Refusal> {
        let mut params = Self::default();
        params.read(request.query, Origin::Query, limits)?;
        if let Body::Whole(body) = request.body
            && !body.is_empty()
        {
            if !is_form(request)? {
                let why = "a body must be application/x-www-form-urlencoded";
                return Err(Refusal::of(Reason::InvalidParameter, "Content-Type", why));
            }
            let text = std::str::from_utf8(body).map_err(|_| Refusal::of(Reason::InvalidParameter, "body", "not UTF-8"))?;
            params.read(text, Origin::Form, limits)?;
        }
        params.no_repeats(limits)?;
        Ok(params)
    }

    /// The parameters of a query alone.
    ///
    /// # Errors
    /// As [`Params::of_request`].
    pub fn of_query(query: &str, limits: &Limits) -> Result<Self, Refusal> {
        let mut params = Self::default();
        params.read(query, Origin::Query, limits)?;
        params.no_repeats(limits)?;
        Ok(params)
    }

    /// The value of a parameter, the name taken exactly.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|p| p.name == name).map(|p| p.value.as_str())
    }

    /// All parameters in order of arrival.
    pub fn iter(&self) -> std::slice::Iter<'_, Param> {
        self.0.iter()
    }

    /// Decoded names and values in order of arrival.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|p| (p.name.as_str(), p.value.as_str()))
    }

    /// The value of a parameter of the URL, the case of the name aside.
    pub(crate) fn in_query(&self, name: &str) -> Option<&str> {
        let found = |p: &&Param| p.origin == Origin::Query && p.name.eq_ignore_ascii_case(name);
        self.0.iter().find(found).map(|p| p.value.as_str())
    }

    pub(crate) fn require(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name).filter(|v| !v.is_empty()).ok_or_else(|| Refusal::missing(name))
    }

    fn read(&mut self, text: &str, origin: Origin, limits: &Limits) -> Result<(), Refusal> {
        for raw in text.split('&').filter(|raw| !raw.is_empty()) {
            let (name, value) = raw.split_once('=').unwrap_or((raw, ""));
            let bad = |why: &str| Refusal::of(Reason::InvalidParameter, name, why);
            if self.0.len() == limits.count {
                return Err(bad("too many parameters"));
            }
            if name.len() > limits.name || value.len() > limits.value {
                return Err(bad("too long"));
            }
            let param = Param { name: decode(name).map_err(bad)?, value: decode(value).map_err(bad)?, raw: raw.to_owned(), origin };
            self.0.push(param);
        }
        Ok(())
    }

    fn no_repeats(&self, limits: &Limits) -> Result<(), Refusal> {
        let mut seen = HashSet::new();
        match self.0.iter().find(|p| !seen.insert(&p.name)) {
            Some(twice) if !limits.repeats => Err(Refusal::of(Reason::Combination, &twice.name, "sent more than once")),
            _ => Ok(()),
        }
    }
}

/// Whether the body is a form; a body of no declared type is taken for one.
fn is_form(request: &Request<'_>) -> Result<bool, Refusal> {
    let Some(kind) = request.header("content-type")? else { return Ok(true) };
    let kind = kind.split(';').next().unwrap_or_default().trim();
    Ok(kind.is_empty() || kind.eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<Params, Refusal> {
        Params::of_query(query, &Limits::EC2)
    }

    #[test]
    fn pairs_keep_their_order_and_their_spelling() {
        let params = read("b=1+2&&a=%E5%90%8D&c").expect("good");
        assert_eq!(params.pairs().collect::<Vec<_>>(), [("b", "1 2"), ("a", "名"), ("c", "")]);
        assert_eq!(params.iter().map(|p| p.raw.as_str()).collect::<Vec<_>>(), ["b=1+2", "a=%E5%90%8D", "c"]);
        assert_eq!(params.iter().map(Param::bare).collect::<Vec<_>>(), [false, false, true]);
    }

    #[test]
    fn an_error_names_the_field() {
        for (query, field, reason) in [
            ("ok=1&Bad=%f", "Bad", Reason::InvalidParameter),
            ("Name=%ff", "Name", Reason::InvalidParameter),
            ("A=1&B=2&A=3", "A", Reason::Combination),
            ("A=1&%41=2", "A", Reason::Combination),
        ] {
            let refusal = read(query).expect_err(query);
            assert_eq!((refusal.field.as_deref(), refusal.reason), (Some(field), reason));
        }
    }

    #[test]
    fn limits_hold() {
        let limits = Limits { count: 2, name: 3, value: 4, repeats: true };
        assert!(Params::of_query("abc=1234&abc=1234", &limits).is_ok());
        for query in ["a&b&c", "abcd=1", "a=12345"] {
            assert!(Params::of_query(query, &limits).is_err(), "{query}");
        }
    }
}
