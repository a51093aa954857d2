use crate::prelude::*;
use crate::views::network_offering::{Service, of_offering};
use crate::views::tag::{Owners, Tag, by_thing};
use std::collections::HashMap;
use stratus_engine::network_offering::OfferingDetails;

/// A network.
#[derive(View)]
pub struct Network {
    /// the ID of the network
    pub id: String,
    /// its name
    pub name: Option<String>,
    /// what people read
    pub displaytext: Option<String>,
    /// how its packets are told apart on the wire
    pub broadcastdomaintype: Option<String>,
    /// the kind of traffic
    pub traffictype: String,
    /// the gateway of its guests
    pub gateway: Option<String>,
    /// the netmask of its guests
    pub netmask: Option<String>,
    /// its addresses
    pub cidr: Option<String>,
    /// the whole range when a part of it is kept for machines outside of the cloud
    pub networkcidr: Option<String>,
    /// the part that is kept for machines outside of the cloud
    pub reservediprange: Option<String>,
    /// the ID of its zone
    pub zoneid: Option<String>,
    /// the name of its zone
    pub zonename: Option<String>,
    /// the ID of its offering
    pub networkofferingid: Option<String>,
    /// the name of its offering
    pub networkofferingname: Option<String>,
    /// what people read about its offering
    pub networkofferingdisplaytext: Option<String>,
    /// whether one public address may serve several services
    pub networkofferingconservemode: Option<bool>,
    /// Optional or Required
    pub networkofferingavailability: Option<String>,
    /// whether it is one of the cloud's own
    pub issystem: bool,
    /// Allocated, Setup, Implementing, Implemented, Shutdown or Destroy
    pub state: String,
    /// the ID of the network that it goes with: itself
    pub related: String,
    /// where its packets go, `vlan://295`; for administrators
    pub broadcasturi: Option<String>,
    /// its guests' name server
    pub dns1: Option<String>,
    /// its guests' second name server
    pub dns2: Option<String>,
    /// Shared or Isolated
    #[view(name = "type")]
    pub kind: Option<String>,
    /// its VLAN; for administrators
    pub vlan: Option<String>,
    /// Account or Domain: who may use it
    pub acltype: Option<String>,
    /// whether accounts of domains below may use it too
    pub subdomainaccess: Option<bool>,
    /// the account that it belongs to
    pub account: Option<String>,
    /// the project that it belongs to
    pub project: Option<String>,
    /// the ID of the project that it belongs to
    pub projectid: Option<String>,
    /// the ID of the domain that it belongs to
    pub domainid: Option<String>,
    /// the name of the domain that it belongs to
    pub domain: Option<String>,
    /// whether guests are put on it when no other is named
    pub isdefault: Option<bool>,
    /// its services
    pub service: Vec<Service>,
    /// the DNS suffix of its guests
    pub networkdomain: Option<String>,
    /// the ID of its physical network
    pub physicalnetworkid: Option<String>,
    /// whether it must be restarted for a change to take effect
    pub restartrequired: bool,
    /// whether its ranges were given by people
    pub specifyipranges: bool,
    /// the ID of the VPC that it is a tier of
    pub vpcid: Option<String>,
    /// whether it has an address for another VM
    pub canusefordeploy: Option<bool>,
    /// whether it is made ready before the first VM
    pub ispersistent: Option<bool>,
    /// its tags
    pub tags: Vec<Tag>,
    /// its IPv6 gateway
    pub ip6gateway: Option<String>,
    /// its IPv6 addresses
    pub ip6cidr: Option<String>,
    /// whether it is shown to users
    pub displaynetwork: Option<bool>,
    /// the ID of the ACL of a VPC's tier
    pub aclid: Option<String>,
}

/// What stands beside a page of networks, each read at once.
struct Beside {
    zones: HashMap<i64, store::Zone>,
    offerings: HashMap<i64, store::NetworkOffering>,
    services: HashMap<i64, Vec<store::OfferingService>>,
    wires: HashMap<i64, store::PhysicalNetwork>,
    owners: Owners,
    open: std::collections::HashSet<i64>,
    tags: HashMap<i64, Vec<Tag>>,
}

