//! Who is let in by a password (AUT-03): authenticators are asked in order, and the first that knows the user by it lets it in.
//!
//! An authenticator is a trait and a line where the process is put together; the setting `user.authenticators.order` names those in
//! force. Who may log in at all (a user here, of that domain, enabled, not tried too often) stays the engine's to say, so the worst that
//! a wrong one does is to take a password for right. `samples/authenticators` has one that lives outside the product.
use crate::Engine;
use crate::identity::{hash_password, verify_password};
use async_trait::async_trait;
use std::sync::LazyLock;
use stratus_model::{Error, Result, in_full};
use stratus_store::User;
use tokio::sync::{OnceCell, Semaphore};

/// The setting that names those in force.
pub const ORDER: &str = "user.authenticators.order";

/// Password checks at the same time: each takes 19 MiB, and strangers cause them.
static CHECKS: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(4));
/// A hash that costs what a real one costs, for names that do not exist: the time taken tells nobody which do.
static DECOY: OnceCell<String> = OnceCell::const_new();

/// Says whether somebody is who they say they are.
#[async_trait]
pub trait Authenticator: Send + Sync {
    /// The name that the setting `user.authenticators.order` knows it by.
    fn name(&self) -> &'static str;
    /// Whether it knows a user by this password, which is never empty. A failure is logged and the next one is asked.
    async fn knows(&self, engine: &Engine, user: &User, password: &str) -> Result<bool>;
    /// Does for a name that does not exist what takes the time in [`Authenticator::knows`], where that would tell which names exist.
    async fn wastes_time(&self, _engine: &Engine, _password: &str) -> Result<()> {
        Ok(())
    }
    /// What is kept of a new password in the user's row (255 characters at most), for one that compares with that; the first in order that
    /// keeps something does.
    async fn keeps(&self, _password: &str) -> Result<Option<String>> {
        Ok(None)
    }
}

/// Passwords that are kept here, as argon2id.
pub struct Own;

#[async_trait]
impl Authenticator for Own {
    fn name(&self) -> &'static str {
        "ARGON2"
    }
    async fn knows(&self, _: &Engine, user: &User, password: &str) -> Result<bool> {
        let _turn = CHECKS.acquire().await.map_err(Error::internal)?;
        verify_password(password, &user.password_hash).await
    }
    async fn wastes_time(&self, _: &Engine, password: &str) -> Result<()> {
        let decoy = DECOY.get_or_try_init(|| hash_password("nobody's")).await?;
        let _turn = CHECKS.acquire().await.map_err(Error::internal)?;
        verify_password(password, decoy).await.map(drop)
    }
    async fn keeps(&self, password: &str) -> Result<Option<String>> {
        hash_password(password).await.map(Some)
    }
}

/// The authenticators of this process.
pub struct Authenticators(Vec<Box<dyn Authenticator>>);

impl Default for Authenticators {
    fn default() -> Self {
        Self(vec![Box::new(Own), Box::new(crate::ldap::Directories)])
    }
}

impl Authenticators {
    /// Adds one.
    pub fn with(mut self, a: Box<dyn Authenticator>) -> Self {
        self.0.push(a);
        self
    }

    fn named(&self, name: &str) -> Option<&dyn Authenticator> {
        self.0.iter().find(|a| a.name().eq_ignore_ascii_case(name)).map(AsRef::as_ref)
    }

    /// Refuses an order that names one that is not there, or none.
    pub(crate) fn check(&self, order: &str) -> Result<()> {
        let unknown = names(order).find(|n| self.named(n).is_none());
        let refuse = |why: &str| {
            let there: Vec<&str> = self.0.iter().map(|a| a.name()).collect();
            Err(Error::invalid("value", format!("{why}; there are {}", there.join(", "))))
        };
        match unknown {
            Some(name) => refuse(&format!("there is no authenticator '{name}'")),
            None if names(order).next().is_none() => refuse("names no authenticator"),
            None => Ok(()),
        }
    }
}

fn names(order: &str) -> impl Iterator<Item = &str> {
    order.split(',').map(str::trim).filter(|n| !n.is_empty())
}

impl Engine {
    /// Those in force, in order. Names that this server does not have are another server's; where none is left, the passwords kept here.
    fn authenticators_in_force(&self) -> Vec<&dyn Authenticator> {
        let order = self.settings.text(ORDER).unwrap_or_default();
        let mut found: Vec<&dyn Authenticator> = names(&order).filter_map(|n| self.authenticators.named(n)).collect();
        if found.is_empty() {
            found.push(&Own);
        }
        found
    }

    /// Whether a user is known by a password; none is a name that does not exist, for which the same is done.
    pub(crate) async fn authenticate(&self, user: Option<&User>, password: &str) -> Result<bool> {
        // An empty password binds as nobody in a directory, which succeeds; and nobody is the product itself, whatever one says.
        let user = user.filter(|u| u.id != crate::setup::SYSTEM && !password.is_empty());
        for one in self.authenticators_in_force() {
            let outcome = match user {
                Some(user) => one.knows(self, user, password).await,
                None => one.wastes_time(self, password).await.map(|()| false),
            };
            match outcome {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(e) => tracing::warn!(authenticator = one.name(), error = %in_full(&e), "a password could not be checked"),
            }
        }
        Ok(false)
    }

    /// What is kept of a new password. Where no authenticator in force compares with anything kept here, it is kept all the same, for
    /// the day on which one does.
    pub async fn password_kept(&self, password: &str) -> Result<String> {
        for one in self.authenticators_in_force() {
            if let Some(kept) = one.keeps(password).await? {
                return Ok(kept);
            }
        }
        hash_password(password).await
    }
}
