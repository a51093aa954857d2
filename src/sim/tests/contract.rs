//! The contract that every driver passes, in memory and with a journal.
use crate::world::{GIB, TEMPLATE, disk, disk_spec, furnish, furnished, network, nic, vm};
use std::sync::Arc;
use stratus_drivers::conformance::{
    HostCase, NetworkCase, StorageCase, host_conformance, network_conformance, pool_conformance, store_conformance,
};
use stratus_drivers::{DiskRef, PrimaryStorage};
use stratus_sim::Sim;

async fn conforms(sim: Arc<Sim>) {
    furnish(&sim).await;
    sim.create(&disk("spare")).await.unwrap();
    let other = Some(("h8".into(), "http://sim/c0/h8".into()));
    PrimaryStorage::connect(&*sim, "aside", "nfs://sim/aside").await.unwrap();
    let (vm_spec, spare, aside) = (vm(1), disk_spec("spare", 1), Some("aside".into()));
    let host = HostCase { host: "h9".into(), url: "http://sim/c0/h9".into(), vm: vm_spec, spare, other, aside };
    host_conformance(&*sim, &host).await;

    let write = |disk: &DiskRef| drop(sim.scribble(disk).unwrap());
    let storage = StorageCase {
        pool: "p9".into(),
        pool_url: "nfs://sim/p9?size=100G".into(),
        store: "s9".into(),
        store_url: "nfs://sim/s9".into(),
        store_details: Default::default(),
        template_url: TEMPLATE.into(),
        template_format: "QCOW2".into(),
        inside: Vec::new(),
        disk_bytes: 2 * GIB,
        write: Some(&write),
    };
    store_conformance(&*sim, &storage).await;
    pool_conformance(&*sim, &*sim, &storage).await;

    let sequence = |nic: &str| sim.inventory().hosts["h0"].rules.get(nic).map(|set| set.sequence);
    let public = |network: &str| sim.inventory().public.get(network).map(|set| set.sequence);
    let nics = [nic(1), nic(2)];
    let net = NetworkCase { host: "h0".into(), network: network(), nics, vm: vm(1).name, sequence: Some(&sequence), public: Some(&public) };
    network_conformance(&*sim, &net).await;

    let after = sim.inventory();
    assert_eq!((after.running, after.pools["p9"].len(), after.stores["s9"].len(), after.networks.len()), (0, 0, 0, 0));
    assert!(after.public.is_empty());
}

#[tokio::test]
async fn a_world_in_memory_keeps_the_contract() {
    conforms(Sim::open(None).unwrap()).await;
}

#[tokio::test]
async fn a_world_with_a_journal_keeps_the_contract_and_replays_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sim.journal");
    let sim = Sim::open(Some(path.clone())).unwrap();
    conforms(sim.clone()).await;
    let before = sim.inventory();
    drop(sim);
    assert_eq!(Sim::open(Some(path)).unwrap().inventory(), before);
}

#[tokio::test]
async fn a_disk_grows_used_space_only_by_what_is_written() {
    let sim = furnished().await;
    let space = PrimaryStorage::connect(&*sim, "p0", "nfs://sim/primary").await.unwrap();
    assert_eq!(space.used, 3 * GIB / 2, "three disks from a template of half a GiB");
    for path in ["root-1", "root-2", "root-3"] {
        PrimaryStorage::delete(&*sim, &disk(path)).await.unwrap();
    }
    assert_eq!(PrimaryStorage::connect(&*sim, "p0", "nfs://sim/primary").await.unwrap().used, 0);
}
