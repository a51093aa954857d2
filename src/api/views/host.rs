use crate::prelude::*;
use std::collections::HashMap;
use stratus_engine::capacities::percent_text;

/// A host.
#[derive(View, Default)]
pub struct Host {
    /// the ID of the host
    pub id: String,
    /// the name of the host
    pub name: String,
    /// how the connection to the host is
    pub state: String,
    /// when the host was lost
    pub disconnected: Option<Date>,
    /// what the host is for
    #[view(name = "type")]
    pub kind: String,
    /// the ID of the preferred OS category
    pub oscategoryid: Option<String>,
    /// the name of the preferred OS category
    pub oscategoryname: Option<String>,
    /// the address of the host
    pub ipaddress: String,
    /// the ID of the zone
    pub zoneid: Option<String>,
    /// the name of the zone
    pub zonename: Option<String>,
    /// the ID of the pod
    pub podid: Option<String>,
    /// the name of the pod
    pub podname: Option<String>,
    /// the version of the agent
    pub version: Option<String>,
    /// the hypervisor type of the host
    pub hypervisor: String,
    /// the number of CPU sockets
    #[view(kind = "integer")]
    pub cpusockets: Option<i64>,
    /// the number of CPUs
    #[view(kind = "integer")]
    pub cpunumber: i64,
    /// the speed of each CPU in MHz
    pub cpuspeed: i64,
    /// how much of the CPU is promised to VMs, in percent
    pub cpuallocated: Option<String>,
    /// how much of the CPU is at work, in percent
    pub cpuused: Option<String>,
    /// MHz after over-provisioning
    pub cpuwithoverprovisioning: Option<String>,
    /// the load of the host
    pub averageload: Option<i64>,
    /// KiB received
    pub networkkbsread: Option<i64>,
    /// KiB sent
    pub networkkbswrite: Option<i64>,
    /// the memory of the host in bytes
    pub memorytotal: Option<i64>,
    /// how much of it is promised to VMs, in bytes
    pub memoryallocated: Option<i64>,
    /// how much of it is at work, in bytes
    pub memoryused: Option<i64>,
    /// the size of the host's own disks in bytes
    pub disksizetotal: Option<i64>,
    /// how much of them is promised to VMs, in bytes
    pub disksizeallocated: Option<i64>,
    /// what the host can do
    pub capabilities: Option<String>,
    /// when the host last answered
    pub lastpinged: Option<Date>,
    /// the management server that speaks to the host
    pub managementserverid: Option<i64>,
    /// the ID of the cluster
    pub clusterid: Option<String>,
    /// the name of the cluster
    pub clustername: Option<String>,
    /// the type of the cluster
    pub clustertype: Option<String>,
    /// whether disks on the host itself are in use
    pub islocalstorageactive: bool,
    /// when the host was added
    pub created: Option<Date>,
    /// when the host was removed
    pub removed: Option<Date>,
    /// what can happen to the host next
    pub events: Option<String>,
    /// the tags of the host
    pub hosttags: Option<String>,
    /// whether the VM asked about fits
    pub hasenoughcapacity: Option<bool>,
    /// whether the VM asked about can come here
    pub suitableformigration: Option<bool>,
    /// what administrators want of the host
    pub resourcestate: String,
    /// the version of the hypervisor
    pub hypervisorversion: Option<String>,
    /// whether the host is kept for HA restarts
    pub hahost: Option<bool>,
    /// the one-time token for the host's agent; shown once, by addHost
    pub agenttoken: Option<String>,
}

/// A host that a VM could move to.
#[derive(View)]
pub struct HostForMigration {
    #[view(flatten)]
    pub host: Host,
    /// whether its disks would have to move too
    #[view(name = "requiresStorageMotion")]
    pub requires_storage_motion: bool,
}

/// Which groups of fields a list of hosts shows beside those that always stand there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Groups {
    /// What is promised to VMs.
    pub capacity: bool,
    /// What they do.
    pub stats: bool,
}

impl Groups {
    pub(crate) const ALL: Self = Self { capacity: true, stats: true };

    /// From the `details` parameter: all, capacity, events, stats, min.
    pub(crate) fn of(details: &Option<Vec<String>>) -> Result<Self> {
        let Some(words) = details else { return Ok(Self::ALL) };
        for w in words {
            if !["all", "capacity", "events", "stats", "min"].contains(&w.to_lowercase().as_str()) {
                return Err(Error::invalid("details", format!("'{w}' is not one of all, capacity, events, stats, min")));
            }
        }
        let asked = |group: &str| words.iter().any(|w| w.eq_ignore_ascii_case("all") || w.eq_ignore_ascii_case(group));
        Ok(Self { capacity: asked("capacity"), stats: asked("stats") })
    }
}

