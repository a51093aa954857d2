//! What changes of a VM beyond its names: password, key, size, owner, root disk.
use crate::prelude::*;
use stratus_engine::VmAssign;

found!(Nic owned);

/// Gives a VM a new password; its template must be able to set one. A running VM is restarted for it.
#[derive(Command)]
#[command(name = "resetPasswordForVirtualMachine", roles = "all", answer = "virtualmachine", view = views::vm::Vm, event = "VM.RESETPASSWORD", job = "resetting the password of a VM", on = "id")]
pub struct ResetPassword {
    /// the ID of the VM
    id: Owned<store::Vm>,
}
impl Run for ResetPassword {
    async fn run(self, call: &Call) -> Result<Answer> {
        let (vm, password) = call.password_reset(call, &self.id.0).await?;
        views::vm::with_password(call, vm, password).await
    }
}

/// Answers the last password of a VM, encrypted for its SSH key.
#[derive(Command)]
#[command(name = "getVMPassword", roles = "all", answer = "password", view = views::vm::EncryptedPassword)]
pub struct GetPassword {
    /// the ID of the VM
    id: Owned<store::Vm>,
}
impl Run for GetPassword {
    async fn run(self, call: &Call) -> Result<Answer> {
        Ok(Answer::one(views::vm::EncryptedPassword { encryptedpassword: call.password_encrypted(&self.id.0)? }))
    }
}

/// Gives a stopped VM another SSH key, and a new password where its template sets one.
#[derive(Command)]
#[command(
    name = "resetSSHKeyForVirtualMachine",
    roles = "all",
    since = "4.1",
    answer = "virtualmachine",
    view = views::vm::Vm,
    event = "VM.RESETSSHKEY",
    job = "resetting the SSH key of a VM",
    on = "id",
    wrapper = "resetSSHKeyforvirtualmachineresponse"
)]
pub struct ResetSshKey {
    /// the ID of the VM
    id: Owned<store::Vm>,
    /// the name of the key pair
    keypair: String,
    /// the account that has the key pair; the VM's when left out
    account: Option<String>,
    /// the domain of that account
    domainid: Option<Ref<store::Domain>>,
    /// the project that has the key pair
    projectid: Option<Ref<store::Project>>,
}
impl Run for ResetSshKey {
    async fn run(self, call: &Call) -> Result<Answer> {
        let (domain, project) = (self.domainid.as_ref().map(|d| &d.0), self.projectid.as_ref().map(|p| &p.0));
        let owner = match self.account.is_some() || project.is_some() {
            true => call.acting_owner(self.account.as_deref(), domain, project).await?,
            false => call.db.must(self.id.0.account_id).await?,
        };
        let (vm, password) = call.ssh_key_reset(call, &owner, &self.id.0, &self.keypair).await?;
        views::vm::with_password(call, vm, password).await
    }
}

/// Gives a stopped VM another service offering.
#[derive(Command)]
#[command(name = "changeServiceForVirtualMachine", roles = "all", answer = "virtualmachine", view = views::vm::Vm, event = "VM.UPGRADE")]
pub struct ChangeService {
    /// the ID of the VM
    id: Owned<store::Vm>,
    /// the ID of the service offering
    serviceofferingid: Ref<store::ServiceOffering>,
    /// for a customised offering details[0].cpuNumber, cpuSpeed and memory
    #[param(since = "4.3")]
    details: Option<MapList>,
}
impl Run for ChangeService {
    async fn run(self, call: &Call) -> Result<Answer> {
        let details = self.details.unwrap_or_default().merged();
        let vm = call.vm_change_service(call, self.id.0, self.serviceofferingid.0, &details).await?;
        views::one(views::vm::of(call, vec![vm]).await?)
    }
}

/// Gives a VM another service offering while it runs.
#[derive(Command)]
#[command(
    name = "scaleVirtualMachine",
    roles = "all",
    since = "4.2",
    answer = "virtualmachine",
    view = views::vm::Vm,
    event = "VM.DYNAMIC.SCALE",
    job = "scaling a VM",
    on = "id"
)]
pub struct Scale {
    /// the ID of the VM
    id: Owned<store::Vm>,
    /// the ID of the service offering
    serviceofferingid: Ref<store::ServiceOffering>,
    /// for a customised offering details[0].cpuNumber, cpuSpeed and memory
    #[param(since = "4.3")]
    details: Option<MapList>,
}
impl Run for Scale {
    async fn run(self, call: &Call) -> Result<Answer> {
        let details = self.details.unwrap_or_default().merged();
        let vm = call.vm_scale(call, self.id.0, self.serviceofferingid.0, &details).await?;
        views::one(views::vm::of(call, vec![vm]).await?)
    }
}

