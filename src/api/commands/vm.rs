//! VMs: deployed, listed, changed and recovered. What moves them between states is in `vm_power.rs`.
use crate::prelude::*;
use std::collections::BTreeMap;
use stratus_engine::dedication_group::EXPLICIT;
use stratus_engine::vm::{VmCreate, VmFilter, VmUpdate};

/// Deploys a VM: makes it and starts it.
#[derive(Command)]
#[command(
    name = "deployVirtualMachine",
    roles = "all",
    answer = "virtualmachine",
    view = views::vm::Vm,
    event = "VM.CREATE",
    job = "creating a VM",
    create
)]
pub struct DeployVirtualMachine {
    /// the ID of the service offering
    serviceofferingid: Ref<store::ServiceOffering>,
    /// the ID of the template
    templateid: Ref<store::Template>,
    /// the ID of the zone
    zoneid: Ref<store::Zone>,
    /// the account that is to own it; needs domainid
    account: Option<String>,
    /// affinity groups by ID
    #[param(since = "4.2")]
    affinitygroupids: Option<Vec<Ref<store::AffinityGroup>>>,
    /// affinity groups by name
    #[param(since = "4.2")]
    affinitygroupnames: Option<Vec<String>>,
    /// details; for a customised offering details[0].cpuNumber, cpuSpeed and memory
    #[param(since = "4.3")]
    details: Option<MapList>,
    /// the disk offering of a data disk
    diskofferingid: Option<Ref<store::DiskOffering>>,
    /// its name for people
    displayname: Option<String>,
    /// whether its owner sees it
    #[param(since = "4.2")]
    displayvm: Option<bool>,
    /// the domain of the account
    domainid: Option<Ref<store::Domain>>,
    /// the name of a group to show it in
    group: Option<String>,
    /// the host, for administrators
    hostid: Option<Ref<store::Host>>,
    /// the hypervisor, where the template leaves it open
    hypervisor: Option<String>,
    /// an IPv6 address for the default network
    #[param(since = "4.1")]
    ip6address: Refused,
    /// an address for the default network
    ipaddress: Option<String>,
    /// networks with an address each, iptonetworklist[0].networkid=…&iptonetworklist[0].ip=…
    iptonetworklist: Option<MapList>,
    /// the keyboard of the console
    keyboard: Option<String>,
    /// the name of an SSH key pair
    keypair: Option<String>,
    /// its host name
    name: Option<String>,
    /// its networks, the default one first; not in a basic zone
    networkids: Option<Vec<Ref<store::Network>>>,
    /// the project that is to own it
    #[param(since = "3.0")]
    projectid: Option<Ref<store::Project>>,
    /// GB of the root disk, where it is to be larger than the template
    #[param(kind = "long", since = "4.4")]
    rootdisksize: Option<i64>,
    /// its security groups by ID
    securitygroupids: Option<Vec<Owned<store::SecurityGroup>>>,
    /// its security groups by name
    securitygroupnames: Option<Vec<String>>,
    /// GB of the data disk, for a custom disk offering
    #[param(kind = "long")]
    size: Option<i64>,
    /// false to leave it stopped
    #[param(since = "4.0")]
    startvm: Option<bool>,
    /// user data in base64
    #[param(length = 32768)]
    userdata: Option<String>,
}

