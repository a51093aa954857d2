use crate::prelude::*;
use crate::views::capacity::{Beside, Capacity};

/// A pod.
#[derive(View)]
pub struct Pod {
    /// the ID of the pod
    pub id: String,
    /// the name of the pod
    pub name: String,
    /// the ID of the zone
    pub zoneid: Option<String>,
    /// the name of the zone
    pub zonename: Option<String>,
    /// the gateway of the pod's subnet
    pub gateway: String,
    /// the netmask of the pod's subnet
    pub netmask: String,
    /// the first address of the cloud's own range
    pub startip: String,
    /// the last address of the cloud's own range
    pub endip: String,
    /// whether VMs can be deployed: Enabled or Disabled
    pub allocationstate: String,
    /// how full the pod is
    pub capacity: Option<Vec<Capacity>>,
}

pub(crate) async fn of(call: &Call, rows: Vec<store::Pod>, capacities: Option<Beside>) -> Result<Vec<Pod>> {
    let zones = call.db.by_ids::<store::Zone>(rows.iter().map(|p| p.zone_id)).await?;
    let one = |p: store::Pod| {
        let zone = zones.get(&p.zone_id);
        Pod {
            zoneid: zone.map(|z| z.uuid.clone()),
            zonename: zone.map(|z| z.name.clone()),
            capacity: capacities.as_ref().map(|c| c.at(p.id)),
            id: p.uuid,
            name: p.name,
            gateway: p.gateway,
            netmask: p.netmask,
            startip: p.start_ip,
            endip: p.end_ip,
            allocationstate: p.allocation_state,
        }
    };
    Ok(rows.into_iter().map(one).collect())
}