/// Gives a stopped VM with its disks to another account.
#[derive(Command)]
#[command(name = "assignVirtualMachine", roles = "admins", since = "3.0", answer = "virtualmachine", view = views::vm::Vm, event = "VM.MOVE")]
pub struct Assign {
    /// the account that is to own it
    account: String,
    /// the domain of that account
    domainid: Ref<store::Domain>,
    /// the ID of the VM
    virtualmachineid: Owned<store::Vm>,
    /// its networks there, in an advanced zone; the account's own when left out
    networkids: Option<Vec<Ref<store::Network>>>,
    /// its security groups there; the default one when left out
    securitygroupids: Option<Vec<Ref<store::SecurityGroup>>>,
}
impl Run for Assign {
    async fn run(self, call: &Call) -> Result<Answer> {
        let to = call.acting_account(Some(&self.account), Some(&self.domainid.0)).await?;
        let ask = VmAssign {
            networks: self.networkids.unwrap_or_default().into_iter().map(|n| n.0).collect(),
            groups: self.securitygroupids.unwrap_or_default().into_iter().map(|g| g.0).collect(),
        };
        let vm = call.vm_assign(call, self.virtualmachineid.0, to, ask).await?;
        views::one(views::vm::of(call, vec![vm]).await?)
    }
}

/// Makes a VM's root disk anew from its template or another one.
#[derive(Command)]
#[command(
    name = "restoreVirtualMachine",
    roles = "all",
    since = "3.0",
    answer = "virtualmachine",
    view = views::vm::Vm,
    event = "VM.RESTORE",
    job = "restoring a VM",
    on = "virtualmachineid",
    wrapper = "restorevmresponse"
)]
pub struct Restore {
    /// the ID of the VM
    virtualmachineid: Owned<store::Vm>,
    /// the ID of another template
    #[param(since = "4.2")]
    templateid: Option<Ref<store::Template>>,
}
impl Run for Restore {
    async fn run(self, call: &Call) -> Result<Answer> {
        let (vm, password) = call.vm_restore(call, &self.virtualmachineid.0, self.templateid.map(|t| t.0)).await?;
        views::vm::with_password(call, vm, password).await
    }
}

/// Moves a running VM to another host.
#[derive(Command)]
#[command(
    name = "migrateVirtualMachine",
    roles = "admin",
    answer = "virtualmachine",
    view = views::vm::Vm,
    event = "VM.MIGRATE",
    job = "migrating a VM",
    on = "virtualmachineid"
)]
pub struct Migrate {
    /// the ID of the VM
    virtualmachineid: Owned<store::Vm>,
    /// the ID of the host; one that fits is chosen when neither this nor storageid is given
    hostid: Option<Ref<store::Host>>,
    /// the pool that the disks of a stopped VM are to move to
    #[param(kind = "uuid", since = "3.0")]
    storageid: Refused,
}
impl Run for Migrate {
    async fn run(self, call: &Call) -> Result<Answer> {
        let _ = self.storageid;
        let vm = call.vm_migrate(call, &self.virtualmachineid.0, self.hostid.map(|h| h.0.id)).await?;
        views::one(views::vm::of(call, vec![vm]).await?)
    }
}

/// Moves a running VM to another host, and disks of it to other pools.
#[derive(Command)]
#[command(
    name = "migrateVirtualMachineWithVolume",
    roles = "admin",
    since = "4.2",
    answer = "virtualmachine",
    view = views::vm::Vm,
    event = "VM.MIGRATE",
    job = "migrating a VM with its volumes",
    on = "virtualmachineid"
)]
pub struct MigrateWithVolume {
    /// the ID of the host
    hostid: Ref<store::Host>,
    /// the ID of the VM
    virtualmachineid: Owned<store::Vm>,
    /// which volume goes to which pool, migrateto[0].volume=ID and migrateto[0].pool=ID; pools of the host's own are chosen for others that
    /// it does not see
    migrateto: Option<MapList>,
}
impl Run for MigrateWithVolume {
    async fn run(self, call: &Call) -> Result<Answer> {
        let mut named = Vec::new();
        for entry in self.migrateto.unwrap_or_default().0 {
            let of = |name: &str| {
                let found = entry.iter().find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str());
                found.ok_or_else(|| Error::invalid("migrateto", format!("an entry has no {name}")))
            };
            let volume: store::Volume = crate::resolve::named(call, "migrateto", of("volume")?).await?;
            named.push((volume, crate::resolve::named(call, "migrateto", of("pool")?).await?));
        }
        let vm = call.vm_migrate_with_disks(call, &self.virtualmachineid.0, &self.hostid.0, named).await?;
        views::one(views::vm::of(call, vec![vm]).await?)
    }
}

