use crate::declare::Texts;
use crate::prelude::*;
use crate::views::network::zone_ids;
use stratus_engine::provider::services_of;

/// A physical network.
#[derive(View)]
pub struct PhysicalNetwork {
    /// the ID of the physical network
    pub id: String,
    /// its name
    pub name: String,
    /// POD or ZONE: how far its broadcasts reach
    pub broadcastdomainrange: String,
    /// the ID of the zone that it belongs to
    pub zoneid: Option<String>,
    /// Enabled or Disabled
    pub state: String,
    /// the numbers that guest networks get, as ranges
    pub vlan: Option<String>,
    /// the tag that offerings name it by
    pub tags: Option<String>,
    /// how guest networks on it are kept apart
    pub isolationmethods: Option<String>,
    /// its speed
    pub networkspeed: Option<String>,
    /// the ID of the domain whose own it is
    pub domainid: Option<String>,
}

/// Physical networks with the ids of their zones.
pub(crate) async fn of(call: &Call, rows: Vec<store::PhysicalNetwork>) -> Result<Vec<PhysicalNetwork>> {
    let zones = zone_ids(call, rows.iter().map(|p| p.zone_id)).await?;
    let domains = call.db.by_ids::<store::Domain>(rows.iter().filter_map(|p| p.domain_id)).await?;
    let one = |p: store::PhysicalNetwork| PhysicalNetwork {
        zoneid: zones.get(&p.zone_id).cloned(),
        domainid: p.domain_id.and_then(|d| domains.get(&d)).map(|d| d.uuid.clone()),
        id: p.uuid,
        name: p.name,
        broadcastdomainrange: p.broadcast_domain_range,
        state: p.state,
        vlan: p.vlan,
        tags: p.tags,
        isolationmethods: p.isolation_methods,
        networkspeed: p.speed,
    };
    Ok(rows.into_iter().map(one).collect())
}

/// A kind of traffic on a physical network.
#[derive(View)]
pub struct TrafficType {
    /// the ID of the traffic type
    pub id: String,
    /// Guest, Management, Public or Storage
    pub traffictype: String,
    /// the ID of the physical network that carries it
    pub physicalnetworkid: Option<String>,
    /// what XenServer hosts call its network
    pub xennetworklabel: Option<String>,
    /// what KVM hosts call its bridge
    pub kvmnetworklabel: Option<String>,
    /// what VMware hosts call its switch
    pub vmwarenetworklabel: Option<String>,
    /// what Hyper-V hosts call its switch
    pub hypervnetworklabel: Option<String>,
}

/// Traffic types with the ids of their physical networks.
pub(crate) async fn traffic(call: &Call, rows: Vec<store::TrafficType>) -> Result<Vec<TrafficType>> {
    let wires = call.db.by_ids::<store::PhysicalNetwork>(rows.iter().map(|t| t.physical_network_id)).await?;
    let one = |t: store::TrafficType| TrafficType {
        physicalnetworkid: wires.get(&t.physical_network_id).map(|p| p.uuid.clone()),
        id: t.uuid,
        traffictype: t.traffic_type,
        xennetworklabel: t.xen_label,
        kvmnetworklabel: t.kvm_label,
        vmwarenetworklabel: t.vmware_label,
        hypervnetworklabel: t.hyperv_label,
    };
    Ok(rows.into_iter().map(one).collect())
}

/// A provider of network services.
#[derive(View, Default)]
pub struct Provider {
    /// the ID of the provider
    pub id: Option<String>,
    /// its name
    pub name: String,
    /// the ID of the physical network that it serves
    pub physicalnetworkid: Option<String>,
    /// the ID of the physical network that it leads to
    pub destinationphysicalnetworkid: Option<String>,
    /// Enabled, Disabled or Shutdown
    pub state: Option<String>,
    /// the services that it provides
    pub servicelist: Option<Texts>,
    /// whether an offering may use some of its services only
    pub canenableindividualservice: Option<bool>,
}

impl Provider {
    /// A provider as offerings and services name it.
    pub fn named(name: &str) -> Self {
        Self { name: name.into(), canenableindividualservice: Some(individually(name)), ..Default::default() }
    }
}

/// A security group provider has one service: there is nothing to choose.
fn individually(name: &str) -> bool {
    name != "SecurityGroupProvider"
}

/// Providers with the ids of their physical networks.
pub(crate) async fn providers(call: &Call, rows: Vec<store::Provider>) -> Result<Vec<Provider>> {
    let ids: Vec<i64> = rows.iter().map(|p| p.physical_network_id).chain(rows.iter().filter_map(|p| p.destination_network_id)).collect();
    let wires = call.db.by_ids::<store::PhysicalNetwork>(ids).await?;
    let uuid = |id: i64| wires.get(&id).map(|p| p.uuid.clone());
    let one = |p: store::Provider| Provider {
        servicelist: Some(Texts(services_of(&p))),
        canenableindividualservice: Some(individually(&p.name)),
        physicalnetworkid: uuid(p.physical_network_id),
        destinationphysicalnetworkid: p.destination_network_id.and_then(uuid),
        id: Some(p.uuid),
        name: p.name,
        state: Some(p.state),
    };
    Ok(rows.into_iter().map(one).collect())
}

/// The element of a router's provider.
#[derive(View)]
pub struct Element {
    /// the ID of the element
    pub id: String,
    /// the ID of its provider
    pub nspid: Option<String>,
    /// whether routers of this kind are made
    pub enabled: bool,
    /// the account that it belongs to; none, it is the cloud's
    pub account: Option<String>,
    /// the domain that it belongs to; none, it is the cloud's
    pub domain: Option<String>,
    /// the ID of the domain that it belongs to; none, it is the cloud's
    pub domainid: Option<String>,
    /// the project that it belongs to; none, it is the cloud's
    pub project: Option<String>,
    /// the ID of the project that it belongs to; none, it is the cloud's
    pub projectid: Option<String>,
}

/// The element of internal load balancers.
#[derive(View)]
pub struct LoadBalancerElement {
    /// the ID of the element
    pub id: String,
    /// the ID of its provider
    pub nspid: Option<String>,
    /// whether load balancers of this kind are made
    pub enabled: bool,
}

/// Elements with the ids of their providers.
pub(crate) async fn elements(call: &Call, rows: Vec<store::RouterElement>) -> Result<Vec<Element>> {
    let providers = call.db.by_ids::<store::Provider>(rows.iter().map(|e| e.provider_id)).await?;
    let one = |e: store::RouterElement| Element {
        nspid: providers.get(&e.provider_id).map(|p| p.uuid.clone()),
        id: e.uuid,
        enabled: e.enabled,
        account: None,
        domain: None,
        domainid: None,
        project: None,
        projectid: None,
    };
    Ok(rows.into_iter().map(one).collect())
}

/// The same for internal load balancers.
pub(crate) async fn balancers(call: &Call, rows: Vec<store::RouterElement>) -> Result<Vec<LoadBalancerElement>> {
    let all = elements(call, rows).await?;
    Ok(all.into_iter().map(|e| LoadBalancerElement { id: e.id, nspid: e.nspid, enabled: e.enabled }).collect())
}

/// Who carries out a kind of traffic.
#[derive(View)]
pub struct Implementor {
    /// the kind of traffic
    pub traffictype: String,
    /// who makes its networks
    pub traffictypeimplementor: String,
}

/// A way to keep guest networks apart.
#[derive(View)]
pub struct IsolationMethod {
    /// its name
    pub name: String,
}
