//! The drivers' traits as values: one variant a method. The agent's end turns a value into the call, the server's end a call into the
//! value (`remote.rs`), so what crosses the wire is exactly what the traits say.
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use stratus_drivers::{
    DiskRef, DiskSpec, DriverError, FetchSpec, GroupMembers, Host, IsoSpec, Network, NetworkSpec, NicRules, NicSpec, ObjectKind,
    ObjectSpec, PrimaryStorage, PublicSet, SecondaryStorage, Secret, StopMode, VmSnapshotSpec, VmSpec,
};

/// The drivers of one agent.
#[derive(Clone)]
pub struct Drivers {
    /// The hypervisor.
    pub host: Arc<dyn Host>,
    /// Network services.
    pub network: Arc<dyn Network>,
    /// Pools.
    pub pool: Arc<dyn PrimaryStorage>,
    /// Stores.
    pub store: Arc<dyn SecondaryStorage>,
}

impl Drivers {
    /// One thing that is all of them.
    pub fn of<D: Host + Network + PrimaryStorage + SecondaryStorage + 'static>(all: Arc<D>) -> Self {
        Self { host: all.clone(), network: all.clone(), pool: all.clone(), store: all }
    }
}

/// An object of a store that the server keeps, which a host may need for a call.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Parcel {
    /// The store.
    pub store: String,
    /// The object.
    pub what: ObjectSpec,
    /// What a link to it is asked for with.
    pub errand: u64,
}

/// An object that a host makes in a call, for a store that the server keeps.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Dispatch {
    /// The store.
    pub store: String,
    /// The object's name.
    pub object: String,
    /// What it is.
    pub kind: ObjectKind,
    /// What a link to it is asked for with.
    pub errand: u64,
}

