//! What the tests of several rooms share: tools of the machine, and a MariaDB of our own. No room links it but its tests.
//!
//! - A test that needs a tool asks for it here. Where the tool is missing, the test is skipped with the package's name, unless
//!   `STRATUS_REQUIRE_TOOLS` is set, as `make test` does after installing everything: then a missing tool fails the test.
//! - [`maria::fresh`] gives a new, empty database of a `mariadbd` that runs in a folder of its own and ends with the test process.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so and ends")]
pub mod maria;
mod tools;

pub use tools::{python, repository, skip, tool};
