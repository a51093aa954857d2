//! Volumes: made, attached, detached, deleted. A volume gets its bytes when it is first attached or its VM first starts.
use crate::vm::{check_disk, disk_bytes, usage, wrong_state};
use crate::vm_start::{disk_spec, from_driver};
use crate::{Call, Engine, JobDraft, ListScope, Listing, Topic};
use stratus_model::{Error, Kind, Limit, Result, VmState, VolumeState};
use stratus_store::{Account, DiskOffering, Job, Query, Snapshot, StoragePool, Value, Vm, Volume, Zone};
use uuid::Uuid;

/// Device numbers a VM has for data disks; 3 is kept for the ISO drive, as clients of the original expect.
const DEVICES: [i64; 14] = [1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// What a new volume is to be.
#[derive(Debug, Clone, Default)]
pub struct VolumeCreate {
    /// Its owner.
    pub owner: Account,
    /// Where.
    pub zone: Zone,
    /// Its name.
    pub name: String,
    /// Its offering; a volume from a snapshot may do without.
    pub disk: Option<DiskOffering>,
    /// The snapshot whose bytes it gets.
    pub snapshot: Option<Snapshot>,
    /// GiB, for a custom offering.
    pub size: Option<i64>,
    /// Whether users see it.
    pub display: bool,
    /// IOPS, least and most, for an offering with custom ones.
    pub iops: (Option<i64>, Option<i64>),
}

/// What events about a volume are about.
pub fn topic(v: &Volume) -> Topic {
    Topic { account: v.account_id, domain: v.domain_id, kind: Kind::Volume, id: v.id }
}

pub(crate) fn volume_state(v: &Volume, why: &str) -> Error {
    Error::State { kind: Kind::Volume, id: v.uuid.clone(), state: v.state.clone(), why: why.into() }
}

/// A VM row that stands for a volume's owner in usage facts.
pub(crate) fn owner_of(v: &Volume) -> Vm {
    let hypervisor = v.hypervisor.clone().unwrap_or_default();
    Vm { account_id: v.account_id, domain_id: v.domain_id, zone_id: v.zone_id, hypervisor, ..Default::default() }
}

impl Engine {
    /// Makes a volume and the job that answers with it.
    pub async fn volume_create(&self, call: &Call, ask: VolumeCreate, draft: JobDraft) -> Result<(Volume, Job)> {
        if ask.name.trim().is_empty() {
            return Err(Error::invalid("name", "must not be empty"));
        }
        call.zone_for(&ask.zone, &ask.owner).await?;
        if let Some(d) = &ask.disk
            && !self.disk_offering_visible(call, d).await?
        {
            return Err(Error::not_found(Kind::DiskOffering, &d.uuid));
        }
        crate::local_storage::allowed(&ask.zone, "diskofferingid", ask.disk.as_ref().map(|d| d.storage_type.as_str()))?;
        if ask.iops != (None, None) && !ask.disk.as_ref().is_some_and(|d| d.is_custom_iops) {
            return Err(Error::invalid("miniops", "the disk offering does not have custom IOPS"));
        }
        let (offering, size_bytes) = match (&ask.snapshot, &ask.disk) {
            (Some(s), _) => {
                crate::snapshot::usable(s)?;
                if s.zone_id != ask.zone.id {
                    return Err(Error::invalid("zoneid", "a volume is made in the zone of its snapshot"));
                }
                self.volume_like(s, ask.disk.clone(), ask.size).await?
            }
            (None, Some(d)) => {
                check_disk(d, ask.size)?;
                (Some(d.id), disk_bytes(d, ask.size))
            }
            (None, None) => return Err(Error::Missing { command: "createvolume".into(), field: "diskofferingid".into() }),
        };
        let most = self.settings.number("storage.max.volume.size").saturating_mul(crate::GIB);
        if most > 0 && size_bytes > most {
            return Err(Error::invalid("size", format!("is above storage.max.volume.size, {} GB", most / crate::GIB)));
        }
        let volume = Volume {
            uuid: Uuid::new_v4().to_string(),
            name: ask.name,
            account_id: ask.owner.id,
            domain_id: ask.owner.domain_id,
            zone_id: ask.zone.id,
            volume_type: "DATADISK".into(),
            size_bytes,
            disk_offering_id: offering,
            snapshot_id: ask.snapshot.as_ref().map(|s| s.id),
            hypervisor: ask.snapshot.as_ref().and_then(|s| s.hypervisor.clone()),
            min_iops: ask.iops.0.or(ask.disk.as_ref().and_then(|d| d.min_iops)),
            max_iops: ask.iops.1.or(ask.disk.as_ref().and_then(|d| d.max_iops)),
            display_volume: ask.display,
            state: "Allocated".into(),
            created: call.now(),
            ..Default::default()
        };
        let call = call.clone();
        self.db
            .write(move |tx| {
                let mut v = volume.clone();
                Box::pin(async move {
                    call.take(tx, v.account_id, &[(Limit::Volume, 1), (Limit::PrimaryStorage, v.size_bytes)]).await?;
                    tx.insert(&mut v).await?;
                    let size = Some(v.size_bytes);
                    usage(tx, &call, "VOLUME.CREATE", &owner_of(&v), v.id, Some(&v.name), v.disk_offering_id, None, size).await?;
                    // One from a snapshot waits its turn there, so that nobody deletes the snapshot meanwhile.
                    let first = ask.snapshot.as_ref().map_or_else(|| topic(&v), crate::snapshot::topic);
                    let job = draft.insert_behind(tx, &call, topic(&v), first).await?;
                    Ok((v, job))
                })
            })
            .await
    }

    /// A page of volumes.
    pub async fn volume_list(&self, scope: ListScope, query: Query, range: (i64, i64)) -> Result<Listing<Volume>> {
        Listing::of(&self.db, scope.apply(query), range).await
    }

    /// Attaches a volume to a VM: a claim on the device number first, then the disk on the pool, then the running VM.
    pub async fn volume_attach(&self, volume: Volume, vm: Vm, device: Option<i64>) -> Result<Volume> {
        if volume.vm_id != Some(vm.id) {
            self.volume_claim(&volume, &vm, device).await?;
        }
        match self.volume_connect(volume.id, vm.id).await {
            Ok(()) => self.db.must(volume.id).await,
            Err(e) => {
                self.volume_unclaim(volume.id, vm.id).await?;
                Err(e)
            }
        }
    }

    async fn volume_claim(&self, volume: &Volume, vm: &Vm, device: Option<i64>) -> Result<()> {
        if !matches!(vm.vm_state(), VmState::Running | VmState::Stopped) {
            return Err(wrong_state(vm, "a volume is attached to a running or stopped VM"));
        }
        if volume.vm_id.is_some() {
            return Err(Error::InUse { kind: Kind::Volume, id: volume.uuid.clone(), why: "it is attached to a VM".into() });
        }
        if volume.volume_type != "DATADISK" || !matches!(volume.state.as_str(), "Allocated" | "Ready" | "Uploaded") {
            return Err(volume_state(volume, "only a data disk that is Allocated, Ready or Uploaded can be attached"));
        }
        if volume.zone_id != vm.zone_id || volume.account_id != vm.account_id {
            return Err(Error::invalid("virtualmachineid", "the volume and the VM must be in one zone and of one account"));
        }
        self.same_host(volume, vm).await?;
        let most = self.data_volumes_most(vm).await?;
        let (volume, vm, now) = (volume.clone(), vm.clone(), self.clock.now());
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let used = tx.find::<Volume>(Query::live().eq("vm_id", vm.id)).await?;
                    let data = used.iter().filter(|v| v.volume_type == "DATADISK").count() as i64;
                    if data >= most {
                        let why = format!("has {data} data disks, and {} takes {most} at most", vm.hypervisor);
                        return Err(Error::invalid("virtualmachineid", why));
                    }
                    let taken: Vec<i64> = used.iter().filter_map(|v| v.device_id).collect();
                    let device = match device {
                        Some(d) if !DEVICES.contains(&d) => return Err(Error::invalid("deviceid", "must be 1 to 15, and not 3")),
                        Some(d) if taken.contains(&d) => {
                            return Err(Error::InUse {
                                kind: Kind::Volume,
                                id: format!("device {d}"),
                                why: "another disk of the VM has it".into(),
                            });
                        }
                        Some(d) => d,
                        None => {
                            *DEVICES.iter().find(|d| !taken.contains(d)).ok_or_else(|| Error::invalid("id", "the VM has no free device"))?
                        }
                    };
                    let free = Query::live().eq("id", volume.id).null("vm_id").eq("update_count", volume.update_count);
                    let set = vec![
                        ("vm_id", vm.id.into()),
                        ("device_id", device.into()),
                        ("attached", now.into()),
                        ("hypervisor", vm.hypervisor.clone().into()),
                    ];
                    match tx.update::<Volume>(free, set).await? {
                        1 => Ok(()),
                        _ => Err(volume_state(&volume, "it changed at the same time")),
                    }
                })
            })
            .await
    }

    async fn volume_connect(&self, id: i64, vm: i64) -> Result<()> {
        let vm = self.db.must::<Vm>(vm).await?;
        let mut volume = self.db.must::<Volume>(id).await?;
        // A VM that never ran places its disks when it starts.
        if volume.pool_id.is_none() && vm.cluster_id.is_some() {
            self.volume_place(&vm, volume.clone()).await?;
            volume = self.db.must(id).await?;
        }
        if volume.state == "Creating" {
            self.volume_make(&volume).await?;
            volume = self.db.must(id).await?;
        }
        if vm.vm_state() == VmState::Running {
            let (driver, host) = self.host_of_vm(vm.host_id).await?;
            let pool = self.db.must::<StoragePool>(volume.pool_id.unwrap_or(0)).await?;
            let disk = disk_spec(&volume, &pool).ok_or_else(|| Error::internal("a volume without path"))?;
            driver.attach(&host.uuid, &vm.instance_name, &disk).await.map_err(from_driver)?;
        }
        Ok(())
    }

    async fn volume_unclaim(&self, volume: i64, vm: i64) -> Result<()> {
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let set = vec![("vm_id", Value::Null), ("device_id", Value::Null), ("attached", Value::Null)];
                    tx.update::<Volume>(Query::live().eq("id", volume).eq("vm_id", vm), set).await.map(drop)
                })
            })
            .await
    }

    /// Detaches a data disk from its VM.
    pub async fn volume_detach(&self, volume: Volume) -> Result<Volume> {
        let Some(vm) = volume.vm_id else {
            return Err(volume_state(&volume, "it is not attached"));
        };
        if volume.volume_type != "DATADISK" {
            return Err(volume_state(&volume, "a root disk stays with its VM"));
        }
        if VolumeState::from_word(&volume.state).is_some_and(VolumeState::is_passing) {
            return Err(volume_state(&volume, "work on it is under way"));
        }
        let vm = self.db.must::<Vm>(vm).await?;
        match vm.vm_state() {
            VmState::Running => {
                let (driver, host) = self.host_of_vm(vm.host_id).await?;
                let pool = self.db.must::<StoragePool>(volume.pool_id.unwrap_or(0)).await?;
                let disk = disk_spec(&volume, &pool).ok_or_else(|| Error::internal("a volume without path"))?;
                driver.detach(&host.uuid, &vm.instance_name, &disk).await.map_err(from_driver)?;
            }
            VmState::Stopped | VmState::Destroyed | VmState::Error => {}
            _ => return Err(wrong_state(&vm, "a volume is detached from a running or stopped VM")),
        }
        self.volume_unclaim(volume.id, vm.id).await?;
        self.db.must(volume.id).await
    }

    /// Deletes a volume that is not attached.
    pub async fn volume_delete(&self, call: &Call, volume: Volume) -> Result<()> {
        if volume.vm_id.is_some() {
            return Err(Error::invalid("id", format!("volume {} is attached to a VM; detach it first", volume.uuid)));
        }
        if !matches!(volume.state.as_str(), "Allocated" | "Ready" | "Uploaded") {
            return Err(volume_state(&volume, "work on it is under way"));
        }
        let logged = volume.clone();
        self.volume_erase(call, volume).await?;
        let call = call.clone();
        self.db
            .write(move |tx| Box::pin(async move { call.log(tx, topic(&logged), format!("volume {} was deleted", logged.uuid)).await }))
            .await
    }
}
