//! Key pairs in answers.
use crate::prelude::*;

/// A key pair as lists show it.
#[derive(View, Debug, Clone)]
pub struct SshKeyPair {
    /// MD5 fingerprint of the public key
    pub fingerprint: String,
    /// the name of the key pair
    pub name: String,
}

/// A key pair that was just made, with its private half.
#[derive(View, Clone)]
pub struct NewSshKeyPair {
    /// MD5 fingerprint of the public key
    pub fingerprint: String,
    /// the name of the key pair
    pub name: String,
    /// the private key in PEM form; it is not kept
    pub privatekey: String,
}

/// A page of key pairs.
pub(crate) fn of(rows: Vec<store::SshKeyPair>) -> Vec<SshKeyPair> {
    rows.into_iter().map(|k| SshKeyPair { fingerprint: k.fingerprint, name: k.name }).collect()
}
