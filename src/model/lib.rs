//! Nouns without I/O: kinds of things, their states and transitions, errors with their codes, who calls, and what time it is.
//!
//! Everything above leans on this room, so it leans on nothing: no database, no wire format, no runtime. A state machine is a table
//! (`state.rs`); an error is a variant only where a client must tell it apart, and its codes for every door stand in one place
//! (`error.rs`).
mod caller;
mod clock;
mod error;
pub mod json;
mod kind;
pub mod net;
mod schedule;
mod state;

pub use caller::{AccountType, Caller, Role, Source};
pub use clock::{Clock, Micros, SteppedClock, SystemClock, format_date, parse_date};
pub use error::{Codes, Error, Reference, Result, in_full};
pub use kind::{Kind, Limit};
pub use schedule::{Interval, Schedule};
pub use state::{JobStatus, SnapshotEvent, SnapshotState, VmEvent, VmState, VolumeEvent, VolumeState};
