//! Pods: racks with one subnet, of which a range is the cloud's own.
use crate::places::{self, Reach, hold, refuse_name, refuse_used};
use crate::{Call, Engine, Listing, Topic};
use std::net::Ipv4Addr;
use stratus_model::{Error, Kind, Result, net};
use stratus_store::{Cluster, Host, IpAddress, IpRange, Pod, Query, StoragePool, Tx, Value, Vm, Zone};
use uuid::Uuid;

/// What a new pod is to be.
#[derive(Debug, Clone)]
pub struct PodCreate {
    /// The zone it is in.
    pub zone: Zone,
    /// Unique in the zone.
    pub name: String,
    /// Gateway of its subnet.
    pub gateway: String,
    /// Netmask of its subnet.
    pub netmask: String,
    /// First address of the range that is the cloud's own.
    pub start_ip: String,
    /// Last address of the range; the subnet's last one when left out.
    pub end_ip: Option<String>,
    /// Enabled unless this says otherwise.
    pub allocation_state: Option<String>,
}

/// What is to change of a pod.
#[derive(Debug, Clone, Default)]
pub struct PodUpdate {
    /// Name.
    pub name: Option<String>,
    /// Gateway of its subnet.
    pub gateway: Option<String>,
    /// Netmask of its subnet.
    pub netmask: Option<String>,
    /// First address of the range.
    pub start_ip: Option<String>,
    /// Last address of the range.
    pub end_ip: Option<String>,
    /// Enabled or Disabled.
    pub allocation_state: Option<String>,
}

/// Which pods to list.
#[derive(Debug, Clone, Default)]
pub struct PodFilter {
    /// The one with this key.
    pub id: Option<i64>,
    /// With this name.
    pub name: Option<String>,
    /// With this in the name.
    pub keyword: Option<String>,
    /// In this zone.
    pub zone: Option<i64>,
    /// In this allocation state.
    pub allocation_state: Option<String>,
    /// Offset and limit.
    pub page: (i64, i64),
}

/// A pod's addresses after checking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wires {
    gateway: Ipv4Addr,
    netmask: Ipv4Addr,
    start: Ipv4Addr,
    end: Ipv4Addr,
}

impl Wires {
    fn read(gateway: &str, netmask: &str, start: &str, end: Option<&str>) -> Result<Self> {
        let gateway = places::ip4("gateway", gateway)?;
        let netmask = places::ip4("netmask", netmask)?;
        let start = places::ip4("startip", start)?;
        let bits = match net::prefix(netmask) {
            Some(bits @ 8..=30) => bits,
            _ => return Err(Error::invalid("netmask", format!("'{netmask}' is not the mask of a subnet between /8 and /30"))),
        };
        let subnet = ipnet::Ipv4Net::new(gateway, bits).map_err(|_| Error::invalid("netmask", "is too long"))?;
        let last = Ipv4Addr::from(u32::from(subnet.broadcast()).saturating_sub(1));
        let end = end.map(|e| places::ip4("endip", e)).transpose()?.unwrap_or(last);
        let usable = |field: &str, a: Ipv4Addr| {
            if subnet.contains(&a) && a != subnet.network() && a != subnet.broadcast() {
                return Ok(());
            }
            Err(Error::invalid(field, format!("{a} is not a usable address of the pod's subnet {}", subnet.trunc())))
        };
        usable("gateway", gateway)?;
        usable("startip", start)?;
        usable("endip", end)?;
        if start > end {
            return Err(Error::invalid("startip", format!("{start} comes after the end of the range, {end}")));
        }
        if (start..=end).contains(&gateway) {
            return Err(Error::invalid("startip", format!("the range {start} to {end} holds the gateway {gateway}")));
        }
        Ok(Self { gateway, netmask, start, end })
    }

    fn of(pod: &Pod) -> Result<Self> {
        Self::read(&pod.gateway, &pod.netmask, &pod.start_ip, Some(&pod.end_ip))
    }
}

