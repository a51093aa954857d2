//! The verifier of AWS request signatures, for the EC2 door and the S3 door.
//!
//! Two steps, because the secret lies in a store this crate does not know:
//! [`detect_ec2`], [`detect_s3`] or [`policy::detect`] read the request and give back a [`Presented`] claim
//! (who says to have signed, how, when, and every text the signature may stand for); the door looks up the secret
//! of [`Presented::access_key`]; [`Presented::verify`] takes that secret and the clock and answers. Everything here
//! is a pure function: no I/O, no clock of its own, no global state.
//!
//! Accepted: SigV2 (Query), SigV4 in the header and in the query, S3's SigV2 in the header and in the query, S3's
//! chunked uploads and form uploads. SOAP's X.509 signatures are in [`soap`], whose design stands there. SigV0 and SigV1 are refused (they bind neither host nor path), session tokens
//! too (this cloud issues none).
//!
//! # The rules that hold
//! - Clients disagree about the canonical form, so a claim holds a short list of candidate texts. A candidate may
//!   differ from another only in spelling (and in the port of Host, which some SigV2 tools leave out), never in
//!   meaning: two requests that do different things share no text.
//!   Hence duplicated parameters are refused at the EC2 door, the slash at the end of an S3 path is optional for a
//!   bucket only, and a path is encoded twice for EC2 only, where it names no object.
//! - One request, one scheme: a request with two sets of credentials is refused rather than ranked.
//! - Nothing of what came in is normalised before it is hashed; what the door executes must be what was parsed here,
//!   so the EC2 door reads its parameters from the same [`Params`].
//! - Signatures are compared as text, in constant time and against all candidates, so a signature has one spelling
//!   and [`Presented::signature`] can key a replay cache. No message or `Debug` text holds a secret or the signature
//!   that would have been right.
//!
//! Left to the doors: looking up keys, limiting failures, replay caches, and (S3) hashing a body that was not read
//! yet; [`Verified::payload`] says what is owed. An S3 door under a prefix must not let a bucket carry the name of the
//! prefix's first segment: SigV2 clients sign with or without the prefix, and only that name makes the two collide.
//!
//! Rejected: the `aws-sigv4` crate. It signs; to verify with it one signs again, with one canonical form.

mod chunk;
mod clock;
mod conditions;
mod crypto;
mod detect;
mod params;
pub mod policy;
mod presented;
mod refusal;
mod request;
mod s3v2;
pub mod sign;
pub mod soap;
mod text;
mod v2;
mod v4;

pub use chunk::{ChunkChain, ChunkHead, Decoded, decode_chunks};
pub use clock::{MAX_PRESIGN_SECONDS, SKEW_MICROS};
pub use conditions::{Form, Policy};
pub use crypto::same as same_secret;
pub use detect::{detect_ec2, detect_s3};
pub use params::{Limits, Origin, Param, Params};
pub use presented::{Payload, Presented, Scheme, Verified};
pub use refusal::{Codes, Reason, Refusal};
pub use request::{Body, Request};
pub use s3v2::Mount;
