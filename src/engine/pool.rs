//! Primary storage: the pools on which volumes live.
use crate::location::Location;
use crate::places::{self, hold, refuse_name, refuse_used, unreachable};
use crate::{Call, Engine, Listing, Topic};
use std::sync::Arc;
use stratus_drivers::{DriverError, PrimaryStorage, StorageUse};
use stratus_model::{Error, Kind, Result};
use stratus_store::{Cluster, Pod, Query, StoragePool, TemplatePool, Tx, Value, Volume, Zone};
use uuid::Uuid;

/// The one provider of pools: the hypervisor's own way of mounting them.
pub const PROVIDER: &str = "DefaultPrimary";

/// URL schemes and the types of pool they make. `rbd` and `cifs` are left out: their URLs hold secrets and would be kept in the clear.
const TYPES: [(&str, &str); 9] = [
    ("nfs", "NetworkFilesystem"),
    ("file", "Filesystem"),
    ("filesystem", "Filesystem"),
    ("sharedmountpoint", "SharedMountPoint"),
    ("clvm", "CLVM"),
    ("iscsi", "IscsiLUN"),
    ("presetup", "PreSetup"),
    ("ocfs2", "OCFS2"),
    ("vmfs", "VMFS"),
];

/// What a new pool is to be.
#[derive(Debug, Clone)]
pub struct PoolCreate {
    /// The zone it is in.
    pub zone: Zone,
    /// The pod, for a cluster's pool.
    pub pod: Option<Pod>,
    /// The cluster whose hosts see it.
    pub cluster: Option<Cluster>,
    /// Unique in the zone.
    pub name: String,
    /// Where it is: `nfs://server/path`.
    pub url: String,
    /// `CLUSTER` or `ZONE`; by what else is given when left out.
    pub scope: Option<String>,
    /// The hypervisor whose hosts see a zone's pool.
    pub hypervisor: Option<String>,
    /// Who mounts it; [`PROVIDER`] when left out.
    pub provider: Option<String>,
    /// Tags that offerings can ask for.
    pub tags: Vec<String>,
    /// How much of it to use; all that is there when left out.
    pub capacity_bytes: Option<i64>,
    /// IOPS it can give.
    pub iops: Option<i64>,
}

/// What is to change of a pool.
#[derive(Debug, Clone, Default)]
pub struct PoolUpdate {
    /// Tags that offerings can ask for; an empty list takes them away.
    pub tags: Option<Vec<String>>,
    /// How much of it to use.
    pub capacity_bytes: Option<i64>,
    /// IOPS it can give.
    pub iops: Option<i64>,
}

/// Which pools to list.
#[derive(Debug, Clone, Default)]
pub struct PoolFilter {
    /// The one with this key.
    pub id: Option<i64>,
    /// With this name.
    pub name: Option<String>,
    /// With this in the name or type.
    pub keyword: Option<String>,
    /// In this zone.
    pub zone: Option<i64>,
    /// In this pod.
    pub pod: Option<i64>,
    /// In this cluster.
    pub cluster: Option<i64>,
    /// On this server.
    pub ip_address: Option<String>,
    /// With this path.
    pub path: Option<String>,
    /// Of this scope.
    pub scope: Option<String>,
    /// Offset and limit.
    pub page: (i64, i64),
}

fn missing(field: &str) -> Error {
    Error::Missing { command: "createstoragepool".into(), field: field.into() }
}

fn positive(field: &str, n: Option<i64>) -> Result<Option<i64>> {
    match n {
        Some(n) if n <= 0 => Err(Error::invalid(field, format!("must be more than 0, not {n}"))),
        n => Ok(n),
    }
}

/// The type of a pool at this address, which must name a place that can be one.
fn pool_type(a: &Location) -> Result<&'static str> {
    let known = TYPES.iter().find(|(scheme, _)| *scheme == a.scheme).map(|(_, t)| *t);
    let schemes: Vec<&str> = TYPES.iter().map(|(s, _)| *s).collect();
    let kind = known.ok_or_else(|| Error::invalid("url", format!("starts with one of {}, not {}", schemes.join(", "), a.scheme)))?;
    let local = matches!(kind, "Filesystem" | "SharedMountPoint" | "CLVM");
    if a.host.is_empty() && !local {
        return Err(Error::invalid("url", format!("'{a}' names no server")));
    }
    if a.path.is_empty() {
        return Err(Error::invalid("url", format!("'{a}' names no path")));
    }
    Ok(kind)
}

