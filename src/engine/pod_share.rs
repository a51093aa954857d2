//! Shares of a network: in a basic zone every pod has ranges of addresses and a router of its own (BAS-01), elsewhere a network is one.
//! And what a router is told that takes over from another: everything about the guests that run.
use crate::Engine;
use crate::network_use::users;
use crate::vm_start::{network_spec, nic_spec};
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use stratus_drivers::{NetworkSpec, NicSpec, PublicSet, VmSpec};
use stratus_model::Result;
use stratus_store::{Host, Network, Nic, Pod, Query, Vm, Zone, sql};

/// Uuids of pods in basic zones by id, nothing for pods elsewhere. What is known once stays true, so a start reads no row for it.
#[derive(Default)]
pub struct Pods(RwLock<HashMap<i64, Option<String>>>);

/// Everything that a router has to know of a share.
pub struct ShareBooks {
    /// The share.
    pub network: NetworkSpec,
    /// NICs of guests that run or are about to, the VMs, and passwords that they have yet to fetch.
    pub guests: Vec<(NicSpec, VmSpec, Option<String>)>,
    /// Public addresses of the whole network.
    pub public: PublicSet,
}

impl Engine {
    /// The uuid of a pod that has its own share of networks.
    async fn pod_apart(&self, pod: i64) -> Result<Option<String>> {
        if let Some(known) = self.pods.0.read().unwrap_or_else(PoisonError::into_inner).get(&pod) {
            return Ok(known.clone());
        }
        let row = self.db.must::<Pod>(pod).await?;
        let apart = self.db.must::<Zone>(row.zone_id).await?.network_type == "Basic";
        let name = apart.then_some(row.uuid);
        self.pods.0.write().unwrap_or_else(PoisonError::into_inner).insert(pod, name.clone());
        Ok(name)
    }

    /// The share of a network that a VM is in.
    pub(crate) async fn network_share(&self, network: &Network, vm: &Vm) -> Result<NetworkSpec> {
        let pod = match vm.pod_id {
            Some(pod) => self.pod_apart(pod).await?,
            None => None,
        };
        Ok(NetworkSpec { pod, ..network_spec(network) })
    }

    /// The uuids of the pods of VMs, where pods have their own shares of networks.
    pub(crate) async fn pods_of(&self, vms: impl Iterator<Item = i64>) -> Result<HashMap<i64, String>> {
        let mut found = HashMap::new();
        for (id, vm) in self.db.by_ids::<Vm>(vms).await? {
            if let Some(pod) = vm.pod_id
                && let Some(name) = self.pod_apart(pod).await?
            {
                found.insert(id, name);
            }
        }
        Ok(found)
    }

    /// Uuids of the pods that have a share of a network each; none where the network is one.
    pub async fn network_pods(&self, uuid: &str) -> Result<Vec<String>> {
        let Some(network) = self.db.find_one::<Network>(Query::all().eq("uuid", uuid)).await? else { return Ok(Vec::new()) };
        if self.db.must::<Zone>(network.zone_id).await?.network_type != "Basic" {
            return Ok(Vec::new());
        }
        let pods = self.db.find::<Pod>(Query::live().eq("zone_id", network.zone_id).order("id")).await?;
        Ok(pods.into_iter().map(|pod| pod.uuid).collect())
    }

    /// Uuids of the hosts of which one can serve a network, or a pod's share of it.
    pub async fn network_hosts(&self, uuid: &str, pod: Option<&str>) -> Result<Vec<String>> {
        let Some(network) = self.db.find_one::<Network>(Query::all().eq("uuid", uuid)).await? else { return Ok(Vec::new()) };
        let all = self.zone_hosts(network.zone_id).await?;
        let Some(pod) = pod else { return Ok(all) };
        let there = Query::live().key_in::<Pod>("pod_id", "id", Query::all().eq("uuid", pod));
        let there: Vec<String> = self.db.find::<Host>(there).await?.into_iter().map(|host| host.uuid).collect();
        Ok(all.into_iter().filter(|host| there.contains(host)).collect())
    }

    /// Shares of networks with guests that run on hosts of a hypervisor.
    pub async fn networks_in_use(&self, hypervisor: &str) -> Result<Vec<NetworkSpec>> {
        let sql = sql!(
            "select distinct nic.network_id, vm.pod_id from nic join vm on vm.id = nic.vm_id join host on host.id = vm.host_id \
             join network on network.id = nic.network_id where nic.removed is null and vm.state in ('Running', 'Migrating') \
             and host.hypervisor = ? and network.state in ('Implemented', 'Setup') order by nic.network_id, vm.pod_id"
        );
        let pairs: Vec<(i64, Option<i64>)> = {
            let rows = self.db.rows(sql, vec![hypervisor.into()]).await?;
            rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect::<Result<_>>()?
        };
        let mut found: Vec<NetworkSpec> = Vec::new();
        for (network, pod) in pairs {
            let pod = match pod {
                Some(pod) => self.pod_apart(pod).await?,
                None => None,
            };
            let spec = NetworkSpec { pod, ..network_spec(&self.db.must::<Network>(network).await?) };
            // Pods of an advanced zone are one.
            if !found.contains(&spec) {
                found.push(spec);
            }
        }
        Ok(found)
    }

    /// Everything that a router has to know of a network, or of a pod's share of it.
    pub async fn network_books(&self, uuid: &str, pod: Option<&str>) -> Result<Option<ShareBooks>> {
        let Some(network) = self.db.find_one::<Network>(Query::live().eq("uuid", uuid)).await? else { return Ok(None) };
        let nics = self.db.find::<Nic>(users(network.id)).await?;
        let vms = self.db.by_ids::<Vm>(nics.iter().map(|nic| nic.vm_id)).await?;
        let mut guests = Vec::new();
        for nic in nics.iter().filter(|nic| nic.ip4.is_some()) {
            let Some(vm) = vms.get(&nic.vm_id) else { continue };
            if self.network_share(&network, vm).await?.pod.as_deref() != pod {
                continue;
            }
            guests.push((nic_spec(nic), self.vm_spec(vm).await?, self.password_waiting(vm)?));
        }
        let public = self.public_set(&network).await?;
        let network = NetworkSpec { pod: pod.map(str::to_owned), ..network_spec(&network) };
        Ok(Some(ShareBooks { network, guests, public }))
    }
}
