//! Work on a volume's bytes: made from a snapshot, grown, and what an administrator says of it. While a job is at it the volume's
//! state says so; jobs on a volume run one after the other, so a passing state is always the running job's own.
use crate::saga::Saga;
use crate::vm::{check_disk, disk_bytes, usage};
use crate::vm_start::from_driver;
use crate::volume::{owner_of, volume_state};
use crate::{Call, Engine, GIB, capacity, saga};
use serde::{Deserialize, Serialize};
use stratus_model::{Error, Kind, Limit, Result, VolumeEvent, VolumeState};
use stratus_store::{Cluster, DiskOffering, ImageStore, Job, Query, Snapshot, StoragePool, Tx, Vm, Volume};

static FROM_SNAPSHOT: Saga<FromSnapshot> = saga!("volume-from-snapshot": begin undo discard, place undo unplace, make undo unmake);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct FromSnapshot {
    volume: i64,
}

static RESIZE: Saga<Resize> = saga!("volume-resize": reserve undo release_room, grow, settle);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Resize {
    volume: i64,
    bytes: i64,
    disk_offering: Option<i64>,
}

/// How a volume is to be resized.
#[derive(Debug, Clone, Default)]
pub struct VolumeResize {
    /// Its offering from now on.
    pub disk: Option<DiskOffering>,
    /// GiB, for a custom offering.
    pub size: Option<i64>,
    /// Less than now is meant.
    pub shrink_ok: bool,
}

/// What an administrator says of a volume.
#[derive(Debug, Clone, Default)]
pub struct VolumeUpdate {
    /// Whether users see it.
    pub display: Option<bool>,
    /// Where its bytes are on its pool.
    pub path: Option<String>,
    /// The pool that has them.
    pub pool: Option<StoragePool>,
    /// `Ready`, for one that was left in a passing state.
    pub state: Option<String>,
}

/// Takes a volume out of a passing state, if it is in it.
pub(crate) async fn release(tx: &mut Tx, id: i64, from: VolumeState) -> Result<()> {
    let Some(to) = from.on(VolumeEvent::OperationSucceeded) else { return Ok(()) };
    tx.update::<Volume>(Query::live().eq("id", id).eq("state", from.word()), vec![("state", to.word().into())]).await.map(drop)
}

