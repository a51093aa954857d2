use crate::{Host, Network, PrimaryStorage, SecondaryStorage};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The drivers of this process by the name that stands in the database (hypervisor type, pool or store provider, network
/// provider). Names are compared without regard to case, as the API takes them.
#[derive(Default, Clone)]
pub struct Registry {
    hosts: BTreeMap<String, Arc<dyn Host>>,
    pools: BTreeMap<String, Arc<dyn PrimaryStorage>>,
    stores: BTreeMap<String, Arc<dyn SecondaryStorage>>,
    networks: BTreeMap<String, Arc<dyn Network>>,
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
