//! The driver with a real libvirtd, real guests run in software, real bridges and packet filters; all of it in network and mount
//! namespaces of its own, so nothing of the machine's changes and several runs do not meet.
//!
//! Needs root, `/dev/net/tun` and packages that `tests/tools.sh` installs. Where one is missing the tests say which and do nothing,
//! unless `STRATUS_REQUIRE_TOOLS` is set. One at a time: a guest that boots in software takes a core.
#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]
mod contract;
mod daemon;
mod flood;
mod groups;
mod guest;
mod lab;
mod nfs;
mod pods;
mod rate;
mod silent;
mod things;
mod vlan;
mod wired;
