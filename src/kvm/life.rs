//! VMs on this host: start, stop, reboot, move, grow, and devices that come and go while they run.
use crate::domain::{self, Frame, Seen, disk_xml, domain_xml, drive_xml, nic_xml, target};
use crate::keep::{gone, io};
use crate::libvirt::{Domain, Problem};
use crate::{Done, Kvm, refusal};
use std::collections::BTreeSet;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Weak;
use std::time::Duration;
use stratus_drivers::{DiskRef, DiskSpec, DriverError, IsoSpec, NicSpec, StopMode, VmSpec};
use tokio::time::Instant;

/// How often something that takes its time is looked at.
const TICK: Duration = Duration::from_millis(200);
/// How often a guest is asked again: one that still boots does not hear.
const AGAIN: Duration = Duration::from_secs(4);
/// How often a look is taken for guests that arrive.
const ARRIVALS: Duration = Duration::from_secs(1);
/// Every how many of those looks guests are looked for that stand still for want of room, or left something when they ended.
const HALTS: u64 = 10;
/// What is shown of a console.
const CONSOLE: u64 = 64 << 10;

pub(crate) fn missing(vm: &str) -> DriverError {
    DriverError::Missing(format!("VM {vm}"))
}

impl Kvm {
    /// The domain of a VM, which has to be there.
    pub(crate) async fn there(&self, vm: &str) -> Done<Domain> {
        self.virt(async |conn| conn.domain(vm).await).await?.ok_or_else(|| missing(vm))
    }

    /// What a VM is made of now, if it is there.
    pub(crate) async fn seen(&self, vm: &str) -> Done<Option<Seen>> {
        let xml = self.virt(async |conn| {
            let Some(domain) = conn.domain(vm).await? else { return Ok(None) };
            match conn.xml(&domain).await {
                Ok(xml) => Ok(Some(xml)),
                Err(e) if e.no_domain() => Ok(None),
                Err(e) => Err(e),
            }
        });
        xml.await?.map(|xml| Seen::read(&xml)).transpose()
    }

    pub(crate) async fn vm_start(&self, vm: &VmSpec) -> Done {
        let _held = self.locks.hold(&vm.name).await;
        if self.virt(async |conn| conn.domain(&vm.name).await).await?.is_some() {
            return Ok(());
        }
        let (log, screen) = (self.vm_file(&vm.name, "log")?, self.vm_file(&vm.name, "sock")?);
        let mut disks = Vec::new();
        for disk in &vm.disks {
            disks.push(self.disk_there(&reference(disk))?);
        }
        self.lease_name(vm).await?;
        let wired = self.wiring.read().await;
        let mut bridges = Vec::new();
        for nic in &vm.nics {
            bridges.push(self.bridge_up(&nic.broadcast_uri).await?);
            self.nic_guard(&vm.name, nic).await?;
        }
        let iso = vm.iso.as_ref().map(|iso| self.iso_file(iso)).transpose()?;
        // What a start before wrote is another boot's console.
        self.files_gone(&vm.name)?;
        let (kvm, cpus_max, prefix) = (self.kvm, self.config.cpus_max, self.config.prefix.as_str());
        let xml = domain_xml(vm, &Frame { kvm, cpus_max, log: &log, screen: &screen, disks, bridges, prefix, iso })?;
        let made = self.virt(async |conn| conn.create(&xml).await).await;
        drop(wired);
        if made.is_err() && self.virt(async |conn| conn.domain(&vm.name).await).await?.is_none() {
            for nic in &vm.nics {
                self.nic_gone(nic).await?;
            }
        }
        made?;
        self.rates_hold(&vm.name).await.map(drop)
    }

    pub(crate) async fn vm_stop(&self, vm: &str, mode: StopMode) -> Done {
        let _held = self.locks.hold(vm).await;
        let seen = self.seen(vm).await?;
        if seen.is_some() {
            self.power_off(vm, mode).await?;
        }
        let known = seen.and_then(|seen| seen.spec);
        let others = [self.nics_ruled(vm)?, self.nics_rated(vm)?];
        for nic in known.iter().flat_map(|spec| &spec.nics).chain(others.iter().flatten()) {
            self.nic_gone(nic).await?;
        }
        self.floods_forget(vm).await?;
        self.files_gone(vm)
    }

