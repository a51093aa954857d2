//! Tests that every driver passes: the contract of the traits as code.
//!
//! A driver's own tests build a case (names and URLs that mean something to it) and call these; they panic with the rule that was
//! broken. What only a second look at the world could tell (bytes written by a guest, the sequence of rules that stand) is asked
//! through closures of the case, and not checked where a driver has none.
use crate::{
    DiskRef, DiskSpec, DriverError, Fate, GroupMembers, Host, Network, NetworkSpec, NicRules, NicSpec, PowerState, PrimaryStorage,
    StopMode, VmSpec,
};
use crate::{FetchSpec, ObjectKind, ObjectSpec, StoreDetails};
use crate::{GroupRule, IsoSpec, PortRule, PublicAddress, PublicSet, SecondaryStorage, Secret, StaticNat, TemplateFacts, VmSnapshotSpec};
use std::fmt::Debug;
use tokio::io::AsyncReadExt;

/// A second look at the world: the sequence of the rule set that stands for a NIC's uuid.
pub type Sequence<'a> = &'a (dyn Fn(&str) -> Option<i64> + Send + Sync);

/// A name that no driver knows.
const NOBODY: &str = "00000000-0000-4000-8000-00000000dead";

/// A host to test with. The disks of `vm` and `spare` exist and the host may use them.
pub struct HostCase {
    /// The host's uuid.
    pub host: String,
    /// The URL it is added with.
    pub url: String,
    /// A VM that fits the host.
    pub vm: VmSpec,
    /// A disk that is not among the VM's, with a free device number.
    pub spare: DiskSpec,
    /// Another host that reaches the VM's disks, as (uuid, URL), where the driver can move VMs.
    pub other: Option<(String, String)>,
    /// Another pool that both hosts reach, where the driver can move disks of running VMs. What is moved there is left there.
    pub aside: Option<String>,
}

/// A pool and a store to test with.
pub struct StorageCase<'a> {
    /// The pool's uuid.
    pub pool: String,
    /// The URL it is added with.
    pub pool_url: String,
    /// The store's uuid.
    pub store: String,
    /// The URL it is added with.
    pub store_url: String,
    /// What else the store needs.
    pub store_details: StoreDetails,
    /// Where a template that is not all zeros can be fetched.
    pub template_url: String,
    /// Its format.
    pub template_format: String,
    /// Networks of the inside that may be asked for it.
    pub inside: Vec<String>,
    /// Size for disks made from that template: its virtual size or more.
    pub disk_bytes: u64,
    /// Changes the bytes of a disk as a guest would, if the test has a way.
    pub write: Option<&'a (dyn Fn(&DiskRef) + Send + Sync)>,
}

impl StorageCase<'_> {
    /// The template, to be brought under a name.
    fn template(&self, object: &str) -> FetchSpec {
        FetchSpec {
            object: object.to_owned(),
            kind: ObjectKind::Template,
            url: self.template_url.clone(),
            format: self.template_format.clone(),
            checksum: None,
            most_bytes: 1 << 40,
            inside: self.inside.clone(),
        }
    }
}

/// A guest network to test with.
pub struct NetworkCase<'a> {
    /// A connected host, for rule sets.
    pub host: String,
    /// The network.
    pub network: NetworkSpec,
    /// Two NICs with different addresses in it.
    pub nics: [NicSpec; 2],
    /// Instance name of the VM with the NICs.
    pub vm: String,
    /// The rule set that stands, if the test has a way to see it.
    pub sequence: Option<Sequence<'a>>,
    /// The sequence of the public addresses that a network's router answers for, if the test has a way to see it.
    pub public: Option<Sequence<'a>>,
}

/// The value, or a panic with the rule.
fn ok<T>(rule: &str, answer: Result<T, DriverError>) -> T {
    match answer {
        Ok(value) => value,
        Err(error) => panic!("{rule}: answered the error `{error}`"),
    }
}

fn missing<T: Debug>(rule: &str, answer: Result<T, DriverError>) {
    assert!(matches!(answer, Err(DriverError::Missing(_))), "{rule}: has to be Missing, was {answer:?}");
}

fn unreachable<T: Debug>(rule: &str, answer: Result<T, DriverError>) {
    assert!(matches!(answer, Err(DriverError::Unreachable(_))), "{rule}: has to be Unreachable, was {answer:?}");
}

