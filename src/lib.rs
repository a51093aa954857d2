//! Stratus, put together: configuration, store, drivers, engine and doors become one server. Only wiring lives here.
//!
//! It is a library so that tests and benches start whole servers in their own process; `main.rs` is the command line around it.
//!
//! - **One start, one order** (`serve.rs`): the data directory is taken, sockets are bound, the database is opened and furnished, jobs
//!   that an earlier life left are taken up, doors answer, and only then `ready.json` appears. What can fail without having changed
//!   anything comes first.
//! - **One end**: no new connections, requests under way answered, jobs given a moment; what did not end is taken up by the next start.
//! - **An operator's commands** (`admin.rs`) open the same house with the doors shut, under the same lock.
//!
//! Rejected: a supervisor of restartable parts. A part that cannot go on ends the process; the store makes that safe and quick.
pub mod admin;
pub mod agent;
mod agents;
pub mod cli;
pub mod config;
pub mod downloads;
pub mod house;
pub mod listeners;
pub mod lock;
pub mod logging;
pub mod metrics;
pub mod privileges;
pub mod ready;
pub mod serve;
pub mod simulate;
pub mod tls;
pub mod wire;
