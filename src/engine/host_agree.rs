//! What a host runs, compared with what it should run.
//!
//! The report is looked at between two looks at the rows: a VM counts as gone only if it was Running before the host was asked and is
//! the same row, untouched and without a job, when that is written down. What is wrong is mended by ordinary jobs, in the queue of the
//! VM. A VM that nobody here has heard of is told of and left alone; one that should not run is stopped, because its owner believes
//! that it does not and may start it elsewhere.
use crate::agent::host_event;
use crate::alert::AlertDraft;
use crate::{Call, Engine, JobDraft, Level};
use std::collections::HashMap;
use std::sync::Arc;
use stratus_drivers::{PowerState, StopMode};
use stratus_model::{Kind, Result, VmEvent, VmState};
use stratus_store::{Host, Job, Placement, Query, Value, Vm};

/// An alert about a VM.
pub(crate) const USER_VM: i64 = 7;

impl Engine {
    /// The VMs that should run on hosts.
    pub(crate) async fn vms_on(&self, hosts: &[i64]) -> Result<Vec<Vm>> {
        let here = Query::live().within("host_id", hosts.iter().copied());
        self.db.find(here.within("state", [VmState::Running.word(), VmState::Unknown.word()])).await
    }

    /// Asks a host for its VMs and mends what differs from `rows`, those that should run on it as they were before; how many did.
    /// `arrival` tells of strangers in an event too, not in the alert alone.
    pub(crate) async fn host_agree(self: &Arc<Self>, host: &Host, rows: Vec<Vm>, arrival: bool) -> Result<u64> {
        let Some(driver) = self.drivers.host(&host.hypervisor) else { return Ok(0) };
        let rows: HashMap<String, Vm> = rows.into_iter().map(|vm| (vm.instance_name.clone(), vm)).collect();
        let reports = driver.list(&host.uuid).await.map_err(crate::vm_start::from_driver)?;
        let on: HashMap<&str, bool> = reports.iter().map(|r| (r.name.as_str(), r.state == PowerState::On)).collect();
        let mut differed = 0;
        for vm in rows.values() {
            match on.get(vm.instance_name.as_str()) {
                Some(true) if vm.vm_state() == VmState::Unknown => {
                    self.vm_move(vm.id, VmEvent::AgentReportRunning, "its host did not lose it", Vec::new()).await?;
                    differed += 1;
                }
                Some(true) => {}
                seen => differed += u64::from(self.vm_died(host, vm, seen.is_some()).await?),
            }
        }
        for name in on.iter().filter(|(name, on)| **on && !rows.contains_key(**name)).map(|(name, _)| *name) {
            differed += u64::from(self.vm_unexpected(host, name, arrival).await?);
        }
        Ok(differed)
    }

    /// A VM is gone from its host: it is stopped in the books, and started again where HA is asked for. One that is there and does not
    /// run was turned off from inside (`off`); that ends an instance of EC2 whose owner said so.
    pub(crate) async fn vm_died(self: &Arc<Self>, host: &Host, seen: &Vm, off: bool) -> Result<bool> {
        let call = self.system_call("VM.STOP").await?;
        let ends = off && self.ec2_ends_with_shutdown(&seen.uuid).await?;
        let (host, seen) = (host.clone(), seen.clone());
        let jobs = self
            .db
            .write(move |tx| {
                Box::pin(async move {
                    let vm = tx.must::<Vm>(seen.id).await?;
                    let touched = vm.update_count != seen.update_count || vm.state != seen.state || vm.host_id != Some(host.id);
                    if touched || tx.count::<Job>(busy(vm.id)).await? > 0 {
                        return Ok(Vec::new());
                    }
                    let topic = crate::vm::topic(&vm);
                    let draft = |command, event, parameters: serde_json::Value, description: String| JobDraft {
                        command,
                        event,
                        parameters: parameters.to_string(),
                        description,
                    };
                    let why = format!("stopping {}, which host {} no longer runs", vm.instance_name, host.name);
                    let stop = draft("stopVirtualMachine", "VM.STOP", serde_json::json!({ "id": vm.uuid, "forced": "true" }), why);
                    let mut jobs = vec![stop.insert(tx, &call, topic).await?];
                    if ends {
                        let why = format!("terminating {}, which was turned off from inside", vm.instance_name);
                        let end = draft("destroyVirtualMachine", "VM.DESTROY", serde_json::json!({ "id": vm.uuid }), why);
                        jobs.push(end.insert(tx, &call, topic).await?);
                    } else if vm.ha_enabled {
                        call.ha_note(tx, &vm, &jobs[0]).await?;
                        jobs.push(crate::ha::start_again(&vm).insert(tx, &call, topic).await?);
                    }
                    Ok(jobs)
                })
            })
            .await?;
        jobs.iter().for_each(|job| self.job_start(job));
        Ok(!jobs.is_empty())
    }

