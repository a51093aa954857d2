use serde::{Deserialize, Serialize};

/// Turns an enum into its wire words and back.
macro_rules! words {
    ($name:ident { $($variant:ident),* $(,)? }) => {
        impl $name {
            /// Every state there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];
            /// The word on the wire and in the database.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant)),* }
            }
            /// From the word, case and all.
            pub fn from_word(word: &str) -> Option<Self> {
                Some(match word { $(stringify!($variant) => Self::$variant,)* _ => return None })
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(self.word()) }
        }
    };
}

/// States of a VM (catalog/README.md "States").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the table in VmState::on is the explanation")]
pub enum VmState {
    Starting,
    Running,
    Stopping,
    Stopped,
    Destroyed,
    Expunging,
    Migrating,
    Error,
    Unknown,
    Shutdowned,
}
words!(VmState { Starting, Running, Stopping, Stopped, Destroyed, Expunging, Migrating, Error, Unknown, Shutdowned });

/// What happens to a VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the table in VmState::on is the explanation")]
pub enum VmEvent {
    StartRequested,
    StopRequested,
    DestroyRequested,
    RecoverRequested,
    MigrateRequested,
    ExpungeRequested,
    OperationSucceeded,
    OperationFailed,
    OperationFailedToError,
    AgentReportStopped,
    AgentReportRunning,
    AgentLost,
}

impl VmEvent {
    /// Every event there is.
    pub const ALL: &'static [Self] = &[
        Self::StartRequested,
        Self::StopRequested,
        Self::DestroyRequested,
        Self::RecoverRequested,
        Self::MigrateRequested,
        Self::ExpungeRequested,
        Self::OperationSucceeded,
        Self::OperationFailed,
        Self::OperationFailedToError,
        Self::AgentReportStopped,
        Self::AgentReportRunning,
        Self::AgentLost,
    ];
}

impl VmState {
    /// The life of a VM; a pair not listed is refused. The store moves a row only if state and counter are still as read.
    pub const fn on(self, event: VmEvent) -> Option<Self> {
        use VmEvent as E;
        Some(match (self, event) {
            (Self::Stopped, E::StartRequested) => Self::Starting,
            (Self::Starting, E::OperationSucceeded) => Self::Running,
            (Self::Starting, E::OperationFailed) => Self::Stopped,
            // A VM that never ran and could not be made is an error, not a stopped machine.
            (Self::Starting, E::OperationFailedToError) => Self::Error,
            (Self::Starting, E::StopRequested) => Self::Stopping,
            (Self::Running | Self::Unknown | Self::Stopping, E::StopRequested) => Self::Stopping,
            (Self::Stopping, E::OperationSucceeded) => Self::Stopped,
            (Self::Stopping, E::OperationFailed) => Self::Running,
            (Self::Stopped, E::StopRequested) => Self::Stopped,
            (Self::Running, E::MigrateRequested) => Self::Migrating,
            (Self::Migrating, E::OperationSucceeded | E::OperationFailed) => Self::Running,
            (Self::Stopped | Self::Error | Self::Destroyed, E::DestroyRequested) => Self::Destroyed,
            (Self::Destroyed, E::RecoverRequested) => Self::Stopped,
            (Self::Destroyed | Self::Error | Self::Expunging, E::ExpungeRequested) => Self::Expunging,
            (Self::Expunging, E::OperationFailed) => Self::Expunging,
            (Self::Running | Self::Unknown, E::AgentReportStopped) => Self::Stopped,
            (Self::Running | Self::Unknown, E::AgentReportRunning) => Self::Running,
            (Self::Running, E::AgentLost) => Self::Unknown,
            _ => return None,
        })
    }
    /// States in which a VM holds a place on a host.
    pub const fn holds_host(self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Stopping | Self::Migrating | Self::Unknown)
    }
    /// States in which work is under way; nothing may rest here without a job.
    pub const fn is_passing(self) -> bool {
        matches!(self, Self::Starting | Self::Stopping | Self::Migrating | Self::Expunging)
    }
}

/// States of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "catalog/README.md \"States\" is the source")]
pub enum VolumeState {
    Allocated,
    Creating,
    Ready,
    Migrating,
    Snapshotting,
    Resizing,
    Expunging,
    Expunged,
    Destroy,
    Destroying,
    UploadOp,
    Uploading,
    Copying,
    Uploaded,
}
words!(VolumeState {
    Allocated,
    Creating,
    Ready,
    Migrating,
    Snapshotting,
    Resizing,
    Expunging,
    Expunged,
    Destroy,
    Destroying,
    UploadOp,
    Uploading,
    Copying,
    Uploaded
});

/// Status of a job by its wire number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum JobStatus {
    /// Waiting or at work.
    Pending = 0,
    /// Done.
    Succeeded = 1,
    /// Failed; the result says why.
    Failed = 2,
}

impl JobStatus {
    /// The wire number.
    pub const fn number(self) -> i64 {
        self as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back() {
        for s in VmState::ALL {
            assert_eq!(VmState::from_word(s.word()), Some(*s));
        }
        assert_eq!(VolumeState::from_word("Ready"), Some(VolumeState::Ready));
        assert_eq!(VmState::from_word("running"), None);
    }

    #[test]
    fn a_vm_reaches_no_passing_state_that_nothing_leads_out_of() {
        for s in VmState::ALL.iter().filter(|s| s.is_passing()) {
            assert!(VmEvent::ALL.iter().any(|e| s.on(*e).is_some()), "{s} has no way out");
        }
    }

    #[test]
    fn a_running_vm_is_never_recovered_or_expunged() {
        assert_eq!(VmState::Running.on(VmEvent::RecoverRequested), None);
        assert_eq!(VmState::Running.on(VmEvent::ExpungeRequested), None);
    }
}