impl Create for DeployVirtualMachine {
    async fn create(self, call: &Call, job: JobDraft) -> Result<Created> {
        if self.hostid.is_some() && !call.caller.is_root() {
            return Err(Error::Denied("only a root administrator chooses the host".into()));
        }
        let domain = self.domainid.map(|d| d.0);
        let owner = call.acting_owner(self.account.as_deref(), domain.as_ref(), self.projectid.as_ref().map(|p| &p.0)).await?;
        let groups = match (self.securitygroupids, self.securitygroupnames) {
            (Some(_), Some(_)) => return Err(Error::invalid("securitygroupids", "cannot be combined with securitygroupnames")),
            (Some(ids), None) => ids.into_iter().map(|g| g.0.id).collect(),
            (None, Some(names)) => {
                let mut ids = Vec::new();
                for name in names {
                    ids.push(call.group_named(owner.id, &name).await?.id);
                }
                ids
            }
            (None, None) => Vec::new(),
        };
        let affinity = affinity_groups(call, owner.id, self.affinitygroupids, self.affinitygroupnames).await?.unwrap_or_default();
        let mut networks: Vec<store::Network> = self.networkids.unwrap_or_default().into_iter().map(|n| n.0).collect();
        let addresses = addresses(call, &self.zoneid.0, &mut networks, self.ipaddress, self.iptonetworklist).await?;
        let ask = VmCreate {
            owner,
            zone: self.zoneid.0,
            template: self.templateid.0,
            offering: self.serviceofferingid.0,
            disk: self.diskofferingid.map(|d| (d.0, self.size)),
            root_gb: self.rootdisksize,
            name: self.name,
            display_name: self.displayname,
            group: self.group,
            keypair: self.keypair,
            user_data: self.userdata,
            networks,
            groups,
            addresses,
            affinity,
            host: self.hostid.map(|h| h.0.id),
            hypervisor: self.hypervisor,
            keyboard: self.keyboard,
            start: self.startvm.unwrap_or(true),
            display_vm: self.displayvm.unwrap_or(true),
            details: self.details.unwrap_or_default().merged(),
        };
        let (vm, job) = call.vm_create(call, ask, job).await?;
        Ok(Created { job, uuid: vm.uuid })
    }

    async fn finish(call: &Call, id: i64) -> Result<Answer> {
        let vm = call.db.must::<store::Vm>(id).await?;
        // A VM made with startvm=false is Stopped from its first row on; for the others last_host_id is the host asked for.
        match vm.state.as_str() {
            "Starting" | "Running" => {
                let (vm, password) = call.vm_start_answered(call, id, vm.last_host_id).await?;
                views::vm::with_password(call, vm, password).await
            }
            _ => views::one(views::vm::of(call, vec![vm]).await?),
        }
    }
}

/// Affinity groups by id or by name, not both; none when neither is given. All of one owner.
pub(crate) async fn affinity_groups(
    call: &Call,
    owner: i64,
    ids: Option<Vec<Ref<store::AffinityGroup>>>,
    names: Option<Vec<String>>,
) -> Result<Option<Vec<store::AffinityGroup>>> {
    let mut groups: Vec<store::AffinityGroup> = match (ids, names) {
        (Some(_), Some(_)) => return Err(Error::invalid("affinitygroupids", "cannot be combined with affinitygroupnames")),
        (Some(ids), None) => {
            // Those of dedicated places are a whole domain's; of the others, a stranger's must look like none.
            for g in ids.iter().filter(|g| call.job.is_none() && g.0.group_type != EXPLICIT) {
                call.touch(&g.0, "affinitygroupids").await?;
            }
            ids.into_iter().map(|g| g.0).collect()
        }
        (None, Some(names)) => {
            let mut found = Vec::new();
            for name in names {
                found.push(call.affinity_named(owner, &name).await?);
            }
            found
        }
        (None, None) => return Ok(None),
    };
    groups.sort_by_key(|g| g.id);
    groups.dedup_by_key(|g| g.id);
    for g in &groups {
        if !call.affinity_usable(g, owner).await? {
            let why = format!("affinity group {} is another account's than the virtual machine", g.uuid);
            return Err(Error::invalid("affinitygroupids", why));
        }
    }
    Ok(Some(groups))
}

/// Addresses that are asked for, by network: `ipaddress` for the default one, `iptonetworklist` for any; the latter names the networks
/// as well.
async fn addresses(
    call: &Call,
    zone: &store::Zone,
    networks: &mut Vec<store::Network>,
    first: Option<String>,
    each: Option<MapList>,
) -> Result<BTreeMap<i64, String>> {
    let mut found = BTreeMap::new();
    if let Some(each) = each {
        if first.is_some() || !networks.is_empty() {
            return Err(Error::invalid("iptonetworklist", "cannot be combined with networkids or ipaddress"));
        }
        for entry in each.0 {
            let id = entry.get("networkid").ok_or_else(|| Error::invalid("iptonetworklist", "an entry has no networkid"))?;
            if entry.contains_key("ipv6") {
                return Err(Error::Unsupported("iptonetworklist: IPv6 addresses are not supported".into()));
            }
            let network: store::Network = call.db.by_uuid(Kind::Network, &id.trim().to_ascii_lowercase()).await?;
            if let Some(ip) = entry.get("ip") {
                found.insert(network.id, ip.clone());
            }
            networks.push(network);
        }
    }
    if let Some(ip) = first {
        let network = match networks.first() {
            Some(n) => Some(n.id),
            None => {
                let q = store::Query::live().eq("zone_id", zone.id).eq("traffic_type", "Guest");
                call.db.find_one::<store::Network>(q).await?.map(|n| n.id)
            }
        };
        found.extend(network.map(|n| (n, ip)));
    }
    Ok(found)
}

