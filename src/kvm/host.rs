//! The [`Host`] trait for this machine: every call is checked to mean this host, the work is in the files beside.
use crate::{Done, Kvm};
use async_trait::async_trait;
use stratus_drivers::{
    ByteStream, DiskRef, DiskSpec, DriverError, Fate, Host, HostFacts, HostLoad, IsoSpec, NicSpec, PowerState, StopMode, VmFigures,
    VmReport, VmSnapshotSpec, VmSpec,
};

impl Kvm {
    /// Refuses what is not for this host, or comes before it was added.
    pub(crate) fn mine(&self, host: &str) -> Done {
        let added = host == self.config.host && self.folders.hosts.get::<String>(host)?.is_some();
        if added { Ok(()) } else { Err(DriverError::Unreachable(format!("host {host}"))) }
    }
}

#[async_trait]
impl Host for Kvm {
    async fn connect(&self, host: &str, url: &str) -> Done<HostFacts> {
        if host != self.config.host {
            return Err(DriverError::Unreachable(format!("host {host}: this one is {}", self.config.host)));
        }
        let (version, node) = self.virt(async |conn| Ok((conn.version().await?, conn.node().await?))).await?;
        let (cpus, mhz, memory_kib) = node;
        let name = if self.kvm { "KVM" } else { "QEMU (software)" };
        let uname = rustix::system::uname();
        let (system, kernel) = (uname.sysname().to_string_lossy(), uname.release().to_string_lossy());
        let version = format!("{name} {}.{}.{}, {system} {kernel}", version / 1_000_000, version / 1000 % 1000, version % 1000);
        self.folders.hosts.put(host, &url)?;
        let cpu_mhz = if mhz > 0 { mhz } else { measured_mhz() };
        let local_storage = Some(self.config.local_storage.to_string_lossy().into_owned());
        let (memory_bytes, capabilities) = (memory_kib << 10, "hvm,snapshot".into());
        Ok(HostFacts { cpus, cpu_mhz, memory_bytes, version, capabilities, local_storage })
    }
    async fn disconnect(&self, host: &str) -> Done {
        if host != self.config.host {
            return Ok(());
        }
        for pool in self.lease_folders()?.into_keys() {
            self.lease_end(&pool)?;
        }
        self.folders.hosts.remove(host)
    }
    async fn ping(&self, host: &str) -> Done {
        self.mine(host)?;
        self.virt(async |conn| conn.version().await).await.map(drop)
    }
    async fn start(&self, host: &str, vm: &VmSpec) -> Done<VmReport> {
        self.mine(host)?;
        self.vm_start(vm).await?;
        Ok(VmReport { name: vm.name.clone(), state: PowerState::On })
    }
    async fn stop(&self, host: &str, vm: &str, mode: StopMode) -> Done {
        self.mine(host)?;
        self.vm_stop(vm, mode).await
    }
    async fn reboot(&self, host: &str, vm: &str) -> Done {
        self.mine(host)?;
        self.vm_reboot(vm).await
    }
    /// Both hosts are told, first the one that the VM goes to: it makes wires and filters ready and says whether the VM is there. The
    /// one that it comes from moves it.
    async fn migrate(&self, from: &str, to: &str, vm: &VmSpec) -> Done<VmReport> {
        if to == self.config.host {
            self.mine(to)?;
            let there = self.vm_expect(vm).await?;
            return Ok(VmReport { name: vm.name.clone(), state: if there { PowerState::On } else { PowerState::Off } });
        }
        self.mine(from)?;
        self.vm_migrate(to, vm, &[]).await?;
        Ok(VmReport { name: vm.name.clone(), state: PowerState::On })
    }
    /// As above; the host that the VM goes to makes files for the disks. On one host the disks move and the VM stays.
    async fn migrate_with_disks(&self, from: &str, to: &str, vm: &VmSpec, disks: &[(DiskRef, DiskRef)]) -> Done<VmReport> {
        self.mine(if to == self.config.host { to } else { from })?;
        let state = if from == to {
            self.disks_move(vm, disks).await?;
            PowerState::On
        } else if to == self.config.host {
            let there = self.vm_expect(vm).await?;
            if !there {
                self.disks_expect(disks).await?;
            }
            if there { PowerState::On } else { PowerState::Off }
        } else {
            self.vm_migrate(to, vm, disks).await?;
            PowerState::On
        };
        Ok(VmReport { name: vm.name.clone(), state })
    }
    async fn scale(&self, host: &str, vm: &VmSpec) -> Done {
        self.mine(host)?;
        self.vm_scale(vm).await
    }
    async fn plug(&self, host: &str, vm: &str, nic: &NicSpec) -> Done {
        self.mine(host)?;
        self.nic_plug(vm, nic).await
    }
    async fn unplug(&self, host: &str, vm: &str, nic: &NicSpec) -> Done {
        self.mine(host)?;
        self.nic_unplug(vm, nic).await
    }
    async fn change_iso(&self, host: &str, vm: &str, iso: Option<&IsoSpec>) -> Done {
        self.mine(host)?;
        self.drive_change(vm, iso).await
    }
    async fn keep(&self, host: &str, vm: &VmSpec, snapshot: &VmSnapshotSpec) -> Done {
        self.mine(host)?;
        self.vm_keep(vm, snapshot).await
    }
    async fn revert(&self, host: &str, vm: &VmSpec, snapshot: &VmSnapshotSpec) -> Done {
        self.mine(host)?;
        self.vm_revert(vm, snapshot).await
    }
    async fn forget(&self, host: &str, vm: &VmSpec, snapshot: &VmSnapshotSpec) -> Done {
        self.mine(host)?;
        self.vm_forget(vm, snapshot).await
    }
    async fn figures(&self, host: &str) -> Done<Vec<VmFigures>> {
        self.mine(host)?;
        self.vm_figures().await
    }
    async fn load(&self, host: &str) -> Done<Option<HostLoad>> {
        self.mine(host)?;
        self.load.look().map(Some)
    }
    async fn attach(&self, host: &str, vm: &str, disk: &DiskSpec) -> Done {
        self.mine(host)?;
        self.disk_attach(vm, disk).await
    }
    async fn detach(&self, host: &str, vm: &str, disk: &DiskSpec) -> Done {
        self.mine(host)?;
        self.disk_detach(vm, disk).await
    }
    async fn list(&self, host: &str) -> Done<Vec<VmReport>> {
        self.mine(host)?;
        // Domains are transient, so one that is known runs, or at least holds its memory.
        let domains = self.virt(async |conn| conn.domains().await).await?;
        Ok(domains.into_iter().map(|domain| VmReport { name: domain.name, state: PowerState::On }).collect())
    }
    async fn investigate(&self, host: &str, _by: &[String]) -> Done<Fate> {
        if host == self.config.host { Ok(Fate::Alive) } else { self.host_fate(host).await }
    }
    async fn screen(&self, host: &str, vm: &str) -> Done<ByteStream> {
        self.mine(host)?;
        let socket = self.screen_socket(vm)?;
        let stream = tokio::net::UnixStream::connect(&socket).await.map_err(crate::keep::io(&socket))?;
        Ok(Box::new(stream))
    }
    async fn console_output(&self, host: &str, vm: &str) -> Done<Vec<u8>> {
        self.mine(host)?;
        self.console_tail(vm).await
    }
}

/// The clock of the first CPU as the kernel tells it: libvirt knows none on some virtual machines.
fn measured_mhz() -> u32 {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("cpu MHz")).and_then(|line| line.split(':').nth(1));
    line.and_then(|mhz| mhz.trim().parse::<f64>().ok()).map_or(1000, |mhz| mhz as u32).max(1)
}
