//! The contract of the traits (`drivers::conformance`), with everything real.
use crate::lab::{LIMIT, Lab, LabHost, run, serve, template};
use crate::things::{ASIDE, NET, POOL, STORE, TEMPLATE, disk, disk_spec, fetch, network, nic, vm};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use stratus_drivers::conformance::{
    HostCase, NetworkCase, StorageCase, host_conformance, network_conformance, pool_conformance, store_conformance,
};
use stratus_drivers::{
    DiskRef, DiskSpec, DriverError, Fate, Host, HostFacts, IsoSpec, NicSpec, ObjectBody, ObjectKind, ObjectSpec, PrimaryStorage,
    SecondaryStorage, StopMode, StoreDetails, TemplateFacts, VmFigures, VmReport, VmSnapshotSpec, VmSpec,
};
use stratus_kvm::Kvm;

/// Several hosts as the engine sees them: each call goes to the driver of the host that it names.
struct Hosts(BTreeMap<String, Arc<Kvm>>);

impl Hosts {
    fn of(&self, host: &str) -> Result<&Kvm, DriverError> {
        self.0.get(host).map(Arc::as_ref).ok_or_else(|| DriverError::Unreachable(format!("host {host}")))
    }
}

#[async_trait::async_trait]
impl Host for Hosts {
    async fn connect(&self, host: &str, url: &str) -> Result<HostFacts, DriverError> {
        Host::connect(self.of(host)?, host, url).await
    }
    async fn disconnect(&self, host: &str) -> Result<(), DriverError> {
        match self.of(host) {
            Ok(driver) => Host::disconnect(driver, host).await,
            Err(_) => Ok(()),
        }
    }
    async fn ping(&self, host: &str) -> Result<(), DriverError> {
        self.of(host)?.ping(host).await
    }
    async fn start(&self, host: &str, vm: &VmSpec) -> Result<VmReport, DriverError> {
        self.of(host)?.start(host, vm).await
    }
    async fn stop(&self, host: &str, vm: &str, mode: StopMode) -> Result<(), DriverError> {
        self.of(host)?.stop(host, vm, mode).await
    }
    async fn reboot(&self, host: &str, vm: &str) -> Result<(), DriverError> {
        self.of(host)?.reboot(host, vm).await
    }
    async fn migrate(&self, from: &str, to: &str, vm: &VmSpec) -> Result<VmReport, DriverError> {
        if let Ok(there) = self.of(to) {
            there.migrate(from, to, vm).await?;
        }
        self.of(from)?.migrate(from, to, vm).await
    }
    async fn migrate_with_disks(&self, from: &str, to: &str, vm: &VmSpec, disks: &[(DiskRef, DiskRef)]) -> Result<VmReport, DriverError> {
        if let (Ok(there), true) = (self.of(to), from != to) {
            there.migrate_with_disks(from, to, vm, disks).await?;
        }
        self.of(from)?.migrate_with_disks(from, to, vm, disks).await
    }
    async fn scale(&self, host: &str, vm: &VmSpec) -> Result<(), DriverError> {
        self.of(host)?.scale(host, vm).await
    }
    async fn plug(&self, host: &str, vm: &str, nic: &NicSpec) -> Result<(), DriverError> {
        self.of(host)?.plug(host, vm, nic).await
    }
    async fn unplug(&self, host: &str, vm: &str, nic: &NicSpec) -> Result<(), DriverError> {
        self.of(host)?.unplug(host, vm, nic).await
    }
    async fn change_iso(&self, host: &str, vm: &str, iso: Option<&IsoSpec>) -> Result<(), DriverError> {
        self.of(host)?.change_iso(host, vm, iso).await
    }
    async fn keep(&self, host: &str, vm: &VmSpec, snapshot: &VmSnapshotSpec) -> Result<(), DriverError> {
        self.of(host)?.keep(host, vm, snapshot).await
    }
    async fn revert(&self, host: &str, vm: &VmSpec, snapshot: &VmSnapshotSpec) -> Result<(), DriverError> {
        self.of(host)?.revert(host, vm, snapshot).await
    }
    async fn forget(&self, host: &str, vm: &VmSpec, snapshot: &VmSnapshotSpec) -> Result<(), DriverError> {
        self.of(host)?.forget(host, vm, snapshot).await
    }
    async fn figures(&self, host: &str) -> Result<Vec<VmFigures>, DriverError> {
        self.of(host)?.figures(host).await
    }
    async fn attach(&self, host: &str, vm: &str, disk: &DiskSpec) -> Result<(), DriverError> {
        self.of(host)?.attach(host, vm, disk).await
    }
    async fn detach(&self, host: &str, vm: &str, disk: &DiskSpec) -> Result<(), DriverError> {
        self.of(host)?.detach(host, vm, disk).await
    }
    async fn list(&self, host: &str) -> Result<Vec<VmReport>, DriverError> {
        Host::list(self.of(host)?, host).await
    }
    async fn console_output(&self, host: &str, vm: &str) -> Result<Vec<u8>, DriverError> {
        self.of(host)?.console_output(host, vm).await
    }
    async fn investigate(&self, host: &str, by: &[String]) -> Result<Fate, DriverError> {
        match by.first() {
            Some(other) => self.of(other)?.investigate(host, by).await,
            None => Ok(Fate::Unknown),
        }
    }
}

