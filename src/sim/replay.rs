//! From records to tables and back.
use crate::world::{FORMAT, Net, Record, World, drop_rules, put_host};
use std::borrow::Cow::{self, Borrowed};
use std::io::Error;
use stratus_drivers::PowerState;

impl World {
    /// Takes one record of the journal in.
    pub fn apply(&mut self, record: Record<'static>) -> Result<(), String> {
        match record {
            Record::Format(FORMAT) => {}
            Record::Format(other) => return Err(format!("format {other} is not one that this version reads")),
            Record::DoubleStarts(count) => self.double_starts = self.double_starts.max(count),
            Record::Host { .. } | Record::HostGone { .. } | Record::Vm { .. } | Record::VmMoved { .. } | Record::VmGone { .. } => {
                return self.apply_host(record);
            }
            Record::Rules { .. } | Record::Members { .. } => return self.apply_host(record),
            Record::Net { .. } | Record::NetGone { .. } | Record::Lease { .. } | Record::LeaseGone { .. } | Record::Public { .. } => {
                return self.apply_network(record);
            }
            _ => return self.apply_storage(record),
        }
        Ok(())
    }

    fn apply_host(&self, record: Record<'static>) -> Result<(), String> {
        let on = |host: &str, work: &mut dyn FnMut(&mut crate::world::HostState)| {
            self.hosts.with(host, |hosts| hosts.get_mut(host).map(work)).ok_or_else(|| format!("host {host} is not known"))
        };
        match record {
            Record::Host { host, record } => self.hosts.with(&host, |hosts| put_host(hosts, &host, record.into_owned())),
            Record::HostGone { host } => self.hosts.with(&host, |hosts| drop(hosts.remove(&*host))),
            Record::Vm { host, vm } => {
                let (name, runs) = (vm.spec.name.clone(), vm.state == PowerState::On);
                on(&host, &mut |state| state.put((*vm).clone()))?;
                self.claims.with(&name, |claims| {
                    if runs {
                        claims.insert(name.clone(), host.into_owned());
                    } else if claims.get(&name).is_some_and(|claim| *claim == host) {
                        claims.remove(&name);
                    }
                });
            }
            Record::VmMoved { from, to, vm } => {
                let name = vm.spec.name.clone();
                on(&to, &mut |state| state.put((*vm).clone()))?;
                on(&from, &mut |state| {
                    state.take(&name);
                    drop_rules(state, &name);
                })?;
                self.claims.with(&name, |claims| drop(claims.insert(name.clone(), to.into_owned())));
            }
            Record::VmGone { host, vm } => {
                on(&host, &mut |state| {
                    state.take(&vm);
                    drop_rules(state, &vm);
                })?;
                self.claims.with(&vm, |claims| {
                    if claims.get(&*vm).is_some_and(|claim| *claim == host) {
                        claims.remove(&*vm);
                    }
                });
            }
            Record::Rules { host, rules } => {
                on(&host, &mut |state| drop(state.rules.insert(rules.nic.uuid.clone(), (*rules).clone())))?;
            }
            Record::Members { host, members } => {
                on(&host, &mut |state| drop(state.members.insert(members.group.clone(), (*members).clone())))?;
            }
            _ => {}
        }
        Ok(())
    }

    fn apply_storage(&self, record: Record<'static>) -> Result<(), String> {
        let on_pool = |pool: &str, work: &mut dyn FnMut(&mut crate::world::Pool)| {
            self.pools.with(pool, |pools| pools.get_mut(pool).map(work)).ok_or_else(|| format!("pool {pool} is not known"))
        };
        let on_store = |store: &str, work: &mut dyn FnMut(&mut crate::world::Store)| {
            self.stores.with(store, |stores| stores.get_mut(store).map(work)).ok_or_else(|| format!("store {store} is not known"))
        };
        match record {
            Record::Pool { pool, total } => self.pools.with(&pool, |pools| pools.entry(pool.to_string()).or_default().total = total),
            Record::PoolGone { pool } => self.pools.with(&pool, |pools| drop(pools.remove(&*pool))),
            Record::Disk { pool, path, disk } => on_pool(&pool, &mut |state| state.put(&path, (*disk).clone()))?,
            Record::DiskGone { pool, path } => on_pool(&pool, &mut |state| drop(state.take(&path)))?,
            Record::TemplateCopy { pool, template, copy } => on_pool(&pool, &mut |state| state.put_template(&template, (*copy).clone()))?,
            Record::TemplateCopyGone { pool, template } => on_pool(&pool, &mut |state| drop(state.take_template(&template)))?,
            Record::Store { store, total } => {
                self.stores.with(&store, |stores| stores.entry(store.to_string()).or_default().total = total);
            }
            Record::Object { store, object, is } => {
                on_store(&store, &mut |state| state.put(&object, (*is).clone()))?;
            }
            Record::ObjectGone { store, object } => on_store(&store, &mut |state| drop(state.take(&object)))?,
            _ => {}
        }
        Ok(())
    }

