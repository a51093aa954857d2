//! What running VMs do: CPU, network and disks, read from their hosts every `vm.stats.interval` and kept in memory only (VM-24).
use crate::Engine;
use futures::StreamExt;
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use stratus_drivers::VmFigures;
use stratus_model::Result;
use stratus_store::{Host, Placement, Query};

/// Hosts asked at the same time.
const AT_ONCE: usize = 32;

/// The last figures, by instance name.
#[derive(Default)]
pub struct Figures(RwLock<HashMap<String, VmFigures>>);

impl Figures {
    /// What a VM did, if its host has told.
    pub fn of(&self, instance_name: &str) -> Option<VmFigures> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(instance_name).cloned()
    }
}

impl Engine {
    /// Asks every host with VMs; a host that does not answer has no figures until it does. How many VMs have some.
    pub async fn figures_read(&self) -> Result<u64> {
        let busy = Query::live().eq("state", "Up").id_in::<Placement>("host_id", Query::all());
        let hosts = self.db.find::<Host>(busy).await?;
        let asked = futures::stream::iter(hosts).map(|host| async move {
            match self.drivers.host(&host.hypervisor) {
                Some(driver) => driver.figures(&host.uuid).await.unwrap_or_default(),
                None => Vec::new(),
            }
        });
        let told: Vec<Vec<VmFigures>> = asked.buffer_unordered(AT_ONCE).collect().await;
        let fresh: HashMap<String, VmFigures> = told.into_iter().flatten().map(|f| (f.name.clone(), f)).collect();
        let count = fresh.len() as u64;
        *self.figures.0.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(count)
    }
}