/// The shared pool and store at a host, and the template on them.
pub async fn storage(driver: &Kvm, folder: &Path) {
    let url = |name: &str| format!("SharedMountPoint://{}", folder.join(name).display());
    PrimaryStorage::connect(driver, POOL, &url("pool")).await.unwrap();
    SecondaryStorage::connect(driver, STORE, &url("store"), &StoreDetails::new()).await.unwrap();
    let url = serve(template()).await;
    SecondaryStorage::fetch(driver, STORE, &fetch(TEMPLATE, &url)).await.unwrap();
}

fn url(host: &LabHost) -> String {
    format!("http://{}", host.netns)
}

#[tokio::test(flavor = "multi_thread")]
async fn kvm_hosts_keep_the_contract_and_move_guests() {
    let Some(lab) = Lab::open(2).await else { return };
    let mut all = BTreeMap::new();
    for host in &lab.hosts {
        let driver = host.driver().await;
        storage(&driver, &lab.folder).await;
        let aside = format!("SharedMountPoint://{}", lab.folder.join("aside").display());
        PrimaryStorage::connect(&*driver, ASIDE, &aside).await.unwrap();
        all.insert(host.id.clone(), driver);
    }
    let [first, second] = lab.hosts.as_slice() else { panic!("two hosts") };
    let driver = all[&first.id].clone();
    driver.create_from_template(&disk("root-11"), TEMPLATE).await.unwrap();
    PrimaryStorage::create(&*driver, &disk("spare")).await.unwrap();
    // With a rate, so that what holds it comes and goes with every NIC.
    let vm = VmSpec { nics: vec![NicSpec { rate_mbps: Some(100), ..nic(11) }], ..vm(11) };
    let (host, spare) = (first.id.clone(), disk_spec("spare", 1));
    let other = Some((second.id.clone(), url(second)));
    let case = HostCase { host, url: url(first), vm, spare, other, aside: Some(ASIDE.into()) };
    host_conformance(&Hosts(all), &case).await;
    for name in ["root-11", "spare"] {
        PrimaryStorage::delete(&*driver, &disk(name)).await.unwrap();
    }
    for name in ["conformance-near", "conformance-far"] {
        PrimaryStorage::delete(&*driver, &DiskRef { pool: ASIDE.into(), ..disk(name) }).await.unwrap();
    }
    SecondaryStorage::delete(&*driver, STORE, TEMPLATE).await.unwrap();
    let left: Vec<_> = std::fs::read_dir(lab.folder.join("pool/.templates")).unwrap().collect();
    assert!(left.is_empty(), "the pool's copy of a template goes with the last that needs it: {left:?}");
    lab.nothing_is_left();
}

#[tokio::test(flavor = "multi_thread")]
async fn kvm_storage_keeps_the_contract() {
    let Some(lab) = Lab::open(1).await else { return };
    let driver = lab.hosts[0].driver().await;
    let url = |name: &str| format!("file://{}", lab.folder.join(name).display());
    storage_contract(&driver, &lab.folder, &lab.folder.join("pool"), &url).await;
}

/// The contract with a pool and a store in a folder, whatever way the driver reaches them; `seen` is where the pool is for the host.
pub async fn storage_contract(driver: &Kvm, folder: &Path, seen: &Path, url: &(dyn Fn(&str) -> String + Sync)) {
    let write = |disk: &DiskRef| {
        let file = seen.join(&disk.path);
        drop(run("qemu-io", &["-f", "qcow2", "-c", "write -P 0x5a 1M 64k", file.to_str().unwrap()]));
    };
    let case = StorageCase {
        pool: POOL.into(),
        pool_url: url("pool"),
        store: STORE.into(),
        store_url: url("store"),
        store_details: StoreDetails::new(),
        template_url: serve(template()).await,
        template_format: "QCOW2".into(),
        inside: vec!["127.0.0.0/8".into()],
        disk_bytes: 64 << 20,
        write: Some(&write),
    };
    store_conformance(driver, &case).await;
    pool_conformance(driver, driver, &case).await;
    let files = |name: &str| {
        let entries = std::fs::read_dir(folder.join(name)).unwrap().map(|entry| entry.unwrap());
        entries.filter(|entry| entry.path().is_file()).map(|entry| entry.file_name()).collect::<Vec<_>>()
    };
    assert_eq!((files("pool"), files("store"), files("pool/.templates")), (Vec::new(), Vec::new(), Vec::new()), "files are left");
}

