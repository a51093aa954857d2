use crate::{DriverError, Secret};

/// What an operator carries to a machine that is to become a host.
#[derive(Debug, Clone)]
pub struct Invitation {
    /// The one-time text.
    pub text: Secret,
    /// What is kept of it.
    pub secret_hash: String,
}

/// A hypervisor whose hosts connect to the server by themselves, each with an agent that knows it by its uuid.
pub trait Agents: Send + Sync {
    /// A new one-time text.
    fn invite(&self) -> Result<Invitation, DriverError>;
    /// Names hosts that are to reach a pool or store which is connected next. One that nobody named hosts for is everybody's.
    fn meant_for(&self, place: &str, hosts: &[String]);
    /// Whether a host's agent is connected to this server.
    fn is_here(&self, host: &str) -> bool;
    /// Ends the connection of a host's agent; whether it may come back is asked when it does.
    fn dismiss(&self, host: &str);
}
