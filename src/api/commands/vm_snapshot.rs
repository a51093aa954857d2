//! Snapshots of VMs. Their jobs wait in the queue of the VM.
use crate::prelude::*;
use crate::resolve::Found;
use crate::views::vm_snapshot as view;
use stratus_engine::vm_snapshot::{VmSnapshotCreate, VmSnapshotList};

found!(VmSnapshot owned);

/// A snapshot that the caller may touch; what is done with it is done to its VM.
pub struct OfVm(Owned<store::VmSnapshot>);
impl crate::declare::Parameter for OfVm {
    const KIND: &'static str = "uuid";
    async fn take(call: &Call, given: &mut crate::request::Given, name: &'static str, length: usize) -> Result<Self> {
        <Owned<store::VmSnapshot> as crate::declare::Parameter>::take(call, given, name, length).await.map(Self)
    }
}
impl crate::declare::AsTopic for OfVm {
    fn topic(&self) -> Topic {
        let (account, domain) = Found::owner(&self.0.0);
        Topic { account, domain, kind: Kind::Vm, id: self.0.0.vm_id }
    }
}

/// Takes a snapshot of a VM.
#[derive(Command)]
#[command(
    name = "createVMSnapshot",
    roles = "all",
    since = "4.2",
    answer = "vmsnapshot",
    view = view::VmSnapshot,
    event = "VMSNAPSHOT.CREATE",
    job = "taking a VM snapshot",
    create
)]
pub struct CreateSnapshot {
    /// the ID of the VM
    virtualmachineid: Owned<store::Vm>,
    /// what it is for
    description: Option<String>,
    /// its name for people
    name: Option<String>,
    /// whether the guest is to quiesce its file systems first
    #[param(kind = "boolean", since = "4.3")]
    quiescevm: Refused,
    /// true for the memory of the running VM too
    snapshotmemory: Option<bool>,
}
impl Create for CreateSnapshot {
    async fn create(self, call: &Call, job: JobDraft) -> Result<Created> {
        let _ = self.quiescevm;
        let ask = VmSnapshotCreate { display_name: self.name, description: self.description, memory: self.snapshotmemory.unwrap_or(false) };
        let (snapshot, job) = call.vm_snapshot_create(call, self.virtualmachineid.0, ask, job).await?;
        Ok(Created { job, uuid: snapshot.uuid })
    }
    async fn finish(call: &Call, vm: i64) -> Result<Answer> {
        let snapshot = call.vm_snapshot_take(call, vm).await?;
        views::one(view::of(call, vec![snapshot]).await?)
    }
}

/// Deletes a snapshot of a VM.
#[derive(Command)]
#[command(
    name = "deleteVMSnapshot",
    roles = "all",
    since = "4.2",
    event = "VMSNAPSHOT.DELETE",
    job = "deleting a VM snapshot",
    on = "vmsnapshotid"
)]
pub struct Delete {
    /// the ID of the snapshot
    vmsnapshotid: OfVm,
}
impl Run for Delete {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.vm_snapshot_delete(call, &self.vmsnapshotid.0.0).await?;
        Ok(Answer::success())
    }
}

/// Makes a VM as it was at a snapshot.
#[derive(Command)]
#[command(
    name = "revertToVMSnapshot",
    roles = "all",
    since = "4.2",
    answer = "virtualmachine",
    view = views::vm::Vm,
    event = "VMSNAPSHOT.REVERTTO",
    job = "reverting a VM to a snapshot",
    on = "vmsnapshotid"
)]
pub struct Revert {
    /// the ID of the snapshot
    vmsnapshotid: OfVm,
}
impl Run for Revert {
    async fn run(self, call: &Call) -> Result<Answer> {
        let vm = call.vm_snapshot_revert(call, &self.vmsnapshotid.0.0).await?;
        views::one(views::vm::of(call, vec![vm]).await?)
    }
}

/// Lists snapshots of VMs.
#[derive(Command)]
#[command(name = "listVMSnapshot", roles = "all", since = "4.2", answer = "vmSnapshot", view = view::VmSnapshot)]
pub struct List {
    /// only those with this name
    name: Option<String>,
    /// only those in this state
    state: Option<String>,
    /// only those of this VM
    virtualmachineid: Option<Owned<store::Vm>>,
    /// only the snapshot with this ID
    vmsnapshotid: Option<Owned<store::VmSnapshot>>,
    #[param(flatten)]
    tags: Tags,
    #[param(flatten)]
    scoped: Scoped,
    #[param(flatten)]
    page: Paging,
}
impl Run for List {
    async fn run(self, call: &Call) -> Result<Answer> {
        let page = self.page.range(call)?;
        let ask = VmSnapshotList {
            scope: self.scoped.scope(call, self.vmsnapshotid.is_some() || self.virtualmachineid.is_some()).await?,
            id: self.vmsnapshotid.map(|s| s.0.id),
            vm: self.virtualmachineid.map(|v| v.0.id),
            name: self.name,
            state: self.state,
            keyword: self.page.keyword,
            tags: self.tags.0,
            page,
        };
        let found = call.vm_snapshot_list(ask).await?;
        Ok(Answer::list(found.count, view::of(call, found.rows).await?))
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<CreateSnapshot>();
    r.add::<Delete>();
    r.add::<Revert>();
    r.add::<List>();
}
