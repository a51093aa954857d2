//! A request as it came over the wire.

use crate::refusal::{Reason, Refusal};
use http::HeaderMap;

/// The body of a request, as far as it was read.
#[derive(Clone, Copy, Debug)]
pub enum Body<'a> {
    /// all of it, after HTTP's own transfer coding is taken off
    Whole(&'a [u8]),
    /// not read yet; at the S3 door only, where the door then owes what [`crate::Verified::payload`] says
    Later,
}

/// A request as it came over the wire: nothing decoded, nothing normalised.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// the method, in capitals
    pub method: &'a str,
    /// the path as sent, percent-encoding untouched, without the query
    pub path: &'a str,
    /// what follows the first `?`, as sent; empty when there is none
    pub query: &'a str,
    /// all headers
    pub headers: &'a HeaderMap,
    /// the body
    pub body: Body<'a>,
}

impl<'a> Request<'a> {
    /// The one value of a header that may stand once only.
    pub(crate) fn header(&self, name: &str) -> Result<Option<&'a str>, Refusal> {
        let mut values = self.headers.get_all(name).iter();
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(Refusal::of(Reason::Combination, name, "sent more than once"));
        }
        match value.to_str() {
            Ok(text) => Ok(Some(text.trim())),
            Err(_) => Err(Refusal::of(Reason::InvalidParameter, name, "not plain text")),
        }
    }

    /// The Host header; without one no signature can be checked.
    pub(crate) fn host(&self) -> Result<&'a str, Refusal> {
        match self.header("host")? {
            Some(host) if !host.is_empty() => Ok(host),
            _ => Err(Refusal::of(Reason::Malformed, "Host", "missing")),
        }
    }

    /// The path, `/` when it is empty.
    pub(crate) fn path_or_root(&self) -> &'a str {
        if self.path.is_empty() { "/" } else { self.path }
    }
}
