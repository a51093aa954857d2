//! Physical networks of a zone and the kinds of traffic that each carries.
use crate::network_offering::word;
use crate::{Call, Engine, JobDraft, Listing, Topic, provider, vnet};
use stratus_model::{Error, Kind, Result};
use stratus_store::{GuestVlanRange, IpRange, Job, Network, PhysicalNetwork, Provider, Query, TrafficType, Tx, Value, Vnet, Zone};
use uuid::Uuid;

/// Kinds of traffic, as networks and offerings have them.
pub const TRAFFIC_TYPES: &[&str] = &["Guest", "Management", "Public", "Storage", "Control"];
/// Those that a physical network can be given.
const CARRIED: &[&str] = &["Guest", "Management", "Public", "Storage"];
/// How guest networks can be kept apart.
pub const ISOLATION_METHODS: &[&str] = &["VLAN", "VXLAN", "GRE", "STT", "VNS", "MIDO", "SSP", "ODL", "L3"];
const STATES: &[&str] = &["Enabled", "Disabled"];

/// What a physical network that is to be made has.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "each is the column of its name")]
pub struct PhysicalNetworkCreate {
    pub name: String,
    pub zone: Zone,
    pub broadcast_domain_range: Option<String>,
    pub domain_id: Option<i64>,
    pub isolation_methods: Vec<String>,
    pub speed: Option<String>,
    pub tags: Vec<String>,
    pub vlan: Option<String>,
}

/// What of a physical network changes.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "each is the column of its name")]
pub struct PhysicalNetworkUpdate {
    pub speed: Option<String>,
    pub state: Option<String>,
    pub tags: Option<Vec<String>>,
    pub vlan: Option<String>,
}

/// The labels of a kind of traffic: what a host's bridge or switch is called.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "each is the hypervisor of its name")]
pub struct Labels {
    pub xen: Option<String>,
    pub kvm: Option<String>,
    pub vmware: Option<String>,
    pub hyperv: Option<String>,
}

/// A kind of traffic that is to be added.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "each is the column of its name")]
pub struct TrafficTypeAdd {
    pub traffic_type: String,
    pub isolation: Option<String>,
    pub labels: Labels,
    pub vlan: Option<String>,
}

fn topic(call: &Call, id: i64) -> Topic {
    Topic::of_caller(call, Kind::PhysicalNetwork, id)
}

/// One tag or none: offerings name one.
fn one_tag(tags: Vec<String>) -> Result<Option<String>> {
    match tags.len() {
        0 | 1 => Ok(tags.into_iter().next()),
        n => Err(Error::invalid("tags", format!("a physical network has at most one tag, not {n}"))),
    }
}

