use crate::{Text, table};
use stratus_model::{AccountType, VmState};

table! {
    /// A domain. `path` has slashes at both ends (`/` for ROOT), so that a subtree is a prefix.
    Domain in "domain" {
        uuid: String, name: String, parent_id: Option<i64>, path: Text, level: i64, network_domain: Option<String>,
        state: String, update_count: i64, created: i64, removed: Option<i64>,
    }
}
table! {
    /// An account: the owner of things.
    Account in "account" {
        uuid: String, name: String,
        /// Wire number of [`AccountType`].
        account_type: i64,
        domain_id: i64, network_domain: Option<String>, default_zone_id: Option<i64>,
        /// The 12 digits that stand for this account in EC2 answers.
        owner_number: String,
        /// `account_details` as a JSON map.
        details: Option<Text>,
        state: String, update_count: i64, created: i64, removed: Option<i64>,
        /// Whether it is being deleted and something of it is still there.
        cleanup: bool,
    }
}
table! {
    /// A project: an account that owns things, and the accounts that may use them.
    Project in "project" {
        uuid: String, name: String, display_text: Text, domain_id: i64,
        /// The account that owns the project's things.
        account_id: i64,
        /// `Active`, `Suspended`, `Disabled` while it is being deleted.
        state: String, update_count: i64, created: i64, removed: Option<i64>,
    }
}
table! {
    /// An account that may use a project's things; `role` is `Admin` for its owner, else `Regular`.
    ProjectMember in "project_member" { project_id: i64, account_id: i64, role: String, created: i64 }
}
table! {
    /// An invitation into a project, for an account or, with a token, for whoever reads a mailbox.
    ProjectInvitation in "project_invitation" {
        uuid: String, project_id: i64, account_id: Option<i64>, domain_id: i64, email: Option<String>, token: Option<String>,
        /// `Pending`, `Completed`, `Declined`, `Expired`.
        state: String,
        created: i64, removed: Option<i64>,
    }
}
table! {
    /// How many calls an account made since the window began, where servers count together.
    ApiCount in "api_count" { account_id: i64, window_start: i64, calls: i64 }
}
table! {
    /// A directory server that passwords are checked against.
    LdapServer in "ldap_server" { hostname: String, port: i64, created: i64 }
}
table! {
    /// A certificate for the console proxy and image server.
    Certificate in "certificate" { name: String, seq: i64, certificate: Text, key_sealed: Option<Text>, domain_suffix: String, created: i64 }
}
table! {
    /// A user: a login and a pair of keys of an account.
    User in "cloud_user" {
        uuid: String, account_id: i64, domain_id: i64, username: String,
        /// argon2id, in PHC form.
        password_hash: Text,
        firstname: String, lastname: String, email: Option<String>, timezone: Option<String>,
        api_key: Option<String>,
        /// Sealed with the master key.
        secret_sealed: Option<Text>,
        failed_logins: i64,
        /// Whether the password is still the one a fresh database starts with.
        default_password: bool,
        state: String, update_count: i64, created: i64, removed: Option<i64>,
    }
}
table! {
    /// A certificate with which a user signs SOAP messages.
    UserCertificate in "user_certificate" {
        uuid: String, user_id: i64, account_id: i64, domain_id: i64,
        /// SHA-256 of its bytes in hexadecimal.
        fingerprint: String,
        /// The same while it is registered: no two users have it at once.
        live_fingerprint: Option<String>,
        /// In PEM form.
        certificate: Text,
        subject: Text, issuer: Text, serial: String,
        /// Microseconds between which it is good.
        not_before: i64,
        not_after: i64,
        created: i64, removed: Option<i64>,
    }
}
table! {
    /// A browser's session. The cookie is kept as its SHA-256 only.
    Session in "session" {
        cookie_hash: String, session_key: String, user_id: i64, created: i64,
        /// Microseconds of the last call.
        last_used: i64,
    }
}
table! {
    /// What an owner uses of a limited resource, and its own limit if one was set.
    ResourceCount in "resource_count" {
        /// `account` or `domain`.
        owner_kind: String,
        owner_id: i64,
        /// Wire number of `Limit`.
        resource: i64,
        used: i64,
        /// The limit set for this owner; -1 for none; null for the default.
        max: Option<i64>,
    }
}
table! {
    /// A setting that differs from its default, for the whole cloud (`global`, 0) or a scope.
    Setting in "setting" { name: String, scope: String, scope_id: i64, content: Option<Text> }
}

impl Account {
    /// The account's type; an unknown number is a plain user, who may do least.
    pub fn kind(&self) -> AccountType {
        AccountType::from_number(self.account_type).unwrap_or(AccountType::User)
    }
}

impl super::Vm {
    /// The state as the model knows it.
    pub fn vm_state(&self) -> VmState {
        VmState::from_word(&self.state).unwrap_or(VmState::Unknown)
    }
}
