//! A host that falls silent: what another one sees of it on the shared pool, and what it does itself when it is not heard there.
use crate::contract::storage;
use crate::lab::{LIMIT, Lab, LabHost};
use crate::things::{STORE, TEMPLATE, disk, vm};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stratus_drivers::{DriverError, Fate, Host, PrimaryStorage, SecondaryStorage, StopMode};
use stratus_kvm::{Config, Kvm};

/// Seconds: short, so that one can wait for its end; long enough for a machine that is busy with other tests.
const LEASE: u64 = 24;

async fn until<T: PartialEq + std::fmt::Debug>(what: &str, wanted: T, mut look: impl AsyncFnMut() -> T) {
    let end = Instant::now() + LIMIT;
    loop {
        let seen = look().await;
        if seen == wanted {
            return;
        }
        assert!(Instant::now() < end, "{what}: {seen:?} where {wanted:?} was to be");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn open(host: &LabHost, folder: &Path) -> Arc<Kvm> {
    let driver = Kvm::open(Config { lease_seconds: LEASE, ..host.config.clone() }).await.unwrap();
    Host::connect(&*driver, &host.id, "http://host").await.unwrap();
    storage(&driver, folder).await;
    driver
}

#[tokio::test(flavor = "multi_thread")]
async fn kvm_a_silent_host_is_dead_only_when_none_of_its_guests_runs() {
    let Some(lab) = Lab::open(2).await else { return };
    let [first, second] = lab.hosts.as_slice() else { panic!("two hosts") };
    let (one, two) = (open(first, &lab.folder).await, open(second, &lab.folder).await);
    one.create_from_template(&disk("root-11"), TEMPLATE).await.unwrap();
    two.start(&second.id, &vm(11)).await.unwrap();
    let by = [first.id.clone()];
    let fate = async || one.investigate(&second.id, &by).await.unwrap();
    until("a host that renews its lease", Fate::Alive, &fate).await;
    until("a guest's lock from the other host", true, async || one.locks_seen(&second.id)).await;

    drop(two);
    let stale = async || one.lease_age(&second.id).is_some_and(|age| age > Duration::from_secs(LEASE));
    until("a lease that nobody renews", true, stale).await;
    assert_eq!(fate().await, Fate::Alive, "the agent is gone, its guest is not");
    let twice = one.start(&first.id, &vm(11)).await;
    assert!(matches!(&twice, Err(DriverError::Failed(why)) if why.contains("lock")), "QEMU keeps a second copy from the disk: {twice:?}");

    lab.lose_power(2);
    until("a host without power", Fate::Dead, &fate).await;
    one.start(&first.id, &vm(11)).await.unwrap();
    let running = Host::list(&*one, &first.id).await.unwrap();
    assert_eq!(running.len(), 1, "{running:?}");
    unheard(&one, first, &lab.folder).await;
    PrimaryStorage::delete(&*one, &disk("root-11")).await.unwrap();
    SecondaryStorage::delete(&*one, STORE, TEMPLATE).await.unwrap();
}

/// A host that cannot write its lease stops the guest by itself and starts none, until it can.
async fn unheard(driver: &Kvm, host: &LabHost, folder: &Path) {
    let (hosts, away) = (folder.join("pool/.hosts"), folder.join("away"));
    std::fs::rename(&hosts, &away).unwrap();
    std::fs::write(&hosts, "in the way").unwrap();
    until("guests of a host that is not heard", 0, async || Host::list(driver, &host.id).await.unwrap().len()).await;
    let refused = driver.start(&host.id, &vm(11)).await;
    assert!(matches!(&refused, Err(DriverError::Failed(why)) if why.contains("without a lease")), "{refused:?}");
    std::fs::remove_file(&hosts).unwrap();
    driver.start(&host.id, &vm(11)).await.unwrap();
    driver.stop(&host.id, &vm(11).name, StopMode::Forced).await.unwrap();
}