/// What one end asks of the other. `Debug` is left out: one of them holds a password.
#[derive(Clone, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each is the method of a driver's trait with its arguments")]
pub enum Ask {
    HostConnect {
        host: String,
        url: String,
    },
    HostDisconnect {
        host: String,
    },
    HostPing {
        host: String,
    },
    VmStart {
        host: String,
        vm: VmSpec,
    },
    VmStop {
        host: String,
        vm: String,
        mode: StopMode,
    },
    VmReboot {
        host: String,
        vm: String,
    },
    VmMigrate {
        from: String,
        to: String,
        vm: VmSpec,
    },
    VmMigrateDisks {
        from: String,
        to: String,
        vm: VmSpec,
        disks: Vec<(DiskRef, DiskRef)>,
    },
    VmScale {
        host: String,
        vm: VmSpec,
    },
    NicPlug {
        host: String,
        vm: String,
        nic: NicSpec,
    },
    NicUnplug {
        host: String,
        vm: String,
        nic: NicSpec,
    },
    IsoChange {
        host: String,
        vm: String,
        iso: Option<IsoSpec>,
    },
    VmKeep {
        host: String,
        vm: VmSpec,
        snapshot: VmSnapshotSpec,
    },
    VmRevert {
        host: String,
        vm: VmSpec,
        snapshot: VmSnapshotSpec,
    },
    VmForget {
        host: String,
        vm: VmSpec,
        snapshot: VmSnapshotSpec,
    },
    Figures {
        host: String,
    },
    HostLoad {
        host: String,
    },
    DiskAttach {
        host: String,
        vm: String,
        disk: DiskSpec,
    },
    DiskDetach {
        host: String,
        vm: String,
        disk: DiskSpec,
    },
    VmList {
        host: String,
    },
    ConsoleOutput {
        host: String,
        vm: String,
    },
    Investigate {
        host: String,
        #[serde(default)]
        by: Vec<String>,
    },
    /// Opens the stream of this number to the VM's screen.
    Screen {
        host: String,
        vm: String,
        stream: u64,
    },
    NetworkImplement {
        network: NetworkSpec,
    },
    NicPrepare {
        network: NetworkSpec,
        nic: NicSpec,
        vm: String,
    },
    GuestIntroduce {
        network: NetworkSpec,
        vm: VmSpec,
    },
    PasswordSave {
        network: NetworkSpec,
        nic: NicSpec,
        password: String,
    },
    NicRelease {
        network: NetworkSpec,
        nic: NicSpec,
        vm: String,
    },
    RulesApply {
        host: String,
        rules: NicRules,
    },
    MembersApply {
        host: String,
        members: GroupMembers,
    },
    PublicApply {
        network: NetworkSpec,
        set: PublicSet,
    },
    NetworkShutdown {
        network: NetworkSpec,
    },
    /// Uuids of the networks that this agent serves.
    Networks,
    PoolConnect {
        pool: String,
        url: String,
    },
    PoolDisconnect {
        pool: String,
    },
    DiskCreate {
        disk: DiskRef,
    },
    DiskFromTemplate {
        disk: DiskRef,
        template: String,
    },
    DiskDelete {
        disk: DiskRef,
    },
    DiskResize {
        disk: DiskRef,
    },
    DiskIdentity {
        disk: DiskRef,
    },
    DiskSnapshot {
        disk: DiskRef,
        snapshot: String,
        store: String,
    },
    DiskFromSnapshot {
        disk: DiskRef,
        snapshot: String,
        store: String,
    },
    PoolPreload {
        pool: String,
        template: String,
    },
    PoolEvict {
        pool: String,
        template: String,
    },
    StoreConnect {
        store: String,
        url: String,
        details: BTreeMap<String, String>,
    },
    ObjectFetch {
        store: String,
        what: FetchSpec,
    },
    ObjectProgress {
        store: String,
        object: String,
    },
    ObjectDuplicate {
        store: String,
        object: String,
        copy: String,
    },
    ObjectCopy {
        from: String,
        object: String,
        to: String,
    },
    /// Opens the stream of this number from the object's bytes; the answer is how many there are, and whether they were made up.
    ObjectOpen {
        store: String,
        object: String,
        stream: u64,
    },
    ObjectStage {
        store: String,
        object: String,
    },
    ObjectSettle {
        store: String,
        object: String,
    },
    TemplateFromSnapshot {
        store: String,
        template: String,
        snapshot: String,
    },
    ObjectList {
        store: String,
    },
    ObjectDelete {
        store: String,
        object: String,
    },
    /// Another question, with what the host may have to fetch for it from stores that the server keeps, and what it is to bring there.
    Errand {
        ask: Box<Ask>,
        bring: Vec<Parcel>,
        send: Option<Dispatch>,
    },
    /// An agent's question: a link for an errand that it is on; the answer is a path and query at the door that it is connected to.
    Link {
        errand: u64,
    },
    /// An agent's question: a fresh certificate for a new key; the answer is the certificate in PEM.
    Renew {
        request: String,
    },
}

/// For what only looks or tells.
const QUICK: Duration = Duration::from_secs(60);
/// For what moves bytes or waits for guests: half an hour, as 4.3's setting `wait`.
const SLOW: Duration = Duration::from_secs(1800);
/// For what comes from far away.
const FETCH: Duration = Duration::from_secs(6 * 3600);

impl Ask {
    /// How long the asker waits for an answer.
    pub fn deadline(&self) -> Duration {
        match self {
            Self::ObjectFetch { .. } | Self::ObjectCopy { .. } | Self::VmMigrateDisks { .. } | Self::Errand { .. } => FETCH,
            Self::VmStart { .. }
            | Self::VmStop { .. }
            | Self::VmReboot { .. }
            | Self::VmMigrate { .. }
            | Self::VmKeep { .. }
            | Self::VmRevert { .. }
            | Self::VmForget { .. }
            | Self::DiskCreate { .. }
            | Self::DiskFromTemplate { .. }
            | Self::DiskDelete { .. }
            | Self::DiskResize { .. }
            | Self::DiskIdentity { .. }
            | Self::DiskSnapshot { .. }
            | Self::DiskFromSnapshot { .. }
            | Self::PoolPreload { .. }
            | Self::PoolEvict { .. }
            | Self::ObjectDuplicate { .. }
            | Self::ObjectStage { .. }
            | Self::ObjectSettle { .. }
            | Self::TemplateFromSnapshot { .. } => SLOW,
            _ => QUICK,
        }
    }

