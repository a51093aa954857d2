//! Volumes in answers.
use crate::prelude::*;
use crate::views::tag::{self, Owners, Tag};
use stratus_engine::template_fetch::{DOWNLOADED, FAILED};

/// A volume.
#[derive(View, Debug, Clone)]
pub struct Volume {
    /// the ID of the volume
    pub id: String,
    /// its name
    pub name: String,
    /// the ID of its zone
    pub zoneid: Option<String>,
    /// the name of its zone
    pub zonename: Option<String>,
    /// ROOT or DATADISK
    #[view(name = "type")]
    pub kind: String,
    /// its device number
    pub deviceid: Option<i64>,
    /// the ID of the VM it is attached to
    pub virtualmachineid: Option<String>,
    /// the host name of that VM
    pub vmname: Option<String>,
    /// the name of that VM for people
    pub vmdisplayname: Option<String>,
    /// the state of that VM
    pub vmstate: Option<String>,
    /// its size in bytes
    pub size: i64,
    /// least IOPS
    pub miniops: Option<i64>,
    /// most IOPS
    pub maxiops: Option<i64>,
    /// when it was made
    pub created: Date,
    /// when it was attached
    pub attached: Option<Date>,
    /// its state
    pub state: String,
    /// how far its upload has come
    pub status: Option<String>,
    /// the ID of the snapshot that it was made from
    pub snapshotid: Option<String>,
    /// bytes a second that its offering lets it read
    #[view(name = "diskBytesReadRate")]
    pub bytes_read: Option<i64>,
    /// bytes a second that its offering lets it write
    #[view(name = "diskBytesWriteRate")]
    pub bytes_write: Option<i64>,
    /// requests a second that its offering lets it read with
    #[view(name = "diskIopsReadRate")]
    pub iops_read: Option<i64>,
    /// requests a second that its offering lets it write with
    #[view(name = "diskIopsWriteRate")]
    pub iops_write: Option<i64>,
    /// whether its pool can quiet the VM for a snapshot
    pub quiescevm: Option<bool>,
    /// the account that owns it
    pub account: Option<String>,
    /// the ID of the project that owns it
    pub projectid: Option<String>,
    /// the name of the project that owns it
    pub project: Option<String>,
    /// the ID of its domain
    pub domainid: Option<String>,
    /// the name of its domain
    pub domain: Option<String>,
    /// shared or local
    pub storagetype: Option<String>,
    /// its hypervisor
    pub hypervisor: Option<String>,
    /// the ID of its disk offering
    pub diskofferingid: Option<String>,
    /// the name of its disk offering
    pub diskofferingname: Option<String>,
    /// the text of its disk offering
    pub diskofferingdisplaytext: Option<String>,
    /// the ID of its service offering, for a root disk
    pub serviceofferingid: Option<String>,
    /// the name of its service offering, for a root disk
    pub serviceofferingname: Option<String>,
    /// the text of its service offering, for a root disk
    pub serviceofferingdisplaytext: Option<String>,
    /// the name of its pool, for administrators
    pub storage: Option<String>,
    /// the ID of its pool, for administrators
    pub storageid: Option<String>,
    /// its path on the pool, for administrators
    pub path: Option<String>,
    /// whether it was destroyed
    pub destroyed: bool,
    /// whether it can be downloaded
    pub isextractable: bool,
    /// whether users see it
    pub displayvolume: Option<bool>,
    /// its tags
    pub tags: Vec<Tag>,
}

