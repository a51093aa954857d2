//! A volume's bytes made anew in another place, by way of an image store: on another pool (VOL-06), or on its own pool as they were when
//! a snapshot was taken. The old disk goes once the new one is the volume's; until then the volume is what it was.
use crate::allocators::has_tags;
use crate::saga::Saga;
use crate::vm_start::from_driver;
use crate::volume::volume_state;
use crate::volume_place::Wishes;
use crate::{Call, Engine, Listing, capacity, saga};
use serde::{Deserialize, Serialize};
use stratus_drivers::DiskRef;
use stratus_model::{Error, Kind, Result, VmState, VolumeEvent, VolumeState};
use stratus_store::{Cluster, ImageStore, Query, Snapshot, StoragePool, Vm, Volume};
use uuid::Uuid;

static RELOCATE: Saga<Relocate> = saga!("volume-relocate":
    begin,
    reserve undo give_back,
    copy_out undo drop_copy,
    make undo unmake,
    switch,
    clean,
);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Relocate {
    volume: i64,
    /// The pool that it goes to.
    pool: i64,
    /// The snapshot that its bytes come from; its own as they are now without one.
    snapshot: Option<i64>,
    /// The copy's name on the store, and the new disk's on its pool.
    copy: String,
    path: String,
    store: i64,
    /// Where it was.
    from: Option<(String, String, i64)>,
}

impl Relocate {
    fn new(volume: i64, pool: i64, snapshot: Option<i64>) -> Self {
        Self { volume, pool, snapshot, copy: String::new(), path: String::new(), store: 0, from: None }
    }
}

impl Engine {
    /// The pools that a volume could move to, and for each whether it fits there (room, tags, state).
    pub async fn pools_for(&self, volume: &Volume, keyword: Option<&str>, range: (i64, i64)) -> Result<Listing<(StoragePool, bool)>> {
        if volume.pool_id.is_none() {
            return Err(volume_state(volume, "one without bytes is on no pool"));
        }
        let here = self.pool_of(volume).await?;
        let mut q = Query::live().eq("zone_id", volume.zone_id).ne("id", here.id);
        if let Some(k) = keyword {
            q = q.holds(&["name"], k);
        }
        let mut pools = self.db.find::<StoragePool>(q.order("id")).await?;
        let clusters = self.db.by_ids::<Cluster>(pools.iter().filter_map(|p| p.cluster_id)).await?;
        let hypervisor = volume.hypervisor.clone().or(here.hypervisor);
        let same = |p: &StoragePool| {
            let theirs = p.hypervisor.as_ref().or_else(|| p.cluster_id.and_then(|c| clusters.get(&c)).map(|c| &c.hypervisor));
            theirs.is_none() || theirs.map(String::as_str) == hypervisor.as_deref()
        };
        // A volume that a VM has must stay where the VM's hosts see it.
        let bound = match volume.vm_id {
            Some(vm) => self.db.get::<Vm>(vm).await?.and_then(|v| v.cluster_id),
            None => None,
        };
        let Wishes { tags: wanted, local } = self.volume_wishes(volume).await?;
        pools.retain(|p| same(p) && bound.is_none_or(|b| p.cluster_id.is_none_or(|c| c == b)) && local == (p.scope == "HOST"));
        if let Some(host) = self.host_beside(volume).await? {
            pools.retain(|p| p.host_id.is_none_or(|h| h == host));
        }
        let count = i64::try_from(pools.len()).unwrap_or(i64::MAX);
        let fits = |p: &StoragePool| {
            p.state == "Up" && has_tags(p.tags.as_deref(), &wanted) && p.used_bytes + volume.size_bytes <= self.pool_total(p)
        };
        let (skip, take) = (usize::try_from(range.0).unwrap_or(usize::MAX), usize::try_from(range.1).unwrap_or(usize::MAX));
        let rows = pools.into_iter().skip(skip).take(take).map(|p| (fits(&p), p)).map(|(f, p)| (p, f)).collect();
        Ok(Listing { rows, count })
    }

