//! Moving a running VM to another host (VM-20). It has a place on both until it has arrived.
use crate::allocators::UP_TO;
use crate::group_push::Members;
use crate::saga::Saga;
use crate::vm::wrong_state;
use crate::vm_size::Size;
use crate::vm_start::{amount, from_driver};
use crate::{Amount, Call, Engine, saga};
use serde::{Deserialize, Serialize};
use stratus_drivers::{PowerState, StopMode, VmSpec};
use stratus_model::{Error, Result, VmEvent, VmState};
use stratus_store::{Host, HostCapacity, Placement, Query, ServiceOffering, Vm};

static MIGRATE_VM: Saga<MigrateVm> =
    saga!("vm-migrate": begin undo put_back, take_place undo leave_place, move_guest undo move_back, settle);

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct MigrateVm {
    pub vm: i64,
    /// The host that an administrator chose.
    wanted: Option<i64>,
    /// What it is to have there.
    amount: Amount,
    /// What it has while it moves, when that is not what its row says.
    size: Option<Size>,
    pub from: Option<i64>,
    pub to: Option<i64>,
    /// Its disks go along, so that they bind it to no cluster.
    #[serde(default)]
    with_disks: bool,
}

impl MigrateVm {
    fn new(vm: &Vm, wanted: Option<i64>, amount: Amount, size: Option<Size>) -> Self {
        Self { vm: vm.id, wanted, amount, size, from: None, to: None, with_disks: false }
    }
    /// To this host, with disks that go to other pools.
    pub fn with_disks(vm: &Vm, to: i64) -> Self {
        Self { with_disks: true, ..Self::new(vm, Some(to), amount(vm), None) }
    }
}

impl Engine {
    /// Moves a running VM to a host, or to any that fits it.
    pub async fn vm_migrate(&self, call: &Call, vm: &Vm, to: Option<i64>) -> Result<Vm> {
        let plan = MigrateVm::new(vm, to, amount(vm), None);
        MIGRATE_VM.run(call, 0, plan).await?;
        self.db.must(vm.id).await
    }

    /// Moves a running VM to a host that has room for more than it has now.
    pub(crate) async fn vm_migrate_to_grow(&self, call: &Call, vm: &Vm, amount: Amount, size: Size) -> Result<()> {
        let plan = MigrateVm::new(vm, None, amount, Some(size));
        MIGRATE_VM.run(call, 1, plan).await.map(drop)
    }

    /// Hosts that a running VM could move to, and of its cluster's others those that have no room.
    pub async fn vm_migration_hosts(&self, vm: &Vm) -> Result<Vec<(Host, bool)>> {
        if vm.vm_state() != VmState::Running {
            return Err(wrong_state(vm, "only a running virtual machine is moved to another host"));
        }
        let hosts = self.db.find::<Host>(Query::live().eq_opt("cluster_id", vm.cluster_id).eq("host_type", "Routing")).await?;
        let room = self.db.find::<HostCapacity>(Query::all().within("host_id", hosts.iter().map(|h| h.id))).await?;
        let taken = self.affinity_avoid(vm.id).await?;
        let barred = self.barred_for(vm).await?;
        let pinned = self.host_of_disks(vm.id).await?.is_some();
        let need = amount(vm);
        let fits = |h: &Host| {
            let guest = |c: &HostCapacity| c.max_guests == 0 || c.guests < c.max_guests;
            let free = |c: &HostCapacity| guest(c) && c.cpu_total - c.cpu_used >= need.cpu && c.memory_total - c.memory_used >= need.memory;
            !pinned && room.iter().any(|c| c.host_id == h.id && c.open && free(c)) && !taken.contains(&h.id) && !barred.has(h)
        };
        Ok(hosts.into_iter().filter(|h| Some(h.id) != vm.host_id).map(|h| (h.clone(), fits(&h))).collect())
    }