/// The contract of [`Host`]. Leaves the host connected and without VMs.
pub async fn host_conformance(driver: &dyn Host, case: &HostCase) {
    let HostCase { host, url, .. } = case;
    unreachable("ping of a host that was never added", driver.ping(NOBODY).await);
    ok("forgetting a host that was never added", driver.disconnect(NOBODY).await);
    let facts = ok("connect", driver.connect(host, url).await);
    assert!(facts.cpus > 0 && facts.cpu_mhz > 0 && facts.memory_bytes > 0, "connect: facts have to say what the host is: {facts:?}");
    assert_eq!(ok("connect again", driver.connect(host, url).await), facts, "connect again: the same host has the same facts");
    ok("ping of a connected host", driver.ping(host).await);
    let by: Vec<String> = case.other.iter().map(|(other, _)| other.clone()).collect();
    assert_ne!(ok("investigate", driver.investigate(host, &by).await), Fate::Dead, "investigate: a host that answers is not dead");
    let nobody = ok("investigate", driver.investigate(NOBODY, std::slice::from_ref(host)).await);
    assert_eq!(nobody, Fate::Unknown, "investigate: of a host that was never added nobody can tell");

    host_without_the_vm(driver, case).await;
    host_runs_the_vm(driver, case).await;
    host_attaches(driver, case).await;
    host_changes_the_vm(driver, case).await;
    host_keeps_the_vm(driver, case).await;
    host_moves_the_vm(driver, case).await;
    host_moves_disks(driver, case).await;
    host_stops_the_vm(driver, case).await;

    ok("disconnect", driver.disconnect(host).await);
    ok("disconnect again", driver.disconnect(host).await);
    unreachable("ping of a forgotten host", driver.ping(host).await);
    unreachable("start on a forgotten host", driver.start(host, &case.vm).await);
    ok("connect after disconnect", driver.connect(host, url).await);
}

async fn power(driver: &dyn Host, case: &HostCase) -> Option<PowerState> {
    let reports = ok("list", driver.list(&case.host).await);
    let mut found = reports.iter().filter(|report| report.name == case.vm.name);
    let state = found.next().map(|report| report.state);
    assert!(found.next().is_none(), "list: {} stands there twice", case.vm.name);
    state
}

async fn host_without_the_vm(driver: &dyn Host, HostCase { host, vm, spare, .. }: &HostCase) {
    let name = &vm.name;
    ok("stop of a VM that is not there", driver.stop(host, name, StopMode::Graceful).await);
    ok("forced stop of a VM that is not there", driver.stop(host, name, StopMode::Forced).await);
    missing("reboot of a VM that is not there", driver.reboot(host, name).await);
    missing("attach to a VM that is not there", driver.attach(host, name, spare).await);
    missing("detach from a VM that is not there", driver.detach(host, name, spare).await);
    missing("console of a VM that is not there", driver.console_output(host, name).await);
}

async fn host_runs_the_vm(driver: &dyn Host, case: &HostCase) {
    let HostCase { host, vm, .. } = case;
    assert_eq!(power(driver, case).await, None, "list: a VM that was never started is not on the host");
    for rule in ["start", "start of a running VM"] {
        let report = ok(rule, driver.start(host, vm).await);
        assert_eq!((report.name.as_str(), report.state), (vm.name.as_str(), PowerState::On), "{rule}: the report says that it runs");
        assert_eq!(power(driver, case).await, Some(PowerState::On), "{rule}: the VM is listed as running");
    }
    ok("reboot", driver.reboot(host, &vm.name).await);
    assert_eq!(power(driver, case).await, Some(PowerState::On), "reboot: the VM runs afterwards");
    let console = ok("console", driver.console_output(host, &vm.name).await);
    assert!(console.len() <= 64 << 10, "console: {} bytes are more than 64 KiB", console.len());
}

async fn host_attaches(driver: &dyn Host, HostCase { host, vm, spare, .. }: &HostCase) {
    for rule in ["attach", "attach of an attached disk"] {
        ok(rule, driver.attach(host, &vm.name, spare).await);
    }
    for rule in ["detach", "detach of a detached disk"] {
        ok(rule, driver.detach(host, &vm.name, spare).await);
    }
    let nowhere = DiskSpec { path: NOBODY.to_owned(), ..spare.clone() };
    assert!(driver.attach(host, &vm.name, &nowhere).await.is_err(), "attach of a disk that is not there: has to fail");
    ok("attach after a failed attach", driver.attach(host, &vm.name, spare).await);
    ok("detach", driver.detach(host, &vm.name, spare).await);
}

