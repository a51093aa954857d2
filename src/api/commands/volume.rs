//! Volumes: made, listed, attached, detached, deleted.
use crate::prelude::*;
use stratus_engine::volume::VolumeCreate;
use stratus_engine::volume_upload::VolumeUpload;
use stratus_engine::volume_work::{VolumeResize, VolumeUpdate};

/// Lists volumes.
#[derive(Command)]
#[command(name = "listVolumes", roles = "all", answer = "volume", view = views::volume::Volume)]
pub struct ListVolumes {
    /// those of VMs on a host
    hostid: Option<Ref<store::Host>>,
    /// the volume with this ID
    id: Option<Owned<store::Volume>>,
    /// those with this name
    name: Option<String>,
    /// those in a pod
    podid: Option<Ref<store::Pod>>,
    /// those on a pool
    #[param(since = "4.3")]
    storageid: Option<Ref<store::StoragePool>>,
    /// ROOT or DATADISK
    #[param(name = "type")]
    kind: Option<String>,
    /// those of a VM
    virtualmachineid: Option<Owned<store::Vm>>,
    /// those in a zone
    zoneid: Option<Ref<store::Zone>>,
    #[param(flatten)]
    scoped: Scoped,
    #[param(flatten)]
    tags: Tags,
    #[param(flatten)]
    page: Paging,
}

impl Run for ListVolumes {
    async fn run(self, call: &Call) -> Result<Answer> {
        let by_id = self.id.is_some() || self.virtualmachineid.is_some();
        let mut q = store::Query::live()
            .eq_opt("id", self.id.map(|v| v.0.id))
            .eq_opt("name", self.name)
            .eq_opt("pod_id", self.podid.map(|p| p.0.id))
            .eq_opt("pool_id", self.storageid.map(|p| p.0.id))
            .eq_opt("volume_type", self.kind.map(|k| k.to_uppercase()))
            .eq_opt("vm_id", self.virtualmachineid.map(|v| v.0.id))
            .eq_opt("zone_id", self.zoneid.map(|z| z.0.id));
        if let Some(h) = self.hostid {
            q = q.key_in::<store::Vm>("vm_id", "id", store::Query::live().eq("host_id", h.0.id));
        }
        if let Some(k) = &self.page.keyword {
            q = q.holds(&["name"], k);
        }
        let q = stratus_engine::tag::tag_filter(q, "Volume", &self.tags.0);
        let found = call.volume_list(self.scoped.scope(call, by_id).await?, q, self.page.range(call)?).await?;
        Ok(Answer::list(found.count, views::volume::of(call, found.rows).await?))
    }
}

/// Makes a volume from a disk offering or from a snapshot.
#[derive(Command)]
#[command(
    name = "createVolume",
    roles = "all",
    answer = "volume",
    view = views::volume::Volume,
    event = "VOLUME.CREATE",
    job = "creating a volume",
    create
)]
pub struct CreateVolume {
    /// its name
    name: String,
    /// the account that is to own it; needs domainid
    account: Option<String>,
    /// the disk offering
    diskofferingid: Option<Ref<store::DiskOffering>>,
    /// whether its owner sees it
    #[param(since = "4.2")]
    displayvolume: Option<bool>,
    /// the domain of the account
    domainid: Option<Ref<store::Domain>>,
    /// most IOPS, for an offering with custom ones
    #[param(kind = "long", since = "4.2")]
    maxiops: Option<i64>,
    /// least IOPS, for an offering with custom ones
    #[param(kind = "long", since = "4.2")]
    miniops: Option<i64>,
    /// the project that is to own it
    #[param(since = "3.0")]
    projectid: Option<Ref<store::Project>>,
    /// GB, for a custom offering
    #[param(kind = "long")]
    size: Option<i64>,
    /// the snapshot to make it from
    snapshotid: Option<Owned<store::Snapshot>>,
    /// the VM to attach it to once it is made; needs snapshotid
    #[param(since = "4.3")]
    virtualmachineid: Option<Owned<store::Vm>>,
    /// the ID of the zone
    zoneid: Option<Ref<store::Zone>>,
}

