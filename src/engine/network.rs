//! Guest networks, and the cloud's own networks of a zone.
//!
//! A shared network is `Setup` from the start: its wire and ranges are given. An isolated one is `Allocated` until the first VM needs
//! it; [`Engine::network_implement`] then takes a VLAN and a source NAT address. `network_use.rs` says when that is, and the way back.
use crate::addresses::{Subnet, subnet_span};
use crate::network_offering::word;
use crate::vm_start::{from_driver, network_spec};
use crate::{Call, Engine, Topic, vnet};
use stratus_model::{Error, Kind, Limit, Result};
use stratus_store::{
    Account, Domain, IpAddress, IpRange, Network, NetworkOffering, Nic, OfferingService, PhysicalNetwork, Project, Query, Tx, Value, Zone,
};
use uuid::Uuid;

/// What a network that is to be made has.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "each is the parameter of createNetwork of its name")]
pub struct NetworkCreate {
    pub name: String,
    pub display_text: String,
    pub offering: NetworkOffering,
    pub zone: Zone,
    pub physical: Option<PhysicalNetwork>,
    pub account: Option<String>,
    pub domain: Option<Domain>,
    pub project: Option<Project>,
    pub acl_type: Option<String>,
    pub subdomain_access: Option<bool>,
    pub display_network: Option<bool>,
    pub gateway: Option<String>,
    pub netmask: Option<String>,
    pub start_ip: Option<String>,
    pub end_ip: Option<String>,
    pub vlan: Option<String>,
    pub network_domain: Option<String>,
}

/// What of a network changes.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "each is the column of its name")]
pub struct NetworkUpdate {
    pub name: Option<String>,
    pub display_text: Option<String>,
    pub network_domain: Option<String>,
    pub display_network: Option<bool>,
    pub offering: Option<NetworkOffering>,
}

pub(crate) fn topic(n: &Network) -> Topic {
    Topic { account: n.account_id, domain: n.domain_id, kind: Kind::Network, id: n.id }
}

/// The VLAN in what a call gave: `50`, `vlan://50`, `untagged`.
pub(crate) fn vlan_word(text: &str) -> Result<String> {
    let bare = text.trim().rsplit("://").next().unwrap_or_default();
    match bare.parse::<i64>() {
        Ok(n) if (1..(1 << 24)).contains(&n) => Ok(n.to_string()),
        _ if bare.eq_ignore_ascii_case("untagged") => Ok("untagged".into()),
        _ => Err(Error::invalid("vlan", format!("'{text}' is neither a number nor untagged"))),
    }
}

impl Engine {
    /// The cloud's own network of a zone for a kind of traffic; made when it is not there.
    pub async fn system_network(&self, tx: &mut Tx, zone: i64, physical: i64, traffic: &str) -> Result<Network> {
        let q = Query::live().eq("zone_id", zone).eq("traffic_type", traffic).eq("is_system", true);
        if let Some(n) = tx.find_one::<Network>(q).await? {
            return Ok(n);
        }
        let q = Query::live().eq("system_only", true).eq("traffic_type", traffic);
        let offering = tx.find_one::<NetworkOffering>(q).await?.ok_or_else(|| Error::internal(format!("no offering for {traffic}")))?;
        let mut n = Network {
            uuid: Uuid::new_v4().to_string(),
            name: String::new(),
            display_text: String::new(),
            account_id: 1,
            domain_id: 1,
            zone_id: zone,
            physical_network_id: Some(physical),
            offering_id: offering.id,
            guest_type: offering.guest_type,
            traffic_type: traffic.into(),
            acl_type: "Domain".into(),
            is_system: true,
            specify_ip_ranges: offering.specify_ip_ranges,
            display_network: true,
            state: "Setup".into(),
            created: self.clock.now(),
            ..Default::default()
        };
        tx.insert(&mut n).await?;
        Ok(n)
    }

