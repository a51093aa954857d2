//! VMs in answers.
use crate::declare::{Name, Shown};
use crate::prelude::*;
use crate::views::affinity_group::{self, AffinityGroup};
use crate::views::nic::{self, SecondaryIp};
use crate::views::security_group::{self, SecurityGroup};
use crate::views::tag::{self, Owners, Tag};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A NIC of a VM.
#[derive(View, Debug, Clone)]
pub struct Nic {
    /// the ID of the NIC
    pub id: String,
    /// the ID of its network
    pub networkid: Option<Name>,
    /// the name of its network
    pub networkname: Option<Name>,
    /// its netmask
    pub netmask: Option<String>,
    /// its gateway
    pub gateway: Option<String>,
    /// its IPv4 address
    pub ipaddress: Option<String>,
    /// how its packets are told apart from other networks'
    pub isolationuri: Option<String>,
    /// how its broadcasts are told apart from other networks'
    pub broadcasturi: Option<String>,
    /// what traffic it carries
    pub traffictype: Option<Name>,
    /// the kind of its network, Shared or Isolated
    #[view(name = "type")]
    pub kind: Option<Name>,
    /// whether the guest's default route goes out here
    pub isdefault: bool,
    /// its MAC address
    pub macaddress: String,
    /// its IPv6 address
    pub ip6address: Option<String>,
    /// the IPv6 gateway of its network
    pub ip6gateway: Option<String>,
    /// the IPv6 subnet of its network
    pub ip6cidr: Option<String>,
    /// its further addresses
    pub secondaryip: Option<Vec<SecondaryIp>>,
}

/// A VM.
#[derive(View, Debug, Clone)]
pub struct Vm {
    /// the ID of the VM
    pub id: String,
    /// its host name
    pub name: String,
    /// its name for people
    pub displayname: Option<String>,
    /// the account that owns it
    pub account: Option<Name>,
    /// the ID of the project that owns it
    pub projectid: Option<Name>,
    /// the name of the project that owns it
    pub project: Option<Name>,
    /// the ID of its domain
    pub domainid: Option<Name>,
    /// the name of its domain
    pub domain: Option<Name>,
    /// when it was made
    pub created: Date,
    /// its state
    pub state: String,
    /// how a load balancer's health check finds it; there is no such check yet
    pub servicestate: Option<String>,
    /// whether it is started elsewhere when its host fails
    pub haenable: bool,
    /// the ID of its group
    pub groupid: Option<String>,
    /// the name of its group
    pub group: Option<String>,
    /// the ID of its zone
    pub zoneid: Option<Name>,
    /// the name of its zone
    pub zonename: Option<Name>,
    /// the ID of its host, for administrators
    pub hostid: Option<Name>,
    /// the name of its host, for administrators
    pub hostname: Option<Name>,
    /// the ID of the ISO in its drive
    pub isoid: Option<String>,
    /// the name of that ISO
    pub isoname: Option<String>,
    /// the text of that ISO
    pub isodisplaytext: Option<String>,
    /// the ID of its template
    pub templateid: Option<Name>,
    /// the name of its template
    pub templatename: Option<Name>,
    /// the text of its template
    pub templatedisplaytext: Option<Name>,
    /// whether its template can set passwords
    pub passwordenabled: Option<bool>,
    /// the ID of its service offering
    pub serviceofferingid: Option<Name>,
    /// the name of its service offering
    pub serviceofferingname: Option<Name>,
    /// its new password, where one was just made
    pub password: Option<String>,
    /// the groups of VMs that run apart which it is in
    pub affinitygroup: Vec<AffinityGroup>,
    /// number of virtual CPUs
    #[view(kind = "integer")]
    pub cpunumber: i64,
    /// speed of each in MHz
    #[view(kind = "integer")]
    pub cpuspeed: i64,
    /// memory in MiB
    #[view(kind = "integer")]
    pub memory: i64,
    /// how much of its CPUs is at work, in percent
    pub cpuused: Option<String>,
    /// KiB that came in over its NICs
    pub networkkbsread: Option<i64>,
    /// KiB that went out over its NICs
    pub networkkbswrite: Option<i64>,
    /// KiB read from its disks
    pub diskkbsread: Option<i64>,
    /// KiB written to its disks
    pub diskkbswrite: Option<i64>,
    /// read operations on its disks
    pub diskioread: Option<i64>,
    /// write operations on its disks
    pub diskiowrite: Option<i64>,
    /// KiB of memory that the guest's kernel has to give (of later levels of the API)
    pub memorykbs: Option<i64>,
    /// KiB of it that nobody in the guest uses (of later levels of the API)
    pub memoryintfreekbs: Option<i64>,
    /// KiB that the host lets the guest have (of later levels of the API)
    pub memorytargetkbs: Option<i64>,
    /// the ID of its guest OS type
    pub guestosid: Option<Name>,
    /// device number of the root disk
    pub rootdeviceid: i64,
    /// kind of the root disk
    pub rootdevicetype: String,
    /// the groups that guard it
    pub securitygroup: Vec<Arc<SecurityGroup>>,
    /// its NICs
    pub nic: Vec<Nic>,
    /// its hypervisor
    pub hypervisor: Option<String>,
    /// its name on the host, for administrators
    pub instancename: Option<String>,
    /// its details
    pub details: Option<BTreeMap<String, String>>,
    /// its tags
    pub tags: Vec<Tag>,
    /// the name of its SSH key pair
    pub keypair: Option<String>,
    /// whether users see it
    pub displayvm: Option<bool>,
    /// whether CPU and memory can grow while it runs
    pub isdynamicallyscalable: bool,
    /// whether it is on a virtual network
    pub forvirtualnetwork: Option<bool>,
    /// the public address that stands for it
    pub publicip: Option<String>,
    /// the ID of that address
    pub publicipid: Option<String>,
}

