//! Moving a running VM to another host together with disks that the other host would not see (or that are wanted elsewhere). The host's
//! driver carries guest and disks over in one go; until then both hosts and both pools have room taken for it. A disk alone moves
//! the same way, from the VM's host to that host.
use crate::allocators::has_tags;
use crate::group_push::Members;
use crate::saga::Saga;
use crate::vm_migrate::{self, MigrateVm, runs_on};
use crate::vm_start::from_driver;
use crate::volume::volume_state;
use crate::volume_place::Wishes;
use crate::{Call, Engine, capacity, saga};
use serde::{Deserialize, Serialize};
use stratus_drivers::{DiskRef, VmSpec};
use stratus_model::{Error, Result, VmState, VolumeEvent, VolumeState};
use stratus_store::{Host, Query, StoragePool, Vm, Volume};
use uuid::Uuid;

static MIGRATE: Saga<Plan> = saga!("vm-migrate-disks":
    begin undo put_back,
    take_place undo leave_place,
    reserve undo give_back,
    move_all undo move_back,
    switch,
    settle,
    clean,
);

static MOVE_DISKS: Saga<Plan> = saga!("vm-disks-move": stay, reserve undo give_back, move_all undo move_back, switch, clean);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Plan {
    vm: MigrateVm,
    disks: Vec<Move>,
}

/// A disk on its way: its volume, the pool it goes to, its path there, and where it was (pool, path, bytes).
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Move {
    volume: i64,
    pool: i64,
    path: String,
    from: (i64, String, i64),
}

impl Engine {
    /// Moves a running VM to a host, the named volumes to the pools named with them, and other volumes that the host would not see to pools
    /// of its own.
    pub async fn vm_migrate_with_disks(&self, call: &Call, vm: &Vm, host: &Host, named: Vec<(Volume, StoragePool)>) -> Result<Vm> {
        let mut disks = Vec::new();
        // A later life of this job finds its plan; what it then asks of volumes that have moved is not asked again.
        if vm.host_id != Some(host.id) {
            disks = self.moves(vm, host, named).await?;
        }
        let plan = Plan { vm: MigrateVm::with_disks(vm, host.id), disks };
        MIGRATE.run(call, 0, plan).await?;
        self.db.must(vm.id).await
    }

    /// Moves a volume under its running VM to another pool, in the call's job.
    pub async fn volume_migrate_live(&self, call: &Call, vm: &Vm, volume: Volume, pool: StoragePool) -> Result<Volume> {
        // An earlier life of this job may have moved it already.
        if volume.pool_id != Some(pool.id) {
            self.fits_there(&volume, &pool).await?;
        }
        let host = vm.host_id.ok_or_else(|| crate::vm::wrong_state(vm, "it runs nowhere"))?;
        let path = volume.path.clone().unwrap_or_else(|| volume.uuid.clone());
        let from = (volume.pool_id.unwrap_or(0), path, volume.size_bytes);
        let disk = Move { volume: volume.id, pool: pool.id, path: Uuid::new_v4().to_string(), from };
        MOVE_DISKS.run(call, 0, Plan { vm: MigrateVm::with_disks(vm, host), disks: vec![disk] }).await?;
        self.db.must(volume.id).await
    }

    async fn moves(&self, vm: &Vm, host: &Host, named: Vec<(Volume, StoragePool)>) -> Result<Vec<Move>> {
        let seen = |p: &StoragePool| p.zone_id == host.zone_id && sees(host, p);
        let mut disks = Vec::new();
        for (volume, pool) in &named {
            if volume.vm_id != Some(vm.id) {
                return Err(Error::invalid("migrateto", format!("volume {} is not the virtual machine's", volume.uuid)));
            }
            if !seen(pool) {
                return Err(Error::invalid("migrateto", format!("host {} does not see pool {}", host.name, pool.name)));
            }
            self.fits_pool(volume, pool).await?;
        }
        for volume in self.db.find::<Volume>(Query::live().eq("vm_id", vm.id).not_null("pool_id")).await? {
            let here = self.pool_of(&volume).await?;
            let to = match named.iter().find(|(v, _)| v.id == volume.id) {
                Some((_, pool)) => pool.clone(),
                None if seen(&here) => continue,
                None => self.pool_at(&volume, host).await?,
            };
            if to.id == here.id {
                continue;
            }
            let path = volume.path.clone().unwrap_or_else(|| volume.uuid.clone());
            disks.push(Move { volume: volume.id, pool: to.id, path: Uuid::new_v4().to_string(), from: (here.id, path, volume.size_bytes) });
        }
        Ok(disks)
    }

