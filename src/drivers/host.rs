use crate::{DiskRef, DriverError};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};

/// A VM as the driver is to run it. Everything that a host needs stands here; it never asks the engine back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VmSpec {
    /// The instance name, `i-<account>-<id>-VM`: unique in the cloud, the key of every later call.
    pub name: String,
    /// The native uuid, for the guest's own identity.
    pub uuid: String,
    /// Host name inside the guest.
    pub host_name: String,
    /// Number of virtual CPUs.
    pub cpus: u32,
    /// Share of each CPU in MHz.
    pub cpu_mhz: u32,
    /// Memory in MiB.
    pub memory_mb: u64,
    /// Disks in device order; the first is the root disk.
    pub disks: Vec<DiskSpec>,
    /// NICs in device order; the default NIC is first.
    pub nics: Vec<NicSpec>,
    /// User data as given by its owner, base64.
    pub user_data: Option<String>,
    /// Public key that the guest is to accept, in OpenSSH form.
    pub ssh_public_key: Option<String>,
    /// What is in the drive.
    #[serde(default)]
    pub iso: Option<IsoSpec>,
    /// What the guest is told of itself beyond the above, by the names of the metadata tree (`service-offering`, `ami-id`).
    #[serde(default)]
    pub metadata: std::collections::BTreeMap<String, String>,
}

/// An ISO in a VM's drive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IsoSpec {
    /// The ISO's uuid.
    pub iso: String,
    /// The uuid of the secondary store that it lies on.
    pub store: String,
}

/// A snapshot of a VM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VmSnapshotSpec {
    /// Its uuid.
    pub uuid: String,
    /// Whether it is of the memory of the running VM too.
    pub memory: bool,
}

/// What a VM did since it was started on its host. Rates are the engine's to work out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VmFigures {
    /// The instance name.
    pub name: String,
    /// CPU in use now, in hundredths of a percent of all its CPUs.
    pub cpu: u32,
    /// Bytes that came in over its NICs.
    pub network_in: u64,
    /// Bytes that went out over its NICs.
    pub network_out: u64,
    /// Bytes read from its disks.
    pub disk_read: u64,
    /// Bytes written to its disks.
    pub disk_written: u64,
    /// Read operations.
    pub reads: u64,
    /// Write operations.
    pub writes: u64,
    /// Packets of it that its host dropped because they were too many, by what they were for: `DHCP`, `ARP`, `metadata`.
    #[serde(default)]
    pub floods: std::collections::BTreeMap<String, u64>,
    /// It stands still because a disk of it cannot be written, and goes on when it can.
    #[serde(default)]
    pub halted: bool,
    /// Whether its host cannot keep to the rate of one of its NICs.
    #[serde(default)]
    pub unlimited: bool,
    /// Its memory as the guest's own driver (the balloon) says, when it has one.
    #[serde(default)]
    pub memory: Option<VmMemory>,
}

/// Memory of a guest in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VmMemory {
    /// What its host lets it have now.
    pub target: u64,
    /// What its kernel has to give.
    pub total: u64,
    /// What nobody in it uses.
    pub free: u64,
}

/// What a host itself does, measured there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostLoad {
    /// CPU in use since the last look, in hundredths of a percent of all its CPUs.
    pub cpu: u32,
    /// Load average over a minute, in hundredths.
    pub average: u32,
    /// Bytes of memory that programs could not have.
    pub memory_used: u64,
    /// Bytes that came in over its network cards since it was switched on.
    pub network_in: u64,
    /// Bytes that went out over them.
    pub network_out: u64,
}

/// One disk of a VM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskSpec {
    /// The volume's path on its pool (for files, the uuid).
    pub path: String,
    /// The pool's uuid.
    pub pool: String,
    /// Device number, 0 for the root disk.
    pub device: u32,
    /// Size in bytes.
    pub bytes: u64,
}

/// One NIC of a VM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NicSpec {
    /// The NIC's uuid.
    pub uuid: String,
    /// MAC address, lower-case with colons.
    pub mac: String,
    /// IPv4 address.
    pub ip: String,
    /// Netmask in dotted form.
    pub netmask: String,
    /// Gateway.
    pub gateway: String,
    /// `vlan://untagged`, `vlan://295`, `vxlan://5001`.
    pub broadcast_uri: String,
    /// Whether the guest's default route goes out here.
    pub default: bool,
    /// Megabits a second that the NIC may carry, each way; none is no limit. Said to the host that plugs the NIC ([`Host::start`],
    /// [`Host::plug`], [`Host::migrate`]), which keeps it as long as the NIC is there.
    #[serde(default)]
    pub rate_mbps: Option<u32>,
}

/// What a host says of one of its VMs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VmReport {
    /// The instance name.
    pub name: String,
    /// The power state seen.
    pub state: PowerState,
}

/// Power state as seen on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PowerState {
    /// It runs.
    On,
    /// It is defined and does not run.
    Off,
}

/// How a VM is to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopMode {
    /// Ask the guest, then cut the power when it does not listen.
    Graceful,
    /// Cut the power.
    Forced,
}

impl StopMode {
    /// Forced only when the caller said so.
    pub fn forced(forced: Option<bool>) -> Self {
        if forced == Some(true) { Self::Forced } else { Self::Graceful }
    }
}

/// What a host is made of, as it says itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFacts {
    /// Number of physical CPUs.
    pub cpus: u32,
    /// Speed of each in MHz.
    pub cpu_mhz: u32,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Hypervisor version text.
    pub version: String,
    /// Capabilities, as `listHosts` shows them: `hvm,snapshot`.
    pub capabilities: String,
    /// The folder on its own disks that can be a pool, where it has one.
    #[serde(default)]
    pub local_storage: Option<String>,
}

