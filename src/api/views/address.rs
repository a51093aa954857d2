//! Public addresses in answers, and the rules on them.
use crate::prelude::*;
use crate::views::tag::{self, Owners, Tag};

/// A public address.
#[derive(View)]
pub struct PublicIpAddress {
    /// the ID of the address
    pub id: String,
    /// the address
    pub ipaddress: String,
    /// when it was acquired
    pub allocated: Option<Date>,
    /// the ID of its zone
    pub zoneid: Option<String>,
    /// the name of its zone
    pub zonename: Option<String>,
    /// whether it is the source NAT address of its network
    pub issourcenat: bool,
    /// whether it stands for one VM
    pub isstaticnat: bool,
    /// whether the cloud acquired it for itself
    pub issystem: bool,
    /// what the cloud acquired it for: StaticNat, with which it stands for a VM
    pub purpose: Option<String>,
    /// the account that owns it
    pub account: Option<String>,
    /// the ID of the project that owns it
    pub projectid: Option<String>,
    /// the name of the project that owns it
    pub project: Option<String>,
    /// the ID of its domain
    pub domainid: Option<String>,
    /// the name of its domain
    pub domain: Option<String>,
    /// whether it is a public address rather than a guest's own
    pub forvirtualnetwork: bool,
    /// the ID of its range
    pub vlanid: Option<String>,
    /// where its packets go
    pub vlanname: Option<String>,
    /// the ID of the network it is of
    pub networkid: Option<String>,
    /// the ID of the physical network it is on
    pub physicalnetworkid: Option<String>,
    /// the ID of the guest network that uses it
    pub associatednetworkid: Option<String>,
    /// the name of that network
    pub associatednetworkname: Option<String>,
    /// whether it moves between zones
    pub isportable: bool,
    /// Allocating, Allocated, Releasing or Free
    pub state: String,
    /// the ID of the VM it stands for
    pub virtualmachineid: Option<String>,
    /// the host name of that VM
    pub virtualmachinename: Option<String>,
    /// the name of that VM for people
    pub virtualmachinedisplayname: Option<String>,
    /// the VM's own address that it stands for
    pub vmipaddress: Option<String>,
    /// the ID of the VPC it is of; there are none yet
    pub vpcid: Option<String>,
    /// its tags
    pub tags: Vec<Tag>,
}

/// A rule that forwards ports of a public address.
#[derive(View)]
pub struct ForwardingRule {
    /// the ID of the rule
    pub id: String,
    /// the protocol
    pub protocol: String,
    /// the first public port
    pub publicport: String,
    /// the last public port
    pub publicendport: String,
    /// the first port of the VM
    pub privateport: String,
    /// the last port of the VM
    pub privateendport: String,
    /// the ID of the VM
    pub virtualmachineid: Option<String>,
    /// the host name of the VM
    pub virtualmachinename: Option<String>,
    /// the name of the VM for people
    pub virtualmachinedisplayname: Option<String>,
    /// the VM's own address
    pub vmguestip: Option<String>,
    /// the ID of the guest network
    pub networkid: Option<String>,
    /// the ID of the public address
    pub ipaddressid: Option<String>,
    /// the public address
    pub ipaddress: Option<String>,
    /// who may come, as a comma list
    pub cidrlist: String,
    /// Add, Active or Revoke
    pub state: String,
    /// its tags
    pub tags: Vec<Tag>,
}