/// A VM's last password.
#[derive(View)]
pub struct EncryptedPassword {
    /// base64; the private half of the VM's SSH key opens it
    pub encryptedpassword: String,
}

/// The answer that is one VM, with the password that was just made for it.
pub(crate) async fn with_password(call: &Call, vm: store::Vm, password: Option<String>) -> Result<crate::answer::Answer> {
    let mut page = of(call, vec![vm]).await?;
    for v in &mut page {
        v.password.clone_from(&password);
    }
    crate::views::one(page)
}

/// What stands beside a page of VMs, by key.
struct Beside {
    owners: HashMap<(i64, i64), OwnerNames>,
    zones: HashMap<i64, Named>,
    hosts: HashMap<i64, Named>,
    templates: HashMap<i64, TemplateNames>,
    offerings: HashMap<i64, Named>,
    oses: HashMap<i64, Name>,
    nics: HashMap<i64, Vec<Nic>>,
    groups: HashMap<i64, Vec<Arc<SecurityGroup>>>,
    tags: HashMap<i64, Vec<Tag>>,
    /// Public addresses by VM.
    public: HashMap<i64, store::IpAddress>,
    shown_in: HashMap<i64, store::InstanceGroup>,
    affinity: HashMap<i64, Vec<AffinityGroup>>,
}

/// The uuid and the name of something that many VMs of a page show.
struct Named {
    id: Name,
    name: Name,
}

impl Named {
    fn new(uuid: &str, name: &str) -> Self {
        Self { id: uuid.into(), name: name.into() }
    }
}

struct TemplateNames {
    row: store::Template,
    named: Named,
    text: Name,
}

#[derive(Default)]
struct OwnerNames {
    account: Option<Name>,
    projectid: Option<Name>,
    project: Option<Name>,
    domainid: Option<Name>,
    domain: Option<Name>,
}

