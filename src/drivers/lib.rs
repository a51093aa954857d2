//! What the engine asks of the world: hosts, storage and networks as traits.
//!
//! The engine calls these traits and never names a driver; `main` puts drivers into a [`Registry`] by the hypervisor or provider
//! name that stands in the database, so a driver is a trait and one line. Three rules hold for every call:
//!
//! - **It may come twice.** After a crash the engine repeats the step it was in, so starting a running VM, stopping a stopped one
//!   and deleting what is gone are `Ok`.
//! - **It is keyed by name.** VMs and disks carry the engine's own stable names; a driver keeps no ids of its own that the engine
//!   would have to remember.
//! - **It tells what is, not what was asked.** Reports carry the state that the driver saw.
//!
//! Left out: placement, limits, ownership. Those are the engine's; a driver does as it is told or says why not.
mod agents;
mod error;
mod host;
mod network;
mod registry;
mod secret;
mod storage;

pub mod conformance;

pub use agents::{Agents, Invitation};
pub use error::DriverError;
pub use host::{
    ByteStream, Bytes, DiskSpec, Fate, Host, HostFacts, HostLoad, IsoSpec, NicSpec, PowerState, StopMode, VmFigures, VmMemory, VmReport,
    VmSnapshotSpec, VmSpec,
};
pub use network::{GroupMembers, GroupRule, Network, NetworkSpec, NicRules, PortRule, PublicAddress, PublicSet, StaticNat};
pub use registry::Registry;
pub use secret::Secret;
pub use storage::{
    DiskRef, FetchSpec, ObjectBody, ObjectKind, ObjectReader, ObjectSpec, PrimaryStorage, SecondaryStorage, StorageUse, StoreDetails,
    TemplateFacts,
};
