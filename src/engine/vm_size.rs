//! Another service offering for a VM: a stopped one takes any, a running one only grows (VM-14).
use crate::allocators::tags;
use crate::saga::Saga;
use crate::vm::{counted, topic, usage, wrong_state};
use crate::vm_start::from_driver;
use crate::{Amount, Call, Engine, saga};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use stratus_model::{Error, Kind, Limit, Result, VmState};
use stratus_store::{Placement, Query, ServiceOffering, Value, Vm};

/// CPUs, MHz of each and MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Size {
    pub cpus: i64,
    pub mhz: i64,
    pub memory_mb: i64,
}

impl Size {
    /// What a VM has.
    pub fn of(vm: &Vm) -> Self {
        Self { cpus: vm.cpus, mhz: vm.cpu_mhz, memory_mb: vm.memory_mb }
    }
    /// What a service offering gives; the numbers that it leaves open stand in the details.
    pub fn offered(offering: &ServiceOffering, details: &BTreeMap<String, String>) -> Result<Self> {
        let number = |fixed: Option<i64>, key: &str| match (fixed, details.get(key)) {
            (Some(n), None) => Ok(n),
            (Some(_), Some(_)) => Err(Error::invalid("details", format!("{key} is fixed by the service offering"))),
            (None, Some(t)) => t
                .trim()
                .parse()
                .ok()
                .filter(|n| (1..=1 << 24).contains(n))
                .ok_or_else(|| Error::invalid("details", format!("{key} must be a positive number"))),
            (None, None) => Err(Error::invalid("details", format!("a customised service offering needs details[0].{key}"))),
        };
        Ok(Self {
            cpus: number(offering.cpus, "cpuNumber")?,
            mhz: number(offering.cpu_mhz, "cpuSpeed")?,
            memory_mb: number(offering.memory_mb, "memory")?,
        })
    }
    fn amount(self) -> Amount {
        Amount { cpu: self.cpus * self.mhz, memory: self.memory_mb << 20 }
    }
}

static SCALE_VM: Saga<ScaleVm> = saga!("vm-scale": check, take undo give_back, find_room undo leave_room, grow, settle);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct ScaleVm {
    vm: i64,
    offering: i64,
    size: Size,
    before: Size,
    details: BTreeMap<String, String>,
}

impl Engine {
    /// What both ways ask of a new offering: visible, not a system one, and the same kind of storage with at least the same tags.
    async fn offering_fits(&self, call: &Call, vm: &Vm, to: &ServiceOffering, size: Size) -> Result<()> {
        if to.is_system || to.removed.is_some() || !self.offering_visible(call, to).await? {
            return Err(Error::not_found(Kind::ServiceOffering, &to.uuid));
        }
        let from = self.db.must::<ServiceOffering>(vm.service_offering_id).await?;
        if from.id == to.id && Size::of(vm) == size {
            return Err(Error::invalid("serviceofferingid", format!("the virtual machine has the service offering {} already", to.name)));
        }
        if from.storage_type != to.storage_type {
            return Err(Error::invalid(
                "serviceofferingid",
                format!("its root disk is on {} storage, the offering is for {}", from.storage_type, to.storage_type),
            ));
        }
        let (have, want) = (tags(from.tags.as_deref()), tags(to.tags.as_deref()));
        match have.iter().find(|t| !want.contains(t)) {
            Some(t) => {
                Err(Error::invalid("serviceofferingid", format!("the offering lacks the storage tag {t} that the root disk lies by")))
            }
            None => Ok(()),
        }
    }

    /// Refuses an offering that a stopped VM cannot take.
    async fn vm_resizable(&self, call: &Call, vm: &Vm, to: &ServiceOffering, details: &BTreeMap<String, String>) -> Result<Size> {
        let size = Size::offered(to, details)?;
        self.offering_fits(call, vm, to, size).await?;
        self.no_vm_snapshots(vm, "serviceofferingid").await?;
        Ok(size)
    }

