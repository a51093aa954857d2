use crate::prelude::*;
use crate::views::network::zone_ids;

/// A range of addresses.
#[derive(View)]
pub struct IpRange {
    /// the ID of the range
    pub id: String,
    /// whether its addresses are public ones
    pub forvirtualnetwork: bool,
    /// the ID of its zone
    pub zoneid: Option<String>,
    /// where its packets go, `vlan://50` or `vlan://untagged`
    pub vlan: String,
    /// the account that alone may use it
    pub account: Option<String>,
    /// the ID of the domain that alone may use it
    pub domainid: Option<String>,
    /// the name of the domain that alone may use it
    pub domain: Option<String>,
    /// the ID of its pod
    pub podid: Option<String>,
    /// the name of its pod
    pub podname: Option<String>,
    /// the gateway
    pub gateway: Option<String>,
    /// the netmask
    pub netmask: Option<String>,
    /// a word about it: its ends
    pub description: Option<String>,
    /// the first address
    pub startip: Option<String>,
    /// the last address
    pub endip: Option<String>,
    /// the ID of its network
    pub networkid: Option<String>,
    /// the project that alone may use it
    pub project: Option<String>,
    /// the ID of the project that alone may use it
    pub projectid: Option<String>,
    /// the ID of its physical network
    pub physicalnetworkid: Option<String>,
    /// the first IPv6 address
    pub startipv6: Option<String>,
    /// the last IPv6 address
    pub endipv6: Option<String>,
    /// the IPv6 gateway
    pub ip6gateway: Option<String>,
    /// the IPv6 subnet
    pub ip6cidr: Option<String>,
}

/// Ranges with what they belong to.
pub(crate) async fn of(call: &Call, rows: Vec<store::IpRange>) -> Result<Vec<IpRange>> {
    let zones = zone_ids(call, rows.iter().map(|r| r.zone_id)).await?;
    let pods = call.db.by_ids::<store::Pod>(rows.iter().filter_map(|r| r.pod_id)).await?;
    let networks = call.db.by_ids::<store::Network>(rows.iter().map(|r| r.network_id)).await?;
    let wires = call.db.by_ids::<store::PhysicalNetwork>(rows.iter().filter_map(|r| r.physical_network_id)).await?;
    let accounts = call.db.by_ids::<store::Account>(rows.iter().filter_map(|r| r.account_id)).await?;
    let domains = call.db.by_ids::<store::Domain>(rows.iter().filter_map(|r| r.domain_id)).await?;
    let one = |r: store::IpRange| {
        let (pod, domain) = (r.pod_id.and_then(|p| pods.get(&p)), r.domain_id.and_then(|d| domains.get(&d)));
        IpRange {
            zoneid: zones.get(&r.zone_id).cloned(),
            podid: pod.map(|p| p.uuid.clone()),
            podname: pod.map(|p| p.name.clone()),
            account: r.account_id.and_then(|a| accounts.get(&a)).map(|a| a.name.clone()),
            domainid: domain.map(|d| d.uuid.clone()),
            domain: domain.map(|d| d.name.clone()),
            networkid: networks.get(&r.network_id).map(|n| n.uuid.clone()),
            physicalnetworkid: r.physical_network_id.and_then(|p| wires.get(&p)).map(|p| p.uuid.clone()),
            description: r.start_ip.as_deref().zip(r.end_ip.as_deref()).map(|(a, b)| format!("{a}-{b}")),
            id: r.uuid,
            forvirtualnetwork: r.for_virtual_network,
            vlan: format!("vlan://{}", r.vlan),
            gateway: r.gateway,
            netmask: r.netmask,
            startip: r.start_ip,
            endip: r.end_ip,
            project: None,
            projectid: None,
            startipv6: r.ip6_start,
            endipv6: r.ip6_end,
            ip6gateway: r.ip6_gateway,
            ip6cidr: r.ip6_cidr,
        }
    };
    Ok(rows.into_iter().map(one).collect())
}

/// A range of the storage network.
#[derive(View)]
pub struct StorageRange {
    /// the ID of the range
    pub id: String,
    /// its VLAN
    #[view(kind = "integer")]
    pub vlan: Option<i64>,
    /// the ID of its pod
    pub podid: Option<String>,
    /// the first address
    pub startip: Option<String>,
    /// the last address
    pub endip: Option<String>,
    /// the gateway
    pub gateway: Option<String>,
    /// the ID of the storage network
    pub networkid: Option<String>,
    /// the ID of its zone
    pub zoneid: Option<String>,
    /// the netmask
    pub netmask: Option<String>,
}

/// Storage ranges with what they belong to.
pub(crate) async fn storage(call: &Call, rows: Vec<store::IpRange>) -> Result<Vec<StorageRange>> {
    let vlans: Vec<Option<i64>> = rows.iter().map(|r| r.vlan.parse().ok()).collect();
    let all = of(call, rows).await?;
    let one = |(r, vlan): (IpRange, Option<i64>)| StorageRange {
        id: r.id,
        vlan,
        podid: r.podid,
        startip: r.startip,
        endip: r.endip,
        gateway: r.gateway,
        networkid: r.networkid,
        zoneid: r.zoneid,
        netmask: r.netmask,
    };
    Ok(all.into_iter().zip(vlans).map(one).collect())
}
