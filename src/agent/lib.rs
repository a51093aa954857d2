//! Real hosts at the server's hand: an agent runs on each and carries out there what the server asks.
//!
//! ```text
//! engine -> Hub (drivers' traits) -> Session ==TLS== Session -> Worker -> drivers' traits -> libvirt, files, nft
//! ```
//!
//! - **The traits are the protocol.** [`Ask`] has one variant for each method of the drivers' traits. The [`Hub`] implements them by
//!   sending, the agent's end by calling the drivers of its host, so the conformance tests of the traits test this crate as well.
//! - **The agent dials** (`agent.rs`), over TLS 1.3 with certificates at both ends, every server of its list; the host needs no open
//!   port. Calls go both ways on one connection, each with a number; a screen is a stream of chunks beside them (`session.rs`).
//! - **The server is the authority** (`ca.rs`). A machine becomes an agent by a one-time token, which also says how to know the server;
//!   from then on it has a certificate, and its identity is the uuid of its host. Who may come in is the [`Gate`]'s to say.
//! - **A lost answer is `Unreachable`**, never a success or a failure. Every call may come twice, and the agent lets two calls on one
//!   thing happen one after the other, so asking again is always right. Calls wait some seconds for an agent that has just gone, so
//!   that a restart of either end is a pause.
//! - **Images of stores that the server keeps** (`shelves.rs`) go over connections of their own at the same door, by HTTP under signed
//!   links (`counter.rs`, `link.rs`), before or after the call that needs or makes them (`errand.rs`).
//! - **Nothing here stops a VM** but a call that says so: an agent that starts, ends or loses its servers leaves VMs alone.
//!
//! Left out: what the report of a host means for the VMs in the database (the engine's reconciler), and who is asked for what in a
//! farm: agents connect to all servers. Rejected: gRPC (a code generator and an HTTP/2 stack for one connection a host), a message
//! broker (one more thing to run), SSH from the server (its key would open every host).
mod agent;
mod ask;
mod ca;
mod counter;
mod errand;
mod gate;
mod home;
mod homes;
mod hub;
mod link;
mod listen;
mod remote;
mod session;
mod shelves;
mod token;
mod trust;
mod wire;

pub use agent::{Agent, AgentConfig, AgentError};
pub use ask::{Ask, Dispatch, Drivers, Parcel};
pub use ca::{Authority, CaError, GOOD_FOR, Issued, RENEW, request};
pub use gate::{Admission, Atlas, Blank, Gate, Guest, NetworkBooks, Place, Share};
pub use hub::{GRACE, Hub};
pub use link::{Grant, LIFE, Links, Way};
pub use listen::Door;
pub use shelves::Served;
pub use token::{Token, fingerprint};
pub use wire::{Hello, PROTOCOL};