    async fn fits_pool(&self, volume: &Volume, pool: &StoragePool) -> Result<()> {
        let Wishes { tags: wanted, local } = self.volume_wishes(volume).await?;
        if (pool.scope == "HOST") != local {
            let why = format!("volume {} has an offering for {} storage", volume.uuid, if local { "local" } else { "shared" });
            return Err(Error::invalid("migrateto", why));
        }
        match pool.state == "Up" && has_tags(pool.tags.as_deref(), &wanted) {
            true => Ok(()),
            false => Err(Error::invalid("migrateto", format!("pool {} is not Up or lacks the tags of volume {}", pool.name, volume.uuid))),
        }
    }

    /// The pool with most room that a host sees and a volume fits.
    async fn pool_at(&self, volume: &Volume, host: &Host) -> Result<StoragePool> {
        let Wishes { tags: wanted, local } = self.volume_wishes(volume).await?;
        let q = Query::live().eq("zone_id", host.zone_id).eq("state", "Up");
        let mut pools = self.db.find::<StoragePool>(q).await?;
        pools.retain(|p| sees(host, p) && local == (p.scope == "HOST") && has_tags(p.tags.as_deref(), &wanted));
        pools.retain(|p| p.hypervisor.as_ref().is_none_or(|h| *h == host.hypervisor));
        let room = |p: &StoragePool| self.pool_total(p) - p.used_bytes;
        let found = pools.into_iter().max_by_key(room).filter(|p| room(p) >= volume.size_bytes);
        found.ok_or_else(|| Error::NoCapacity(format!("No pool that host {} sees has room for volume {}", host.name, volume.name)))
    }
}

/// Whether a host of a pool's zone sees the pool.
fn sees(host: &Host, pool: &StoragePool) -> bool {
    pool.cluster_id.is_none_or(|c| c == host.cluster_id) && pool.host_id.is_none_or(|h| h == host.id)
}

async fn begin(call: &Call, plan: &mut Plan) -> Result<()> {
    vm_migrate::begin(call, &mut plan.vm).await
}
/// The VM is and stays where it runs.
async fn stay(call: &Call, plan: &mut Plan) -> Result<()> {
    let vm = call.db.must::<Vm>(plan.vm.vm).await?;
    if vm.vm_state() != VmState::Running {
        return Err(crate::vm::wrong_state(&vm, "its disks are moved another way when it does not run"));
    }
    (plan.vm.from, plan.vm.to) = (vm.host_id, vm.host_id);
    Ok(())
}
async fn put_back(call: &Call, plan: &mut Plan) -> Result<()> {
    vm_migrate::put_back(call, &mut plan.vm).await
}
async fn take_place(call: &Call, plan: &mut Plan) -> Result<()> {
    vm_migrate::take_place(call, &mut plan.vm).await
}
async fn leave_place(call: &Call, plan: &mut Plan) -> Result<()> {
    vm_migrate::leave_place(call, &mut plan.vm).await
}
async fn settle(call: &Call, plan: &mut Plan) -> Result<()> {
    vm_migrate::settle(call, &mut plan.vm).await
}

/// Room on the pools, all volumes or none.
async fn reserve(call: &Call, plan: &mut Plan) -> Result<()> {
    let (inner, disks) = (call.clone(), plan.disks.clone());
    call.db
        .write(move |tx| {
            Box::pin(async move {
                for disk in &disks {
                    let row = tx.must::<Volume>(disk.volume).await?;
                    if row.state == VolumeState::Migrating.word() {
                        continue;
                    }
                    let to = VolumeState::from_word(&row.state).and_then(|s| s.on(VolumeEvent::MigrationRequested));
                    let to = to.ok_or_else(|| volume_state(&row, "only a volume that is Ready has bytes to move"))?;
                    let pool = tx.must::<StoragePool>(disk.pool).await?;
                    if !capacity::pool_take(tx, pool.id, row.size_bytes, inner.pool_total(&pool)).await? {
                        return Err(Error::NoCapacity(format!("Pool {} has no room for {}", pool.name, row.name)));
                    }
                    tx.advance::<Volume>(row.id, &row.state, row.update_count, to.word(), Vec::new()).await?;
                }
                Ok(())
            })
        })
        .await
}

async fn give_back(call: &Call, plan: &mut Plan) -> Result<()> {
    let disks = plan.disks.clone();
    call.db
        .write(move |tx| {
            Box::pin(async move {
                for disk in &disks {
                    let row = tx.must::<Volume>(disk.volume).await?;
                    if row.state == VolumeState::Migrating.word() {
                        capacity::pool_give_back(tx, disk.pool, row.size_bytes).await?;
                        crate::volume_work::release(tx, row.id, VolumeState::Migrating).await?;
                    }
                }
                Ok(())
            })
        })
        .await
}

