//! VMs as rows: made, listed, changed, recovered. Starting, stopping and the end are in `vm_start`, `vm_stop` and `vm_end`.
use crate::vm_size::Size;
use crate::{Call, Engine, GIB, JobDraft, ListScope, Listing, Take, Topic};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;
use stratus_model::{Error, Kind, Limit, Result, VmEvent, VmState, net};
use stratus_store::{
    Account, AffinityGroup, DiskOffering, IpAddress, Job, Network, Nic, Query, SecurityGroupMember, ServiceOffering, Template, Tx,
    UsageEvent, Value, Vm, Volume, Zone,
};
use uuid::Uuid;

/// Decoded bytes of user data at most, by POST (catalog, `userdata`).
const USER_DATA: usize = 32 << 10;
/// Root disk size when the template does not say, bytes.
const ROOT_BYTES: i64 = 8 * GIB;

/// What a new VM is to be.
#[derive(Debug, Clone, Default)]
pub struct VmCreate {
    /// Its owner.
    pub owner: Account,
    /// Where.
    pub zone: Zone,
    /// From what.
    pub template: Template,
    /// How much CPU and memory.
    pub offering: ServiceOffering,
    /// A data disk beside the root disk: its offering and, for a custom one, GiB.
    pub disk: Option<(DiskOffering, Option<i64>)>,
    /// GiB of the root disk, where it is to be larger than the template.
    pub root_gb: Option<i64>,
    /// Host name; the uuid when absent.
    pub name: Option<String>,
    /// Name for people.
    pub display_name: Option<String>,
    /// Group name.
    pub group: Option<String>,
    /// Name of a key pair of the owner.
    pub keypair: Option<String>,
    /// Base64.
    pub user_data: Option<String>,
    /// Guest networks, the default one first; a basic zone has its own.
    pub networks: Vec<Network>,
    /// Keys of security groups.
    pub groups: Vec<i64>,
    /// Addresses that are wanted, by the key of their network.
    pub addresses: BTreeMap<i64, String>,
    /// Groups of VMs that run apart.
    pub affinity: Vec<AffinityGroup>,
    /// The host, chosen by an administrator.
    pub host: Option<i64>,
    /// The hypervisor, where the template leaves it open.
    pub hypervisor: Option<String>,
    /// Keyboard of the console.
    pub keyboard: Option<String>,
    /// Whether to start it.
    pub start: bool,
    /// Whether users see it.
    pub display_vm: bool,
    /// Free details; `cpuNumber`, `cpuSpeed`, `memory` for a customised offering.
    pub details: BTreeMap<String, String>,
}

/// Which VMs a list shows.
#[derive(Debug, Clone)]
pub struct VmFilter {
    /// Whose.
    pub scope: ListScope,
    /// Conditions on the VM's own columns.
    pub query: Query,
    /// First row and number of rows.
    pub range: (i64, i64),
}

/// What `updateVirtualMachine` changes.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "the parameters of the same names")]
pub struct VmUpdate {
    pub display_name: Option<String>,
    pub group: Option<String>,
    pub ha_enabled: Option<bool>,
    pub display_vm: Option<bool>,
    pub dynamically_scalable: Option<bool>,
    pub os_type_id: Option<i64>,
    pub user_data: Option<String>,
}

/// What events about a VM are about.
pub fn topic(vm: &Vm) -> Topic {
    Topic { account: vm.account_id, domain: vm.domain_id, kind: Kind::Vm, id: vm.id }
}

/// The error for a VM in the wrong state.
pub(crate) fn wrong_state(vm: &Vm, why: &str) -> Error {
    Error::State { kind: Kind::Vm, id: vm.uuid.clone(), state: vm.state.clone(), why: why.into() }
}

/// What a VM counts for while it is neither destroyed nor in error.
pub(crate) fn counted(vm: &Vm) -> [Take; 3] {
    [(Limit::Vm, 1), (Limit::Cpu, vm.cpus), (Limit::Memory, vm.memory_mb)]
}

