//! Ranges of addresses ("VLAN IP ranges" in the native API): public ones of a zone, a basic zone's guest ranges pod by pod, a shared
//! network's. Ranges of the storage network are kept the same way.
use crate::addresses::{overlap, subnet_span};
use crate::network::vlan_word;
use crate::{Call, Engine, Listing, Topic};
use stratus_model::{Error, Kind, Result};
use stratus_store::{Account, IpRange, Network, PhysicalNetwork, Pod, Query, TrafficType, Tx, Zone};
use uuid::Uuid;

/// What a range that is to be made has.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "each is the parameter of createVlanIpRange of its name")]
pub struct IpRangeCreate {
    pub zone: Option<Zone>,
    pub pod: Option<Pod>,
    pub network: Option<Network>,
    pub physical: Option<PhysicalNetwork>,
    pub account: Option<Account>,
    pub domain_id: Option<i64>,
    pub vlan: Option<String>,
    pub gateway: Option<String>,
    pub netmask: Option<String>,
    pub start_ip: Option<String>,
    pub end_ip: Option<String>,
    pub for_virtual_network: bool,
}

/// Which ranges a list shows.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "each narrows by the column of its name")]
pub struct IpRangeFilter {
    pub id: Option<i64>,
    pub zone_id: Option<i64>,
    pub pod_id: Option<i64>,
    pub network_id: Option<i64>,
    pub physical_network_id: Option<i64>,
    pub account_id: Option<i64>,
    pub domain_id: Option<i64>,
    pub vlan: Option<String>,
    pub for_virtual_network: Option<bool>,
    pub keyword: Option<String>,
}

/// A range of the storage network that is to be made.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "each is the parameter of createStorageNetworkIpRange of its name")]
pub struct StorageRangeCreate {
    pub pod: Pod,
    pub gateway: String,
    pub netmask: String,
    pub start_ip: String,
    pub end_ip: Option<String>,
    pub vlan: Option<i64>,
}

