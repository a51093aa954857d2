//! A VM as a libvirt domain: the XML that is given, and what is read from the XML that comes back.
//!
//! Domains are transient: libvirt forgets one when it stops, as the contract of [`stratus_drivers::Host::stop`] wants. What the
//! engine said of the VM travels inside as metadata, so a restarted driver, or the host that a VM moved to, reads it from there.
use crate::xml::{Node, escaped};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use stratus_drivers::{DiskSpec, DriverError, NicSpec, VmSpec};

/// Where the metadata's names live. Never fetched.
const NAMESPACE: &str = "https://stratus.invalid/ns/vm/1";

/// What a domain is built from besides the VM.
pub(crate) struct Frame<'a> {
    /// Whether hardware runs the guest's CPUs.
    pub kvm: bool,
    /// Most CPUs that it may grow to.
    pub cpus_max: u32,
    /// The file of its console log.
    pub log: &'a Path,
    /// The socket of its screen.
    pub screen: &'a Path,
    /// Files of the disks, in their order.
    pub disks: Vec<PathBuf>,
    /// Bridges of the NICs, in their order.
    pub bridges: Vec<String>,
    /// First letters of taps.
    pub prefix: &'a str,
    /// The file of what is in the drive.
    pub iso: Option<PathBuf>,
}

