//! Network offerings: what kind of guest network one can have, which services it has and who provides each.
use crate::provider::{self, SERVICES};
use crate::{Call, Engine, Listing, Topic};
use std::collections::{BTreeMap, HashMap};
use stratus_model::{Error, Kind, Micros, Result};
use stratus_store::{Network, NetworkOffering, OfferingService, Query, Tx, Value, Zone};
use uuid::Uuid;

/// What an offering that is to be made has.
#[derive(Debug, Clone, Default)]
pub struct NetworkOfferingCreate {
    /// Its name, unique.
    pub name: String,
    /// What people read.
    pub display_text: String,
    /// `Shared` or `Isolated`.
    pub guest_type: String,
    /// `Guest`: nobody makes offerings for the cloud's own traffic.
    pub traffic_type: String,
    /// Services.
    pub services: Vec<String>,
    /// Who provides a service, where it is not the usual one.
    pub providers: Vec<(String, String)>,
    /// Capabilities of services: service, capability, value.
    pub capabilities: Vec<(String, String, String)>,
    /// `Optional` or `Required`.
    pub availability: Option<String>,
    /// Whether one public address may serve several services.
    pub conserve_mode: Option<bool>,
    /// Details as given.
    pub details: BTreeMap<String, String>,
    /// Whether guests reach out unless a rule forbids it.
    pub egress_default: Option<bool>,
    /// Whether networks are implemented before the first VM.
    pub is_persistent: Option<bool>,
    /// Connections that a load balancer takes at once.
    pub max_connections: Option<i64>,
    /// Mbit/s.
    pub network_rate: Option<i64>,
    /// The router's offering.
    pub service_offering_id: Option<i64>,
    /// Whether networks bring their own ranges.
    pub specify_ip_ranges: Option<bool>,
    /// Whether networks bring their own VLAN.
    pub specify_vlan: Option<bool>,
    /// The tag that a physical network must have.
    pub tags: Option<String>,
}

/// Which offerings a list shows.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "each narrows by the column of its name")]
pub struct NetworkOfferingFilter {
    pub id: Option<i64>,
    pub name: Option<String>,
    pub display_text: Option<String>,
    pub keyword: Option<String>,
    pub guest_type: Option<String>,
    pub traffic_type: Option<String>,
    pub availability: Option<String>,
    pub state: Option<String>,
    pub is_default: Option<bool>,
    pub specify_vlan: Option<bool>,
    pub specify_ip_ranges: Option<bool>,
    pub for_vpc: Option<bool>,
    pub tagged: Option<bool>,
    pub tags: Option<String>,
    /// Has all of these services.
    pub services: Vec<String>,
    pub source_nat: Option<bool>,
    /// A basic zone takes no new guest networks: nothing is listed for one.
    pub zone: Option<Zone>,
    /// Those that this network could change to.
    pub network: Option<Network>,
}

/// What of an offering may change.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "each is the column of its name")]
pub struct NetworkOfferingUpdate {
    pub name: Option<String>,
    pub display_text: Option<String>,
    pub availability: Option<String>,
    pub max_connections: Option<i64>,
    pub sort_key: Option<i64>,
    pub state: Option<String>,
}

/// What the column `details` holds beside the details: the capabilities that were chosen.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct OfferingDetails {
    /// Details as given.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, String>,
    /// Service, capability, value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<(String, String, String)>,
}

impl OfferingDetails {
    /// Reads the column.
    pub fn of(offering: &NetworkOffering) -> Self {
        offering.details.as_deref().and_then(|t| serde_json::from_str(t).ok()).unwrap_or_default()
    }
    fn column(self) -> Result<Option<String>> {
        if self.details.is_empty() && self.capabilities.is_empty() {
            return Ok(None);
        }
        serde_json::to_string(&self).map(Some).map_err(Error::internal)
    }
}