/// Networks whose ranges people made; an isolated network's own CIDR is not listed as a range.
fn listed(traffic: &[&'static str]) -> Query {
    Query::all().eq("specify_ip_ranges", true).within("traffic_type", traffic.iter().copied())
}

pub(crate) fn topic(call: &Call, range: &IpRange) -> Topic {
    let (account, domain) = (range.account_id.unwrap_or(call.caller.account_id), range.domain_id.unwrap_or(call.caller.domain_id));
    Topic { account, domain, kind: Kind::VlanIpRange, id: range.id }
}

/// What changes of a range of the storage network.
#[derive(Debug, Clone, Default)]
pub struct StorageRangeUpdate {
    /// The first address.
    pub start_ip: Option<String>,
    /// The last address.
    pub end_ip: Option<String>,
    /// The netmask.
    pub netmask: Option<String>,
    /// Its VLAN.
    pub vlan: Option<i64>,
}

impl Engine {
    /// Makes a range and its addresses.
    pub async fn ip_range_create(&self, call: &Call, ask: IpRangeCreate) -> Result<IpRange> {
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let zone = zone_of(tx, &ask).await?;
                    let network = match (ask.for_virtual_network, zone.network_type.as_str()) {
                        (true, "Basic") if !gives_elastic_ips(tx, &zone).await? => {
                            let why =
                                "a basic zone has guest ranges only (say false and a podid), unless its network offering gives elastic IPs";
                            return Err(Error::invalid("forvirtualnetwork", why));
                        }
                        (true, _) if ask.pod.is_some() => return Err(Error::invalid("podid", "a public range is of the whole zone")),
                        (true, _) => public_network(&call, tx, &zone).await?,
                        (false, _) => guest_network(tx, &zone, ask.network.as_ref(), ask.pod.as_ref()).await?,
                    };
                    let mut range = draft(&ask, &zone, &network, call.now())?;
                    refuse_overlap(tx, &network, &range).await?;
                    call.range_insert(tx, &mut range).await?;
                    let (first, last) = (range.start_ip.as_deref().unwrap_or_default(), range.end_ip.as_deref().unwrap_or_default());
                    call.log(tx, topic(&call, &range), format!("created IP range {first}-{last}")).await?;
                    Ok(range)
                })
            })
            .await
    }

    /// Lists ranges.
    pub async fn ip_range_list(&self, f: IpRangeFilter, page: (i64, i64)) -> Result<Listing<IpRange>> {
        let mut q = Query::live()
            .eq_opt("id", f.id)
            .eq_opt("zone_id", f.zone_id)
            .eq_opt("pod_id", f.pod_id)
            .eq_opt("network_id", f.network_id)
            .eq_opt("physical_network_id", f.physical_network_id)
            .eq_opt("account_id", f.account_id)
            .eq_opt("domain_id", f.domain_id)
            .eq_opt("for_virtual_network", f.for_virtual_network);
        if let Some(v) = &f.vlan {
            q = q.eq("vlan", vlan_word(v)?);
        }
        if let Some(k) = &f.keyword {
            q = q.holds(&["vlan", "start_ip", "end_ip"], k);
        }
        let q = q.key_in::<Network>("network_id", "id", listed(&["Guest", "Public"]));
        let count = self.db.count::<IpRange>(q.clone()).await?;
        Ok(Listing { rows: self.db.find(q.page(page.0, page.1)).await?, count })
    }

    /// Removes a range none of whose addresses is held.
    pub async fn ip_range_delete(&self, call: &Call, id: i64) -> Result<()> {
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let range = tx.must::<IpRange>(id).await?;
                    let network = tx.must::<Network>(range.network_id).await?;
                    if !network.specify_ip_ranges {
                        return Err(Error::not_found(Kind::VlanIpRange, range.uuid));
                    }
                    call.range_remove(tx, &range).await?;
                    call.log(tx, topic(&call, &range), format!("deleted IP range {}", range.uuid)).await
                })
            })
            .await
    }

    /// Makes a range of the storage network of a pod's zone.
    pub async fn storage_range_create(&self, call: &Call, ask: StorageRangeCreate) -> Result<IpRange> {
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let wire = wire_of(tx, ask.pod.zone_id, "Storage").await?;
                    let network = call.system_network(tx, ask.pod.zone_id, wire.id, "Storage").await?;
                    let last = ask.end_ip.as_deref().unwrap_or(&ask.start_ip);
                    let (first, last) = subnet_span(&ask.gateway, &ask.netmask, &ask.start_ip, last)?;
                    let mut range = IpRange {
                        uuid: Uuid::new_v4().to_string(),
                        zone_id: ask.pod.zone_id,
                        pod_id: Some(ask.pod.id),
                        network_id: network.id,
                        physical_network_id: Some(wire.id),
                        vlan: ask.vlan.map_or_else(|| "untagged".into(), |v| v.to_string()),
                        gateway: Some(ask.gateway),
                        netmask: Some(ask.netmask),
                        start_ip: Some(first.to_string()),
                        end_ip: Some(last.to_string()),
                        created: call.now(),
                        ..Default::default()
                    };
                    refuse_overlap(tx, &network, &range).await?;
                    call.range_insert(tx, &mut range).await?;
                    call.log(tx, topic(&call, &range), format!("created storage IP range {first}-{last}")).await?;
                    Ok(range)
                })
            })
            .await
    }

    /// Changes a range of a storage network; none of its addresses that are held may fall out of it.
    pub async fn storage_range_update(&self, call: &Call, id: i64, ask: StorageRangeUpdate) -> Result<IpRange> {
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let was = tx.must::<IpRange>(id).await?;
                    let network = tx.must::<Network>(was.network_id).await?;
                    if network.traffic_type != "Storage" {
                        return Err(Error::not_found(Kind::VlanIpRange, was.uuid));
                    }
                    let given = |new: Option<String>, old: &Option<String>| new.or_else(|| old.clone()).unwrap_or_default();
                    let (start, end) = (given(ask.start_ip, &was.start_ip), given(ask.end_ip, &was.end_ip));
                    let (gateway, netmask) = (was.gateway.clone().unwrap_or_default(), given(ask.netmask, &was.netmask));
                    let (first, last) = subnet_span(&gateway, &netmask, &start, &end)?;
                    let vlan = ask.vlan.map_or_else(|| was.vlan.clone(), |v| v.to_string());
                    let (start, end) = (first.to_string(), last.to_string());
                    let (netmask, start_ip, end_ip) = (Some(netmask), Some(start), Some(end));
                    let mut range = IpRange { vlan, netmask, start_ip, end_ip, ..was };
                    refuse_overlap(tx, &network, &range).await?;
                    call.range_resize(tx, &mut range).await?;
                    call.log(tx, topic(&call, &range), format!("changed storage IP range {first}-{last}")).await?;
                    Ok(range)
                })
            })
            .await
    }

    /// Lists ranges of storage networks.
    pub async fn storage_range_list(
        &self,
        id: Option<i64>,
        zone: Option<i64>,
        pod: Option<i64>,
        page: (i64, i64),
    ) -> Result<Listing<IpRange>> {
        let q = Query::live().eq_opt("id", id).eq_opt("zone_id", zone).eq_opt("pod_id", pod);
        let q = q.key_in::<Network>("network_id", "id", listed(&["Storage"]));
        let count = self.db.count::<IpRange>(q.clone()).await?;
        Ok(Listing { rows: self.db.find(q.page(page.0, page.1)).await?, count })
    }
}