async fn host_changes_the_vm(driver: &dyn Host, case: &HostCase) {
    let HostCase { host, vm, .. } = case;
    let larger = VmSpec { cpus: vm.cpus + 1, ..vm.clone() };
    // A host that cannot add CPUs to a running VM says so; the engine then wants it stopped.
    if !matches!(driver.scale(host, &larger).await, Err(DriverError::Unsupported(_))) {
        for rule in ["scale", "scale of a VM that has grown"] {
            ok(rule, driver.scale(host, &larger).await);
        }
        assert!(driver.scale(host, vm).await.is_err(), "scale to less: has to fail while the VM runs");
    }
    let other = VmSpec { name: NOBODY.to_owned(), ..vm.clone() };
    missing("scale of a VM that is not there", driver.scale(host, &other).await);
    let nic = NicSpec { uuid: format!("{}-second", vm.uuid), mac: "06:00:00:00:c0:de".into(), ..vm.nics[0].clone() };
    for rule in ["plug", "plug of a NIC that is there"] {
        ok(rule, driver.plug(host, &vm.name, &nic).await);
    }
    for rule in ["unplug", "unplug of a NIC that is gone"] {
        ok(rule, driver.unplug(host, &vm.name, &nic).await);
    }
    missing("plug into a VM that is not there", driver.plug(host, NOBODY, &nic).await);
    ok("taking out of an empty drive", driver.change_iso(host, &vm.name, None).await);
    let nothing = IsoSpec { iso: NOBODY.to_owned(), store: NOBODY.to_owned() };
    assert!(driver.change_iso(host, &vm.name, Some(&nothing)).await.is_err(), "an ISO that is not there: has to fail");
    missing("change of the ISO of a VM that is not there", driver.change_iso(host, NOBODY, None).await);
    let figures = ok("figures", driver.figures(host).await);
    assert_eq!(figures.iter().filter(|f| f.name == vm.name).count(), 1, "figures: a running VM has some, once");
    if let Some(load) = ok("load", driver.load(host).await) {
        assert!(load.cpu <= 10_000 && load.memory_used > 0, "load: a share of the CPUs, and something is always in memory: {load:?}");
    }
}

async fn host_keeps_the_vm(driver: &dyn Host, case: &HostCase) {
    let HostCase { host, vm, .. } = case;
    let snapshot = VmSnapshotSpec { uuid: "conformance-kept".to_owned(), memory: true };
    assert!(driver.revert(host, vm, &snapshot).await.is_err(), "revert to a snapshot that is not there: has to fail");
    ok("forgetting a snapshot that is not there", driver.forget(host, vm, &snapshot).await);
    for rule in ["snapshot", "snapshot again"] {
        ok(rule, driver.keep(host, vm, &snapshot).await);
    }
    for rule in ["revert", "revert again"] {
        ok(rule, driver.revert(host, vm, &snapshot).await);
        assert_eq!(power(driver, case).await, Some(PowerState::On), "{rule}: a VM that ran goes on");
    }
    for rule in ["forgetting a snapshot", "forgetting it again"] {
        ok(rule, driver.forget(host, vm, &snapshot).await);
    }
    assert!(driver.revert(host, vm, &snapshot).await.is_err(), "revert to a forgotten snapshot: has to fail");
}

async fn host_moves_the_vm(driver: &dyn Host, case: &HostCase) {
    let HostCase { host, vm, other, .. } = case;
    let Some((other, url)) = other else { return };
    ok("connect of the other host", driver.connect(other, url).await);
    let stranger = VmSpec { name: NOBODY.to_owned(), ..vm.clone() };
    missing("migration of a VM that is not there", driver.migrate(host, other, &stranger).await);
    assert!(driver.migrate(host, NOBODY, vm).await.is_err(), "migration to a host that was never added: has to fail");
    assert_eq!(power(driver, case).await, Some(PowerState::On), "a migration that failed leaves the VM where it was");
    for (rule, from, to) in [("there", host, other), ("there again", host, other), ("back", other, host)] {
        let report = ok(rule, driver.migrate(from, to, vm).await);
        assert_eq!(report.state, PowerState::On, "migration {rule}: the VM runs on");
        for (place, runs) in [(from, false), (to, true)] {
            let there = ok("list", driver.list(place).await).iter().any(|r| r.name == vm.name && r.state == PowerState::On);
            assert_eq!(there, runs, "migration {rule}: it runs in one place");
        }
    }
    ok("disconnect of the other host", driver.disconnect(other).await);
}

