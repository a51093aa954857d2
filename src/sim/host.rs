//! Hosts and the VMs on them.
use crate::Sim;
use crate::fault::Op;
use crate::url::Query;
use crate::world::{HostRecord, HostState, Record, Vm, answering, drop_rules, memory, put_host};
use async_trait::async_trait;
use std::borrow::Cow::{Borrowed, Owned};
use std::sync::atomic::Ordering;
use stratus_drivers::{
    DiskRef, DiskSpec, DriverError, Fate, Host, HostFacts, IsoSpec, NicSpec, PowerState, StopMode, VmFigures, VmReport, VmSnapshotSpec,
    VmSpec,
};

type Done<T = ()> = Result<T, DriverError>;

#[async_trait]
impl Host for Sim {
    async fn connect(&self, host: &str, url: &str) -> Done<HostFacts> {
        self.run(Op::HostConnect, &[host, url], || self.host_connect(host, url)).await
    }
    async fn disconnect(&self, host: &str) -> Done {
        self.run(Op::HostDisconnect, &[host], || self.host_disconnect(host)).await
    }
    async fn ping(&self, host: &str) -> Done {
        self.run(Op::Ping, &[host], || self.world.hosts.with(host, |hosts| answering(hosts, host).map(drop))).await
    }
    async fn start(&self, host: &str, vm: &VmSpec) -> Done<VmReport> {
        self.run(Op::Start, &[host, &vm.name], || self.vm_start(host, vm)).await
    }
    async fn stop(&self, host: &str, vm: &str, _mode: StopMode) -> Done {
        self.run(Op::Stop, &[host, vm], || self.vm_stop(host, vm)).await
    }
    async fn reboot(&self, host: &str, vm: &str) -> Done {
        self.run(Op::Reboot, &[host, vm], || self.vm_reboot(host, vm)).await
    }
    async fn migrate(&self, from: &str, to: &str, vm: &VmSpec) -> Done<VmReport> {
        self.run(Op::Migrate, &[from, to, &vm.name], || self.vm_migrate(from, to, vm)).await
    }
    async fn migrate_with_disks(&self, from: &str, to: &str, vm: &VmSpec, disks: &[(DiskRef, DiskRef)]) -> Done<VmReport> {
        self.run(Op::Migrate, &[from, to, &vm.name], || {
            disks.iter().try_for_each(|(here, there)| self.disk_follow(here, there))?;
            if from == to { self.disks_move(to, vm) } else { self.vm_migrate(from, to, vm) }
        })
        .await
    }
    async fn scale(&self, host: &str, vm: &VmSpec) -> Done {
        self.run(Op::Scale, &[host, &vm.name], || self.vm_scale(host, vm)).await
    }
    async fn plug(&self, host: &str, vm: &str, nic: &NicSpec) -> Done {
        self.run(Op::Plug, &[host, vm, &nic.uuid], || self.nic_plug(host, vm, nic)).await
    }
    async fn unplug(&self, host: &str, vm: &str, nic: &NicSpec) -> Done {
        self.run(Op::Unplug, &[host, vm, &nic.uuid], || self.nic_unplug(host, vm, nic)).await
    }
    async fn change_iso(&self, host: &str, vm: &str, iso: Option<&IsoSpec>) -> Done {
        self.run(Op::ChangeIso, &[host, vm], || self.iso_change(host, vm, iso)).await
    }
    async fn keep(&self, host: &str, vm: &VmSpec, snapshot: &VmSnapshotSpec) -> Done {
        self.run(Op::VmKeep, &[host, &vm.name, &snapshot.uuid], || self.disks_keep(host, vm, snapshot)).await
    }
    async fn revert(&self, host: &str, vm: &VmSpec, snapshot: &VmSnapshotSpec) -> Done {
        self.run(Op::VmRevert, &[host, &vm.name, &snapshot.uuid], || self.disks_revert(host, vm, snapshot)).await
    }
    async fn forget(&self, host: &str, vm: &VmSpec, snapshot: &VmSnapshotSpec) -> Done {
        self.run(Op::VmForget, &[host, &vm.name, &snapshot.uuid], || self.disks_forget(host, vm, snapshot)).await
    }
    async fn figures(&self, host: &str) -> Done<Vec<VmFigures>> {
        // Guests that do not compute are idle.
        let floods = |name: &str| crate::world::lock(&self.floods).get(name).cloned().unwrap_or_default();
        let halted = |name: &str| crate::world::lock(&self.halted).contains(name);
        let idle = |vm: &Vm| {
            let name = vm.spec.name.clone();
            VmFigures { floods: floods(&name), halted: halted(&name), name, ..VmFigures::default() }
        };
        let on = |vm: &&Vm| vm.state == PowerState::On;
        self.run(Op::Figures, &[host], || {
            self.world.hosts.with(host, |hosts| Ok(answering(hosts, host)?.vms.values().filter(on).map(idle).collect()))
        })
        .await
    }
    /// A host that does not answer and runs no VM, as after a crash, is dead; one that was only cut off keeps them. It takes a neighbour
    /// that answers to see either.
    async fn investigate(&self, host: &str, by: &[String]) -> Done<Fate> {
        let answers = |other: &String| other != host && self.world.hosts.with(other, |hosts| answering(hosts, other).is_ok());
        let witness = by.iter().any(answers);
        self.world.hosts.with(host, |hosts| {
            Ok(match hosts.get(host) {
                Some(state) if state.record.reachable => Fate::Alive,
                Some(state) if witness && state.record.seen => Fate::Alive,
                Some(state) if witness && !state.vms.values().any(|vm| vm.state == PowerState::On) => Fate::Dead,
                _ => Fate::Unknown,
            })
        })
    }
    async fn attach(&self, host: &str, vm: &str, disk: &DiskSpec) -> Done {
        self.run(Op::Attach, &[host, vm, &disk.path], || self.disk_attach(host, vm, disk)).await
    }
    async fn detach(&self, host: &str, vm: &str, disk: &DiskSpec) -> Done {
        self.run(Op::Detach, &[host, vm, &disk.path], || self.disk_detach(host, vm, disk)).await
    }
    async fn list(&self, host: &str) -> Done<Vec<VmReport>> {
        self.run(Op::List, &[host], || self.world.hosts.with(host, |hosts| Ok(answering(hosts, host)?.vms.values().map(report).collect())))
            .await
    }
    async fn console_output(&self, host: &str, vm: &str) -> Done<Vec<u8>> {
        self.run(Op::Console, &[host, vm], || self.with_vm(host, vm, |_, vm| Ok(console(vm).into_bytes()))).await
    }
}