impl Create for CreateVolume {
    async fn create(self, call: &Call, job: JobDraft) -> Result<Created> {
        let need = |field: &str| Error::Missing { command: "createvolume".into(), field: field.into() };
        let domain = self.domainid.map(|d| d.0);
        let snapshot = self.snapshotid.map(|s| s.0);
        if self.virtualmachineid.is_some() && snapshot.is_none() {
            return Err(Error::invalid("virtualmachineid", "is for volumes made from a snapshot; needs snapshotid"));
        }
        let zone = match (self.zoneid, &snapshot) {
            (Some(z), _) => z.0,
            (None, Some(s)) => call.db.must(s.zone_id).await?,
            (None, None) => return Err(need("zoneid")),
        };
        let ask = VolumeCreate {
            owner: call.acting_owner(self.account.as_deref(), domain.as_ref(), self.projectid.as_ref().map(|p| &p.0)).await?,
            zone,
            name: self.name,
            disk: self.diskofferingid.map(|d| d.0),
            snapshot,
            size: self.size,
            display: self.displayvolume.unwrap_or(true),
            iops: (self.miniops, self.maxiops),
        };
        if self.virtualmachineid.is_some_and(|vm| vm.0.account_id != ask.owner.id) {
            return Err(Error::invalid("virtualmachineid", "the volume and the VM must be of one account"));
        }
        let (volume, job) = call.volume_create(call, ask, job).await?;
        Ok(Created { job, uuid: volume.uuid })
    }
    async fn finish(call: &Call, id: i64) -> Result<Answer> {
        let mut volume = call.db.must::<store::Volume>(id).await?;
        if volume.snapshot_id.is_some() && volume.vm_id.is_none() {
            volume = call.volume_from_snapshot(call, id).await?;
        }
        if let Some(vm) = call.job_parameter(call, "virtualmachineid").await? {
            let vm = crate::resolve::named::<store::Vm>(call, "virtualmachineid", &vm).await?;
            volume = call.volume_attach(volume, vm, None).await?;
        }
        views::one(views::volume::of(call, vec![volume]).await?)
    }
}

/// Attaches a volume to a VM.
#[derive(Command)]
#[command(
    name = "attachVolume",
    roles = "all",
    answer = "volume",
    view = views::volume::Volume,
    event = "VOLUME.ATTACH",
    job = "attaching a volume",
    on = "virtualmachineid"
)]
pub struct AttachVolume {
    /// the ID of the volume
    id: Owned<store::Volume>,
    /// the ID of the VM
    virtualmachineid: Owned<store::Vm>,
    /// the device number; the first free one when absent
    #[param(kind = "long")]
    deviceid: Option<i64>,
}

impl Run for AttachVolume {
    async fn run(self, call: &Call) -> Result<Answer> {
        let volume = call.volume_attach(self.id.0, self.virtualmachineid.0, self.deviceid).await?;
        views::one(views::volume::of(call, vec![volume]).await?)
    }
}

/// Detaches a volume from its VM: by its ID, or by VM and device number.
#[derive(Command)]
#[command(
    name = "detachVolume",
    roles = "all",
    answer = "volume",
    view = views::volume::Volume,
    event = "VOLUME.DETACH",
    job = "detaching a volume"
)]
pub struct DetachVolume {
    /// the device number; needs virtualmachineid
    #[param(kind = "long")]
    deviceid: Option<i64>,
    /// the ID of the volume
    id: Option<Owned<store::Volume>>,
    /// the ID of the VM; needs deviceid
    virtualmachineid: Option<Owned<store::Vm>>,
}

impl Run for DetachVolume {
    async fn run(self, call: &Call) -> Result<Answer> {
        let volume = match (self.id, self.virtualmachineid, self.deviceid) {
            (Some(v), None, None) => v.0,
            (None, Some(vm), Some(device)) => {
                let q = store::Query::live().eq("vm_id", vm.0.id).eq("device_id", device);
                let found = call.db.find_one::<store::Volume>(q).await?;
                found.ok_or_else(|| Error::invalid("deviceid", "the VM has no disk there"))?
            }
            _ => return Err(Error::invalid("id", "give either id, or virtualmachineid and deviceid")),
        };
        let volume = call.volume_detach(volume).await?;
        views::one(views::volume::of(call, vec![volume]).await?)
    }
}

/// Resizes a volume, or gives it another disk offering.
#[derive(Command)]
#[command(
    name = "resizeVolume",
    roles = "all",
    answer = "volume",
    view = views::volume::Volume,
    event = "VOLUME.RESIZE",
    job = "resizing a volume",
    on = "id"
)]
pub struct ResizeVolume {
    /// the disk offering that it is to have
    diskofferingid: Option<Ref<store::DiskOffering>>,
    /// the ID of the volume
    id: Due<store::Volume>,
    /// true when less than now is meant
    shrinkok: Option<bool>,
    /// GB, for a custom offering
    #[param(kind = "long")]
    size: Option<i64>,
}

impl Run for ResizeVolume {
    async fn run(self, call: &Call) -> Result<Answer> {
        let ask = VolumeResize { disk: self.diskofferingid.map(|d| d.0), size: self.size, shrink_ok: self.shrinkok.unwrap_or(false) };
        let volume = call.volume_resize(call, self.id.0, ask).await?;
        views::one(views::volume::of(call, vec![volume]).await?)
    }
}