async fn host_moves_disks(driver: &dyn Host, case: &HostCase) {
    let HostCase { host, vm, other, aside, .. } = case;
    let (Some((other, url)), Some(aside), Some(root)) = (other, aside, vm.disks.first()) else { return };
    ok("connect of the other host", driver.connect(other, url).await);
    let disk = |pool: &str, path: &str| DiskRef { pool: pool.to_owned(), path: path.to_owned(), bytes: root.bytes };
    let (home, near, far) = (disk(&root.pool, &root.path), disk(aside, "conformance-near"), disk(aside, "conformance-far"));
    let on = |at: &DiskRef| {
        let mut there = vm.clone();
        (there.disks[0].pool, there.disks[0].path) = (at.pool.clone(), at.path.clone());
        there
    };
    let nowhere = disk(NOBODY, "conformance-nowhere");
    let refused = driver.migrate_with_disks(host, host, &on(&nowhere), &[(home.clone(), nowhere.clone())]).await;
    assert!(refused.is_err(), "a disk to a pool that was never added: has to fail");
    assert_eq!(power(driver, case).await, Some(PowerState::On), "a move that failed leaves the VM running");
    for rule in ["disks under the VM", "disks under the VM again"] {
        let report = ok(rule, driver.migrate_with_disks(host, host, &on(&near), &[(home.clone(), near.clone())]).await);
        assert_eq!(report.state, PowerState::On, "{rule}: it runs on");
    }
    for rule in ["with disks", "with disks again"] {
        let report = ok(rule, driver.migrate_with_disks(host, other, &on(&far), &[(near.clone(), far.clone())]).await);
        assert_eq!(report.state, PowerState::On, "{rule}: it runs on");
    }
    let there = ok("list", driver.list(other).await).iter().any(|r| r.name == vm.name && r.state == PowerState::On);
    assert_eq!((there, power(driver, case).await), (true, None), "with disks: it runs in the other place");
    ok("stop on the other host", driver.stop(other, &vm.name, StopMode::Forced).await);
    ok("disconnect of the other host", driver.disconnect(other).await);
}

async fn host_stops_the_vm(driver: &dyn Host, case: &HostCase) {
    let HostCase { host, vm, .. } = case;
    for mode in [StopMode::Graceful, StopMode::Forced] {
        ok("start of a stopped VM", driver.start(host, vm).await);
        ok("stop", driver.stop(host, &vm.name, mode).await);
        assert_eq!(power(driver, case).await, None, "stop ({mode:?}): the host forgets the definition");
        ok("stop of a stopped VM", driver.stop(host, &vm.name, mode).await);
    }
    missing("reboot of a stopped VM", driver.reboot(host, &vm.name).await);
    let mut broken = vm.clone();
    if let Some(root) = broken.disks.first_mut() {
        root.path = NOBODY.to_owned();
        assert!(driver.start(host, &broken).await.is_err(), "start without the root disk: has to fail");
        assert_ne!(power(driver, case).await, Some(PowerState::On), "start without the root disk: nothing runs");
        ok("stop after a failed start", driver.stop(host, &vm.name, StopMode::Forced).await);
    }
}

/// The contract of [`PrimaryStorage`], with a [`SecondaryStorage`] of the same kind. Leaves the pool connected and empty.
pub async fn pool_conformance(driver: &dyn PrimaryStorage, secondary: &dyn SecondaryStorage, case: &StorageCase<'_>) {
    let disk = |name: &str| DiskRef { pool: case.pool.clone(), path: format!("conformance-{name}"), bytes: case.disk_bytes };
    let elsewhere = DiskRef { pool: NOBODY.to_owned(), ..disk("elsewhere") };
    unreachable("create on a pool that was never added", driver.create(&elsewhere).await);
    ok("forgetting a pool that was never added", driver.disconnect(NOBODY).await);
    let space = ok("connect", driver.connect(&case.pool, &case.pool_url).await);
    assert!(space.total > 0 && space.used <= space.total, "connect: a pool says how full it is: {space:?}");
    ok("connect of the store", secondary.connect(&case.store, &case.store_url, &case.store_details).await);

    pool_empty_disks(driver, case, &disk("empty")).await;
    ok("fetch", secondary.fetch(&case.store, &case.template("conformance-template")).await);
    pool_templates(driver, [&disk("first"), &disk("second")]).await;
    pool_snapshots(driver, secondary, case, &disk).await;

    for name in ["empty", "first", "second", "copy", "from-template"] {
        ok("delete", driver.delete(&disk(name)).await);
        ok("delete of a deleted disk", driver.delete(&disk(name)).await);
        missing("identity of a deleted disk", driver.identity(&disk(name)).await);
    }
    ok("delete of the template", secondary.delete(&case.store, "conformance-template").await);
    ok("disconnect", driver.disconnect(&case.pool).await);
    ok("disconnect again", driver.disconnect(&case.pool).await);
    unreachable("create on a forgotten pool", driver.create(&disk("empty")).await);
    ok("connect after disconnect", driver.connect(&case.pool, &case.pool_url).await);
}

