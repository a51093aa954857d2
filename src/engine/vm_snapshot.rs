//! Snapshots of VMs: their disks, and the memory of a running one (VM-19). They form a chain; a VM goes on from the current one.
//!
//! A snapshot's jobs are about its VM and wait in the VM's queue, so nothing else happens to the VM meanwhile.
use crate::saga::Saga;
use crate::vm::{topic as vm_topic, wrong_state};
use crate::vm_start::from_driver;
use crate::{Call, Engine, JobDraft, ListScope, Listing, saga};
use serde::{Deserialize, Serialize};
use stratus_drivers::{StopMode, VmSnapshotSpec};
use stratus_model::{Error, Kind, Result, VmState};
use stratus_store::{Host, Job, Query, Tx, UsageEvent, Vm, VmSnapshot, Volume};
use uuid::Uuid;

const DISK: &str = "Disk";
const MEMORY: &str = "DiskAndMemory";

/// What a new snapshot is to be.
#[derive(Debug, Clone, Default)]
pub struct VmSnapshotCreate {
    /// Its name for people.
    pub display_name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Of the memory too.
    pub memory: bool,
}

/// Which snapshots to list.
#[derive(Debug, Clone)]
pub struct VmSnapshotList {
    /// Whose.
    pub scope: ListScope,
    /// This one only.
    pub id: Option<i64>,
    /// Of this VM.
    pub vm: Option<i64>,
    /// With this name.
    pub name: Option<String>,
    /// In this state.
    pub state: Option<String>,
    /// Whose name holds this.
    pub keyword: Option<String>,
    /// With one of these tags.
    pub tags: Vec<(String, String)>,
    /// First row and number of rows.
    pub page: (i64, i64),
}

static KEEP: Saga<Work> = saga!("vm-snapshot": keep_begin undo keep_fail, keep undo forget_it, keep_settle);
static REVERT: Saga<Work> = saga!("vm-revert": revert_begin undo revert_fail, power, revert, revert_settle);
static DELETE: Saga<Work> = saga!("vm-snapshot-delete": delete_begin, forget_it, delete_settle);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Work {
    vm: i64,
    snapshot: i64,
}

fn snapshot_state(s: &VmSnapshot, why: &str) -> Error {
    Error::State { kind: Kind::VmSnapshot, id: s.uuid.clone(), state: s.state.clone(), why: why.into() }
}

fn spec(s: &VmSnapshot) -> VmSnapshotSpec {
    VmSnapshotSpec { uuid: s.uuid.clone(), memory: s.snapshot_type == MEMORY }
}

async fn set_state(tx: &mut Tx, s: &VmSnapshot, to: &str) -> Result<()> {
    tx.advance::<VmSnapshot>(s.id, &s.state, s.update_count, to, Vec::new()).await
}

impl Engine {
    /// Refuses what must not happen to the disks of a VM that has snapshots.
    pub(crate) async fn no_vm_snapshots(&self, vm: &Vm, field: &str) -> Result<()> {
        match self.db.count::<VmSnapshot>(Query::live().eq("vm_id", vm.id).ne("state", "Error")).await? {
            0 => Ok(()),
            n => Err(Error::invalid(field, format!("virtual machine {} has {n} VM snapshots; delete them first", vm.uuid))),
        }
    }

