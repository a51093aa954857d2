//! The simulator: hosts, pools, stores and networks that exist only here, behind the same driver traits as the real ones.
//!
//! One [`Sim`] is a whole world and implements [`Host`](stratus_drivers::Host), [`PrimaryStorage`](stratus_drivers::PrimaryStorage),
//! [`SecondaryStorage`](stratus_drivers::SecondaryStorage) and [`Network`](stratus_drivers::Network). It has its own state machine
//! and its own memory: it refuses what a machine of iron would refuse (no memory left, a disk that is not there, an address leased
//! twice, a VM that runs elsewhere), so a wrong order of the engine shows here and not first in somebody's rack.
//!
//! - **Tables** (`world.rs`) are hash maps in shards, each under a short std mutex that is never held across an await. 50,000 hosts
//!   and 100,000 VMs are some hundred megabytes and a few seconds.
//! - **Memory** (`journal.rs`): every change is a line of JSON, written before the change is made, under the lock of what it changes.
//!   No fsync: the world has to outlive a SIGKILL of the management server, as real hosts do, not a power cut of this machine.
//! - **Trouble** (`fault.rs`, `disturb.rs`): each operation can be slow, fail, hang or lose its answer on the n-th call.
//!   Events of the outside world (a host dies or is cut off, a guest halts, a disk is written) are methods of [`Sim`] (`events.rs`).
//! - **Checking** (`inventory.rs`): [`Sim::inventory`] tells everything there is, to be compared with the store.
//!
//! The rule that holds: what a call answered `Ok` to is in the journal, and a call that failed changed nothing, except where a
//! [`FaultKind::Lose`] was asked for. Locks are taken in the order claims, hosts, pools or stores, journal.
//!
//! Left out: packets, guests that compute, CPU contention, bandwidth. Bytes are an identity instead of content. Two processes do not
//! share one world: the second is refused, so the servers of a farm need real hosts or one server that owns the simulated ones.
//! Rejected: SQLite for the memory (the simulator must not compete with the store for what the benchmarks measure) and one thread
//! per host (50,000 of them are a map, not a crowd).
mod disturb;
mod events;
mod fault;
mod host;
mod images;
mod inventory;
mod journal;
mod r#move;
mod network;
mod pool;
mod replay;
mod store;
mod url;
mod world;

use fault::{Faults, Verdict};
use images::Images;
use journal::Journal;
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stratus_drivers::DriverError;
use world::{Record, World, lock};

/// Packets of VMs that their hosts dropped, by kind.
type Floods = Mutex<HashMap<String, BTreeMap<String, u64>>>;

pub use disturb::{Disturbance, DisturbanceError};
pub use fault::{Fault, FaultKind, Op};
pub use inventory::{DiskEntry, HostEntry, Inventory, LeaseEntry, ObjectEntry, RulesEntry, VmEntry};
pub use journal::OpenError;

/// What a simulated thing is made of when its URL does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimDefaults {
    /// CPUs of a host.
    pub cpus: u32,
    /// Speed of each CPU in MHz.
    pub mhz: u32,
    /// Memory of a host in bytes.
    pub memory_bytes: u64,
    /// Size of a pool in bytes.
    pub pool_bytes: u64,
    /// Size of a secondary store in bytes.
    pub store_bytes: u64,
    /// Virtual size of a fetched template in bytes; a quarter of it is physical.
    pub template_bytes: u64,
}

impl Default for SimDefaults {
    fn default() -> Self {
        const GIB: u64 = 1 << 30;
        Self {
            cpus: 8,
            mhz: 2000,
            memory_bytes: 64 * GIB,
            pool_bytes: 10 * 1024 * GIB,
            store_bytes: 10 * 1024 * GIB,
            template_bytes: 2 * GIB,
        }
    }
}

/// A simulated world; see the crate's own words.
pub struct Sim {
    defaults: SimDefaults,
    world: World,
    journal: Journal,
    images: Images,
    faults: Faults,
    double_starts: AtomicU64,
    floods: Floods,
    halted: std::sync::Mutex<std::collections::BTreeSet<String>>,
    /// Stores of a server's that were connected since the start.
    caches: std::sync::Mutex<std::collections::BTreeSet<String>>,
}

