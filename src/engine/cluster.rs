//! Clusters: hosts of one hypervisor type in one pod, with common storage.
use crate::places::{self, Reach, hold, refuse_name, refuse_used};
use crate::{Call, Engine, Listing, Topic};
use stratus_model::{Error, Kind, Result};
use stratus_store::{Cluster, Host, HostCapacity, Pod, Query, StoragePool, Tx, Value, Zone};
use uuid::Uuid;

const TYPES: &[&str] = &["CloudManaged", "ExternalManaged"];

/// What a new cluster is to be.
#[derive(Debug, Clone)]
pub struct ClusterAdd {
    /// The zone it is in.
    pub zone: Zone,
    /// The pod it is in.
    pub pod: Pod,
    /// Unique in the pod.
    pub name: String,
    /// Hypervisor type.
    pub hypervisor: String,
    /// `CloudManaged`.
    pub cluster_type: String,
    /// Enabled unless this says otherwise.
    pub allocation_state: Option<String>,
}

/// What is to change of a cluster.
#[derive(Debug, Clone, Default)]
pub struct ClusterUpdate {
    /// Name.
    pub name: Option<String>,
    /// Hypervisor type, while there are no hosts.
    pub hypervisor: Option<String>,
    /// `CloudManaged`.
    pub cluster_type: Option<String>,
    /// Enabled or Disabled.
    pub allocation_state: Option<String>,
    /// `Managed` or `Unmanaged`.
    pub managed_state: Option<String>,
    /// How many times its CPU a host gives away.
    pub cpu_overcommit: Option<String>,
    /// How many times its memory a host gives away.
    pub memory_overcommit: Option<String>,
}

/// Which clusters to list.
#[derive(Debug, Clone, Default)]
pub struct ClusterFilter {
    /// The one with this key.
    pub id: Option<i64>,
    /// With this name.
    pub name: Option<String>,
    /// With this in the name.
    pub keyword: Option<String>,
    /// In this zone.
    pub zone: Option<i64>,
    /// In this pod.
    pub pod: Option<i64>,
    /// Of this hypervisor type.
    pub hypervisor: Option<String>,
    /// Of this cluster type.
    pub cluster_type: Option<String>,
    /// In this allocation state.
    pub allocation_state: Option<String>,
    /// In this managed state.
    pub managed_state: Option<String>,
    /// Offset and limit.
    pub page: (i64, i64),
}

fn cluster_type(text: &str) -> Result<String> {
    let kind = places::one_of("clustertype", text, TYPES)?;
    if kind == "ExternalManaged" {
        return Err(Error::invalid(
            "clustertype",
            "ExternalManaged needs a vCenter, for which there is no driver; CloudManaged is what there is",
        ));
    }
    Ok(kind)
}

/// An over-commitment factor: 1 or more.
fn factor(field: &str, text: &str) -> Result<String> {
    match text.trim().parse::<f64>() {
        Ok(f) if (1.0..=1000.0).contains(&f) => Ok(text.trim().to_owned()),
        _ => Err(Error::invalid(field, format!("is a number from 1 to 1000, not '{text}'"))),
    }
}

impl Engine {
    /// The row of a new cluster, if what is asked can be.
    pub(crate) fn new_cluster(&self, call: &Call, ask: &ClusterAdd) -> Result<Cluster> {
        if ask.pod.zone_id != ask.zone.id {
            return Err(Error::invalid("podid", format!("pod {} is not in zone {}", ask.pod.name, ask.zone.name)));
        }
        let overcommit = |setting| self.settings.text(setting).unwrap_or_else(|| "1".into());
        Ok(Cluster {
            uuid: Uuid::new_v4().to_string(),
            name: places::name("clustername", &ask.name)?,
            zone_id: ask.zone.id,
            pod_id: ask.pod.id,
            hypervisor: self.hypervisor(&ask.hypervisor)?,
            cluster_type: cluster_type(&ask.cluster_type)?,
            cpu_overcommit: overcommit("cpu.overprovisioning.factor"),
            memory_overcommit: overcommit("mem.overprovisioning.factor"),
            allocation_state: ask.allocation_state.as_deref().map_or(Ok("Enabled".into()), places::allocation)?,
            managed_state: "Managed".into(),
            created: call.now(),
            ..Default::default()
        })
    }