/// Lists VMs.
#[derive(Command)]
#[command(name = "listVirtualMachines", roles = "all", answer = "virtualmachine", view = views::vm::Vm)]
pub struct ListVirtualMachines {
    /// those of an affinity group
    #[param(since = "4.2")]
    affinitygroupid: Option<Owned<store::AffinityGroup>>,
    /// how much of each VM to show; everything is always shown
    #[param(kind = "list", since = "3.0")]
    details: Ignored,
    /// those on virtual networks; every VM's networks are the zone's own kind, so this narrows nothing
    #[param(kind = "boolean")]
    forvirtualnetwork: Ignored,
    /// those of an instance group
    groupid: Option<Owned<store::InstanceGroup>>,
    /// those on a host
    hostid: Option<Ref<store::Host>>,
    /// those of a hypervisor
    hypervisor: Option<String>,
    /// the VM with this ID
    id: Option<Owned<store::Vm>>,
    /// those with an ISO attached
    #[param(since = "4.0")]
    isoid: Option<Ref<store::Template>>,
    /// those with this host name
    name: Option<String>,
    /// those on a network
    networkid: Option<Ref<store::Network>>,
    /// those in a pod
    podid: Option<Ref<store::Pod>>,
    /// those in a state
    state: Option<String>,
    /// those with a disk on a pool
    storageid: Option<Ref<store::StoragePool>>,
    /// those made from a template
    #[param(since = "4.0")]
    templateid: Option<Ref<store::Template>>,
    /// those in a VPC
    #[param(kind = "uuid", since = "4.0")]
    vpcid: Refused,
    /// those in a zone
    zoneid: Option<Ref<store::Zone>>,
    #[param(flatten)]
    scoped: Scoped,
    #[param(flatten)]
    tags: Tags,
    #[param(flatten)]
    page: Paging,
}

impl Run for ListVirtualMachines {
    async fn run(self, call: &Call) -> Result<Answer> {
        let by_id = self.id.is_some();
        let mut q = store::Query::live()
            .eq_opt("id", self.id.map(|v| v.0.id))
            .eq_opt("host_id", self.hostid.map(|h| h.0.id))
            .eq_opt("hypervisor", self.hypervisor)
            .eq_opt("name", self.name)
            .eq_opt("group_id", self.groupid.map(|g| g.0.id))
            .eq_opt("iso_id", self.isoid.map(|i| i.0.id))
            .eq_opt("pod_id", self.podid.map(|p| p.0.id))
            .eq_opt("template_id", self.templateid.map(|t| t.0.id))
            .eq_opt("zone_id", self.zoneid.map(|z| z.0.id));
        match self.state.as_deref() {
            Some("present") => q = q.without("state", ["Destroyed", "Expunging"]),
            Some(s) => q = q.eq("state", s),
            None => {}
        }
        q = visible(call, q);
        if let Some(g) = self.affinitygroupid {
            q = q.id_in::<store::AffinityMember>("vm_id", store::Query::all().eq("group_id", g.0.id));
        }
        if let Some(n) = self.networkid {
            q = q.id_in::<store::Nic>("vm_id", store::Query::live().eq("network_id", n.0.id));
        }
        if let Some(p) = self.storageid {
            q = q.id_in::<store::Volume>("vm_id", store::Query::live().eq("pool_id", p.0.id).not_null("vm_id"));
        }
        if let Some(k) = &self.page.keyword {
            q = q.holds(&["name", "display_name", "instance_name", "state"], k);
        }
        let query = stratus_engine::tag::tag_filter(q, "UserVm", &self.tags.0);
        let range = self.page.range(call)?;
        let found = call.vm_list(VmFilter { scope: self.scoped.scope(call, by_id).await?, query, range }).await?;
        Ok(Answer::list(found.count, views::vm::of(call, found.rows).await?))
    }
}

