//! `aws-chunked` bodies: a signature that runs from chunk to chunk (S3 API reference, "Transferring payload in multiple
//! chunks").

use crate::crypto::{EMPTY_SHA256, hmac_sha256, same, sha256};
use crate::presented::Scope;
use crate::refusal::{Reason, Refusal};
use crate::text::to_hex;
use std::fmt;

/// The longest line of the coding taken: a chunk's head or a trailing header.
const MAX_LINE: usize = 4096;
const MAX_TRAILERS: usize = 16;

/// The running signature of a chunked upload. Each chunk signs its data and the signature before it, so chunks cannot
/// be changed, dropped or moved; the empty last chunk shows that the end is the end.
pub struct ChunkChain {
    key: [u8; 32],
    at: String,
    scope: String,
    previous: String,
}

impl ChunkChain {
    pub(crate) fn new(scope: &Scope, secret: &str, seed: &str) -> Self {
        Self { key: scope.signing_key(secret), at: scope.at.clone(), scope: scope.text(), previous: seed.to_owned() }
    }

    /// Checks the next chunk, the last empty one included.
    ///
    /// # Errors
    /// [`Reason::Mismatch`]; the upload must then be given up.
    pub fn check(&mut self, data: &[u8], signature: &str) -> Result<(), Refusal> {
        self.check_digest(&sha256(data), signature)
    }

    /// Checks the next chunk by the SHA-256 of its data, for a door that hashes while it writes.
    ///
    /// # Errors
    /// As [`ChunkChain::check`].
    pub fn check_digest(&mut self, digest: &[u8; 32], signature: &str) -> Result<(), Refusal> {
        let right = self.of_chunk(digest);
        self.advance(right, signature)
    }

    /// Checks the trailing headers, which follow the last chunk in the order they were sent.
    ///
    /// # Errors
    /// As [`ChunkChain::check`].
    pub fn check_trailers(&mut self, trailers: &[(String, String)], signature: &str) -> Result<(), Refusal> {
        let right = self.of_trailers(trailers);
        self.advance(right, signature)
    }

    /// Signs the next chunk; for clients and tests.
    pub fn sign(&mut self, data: &[u8]) -> String {
        self.previous = self.of_chunk(&sha256(data));
        self.previous.clone()
    }

    /// Signs the trailing headers; for clients and tests.
    pub fn sign_trailers(&mut self, trailers: &[(String, String)]) -> String {
        self.previous = self.of_trailers(trailers);
        self.previous.clone()
    }

    fn of_chunk(&self, digest: &[u8; 32]) -> String {
        self.hmac("AWS4-HMAC-SHA256-PAYLOAD", &format!("{EMPTY_SHA256}\n{}", to_hex(digest)))
    }

    fn of_trailers(&self, trailers: &[(String, String)]) -> String {
        let lines: String = trailers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        self.hmac("AWS4-HMAC-SHA256-TRAILER", &to_hex(&sha256(lines.as_bytes())))
    }

    fn hmac(&self, kind: &str, hashes: &str) -> String {
        let text = format!("{kind}\n{}\n{}\n{}\n{hashes}", self.at, self.scope, self.previous);
        to_hex(&hmac_sha256(&self.key, text.as_bytes()))
    }

    fn advance(&mut self, right: String, signature: &str) -> Result<(), Refusal> {
        if !same(&right, signature) {
            return Err(Refusal::mismatch());
        }
        self.previous = right;
        Ok(())
    }
}

impl fmt::Debug for ChunkChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The key signs anything for a day.
        f.debug_struct("ChunkChain").field("scope", &self.scope).finish_non_exhaustive()
    }
}

/// The line before a chunk's data: `<length in hexadecimal>[;chunk-signature=<signature>]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkHead {
    /// bytes of data that follow; none in the last chunk
    pub length: u64,
    /// the chunk's signature, when it has one
    pub signature: Option<String>,
}