/// Refuses a range that shares addresses with another pod of the zone, or with an untagged guest range of it.
async fn refuse_overlap(tx: &mut Tx, zone: i64, own: Option<i64>, w: Wires) -> Result<()> {
    let overlaps = |start: Ipv4Addr, end: Ipv4Addr| w.start <= end && start <= w.end;
    let clash = |start: Ipv4Addr, end: Ipv4Addr, of: String| {
        Error::invalid("startip", format!("{} to {} overlaps {start} to {end} of {of}", w.start, w.end))
    };
    for other in tx.find::<Pod>(Query::live().eq("zone_id", zone).ne("id", own.unwrap_or(0))).await? {
        let theirs = Wires::of(&other)?;
        if overlaps(theirs.start, theirs.end) {
            return Err(clash(theirs.start, theirs.end, format!("pod {}", other.name)));
        }
    }
    for range in tx.find::<IpRange>(Query::live().eq("zone_id", zone).eq("vlan", "untagged").not_null("start_ip")).await? {
        let read = |t: &Option<String>| t.as_deref().and_then(|t| t.parse::<Ipv4Addr>().ok());
        if let (Some(start), Some(end)) = (read(&range.start_ip), read(&range.end_ip).or(read(&range.start_ip)))
            && overlaps(start, end)
        {
            return Err(clash(start, end, "a guest or public range of the zone".into()));
        }
    }
    Ok(())
}

