use crate::prelude::*;
use stratus_engine::capacities::{self, CapacityAsk, Level};

/// How full something is.
#[derive(View, Clone)]
pub struct Capacity {
    /// type of the capacity: 0 memory, 1 CPU, 2 storage, 3 allocated storage, 4 public IPs, 5 private IPs, 6 secondary storage, 7 VLANs, 8 direct IPs, 9 local storage
    #[view(name = "type", kind = "short")]
    pub kind: i64,
    /// the ID of the zone
    pub zoneid: Option<String>,
    /// the name of the zone
    pub zonename: Option<String>,
    /// the ID of the pod
    pub podid: Option<String>,
    /// the name of the pod
    pub podname: Option<String>,
    /// the ID of the cluster
    pub clusterid: Option<String>,
    /// the name of the cluster
    pub clustername: Option<String>,
    /// what is taken
    pub capacityused: i64,
    /// what there is
    pub capacitytotal: i64,
    /// what is taken, in percent
    pub percentused: String,
}

pub(crate) async fn of(call: &Call, rows: Vec<capacities::Capacity>) -> Result<Vec<Capacity>> {
    let zones = call.db.by_ids::<store::Zone>(rows.iter().map(|c| c.zone)).await?;
    let pods = call.db.by_ids::<store::Pod>(rows.iter().filter_map(|c| c.pod)).await?;
    let clusters = call.db.by_ids::<store::Cluster>(rows.iter().filter_map(|c| c.cluster)).await?;
    let one = |c: capacities::Capacity| {
        let (zone, pod, cluster) = (zones.get(&c.zone), c.pod.and_then(|p| pods.get(&p)), c.cluster.and_then(|k| clusters.get(&k)));
        Capacity {
            kind: c.kind,
            zoneid: zone.map(|z| z.uuid.clone()),
            zonename: zone.map(|z| z.name.clone()),
            podid: pod.map(|p| p.uuid.clone()),
            podname: pod.map(|p| p.name.clone()),
            clusterid: cluster.map(|k| k.uuid.clone()),
            clustername: cluster.map(|k| k.name.clone()),
            capacityused: c.used,
            capacitytotal: c.total,
            percentused: capacities::percent_text(c.percent()),
        }
    };
    Ok(rows.into_iter().map(one).collect())
}

/// The capacities shown beside zones, pods or clusters: everything of a level with the keys that they belong to.
pub(crate) struct Beside(Level, Vec<(capacities::Capacity, Capacity)>);

impl Beside {
    /// Reads them when they are asked for; `only` narrows to one place.
    pub(crate) async fn read(call: &Call, wanted: Option<bool>, only: CapacityAsk) -> Result<Option<Self>> {
        if wanted != Some(true) {
            return Ok(None);
        }
        let rows = call.capacity_list(only).await?;
        let views = of(call, rows.clone()).await?;
        Ok(Some(Self(only.level, rows.into_iter().zip(views).collect())))
    }
    /// Those of the place with this key.
    pub(crate) fn at(&self, id: i64) -> Vec<Capacity> {
        let here = |c: &capacities::Capacity| match self.0 {
            Level::Zone => c.zone == id,
            Level::Pod => c.pod == Some(id),
            Level::Cluster => c.cluster == Some(id),
        };
        self.1.iter().filter(|(c, _)| here(c)).map(|(_, v)| v.clone()).collect()
    }
}
