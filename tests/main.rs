//! The product from outside: the real binary on free ports, real clients, a real MariaDB. One binary, because each links everything.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so and ends")]
mod it;
