//! Volumes and their pools: room taken and given back, bytes made and deleted.
use crate::allocators::{PoolDemand, UP_TO, tags};
use crate::template_fetch::DOWNLOADED;
use crate::vm_start::from_driver;
use crate::{Engine, capacity};
use stratus_drivers::{DiskRef, DriverError};
use stratus_model::{Error, Result};
use stratus_store::{DiskOffering, Query, ServiceOffering, Snapshot, StoragePool, Template, Tx, Value, Vm, Volume, VolumeStore};

/// What an offering asks of the pool that a volume is on.
pub(crate) struct Wishes {
    /// Tags that the pool must have.
    pub tags: Vec<String>,
    /// Whether it is the host's own storage.
    pub local: bool,
}

impl Engine {
    /// Finds a pool for a volume of a VM that has a host, and takes its bytes there.
    pub(crate) async fn volume_place(&self, vm: &Vm, volume: Volume) -> Result<()> {
        let cluster = vm.cluster_id.ok_or_else(|| Error::internal("a VM without cluster"))?;
        let host = self.host_for(vm).await?;
        let mut avoid = Vec::new();
        loop {
            let found = self.pool_candidates(vm, (cluster, host), &volume, &avoid).await?;
            if found.is_empty() {
                return Err(no_pool(&volume));
            }
            for pool in found {
                let (id, total) = (volume.id, self.pool_total(&pool));
                avoid.push(pool.id);
                if self.db.write(move |tx| Box::pin(async move { take_pool(tx, id, &pool, total).await })).await? {
                    return Ok(());
                }
            }
        }
    }

    /// Pools of a cluster, and of a host in it, for a volume of a VM, as the allocator proposes them.
    pub(crate) async fn pool_candidates(
        &self,
        vm: &Vm,
        (cluster, host): (i64, Option<i64>),
        volume: &Volume,
        avoid: &[i64],
    ) -> Result<Vec<StoragePool>> {
        let Wishes { tags, local } = self.volume_wishes(volume).await?;
        let demand = PoolDemand {
            zone: vm.zone_id,
            cluster,
            host,
            hypervisor: vm.hypervisor.clone(),
            local,
            bytes: volume.size_bytes,
            tags,
            account: vm.account_id,
            avoid: avoid.to_vec(),
        };
        let named = self.settings.text("vm.allocation.algorithm");
        let allocator = self.allocators.pool(named.as_deref()).ok_or_else(|| Error::internal("no pool allocator"))?;
        let mut found = allocator.candidates(self, &demand, UP_TO).await?;
        // An allocator from outside may not know of local storage.
        found.retain(|pool| (pool.scope == "HOST") == local && pool.host_id.is_none_or(|at| host.is_none_or(|host| host == at)));
        Ok(found)
    }

    /// What a volume asks of the pool that it is on, by its offering.
    pub(crate) async fn volume_wishes(&self, volume: &Volume) -> Result<Wishes> {
        let (text, kind) = match (volume.disk_offering_id, volume.service_offering_id) {
            (Some(id), _) => self.db.get::<DiskOffering>(id).await?.map(|d| (d.tags, d.storage_type)),
            (None, Some(id)) => self.db.get::<ServiceOffering>(id).await?.map(|o| (o.tags, o.storage_type)),
            _ => None,
        }
        .unwrap_or_default();
        Ok(Wishes { tags: tags(text.as_deref()), local: kind == "local" })
    }

