//! The fresh install: what an empty database gets, once (catalog/README.md "Fresh install").
use crate::account::{new_owner_number, own_things};
use crate::{Engine, new_key};
use std::sync::Arc;
use stratus_model::{AccountType, Error, Micros, Result};
use stratus_store::{Account, Domain, Region, Setting, Table, Tx, User};

/// The key of ROOT, the domain above all others.
pub const ROOT_DOMAIN: i64 = 1;
/// The key of the `system` account and of its user: the product itself.
pub const SYSTEM: i64 = 1;
/// The key of the `admin` account and of its user.
pub const ADMIN: i64 = 2;

/// What a fresh administrator's password is until it is changed.
const FIRST_PASSWORD: &str = "password";
/// No argon2 hash: nobody logs in with it.
const NO_PASSWORD: &str = "!";

/// The secrets of the first administrator; made before the transaction, because hashing takes its time.
#[derive(Clone)]
struct First {
    password_hash: String,
    api_key: String,
    secret_sealed: String,
}

impl Engine {
    /// Fills an empty database in one transaction. True when this call did it, false when somebody had before.
    pub async fn setup(self: &Arc<Self>) -> Result<bool> {
        if self.db.get::<Domain>(ROOT_DOMAIN).await?.is_some() {
            return Ok(false);
        }
        let first = First {
            password_hash: self.password_kept(FIRST_PASSWORD).await?,
            api_key: new_key(),
            secret_sealed: self.sealer.seal(&new_key())?,
        };
        let engine = self.clone();
        match self.db.write(move |tx| Box::pin(async move { engine.fill(tx, first).await })).await {
            Ok(()) => Ok(true),
            // Another server of the farm was quicker: its row stands, ours was never there.
            Err(Error::Raced(_)) => Ok(false),
            Err(e) => Err(e),
        }
    }

    async fn fill(&self, tx: &mut Tx, first: First) -> Result<()> {
        let now = self.clock.now();
        // The one row with a unique key that two servers would both write: it decides which of them sets up.
        let mut done = Setting { name: "init".into(), scope: "global".into(), content: Some("true".into()), ..Default::default() };
        tx.insert(&mut done).await?;
        let name = uuid::Uuid::new_v4().to_string();
        let mut identifier = Setting { name: "cloud.identifier".into(), scope: "global".into(), content: Some(name), ..Default::default() };
        tx.insert(&mut identifier).await?;
        self.first_domain(tx, now).await?;
        self.first_accounts(tx, first, now).await?;
        insert_as(tx, &mut Region { number: 1, name: "Local".into(), created: now, ..Default::default() }, 1).await?;
        self.seeds(tx, now).await
    }

    /// What the other nouns' files add to a fresh install. One line each, in the order in which they lean on each other.
    async fn seeds(&self, tx: &mut Tx, now: Micros) -> Result<()> {
        crate::network_offering::seed_network_offerings(tx, now).await?;
        crate::service_offering::seed_service_offerings(tx, now).await?;
        crate::disk_offering::seed_disk_offerings(tx, now).await?;
        crate::os_type::seed_os_types(tx).await?;
        crate::hypervisor_capability::seed_hypervisor_capabilities(tx).await?;
        crate::template_fetch::seed_templates(tx, now).await
    }

    async fn first_domain(&self, tx: &mut Tx, now: Micros) -> Result<()> {
        let mut root = Domain {
            uuid: uuid::Uuid::new_v4().to_string(),
            name: "ROOT".into(),
            path: "/".into(),
            state: "Active".into(),
            created: now,
            ..Default::default()
        };
        insert_as(tx, &mut root, ROOT_DOMAIN).await?;
        self.counters_create(tx, "domain", ROOT_DOMAIN).await
    }

    async fn first_accounts(&self, tx: &mut Tx, first: First, now: Micros) -> Result<()> {
        for (name, id) in [("system", SYSTEM), ("admin", ADMIN)] {
            let mut account = Account {
                uuid: uuid::Uuid::new_v4().to_string(),
                name: name.into(),
                account_type: AccountType::RootAdmin.number(),
                domain_id: ROOT_DOMAIN,
                owner_number: new_owner_number(tx).await?,
                state: "enabled".into(),
                created: now,
                ..Default::default()
            };
            insert_as(tx, &mut account, id).await?;
            own_things(self, tx, &account).await?;
            let mut user = User {
                uuid: uuid::Uuid::new_v4().to_string(),
                account_id: id,
                domain_id: ROOT_DOMAIN,
                username: name.into(),
                password_hash: NO_PASSWORD.into(),
                firstname: name.into(),
                lastname: "cloud".into(),
                state: "enabled".into(),
                created: now,
                ..Default::default()
            };
            if id == ADMIN {
                user.firstname = "Admin".into();
                user.lastname = "User".into();
                user.password_hash = first.password_hash.clone();
                user.api_key = Some(first.api_key.clone());
                user.secret_sealed = Some(first.secret_sealed.clone());
                user.default_password = true;
            }
            insert_as(tx, &mut user, id).await?;
        }
        Ok(())
    }
}

/// Inserts a row under a key that is known beforehand. A Galera server counts keys in steps, so the order alone does not give it.
async fn insert_as<T: Table>(tx: &mut Tx, row: &mut T, id: i64) -> Result<()> {
    let given = tx.insert(row).await?;
    if given != id {
        tx.execute(format!("update {} set id = ? where id = ?", T::NAME), vec![id.into(), given.into()]).await?;
        row.set_id(id);
    }
    Ok(())
}
