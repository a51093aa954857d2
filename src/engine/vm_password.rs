//! Passwords of VMs whose template can set one, and their SSH keys.
//!
//! A password is made here, sealed until the guest has it, and answered once to who asked for it. What stays for good is readable
//! only with the private half of the VM's SSH key: `getVMPassword`, EC2's `GetPasswordData` (VM-15, VM-17).
use crate::saga::Saga;
use crate::vm::wrong_state;
use crate::vm_start::{from_driver, nic_spec};
use crate::{Call, Engine, saga};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::Rng;
use rsa::{BigUint, Pkcs1v15Encrypt, RsaPublicKey};
use serde::{Deserialize, Serialize};
use ssh_key::PublicKey;
use ssh_key::public::KeyData;
use stratus_drivers::Secret;
use stratus_model::{Error, Result, VmState};
use stratus_store::{Account, Network, Nic, Query, Template, Value, Vm};

/// Letters and digits that nobody takes for one another.
const ALPHABET: &[u8] = b"abcdefghjkmnpqrstuvwxyzABCDEFGHJKMNPQRSTUVWXYZ23456789";
/// 5.8 bits a character.
const LENGTH: usize = 12;

/// A new password in the forms in which it is kept.
pub(crate) struct NewPassword {
    /// Sealed with the cloud's key, until the guest has it.
    pub sealed: String,
    /// For the VM's SSH key, when that is an RSA key.
    pub encrypted: Option<String>,
}

impl NewPassword {
    /// What of the VM's row changes with it.
    pub fn set(self) -> Vec<(&'static str, Value)> {
        vec![("password_sealed", self.sealed.into()), ("password_encrypted", self.encrypted.into())]
    }
}

/// Base64 of a text that only the private half of an RSA key in OpenSSH form opens; nothing for other kinds of keys.
fn encrypted(public_key: &str, text: &str) -> Option<String> {
    let key = PublicKey::from_openssh(public_key).ok()?;
    let KeyData::Rsa(parts) = key.key_data() else { return None };
    let (n, e) = (parts.n.as_positive_bytes()?, parts.e.as_positive_bytes()?);
    let key = RsaPublicKey::new(BigUint::from_bytes_be(n), BigUint::from_bytes_be(e)).ok()?;
    let sealed = key.encrypt(&mut rsa::rand_core::OsRng, Pkcs1v15Encrypt, text.as_bytes()).ok()?;
    Some(STANDARD.encode(sealed))
}

