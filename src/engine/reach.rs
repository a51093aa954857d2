//! Which driver serves what has no host of its own (stores, networks), and which hosts are to reach a pool or store.
use crate::Engine;
use crate::vm_start::ROUTER;
use std::sync::Arc;
use stratus_drivers::{Network as NetworkDriver, SecondaryStorage};
use stratus_model::{Error, Result};
use stratus_store::{Cluster, Host, ImageStore, Network, Query, StoragePool, Vm};

impl Engine {
    /// The hypervisor of a zone: that of its oldest cluster. Zones of one kind of hosts are what its networks and stores are made for.
    pub(crate) async fn zone_hypervisor(&self, zone: i64) -> Result<Option<String>> {
        let oldest = Query::live().eq("zone_id", zone).order("id").page(0, 1);
        Ok(self.db.find_one::<Cluster>(oldest).await?.map(|c| c.hypervisor))
    }

    /// The driver of an image store, as the hosts of its zone use it.
    pub(crate) async fn image_driver(&self, store: &ImageStore) -> Result<Arc<dyn SecondaryStorage>> {
        let hypervisor = match store.zone_id {
            Some(zone) => self.zone_hypervisor(zone).await?.unwrap_or_default(),
            None => String::new(),
        };
        let driver = self.drivers.store_for(&hypervisor, &store.provider);
        driver.ok_or_else(|| Error::Unavailable(format!("there is no driver for image stores of {} here", store.provider)))
    }

    /// What serves the networks of a VM, as the hosts that it runs on use it.
    pub(crate) async fn router_of_vm(&self, vm: &Vm) -> Result<Option<Arc<dyn NetworkDriver>>> {
        if !vm.hypervisor.is_empty() {
            return Ok(self.drivers.network_for(&vm.hypervisor, ROUTER));
        }
        let hypervisor = self.zone_hypervisor(vm.zone_id).await?.unwrap_or_default();
        Ok(self.drivers.network_for(&hypervisor, ROUTER))
    }

    /// What serves a network.
    pub(crate) async fn router_of(&self, network: &Network) -> Result<Option<Arc<dyn NetworkDriver>>> {
        let hypervisor = self.zone_hypervisor(network.zone_id).await?.unwrap_or_default();
        Ok(self.drivers.network_for(&hypervisor, ROUTER))
    }

    /// Uuids of the hosts that are to reach a pool; none where its driver needs no names.
    pub async fn pool_hosts(&self, pool: &StoragePool) -> Result<Vec<String>> {
        let hypervisor = pool.hypervisor.as_deref().unwrap_or_default();
        if self.drivers.agents(hypervisor).is_none() {
            return Ok(Vec::new());
        }
        let there = Query::live().eq("zone_id", pool.zone_id).eq("hypervisor", hypervisor).eq_opt("cluster_id", pool.cluster_id);
        let there = there.eq_opt("id", pool.host_id);
        Ok(self.db.find::<Host>(there).await?.into_iter().map(|h| h.uuid).collect())
    }

    /// Tells the agents which of them a pool is for that is connected next.
    pub(crate) async fn pool_meant(&self, pool: &StoragePool) -> Result<()> {
        if let Some(agents) = self.drivers.agents(pool.hypervisor.as_deref().unwrap_or_default()) {
            agents.meant_for(&pool.uuid, &self.pool_hosts(pool).await?);
        }
        Ok(())
    }

    /// Tells the agents which of them an image store is for that is connected next.
    pub(crate) async fn store_meant(&self, store: &ImageStore) -> Result<()> {
        let Some(zone) = store.zone_id else { return Ok(()) };
        let hypervisor = self.zone_hypervisor(zone).await?.unwrap_or_default();
        if let Some(agents) = self.drivers.agents(&hypervisor) {
            agents.meant_for(&store.uuid, &self.zone_hosts(zone).await?);
        }
        Ok(())
    }

    /// Uuids of the hosts of a zone that connect by agents, where the zone's hypervisor has them.
    pub async fn zone_hosts(&self, zone: i64) -> Result<Vec<String>> {
        let hypervisor = self.zone_hypervisor(zone).await?.unwrap_or_default();
        if self.drivers.agents(&hypervisor).is_none() {
            return Ok(Vec::new());
        }
        let there = Query::live().eq("zone_id", zone).eq("hypervisor", hypervisor);
        Ok(self.db.find::<Host>(there).await?.into_iter().map(|h| h.uuid).collect())
    }
}
