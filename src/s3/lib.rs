//! The S3 door: buckets and objects over REST, at `/awsapi/rest/AmazonS3` beside EC2 and at `/` of a port of its own.
//!
//! - **Who asks** is found out by `stratus-sigs`, the verifier of the EC2 door; a request without a signature is anonymous and may do
//!   what an ACL or a bucket policy lets everybody do. Whoever may what is decided in one place (`access.rs`).
//! - **Rows are the truth.** An object's bytes lie in files named by random ids (`blobs.rs`), never by key; a file counts once a row
//!   names it, and the row is written after the file is whole and fsynced. Files that no row names are swept.
//! - **Bytes stream** both ways: through the hashes into the file, and from the file in pieces.
//! - **A request names what it wants by sub-resource**; one that is not offered is answered as AWS answers for an unset one, or
//!   `NotImplemented`, and never falls through to the bucket's list or put (`route.rs` is the table, docs/s3.md its print).
//!
//! An own thin router and not the `s3s` crate: under a path prefix s3s can neither route nor verify (clients sign the full path), it
//! decodes aws-chunked only inside its own verifier, and its 45,000 generated lines cost 68 CPU-seconds and 0.9 GB to build, on
//! machines of two cores. What it would have given is the shapes of some forty answers, which are short to write by hand.
//!
//! Left out: SOAP (nothing of today uses it), encryption, object lock, lifecycle, replication, websites, notifications.
mod access;
mod acl;
mod auth;
mod blobs;
mod body;
mod checksum;
pub mod chunks;
mod cors;
mod door;
mod error;
pub mod form;
mod known;
mod meta;
mod ops;
pub mod policy;
mod request;
mod respond;
pub mod route;
mod serve;
mod text;
mod xml;

pub use door::{Door, PREFIX};
pub use error::{Fault, Outcome};
pub use serve::router;
