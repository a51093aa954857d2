//! The native commands as clients give them, on a real engine, both databases and simulated machines.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]
mod cloud;
mod ident;
mod ldap;
mod places;
mod project;
mod stuff;
