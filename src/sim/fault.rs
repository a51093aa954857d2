//! Operations, how long they take and what goes wrong with them.
use crate::world::lock;
use std::fmt::{Display, Formatter};
use std::str::FromStr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use stratus_drivers::DriverError;
use tokio::sync::watch;

/// Declares the operations with their words, so that a new one cannot miss its name.
macro_rules! ops {
    ($($op:ident $word:literal $doc:literal,)*) => {
        /// An operation of the driver traits; in text forms `host-connect`, `start` and so on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Op { $(#[doc = $doc] $op,)* }

        impl Op {
            /// Every operation.
            pub const ALL: &[Op] = &[$(Op::$op,)*];

            /// Its word in text forms.
            pub const fn word(self) -> &'static str {
                match self { $(Op::$op => $word,)* }
            }
        }
    };
}

ops! {
    HostConnect "host-connect" "`Host::connect`",
    HostDisconnect "host-disconnect" "`Host::disconnect`",
    Ping "ping" "`Host::ping`",
    Start "start" "`Host::start`",
    Stop "stop" "`Host::stop`",
    Reboot "reboot" "`Host::reboot`",
    Migrate "migrate" "`Host::migrate`, with or without disks",
    Scale "scale" "`Host::scale`",
    Plug "plug" "`Host::plug`",
    Unplug "unplug" "`Host::unplug`",
    ChangeIso "change-iso" "`Host::change_iso`",
    VmKeep "vm-keep" "`Host::keep`",
    VmRevert "vm-revert" "`Host::revert`",
    VmForget "vm-forget" "`Host::forget`",
    Figures "figures" "`Host::figures`",
    Attach "attach" "`Host::attach`",
    Detach "detach" "`Host::detach`",
    List "list" "`Host::list`",
    Console "console" "`Host::console_output`",
    PoolConnect "pool-connect" "`PrimaryStorage::connect`",
    PoolDisconnect "pool-disconnect" "`PrimaryStorage::disconnect`",
    DiskCreate "disk-create" "`PrimaryStorage::create`",
    DiskFromTemplate "disk-from-template" "`PrimaryStorage::create_from_template`",
    DiskFromSnapshot "disk-from-snapshot" "`PrimaryStorage::create_from_snapshot`",
    DiskDelete "disk-delete" "`PrimaryStorage::delete`",
    DiskResize "disk-resize" "`PrimaryStorage::resize`",
    DiskIdentity "disk-identity" "`PrimaryStorage::identity`",
    Snapshot "snapshot" "`PrimaryStorage::snapshot`",
    PoolPreload "pool-preload" "`PrimaryStorage::preload`",
    PoolEvict "pool-evict" "`PrimaryStorage::evict`",
    StoreConnect "store-connect" "`SecondaryStorage::connect`",
    Fetch "fetch" "`SecondaryStorage::fetch`",
    TemplateFromSnapshot "template-from-snapshot" "`SecondaryStorage::template_from_snapshot`",
    ObjectDuplicate "object-duplicate" "`SecondaryStorage::duplicate`",
    ObjectCopy "object-copy" "`SecondaryStorage::copy`",
    ObjectOpen "object-open" "`SecondaryStorage::open`",
    ObjectReceive "object-receive" "`SecondaryStorage::receive`",
    ObjectDelete "object-delete" "`SecondaryStorage::delete`",
    Implement "implement" "`Network::implement`",
    Prepare "prepare" "`Network::prepare`",
    SavePassword "save-password" "`Network::save_password`",
    Release "release" "`Network::release`",
    ApplyRules "apply-rules" "`Network::apply_rules`",
    ApplyPublic "apply-public" "`Network::apply_public`",
    Shutdown "shutdown" "`Network::shutdown`",
}

impl Display for Op {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Op {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.iter().copied().find(|op| op.word() == text).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|op| op.word()).collect();
            format!("`{text}` is not an operation; there are {}", known.join(", "))
        })
    }
}

/// What goes wrong.
#[derive(Debug, Clone)]
pub enum FaultKind {
    /// Nothing is done and this is answered.
    Fail(DriverError),
    /// Nothing is done until [`Sim::release_hangs`](crate::Sim::release_hangs); a caller that gives up before has changed nothing.
    Hang,
    /// It is done, and the answer is lost: the caller hears [`DriverError::Unreachable`].
    Lose,
}

/// Something that goes wrong with certain calls.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The operation.
    pub op: Op,
    /// Only calls that name this host, VM, pool, disk path, store, template, snapshot, network or NIC; `None` is every call.
    pub target: Option<String>,
    /// Which of the matching calls from now on: 1 is the next one (and so is 0).
    pub nth: u32,
    /// All later matching calls too.
    pub lasting: bool,
    /// What goes wrong.
    pub kind: FaultKind,
}

