//! SSH key pairs. The private half of a pair made here is answered once and never kept.
//!
//! Each key has two fingerprints: the native API's (MD5 of the OpenSSH blob) and EC2's, which differs by where the key was made.
use crate::{Call, Engine, ListScope, Listing, Topic};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use rsa::pkcs1::EncodeRsaPrivateKey;
use rsa::pkcs8::{EncodePrivateKey, EncodePublicKey, LineEnding};
use rsa::{BigUint, RsaPrivateKey, RsaPublicKey};
use sha1::Sha1;
use sha2::Sha256;
use ssh_key::PublicKey;
use ssh_key::public::KeyData;
use stratus_model::{Error, Kind, Result};
use stratus_store::{Account, Query, SshKeyPair};
use uuid::Uuid;

/// Bits of the keys made here.
const BITS: usize = 2048;

/// The greatest RSA modulus that is taken.
const MOST_BITS: usize = 16384;

/// A pair made here.
struct Made {
    private: String,
    public: String,
    native: String,
    ec2: String,
}

/// A public key that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadKey {
    /// In OpenSSH form, on one line.
    pub line: String,
    /// MD5 of the OpenSSH blob, with colons.
    pub native: String,
    /// As EC2 shows imported keys.
    pub ec2: String,
}

fn colons(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(":")
}

fn internal(e: impl std::fmt::Display) -> Error {
    Error::internal(e.to_string())
}

fn make() -> Result<Made> {
    let key = RsaPrivateKey::new(&mut rsa::rand_core::OsRng, BITS).map_err(internal)?;
    let private = key.to_pkcs1_pem(LineEnding::LF).map_err(internal)?.to_string();
    let pkcs8 = key.to_pkcs8_der().map_err(internal)?;
    let public = ssh_key::public::RsaPublicKey::try_from(key.to_public_key()).map_err(internal)?;
    let public = PublicKey::new(KeyData::Rsa(public), "");
    Ok(Made {
        private,
        native: colons(&Md5::digest(public.to_bytes().map_err(internal)?)),
        ec2: colons(&Sha1::digest(pkcs8.as_bytes())),
        public: public.to_openssh().map_err(internal)?.trim().to_owned(),
    })
}

/// Reads a public key in OpenSSH form, `ssh-rsa AAAA… comment`, also when it is wrapped in base64 once more.
pub fn read_public_key(text: &str) -> Result<ReadKey> {
    let wrong = |why: &str| Error::invalid("publickey", why);
    let text = text.trim();
    let unwrapped = match text.contains(' ') {
        true => None,
        false => STANDARD.decode(text.split_whitespace().collect::<String>()).ok().and_then(|b| String::from_utf8(b).ok()),
    };
    let line = unwrapped.as_deref().unwrap_or(text).trim();
    if line.lines().count() != 1 {
        return Err(wrong("one line in OpenSSH form is wanted, like 'ssh-rsa AAAA… comment'"));
    }
    let key = PublicKey::from_openssh(line).map_err(|_| wrong("not a public key in OpenSSH form, like 'ssh-rsa AAAA… comment'"))?;
    let blob = key.to_bytes().map_err(internal)?;
    let ec2 = match key.key_data() {
        KeyData::Rsa(k) => {
            let part = |m: &ssh_key::Mpint| {
                m.as_positive_bytes().map(BigUint::from_bytes_be).ok_or_else(|| wrong("a negative number in an RSA key"))
            };
            let n = part(&k.n)?;
            if n.bits() < 1024 {
                return Err(wrong("an RSA key must have at least 1024 bits"));
            }
            let rsa = RsaPublicKey::new_with_max_size(n, part(&k.e)?, MOST_BITS).map_err(|_| wrong("not a usable RSA key"))?;
            colons(&Md5::digest(rsa.to_public_key_der().map_err(internal)?.as_bytes()))
        }
        KeyData::Ed25519(_) | KeyData::Ecdsa(_) => STANDARD.encode(Sha256::digest(&blob)),
        _ => return Err(wrong("the key must be RSA, ECDSA or Ed25519")),
    };
    Ok(ReadKey { line: key.to_openssh().map_err(internal)?.trim().to_owned(), native: colons(&Md5::digest(&blob)), ec2 })
}

/// Which key pairs to list.
#[derive(Debug, Clone)]
pub struct SshKeyList {
    /// Whose.
    pub scope: ListScope,
    /// With this name.
    pub name: Option<String>,
    /// With this fingerprint.
    pub fingerprint: Option<String>,
    /// Whose name holds this.
    pub keyword: Option<String>,
    /// First row and number of rows.
    pub page: (i64, i64),
}

