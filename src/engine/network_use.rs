//! Isolated networks in use: made ready for their first VM, started anew, shut down when nobody has used them for a while.
//!
//! `Allocated` to `Implemented` is one transaction (VLAN, source NAT address); what the elements have to do for it can be repeated, and
//! every VM that starts repeats it. On the way back there is a state between, `Shutdown`: a start that finds it waits, and the shutdown
//! looks for users once more after everybody can see that state. So no network goes down under a VM that is starting.
use crate::vm_start::{from_driver, network_spec, nic_spec};
use crate::{Call, Engine};
use std::sync::Arc;
use std::time::Duration;
use stratus_model::{Error, Kind, Result, Source, VmState};
use stratus_store::{Network, NetworkOffering, Nic, Query, Value, Vm};

/// States in which a VM has nothing on the wire.
const AT_REST: [VmState; 4] = [VmState::Stopped, VmState::Destroyed, VmState::Expunging, VmState::Error];
/// How often, and with which pause, a start looks whether a shutdown is over.
const LOOKS: usize = 100;
const PAUSE: Duration = Duration::from_millis(100);

/// Whether nothing is ready for VMs on a network.
fn asleep(n: &Network) -> bool {
    !n.is_system && matches!(n.state.as_str(), "Allocated" | "Shutdown")
}

/// VMs that keep a network awake.
pub(crate) fn users(network: i64) -> Query {
    let awake = Query::live().without("state", AT_REST.map(VmState::word));
    Query::live().eq("network_id", network).key_in::<Vm>("vm_id", "id", awake)
}

impl Engine {
    /// The network of a NIC that is about to be used, and the NIC with the network's wire: a network that sleeps is implemented first.
    pub(crate) async fn network_of(&self, call: &Call, nic: Nic) -> Result<(Network, Nic)> {
        let mut network = self.db.must::<Network>(nic.network_id).await?;
        for _ in 0..LOOKS {
            if !asleep(&network) {
                break;
            }
            network = self.network_wake(call, network).await?;
        }
        if asleep(&network) {
            return Err(Error::Unavailable(format!("Network {} is being shut down", network.uuid)));
        }
        if nic.broadcast_uri == network.broadcast_uri {
            return Ok((network, nic));
        }
        let (id, uri) = (nic.id, network.broadcast_uri.clone());
        let set = vec![("broadcast_uri", Value::from(uri.clone()))];
        self.db.write(move |tx| Box::pin(async move { tx.set::<Nic>(id, set).await.map(drop) })).await?;
        Ok((network, Nic { broadcast_uri: uri, ..nic }))
    }

    /// One attempt to take a network out of its sleep; the network as it then is.
    async fn network_wake(&self, call: &Call, n: Network) -> Result<Network> {
        if n.state == "Shutdown" {
            tokio::time::sleep(PAUSE).await;
            return self.db.must(n.id).await;
        }
        let inner = call.clone();
        match self.db.write(move |tx| Box::pin(async move { inner.network_implement(tx, n.id).await })).await {
            // Another start was first.
            Err(Error::Raced(_)) => self.db.must(n.id).await,
            other => other,
        }
    }

    /// Makes a network ready before it has VMs: what a persistent offering promises.
    pub(crate) async fn network_persist(&self, call: &Call, n: Network) -> Result<Network> {
        if !self.db.must::<NetworkOffering>(n.offering_id).await?.is_persistent {
            return Ok(n);
        }
        let id = n.id;
        match self.network_up(call, n).await {
            Ok(n) => {
                self.public_apply_later(Some(id)).await;
                Ok(n)
            }
            // Who is told that it was not made must not find it.
            Err(e) => {
                if let Err(again) = self.network_delete(call, id).await {
                    tracing::warn!(network = id, error = %stratus_model::in_full(&again), "a network that did not come up is left behind");
                }
                Err(e)
            }
        }
    }

    async fn network_up(&self, call: &Call, n: Network) -> Result<Network> {
        let n = self.network_wake(call, n).await?;
        if let Some(driver) = self.router_of(&n).await? {
            driver.implement(&network_spec(&n)).await.map_err(from_driver)?;
        }
        Ok(n)
    }