    /// What a call works on. Two calls on one thing are carried out one after the other, so that a repeated call never meets the first
    /// one half-way; none for what only looks.
    pub fn subject(&self) -> Option<String> {
        Some(match self {
            Self::Errand { ask, .. } => return ask.subject(),
            Self::VmStart { vm, .. }
            | Self::VmMigrate { vm, .. }
            | Self::VmMigrateDisks { vm, .. }
            | Self::VmScale { vm, .. }
            | Self::VmKeep { vm, .. }
            | Self::VmRevert { vm, .. }
            | Self::VmForget { vm, .. } => format!("vm {}", vm.name),
            Self::VmStop { vm, .. }
            | Self::VmReboot { vm, .. }
            | Self::NicPlug { vm, .. }
            | Self::NicUnplug { vm, .. }
            | Self::IsoChange { vm, .. }
            | Self::DiskAttach { vm, .. }
            | Self::DiskDetach { vm, .. } => format!("vm {vm}"),
            Self::DiskCreate { disk }
            | Self::DiskFromTemplate { disk, .. }
            | Self::DiskDelete { disk }
            | Self::DiskResize { disk }
            | Self::DiskSnapshot { disk, .. }
            | Self::DiskFromSnapshot { disk, .. } => format!("disk {}/{}", disk.pool, disk.path),
            Self::ObjectFetch { what, .. } => format!("object {}", what.object),
            Self::TemplateFromSnapshot { template, .. } => format!("object {template}"),
            Self::ObjectDuplicate { copy, .. } => format!("object {copy}"),
            Self::ObjectDelete { object, .. }
            | Self::ObjectCopy { object, .. }
            | Self::ObjectStage { object, .. }
            | Self::ObjectSettle { object, .. } => format!("object {object}"),
            Self::PoolConnect { pool, .. } | Self::PoolDisconnect { pool } => format!("pool {pool}"),
            Self::StoreConnect { store, .. } => format!("store {store}"),
            Self::NetworkImplement { network }
            | Self::NicPrepare { network, .. }
            | Self::GuestIntroduce { network, .. }
            | Self::PasswordSave { network, .. }
            | Self::NicRelease { network, .. }
            | Self::PublicApply { network, .. }
            | Self::NetworkShutdown { network } => format!("network {}", network.uuid),
            Self::RulesApply { rules, .. } => format!("rules {}", rules.nic.uuid),
            Self::MembersApply { members, .. } => format!("members {}", members.group),
            _ => return None,
        })
    }

    /// Whether what it needs of a store has to be there before it is tried: a file that is there by chance may be going. Others are
    /// tried without, because a pool may have had the bytes before.
    pub fn needs_first(&self) -> bool {
        matches!(self, Self::VmStart { .. } | Self::IsoChange { .. } | Self::VmRevert { .. }) || self.arrives_later()
    }

    /// Whether what it needs is taken up only some time after its answer: a VM that is about to come here.
    pub fn arrives_later(&self) -> bool {
        matches!(self, Self::VmMigrate { .. } | Self::VmMigrateDisks { .. })
    }