#[tokio::test(flavor = "multi_thread")]
async fn kvm_objects_of_the_servers_stores_stay_as_long_as_they_are_needed() {
    const CACHED: &str = "00000000-0000-4000-8000-0000000000b4";
    let Some(lab) = Lab::open(1).await else { return };
    let driver = lab.hosts[0].driver().await;
    PrimaryStorage::connect(&*driver, POOL, &format!("file://{}", lab.folder.join("pool").display())).await.unwrap();
    SecondaryStorage::connect(&*driver, CACHED, "cache://agent", &StoreDetails::new()).await.unwrap();
    let bytes = std::fs::read(template()).unwrap();
    let spec = |bytes: &[u8]| {
        let checksum = stratus_files::digest_of(stratus_files::Kind::Sha256, bytes).unwrap().to_string();
        let virtual_bytes = u64::from_be_bytes(bytes[24..32].try_into().unwrap());
        let facts = TemplateFacts { virtual_bytes, physical_bytes: bytes.len() as u64, checksum };
        ObjectSpec { object: TEMPLATE.into(), kind: ObjectKind::Template, facts, made_up: false }
    };
    let body = |bytes: &[u8]| -> ObjectBody { Box::pin(std::io::Cursor::new(bytes.to_vec())) };
    let mut hostile = bytes.clone();
    hostile[8..16].copy_from_slice(&104_u64.to_be_bytes());
    let refused = driver.receive(CACHED, &spec(&hostile), body(&hostile)).await.unwrap_err().to_string();
    assert!(refused.contains("backing file"), "{refused}");

    let copies = || std::fs::read_dir(lab.folder.join("pool/.templates")).unwrap().count();
    let missing = driver.create_from_template(&disk("one"), TEMPLATE).await;
    assert!(matches!(missing, Err(DriverError::Missing(_))), "{missing:?}");
    driver.receive(CACHED, &spec(&bytes), body(&bytes)).await.unwrap();
    driver.create_from_template(&disk("one"), TEMPLATE).await.unwrap();
    SecondaryStorage::delete(&*driver, CACHED, TEMPLATE).await.unwrap();
    assert_eq!(SecondaryStorage::list(&*driver, CACHED).await.unwrap(), Vec::<String>::new());
    driver.create_from_template(&disk("two"), TEMPLATE).await.unwrap();
    driver.evict(POOL, TEMPLATE).await.unwrap();
    assert_eq!(copies(), 1, "disks lean on it");
    for name in ["one", "two"] {
        PrimaryStorage::delete(&*driver, &disk(name)).await.unwrap();
    }
    assert_eq!(copies(), 1, "the template may be on the server's store still");
    driver.evict(POOL, TEMPLATE).await.unwrap();
    assert_eq!(copies(), 0);

    // What a killed agent left.
    driver.receive(CACHED, &spec(&bytes), body(&bytes)).await.unwrap();
    drop(driver);
    let driver = lab.hosts[0].driver().await;
    let end = std::time::Instant::now() + LIMIT;
    while !SecondaryStorage::list(&*driver, CACHED).await.unwrap().is_empty() {
        assert!(std::time::Instant::now() < end, "what was fetched for a call of an earlier life stays");
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kvm_networks_keep_the_contract() {
    let Some(lab) = Lab::open(1).await else { return };
    let host = &lab.hosts[0];
    run("ip", &["-n", &host.netns, "link", "add", "outside", "type", "bridge"]);
    run("ip", &["-n", &host.netns, "link", "set", "outside", "up"]);
    let driver = host.driver().await;
    Host::connect(&*driver, &host.id, &url(host)).await.unwrap();
    let sequence = |nic: &str| driver.rules_sequence(nic);
    let public = |network: &str| driver.public_sequence(network);
    let case = NetworkCase {
        host: host.id.clone(),
        network: network(),
        nics: [nic(11), nic(12)],
        vm: vm(11).name,
        sequence: Some(&sequence),
        public: Some(&public),
    };
    network_conformance(&*driver, &case).await;
    assert_eq!(driver.public_sequence(NET), None);
    lab.nothing_is_left();
}