    fn apply_network(&self, record: Record<'static>) -> Result<(), String> {
        let on = |network: &str, work: &mut dyn FnMut(&mut Net)| {
            self.networks.with(network, |nets| nets.get_mut(network).map(work)).ok_or_else(|| format!("network {network} is not known"))
        };
        match record {
            Record::Net { spec } => {
                let uuid = spec.uuid.clone();
                self.networks.with(&uuid, |nets| match nets.get_mut(&uuid) {
                    Some(net) => net.spec = spec.into_owned(),
                    None => drop(nets.insert(uuid.clone(), Net::new(spec.into_owned()))),
                });
            }
            Record::NetGone { network } => self.networks.with(&network, |nets| drop(nets.remove(&*network))),
            Record::Lease { network, nic, lease } => on(&network, &mut |net| net.put(&nic, (*lease).clone()))?,
            Record::LeaseGone { network, nic } => on(&network, &mut |net| net.take(&nic))?,
            Record::Public { network, set } => on(&network, &mut |net| net.public = (*set).clone())?,
            _ => {}
        }
        Ok(())
    }

    /// Writes the whole world as records, containers before what is in them.
    pub fn dump(&self, put: &mut dyn FnMut(Record<'_>) -> Result<(), Error>) -> Result<(), Error> {
        // The visits cannot be stopped half-way, so the first error is kept and the rest is not written.
        let mut outcome = put(Record::DoubleStarts(self.double_starts));
        let mut put = |record: Record<'_>| {
            if outcome.is_ok() {
                outcome = put(record);
            }
        };
        self.hosts.each(|host, state| {
            let host = Borrowed(host);
            put(Record::Host { host: host.clone(), record: Borrowed(&state.record) });
            state.vms.values().for_each(|vm| put(Record::Vm { host: host.clone(), vm: Borrowed(vm) }));
            state.rules.values().for_each(|rules| put(Record::Rules { host: host.clone(), rules: Borrowed(rules) }));
            state.members.values().for_each(|members| put(Record::Members { host: host.clone(), members: Borrowed(members) }));
        });
        self.pools.each(|pool, state| {
            let pool = Borrowed(pool);
            put(Record::Pool { pool: pool.clone(), total: state.total });
            for (path, disk) in &state.disks {
                put(Record::Disk { pool: pool.clone(), path: Borrowed(path), disk: Borrowed(disk) });
            }
            for (template, copy) in &state.templates {
                put(Record::TemplateCopy { pool: pool.clone(), template: Borrowed(template), copy: Borrowed(copy) });
            }
        });
        self.stores.each(|store, state| {
            let store: Cow<'_, str> = Borrowed(store);
            put(Record::Store { store: store.clone(), total: state.total });
            for (object, is) in &state.objects {
                put(Record::Object { store: store.clone(), object: Borrowed(object), is: Borrowed(is) });
            }
        });
        self.networks.each(|network, net| {
            put(Record::Net { spec: Borrowed(&net.spec) });
            for (nic, lease) in &net.leases {
                put(Record::Lease { network: Borrowed(network), nic: Borrowed(nic), lease: Borrowed(lease) });
            }
            if net.public != Default::default() {
                put(Record::Public { network: Borrowed(network), set: Borrowed(&net.public) });
            }
        });
        outcome
    }

    /// How many records the whole world is.
    pub fn len(&self) -> u64 {
        let mut count = 2;
        self.hosts.each(|_, state| count += 1 + state.vms.len() + state.rules.len() + state.members.len());
        self.pools.each(|_, pool| count += 1 + pool.disks.len() + pool.templates.len());
        self.stores.each(|_, store| count += 1 + store.objects.len());
        self.networks.each(|_, net| count += 2 + net.leases.len());
        count as u64
    }
}