    /// Takes a second place for a VM that migrates; false when the host has no room or another VM of one of its groups is there.
    async fn place_second(&self, vm: &Vm, host: &Host, amount: Amount) -> Result<bool> {
        let (vm, host, now) = (vm.id, host.id, self.clock.now());
        let outcome = self
            .db
            .write(move |tx| {
                Box::pin(async move {
                    if tx.count::<Placement>(Query::all().eq("vm_id", vm).eq("host_id", host)).await? > 0 {
                        return Ok(true);
                    }
                    if !crate::capacity::host_take(tx, host, amount).await? {
                        return Ok(false);
                    }
                    let mut p =
                        Placement { vm_id: vm, host_id: host, cpu: amount.cpu, memory: amount.memory, created: now, ..Default::default() };
                    tx.insert(&mut p).await?;
                    crate::affinity::hosts_take(tx, vm, host).await?;
                    Ok(true)
                })
            })
            .await;
        crate::affinity::taken_is_no_room(outcome)
    }
}

pub(crate) async fn begin(call: &Call, plan: &mut MigrateVm) -> Result<()> {
    let vm = call.db.must::<Vm>(plan.vm).await?;
    plan.from = vm.host_id;
    if vm.vm_state() == VmState::Migrating {
        return Ok(());
    }
    if let Some(to) = plan.wanted {
        let host = call.db.must::<Host>(to).await?;
        let refuse = |why: &str| Error::invalid("hostid", format!("host {} {why}", host.name));
        if vm.host_id == Some(to) {
            return Err(refuse("is where the virtual machine runs already"));
        }
        if host.hypervisor != vm.hypervisor
            || !plan.with_disks && vm.cluster_id.is_some_and(|c| c != host.cluster_id) && call.bound_to_cluster(&vm).await?
        {
            return Err(refuse("does not reach the disks of the virtual machine: it is in another cluster"));
        }
        if !plan.with_disks && call.host_of_disks(vm.id).await?.is_some() {
            return Err(refuse("does not reach the disks of the virtual machine: they are on the local storage of another host"));
        }
        if host.state != "Up" || host.resource_state != "Enabled" {
            return Err(refuse(&format!("is {} and {}", host.state, host.resource_state)));
        }
    }
    call.vm_move(plan.vm, VmEvent::MigrateRequested, "only a running virtual machine is moved to another host", Vec::new()).await.map(drop)
}

pub(crate) async fn put_back(call: &Call, plan: &mut MigrateVm) -> Result<()> {
    if call.db.must::<Vm>(plan.vm).await?.vm_state() != VmState::Migrating {
        return Ok(());
    }
    call.vm_move(plan.vm, VmEvent::OperationFailed, "it was not migrating", Vec::new()).await.map(drop)
}

pub(crate) async fn take_place(call: &Call, plan: &mut MigrateVm) -> Result<()> {
    let vm = call.db.must::<Vm>(plan.vm).await?;
    if let Some(mine) = call.db.find_one::<Placement>(Query::all().eq("vm_id", vm.id).ne("host_id", plan.from.unwrap_or(0))).await? {
        plan.to = Some(mine.host_id);
        return Ok(());
    }
    let offering = call.db.must::<ServiceOffering>(vm.service_offering_id).await?;
    let mut demand = call.demand(&vm, plan.wanted, Vec::new(), &offering);
    demand.amount = plan.amount;
    if !plan.with_disks {
        call.bind(&vm, &mut demand).await?;
    }
    demand.avoid.extend(plan.from);
    let told = demand.clone();
    for _ in 0..UP_TO {
        let found = call.place_candidates(&demand, &offering).await?;
        if found.is_empty() {
            break;
        }
        for host in found {
            if call.place_second(&vm, &host, plan.amount).await? {
                plan.to = Some(host.id);
                return Ok(());
            }
            demand.avoid.push(host.id);
        }
    }
    Err(call.no_host(call, &vm, &told).await?)
}

pub(crate) async fn leave_place(call: &Call, plan: &mut MigrateVm) -> Result<()> {
    let (vm, from) = (plan.vm, plan.from.unwrap_or(0));
    call.db
        .write(move |tx| {
            Box::pin(async move {
                for p in tx.find::<Placement>(Query::all().eq("vm_id", vm).ne("host_id", from)).await? {
                    crate::capacity::leave(tx, &p).await?;
                }
                Ok(())
            })
        })
        .await
}