    /// Makes a snapshot's row and the job that takes it.
    pub async fn vm_snapshot_create(&self, call: &Call, vm: Vm, ask: VmSnapshotCreate, draft: JobDraft) -> Result<(VmSnapshot, Job)> {
        self.vm_snapshot_possible(&vm, ask.memory).await?;
        let stamp: String = stratus_model::format_date(call.now()).chars().filter(char::is_ascii_digit).take(14).collect();
        let name = format!("{}_VS_{stamp}", vm.instance_name);
        let mut row = VmSnapshot {
            uuid: Uuid::new_v4().to_string(),
            display_name: ask.display_name.or_else(|| Some(name.clone())),
            name,
            description: ask.description,
            vm_id: vm.id,
            snapshot_type: if ask.memory { MEMORY } else { DISK }.into(),
            account_id: vm.account_id,
            domain_id: vm.domain_id,
            zone_id: vm.zone_id,
            state: "Allocated".into(),
            created: call.now(),
            ..Default::default()
        };
        let most = self.settings.number("vmsnapshot.max");
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let all = tx.find::<VmSnapshot>(Query::live().eq("vm_id", vm.id).ne("state", "Error")).await?;
                    if all.len() as i64 >= most {
                        return Err(Error::invalid(
                            "virtualmachineid",
                            format!("a virtual machine has at most {most} VM snapshots (vmsnapshot.max)"),
                        ));
                    }
                    if let Some(busy) = all.iter().find(|s| s.state != "Ready") {
                        return Err(snapshot_state(busy, "one thing at a time is done with the snapshots of a virtual machine"));
                    }
                    row.parent_id = all.iter().find(|s| s.is_current).map(|s| s.id);
                    tx.insert(&mut row).await?;
                    let job = draft.insert(tx, &call, vm_topic(&vm)).await?;
                    Ok((row, job))
                })
            })
            .await
    }

    async fn vm_snapshot_possible(&self, vm: &Vm, memory: bool) -> Result<()> {
        match vm.vm_state() {
            VmState::Running => {}
            VmState::Stopped if memory => return Err(wrong_state(vm, "a snapshot of its memory needs it running")),
            VmState::Stopped => {}
            _ => return Err(wrong_state(vm, "a snapshot is taken while it runs or is stopped")),
        }
        let volumes = self.db.find::<Volume>(Query::live().eq("vm_id", vm.id)).await?;
        if let Some(v) = volumes.iter().find(|v| v.state != "Ready") {
            return Err(Error::invalid("virtualmachineid", format!("its volume {} is {} and not Ready", v.uuid, v.state)));
        }
        Ok(())
    }

    /// Takes the snapshot that a VM's creating job is for.
    pub async fn vm_snapshot_take(&self, call: &Call, vm: i64) -> Result<VmSnapshot> {
        let of_vm = || Query::live().eq("vm_id", vm);
        let waiting = of_vm().within("state", ["Allocated", "Creating"]).latest("id");
        let row = match self.db.find_one::<VmSnapshot>(waiting).await? {
            Some(row) => Some(row),
            // This very job before a restart.
            None => self.db.find_one::<VmSnapshot>(of_vm().latest("id")).await?,
        };
        let row = row.ok_or_else(|| Error::internal("a VM snapshot that is gone"))?;
        KEEP.run(call, 0, Work { vm, snapshot: row.id }).await?;
        self.db.must(row.id).await
    }

    /// Makes a VM as it was at a snapshot; it runs afterwards if it ran then with its memory kept.
    pub async fn vm_snapshot_revert(&self, call: &Call, snapshot: &VmSnapshot) -> Result<Vm> {
        REVERT.run(call, 0, Work { vm: snapshot.vm_id, snapshot: snapshot.id }).await?;
        self.db.must(snapshot.vm_id).await
    }

    /// Deletes a snapshot; those made after it stay and hang on its parent.
    pub async fn vm_snapshot_delete(&self, call: &Call, snapshot: &VmSnapshot) -> Result<()> {
        DELETE.run(call, 0, Work { vm: snapshot.vm_id, snapshot: snapshot.id }).await.map(drop)
    }

    /// Deletes what is left of a VM's snapshots at its end. Its root disk goes; data disks forget theirs where a host can be asked.
    pub(crate) async fn vm_snapshots_end(&self, call: &Call, vm: i64) -> Result<()> {
        for s in self.db.find::<VmSnapshot>(Query::live().eq("vm_id", vm)).await? {
            let mut work = Work { vm, snapshot: s.id };
            if let Err(e) = forget_it(call, &mut work).await {
                tracing::warn!(vm, snapshot = s.id, error = %e, "disks of an expunged VM keep a VM snapshot");
            }
            delete_settle(call, &mut work).await?;
        }
        Ok(())
    }

    /// Lists snapshots.
    pub async fn vm_snapshot_list(&self, ask: VmSnapshotList) -> Result<Listing<VmSnapshot>> {
        let mut q = ask.scope.apply(Query::live()).eq_opt("id", ask.id).eq_opt("vm_id", ask.vm).eq_opt("state", ask.state);
        if let Some(name) = ask.name {
            q = q.any([Query::all().eq("name", name.as_str()), Query::all().eq("display_name", name.as_str())]);
        }
        if let Some(k) = &ask.keyword {
            q = q.holds(&["name", "display_name", "description"], k);
        }
        q = crate::tag::tag_filter(q, "VMSnapshot", &ask.tags);
        let (offset, limit) = ask.page;
        Ok(Listing { count: self.db.count::<VmSnapshot>(q.clone()).await?, rows: self.db.find(q.page(offset, limit)).await? })
    }

    /// A host that can work on a VM's disks: the one it runs on, else one of its cluster that is up.
    async fn host_for_disks(&self, vm: &Vm) -> Result<i64> {
        if let Some(id) = vm.host_id {
            return Ok(id);
        }
        let up = Query::live().eq("state", "Up").eq("hypervisor", vm.hypervisor.as_str()).eq_opt("cluster_id", vm.cluster_id);
        let host = self.db.find_one::<Host>(up).await?;
        host.map(|h| h.id).ok_or_else(|| Error::Unavailable(format!("no host of the cluster of virtual machine {} is up", vm.uuid)))
    }

    async fn on_host(&self, plan: &Work) -> Result<(std::sync::Arc<dyn stratus_drivers::Host>, Host, stratus_drivers::VmSpec, VmSnapshot)> {
        let (vm, snapshot) = (self.db.must::<Vm>(plan.vm).await?, self.db.must::<VmSnapshot>(plan.snapshot).await?);
        let (driver, host) = self.host_of_vm(Some(self.host_for_disks(&vm).await?)).await?;
        Ok((driver, host, self.vm_spec(&vm).await?, snapshot))
    }
}

