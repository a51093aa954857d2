//! Small worlds for the tests.
use std::sync::Arc;
use stratus_drivers::{
    DiskRef, DiskSpec, FetchSpec, Host, NetworkSpec, NicSpec, ObjectKind, PrimaryStorage, SecondaryStorage, StoreDetails, VmSpec,
};
use stratus_sim::Sim;

pub const GIB: u64 = 1 << 30;
pub const TEMPLATE: &str = "http://example.org/tiny.qcow2";

/// A template to be brought from a URL.
pub fn wanted(object: &str, url: &str) -> FetchSpec {
    let (object, url, format) = (object.to_owned(), url.to_owned(), "QCOW2".to_owned());
    FetchSpec { object, kind: ObjectKind::Template, url, format, checksum: None, most_bytes: 1 << 40, inside: Vec::new() }
}

pub fn disk(path: &str) -> DiskRef {
    DiskRef { pool: "p0".into(), path: path.into(), bytes: 2 * GIB }
}

pub fn disk_spec(path: &str, device: u32) -> DiskSpec {
    DiskSpec { path: path.into(), pool: "p0".into(), device, bytes: 2 * GIB }
}

pub fn nic(number: u32) -> NicSpec {
    NicSpec {
        uuid: format!("nic-{number}"),
        mac: format!("06:00:00:00:00:{number:02x}"),
        ip: format!("10.1.{}.{}", number / 250, number % 250 + 2),
        netmask: "255.255.0.0".into(),
        gateway: "10.1.0.1".into(),
        broadcast_uri: "vlan://untagged".into(),
        default: true,
        rate_mbps: None,
    }
}

/// A VM without disks.
pub fn bare_vm(number: u32) -> VmSpec {
    VmSpec {
        name: format!("i-2-{number}-VM"),
        uuid: format!("vm-{number}"),
        host_name: format!("host-name-{number}"),
        cpus: 1,
        cpu_mhz: 500,
        memory_mb: 512,
        disks: Vec::new(),
        nics: vec![nic(number)],
        user_data: None,
        ssh_public_key: None,
        iso: None,
        metadata: Default::default(),
    }
}

/// A VM whose root disk is `root-<number>`.
pub fn vm(number: u32) -> VmSpec {
    VmSpec { disks: vec![disk_spec(&format!("root-{number}"), 0)], ..bare_vm(number) }
}

pub fn network() -> NetworkSpec {
    NetworkSpec {
        uuid: "net-0".into(),
        cidr: "10.1.0.0/16".into(),
        gateway: "10.1.0.1".into(),
        dns: vec!["8.8.8.8".into()],
        broadcast_uri: "vlan://untagged".into(),
        pod: None,
    }
}

/// Hosts `h0` and `h1`, pool `p0`, store `s0`, template `t0` and root disks for VMs 1 to 3.
pub async fn furnish(sim: &Arc<Sim>) {
    for host in ["h0", "h1"] {
        Host::connect(&**sim, host, &format!("http://sim/c0/{host}")).await.unwrap();
    }
    PrimaryStorage::connect(&**sim, "p0", "nfs://sim/primary").await.unwrap();
    SecondaryStorage::connect(&**sim, "s0", "nfs://sim/secondary", &StoreDetails::new()).await.unwrap();
    sim.fetch("s0", &wanted("t0", TEMPLATE)).await.unwrap();
    for number in 1..=3 {
        sim.create_from_template(&disk(&format!("root-{number}")), "t0").await.unwrap();
    }
}

pub async fn furnished() -> Arc<Sim> {
    let sim = Sim::open(None).unwrap();
    furnish(&sim).await;
    sim
}
