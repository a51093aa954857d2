mod addresses;
mod bad_input;
mod clients;
mod cloud;
mod command_line;
mod compute;
mod console;
mod kill;
mod life;
mod native;
mod probes;
mod schema;
mod screens;
mod server;
mod statements;
mod storage;

pub use native::Native;
pub use server::Server;