    /// Removes a VM's files on this host.
    fn files_gone(&self, vm: &str) -> Done {
        for kind in ["log", "sock", "moved"] {
            let file = self.vm_file(vm, kind)?;
            gone(std::fs::remove_file(&file)).map_err(io(&file))?;
        }
        Ok(())
    }

    /// Asks the guest to shut down if `mode` says so, and cuts the power if it has not by then.
    async fn power_off(&self, vm: &str, mode: StopMode) -> Done {
        let limit = match mode {
            StopMode::Graceful => Duration::from_secs(self.config.shutdown_seconds),
            StopMode::Forced => Duration::ZERO,
        };
        let end = Instant::now() + limit;
        let mut next = Instant::now();
        while Instant::now() < end {
            let Some(domain) = self.virt(async |conn| conn.domain(vm).await).await? else { return Ok(()) };
            if Instant::now() >= next {
                self.ignore_gone(self.libvirt.with(async |conn| conn.shut_down(&domain).await).await)?;
                next = Instant::now() + AGAIN;
            }
            tokio::time::sleep(TICK).await;
        }
        let domain = self.virt(async |conn| conn.domain(vm).await).await?;
        let Some(domain) = domain else { return Ok(()) };
        self.ignore_gone(self.libvirt.with(async |conn| conn.destroy(&domain).await).await)
    }

    /// A domain that went away in between needed no asking.
    fn ignore_gone(&self, answer: Result<(), Problem>) -> Done {
        match answer {
            Err(e) if !e.no_domain() && !e.invalid_now() => Err(refusal(e)),
            _ => Ok(()),
        }
    }

    /// Stop, then start of what it was made of at that moment.
    pub(crate) async fn vm_reboot(&self, vm: &str) -> Done {
        let _held = self.locks.hold(vm).await;
        let domain = self.there(vm).await?;
        self.lease_anew(vm).await;
        let xml = self.virt(async |conn| conn.xml(&domain).await).await?;
        self.power_off(vm, StopMode::Graceful).await?;
        self.virt(async |conn| conn.create(&xml).await).await?;
        self.rates_hold(vm).await.map(drop)
    }

    /// Moves a VM and the disks that are named, each from one place to another. The others have to be where the other host sees them.
    pub(crate) async fn vm_migrate(&self, to: &str, vm: &VmSpec, disks: &[(DiskRef, DiskRef)]) -> Done {
        let _held = self.locks.hold(&vm.name).await;
        let peer = self.config.peers.get(to).ok_or_else(|| DriverError::Unreachable(format!("host {to}")))?;
        let moved = self.vm_file(&vm.name, "moved")?;
        let Some(domain) = self.virt(async |conn| conn.domain(&vm.name).await).await? else {
            // Asked again: this host is the one that moved it there.
            let there = std::fs::read_to_string(&moved).is_ok_and(|host| host == to);
            return if there { Ok(()) } else { Err(missing(&vm.name)) };
        };
        let goes = |disk: &DiskSpec| disks.iter().any(|(_, there)| there.pool == disk.pool && there.path == disk.path);
        let mut shared = true;
        for disk in vm.disks.iter().filter(|disk| !goes(disk)) {
            shared &= self.pool_shared(&disk.pool)?;
        }
        let here = self.config.state_dir.as_path();
        let folders = (here, peer.state_dir.as_deref().unwrap_or(here));
        let xml = self.virt(async |conn| conn.xml_to_move(&domain).await).await?;
        let xml = domain::moved(&xml, vm, folders)?;
        let (xml, copied) = self.xml_with_disks(xml, disks)?;
        self.virt(async |conn| conn.migrate(&domain, peer, &xml, shared, &copied).await).await?;
        self.files_gone(&vm.name)?;
        std::fs::write(&moved, to).map_err(io(&moved))?;
        for nic in &vm.nics {
            self.nic_gone(nic).await?;
        }
        self.floods_forget(&vm.name).await
    }

    /// Makes ready for a VM that another host is about to move here; whether it is here already.
    pub(crate) async fn vm_expect(&self, vm: &VmSpec) -> Done<bool> {
        self.lease_name(vm).await?;
        let _wired = self.wiring.read().await;
        for nic in &vm.nics {
            self.bridge_up(&nic.broadcast_uri).await?;
            self.nic_guard(&vm.name, nic).await?;
        }
        let moved = self.vm_file(&vm.name, "moved")?;
        gone(std::fs::remove_file(&moved)).map_err(io(&moved))?;
        // One that is here already is held to what it may carry now; others when their taps come.
        self.rates_hold(&vm.name).await?;
        Ok(self.virt(async |conn| conn.domain(&vm.name).await).await?.is_some())
    }

