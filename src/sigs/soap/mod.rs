//! SOAP messages and their signatures (WS-Security X.509, catalogue section 15).
//!
//! Three steps, as with Query: [`Document::parse`] reads XML into a tree, strictly and within limits; [`Envelope::of`] finds the parts
//! of a message; [`Claim::of`] reads who says to have signed it. The door looks the certificate up by [`Claim::fingerprint`] among those
//! that users registered, and [`Claim::verify`] takes the registered bytes and the clock.
//!
//! # The rules that hold
//! - What is verified and what is executed are the same nodes of the same tree: nothing is parsed twice, and a reference is
//!   resolved by comparing nodes, never by searching for names again. That ends signature wrapping.
//! - One way to say a thing: one Security header, exclusive canonical XML and no other transform, references within the document
//!   only, every id once.
//! - One signature is what tools send. A tool that signs twice is believed when each signature alone would be: all are of one
//!   certificate's key, all cover the Body that is executed and a Timestamp, no Timestamp is out of its time, and each counts against replay. So more
//!   of them never let in what fewer would not.
//! - The key is the registered certificate's. The token that was sent only says which one, by all its bytes.
//! - Never a DTD, an entity of the sender's, or a processing instruction: SOAP forbids them, and they are how parsers are hurt.
//!
//! Rejected: a general XML-signature crate. It brings transforms, key look-ups and X.509 chains that must all be switched off
//! again, and some 160 CPU-seconds of building; what is left of it here is canonical form and RSA.
mod c14n;
mod certificate;
mod claim;
mod envelope;
pub mod sign;
mod xml;

pub use certificate::{Certificate, CertificateError};
pub use claim::{Claim, MOST_LIFE_MICROS};
pub use envelope::{Envelope, Fault, SoapVersion};
pub use xml::{Document, Node, XmlError};

pub(crate) const SECURITY: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
pub(crate) const UTILITY: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
pub(crate) const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