/// What is shown of whose a page's VMs are.
async fn owners(call: &Call, rows: &[store::Vm]) -> Result<HashMap<(i64, i64), OwnerNames>> {
    let owners = Owners::of(call, rows.iter().map(|v| (v.account_id, v.domain_id))).await?;
    let name = |text: Option<String>| text.as_deref().map(Name::from);
    let mut names = HashMap::new();
    for v in rows {
        names.entry((v.account_id, v.domain_id)).or_insert_with(|| OwnerNames {
            account: name(owners.account(v.account_id)),
            projectid: name(owners.project_uuid(v.account_id)),
            project: name(owners.project(v.account_id)),
            domainid: name(owners.domain_uuid(v.domain_id)),
            domain: name(owners.domain(v.domain_id)),
        });
    }
    Ok(names)
}

/// What `names` makes of rows by key.
async fn beside<T: store::Table, N>(call: &Call, ids: impl Iterator<Item = i64>, names: impl Fn(T) -> N) -> Result<HashMap<i64, N>> {
    Ok(call.db.by_ids::<T>(ids).await?.into_iter().map(|(id, row)| (id, names(row))).collect())
}

async fn nics(call: &Call, ids: &[i64]) -> Result<HashMap<i64, Vec<Nic>>> {
    let mut rows = Vec::new();
    for chunk in ids.chunks(1000) {
        rows.extend(call.db.find::<store::Nic>(store::Query::live().within("vm_id", chunk.iter().copied())).await?);
    }
    let vms: Vec<i64> = rows.iter().map(|n| n.vm_id).collect();
    let mut by_vm: HashMap<i64, Vec<Nic>> = HashMap::with_capacity(ids.len());
    for (vm, nic) in vms.into_iter().zip(nic::of(call, rows).await?) {
        by_vm.entry(vm).or_default().push(nic);
    }
    Ok(by_vm)
}

/// The public addresses that stand for VMs, by VM: of the default NIC where there are several.
async fn public(call: &Call, ids: &[i64]) -> Result<HashMap<i64, store::IpAddress>> {
    let mut by_vm = HashMap::new();
    for chunk in ids.chunks(1000) {
        let q = store::Query::all().within("vm_id", chunk.iter().copied()).eq("static_nat", true).order("nat_nic_id");
        for address in call.db.find::<store::IpAddress>(q).await? {
            by_vm.entry(address.vm_id.unwrap_or(0)).or_insert(address);
        }
    }
    Ok(by_vm)
}

async fn groups(call: &Call, ids: &[i64]) -> Result<HashMap<i64, Vec<Arc<SecurityGroup>>>> {
    let members = call.groups_of(ids).await?;
    let rows = call.db.by_ids::<store::SecurityGroup>(members.iter().map(|m| m.group_id)).await?;
    let mut plain = HashMap::new();
    let keys: HashMap<String, i64> = rows.values().map(|g| (g.uuid.clone(), g.id)).collect();
    for view in security_group::of(call, rows.into_values().collect()).await? {
        if let Some(id) = keys.get(&view.id) {
            plain.insert(*id, Arc::new(view));
        }
    }
    let mut by_vm: HashMap<i64, Vec<Arc<SecurityGroup>>> = HashMap::with_capacity(ids.len());
    for m in members {
        by_vm.entry(m.vm_id).or_default().extend(plain.get(&m.group_id).cloned());
    }
    Ok(by_vm)
}