/// The zone that a request is about, by whichever of its parameters says so.
async fn zone_of(tx: &mut Tx, ask: &IpRangeCreate) -> Result<Zone> {
    let named = ask.zone.as_ref().map(|z| z.id);
    let ids =
        [named, ask.pod.as_ref().map(|p| p.zone_id), ask.network.as_ref().map(|n| n.zone_id), ask.physical.as_ref().map(|p| p.zone_id)];
    let mut ids = ids.into_iter().flatten();
    let Some(zone) = ids.next() else { return Err(Error::invalid("zoneid", "must be given, or podid, networkid or physicalnetworkid")) };
    if ids.any(|other| other != zone) {
        return Err(Error::invalid("zoneid", "zone, pod, network and physical network lie in different zones"));
    }
    tx.must(zone).await
}

/// The physical network of a zone that carries a kind of traffic.
async fn wire_of(tx: &mut Tx, zone: i64, traffic: &'static str) -> Result<PhysicalNetwork> {
    let carrying = Query::live().eq("traffic_type", traffic);
    let q = Query::live().eq("zone_id", zone).id_in::<TrafficType>("physical_network_id", carrying);
    tx.find_one(q).await?.ok_or_else(|| Error::invalid("zoneid", format!("no physical network of the zone carries {traffic} traffic")))
}

/// Whether the guest network of a basic zone has elastic IPs.
async fn gives_elastic_ips(tx: &mut Tx, zone: &Zone) -> Result<bool> {
    let q = Query::live().eq("zone_id", zone.id).eq("traffic_type", "Guest");
    let Some(network) = tx.find_one::<Network>(q).await? else { return Ok(false) };
    Ok(crate::public_address::is_elastic(&tx.must(network.offering_id).await?))
}

async fn public_network(call: &Call, tx: &mut Tx, zone: &Zone) -> Result<Network> {
    let wire = wire_of(tx, zone.id, "Public").await?;
    call.system_network(tx, zone.id, wire.id, "Public").await
}

async fn guest_network(tx: &mut Tx, zone: &Zone, named: Option<&Network>, pod: Option<&Pod>) -> Result<Network> {
    let basic = zone.network_type == "Basic";
    if basic && pod.is_none() {
        return Err(Error::invalid("podid", "must be given in a basic zone: its guest ranges belong to pods"));
    }
    if !basic && pod.is_some() {
        return Err(Error::invalid("podid", "only a basic zone's ranges belong to pods"));
    }
    let network = match named {
        Some(n) => n.clone(),
        None if basic => {
            let q = Query::live().eq("zone_id", zone.id).eq("traffic_type", "Guest");
            tx.find_one(q).await?.ok_or_else(|| Error::invalid("networkid", "the zone has no guest network yet"))?
        }
        None => return Err(Error::invalid("networkid", "must be given for a guest range")),
    };
    match network.specify_ip_ranges && network.traffic_type == "Guest" {
        true => Ok(network),
        false => Err(Error::invalid("networkid", format!("network {} takes no ranges", network.name))),
    }
}