impl Engine {
    /// Makes a password for a VM with this SSH key.
    pub(crate) fn password_new(&self, public_key: Option<&str>) -> Result<NewPassword> {
        let mut rng = rand::rng();
        let plain: String = (0..LENGTH).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())])).collect();
        Ok(NewPassword { sealed: self.sealer.seal(&plain)?, encrypted: public_key.and_then(|k| encrypted(k, &plain)) })
    }

    /// The password that a VM's guest has yet to take up or has just been given.
    pub fn password_waiting(&self, vm: &Vm) -> Result<Option<String>> {
        vm.password_sealed.as_deref().map(|sealed| self.sealer.open(sealed)).transpose()
    }

    /// Starts a VM; with it the password that its guest takes up by this start, if there is one.
    pub async fn vm_start_answered(&self, call: &Call, id: i64, host: Option<i64>) -> Result<(Vm, Option<String>)> {
        let vm = self.vm_start(call, id, host).await?;
        let password = self.password_waiting(&vm)?;
        Ok((vm, password))
    }

    /// Puts a VM's waiting password where its guest fetches it; its default NIC is prepared by now.
    pub(crate) async fn password_deliver(&self, vm: &Vm) -> Result<()> {
        let Some(password) = self.password_waiting(vm)? else { return Ok(()) };
        let Some(driver) = self.router_of_vm(vm).await? else { return Ok(()) };
        let default = Query::live().eq("vm_id", vm.id).eq("is_default", true);
        let Some(nic) = self.db.find_one::<Nic>(default).await? else { return Ok(()) };
        let network = self.network_share(&self.db.must::<Network>(nic.network_id).await?, vm).await?;
        driver.save_password(&network, &nic_spec(&nic), &Secret::new(password)).await.map_err(from_driver)
    }

    /// Gives a VM a new password: a running one takes it up by a restart, a stopped one when it starts.
    pub async fn password_reset(&self, call: &Call, vm: &Vm) -> Result<(Vm, Option<String>)> {
        self.password_allowed(vm).await?;
        self.credentials_new(call, NewCredentials { vm: vm.id, key: None, password: true }).await
    }

    async fn credentials_new(&self, call: &Call, plan: NewCredentials) -> Result<(Vm, Option<String>)> {
        let id = plan.vm;
        NEW_CREDENTIALS.run(call, 0, plan).await?;
        let vm = self.db.must::<Vm>(id).await?;
        let password = self.password_waiting(&vm)?;
        Ok((vm, password))
    }

    /// Refuses a new password where nobody would take it up.
    pub async fn password_allowed(&self, vm: &Vm) -> Result<()> {
        if !self.db.must::<Template>(vm.template_id).await?.password_enabled {
            return Err(Error::invalid("id", format!("the template of virtual machine {} cannot set passwords", vm.uuid)));
        }
        match vm.vm_state() {
            VmState::Running | VmState::Stopped => Ok(()),
            _ => Err(wrong_state(vm, "a password is reset while it runs or is stopped")),
        }
    }

    /// Gives a stopped VM another SSH key and, where its template can, a new password for it. The old password is lost.
    pub async fn ssh_key_reset(&self, call: &Call, owner: &Account, vm: &Vm, name: &str) -> Result<(Vm, Option<String>)> {
        self.ssh_key_resettable(owner, vm, name).await?;
        let key = self.ssh_key_named(owner.id, name).await?;
        let password = self.db.must::<Template>(vm.template_id).await?.password_enabled;
        self.credentials_new(call, NewCredentials { vm: vm.id, key: Some((key.name, key.public_key)), password }).await
    }

    /// Refuses a change of key that cannot be.
    pub async fn ssh_key_resettable(&self, owner: &Account, vm: &Vm, name: &str) -> Result<()> {
        if vm.vm_state() != VmState::Stopped {
            return Err(wrong_state(vm, "an SSH key is reset while the virtual machine is stopped"));
        }
        self.ssh_key_named(owner.id, name).await.map(drop)
    }

    /// The last password of a VM, for its SSH key only.
    pub fn password_encrypted(&self, vm: &Vm) -> Result<String> {
        let none = || {
            Error::invalid(
                "id",
                format!(
                    "there is no password kept for virtual machine {}: it needs an RSA key pair and a template that sets passwords",
                    vm.uuid
                ),
            )
        };
        vm.password_encrypted.clone().ok_or_else(none)
    }

    /// Forgets passwords that guests have: those of running VMs that no job is at work on. How many.
    pub async fn passwords_forget(&self) -> Result<u64> {
        let sql = stratus_store::sql!(
            "update vm set password_sealed = null where password_sealed is not null and state = 'Running' and not exists \
             (select 1 from job where job.status = 0 and job.instance_type = 'VirtualMachine' and job.instance_id = vm.id)"
        );
        self.db.write(move |tx| Box::pin(async move { tx.execute(sql, Vec::new()).await })).await
    }
}

static NEW_CREDENTIALS: Saga<NewCredentials> = saga!("vm-credentials": make, deliver);

/// What a VM is to get. The password itself stands in its row only.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct NewCredentials {
    vm: i64,
    /// Name and public half of another SSH key.
    key: Option<(String, String)>,
    password: bool,
}

/// Run again after a crash it makes another password; the first was never answered.
async fn make(call: &Call, plan: &mut NewCredentials) -> Result<()> {
    let vm = call.db.must::<Vm>(plan.vm).await?;
    let mut set: Vec<(&'static str, Value)> = Vec::new();
    if let Some((name, public)) = &plan.key {
        set.extend([("keypair", name.into()), ("ssh_public_key", public.into())]);
    }
    let key = plan.key.as_ref().map(|k| k.1.as_str()).or(vm.ssh_public_key.as_deref());
    match plan.password {
        true => set.extend(call.password_new(key)?.set()),
        false => set.push(("password_encrypted", Value::Null)),
    }
    call.db.write(move |tx| Box::pin(async move { tx.set::<Vm>(vm.id, set).await.map(drop) })).await
}

async fn deliver(call: &Call, plan: &mut NewCredentials) -> Result<()> {
    let vm = call.db.must::<Vm>(plan.vm).await?;
    if vm.vm_state() == VmState::Running {
        call.password_deliver(&vm).await?;
        call.vm_reboot(vm.id).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rsa::{RsaPrivateKey, traits::PublicKeyParts};

    #[test]
    fn only_the_private_key_opens_a_password() {
        let key = RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 1024).expect("a key");
        let public = ssh_key::public::RsaPublicKey::try_from(key.to_public_key()).expect("a public key");
        let line = PublicKey::new(KeyData::Rsa(public), "").to_openssh().expect("a line");
        let sealed = STANDARD.decode(encrypted(&line, "hello").expect("an RSA key")).expect("base64");
        assert_eq!(sealed.len(), key.size());
        assert_eq!(key.decrypt(Pkcs1v15Encrypt, &sealed).expect("opens"), b"hello");
        assert_eq!(encrypted("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti", "hello"), None);
    }
}