/// A page of VMs, with one query per table beside it.
pub(crate) async fn of(call: &Call, rows: Vec<store::Vm>) -> Result<Vec<Vm>> {
    // What asks again and again mostly hears of nothing.
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<i64> = rows.iter().map(|v| v.id).collect();
    let root = call.caller.is_root();
    let hosts = rows.iter().filter_map(|v| v.host_id.filter(|_| root));
    let templates = rows.iter().map(|v| v.template_id).chain(rows.iter().filter_map(|v| v.iso_id));
    let template = |t: store::Template| TemplateNames { named: Named::new(&t.uuid, &t.name), text: (&*t.display_text).into(), row: t };
    let offerings = rows.iter().map(|v| v.service_offering_id);
    let mut beside = Beside {
        owners: owners(call, &rows).await?,
        zones: beside(call, rows.iter().map(|v| v.zone_id), |z: store::Zone| Named::new(&z.uuid, &z.name)).await?,
        hosts: beside(call, hosts, |h: store::Host| Named::new(&h.uuid, &h.name)).await?,
        templates: beside(call, templates, template).await?,
        offerings: beside(call, offerings, |o: store::ServiceOffering| Named::new(&o.uuid, &o.name)).await?,
        oses: beside(call, rows.iter().map(|v| v.os_type_id), |o: store::OsType| Name::from(&*o.uuid)).await?,
        nics: nics(call, &ids).await?,
        groups: groups(call, &ids).await?,
        tags: tag::by_thing(call, "UserVm", &ids).await?,
        public: public(call, &ids).await?,
        shown_in: call.db.by_ids(rows.iter().filter_map(|v| v.group_id)).await?,
        affinity: affinity_group::by_vm(call, &ids).await?,
    };
    let shown = |v: store::Vm| {
        let figures = call.figures.of(&v.instance_name).filter(|_| v.state == "Running");
        let mut view = one(v, &mut beside, root);
        if let Some(f) = figures {
            show_figures(&mut view, &f);
        }
        view
    };
    Ok(rows.into_iter().map(shown).collect())
}

/// A VM with as much of its view as the EC2 door reads: whole records of thousands of VMs are dear.
pub(crate) fn brief(v: Vm) -> Result<serde_json::Value> {
    use serde_json::{Map, Value, json};
    let mut map = Map::with_capacity(48);
    let mut put = |name: &str, value: Value| drop((!value.is_null()).then(|| map.insert(name.to_owned(), value)));
    for (name, value) in [
        ("id", v.id.tree()),
        ("name", v.name.tree()),
        ("state", v.state.tree()),
        ("created", v.created.tree()),
        ("account", v.account.tree()),
        ("domainid", v.domainid.tree()),
        ("hypervisor", v.hypervisor.tree()),
        ("templateid", v.templateid.tree()),
        ("serviceofferingid", v.serviceofferingid.tree()),
        ("serviceofferingname", v.serviceofferingname.tree()),
        ("zoneid", v.zoneid.tree()),
        ("zonename", v.zonename.tree()),
        ("guestosid", v.guestosid.tree()),
        ("keypair", v.keypair.tree()),
        ("publicip", v.publicip.tree()),
        ("publicipid", v.publicipid.tree()),
    ] {
        put(name, value);
    }
    let nic = |n: Nic| {
        let mut nic = Map::with_capacity(20);
        let shown = [
            ("id", n.id.tree()),
            ("isdefault", n.isdefault.tree()),
            ("macaddress", n.macaddress.tree()),
            ("networkid", n.networkid.tree()),
            ("ipaddress", n.ipaddress.tree()),
        ];
        for (name, value) in shown.into_iter().filter(|(_, v)| !v.is_null()) {
            nic.insert(name.into(), value);
        }
        Value::Object(nic)
    };
    put("nic", v.nic.into_iter().map(nic).collect());
    put("securitygroup", v.securitygroup.into_iter().map(|g| json!({ "id": g.id.tree(), "name": g.name.tree() })).collect());
    put("affinitygroup", v.affinitygroup.into_iter().map(|g| json!({ "id": g.id.tree(), "name": g.name.tree() })).collect());
    put("tags", v.tags.into_iter().map(|t| json!({ "key": t.key.tree(), "value": t.value.tree() })).collect());
    Ok(Value::Object(map))
}

