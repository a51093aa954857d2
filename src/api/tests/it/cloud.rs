//! A fresh cloud: simulated drivers, jobs at work, a clock that moves when told, and nothing in it.
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use stratus_api::Registry;
use stratus_engine::{Engine, EngineConfig};
use stratus_model::{Caller, Error, Source, SteppedClock};
use stratus_sim::Sim;
use stratus_store::{Db, Query, Sealer, User};

pub struct Cloud {
    pub engine: Arc<Engine>,
    pub registry: Arc<Registry>,
    pub clock: Arc<SteppedClock>,
    pub admin: Arc<Caller>,
    _dir: tempfile::TempDir,
}

impl Cloud {
    /// On SQLite or on MariaDB; none where there is no MariaDB.
    pub async fn fresh(maria: bool) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let db = match maria {
            true => Db::mysql(&stratus_testkit::maria::fresh().await?).await.unwrap(),
            false => Db::sqlite(&dir.path().join("stratus.db")).await.unwrap(),
        };
        let sim = Sim::open(None).unwrap();
        let drivers = stratus_drivers::Registry::default()
            .with_host("Simulator", sim.clone())
            .with_pool("Simulator", sim.clone())
            .with_store("NFS", sim.clone())
            .with_network("SecurityGroupProvider", sim.clone());
        let clock = Arc::new(SteppedClock::at(1_700_000_000_000_000));
        let engine = Engine::open(EngineConfig::new(db, Sealer::new(&[7; 32]), drivers, clock.clone(), "test")).await.unwrap();
        engine.setup().await.unwrap();
        let registry = Arc::new(Registry::new());
        engine.jobs_start(registry.clone()).await.unwrap();
        let admin = Arc::new(engine.caller_of(&engine.db.must::<User>(2).await.unwrap(), Source::Key).await.unwrap());
        Some(Self { engine, registry, clock, admin, _dir: dir })
    }
    pub async fn try_as(&self, caller: &Arc<Caller>, command: &str, params: &[(&str, &str)]) -> Result<Value, Error> {
        let params: BTreeMap<String, String> = params.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        self.registry.call_and_wait(&self.engine, caller, command, params).await
    }
    /// By the user of this name.
    pub async fn by(&self, name: &str, command: &str, params: &[(&str, &str)]) -> Result<Value, Error> {
        let user = self.engine.db.find_one::<User>(Query::live().eq("username", name)).await.unwrap().unwrap();
        let caller = Arc::new(self.engine.caller_of(&user, Source::Key).await.unwrap());
        self.try_as(&caller, command, params).await
    }
    /// By the administrator.
    pub async fn ask(&self, command: &str, params: &[(&str, &str)]) -> Result<Value, Error> {
        self.try_as(&self.admin, command, params).await
    }
    /// By the administrator, with success.
    pub async fn call(&self, command: &str, params: &[(&str, &str)]) -> Value {
        self.ask(command, params).await.unwrap_or_else(|e| panic!("{command}: {e}"))
    }
    /// The code of a refusal.
    pub async fn refused(&self, command: &str, params: &[(&str, &str)]) -> u16 {
        let outcome = self.ask(command, params).await;
        outcome.err().unwrap_or_else(|| panic!("{command} {params:?} went through")).codes().api
    }
    pub async fn set(&self, name: &str, value: &str) {
        self.call("updateConfiguration", &[("name", name), ("value", value)]).await;
    }
}