pub(crate) async fn of(call: &Call, rows: Vec<store::Host>, groups: Groups) -> Result<Vec<Host>> {
    let zones = call.db.by_ids::<store::Zone>(rows.iter().map(|h| h.zone_id)).await?;
    let pods = call.db.by_ids::<store::Pod>(rows.iter().map(|h| h.pod_id)).await?;
    let clusters = call.db.by_ids::<store::Cluster>(rows.iter().map(|h| h.cluster_id)).await?;
    let families = call.db.by_ids::<store::OsCategory>(rows.iter().filter_map(|h| h.os_category_id)).await?;
    let mut capacities = HashMap::new();
    if groups.capacity {
        let q = store::Query::all().within("host_id", rows.iter().map(|h| h.id));
        capacities.extend(call.db.find::<store::HostCapacity>(q).await?.into_iter().map(|c| (c.host_id, c)));
    }
    let local = store::Query::live().within("host_id", rows.iter().map(|h| h.id));
    let local: HashMap<_, _> = call.db.find::<store::StoragePool>(local).await?.into_iter().map(|p| (p.host_id, p)).collect();
    let agents = store::Query::live().within("uuid", rows.iter().map(|h| h.uuid.as_str()));
    let agents = call.db.find::<store::Agent>(agents).await?;
    let mut versions: HashMap<String, Option<String>> = agents.into_iter().map(|a| (a.uuid, a.version)).collect();
    let ha_tag = call.settings.text("ha.tag").filter(|t| !t.is_empty());
    let mut views = Vec::with_capacity(rows.len());
    for h in rows {
        let (zone, pod, cluster) = (zones.get(&h.zone_id), pods.get(&h.pod_id), clusters.get(&h.cluster_id));
        let family = h.os_category_id.and_then(|c| families.get(&c));
        let mut view = Host {
            zoneid: zone.map(|z| z.uuid.clone()),
            zonename: zone.map(|z| z.name.clone()),
            podid: pod.map(|p| p.uuid.clone()),
            podname: pod.map(|p| p.name.clone()),
            clusterid: cluster.map(|c| c.uuid.clone()),
            clustername: cluster.map(|c| c.name.clone()),
            version: versions.remove(&h.uuid).flatten(),
            clustertype: cluster.map(|c| c.cluster_type.clone()),
            oscategoryid: family.map(|c| c.uuid.clone()),
            oscategoryname: family.map(|c| c.name.clone()),
            hahost: ha_tag.as_ref().map(|tag| h.tags.as_deref().unwrap_or_default().split(',').any(|t| t == tag)),
            ..Default::default()
        };
        if let Some(pool) = local.get(&Some(h.id)) {
            view.islocalstorageactive = true;
            view.disksizetotal = Some(pool.capacity_bytes);
            view.disksizeallocated = Some(pool.used_bytes);
        }
        if let Some(c) = capacities.get(&h.id) {
            show_capacity(&mut view, &h, c);
        }
        if let Some(load) = call.loads.of(&h.uuid).filter(|_| groups.stats && h.state == "Up") {
            show_load(&mut view, &load);
        }
        show_row(&mut view, h);
        views.push(view);
    }
    Ok(views)
}

fn show_capacity(view: &mut Host, h: &store::Host, c: &store::HostCapacity) {
    let mhz = h.cpus.saturating_mul(h.cpu_mhz);
    let share = if mhz > 0 { c.cpu_used as f64 * 100.0 / mhz as f64 } else { 0.0 };
    view.cpuallocated = Some(format!("{}%", percent_text(share)));
    view.cpuwithoverprovisioning = Some(c.cpu_total.to_string());
    view.memorytotal = Some(h.memory_bytes);
    view.memoryallocated = Some(c.memory_used);
}

fn show_load(view: &mut Host, load: &stratus_drivers::HostLoad) {
    let kib = |bytes: u64| i64::try_from(bytes >> 10).ok();
    view.cpuused = Some(format!("{}%", percent_text(f64::from(load.cpu) / 100.0)));
    view.averageload = Some((f64::from(load.average) / 100.0).round() as i64);
    view.memoryused = i64::try_from(load.memory_used).ok();
    (view.networkkbsread, view.networkkbswrite) = (kib(load.network_in), kib(load.network_out));
}

fn show_row(view: &mut Host, h: store::Host) {
    view.id = h.uuid;
    view.name = h.name;
    view.state = h.state;
    view.disconnected = h.disconnected.map(Date);
    view.kind = h.host_type;
    view.ipaddress = h.ip_address;
    view.hypervisor = h.hypervisor;
    view.cpunumber = h.cpus;
    view.cpuspeed = h.cpu_mhz;
    view.capabilities = h.capabilities;
    view.lastpinged = (h.last_ping > 0).then_some(Date(h.last_ping));
    view.managementserverid = h.server_id;
    view.created = Some(Date(h.created));
    view.removed = h.removed.map(Date);
    view.hosttags = h.tags;
    view.resourcestate = h.resource_state;
    view.hypervisorversion = h.hypervisor_version;
}