impl ChunkHead {
    /// Reads the line, given without its CRLF.
    ///
    /// # Errors
    /// [`Reason::InvalidParameter`] for anything that is not such a line.
    pub fn parse(line: &[u8]) -> Result<Self, Refusal> {
        let text = std::str::from_utf8(line).map_err(|_| broken("a chunk's head is not text"))?;
        let (length, extension) = match text.split_once(';') {
            Some((length, extension)) => (length, Some(extension)),
            None => (text, None),
        };
        if length.is_empty() || length.len() > 15 || !length.bytes().all(|c| c.is_ascii_hexdigit()) {
            return Err(broken("a chunk's length is not hexadecimal"));
        }
        let length = u64::from_str_radix(length, 16).map_err(|_| broken("a chunk's length is not hexadecimal"))?;
        let signature = match extension.map(|e| e.strip_prefix("chunk-signature=")) {
            None => None,
            Some(Some(signature)) => Some(signature.to_owned()),
            Some(None) => return Err(broken("a chunk's head has an unknown extension")),
        };
        Ok(Self { length, signature })
    }
}

/// A chunked body, unwrapped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// the object's bytes
    pub data: Vec<u8>,
    /// trailing headers, names in lower case, without the signature of the trailer
    pub trailers: Vec<(String, String)>,
}

/// Unwraps a whole `aws-chunked` body: every chunk checked when there is a chain, trailers allowed when `trailer`
/// says so. `length` is x-amz-decoded-content-length and must be met. Checksums in trailers are the door's to check.
///
/// # Errors
/// [`Reason::Mismatch`] for a wrong or missing signature, [`Reason::InvalidParameter`] for broken framing, a wrong
/// length, or an end that is missing or not the end.
pub fn decode_chunks(body: &[u8], mut chain: Option<ChunkChain>, trailer: bool, length: u64) -> Result<Decoded, Refusal> {
    let mut rest = body;
    let mut data = Vec::new();
    loop {
        let head = ChunkHead::parse(line(&mut rest)?)?;
        let size = usize::try_from(head.length).map_err(|_| broken("a chunk is too long"))?;
        let (chunk, after) = rest.split_at_checked(size).ok_or_else(|| broken("a chunk is cut short"))?;
        if let Some(chain) = &mut chain {
            chain.check(chunk, head.signature.as_deref().ok_or_else(Refusal::mismatch)?)?;
        }
        if chunk.is_empty() {
            break;
        }
        data.extend_from_slice(chunk);
        rest = after.strip_prefix(b"\r\n").ok_or_else(|| broken("a chunk is longer than it says"))?;
    }
    let trailers = trailers(&mut rest, chain.as_mut().filter(|_| trailer))?;
    if !rest.is_empty() || (!trailer && !trailers.is_empty()) {
        return Err(broken("something follows the last chunk"));
    }
    if data.len() as u64 != length {
        return Err(broken("not as long as x-amz-decoded-content-length says"));
    }
    Ok(Decoded { data, trailers })
}

/// The trailing headers up to the empty line, their signature checked when there is a chain.
fn trailers(rest: &mut &[u8], chain: Option<&mut ChunkChain>) -> Result<Vec<(String, String)>, Refusal> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut signature = None;
    loop {
        let line = std::str::from_utf8(line(rest)?).map_err(|_| broken("a trailing header is not text"))?.trim();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or_else(|| broken("a trailing header has no colon"))?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().to_owned());
        if signature.is_some() || found.len() == MAX_TRAILERS {
            return Err(broken("too many trailing headers"));
        }
        if name == "x-amz-trailer-signature" {
            signature = Some(value);
        } else {
            found.push((name, value));
        }
    }
    if let Some(chain) = chain {
        chain.check_trailers(&found, &signature.ok_or_else(Refusal::mismatch)?)?;
    }
    Ok(found)
}

/// Takes one line off the front, without its CRLF.
fn line<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Refusal> {
    let window = &rest[..rest.len().min(MAX_LINE)];
    let end = window.windows(2).position(|two| two == b"\r\n").ok_or_else(|| broken("a line has no end"))?;
    let line = &rest[..end];
    *rest = &rest[end + 2..];
    Ok(line)
}

fn broken(why: &str) -> Refusal {
    Refusal::of(Reason::InvalidParameter, "aws-chunked body", why)
}