/// Networks as this caller sees them: wires and VLANs are for root.
pub(crate) async fn of(call: &Call, rows: Vec<store::Network>) -> Result<Vec<Network>> {
    let ids: Vec<i64> = rows.iter().map(|n| n.id).collect();
    let beside = Beside {
        zones: call.db.by_ids(rows.iter().map(|n| n.zone_id)).await?,
        offerings: call.db.by_ids(rows.iter().map(|n| n.offering_id)).await?,
        services: call.offering_services(rows.iter().map(|n| n.offering_id)).await?,
        wires: call.db.by_ids(rows.iter().filter_map(|n| n.physical_network_id)).await?,
        owners: Owners::of(call, rows.iter().map(|n| (n.account_id, n.domain_id))).await?,
        open: call.networks_with_room(ids.iter().copied()).await?,
        tags: by_thing(call, "Network", &ids).await?,
    };
    let root = call.caller.is_root();
    Ok(rows.into_iter().map(|n| one(n, &beside, root)).collect())
}

fn one(n: store::Network, beside: &Beside, root: bool) -> Network {
    let (zone, offering) = (beside.zones.get(&n.zone_id), beside.offerings.get(&n.offering_id));
    let owned = n.acl_type == "Account";
    let account = beside.owners.account(n.account_id).filter(|_| owned);
    let services = beside.services.get(&n.offering_id).map_or(&[][..], Vec::as_slice);
    let guest = n.traffic_type == "Guest";
    let shown = |text: String| Some(text).filter(|t| !t.is_empty());
    Network {
        broadcastdomaintype: domain_type(n.broadcast_uri.as_deref(), guest),
        tags: beside.tags.get(&n.id).cloned().unwrap_or_default(),
        canusefordeploy: Some(guest && beside.open.contains(&n.id)),
        zoneid: zone.map(|z| z.uuid.clone()),
        zonename: zone.map(|z| z.name.clone()),
        networkofferingid: offering.map(|o| o.uuid.clone()),
        networkofferingname: offering.map(|o| o.name.clone()),
        networkofferingdisplaytext: offering.map(|o| o.display_text.clone()),
        networkofferingconservemode: offering.map(|o| o.conserve_mode),
        networkofferingavailability: offering.map(|o| o.availability.clone()),
        ispersistent: offering.map(|o| o.is_persistent),
        service: offering.map_or_else(Vec::new, |o| of_offering(services, &OfferingDetails::of(o), false)),
        domainid: beside.owners.domain_uuid(n.domain_id),
        domain: beside.owners.domain(n.domain_id),
        physicalnetworkid: n.physical_network_id.filter(|_| root).and_then(|p| beside.wires.get(&p)).map(|p| p.uuid.clone()),
        related: n.uuid.clone(),
        id: n.uuid,
        name: shown(n.name),
        displaytext: shown(n.display_text),
        traffictype: n.traffic_type,
        gateway: n.gateway,
        netmask: n.netmask,
        cidr: n.cidr,
        networkcidr: None,
        reservediprange: None,
        issystem: n.is_system,
        state: n.state,
        broadcasturi: n.broadcast_uri.filter(|_| root),
        dns1: n.dns1,
        dns2: n.dns2,
        kind: Some(n.guest_type).filter(|_| guest),
        vlan: n.vlan.filter(|_| root),
        acltype: Some(n.acl_type),
        subdomainaccess: Some(n.subdomain_access).filter(|_| !owned),
        account,
        project: beside.owners.project(n.account_id).filter(|_| owned),
        projectid: beside.owners.project_uuid(n.account_id).filter(|_| owned),
        isdefault: Some(n.is_default),
        networkdomain: n.network_domain,
        restartrequired: n.restart_required,
        specifyipranges: n.specify_ip_ranges,
        vpcid: None,
        ip6gateway: n.ip6_gateway,
        ip6cidr: n.ip6_cidr,
        displaynetwork: Some(n.display_network).filter(|_| root),
        aclid: None,
    }
}

/// `vlan://50` is of the type Vlan; what has no wire yet will get one.
fn domain_type(uri: Option<&str>, guest: bool) -> Option<String> {
    let scheme = uri.and_then(|u| u.split_once("://")).map_or(if guest { "vlan" } else { "native" }, |(s, _)| s);
    let mut letters = scheme.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect())
}

/// The uuids of zones.
pub(crate) async fn zone_ids(call: &Call, ids: impl Iterator<Item = i64>) -> Result<HashMap<i64, String>> {
    Ok(call.db.by_ids::<store::Zone>(ids).await?.into_iter().map(|(id, z)| (id, z.uuid)).collect())
}
