//! The EC2 door, over Query and SOAP: authenticates, says an action in native commands by its mapping, and answers in the version asked.
//!
//! - **Mappings are data** (`mappings/ec2/`, read by `mapping/`): parameters, native command, ids, filters, the answer's tree with the
//!   versions in which each element stands. What a table cannot say is a Rust function in `actions/` that the file names.
//! - **Native commands decide.** Who may, whose things, which limits: the door calls commands by name as the caller and translates what
//!   comes back. What the native wire does not carry (ids, reservations, launch order, EC2's fingerprints) comes from the engine's
//!   `ec2_*` verbs, for things that a native list has shown.
//! - **Nothing is silently empty.** An unknown action, parameter or filter is an error; so is an id that names nothing of the caller's.
//! - **What is executed is what was signed**: parameters are read once, by `stratus-sigs`, for the signature and for the action.
//! - **One VPC.** Versions from 2013-02-01 on see what AWS gave every account then: one default VPC, which is the account itself. Each
//!   guest network that the account may use is a subnet of it (a basic zone's one network as well, so its SubnetId names the zone), each
//!   NIC a network interface, the account's security groups are the VPC's; there is a main route table, an internet gateway, a network
//!   ACL that stops nobody and a set of DHCP options, all of them derived and none of them to be changed. Versions before see
//!   EC2-Classic: the same things without a word of a VPC. Elastic IPs can be used in both ways in every version. What cannot be made
//!   (a second VPC, a subnet, a gateway) is refused by name; what this cloud has none of (peerings, endpoints, NAT gateways) is an
//!   empty list. Rejected: a VPC for each zone, because groups belong to the account and would have had to be in several.
//!
//! SOAP is another way to say the same; its design stands in `soap/`. Left out: S3, which another room takes over under the same port.
mod actions;
mod auth;
mod cx;
mod dispatch;
mod door;
mod fault;
mod filters;
mod input;
pub mod mapping;
mod names;
pub mod native;
mod paging;
mod registration;
mod run;
pub mod soap;
mod sts;
mod tree;
mod version;

pub use auth::Signed;
pub use dispatch::router;
pub use door::Door;
pub use fault::{Fault, Outcome};
pub use native::{InProcess, Native};
pub use registration::CALLS as REGISTRATION;
pub use version::{Version, Versions};

pub(crate) use cx::Cx;
pub(crate) use input::Input;
pub(crate) use names::Names;

/// How long a call waits for a job whose end its answer needs (a rule of a security group; not a VM).
pub(crate) const PATIENCE: std::time::Duration = std::time::Duration::from_secs(55);
/// The name of every root device.
pub(crate) const ROOT_DEVICE: &str = "/dev/sda1";
