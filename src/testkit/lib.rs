//! What the tests of several rooms share: tools of the machine, and a MariaDB of our own. No room links it but its tests.
//!
//! - A test that needs a tool asks for it here. Where the tool is missing, the test is skipped with the package's name, unless
//!   `STRATUS_REQUIRE_TOOLS` is set, as `make test` does after installing everything: then a missing tool fails the test.
//! - [`maria::fresh`] gives a new, empty database of a `mariadbd` that runs in a folder of its own and ends with the test process.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so and ends")]
pub mod disc;
pub mod fuzz;
pub mod lab;
pub mod ldap;
pub mod mail;
pub mod maria;
pub mod nfs;
mod tools;

pub use tools::{python, python2, repository, skip, tool};

/// Each test twice: on SQLite, and on MariaDB where there is one. `$fresh` takes whether it is MariaDB and answers with what the
/// test is given, or none where there is no MariaDB.
#[macro_export]
macro_rules! on_both {
    ($fresh:path; $($test:ident)*) => {
        mod sqlite {
            use super::*;
            $(#[tokio::test]
            async fn $test() {
                super::$test($fresh(false).await.unwrap()).await;
            })*
        }
        mod mariadb {
            use super::*;
            $(#[tokio::test]
            async fn $test() {
                if let Some(cloud) = $fresh(true).await {
                    super::$test(cloud).await;
                }
            })*
        }
    };
}
