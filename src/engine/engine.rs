use crate::allocators::Allocators;
use crate::authenticators::Authenticators;
use crate::group_members::GroupChanges;
use crate::jobs::Jobs;
use crate::settings::Settings;
use crate::throttle::Throttle;
use std::sync::Arc;
use stratus_drivers::Registry;
use stratus_model::{AccountType, Caller, Clock, Result, Source};
use stratus_store::{Account, Db, Domain, Query, Sealer, Server, User};

/// What an engine is made of.
pub struct EngineConfig {
    /// The database.
    pub db: Db,
    /// Seals secrets.
    pub sealer: Sealer,
    /// The drivers of this process.
    pub drivers: Registry,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Who gets placed where.
    pub allocators: Allocators,
    /// Who is let in by a password.
    pub authenticators: Authenticators,
    /// The name of this management server, for the jobs that it owns.
    pub name: String,
}

impl EngineConfig {
    /// With the product's own plug-ins alone.
    pub fn new(db: Db, sealer: Sealer, drivers: Registry, clock: Arc<dyn Clock>, name: impl Into<String>) -> Self {
        let (allocators, authenticators) = Default::default();
        Self { db, sealer, drivers, clock, allocators, authenticators, name: name.into() }
    }
}

/// The orchestration engine; one a process.
pub struct Engine {
    /// The database.
    pub db: Db,
    /// Seals secrets.
    pub sealer: Sealer,
    /// The drivers of this process.
    pub drivers: Registry,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Who gets placed where.
    pub allocators: Allocators,
    /// Who is let in by a password.
    pub authenticators: Authenticators,
    /// Settings, live.
    pub settings: Settings,
    /// This management server's row.
    pub server: Server,
    /// Jobs at work in this process.
    pub jobs: Jobs,
    /// What VMs did, as their hosts last told.
    pub figures: crate::figures::Figures,
    /// What hosts did, as they last told.
    pub loads: crate::host_load::Loads,
    /// Changes of security groups' members that hosts are not told of yet.
    pub group_changes: GroupChanges,
    /// Which pods have a share of their own of networks.
    pub(crate) pods: crate::pod_share::Pods,
    /// API calls counted in this process.
    pub throttle: Throttle,
    /// Ids of the AWS doors that were read before.
    pub(crate) ec2_known: crate::ec2_id_cache::KnownIds,
    /// Where this server's native port is, as clients reach it: `http://192.0.2.1:8080`.
    pub public_url: std::sync::OnceLock<String>,
}

impl Engine {
    /// Registers this server with the database and reads the settings. Nothing runs until [`Engine::start`].
    pub async fn open(config: EngineConfig) -> Result<Arc<Self>> {
        let now = config.clock.now();
        let name = config.name.clone();
        let server = config.db.write(move |tx| Box::pin(async move { register(tx, name, now).await })).await?;
        let settings = Settings::load(&config.db).await?;
        Ok(Arc::new(Self {
            db: config.db,
            sealer: config.sealer,
            drivers: config.drivers,
            clock: config.clock,
            allocators: config.allocators,
            authenticators: config.authenticators,
            settings,
            jobs: Jobs::new(),
            figures: Default::default(),
            loads: Default::default(),
            group_changes: GroupChanges::default(),
            pods: Default::default(),
            throttle: Throttle::default(),
            ec2_known: Default::default(),
            public_url: Default::default(),
            server,
        }))
    }

    /// The product itself as a caller: the `system` account, for reconcilers, set-up and the integration port.
    pub async fn system_caller(&self, source: Source) -> Result<Caller> {
        let user = self.db.must::<User>(1).await?;
        self.caller_of(&user, source).await
    }

    /// The caller that a user is.
    pub async fn caller_of(&self, user: &User, source: Source) -> Result<Caller> {
        let account = self.db.must::<Account>(user.account_id).await?;
        let domain = self.db.must::<Domain>(account.domain_id).await?;
        Ok(Caller {
            user_id: user.id,
            user_uuid: user.uuid.clone(),
            username: user.username.clone(),
            account_id: account.id,
            account_uuid: account.uuid,
            account_name: account.name,
            account_type: AccountType::from_number(account.account_type).unwrap_or(AccountType::User),
            domain_id: domain.id,
            domain_path: domain.path,
            source,
        })
    }
}

/// One row a server name; each start is a new epoch, so that writes of an earlier life can be told apart.
async fn register(tx: &mut stratus_store::Tx, name: String, now: i64) -> Result<Server> {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    if let Some(mut s) = tx.find_one::<Server>(Query::all().eq("name", name.as_str())).await? {
        s.epoch += 1;
        let set = vec![
            ("epoch", s.epoch.into()),
            ("state", "Up".into()),
            ("started", now.into()),
            ("last_seen", now.into()),
            ("version", version.into()),
        ];
        tx.set::<Server>(s.id, set).await?;
        return Ok(s);
    }
    let uuid = uuid::Uuid::new_v4().to_string();
    let mut s = Server { uuid, name, epoch: 1, state: "Up".into(), started: now, last_seen: now, version, ..Default::default() };
    tx.insert(&mut s).await?;
    Ok(s)
}