impl Fault {
    /// A fault of the n-th call of an operation, once.
    pub fn nth(op: Op, nth: u32, kind: FaultKind) -> Self {
        Self { op, target: None, nth, lasting: false, kind }
    }

    /// Only for calls that name this.
    pub fn on(mut self, target: &str) -> Self {
        self.target = Some(target.to_owned());
        self
    }

    /// For all later calls too.
    pub fn lasting(mut self) -> Self {
        self.lasting = true;
        self
    }
}

/// What a call meets.
pub(crate) enum Verdict {
    Go,
    Fail(DriverError),
    Hang(Hang),
    Lose,
}

/// A call that hangs. It watches for the release from the moment of the verdict, so no release is missed.
pub(crate) struct Hang {
    released: watch::Receiver<()>,
    hanging: watch::Sender<usize>,
}

impl Hang {
    pub async fn wait(mut self) {
        // The sender is the simulator, which the caller holds; if it went away all the same, waiting for it would be wrong.
        drop(self.released.changed().await);
    }
}

impl Drop for Hang {
    fn drop(&mut self) {
        self.hanging.send_modify(|calls| *calls -= 1);
    }
}

struct Armed {
    fault: Fault,
    seen: u32,
}

#[derive(Default)]
struct PerOp {
    calls: AtomicU64,
    delay_nanos: AtomicU64,
}

/// Delays, counters and armed faults.
pub(crate) struct Faults {
    ops: Vec<PerOp>,
    /// Whether `armed` holds anything: without faults no call takes its lock.
    any: AtomicBool,
    armed: Mutex<Vec<Armed>>,
    release: watch::Sender<()>,
    hanging: watch::Sender<usize>,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            ops: Op::ALL.iter().map(|_| PerOp::default()).collect(),
            any: AtomicBool::new(false),
            armed: Mutex::default(),
            release: watch::Sender::new(()),
            hanging: watch::Sender::new(0),
        }
    }
}

impl Faults {
    pub fn set_delay(&self, op: Op, delay: Duration) {
        let nanos = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX);
        self.ops[op as usize].delay_nanos.store(nanos, Ordering::Relaxed);
    }

    pub fn delay(&self, op: Op) -> Duration {
        Duration::from_nanos(self.ops[op as usize].delay_nanos.load(Ordering::Relaxed))
    }

    pub fn count(&self, op: Op) -> u64 {
        self.ops[op as usize].calls.load(Ordering::Relaxed)
    }

    pub fn inject(&self, fault: Fault) {
        let mut armed = lock(&self.armed);
        armed.push(Armed { fault, seen: 0 });
        self.any.store(true, Ordering::SeqCst);
    }

    pub fn clear(&self) {
        self.ops.iter().for_each(|op| op.delay_nanos.store(0, Ordering::Relaxed));
        let mut armed = lock(&self.armed);
        armed.clear();
        self.any.store(false, Ordering::SeqCst);
    }

    pub fn release(&self) {
        self.release.send_replace(());
    }

    pub async fn until_hanging(&self, calls: usize) {
        // Fails only when the sender is gone, and the sender is ours.
        drop(self.hanging.subscribe().wait_for(|hanging| *hanging >= calls).await);
    }

    /// Counts a call and says what it meets. Every matching fault counts it; the first that is due strikes.
    pub fn meet(&self, op: Op, names: &[&str]) -> Verdict {
        self.ops[op as usize].calls.fetch_add(1, Ordering::Relaxed);
        if !self.any.load(Ordering::SeqCst) {
            return Verdict::Go;
        }
        let mut armed = lock(&self.armed);
        let mut kind = None;
        armed.retain_mut(|one| {
            let fault = &one.fault;
            if fault.op != op || fault.target.as_deref().is_some_and(|target| !names.contains(&target)) {
                return true;
            }
            one.seen = one.seen.saturating_add(1);
            let due = one.seen >= fault.nth.max(1);
            if due && kind.is_none() {
                kind = Some(fault.kind.clone());
            }
            !due || fault.lasting
        });
        self.any.store(!armed.is_empty(), Ordering::SeqCst);
        match kind {
            None => Verdict::Go,
            Some(FaultKind::Fail(error)) => Verdict::Fail(error),
            Some(FaultKind::Lose) => Verdict::Lose,
            Some(FaultKind::Hang) => {
                self.hanging.send_modify(|calls| *calls += 1);
                Verdict::Hang(Hang { released: self.release.subscribe(), hanging: self.hanging.clone() })
            }
        }
    }
}
