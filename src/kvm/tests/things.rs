//! Names and values that the tests use.
use stratus_drivers::{DiskRef, DiskSpec, FetchSpec, NetworkSpec, NicSpec, ObjectKind, VmSpec};

pub const POOL: &str = "00000000-0000-4000-8000-0000000000a1";
pub const ASIDE: &str = "00000000-0000-4000-8000-0000000000a5";
pub const STORE: &str = "00000000-0000-4000-8000-0000000000a2";
pub const TEMPLATE: &str = "00000000-0000-4000-8000-0000000000a3";
pub const NET: &str = "00000000-0000-4000-8000-0000000000a4";
pub const MIB: u64 = 1 << 20;

pub fn disk(path: &str) -> DiskRef {
    DiskRef { pool: POOL.into(), path: path.into(), bytes: 64 * MIB }
}

pub fn disk_spec(path: &str, device: u32) -> DiskSpec {
    DiskSpec { path: path.into(), pool: POOL.into(), device, bytes: 64 * MIB }
}

pub fn nic(last: u8) -> NicSpec {
    NicSpec {
        uuid: format!("00000000-0000-4000-8000-0000000001{last:02x}"),
        mac: format!("06:00:00:00:00:{last:02x}"),
        ip: format!("10.1.1.{last}"),
        netmask: "255.255.255.0".into(),
        gateway: "10.1.1.1".into(),
        broadcast_uri: "vxlan://100".into(),
        default: true,
        rate_mbps: None,
    }
}

pub fn vm(last: u8) -> VmSpec {
    VmSpec {
        name: format!("i-2-{last}-VM"),
        uuid: format!("00000000-0000-4000-8000-0000000002{last:02x}"),
        host_name: format!("guest-{last}"),
        cpus: 1,
        cpu_mhz: 500,
        memory_mb: 128,
        disks: vec![disk_spec(&format!("root-{last}"), 0)],
        nics: vec![nic(last)],
        user_data: None,
        ssh_public_key: None,
        iso: None,
        metadata: [("service-offering".to_owned(), "Small".to_owned())].into(),
    }
}

pub fn network() -> NetworkSpec {
    NetworkSpec {
        uuid: NET.into(),
        cidr: "10.1.1.0/24".into(),
        gateway: "10.1.1.1".into(),
        dns: Vec::new(),
        broadcast_uri: "vxlan://100".into(),
        pod: None,
    }
}

pub fn fetch(object: &str, url: &str) -> FetchSpec {
    FetchSpec {
        object: object.into(),
        kind: ObjectKind::Template,
        url: url.into(),
        format: "QCOW2".into(),
        checksum: None,
        most_bytes: 1 << 30,
        inside: vec!["127.0.0.0/8".into()],
    }
}
