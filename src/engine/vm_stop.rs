//! Stopping and restarting a VM.
use crate::saga::Saga;
use crate::vm::{usage, wrong_state};
use crate::vm_start::from_driver;
use crate::{Call, Engine, saga};
use serde::{Deserialize, Serialize};
use stratus_drivers::StopMode;
use stratus_model::{Result, VmEvent, VmState};
use stratus_store::{Value, Vm};

static STOP_VM: Saga<StopVm> = saga!("vm-stop": begin undo put_back, power_off, release_nics, settle);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct StopVm {
    vm: i64,
    forced: bool,
}

impl Engine {
    /// Stops a VM in the call's job; one that is stopped already is left alone.
    pub async fn vm_stop(&self, call: &Call, id: i64, mode: StopMode) -> Result<Vm> {
        let vm = self.db.must::<Vm>(id).await?;
        self.ha_forget(call, id).await?;
        if vm.vm_state() == VmState::Stopped {
            return Ok(vm);
        }
        STOP_VM.run(call, 0, StopVm { vm: id, forced: mode == StopMode::Forced }).await?;
        self.db.must(id).await
    }

    /// Restarts a running VM in place.
    pub async fn vm_reboot(&self, id: i64) -> Result<Vm> {
        let vm = self.db.must::<Vm>(id).await?;
        if vm.vm_state() != VmState::Running {
            return Err(wrong_state(&vm, "only a running VM can be rebooted"));
        }
        let (driver, host) = self.host_of_vm(vm.host_id).await?;
        driver.reboot(&host.uuid, &vm.instance_name).await.map_err(from_driver)?;
        self.db.must(id).await
    }
}

async fn begin(call: &Call, plan: &mut StopVm) -> Result<()> {
    let vm = call.db.must::<Vm>(plan.vm).await?;
    if vm.vm_state() == VmState::Stopping {
        return Ok(());
    }
    call.vm_move(plan.vm, VmEvent::StopRequested, "it cannot be stopped from this state", Vec::new()).await.map(drop)
}

async fn put_back(call: &Call, plan: &mut StopVm) -> Result<()> {
    let vm = call.db.must::<Vm>(plan.vm).await?;
    if vm.vm_state() != VmState::Stopping {
        return Ok(());
    }
    call.vm_move(plan.vm, VmEvent::OperationFailed, "it was not stopping", Vec::new()).await.map(drop)
}

async fn power_off(call: &Call, plan: &mut StopVm) -> Result<()> {
    let vm = call.db.must::<Vm>(plan.vm).await?;
    if vm.host_id.is_none() {
        return Ok(());
    }
    let (driver, host) = call.host_of_vm(vm.host_id).await?;
    let mode = StopMode::forced(Some(plan.forced));
    match driver.stop(&host.uuid, &vm.instance_name, mode).await {
        // Forced: a silent host does not keep the VM; its report is reconciled when it comes back.
        Err(e) if plan.forced => {
            tracing::warn!(vm = vm.id, host = host.id, error = %e, "stopped by force without the host's word");
            Ok(())
        }
        other => other.map_err(from_driver),
    }
}

async fn release_nics(call: &Call, plan: &mut StopVm) -> Result<()> {
    match call.nics_release(plan.vm).await {
        Err(e) if plan.forced => {
            tracing::warn!(vm = plan.vm, error = %e, "network elements did not answer");
            Ok(())
        }
        other => other,
    }
}

async fn settle(call: &Call, plan: &mut StopVm) -> Result<()> {
    let (inner, id) = (call.clone(), plan.vm);
    call.db
        .write(move |tx| {
            Box::pin(async move {
                let vm = tx.must::<Vm>(id).await?;
                if vm.vm_state() == VmState::Stopped {
                    return Ok(());
                }
                let to = vm.vm_state().on(VmEvent::OperationSucceeded).ok_or_else(|| wrong_state(&vm, "it was not stopping"))?;
                let set = vec![("last_host_id", vm.host_id.into()), ("host_id", Value::Null)];
                tx.advance::<Vm>(id, &vm.state, vm.update_count, to.word(), set).await?;
                inner.unplace(tx, id).await?;
                usage(tx, &inner, "VM.STOP", &vm, vm.id, Some(&vm.name), Some(vm.service_offering_id), Some(vm.template_id), None).await
            })
        })
        .await
}
