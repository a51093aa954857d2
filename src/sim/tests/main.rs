//! The simulator as its users see it: the drivers' contract, its memory, its faults, its size.
#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

mod contract;
mod disturb;
mod faults;
mod journal;
mod refusals;
mod scale;
mod world;