    /// Gives a volume's place on its pool back.
    pub(crate) async fn volume_unplace(&self, id: i64) -> Result<()> {
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let row = tx.must::<Volume>(id).await?;
                    leave_pool(tx, &row).await
                })
            })
            .await
    }

    /// Makes a placed volume's bytes on its pool.
    pub(crate) async fn volume_make(&self, volume: &Volume) -> Result<()> {
        self.volume_bytes(volume).await?;
        let id = volume.id;
        self.db.write(move |tx| Box::pin(async move { tx.set::<Volume>(id, vec![("state", "Ready".into())]).await.map(drop) })).await
    }

    /// Has a placed volume's bytes made; its row is still to say so.
    pub(crate) async fn volume_bytes(&self, volume: &Volume) -> Result<()> {
        let (driver, disk) = self.volume_driver(volume).await?;
        let made = match (volume.snapshot_id, volume.template_id) {
            (Some(id), _) => {
                let snapshot = self.db.must::<Snapshot>(id).await?;
                self.disk_from_store(driver.as_ref(), &disk, snapshot.store_id.unwrap_or(0), &snapshot.uuid).await
            }
            (None, Some(id)) => {
                let template = self.db.must::<Template>(id).await?;
                match driver.create_from_template(&disk, &template.uuid).await {
                    Err(DriverError::Missing(_)) if self.template_stage(&template, volume.zone_id).await.map_err(from_driver)? => {
                        driver.create_from_template(&disk, &template.uuid).await
                    }
                    made => made,
                }
            }
            (None, None) => match self.upload_of(volume.id).await? {
                Some(at) => self.disk_from_store(driver.as_ref(), &disk, at.store_id, &volume.uuid).await,
                None => driver.create(&disk).await,
            },
        };
        made.map_err(from_driver)
    }

    /// Deletes a volume's bytes; its place stays taken until `volume_unplace`.
    pub(crate) async fn volume_unmake(&self, volume: &Volume) -> Result<()> {
        let (driver, disk) = self.volume_driver(volume).await?;
        driver.delete(&disk).await.map_err(from_driver)?;
        let id = volume.id;
        self.db.write(move |tx| Box::pin(async move { tx.set::<Volume>(id, vec![("state", "Creating".into())]).await.map(drop) })).await
    }

    /// The driver of a volume's pool and the disk there.
    pub(crate) async fn volume_driver(&self, volume: &Volume) -> Result<(std::sync::Arc<dyn stratus_drivers::PrimaryStorage>, DiskRef)> {
        let pool = self.db.must::<StoragePool>(volume.pool_id.ok_or_else(|| Error::internal("a volume without pool"))?).await?;
        let hypervisor = pool.hypervisor.clone().or_else(|| volume.hypervisor.clone()).unwrap_or_default();
        let driver = self.drivers.pool(&hypervisor);
        let driver = driver.ok_or_else(|| Error::Unavailable(format!("this server has no storage driver for {hypervisor}")))?;
        let path = volume.path.clone().unwrap_or_else(|| volume.uuid.clone());
        Ok((driver, DiskRef { pool: pool.uuid, path, bytes: volume.size_bytes as u64 }))
    }
}

pub(crate) fn no_pool(volume: &Volume) -> Error {
    let gib = volume.size_bytes >> 30;
    Error::NoCapacity(format!("No storage pool of the cluster has room for {} ({gib} GiB)", volume.name))
}

/// Takes a volume's bytes of a pool that has `total` in all; one that has a pool keeps it. False when there is no room.
pub(crate) async fn take_pool(tx: &mut Tx, id: i64, pool: &StoragePool, total: i64) -> Result<bool> {
    let row = tx.must::<Volume>(id).await?;
    if row.pool_id.is_some() {
        return Ok(true);
    }
    if !capacity::pool_take(tx, pool.id, row.size_bytes, total).await? {
        return Ok(false);
    }
    let set = vec![("pool_id", pool.id.into()), ("path", row.uuid.into()), ("state", "Creating".into()), ("pod_id", pool.pod_id.into())];
    tx.set::<Volume>(id, set).await?;
    Ok(true)
}

/// Gives the bytes of a volume's row back to its pool, if it has one.
pub(crate) async fn leave_pool(tx: &mut Tx, row: &Volume) -> Result<()> {
    let Some(pool) = row.pool_id else { return Ok(()) };
    capacity::pool_give_back(tx, pool, row.size_bytes).await?;
    // One that was uploaded has its bytes on an image store as long as it has no place.
    let on_store = Query::live().eq("volume_id", row.id).eq("state", DOWNLOADED);
    let state = if tx.count::<VolumeStore>(on_store).await? > 0 { "Uploaded" } else { "Allocated" };
    let set = vec![("pool_id", Value::Null), ("path", Value::Null), ("state", state.into())];
    tx.set::<Volume>(row.id, set).await.map(drop)
}
