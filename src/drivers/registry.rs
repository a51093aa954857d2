use crate::{Agents, Host, Network, PrimaryStorage, SecondaryStorage};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The drivers of this process by the name that stands in the database (hypervisor type, pool or store provider, network
/// provider). Names are compared without regard to case, as the API takes them.
///
/// A provider of stores or network services may be another driver where hosts of one hypervisor use it: an NFS store of simulated hosts
/// is simulated, one of real hosts is mounted by them.
#[derive(Default, Clone)]
pub struct Registry {
    hosts: BTreeMap<String, Arc<dyn Host>>,
    pools: BTreeMap<String, Arc<dyn PrimaryStorage>>,
    stores: BTreeMap<String, Arc<dyn SecondaryStorage>>,
    networks: BTreeMap<String, Arc<dyn Network>>,
    /// Hypervisors whose hosts come by themselves.
    agents: BTreeMap<String, Arc<dyn Agents>>,
}

/// The key of a provider for the hosts of one hypervisor.
fn special(provider: &str, hypervisor: &str) -> String {
    format!("{provider}@{hypervisor}").to_lowercase()
}

impl Registry {
    /// Adds a hypervisor, e.g. `Simulator`.
    pub fn with_host(mut self, hypervisor: &str, driver: Arc<dyn Host>) -> Self {
        self.hosts.insert(hypervisor.to_lowercase(), driver);
        self
    }
    /// Adds primary storage for a hypervisor's pools.
    pub fn with_pool(mut self, hypervisor: &str, driver: Arc<dyn PrimaryStorage>) -> Self {
        self.pools.insert(hypervisor.to_lowercase(), driver);
        self
    }
    /// Adds secondary storage by provider, e.g. `NFS`.
    pub fn with_store(mut self, provider: &str, driver: Arc<dyn SecondaryStorage>) -> Self {
        self.stores.insert(provider.to_lowercase(), driver);
        self
    }
    /// Adds a network provider, e.g. `VirtualRouter`.
    pub fn with_network(mut self, provider: &str, driver: Arc<dyn Network>) -> Self {
        self.networks.insert(provider.to_lowercase(), driver);
        self
    }
    /// Says that hosts of a hypervisor connect to the server by an agent, with a token: a host that is being added need not answer yet.
    pub fn with_agents(mut self, hypervisor: &str, agents: Arc<dyn Agents>) -> Self {
        self.agents.insert(hypervisor.to_lowercase(), agents);
        self
    }
    /// Secondary storage of a provider where hosts of this hypervisor use it.
    pub fn with_store_for(self, hypervisor: &str, provider: &str, driver: Arc<dyn SecondaryStorage>) -> Self {
        self.with_store(&special(provider, hypervisor), driver)
    }
    /// A network provider where hosts of this hypervisor use it.
    pub fn with_network_for(self, hypervisor: &str, provider: &str, driver: Arc<dyn Network>) -> Self {
        self.with_network(&special(provider, hypervisor), driver)
    }
    /// The agents of a hypervisor whose hosts connect by them.
    pub fn agents(&self, hypervisor: &str) -> Option<Arc<dyn Agents>> {
        self.agents.get(&hypervisor.to_lowercase()).cloned()
    }
    /// Secondary storage by provider for hosts of a hypervisor.
    pub fn store_for(&self, hypervisor: &str, provider: &str) -> Option<Arc<dyn SecondaryStorage>> {
        self.store(&special(provider, hypervisor)).or_else(|| self.store(provider))
    }
    /// A network provider for hosts of a hypervisor.
    pub fn network_for(&self, hypervisor: &str, provider: &str) -> Option<Arc<dyn Network>> {
        self.network(&special(provider, hypervisor)).or_else(|| self.network(provider))
    }
    /// The driver of a hypervisor, if this process has one.
    pub fn host(&self, hypervisor: &str) -> Option<Arc<dyn Host>> {
        self.hosts.get(&hypervisor.to_lowercase()).cloned()
    }
    /// The primary storage of a hypervisor's pools.
    pub fn pool(&self, hypervisor: &str) -> Option<Arc<dyn PrimaryStorage>> {
        self.pools.get(&hypervisor.to_lowercase()).cloned()
    }
    /// Secondary storage by provider.
    pub fn store(&self, provider: &str) -> Option<Arc<dyn SecondaryStorage>> {
        self.stores.get(&provider.to_lowercase()).cloned()
    }
    /// A network provider.
    pub fn network(&self, provider: &str) -> Option<Arc<dyn Network>> {
        self.networks.get(&provider.to_lowercase()).cloned()
    }
    /// The hypervisors there are drivers for, lower-case.
    pub fn hypervisors(&self) -> impl Iterator<Item = &str> {
        self.hosts.keys().map(String::as_str)
    }
}