    /// Refuses a pool that a volume cannot move to.
    pub(crate) async fn fits_there(&self, volume: &Volume, pool: &StoragePool) -> Result<()> {
        let found = self.pools_for(volume, None, (0, i64::MAX)).await?.rows.into_iter().find(|(p, _)| p.id == pool.id);
        match found {
            Some((_, true)) => Ok(()),
            Some((_, false)) => {
                let why = format!("pool {} is not Up, lacks the offering's tags or has no room for the volume", pool.name);
                Err(Error::invalid("storageid", why))
            }
            None => Err(Error::invalid("storageid", "the pool cannot be seen by what uses the volume")),
        }
    }

    /// Moves a volume that no running VM uses to another pool, in the call's job.
    pub async fn volume_migrate(&self, call: &Call, volume: Volume, pool: StoragePool) -> Result<Volume> {
        // An earlier life of this job may have moved it already.
        if volume.pool_id != Some(pool.id) {
            self.idle(&volume).await?;
            self.fits_there(&volume, &pool).await?;
        }
        RELOCATE.run(call, 0, Relocate::new(volume.id, pool.id, None)).await?;
        self.db.must(volume.id).await
    }

    /// Sets a volume that no running VM uses back to what it was when a snapshot was taken, in the call's job.
    pub async fn snapshot_revert(&self, call: &Call, snapshot: Snapshot) -> Result<()> {
        crate::snapshot::usable(&snapshot)?;
        let volume = self.db.must::<Volume>(snapshot.volume_id).await?;
        if volume.removed.is_some() {
            return Err(Error::not_found(Kind::Volume, &volume.uuid));
        }
        self.idle(&volume).await?;
        let pool = self.pool_of(&volume).await?;
        RELOCATE.run(call, 0, Relocate::new(volume.id, pool.id, Some(snapshot.id))).await.map(drop)
    }

    /// Refuses a volume whose VM is on.
    async fn idle(&self, volume: &Volume) -> Result<()> {
        let Some(vm) = volume.vm_id else { return Ok(()) };
        let vm = self.db.must::<Vm>(vm).await?;
        match vm.vm_state() {
            VmState::Stopped | VmState::Destroyed | VmState::Error => Ok(()),
            _ => Err(Error::InUse { kind: Kind::Volume, id: volume.uuid.clone(), why: format!("its VM {} is {}", vm.uuid, vm.state) }),
        }
    }

    /// A disk on a pool by its path.
    async fn disk_at(&self, pool: i64, path: &str, bytes: i64) -> Result<(std::sync::Arc<dyn stratus_drivers::PrimaryStorage>, DiskRef)> {
        let place = Volume { pool_id: Some(pool), path: Some(path.to_owned()), size_bytes: bytes, ..Default::default() };
        self.volume_driver(&place).await
    }
}

async fn begin(call: &Call, plan: &mut Relocate) -> Result<()> {
    let volume = call.db.must::<Volume>(plan.volume).await?;
    plan.path = Uuid::new_v4().to_string();
    (plan.copy, plan.store) = match plan.snapshot {
        Some(id) => {
            let s = call.db.must::<Snapshot>(id).await?;
            (s.uuid, s.store_id.ok_or_else(|| Error::internal("a snapshot without store"))?)
        }
        None => (Uuid::new_v4().to_string(), call.store_of_zone(volume.zone_id).await?.id),
    };
    Ok(())
}

async fn reserve(call: &Call, plan: &mut Relocate) -> Result<()> {
    let (inner, id, pool) = (call.clone(), plan.volume, plan.pool);
    call.idle(&call.db.must::<Volume>(id).await?).await?;
    call.db
        .write(move |tx| {
            Box::pin(async move {
                let row = tx.must::<Volume>(id).await?;
                if row.state == VolumeState::Migrating.word() {
                    return Ok(());
                }
                let to = VolumeState::from_word(&row.state).and_then(|s| s.on(VolumeEvent::MigrationRequested));
                let to = to.ok_or_else(|| volume_state(&row, "only a volume that is Ready has bytes to move"))?;
                let pool = tx.must::<StoragePool>(pool).await?;
                let total = inner.pool_total(&pool);
                if !capacity::pool_take(tx, pool.id, row.size_bytes, total).await? {
                    return Err(Error::NoCapacity(format!("Pool {} has no room for another copy of {}", pool.name, row.name)));
                }
                tx.advance::<Volume>(row.id, &row.state, row.update_count, to.word(), Vec::new()).await
            })
        })
        .await?;
    let volume = call.db.must::<Volume>(id).await?;
    let path = volume.path.clone().unwrap_or_else(|| volume.uuid.clone());
    plan.from = volume.pool_id.map(|p| (p.to_string(), path, volume.size_bytes));
    Ok(())
}