impl Engine {
    /// Moves a volume into the passing state of a job that begins; one that is there was put there by an earlier life of this job.
    pub(crate) async fn volume_move(&self, id: i64, event: VolumeEvent, why: &'static str) -> Result<Volume> {
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let row = tx.must::<Volume>(id).await?;
                    let now = VolumeState::from_word(&row.state).filter(|_| row.removed.is_none());
                    if now.is_some() && now == VolumeState::Ready.on(event) {
                        return Ok(row);
                    }
                    let to = now.and_then(|s| s.on(event)).ok_or_else(|| volume_state(&row, why))?;
                    tx.advance::<Volume>(id, &row.state, row.update_count, to.word(), Vec::new()).await?;
                    tx.must(id).await
                })
            })
            .await
    }

    /// Takes a volume out of a passing state.
    pub(crate) async fn volume_release(&self, id: i64, from: VolumeState) -> Result<()> {
        self.db.write(move |tx| Box::pin(async move { release(tx, id, from).await })).await
    }

    /// The pool of a volume that has bytes.
    pub(crate) async fn pool_of(&self, volume: &Volume) -> Result<StoragePool> {
        self.db.must(volume.pool_id.ok_or_else(|| Error::internal("a volume without pool"))?).await
    }

    /// The image store that new things of a zone go to.
    pub(crate) async fn store_of_zone(&self, zone: i64) -> Result<ImageStore> {
        let zone = self.db.must::<stratus_store::Zone>(zone).await?;
        let (_, store) = self.stores_for(Some(&zone)).await?[0];
        self.db.must(store).await
    }

    /// What a volume made from a snapshot is: its offering and its bytes. Without an offering it has that of the snapshot's volume.
    pub(crate) async fn volume_like(
        &self,
        snapshot: &Snapshot,
        disk: Option<DiskOffering>,
        size: Option<i64>,
    ) -> Result<(Option<i64>, i64)> {
        let given = disk.is_some();
        let disk = match disk {
            Some(d) => Some(d),
            None => {
                let source = self.db.get::<Volume>(snapshot.volume_id).await?;
                match source.and_then(|v| v.disk_offering_id) {
                    Some(id) => self.db.get::<DiskOffering>(id).await?,
                    // A root disk has none: then the offering for disks of any size, if the cloud still has it.
                    None => self.db.find_one(Query::live().eq("is_custom", true).null("domain_id")).await?,
                }
            }
        };
        let bytes = match (&disk, size) {
            (Some(d), Some(_)) if d.is_custom => {
                check_disk(d, size)?;
                disk_bytes(d, size)
            }
            (Some(d), _) if given && !d.is_custom => disk_bytes(d, None),
            (_, Some(gib)) => gib.saturating_mul(GIB),
            _ => snapshot.size_bytes,
        };
        if bytes < snapshot.size_bytes {
            let (least, field) = (snapshot.size_bytes, if size.is_some() { "size" } else { "diskofferingid" });
            return Err(Error::invalid(field, format!("the snapshot has {least} bytes, the volume would have {bytes}")));
        }
        if bytes > 65_536 * GIB {
            return Err(Error::invalid("size", "must be between 1 and 65536 GB"));
        }
        Ok((disk.map(|d| d.id), bytes))
    }

    /// Brings a snapshot's bytes to a volume that was made for them, in the call's job.
    pub async fn volume_from_snapshot(&self, call: &Call, id: i64) -> Result<Volume> {
        FROM_SNAPSHOT.run(call, 0, FromSnapshot { volume: id }).await?;
        self.db.must(id).await
    }

    /// Gives a volume that no VM has a place in its zone, the source's cluster first.
    pub(crate) async fn volume_place_in_zone(&self, volume: &Volume, near: Option<i64>) -> Result<()> {
        let hypervisor = volume.hypervisor.clone().unwrap_or_default();
        let q = Query::live().eq("zone_id", volume.zone_id).eq("hypervisor", hypervisor.as_str());
        let mut clusters = self.db.find::<Cluster>(q).await?;
        clusters.sort_by_key(|c| (Some(c.id) != near, c.id));
        let mut last = Error::NoCapacity(format!("There is no cluster of {hypervisor} in the zone for {}", volume.name));
        for cluster in clusters {
            let place = Vm { zone_id: volume.zone_id, cluster_id: Some(cluster.id), hypervisor: hypervisor.clone(), ..Default::default() };
            match self.volume_place(&place, volume.clone()).await {
                Err(e @ Error::NoCapacity(_)) => last = e,
                other => return other,
            }
        }
        Err(last)
    }

    /// What a resize comes to in bytes, or why it cannot be.
    pub async fn volume_resize_check(&self, call: &Call, volume: &Volume, ask: &VolumeResize) -> Result<i64> {
        let current = match volume.disk_offering_id {
            Some(id) => self.db.get::<DiskOffering>(id).await?,
            None => None,
        };
        if let Some(d) = &ask.disk {
            if volume.volume_type == "ROOT" {
                return Err(Error::invalid("diskofferingid", "a root disk has no disk offering; give a size"));
            }
            if !self.disk_offering_visible(call, d).await? {
                return Err(Error::not_found(Kind::DiskOffering, &d.uuid));
            }
        }
        let bytes = match (ask.disk.as_ref().or(current.as_ref()), ask.size) {
            (None, None) => return Err(Error::invalid("size", "is needed")),
            (Some(d), size) if d.is_custom => {
                check_disk(d, size)?;
                disk_bytes(d, size)
            }
            (Some(d), _) if ask.disk.is_some() => disk_bytes(d, None),
            (Some(_), _) => return Err(Error::invalid("size", "the disk offering's size is fixed; give another offering")),
            (None, Some(gib)) if !(1..=65_536).contains(&gib) => return Err(Error::invalid("size", "must be between 1 and 65536 GB")),
            (None, Some(gib)) => gib.saturating_mul(GIB),
        };
        if bytes < volume.size_bytes && !ask.shrink_ok {
            return Err(Error::invalid("size", "the volume would shrink, which loses data; shrinkok says that it is meant"));
        }
        if bytes < volume.size_bytes && volume.state != "Allocated" {
            return Err(Error::Unsupported("A volume that has bytes cannot shrink".into()));
        }
        match VolumeState::from_word(&volume.state) {
            Some(s) if matches!(s, VolumeState::Ready | VolumeState::Allocated) || s.is_passing() => Ok(bytes),
            _ => Err(volume_state(volume, "only a volume that is Ready or Allocated can be resized")),
        }
    }

    /// Resizes a volume in the call's job: at once where it has no bytes yet, else on its pool, under its VM when it runs.
    pub async fn volume_resize(&self, call: &Call, volume: Volume, ask: VolumeResize) -> Result<Volume> {
        let bytes = self.volume_resize_check(call, &volume, &ask).await?;
        if volume.pool_id.is_none() {
            let plan = Resize { volume: volume.id, bytes, disk_offering: ask.disk.map(|d| d.id) };
            let call = call.clone();
            return self.db.write(move |tx| Box::pin(async move { resize_row(tx, &call, &plan).await })).await;
        }
        RESIZE.run(call, 0, Resize { volume: volume.id, bytes, disk_offering: ask.disk.map(|d| d.id) }).await?;
        self.db.must(volume.id).await
    }

    /// Changes what an administrator knows better about a volume.
    pub async fn volume_update(&self, volume: Volume, ask: VolumeUpdate) -> Result<Volume> {
        let to = match ask.state.as_deref() {
            None => None,
            Some(word) => match (VolumeState::from_word(word), VolumeState::from_word(&volume.state)) {
                (Some(VolumeState::Ready), Some(now)) if now.is_passing() || now == VolumeState::Ready => Some(VolumeState::Ready),
                (Some(to), Some(now)) if to == now => Some(to),
                (Some(_), _) => return Err(volume_state(&volume, "only Ready can be set, on one that was left in a passing state")),
                (None, _) => return Err(Error::invalid("state", format!("'{word}' is no state of a volume"))),
            },
        };
        if volume.pool_id.is_none() && (ask.path.is_some() || ask.pool.is_some()) {
            return Err(volume_state(&volume, "one without bytes has no path and no pool"));
        }
        if ask.path.as_deref().is_some_and(|p| p.trim().is_empty()) {
            return Err(Error::invalid("path", "must not be empty"));
        }
        if ask.pool.as_ref().is_some_and(|p| p.zone_id != volume.zone_id) {
            return Err(Error::invalid("storageid", "the pool is in another zone"));
        }
        let total = ask.pool.as_ref().map(|p| self.pool_total(p));
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let row = tx.must::<Volume>(volume.id).await?;
                    let mut set = Vec::new();
                    if let (Some(pool), Some(total)) = (ask.pool.filter(|p| Some(p.id) != row.pool_id), total) {
                        if !capacity::pool_take(tx, pool.id, row.size_bytes, total).await? {
                            return Err(Error::NoCapacity(format!("Pool {} has no room for {}", pool.name, row.name)));
                        }
                        capacity::pool_give_back(tx, row.pool_id.unwrap_or(0), row.size_bytes).await?;
                        set.extend([("pool_id", pool.id.into()), ("pod_id", pool.pod_id.into())]);
                    }
                    set.extend(ask.display.map(|d| ("display_volume", d.into())));
                    set.extend(ask.path.map(|p| ("path", p.into())));
                    set.extend(to.map(|s| ("state", s.word().into())));
                    if !set.is_empty() {
                        tx.set::<Volume>(row.id, set).await?;
                    }
                    tx.must(row.id).await
                })
            })
            .await
    }

    /// Opens volumes that were left in a passing state by work that no job is at any more.
    pub(crate) async fn volumes_reconcile(&self) -> Result<u64> {
        let passing = VolumeState::ALL.iter().filter(|s| s.is_passing());
        let mut opened = 0;
        for v in self.db.find::<Volume>(Query::live().within("state", passing.map(|s| s.word()))).await? {
            let busy = Query::live().eq("status", 0).eq("queue", crate::jobs::queue_of(Kind::Volume, v.id));
            if let (0, Some(state)) = (self.db.count::<Job>(busy).await?, VolumeState::from_word(&v.state)) {
                self.volume_release(v.id, state).await?;
                opened += 1;
            }
        }
        Ok(opened)
    }
}