    /// Forgets a NIC that is gone from this host, and the wire that was for it alone.
    async fn nic_gone(&self, nic: &NicSpec) -> Done {
        self.nic_unguard(nic).await?;
        self.bridge_down(&nic.broadcast_uri).await
    }

    pub(crate) async fn nic_plug(&self, vm: &str, nic: &NicSpec) -> Done {
        let _held = self.locks.hold(vm).await;
        let domain = self.there(vm).await?;
        let seen = self.seen(vm).await?.ok_or_else(|| missing(vm))?;
        if seen.macs.contains(&nic.mac) {
            return Ok(());
        }
        let _wired = self.wiring.read().await;
        let bridge = self.bridge_up(&nic.broadcast_uri).await?;
        self.nic_guard(vm, nic).await?;
        let xml = nic_xml(&self.config.prefix, nic, &bridge);
        self.virt(async |conn| conn.attach(&domain, &xml).await).await?;
        self.rates_hold(vm).await.map(drop)
    }

    pub(crate) async fn nic_unplug(&self, vm: &str, nic: &NicSpec) -> Done {
        let _held = self.locks.hold(vm).await;
        let domain = self.there(vm).await?;
        let xml = nic_xml(&self.config.prefix, nic, &self.bridge(&nic.broadcast_uri)?);
        let there = |seen: &Seen| seen.macs.contains(&nic.mac);
        self.let_go(&domain, &xml, &format!("NIC {}", nic.mac), there).await?;
        self.nic_gone(nic).await
    }

    pub(crate) async fn disk_attach(&self, vm: &str, disk: &DiskSpec) -> Done {
        let _held = self.locks.hold(vm).await;
        let domain = self.there(vm).await?;
        let file = self.disk_there(&reference(disk))?;
        let seen = self.seen(vm).await?.ok_or_else(|| missing(vm))?;
        if seen.disks.iter().any(|(_, path)| *path == file) {
            return Ok(());
        }
        let xml = disk_xml(disk, &file)?;
        self.virt(async |conn| conn.attach(&domain, &xml).await).await?;
        self.lease_anew(vm).await;
        Ok(())
    }

    pub(crate) async fn disk_detach(&self, vm: &str, disk: &DiskSpec) -> Done {
        let _held = self.locks.hold(vm).await;
        let domain = self.there(vm).await?;
        let file = self.disk_file(&disk.pool, &disk.path)?;
        let xml = disk_xml(disk, &file)?;
        let there = |seen: &Seen| seen.disks.iter().any(|(_, path)| *path == file);
        self.let_go(&domain, &xml, &format!("disk {} ({})", disk.path, target(disk)?), there).await?;
        self.lease_anew(vm).await;
        Ok(())
    }

    /// Has the guest let a device go: it is asked, and asked again while it boots, until the domain has it no more.
    async fn let_go(&self, domain: &Domain, xml: &str, what: &str, there: impl Fn(&Seen) -> bool) -> Done {
        let end = Instant::now() + Duration::from_secs(self.config.detach_seconds);
        let mut next = Instant::now();
        loop {
            let seen = self.seen(&domain.name).await?;
            if !seen.is_some_and(|seen| there(&seen)) {
                return Ok(());
            }
            if Instant::now() >= end {
                return Err(DriverError::Failed(format!("the guest of VM {} does not let {what} go", domain.name)));
            }
            if Instant::now() >= next {
                // Refused while an earlier wish is being carried out; whether it was granted shows above.
                if let Err(problem) = self.libvirt.with(async |conn| conn.detach(domain, xml).await).await {
                    tracing::debug!(vm = domain.name, what, %problem, "a device stays for now");
                }
                next = Instant::now() + AGAIN;
            }
            tokio::time::sleep(TICK).await;
        }
    }

    fn iso_file(&self, iso: &IsoSpec) -> Done<PathBuf> {
        self.object(&iso.store, &iso.iso).map(|(file, _)| file)
    }

    pub(crate) async fn drive_change(&self, vm: &str, iso: Option<&IsoSpec>) -> Done {
        let _held = self.locks.hold(vm).await;
        let domain = self.there(vm).await?;
        let file = iso.map(|iso| self.iso_file(iso)).transpose()?;
        let seen = self.seen(vm).await?.ok_or_else(|| missing(vm))?;
        if seen.iso == file {
            return Ok(());
        }
        let xml = drive_xml(file.as_deref());
        self.virt(async |conn| conn.update(&domain, &xml).await).await
    }

