//! The door from outside: signed requests through the router, a fake of the native commands, a real engine for ids and settings.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]
mod answers;
mod cloud;
mod fake;
mod hostile;
mod launch;
mod mappings;
mod pages;
mod refusals;
mod soap;
mod wire;