    /// Makes a network for an account, or for everybody in a domain.
    pub async fn network_create(&self, call: &Call, ask: NetworkCreate) -> Result<Network> {
        let draft = draft(call, &ask).await?;
        let inner = call.clone();
        let made = self
            .db
            .write(move |tx| {
                let call = inner.clone();
                Box::pin(async move {
                    let (mut n, subnet) = draft;
                    let wire = match &ask.physical {
                        Some(p) if p.zone_id != ask.zone.id => return Err(Error::invalid("physicalnetworkid", "lies in another zone")),
                        Some(p) => p.clone(),
                        None => call.guest_wire(tx, ask.zone.id, ask.offering.tags.as_deref()).await?,
                    };
                    n.physical_network_id = Some(wire.id);
                    if ask.zone.network_type == "Basic" {
                        let q = Query::live().eq("zone_id", ask.zone.id).eq("traffic_type", "Guest");
                        if let Some(there) = tx.find_one::<Network>(q).await? {
                            let why = format!("its guest network is {} already, and a basic zone has one", there.name);
                            return Err(Error::InUse { kind: Kind::Zone, id: ask.zone.uuid, why });
                        }
                    }
                    tx.insert(&mut n).await?;
                    if counted(&n) {
                        call.take(tx, n.account_id, &[(Limit::Network, 1)]).await?;
                    }
                    fixed_vlan(&call, tx, &wire, &n).await?;
                    if let Some((subnet, span)) = subnet {
                        call.network_range(tx, &n, subnet, span).await?;
                    }
                    call.log(tx, topic(&n), format!("created network {}", n.name)).await?;
                    Ok(n)
                })
            })
            .await?;
        self.network_persist(call, made).await
    }

    async fn network_range(&self, tx: &mut Tx, n: &Network, subnet: Subnet, (first, last): (String, String)) -> Result<()> {
        let mut range = IpRange {
            uuid: Uuid::new_v4().to_string(),
            zone_id: n.zone_id,
            network_id: n.id,
            physical_network_id: n.physical_network_id,
            vlan: n.vlan.clone().unwrap_or_else(|| "untagged".into()),
            gateway: Some(subnet.gateway.to_string()),
            netmask: Some(subnet.netmask.to_string()),
            start_ip: Some(first),
            end_ip: Some(last),
            created: self.clock.now(),
            ..Default::default()
        };
        if n.specify_ip_ranges {
            crate::ip_range::refuse_overlap(tx, n, &range).await?;
        }
        self.range_insert(tx, &mut range).await
    }

    /// Makes an isolated network ready on its first use: it takes a VLAN and, where its offering has SourceNat, a public address. Run
    /// again, or on another kind of network, it changes nothing.
    pub async fn network_implement(&self, tx: &mut Tx, id: i64) -> Result<Network> {
        let n = tx.must::<Network>(id).await?;
        if n.state != "Allocated" {
            return Ok(n);
        }
        let wire = match n.physical_network_id {
            Some(p) => tx.must::<PhysicalNetwork>(p).await?,
            None => return Err(Error::internal(format!("network {id} lies on no physical network"))),
        };
        let number = self.vnet_take(tx, &wire, &n).await?;
        let uri = format!("{}://{number}", vnet::scheme(wire.isolation_methods.as_deref()));
        let set = vec![("vlan", number.to_string().into()), ("broadcast_uri", uri.into())];
        tx.advance::<Network>(id, &n.state, n.update_count, "Implemented", set).await?;
        self.source_nat_take(tx, &n).await?;
        tx.must(id).await
    }

