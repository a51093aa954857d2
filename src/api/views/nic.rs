//! NICs in answers, alone or within their VM.
use crate::declare::Name;
use crate::prelude::*;
use crate::views::vm::Nic;
use std::collections::HashMap;

/// A further address as its NIC shows it, and as `addIpToNic` answers it.
#[derive(View, Debug, Clone)]
pub struct SecondaryIp {
    /// the ID of the further address
    pub id: String,
    /// the address
    pub ipaddress: String,
    /// the ID of its network
    pub networkid: Option<String>,
    /// the ID of its NIC
    pub nicid: Option<String>,
    /// the ID of the VM that has the NIC
    pub virtualmachineid: Option<String>,
}

/// Further addresses with what they belong to.
pub(crate) async fn secondary(call: &Call, rows: Vec<store::NicSecondaryIp>) -> Result<Vec<SecondaryIp>> {
    let networks = call.db.by_ids::<store::Network>(rows.iter().map(|r| r.network_id)).await?;
    let nics = call.db.by_ids::<store::Nic>(rows.iter().map(|r| r.nic_id)).await?;
    let vms = call.db.by_ids::<store::Vm>(rows.iter().map(|r| r.vm_id)).await?;
    let one = |r: store::NicSecondaryIp| SecondaryIp {
        networkid: networks.get(&r.network_id).map(|n| n.uuid.clone()),
        nicid: nics.get(&r.nic_id).map(|n| n.uuid.clone()),
        virtualmachineid: vms.get(&r.vm_id).map(|v| v.uuid.clone()),
        id: r.uuid,
        ipaddress: r.address,
    };
    Ok(rows.into_iter().map(one).collect())
}

/// What NICs show of their network.
struct Wire {
    id: Name,
    name: Name,
    traffic: Name,
    kind: Name,
    row: store::Network,
}

impl Wire {
    fn of(row: store::Network) -> Self {
        let [id, name, traffic, kind] = [&row.uuid, &row.name, &row.traffic_type, &row.guest_type].map(|text| Name::from(text.as_str()));
        Self { id, name, traffic, kind, row }
    }
}

/// NICs with their networks and further addresses, three queries however many.
pub(crate) async fn of(call: &Call, rows: Vec<store::Nic>) -> Result<Vec<Nic>> {
    let ids: Vec<i64> = rows.iter().map(|n| n.id).collect();
    let networks = call.db.by_ids::<store::Network>(rows.iter().map(|n| n.network_id)).await?;
    let networks = networks.into_iter().map(|(id, row)| (id, Wire::of(row))).collect();
    let mut further = call.nic_addresses(&ids).await?;
    Ok(rows.into_iter().map(|n| one(n, &networks, &mut further)).collect())
}

fn one(n: store::Nic, networks: &HashMap<i64, Wire>, further: &mut HashMap<i64, Vec<store::NicSecondaryIp>>) -> Nic {
    let network = networks.get(&n.network_id);
    // Within its NIC a further address says no more than what it is.
    let short =
        |r: store::NicSecondaryIp| SecondaryIp { id: r.uuid, ipaddress: r.address, networkid: None, nicid: None, virtualmachineid: None };
    Nic {
        secondaryip: further.remove(&n.id).map(|all| all.into_iter().map(short).collect()),
        id: n.uuid,
        networkid: network.map(|w| w.id.clone()),
        networkname: network.map(|w| w.name.clone()),
        netmask: n.netmask,
        gateway: n.gateway,
        ipaddress: n.ip4,
        isolationuri: n.broadcast_uri.clone(),
        broadcasturi: n.broadcast_uri,
        traffictype: network.map(|w| w.traffic.clone()),
        kind: network.map(|w| w.kind.clone()),
        isdefault: n.is_default,
        macaddress: n.mac,
        ip6address: n.ip6,
        ip6gateway: network.and_then(|w| w.row.ip6_gateway.clone()),
        ip6cidr: network.and_then(|w| w.row.ip6_cidr.clone()),
    }
}