impl Engine {
    /// Makes a key pair for an account; the private key in PEM form is not kept.
    pub async fn ssh_key_create(&self, call: &Call, owner: &Account, name: String) -> Result<(SshKeyPair, String)> {
        let made = tokio::task::spawn_blocking(make).await.map_err(Error::internal)??;
        let row = SshKeyPair { name, fingerprint: made.native, ec2_fingerprint: made.ec2, public_key: made.public, ..Default::default() };
        Ok((self.ssh_key_insert(call, owner, row).await?, made.private))
    }

    /// Keeps the public key of a pair that was made elsewhere.
    pub async fn ssh_key_register(&self, call: &Call, owner: &Account, name: String, public_key: &str) -> Result<SshKeyPair> {
        let key = read_public_key(public_key)?;
        let row = SshKeyPair { name, fingerprint: key.native, ec2_fingerprint: key.ec2, public_key: key.line, ..Default::default() };
        self.ssh_key_insert(call, owner, row).await
    }

    async fn ssh_key_insert(&self, call: &Call, owner: &Account, row: SshKeyPair) -> Result<SshKeyPair> {
        if row.name.trim().is_empty() || row.name.chars().count() > 255 {
            return Err(Error::invalid("name", "must have 1 to 255 characters"));
        }
        let mut row =
            SshKeyPair { uuid: Uuid::new_v4().to_string(), account_id: owner.id, domain_id: owner.domain_id, created: call.now(), ..row };
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let same = Query::live().eq("account_id", row.account_id).eq("name", row.name.as_str());
                    if tx.count::<SshKeyPair>(same).await? > 0 {
                        return Err(Error::Duplicate { kind: Kind::SshKeyPair, name: row.name });
                    }
                    tx.insert(&mut row).await?;
                    let topic = Topic { account: row.account_id, domain: row.domain_id, kind: Kind::SshKeyPair, id: row.id };
                    call.log(tx, topic, format!("SSH key pair {} kept", row.name)).await?;
                    Ok(row)
                })
            })
            .await
    }

    /// Lists key pairs.
    pub async fn ssh_key_list(&self, ask: SshKeyList) -> Result<Listing<SshKeyPair>> {
        let mut q = ask.scope.apply(Query::live()).eq_opt("name", ask.name).eq_opt("fingerprint", ask.fingerprint);
        if let Some(k) = &ask.keyword {
            q = q.holds(&["name", "fingerprint"], k);
        }
        let (offset, limit) = ask.page;
        Ok(Listing { count: self.db.count::<SshKeyPair>(q.clone()).await?, rows: self.db.find(q.page(offset, limit)).await? })
    }

    /// The key pair of this name.
    pub async fn ssh_key_named(&self, account_id: i64, name: &str) -> Result<SshKeyPair> {
        let found = self.db.find_one::<SshKeyPair>(Query::live().eq("account_id", account_id).eq("name", name)).await?;
        found.ok_or_else(|| Error::not_found(Kind::SshKeyPair, name))
    }

    /// Forgets a key pair; VMs that were made with it keep the key.
    pub async fn ssh_key_delete(&self, call: &Call, owner: &Account, name: &str) -> Result<()> {
        let row = self.ssh_key_named(owner.id, name).await?;
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    call.ec2_attributes_forget(tx, "key", &row.uuid).await?;
                    if !tx.remove::<SshKeyPair>(row.id, call.now()).await? {
                        return Err(Error::not_found(Kind::SshKeyPair, row.name));
                    }
                    let topic = Topic { account: row.account_id, domain: row.domain_id, kind: Kind::SshKeyPair, id: row.id };
                    call.log(tx, topic, format!("SSH key pair {} deleted", row.name)).await
                })
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_key_reads_back_and_its_fingerprints_have_the_right_lengths() {
        let made = make().expect("a key");
        assert!(made.private.starts_with("-----BEGIN RSA PRIVATE KEY-----\n"), "PKCS#1 is what old clients read");
        assert_eq!(made.ec2.split(':').count(), 20);
        let read = read_public_key(&format!("{} me@here\n", made.public)).expect("readable");
        assert_eq!(read.native, made.native);
        assert_eq!(read.ec2.split(':').count(), 16);
        let wrapped = STANDARD.encode(&made.public);
        assert_eq!(read_public_key(&wrapped).expect("wrapped").native, made.native);
    }

    #[test]
    fn ed25519_has_a_sha256_fingerprint_and_rubbish_names_the_parameter() {
        let line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti user@example.com";
        assert_eq!(read_public_key(line).expect("ed25519").ec2.len(), 44);
        for bad in ["", "ssh-rsa", "ssh-rsa AAAA", "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ", "hello world", "AAAA"] {
            let e = read_public_key(bad).expect_err(bad);
            assert!(matches!(&e, Error::Invalid { field, .. } if field == "publickey"), "{bad}: {e}");
        }
    }
}
