//! What hosts with agents do: CPU, memory and network, measured there every `host.stats.interval` and kept in memory only (VM-24).
//! Simulated hosts do nothing and are not asked.
use crate::Engine;
use futures::StreamExt;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use stratus_drivers::HostLoad;
use stratus_model::Result;
use stratus_store::{Agent, Host, Query};

/// Hosts asked at the same time.
const AT_ONCE: usize = 32;

/// The last loads, by the hosts' uuids.
#[derive(Default)]
pub struct Loads(RwLock<HashMap<String, HostLoad>>);

impl Loads {
    /// What a host did, if it has told.
    pub fn of(&self, host: &str) -> Option<HostLoad> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(host).cloned()
    }
}

impl Engine {
    /// Asks every host with an agent; one that does not answer has no load until it does. How many told.
    pub async fn loads_read(self: &Arc<Self>) -> Result<u64> {
        let agents = self.db.find::<Agent>(Query::live()).await?;
        let up = Query::live().eq("state", "Up").within("uuid", agents.iter().map(|agent| agent.uuid.as_str()));
        let asked = futures::stream::iter(self.db.find::<Host>(up).await?).map(|host| async move {
            let load = self.drivers.host(&host.hypervisor)?.load(&host.uuid).await.ok().flatten();
            load.map(|load| (host.uuid, load))
        });
        let told: Vec<_> = asked.buffer_unordered(AT_ONCE).collect().await;
        let fresh: HashMap<_, _> = told.into_iter().flatten().collect();
        let count = fresh.len() as u64;
        *self.loads.0.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(count)
    }
}