async fn pool_empty_disks(driver: &dyn PrimaryStorage, case: &StorageCase<'_>, disk: &DiskRef) {
    missing("identity of a disk that is not there", driver.identity(disk).await);
    missing("resize of a disk that is not there", driver.resize(disk).await);
    ok("delete of a disk that is not there", driver.delete(disk).await);
    ok("create", driver.create(disk).await);
    let before = ok("identity", driver.identity(disk).await);
    assert_eq!(ok("identity again", driver.identity(disk).await), before, "identity: untouched bytes keep it");
    let mut expected = before.clone();
    if let Some(write) = case.write {
        write(disk);
        expected = ok("identity", driver.identity(disk).await);
        assert_ne!(expected, before, "identity: written bytes change it");
    }
    ok("create of a disk that is there", driver.create(disk).await);
    ok("connect of a pool in use", driver.connect(&case.pool, &case.pool_url).await);
    let after = ok("identity after a second create and connect", driver.identity(disk).await);
    assert_eq!(after, expected, "create of a disk that is there, connect of a pool in use: bytes stay");
    let larger = DiskRef { bytes: disk.bytes + (64 << 20), ..disk.clone() };
    ok("resize", driver.resize(&larger).await);
    ok("resize to the size that it has", driver.resize(&larger).await);
    assert!(driver.resize(disk).await.is_err(), "resize to less: has to fail, the end of the disk would be lost");
}

async fn pool_templates(driver: &dyn PrimaryStorage, [first, second]: [&DiskRef; 2]) {
    missing("create from a template that is not there", driver.create_from_template(first, NOBODY).await);
    missing("identity after a failed create: no half disk is left", driver.identity(first).await);
    ok("create from a template", driver.create_from_template(first, "conformance-template").await);
    ok("create from a template again", driver.create_from_template(first, "conformance-template").await);
    ok("create from a template, second disk", driver.create_from_template(second, "conformance-template").await);
    let identity = ok("identity", driver.identity(first).await);
    assert_eq!(ok("identity", driver.identity(second).await), identity, "disks from one template have one identity");
}