    /// Changes a network.
    pub async fn network_update(&self, call: &Call, id: i64, ask: NetworkUpdate) -> Result<Network> {
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let n = tx.must::<Network>(id).await?;
                    if n.is_system {
                        return Err(Error::invalid("id", "the cloud's own networks are not changed"));
                    }
                    let mut set: Vec<(&'static str, Value)> = Vec::new();
                    if let Some(v) = ask.name {
                        set.push(("name", v.into()));
                    }
                    if let Some(v) = ask.display_text {
                        set.push(("display_text", v.into()));
                    }
                    if let Some(v) = ask.network_domain {
                        set.push(("network_domain", domain_name(&v)?.into()));
                    }
                    if let Some(v) = ask.display_network {
                        set.push(("display_network", v.into()));
                    }
                    if let Some(o) = ask.offering.filter(|o| o.id != n.offering_id) {
                        may_change(tx, &n, &o).await?;
                        set.push(("offering_id", o.id.into()));
                    }
                    if !set.is_empty() {
                        tx.set::<Network>(id, set).await?;
                    }
                    call.log(tx, topic(&n), format!("changed network {}", n.name)).await?;
                    tx.must(id).await
                })
            })
            .await
    }

    /// Removes a network that no VM is on, with its ranges, its addresses, its VLAN and its place in the owner's count.
    pub async fn network_delete(&self, call: &Call, id: i64) -> Result<()> {
        let n = self.db.must::<Network>(id).await?;
        if !n.is_system && self.db.count::<Nic>(Query::live().eq("network_id", id)).await? == 0 {
            self.network_ips_release(call, id).await?;
        }
        self.network_remove(call, id).await?;
        match self.router_of(&n).await? {
            Some(driver) => driver.shutdown(&network_spec(&n)).await.map_err(from_driver),
            None => Ok(()),
        }
    }

    async fn network_remove(&self, call: &Call, id: i64) -> Result<()> {
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let n = tx.must::<Network>(id).await?;
                    if n.removed.is_some() {
                        return Ok(());
                    }
                    if n.is_system {
                        return Err(Error::invalid("id", "the cloud's own networks go with their physical network"));
                    }
                    let nics = tx.count::<Nic>(Query::live().eq("network_id", id)).await?;
                    if nics > 0 {
                        let why = format!("{nics} NICs of VMs that are not expunged are on it");
                        return Err(Error::InUse { kind: Kind::Network, id: n.uuid, why });
                    }
                    call.source_nat_give_back(tx, id).await?;
                    let public = tx.count::<IpAddress>(Query::all().eq("associated_network_id", id)).await?;
                    if public > 0 {
                        let why = format!("{public} public addresses are on it; disassociate them first");
                        return Err(Error::InUse { kind: Kind::Network, id: n.uuid, why });
                    }
                    for range in tx.find::<IpRange>(Query::live().eq("network_id", id)).await? {
                        call.range_remove(tx, &range).await?;
                    }
                    call.vnet_give_back(tx, id).await?;
                    call.tags_forget(tx, "Network", id).await?;
                    if counted(&n) {
                        call.give_back(tx, n.account_id, &[(Limit::Network, 1)]).await?;
                    }
                    tx.set::<Network>(id, vec![("state", "Destroy".into()), ("removed", call.now().into())]).await?;
                    call.log(tx, topic(&n), format!("deleted network {}", n.name)).await
                })
            })
            .await
    }

    /// Whether VMs of an account may be on a network: its own, or one for its domain or for everybody below one above it.
    pub async fn network_usable(&self, network: &Network, account: &Account) -> Result<bool> {
        if network.acl_type == "Account" {
            return Ok(network.account_id == account.id);
        }
        if network.domain_id == account.domain_id {
            return Ok(true);
        }
        let (theirs, ours) = (self.db.get::<Domain>(network.domain_id).await?, self.db.get::<Domain>(account.domain_id).await?);
        Ok(network.subdomain_access && matches!((theirs, ours), (Some(t), Some(o)) if o.path.starts_with(&t.path)))
    }

    /// Which of these networks have a free address.
    pub async fn networks_with_room(&self, ids: impl IntoIterator<Item = i64>) -> Result<std::collections::HashSet<i64>> {
        let free = Query::all().eq("state", "Free");
        let q = Query::all().within("id", ids).id_in::<IpAddress>("network_id", free);
        Ok(self.db.find::<Network>(q).await?.into_iter().map(|n| n.id).collect())
    }
}

/// Whether a network counts against its owner's limit.
fn counted(n: &Network) -> bool {
    !n.is_system && n.guest_type == "Isolated" && n.acl_type == "Account"
}

type Draft = (Network, Option<(Subnet, (String, String))>);