fn report(vm: &Vm) -> VmReport {
    VmReport { name: vm.spec.name.clone(), state: vm.state }
}

/// What a guest would have written while it booted.
fn console(vm: &Vm) -> String {
    let VmSpec { name, host_name, uuid, cpus, memory_mb, nics, disks, .. } = &vm.spec;
    let mut text = format!("Stratus simulated BIOS\nBooting {name} ({uuid}), start {}\n", vm.starts);
    text += &format!("{cpus} CPUs, {memory_mb} MiB of memory, {} disks\n", disks.len());
    for (number, nic) in nics.iter().enumerate() {
        text += &format!("eth{number}: {} address {} netmask {} gateway {}\n", nic.mac, nic.ip, nic.netmask, nic.gateway);
    }
    text + &format!("\n{host_name} login: ")
}

impl Sim {
    fn host_connect(&self, host: &str, url: &str) -> Done<HostFacts> {
        let mut query = Query::of(url)?;
        let facts = HostFacts {
            cpus: query.count("cpus", self.defaults.cpus)?,
            cpu_mhz: query.count("mhz", self.defaults.mhz)?,
            memory_bytes: query.bytes("memory", self.defaults.memory_bytes)?,
            version: "Simulator 1".to_owned(),
            capabilities: "hvm,snapshot".to_owned(),
            local_storage: Some("/var/lib/simulator".to_owned()),
        };
        query.done()?;
        self.world.hosts.with(host, |hosts| {
            if hosts.get(host).is_some_and(|state| !state.record.reachable) {
                return Err(DriverError::Unreachable(format!("host {host}")));
            }
            let record = HostRecord { facts: facts.clone(), connected: true, reachable: true, seen: false };
            self.note(&Record::Host { host: Borrowed(host), record: Borrowed(&record) })?;
            put_host(hosts, host, record);
            Ok(facts)
        })
    }

    /// A forgotten host with VMs stays in the world and goes on running them, as a real one would.
    fn host_disconnect(&self, host: &str) -> Done {
        self.world.hosts.with(host, |hosts| {
            let Some(state) = hosts.get_mut(host) else { return Ok(()) };
            if state.vms.is_empty() {
                self.note(&Record::HostGone { host: Borrowed(host) })?;
                hosts.remove(host);
                return Ok(());
            }
            let record = HostRecord { connected: false, ..state.record.clone() };
            self.note(&Record::Host { host: Borrowed(host), record: Borrowed(&record) })?;
            state.record = record;
            Ok(())
        })
    }