/// What became of a host that does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fate {
    /// Others see that it lives: only the way to it is broken.
    Alive,
    /// It is certain that it runs no VM any more.
    Dead,
    /// Nobody can tell, so its VMs may run on.
    Unknown,
}

/// Bytes both ways.
pub trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}

/// A connection to something on a host.
pub type ByteStream = Box<dyn Bytes>;

/// One kind of hypervisor; each call names the host by its uuid and the URL it was added with.
#[async_trait]
pub trait Host: Send + Sync {
    /// Makes contact with a host that is being added and reads what it is. `url` is as `addHost` was given.
    async fn connect(&self, host: &str, url: &str) -> Result<HostFacts, DriverError>;
    /// Forgets a host. Its VMs are the engine's business before that.
    async fn disconnect(&self, host: &str) -> Result<(), DriverError>;
    /// Whether the host answers now.
    async fn ping(&self, host: &str) -> Result<(), DriverError>;
    /// Starts a VM, defining it if need be.
    async fn start(&self, host: &str, vm: &VmSpec) -> Result<VmReport, DriverError>;
    /// Stops a VM and forgets its definition; its disks stay.
    async fn stop(&self, host: &str, vm: &str, mode: StopMode) -> Result<(), DriverError>;
    /// Restarts a running VM.
    async fn reboot(&self, host: &str, vm: &str) -> Result<(), DriverError>;
    /// Moves a running VM to another host without stopping it; `vm` is as it is to run there. One that runs there already is `Ok`.
    /// A driver for one machine hears of it at both ends, first where the VM goes to.
    async fn migrate(&self, from: &str, to: &str, vm: &VmSpec) -> Result<VmReport, DriverError>;
    /// As [`Host::migrate`], while disks go to other pools: `vm` names them where they are to be, `disks` says where each was and is to
    /// be. The old disks stay for the engine to delete. On one host (`from` is `to`) the disks go and the VM stays. A driver for one machine
    /// hears of it at both ends as above, once where both are one.
    async fn migrate_with_disks(&self, from: &str, to: &str, vm: &VmSpec, disks: &[(DiskRef, DiskRef)]) -> Result<VmReport, DriverError> {
        let _ = (from, to, disks);
        Err(DriverError::Unsupported(format!("moving {} with its disks", vm.name)))
    }
    /// Gives a running VM the CPU and memory of `vm`, which are no less than it has.
    async fn scale(&self, host: &str, vm: &VmSpec) -> Result<(), DriverError>;
    /// Connects a running VM to one more network.
    async fn plug(&self, host: &str, vm: &str, nic: &NicSpec) -> Result<(), DriverError>;
    /// Takes a NIC from a running VM.
    async fn unplug(&self, host: &str, vm: &str, nic: &NicSpec) -> Result<(), DriverError>;
    /// Puts an ISO into the drive of a running VM, or takes out what is there.
    async fn change_iso(&self, host: &str, vm: &str, iso: Option<&IsoSpec>) -> Result<(), DriverError>;
    /// Keeps a VM as it is. `host` is where it runs or, when it is stopped, one that reaches its disks.
    async fn keep(&self, host: &str, vm: &VmSpec, snapshot: &VmSnapshotSpec) -> Result<(), DriverError>;
    /// Makes a VM as it was at a snapshot. Whether it runs stays as it is.
    async fn revert(&self, host: &str, vm: &VmSpec, snapshot: &VmSnapshotSpec) -> Result<(), DriverError>;
    /// Forgets a snapshot; those made after it stay.
    async fn forget(&self, host: &str, vm: &VmSpec, snapshot: &VmSnapshotSpec) -> Result<(), DriverError>;
    /// What the running VMs of a host did.
    async fn figures(&self, host: &str) -> Result<Vec<VmFigures>, DriverError>;
    /// What the host itself does; `None` where nothing measures it.
    async fn load(&self, _host: &str) -> Result<Option<HostLoad>, DriverError> {
        Ok(None)
    }
    /// Attaches a disk to a running VM.
    async fn attach(&self, host: &str, vm: &str, disk: &DiskSpec) -> Result<(), DriverError>;
    /// Detaches a disk from a running VM.
    async fn detach(&self, host: &str, vm: &str, disk: &DiskSpec) -> Result<(), DriverError>;
    /// Every VM on the host.
    async fn list(&self, host: &str) -> Result<Vec<VmReport>, DriverError>;
    /// The last bytes that the guest wrote to its console (64 KiB at most).
    async fn console_output(&self, host: &str, vm: &str) -> Result<Vec<u8>, DriverError>;
    /// What became of a host that does not answer; `by` are hosts of its cluster that can be asked (for a driver for one machine, that
    /// machine), without one nobody can tell. `Dead` is said only when none of its
    /// VMs can be running, since they are then started elsewhere. A driver that cannot find out says so.
    async fn investigate(&self, _host: &str, _by: &[String]) -> Result<Fate, DriverError> {
        Ok(Fate::Unknown)
    }
    /// The screen of a running VM as a stream of RFB, the server's greeting first. A hypervisor without one says so.
    async fn screen(&self, _host: &str, vm: &str) -> Result<ByteStream, DriverError> {
        Err(DriverError::Unsupported(format!("{vm} has no screen but the text that it writes")))
    }
}