async fn give_back(call: &Call, plan: &mut Relocate) -> Result<()> {
    let (id, pool) = (plan.volume, plan.pool);
    call.db
        .write(move |tx| {
            Box::pin(async move {
                let row = tx.must::<Volume>(id).await?;
                if row.state != VolumeState::Migrating.word() {
                    return Ok(());
                }
                capacity::pool_give_back(tx, pool, row.size_bytes).await?;
                crate::volume_work::release(tx, id, VolumeState::Migrating).await
            })
        })
        .await
}

async fn copy_out(call: &Call, plan: &mut Relocate) -> Result<()> {
    if plan.snapshot.is_some() {
        return Ok(());
    }
    let volume = call.db.must::<Volume>(plan.volume).await?;
    let (driver, disk) = call.volume_driver(&volume).await?;
    let store = call.db.must::<ImageStore>(plan.store).await?;
    driver.snapshot(&disk, &plan.copy, &store.uuid).await.map_err(from_driver)?;
    call.settle_on_store(&store, &plan.copy).await
}

async fn drop_copy(call: &Call, plan: &mut Relocate) -> Result<()> {
    if plan.snapshot.is_some() {
        return Ok(());
    }
    let (driver, store) = call.store_driver(plan.store).await?;
    driver.delete(&store.uuid, &plan.copy).await.map_err(from_driver)
}

async fn make(call: &Call, plan: &mut Relocate) -> Result<()> {
    let volume = call.db.must::<Volume>(plan.volume).await?;
    let (driver, disk) = call.disk_at(plan.pool, &plan.path, volume.size_bytes).await?;
    let store = call.db.must::<ImageStore>(plan.store).await?;
    call.disk_from_store(driver.as_ref(), &disk, store.id, &plan.copy).await.map_err(from_driver)
}

async fn unmake(call: &Call, plan: &mut Relocate) -> Result<()> {
    let volume = call.db.must::<Volume>(plan.volume).await?;
    let (driver, disk) = call.disk_at(plan.pool, &plan.path, volume.size_bytes).await?;
    driver.delete(&disk).await.map_err(from_driver)
}

async fn switch(call: &Call, plan: &mut Relocate) -> Result<()> {
    let plan = plan.clone();
    call.db
        .write(move |tx| {
            Box::pin(async move {
                let row = tx.must::<Volume>(plan.volume).await?;
                if row.path.as_deref() == Some(plan.path.as_str()) {
                    return Ok(());
                }
                let pool = tx.must::<StoragePool>(plan.pool).await?;
                capacity::pool_give_back(tx, row.pool_id.unwrap_or(0), row.size_bytes).await?;
                let set = vec![("pool_id", pool.id.into()), ("pod_id", pool.pod_id.into()), ("path", plan.path.into())];
                tx.set::<Volume>(row.id, set).await?;
                crate::volume_work::release(tx, row.id, VolumeState::Migrating).await
            })
        })
        .await
}

/// From here on the volume is in its new place; what cannot be cleaned up is told and left.
async fn clean(call: &Call, plan: &mut Relocate) -> Result<()> {
    let old = async {
        let Some((pool, path, bytes)) = &plan.from else { return Ok(()) };
        let pool = pool.parse().map_err(Error::internal)?;
        let (driver, disk) = call.disk_at(pool, path, *bytes).await?;
        driver.delete(&disk).await.map_err(from_driver)?;
        call.volume_left(&call.db.must::<Volume>(plan.volume).await?, pool).await
    };
    if let Err(e) = old.await {
        tracing::warn!(volume = plan.volume, error = %stratus_model::in_full(&e), "the disk that a volume left behind was not deleted");
    }
    if let Err(e) = drop_copy(call, plan).await {
        tracing::warn!(volume = plan.volume, copy = plan.copy, error = %stratus_model::in_full(&e), "a copy on an image store was not deleted");
    }
    Ok(())
}