impl Engine {
    /// Makes a pod.
    pub async fn pod_create(&self, call: &Call, ask: PodCreate) -> Result<Pod> {
        let wires = Wires::read(&ask.gateway, &ask.netmask, &ask.start_ip, ask.end_ip.as_deref())?;
        let pod = Pod {
            uuid: Uuid::new_v4().to_string(),
            name: places::name("name", &ask.name)?,
            zone_id: ask.zone.id,
            gateway: wires.gateway.to_string(),
            netmask: wires.netmask.to_string(),
            start_ip: wires.start.to_string(),
            end_ip: wires.end.to_string(),
            allocation_state: ask.allocation_state.as_deref().map_or(Ok("Enabled".into()), places::allocation)?,
            created: call.now(),
            ..Default::default()
        };
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let mut pod = pod;
                    hold::<Zone>(tx, Kind::Zone, pod.zone_id).await?;
                    refuse_name::<Pod>(tx, Query::all().eq("zone_id", pod.zone_id), Kind::Pod, &pod.name).await?;
                    refuse_overlap(tx, pod.zone_id, None, wires).await?;
                    tx.insert(&mut pod).await?;
                    call.log(tx, Topic::of_caller(&call, Kind::Pod, pod.id), format!("pod {} created", pod.name)).await?;
                    Ok(pod)
                })
            })
            .await
    }

    /// Changes a pod.
    pub async fn pod_update(&self, call: &Call, pod: &Pod, ask: PodUpdate) -> Result<Pod> {
        let (call, id, zone) = (call.clone(), pod.id, pod.zone_id);
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    hold::<Zone>(tx, Kind::Zone, zone).await?;
                    let pod: Pod = hold(tx, Kind::Pod, id).await?;
                    let or = |new: &Option<String>, old: &str| new.clone().unwrap_or_else(|| old.to_owned());
                    let wires = Wires::read(
                        &or(&ask.gateway, &pod.gateway),
                        &or(&ask.netmask, &pod.netmask),
                        &or(&ask.start_ip, &pod.start_ip),
                        Some(&or(&ask.end_ip, &pod.end_ip)),
                    )?;
                    if wires != Wires::of(&pod)? {
                        refuse_overlap(tx, zone, Some(id), wires).await?;
                    }
                    let name = places::name("name", &or(&ask.name, &pod.name))?;
                    refuse_name::<Pod>(tx, Query::all().eq("zone_id", zone).ne("id", id), Kind::Pod, &name).await?;
                    let state = ask.allocation_state.as_deref().map_or(Ok(pod.allocation_state), places::allocation)?;
                    let set: Vec<(&'static str, Value)> = vec![
                        ("name", (&name).into()),
                        ("gateway", wires.gateway.to_string().into()),
                        ("netmask", wires.netmask.to_string().into()),
                        ("start_ip", wires.start.to_string().into()),
                        ("end_ip", wires.end.to_string().into()),
                        ("allocation_state", state.into()),
                    ];
                    tx.set::<Pod>(id, set).await?;
                    call.hosts_reopen(tx, Reach::Pod(id)).await?;
                    call.log(tx, Topic::of_caller(&call, Kind::Pod, id), format!("pod {name} changed")).await?;
                    tx.must(id).await
                })
            })
            .await
    }

    /// Removes a pod that nothing is in.
    pub async fn pod_delete(&self, call: &Call, pod: &Pod) -> Result<()> {
        let (call, id) = (call.clone(), pod.id);
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let pod: Pod = hold(tx, Kind::Pod, id).await?;
                    let inside = || Query::live().eq("pod_id", id);
                    let (kind, uuid) = (Kind::Pod, pod.uuid.as_str());
                    refuse_used::<Host>(tx, inside(), kind, uuid, "hosts are").await?;
                    refuse_used::<Cluster>(tx, inside(), kind, uuid, "clusters are").await?;
                    refuse_used::<StoragePool>(tx, inside(), kind, uuid, "storage pools are").await?;
                    refuse_used::<Vm>(tx, inside(), kind, uuid, "virtual machines are").await?;
                    let taken = Query::all().eq("pod_id", id).ne("state", "Free");
                    refuse_used::<IpAddress>(tx, taken, kind, uuid, "addresses in use are").await?;
                    refuse_used::<IpRange>(tx, inside(), kind, uuid, "IP ranges are").await?;
                    tx.remove::<Pod>(id, call.now()).await?;
                    call.log(tx, Topic::of_caller(&call, Kind::Pod, id), format!("pod {} removed", pod.name)).await
                })
            })
            .await
    }

    /// Pods.
    pub async fn pod_list(&self, f: PodFilter) -> Result<Listing<Pod>> {
        let mut q = Query::live()
            .eq_opt("id", f.id)
            .eq_opt("name", f.name)
            .eq_opt("zone_id", f.zone)
            .eq_opt("allocation_state", f.allocation_state.as_deref().map(places::allocation).transpose()?);
        if let Some(k) = &f.keyword {
            q = q.holds(&["name"], k);
        }
        let (offset, limit) = f.page;
        Ok(Listing { count: self.db.count::<Pod>(q.clone()).await?, rows: self.db.find(q.order("name").page(offset, limit)).await? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_s_range_lies_in_its_subnet_and_leaves_the_gateway_out() {
        let w = Wires::read("10.0.0.1", "255.255.255.0", "10.0.0.2", None).expect("a pod");
        assert_eq!(w.end, Ipv4Addr::new(10, 0, 0, 254));
        let refused = |g: &str, m: &str, s: &str, e: &str, field: &str| {
            let got = Wires::read(g, m, s, Some(e));
            assert!(matches!(&got, Err(Error::Invalid { field: f, .. }) if f == field), "{field}: {got:?}");
        };
        refused("10.0.0.1", "255.255.0.255", "10.0.0.2", "10.0.0.7", "netmask");
        refused("10.0.0.1", "255.255.255.0", "10.0.1.2", "10.0.1.7", "startip");
        refused("10.0.0.1", "255.255.255.0", "10.0.0.7", "10.0.0.2", "startip");
        refused("10.0.0.5", "255.255.255.0", "10.0.0.2", "10.0.0.7", "startip");
        refused("10.0.0.0", "255.255.255.0", "10.0.0.2", "10.0.0.7", "gateway");
        refused("10.0.0.1", "255.255.255.0", "10.0.0.2", "10.0.0.255", "endip");
    }
}
