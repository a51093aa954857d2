//! The native door: CloudStack's API at its 4.3 level over HTTP, in JSON and XML.
//!
//! A request becomes [`request::Given`] (names folded, first value wins), the door finds out who asks (`door.rs`: signature, session or
//! integration port), and the [`Registry`] runs the command that `commands/` declares. One declaration parses, checks, documents and
//! authorises (`declare.rs`, the derive macros of `src/api-derive`); `listApis` reads the same declarations.
//!
//! What clients of the original see is kept to the letter: wrapper keys with their spelling slips, `"success" : "true"` as a text, an
//! empty list without count (catalog/README.md). The door knows wire formats and nothing else. Rows are
//! the engine's answers, so this room knows their types and reads what stands beside them; it writes nothing to the store.
//!
//! Other doors come in through [`Registry::call`]: the EC2 door says native commands in process.
mod answer;
mod declare;
mod discovery;
mod door;
mod execute;
mod params;
mod prelude;
mod reference;
mod registry;
mod request;
mod resolve;
mod signature;
mod xml;

mod commands;
mod conceal;
pub mod views;

pub use door::Door;
pub use registry::Registry;
pub use request::Given;
