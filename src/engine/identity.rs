//! Who is who: passwords, keys, and the lookups that doors make before there is a caller.
use crate::Engine;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use stratus_model::{Caller, Error, Result, Source};
use stratus_store::{Account, Query, User};

fn argon() -> Argon2<'static> {
    // OWASP's second choice (19 MiB, 2 passes): a login costs some 20 ms and no more memory than a small server has.
    let params = Params::new(19 * 1024, 2, 1, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// The argon2id hash of a password in PHC form. Takes tens of milliseconds; runs off the runtime's threads.
pub(crate) async fn hash_password(password: &str) -> Result<String> {
    let password = password.to_owned();
    tokio::task::spawn_blocking(move || {
        let salt = SaltString::generate(&mut rsa::rand_core::OsRng);
        argon().hash_password(password.as_bytes(), &salt).map(|h| h.to_string()).map_err(|e| Error::internal(e.to_string()))
    })
    .await
    .map_err(Error::internal)?
}

/// Whether a password is the one behind a hash.
pub(crate) async fn verify_password(password: &str, hash: &str) -> Result<bool> {
    let (password, hash) = (password.to_owned(), hash.to_owned());
    tokio::task::spawn_blocking(
        move || Ok(PasswordHash::new(&hash).is_ok_and(|h| argon().verify_password(password.as_bytes(), &h).is_ok())),
    )
    .await
    .map_err(Error::internal)?
}

/// A new key or secret: 64 random bytes as 86 characters of base64url, as long as clients of old expect (clients.md point 1).
///
/// It never begins with a hyphen, which command lines would read as an option.
pub fn new_key() -> String {
    loop {
        let bytes: [u8; 64] = rand::random();
        let key = URL_SAFE_NO_PAD.encode(bytes);
        if !key.starts_with('-') {
            return key;
        }
    }
}

impl Engine {
    /// The user of an API key with its secret; `None` when there is none, or it or its account is not enabled.
    pub async fn by_api_key(&self, api_key: &str) -> Result<Option<(Caller, String)>> {
        let Some(user) = self.db.find_one::<User>(Query::live().eq("api_key", api_key)).await? else { return Ok(None) };
        if !self.is_enabled(&user).await? {
            return Ok(None);
        }
        let Some(sealed) = &user.secret_sealed else { return Ok(None) };
        let secret = self.sealer.open(sealed)?;
        Ok(Some((self.caller_of(&user, Source::Key).await?, secret)))
    }

    /// Whether a user may log in or sign: it and its account are enabled.
    pub async fn is_enabled(&self, user: &User) -> Result<bool> {
        if user.state != "enabled" {
            return Ok(false);
        }
        Ok(self.db.get::<Account>(user.account_id).await?.is_some_and(|a| a.removed.is_none() && a.state == "enabled"))
    }
}