/// A page of rules on static NAT addresses.
pub(crate) async fn rules_of(call: &Call, rows: Vec<store::FirewallRule>) -> Result<Vec<ForwardingRule>> {
    let addresses = call.db.by_ids::<store::IpAddress>(rows.iter().map(|r| r.ip_address_id)).await?;
    let networks = call.db.by_ids::<store::Network>(rows.iter().map(|r| r.network_id)).await?;
    let vms = call.db.by_ids::<store::Vm>(addresses.values().filter_map(|a| a.vm_id)).await?;
    let ids: Vec<i64> = rows.iter().map(|r| r.id).collect();
    let mut tags = tag::by_thing(call, "FirewallRule", &ids).await?;
    let one = |r: store::FirewallRule| {
        let address = addresses.get(&r.ip_address_id);
        let vm = address.and_then(|a| a.vm_id).and_then(|v| vms.get(&v));
        let (first, last) = (r.first_port.to_string(), r.last_port.to_string());
        ForwardingRule {
            id: r.uuid,
            protocol: r.protocol,
            publicport: first.clone(),
            publicendport: last.clone(),
            privateport: first,
            privateendport: last,
            virtualmachineid: vm.map(|v| v.uuid.clone()),
            virtualmachinename: vm.map(|v| v.name.clone()),
            virtualmachinedisplayname: vm.and_then(|v| v.display_name.clone()),
            vmguestip: address.and_then(|a| a.guest_ip.clone()),
            networkid: networks.get(&r.network_id).map(|n| n.uuid.clone()),
            ipaddressid: address.map(|a| a.uuid.clone()),
            ipaddress: address.map(|a| a.address.clone()),
            cidrlist: r.cidrs.unwrap_or_else(|| "0.0.0.0/0".into()),
            state: r.state,
            tags: tags.remove(&r.id).unwrap_or_default(),
        }
    };
    Ok(rows.into_iter().map(one).collect())
}

/// A page of addresses, with one query per table beside it.
pub(crate) async fn of(call: &Call, rows: Vec<store::IpAddress>) -> Result<Vec<PublicIpAddress>> {
    let db = &call.db;
    let ids: Vec<i64> = rows.iter().map(|a| a.id).collect();
    let owners = Owners::of(call, rows.iter().filter_map(|a| Some((a.account_id?, a.domain_id?)))).await?;
    let zones = db.by_ids::<store::Zone>(rows.iter().map(|a| a.zone_id)).await?;
    let ranges = db.by_ids::<store::IpRange>(rows.iter().map(|a| a.range_id)).await?;
    let mut networks: Vec<i64> = rows.iter().map(|a| a.network_id).collect();
    networks.extend(rows.iter().filter_map(|a| a.associated_network_id));
    let networks = db.by_ids::<store::Network>(networks).await?;
    let wires = db.by_ids::<store::PhysicalNetwork>(ranges.values().filter_map(|r| r.physical_network_id)).await?;
    let vms = db.by_ids::<store::Vm>(rows.iter().filter_map(|a| a.vm_id)).await?;
    let mut tags = tag::by_thing(call, "PublicIpAddress", &ids).await?;
    let one = |a: store::IpAddress| {
        let (zone, range, vm) = (zones.get(&a.zone_id), ranges.get(&a.range_id), a.vm_id.and_then(|v| vms.get(&v)));
        let home = a.associated_network_id.and_then(|n| networks.get(&n));
        PublicIpAddress {
            id: a.uuid,
            ipaddress: a.address,
            allocated: a.allocated.map(Date),
            zoneid: zone.map(|z| z.uuid.clone()),
            zonename: zone.map(|z| z.name.clone()),
            issourcenat: a.source_nat,
            isstaticnat: a.static_nat,
            issystem: a.is_system,
            purpose: a.is_system.then(|| "StaticNat".into()),
            account: a.account_id.and_then(|id| owners.account(id)),
            projectid: a.account_id.and_then(|id| owners.project_uuid(id)),
            project: a.account_id.and_then(|id| owners.project(id)),
            domainid: a.domain_id.and_then(|id| owners.domain_uuid(id)),
            domain: a.domain_id.and_then(|id| owners.domain(id)),
            forvirtualnetwork: range.is_some_and(|r| r.for_virtual_network),
            vlanid: range.map(|r| r.uuid.clone()),
            vlanname: range.map(|r| format!("vlan://{}", r.vlan.trim_start_matches("vlan://"))),
            networkid: networks.get(&a.network_id).map(|n| n.uuid.clone()),
            physicalnetworkid: range.and_then(|r| r.physical_network_id).and_then(|p| wires.get(&p)).map(|p| p.uuid.clone()),
            associatednetworkid: home.map(|n| n.uuid.clone()),
            associatednetworkname: home.map(|n| n.name.clone()),
            isportable: false,
            vmipaddress: a.guest_ip,
            state: a.state,
            virtualmachineid: vm.map(|v| v.uuid.clone()),
            virtualmachinename: vm.map(|v| v.name.clone()),
            virtualmachinedisplayname: vm.and_then(|v| v.display_name.clone()),
            vpcid: None,
            tags: tags.remove(&a.id).unwrap_or_default(),
        }
    };
    Ok(rows.into_iter().map(one).collect())
}
