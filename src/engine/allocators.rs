//! Who gets placed where: allocators propose hosts and pools in order, the engine's conditional statements decide.
//!
//! An allocator is a trait and a line where `main` registers it; the setting `vm.allocation.algorithm` names the one in force, unless
//! the planner of the service offering (or `vm.deployment.planner`) is one that spreads or gathers an account's VMs. What an allocator
//! proposes may be gone by the time it is tried, so it returns up to a number of candidates and leaves out those in the demand's avoid
//! set. `samples/allocators` has one of each kind that lives outside the product.
use crate::{Demand, Engine};
use async_trait::async_trait;
use stratus_model::Result;
use stratus_store::{Host, Query, StoragePool, Value, Volume};

/// Candidates asked for in one go.
pub const UP_TO: usize = 8;

/// Proposes hosts for a VM.
#[async_trait]
pub trait HostAllocator: Send + Sync {
    /// The name that the setting `vm.allocation.algorithm` knows it by.
    fn name(&self) -> &'static str;
    /// Hosts that could take the demand, best first, at most `up_to`.
    async fn candidates(&self, engine: &Engine, demand: &Demand, up_to: usize) -> Result<Vec<Host>>;
}

/// Proposes pools for a volume.
#[async_trait]
pub trait PoolAllocator: Send + Sync {
    /// The name that the setting `vm.allocation.algorithm` knows it by.
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
    /// The host itself; none while nobody knows which it is going to be.
    pub host: Option<i64>,
    /// That host's hypervisor.
    pub hypervisor: String,
    /// Whether it has to be the host's own storage, or must not be.
    pub local: bool,
    /// Bytes.
    pub bytes: i64,
    /// Tags that the pool must have.
    pub tags: Vec<String>,
    /// Whose the volume is.
    pub account: i64,
    /// Pools that were tried already.
    pub avoid: Vec<i64>,
}

/// In which order hosts and pools are proposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As they were added.
    FirstFit,
    /// From a random one on.
    Random,
    /// Those with the fewest VMs (or volumes) of the account first.
    UserDispersing,
    /// In the pods with the most VMs of the account first; within a pod as they were added, or at random.
    UserConcentratedPod {
        /// At random within a pod.
        random: bool,
    },
}

impl Order {
    const ALL: [Self; 5] = [
        Self::FirstFit,
        Self::Random,
        Self::UserDispersing,
        Self::UserConcentratedPod { random: true },
        Self::UserConcentratedPod { random: false },
    ];
    const fn word(self) -> &'static str {
        match self {
            Self::FirstFit => "firstfit",
            Self::Random => "random",
            Self::UserDispersing => "userdispersing",
            Self::UserConcentratedPod { random: true } => "userconcentratedpod_random",
            Self::UserConcentratedPod { random: false } => "userconcentratedpod_firstfit",
        }
    }
}

/// The algorithm that a deployment planner stands for; planners that leave it to the setting give none.
pub fn of_planner(planner: Option<&str>) -> Option<String> {
    let order = match planner? {
        "UserDispersingPlanner" => Order::UserDispersing,
        "UserConcentratedPodPlanner" => Order::UserConcentratedPod { random: false },
        _ => return None,
    };
    Some(order.word().to_owned())
}

/// Statements over the capacity of hosts: the conditions of a demand, with a join and an order of their own.
struct Room<'d> {
    demand: &'d Demand,
    /// Only hosts from this key on, or only those before it.
    pivot: Option<(bool, i64)>,
}

impl Room<'_> {
    async fn ids(&self, engine: &Engine, order: Order, rows: usize) -> Result<Vec<i64>> {
        let d = self.demand;
        let (join, rank) = match order {
            Order::FirstFit | Order::Random => ("", "c.host_id"),
            Order::UserDispersing => (
                " left join (select host_id h, count(*) n from vm where account_id = ? and removed is null and host_id is not null \
                 group by host_id) mine on mine.h = c.host_id",
                "coalesce(mine.n, 0), c.host_id",
            ),
            Order::UserConcentratedPod { .. } => (
                " left join (select pod_id p, count(*) n from vm where account_id = ? and removed is null and host_id is not null \
                 group by pod_id) mine on mine.p = c.pod_id",
                "coalesce(mine.n, 0) desc, c.pod_id, c.host_id",
            ),
        };
        let mut args: Vec<Value> = if join.is_empty() { Vec::new() } else { vec![d.account.into()] };
        let mut sql = format!(
            "select c.host_id from host_capacity c{join} where c.zone_id = ? and c.open = 1 and c.cpu_total - c.cpu_used >= ? \
             and c.memory_total - c.memory_used >= ? and (c.max_guests = 0 or c.guests < c.max_guests)"
        );
        args.extend([d.zone.into(), d.amount.cpu.into(), d.amount.memory.into()]);
        for (column, id) in [("pod_id", d.pod), ("cluster_id", d.cluster), ("host_id", d.host)] {
            if let Some(id) = id {
                sql.push_str(&format!(" and c.{column} = ?"));
                args.push(id.into());
            }
        }
        for (column, ids) in d.barred.places.by_column().into_iter().filter(|(_, ids)| !ids.is_empty()) {
            sql.push_str(&format!(" and {column} not in ({})", vec!["?"; ids.len()].join(",")));
            args.extend(ids.iter().map(|id| Value::from(*id)));
        }
        if let Some(only) = &d.barred.only {
            let some = only.by_column().into_iter().filter(|(_, ids)| !ids.is_empty());
            let any: Vec<String> = some.map(|(column, ids)| format!("c.{column} in ({})", vec!["?"; ids.len()].join(","))).collect();
            sql.push_str(&if any.is_empty() { " and 1 = 0".to_owned() } else { format!(" and ({})", any.join(" or ")) });
            args.extend(only.by_column().into_iter().flat_map(|(_, ids)| ids.iter().map(|id| Value::from(*id))));
        }
        if let Some(h) = &d.hypervisor {
            sql.push_str(" and c.hypervisor = ?");
            args.push(h.clone().into());
        }
        if let Some((from, id)) = self.pivot {
            sql.push_str(if from { " and c.host_id >= ?" } else { " and c.host_id < ?" });
            args.push(id.into());
        }
        let closed: Vec<i64> = d.avoid.iter().chain(&d.apart).copied().collect();
        if !closed.is_empty() {
            sql.push_str(&format!(" and c.host_id not in ({})", vec!["?"; closed.len()].join(",")));
            args.extend(closed.into_iter().map(Value::from));
        }
        sql.push_str(&format!(" order by {rank} limit {rows}"));
        engine.db.rows(sql, args).await?.iter().map(|r| r.get(0)).collect()
    }
}