impl Engine {
    /// Makes a VM with its disks and NICs and the job that starts it, all or nothing.
    pub async fn vm_create(&self, call: &Call, ask: VmCreate, draft: JobDraft) -> Result<(Vm, Job)> {
        let ask = self.vm_checked(call, ask).await?;
        let vm = self.vm_row(call, &ask).await?;
        let call = call.clone();
        self.db.write(move |tx| Box::pin(async move { call.vm_insert(tx, &call, ask, vm, draft).await })).await
    }

    async fn vm_insert(&self, tx: &mut Tx, call: &Call, ask: VmCreate, mut vm: Vm, draft: JobDraft) -> Result<(Vm, Job)> {
        if ask.name.is_some() {
            name_is_free(tx, &vm).await?;
        }
        let mut volumes = volumes_of(&ask, &vm);
        let bytes: i64 = volumes.iter().map(|v| v.size_bytes).sum();
        let mut takes = counted(&vm).to_vec();
        takes.extend([(Limit::Volume, volumes.len() as i64), (Limit::PrimaryStorage, bytes)]);
        self.take(tx, vm.account_id, &takes).await?;
        if let Some(name) = ask.group.as_deref().filter(|g| !g.trim().is_empty()) {
            vm.group_id = Some(crate::instance_group::named(tx, (vm.account_id, vm.domain_id), name, vm.created).await?);
        }
        tx.insert(&mut vm).await?;
        vm.instance_name = format!("i-{}-{}-VM", vm.account_id, vm.id);
        tx.set::<Vm>(vm.id, vec![("instance_name", vm.instance_name.as_str().into())]).await?;
        vm.update_count += 1;
        for v in &mut volumes {
            v.vm_id = Some(vm.id);
            if v.volume_type == "ROOT" {
                v.name = format!("ROOT-{}", vm.id);
            } else {
                v.name = format!("DATA-{}", vm.id);
            }
            tx.insert(v).await?;
            usage(tx, call, "VOLUME.CREATE", &vm, v.id, Some(&v.name), v.disk_offering_id, v.template_id, Some(v.size_bytes)).await?;
        }
        for (device, network) in ask.networks.iter().enumerate() {
            let requested_ip4 = ask.addresses.get(&network.id).cloned();
            tx.insert(&mut Nic { requested_ip4, ..nic_of(&vm, network, device as i64) }).await?;
        }
        crate::affinity::join(tx, vm.id, &ask.affinity).await?;
        if !ask.groups.is_empty() {
            self.groups_join(tx, vm.id, &ask.groups).await?;
        }
        usage(tx, call, "VM.CREATE", &vm, vm.id, Some(&vm.name), Some(vm.service_offering_id), Some(vm.template_id), None).await?;
        let job = draft.insert(tx, call, topic(&vm)).await?;
        Ok((vm, job))
    }

    /// Everything that can be refused before anything is written; fills in what follows from the zone.
    async fn vm_checked(&self, call: &Call, mut ask: VmCreate) -> Result<VmCreate> {
        if ask.zone.allocation_state != "Enabled" && !call.caller.is_root() {
            return Err(Error::Denied(format!("zone {} is not enabled", ask.zone.name)));
        }
        call.zone_for(&ask.zone, &ask.owner).await?;
        self.template_usable(call, &ask.template, ask.zone.id).await?;
        if ask.template.is_iso {
            self.bootable_iso(&mut ask)?;
        }
        if ask.offering.is_system || !self.offering_visible(call, &ask.offering).await? {
            return Err(Error::not_found(Kind::ServiceOffering, ask.offering.uuid));
        }
        if let Some((disk, size)) = &ask.disk {
            check_disk(disk, *size)?;
            if !self.disk_offering_visible(call, disk).await? {
                return Err(Error::not_found(Kind::DiskOffering, &disk.uuid));
            }
        }
        let disk = ask.disk.as_ref().map(|(disk, _)| disk.storage_type.as_str());
        let root = Some(ask.offering.storage_type.as_str()).filter(|_| !ask.template.is_iso);
        for (field, kind) in [("serviceofferingid", root), ("diskofferingid", disk)] {
            crate::local_storage::allowed(&ask.zone, field, kind)?;
        }
        if let Some(gb) = ask.root_gb {
            check_root(&ask.template, gb)?;
        }
        if let Some(name) = &ask.name {
            check_host_name(name)?;
        }
        if let Some(data) = &ask.user_data {
            check_user_data(data)?;
        }
        self.vm_networks(call, &mut ask).await?;
        Ok(ask)
    }

