//! The tables of the world, and the records that change them.
//!
//! A record says how a thing is now, not what was done to it, so replaying is inserting and a compacted journal is a list of things.
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use stratus_drivers::{
    DriverError, GroupMembers, HostFacts, NetworkSpec, NicRules, ObjectKind, PowerState, PublicSet, TemplateFacts, VmSpec,
};

const SHARDS: usize = 64;

/// Locks even if a thread panicked while it held the lock: every change is one insertion or removal, so nothing is half done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A hash map in shards. The closure form keeps guards from living across an await.
pub(crate) struct Shards<V> {
    shards: Vec<Mutex<HashMap<String, V>>>,
    hasher: RandomState,
}

impl<V> Default for Shards<V> {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), hasher: RandomState::new() }
    }
}

impl<V> Shards<V> {
    /// Runs with the shard of a key.
    pub fn with<R>(&self, key: &str, work: impl FnOnce(&mut HashMap<String, V>) -> R) -> R {
        let index = self.hasher.hash_one(key) as usize % SHARDS;
        work(&mut lock(&self.shards[index]))
    }

    /// Visits everything, one shard after the other; what changes meanwhile may or may not be seen.
    pub fn each(&self, mut visit: impl FnMut(&str, &V)) {
        for shard in &self.shards {
            lock(shard).iter().for_each(|(key, value)| visit(key, value));
        }
    }

    /// The first answer that anything gives.
    pub fn find<R>(&self, ask: impl Fn(&V) -> Option<R>) -> Option<R> {
        self.shards.iter().find_map(|shard| lock(shard).values().find_map(&ask))
    }
}

/// A host as the journal keeps it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct HostRecord {
    pub facts: HostFacts,
    /// Added and not yet forgotten.
    pub connected: bool,
    /// Answers; a crashed host or one behind a cut cable does not.
    pub reachable: bool,
    /// Its neighbours see that it lives although it does not answer.
    #[serde(default)]
    pub seen: bool,
}

/// A host with what is on it.
pub(crate) struct HostState {
    pub record: HostRecord,
    pub memory_used: u64,
    pub vms: HashMap<String, Vm>,
    /// By NIC.
    pub rules: HashMap<String, NicRules>,
    /// By security group.
    pub members: HashMap<String, GroupMembers>,
}

impl HostState {
    fn new(record: HostRecord) -> Self {
        Self { record, memory_used: 0, vms: HashMap::new(), rules: HashMap::new(), members: HashMap::new() }
    }

    /// Puts a VM on the host and keeps the sum of memory right.
    pub fn put(&mut self, vm: Vm) {
        self.take(&vm.spec.name.clone());
        self.memory_used += vm.memory();
        self.vms.insert(vm.spec.name.clone(), vm);
    }

    /// Takes a VM from the host.
    pub fn take(&mut self, name: &str) -> Option<Vm> {
        let vm = self.vms.remove(name)?;
        self.memory_used -= vm.memory();
        Some(vm)
    }
}

/// A VM that is defined on a host.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Vm {
    pub spec: VmSpec,
    pub state: PowerState,
    /// How often its system was booted.
    pub starts: u32,
}

impl Vm {
    /// Bytes of memory that it takes now.
    pub fn memory(&self) -> u64 {
        if self.state == PowerState::On { memory(&self.spec) } else { 0 }
    }
}

/// Bytes of memory that a running VM takes.
pub(crate) fn memory(spec: &VmSpec) -> u64 {
    spec.memory_mb.saturating_mul(1 << 20)
}

/// A pool with its disks by path.
#[derive(Default)]
pub(crate) struct Pool {
    pub total: u64,
    pub used: u64,
    pub disks: HashMap<String, Disk>,
    /// Copies of templates by uuid, from which disks are made without asking a store.
    pub templates: HashMap<String, TemplateCopy>,
}

/// A template's copy on a pool.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct TemplateCopy {
    pub physical: u64,
    pub identity: String,
}

impl Pool {
    /// Puts a template's copy on the pool and keeps the sum of bytes right.
    pub fn put_template(&mut self, template: &str, copy: TemplateCopy) {
        self.take_template(template);
        self.used += copy.physical;
        self.templates.insert(template.to_owned(), copy);
    }

    /// Takes a template's copy from the pool.
    pub fn take_template(&mut self, template: &str) -> Option<TemplateCopy> {
        let copy = self.templates.remove(template)?;
        self.used -= copy.physical;
        Some(copy)
    }

    /// Puts a disk on the pool and keeps the sum of bytes right.
    pub fn put(&mut self, path: &str, disk: Disk) {
        self.take(path);
        self.used += disk.physical;
        self.disks.insert(path.to_owned(), disk);
    }

    /// Takes a disk from the pool.
    pub fn take(&mut self, path: &str) -> Option<Disk> {
        let disk = self.disks.remove(path)?;
        self.used -= disk.physical;
        Some(disk)
    }
}

/// A disk. Its identity is the checksum of its bytes where it has any (`images.rs`), else a made-up one.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Disk {
    pub bytes: u64,
    /// What it takes on the pool; disks are thin.
    pub physical: u64,
    pub identity: String,
    /// How often a system was booted from it.
    pub boots: u32,
    /// The identity it had at each snapshot of its VM, by the snapshot's uuid.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kept: BTreeMap<String, String>,
}

