//! Images as files: a directory that holds them, and how they come from the network.
//!
//! Drivers whose stores are directories share this: the simulator keeps what is uploaded to it here, an agent its secondary storage.
//! A file is written under a name of its own in `incoming`, made durable and then renamed, so that a name is either whole or not
//! there; what a crash leaves in `incoming` goes at the next open.
//!
//! What comes from a URL is a stranger's: where it may be asked from ([`address`]), how much of it is taken, what it is packed in and
//! whether it is the format it is said to be is decided here, before anything else opens it; what QEMU may open is [`qemu`]'s to say.
//! A [`shelf`] is a whole image store: a folder of such files with what is known of each. Left out: converting images and writing
//! into them, which is the hypervisor's work, and who may have what, which is the engine's.
//! Rejected: decoding while the file arrives. It would save one pass over the disk and lose the way to take up a broken download
//! where it stopped.
pub mod address;
mod bring;
mod checksum;
mod dir;
mod download;
pub mod keep;
mod ova;
pub mod qemu;
pub mod shelf;
mod sniff;
mod unpack;

pub use bring::{Brought, bring};
pub use checksum::{Digest, Kind, digest_of};
pub use dir::{Files, Incoming};
pub use download::Progress;
pub use shelf::Shelf;
pub use sniff::{Image, sniff};
