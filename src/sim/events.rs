//! What happens to a world without the engine asking for it.
use crate::Sim;
use crate::world::{HostRecord, HostState, Record};
use std::borrow::Cow::Borrowed;
use std::collections::BTreeSet;
use stratus_drivers::{DriverError, PowerState};

impl Sim {
    /// A host loses its power: it answers no more and its VMs are gone.
    pub fn crash(&self, host: &str) -> Result<(), DriverError> {
        let vms: BTreeSet<String> = self.host_event(host, |sim, state| {
            sim.set_reachable(host, state, false)?;
            Ok(state.vms.keys().chain(state.rules.values().map(|rules| &rules.vm)).cloned().collect())
        })?;
        for vm in vms {
            self.world.claims.with(&vm, |claims| {
                self.host_event(host, |sim, state| sim.vm_forget(host, state, &vm))?;
                if claims.get(&vm).is_some_and(|claim| claim == host) {
                    claims.remove(&vm);
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// A host's cable is cut: it answers no more and its VMs go on running, which is the trap for high availability.
    pub fn cut_off(&self, host: &str) -> Result<(), DriverError> {
        self.host_event(host, |sim, state| sim.set_reachable(host, state, false))
    }

    /// The way from the servers to a host is cut, and its neighbours still see it.
    pub fn hide(&self, host: &str) -> Result<(), DriverError> {
        self.host_event(host, |sim, state| {
            sim.set_reachable(host, state, false)?;
            let record = HostRecord { seen: true, ..state.record.clone() };
            sim.note(&Record::Host { host: Borrowed(host), record: Borrowed(&record) })?;
            state.record = record;
            Ok(())
        })
    }

    /// A crashed or cut-off host answers again.
    pub fn revive(&self, host: &str) -> Result<(), DriverError> {
        self.host_event(host, |sim, state| sim.set_reachable(host, state, true))
    }

    /// A guest halts by itself: its VM is seen as defined and off.
    pub fn guest_halt(&self, host: &str, vm: &str) -> Result<(), DriverError> {
        self.world.claims.with(vm, |claims| {
            self.host_event(host, |sim, state| {
                let there = state.vms.get(vm).ok_or_else(|| DriverError::Missing(format!("VM {vm} on host {host}")))?;
                let mut halted = there.clone();
                halted.state = PowerState::Off;
                sim.note(&Record::Vm { host: Borrowed(host), vm: Borrowed(&halted) })?;
                state.put(halted);
                Ok(())
            })?;
            if claims.get(vm).is_some_and(|claim| claim == host) {
                claims.remove(vm);
            }
            Ok(())
        })
    }

    fn host_event<T>(&self, host: &str, work: impl FnOnce(&Self, &mut HostState) -> Result<T, DriverError>) -> Result<T, DriverError> {
        self.world.hosts.with(host, |hosts| {
            let state = hosts.get_mut(host).ok_or_else(|| DriverError::Missing(format!("host {host}")))?;
            work(self, state)
        })
    }

    fn set_reachable(&self, host: &str, state: &mut HostState, reachable: bool) -> Result<(), DriverError> {
        let record = HostRecord { reachable, seen: false, ..state.record.clone() };
        self.note(&Record::Host { host: Borrowed(host), record: Borrowed(&record) })?;
        state.record = record;
        Ok(())
    }
}