async fn begin(call: &Call, plan: &mut FromSnapshot) -> Result<()> {
    let volume = call.db.must::<Volume>(plan.volume).await?;
    let id = volume.snapshot_id.ok_or_else(|| Error::internal("a volume without snapshot"))?;
    match volume.pool_id {
        // It has its place: an earlier life of this job, which held the snapshot.
        Some(_) => Ok(()),
        None => crate::snapshot::usable(&call.db.must::<Snapshot>(id).await?),
    }
}

/// A volume that did not come into being counts for nothing.
async fn discard(call: &Call, plan: &mut FromSnapshot) -> Result<()> {
    let volume = call.db.must::<Volume>(plan.volume).await?;
    match volume.removed {
        Some(_) => Ok(()),
        None => call.volume_erase(call, volume).await,
    }
}

async fn place(call: &Call, plan: &mut FromSnapshot) -> Result<()> {
    let volume = call.db.must::<Volume>(plan.volume).await?;
    if volume.pool_id.is_some() {
        return Ok(());
    }
    let snapshot = call.db.must::<Snapshot>(volume.snapshot_id.unwrap_or(0)).await?;
    let near = match call.db.get::<Volume>(snapshot.volume_id).await?.and_then(|v| v.pool_id) {
        Some(pool) => call.db.get::<StoragePool>(pool).await?.and_then(|p| p.cluster_id),
        None => None,
    };
    call.volume_place_in_zone(&volume, near).await
}

