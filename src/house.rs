//! The house with the doors shut: data directory, database, drivers and engine. Both `serve` and `admin` live in it.
use crate::config::Config;
use crate::lock::DataDir;
use crate::ready::Keys;
use crate::tls;
use anyhow::{Context, Result};
use std::sync::Arc;
use stratus_agent::{Authority, GRACE, Hub};
use stratus_drivers::Registry;
use stratus_engine::{Engine, EngineConfig};
use stratus_model::SystemClock;
use stratus_store::{Db, Domain, Query, Sealer, User};

/// The hypervisor of hosts with agents.
pub const KVM: &str = "KVM";

/// The user that a fresh database starts with.
pub const ADMIN: i64 = 2;

/// An opened house. The data directory is ours until it is dropped.
pub struct House {
    /// The data directory.
    pub dir: DataDir,
    /// The engine; nothing runs in it yet.
    pub engine: Arc<Engine>,
    /// Where agents of real hosts sit.
    pub hub: Arc<Hub>,
    /// Who signs their certificates.
    pub authority: Arc<Authority>,
}

impl House {
    /// Opens what a taken data directory holds: the database at this version's schema, with what a fresh install has.
    pub async fn open(config: &Config, dir: DataDir) -> Result<Self> {
        tls::install();
        let db = match &config.database {
            None => Db::sqlite(&dir.file("stratus.db")).await.context("cannot open the database in the data directory")?,
            Some(url) => Db::mysql(url).await.context("cannot open the database that --database names")?,
        };
        let sealer = match std::env::var("STRATUS_MASTER_KEY") {
            Ok(text) => Sealer::from_text(&text)?,
            Err(_) => Sealer::from_file(&dir.file("master.key")).context("cannot read the master key in the data directory")?,
        };
        let name = server_name(&dir).context("cannot keep this server's name in the data directory")?;
        let hub = Hub::new(GRACE);
        hub.named(&name);
        let drivers = drivers(&dir, &hub)?;
        let clock = Arc::new(SystemClock);
        let engine = Engine::open(EngineConfig::new(db, sealer, drivers, clock, name)).await?;
        engine.setup().await.context("cannot furnish the database")?;
        let authority = crate::agents::open(&engine, &hub).await.context("cannot open the certificate authority for agents")?;
        Ok(Self { dir, engine, hub, authority })
    }

    /// The live user of this name in a domain, given by path (`/`, `/a/b`).
    pub async fn user(&self, name: &str, domain: &str) -> Result<User> {
        let path = match domain.trim_matches('/') {
            "" => "/".to_owned(),
            inner => format!("/{inner}/"),
        };
        let db = &self.engine.db;
        let found = db.find_one::<Domain>(Query::live().eq("path", path.as_str())).await?;
        let domain = found.with_context(|| format!("there is no domain {path}"))?;
        let user = db.find_one::<User>(Query::live().eq("domain_id", domain.id).eq("username", name)).await?;
        user.with_context(|| format!("there is no user {name} in the domain {path}"))
    }

    /// A user's keys; new ones when it has none or `renew` says so.
    pub async fn keys(&self, mut user: User, renew: bool) -> Result<Keys> {
        let sealer = &self.engine.sealer;
        let (api_key, secret_key) = match (&user.api_key, &user.secret_sealed) {
            (Some(key), Some(sealed)) if !renew => (key.clone(), sealer.open(sealed)?),
            _ => {
                let (key, secret) = (stratus_engine::new_key(), stratus_engine::new_key());
                let set = vec![("api_key", key.as_str().into()), ("secret_sealed", sealer.seal(&secret)?.into())];
                self.engine.db.write(move |tx| Box::pin(async move { tx.set::<User>(user.id, set).await })).await?;
                (key, secret)
            }
        };
        Ok(Keys { username: std::mem::take(&mut user.username), api_key, secret_key })
    }
}

/// The drivers of this binary, under the hypervisor and provider names that stand in the database.
fn drivers(dir: &DataDir, hub: &Arc<Hub>) -> Result<Registry> {
    let sim = stratus_sim::Sim::open(Some(dir.file("simulator.journal"))).context("cannot open the simulator's world")?;
    let stores = ["NFS", "File", "Swift", "Simulator"].iter();
    let all = Registry::default().with_host("Simulator", sim.clone()).with_pool("Simulator", sim.clone());
    let all = all.with_store("S3", stratus_objects::Buckets::before(sim.clone()));
    let all = stores.fold(all, |all, name| all.with_store(name, sim.clone()));
    let all = all.with_agents(KVM, hub.clone()).with_host(KVM, hub.clone()).with_pool(KVM, hub.clone());
    let all = all.with_store_for(KVM, "NFS", hub.clone()).with_store_for(KVM, "File", hub.served());
    let services = ["VirtualRouter", "SecurityGroupProvider"].iter();
    Ok(services.fold(all, |all, name| all.with_network(name, sim.clone()).with_network_for(KVM, name, hub.clone())))
}

/// The name under which this server owns jobs: made once, kept beside the data, so that it finds its own again.
fn server_name(dir: &DataDir) -> std::io::Result<String> {
    let file = dir.file("server.name");
    match std::fs::read_to_string(&file) {
        Ok(name) if !name.trim().is_empty() => return Ok(name.trim().to_owned()),
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let name = format!("{host}-{:08x}", rand::random::<u32>());
    std::fs::write(&file, &name)?;
    Ok(name)
}