async fn pool_snapshots(
    driver: &dyn PrimaryStorage,
    secondary: &dyn SecondaryStorage,
    case: &StorageCase<'_>,
    disk: &dyn Fn(&str) -> DiskRef,
) {
    let (source, store, snapshot) = (disk("first"), case.store.as_str(), "conformance-snapshot");
    missing("snapshot of a disk that is not there", driver.snapshot(&disk("copy"), snapshot, store).await);
    unreachable("snapshot to a store that was never added", driver.snapshot(&source, snapshot, NOBODY).await);
    missing("create from a snapshot that is not there", driver.create_from_snapshot(&disk("copy"), NOBODY, store).await);
    missing("template from a snapshot that is not there", secondary.template_from_snapshot(store, "conformance-made", NOBODY).await);
    let before = ok("identity", driver.identity(&source).await);
    let facts = plausible("snapshot", ok("snapshot", driver.snapshot(&source, snapshot, store).await));
    assert_eq!(facts.virtual_bytes, source.bytes, "snapshot: is as large as the disk");
    ok("snapshot again", driver.snapshot(&source, snapshot, store).await);
    if let Some(write) = case.write {
        write(&source);
        assert_ne!(ok("identity", driver.identity(&source).await), before, "identity: written bytes change it");
    }
    ok("create from a snapshot", driver.create_from_snapshot(&disk("copy"), snapshot, store).await);
    ok("create from a snapshot again", driver.create_from_snapshot(&disk("copy"), snapshot, store).await);
    let copy = ok("identity", driver.identity(&disk("copy")).await);
    assert_eq!(copy, before, "a disk from a snapshot has the bytes of the moment when it was taken");

    let made = ok("template from a snapshot", secondary.template_from_snapshot(store, "conformance-made", snapshot).await);
    let again = ok("template from a snapshot again", secondary.template_from_snapshot(store, "conformance-made", snapshot).await);
    assert_eq!(plausible("template from a snapshot", made), again, "template from a snapshot: asked again, the facts are the same");
    store_copies(secondary, store, snapshot, "conformance-made").await;
    ok("create from the copy of a snapshot", driver.create_from_snapshot(&disk("from-copy"), "conformance-copy", store).await);
    assert_eq!(ok("identity", driver.identity(&disk("from-copy")).await), before, "the copy of a snapshot has its bytes");
    ok("delete", driver.delete(&disk("from-copy")).await);
    ok("delete of a copied snapshot", secondary.delete(store, "conformance-copy").await);
    ok("delete of a snapshot", secondary.delete(store, snapshot).await);
    ok("delete of a deleted snapshot", secondary.delete(store, snapshot).await);
    missing("create from a deleted snapshot", driver.create_from_snapshot(&disk("late"), snapshot, store).await);
    ok("create from a template whose snapshot is gone", driver.create_from_template(&disk("from-template"), "conformance-made").await);
    let identity = ok("identity", driver.identity(&disk("from-template")).await);
    assert_eq!(identity, before, "snapshot, template, disk: the bytes are still the same");
    assert_eq!(ok("identity", driver.identity(&disk("copy")).await), before, "deleting a snapshot leaves the disks made from it alone");
    ok("delete of a template", secondary.delete(store, "conformance-made").await);
}

/// Copies of a snapshot and of a template, where the store can make any. Leaves that of the snapshot.
async fn store_copies(secondary: &dyn SecondaryStorage, store: &str, snapshot: &str, template: &str) {
    missing("copy of an object that is not there", secondary.duplicate(store, NOBODY, "conformance-copy").await);
    let copy = ok("copy of a snapshot", secondary.duplicate(store, snapshot, "conformance-copy").await);
    assert_eq!(plausible("copy", copy.clone()), ok("copy again", secondary.duplicate(store, snapshot, "conformance-copy").await));
    let twin = ok("copy of a template", secondary.duplicate(store, template, "conformance-twin").await);
    assert_eq!(plausible("copy", twin).checksum, copy.checksum, "snapshot, template, copies of both: one identity");
    ok("delete of a copied template", secondary.delete(store, "conformance-twin").await);
}

fn plausible(rule: &str, facts: TemplateFacts) -> TemplateFacts {
    assert!(facts.virtual_bytes > 0, "{rule}: has a virtual size: {facts:?}");
    assert!(facts.checksum.starts_with('{') && facts.checksum.contains('}'), "{rule}: the checksum names its kind: {facts:?}");
    facts
}

/// The contract of [`SecondaryStorage`] as far as it needs no pool. Leaves the store connected and empty.
pub async fn store_conformance(driver: &dyn SecondaryStorage, case: &StorageCase<'_>) {
    let (store, template) = (case.store.as_str(), "conformance-fetched");
    unreachable("fetch to a store that was never added", driver.fetch(NOBODY, &case.template(template)).await);
    for rule in ["connect", "connect again"] {
        let space = ok(rule, driver.connect(store, &case.store_url, &case.store_details).await);
        assert!(space.total > 0 && space.used <= space.total, "{rule}: a store says how full it is: {space:?}");
    }
    let facts = plausible("fetch", ok("fetch", driver.fetch(store, &case.template(template)).await));
    assert_eq!(ok("fetch again", driver.fetch(store, &case.template(template)).await), facts, "fetch again: the facts are the same");
    let other = ok("fetch under another name", driver.fetch(store, &case.template("conformance-twin")).await);
    assert_eq!(other.checksum, facts.checksum, "fetch: the same bytes have the same checksum");
    let bad = FetchSpec { url: "no url at all".to_owned(), ..case.template("conformance-bad") };
    assert!(driver.fetch(store, &bad).await.is_err(), "fetch from what is no URL: has to fail");
    store_reads(driver, store, template).await;
    store_receives(driver, store, template, &facts).await;
    for name in [template, "conformance-twin", NOBODY] {
        ok("delete", driver.delete(store, name).await);
        ok("delete of what is gone", driver.delete(store, name).await);
    }
    missing("template from a snapshot that is not there", driver.template_from_snapshot(store, template, NOBODY).await);
}