    /// A VM from an ISO is blank: somebody says for which hypervisor, and how large its root disk is.
    fn bootable_iso(&self, ask: &mut VmCreate) -> Result<()> {
        if !ask.template.is_bootable {
            return Err(Error::invalid("templateid", format!("ISO {} is not bootable", ask.template.name)));
        }
        if ask.disk.is_none() {
            return Err(Error::invalid("diskofferingid", "a virtual machine from an ISO needs the disk offering of its root disk"));
        }
        let Some(hypervisor) = &ask.hypervisor else {
            return Err(Error::invalid("hypervisor", "is needed to make a virtual machine from an ISO"));
        };
        ask.hypervisor = Some(self.hypervisor(hypervisor)?);
        Ok(())
    }

    /// The networks and groups of a new VM: a basic zone has one guest network and puts VMs into `default` unless told otherwise.
    async fn vm_networks(&self, call: &Call, ask: &mut VmCreate) -> Result<()> {
        let basic = ask.zone.network_type == "Basic";
        if basic {
            if !ask.networks.is_empty() {
                return Err(Error::invalid("networkids", "a basic zone has its own guest network; leave it out"));
            }
            let q = Query::live().eq("zone_id", ask.zone.id).eq("traffic_type", "Guest");
            let network = self.db.find_one::<Network>(q).await?;
            ask.networks = vec![network.ok_or_else(|| Error::Unavailable(format!("zone {} has no guest network", ask.zone.name)))?];
        }
        if ask.networks.is_empty() {
            ask.networks = vec![self.network_default(call, &ask.owner, &ask.zone).await?];
        }
        for n in &ask.networks {
            if n.zone_id != ask.zone.id {
                return Err(Error::invalid("networkids", format!("network {} is in another zone", n.uuid)));
            }
            if n.acl_type == "Account" && !call.may_touch(n.account_id, n.domain_id).await? {
                return Err(Error::not_found(Kind::Network, &n.uuid));
            }
        }
        if let Some(id) = ask.addresses.keys().find(|id| !ask.networks.iter().any(|n| n.id == **id)) {
            return Err(Error::invalid("iptonetworklist", format!("network {id} is not one of the virtual machine's")));
        }
        for n in &ask.networks {
            if let Some(ip) = ask.addresses.get(&n.id) {
                self.address_wanted(n, ip).await?;
            }
        }
        let guarded = ask.zone.security_groups;
        if !guarded && !ask.groups.is_empty() {
            return Err(Error::invalid("securitygroupids", "this zone does not have security groups"));
        }
        if guarded && ask.groups.is_empty() {
            ask.groups = vec![self.default_group(ask.owner.id).await?.id];
        }
        Ok(())
    }

    /// Refuses an address that a network does not have or that somebody holds; the start takes it for good.
    async fn address_wanted(&self, network: &Network, text: &str) -> Result<()> {
        let ip = crate::addresses::parse("ipaddress", text)?.to_string();
        let row = self.db.find_one::<IpAddress>(Query::all().eq("network_id", network.id).eq("address", ip.as_str())).await?;
        match row {
            None => Err(Error::invalid("ipaddress", format!("{ip} is not of network {}", network.uuid))),
            Some(a) if a.state != "Free" => Err(Error::InUse { kind: Kind::IpAddress, id: ip, why: "another NIC holds it".into() }),
            Some(_) => Ok(()),
        }
    }