/// The word of a list that a text is, whatever its case.
pub(crate) fn word(field: &str, text: &str, words: &[&'static str]) -> Result<&'static str> {
    let found = words.iter().copied().find(|w| w.eq_ignore_ascii_case(text.trim()));
    found.ok_or_else(|| Error::invalid(field, format!("'{text}' is none of {}", words.join(", "))))
}

const GUEST_TYPES: &[&str] = &["Shared", "Isolated"];
const AVAILABILITY: &[&str] = &["Optional", "Required"];

impl Engine {
    /// Lists offerings that are not the cloud's own.
    pub async fn network_offering_list(&self, f: NetworkOfferingFilter, page: (i64, i64)) -> Result<Listing<NetworkOffering>> {
        if f.id.is_none() && f.zone.as_ref().is_some_and(|z| z.network_type == "Basic") {
            return Ok(Listing::whole(Vec::new()));
        }
        let mut q = Query::live()
            .eq("system_only", false)
            .eq_opt("id", f.id)
            .eq_opt("name", f.name)
            .eq_opt("display_text", f.display_text)
            .eq_opt("is_default", f.is_default)
            .eq_opt("specify_vlan", f.specify_vlan)
            .eq_opt("specify_ip_ranges", f.specify_ip_ranges)
            .eq_opt("for_vpc", f.for_vpc)
            .eq_opt("tags", f.tags);
        if let Some(k) = &f.keyword {
            q = q.holds(&["name", "display_text"], k);
        }
        if let Some(t) = &f.guest_type {
            q = q.eq("guest_type", word("guestiptype", t, GUEST_TYPES)?);
        }
        if let Some(t) = &f.traffic_type {
            q = q.eq("traffic_type", word("traffictype", t, crate::physical_network::TRAFFIC_TYPES)?);
        }
        if let Some(a) = &f.availability {
            q = q.eq("availability", word("availability", a, AVAILABILITY)?);
        }
        if let Some(s) = &f.state {
            q = q.eq("state", word("state", s, &["Enabled", "Disabled"])?);
        }
        q = match f.tagged {
            Some(true) => q.not_null("tags"),
            Some(false) => q.null("tags"),
            None => q,
        };
        for service in &f.services {
            let service = provider::service("supportedservices", service)?;
            q = q.id_in::<OfferingService>("offering_id", Query::all().eq("service", service));
        }
        if let Some(wanted) = f.source_nat {
            let with: Vec<i64> =
                self.db.find::<OfferingService>(Query::all().eq("service", "SourceNat")).await?.iter().map(|s| s.offering_id).collect();
            q = if wanted { q.within("id", with) } else { q.without("id", with) };
        }
        if let Some(n) = &f.network {
            let current = self.db.must::<NetworkOffering>(n.offering_id).await?;
            q = q.ne("id", current.id).eq("guest_type", n.guest_type.as_str()).eq("for_vpc", current.for_vpc).eq("state", "Enabled");
        }
        let count = self.db.count::<NetworkOffering>(q.clone()).await?;
        let rows = self.db.find(q.order("sort_key").page(page.0, page.1)).await?;
        Ok(Listing { rows, count })
    }

    /// The services of offerings, by offering.
    pub async fn offering_services(&self, offerings: impl IntoIterator<Item = i64>) -> Result<HashMap<i64, Vec<OfferingService>>> {
        let mut ids: Vec<i64> = offerings.into_iter().collect();
        ids.sort_unstable();
        ids.dedup();
        let mut by: HashMap<i64, Vec<OfferingService>> = HashMap::new();
        for chunk in ids.chunks(1000) {
            for s in self.db.find::<OfferingService>(Query::all().within("offering_id", chunk.iter().copied())).await? {
                by.entry(s.offering_id).or_default().push(s);
            }
        }
        Ok(by)
    }

    /// Makes an offering, disabled until it is enabled.
    pub async fn network_offering_create(&self, call: &Call, ask: NetworkOfferingCreate) -> Result<NetworkOffering> {
        let (offering, services) = plan(ask, call.now())?;
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let mut offering = offering;
                    let same = Query::live().eq("name", offering.name.as_str());
                    if tx.find_one::<NetworkOffering>(same).await?.is_some() {
                        return Err(Error::Duplicate { kind: Kind::NetworkOffering, name: offering.name });
                    }
                    insert(tx, &mut offering, &services).await?;
                    let topic = Topic::of_caller(&call, Kind::NetworkOffering, offering.id);
                    call.log(tx, topic, format!("created network offering {}", offering.name)).await?;
                    Ok(offering)
                })
            })
            .await
    }

    /// Changes an offering.
    pub async fn network_offering_update(&self, call: &Call, id: i64, ask: NetworkOfferingUpdate) -> Result<NetworkOffering> {
        let mut set: Vec<(&'static str, Value)> = Vec::new();
        if let Some(n) = &ask.name {
            set.push(("name", n.into()));
        }
        if let Some(t) = &ask.display_text {
            set.push(("display_text", t.into()));
        }
        if let Some(a) = &ask.availability {
            set.push(("availability", word("availability", a, AVAILABILITY)?.into()));
        }
        if let Some(n) = ask.max_connections {
            set.push(("max_connections", n.into()));
        }
        if let Some(n) = ask.sort_key {
            set.push(("sort_key", n.into()));
        }
        if let Some(s) = &ask.state {
            set.push(("state", word("state", s, &["Enabled", "Disabled"])?.into()));
        }
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let before = tx.must::<NetworkOffering>(id).await?;
                    if before.system_only {
                        return Err(Error::invalid("id", "an offering of the cloud's own networks is not changed"));
                    }
                    if let Some(name) = &ask.name
                        && tx.find_one::<NetworkOffering>(Query::live().eq("name", name).ne("id", id)).await?.is_some()
                    {
                        return Err(Error::Duplicate { kind: Kind::NetworkOffering, name: name.clone() });
                    }
                    if !set.is_empty() {
                        tx.set::<NetworkOffering>(id, set).await?;
                    }
                    let after = tx.must::<NetworkOffering>(id).await?;
                    call.log(tx, Topic::of_caller(&call, Kind::NetworkOffering, id), format!("changed network offering {}", after.name))
                        .await?;
                    Ok(after)
                })
            })
            .await
    }

    /// Removes an offering that no network uses.
    pub async fn network_offering_delete(&self, call: &Call, id: i64) -> Result<()> {
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let o = tx.must::<NetworkOffering>(id).await?;
                    if o.is_default || o.system_only {
                        return Err(Error::invalid(
                            "id",
                            format!("{} is a default network offering; those stay, but can be disabled", o.name),
                        ));
                    }
                    let users = tx.count::<Network>(Query::live().eq("offering_id", id)).await?;
                    if users > 0 {
                        let why = format!("{users} networks use it; disable it so that no new ones do");
                        return Err(Error::InUse { kind: Kind::NetworkOffering, id: o.uuid, why });
                    }
                    tx.remove::<NetworkOffering>(id, call.now()).await?;
                    call.log(tx, Topic::of_caller(&call, Kind::NetworkOffering, id), format!("deleted network offering {}", o.name)).await
                })
            })
            .await
    }
}

