use crate::{Kind, Limit};

/// The result of anything the engine does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A short random reference that stands both in an answer and in the log, where the cause is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference(pub String);

impl Reference {
    /// A new reference of eight hex digits.
    pub fn new() -> Self {
        Self(format!("{:08x}", rand::random::<u32>()))
    }
}

impl Default for Reference {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Everything that can be wrong with a call, in the caller's terms. A variant exists when a client must tell it apart.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A required parameter is not there.
    #[error("Unable to execute API command {command} due to missing parameter {field}")]
    Missing {
        /// The command in lower case.
        command: String,
        /// The parameter.
        field: String,
    },
    /// A parameter's value cannot be: type, range, length, combination.
    #[error("Invalid value for parameter {field}: {why}")]
    Invalid {
        /// The parameter.
        field: String,
        /// What is wrong and what would be right.
        why: String,
    },
    /// The request cannot be read at all.
    #[error("{0}")]
    Malformed(String),
    /// Nothing of this kind has this id or name, or the caller may not know of it.
    #[error("Unable to find {} {id}", .kind.noun())]
    NotFound {
        /// The kind of thing.
        kind: Kind,
        /// What was given.
        id: String,
    },
    /// The name is taken.
    #[error("A {} named {name} exists already", .kind.noun())]
    Duplicate {
        /// The kind of thing.
        kind: Kind,
        /// The name.
        name: String,
    },
    /// The thing is in a state in which this cannot be done.
    #[error("The {} {id} is {state}: {why}", .kind.noun())]
    State {
        /// The kind of thing.
        kind: Kind,
        /// Its uuid.
        id: String,
        /// Its state.
        state: String,
        /// What would have to be.
        why: String,
    },
    /// Others still use the thing.
    #[error("The {} {id} is in use: {why}", .kind.noun())]
    InUse {
        /// The kind of thing.
        kind: Kind,
        /// Its uuid or name.
        id: String,
        /// By whom.
        why: String,
    },
    /// Wrong or missing credentials, a disabled user, a stale request.
    #[error("unable to verify user credentials and/or request signature")]
    Unauthenticated,
    /// The caller is known and may not.
    #[error("{0}")]
    Denied(String),
    /// No such command, or not one for this caller.
    #[error("The given command {0} either does not exist or is not available for the user")]
    UnknownCommand(String),
    /// A real command or parameter that this cloud cannot serve.
    #[error("{0}")]
    Unsupported(String),
    /// Too many calls.
    #[error("The given user has reached his/her account api limit, please retry after {retry_ms} ms.")]
    Throttled {
        /// Milliseconds until the next call is taken.
        retry_ms: i64,
    },
    /// A limit of an account or domain is reached.
    #[error("Maximum number of resources of type '{}' for {owner} has been exceeded: {used} of {max} in use, {asked} asked for", .limit.word())]
    LimitReached {
        /// What is limited.
        limit: Limit,
        /// `account name=… ` or `domain id=…`.
        owner: String,
        /// In use.
        used: i64,
        /// Allowed.
        max: i64,
        /// Asked for on top.
        asked: i64,
    },
    /// No host or pool fits; the text names each and why, for administrators.
    #[error("{0}")]
    NoCapacity(String),
    /// No address is free.
    #[error("{0}")]
    NoAddress(String),
    /// Something that is needed is down or turned off.
    #[error("{0}")]
    Unavailable(String),
    /// Two rules contradict each other.
    #[error("{0}")]
    RuleConflict(String),
    /// The row changed under us between reading and writing. Who can, reads again and repeats; else the caller is told to.
    #[error("{0} changed at the same time")]
    Raced(String),
    /// An error that a job met in an earlier life of the process, as it was kept.
    #[error("{text}")]
    Replayed {
        /// `errorcode`.
        api: u16,
        /// `cserrorcode`.
        cs: u16,
        /// The message.
        text: String,
    },
    /// Our fault. Outside: the reference; in the log: the cause.
    #[error("Internal error, reference {0}")]
    Internal(Reference, #[source] Box<dyn std::error::Error + Send + Sync>),
}

/// An error's codes in the three vocabularies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Codes {
    /// `errorcode` of the native API, which is its HTTP status too.
    pub api: u16,
    /// `cserrorcode` (exception number) of the native API.
    pub cs: u16,
    /// EC2's code.
    pub ec2: &'static str,
}

/// An error with its causes, as a log is told them: of an internal error everybody else reads the reference only.
pub fn in_full(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

impl Error {
    /// A parameter with a value that cannot be.
    pub fn invalid(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), why: why.into() }
    }
    /// Nothing with this id.
    pub fn not_found(kind: Kind, id: impl Into<String>) -> Self {
        Self::NotFound { kind, id: id.into() }
    }
    /// Our own fault, with its cause.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(Reference::new(), cause.into())
    }
    /// The codes of this error (catalog/README.md "Errors", ec2-semantics.md section 13).
    pub const fn codes(&self) -> Codes {
        let (api, cs, ec2) = match self {
            Self::Missing { .. } => (431, 9999, "MissingParameter"),
            Self::Invalid { .. } => (431, 4350, "InvalidParameterValue"),
            Self::Malformed(_) => (430, 9999, "MalformedQueryString"),
            Self::NotFound { kind, .. } => (431, 4350, kind.ec2_not_found()),
            Self::Duplicate { kind, .. } => (431, 4350, kind.ec2_duplicate()),
            Self::State { kind, .. } => (431, 4350, kind.ec2_wrong_state()),
            Self::InUse { kind, .. } => (536, 4375, kind.ec2_in_use()),
            Self::Unauthenticated => (401, 0, "AuthFailure"),
            Self::Denied(_) => (531, 4365, "UnauthorizedOperation"),
            Self::UnknownCommand(_) => (432, 9999, "UnauthorizedOperation"),
            Self::Unsupported(_) => (432, 9999, "UnsupportedOperation"),
            Self::Throttled { .. } => (429, 4545, "RequestLimitExceeded"),
            Self::LimitReached { limit, .. } => (535, 4280, limit.ec2_exceeded()),
            Self::NoCapacity(_) => (533, 4325, "InsufficientInstanceCapacity"),
            Self::NoAddress(_) => (533, 4325, "InsufficientAddressCapacity"),
            Self::Unavailable(_) => (534, 4380, "ServiceUnavailable"),
            Self::RuleConflict(_) => (537, 4360, "Resource.AlreadyAssociated"),
            Self::Replayed { api, cs, .. } => (*api, *cs, "InternalError"),
            Self::Raced(_) | Self::Internal(..) => (530, 4250, "InternalError"),
        };
        Codes { api, cs, ec2 }
    }
}
