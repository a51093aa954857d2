//! What a request claims, and the check of the claim.

use crate::chunk::ChunkChain;
use crate::clock::Window;
use crate::crypto::{hmac_sha1, hmac_sha256, same, sha256_hex};
use crate::refusal::Refusal;
use crate::text::to_hex;
use base64::{Engine, engine::general_purpose::STANDARD};
use std::fmt;

/// How a request was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// SigV2 of the Query services, in the parameters
    V2,
    /// SigV4 in the Authorization header
    V4Header,
    /// SigV4 in the query: a presigned request
    V4Query,
    /// S3's SigV2 in the Authorization header
    S3V2Header,
    /// S3's SigV2 in the query: a presigned request
    S3V2Query,
    /// a form upload under a SigV2 policy
    PolicyV2,
    /// a form upload under a SigV4 policy
    PolicyV4,
}

/// What the signature says about the body, and so what the door still owes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// all of it is covered and was checked
    Checked,
    /// it must have this SHA-256; the door checks once it has read it
    Sha256([u8; 32]),
    /// not covered; a Content-MD5 header, when sent, is
    Unsigned,
    /// `aws-chunked`, every chunk signed: see [`Verified::chain`]; `trailer` when a signed trailer follows
    Chunks {
        /// whether trailing headers and their signature follow the last chunk
        trailer: bool,
    },
    /// `aws-chunked`, not signed, followed by a checksum
    UnsignedChunks,
}

/// A believed request.
#[derive(Debug)]
pub struct Verified {
    /// what is known of the body
    pub payload: Payload,
    /// the running signature of [`Payload::Chunks`]
    pub chain: Option<ChunkChain>,
}

/// A SigV4 credential scope and the time that goes with it.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    pub(crate) day: String,
    pub(crate) region: String,
    pub(crate) service: String,
    /// the request's time in the basic form
    pub(crate) at: String,
}

impl Scope {
    pub(crate) fn text(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.day, self.region, self.service)
    }

    pub(crate) fn signing_key(&self, secret: &str) -> [u8; 32] {
        let first = hmac_sha256(format!("AWS4{secret}").as_bytes(), self.day.as_bytes());
        [self.region.as_str(), &self.service, "aws4_request"].iter().fold(first, |key, part| hmac_sha256(&key, part.as_bytes()))
    }

    /// The string to sign over a canonical request.
    pub(crate) fn string_to_sign(&self, canonical: &[u8]) -> Vec<u8> {
        format!("AWS4-HMAC-SHA256\n{}\n{}\n{}", self.at, self.text(), sha256_hex(canonical)).into_bytes()
    }
}

/// How a text and a secret become a signature.
#[derive(Clone, Debug)]
pub(crate) enum Method {
    Sha1,
    Sha256,
    V4(Scope),
}

impl Method {
    pub(crate) fn sign(&self, secret: &str, text: &[u8]) -> String {
        match self {
            Self::Sha1 => STANDARD.encode(hmac_sha1(secret.as_bytes(), text)),
            Self::Sha256 => STANDARD.encode(hmac_sha256(secret.as_bytes(), text)),
            Self::V4(scope) => to_hex(&hmac_sha256(&scope.signing_key(secret), text)),
        }
    }
}

/// A request's claim to come from the holder of a key. Not believed before [`Presented::verify`] says so.
#[derive(Clone)]
pub struct Presented {
    pub(crate) scheme: Scheme,
    pub(crate) access_key: String,
    pub(crate) method: Method,
    pub(crate) signature: String,
    /// every text the signature may stand for
    pub(crate) texts: Vec<Vec<u8>>,
    pub(crate) window: Window,
    pub(crate) payload: Payload,
}

impl Presented {
    /// How the request was signed.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The access key it names.
    #[must_use]
    pub fn access_key(&self) -> &str {
        &self.access_key
    }

    /// The signature as sent. It has one spelling only, so it can key a replay cache with the access key.
    #[must_use]
    pub fn signature(&self) -> &str {
        &self.signature
    }

    /// The last moment the request is good, in microseconds since the epoch; a replay cache may then forget it.
    #[must_use]
    pub const fn good_until(&self) -> i64 {
        self.window.end()
    }

    /// The texts the signature may stand for, likeliest first. No secret is in them: S3 shows the first to the sender
    /// of a wrong signature.
    pub fn strings_to_sign(&self) -> impl Iterator<Item = &[u8]> {
        self.texts.iter().map(Vec::as_slice)
    }

    /// Checks the claim against the key's secret and the clock (microseconds since the epoch).
    ///
    /// # Errors
    /// [`Reason::Expired`] or [`Reason::Skewed`] out of time, [`Reason::Mismatch`] when no candidate text fits.
    ///
    /// [`Reason::Expired`]: crate::Reason::Expired
    /// [`Reason::Skewed`]: crate::Reason::Skewed
    /// [`Reason::Mismatch`]: crate::Reason::Mismatch
    pub fn verify(&self, secret: &str, now_micros: i64) -> Result<Verified, Refusal> {
        self.window.check(now_micros)?;
        // An empty secret is no secret: whoever lost it must not be impersonated.
        if secret.is_empty() {
            return Err(Refusal::unknown_key());
        }
        // No early end: the time must not tell which candidate fitted.
        let fits = self.texts.iter().fold(false, |fits, text| same(&self.method.sign(secret, text), &self.signature) | fits);
        if !fits {
            return Err(Refusal::mismatch());
        }
        let chain = match (&self.method, self.payload) {
            (Method::V4(scope), Payload::Chunks { .. }) => Some(ChunkChain::new(scope, secret, &self.signature)),
            _ => None,
        };
        Ok(Verified { payload: self.payload, chain })
    }
}

impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The signature and the texts would let a reader of the log send the request again.
        f.debug_struct("Presented")
            .field("scheme", &self.scheme)
            .field("access_key", &self.access_key)
            .field("payload", &self.payload)
            .finish_non_exhaustive()
    }
}