type Pairs = Vec<(&'static str, &'static str)>;

/// Checks what is asked for; the row and its services with their providers.
fn plan(ask: NetworkOfferingCreate, now: Micros) -> Result<(NetworkOffering, Pairs)> {
    let guest_type = word("guestiptype", &ask.guest_type, GUEST_TYPES)?;
    let traffic_type = word("traffictype", &ask.traffic_type, &["Guest"])?;
    let services = provided(&ask.services, &ask.providers)?;
    let has = |s: &str| services.iter().any(|(service, _)| *service == s);
    let shared = guest_type == "Shared";
    if has("SecurityGroup") && !shared {
        return Err(Error::invalid("supportedservices", "SecurityGroup works on Shared networks only"));
    }
    if has("SourceNat") && shared {
        return Err(Error::invalid("supportedservices", "SourceNat works on Isolated networks only"));
    }
    if let Some(needs) = ["StaticNat", "PortForwarding"].into_iter().find(|s| has(s) && !shared && !has("SourceNat")) {
        return Err(Error::invalid("supportedservices", format!("{needs} needs SourceNat")));
    }
    let specify_vlan = ask.specify_vlan.unwrap_or(false);
    if shared && !specify_vlan {
        return Err(Error::invalid("specifyvlan", "must be true for a Shared network"));
    }
    let specify_ip_ranges = ask.specify_ip_ranges.unwrap_or(shared);
    if specify_ip_ranges != shared && has("SourceNat") {
        return Err(Error::invalid("specifyipranges", "must be false for an Isolated network with SourceNat"));
    }
    for (service, name, value) in &ask.capabilities {
        provider::capability(service, name, value)?;
        if !has(provider::service("servicecapabilitylist", service)?) {
            return Err(Error::invalid("servicecapabilitylist", format!("{service} is not among the supported services")));
        }
    }
    elastic(&ask.capabilities, shared, &services)?;
    let for_vpc = services.iter().any(|(_, p)| *p == "VpcVirtualRouter");
    if for_vpc && services.iter().any(|(_, p)| *p == "VirtualRouter") {
        return Err(Error::invalid("serviceproviderlist", "VirtualRouter and VpcVirtualRouter do not go together"));
    }
    let offering = NetworkOffering {
        uuid: Uuid::new_v4().to_string(),
        name: ask.name,
        display_text: ask.display_text,
        guest_type: guest_type.into(),
        traffic_type: traffic_type.into(),
        availability: word("availability", ask.availability.as_deref().unwrap_or("Optional"), AVAILABILITY)?.into(),
        specify_vlan,
        specify_ip_ranges,
        conserve_mode: ask.conserve_mode.unwrap_or(!for_vpc),
        is_persistent: ask.is_persistent.unwrap_or(false),
        for_vpc,
        egress_default: ask.egress_default.unwrap_or(false),
        network_rate: ask.network_rate,
        max_connections: ask.max_connections,
        tags: ask.tags,
        service_offering_id: ask.service_offering_id,
        details: OfferingDetails { details: ask.details, capabilities: ask.capabilities }.column()?,
        state: "Disabled".into(),
        created: now,
        ..Default::default()
    };
    Ok((offering, services))
}