    /// Gives a stopped VM another service offering.
    pub async fn vm_change_service(&self, call: &Call, vm: Vm, to: ServiceOffering, details: &BTreeMap<String, String>) -> Result<Vm> {
        if vm.vm_state() != VmState::Stopped {
            return Err(wrong_state(&vm, "its service offering is changed while it is stopped; a running one is scaled"));
        }
        let size = self.vm_resizable(call, &vm, &to, details).await?;
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let row = tx.must::<Vm>(vm.id).await?;
                    call.give_back(tx, row.account_id, &counted(&row)[1..]).await?;
                    call.take(tx, row.account_id, &[(Limit::Cpu, size.cpus), (Limit::Memory, size.memory_mb)]).await?;
                    tx.advance::<Vm>(row.id, &vm.state, vm.update_count, &vm.state, columns(&to, size)).await?;
                    let row = tx.must::<Vm>(row.id).await?;
                    usage(tx, &call, "VM.UPGRADE", &row, row.id, Some(&row.name), Some(to.id), Some(row.template_id), None).await?;
                    call.log(tx, topic(&row), format!("VM {} has the service offering {}", row.uuid, to.name)).await?;
                    Ok(row)
                })
            })
            .await
    }

    /// Refuses an offering that a running VM cannot grow into.
    pub async fn vm_scalable(&self, call: &Call, vm: &Vm, to: &ServiceOffering, details: &BTreeMap<String, String>) -> Result<()> {
        if vm.vm_state() == VmState::Stopped {
            return self.vm_resizable(call, vm, to, details).await.map(drop);
        }
        if vm.vm_state() != VmState::Running {
            return Err(wrong_state(vm, "a virtual machine is scaled while it runs or is stopped"));
        }
        if self.settings.scoped("enable.dynamic.scale.vm", "zone", vm.zone_id).as_deref() != Some("true") {
            return Err(Error::Denied(
                "Scaling of running virtual machines is off here (enable.dynamic.scale.vm); stop it and change its offering".into(),
            ));
        }
        if !vm.dynamically_scalable {
            return Err(Error::invalid("id", "the virtual machine is not dynamically scalable"));
        }
        let (size, now) = (Size::offered(to, details)?, Size::of(vm));
        self.offering_fits(call, vm, to, size).await?;
        if size.cpus < now.cpus || size.mhz < now.mhz || size.memory_mb < now.memory_mb {
            return Err(Error::invalid(
                "serviceofferingid",
                "a running virtual machine only grows: the offering has less CPU or memory than it has",
            ));
        }
        Ok(())
    }

    /// Gives a VM another service offering while it runs; a stopped one as [`Engine::vm_change_service`] does.
    pub async fn vm_scale(&self, call: &Call, vm: Vm, to: ServiceOffering, details: &BTreeMap<String, String>) -> Result<Vm> {
        if vm.vm_state() == VmState::Stopped {
            return self.vm_change_service(call, vm, to, details).await;
        }
        let (size, before) = (Size::offered(&to, details)?, Size::of(&vm));
        let details = details.clone();
        SCALE_VM.run(call, 0, ScaleVm { vm: vm.id, offering: to.id, size, before, details }).await?;
        self.db.must(vm.id).await
    }
}

fn columns(to: &ServiceOffering, size: Size) -> Vec<(&'static str, Value)> {
    vec![
        ("service_offering_id", to.id.into()),
        ("cpus", size.cpus.into()),
        ("cpu_mhz", size.mhz.into()),
        ("memory_mb", size.memory_mb.into()),
        ("ha_enabled", crate::service_offering::offers_ha(to).into()),
    ]
}

async fn check(call: &Call, plan: &mut ScaleVm) -> Result<()> {
    let (vm, to) = (call.db.must::<Vm>(plan.vm).await?, call.db.must::<ServiceOffering>(plan.offering).await?);
    call.vm_scalable(call, &vm, &to, &plan.details).await
}