    fn vm_start(&self, host: &str, spec: &VmSpec) -> Done<VmReport> {
        let name = &spec.name;
        self.world.claims.with(name, |claims| {
            self.world.hosts.with(host, |hosts| {
                let state = answering(hosts, host)?;
                if let Some(vm) = state.vms.get(name).filter(|vm| vm.state == PowerState::On) {
                    return Ok(report(vm));
                }
                if let Some(elsewhere) = claims.get(name) {
                    self.count_double_start()?;
                    return Err(DriverError::Failed(format!("{name} runs on {elsewhere}")));
                }
                let free = state.record.facts.memory_bytes.saturating_sub(state.memory_used);
                if memory(spec) > free {
                    let (needs, free) = (spec.memory_mb, free >> 20);
                    return Err(DriverError::NoRoom(format!("host {host} has {free} MiB of memory left, {name} needs {needs}")));
                }
                let starts = self.boot(spec, state.vms.get(name).map_or(0, |vm| vm.starts))?;
                let vm = Vm { spec: spec.clone(), state: PowerState::On, starts };
                self.note(&Record::Vm { host: Borrowed(host), vm: Borrowed(&vm) })?;
                let report = report(&vm);
                state.put(vm);
                claims.insert(name.clone(), host.to_owned());
                Ok(report)
            })
        })
    }

    fn count_double_start(&self) -> Done {
        let count = self.double_starts.fetch_add(1, Ordering::SeqCst) + 1;
        self.note(&Record::DoubleStarts(count))
    }

    /// Sees that every disk is there and counts the boot on the root disk, where a guest would keep it.
    fn boot(&self, spec: &VmSpec, before: u32) -> Done<u32> {
        for disk in &spec.disks {
            self.disk_present(&disk.pool, &disk.path)?;
        }
        match spec.disks.first() {
            Some(root) => self.disk_boot(&root.pool, &root.path),
            None => Ok(before + 1),
        }
    }

    fn vm_stop(&self, host: &str, name: &str) -> Done {
        self.world.claims.with(name, |claims| {
            self.world.hosts.with(host, |hosts| {
                let state = answering(hosts, host)?;
                self.vm_forget(host, state, name)?;
                if claims.get(name).is_some_and(|claim| claim == host) {
                    claims.remove(name);
                }
                Ok(())
            })
        })
    }

    /// Takes a VM and its rule sets from a host; nothing to take is fine.
    pub(crate) fn vm_forget(&self, host: &str, state: &mut HostState, name: &str) -> Done {
        if state.vms.contains_key(name) || state.rules.values().any(|rules| rules.vm == name) {
            self.note(&Record::VmGone { host: Borrowed(host), vm: Borrowed(name) })?;
            state.take(name);
            drop_rules(state, name);
        }
        Ok(())
    }

    /// Runs with a VM that is on a host and on.
    pub(crate) fn with_vm<T>(&self, host: &str, name: &str, work: impl FnOnce(&Self, &mut Vm) -> Done<T>) -> Done<T> {
        self.world.hosts.with(host, |hosts| {
            let vm = answering(hosts, host)?.vms.get_mut(name).filter(|vm| vm.state == PowerState::On);
            work(self, vm.ok_or_else(|| DriverError::Missing(format!("running VM {name} on host {host}")))?)
        })
    }

    /// Writes a changed VM down and then puts it in the place of the old one. Its memory and power stay as they are.
    pub(crate) fn vm_change(&self, host: &str, vm: &mut Vm, change: impl FnOnce(&mut Vm)) -> Done {
        let mut changed = vm.clone();
        change(&mut changed);
        self.note(&Record::Vm { host: Borrowed(host), vm: Owned(changed.clone()) })?;
        *vm = changed;
        Ok(())
    }

    fn vm_reboot(&self, host: &str, name: &str) -> Done {
        self.with_vm(host, name, |sim, vm| {
            let starts = sim.boot(&vm.spec, vm.starts)?;
            sim.vm_change(host, vm, |vm| vm.starts = starts)
        })
    }

    fn disk_attach(&self, host: &str, name: &str, disk: &DiskSpec) -> Done {
        self.with_vm(host, name, |sim, vm| {
            let same = |other: &&DiskSpec| other.pool == disk.pool && other.path == disk.path;
            if let Some(there) = vm.spec.disks.iter().find(same) {
                let device = there.device;
                return if device == disk.device {
                    Ok(())
                } else {
                    Err(DriverError::Failed(format!("disk {} is attached to {name} as device {device}", disk.path)))
                };
            }
            if let Some(other) = vm.spec.disks.iter().find(|other| other.device == disk.device) {
                return Err(DriverError::Failed(format!("device {} of {name} is disk {}", disk.device, other.path)));
            }
            sim.disk_present(&disk.pool, &disk.path)?;
            sim.vm_change(host, vm, |vm| vm.spec.disks.push(disk.clone()))
        })
    }

    fn disk_detach(&self, host: &str, name: &str, disk: &DiskSpec) -> Done {
        self.with_vm(host, name, |sim, vm| {
            let same = |other: &DiskSpec| other.pool == disk.pool && other.path == disk.path;
            if !vm.spec.disks.iter().any(same) {
                return Ok(());
            }
            sim.vm_change(host, vm, |vm| vm.spec.disks.retain(|other| !same(other)))
        })
    }
}