async fn keep_begin(call: &Call, plan: &mut Work) -> Result<()> {
    let vm = call.db.must::<Vm>(plan.vm).await?;
    let snapshot = call.db.must::<VmSnapshot>(plan.snapshot).await?;
    call.vm_snapshot_possible(&vm, snapshot.snapshot_type == MEMORY).await?;
    call.db.write(move |tx| Box::pin(async move { move_on(tx, snapshot.id, &["Allocated"], "Creating").await })).await
}

async fn keep_fail(call: &Call, plan: &mut Work) -> Result<()> {
    let id = plan.snapshot;
    call.db.write(move |tx| Box::pin(async move { move_on(tx, id, &["Allocated", "Creating"], "Error").await })).await
}

async fn keep(call: &Call, plan: &mut Work) -> Result<()> {
    let (driver, host, vm, s) = call.on_host(plan).await?;
    driver.keep(&host.uuid, &vm, &spec(&s)).await.map_err(from_driver)
}

async fn forget_it(call: &Call, plan: &mut Work) -> Result<()> {
    let (driver, host, vm, s) = call.on_host(plan).await?;
    driver.forget(&host.uuid, &vm, &spec(&s)).await.map_err(from_driver)
}

async fn keep_settle(call: &Call, plan: &mut Work) -> Result<()> {
    let (inner, plan) = (call.clone(), plan.clone());
    call.db
        .write(move |tx| {
            Box::pin(async move {
                if tx.must::<VmSnapshot>(plan.snapshot).await?.state == "Ready" {
                    return Ok(());
                }
                move_on(tx, plan.snapshot, &["Creating"], "Ready").await?;
                make_current(tx, &plan).await?;
                facts(tx, &inner, "VMSNAPSHOT.CREATE", &plan).await
            })
        })
        .await
}

/// Moves a snapshot on; one that is there already stays.
async fn move_on(tx: &mut Tx, id: i64, from: &[&str], to: &str) -> Result<()> {
    let s = tx.must::<VmSnapshot>(id).await?;
    if s.state == to {
        return Ok(());
    }
    match from.contains(&s.state.as_str()) {
        true => set_state(tx, &s, to).await,
        false => Err(snapshot_state(&s, "something else is done with it")),
    }
}

async fn make_current(tx: &mut Tx, plan: &Work) -> Result<()> {
    tx.update::<VmSnapshot>(Query::live().eq("vm_id", plan.vm).eq("is_current", true), vec![("is_current", false.into())]).await?;
    tx.set::<VmSnapshot>(plan.snapshot, vec![("is_current", true.into())]).await.map(drop)
}

