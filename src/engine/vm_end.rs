//! The end of a VM: destroyed (it can be recovered) and expunged (it is gone).
use crate::saga::Saga;
use crate::vm::{counted, usage, wrong_state};
use crate::{Call, Engine, saga};
use serde::{Deserialize, Serialize};
use stratus_drivers::StopMode;
use stratus_model::{Error, Kind, Limit, Result, VmEvent, VmState};
use stratus_store::{Job, Nic, Query, SnapshotPolicy, StoragePool, Value, Vm, Volume};

static EXPUNGE_VM: Saga<ExpungeVm> =
    saga!("vm-expunge": begin, release_nics, release_addresses, end_snapshots, delete_root_disk, detach_data_disks, leave, settle);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct ExpungeVm {
    vm: i64,
}

impl Engine {
    /// Destroys a VM: stopped if it runs, then kept for `expunge.delay` seconds in which it can be recovered.
    pub async fn vm_destroy(&self, call: &Call, id: i64) -> Result<Vm> {
        let vm = self.db.must::<Vm>(id).await?;
        match vm.vm_state() {
            VmState::Destroyed | VmState::Expunging => return Ok(vm),
            VmState::Running | VmState::Unknown | VmState::Stopping => drop(self.vm_stop(call, id, StopMode::Forced).await?),
            _ => {}
        }
        let inner = call.clone();
        let (vm, networks) = self
            .db
            .write(move |tx| {
                Box::pin(async move {
                    let vm = tx.must::<Vm>(id).await?;
                    let to = vm.vm_state().on(VmEvent::DestroyRequested);
                    let to = to.ok_or_else(|| wrong_state(&vm, "it cannot be destroyed from this state"))?;
                    // A VM in Error counts for nothing any more.
                    if vm.vm_state() != VmState::Error {
                        inner.give_back(tx, vm.account_id, &counted(&vm)).await?;
                    }
                    tx.advance::<Vm>(id, &vm.state, vm.update_count, to.word(), vec![("destroyed", inner.now().into())]).await?;
                    usage(tx, &inner, "VM.DESTROY", &vm, vm.id, Some(&vm.name), Some(vm.service_offering_id), Some(vm.template_id), None)
                        .await?;
                    let networks = inner.vm_nat_forget(tx, &inner, id).await?;
                    Ok((tx.must(id).await?, networks))
                })
            })
            .await?;
        for network in networks {
            self.public_apply_later(Some(network)).await;
        }
        Ok(vm)
    }

    /// Removes a destroyed VM with its root disk and addresses for good; data disks stay as volumes of their own.
    pub async fn vm_expunge(&self, call: &Call, id: i64) -> Result<()> {
        let vm = self.db.must::<Vm>(id).await?;
        if vm.removed.is_some() {
            return Ok(());
        }
        EXPUNGE_VM.run(call, 0, ExpungeVm { vm: id }).await.map(drop)
    }

    /// VMs whose time to be recovered is over, and those whose expunge failed on the way; not those that a job is at work on.
    pub async fn vms_due(&self) -> Result<Vec<Vm>> {
        let due = self.clock.now() - self.settings.number("expunge.delay").max(0) * 1_000_000;
        let over = Query::live().eq("state", VmState::Destroyed.word()).at_most("destroyed", due);
        let stuck = Query::live().eq("state", VmState::Expunging.word());
        let mut vms = self.db.find::<Vm>(over).await?;
        vms.extend(self.db.find::<Vm>(stuck).await?);
        let busy =
            Query::live().eq("status", 0).eq("instance_type", Kind::Vm.instance_type()).within("instance_id", vms.iter().map(|v| v.id));
        let busy: Vec<Option<i64>> = self.db.find::<Job>(busy).await?.into_iter().map(|j| j.instance_id).collect();
        vms.retain(|v| !busy.contains(&Some(v.id)));
        Ok(vms)
    }
}

async fn begin(call: &Call, plan: &mut ExpungeVm) -> Result<()> {
    call.vm_move(plan.vm, VmEvent::ExpungeRequested, "only a destroyed VM can be expunged", Vec::new()).await.map(drop)
}

async fn release_nics(call: &Call, plan: &mut ExpungeVm) -> Result<()> {
    call.nics_release(plan.vm).await
}

async fn release_addresses(call: &Call, plan: &mut ExpungeVm) -> Result<()> {
    let (inner, id) = (call.clone(), plan.vm);
    let networks = call
        .db
        .write(move |tx| {
            Box::pin(async move {
                let networks = inner.vm_nat_forget(tx, &inner, id).await?;
                for nic in tx.find::<Nic>(Query::live().eq("vm_id", id)).await? {
                    inner.address_give_back(tx, nic.id).await?;
                    tx.remove::<Nic>(nic.id, inner.now()).await?;
                }
                Ok(networks)
            })
        })
        .await?;
    for network in networks {
        call.public_apply_later(Some(network)).await;
    }
    Ok(())
}