/// How much of an object is read before one believes the rest.
const MUCH: u64 = 4 << 20;

/// Reading an object twice gives the same bytes, as many as were told.
async fn store_reads(driver: &dyn SecondaryStorage, store: &str, object: &str) {
    missing("reading what is not there", driver.open(store, NOBODY).await.map(|reader| reader.bytes));
    let (mut told, mut read) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let mut reader = ok("open", driver.open(store, object).await);
        told.push(reader.bytes);
        let (mut bytes, mut start, mut part) = (0_u64, Vec::new(), vec![0; 1 << 16]);
        loop {
            let n = match reader.body.read(&mut part).await {
                Ok(n) => n,
                Err(error) => panic!("open: reading answered the error `{error}`"),
            };
            if n == 0 {
                break;
            }
            // However the bytes are cut into pieces on the way.
            start.extend_from_slice(&part[..n.min(512 - start.len())]);
            bytes += n as u64;
            if bytes > MUCH {
                bytes = MUCH + 1;
                break; // more is only waiting
            }
        }
        read.push((bytes, start));
    }
    assert_eq!(read[0], read[1], "open: the same bytes every time");
    let enough = |(told, (read, _)): (&u64, &(u64, Vec<u8>))| *told == *read || (*read > MUCH && *told > *read);
    assert!(told.iter().zip(&read).all(enough), "open: as many bytes as were told: {told:?}");
    ok("progress when nothing is under way", driver.progress(store, object).await);
    ok("stage", driver.stage(store, object).await);
    ok("settle", driver.settle(store, object).await);
}

/// An object whose bytes come along is whole or not there, where the store takes any in.
async fn store_receives(driver: &dyn SecondaryStorage, store: &str, object: &str, facts: &TemplateFacts) {
    let reader = ok("open", driver.open(store, object).await);
    let made_up = reader.made_up;
    let spec = |name: &str| ObjectSpec { object: name.to_owned(), kind: ObjectKind::Template, facts: facts.clone(), made_up };
    let taken = match driver.receive(store, &spec("conformance-taken"), reader.body).await {
        Err(DriverError::Unsupported(_)) => return,
        other => ok("receive", other),
    };
    assert_eq!(taken, *facts, "receive: the facts are those of the object that it was");
    let again = driver.receive(store, &spec("conformance-taken"), Box::pin(tokio::io::empty())).await;
    assert_eq!(ok("receive again, without bytes", again), *facts, "receive again: the facts are the same");
    unreachable("receive on a store that was never added", driver.receive(NOBODY, &spec("late"), Box::pin(tokio::io::empty())).await);
    if !made_up {
        let cut = ok("open", driver.open(store, object).await).body.take(facts.physical_bytes - 1);
        assert!(driver.receive(store, &spec("conformance-cut"), Box::pin(cut)).await.is_err(), "receive of what breaks off: has to fail");
        missing("reading what broke off", driver.open(store, "conformance-cut").await.map(|reader| reader.bytes));
    }
    store_reads(driver, store, "conformance-taken").await;
    ok("delete of what was taken in", driver.delete(store, "conformance-taken").await);
}