    /// A VM runs on a host where the books have none.
    async fn vm_unexpected(self: &Arc<Self>, host: &Host, name: &str, arrival: bool) -> Result<bool> {
        let Some(vm) = self.db.find_one::<Vm>(Query::all().eq("instance_name", name)).await? else {
            self.vm_stranger(host, name, arrival).await?;
            return Ok(true);
        };
        if self.db.count::<Job>(busy(vm.id)).await? > 0 || vm.vm_state().is_passing() {
            return Ok(false);
        }
        match vm.host_id.filter(|_| vm.removed.is_none() && vm.vm_state().holds_host()) {
            // Since the rows were read it came here.
            Some(other) if other == host.id => Ok(false),
            Some(other) => self.vm_elsewhere(host, other, &vm).await,
            None => {
                let why = format!("{name} ran on host {} although it is {}; it is stopped there", host.name, vm.state);
                self.vm_stop_copy(host, &vm, why).await
            }
        }
    }

    async fn vm_stranger(self: &Arc<Self>, host: &Host, name: &str, arrival: bool) -> Result<()> {
        let text = format!("Host {} runs {name}, which this cloud does not know; it is left alone", host.name);
        let (zone, pod, cluster) = (Some(host.zone_id), Some(host.pod_id), Some(host.cluster_id));
        self.alert_raise(AlertDraft { kind: USER_VM, text: text.clone(), zone, pod, cluster, name: None }).await?;
        if !arrival {
            return Ok(());
        }
        let (call, host) = (self.system_call("HOST.RECONNECT").await?, host.clone());
        self.db.write(move |tx| Box::pin(async move { host_event(tx, &call, &host, Level::Warn, text.clone()).await })).await
    }

    /// The books have the VM on another host: it moved when that host says it is not there, and is one copy too many when it is. While
    /// that host is silent nobody can know, and nothing is done.
    async fn vm_elsewhere(self: &Arc<Self>, host: &Host, other: i64, vm: &Vm) -> Result<bool> {
        let (driver, there) = self.host_of_vm(Some(other)).await?;
        let Ok(reports) = driver.list(&there.uuid).await else {
            let text = format!("{} runs on host {} and the silent host {} may run it too", vm.instance_name, host.name, there.name);
            let (zone, pod, cluster) = (Some(host.zone_id), Some(host.pod_id), Some(host.cluster_id));
            self.alert_raise(AlertDraft { kind: USER_VM, text, zone, pod, cluster, name: None }).await?;
            return Ok(true);
        };
        if reports.iter().any(|r| r.name == vm.instance_name && r.state == PowerState::On) {
            let why = format!("{} ran on host {} and on host {}; it is stopped on the former", vm.instance_name, host.name, there.name);
            return self.vm_stop_copy(host, vm, why).await;
        }
        let (call, host, seen) = (self.system_call("VM.MIGRATE").await?, host.clone(), vm.clone());
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let vm = tx.must::<Vm>(seen.id).await?;
                    if vm.update_count != seen.update_count || tx.count::<Job>(busy(vm.id)).await? > 0 {
                        return Ok(false);
                    }
                    call.unplace(tx, vm.id).await?;
                    // It runs there whether or not the books have room: an over-full host is what is.
                    let amount = crate::vm_start::amount(&vm);
                    crate::capacity::host_force(tx, host.id, amount).await?;
                    let (cpu, memory) = (amount.cpu, amount.memory);
                    let mut p = Placement { vm_id: vm.id, host_id: host.id, cpu, memory, created: call.now(), ..Default::default() };
                    tx.insert(&mut p).await?;
                    crate::affinity::hosts_take(tx, vm.id, host.id).await?;
                    let set: Vec<(&'static str, Value)> = vec![
                        ("host_id", host.id.into()),
                        ("last_host_id", vm.host_id.into()),
                        ("pod_id", host.pod_id.into()),
                        ("cluster_id", host.cluster_id.into()),
                    ];
                    tx.set::<Vm>(vm.id, set).await?;
                    let text = format!("{} was found on host {}", vm.instance_name, host.name);
                    call.write_event(tx, "VM.MIGRATE", Level::Warn, "Completed", crate::vm::topic(&vm), text, None).await?;
                    Ok(true)
                })
            })
            .await
    }

    /// Stops a copy of a VM that should not run on a host.
    async fn vm_stop_copy(self: &Arc<Self>, host: &Host, vm: &Vm, why: String) -> Result<bool> {
        let call: Call = self.system_call("VM.STOP").await?;
        let (driver, _) = self.host_of_vm(Some(host.id)).await?;
        driver.stop(&host.uuid, &vm.instance_name, StopMode::Forced).await.map_err(crate::vm_start::from_driver)?;
        tracing::warn!(vm = vm.id, host = host.id, "{why}");
        let topic = crate::vm::topic(vm);
        self.db
            .write(move |tx| {
                Box::pin(
                    async move { call.write_event(tx, "VM.STOP", Level::Warn, "Completed", topic, why.clone(), None).await.map(|_| true) },
                )
            })
            .await
    }
}

/// Jobs under way on a VM.
pub(crate) fn busy(vm: i64) -> Query {
    Query::live().eq("status", 0).eq("instance_type", Kind::Vm.instance_type()).eq("instance_id", vm)
}