    async fn vm_row(&self, call: &Call, ask: &VmCreate) -> Result<Vm> {
        let Size { cpus, mhz: cpu_mhz, memory_mb } = Size::offered(&ask.offering, &ask.details)?;
        let key = match &ask.keypair {
            Some(name) => Some(self.ssh_key_named(ask.owner.id, name).await?.public_key),
            None => None,
        };
        let uuid = Uuid::new_v4().to_string();
        let name = ask.name.clone().unwrap_or_else(|| uuid.clone());
        let state = if ask.start { VmState::Starting } else { VmState::Stopped };
        let hypervisor = ask.template.hypervisor.clone().or_else(|| ask.hypervisor.clone()).unwrap_or_default();
        let password = ask.template.password_enabled.then(|| self.password_new(key.as_deref())).transpose()?;
        let (password_sealed, password_encrypted) = password.map(|p| (p.sealed, p.encrypted)).unzip();
        let details = &ask.details;
        Ok(Vm {
            display_name: Some(ask.display_name.clone().unwrap_or_else(|| name.clone())),
            name,
            account_id: ask.owner.id,
            domain_id: ask.owner.domain_id,
            zone_id: ask.zone.id,
            last_host_id: ask.host,
            template_id: ask.template.id,
            iso_id: ask.template.is_iso.then_some(ask.template.id),
            service_offering_id: ask.offering.id,
            disk_offering_id: ask.disk.as_ref().map(|d| d.0.id),
            os_type_id: ask.template.os_type_id,
            hypervisor,
            cpus,
            cpu_mhz,
            memory_mb,
            vm_type: "User".into(),
            ha_enabled: crate::service_offering::offers_ha(&ask.offering),
            display_vm: ask.display_vm,
            user_data: ask.user_data.clone(),
            keypair: ask.keypair.clone(),
            ssh_public_key: key,
            keyboard: ask.keyboard.clone(),
            password_sealed,
            password_encrypted: password_encrypted.flatten(),
            dynamically_scalable: ask.template.is_dynamic,
            details: (!details.is_empty()).then(|| serde_json::to_string(details)).transpose().map_err(Error::internal)?,
            state: state.word().into(),
            created: call.now(),
            uuid,
            ..Default::default()
        })
    }

    /// A page of VMs.
    pub async fn vm_list(&self, filter: VmFilter) -> Result<Listing<Vm>> {
        Listing::of(&self.db, filter.scope.apply(filter.query), filter.range).await
    }

