//! Hypervisor types: their names as rows and answers spell them, and which of them this process has drivers for.
use crate::Engine;
use stratus_model::{Error, Result};
use stratus_store::{Cluster, Query};

const KNOWN: [&str; 8] = ["BareMetal", "Hyperv", "KVM", "LXC", "Ovm", "Simulator", "VMware", "XenServer"];

/// The usual spelling of a hypervisor's name; one that nobody knows (an out-of-tree driver's) stays as it is.
pub fn canonical(name: &str) -> String {
    let name = name.trim();
    KNOWN.iter().find(|k| k.eq_ignore_ascii_case(name)).map_or_else(|| name.to_owned(), |k| (*k).to_owned())
}

impl Engine {
    /// A hypervisor's name, if this server can speak to its hosts.
    pub fn hypervisor(&self, name: &str) -> Result<String> {
        if self.drivers.host(name.trim()).is_some() {
            return Ok(canonical(name));
        }
        let have: Vec<String> = self.drivers.hypervisors().map(canonical).collect();
        let have = if have.is_empty() { "none".to_owned() } else { have.join(", ") };
        Err(Error::invalid("hypervisor", format!("there is no driver for '{name}' here; there is for: {have}")))
    }

    /// The hypervisors one can have, or those that a zone has clusters of.
    pub async fn hypervisor_list(&self, zone: Option<i64>) -> Result<Vec<String>> {
        let mut names: Vec<String> = match zone {
            None => self.drivers.hypervisors().map(canonical).collect(),
            Some(zone) => self.db.find::<Cluster>(Query::live().eq("zone_id", zone)).await?.into_iter().map(|c| c.hypervisor).collect(),
        };
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }
}