impl PoolCreate {
    /// Scope and hypervisor, when what is given fits together.
    fn reach(&self) -> Result<(String, String)> {
        let scope = match &self.scope {
            Some(s) => places::one_of("scope", s, &["CLUSTER", "ZONE", "HOST"])?,
            None if self.cluster.is_none() && self.pod.is_none() && self.hypervisor.is_some() => "ZONE".into(),
            None => "CLUSTER".into(),
        };
        match scope.as_str() {
            "CLUSTER" => {
                let pod = self.pod.as_ref().ok_or_else(|| missing("podid"))?;
                let cluster = self.cluster.as_ref().ok_or_else(|| missing("clusterid"))?;
                if pod.zone_id != self.zone.id {
                    return Err(Error::invalid("podid", format!("pod {} is not in zone {}", pod.name, self.zone.name)));
                }
                if cluster.pod_id != pod.id {
                    return Err(Error::invalid("clusterid", format!("cluster {} is not in pod {}", cluster.name, pod.name)));
                }
                Ok((scope, cluster.hypervisor.clone()))
            }
            "ZONE" if self.pod.is_some() || self.cluster.is_some() => {
                Err(Error::invalid("scope", "a zone's pool has no podid and no clusterid"))
            }
            "ZONE" => Ok((scope, self.hypervisor.clone().ok_or_else(|| missing("hypervisor"))?)),
            _ => Err(Error::invalid("scope", "pools on the hosts themselves come with the hosts; give CLUSTER or ZONE")),
        }
    }
}

impl Engine {
    fn pool_driver(&self, hypervisor: &str) -> Result<Arc<dyn PrimaryStorage>> {
        let none = || Error::invalid("hypervisor", format!("this server has no driver for the storage of {hypervisor} hosts"));
        self.drivers.pool(hypervisor).ok_or_else(none)
    }

    /// The row of a new pool, if what is asked can be.
    fn new_pool(&self, call: &Call, ask: &PoolCreate) -> Result<StoragePool> {
        let address = Location::parse(&ask.url)?;
        let kind = pool_type(&address)?;
        let (scope, hypervisor) = ask.reach()?;
        let provider = ask.provider.as_deref().unwrap_or(PROVIDER);
        if !provider.eq_ignore_ascii_case(PROVIDER) {
            return Err(Error::invalid("provider", format!("there is no storage provider '{provider}'; there is {PROVIDER}")));
        }
        Ok(StoragePool {
            uuid: Uuid::new_v4().to_string(),
            name: places::name("name", &ask.name)?,
            zone_id: ask.zone.id,
            pod_id: ask.pod.as_ref().map(|p| p.id),
            cluster_id: ask.cluster.as_ref().map(|c| c.id),
            scope,
            hypervisor: Some(self.hypervisor(&hypervisor)?),
            pool_type: kind.into(),
            provider: PROVIDER.into(),
            url: address.to_string(),
            ip_address: if address.host.is_empty() { "localhost".into() } else { address.host },
            path: address.path,
            tags: places::tags(&ask.tags),
            iops: positive("capacityiops", ask.iops)?,
            state: "Up".into(),
            created: call.now(),
            ..Default::default()
        })
    }

    /// Adds a pool: makes contact, then keeps it with what it has to give.
    pub async fn pool_create(&self, call: &Call, ask: PoolCreate) -> Result<StoragePool> {
        let mut pool = self.new_pool(call, &ask)?;
        let wanted = positive("capacitybytes", ask.capacity_bytes)?;
        refuse_twice(self.db.find_one(twice(&pool)).await?)?;
        let driver = self.pool_driver(pool.hypervisor.as_deref().unwrap_or_default())?;
        let (uuid, call) = (pool.uuid.clone(), call.clone());
        self.pool_meant(&pool).await?;
        let kept = match driver.connect(&uuid, &pool.url).await {
            Ok(size) => match sized(&mut pool, size, wanted) {
                Ok(()) => self.db.write(move |tx| Box::pin(async move { insert(tx, &call, pool).await })).await,
                Err(e) => Err(e),
            },
            Err(e) => Err(unreachable("storage pool", e)),
        };
        // Also when there was no answer: that may have got lost on the way.
        if kept.is_err() {
            forget(&driver, &uuid).await;
        }
        kept
    }

