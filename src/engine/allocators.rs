//! Who gets placed where: allocators propose hosts and pools in order, the engine's conditional statements decide.
//!
//! An allocator is a trait and a line where `main` registers it; settings name the one in force. What it proposes may be gone by the
//! time it is tried, so it returns up to a number of candidates and leaves out those in the demand's avoid set.
use crate::{Demand, Engine};
use async_trait::async_trait;
use stratus_model::Result;
use stratus_store::{Host, Query, StoragePool, Value};

/// Candidates asked for in one go.
pub const UP_TO: usize = 8;

/// Proposes hosts for a VM.
#[async_trait]
pub trait HostAllocator: Send + Sync {
    /// The name that the setting `host.allocators` knows it by.
    fn name(&self) -> &'static str;
    /// Hosts that could take the demand, best first, at most `up_to`.
    async fn candidates(&self, engine: &Engine, demand: &Demand, up_to: usize) -> Result<Vec<Host>>;
}

/// Proposes pools for a volume.
#[async_trait]
pub trait PoolAllocator: Send + Sync {
    /// The name that the setting `storage.pool.allocators` knows it by.
    fn name(&self) -> &'static str;
    /// Pools that could take the demand, best first, at most `up_to`.
    async fn candidates(&self, engine: &Engine, demand: &PoolDemand, up_to: usize) -> Result<Vec<StoragePool>>;
}

/// What a volume asks of a pool.
#[derive(Debug, Clone, Default)]
pub struct PoolDemand {
    /// The zone.
    pub zone: i64,
    /// The cluster of the host that is to use it.
    pub cluster: i64,
    /// That host's hypervisor.
    pub hypervisor: String,
    /// Bytes.
    pub bytes: i64,
    /// Tags that the pool must have.
    pub tags: Vec<String>,
    /// Pools that were tried already.
    pub avoid: Vec<i64>,
}

/// The first host, in the order they were added, that has room.
pub struct FirstFit;

#[async_trait]
impl HostAllocator for FirstFit {
    fn name(&self) -> &'static str {
        "FirstFitRouting"
    }
    async fn candidates(&self, engine: &Engine, d: &Demand, up_to: usize) -> Result<Vec<Host>> {
        let mut sql = String::from(
            "select host_id from host_capacity where zone_id = ? and open = 1 and cpu_total - cpu_used >= ? and memory_total - memory_used >= ?",
        );
        let mut args: Vec<Value> = vec![d.zone.into(), d.amount.cpu.into(), d.amount.memory.into()];
        for (column, id) in [("pod_id", d.pod), ("cluster_id", d.cluster), ("host_id", d.host)] {
            if let Some(id) = id {
                sql.push_str(&format!(" and {column} = ?"));
                args.push(id.into());
            }
        }
        for (column, ids) in d.barred.by_column().into_iter().filter(|(_, ids)| !ids.is_empty()) {
            sql.push_str(&format!(" and {column} not in ({})", vec!["?"; ids.len()].join(",")));
            args.extend(ids.iter().map(|id| Value::from(*id)));
        }
        if let Some(h) = &d.hypervisor {
            sql.push_str(" and hypervisor = ?");
            args.push(h.clone().into());
        }
        let closed: Vec<i64> = d.avoid.iter().chain(&d.apart).copied().collect();
        if !closed.is_empty() {
            sql.push_str(&format!(" and host_id not in ({})", vec!["?"; closed.len()].join(",")));
            args.extend(closed.into_iter().map(Value::from));
        }
        // Tags are looked at afterwards: more rows, so that tagged hosts far down the list are still found.
        let rows = if d.tags.is_empty() { up_to } else { 10_000 };
        sql.push_str(&format!(" order by host_id limit {rows}"));
        let ids = engine.db.rows(sql, args).await?.iter().map(|r| r.get(0)).collect::<Result<Vec<i64>>>()?;
        let hosts = engine.db.find::<Host>(Query::live().within("id", ids)).await?;
        Ok(hosts.into_iter().filter(|h| has_tags(h.tags.as_deref(), &d.tags)).take(up_to).collect())
    }
}

/// The first pool, in the order they were added, that the host can reach and that has room.
pub struct FirstFitPool;

#[async_trait]
impl PoolAllocator for FirstFitPool {
    fn name(&self) -> &'static str {
        "FirstFit"
    }
    async fn candidates(&self, engine: &Engine, d: &PoolDemand, up_to: usize) -> Result<Vec<StoragePool>> {
        let q = Query::live()
            .eq("zone_id", d.zone)
            .eq("state", "Up")
            .without("id", d.avoid.iter().copied())
            .eq_or_null("cluster_id", d.cluster);
        let pools = engine.db.find::<StoragePool>(q).await?;
        let fits = |p: &StoragePool| {
            p.hypervisor.as_ref().is_none_or(|h| h.eq_ignore_ascii_case(&d.hypervisor))
                && p.used_bytes + d.bytes <= engine.pool_total(p)
                && has_tags(p.tags.as_deref(), &d.tags)
        };
        Ok(pools.into_iter().filter(fits).take(up_to).collect())
    }
}

/// Whether a comma list of tags holds all that are wanted.
pub fn has_tags(have: Option<&str>, want: &[String]) -> bool {
    let have: Vec<&str> = have.unwrap_or_default().split(',').map(str::trim).collect();
    want.iter().all(|w| have.contains(&w.as_str()))
}

/// A comma list of tags as a list.
pub fn tags(text: Option<&str>) -> Vec<String> {
    text.unwrap_or_default().split(',').map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect()
}

/// The allocators of this process.
pub struct Allocators {
    hosts: Vec<Box<dyn HostAllocator>>,
    pools: Vec<Box<dyn PoolAllocator>>,
}

impl Default for Allocators {
    fn default() -> Self {
        Self { hosts: vec![Box::new(FirstFit)], pools: vec![Box::new(FirstFitPool)] }
    }
}

impl Allocators {
    /// Adds one for hosts.
    pub fn with_host(mut self, a: Box<dyn HostAllocator>) -> Self {
        self.hosts.push(a);
        self
    }
    /// Adds one for pools.
    pub fn with_pool(mut self, a: Box<dyn PoolAllocator>) -> Self {
        self.pools.push(a);
        self
    }
    /// The host allocator that a setting names; the first there is when it names none of them.
    pub fn host(&self, named: Option<&str>) -> Option<&dyn HostAllocator> {
        let by_name = self.hosts.iter().find(|a| named.is_some_and(|n| n.split(',').any(|n| n.trim() == a.name())));
        by_name.or_else(|| self.hosts.first()).map(AsRef::as_ref)
    }
    /// The pool allocator that a setting names; the first there is when it names none of them.
    pub fn pool(&self, named: Option<&str>) -> Option<&dyn PoolAllocator> {
        let by_name = self.pools.iter().find(|a| named.is_some_and(|n| n.split(',').any(|n| n.trim() == a.name())));
        by_name.or_else(|| self.pools.first()).map(AsRef::as_ref)
    }
}
