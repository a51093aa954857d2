//! Everything there is, in a form to compare with what the store believes.
use crate::Sim;
use crate::world::{Disk, HostState, Lease, Object, Vm};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use stratus_drivers::{GroupRule, ObjectKind, PowerState, PublicSet};

/// The world at one moment. It is taken shard by shard: take it when nothing moves, or expect to see a move half done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// Hosts by uuid; forgotten ones as long as VMs are left on them.
    pub hosts: BTreeMap<String, HostEntry>,
    /// Number of VMs that run, on all hosts.
    pub running: usize,
    /// VMs that run on more than one host, with how many; empty unless the simulator itself is wrong.
    pub doubles: BTreeMap<String, usize>,
    /// Attempts to start a VM that ran elsewhere.
    pub double_starts: u64,
    /// Disks by pool and path.
    pub pools: BTreeMap<String, BTreeMap<String, DiskEntry>>,
    /// Templates whose copies stand on pools, by pool.
    pub copies: BTreeMap<String, BTreeSet<String>>,
    /// Templates and snapshots by store and uuid.
    pub stores: BTreeMap<String, BTreeMap<String, ObjectEntry>>,
    /// Leases by network and NIC; a network without any is up all the same.
    pub networks: BTreeMap<String, BTreeMap<String, LeaseEntry>>,
    /// Public addresses that networks' routers answer for, where any were ever set.
    pub public: BTreeMap<String, PublicSet>,
}

/// A host and what is on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostEntry {
    /// Added and not forgotten.
    pub connected: bool,
    /// Answers.
    pub reachable: bool,
    /// Memory that running VMs take, in bytes.
    pub memory_used: u64,
    /// Number of VMs that run.
    pub running: usize,
    /// VMs by instance name.
    pub vms: BTreeMap<String, VmEntry>,
    /// Rule sets by NIC.
    pub rules: BTreeMap<String, RulesEntry>,
}

/// A VM on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VmEntry {
    /// The native uuid.
    pub uuid: String,
    /// Whether it runs.
    pub state: PowerState,
    /// Number of virtual CPUs.
    pub cpus: u32,
    /// Share of each CPU in MHz.
    pub cpu_mhz: u32,
    /// Memory in MiB.
    pub memory_mb: u64,
    /// The ISO in its drive.
    pub iso: Option<String>,
    /// Its disks as (pool, path), root disk first.
    pub disks: Vec<(String, String)>,
    /// Its NICs by uuid, with the address.
    pub nics: BTreeMap<String, String>,
    /// Megabits a second that its NICs may carry, by uuid; those without a limit are not among them.
    #[serde(default)]
    pub rates: BTreeMap<String, u32>,
    /// How often its system was booted.
    pub starts: u32,
}

/// A rule set on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RulesEntry {
    /// The VM that it guards.
    pub vm: String,
    /// Its sequence.
    pub sequence: i64,
    /// What is allowed.
    pub rules: Vec<GroupRule>,
}

/// A disk on a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskEntry {
    /// Size in bytes.
    pub bytes: u64,
    /// Identity of its bytes.
    pub identity: String,
}

/// A template, snapshot or uploaded volume on a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectEntry {
    /// Which of them.
    pub kind: ObjectKind,
    /// Identity of its bytes.
    pub identity: String,
}

/// A lease of a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseEntry {
    /// The address.
    pub ip: String,
    /// The MAC address it is for.
    pub mac: String,
    /// The VM.
    pub vm: String,
    /// Digest of the password that waits for the guest.
    pub password: Option<String>,
}

impl Inventory {
    /// The host that a VM runs on.
    pub fn host_of(&self, vm: &str) -> Option<&str> {
        let runs = |entry: &HostEntry| entry.vms.get(vm).is_some_and(|vm| vm.state == PowerState::On);
        self.hosts.iter().find(|(_, entry)| runs(entry)).map(|(host, _)| host.as_str())
    }
}

impl Sim {
    /// Everything there is, now.
    pub fn inventory(&self) -> Inventory {
        let mut all = Inventory { double_starts: self.double_starts(), ..Inventory::default() };
        self.world.hosts.each(|host, state| {
            all.hosts.insert(host.to_owned(), host_entry(state));
        });
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        for host in all.hosts.values() {
            all.running += host.running;
            for (name, _) in host.vms.iter().filter(|(_, vm)| vm.state == PowerState::On) {
                *places.entry(name.clone()).or_default() += 1;
            }
        }
        places.retain(|_, hosts| *hosts > 1);
        all.doubles = places;
        self.world.pools.each(|pool, state| {
            let entry = |disk: &Disk| DiskEntry { bytes: disk.bytes, identity: disk.identity.clone() };
            if !state.templates.is_empty() {
                all.copies.insert(pool.to_owned(), state.templates.keys().cloned().collect());
            }
            all.pools.insert(pool.to_owned(), state.disks.iter().map(|(path, disk)| (path.clone(), entry(disk))).collect());
        });
        self.world.stores.each(|store, state| {
            let entry = |object: &Object| ObjectEntry { kind: object.kind, identity: object.facts.checksum.clone() };
            all.stores.insert(store.to_owned(), state.objects.iter().map(|(name, object)| (name.clone(), entry(object))).collect());
        });
        self.world.networks.each(|network, net| {
            let entry = |lease: &Lease| {
                let Lease { ip, mac, vm, password } = lease.clone();
                LeaseEntry { ip, mac, vm, password }
            };
            all.networks.insert(network.to_owned(), net.leases.iter().map(|(nic, lease)| (nic.clone(), entry(lease))).collect());
            if net.public != PublicSet::default() {
                all.public.insert(network.to_owned(), net.public.clone());
            }
        });
        all
    }
}

fn host_entry(state: &HostState) -> HostEntry {
    let rules = state
        .rules
        .iter()
        .map(|(nic, set)| (nic.clone(), RulesEntry { vm: set.vm.clone(), sequence: set.sequence, rules: set.rules.clone() }));
    HostEntry {
        connected: state.record.connected,
        reachable: state.record.reachable,
        memory_used: state.memory_used,
        running: state.vms.values().filter(|vm| vm.state == PowerState::On).count(),
        vms: state.vms.iter().map(|(name, vm)| (name.clone(), vm_entry(vm))).collect(),
        rules: rules.collect(),
    }
}

fn vm_entry(vm: &Vm) -> VmEntry {
    let spec = &vm.spec;
    VmEntry {
        uuid: spec.uuid.clone(),
        state: vm.state,
        cpus: spec.cpus,
        cpu_mhz: spec.cpu_mhz,
        memory_mb: spec.memory_mb,
        iso: spec.iso.as_ref().map(|i| i.iso.clone()),
        disks: spec.disks.iter().map(|disk| (disk.pool.clone(), disk.path.clone())).collect(),
        nics: spec.nics.iter().map(|nic| (nic.uuid.clone(), nic.ip.clone())).collect(),
        rates: spec.nics.iter().filter_map(|nic| Some((nic.uuid.clone(), nic.rate_mbps?))).collect(),
        starts: vm.starts,
    }
}