    /// Changes what may change while a VM runs.
    pub async fn vm_update(&self, call: &Call, vm: Vm, ask: VmUpdate) -> Result<Vm> {
        if let Some(data) = &ask.user_data {
            check_user_data(data)?;
        }
        if ask.ha_enabled == Some(true) && self.db.must::<ServiceOffering>(vm.service_offering_id).await?.storage_type == "local" {
            return Err(Error::invalid("haenable", "a virtual machine on local storage cannot be started on another host"));
        }
        let mut set: Vec<(&'static str, Value)> = Vec::new();
        let mut put = |column: &'static str, value: Option<Value>| set.extend(value.map(|v| (column, v)));
        put("display_name", ask.display_name.map(Into::into));
        put("ha_enabled", ask.ha_enabled.map(Into::into));
        put("display_vm", ask.display_vm.map(Into::into));
        put("dynamically_scalable", ask.dynamically_scalable.map(Into::into));
        put("os_type_id", ask.os_type_id.map(Into::into));
        put("user_data", ask.user_data.map(Into::into));
        if matches!(vm.vm_state(), VmState::Error | VmState::Expunging) {
            return Err(wrong_state(&vm, "nothing is changed of it any more"));
        }
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    match ask.group.as_deref().map(str::trim) {
                        Some("") => set.push(("group_id", Value::Null)),
                        Some(name) => {
                            let owner = (vm.account_id, vm.domain_id);
                            set.push(("group_id", crate::instance_group::named(tx, owner, name, call.now()).await?.into()));
                        }
                        None => {}
                    }
                    tx.set::<Vm>(vm.id, set).await?;
                    call.log(tx, topic(&vm), format!("VM {} was updated", vm.uuid)).await?;
                    tx.must(vm.id).await
                })
            })
            .await
    }

    /// Brings a destroyed VM back as a stopped one.
    pub async fn vm_recover(&self, call: &Call, vm: Vm) -> Result<Vm> {
        let to = vm.vm_state().on(VmEvent::RecoverRequested).ok_or_else(|| wrong_state(&vm, "only a destroyed VM can be recovered"))?;
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    call.take(tx, vm.account_id, &counted(&vm)).await?;
                    tx.advance::<Vm>(vm.id, &vm.state, vm.update_count, to.word(), vec![("destroyed", Value::Null)]).await?;
                    call.log(tx, topic(&vm), format!("VM {} was recovered", vm.uuid)).await?;
                    tx.must(vm.id).await
                })
            })
            .await
    }

    /// Moves a VM on from the state that is in the database now; [`Error::State`] when the table has no such pair.
    pub(crate) async fn vm_move(&self, vm: i64, event: VmEvent, why: &'static str, set: Vec<(&'static str, Value)>) -> Result<Vm> {
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let row = tx.must::<Vm>(vm).await?;
                    let to = row.vm_state().on(event).ok_or_else(|| wrong_state(&row, why))?;
                    tx.advance::<Vm>(vm, &row.state, row.update_count, to.word(), set).await?;
                    tx.must(vm).await
                })
            })
            .await
    }

    /// The security groups of VMs, by VM.
    pub async fn groups_of(&self, vms: &[i64]) -> Result<Vec<SecurityGroupMember>> {
        self.db.find(Query::all().within("vm_id", vms.iter().copied())).await
    }
}

/// Writes a raw fact for the usage server.
pub(crate) async fn usage(
    tx: &mut Tx,
    call: &Call,
    event: &str,
    vm: &Vm,
    id: i64,
    name: Option<&str>,
    offering: Option<i64>,
    template: Option<i64>,
    size: Option<i64>,
) -> Result<()> {
    let mut u = UsageEvent {
        event_type: event.into(),
        account_id: vm.account_id,
        domain_id: vm.domain_id,
        zone_id: vm.zone_id,
        resource_id: id,
        resource_name: name.map(str::to_owned),
        offering_id: offering,
        template_id: template,
        size,
        resource_type: Some(vm.hypervisor.clone()),
        created: call.now(),
        ..Default::default()
    };
    tx.insert(&mut u).await.map(drop)
}

fn volumes_of(ask: &VmCreate, vm: &Vm) -> Vec<Volume> {
    let base = Volume {
        account_id: vm.account_id,
        domain_id: vm.domain_id,
        zone_id: vm.zone_id,
        hypervisor: Some(vm.hypervisor.clone()),
        display_volume: true,
        attached: Some(vm.created),
        state: "Allocated".into(),
        created: vm.created,
        ..Default::default()
    };
    if let (true, Some((disk, size))) = (ask.template.is_iso, &ask.disk) {
        return vec![Volume {
            uuid: Uuid::new_v4().to_string(),
            volume_type: "ROOT".into(),
            size_bytes: disk_bytes(disk, *size),
            disk_offering_id: Some(disk.id),
            device_id: Some(0),
            delete_with_vm: true,
            ..base
        }];
    }
    let mut all = vec![Volume {
        uuid: Uuid::new_v4().to_string(),
        volume_type: "ROOT".into(),
        size_bytes: ask.root_gb.map_or_else(|| root_bytes(&ask.template), |gb| gb.saturating_mul(GIB)),
        service_offering_id: Some(ask.offering.id),
        template_id: Some(ask.template.id),
        device_id: Some(0),
        delete_with_vm: true,
        ..base.clone()
    }];
    if let Some((disk, size)) = &ask.disk {
        all.push(Volume {
            uuid: Uuid::new_v4().to_string(),
            volume_type: "DATADISK".into(),
            size_bytes: disk_bytes(disk, *size),
            disk_offering_id: Some(disk.id),
            device_id: Some(1),
            ..base
        });
    }
    all
}

