//! A VM made anew: its root disk is thrown away and copied once more from a template (VM-18). Data disks, addresses and names stay.
use crate::saga::Saga;
use crate::template_fetch::DOWNLOADED;
use crate::vm::wrong_state;
use crate::{Call, Engine, saga};
use serde::{Deserialize, Serialize};
use stratus_drivers::StopMode;
use stratus_model::{Error, Kind, Limit, Result, VmState};
use stratus_store::{Query, Template, TemplateStore, Value, Vm, Volume};
use uuid::Uuid;

static RESTORE_VM: Saga<RestoreVm> = saga!("vm-restore": begin, stop undo start_again, swap undo swap_back, erase_old, start);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct RestoreVm {
    vm: i64,
    /// The template that was asked for.
    template: Option<i64>,
    running: bool,
    host: Option<i64>,
    /// The template before, to go back to.
    before: i64,
    old: Option<i64>,
    new: Option<i64>,
}

impl Engine {
    /// Makes a VM's root disk anew and starts the VM again if it ran; with it the new password, where the template sets one.
    pub async fn vm_restore(&self, call: &Call, vm: &Vm, template: Option<Template>) -> Result<(Vm, Option<String>)> {
        let plan = RestoreVm {
            vm: vm.id,
            template: template.map(|t| t.id),
            running: false,
            host: None,
            before: vm.template_id,
            old: None,
            new: None,
        };
        RESTORE_VM.run(call, 0, plan).await?;
        let vm = self.db.must::<Vm>(vm.id).await?;
        let password = self.password_waiting(&vm)?;
        Ok((vm, password))
    }
}

async fn begin(call: &Call, plan: &mut RestoreVm) -> Result<()> {
    let vm = call.db.must::<Vm>(plan.vm).await?;
    if !matches!(vm.vm_state(), VmState::Running | VmState::Stopped) {
        return Err(wrong_state(&vm, "it is restored while it runs or is stopped"));
    }
    call.no_vm_snapshots(&vm, "virtualmachineid").await?;
    let template = call.db.must::<Template>(plan.template.unwrap_or(vm.template_id)).await?;
    let at = Query::live().eq("template_id", template.id).eq("zone_id", vm.zone_id).eq("state", DOWNLOADED);
    if plan.template.is_some() {
        call.template_usable(call, &template, vm.zone_id).await?;
        if template.is_iso || template.hypervisor.as_ref().is_some_and(|h| *h != vm.hypervisor) {
            return Err(Error::invalid("templateid", format!("a virtual machine of {} is restored from a template for it", vm.hypervisor)));
        }
    } else if call.db.count::<TemplateStore>(at).await? == 0 {
        return Err(Error::State {
            kind: Kind::Template,
            id: template.uuid,
            state: "gone from this zone".into(),
            why: "name another one by templateid".into(),
        });
    }
    let root = Query::live().eq("vm_id", vm.id).eq("volume_type", "ROOT");
    let root = call.db.find_one::<Volume>(root).await?.ok_or_else(|| Error::internal("a VM without root disk"))?;
    (plan.running, plan.host, plan.before, plan.old) = (vm.vm_state() == VmState::Running, vm.host_id, vm.template_id, Some(root.id));
    Ok(())
}

async fn stop(call: &Call, plan: &mut RestoreVm) -> Result<()> {
    call.vm_stop(call, plan.vm, StopMode::Graceful).await.map(drop)
}

async fn start_again(call: &Call, plan: &mut RestoreVm) -> Result<()> {
    match plan.running {
        true => call.vm_start(call, plan.vm, None).await.map(drop),
        false => Ok(()),
    }
}

/// The new disk takes the old one's place in one transaction; it gets its bytes when the VM starts.
async fn swap(call: &Call, plan: &mut RestoreVm) -> Result<()> {
    let (inner, p) = (call.clone(), plan.clone());
    let new = call
        .db
        .write(move |tx| {
            Box::pin(async move {
                let old = tx.must::<Volume>(p.old.unwrap_or(0)).await?;
                let there = Query::live().eq("vm_id", p.vm).eq("volume_type", "ROOT");
                if let Some(done) = tx.find_one::<Volume>(there).await?.filter(|v| v.id != old.id) {
                    return Ok(done.id);
                }
                let template = tx.must::<Template>(p.template.unwrap_or(p.before)).await?;
                let bytes = if template.is_iso || template.size_bytes == 0 { old.size_bytes } else { template.size_bytes };
                inner.take(tx, old.account_id, &[(Limit::Volume, 1), (Limit::PrimaryStorage, bytes)]).await?;
                let mut new = Volume {
                    id: 0,
                    uuid: Uuid::new_v4().to_string(),
                    size_bytes: bytes,
                    template_id: (!template.is_iso).then_some(template.id),
                    pool_id: None,
                    path: None,
                    state: "Allocated".into(),
                    attached: Some(inner.now()),
                    created: inner.now(),
                    update_count: 0,
                    ..old.clone()
                };
                tx.insert(&mut new).await?;
                let set = vec![("vm_id", Value::Null), ("device_id", Value::Null), ("attached", Value::Null), ("state", "Destroy".into())];
                tx.set::<Volume>(old.id, set).await?;
                let vm = tx.must::<Vm>(p.vm).await?;
                let mut set = vec![("template_id", template.id.into()), ("os_type_id", template.os_type_id.into())];
                if template.password_enabled {
                    set.extend(inner.password_new(vm.ssh_public_key.as_deref())?.set());
                }
                tx.set::<Vm>(p.vm, set).await?;
                Ok(new.id)
            })
        })
        .await?;
    plan.new = Some(new);
    Ok(())
}

async fn swap_back(call: &Call, plan: &mut RestoreVm) -> Result<()> {
    let (inner, p) = (call.clone(), plan.clone());
    call.db
        .write(move |tx| {
            Box::pin(async move {
                let old = tx.must::<Volume>(p.old.unwrap_or(0)).await?;
                // Once the old disk is gone there is no way back: the VM keeps the new one.
                if old.removed.is_some() || old.vm_id.is_some() || old.state != "Destroy" {
                    return Ok(());
                }
                let new = Query::live().eq("vm_id", p.vm).eq("volume_type", "ROOT").ne("id", old.id);
                if let Some(new) = tx.find_one::<Volume>(new).await? {
                    tx.set::<Volume>(new.id, vec![("vm_id", Value::Null), ("device_id", Value::Null)]).await?;
                    tx.remove::<Volume>(new.id, inner.now()).await?;
                    inner.give_back(tx, new.account_id, &[(Limit::Volume, 1), (Limit::PrimaryStorage, new.size_bytes)]).await?;
                }
                let state = if old.pool_id.is_some() { "Ready" } else { "Allocated" };
                let set = vec![("vm_id", p.vm.into()), ("device_id", 0.into()), ("attached", inner.now().into()), ("state", state.into())];
                tx.set::<Volume>(old.id, set).await?;
                let template = tx.must::<Template>(p.before).await?;
                let set = vec![("template_id", template.id.into()), ("os_type_id", template.os_type_id.into())];
                tx.set::<Vm>(p.vm, set).await.map(drop)
            })
        })
        .await
}

async fn erase_old(call: &Call, plan: &mut RestoreVm) -> Result<()> {
    let old = call.db.must::<Volume>(plan.old.unwrap_or(0)).await?;
    if old.removed.is_some() {
        return Ok(());
    }
    call.volume_erase(call, old).await
}

async fn start(call: &Call, plan: &mut RestoreVm) -> Result<()> {
    match plan.running {
        true => call.vm_start(call, plan.vm, None).await.map(drop),
        false => Ok(()),
    }
}