/// Connects a VM to one more network; not in a basic zone.
#[derive(Command)]
#[command(
    name = "addNicToVirtualMachine",
    roles = "all",
    since = "4.1",
    answer = "virtualmachine",
    view = views::vm::Vm,
    event = "NIC.CREATE",
    job = "adding a NIC to a VM",
    on = "virtualmachineid"
)]
pub struct AddNic {
    /// the ID of the network
    networkid: Ref<store::Network>,
    /// the ID of the VM
    virtualmachineid: Owned<store::Vm>,
    /// an address of that network; any free one when left out
    ipaddress: Option<String>,
}
impl Run for AddNic {
    async fn run(self, call: &Call) -> Result<Answer> {
        let vm = call.nic_add(call, &self.virtualmachineid.0, &self.networkid.0, self.ipaddress).await?;
        views::one(views::vm::of(call, vec![vm]).await?)
    }
}

/// Disconnects a VM from a network; not in a basic zone.
#[derive(Command)]
#[command(
    name = "removeNicFromVirtualMachine",
    roles = "all",
    since = "4.1",
    answer = "virtualmachine",
    view = views::vm::Vm,
    event = "NIC.DELETE",
    job = "removing a NIC from a VM",
    on = "virtualmachineid"
)]
pub struct RemoveNic {
    /// the ID of the NIC
    nicid: Ref<store::Nic>,
    /// the ID of the VM
    virtualmachineid: Owned<store::Vm>,
}
impl Run for RemoveNic {
    async fn run(self, call: &Call) -> Result<Answer> {
        let vm = call.nic_remove(call, &self.virtualmachineid.0, &self.nicid.0).await?;
        views::one(views::vm::of(call, vec![vm]).await?)
    }
}

/// Makes another NIC of a VM its default one; not in a basic zone.
#[derive(Command)]
#[command(
    name = "updateDefaultNicForVirtualMachine",
    roles = "all",
    since = "4.1",
    answer = "virtualmachine",
    view = views::vm::Vm,
    event = "NIC.UPDATE",
    job = "changing the default NIC of a VM",
    on = "virtualmachineid"
)]
pub struct DefaultNic {
    /// the ID of the NIC
    nicid: Ref<store::Nic>,
    /// the ID of the VM
    virtualmachineid: Owned<store::Vm>,
}
impl Run for DefaultNic {
    async fn run(self, call: &Call) -> Result<Answer> {
        let vm = call.nic_make_default(&self.virtualmachineid.0, &self.nicid.0).await?;
        views::one(views::vm::of(call, vec![vm]).await?)
    }
}

/// Lists the hosts that a running VM could move to, and those of its cluster that it could not.
#[derive(Command)]
#[command(name = "findHostsForMigration", roles = "admin", since = "4.2", answer = "host", view = views::host::HostForMigration)]
pub struct FindHosts {
    /// the ID of the VM
    virtualmachineid: Owned<store::Vm>,
    #[param(flatten)]
    page: Paging,
}
impl Run for FindHosts {
    async fn run(self, call: &Call) -> Result<Answer> {
        let (first, most) = self.page.range(call)?;
        let mut found = call.vm_migration_hosts(&self.virtualmachineid.0).await?;
        if let Some(k) = self.page.keyword.map(|k| k.to_lowercase()) {
            found.retain(|(h, _)| h.name.to_lowercase().contains(&k));
        }
        let count = found.len() as i64;
        let (from, upto) = (usize::try_from(first).unwrap_or(usize::MAX), usize::try_from(most).unwrap_or(usize::MAX));
        let (rows, fits): (Vec<_>, Vec<bool>) = found.into_iter().skip(from).take(upto).unzip();
        let page = views::host::of(call, rows, views::host::Groups::ALL).await?;
        let shown = page.into_iter().zip(fits).map(|(mut host, fits)| {
            (host.suitableformigration, host.hasenoughcapacity) = (Some(fits), Some(fits));
            views::host::HostForMigration { host, requires_storage_motion: false }
        });
        Ok(Answer::list(count, shown.collect()))
    }
}

/// Gives back places on hosts that no VM uses.
#[derive(Command)]
#[command(
    name = "cleanVMReservations",
    roles = "admin",
    since = "4.2",
    event = "VM.RESERVATION.CLEANUP",
    job = "cleaning reservations of VMs",
    wrapper = "cleanvmreservationresponse"
)]
pub struct CleanReservations {}
impl Run for CleanReservations {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.placements_clean().await?;
        Ok(Answer::success())
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<ResetPassword>();
    r.add::<GetPassword>();
    r.add::<ResetSshKey>();
    r.add::<ChangeService>();
    r.add::<Scale>();
    r.add::<Assign>();
    r.add::<Restore>();
    r.add::<Migrate>();
    r.add::<MigrateWithVolume>();
    r.add::<FindHosts>();
    r.add::<AddNic>();
    r.add::<RemoveNic>();
    r.add::<DefaultNic>();
    r.add::<CleanReservations>();
}