/// Limits and the row's numbers move together, so that counts are right whenever they are looked at.
async fn take(call: &Call, plan: &mut ScaleVm) -> Result<()> {
    resize_row(call, plan.vm, plan.size).await
}

async fn give_back(call: &Call, plan: &mut ScaleVm) -> Result<()> {
    resize_row(call, plan.vm, plan.before).await
}

async fn resize_row(call: &Call, vm: i64, to: Size) -> Result<()> {
    let inner = call.clone();
    call.db
        .write(move |tx| {
            Box::pin(async move {
                let row = tx.must::<Vm>(vm).await?;
                if Size::of(&row) == to {
                    return Ok(());
                }
                inner.give_back(tx, row.account_id, &counted(&row)[1..]).await?;
                inner.take(tx, row.account_id, &[(Limit::Cpu, to.cpus), (Limit::Memory, to.memory_mb)]).await?;
                let set = vec![("cpus", to.cpus.into()), ("cpu_mhz", to.mhz.into()), ("memory_mb", to.memory_mb.into())];
                tx.set::<Vm>(vm, set).await.map(drop)
            })
        })
        .await
}

/// Room on the VM's own host; where there is none it moves to one that has it.
async fn find_room(call: &Call, plan: &mut ScaleVm) -> Result<()> {
    let want = plan.size.amount();
    if placement_grow(call, plan.vm, want).await? {
        return Ok(());
    }
    let vm = call.db.must::<Vm>(plan.vm).await?;
    call.vm_migrate_to_grow(call, &vm, want, plan.before).await
}

async fn leave_room(call: &Call, plan: &mut ScaleVm) -> Result<()> {
    placement_grow(call, plan.vm, plan.before.amount()).await.map(drop)
}

/// Makes a VM's place on its host that large; false when the host has no room for it.
async fn placement_grow(call: &Call, vm: i64, to: Amount) -> Result<bool> {
    call.db
        .write(move |tx| {
            Box::pin(async move {
                let Some(p) = tx.find_one::<Placement>(Query::all().eq("vm_id", vm)).await? else {
                    return Err(Error::internal(format!("vm {vm} runs and has no place")));
                };
                let (cpu, memory) = (to.cpu - p.cpu, to.memory - p.memory);
                if (cpu, memory) == (0, 0) {
                    return Ok(true);
                }
                let fits = tx
                    .execute(
                        stratus_store::sql!(
                            "update host_capacity set cpu_used = cpu_used + ?, memory_used = memory_used + ?, update_count = update_count + 1 \
                             where host_id = ? and cpu_used + ? <= cpu_total and memory_used + ? <= memory_total"
                        ),
                        vec![cpu.into(), memory.into(), p.host_id.into(), cpu.into(), memory.into()],
                    )
                    .await?;
                if fits == 0 {
                    return Ok(false);
                }
                tx.set::<Placement>(p.id, vec![("cpu", to.cpu.into()), ("memory", to.memory.into())]).await?;
                Ok(true)
            })
        })
        .await
}

async fn grow(call: &Call, plan: &mut ScaleVm) -> Result<()> {
    let vm = call.db.must::<Vm>(plan.vm).await?;
    let (driver, host) = call.host_of_vm(vm.host_id).await?;
    driver.scale(&host.uuid, &call.vm_spec(&vm).await?).await.map_err(from_driver)
}

async fn settle(call: &Call, plan: &mut ScaleVm) -> Result<()> {
    let (inner, plan) = (call.clone(), plan.clone());
    call.db
        .write(move |tx| {
            Box::pin(async move {
                let to = tx.must::<ServiceOffering>(plan.offering).await?;
                tx.set::<Vm>(plan.vm, columns(&to, plan.size)).await?;
                let row = tx.must::<Vm>(plan.vm).await?;
                usage(tx, &inner, "VM.DYNAMIC.SCALE", &row, row.id, Some(&row.name), Some(to.id), Some(row.template_id), None).await
            })
        })
        .await
}