async fn end_snapshots(call: &Call, plan: &mut ExpungeVm) -> Result<()> {
    call.vm_snapshots_end(call, plan.vm).await
}

async fn delete_root_disk(call: &Call, plan: &mut ExpungeVm) -> Result<()> {
    for volume in call.db.find::<Volume>(Query::live().eq("vm_id", plan.vm).eq("delete_with_vm", true)).await? {
        call.volume_erase(call, volume).await?;
    }
    Ok(())
}

async fn detach_data_disks(call: &Call, plan: &mut ExpungeVm) -> Result<()> {
    let id = plan.vm;
    call.db
        .write(move |tx| {
            Box::pin(async move {
                let set = vec![("vm_id", Value::Null), ("device_id", Value::Null), ("attached", Value::Null)];
                tx.update::<Volume>(Query::live().eq("vm_id", id), set).await.map(drop)
            })
        })
        .await
}

async fn leave(call: &Call, plan: &mut ExpungeVm) -> Result<()> {
    let (inner, id) = (call.clone(), plan.vm);
    let groups = call
        .db
        .write(move |tx| {
            Box::pin(async move {
                inner.tags_forget(tx, "UserVm", id).await?;
                let uuid = tx.must::<Vm>(id).await?.uuid;
                inner.ec2_attributes_forget(tx, "i", &uuid).await?;
                crate::affinity::forget(tx, id).await?;
                inner.groups_leave(tx, id).await
            })
        })
        .await?;
    call.group_members_changed(groups);
    Ok(())
}

async fn settle(call: &Call, plan: &mut ExpungeVm) -> Result<()> {
    let (now, id) = (call.now(), plan.vm);
    call.db.write(move |tx| Box::pin(async move { tx.remove::<Vm>(id, now).await.map(drop) })).await
}

impl Engine {
    /// Has a pool's copy of a volume's template go with the volume's disk, if nothing else needs it.
    pub(crate) async fn volume_left(&self, volume: &Volume, pool: i64) -> Result<()> {
        let Some(template) = volume.template_id.filter(|_| volume.hypervisor.as_deref().is_some_and(|h| self.drivers.agents(h).is_some()))
        else {
            return Ok(());
        };
        let pool = self.db.must::<StoragePool>(pool).await?;
        self.template_unneeded(template, Some(volume.zone_id), Some(&pool)).await
    }

    /// Deletes a volume's bytes, its place and its row.
    pub(crate) async fn volume_erase(&self, call: &Call, volume: Volume) -> Result<()> {
        if let Some(pool) = volume.pool_id {
            let (driver, disk) = self.volume_driver(&volume).await?;
            driver.delete(&disk).await.map_err(crate::vm_start::from_driver)?;
            self.volume_left(&volume, pool).await?;
        }
        self.upload_forget(call, &volume).await?;
        let inner = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let row = tx.must::<Volume>(volume.id).await?;
                    if row.removed.is_some() {
                        return Ok(());
                    }
                    if let Some(pool) = row.pool_id {
                        crate::capacity::pool_give_back(tx, pool, row.size_bytes).await?;
                    }
                    let now = inner.now();
                    let set =
                        vec![("state", "Expunged".into()), ("destroyed", now.into()), ("removed", now.into()), ("pool_id", Value::Null)];
                    if tx.update::<Volume>(Query::live().eq("id", row.id), set).await? != 1 {
                        return Err(Error::Raced(format!("volume {}", row.id)));
                    }
                    inner.tags_forget(tx, "Volume", row.id).await?;
                    inner.ec2_attributes_forget(tx, "vol", &row.uuid).await?;
                    tx.delete::<SnapshotPolicy>(Query::all().eq("volume_id", row.id)).await?;
                    inner.give_back(tx, row.account_id, &[(Limit::Volume, 1), (Limit::PrimaryStorage, row.size_bytes)]).await?;
                    let gone = Vm {
                        account_id: row.account_id,
                        domain_id: row.domain_id,
                        zone_id: row.zone_id,
                        hypervisor: row.hypervisor.clone().unwrap_or_default(),
                        ..Default::default()
                    };
                    usage(
                        tx,
                        &inner,
                        "VOLUME.DELETE",
                        &gone,
                        row.id,
                        Some(&row.name),
                        row.disk_offering_id,
                        row.template_id,
                        Some(row.size_bytes),
                    )
                    .await
                })
            })
            .await
    }
}