/// Leaves out what only administrators see.
fn visible(call: &Call, q: store::Query) -> store::Query {
    if call.caller.is_root() { q } else { q.eq("display_vm", true).ne("state", "Expunging") }
}

/// VMs by uuid as far as the EC2 door reads them; those that the caller may not see are left out.
pub(crate) async fn brief_of(call: &Call, uuids: &[String]) -> Result<Vec<serde_json::Value>> {
    let query = visible(call, store::Query::live().within("uuid", uuids));
    let scope = call.scope(&stratus_engine::ScopeRequest { by_id: true, ..Default::default() }).await?;
    let range = (0, i64::try_from(uuids.len()).unwrap_or(i64::MAX));
    brief(call, VmFilter { scope, query, range }).await.map(|(vms, _)| vms)
}

/// A page of the VMs that the list shows without parameters, as far as the EC2 door reads them, and how many there are in all.
pub(crate) async fn brief_page(call: &Call, range: (i64, i64)) -> Result<(Vec<serde_json::Value>, i64)> {
    let scope = call.scope(&stratus_engine::ScopeRequest::default()).await?;
    brief(call, VmFilter { scope, query: visible(call, store::Query::live()), range }).await
}

async fn brief(call: &Call, filter: VmFilter) -> Result<(Vec<serde_json::Value>, i64)> {
    let found = call.vm_list(filter).await?;
    let shown = views::vm::of(call, found.rows).await?;
    Ok((shown.into_iter().map(views::vm::brief).collect::<Result<_>>()?, found.count))
}

/// Changes what may change of a VM while it runs.
#[derive(Command)]
#[command(name = "updateVirtualMachine", roles = "all", answer = "virtualmachine", view = views::vm::Vm, event = "VM.UPDATE")]
pub struct UpdateVirtualMachine {
    /// the ID of the VM
    id: Owned<store::Vm>,
    /// its name for people
    displayname: Option<String>,
    /// whether its owner sees it
    #[param(since = "4.2")]
    displayvm: Option<bool>,
    /// the name of a group to show it in
    group: Option<String>,
    /// whether it is started elsewhere when its host fails
    haenable: Option<bool>,
    /// whether CPU and memory can grow while it runs
    #[param(since = "4.2")]
    isdynamicallyscalable: Option<bool>,
    /// its guest OS type
    ostypeid: Option<Ref<store::OsType>>,
    /// user data in base64
    #[param(length = 32768)]
    userdata: Option<String>,
}

impl Run for UpdateVirtualMachine {
    async fn run(self, call: &Call) -> Result<Answer> {
        let ask = VmUpdate {
            display_name: self.displayname,
            group: self.group,
            ha_enabled: self.haenable,
            display_vm: self.displayvm,
            dynamically_scalable: self.isdynamicallyscalable,
            os_type_id: self.ostypeid.map(|o| o.0.id),
            user_data: self.userdata,
        };
        let vm = call.vm_update(call, self.id.0, ask).await?;
        views::one(views::vm::of(call, vec![vm]).await?)
    }
}

/// Brings a destroyed VM back as a stopped one.
#[derive(Command)]
#[command(name = "recoverVirtualMachine", roles = "admins", answer = "virtualmachine", view = views::vm::Vm, event = "VM.RECOVER")]
pub struct RecoverVirtualMachine {
    /// the ID of the VM
    id: Owned<store::Vm>,
}

impl Run for RecoverVirtualMachine {
    async fn run(self, call: &Call) -> Result<Answer> {
        let vm = call.vm_recover(call, self.id.0).await?;
        views::one(views::vm::of(call, vec![vm]).await?)
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<DeployVirtualMachine>();
    r.add::<ListVirtualMachines>();
    r.add::<UpdateVirtualMachine>();
    r.add::<RecoverVirtualMachine>();
}
