//! Signs of life of hosts: every `ping.interval` each is asked, and what it runs is compared with the books.
//!
//! A host that answers is heard of (`last_ping`), whichever server it answered. One that nobody has heard of for `ping.timeout` of
//! these is investigated. Only where its driver is certain that it is dead it goes Down and its VMs are started elsewhere; else it goes to the
//! state Alert and raises one: it may be cut off, so its VMs are left as they are.
use crate::agent::host_event;
use crate::places::Reach;
use crate::{Engine, Level};
use futures::StreamExt;
use std::collections::HashMap;
use std::sync::Arc;
use stratus_drivers::Fate;
use stratus_model::{Micros, Result};
use stratus_store::{Host, Query, Vm};

/// Hosts whose signs of life are written at once.
const CHUNK: i64 = 200;
/// Hosts asked at the same time.
const AT_ONCE: usize = 64;
/// Neighbours that are asked about a silent host.
const WITNESSES: i64 = 5;

impl Engine {
    /// Asks every host once; how many have not been heard of for too long. `since` is from when on this server has asked.
    pub async fn hosts_heartbeat(self: &Arc<Self>, since: Micros) -> Result<u64> {
        let mut after = 0;
        loop {
            let hosts = self.db.find::<Host>(Query::live().at_least("id", after + 1).order("id").page(0, CHUNK)).await?;
            let Some(last) = hosts.last() else { break };
            after = last.id;
            self.heartbeat_of(hosts).await?;
        }
        let silent = if self.clock.now() - since > self.silence() { self.hosts_silent().await? } else { 0 };
        self.ha_restarts().await.map(|_| silent)
    }

    async fn heartbeat_of(self: &Arc<Self>, hosts: Vec<Host>) -> Result<()> {
        let asked = futures::stream::iter(hosts).map(|host| async move {
            match self.drivers.host(&host.hypervisor) {
                Some(driver) => driver.ping(&host.uuid).await.is_ok().then_some(host),
                None => None,
            }
        });
        let alive: Vec<Host> = asked.buffer_unordered(AT_ONCE).filter_map(|host| async move { host }).collect().await;
        let (ids, now): (Vec<i64>, _) = (alive.iter().map(|h| h.id).collect(), self.clock.now());
        let heard = Query::live().within("id", ids.clone());
        self.db.write(move |tx| Box::pin(async move { tx.update::<Host>(heard.clone(), vec![("last_ping", now.into())]).await })).await?;
        let mut rows: HashMap<i64, Vec<Vm>> = HashMap::new();
        for vm in self.vms_on(&ids).await? {
            rows.entry(vm.host_id.unwrap_or(0)).or_default().push(vm);
        }
        for host in alive {
            if self.group_changes.has_missed(&host.uuid) {
                self.host_refilter(&host).await;
            }
            let here = rows.remove(&host.id).unwrap_or_default();
            let outcome = match host.state.as_str() {
                "Up" => self.host_agree(&host, here, false).await.map(drop),
                _ => self.host_back(&host, here).await,
            };
            if let Err(e) = outcome {
                tracing::warn!(host = host.id, error = %e, "what a host runs was not compared");
            }
        }
        Ok(())
    }

    /// A host answers that did not before.
    async fn host_back(self: &Arc<Self>, host: &Host, rows: Vec<Vm>) -> Result<()> {
        let call = self.system_call("HOST.RECONNECT").await?;
        let host = self.host_reconnect(&call, host).await?;
        self.host_refilter(&host).await;
        self.host_agree(&host, rows, true).await.map(drop)
    }

    /// Hosts that nobody has heard of for too long.
    async fn hosts_silent(self: &Arc<Self>) -> Result<u64> {
        let since = self.clock.now() - self.silence();
        let silent = Query::live().within("state", ["Up", "Disconnected", "Alert"]).at_most("last_ping", since);
        let silent = self.db.find::<Host>(silent).await?;
        // Side by side: a neighbour that is asked may itself wait for an answer.
        let asked = futures::stream::iter(silent).map(|host| async move { self.host_fate(&host).await.map(|fate| (host, fate)) });
        let fates: Vec<_> = asked.buffer_unordered(AT_ONCE).collect().await;
        for answer in fates {
            let (host, fate) = answer?;
            let (state, text) = match fate {
                Fate::Alive => ("Disconnected", "does not answer, and its neighbours see it alive"),
                Fate::Unknown => ("Alert", "is silent and nobody can say whether it lives; its VMs may run on"),
                Fate::Dead => ("Down", "is dead; its VMs are stopped, and started elsewhere where HA is asked for"),
            };
            if host.state != state {
                self.host_silent(&host, state, format!("host {} {text}", host.name)).await?;
            }
        }
        self.hosts_dead(since).await?;
        self.hosts_check().await
    }

    /// Ends the VMs of hosts that are Down in the books too: they are asked for each time, because a server may have been killed between
    /// the two, or a job was at a VM.
    async fn hosts_dead(self: &Arc<Self>, since: Micros) -> Result<()> {
        for host in self.db.find::<Host>(Query::live().eq("state", "Down").at_most("last_ping", since)).await? {
            for vm in self.vms_on(&[host.id]).await? {
                self.vm_died(&host, &vm, false).await?;
            }
        }
        Ok(())
    }

    /// What became of a silent host, as the others of its cluster see it.
    async fn host_fate(&self, host: &Host) -> Result<Fate> {
        let Some(driver) = self.drivers.host(&host.hypervisor) else { return Ok(Fate::Unknown) };
        let others = Query::live().eq("cluster_id", host.cluster_id).eq("state", "Up").ne("id", host.id).page(0, WITNESSES);
        let others: Vec<String> = self.db.find::<Host>(others).await?.into_iter().map(|h| h.uuid).collect();
        Ok(driver.investigate(&host.uuid, &others).await.unwrap_or(Fate::Unknown))
    }

    /// Moves a host that is still silent to a state; false when it was heard of meanwhile.
    async fn host_silent(self: &Arc<Self>, host: &Host, state: &'static str, text: String) -> Result<bool> {
        let call = self.system_call("HOST.RECONNECT").await?;
        let host = host.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let still = Query::live().eq("id", host.id).eq("state", &host.state).eq("last_ping", host.last_ping);
                    let at = host.disconnected.unwrap_or(call.now());
                    if tx.update::<Host>(still, vec![("state", state.into()), ("disconnected", at.into())]).await? == 0 {
                        return Ok(false);
                    }
                    call.hosts_reopen(tx, Reach::Host(host.id)).await?;
                    host_event(tx, &call, &host, Level::Error, text).await?;
                    Ok(true)
                })
            })
            .await
    }
}