    /// Makes a cluster.
    pub async fn cluster_add(&self, call: &Call, ask: ClusterAdd) -> Result<Cluster> {
        let cluster = self.new_cluster(call, &ask)?;
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let mut cluster = cluster;
                    insert(tx, &mut cluster).await?;
                    call.log(tx, Topic::of_caller(&call, Kind::Cluster, cluster.id), format!("cluster {} added", cluster.name)).await?;
                    Ok(cluster)
                })
            })
            .await
    }

    /// Changes a cluster. Other over-commitment changes what its hosts have to give at once; what is taken already stays.
    pub async fn cluster_update(&self, call: &Call, cluster: &Cluster, ask: ClusterUpdate) -> Result<Cluster> {
        let mut set: Vec<(&'static str, Value)> = Vec::new();
        let mut put = |column, value: Option<Result<String>>| -> Result<()> {
            if let Some(v) = value {
                set.push((column, v?.into()));
            }
            Ok(())
        };
        put("name", ask.name.as_deref().map(|n| places::name("clustername", n)))?;
        put("hypervisor", ask.hypervisor.as_deref().map(|h| self.hypervisor(h)))?;
        put("cluster_type", ask.cluster_type.as_deref().map(cluster_type))?;
        put("allocation_state", ask.allocation_state.as_deref().map(places::allocation))?;
        put("managed_state", ask.managed_state.as_deref().map(|m| places::one_of("managedstate", m, &["Managed", "Unmanaged"])))?;
        put("cpu_overcommit", ask.cpu_overcommit.as_deref().map(|f| factor("cpuovercommitratio", f)))?;
        put("memory_overcommit", ask.memory_overcommit.as_deref().map(|f| factor("memoryovercommitratio", f)))?;
        let (call, id, pod) = (call.clone(), cluster.id, cluster.pod_id);
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    hold::<Pod>(tx, Kind::Pod, pod).await?;
                    let before: Cluster = hold(tx, Kind::Cluster, id).await?;
                    if let Some(name) = &ask.name {
                        refuse_name::<Cluster>(tx, Query::all().eq("pod_id", pod).ne("id", id), Kind::Cluster, name.trim()).await?;
                    }
                    tx.set::<Cluster>(id, set).await?;
                    let after: Cluster = tx.must(id).await?;
                    if after.hypervisor != before.hypervisor {
                        refuse_used::<Host>(tx, Query::live().eq("cluster_id", id), Kind::Cluster, &after.uuid, "hosts are").await?;
                    }
                    if (&after.cpu_overcommit, &after.memory_overcommit) != (&before.cpu_overcommit, &before.memory_overcommit) {
                        call.retotal(tx, &after).await?;
                    }
                    call.hosts_reopen(tx, Reach::Cluster(id)).await?;
                    call.log(tx, Topic::of_caller(&call, Kind::Cluster, id), format!("cluster {} changed", after.name)).await?;
                    Ok(after)
                })
            })
            .await
    }

    /// Computes anew what the hosts of a cluster have in all.
    async fn retotal(&self, tx: &mut Tx, cluster: &Cluster) -> Result<()> {
        for host in tx.find::<Host>(Query::live().eq("cluster_id", cluster.id)).await? {
            let total = self.host_total(cluster, host.cpus, host.cpu_mhz, host.memory_bytes);
            let set = vec![("cpu_total", total.cpu.into()), ("memory_total", total.memory.into())];
            tx.update::<HostCapacity>(Query::all().eq("host_id", host.id), set).await?;
        }
        Ok(())
    }

    /// Removes a cluster that nothing is in.
    pub async fn cluster_delete(&self, call: &Call, cluster: &Cluster) -> Result<()> {
        let (call, id) = (call.clone(), cluster.id);
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let cluster: Cluster = hold(tx, Kind::Cluster, id).await?;
                    let inside = || Query::live().eq("cluster_id", id);
                    refuse_used::<Host>(tx, inside(), Kind::Cluster, &cluster.uuid, "hosts are").await?;
                    refuse_used::<StoragePool>(tx, inside(), Kind::Cluster, &cluster.uuid, "storage pools are").await?;
                    tx.remove::<Cluster>(id, call.now()).await?;
                    call.log(tx, Topic::of_caller(&call, Kind::Cluster, id), format!("cluster {} removed", cluster.name)).await
                })
            })
            .await
    }

    /// Clusters.
    pub async fn cluster_list(&self, f: ClusterFilter) -> Result<Listing<Cluster>> {
        let mut q = Query::live()
            .eq_opt("id", f.id)
            .eq_opt("name", f.name)
            .eq_opt("zone_id", f.zone)
            .eq_opt("pod_id", f.pod)
            .eq_opt("hypervisor", f.hypervisor.as_deref().map(crate::hypervisor::canonical))
            .eq_opt("cluster_type", f.cluster_type.as_deref().map(|t| places::one_of("clustertype", t, TYPES)).transpose()?)
            .eq_opt("allocation_state", f.allocation_state.as_deref().map(places::allocation).transpose()?)
            .eq_opt("managed_state", f.managed_state);
        if let Some(k) = &f.keyword {
            q = q.holds(&["name"], k);
        }
        let (offset, limit) = f.page;
        Ok(Listing { count: self.db.count::<Cluster>(q.clone()).await?, rows: self.db.find(q.order("name").page(offset, limit)).await? })
    }
}

/// Puts a cluster into its pod.
pub(crate) async fn insert(tx: &mut Tx, cluster: &mut Cluster) -> Result<()> {
    let pod: Pod = hold(tx, Kind::Pod, cluster.pod_id).await?;
    refuse_name::<Cluster>(tx, Query::all().eq("pod_id", pod.id), Kind::Cluster, &cluster.name).await?;
    tx.insert(cluster).await.map(drop)
}
