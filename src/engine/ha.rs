//! VMs that high availability starts again. That one is to be is written in the transaction that orders its stop, so no crash forgets
//! it; a start that fails (no host had room) is tried again every `restart.retry.interval` until the VM runs or somebody decides
//! otherwise: stops it, turns HA off, destroys it.
use crate::alert::AlertDraft;
use crate::host_agree::{USER_VM, busy};
use crate::{Call, Engine, JobDraft};
use std::sync::Arc;
use stratus_model::{Result, VmState};
use stratus_store::{HaRestart, Job, Query, Tx, Vm};

/// Starts that fail before nobody tries any more.
const TRIES: i64 = 5;

/// The order to start a VM again.
pub(crate) fn start_again(vm: &Vm) -> JobDraft {
    JobDraft {
        command: "startVirtualMachine",
        event: "VM.START",
        parameters: serde_json::json!({ "id": vm.uuid }).to_string(),
        description: format!("starting {} again for high availability", vm.instance_name),
    }
}

impl Engine {
    /// Writes down that a VM is to run again, which `stop` stops in the books.
    pub(crate) async fn ha_note(&self, tx: &mut Tx, vm: &Vm, stop: &Job) -> Result<()> {
        tx.delete::<HaRestart>(Query::all().eq("vm_id", vm.id)).await?;
        let now = self.clock.now();
        let mut row =
            HaRestart { vm_id: vm.id, job_id: stop.id, tries: 1, next_try: now + self.ha_pause(), created: now, ..Default::default() };
        tx.insert(&mut row).await.map(drop)
    }

    /// Somebody stops a VM: that it was to be started again is over.
    pub(crate) async fn ha_forget(&self, call: &Call, vm: i64) -> Result<()> {
        let noted = Query::all().eq("vm_id", vm).ne("job_id", call.job.unwrap_or(0));
        if self.db.count::<HaRestart>(noted.clone()).await? == 0 {
            return Ok(());
        }
        self.db.write(move |tx| Box::pin(async move { tx.delete::<HaRestart>(noted.clone()).await.map(drop) })).await
    }

    fn ha_pause(&self) -> i64 {
        self.settings.number("restart.retry.interval").max(1).saturating_mul(1_000_000)
    }

    /// Starts VMs once more whose restart has failed; how many.
    pub(crate) async fn ha_restarts(self: &Arc<Self>) -> Result<u64> {
        let mut started = 0;
        for row in self.db.find::<HaRestart>(Query::all()).await? {
            // Jobs first: one that ends between the two looks has left the VM as it is seen then.
            if self.db.count::<Job>(busy(row.vm_id)).await? > 0 {
                continue;
            }
            let vm = self.db.must::<Vm>(row.vm_id).await?;
            let over =
                vm.removed.is_some() || !vm.ha_enabled || matches!(vm.vm_state(), VmState::Running | VmState::Destroyed | VmState::Error);
            if over {
                let mine = Query::all().eq("id", row.id);
                self.db.write(move |tx| Box::pin(async move { tx.delete::<HaRestart>(mine.clone()).await.map(drop) })).await?;
            } else if vm.vm_state() == VmState::Stopped && row.next_try <= self.clock.now() {
                started += u64::from(self.ha_start(row, vm).await?);
            }
        }
        Ok(started)
    }

    /// Tries once more, or gives up with an alert.
    async fn ha_start(self: &Arc<Self>, row: HaRestart, vm: Vm) -> Result<bool> {
        let last = row.tries >= TRIES;
        if last {
            let text = format!("{} was not started again in {TRIES} tries; nobody tries any more", vm.instance_name);
            self.alert_raise(AlertDraft { kind: USER_VM, text, zone: Some(vm.zone_id), pod: vm.pod_id, ..Default::default() }).await?;
        }
        let (call, next) = (self.system_call("VM.START").await?, self.clock.now() + self.ha_pause());
        let job = self
            .db
            .write(move |tx| {
                let (row, vm, call) = (row.clone(), vm.clone(), call.clone());
                Box::pin(async move {
                    let mine = Query::all().eq("id", row.id).eq("tries", row.tries);
                    if last {
                        return tx.delete::<HaRestart>(mine).await.map(|_| None);
                    }
                    // Another server may be at it, or a job at the VM.
                    let set = vec![("tries", (row.tries + 1).into()), ("next_try", next.into())];
                    if tx.count::<Job>(busy(vm.id)).await? > 0 || tx.update::<HaRestart>(mine, set).await? == 0 {
                        return Ok(None);
                    }
                    start_again(&vm).insert(tx, &call, crate::vm::topic(&vm)).await.map(Some)
                })
            })
            .await?;
        job.iter().for_each(|job| self.job_start(job));
        Ok(job.is_some())
    }
}
