use crate::{Text, table};

table! {
    /// An agent of a real host; its `uuid` is its host's. Certificates are known by the SHA-256 of their bytes.
    Agent in "agent" {
        uuid: String, name: String,
        /// The hash of the one-time token's secret, until it is used, and until when it may be.
        token_hash: Option<String>, token_until: i64,
        fingerprint: Option<String>,
        /// A renewed certificate that was not used yet.
        next_fingerprint: Option<String>,
        good_until: i64,
        version: Option<String>, address: Option<String>, connected: Option<i64>,
        created: i64, removed: Option<i64>,
    }
}
table! {
    /// The authority that signs agents' certificates. One row, as its name is unique: the first that any server wrote.
    AgentAuthority in "agent_authority" { name: String, certificate: Text, key_sealed: Text, created: i64 }
}