#[async_trait]
impl HostAllocator for Order {
    fn name(&self) -> &'static str {
        self.word()
    }
    async fn candidates(&self, engine: &Engine, d: &Demand, up_to: usize) -> Result<Vec<Host>> {
        // Tags are looked at afterwards: more rows, so that tagged hosts far down the list are still found.
        let rows = if d.tags.is_empty() { up_to } else { 10_000 };
        let mut ids = match self {
            Self::Random => {
                // A random place to begin at instead of a shuffle of all hosts: the cost does not grow with them.
                let last = Query::live().eq("zone_id", d.zone).latest("id");
                let last = engine.db.find_one::<Host>(last).await?.map_or(0, |h| h.id);
                let pivot = rand::random_range(0..=last);
                let mut ids = Room { demand: d, pivot: Some((true, pivot)) }.ids(engine, *self, rows).await?;
                if ids.len() < rows {
                    ids.extend(Room { demand: d, pivot: Some((false, pivot)) }.ids(engine, *self, rows - ids.len()).await?);
                }
                ids
            }
            order => Room { demand: d, pivot: None }.ids(engine, *order, rows).await?,
        };
        let hosts = engine.db.by_ids::<Host>(ids.iter().copied()).await?;
        if matches!(self, Self::UserConcentratedPod { random: true }) {
            shuffle_within(&mut ids, |id| hosts.get(id).map(|h| h.pod_id));
        }
        let fits = |h: &&Host| h.removed.is_none() && has_tags(h.tags.as_deref(), &d.tags);
        Ok(ids.iter().filter_map(|id| hosts.get(id)).filter(fits).take(up_to).cloned().collect())
    }
}

/// Shuffles what stands together under one key, and leaves the order of the keys.
fn shuffle_within<K: PartialEq>(ids: &mut [i64], key: impl Fn(&i64) -> K) {
    use rand::seq::SliceRandom;
    for run in ids.chunk_by_mut(|a, b| key(a) == key(b)) {
        run.shuffle(&mut rand::rng());
    }
}

#[async_trait]
impl PoolAllocator for Order {
    fn name(&self) -> &'static str {
        self.word()
    }
    async fn candidates(&self, engine: &Engine, d: &PoolDemand, up_to: usize) -> Result<Vec<StoragePool>> {
        let q = Query::live()
            .eq("zone_id", d.zone)
            .eq("state", "Up")
            .without("id", d.avoid.iter().copied())
            .eq_or_null("cluster_id", d.cluster);
        let q = if d.local { q.eq("scope", "HOST").eq_opt("host_id", d.host) } else { q.ne("scope", "HOST") };
        let mut pools = engine.db.find::<StoragePool>(q).await?;
        match self {
            Self::Random | Self::UserConcentratedPod { random: true } => {
                use rand::seq::SliceRandom;
                pools.shuffle(&mut rand::rng());
            }
            Self::UserDispersing => {
                let mut counted = Vec::with_capacity(pools.len());
                for p in pools {
                    let mine = Query::live().eq("pool_id", p.id).eq("account_id", d.account);
                    counted.push((engine.db.count::<Volume>(mine).await?, p));
                }
                counted.sort_by_key(|(n, p)| (*n, p.id));
                pools = counted.into_iter().map(|(_, p)| p).collect();
            }
            _ => {}
        }
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
        Self {
            hosts: Order::ALL.iter().map(|o| Box::new(*o) as Box<dyn HostAllocator>).collect(),
            pools: Order::ALL.iter().map(|o| Box::new(*o) as Box<dyn PoolAllocator>).collect(),
        }
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
        let by_name = self.hosts.iter().find(|a| named.is_some_and(|n| n.trim().eq_ignore_ascii_case(a.name())));
        by_name.or_else(|| self.hosts.first()).map(AsRef::as_ref)
    }
    /// The pool allocator that a setting names; the first there is when it names none of them.
    pub fn pool(&self, named: Option<&str>) -> Option<&dyn PoolAllocator> {
        let by_name = self.pools.iter().find(|a| named.is_some_and(|n| n.trim().eq_ignore_ascii_case(a.name())));
        by_name.or_else(|| self.pools.first()).map(AsRef::as_ref)
    }
}
