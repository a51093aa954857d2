//! Hub and agent over real TLS on loopback, with the simulator as the hosts' hypervisor.
#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

mod contract;
mod doors;
mod homes;
mod images;
mod link;
mod world;