/// Changes what an administrator knows better about a volume.
#[derive(Command)]
#[command(
    name = "updateVolume",
    roles = "admin",
    answer = "volume",
    view = views::volume::Volume,
    event = "VOLUME.DETAIL.UPDATE",
    job = "updating a volume",
    on = "id"
)]
pub struct UpdateVolume {
    /// whether its owner sees it
    #[param(since = "4.3")]
    displayvolume: Option<bool>,
    /// the ID of the volume
    id: Due<store::Volume>,
    /// where its bytes are on its pool
    path: Option<String>,
    /// Ready, for one that was left in a passing state
    #[param(since = "4.3")]
    state: Option<String>,
    /// the pool that has its bytes
    #[param(since = "4.3")]
    storageid: Option<Ref<store::StoragePool>>,
}

impl Run for UpdateVolume {
    async fn run(self, call: &Call) -> Result<Answer> {
        let ask = VolumeUpdate { display: self.displayvolume, path: self.path, pool: self.storageid.map(|p| p.0), state: self.state };
        let volume = call.volume_update(self.id.0, ask).await?;
        views::one(views::volume::of(call, vec![volume]).await?)
    }
}

/// Moves a volume that no running VM uses to another storage pool.
#[derive(Command)]
#[command(
    name = "migrateVolume",
    roles = "all",
    answer = "volume",
    view = views::volume::Volume,
    event = "VOLUME.MIGRATE",
    job = "migrating a volume",
    on = "volumeid",
    since = "3.0"
)]
pub struct MigrateVolume {
    /// the ID of the pool
    storageid: Ref<store::StoragePool>,
    /// the ID of the volume
    volumeid: Owned<store::Volume>,
    /// true to move it under its running VM
    #[param(since = "4.2")]
    livemigrate: Option<bool>,
}

impl Run for MigrateVolume {
    async fn run(self, call: &Call) -> Result<Answer> {
        let volume = self.volumeid.0;
        let vm = match volume.vm_id.filter(|_| self.livemigrate == Some(true)) {
            Some(vm) => Some(call.db.must::<store::Vm>(vm).await?).filter(|vm| vm.state == "Running"),
            None => None,
        };
        let volume = match vm {
            Some(vm) => call.volume_migrate_live(call, &vm, volume, self.storageid.0).await?,
            None => call.volume_migrate(call, volume, self.storageid.0).await?,
        };
        views::one(views::volume::of(call, vec![volume]).await?)
    }
}

/// Brings a volume from a URL.
#[derive(Command)]
#[command(
    name = "uploadVolume",
    roles = "all",
    since = "4.0",
    answer = "volume",
    view = views::volume::Volume,
    event = "VOLUME.UPLOAD",
    job = "uploading a volume"
)]
pub struct UploadVolume {
    /// its format: QCOW2, RAW, VHD, OVA …
    format: String,
    /// its name
    name: String,
    /// where it is fetched from, http or https
    #[param(length = 2048)]
    url: String,
    /// the ID of the zone
    zoneid: Ref<store::Zone>,
    /// the account that is to own it; needs domainid
    account: Option<String>,
    /// the checksum that its file must have
    checksum: Option<String>,
    /// the domain of the account
    domainid: Option<Ref<store::Domain>>,
    /// an image store of one's choice; the zone's own is taken
    #[param(since = "4.2")]
    imagestoreuuid: Refused,
    /// the project that is to own it
    #[param(since = "4.2")]
    projectid: Option<Ref<store::Project>>,
}

impl Run for UploadVolume {
    async fn run(self, call: &Call) -> Result<Answer> {
        let _ = self.imagestoreuuid;
        let (domain, project) = (self.domainid.map(|d| d.0), self.projectid.map(|p| p.0));
        let owner = call.acting_owner(self.account.as_deref(), domain.as_ref(), project.as_ref()).await?;
        let ask = VolumeUpload { name: self.name, url: self.url, format: self.format, checksum: self.checksum, ..Default::default() };
        let volume = call.volume_upload(call, &owner, &self.zoneid.0, ask).await?;
        views::one(views::volume::of(call, vec![volume]).await?)
    }
}

/// Deletes a volume that is not attached.
#[derive(Command)]
#[command(name = "deleteVolume", roles = "all", event = "VOLUME.DELETE")]
pub struct DeleteVolume {
    /// the ID of the volume
    id: Owned<store::Volume>,
}

impl Run for DeleteVolume {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.volume_delete(call, self.id.0).await?;
        Ok(Answer::success())
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<ListVolumes>();
    r.add::<CreateVolume>();
    r.add::<AttachVolume>();
    r.add::<DetachVolume>();
    r.add::<ResizeVolume>();
    r.add::<UpdateVolume>();
    r.add::<MigrateVolume>();
    r.add::<UploadVolume>();
    r.add::<DeleteVolume>();
}