/// Checks what is asked for against offering and zone; the row, and its range when it has one from the start.
async fn draft(call: &Call, ask: &NetworkCreate) -> Result<Draft> {
    let (o, basic) = (&ask.offering, ask.zone.network_type == "Basic");
    if o.system_only || o.state != "Enabled" {
        return Err(Error::invalid("networkofferingid", format!("{} is not an enabled offering for guest networks", o.name)));
    }
    if ask.zone.allocation_state == "Disabled" && !call.caller.is_root() {
        return Err(Error::Denied(format!("Zone {} is disabled", ask.zone.name)));
    }
    let shared = o.guest_type == "Shared";
    if basic && !shared {
        return Err(Error::invalid("networkofferingid", "a basic zone has a Shared network only"));
    }
    if shared && !call.caller.is_root() {
        return Err(Error::Denied("Only root administrators make shared networks".into()));
    }
    if o.for_vpc {
        return Err(Error::invalid("networkofferingid", format!("{} is for tiers of a VPC", o.name)));
    }
    let (account, domain_id, acl) = owner(call, ask, shared).await?;
    let vlan = vlan(call, ask, basic)?;
    let subnet = subnet(ask, basic, shared)?;
    let network_domain = match &ask.network_domain {
        Some(d) => Some(domain_name(d)?),
        None => default_domain(call, ask, shared, account, domain_id),
    };
    let text = |s: &std::net::Ipv4Addr| s.to_string();
    let n = Network {
        uuid: Uuid::new_v4().to_string(),
        name: ask.name.clone(),
        display_text: ask.display_text.clone(),
        account_id: account,
        domain_id,
        zone_id: ask.zone.id,
        offering_id: o.id,
        guest_type: o.guest_type.clone(),
        traffic_type: "Guest".into(),
        acl_type: acl.into(),
        subdomain_access: acl == "Domain" && ask.subdomain_access.unwrap_or_else(|| call.settings.flag("allow.subdomain.network.access")),
        is_default: basic,
        specify_ip_ranges: o.specify_ip_ranges,
        cidr: subnet.as_ref().map(|(s, _)| s.cidr()),
        gateway: subnet.as_ref().map(|(s, _)| text(&s.gateway)),
        netmask: subnet.as_ref().map(|(s, _)| text(&s.netmask)),
        network_domain,
        broadcast_uri: vlan.as_ref().map(|v| format!("vlan://{v}")),
        state: if vlan.is_some() { "Setup" } else { "Allocated" }.into(),
        vlan,
        dns1: Some(ask.zone.dns1.clone()),
        dns2: ask.zone.dns2.clone(),
        display_network: ask.display_network.unwrap_or(true),
        created: call.now(),
        ..Default::default()
    };
    Ok((n, subnet))
}

/// Whose it is: account, domain and how far it reaches.
async fn owner(call: &Call, ask: &NetworkCreate, shared: bool) -> Result<(i64, i64, &'static str)> {
    let usual = if shared && ask.account.is_none() && ask.project.is_none() { "Domain" } else { "Account" };
    let acl = word("acltype", ask.acl_type.as_deref().unwrap_or(usual), &["Account", "Domain"])?;
    if acl == "Account" {
        let a = call.acting_owner(ask.account.as_deref(), ask.domain.as_ref(), ask.project.as_ref()).await?;
        call.zone_for(&ask.zone, &a).await?;
        return Ok((a.id, a.domain_id, acl));
    }
    if !shared {
        return Err(Error::invalid("acltype", "only Shared networks can be for a whole domain"));
    }
    // The product itself owns what everybody uses.
    Ok((1, ask.domain.as_ref().map_or(1, |d| d.id), acl))
}

fn vlan(call: &Call, ask: &NetworkCreate, basic: bool) -> Result<Option<String>> {
    let given = ask.vlan.as_deref().map(vlan_word).transpose()?;
    if basic {
        return match given.as_deref() {
            None | Some("untagged") => Ok(Some("untagged".into())),
            Some(_) => Err(Error::invalid("vlan", "a basic zone has no VLANs")),
        };
    }
    match (given, ask.offering.specify_vlan) {
        (None, true) => Err(Error::invalid("vlan", format!("must be given: {} leaves it to the network", ask.offering.name))),
        (Some(_), false) => Err(Error::invalid("vlan", format!("is chosen by the cloud with offering {}", ask.offering.name))),
        (Some(_), true) if !call.caller.is_root() => Err(Error::Denied("Only root administrators choose a VLAN".into())),
        (given, _) => Ok(given),
    }
}