/// The contract of [`Network`]. Leaves the network down.
pub async fn network_conformance(driver: &dyn Network, case: &NetworkCase<'_>) {
    let NetworkCase { network, nics: [first, second], vm, .. } = case;
    ok("shutdown of a network that is not up", driver.shutdown(network).await);
    ok("release in a network that is not up", driver.release(network, first, vm).await);
    assert!(driver.prepare(network, first, vm).await.is_err(), "prepare in a network that is not up: has to fail");
    let none = PublicSet::default();
    assert!(driver.apply_public(network, &none).await.is_err(), "public addresses of a network that is not up: has to fail");
    ok("implement", driver.implement(network).await);
    ok("implement again", driver.implement(network).await);
    ok("release of a NIC that was never prepared", driver.release(network, first, vm).await);
    for nic in [first, second, first] {
        ok("prepare, also again", driver.prepare(network, nic, vm).await);
    }
    ok("implement of a network in use", driver.implement(network).await);
    let password = Secret::new("not a secret");
    for rule in ["password", "password again"] {
        ok(rule, driver.save_password(network, first, &password).await);
    }
    let stranger = NicSpec { uuid: NOBODY.to_owned(), ..first.clone() };
    missing("password for a NIC that was not prepared", driver.save_password(network, &stranger, &password).await);
    ok("release", driver.release(network, first, vm).await);
    ok("release again", driver.release(network, first, vm).await);
    let heir = NicSpec { uuid: format!("{}-heir", first.uuid), ..first.clone() };
    ok("prepare with an address that was released", driver.prepare(network, &heir, vm).await);
    ok("release of the NIC that had the address before", driver.release(network, first, vm).await);
    ok("prepare of the holder again", driver.prepare(network, &heir, vm).await);
    ok("release", driver.release(network, &heir, vm).await);
    network_rules(driver, case).await;
    network_public(driver, case).await;
    ok("shutdown", driver.shutdown(network).await);
    ok("shutdown again", driver.shutdown(network).await);
    ok("implement after shutdown", driver.implement(network).await);
    ok("prepare after shutdown", driver.prepare(network, second, vm).await);
    ok("release", driver.release(network, second, vm).await);
    ok("shutdown", driver.shutdown(network).await);
}

async fn network_rules(driver: &dyn Network, case: &NetworkCase<'_>) {
    let nic = &case.nics[1];
    let web = GroupRule {
        ingress: true,
        protocol: "tcp".to_owned(),
        first: 80,
        last: 443,
        cidrs: vec!["0.0.0.0/0".to_owned()],
        groups: Vec::new(),
    };
    let (first, last, cidrs) = (-1, -1, vec!["10.0.0.0/8".to_owned()]);
    let ping = GroupRule { ingress: true, protocol: "icmp".to_owned(), first, last, cidrs, groups: vec!["friends".to_owned()] };
    let set = |sequence, rules| NicRules { vm: case.vm.clone(), nic: nic.clone(), sequence, rules };
    unreachable("rules for a host that was never added", driver.apply_rules(NOBODY, &set(1, vec![web.clone()])).await);
    let members = |sequence| GroupMembers { group: "friends".to_owned(), sequence, cidrs: vec![format!("10.0.0.{sequence}/32")] };
    unreachable("members for a host that was never added", driver.apply_members(NOBODY, &members(1)).await);
    for sequence in [1, 1, 3, 2] {
        ok("members, also late ones, also before any rule names them", driver.apply_members(&case.host, &members(sequence)).await);
    }
    // (sequence sent, sequence that stands afterwards)
    for (sequence, stands) in [(2, 2), (2, 2), (1, 2), (5, 5), (4, 5), (6, 6)] {
        let rules = if sequence == 6 { Vec::new() } else { vec![web.clone(), ping.clone()] };
        ok("rules, also late ones", driver.apply_rules(&case.host, &set(sequence, rules)).await);
        if let Some(look) = case.sequence {
            assert_eq!(look(&nic.uuid), Some(stands), "rules: after sequence {sequence} the set that stands");
        }
    }
}

async fn network_public(driver: &dyn Network, case: &NetworkCase<'_>) {
    let web = PortRule { protocol: "tcp".to_owned(), first: 80, last: 80, cidrs: vec!["0.0.0.0/0".to_owned()] };
    let address = |last: u8, guest: Option<(&NicSpec, Option<Vec<PortRule>>)>| PublicAddress {
        address: format!("198.51.100.{last}"),
        netmask: "255.255.255.0".to_owned(),
        gateway: "198.51.100.1".to_owned(),
        broadcast_uri: "vlan://untagged".to_owned(),
        source_nat: last == 2,
        static_nat: guest.map(|(nic, ports)| StaticNat { guest: nic.ip.clone(), ports, pod: None }),
    };
    let [first, second] = &case.nics;
    let full = vec![address(2, None), address(3, Some((first, None))), address(4, Some((second, Some(vec![web]))))];
    // (sequence sent, sequence that stands afterwards)
    for (sequence, stands) in [(2, 2), (2, 2), (1, 2), (5, 5), (4, 5), (6, 6)] {
        let addresses = if sequence == 6 { Vec::new() } else { full.clone() };
        ok("public addresses, also late ones", driver.apply_public(&case.network, &PublicSet { sequence, addresses }).await);
        if let Some(look) = case.public {
            assert_eq!(look(&case.network.uuid), Some(stands), "public addresses: after sequence {sequence} the set that stands");
        }
    }
}
