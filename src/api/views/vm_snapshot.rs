//! Snapshots of VMs in answers.
use crate::prelude::*;
use crate::views::tag::Owners;
use std::collections::HashMap;

/// A snapshot of a VM.
#[derive(View, Debug, Clone)]
pub struct VmSnapshot {
    /// the ID of the snapshot
    pub id: String,
    /// its name
    pub name: String,
    /// its state
    pub state: String,
    /// what it is for
    pub description: Option<String>,
    /// its name for people
    pub displayname: Option<String>,
    /// the ID of its zone
    pub zoneid: Option<String>,
    /// the ID of its VM
    pub virtualmachineid: Option<String>,
    /// the ID of the snapshot that it follows
    pub parent: Option<String>,
    /// the name for people of the snapshot that it follows
    #[view(name = "parentName")]
    pub parent_name: Option<String>,
    /// whether the VM goes on from it
    pub current: bool,
    /// Disk or DiskAndMemory
    #[view(name = "type")]
    pub kind: String,
    /// when it was made
    pub created: Date,
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
}

/// A page of snapshots.
pub(crate) async fn of(call: &Call, rows: Vec<store::VmSnapshot>) -> Result<Vec<VmSnapshot>> {
    let owners = Owners::of(call, rows.iter().map(|s| (s.account_id, s.domain_id))).await?;
    let vms: HashMap<i64, store::Vm> = call.db.by_ids(rows.iter().map(|s| s.vm_id)).await?;
    let zones: HashMap<i64, store::Zone> = call.db.by_ids(rows.iter().map(|s| s.zone_id)).await?;
    let parents: HashMap<i64, store::VmSnapshot> = call.db.by_ids(rows.iter().filter_map(|s| s.parent_id)).await?;
    let one = |s: store::VmSnapshot| {
        let parent = s.parent_id.and_then(|p| parents.get(&p));
        VmSnapshot {
            zoneid: zones.get(&s.zone_id).map(|z| z.uuid.clone()),
            virtualmachineid: vms.get(&s.vm_id).map(|v| v.uuid.clone()),
            parent: parent.map(|p| p.uuid.clone()),
            parent_name: parent.and_then(|p| p.display_name.clone()),
            current: s.is_current,
            kind: s.snapshot_type,
            created: Date(s.created),
            account: owners.account(s.account_id),
            projectid: owners.project_uuid(s.account_id),
            project: owners.project(s.account_id),
            domainid: owners.domain_uuid(s.domain_id),
            domain: owners.domain(s.domain_id),
            id: s.uuid,
            name: s.name,
            state: s.state,
            description: s.description,
            displayname: s.display_name,
        }
    };
    Ok(rows.into_iter().map(one).collect())
}
