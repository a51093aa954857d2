//! The contract of the drivers' traits through TLS: what a driver keeps locally, it keeps at a distance.
use crate::world::World;
use std::sync::Arc;
use std::time::Duration;
use stratus_drivers::conformance::{
    HostCase, NetworkCase, StorageCase, host_conformance, network_conformance, pool_conformance, store_conformance,
};
use stratus_drivers::{
    DiskRef, DiskSpec, FetchSpec, Host, NetworkSpec, NicSpec, ObjectKind, PrimaryStorage, SecondaryStorage, StoreDetails, VmSpec,
};
use stratus_sim::Sim;

const TEMPLATE: &str = "http://example.org/tiny.qcow2";
const BYTES: u64 = 2 << 30;

fn template(object: &str) -> FetchSpec {
    FetchSpec {
        object: object.into(),
        kind: ObjectKind::Template,
        url: TEMPLATE.into(),
        format: "QCOW2".into(),
        checksum: None,
        most_bytes: 1 << 40,
        inside: Vec::new(),
    }
}

fn disk(path: &str) -> DiskRef {
    DiskRef { pool: "p0".into(), path: path.into(), bytes: BYTES }
}

fn spec(path: &str, device: u32) -> DiskSpec {
    DiskSpec { path: path.into(), pool: "p0".into(), device, bytes: BYTES }
}

pub fn nic(n: u8) -> NicSpec {
    NicSpec {
        uuid: format!("nic-{n}"),
        mac: format!("06:00:00:00:00:0{n}"),
        ip: format!("10.1.1.{n}"),
        netmask: "255.255.255.0".into(),
        gateway: "10.1.1.254".into(),
        broadcast_uri: "vlan://100".into(),
        default: true,
        rate_mbps: None,
    }
}

pub fn vm() -> VmSpec {
    VmSpec {
        name: "i-2-1-VM".into(),
        uuid: "vm-1".into(),
        host_name: "one".into(),
        cpus: 1,
        cpu_mhz: 500,
        memory_mb: 512,
        disks: vec![spec("root-1", 0)],
        nics: vec![nic(1)],
        user_data: None,
        ssh_public_key: None,
        iso: None,
        metadata: Default::default(),
    }
}

/// Through the hub: a store, a template, a pool and the disks of [`vm`].
pub async fn furnish(hub: &stratus_agent::Hub) {
    SecondaryStorage::connect(hub, "s0", "nfs://sim/secondary", &StoreDetails::new()).await.unwrap();
    hub.fetch("s0", &template("template")).await.unwrap();
    PrimaryStorage::connect(hub, "p0", "nfs://sim/primary").await.unwrap();
    hub.create_from_template(&disk("root-1"), "template").await.unwrap();
    hub.create(&disk("spare")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_behind_an_agent_keeps_the_contract() {
    let world = World::new(Duration::ZERO).await;
    let sim = Sim::open(None).unwrap();
    // Two agents of one simulated world, so that VMs can move.
    let _agents = [world.agent("h8", &sim).await, world.agent("h9", &sim).await];
    let hub = &*world.hub;
    furnish(hub).await;
    let other = Some(("h8".into(), "http://sim/c0/h8".into()));
    PrimaryStorage::connect(hub, "p1", "nfs://sim/aside").await.unwrap();
    let aside = Some("p1".into());
    let case = HostCase { host: "h9".into(), url: "http://sim/c0/h9".into(), vm: vm(), spare: spec("spare", 1), other, aside };
    host_conformance(hub, &case).await;

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
        disk_bytes: BYTES,
        write: Some(&write),
    };
    store_conformance(hub, &storage).await;
    pool_conformance(hub, hub, &storage).await;

    Host::connect(hub, "h9", "http://sim/c0/h9").await.unwrap();
    let sequence = |nic: &str| sim.inventory().hosts["h9"].rules.get(nic).map(|set| set.sequence);
    let public = |network: &str| sim.inventory().public.get(network).map(|set| set.sequence);
    let network = NetworkSpec {
        uuid: "n0".into(),
        cidr: "10.1.1.0/24".into(),
        gateway: "10.1.1.254".into(),
        dns: vec!["192.0.2.53".into()],
        broadcast_uri: "vlan://100".into(),
        pod: None,
    };
    let nics = [nic(1), nic(2)];
    let net = NetworkCase { host: "h9".into(), network, nics, vm: vm().name, sequence: Some(&sequence), public: Some(&public) };
    network_conformance(hub, &net).await;
    let after = sim.inventory();
    assert_eq!((after.running, after.networks.len(), after.pools["p9"].len()), (0, 0, 0));
    drop(Arc::clone(&sim));
}
