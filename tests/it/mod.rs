mod addresses;
mod bad_input;
mod clients;
mod cloud;
mod command_line;
mod compute;
mod console;
mod inputs;
mod kill;
mod life;
mod native;
mod probes;
mod schema;
mod scopes;
mod server;
mod statements;

pub use native::Native;
pub use server::Server;