    /// Changes a pool.
    pub async fn pool_update(&self, call: &Call, pool: &StoragePool, ask: PoolUpdate) -> Result<StoragePool> {
        let mut set: Vec<(&'static str, Value)> = Vec::new();
        if let Some(tags) = &ask.tags {
            set.push(("tags", places::tags(tags).into()));
        }
        if let Some(n) = positive("capacityiops", ask.iops)? {
            set.push(("iops", n.into()));
        }
        let capacity = positive("capacitybytes", ask.capacity_bytes)?;
        let (call, id) = (call.clone(), pool.id);
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let before: StoragePool = hold(tx, Kind::StoragePool, id).await?;
                    if let Some(n) = capacity {
                        // What over-provisioning made of the old size may be taken already.
                        let roomy = Query::all().eq("id", id).at_most("used_bytes", n);
                        if tx.update::<StoragePool>(roomy, vec![("capacity_bytes", n.into())]).await? == 0 {
                            let why = format!("{} bytes are taken already", before.used_bytes);
                            return Err(Error::invalid("capacitybytes", why));
                        }
                    }
                    tx.set::<StoragePool>(id, set).await?;
                    call.log(tx, Topic::of_caller(&call, Kind::StoragePool, id), format!("storage pool {} changed", before.name)).await?;
                    tx.must(id).await
                })
            })
            .await
    }

    /// Removes a pool that no volume is on.
    pub async fn pool_delete(&self, call: &Call, pool: &StoragePool) -> Result<()> {
        let (call, id) = (call.clone(), pool.id);
        let gone = self
            .db
            .write(move |tx| {
                Box::pin(async move {
                    let pool: StoragePool = hold(tx, Kind::StoragePool, id).await?;
                    let on = Query::live().eq("pool_id", id).without("state", ["Expunged"]);
                    refuse_used::<Volume>(tx, on, Kind::StoragePool, &pool.uuid, "volumes are").await?;
                    if pool.used_bytes > 0 {
                        let why = format!("{} bytes of it are reserved", pool.used_bytes);
                        return Err(Error::InUse { kind: Kind::StoragePool, id: pool.uuid, why });
                    }
                    tx.delete::<TemplatePool>(Query::all().eq("pool_id", id)).await?;
                    tx.set::<StoragePool>(id, vec![("state", "Removed".into()), ("removed", call.now().into())]).await?;
                    call.log(tx, Topic::of_caller(&call, Kind::StoragePool, id), format!("storage pool {} removed", pool.name)).await?;
                    Ok(pool)
                })
            })
            .await?;
        if let Some(driver) = gone.hypervisor.as_deref().and_then(|h| self.drivers.pool(h)) {
            forget(&driver, &gone.uuid).await;
        }
        Ok(())
    }

    /// Pools.
    pub async fn pool_list(&self, f: PoolFilter) -> Result<Listing<StoragePool>> {
        let mut q = Query::live()
            .eq_opt("id", f.id)
            .eq_opt("name", f.name)
            .eq_opt("zone_id", f.zone)
            .eq_opt("ip_address", f.ip_address)
            .eq_opt("path", f.path)
            .eq_opt("scope", f.scope.map(|s| s.to_uppercase()));
        // A zone's pool serves each pod and cluster of it.
        if let Some(pod) = f.pod {
            q = q.eq_or_null("pod_id", pod);
        }
        if let Some(cluster) = f.cluster {
            q = q.eq_or_null("cluster_id", cluster);
        }
        if let Some(k) = &f.keyword {
            q = q.holds(&["name", "pool_type"], k);
        }
        let (offset, limit) = f.page;
        Ok(Listing {
            count: self.db.count::<StoragePool>(q.clone()).await?,
            rows: self.db.find(q.order("name").page(offset, limit)).await?,
        })
    }
}

/// Live pools that are the same place as this one.
fn twice(pool: &StoragePool) -> Query {
    let q = Query::live().eq("zone_id", pool.zone_id).eq("url", &pool.url);
    // A path of the hosts' own is another place in another cluster.
    match pool.pool_type.as_str() {
        "Filesystem" | "SharedMountPoint" | "CLVM" => q.eq_opt("cluster_id", pool.cluster_id),
        _ => q,
    }
}

fn refuse_twice(found: Option<StoragePool>) -> Result<()> {
    match found {
        Some(p) => Err(Error::invalid("url", format!("storage pool {} is there already", p.name))),
        None => Ok(()),
    }
}

/// How much of what is there the pool is to use.
fn sized(pool: &mut StoragePool, size: StorageUse, wanted: Option<i64>) -> Result<()> {
    let total = i64::try_from(size.total).unwrap_or(i64::MAX);
    pool.capacity_bytes = wanted.unwrap_or(total);
    if pool.capacity_bytes > total {
        return Err(Error::invalid("capacitybytes", format!("there are only {total} bytes")));
    }
    Ok(())
}

async fn insert(tx: &mut Tx, call: &Call, mut pool: StoragePool) -> Result<StoragePool> {
    hold::<Zone>(tx, Kind::Zone, pool.zone_id).await?;
    if let Some(cluster) = pool.cluster_id {
        hold::<Cluster>(tx, Kind::Cluster, cluster).await?;
    }
    refuse_twice(tx.find_one(twice(&pool)).await?)?;
    refuse_name::<StoragePool>(tx, Query::all().eq("zone_id", pool.zone_id), Kind::StoragePool, &pool.name).await?;
    tx.insert(&mut pool).await?;
    call.log(tx, Topic::of_caller(call, Kind::StoragePool, pool.id), format!("storage pool {} created", pool.name)).await?;
    Ok(pool)
}

/// Tells the driver that a pool is no longer ours. That it does not listen changes nothing for us.
pub(crate) async fn forget(driver: &Arc<dyn PrimaryStorage>, uuid: &str) {
    match driver.disconnect(uuid).await {
        Ok(()) | Err(DriverError::Missing(_)) => {}
        Err(e) => tracing::warn!(pool = uuid, error = %e, "a removed pool did not take leave"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_is_named_by_server_and_path() {
        let kind = |url: &str| Location::parse(url).and_then(|a| pool_type(&a));
        assert_eq!(kind("nfs://10.0.0.1/export").expect("a pool"), "NetworkFilesystem");
        assert_eq!(kind("SharedMountPoint:///mnt/primary").expect("a pool"), "SharedMountPoint");
        for bad in ["nfs://10.0.0.1", "nfs://10.0.0.1/", "nfs:///export", "http://host/x", "rbd://host/pool"] {
            assert!(kind(bad).is_err(), "{bad}");
        }
    }
}
