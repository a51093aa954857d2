use serde::{Deserialize, Serialize};

/// Account types by their wire numbers (catalog/README.md, "Fresh install").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccountType {
    /// Uses its own things.
    User,
    /// Root administrator.
    RootAdmin,
    /// Administers a domain and those below it.
    DomainAdmin,
    /// Resource domain administrator.
    ResourceAdmin,
    /// Sees what an administrator sees, changes nothing.
    ReadOnlyAdmin,
    /// The account behind a project.
    Project,
}

impl AccountType {
    /// From the wire number.
    pub const fn from_number(n: i64) -> Option<Self> {
        Some(match n {
            0 => Self::User,
            1 => Self::RootAdmin,
            2 => Self::DomainAdmin,
            3 => Self::ResourceAdmin,
            4 => Self::ReadOnlyAdmin,
            5 => Self::Project,
            _ => return None,
        })
    }
    /// The wire number.
    pub const fn number(self) -> i64 {
        self as i64
    }
    /// The role that an account of this type has.
    pub const fn role(self) -> Role {
        match self {
            Self::RootAdmin | Self::ReadOnlyAdmin => Role::Admin,
            Self::DomainAdmin => Role::DomainAdmin,
            Self::ResourceAdmin => Role::ResourceAdmin,
            Self::User | Self::Project => Role::User,
        }
    }
}

/// Who may run a command: the bits of the original's role masks, so a set of roles is their sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Role {
    /// Root administrator.
    Admin = 1,
    /// Resource administrator.
    ResourceAdmin = 2,
    /// Domain administrator.
    DomainAdmin = 4,
    /// Ordinary user.
    User = 8,
}

/// How a call came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// Signed with an API key.
    Key,
    /// A browser's session.
    Session,
    /// The unauthenticated integration port.
    Integration,
    /// The product itself (reconcilers, set-up).
    System,
}

/// Who calls: made once by the door that authenticated, believed by everybody below it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// User's key.
    pub user_id: i64,
    /// User's uuid.
    pub user_uuid: String,
    /// User's login name.
    pub username: String,
    /// Account's key.
    pub account_id: i64,
    /// Account's uuid.
    pub account_uuid: String,
    /// Account's name.
    pub account_name: String,
    /// Account's type.
    pub account_type: AccountType,
    /// Domain's key.
    pub domain_id: i64,
    /// Domain's path with slashes at both ends, `/` for ROOT: a subtree is a prefix of it.
    pub domain_path: String,
    /// How the call came in.
    pub source: Source,
}

impl Caller {
    /// The caller's role.
    pub fn role(&self) -> Role {
        self.account_type.role()
    }
    /// Whether this is a root administrator.
    pub fn is_root(&self) -> bool {
        self.role() == Role::Admin
    }
    /// Whether this caller administers a domain (root included).
    pub fn is_admin(&self) -> bool {
        self.role() != Role::User
    }
}
