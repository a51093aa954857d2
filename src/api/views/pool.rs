use crate::prelude::*;
use std::collections::BTreeMap;

/// A primary storage pool.
#[derive(View)]
pub struct StoragePool {
    /// the ID of the pool
    pub id: String,
    /// the ID of the zone
    pub zoneid: Option<String>,
    /// the name of the zone
    pub zonename: Option<String>,
    /// the ID of the pod
    pub podid: Option<String>,
    /// the name of the pod
    pub podname: Option<String>,
    /// the name of the pool
    pub name: String,
    /// the server that the pool is on
    pub ipaddress: String,
    /// the path on the server
    pub path: String,
    /// when the pool was added
    pub created: Date,
    /// the type of the pool
    #[view(name = "type")]
    pub kind: String,
    /// the ID of the cluster
    pub clusterid: Option<String>,
    /// the name of the cluster
    pub clustername: Option<String>,
    /// the size of the pool in bytes
    pub disksizetotal: i64,
    /// how much is promised to volumes, in bytes
    pub disksizeallocated: i64,
    /// how much is taken on the disks, in bytes
    pub disksizeused: Option<i64>,
    /// IOPS that the pool can give
    pub capacityiops: Option<i64>,
    /// the tags of the pool
    pub tags: Option<String>,
    /// the state of the pool
    pub state: String,
    /// whose hosts see the pool: CLUSTER, ZONE or HOST
    pub scope: String,
    /// the hypervisor type of the hosts that see the pool
    pub hypervisor: Option<String>,
    /// whether a volume can come here
    pub suitableformigration: Option<bool>,
    /// what the storage can do
    pub storagecapabilities: Option<BTreeMap<String, String>>,
}

pub(crate) async fn of(call: &Call, rows: Vec<store::StoragePool>) -> Result<Vec<StoragePool>> {
    let zones = call.db.by_ids::<store::Zone>(rows.iter().map(|p| p.zone_id)).await?;
    let pods = call.db.by_ids::<store::Pod>(rows.iter().filter_map(|p| p.pod_id)).await?;
    let clusters = call.db.by_ids::<store::Cluster>(rows.iter().filter_map(|p| p.cluster_id)).await?;
    let one = |p: store::StoragePool| {
        let (zone, pod, cluster) =
            (zones.get(&p.zone_id), p.pod_id.and_then(|id| pods.get(&id)), p.cluster_id.and_then(|id| clusters.get(&id)));
        StoragePool {
            zoneid: zone.map(|z| z.uuid.clone()),
            zonename: zone.map(|z| z.name.clone()),
            podid: pod.map(|p| p.uuid.clone()),
            podname: pod.map(|p| p.name.clone()),
            clusterid: cluster.map(|c| c.uuid.clone()),
            clustername: cluster.map(|c| c.name.clone()),
            id: p.uuid,
            name: p.name,
            ipaddress: p.ip_address,
            path: p.path,
            created: Date(p.created),
            kind: p.pool_type,
            disksizetotal: p.capacity_bytes,
            disksizeallocated: p.used_bytes,
            // Drivers say how full a pool is only when it is added, which would soon be wrong.
            disksizeused: None,
            capacityiops: p.iops,
            tags: p.tags,
            state: p.state,
            scope: p.scope,
            hypervisor: p.hypervisor,
            suitableformigration: None,
            storagecapabilities: None,
        }
    };
    Ok(rows.into_iter().map(one).collect())
}

/// A storage provider.
#[derive(View)]
pub struct StorageProvider {
    /// the name of the provider
    pub name: String,
    /// what it provides: primary or image
    #[view(name = "type")]
    pub kind: String,
}
