//! EC2 over SOAP 1.1 and 1.2: another way to say the same actions.
//!
//! - `wsdl/operations.txt` is the one table: it says what a message of a published version holds, which Query parameter each element is,
//!   and what an answer holds in which order. `schema.rs` reads it; `wsdl.rs` writes the WSDLs from it.
//! - A message becomes the parameters of the Query call that says the same (`parameters.rs`), is carried out by the same mapping, and its answer is
//!   cut to the schema (`answer.rs`): clients whose code was generated from a WSDL fail on an element too many, too few or out of order.
//! - A message in another dated namespace is answered in that namespace, with the elements of the published version nearest to it.
//! - Who signed it is `stratus_sigs::soap`'s; the element that is read here is the one that was verified there.
mod answer;
mod door;
mod fault;
mod parameters;
pub mod schema;
mod wsdl;

pub(crate) use door::{published, refuse};
use fault::{malformed, respond_fault};
pub use parameters::possible;
pub use schema::{Published, Schema};
pub use wsdl::{Address, write as wsdl};

/// What stands before the version in a namespace of EC2.
pub(crate) const NAMESPACE: &str = "http://ec2.amazonaws.com/doc/";