fn show_figures(view: &mut Vm, f: &stratus_drivers::VmFigures) {
    let kib = |bytes: u64| i64::try_from(bytes >> 10).ok();
    view.cpuused = Some(format!("{}%", stratus_engine::capacities::percent_text(f64::from(f.cpu) / 100.0)));
    (view.networkkbsread, view.networkkbswrite) = (kib(f.network_in), kib(f.network_out));
    (view.diskkbsread, view.diskkbswrite) = (kib(f.disk_read), kib(f.disk_written));
    (view.diskioread, view.diskiowrite) = (i64::try_from(f.reads).ok(), i64::try_from(f.writes).ok());
    if let Some(memory) = f.memory {
        (view.memorykbs, view.memoryintfreekbs, view.memorytargetkbs) = (kib(memory.total), kib(memory.free), kib(memory.target));
    }
}

fn one(v: store::Vm, b: &mut Beside, root: bool) -> Vm {
    let (zone, template, offering) = (b.zones.get(&v.zone_id), b.templates.get(&v.template_id), b.offerings.get(&v.service_offering_id));
    let host = v.host_id.and_then(|h| b.hosts.get(&h));
    let owner = b.owners.get(&(v.account_id, v.domain_id));
    let public = b.public.remove(&v.id);
    let group = v.group_id.and_then(|g| b.shown_in.get(&g));
    let iso = v.iso_id.and_then(|i| b.templates.get(&i));
    Vm {
        account: owner.and_then(|o| o.account.clone()),
        projectid: owner.and_then(|o| o.projectid.clone()),
        project: owner.and_then(|o| o.project.clone()),
        domainid: owner.and_then(|o| o.domainid.clone()),
        domain: owner.and_then(|o| o.domain.clone()),
        created: Date(v.created),
        servicestate: None,
        haenable: v.ha_enabled,
        groupid: group.map(|g| g.uuid.clone()),
        group: group.map(|g| g.name.clone()),
        isoid: iso.map(|i| i.row.uuid.clone()),
        isoname: iso.map(|i| i.row.name.clone()),
        isodisplaytext: iso.map(|i| i.row.display_text.clone()),
        password: None,
        cpuused: None,
        networkkbsread: None,
        networkkbswrite: None,
        diskkbsread: None,
        diskkbswrite: None,
        diskioread: None,
        diskiowrite: None,
        memorykbs: None,
        memoryintfreekbs: None,
        memorytargetkbs: None,
        affinitygroup: b.affinity.remove(&v.id).unwrap_or_default(),
        zoneid: zone.map(|z| z.id.clone()),
        zonename: zone.map(|z| z.name.clone()),
        hostid: host.map(|h| h.id.clone()),
        hostname: host.map(|h| h.name.clone()),
        templateid: template.map(|t| t.named.id.clone()),
        templatename: template.map(|t| t.named.name.clone()),
        templatedisplaytext: template.map(|t| t.text.clone()),
        passwordenabled: template.map(|t| t.row.password_enabled),
        serviceofferingid: offering.map(|o| o.id.clone()),
        serviceofferingname: offering.map(|o| o.name.clone()),
        cpunumber: v.cpus,
        cpuspeed: v.cpu_mhz,
        memory: v.memory_mb,
        guestosid: b.oses.get(&v.os_type_id).cloned(),
        rootdeviceid: 0,
        rootdevicetype: "ROOT".into(),
        securitygroup: b.groups.remove(&v.id).unwrap_or_default(),
        nic: b.nics.remove(&v.id).unwrap_or_default(),
        hypervisor: Some(v.hypervisor),
        instancename: root.then_some(v.instance_name),
        details: v.details.and_then(|d| serde_json::from_str(&d).ok()),
        tags: b.tags.remove(&v.id).unwrap_or_default(),
        keypair: v.keypair,
        displayvm: root.then_some(v.display_vm),
        isdynamicallyscalable: v.dynamically_scalable,
        forvirtualnetwork: None,
        publicip: public.as_ref().map(|a| a.address.clone()),
        publicipid: public.map(|a| a.uuid),
        id: v.uuid,
        name: v.name,
        displayname: v.display_name,
        state: v.state,
    }
}
