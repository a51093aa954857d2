//! A host allocator and a pool allocator that live outside the product.
//!
//! `Allocators::default().with_host(Box::new(EmptiestHost)).with_pool(Box::new(FullestPool))` puts them beside the product's own, and
//! the setting `vm.allocation.algorithm` set to `sample` puts them in force. An allocator only proposes: that a host or pool is not
//! taken beyond what it has is the engine's to see to, so the worst that a wrong one does is to find no place.
use async_trait::async_trait;
use stratus_engine::allocators::{HostAllocator, PoolAllocator, PoolDemand, has_tags};
use stratus_engine::{Demand, Engine};
use stratus_model::Result;
use stratus_store::{Host, HostCapacity, Query, StoragePool};

/// The name of both in `vm.allocation.algorithm`.
pub const NAME: &str = "sample";

/// Hosts with the most free memory first.
pub struct EmptiestHost;

#[async_trait]
impl HostAllocator for EmptiestHost {
    fn name(&self) -> &'static str {
        NAME
    }
    async fn candidates(&self, engine: &Engine, demand: &Demand, up_to: usize) -> Result<Vec<Host>> {
        let open = Query::all()
            .eq("zone_id", demand.zone)
            .eq("open", true)
            .eq_opt("pod_id", demand.pod)
            .eq_opt("cluster_id", demand.cluster)
            .eq_opt("host_id", demand.host)
            .eq_opt("hypervisor", demand.hypervisor.as_deref())
            .without("host_id", demand.avoid.iter().chain(&demand.apart).copied());
        let mut room = engine.db.find::<HostCapacity>(open).await?;
        room.retain(|c| c.cpu_total - c.cpu_used >= demand.amount.cpu && c.memory_total - c.memory_used >= demand.amount.memory);
        room.sort_by_key(|c| (c.memory_used - c.memory_total, c.host_id));
        let hosts = engine.db.by_ids::<Host>(room.iter().map(|c| c.host_id)).await?;
        let tagged = |h: &&Host| has_tags(h.tags.as_deref(), &demand.tags);
        Ok(room.iter().filter_map(|c| hosts.get(&c.host_id)).filter(tagged).take(up_to).cloned().collect())
    }
}

/// Pools that are nearly full first, so that others stay free for large disks.
pub struct FullestPool;

#[async_trait]
impl PoolAllocator for FullestPool {
    fn name(&self) -> &'static str {
        NAME
    }
    async fn candidates(&self, engine: &Engine, demand: &PoolDemand, up_to: usize) -> Result<Vec<StoragePool>> {
        let up = Query::live()
            .eq("zone_id", demand.zone)
            .eq("state", "Up")
            .eq_or_null("cluster_id", demand.cluster)
            .without("id", demand.avoid.iter().copied());
        let mut pools = engine.db.find::<StoragePool>(up).await?;
        pools.retain(|p| p.used_bytes + demand.bytes <= engine.pool_total(p) && has_tags(p.tags.as_deref(), &demand.tags));
        pools.sort_by_key(|p| (engine.pool_total(p) - p.used_bytes, p.id));
        pools.truncate(up_to);
        Ok(pools)
    }
}