async fn unplace(call: &Call, plan: &mut FromSnapshot) -> Result<()> {
    call.volume_unplace(plan.volume).await
}

async fn make(call: &Call, plan: &mut FromSnapshot) -> Result<()> {
    let volume = call.db.must::<Volume>(plan.volume).await?;
    match volume.state.as_str() {
        "Ready" => Ok(()),
        _ => call.volume_make(&volume).await,
    }
}

async fn unmake(call: &Call, plan: &mut FromSnapshot) -> Result<()> {
    let volume = call.db.must::<Volume>(plan.volume).await?;
    call.volume_unmake(&volume).await
}

async fn reserve(call: &Call, plan: &mut Resize) -> Result<()> {
    let (inner, plan) = (call.clone(), plan.clone());
    call.db
        .write(move |tx| {
            Box::pin(async move {
                let row = tx.must::<Volume>(plan.volume).await?;
                let more = plan.bytes - row.size_bytes;
                if row.state == VolumeState::Resizing.word() {
                    return Ok(());
                }
                inner.take(tx, row.account_id, &[(Limit::PrimaryStorage, more)]).await?;
                let now = VolumeState::from_word(&row.state).and_then(|s| s.on(VolumeEvent::ResizeRequested));
                let to = now.ok_or_else(|| volume_state(&row, "only a volume that is Ready can be resized"))?;
                let pool = tx.must::<StoragePool>(row.pool_id.unwrap_or(0)).await?;
                let total = inner.pool_total(&pool);
                if more > 0 && !capacity::pool_take(tx, pool.id, more, total).await? {
                    return Err(Error::NoCapacity(format!("Pool {} has no room for {more} bytes more", pool.name)));
                }
                tx.advance::<Volume>(row.id, &row.state, row.update_count, to.word(), Vec::new()).await
            })
        })
        .await
}

async fn release_room(call: &Call, plan: &mut Resize) -> Result<()> {
    let (inner, plan) = (call.clone(), plan.clone());
    call.db
        .write(move |tx| {
            Box::pin(async move {
                let row = tx.must::<Volume>(plan.volume).await?;
                if row.state != VolumeState::Resizing.word() {
                    return Ok(());
                }
                let more = plan.bytes - row.size_bytes;
                inner.give_back(tx, row.account_id, &[(Limit::PrimaryStorage, more)]).await?;
                capacity::pool_give_back(tx, row.pool_id.unwrap_or(0), more).await?;
                release(tx, row.id, VolumeState::Resizing).await
            })
        })
        .await
}

async fn grow(call: &Call, plan: &mut Resize) -> Result<()> {
    let volume = call.db.must::<Volume>(plan.volume).await?;
    let (driver, mut disk) = call.volume_driver(&volume).await?;
    disk.bytes = u64::try_from(plan.bytes).unwrap_or(disk.bytes);
    driver.resize(&disk).await.map_err(from_driver)
}

async fn settle(call: &Call, plan: &mut Resize) -> Result<()> {
    let (inner, plan) = (call.clone(), plan.clone());
    call.db
        .write(move |tx| {
            Box::pin(async move {
                let row = tx.must::<Volume>(plan.volume).await?;
                if row.state != VolumeState::Resizing.word() {
                    return Ok(());
                }
                resized(tx, &inner, &plan, &row).await?;
                release(tx, row.id, VolumeState::Resizing).await
            })
        })
        .await
}

/// The resize of a volume that has no bytes yet: its row and what is counted for it.
async fn resize_row(tx: &mut Tx, call: &Call, plan: &Resize) -> Result<Volume> {
    let row = tx.must::<Volume>(plan.volume).await?;
    let same = row.size_bytes == plan.bytes && plan.disk_offering.is_none_or(|d| Some(d) == row.disk_offering_id);
    if !same {
        call.take(tx, row.account_id, &[(Limit::PrimaryStorage, plan.bytes - row.size_bytes)]).await?;
        resized(tx, call, plan, &row).await?;
    }
    tx.must(row.id).await
}

async fn resized(tx: &mut Tx, call: &Call, plan: &Resize, row: &Volume) -> Result<()> {
    let offering = plan.disk_offering.or(row.disk_offering_id);
    tx.set::<Volume>(row.id, vec![("size_bytes", plan.bytes.into()), ("disk_offering_id", offering.into())]).await?;
    let (of, size) = (owner_of(row), Some(plan.bytes));
    usage(tx, call, "VOLUME.RESIZE", &of, row.id, Some(&row.name), offering, row.template_id, size).await
}
