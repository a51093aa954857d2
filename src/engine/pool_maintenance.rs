//! A pool's maintenance: no new volumes come to it, the VMs that use it are stopped and, when it is over, those are started again
//! (STO-09). Which VMs were stopped is written before they are, so a restarted server starts the same ones.
use crate::account_end::draft;
use crate::{Call, Engine};
use stratus_model::{Error, Kind, Result, VmState};
use stratus_store::{PoolStop, Query, StoragePool, Vm, Volume};

/// Where pools rest and go.
const UP: &str = "Up";
const PREPARING: &str = "PrepareForMaintenance";
const MAINTENANCE: &str = "Maintenance";
const FAILED: &str = "ErrorInMaintenance";
const LEAVING: &str = "CancelMaintenance";

impl Engine {
    /// Brings a pool into maintenance, in the call's job.
    pub async fn pool_maintain(&self, call: &Call, id: i64) -> Result<StoragePool> {
        if self.db.must::<StoragePool>(id).await?.state == MAINTENANCE {
            return self.db.must(id).await;
        }
        self.pool_move(id, &[UP, PREPARING, FAILED], PREPARING, "only a pool that is Up can be prepared for maintenance").await?;
        let stopped = self.pool_vms_stop(call, id).await;
        let to = if stopped.is_ok() { MAINTENANCE } else { FAILED };
        let pool = self.pool_move(id, &[PREPARING], to, "its maintenance was cancelled").await?;
        stopped.map(|()| pool)
    }

    /// Ends a pool's maintenance, in the call's job.
    pub async fn pool_resume(&self, call: &Call, id: i64) -> Result<StoragePool> {
        if self.db.must::<StoragePool>(id).await?.state != UP {
            self.pool_move(id, &[MAINTENANCE, FAILED, PREPARING, LEAVING], LEAVING, "it is not in maintenance").await?;
            self.pool_move(id, &[LEAVING], UP, "it is not in maintenance").await?;
        } else if self.db.count::<PoolStop>(Query::all().eq("pool_id", id)).await? == 0 {
            let pool = self.db.must::<StoragePool>(id).await?;
            return Err(wrong(&pool, "it is not in maintenance"));
        }
        let stops = self.db.find::<PoolStop>(Query::all().eq("pool_id", id)).await?;
        let mut jobs = Vec::new();
        for vm in self.db.by_ids::<Vm>(stops.iter().map(|s| s.vm_id)).await?.into_values() {
            if vm.removed.is_none() && vm.vm_state() == VmState::Stopped {
                let parameters = serde_json::json!({ "id": vm.uuid }).to_string();
                let draft = draft("startVirtualMachine", "VM.START", "starting a VM after its storage's maintenance", &parameters);
                jobs.push(self.job_submit(call, draft, crate::vm::topic(&vm)).await?);
            }
        }
        // The pool is up whether or not every VM starts: what does not is in the events of its own job.
        if let Err(e) = self.jobs_finish(&jobs).await {
            tracing::warn!(pool = id, error = %stratus_model::in_full(&e), "a VM did not start after its storage's maintenance");
        }
        self.db.write(move |tx| Box::pin(async move { tx.delete::<PoolStop>(Query::all().eq("pool_id", id)).await })).await?;
        self.db.must(id).await
    }

    async fn pool_vms_stop(&self, call: &Call, pool: i64) -> Result<()> {
        let using = Query::live().key_in::<Volume>("id", "vm_id", Query::live().eq("pool_id", pool).not_null("vm_id"));
        let running = self.db.find::<Vm>(using.within("state", ["Running", "Starting"])).await?;
        let (ids, now) = (running.iter().map(|v| v.id).collect::<Vec<i64>>(), call.now());
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    for vm_id in ids {
                        if tx.count::<PoolStop>(Query::all().eq("pool_id", pool).eq("vm_id", vm_id)).await? == 0 {
                            tx.insert(&mut PoolStop { pool_id: pool, vm_id, created: now, ..Default::default() }).await?;
                        }
                    }
                    Ok(())
                })
            })
            .await?;
        let mut jobs = Vec::with_capacity(running.len());
        for vm in &running {
            let parameters = serde_json::json!({ "id": vm.uuid }).to_string();
            let draft = draft("stopVirtualMachine", "VM.STOP", "stopping a VM for its storage's maintenance", &parameters);
            jobs.push(self.job_submit(call, draft, crate::vm::topic(vm)).await?);
        }
        self.jobs_finish(&jobs).await
    }

    async fn pool_move(&self, id: i64, from: &'static [&'static str], to: &'static str, why: &'static str) -> Result<StoragePool> {
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let row = tx.must::<StoragePool>(id).await?;
                    if row.removed.is_some() || !from.contains(&row.state.as_str()) {
                        return Err(wrong(&row, why));
                    }
                    tx.advance::<StoragePool>(id, &row.state, row.update_count, to, Vec::new()).await?;
                    tx.must(id).await
                })
            })
            .await
    }
}

fn wrong(pool: &StoragePool, why: &str) -> Error {
    Error::State { kind: Kind::StoragePool, id: pool.uuid.clone(), state: pool.state.clone(), why: why.into() }
}