/// Bytes of a root disk that is as large as its template.
fn root_bytes(template: &Template) -> i64 {
    if template.size_bytes > 0 { template.size_bytes } else { ROOT_BYTES }
}

/// Refuses a root disk that its template does not fit on.
fn check_root(template: &Template, gb: i64) -> Result<()> {
    if template.is_iso {
        return Err(Error::invalid("rootdisksize", "the disk offering says how large the root disk of a virtual machine from an ISO is"));
    }
    if !(1..=65_536).contains(&gb) || gb.saturating_mul(GIB) < template.size_bytes {
        let least = (template.size_bytes + GIB - 1) / GIB;
        return Err(Error::invalid("rootdisksize", format!("must be between {} and 65536 GB", least.max(1))));
    }
    Ok(())
}

/// Bytes of a disk by its offering.
pub(crate) fn disk_bytes(disk: &DiskOffering, size: Option<i64>) -> i64 {
    let gb = if disk.is_custom { size.unwrap_or(0) } else { disk.size_gb };
    gb.saturating_mul(GIB)
}

/// Refuses a size that does not go with a disk offering.
pub(crate) fn check_disk(disk: &DiskOffering, size: Option<i64>) -> Result<()> {
    match (disk.is_custom, size) {
        (true, None) => Err(Error::invalid("size", "a custom disk offering needs a size in GB")),
        (true, Some(n)) if !(1..=65_536).contains(&n) => Err(Error::invalid("size", "must be between 1 and 65536 GB")),
        _ => Ok(()),
    }
}

pub(crate) fn nic_of(vm: &Vm, network: &Network, device: i64) -> Nic {
    Nic {
        uuid: Uuid::new_v4().to_string(),
        vm_id: vm.id,
        network_id: network.id,
        account_id: vm.account_id,
        domain_id: vm.domain_id,
        zone_id: vm.zone_id,
        mac: net::mac(vm.id * 16 + device),
        broadcast_uri: network.broadcast_uri.clone(),
        is_default: device == 0,
        device_id: device,
        created: vm.created,
        ..Default::default()
    }
}

/// Whether no VM of the zone has the name. Two deploys of one name ask one after the other: the first statement holds the zone's row.
async fn name_is_free(tx: &mut Tx, vm: &Vm) -> Result<()> {
    tx.take::<Zone>(Query::live().eq("id", vm.zone_id), "name = name", vec![]).await?;
    if tx.count::<Vm>(Query::live().eq("name", vm.name.as_str()).eq("zone_id", vm.zone_id)).await? > 0 {
        return Err(Error::invalid("name", format!("the host name {} is taken in this network", vm.name)));
    }
    Ok(())
}

/// A host name as RFC 1123 has it: letters, digits and hyphens, 63 at most, no hyphen at the ends, not only digits.
fn check_host_name(name: &str) -> Result<()> {
    let good = (1..=63).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.bytes().all(|b| b.is_ascii_digit());
    if good {
        return Ok(());
    }
    Err(Error::invalid("name", "a host name has 1 to 63 letters, digits and hyphens, no hyphen at its ends and not only digits"))
}

fn check_user_data(data: &str) -> Result<()> {
    match STANDARD.decode(data.split_whitespace().collect::<String>()) {
        Ok(bytes) if bytes.len() > USER_DATA => Err(Error::invalid("userdata", format!("longer than {USER_DATA} bytes"))),
        Ok(_) => Ok(()),
        Err(_) => Err(Error::invalid("userdata", "must be base64")),
    }
}
