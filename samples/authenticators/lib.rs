//! An authenticator that lives outside the product: a function of one's own is called back with who wants in.
//!
//! `Authenticators::default().with(Box::new(Callback(ask)))` puts it beside the product's own, and its name in the setting
//! `user.authenticators.order` puts it in force: `CALLBACK,ARGON2` asks the function first and the passwords kept here after it. That the
//! user exists, is enabled and has not tried too often is the engine's to see to; the function only says whether the password is right.
use async_trait::async_trait;
use stratus_engine::Engine;
use stratus_engine::authenticators::Authenticator;
use stratus_model::Result;
use stratus_store::{Domain, User};

/// Its name in `user.authenticators.order`.
pub const NAME: &str = "CALLBACK";

/// Who wants in.
pub struct Asked<'a> {
    /// The path of the user's domain, `/` for ROOT and `/sales/` below it.
    pub domain: &'a str,
    /// The login name.
    pub username: &'a str,
    /// The password in the clear: it must not be kept or logged.
    pub password: &'a str,
}

/// Calls a function, which must not block. An error is logged and the next authenticator is asked.
pub struct Callback<F>(pub F);

#[async_trait]
impl<F: Fn(&Asked<'_>) -> Result<bool> + Send + Sync> Authenticator for Callback<F> {
    fn name(&self) -> &'static str {
        NAME
    }
    async fn knows(&self, engine: &Engine, user: &User, password: &str) -> Result<bool> {
        let domain = engine.db.must::<Domain>(user.domain_id).await?.path;
        (self.0)(&Asked { domain: &domain, username: &user.username, password })
    }
}