    /// Starts a network anew: its elements are told all there is to know. With `cleanup` they forget what they had first.
    pub async fn network_restart(&self, call: &Call, id: i64, cleanup: bool) -> Result<()> {
        let n = self.db.must::<Network>(id).await?;
        if n.is_system {
            return Err(Error::invalid("id", "the cloud's own networks are not restarted"));
        }
        if !matches!(n.state.as_str(), "Implemented" | "Setup") {
            let why = "only a network that is in use, Implemented or Setup, is restarted".into();
            return Err(Error::State { kind: Kind::Network, id: n.uuid, state: n.state, why });
        }
        let Some(driver) = self.router_of(&n).await? else { return Ok(()) };
        let spec = network_spec(&n);
        if cleanup {
            driver.shutdown(&spec).await.map_err(from_driver)?;
        }
        driver.implement(&spec).await.map_err(from_driver)?;
        let nics = self.db.find::<Nic>(users(id)).await?;
        let vms = self.db.by_ids::<Vm>(nics.iter().map(|nic| nic.vm_id)).await?;
        for nic in &nics {
            let Some(vm) = vms.get(&nic.vm_id).filter(|_| nic.ip4.is_some()) else { continue };
            let share = self.network_share(&n, vm).await?;
            if share != spec {
                driver.implement(&share).await.map_err(from_driver)?;
            }
            driver.prepare(&share, &nic_spec(nic), &vm.instance_name).await.map_err(from_driver)?;
            if driver.tells_guests() {
                driver.introduce(&share, &self.vm_spec(vm).await?).await.map_err(from_driver)?;
            }
        }
        let inner = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    inner.public_changed(tx, id).await?;
                    tx.set::<Network>(id, vec![("restart_required", false.into())]).await.map(drop)
                })
            })
            .await?;
        self.public_apply(id).await
    }

    /// Shuts networks down that nobody has used for `network.gc.wait` seconds; how many.
    pub async fn networks_gc(self: &Arc<Self>) -> Result<u64> {
        let caller = Arc::new(self.system_caller(Source::System).await?);
        let call = Call::new(self.clone(), caller, "reconcile", None);
        let (now, wait) = (self.clock.now(), self.settings.number("network.gc.wait").max(0) * 1_000_000);
        let ours = Query::live().eq("is_system", false).within("state", ["Implemented", "Shutdown"]);
        let mut ended = 0;
        for n in self.db.find::<Network>(ours).await? {
            let outcome = match (n.state.as_str(), n.idle_since) {
                ("Shutdown", _) => self.network_sleep(&call, n.id).await,
                _ if self.db.must::<NetworkOffering>(n.offering_id).await?.is_persistent => Ok(false),
                (_, since) => match (self.db.count::<Nic>(users(n.id)).await? > 0, since) {
                    (true, None) => Ok(false),
                    (true, Some(_)) => self.network_idle(n.id, None).await,
                    (false, None) => self.network_idle(n.id, Some(now)).await,
                    (false, Some(since)) if now - since >= wait => self.network_shut(&call, &n).await,
                    (false, Some(_)) => Ok(false),
                },
            };
            match outcome {
                Ok(done) => ended += u64::from(done),
                // The next look tries again; other networks do not wait for this one.
                Err(e) => tracing::warn!(network = n.id, error = %stratus_model::in_full(&e), "an unused network was not shut down"),
            }
        }
        Ok(ended)
    }

    async fn network_idle(&self, id: i64, since: Option<i64>) -> Result<bool> {
        let set = vec![("idle_since", Value::from(since))];
        self.db.write(move |tx| Box::pin(async move { tx.set::<Network>(id, set).await.map(|_| false) })).await
    }

    /// Begins the way back, for everybody to see.
    async fn network_shut(&self, call: &Call, n: &Network) -> Result<bool> {
        let (id, count) = (n.id, n.update_count);
        let begun = self
            .db
            .write(move |tx| Box::pin(async move { tx.advance::<Network>(id, "Implemented", count, "Shutdown", Vec::new()).await }))
            .await;
        match begun {
            Ok(()) => self.network_sleep(call, id).await,
            Err(Error::Raced(_)) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Ends the way back of a network in `Shutdown`, or turns round when somebody uses it after all. True when it sleeps.
    async fn network_sleep(&self, call: &Call, id: i64) -> Result<bool> {
        let n = self.db.must::<Network>(id).await?;
        let wanted = self.db.count::<Nic>(users(id)).await? > 0;
        if let Some(driver) = self.router_of(&n).await?.filter(|_| !wanted) {
            driver.shutdown(&network_spec(&n)).await.map_err(from_driver)?;
        }
        let inner = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let idle = ("idle_since", Value::Null);
                    if wanted {
                        tx.advance::<Network>(id, "Shutdown", n.update_count, "Implemented", vec![idle]).await?;
                        return Ok(false);
                    }
                    inner.vnet_give_back(tx, id).await?;
                    tx.update::<Nic>(Query::live().eq("network_id", id), vec![("broadcast_uri", Value::Null)]).await?;
                    // The router is gone with what it knew: the next one is told anew.
                    inner.public_changed(tx, id).await?;
                    let set = vec![("vlan", Value::Null), ("broadcast_uri", Value::Null), idle];
                    tx.advance::<Network>(id, "Shutdown", n.update_count, "Allocated", set).await?;
                    Ok(true)
                })
            })
            .await
    }
}