/// Elastic IPs are static NAT addresses that an account takes; none comes with a VM by itself.
fn elastic(capabilities: &[(String, String, String)], shared: bool, services: &[(&str, &str)]) -> Result<()> {
    let chosen =
        |name: &str, value: &str| capabilities.iter().any(|(_, c, v)| c.eq_ignore_ascii_case(name) && v.eq_ignore_ascii_case(value));
    if !chosen("ElasticIp", "true") {
        return Ok(());
    }
    let field = "servicecapabilitylist";
    if !shared || !services.contains(&("StaticNat", "VirtualRouter")) {
        return Err(Error::invalid(field, "ElasticIp is for Shared networks whose StaticNat the VirtualRouter provides"));
    }
    match chosen("AssociatePublicIP", "false") {
        true => Ok(()),
        false => Err(Error::Unsupported("VMs get no elastic IP by themselves: say AssociatePublicIP=false beside ElasticIp=true".into())),
    }
}

/// Each service with its provider: the one named, or the usual one.
fn provided(services: &[String], named: &[(String, String)]) -> Result<Pairs> {
    let mut pairs = Pairs::new();
    for text in services {
        let service = provider::service("supportedservices", text)?;
        let mut any = false;
        for (_, p) in named.iter().filter(|(s, _)| s.eq_ignore_ascii_case(service)) {
            let p = provider::provider("serviceproviderlist", p)?;
            if !p.services.contains(&service) {
                return Err(Error::invalid("serviceproviderlist", format!("{} does not provide {service}", p.name)));
            }
            pairs.push((service, p.name));
            any = true;
        }
        if !any {
            let usual = SERVICES.iter().find(|s| s.name == service).map_or("VirtualRouter", |s| s.usual);
            pairs.push((service, usual));
        }
    }
    match named.iter().find(|(s, _)| !services.iter().any(|t| t.eq_ignore_ascii_case(s))) {
        Some((s, _)) => Err(Error::invalid("serviceproviderlist", format!("{s} is not among the supported services"))),
        None => Ok(pairs),
    }
}

async fn insert(tx: &mut Tx, offering: &mut NetworkOffering, services: &[(&str, &str)]) -> Result<()> {
    let id = tx.insert(offering).await?;
    let rows: Vec<OfferingService> = services
        .iter()
        .map(|(s, p)| OfferingService { offering_id: id, service: (*s).into(), provider: (*p).into(), ..Default::default() })
        .collect();
    if rows.is_empty() { Ok(()) } else { tx.insert_all(&rows).await }
}

/// A default offering: name, guest type, whether VLAN and ranges come with the network, provider, its services, other services.
struct Seed {
    name: &'static str,
    text: &'static str,
    guest_type: &'static str,
    specify: bool,
    provider: &'static str,
    services: &'static [&'static str],
    others: &'static [(&'static str, &'static str)],
}

const BASIC: &[&str] = &["Dhcp", "Dns", "UserData"];
const FULL: &[&str] = &["Dhcp", "Dns", "Firewall", "Gateway", "Lb", "PortForwarding", "SourceNat", "StaticNat", "UserData", "Vpn"];
const VPC: &[&str] = &["Dhcp", "Dns", "Gateway", "Lb", "NetworkACL", "PortForwarding", "SourceNat", "StaticNat", "UserData", "Vpn"];
const VPC_NO_LB: &[&str] = &["Dhcp", "Dns", "Gateway", "NetworkACL", "PortForwarding", "SourceNat", "StaticNat", "UserData", "Vpn"];
const VPC_INTERNAL: &[&str] = &["Dhcp", "Dns", "Gateway", "NetworkACL", "SourceNat", "UserData"];

