//! Key pairs.
use crate::prelude::*;
use crate::views::ssh_key;
use stratus_engine::ssh_key::SshKeyList;

/// Makes a key pair; the private key is answered once and not kept.
#[derive(Command)]
#[command(name = "createSSHKeyPair", roles = "all", answer = "keypair", view = ssh_key::NewSshKeyPair, event = "REGISTER.SSH.KEYPAIR")]
pub struct Create {
    /// the name of the key pair, unique in the account
    name: String,
    /// the account that is to own it; needs domainid unless it is in the caller's domain
    account: Option<String>,
    /// the ID of that account's domain
    domainid: Option<Ref<store::Domain>>,
    /// a project that is to own it
    projectid: Option<Ref<store::Project>>,
}
impl Run for Create {
    async fn run(self, call: &Call) -> Result<Answer> {
        let owner =
            call.acting_owner(self.account.as_deref(), self.domainid.as_ref().map(|d| &d.0), self.projectid.as_ref().map(|p| &p.0)).await?;
        let (key, privatekey) = call.ssh_key_create(call, &owner, self.name).await?;
        Ok(Answer::one(ssh_key::NewSshKeyPair { fingerprint: key.fingerprint, name: key.name, privatekey }))
    }
}

/// Keeps the public key of a pair that was made elsewhere.
#[derive(Command)]
#[command(name = "registerSSHKeyPair", roles = "all", answer = "keypair", view = ssh_key::SshKeyPair, event = "REGISTER.SSH.KEYPAIR")]
pub struct Register {
    /// the name of the key pair, unique in the account
    name: String,
    /// the public key in OpenSSH form
    #[param(length = 5120)]
    publickey: String,
    /// the account that is to own it; needs domainid unless it is in the caller's domain
    account: Option<String>,
    /// the ID of that account's domain
    domainid: Option<Ref<store::Domain>>,
    /// a project that is to own it
    projectid: Option<Ref<store::Project>>,
}
impl Run for Register {
    async fn run(self, call: &Call) -> Result<Answer> {
        let owner =
            call.acting_owner(self.account.as_deref(), self.domainid.as_ref().map(|d| &d.0), self.projectid.as_ref().map(|p| &p.0)).await?;
        let key = call.ssh_key_register(call, &owner, self.name, &self.publickey).await?;
        Ok(Answer::one(ssh_key::SshKeyPair { fingerprint: key.fingerprint, name: key.name }))
    }
}

/// Lists key pairs.
#[derive(Command)]
#[command(name = "listSSHKeyPairs", roles = "all", answer = "sshkeypair", view = ssh_key::SshKeyPair)]
pub struct List {
    /// only the pair with this fingerprint
    fingerprint: Option<String>,
    /// only the pair with this name
    name: Option<String>,
    #[param(flatten)]
    scoped: Scoped,
    #[param(flatten)]
    page: Paging,
}
impl Run for List {
    async fn run(self, call: &Call) -> Result<Answer> {
        let page = self.page.range(call)?;
        let scope = self.scoped.scope(call, false).await?;
        let ask = SshKeyList { scope, name: self.name, fingerprint: self.fingerprint, keyword: self.page.keyword, page };
        let found = call.ssh_key_list(ask).await?;
        Ok(Answer::list(found.count, ssh_key::of(found.rows)))
    }
}

/// Forgets a key pair.
#[derive(Command)]
#[command(name = "deleteSSHKeyPair", roles = "all")]
pub struct Delete {
    /// the name of the key pair
    name: String,
    /// the account that owns it; needs domainid unless it is in the caller's domain
    account: Option<String>,
    /// the ID of that account's domain
    domainid: Option<Ref<store::Domain>>,
    /// the project that owns it
    projectid: Option<Ref<store::Project>>,
}
impl Run for Delete {
    async fn run(self, call: &Call) -> Result<Answer> {
        let owner =
            call.acting_owner(self.account.as_deref(), self.domainid.as_ref().map(|d| &d.0), self.projectid.as_ref().map(|p| &p.0)).await?;
        call.ssh_key_delete(call, &owner, &self.name).await?;
        Ok(Answer::success())
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<Create>();
    r.add::<Register>();
    r.add::<List>();
    r.add::<Delete>();
}
