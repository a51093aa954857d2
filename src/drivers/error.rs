/// Why a driver did not do what it was asked. The engine gives it a meaning for the caller; the text goes to the log and the job.
#[derive(Debug, Clone, thiserror::Error, serde::Serialize, serde::Deserialize)]
pub enum DriverError {
    /// The host or store does not answer: the engine may try elsewhere, and must not assume that nothing happened.
    #[error("{0} does not answer")]
    Unreachable(String),
    /// No room left on the host or store: the engine tries another one.
    #[error("no room: {0}")]
    NoRoom(String),
    /// The named VM or disk is not there.
    #[error("{0} is not there")]
    Missing(String),
    /// The driver has no way of doing this.
    #[error("not supported: {0}")]
    Unsupported(String),
    /// It was tried and failed.
    #[error("{0}")]
    Failed(String),
}
