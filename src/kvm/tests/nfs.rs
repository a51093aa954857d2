//! Pools and stores on an NFS server that the host mounts itself, and a guest whose disk is there.
use crate::contract::storage_contract;
use crate::lab::{LIMIT, Lab, run, serve, template};
use crate::things::{POOL, STORE, TEMPLATE, disk, fetch, vm};
use std::path::Path;
use std::time::{Duration, Instant};
use stratus_drivers::{DriverError, Host, PrimaryStorage, SecondaryStorage, StopMode, StoreDetails};
use stratus_kvm::{Config, Kvm};
use stratus_testkit::nfs;

#[tokio::test(flavor = "multi_thread")]
async fn kvm_nfs_exports_are_mounted_used_and_left() {
    let Some(lab) = Lab::open(1).await else { return };
    let inner: &stratus_testkit::lab::Lab = &lab;
    let Some(server) = nfs::serve(&inner.hosts[0], &lab.folder) else { return };
    let config = Config { mount_nfs: server.mount.clone(), ..lab.hosts[0].config.clone() };
    let mounts = config.mounts.clone();
    let driver = Kvm::open(config).await.unwrap();
    let refused = PrimaryStorage::connect(&*driver, POOL, "nfs://127.0.0.1/nothing/here").await;
    assert!(matches!(&refused, Err(DriverError::Failed(why)) if why.contains("127.0.0.1:/nothing/here")), "{refused:?}");
    assert!(!mounts.join(POOL).exists(), "what was not mounted leaves no folder");
    let folder = lab.folder.display();
    let url = |name: &str| format!("nfs://{}{folder}/{name}", nfs::SERVER);
    storage_contract(&driver, &lab.folder, &mounts.join(POOL), &url).await;
    PrimaryStorage::connect(&*driver, POOL, &url("pool")).await.unwrap();
    boots(&driver, &lab).await;
    goes_away(&driver, &mounts.join(POOL), &url("pool")).await;
    run("umount", &[mounts.join(STORE).to_str().unwrap()]);
}

/// A guest boots from a disk over the wire.
async fn boots(driver: &Kvm, lab: &Lab) {
    let host = &lab.hosts[0].id;
    Host::connect(driver, host, "http://host").await.unwrap();
    let folder = lab.folder.display();
    SecondaryStorage::connect(driver, STORE, &format!("nfs://{}{folder}/store", nfs::SERVER), &StoreDetails::new()).await.unwrap();
    SecondaryStorage::fetch(driver, STORE, &fetch(TEMPLATE, &serve(template()).await)).await.unwrap();
    driver.create_from_template(&disk("root-11"), TEMPLATE).await.unwrap();
    driver.start(host, &vm(11)).await.unwrap();
    let end = Instant::now() + LIMIT;
    while !String::from_utf8_lossy(&driver.console_output(host, &vm(11).name).await.unwrap()).contains("MARK data") {
        assert!(Instant::now() < end, "a guest with its disk on NFS does not boot");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert!(lab.folder.join("pool/root-11").is_file(), "the disk is where the server has it");
    driver.stop(host, &vm(11).name, StopMode::Forced).await.unwrap();
    PrimaryStorage::delete(driver, &disk("root-11")).await.unwrap();
    SecondaryStorage::delete(driver, STORE, TEMPLATE).await.unwrap();
}

/// Nothing is written under a mount that went away, and a pool that is left is mounted no more.
async fn goes_away(driver: &Kvm, mount: &Path, url: &str) {
    PrimaryStorage::create(driver, &disk("kept")).await.unwrap();
    run("umount", &["-l", mount.to_str().unwrap()]);
    let lost = PrimaryStorage::create(driver, &disk("lost")).await;
    assert!(matches!(&lost, Err(DriverError::Unreachable(why)) if why.contains("not mounted")), "{lost:?}");
    assert_eq!(std::fs::read_dir(mount).unwrap().count(), 0, "something is written where the pool is not");
    PrimaryStorage::connect(driver, POOL, url).await.unwrap();
    PrimaryStorage::delete(driver, &disk("kept")).await.unwrap();
    PrimaryStorage::disconnect(driver, POOL).await.unwrap();
    assert!(!mount.exists(), "a pool that is left is mounted no more");
}