impl Engine {
    /// Makes a physical network with its providers, all disabled.
    pub async fn physical_network_create(&self, call: &Call, ask: PhysicalNetworkCreate, job: JobDraft) -> Result<(PhysicalNetwork, Job)> {
        let basic = ask.zone.network_type == "Basic";
        let range = word(
            "broadcastdomainrange",
            ask.broadcast_domain_range.as_deref().unwrap_or(if basic { "POD" } else { "ZONE" }),
            &["POD", "ZONE"],
        )?;
        if ask.isolation_methods.len() > 1 {
            return Err(Error::invalid("isolationmethods", "a physical network has at most one"));
        }
        let isolation = ask.isolation_methods.first().map(|m| word("isolationmethods", m, ISOLATION_METHODS)).transpose()?;
        if basic && (ask.vlan.is_some() || isolation.is_some()) {
            return Err(Error::invalid("vlan", "a basic zone's physical network has neither VLANs nor an isolation method"));
        }
        let vlan = ask.vlan.as_deref().map(|v| vnet::Ranges::read(v, isolation)).transpose()?;
        let physical = PhysicalNetwork {
            uuid: Uuid::new_v4().to_string(),
            name: ask.name,
            zone_id: ask.zone.id,
            domain_id: ask.domain_id,
            broadcast_domain_range: range.into(),
            isolation_methods: isolation.map(str::to_owned),
            vlan: vlan.map(|v| v.to_string()),
            speed: ask.speed,
            tags: one_tag(ask.tags)?,
            state: "Disabled".into(),
            created: call.now(),
            ..Default::default()
        };
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let mut physical = physical;
                    vnis_apart(tx, &physical).await?;
                    tx.insert(&mut physical).await?;
                    provider::insert_defaults(tx, physical.id, call.now()).await?;
                    let job = job.insert(tx, &call, topic(&call, physical.id)).await?;
                    Ok((physical, job))
                })
            })
            .await
    }

    /// Lists physical networks.
    pub async fn physical_network_list(
        &self,
        id: Option<i64>,
        zone: Option<i64>,
        name: Option<String>,
        keyword: Option<&str>,
        page: (i64, i64),
    ) -> Result<Listing<PhysicalNetwork>> {
        let mut q = Query::live().eq_opt("id", id).eq_opt("zone_id", zone).eq_opt("name", name);
        if let Some(k) = keyword {
            q = q.holds(&["name"], k);
        }
        let count = self.db.count::<PhysicalNetwork>(q.clone()).await?;
        Ok(Listing { rows: self.db.find(q.page(page.0, page.1)).await?, count })
    }

    /// Changes a physical network. Ranges replace those before; a number that a network uses stays in.
    pub async fn physical_network_update(&self, call: &Call, id: i64, ask: PhysicalNetworkUpdate) -> Result<PhysicalNetwork> {
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let mut p = tx.must::<PhysicalNetwork>(id).await?;
                    let mut set: Vec<(&'static str, Value)> = Vec::new();
                    if let Some(s) = ask.speed {
                        set.push(("speed", s.into()));
                    }
                    if let Some(s) = ask.state {
                        set.push(("state", word("state", &s, STATES)?.into()));
                    }
                    if let Some(t) = ask.tags {
                        set.push(("tags", one_tag(t)?.into()));
                    }
                    if let Some(v) = ask.vlan {
                        let ranges = vnet::Ranges::read(&v, p.isolation_methods.as_deref())?;
                        let zone = tx.must::<Zone>(p.zone_id).await?;
                        if zone.network_type == "Basic" {
                            return Err(Error::invalid("vlan", "a basic zone's physical network has no VLANs"));
                        }
                        let used = tx.find::<Vnet>(Query::all().eq("physical_network_id", id)).await?;
                        if let Some(u) = used.iter().find(|u| !ranges.holds(u.number)) {
                            let why = format!("{} is outside of the new ranges and a network uses it", u.number);
                            return Err(Error::InUse { kind: Kind::PhysicalNetwork, id: p.uuid, why });
                        }
                        crate::guest_vlan::refuse_narrower(tx, &p, &ranges).await?;
                        p.vlan = Some(ranges.to_string());
                        vnis_apart(tx, &p).await?;
                        set.push(("vlan", p.vlan.into()));
                    }
                    if !set.is_empty() {
                        tx.set::<PhysicalNetwork>(id, set).await?;
                    }
                    call.log(tx, topic(&call, id), format!("changed physical network {}", p.name)).await?;
                    tx.must(id).await
                })
            })
            .await
    }

    /// Removes a physical network that nothing uses, with its traffic types and providers.
    pub async fn physical_network_delete(&self, call: &Call, id: i64) -> Result<()> {
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let p = tx.must::<PhysicalNetwork>(id).await?;
                    let of_us = || Query::live().eq("physical_network_id", id);
                    let users = tx.count::<Network>(of_us().eq("is_system", false)).await?;
                    let ranges = tx.count::<IpRange>(of_us()).await?;
                    if users + ranges > 0 {
                        let why = format!("{users} networks and {ranges} IP ranges are on it");
                        return Err(Error::InUse { kind: Kind::PhysicalNetwork, id: p.uuid, why });
                    }
                    for one in tx.find::<Provider>(of_us()).await? {
                        provider::remove(tx, one.id, call.now()).await?;
                    }
                    let removed = || vec![("removed", call.now().into())];
                    tx.update::<TrafficType>(of_us(), removed()).await?;
                    tx.update::<GuestVlanRange>(of_us(), removed()).await?;
                    tx.update::<Network>(of_us(), removed()).await?;
                    tx.remove::<PhysicalNetwork>(id, call.now()).await?;
                    call.log(tx, topic(&call, id), format!("deleted physical network {}", p.name)).await
                })
            })
            .await
    }

    /// Adds a kind of traffic to a physical network, and the cloud's own network for it to the zone.
    pub async fn traffic_type_add(
        &self,
        call: &Call,
        on: &PhysicalNetwork,
        ask: TrafficTypeAdd,
        job: JobDraft,
    ) -> Result<(TrafficType, Job)> {
        let kind = word("traffictype", &ask.traffic_type, CARRIED)?;
        let isolation = ask.isolation.as_deref().map(|m| word("isolationmethod", m, ISOLATION_METHODS)).transpose()?;
        let (call, on) = (call.clone(), on.clone());
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let same = Query::live().eq("traffic_type", kind);
                    // Guest traffic may be on several wires, told apart by tags; the rest on one of the zone.
                    let same = if kind == "Guest" {
                        same.eq("physical_network_id", on.id)
                    } else {
                        same.key_in::<PhysicalNetwork>("physical_network_id", "id", Query::live().eq("zone_id", on.zone_id))
                    };
                    if tx.find_one::<TrafficType>(same).await?.is_some() {
                        return Err(Error::Duplicate { kind: Kind::TrafficType, name: kind.into() });
                    }
                    let mut t = TrafficType {
                        uuid: Uuid::new_v4().to_string(),
                        physical_network_id: on.id,
                        traffic_type: kind.into(),
                        isolation: isolation.map(str::to_owned),
                        xen_label: ask.labels.xen,
                        kvm_label: ask.labels.kvm,
                        vmware_label: ask.labels.vmware,
                        hyperv_label: ask.labels.hyperv,
                        vlan: ask.vlan,
                        created: call.now(),
                        ..Default::default()
                    };
                    tx.insert(&mut t).await?;
                    if kind != "Guest" {
                        call.system_network(tx, on.zone_id, on.id, kind).await?;
                    }
                    let job = job.insert(tx, &call, Topic::of_caller(&call, Kind::TrafficType, t.id)).await?;
                    Ok((t, job))
                })
            })
            .await
    }

    /// The kinds of traffic of a physical network.
    pub async fn traffic_type_list(&self, physical: i64, keyword: Option<&str>, page: (i64, i64)) -> Result<Listing<TrafficType>> {
        let mut q = Query::live().eq("physical_network_id", physical);
        if let Some(k) = keyword {
            q = q.holds(&["traffic_type"], k);
        }
        let count = self.db.count::<TrafficType>(q.clone()).await?;
        Ok(Listing { rows: self.db.find(q.page(page.0, page.1)).await?, count })
    }

    /// Changes labels; an empty one stays as it is.
    pub async fn traffic_type_update(&self, call: &Call, id: i64, labels: Labels) -> Result<TrafficType> {
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let given = [
                        ("xen_label", labels.xen),
                        ("kvm_label", labels.kvm),
                        ("vmware_label", labels.vmware),
                        ("hyperv_label", labels.hyperv),
                    ];
                    let set: Vec<(&'static str, Value)> = given.into_iter().filter_map(|(c, v)| v.map(|v| (c, v.into()))).collect();
                    if !set.is_empty() {
                        tx.set::<TrafficType>(id, set).await?;
                    }
                    let t = tx.must::<TrafficType>(id).await?;
                    call.log(tx, Topic::of_caller(&call, Kind::TrafficType, id), format!("changed {} traffic", t.traffic_type)).await?;
                    Ok(t)
                })
            })
            .await
    }

    /// Takes a kind of traffic off a physical network, when no network of that kind is on it.
    pub async fn traffic_type_delete(&self, call: &Call, id: i64) -> Result<()> {
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let t = tx.must::<TrafficType>(id).await?;
                    let nets = Query::live().eq("physical_network_id", t.physical_network_id).eq("traffic_type", t.traffic_type.as_str());
                    let users = tx.count::<Network>(nets.clone().eq("is_system", false)).await?;
                    let ranges = tx.count::<IpRange>(Query::live().key_in::<Network>("network_id", "id", nets.clone())).await?;
                    if users + ranges > 0 {
                        let why = format!("{users} networks and {ranges} IP ranges carry it");
                        return Err(Error::InUse { kind: Kind::TrafficType, id: t.uuid, why });
                    }
                    tx.update::<Network>(nets, vec![("removed", call.now().into())]).await?;
                    tx.remove::<TrafficType>(id, call.now()).await?;
                    call.log(tx, Topic::of_caller(&call, Kind::TrafficType, id), format!("removed {} traffic", t.traffic_type)).await
                })
            })
            .await
    }

    /// The physical network of a zone that carries guests' traffic for an offering with this tag; the only one when there is one.
    pub async fn guest_wire(&self, tx: &mut Tx, zone: i64, tags: Option<&str>) -> Result<PhysicalNetwork> {
        let guest = Query::live().eq("traffic_type", "Guest");
        let q = Query::live().eq("zone_id", zone).eq_opt("tags", tags).id_in::<TrafficType>("physical_network_id", guest);
        let mut found = tx.find::<PhysicalNetwork>(q).await?;
        if found.len() > 1 {
            return Err(Error::invalid("physicalnetworkid", "the zone has several physical networks for guests; name one"));
        }
        let with = tags.map(|t| format!(" with the offering's tag {t}")).unwrap_or_default();
        found.pop().ok_or_else(|| Error::invalid("zoneid", format!("the zone has no physical network that carries guest traffic{with}")))
    }
}

/// VXLAN numbers are one space for a whole zone: two wires must not share them.
async fn vnis_apart(tx: &mut Tx, p: &PhysicalNetwork) -> Result<()> {
    let (Some("VXLAN"), Some(mine)) = (p.isolation_methods.as_deref(), p.vlan.as_deref()) else { return Ok(()) };
    let mine = vnet::Ranges::read(mine, Some("VXLAN"))?;
    let others = Query::live().eq("zone_id", p.zone_id).eq("isolation_methods", "VXLAN").ne("id", p.id).not_null("vlan");
    for other in tx.find::<PhysicalNetwork>(others).await? {
        if let Some(n) = mine.meets(&vnet::Ranges::read(other.vlan.as_deref().unwrap_or_default(), Some("VXLAN"))?) {
            return Err(Error::invalid("vlan", format!("{n} belongs to physical network {} already", other.name)));
        }
    }
    Ok(())
}