    /// The last that the guest wrote to its serial console.
    pub(crate) async fn console_tail(&self, vm: &str) -> Done<Vec<u8>> {
        self.there(vm).await?;
        let path = self.vm_file(vm, "log")?;
        let file = match std::fs::File::open(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(io(&path))?,
        };
        let length = file.metadata().map_err(io(&path))?.len();
        let from = length.saturating_sub(CONSOLE);
        let mut bytes = vec![0; (length - from) as usize];
        let count = file.read_at(&mut bytes, from).map_err(io(&path))?;
        bytes.truncate(count);
        Ok(bytes)
    }
}

/// A disk of a VM as storage knows it.
pub(crate) fn reference(disk: &DiskSpec) -> DiskRef {
    DiskRef { pool: disk.pool.clone(), path: disk.path.clone(), bytes: disk.bytes }
}

/// Looks once in a while for guests that another host moved here, and for those that wait for room.
pub(crate) async fn watch(kvm: Weak<Kvm>) {
    for look in 1_u64.. {
        tokio::time::sleep(ARRIVALS).await;
        let Some(kvm) = kvm.upgrade() else { return };
        if let Err(error) = kvm.arrivals().await {
            tracing::debug!(%error, "no look at arriving guests");
        }
        if !look.is_multiple_of(HALTS) {
            continue;
        }
        if let Err(error) = kvm.go_on().await {
            tracing::debug!(%error, "no look at halted guests");
        }
        if let Err(error) = kvm.rates_sweep().await {
            tracing::debug!(%error, "no look at what ended guests left");
        }
        if let Err(error) = kvm.caches_sweep().await {
            tracing::debug!(%error, "what lies in caches is not taken away yet");
        }
    }
}

impl Kvm {
    /// Lets guests send that came here by themselves: they are seen as soon as their memory begins to arrive.
    pub(crate) async fn arrivals(&self) -> Done {
        let domains = self.virt(async |conn| conn.domains().await).await?;
        let guarded = || self.guarded.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        guarded().retain(|name| domains.iter().any(|domain| domain.name == *name));
        for domain in domains {
            if guarded().contains(&domain.name) {
                continue;
            }
            let spec = self.seen(&domain.name).await?.and_then(|seen| seen.spec);
            for nic in spec.iter().flat_map(|spec| &spec.nics) {
                self.nic_guard(&domain.name, nic).await?;
            }
            // One whose tap is still to come is looked at again.
            if self.rates_hold(&domain.name).await? {
                guarded().insert(domain.name);
            }
        }
        Ok(())
    }

    /// Lets guests go on that QEMU halted when a disk of theirs could not be written, which is when a pool is full. One for which
    /// there is still no room is halted again at once, and has lost nothing. The log is told once of each.
    async fn go_on(&self) -> Done {
        let known = self.halted.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        let domains = self.virt(async |conn| conn.domains().await).await?;
        let mut halted = BTreeSet::new();
        for domain in &domains {
            if !matches!(self.libvirt.with(async |conn| conn.halted(domain).await).await, Ok(true)) {
                continue;
            }
            if !known.contains(&domain.name) {
                tracing::error!(vm = domain.name, "a guest stands still: its disk cannot be written, most likely because the pool is full");
            }
            halted.insert(domain.name.clone());
            // Refused where it was ended or moved at this moment.
            if let Err(problem) = self.libvirt.with(async |conn| conn.resume(domain).await).await {
                tracing::debug!(vm = domain.name, %problem, "a halted guest does not go on");
            }
        }
        for vm in known.difference(&halted) {
            tracing::info!(vm, "a guest that stood still goes on");
        }
        *self.halted.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = halted;
        Ok(())
    }

    /// The interface of this host that a NIC has, or would have.
    pub fn tap_name(&self, nic: &NicSpec) -> String {
        self.tap(nic)
    }

    /// The bridge that a NIC is on.
    ///
    /// # Errors
    /// Its network is of a kind that is not known here.
    pub fn bridge_name(&self, nic: &NicSpec) -> Result<String, DriverError> {
        self.bridge(&nic.broadcast_uri)
    }

    /// The tap of a NIC on this host.
    pub(crate) fn tap(&self, nic: &NicSpec) -> String {
        domain::tap(&self.config.prefix, nic)
    }
}