/// A secondary store with its objects by uuid.
#[derive(Default)]
pub(crate) struct Store {
    pub total: u64,
    pub used: u64,
    pub objects: HashMap<String, Object>,
}

impl Store {
    /// Puts an object on the store and keeps the sum of bytes right.
    pub fn put(&mut self, name: &str, object: Object) {
        self.take(name);
        self.used += object.facts.physical_bytes;
        self.objects.insert(name.to_owned(), object);
    }

    /// Takes an object from the store.
    pub fn take(&mut self, name: &str) -> Option<Object> {
        let object = self.objects.remove(name)?;
        self.used -= object.facts.physical_bytes;
        Some(object)
    }
}

/// A template, snapshot or uploaded volume; the checksum is the identity of its bytes.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Object {
    pub kind: ObjectKind,
    pub facts: TemplateFacts,
}

/// A guest network that is up.
pub(crate) struct Net {
    pub spec: NetworkSpec,
    /// By NIC.
    pub leases: HashMap<String, Lease>,
    /// The NIC that holds an address.
    pub addresses: HashMap<String, String>,
    /// What its router answers for.
    pub public: PublicSet,
}

impl Net {
    pub fn new(spec: NetworkSpec) -> Self {
        Self { spec, leases: HashMap::new(), addresses: HashMap::new(), public: PublicSet::default() }
    }

    /// Gives a lease; the caller has seen that the address is free.
    pub fn put(&mut self, nic: &str, lease: Lease) {
        self.take(nic);
        self.addresses.insert(lease.ip.clone(), nic.to_owned());
        self.leases.insert(nic.to_owned(), lease);
    }

    /// Takes a lease back.
    pub fn take(&mut self, nic: &str) {
        if let Some(lease) = self.leases.remove(nic) {
            self.addresses.remove(&lease.ip);
        }
    }
}

/// What a network handed out to one NIC.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lease {
    pub ip: String,
    pub mac: String,
    pub vm: String,
    /// Digest of a password that waits for the guest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

/// Version of the journal's lines.
pub(crate) const FORMAT: u32 = 1;

/// One line of the journal.
#[derive(Serialize, Deserialize)]
pub(crate) enum Record<'a> {
    Format(u32),
    DoubleStarts(u64),
    Host { host: Cow<'a, str>, record: Cow<'a, HostRecord> },
    HostGone { host: Cow<'a, str> },
    Vm { host: Cow<'a, str>, vm: Cow<'a, Vm> },
    VmMoved { from: Cow<'a, str>, to: Cow<'a, str>, vm: Cow<'a, Vm> },
    VmGone { host: Cow<'a, str>, vm: Cow<'a, str> },
    Rules { host: Cow<'a, str>, rules: Cow<'a, NicRules> },
    Members { host: Cow<'a, str>, members: Cow<'a, GroupMembers> },
    Pool { pool: Cow<'a, str>, total: u64 },
    PoolGone { pool: Cow<'a, str> },
    Disk { pool: Cow<'a, str>, path: Cow<'a, str>, disk: Cow<'a, Disk> },
    DiskGone { pool: Cow<'a, str>, path: Cow<'a, str> },
    TemplateCopy { pool: Cow<'a, str>, template: Cow<'a, str>, copy: Cow<'a, TemplateCopy> },
    TemplateCopyGone { pool: Cow<'a, str>, template: Cow<'a, str> },
    Store { store: Cow<'a, str>, total: u64 },
    Object { store: Cow<'a, str>, object: Cow<'a, str>, is: Cow<'a, Object> },
    ObjectGone { store: Cow<'a, str>, object: Cow<'a, str> },
    Net { spec: Cow<'a, NetworkSpec> },
    NetGone { network: Cow<'a, str> },
    Lease { network: Cow<'a, str>, nic: Cow<'a, str>, lease: Cow<'a, Lease> },
    LeaseGone { network: Cow<'a, str>, nic: Cow<'a, str> },
    Public { network: Cow<'a, str>, set: Cow<'a, PublicSet> },
}

/// Everything there is.
#[derive(Default)]
pub(crate) struct World {
    /// The host that each running VM runs on: the guard against two of the same.
    pub claims: Shards<String>,
    pub hosts: Shards<HostState>,
    pub pools: Shards<Pool>,
    pub stores: Shards<Store>,
    pub networks: Shards<Net>,
    /// As read from the journal.
    pub double_starts: u64,
}

/// The host, if it is there and answers.
pub(crate) fn answering<'a>(hosts: &'a mut HashMap<String, HostState>, host: &str) -> Result<&'a mut HostState, DriverError> {
    hosts
        .get_mut(host)
        .filter(|state| state.record.connected && state.record.reachable)
        .ok_or_else(|| DriverError::Unreachable(format!("host {host}")))
}

/// Drops a VM's rule sets: they guard nothing once the VM is gone. The last guest takes the groups' members with it.
pub(crate) fn drop_rules(state: &mut HostState, vm: &str) {
    state.rules.retain(|_, rules| rules.vm != vm);
    if state.rules.is_empty() {
        state.members.clear();
    }
}

/// Puts a host in or brings its facts up to date; its VMs stay.
pub(crate) fn put_host(hosts: &mut HashMap<String, HostState>, host: &str, record: HostRecord) {
    match hosts.get_mut(host) {
        Some(state) => state.record = record,
        None => {
            hosts.insert(host.to_owned(), HostState::new(record));
        }
    }
}