    /// Carries out what a driver can.
    pub async fn carry_out(self, on: &Drivers) -> Result<Value, DriverError> {
        let Drivers { host: h, network: n, pool: p, store: s } = on;
        match self {
            Self::HostConnect { host, url } => value(h.connect(&host, &url).await),
            Self::HostDisconnect { host } => value(h.disconnect(&host).await),
            Self::HostPing { host } => value(h.ping(&host).await),
            Self::VmStart { host, vm } => value(h.start(&host, &vm).await),
            Self::VmStop { host, vm, mode } => value(h.stop(&host, &vm, mode).await),
            Self::VmReboot { host, vm } => value(h.reboot(&host, &vm).await),
            Self::VmMigrate { from, to, vm } => value(h.migrate(&from, &to, &vm).await),
            Self::VmMigrateDisks { from, to, vm, disks } => value(h.migrate_with_disks(&from, &to, &vm, &disks).await),
            Self::VmScale { host, vm } => value(h.scale(&host, &vm).await),
            Self::NicPlug { host, vm, nic } => value(h.plug(&host, &vm, &nic).await),
            Self::NicUnplug { host, vm, nic } => value(h.unplug(&host, &vm, &nic).await),
            Self::IsoChange { host, vm, iso } => value(h.change_iso(&host, &vm, iso.as_ref()).await),
            Self::VmKeep { host, vm, snapshot } => value(h.keep(&host, &vm, &snapshot).await),
            Self::VmRevert { host, vm, snapshot } => value(h.revert(&host, &vm, &snapshot).await),
            Self::VmForget { host, vm, snapshot } => value(h.forget(&host, &vm, &snapshot).await),
            Self::Figures { host } => value(h.figures(&host).await),
            Self::HostLoad { host } => value(h.load(&host).await),
            Self::DiskAttach { host, vm, disk } => value(h.attach(&host, &vm, &disk).await),
            Self::DiskDetach { host, vm, disk } => value(h.detach(&host, &vm, &disk).await),
            Self::VmList { host } => value(h.list(&host).await),
            Self::ConsoleOutput { host, vm } => value(h.console_output(&host, &vm).await),
            Self::Investigate { host, by } => value(h.investigate(&host, &by).await),
            Self::NetworkImplement { network } => value(n.implement(&network).await),
            Self::NicPrepare { network, nic, vm } => value(n.prepare(&network, &nic, &vm).await),
            Self::GuestIntroduce { network, vm } => value(n.introduce(&network, &vm).await),
            Self::PasswordSave { network, nic, password } => value(n.save_password(&network, &nic, &Secret::new(password)).await),
            Self::NicRelease { network, nic, vm } => value(n.release(&network, &nic, &vm).await),
            Self::RulesApply { host, rules } => value(n.apply_rules(&host, &rules).await),
            Self::MembersApply { host, members } => value(n.apply_members(&host, &members).await),
            Self::PublicApply { network, set } => value(n.apply_public(&network, &set).await),
            Self::NetworkShutdown { network } => value(n.shutdown(&network).await),
            Self::PoolConnect { pool, url } => value(p.connect(&pool, &url).await),
            Self::PoolDisconnect { pool } => value(p.disconnect(&pool).await),
            Self::DiskCreate { disk } => value(p.create(&disk).await),
            Self::DiskFromTemplate { disk, template } => value(p.create_from_template(&disk, &template).await),
            Self::DiskDelete { disk } => value(p.delete(&disk).await),
            Self::DiskResize { disk } => value(p.resize(&disk).await),
            Self::DiskIdentity { disk } => value(p.identity(&disk).await),
            Self::DiskSnapshot { disk, snapshot, store } => value(p.snapshot(&disk, &snapshot, &store).await),
            Self::DiskFromSnapshot { disk, snapshot, store } => value(p.create_from_snapshot(&disk, &snapshot, &store).await),
            Self::PoolPreload { pool, template } => value(p.preload(&pool, &template).await),
            Self::PoolEvict { pool, template } => value(p.evict(&pool, &template).await),
            Self::StoreConnect { store, url, details } => {
                let details = details.into_iter().map(|(name, text)| (name, Secret::new(text))).collect();
                value(s.connect(&store, &url, &details).await)
            }
            Self::ObjectFetch { store, what } => value(s.fetch(&store, &what).await),
            Self::ObjectProgress { store, object } => value(s.progress(&store, &object).await),
            Self::ObjectDuplicate { store, object, copy } => value(s.duplicate(&store, &object, &copy).await),
            Self::ObjectCopy { from, object, to } => value(s.copy(&from, &object, &to).await),
            Self::ObjectStage { store, object } => value(s.stage(&store, &object).await),
            Self::ObjectSettle { store, object } => value(s.settle(&store, &object).await),
            Self::TemplateFromSnapshot { store, template, snapshot } => value(s.template_from_snapshot(&store, &template, &snapshot).await),
            Self::ObjectList { store } => value(s.list(&store).await),
            Self::ObjectDelete { store, object } => value(s.delete(&store, &object).await),
            Self::Screen { .. }
            | Self::ObjectOpen { .. }
            | Self::Networks
            | Self::Errand { .. }
            | Self::Link { .. }
            | Self::Renew { .. } => Err(DriverError::Unsupported("this is not for a driver".into())),
        }
    }
}

/// An answer as it travels.
pub fn value<T: Serialize>(answer: Result<T, DriverError>) -> Result<Value, DriverError> {
    serde_json::to_value(answer?).map_err(|e| DriverError::Failed(e.to_string()))
}