/// `count` hex digits that stand for a text: for names that the kernel keeps short.
pub(crate) fn short(text: &str, count: usize) -> String {
    let mut name = String::new();
    for byte in Sha256::digest(text) {
        // Writing into a string cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    name.truncate(count);
    name
}

/// The tap of a NIC.
pub(crate) fn tap(prefix: &str, nic: &NicSpec) -> String {
    format!("{prefix}t{}", short(&nic.uuid, 10))
}

/// The guest's name of a disk: `vda` for device 0. More than 26 were never asked for.
pub(crate) fn target(disk: &DiskSpec) -> Result<String, DriverError> {
    let letter = u8::try_from(disk.device).ok().filter(|n| *n < 26).map(|n| char::from(b'a' + n));
    letter.map(|letter| format!("vd{letter}")).ok_or_else(|| DriverError::Failed(format!("device number {} is above 25", disk.device)))
}

/// What a guest's CPUs weigh beside other guests' when there is not enough for all: as much as its MHz. The kernel takes 1 to 10,000 (2 to
/// 262,144 with cgroups of version 1).
pub(crate) fn shares(vm: &VmSpec) -> u64 {
    (u64::from(vm.cpus) * u64::from(vm.cpu_mhz) / 25).clamp(2, 10_000)
}

/// A disk's element.
pub(crate) fn disk_xml(disk: &DiskSpec, file: &Path) -> Result<String, DriverError> {
    // What a guest sees as the serial is 20 characters on virtio.
    let serial: String = disk.path.chars().filter(char::is_ascii_alphanumeric).take(20).collect();
    Ok(format!(
        "<disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='none' discard='unmap'/><source file='{}'/>\
         <target dev='{}' bus='virtio'/><serial>{serial}</serial></disk>",
        escaped(&file.to_string_lossy()),
        target(disk)?,
    ))
}

/// A NIC's element. Booting from the network is nobody's wish here, and its ROM costs seconds of a software-run start.
pub(crate) fn nic_xml(prefix: &str, nic: &NicSpec, bridge: &str) -> String {
    format!(
        "<interface type='bridge'><mac address='{}'/><source bridge='{}'/><target dev='{}'/><model type='virtio'/>\
         <rom enabled='no'/></interface>",
        escaped(&nic.mac),
        escaped(bridge),
        tap(prefix, nic),
    )
}

/// The drive's element, with something in it or not.
pub(crate) fn drive_xml(iso: Option<&Path>) -> String {
    let source = iso.map(|file| format!("<source file='{}'/>", escaped(&file.to_string_lossy()))).unwrap_or_default();
    format!("<disk type='file' device='cdrom'><driver name='qemu' type='raw'/>{source}<target dev='hdc' bus='ide'/><readonly/></disk>")
}

/// The uuid that the guest sees: the VM's own, or one made of its name when that is none.
fn uuid(vm: &VmSpec) -> String {
    uuid::Uuid::parse_str(&vm.uuid).map_or_else(
        |_| {
            let digest = short(&vm.uuid, 32);
            uuid::Uuid::parse_str(&digest).map(|uuid| uuid.to_string()).unwrap_or(digest)
        },
        |uuid| uuid.to_string(),
    )
}

/// What the engine said, as an element.
fn metadata(vm: &VmSpec) -> Result<String, DriverError> {
    let text = serde_json::to_string(vm).map_err(|e| DriverError::Failed(e.to_string()))?;
    Ok(format!("<stratus:vm xmlns:stratus='{NAMESPACE}'>{}</stratus:vm>", escaped(&text)))
}

/// A domain as it is to be at the host that it moves to: with what the engine says of it now, and that host's folder for its files.
pub(crate) fn moved(xml: &str, vm: &VmSpec, folders: (&Path, &Path)) -> Result<String, DriverError> {
    let end = "</stratus:vm>";
    let (Some(from), Some(to)) = (xml.find("<stratus:vm"), xml.find(end)) else { return Ok(xml.to_owned()) };
    let (here, there) = (escaped(&folders.0.to_string_lossy()), escaped(&folders.1.to_string_lossy()));
    let after = xml[to + end.len()..].replace(&format!("='{here}/"), &format!("='{there}/"));
    Ok(format!("{}{}{after}", &xml[..from], metadata(vm)?))
}

/// The whole domain.
pub(crate) fn domain_xml(vm: &VmSpec, frame: &Frame<'_>) -> Result<String, DriverError> {
    let (metadata, uuid) = (metadata(vm)?, uuid(vm));
    let (kind, cpu, cache) = if frame.kvm {
        ("kvm", "<cpu mode='host-passthrough' check='none'/>", "")
    } else {
        // QEMU's cache of translated code is a gigabyte otherwise, for each VM.
        (
            "qemu",
            "<cpu mode='custom' match='exact' check='none'><model fallback='forbid'>qemu64</model></cpu>",
            "<tcg><tb-cache unit='MiB'>64</tb-cache></tcg>",
        )
    };
    let mut devices = String::new();
    for (disk, file) in vm.disks.iter().zip(&frame.disks) {
        devices.push_str(&disk_xml(disk, file)?);
    }
    devices.push_str(&drive_xml(frame.iso.as_deref()));
    for (nic, bridge) in vm.nics.iter().zip(&frame.bridges) {
        devices.push_str(&nic_xml(frame.prefix, nic, bridge));
    }
    let boot = if frame.iso.is_some() { "<boot dev='hd'/><boot dev='cdrom'/>" } else { "<boot dev='hd'/>" };
    let most = if frame.kvm { frame.cpus_max.max(vm.cpus) } else { vm.cpus };
    let path = |path: &Path| escaped(&path.to_string_lossy());
    let (name, log, screen) = (escaped(&vm.name), path(frame.log), path(frame.screen));
    Ok(format!(
        "<domain type='{kind}'><name>{name}</name><uuid>{uuid}</uuid>\
         <metadata>{metadata}</metadata>\
         <memory unit='MiB'>{}</memory><vcpu placement='static' current='{}'>{most}</vcpu>\
         <cputune><shares>{}</shares></cputune>\
         <sysinfo type='smbios'><system><entry name='manufacturer'>Stratus</entry>\
         <entry name='product'>CloudStack KVM Hypervisor (Stratus)</entry><entry name='uuid'>{uuid}</entry></system></sysinfo>\
         <os><type arch='x86_64' machine='pc'>hvm</type>{boot}<smbios mode='sysinfo'/></os>\
         <features><acpi/><apic/>{cache}</features>{cpu}<clock offset='utc'/>\
         <on_poweroff>destroy</on_poweroff><on_reboot>restart</on_reboot><on_crash>destroy</on_crash>\
         <devices>{devices}\
         <serial type='file'><source path='{log}' append='on'/><target port='0'/></serial>\
         <graphics type='vnc' socket='{screen}'/><video><model type='vga'/></video>\
         <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>\
         <memballoon model='virtio'><stats period='5'/></memballoon></devices></domain>",
        vm.memory_mb,
        vm.cpus,
        shares(vm),
    ))
}

/// What stands in a domain's XML.
#[derive(Debug)]
pub(crate) struct Seen {
    /// What the engine said of the VM when it started; `None` for a domain that is not ours.
    pub spec: Option<VmSpec>,
    /// Guest's name and file of each disk.
    pub disks: Vec<(String, PathBuf)>,
    /// MAC addresses of NICs.
    pub macs: Vec<String>,
    /// The file in the drive.
    pub iso: Option<PathBuf>,
    /// CPUs now.
    pub cpus: u32,
    /// Memory in MiB now.
    pub memory_mb: u64,
}

impl Seen {
    /// Reads a domain's XML.
    pub fn read(xml: &str) -> Result<Self, DriverError> {
        let node = Node::read(xml).map_err(|e| DriverError::Failed(format!("libvirt's XML of a domain: {e}")))?;
        let spec = node.at("metadata/stratus:vm").and_then(|vm| serde_json::from_str(&vm.text).ok());
        let mut seen = Self { spec, disks: Vec::new(), macs: Vec::new(), iso: None, cpus: 0, memory_mb: 0 };
        for disk in node.at("devices").into_iter().flat_map(|devices| devices.all("disk")) {
            let file = disk.get_at("source", "file").map(PathBuf::from);
            if disk.get("device") == Some("cdrom") {
                seen.iso = file;
            } else if let (Some(target), Some(file)) = (disk.get_at("target", "dev"), file) {
                seen.disks.push((target.to_owned(), file));
            }
        }
        for nic in node.at("devices").into_iter().flat_map(|devices| devices.all("interface")) {
            seen.macs.extend(nic.get_at("mac", "address").map(str::to_lowercase));
        }
        let number = |text: &str| text.trim().parse::<u64>().unwrap_or(0);
        if let Some(vcpu) = node.at("vcpu") {
            seen.cpus = vcpu.get("current").map_or_else(|| number(&vcpu.text), number) as u32;
        }
        // libvirt answers in KiB whatever unit was given.
        seen.memory_mb = node.at("memory").map_or(0, |memory| number(&memory.text)) >> 10;
        Ok(seen)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn vm() -> VmSpec {
        let nic = NicSpec {
            uuid: "nic-1".into(),
            mac: "06:00:00:00:00:01".into(),
            ip: "10.1.1.11".into(),
            netmask: "255.255.255.0".into(),
            gateway: "10.1.1.1".into(),
            broadcast_uri: "vlan://untagged".into(),
            default: true,
            rate_mbps: None,
        };
        VmSpec {
            name: "i-2-3-VM".into(),
            uuid: "11111111-2222-4333-8444-555555555555".into(),
            host_name: "web'<&>".into(),
            cpus: 2,
            cpu_mhz: 500,
            memory_mb: 128,
            disks: vec![DiskSpec { path: "aaaa".into(), pool: "p".into(), device: 0, bytes: 1 << 26 }],
            nics: vec![nic],
            user_data: Some("PGE+".into()),
            ssh_public_key: None,
            iso: None,
            metadata: Default::default(),
        }
    }

    #[test]
    fn what_the_engine_said_comes_back_from_the_xml() {
        let vm = vm();
        let frame = Frame {
            kvm: false,
            cpus_max: 4,
            log: Path::new("/state/it's.log"),
            screen: Path::new("/state/it's.sock"),
            disks: vec!["/pool/a&b".into()],
            bridges: vec!["br0".into()],
            prefix: "st",
            iso: Some("/store/x.iso".into()),
        };
        let xml = domain_xml(&vm, &frame).unwrap();
        let other = VmSpec { cpus: 3, ..vm.clone() };
        let there = moved(&xml, &other, (Path::new("/state"), Path::new("/other"))).unwrap();
        assert!(there.contains("source path='/other/it&apos;s.log'") && !there.contains("/state"), "{there}");
        assert_eq!(Seen::read(&there).unwrap().spec, Some(other));
        let seen = Seen::read(&xml).unwrap();
        assert_eq!(seen.spec, Some(vm));
        assert_eq!(seen.disks, [("vda".to_owned(), PathBuf::from("/pool/a&b"))]);
        assert_eq!((seen.iso, seen.cpus, seen.macs), (Some("/store/x.iso".into()), 2, vec!["06:00:00:00:00:01".to_owned()]));
    }

    #[test]
    fn a_guest_weighs_what_its_mhz_do() {
        let weighs = |cpus, cpu_mhz| shares(&VmSpec { cpus, cpu_mhz, ..vm() });
        assert_eq!((weighs(1, 500), weighs(2, 500), weighs(4, 2000)), (20, 40, 320));
        assert_eq!((weighs(1, 10), weighs(1000, 4000)), (2, 10_000));
    }

    #[test]
    fn interfaces_have_names_that_the_kernel_takes() {
        let nic = &vm().nics[0];
        assert_eq!(tap("st", nic).len(), 13);
        assert_ne!(tap("st", nic), tap("st", &NicSpec { uuid: "nic-2".into(), ..nic.clone() }));
    }

    #[test]
    fn a_device_number_beyond_the_alphabet_is_refused() {
        let disk = |device| DiskSpec { device, ..vm().disks[0].clone() };
        assert_eq!(target(&disk(1)).unwrap(), "vdb");
        assert!(target(&disk(26)).is_err() && target(&disk(300)).is_err());
    }
}
