use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// How this machine is to serve as a host. Everything has a default but `host` and `state_dir`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The uuid that the engine knows this host by.
    pub host: String,
    /// Where the driver keeps what it has to remember; consoles' logs and sockets too.
    pub state_dir: PathBuf,
    /// libvirt's unix socket for reading and writing.
    #[serde(default = "libvirt_socket")]
    pub libvirt_socket: PathBuf,
    /// How guests' CPUs are run.
    #[serde(default)]
    pub accelerator: Accelerator,
    /// The bridge of guest networks without a tag (`vlan://untagged`). One that is not there is made, without a way out of this host.
    #[serde(default = "guest_bridge")]
    pub guest_bridge: String,
    /// The device that carries 802.1q tags of guest networks (`vlan://295`). Without it such networks stay on this host.
    #[serde(default)]
    pub guest_device: Option<String>,
    /// The tunnel between hosts for `vxlan://…` networks. Without it such networks stay on this host.
    #[serde(default)]
    pub tunnel: Option<Tunnel>,
    /// The bridge that public addresses are on. Without it a network's router answers for none.
    #[serde(default)]
    pub public_bridge: Option<String>,
    /// First letters of interfaces and namespaces that are made: two hosts on one machine have different ones. Four at most.
    #[serde(default = "prefix")]
    pub prefix: String,
    /// Path of the network namespace that is the host's, when this process is in another one.
    #[serde(default)]
    pub netns: Option<PathBuf>,
    /// libvirt of other hosts, by uuid: where VMs can be moved to.
    #[serde(default)]
    pub peers: BTreeMap<String, Peer>,
    /// Pools, by uuid, that lie on a file system which other hosts see too although libvirt cannot tell. Those with a URL
    /// `SharedMountPoint://…` do without being named.
    #[serde(default)]
    pub shared_pools: Vec<String>,
    /// After so many seconds without a sign on shared pools this host may be called dead; it stops the VMs that it has there after two
    /// thirds of that. The same on all hosts of a cluster.
    #[serde(default = "lease_seconds")]
    pub lease_seconds: u64,
    /// Where NFS exports are mounted, each in a folder named by its pool or store. The same path on all hosts.
    #[serde(default = "mounts")]
    pub mounts: PathBuf,
    /// The program that mounts an NFS export, with its options; what is to be mounted and where come after them.
    #[serde(default = "mount_nfs")]
    pub mount_nfs: Vec<String>,
    /// The folder that is this host's own pool in zones with local storage.
    #[serde(default = "local_storage")]
    pub local_storage: PathBuf,
    /// Longest wait for a guest to shut down by itself, in seconds.
    #[serde(default = "shutdown_seconds")]
    pub shutdown_seconds: u64,
    /// Longest wait for a guest to let a disk or NIC go, in seconds.
    #[serde(default = "detach_seconds")]
    pub detach_seconds: u64,
    /// Most CPUs that a VM may grow to while it runs.
    #[serde(default = "cpus_max")]
    pub cpus_max: u32,
    /// Largest image that is taken, in bytes of its virtual size.
    #[serde(default = "image_max")]
    pub image_max: u64,
    /// The domain that guests' names are in.
    #[serde(default = "dns_domain")]
    pub dns_domain: String,
}

/// How guests' CPUs are run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accelerator {
    /// By hardware when a small guest boots on it and reaches 64 bits within ten seconds, tried when the driver opens; in software
    /// otherwise. That `/dev/kvm` is there means little: on some rented machines it is, and guests' kernels do not run on it.
    #[default]
    Auto,
    /// By hardware.
    Kvm,
    /// In software, slowly, anywhere.
    Qemu,
}

/// A tunnel between hosts.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tunnel {
    /// The device that it goes over.
    pub device: String,
    /// This host's address on it.
    pub local: std::net::Ipv4Addr,
    /// The other hosts' addresses.
    #[serde(default)]
    pub peers: Vec<std::net::Ipv4Addr>,
}

/// Another host, as a place to move VMs to.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// Its libvirt as this host's libvirt reaches it: `qemu+tls://host2/system`.
    pub uri: String,
    /// Where memory is sent, `tcp://10.0.0.2`, when that is not the address of `uri`.
    #[serde(default)]
    pub memory: Option<String>,
    /// Its state folder, when that is not the same path as here.
    #[serde(default)]
    pub state_dir: Option<PathBuf>,
}

impl Config {
    /// A configuration with defaults.
    pub fn new(host: impl Into<String>, state_dir: impl Into<PathBuf>) -> Self {
        Self {
            host: host.into(),
            state_dir: state_dir.into(),
            libvirt_socket: libvirt_socket(),
            accelerator: Accelerator::default(),
            guest_bridge: guest_bridge(),
            guest_device: None,
            tunnel: None,
            public_bridge: None,
            prefix: prefix(),
            netns: None,
            peers: BTreeMap::new(),
            shared_pools: Vec::new(),
            lease_seconds: lease_seconds(),
            mounts: mounts(),
            mount_nfs: mount_nfs(),
            local_storage: local_storage(),
            shutdown_seconds: shutdown_seconds(),
            detach_seconds: detach_seconds(),
            cpus_max: cpus_max(),
            image_max: image_max(),
            dns_domain: dns_domain(),
        }
    }
}

fn libvirt_socket() -> PathBuf {
    "/run/libvirt/libvirt-sock".into()
}
fn guest_bridge() -> String {
    "cloudbr0".into()
}
fn prefix() -> String {
    "st".into()
}
fn lease_seconds() -> u64 {
    90
}
fn mounts() -> PathBuf {
    "/mnt/stratus".into()
}
fn mount_nfs() -> Vec<String> {
    ["mount", "-t", "nfs", "-o", "hard,nodev,nosuid,noexec"].map(str::to_owned).into()
}
fn local_storage() -> PathBuf {
    "/var/lib/libvirt/images".into()
}
fn shutdown_seconds() -> u64 {
    60
}
fn detach_seconds() -> u64 {
    60
}
fn cpus_max() -> u32 {
    8
}
fn image_max() -> u64 {
    2 << 40
}
fn dns_domain() -> String {
    "cs.internal".into()
}
