//! Maintenance of hosts: a host is closed, its VMs leave it, and come back when it is taken back into use.
use crate::host::{refuse_occupied, wrong_state};
use crate::places::{Reach, hold};
use crate::{Call, Engine, Topic};
use stratus_model::{Kind, Result, VmState};
use stratus_store::{Host, HostLeave, Placement, Query, Tx, Vm};

/// How long one VM may take to leave a host that is prepared for maintenance.
const DRAIN: std::time::Duration = std::time::Duration::from_secs(1800);

impl Engine {
    /// Takes a host out of use: the allocator passes it by, its running VMs move to others, each in a job of its own, and once nothing
    /// is on it, it can be removed or repaired. What does not move leaves it in ErrorInMaintenance.
    pub async fn host_maintenance(&self, call: &Call, host: &Host) -> Result<Host> {
        let (inner, id) = (call.clone(), host.id);
        let state = self
            .db
            .write(move |tx| {
                Box::pin(async move {
                    let host: Host = hold(tx, Kind::Host, id).await?;
                    if host.resource_state == "Maintenance" {
                        return Ok(host);
                    }
                    refuse_alone(tx, &host).await?;
                    // First closed, then looked at: a VM that finds its place before this is seen, one after finds the door shut.
                    tx.set::<Host>(id, vec![("resource_state", "PrepareForMaintenance".into())]).await?;
                    inner.hosts_reopen(tx, Reach::Host(id)).await?;
                    tx.must(id).await
                })
            })
            .await?;
        if state.resource_state == "Maintenance" {
            return Ok(state);
        }
        self.host_drain(call, id).await?;
        let call = call.clone();
        let (after, outcome) = self
            .db
            .write(move |tx| {
                Box::pin(async move {
                    let host: Host = hold(tx, Kind::Host, id).await?;
                    let outcome = refuse_occupied(tx, &host).await;
                    // Somebody may have taken it back meanwhile.
                    if host.resource_state == "PrepareForMaintenance" {
                        let to = if outcome.is_ok() { "Maintenance" } else { "ErrorInMaintenance" };
                        tx.set::<Host>(id, vec![("resource_state", to.into())]).await?;
                    }
                    let what = if outcome.is_ok() { "is in maintenance" } else { "is not in maintenance: VMs stay on it" };
                    call.log(tx, Topic::of_caller(&call, Kind::Host, id), format!("host {} {what}", host.name)).await?;
                    Ok((tx.must::<Host>(id).await?, outcome))
                })
            })
            .await?;
        outcome.map(|()| after)
    }

    /// Moves every VM away from a host, each behind what is under way on it, and waits until all have gone or failed to.
    async fn host_drain(&self, call: &Call, host: i64) -> Result<()> {
        let here = Query::live().eq("host_id", host).within("state", ["Running", "Starting", "Migrating"]);
        let vms = self.db.find::<Vm>(here).await?;
        let (ids, now) = (vms.iter().map(|vm| vm.id).collect::<Vec<i64>>(), call.now());
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    for vm_id in ids {
                        if tx.count::<HostLeave>(Query::all().eq("host_id", host).eq("vm_id", vm_id)).await? == 0 {
                            tx.insert(&mut HostLeave { host_id: host, vm_id, created: now, ..Default::default() }).await?;
                        }
                    }
                    Ok(())
                })
            })
            .await?;
        let why = "migrating a VM away from a host in maintenance";
        // What did not move is seen by who looks at the host afterwards.
        self.vms_move(call, vms.into_iter().map(|vm| (serde_json::json!({ "virtualmachineid": vm.uuid }), vm)), why).await
    }

    /// Moves VMs, each behind what is under way on it, and waits until all have moved or failed to.
    async fn vms_move(&self, call: &Call, vms: impl Iterator<Item = (serde_json::Value, Vm)>, why: &str) -> Result<()> {
        let mut jobs = Vec::new();
        for (parameters, vm) in vms {
            let draft = crate::account_end::draft("migrateVirtualMachine", "VM.MIGRATE", why, &parameters.to_string());
            jobs.push(self.job_submit(call, draft, crate::vm::topic(&vm)).await?);
        }
        for job in jobs {
            self.job_wait(job.id, DRAIN).await?;
        }
        Ok(())
    }

    /// Brings the VMs back that left a host for its maintenance and run elsewhere. One that does not come stays where it is.
    async fn host_refill(&self, call: &Call, host: &Host) -> Result<()> {
        let left = || Query::all().eq("host_id", host.id);
        let rows = self.db.find::<HostLeave>(left()).await?;
        let vms = self.db.by_ids::<Vm>(rows.iter().map(|row| row.vm_id)).await?;
        let back = |vm: &Vm| vm.removed.is_none() && vm.vm_state() == VmState::Running && vm.host_id != Some(host.id);
        let mut vms: Vec<Vm> = vms.into_values().filter(back).collect();
        vms.sort_by_key(|vm| vm.id);
        let to = |vm: Vm| (serde_json::json!({ "virtualmachineid": vm.uuid, "hostid": host.uuid }), vm);
        self.vms_move(call, vms.into_iter().map(to), "bringing a VM back after its host's maintenance").await?;
        let gone = left();
        self.db.write(move |tx| Box::pin(async move { tx.delete::<HostLeave>(gone.clone()).await.map(drop) })).await
    }

    /// Takes a host back into use, and the VMs that left it for the maintenance with it.
    pub async fn host_maintenance_end(&self, call: &Call, host: &Host) -> Result<Host> {
        let (inner, id) = (call.clone(), host.id);
        let host = self
            .db
            .write(move |tx| {
                Box::pin(async move {
                    let host: Host = hold(tx, Kind::Host, id).await?;
                    // An earlier life of this job may have opened it already.
                    if host.resource_state == "Enabled" && tx.count::<HostLeave>(Query::all().eq("host_id", id)).await? > 0 {
                        return Ok(host);
                    }
                    if !matches!(host.resource_state.as_str(), "Maintenance" | "PrepareForMaintenance" | "ErrorInMaintenance") {
                        return Err(wrong_state(&host, "only a host in maintenance can be taken back"));
                    }
                    tx.set::<Host>(id, vec![("resource_state", "Enabled".into())]).await?;
                    inner.hosts_reopen(tx, Reach::Host(id)).await?;
                    inner.log(tx, Topic::of_caller(&inner, Kind::Host, id), format!("host {} is back in use", host.name)).await?;
                    tx.must(id).await
                })
            })
            .await?;
        self.host_refill(call, &host).await?;
        Ok(host)
    }
}

/// Refuses a maintenance that nobody could take the VMs for.
async fn refuse_alone(tx: &mut Tx, host: &Host) -> Result<()> {
    let others = Query::live().eq("zone_id", host.zone_id).eq("hypervisor", &host.hypervisor).ne("id", host.id);
    let others = tx.count::<Host>(others.eq("state", "Up").eq("resource_state", "Enabled")).await?;
    match others == 0 && tx.count::<Placement>(Query::all().eq("host_id", host.id)).await? > 0 {
        true => Err(wrong_state(host, "no other host of its zone is Up and Enabled to take its virtual machines; stop them first")),
        false => Ok(()),
    }
}