impl Sim {
    /// Opens the world that is remembered in a file, or a new one; without a path it lives in memory only.
    pub fn open(path: Option<PathBuf>) -> Result<Arc<Self>, OpenError> {
        Self::open_with(path, SimDefaults::default())
    }

    /// As [`Sim::open`], with other defaults for what is connected from now on.
    pub fn open_with(path: Option<PathBuf>, defaults: SimDefaults) -> Result<Arc<Self>, OpenError> {
        let mut world = World::default();
        let images = path.as_ref().and_then(|p| p.parent()).map(|dir| dir.join("images"));
        let journal = match path {
            Some(path) => Journal::open(path, &mut world)?,
            None => Journal::none(),
        };
        let double_starts = AtomicU64::new(world.double_starts);
        let images = Images::open(images)?;
        let (faults, floods, halted, caches) = (Faults::default(), Floods::default(), Default::default(), Default::default());
        let sim = Self { defaults, world, journal, images, faults, double_starts, floods, halted, caches };
        sim.images_sweep();
        Ok(Arc::new(sim))
    }

    /// How often a VM was asked to start on one host while it ran on another. A correct engine keeps this at 0.
    pub fn double_starts(&self) -> u64 {
        self.double_starts.load(Ordering::SeqCst)
    }

    /// Makes every later call of an operation take this long; zero takes the delay away.
    pub fn set_delay(&self, op: Op, delay: Duration) {
        self.faults.set_delay(op, delay);
    }

    /// A guest sends more than it may: its host drops so many packets of a kind. Not remembered when the world ends.
    pub fn flood(&self, vm: &str, kind: &str, packets: u64) {
        *lock(&self.floods).entry(vm.to_owned()).or_default().entry(kind.to_owned()).or_default() += packets;
    }

    /// A guest stands still because a disk of it cannot be written, or goes on. Not remembered when the world ends.
    pub fn halt(&self, vm: &str, still: bool) {
        let mut halted = lock(&self.halted);
        if still {
            halted.insert(vm.to_owned())
        } else {
            halted.remove(vm)
        };
    }

    /// Adds a fault. It counts the calls that match it from now on.
    pub fn inject(&self, fault: Fault) {
        self.faults.inject(fault);
    }

    /// Does what a text form such as `start:delay=200ms` or `start:fail@3` says.
    pub fn disturb(&self, disturbance: Disturbance) {
        match disturbance {
            Disturbance::Delay { op, delay } => self.set_delay(op, delay),
            Disturbance::Fault(fault) => self.inject(fault),
        }
    }

    /// Takes all delays and all faults away; what hangs goes on hanging.
    pub fn clear_faults(&self) {
        self.faults.clear();
    }

    /// Lets every hanging call go on; it then does what it was asked.
    pub fn release_hangs(&self) {
        self.faults.release();
    }

    /// Waits until at least so many calls hang.
    pub async fn until_hanging(&self, calls: usize) {
        self.faults.until_hanging(calls).await;
    }

    /// How often an operation was called, whatever came of it.
    pub fn count(&self, op: Op) -> u64 {
        self.faults.count(op)
    }

    /// The way of every operation: count it, meet the fault that waits for it, take the time it takes, do the work.
    async fn run<T>(&self, op: Op, names: &[&str], work: impl FnOnce() -> Result<T, DriverError> + Send) -> Result<T, DriverError> {
        let verdict = self.faults.meet(op, names);
        let delay = self.faults.delay(op);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        match verdict {
            Verdict::Go => work(),
            Verdict::Fail(error) => Err(error),
            Verdict::Hang(hang) => {
                hang.wait().await;
                work()
            }
            Verdict::Lose => {
                work()?;
                Err(DriverError::Unreachable(names.first().unwrap_or(&"the simulator").to_string()))
            }
        }
    }

    /// Writes a change down; called under the lock of what changes, before it changes.
    fn note(&self, record: &Record<'_>) -> Result<(), DriverError> {
        self.journal.append(record).map_err(|error| DriverError::Failed(format!("the simulator's journal: {error}")))
    }
}