/// A page of volumes, with one query per table beside it.
pub(crate) async fn of(call: &Call, rows: Vec<store::Volume>) -> Result<Vec<Volume>> {
    let db = &call.db;
    let ids: Vec<i64> = rows.iter().map(|v| v.id).collect();
    let owners = Owners::of(call, rows.iter().map(|v| (v.account_id, v.domain_id))).await?;
    let zones = db.by_ids::<store::Zone>(rows.iter().map(|v| v.zone_id)).await?;
    let vms = db.by_ids::<store::Vm>(rows.iter().filter_map(|v| v.vm_id)).await?;
    let disks = db.by_ids::<store::DiskOffering>(rows.iter().filter_map(|v| v.disk_offering_id)).await?;
    let offerings = db.by_ids::<store::ServiceOffering>(rows.iter().filter_map(|v| v.service_offering_id)).await?;
    let pools = db.by_ids::<store::StoragePool>(rows.iter().filter_map(|v| v.pool_id)).await?;
    let snapshots = db.by_ids::<store::Snapshot>(rows.iter().filter_map(|v| v.snapshot_id)).await?;
    let uploads = db.find::<store::VolumeStore>(store::Query::live().within("volume_id", ids.iter().copied())).await?;
    let templates = db.by_ids::<store::Template>(rows.iter().filter_map(|v| v.template_id)).await?;
    let mut tags = tag::by_thing(call, "Volume", &ids).await?;
    let root = call.caller.is_root();
    let one = |v: store::Volume| {
        let (zone, vm) = (zones.get(&v.zone_id), v.vm_id.and_then(|id| vms.get(&id)));
        let disk = v.disk_offering_id.and_then(|id| disks.get(&id));
        let offering = v.service_offering_id.and_then(|id| offerings.get(&id));
        let pool = v.pool_id.and_then(|id| pools.get(&id)).filter(|_| root);
        Volume {
            zoneid: zone.map(|z| z.uuid.clone()),
            zonename: zone.map(|z| z.name.clone()),
            kind: v.volume_type,
            deviceid: v.device_id,
            virtualmachineid: vm.map(|m| m.uuid.clone()),
            vmname: vm.map(|m| m.name.clone()),
            vmdisplayname: vm.and_then(|m| m.display_name.clone()),
            vmstate: vm.map(|m| m.state.clone()),
            size: v.size_bytes,
            miniops: v.min_iops,
            maxiops: v.max_iops,
            created: Date(v.created),
            attached: v.attached.map(Date),
            account: owners.account(v.account_id),
            projectid: owners.project_uuid(v.account_id),
            project: owners.project(v.account_id),
            domainid: owners.domain_uuid(v.domain_id),
            domain: owners.domain(v.domain_id),
            storagetype: disk.map(|d| d.storage_type.clone()).or_else(|| offering.map(|o| o.storage_type.clone())),
            hypervisor: v.hypervisor,
            diskofferingid: disk.map(|d| d.uuid.clone()),
            diskofferingname: disk.map(|d| d.name.clone()),
            diskofferingdisplaytext: disk.map(|d| d.display_text.clone()),
            serviceofferingid: offering.map(|o| o.uuid.clone()),
            serviceofferingname: offering.map(|o| o.name.clone()),
            serviceofferingdisplaytext: offering.map(|o| o.display_text.clone()),
            storage: pool.map(|p| p.name.clone()),
            storageid: pool.map(|p| p.uuid.clone()),
            path: v.path.filter(|_| root),
            destroyed: v.destroyed.is_some(),
            // A root disk is what its template's owner lets out; a data disk is its owner's own.
            isextractable: v.template_id.and_then(|id| templates.get(&id)).is_none_or(|t| t.is_extractable),
            status: uploads.iter().find(|u| u.volume_id == v.id).map(upload_status),
            snapshotid: v.snapshot_id.and_then(|id| snapshots.get(&id)).map(|s| s.uuid.clone()),
            bytes_read: disk.and_then(|d| d.bytes_read_rate),
            bytes_write: disk.and_then(|d| d.bytes_write_rate),
            iops_read: disk.and_then(|d| d.iops_read_rate),
            iops_write: disk.and_then(|d| d.iops_write_rate),
            quiescevm: Some(false),
            displayvolume: root.then_some(v.display_volume),
            tags: tags.remove(&v.id).unwrap_or_default(),
            id: v.uuid,
            name: v.name,
            state: v.state,
        }
    };
    Ok(rows.into_iter().map(one).collect())
}

/// How far an upload has come, in the original's words.
fn upload_status(at: &store::VolumeStore) -> String {
    match at.state.as_str() {
        DOWNLOADED => "Upload Complete".into(),
        FAILED => at.error.clone().unwrap_or_else(|| "it did not come".into()),
        _ => format!("{}% Uploaded", at.percent),
    }
}