/// When the answer is an error, where the guest is decides: a lost answer is not a failed migration.
async fn move_guest(call: &Call, plan: &mut MigrateVm) -> Result<()> {
    carry(call, plan, plan.from, plan.to).await
}

async fn move_back(call: &Call, plan: &mut MigrateVm) -> Result<()> {
    let vm = call.db.must::<Vm>(plan.vm).await?;
    match runs_on(call, &vm, plan.to).await {
        Some(false) => unexpect(call, &vm, plan.to).await,
        _ => carry(call, plan, plan.to, plan.from).await,
    }
}

async fn carry(call: &Call, plan: &MigrateVm, from: Option<i64>, to: Option<i64>) -> Result<()> {
    let vm = call.db.must::<Vm>(plan.vm).await?;
    let (driver, here) = call.host_of_vm(from).await?;
    let (_, there) = call.host_of_vm(to).await?;
    let mut spec: VmSpec = call.vm_spec(&vm).await?;
    if let Some(s) = plan.size {
        (spec.cpus, spec.cpu_mhz, spec.memory_mb) = (s.cpus as u32, s.mhz as u32, s.memory_mb as u64);
    }
    call.group_rules_ahead(&vm, &there, Members::All).await?;
    match driver.migrate(&here.uuid, &there.uuid, &spec).await {
        Ok(_) => Ok(()),
        Err(_) if runs_on(call, &vm, to).await == Some(true) => Ok(()),
        Err(e) => Err(from_driver(e)),
    }
}

/// Takes back what went ahead of a guest to a host where it did not arrive: there, stopping it is only that.
pub(crate) async fn unexpect(call: &Call, vm: &Vm, host: Option<i64>) -> Result<()> {
    let (driver, host) = call.host_of_vm(host).await?;
    driver.stop(&host.uuid, &vm.instance_name, StopMode::Forced).await.map_err(from_driver)
}

/// Whether a host runs a VM; nothing when it does not say.
pub(crate) async fn runs_on(call: &Call, vm: &Vm, host: Option<i64>) -> Option<bool> {
    let (driver, host) = call.host_of_vm(host).await.ok()?;
    let vms = driver.list(&host.uuid).await.ok()?;
    Some(vms.iter().any(|r| r.name == vm.instance_name && r.state == PowerState::On))
}

pub(crate) async fn settle(call: &Call, plan: &mut MigrateVm) -> Result<()> {
    let plan = plan.clone();
    let vm = call
        .db
        .write(move |tx| {
            Box::pin(async move {
                let vm = tx.must::<Vm>(plan.vm).await?;
                if vm.vm_state() == VmState::Running {
                    return Ok(vm);
                }
                let to = vm.vm_state().on(VmEvent::OperationSucceeded).ok_or_else(|| wrong_state(&vm, "it was not migrating"))?;
                let host = tx.must::<Host>(plan.to.ok_or_else(|| Error::internal("a migration to nowhere"))?).await?;
                for p in tx.find::<Placement>(Query::all().eq("vm_id", vm.id).ne("host_id", host.id)).await? {
                    crate::capacity::leave(tx, &p).await?;
                }
                let set = vec![
                    ("host_id", host.id.into()),
                    ("last_host_id", plan.from.into()),
                    ("pod_id", host.pod_id.into()),
                    ("cluster_id", host.cluster_id.into()),
                ];
                tx.advance::<Vm>(vm.id, &vm.state, vm.update_count, to.word(), set).await?;
                tx.must::<Vm>(vm.id).await
            })
        })
        .await?;
    // What changed on the way went to the host that it came from. That is repeated, not a reason to move back.
    if let Err(e) = call.group_rules_apply(&vm).await {
        tracing::warn!(vm = vm.id, error = %e, "security group rules were not applied");
    }
    Ok(())
}