/// The subnet and the range in it.
fn subnet(ask: &NetworkCreate, basic: bool, shared: bool) -> Result<Option<(Subnet, (String, String))>> {
    if basic {
        if ask.start_ip.is_some() || ask.gateway.is_some() {
            return Err(Error::invalid("startip", "a basic zone's network gets its ranges by createVlanIpRange, pod by pod"));
        }
        return Ok(None);
    }
    let subnet = match (&ask.gateway, &ask.netmask) {
        (Some(g), Some(m)) => Subnet::of_gateway(g, m)?,
        (None, None) if shared => return Err(Error::invalid("gateway", "must be given for a Shared network, with netmask and startip")),
        (None, None) => Subnet::of_cidr("guestcidraddress", ask.zone.guest_cidr.as_deref().unwrap_or("10.1.1.0/24"))?,
        _ => return Err(Error::invalid("netmask", "gateway and netmask go together")),
    };
    let span = match (&ask.start_ip, &ask.end_ip) {
        (Some(first), last) => {
            let (a, b) = subnet_span(&subnet.gateway.to_string(), &subnet.netmask.to_string(), first, last.as_deref().unwrap_or(first))?;
            (a.to_string(), b.to_string())
        }
        (None, Some(_)) => return Err(Error::invalid("startip", "must be given with endip")),
        (None, None) if ask.offering.specify_ip_ranges => return Err(Error::invalid("startip", "must be given with this offering")),
        (None, None) => (subnet.first.to_string(), subnet.last.to_string()),
    };
    Ok(Some((subnet, span)))
}

/// A name like `cs2cloud.internal`, made of owner and suffix.
fn default_domain(call: &Call, ask: &NetworkCreate, shared: bool, account: i64, domain: i64) -> Option<String> {
    if shared && let Some(d) = &ask.zone.domain {
        return Some(d.clone());
    }
    let suffix = call.settings.scoped("guest.domain.suffix", "zone", ask.zone.id)?;
    Some(format!("cs{:x}{suffix}", if account == 1 { domain } else { account }))
}

/// A DNS name: labels of letters, digits and hyphens.
fn domain_name(text: &str) -> Result<String> {
    let label = |l: &str| {
        (1..=63).contains(&l.len()) && l.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') && !l.starts_with('-') && !l.ends_with('-')
    };
    match text.len() <= 190 && text.split('.').all(label) {
        true => Ok(text.to_owned()),
        false => Err(Error::invalid("networkdomain", format!("'{text}' is not a domain name"))),
    }
}

/// A VLAN that was chosen belongs to this network from now on, and must not be one that the cloud hands out.
async fn fixed_vlan(call: &Call, tx: &mut Tx, wire: &PhysicalNetwork, n: &Network) -> Result<()> {
    let Some(number) = n.vlan.as_deref().and_then(|v| v.parse::<i64>().ok()) else { return Ok(()) };
    if let Some(text) = wire.vlan.as_deref()
        && vnet::Ranges::read(text, wire.isolation_methods.as_deref())?.holds(number)
    {
        return Err(Error::invalid("vlan", format!("{number} is among those that the cloud hands out on {} ({text})", wire.name)));
    }
    match call.vnet_claim(tx, wire, n, number).await? {
        true => Ok(()),
        false => Err(Error::invalid("vlan", format!("another network on {} has {number}", wire.name))),
    }
}

/// Whether a network may change to an offering: of the same kind, and with the same services while VMs use it.
async fn may_change(tx: &mut Tx, n: &Network, to: &NetworkOffering) -> Result<()> {
    let from = tx.must::<NetworkOffering>(n.offering_id).await?;
    let no = |why: &str| Err(Error::invalid("networkofferingid", why));
    if to.system_only || to.state != "Enabled" {
        return no("is not an enabled offering for guest networks");
    }
    if n.guest_type != "Isolated" || to.guest_type != "Isolated" {
        return no("only Isolated networks change their offering, to another for Isolated ones");
    }
    if to.for_vpc != from.for_vpc
        || to.specify_vlan != from.specify_vlan
        || to.specify_ip_ranges != from.specify_ip_ranges
        || to.tags != from.tags
    {
        return no("the offerings differ in VPC, VLAN, IP ranges or tags");
    }
    if n.state == "Allocated" {
        return Ok(());
    }
    let mut sets = Vec::new();
    for id in [from.id, to.id] {
        let all = tx.find::<OfferingService>(Query::all().eq("offering_id", id)).await?;
        sets.push(all.into_iter().map(|s| (s.service, s.provider)).collect::<std::collections::BTreeSet<_>>());
    }
    if sets[0] == sets[1] { Ok(()) } else { no("the services differ and VMs use the network") }
}