/// The default offerings of a fresh install (catalog/README.md "Fresh install").
const SEEDS: &[Seed] = &[
    Seed {
        name: "DefaultSharedNetworkOfferingWithSGService",
        text: "Shared networks with security groups",
        guest_type: "Shared",
        specify: true,
        provider: "VirtualRouter",
        services: BASIC,
        others: &[("SecurityGroup", "SecurityGroupProvider")],
    },
    Seed {
        name: "DefaultSharedNetworkOffering",
        text: "Shared networks",
        guest_type: "Shared",
        specify: true,
        provider: "VirtualRouter",
        services: BASIC,
        others: &[],
    },
    Seed {
        name: "DefaultIsolatedNetworkOfferingWithSourceNatService",
        text: "Isolated networks with source NAT",
        guest_type: "Isolated",
        specify: false,
        provider: "VirtualRouter",
        services: FULL,
        others: &[],
    },
    Seed {
        name: "DefaultIsolatedNetworkOffering",
        text: "Isolated networks without source NAT",
        guest_type: "Isolated",
        specify: true,
        provider: "VirtualRouter",
        services: BASIC,
        others: &[],
    },
    Seed {
        name: "DefaultSharedNetscalerEIPandELBNetworkOffering",
        text: "Shared networks with elastic IP and elastic load balancing by NetScaler",
        guest_type: "Shared",
        specify: true,
        provider: "VirtualRouter",
        services: BASIC,
        others: &[("SecurityGroup", "SecurityGroupProvider"), ("StaticNat", "Netscaler"), ("Lb", "Netscaler")],
    },
    Seed {
        name: "DefaultIsolatedNetworkOfferingForVpcNetworks",
        text: "Tiers of a VPC",
        guest_type: "Isolated",
        specify: false,
        provider: "VpcVirtualRouter",
        services: VPC,
        others: &[],
    },
    Seed {
        name: "DefaultIsolatedNetworkOfferingForVpcNetworksNoLB",
        text: "Tiers of a VPC without load balancing",
        guest_type: "Isolated",
        specify: false,
        provider: "VpcVirtualRouter",
        services: VPC_NO_LB,
        others: &[],
    },
    Seed {
        name: "DefaultIsolatedNetworkOfferingForVpcNetworksWithInternalLB",
        text: "Tiers of a VPC with internal load balancing",
        guest_type: "Isolated",
        specify: false,
        provider: "VpcVirtualRouter",
        services: VPC_INTERNAL,
        others: &[("Lb", "InternalLbVm")],
    },
];

/// Offerings of the cloud's own networks: name and traffic.
const SYSTEM: &[(&str, &str)] = &[
    ("System-Public-Network", "Public"),
    ("System-Management-Network", "Management"),
    ("System-Control-Network", "Control"),
    ("System-Storage-Network", "Storage"),
    ("System-Private-Gateway-Network-Offering", "Guest"),
];

/// Writes the offerings of a fresh install.
pub async fn seed_network_offerings(tx: &mut Tx, now: Micros) -> Result<()> {
    for (name, traffic) in SYSTEM {
        let mut o = base(name, name, now);
        (o.traffic_type, o.system_only, o.guest_type) = ((*traffic).into(), true, "Isolated".into());
        o.availability = "Required".into();
        (o.specify_vlan, o.specify_ip_ranges) = (*traffic == "Public", matches!(*traffic, "Public" | "Storage"));
        insert(tx, &mut o, &[]).await?;
    }
    for s in SEEDS {
        let mut o = base(s.name, s.text, now);
        (o.guest_type, o.specify_vlan, o.specify_ip_ranges) = (s.guest_type.into(), s.specify, s.specify);
        o.for_vpc = s.provider == "VpcVirtualRouter";
        o.conserve_mode = !o.for_vpc;
        if s.name == "DefaultIsolatedNetworkOfferingWithSourceNatService" {
            o.availability = "Required".into();
        }
        let services: Vec<(&str, &str)> = s.services.iter().map(|v| (*v, s.provider)).chain(s.others.iter().copied()).collect();
        insert(tx, &mut o, &services).await?;
    }
    Ok(())
}

fn base(name: &str, text: &str, now: Micros) -> NetworkOffering {
    NetworkOffering {
        uuid: Uuid::new_v4().to_string(),
        name: name.into(),
        unique_name: Some(name.into()),
        display_text: text.into(),
        traffic_type: "Guest".into(),
        availability: "Optional".into(),
        is_default: true,
        conserve_mode: true,
        state: "Enabled".into(),
        created: now,
        ..Default::default()
    }
}
