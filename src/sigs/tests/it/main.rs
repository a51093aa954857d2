//! The verifier from outside: requests of real clients, requests it signed itself, and requests it must refuse.

mod fuzz;
mod http_file;
mod refusals;
mod roundtrip;
mod soap;
mod vectors;
mod wire;