fn draft(ask: &IpRangeCreate, zone: &Zone, network: &Network, now: i64) -> Result<IpRange> {
    // A shared network's further ranges are of its own subnet unless they bring another.
    let gateway = ask.gateway.clone().or_else(|| network.gateway.clone()).ok_or_else(|| Error::invalid("gateway", "must be given"))?;
    let netmask = ask.netmask.clone().or_else(|| network.netmask.clone()).ok_or_else(|| Error::invalid("netmask", "must be given"))?;
    let start = ask.start_ip.clone().ok_or_else(|| Error::invalid("startip", "must be given"))?;
    let (first, last) = subnet_span(&gateway, &netmask, &start, ask.end_ip.as_deref().unwrap_or(&start))?;
    if let Some(pod) = &ask.pod
        && overlap((&first.to_string(), &last.to_string()), (&pod.start_ip, &pod.end_ip))
    {
        return Err(Error::invalid("startip", format!("{first}-{last} overlaps {}-{}, the pod's own range", pod.start_ip, pod.end_ip)));
    }
    let given = ask.vlan.as_deref().map(vlan_word).transpose()?;
    let own = network.vlan.clone().filter(|_| !ask.for_virtual_network);
    let vlan = match (given, own) {
        (Some(v), Some(own)) if v != own => return Err(Error::invalid("vlan", format!("{v} is not {own}, the network's"))),
        (Some(v), _) | (None, Some(v)) => v,
        (None, None) => "untagged".into(),
    };
    if zone.network_type == "Basic" && vlan != "untagged" {
        return Err(Error::invalid("vlan", "a basic zone has no VLANs"));
    }
    Ok(IpRange {
        uuid: Uuid::new_v4().to_string(),
        zone_id: zone.id,
        pod_id: ask.pod.as_ref().map(|p| p.id),
        network_id: network.id,
        physical_network_id: network.physical_network_id,
        account_id: ask.account.as_ref().map(|a| a.id),
        domain_id: ask.account.as_ref().map(|a| a.domain_id).or(ask.domain_id),
        vlan,
        gateway: Some(gateway),
        netmask: Some(netmask),
        start_ip: Some(first.to_string()),
        end_ip: Some(last.to_string()),
        for_virtual_network: ask.for_virtual_network,
        created: now,
        ..Default::default()
    })
}

/// Refuses a range that shares addresses with another on the same wire and VLAN, or of the same network.
pub(crate) async fn refuse_overlap(tx: &mut Tx, network: &Network, range: &IpRange) -> Result<()> {
    let q = Query::live().eq("zone_id", network.zone_id).key_in::<Network>("network_id", "id", Query::all().eq("specify_ip_ranges", true));
    let (Some(first), Some(last)) = (range.start_ip.as_deref(), range.end_ip.as_deref()) else { return Ok(()) };
    for other in tx.find::<IpRange>(q).await? {
        let same_wire = other.physical_network_id == range.physical_network_id && other.vlan == range.vlan;
        let public = other.for_virtual_network && range.for_virtual_network;
        // One that is being changed does not stand in its own way.
        if other.id == range.id || !(other.network_id == network.id || same_wire || public) {
            continue;
        }
        if let (Some(a), Some(b)) = (other.start_ip.as_deref(), other.end_ip.as_deref())
            && overlap((first, last), (a, b))
        {
            return Err(Error::invalid("startip", format!("{first}-{last} overlaps the range {a}-{b} ({})", other.uuid)));
        }
    }
    Ok(())
}