/// The raw facts for the usage server: one a disk.
async fn facts(tx: &mut Tx, call: &Call, event: &str, plan: &Work) -> Result<()> {
    let (vm, s) = (tx.must::<Vm>(plan.vm).await?, tx.must::<VmSnapshot>(plan.snapshot).await?);
    for v in tx.find::<Volume>(Query::live().eq("vm_id", vm.id)).await? {
        let mut fact = UsageEvent {
            event_type: event.into(),
            account_id: s.account_id,
            domain_id: s.domain_id,
            zone_id: s.zone_id,
            resource_id: vm.id,
            resource_name: Some(s.name.clone()),
            offering_id: v.disk_offering_id,
            template_id: Some(v.id),
            size: Some(v.size_bytes),
            created: call.now(),
            ..Default::default()
        };
        tx.insert(&mut fact).await?;
    }
    Ok(())
}

async fn revert_begin(call: &Call, plan: &mut Work) -> Result<()> {
    let vm = call.db.must::<Vm>(plan.vm).await?;
    if !matches!(vm.vm_state(), VmState::Running | VmState::Stopped) {
        return Err(wrong_state(&vm, "it is reverted while it runs or is stopped"));
    }
    let plan = plan.clone();
    call.db
        .write(move |tx| {
            Box::pin(async move {
                let busy = Query::live().eq("vm_id", plan.vm).without("state", ["Ready", "Error"]).ne("id", plan.snapshot);
                match tx.find_one::<VmSnapshot>(busy).await? {
                    Some(s) => Err(snapshot_state(&s, "one thing at a time is done with the snapshots of a virtual machine")),
                    None => move_on(tx, plan.snapshot, &["Ready"], "Reverting").await,
                }
            })
        })
        .await
}

async fn revert_fail(call: &Call, plan: &mut Work) -> Result<()> {
    let id = plan.snapshot;
    call.db.write(move |tx| Box::pin(async move { move_on(tx, id, &["Reverting"], "Ready").await })).await
}

/// A snapshot of disks alone is of a VM that is off; one with memory is of a VM that runs.
async fn power(call: &Call, plan: &mut Work) -> Result<()> {
    let vm = call.db.must::<Vm>(plan.vm).await?;
    match call.db.must::<VmSnapshot>(plan.snapshot).await?.snapshot_type == MEMORY {
        true => call.vm_start(call, vm.id, None).await.map(drop),
        false => call.vm_stop(call, vm.id, StopMode::Forced).await.map(drop),
    }
}

async fn revert(call: &Call, plan: &mut Work) -> Result<()> {
    let (driver, host, vm, s) = call.on_host(plan).await?;
    driver.revert(&host.uuid, &vm, &spec(&s)).await.map_err(from_driver)
}

async fn revert_settle(call: &Call, plan: &mut Work) -> Result<()> {
    let plan = plan.clone();
    call.db
        .write(move |tx| {
            Box::pin(async move {
                move_on(tx, plan.snapshot, &["Reverting"], "Ready").await?;
                make_current(tx, &plan).await
            })
        })
        .await
}

async fn delete_begin(call: &Call, plan: &mut Work) -> Result<()> {
    let id = plan.snapshot;
    call.db.write(move |tx| Box::pin(async move { move_on(tx, id, &["Ready", "Error", "Allocated"], "Expunging").await })).await
}

async fn delete_settle(call: &Call, plan: &mut Work) -> Result<()> {
    let (inner, plan) = (call.clone(), plan.clone());
    call.db
        .write(move |tx| {
            Box::pin(async move {
                let s = tx.must::<VmSnapshot>(plan.snapshot).await?;
                if s.removed.is_some() {
                    return Ok(());
                }
                facts(tx, &inner, "VMSNAPSHOT.DELETE", &plan).await?;
                tx.update::<VmSnapshot>(Query::live().eq("parent_id", s.id), vec![("parent_id", s.parent_id.into())]).await?;
                if s.is_current
                    && let Some(parent) = s.parent_id
                {
                    tx.set::<VmSnapshot>(parent, vec![("is_current", true.into())]).await?;
                }
                inner.tags_forget(tx, "VMSnapshot", s.id).await?;
                tx.remove::<VmSnapshot>(s.id, inner.now()).await.map(drop)
            })
        })
        .await
}
