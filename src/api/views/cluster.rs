use crate::prelude::*;
use crate::views::capacity::{Beside, Capacity};

/// A cluster.
#[derive(View)]
pub struct Cluster {
    /// the ID of the cluster
    pub id: String,
    /// the name of the cluster
    pub name: String,
    /// the ID of the pod
    pub podid: Option<String>,
    /// the name of the pod
    pub podname: Option<String>,
    /// the ID of the zone
    pub zoneid: Option<String>,
    /// the name of the zone
    pub zonename: Option<String>,
    /// the hypervisor type of the hosts
    pub hypervisortype: String,
    /// CloudManaged or ExternalManaged
    pub clustertype: String,
    /// whether VMs can be deployed: Enabled or Disabled
    pub allocationstate: String,
    /// whether the cloud looks after the hosts: Managed or Unmanaged
    pub managedstate: String,
    /// how full the cluster is
    pub capacity: Option<Vec<Capacity>>,
    /// how many times its CPU a host gives away
    pub cpuovercommitratio: String,
    /// how many times its memory a host gives away
    pub memoryovercommitratio: String,
}

pub(crate) async fn of(call: &Call, rows: Vec<store::Cluster>, capacities: Option<Beside>) -> Result<Vec<Cluster>> {
    let zones = call.db.by_ids::<store::Zone>(rows.iter().map(|c| c.zone_id)).await?;
    let pods = call.db.by_ids::<store::Pod>(rows.iter().map(|c| c.pod_id)).await?;
    let one = |c: store::Cluster| {
        let (zone, pod) = (zones.get(&c.zone_id), pods.get(&c.pod_id));
        Cluster {
            podid: pod.map(|p| p.uuid.clone()),
            podname: pod.map(|p| p.name.clone()),
            zoneid: zone.map(|z| z.uuid.clone()),
            zonename: zone.map(|z| z.name.clone()),
            capacity: capacities.as_ref().map(|b| b.at(c.id)),
            id: c.uuid,
            name: c.name,
            hypervisortype: c.hypervisor,
            clustertype: c.cluster_type,
            allocationstate: c.allocation_state,
            managedstate: c.managed_state,
            cpuovercommitratio: c.cpu_overcommit,
            memoryovercommitratio: c.memory_overcommit,
        }
    };
    Ok(rows.into_iter().map(one).collect())
}
