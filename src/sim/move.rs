//! What happens to a VM while it runs: it moves, it grows, its drive changes; and its snapshots.
use crate::Sim;
use crate::world::{Record, Vm, answering, drop_rules, memory};
use std::borrow::Cow::Borrowed;
use stratus_drivers::{DriverError, IsoSpec, NicSpec, PowerState, VmReport, VmSnapshotSpec, VmSpec};

type Done<T = ()> = Result<T, DriverError>;

impl Sim {
    /// The claim on the VM's name is held all the way, so that nobody starts or stops it meanwhile; the hosts are locked one after
    /// the other. One record says both, so that a torn journal never shows the VM twice.
    pub(crate) fn vm_migrate(&self, from: &str, to: &str, spec: &VmSpec) -> Done<VmReport> {
        let name = &spec.name;
        let report = || VmReport { name: name.clone(), state: PowerState::On };
        self.world.claims.with(name, |claims| {
            match claims.get(name).map(String::as_str) {
                Some(host) if host == to => return Ok(report()),
                Some(host) if host == from => {}
                _ => return Err(DriverError::Missing(format!("running VM {name} on host {from}"))),
            }
            let starts = self.world.hosts.with(from, |hosts| Ok(answering(hosts, from)?.vms.get(name).map_or(1, |vm| vm.starts)))?;
            for disk in &spec.disks {
                self.disk_present(&disk.pool, &disk.path)?;
            }
            self.world.hosts.with(to, |hosts| {
                let state = answering(hosts, to)?;
                let free = state.record.facts.memory_bytes.saturating_sub(state.memory_used);
                if memory(spec) > free {
                    let needs = spec.memory_mb;
                    return Err(DriverError::NoRoom(format!("host {to} has {} MiB of memory left, {name} needs {needs}", free >> 20)));
                }
                let vm = Vm { spec: spec.clone(), state: PowerState::On, starts };
                self.note(&Record::VmMoved { from: Borrowed(from), to: Borrowed(to), vm: Borrowed(&vm) })?;
                state.put(vm);
                Ok(())
            })?;
            self.world.hosts.with(from, |hosts| {
                if let Some(state) = hosts.get_mut(from) {
                    state.take(name);
                    drop_rules(state, name);
                }
            });
            claims.insert(name.clone(), to.to_owned());
            Ok(report())
        })
    }

    /// The VM's disks are in other places now.
    pub(crate) fn disks_move(&self, host: &str, spec: &VmSpec) -> Done<VmReport> {
        self.with_vm(host, &spec.name, |sim, vm| sim.vm_change(host, vm, |vm| vm.spec.disks.clone_from(&spec.disks)))?;
        Ok(VmReport { name: spec.name.clone(), state: PowerState::On })
    }

    pub(crate) fn vm_scale(&self, host: &str, spec: &VmSpec) -> Done {
        self.world.hosts.with(host, |hosts| {
            let state = answering(hosts, host)?;
            let missing = || DriverError::Missing(format!("running VM {} on host {host}", spec.name));
            let vm = state.vms.get(&spec.name).filter(|vm| vm.state == PowerState::On).cloned().ok_or_else(missing)?;
            if spec.cpus < vm.spec.cpus || spec.memory_mb < vm.spec.memory_mb {
                return Err(DriverError::Failed(format!("{} runs and cannot become smaller", spec.name)));
            }
            let free = state.record.facts.memory_bytes.saturating_sub(state.memory_used);
            if memory(spec) - vm.memory() > free {
                return Err(DriverError::NoRoom(format!("host {host} has {} MiB of memory left for {}", free >> 20, spec.name)));
            }
            let mut grown = vm;
            (grown.spec.cpus, grown.spec.cpu_mhz, grown.spec.memory_mb) = (spec.cpus, spec.cpu_mhz, spec.memory_mb);
            self.note(&Record::Vm { host: Borrowed(host), vm: Borrowed(&grown) })?;
            state.put(grown);
            Ok(())
        })
    }

    pub(crate) fn iso_change(&self, host: &str, name: &str, iso: Option<&IsoSpec>) -> Done {
        self.with_vm(host, name, |sim, vm| {
            if vm.spec.iso.as_ref() == iso {
                return Ok(());
            }
            if let Some(IsoSpec { iso, store }) = iso
                && !sim.with_store(store, |store| store.objects.contains_key(iso))?
            {
                return Err(DriverError::Missing(format!("ISO {iso} on store {store}")));
            }
            sim.vm_change(host, vm, |vm| vm.spec.iso = iso.cloned())
        })
    }

    pub(crate) fn nic_plug(&self, host: &str, name: &str, nic: &NicSpec) -> Done {
        self.with_vm(host, name, |sim, vm| match vm.spec.nics.iter().any(|n| n.uuid == nic.uuid) {
            true => Ok(()),
            false => sim.vm_change(host, vm, |vm| vm.spec.nics.push(nic.clone())),
        })
    }

    pub(crate) fn nic_unplug(&self, host: &str, name: &str, nic: &NicSpec) -> Done {
        self.with_vm(host, name, |sim, vm| match vm.spec.nics.iter().any(|n| n.uuid == nic.uuid) {
            true => sim.vm_change(host, vm, |vm| vm.spec.nics.retain(|n| n.uuid != nic.uuid)),
            false => Ok(()),
        })
    }

    /// The disks of a VM that the host knows, or could know.
    fn on_host(&self, host: &str) -> Done {
        self.world.hosts.with(host, |hosts| answering(hosts, host).map(drop))
    }

    pub(crate) fn disks_keep(&self, host: &str, vm: &VmSpec, snapshot: &VmSnapshotSpec) -> Done {
        self.on_host(host)?;
        vm.disks.iter().try_for_each(|d| self.disk_keep(&d.pool, &d.path, &snapshot.uuid))
    }

    pub(crate) fn disks_revert(&self, host: &str, vm: &VmSpec, snapshot: &VmSnapshotSpec) -> Done {
        self.on_host(host)?;
        // All or none: a disk that the snapshot does not have is seen before anything is written.
        vm.disks.iter().try_for_each(|d| self.disk_kept(&d.pool, &d.path, &snapshot.uuid))?;
        vm.disks.iter().try_for_each(|d| self.disk_revert(&d.pool, &d.path, &snapshot.uuid))
    }

    pub(crate) fn disks_forget(&self, host: &str, vm: &VmSpec, snapshot: &VmSnapshotSpec) -> Done {
        self.on_host(host)?;
        vm.disks.iter().try_for_each(|d| self.disk_forget(&d.pool, &d.path, &snapshot.uuid))
    }
}