/// Each disk where it is and where it is to be.
async fn places(call: &Call, plan: &Plan) -> Result<Vec<(DiskRef, DiskRef)>> {
    let mut places = Vec::with_capacity(plan.disks.len());
    for Move { pool, path, from: (here, old, bytes), .. } in &plan.disks {
        let bytes = u64::try_from(*bytes).unwrap_or_default();
        let (from, to) = (call.db.must::<StoragePool>(*here).await?.uuid, call.db.must::<StoragePool>(*pool).await?.uuid);
        places.push((DiskRef { pool: from, path: old.clone(), bytes }, DiskRef { pool: to, path: path.clone(), bytes }));
    }
    Ok(places)
}

/// The VM with its disks in their second places.
fn placed(mut spec: VmSpec, places: &[(DiskRef, DiskRef)]) -> VmSpec {
    for disk in &mut spec.disks {
        if let Some((_, to)) = places.iter().find(|(from, _)| from.path == disk.path && from.pool == disk.pool) {
            (disk.pool, disk.path) = (to.pool.clone(), to.path.clone());
        }
    }
    spec
}

/// When the answer is an error, where the guest is decides: a lost answer is not a failed migration.
async fn move_all(call: &Call, plan: &mut Plan) -> Result<()> {
    let vm = call.db.must::<Vm>(plan.vm.vm).await?;
    let (driver, here) = call.host_of_vm(plan.vm.from).await?;
    let (_, there) = call.host_of_vm(plan.vm.to).await?;
    let places = places(call, plan).await?;
    let spec = placed(call.vm_spec(&vm).await?, &places);
    call.group_rules_ahead(&vm, &there, Members::All).await?;
    let moved = match places.is_empty() {
        true => driver.migrate(&here.uuid, &there.uuid, &spec).await,
        false => driver.migrate_with_disks(&here.uuid, &there.uuid, &spec, &places).await,
    };
    match moved {
        Ok(_) => Ok(()),
        Err(_) if plan.vm.from != plan.vm.to && runs_on(call, &vm, plan.vm.to).await == Some(true) => Ok(()),
        Err(e) => Err(from_driver(e)),
    }
}

/// A guest that did arrive goes back the same way; then the second disks go.
async fn move_back(call: &Call, plan: &mut Plan) -> Result<()> {
    let vm = call.db.must::<Vm>(plan.vm.vm).await?;
    let places = places(call, plan).await?;
    if runs_on(call, &vm, plan.vm.to).await != Some(false) {
        let (driver, here) = call.host_of_vm(plan.vm.from).await?;
        let (_, there) = call.host_of_vm(plan.vm.to).await?;
        let back: Vec<(DiskRef, DiskRef)> = places.iter().map(|(from, to)| (to.clone(), from.clone())).collect();
        let spec = call.vm_spec(&vm).await?;
        call.group_rules_ahead(&vm, &here, Members::All).await?;
        driver.migrate_with_disks(&there.uuid, &here.uuid, &spec, &back).await.map_err(from_driver)?;
    } else {
        vm_migrate::unexpect(call, &vm, plan.vm.to).await?;
    }
    for disk in &plan.disks {
        let place = Volume { pool_id: Some(disk.pool), path: Some(disk.path.clone()), size_bytes: disk.from.2, ..Default::default() };
        let (driver, at) = call.volume_driver(&place).await?;
        driver.delete(&at).await.map_err(from_driver)?;
    }
    Ok(())
}

async fn switch(call: &Call, plan: &mut Plan) -> Result<()> {
    let disks = plan.disks.clone();
    call.db
        .write(move |tx| {
            Box::pin(async move {
                for disk in &disks {
                    let row = tx.must::<Volume>(disk.volume).await?;
                    if row.path.as_deref() == Some(disk.path.as_str()) {
                        continue;
                    }
                    let pool = tx.must::<StoragePool>(disk.pool).await?;
                    capacity::pool_give_back(tx, row.pool_id.unwrap_or(0), row.size_bytes).await?;
                    let set = vec![("pool_id", pool.id.into()), ("pod_id", pool.pod_id.into()), ("path", disk.path.as_str().into())];
                    tx.set::<Volume>(row.id, set).await?;
                    crate::volume_work::release(tx, row.id, VolumeState::Migrating).await?;
                }
                Ok(())
            })
        })
        .await
}

/// The VM is in its new place; what cannot be cleaned up is told and left.
async fn clean(call: &Call, plan: &mut Plan) -> Result<()> {
    for Move { from: (pool, path, bytes), volume, .. } in &plan.disks {
        let old = Volume { pool_id: Some(*pool), path: Some(path.clone()), size_bytes: *bytes, ..Default::default() };
        let deleted = async {
            let (driver, disk) = call.volume_driver(&old).await?;
            driver.delete(&disk).await.map_err(from_driver)
        };
        if let Err(e) = deleted.await {
            tracing::warn!(volume, error = %e, "the disk that a volume left behind was not deleted");
        }
    }
    Ok(())
}
