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

/// What happens to a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the table in VolumeState::on is the explanation")]
pub enum VolumeEvent {
    CreateRequested,
    SnapshotRequested,
    ResizeRequested,
    MigrationRequested,
    CopyRequested,
    UploadRequested,
    OperationSucceeded,
    OperationFailed,
}

impl VolumeState {
    /// The life of a volume as far as work on its bytes goes; a pair not listed is refused. Work on a volume that is not attached and
    /// has no bytes (`Allocated`) is a change of its row alone and needs no passing state.
    pub const fn on(self, event: VolumeEvent) -> Option<Self> {
        use VolumeEvent as E;
        Some(match (self, event) {
            (Self::Allocated, E::CreateRequested) => Self::Creating,
            (Self::Creating, E::OperationSucceeded) => Self::Ready,
            (Self::Creating, E::OperationFailed) => Self::Allocated,
            (Self::Ready, E::SnapshotRequested) => Self::Snapshotting,
            (Self::Ready, E::ResizeRequested) => Self::Resizing,
            (Self::Ready, E::MigrationRequested) => Self::Migrating,
            (Self::Ready, E::CopyRequested) => Self::Copying,
            (Self::Snapshotting | Self::Resizing | Self::Migrating | Self::Copying, E::OperationSucceeded | E::OperationFailed) => {
                Self::Ready
            }
            (Self::Allocated, E::UploadRequested) => Self::UploadOp,
            (Self::UploadOp, E::OperationSucceeded) => Self::Uploaded,
            (Self::UploadOp, E::OperationFailed) => Self::Allocated,
            // An uploaded volume gets its place on a pool when it is first attached.
            (Self::Uploaded, E::CreateRequested) => Self::Creating,
            _ => return None,
        })
    }
    /// States in which work on its bytes is under way; nothing rests here without a job.
    pub const fn is_passing(self) -> bool {
        matches!(self, Self::Snapshotting | Self::Resizing | Self::Migrating | Self::Copying)
    }
}

/// States of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the table in SnapshotState::on is the explanation")]
pub enum SnapshotState {
    Allocated,
    Creating,
    CreatedOnPrimary,
    BackingUp,
    BackedUp,
    Copying,
    Destroying,
    Destroyed,
    Error,
}
words!(SnapshotState { Allocated, Creating, CreatedOnPrimary, BackingUp, BackedUp, Copying, Destroying, Destroyed, Error });

/// What happens to a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the table in SnapshotState::on is the explanation")]
pub enum SnapshotEvent {
    CreateRequested,
    BackupRequested,
    DestroyRequested,
    OperationSucceeded,
    OperationFailed,
}

impl SnapshotState {
    /// The life of a snapshot; a pair not listed is refused. Drivers take a snapshot and back it up in one call, so `CreatedOnPrimary`
    /// lasts as long as it takes to choose a store.
    pub const fn on(self, event: SnapshotEvent) -> Option<Self> {
        use SnapshotEvent as E;
        Some(match (self, event) {
            (Self::Allocated, E::CreateRequested) => Self::Creating,
            (Self::Creating, E::OperationSucceeded) => Self::CreatedOnPrimary,
            (Self::CreatedOnPrimary | Self::Creating, E::BackupRequested) => Self::BackingUp,
            (Self::BackingUp, E::OperationSucceeded) => Self::BackedUp,
            (Self::Allocated | Self::Creating | Self::CreatedOnPrimary | Self::BackingUp, E::OperationFailed) => Self::Error,
            (Self::BackedUp | Self::Error, E::DestroyRequested) => Self::Destroying,
            (Self::Destroying, E::OperationSucceeded) => Self::Destroyed,
            (Self::Destroying, E::OperationFailed) => Self::BackedUp,
            _ => return None,
        })
    }
    /// States in which work is under way; nothing may rest here without a job.
    pub const fn is_passing(self) -> bool {
        matches!(self, Self::Allocated | Self::Creating | Self::CreatedOnPrimary | Self::BackingUp | Self::Destroying)
    }
    /// Whether it counts against its owner's limit of snapshots.
    pub const fn counts(self) -> bool {
        !matches!(self, Self::Error | Self::Destroyed)
    }
}

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
    fn every_passing_state_of_volumes_and_snapshots_ends() {
        for s in VolumeState::ALL.iter().filter(|s| s.is_passing()) {
            assert_eq!(s.on(VolumeEvent::OperationFailed), Some(VolumeState::Ready), "{s}");
        }
        for s in SnapshotState::ALL.iter().filter(|s| s.is_passing()) {
            assert!(s.on(SnapshotEvent::OperationFailed).is_some(), "{s}");
        }
        assert_eq!(VolumeState::Allocated.on(VolumeEvent::SnapshotRequested), None, "there are no bytes yet");
        assert_eq!(SnapshotState::BackedUp.on(SnapshotEvent::CreateRequested), None);
    }

    #[test]
    fn a_running_vm_is_never_recovered_or_expunged() {
        assert_eq!(VmState::Running.on(VmEvent::RecoverRequested), None);
        assert_eq!(VmState::Running.on(VmEvent::ExpungeRequested), None);
    }
}
