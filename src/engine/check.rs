//! What must hold at rest (model.md "Invariants"): read after every test, after every kill, and by `stratus admin check`.
use crate::Engine;
use crate::public_address::public_ranges;
use crate::template_fetch::DOWNLOADED;
use std::collections::{HashMap, HashSet};
use stratus_model::{Kind, Limit, Result, SnapshotState, VmState, VolumeState};
use stratus_store::{
    Account, Domain, Download, FirewallRule, HostCapacity, ImageStore, IpAddress, IpRange, Job, Network, Nic, Placement, Project,
    ProjectMember, Query, ResourceCount, Snapshot, StoragePool, Template, TemplateStore, User, UserCertificate, Vm, Vnet, Volume,
    VolumeStore,
};

impl Engine {
    /// Every broken invariant, a sentence each; empty when all holds. Jobs under way make passing states look broken: look at rest.
    pub async fn check(&self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        self.check_hosts(&mut found).await?;
        self.check_pools(&mut found).await?;
        self.check_counts(&mut found).await?;
        self.check_wires(&mut found).await?;
        self.check_states(&mut found).await?;
        self.check_public(&mut found).await?;
        self.check_affinity(&mut found).await?;
        self.check_nic_addresses(&mut found).await?;
        self.check_storage(&mut found).await?;
        self.check_projects(&mut found).await?;
        self.check_buckets(&mut found).await?;
        self.check_certificates(&mut found).await?;
        self.check_objects(&mut found).await?;
        Ok(found)
    }

    /// A live project has one owner, members and an account that live; nothing of a removed one is left.
    async fn check_projects(&self, found: &mut Vec<String>) -> Result<()> {
        let live = self.db.find::<Project>(Query::live()).await?;
        let accounts: HashSet<i64> = self.db.find::<Account>(Query::live()).await?.into_iter().map(|a| a.id).collect();
        let mut owners: HashMap<i64, usize> = live.iter().map(|p| (p.id, 0)).collect();
        for m in self.db.find::<ProjectMember>(Query::all()).await? {
            match owners.get_mut(&m.project_id) {
                Some(n) => *n += usize::from(m.role == crate::project::ADMIN_ROLE),
                None => found.push(format!("project {} is removed and has members", m.project_id)),
            }
            if !accounts.contains(&m.account_id) {
                found.push(format!("account {} is removed and in project {}", m.account_id, m.project_id));
            }
        }
        found.extend(live.iter().filter(|p| owners[&p.id] != 1).map(|p| format!("project {} has {} owners", p.uuid, owners[&p.id])));
        found.extend(live.iter().filter(|p| !accounts.contains(&p.account_id)).map(|p| format!("project {} has no account", p.uuid)));
        Ok(())
    }

    /// A host's used capacity is the sum of its placements; every placement is a live VM's that is on that host, and the other way round.
    async fn check_hosts(&self, found: &mut Vec<String>) -> Result<()> {
        let placements = self.db.find::<Placement>(Query::all()).await?;
        let mut sums: HashMap<i64, (i64, i64)> = HashMap::new();
        let mut guests: HashMap<i64, i64> = HashMap::new();
        for p in &placements {
            *guests.entry(p.host_id).or_default() += 1;
            let s = sums.entry(p.host_id).or_default();
            *s = (s.0 + p.cpu, s.1 + p.memory);
        }
        for c in self.db.find::<HostCapacity>(Query::all()).await? {
            let (cpu, memory) = sums.remove(&c.host_id).unwrap_or_default();
            let here = guests.remove(&c.host_id).unwrap_or(0);
            if here != c.guests {
                found.push(format!("host {}: {} guests counted, {here} have a place", c.host_id, c.guests));
            }
            if (cpu, memory) != (c.cpu_used, c.memory_used) {
                found.push(format!(
                    "host {}: {} MHz and {} bytes used, its placements are {cpu} and {memory}",
                    c.host_id, c.cpu_used, c.memory_used
                ));
            }
        }
        found.extend(sums.keys().map(|h| format!("host {h} has placements and no capacity")));
        let placed: HashMap<i64, i64> = placements.iter().map(|p| (p.vm_id, p.host_id)).collect();
        for vm in self.db.find::<Vm>(Query::live()).await? {
            let here = vm.vm_state().holds_host().then_some(vm.host_id).flatten();
            if placed.get(&vm.id).copied() != here {
                found.push(format!("vm {} ({}) is on host {here:?} and placed on {:?}", vm.uuid, vm.state, placed.get(&vm.id)));
            }
        }
        Ok(())
    }

    /// A pool's used bytes are the sum of its volumes.
    async fn check_pools(&self, found: &mut Vec<String>) -> Result<()> {
        let mut sums: HashMap<i64, i64> = HashMap::new();
        for v in self.db.find::<Volume>(Query::live()).await? {
            if let Some(pool) = v.pool_id {
                *sums.entry(pool).or_default() += v.size_bytes;
            }
            if v.state == "Ready" && v.pool_id.is_none() {
                found.push(format!("volume {} is Ready and has no pool", v.uuid));
            }
        }
        for p in self.db.find::<StoragePool>(Query::live()).await? {
            let sum = sums.remove(&p.id).unwrap_or(0);
            if sum != p.used_bytes {
                found.push(format!("pool {}: {} bytes used, its volumes are {sum}", p.uuid, p.used_bytes));
            }
        }
        Ok(())
    }

    /// What accounts and domains count is what they have.
    async fn check_counts(&self, found: &mut Vec<String>) -> Result<()> {
        let mut have: HashMap<(i64, i64), i64> = HashMap::new();
        for vm in self.db.find::<Vm>(Query::live()).await? {
            if !matches!(vm.vm_state(), VmState::Destroyed | VmState::Error | VmState::Expunging) {
                for (limit, n) in crate::vm::counted(&vm) {
                    *have.entry((vm.account_id, limit.number())).or_default() += n;
                }
            }
        }
        for v in self.db.find::<Volume>(Query::live()).await? {
            *have.entry((v.account_id, Limit::Volume.number())).or_default() += 1;
            *have.entry((v.account_id, Limit::PrimaryStorage.number())).or_default() += v.size_bytes;
        }
        let taken = Query::all().ne("state", "Free").eq("is_system", false);
        for a in self.db.find::<IpAddress>(taken.key_in::<IpRange>("range_id", "id", public_ranges())).await? {
            *have.entry((a.account_id.unwrap_or(0), Limit::PublicIp.number())).or_default() += 1;
        }
        for (account, limit, n) in self.kept().await? {
            *have.entry((account, limit.number())).or_default() += n;
        }
        let accounts = self.db.find::<Account>(Query::live()).await?;
        let paths: HashMap<i64, String> = self.db.find::<Domain>(Query::all()).await?.into_iter().map(|d| (d.id, d.path)).collect();
        let machines = [Limit::Vm, Limit::PublicIp, Limit::Cpu, Limit::Memory];
        let disks = [Limit::Volume, Limit::PrimaryStorage, Limit::Snapshot, Limit::Template, Limit::SecondaryStorage];
        let checked = machines.into_iter().chain(disks).map(Limit::number);
        for c in self.db.find::<ResourceCount>(Query::all().within("resource", checked)).await? {
            let sum = match c.owner_kind.as_str() {
                "account" => have.get(&(c.owner_id, c.resource)).copied().unwrap_or(0),
                _ => {
                    let Some(path) = paths.get(&c.owner_id) else { continue };
                    let below = accounts.iter().filter(|a| paths.get(&a.domain_id).is_some_and(|p| p.starts_with(path.as_str())));
                    below.filter_map(|a| have.get(&(a.id, c.resource))).sum()
                }
            };
            if sum != c.used {
                found.push(format!("{} {} counts {} of resource {} and has {sum}", c.owner_kind, c.owner_id, c.used, c.resource));
            }
        }
        Ok(())
    }

    /// Each address, MAC and VLAN number belongs to exactly one live thing.
    async fn check_wires(&self, found: &mut Vec<String>) -> Result<()> {
        let nics = self.db.find::<Nic>(Query::live()).await?;
        let mut macs = HashSet::new();
        for n in &nics {
            if !macs.insert((n.network_id, n.mac.clone())) {
                found.push(format!("MAC {} is on two NICs of one network", n.mac));
            }
        }
        let live: HashMap<i64, &Nic> = nics.iter().map(|n| (n.id, n)).collect();
        let mut held: HashMap<i64, String> = HashMap::new();
        for a in self.db.find::<IpAddress>(Query::all().eq("state", "Allocated").not_null("nic_id")).await? {
            let nic = a.nic_id.unwrap_or(0);
            if live.get(&nic).is_none_or(|n| n.ip4.as_deref() != Some(a.address.as_str())) {
                found.push(format!("address {} is allocated to NIC {nic}, which does not have it", a.address));
            }
            held.insert(nic, a.address);
        }
        found.extend(
            nics.iter()
                .filter(|n| n.ip4.is_some() && !held.contains_key(&n.id))
                .map(|n| format!("NIC {} has an address that is free", n.uuid)),
        );
        let networks = self.db.find::<Network>(Query::live().eq("state", "Implemented").eq("guest_type", "Isolated")).await?;
        let vnets: HashSet<Option<i64>> = self.db.find::<Vnet>(Query::all()).await?.into_iter().map(|v| Some(v.network_id)).collect();
        found.extend(
            networks.iter().filter(|n| n.vlan.is_none() && !vnets.contains(&Some(n.id))).map(|n| format!("network {} has no vnet", n.uuid)),
        );
        Ok(())
    }

    /// A certificate that lets somebody in is registered for a user who is there.
    async fn check_certificates(&self, found: &mut Vec<String>) -> Result<()> {
        let users: HashSet<i64> = self.db.find::<User>(Query::live()).await?.into_iter().map(|u| u.id).collect();
        for c in self.db.find::<UserCertificate>(Query::all().not_null("live_fingerprint")).await? {
            if c.removed.is_some() || !users.contains(&c.user_id) {
                found.push(format!("certificate {} still lets in and is removed, or its user is", c.uuid));
            }
        }
        Ok(())
    }

    /// Nothing rests in a passing state without a job, no device number is taken twice, nothing live refers to something removed.
    async fn check_states(&self, found: &mut Vec<String>) -> Result<()> {
        let pending = self.db.find::<Job>(Query::live().eq("status", 0)).await?;
        let busy: HashSet<i64> =
            pending.iter().filter(|j| j.instance_type.as_deref() == Some("VirtualMachine")).filter_map(|j| j.instance_id).collect();
        found.extend(pending.iter().filter(|j| j.server_id.is_none()).map(|j| format!("job {} is pending and has no owner", j.uuid)));
        let vms = self.db.find::<Vm>(Query::live()).await?;
        for vm in &vms {
            if vm.vm_state().is_passing() && !busy.contains(&vm.id) {
                found.push(format!("vm {} is {} and has no job", vm.uuid, vm.state));
            }
        }
        let live: HashSet<i64> = vms.iter().map(|v| v.id).collect();
        let mut devices = HashSet::new();
        for v in self.db.find::<Volume>(Query::live().not_null("vm_id")).await? {
            if !devices.insert((v.vm_id, v.device_id)) {
                found.push(format!("volume {} has the device number of another disk", v.uuid));
            }
            if !v.vm_id.is_some_and(|id| live.contains(&id)) {
                found.push(format!("volume {} is attached to a VM that is removed", v.uuid));
            }
        }
        Ok(())
    }

    /// A public address is one account's or free; one that stands for a VM stands for a live NIC that has the address, alone; rules are
    /// on addresses that stand for a VM; routers know all of it.
    async fn check_public(&self, found: &mut Vec<String>) -> Result<()> {
        let pending = self.db.find::<Job>(Query::live().eq("status", 0)).await?;
        let busy: HashSet<i64> =
            pending.iter().filter(|j| j.instance_type.as_deref() == Some("IpAddress")).filter_map(|j| j.instance_id).collect();
        let rows = self.db.find::<IpAddress>(Query::all().key_in::<IpRange>("range_id", "id", public_ranges())).await?;
        let nics = self.db.by_ids::<Nic>(rows.iter().filter_map(|a| a.nat_nic_id)).await?;
        let vms = self.db.by_ids::<Vm>(rows.iter().filter_map(|a| a.vm_id)).await?;
        let further = self.nic_addresses(&nics.keys().copied().collect::<Vec<_>>()).await?;
        let has = |n: &Nic, ip: &Option<String>| {
            n.ip4 == *ip || further.get(&n.id).is_some_and(|all| all.iter().any(|f| Some(&f.address) == ip.as_ref()))
        };
        let (mut taken, mut targets) = (HashSet::new(), HashSet::new());
        for a in &rows {
            let free = a.state == "Free";
            if free != a.account_id.is_none() || (free && (a.static_nat || a.vm_id.is_some() || a.associated_network_id.is_some())) {
                found.push(format!("public address {} is {} with owner {:?} and VM {:?}", a.address, a.state, a.account_id, a.vm_id));
            }
            if !free && !taken.insert((a.zone_id, a.address.as_str())) {
                found.push(format!("public address {} is taken twice", a.address));
            }
            if matches!(a.state.as_str(), "Allocating" | "Releasing") && !busy.contains(&a.id) {
                found.push(format!("public address {} is {} and has no job", a.address, a.state));
            }
            if !a.static_nat {
                continue;
            }
            let nic =
                a.nat_nic_id.and_then(|n| nics.get(&n)).filter(|n| n.removed.is_none() && has(n, &a.guest_ip) && Some(n.vm_id) == a.vm_id);
            let vm = a.vm_id.and_then(|v| vms.get(&v)).filter(|v| v.removed.is_none() && Some(v.account_id) == a.account_id);
            if nic.is_none() || vm.is_none_or(|v| matches!(v.vm_state(), VmState::Destroyed | VmState::Expunging)) {
                found.push(format!("public address {} stands for NIC {:?}, which is not there", a.address, a.nat_nic_id));
            }
            if !targets.insert((a.nat_nic_id, a.guest_ip.as_deref())) {
                found.push(format!("NIC {:?} has more than one public address", a.nat_nic_id));
            }
        }
        let standing: HashSet<i64> = rows.iter().filter(|a| a.static_nat).map(|a| a.id).collect();
        let rules = self.db.find::<FirewallRule>(Query::live()).await?;
        found.extend(
            rules.iter().filter(|r| !standing.contains(&r.ip_address_id)).map(|r| format!("rule {} is on no static NAT address", r.uuid)),
        );
        found.extend(self.public_behind().await?.iter().map(|n| format!("the router of network {n} was not told of all public addresses")));
        Ok(())
    }

    /// What accounts keep on image stores: (account, resource, how much).
    async fn kept(&self) -> Result<Vec<(i64, Limit, i64)>> {
        let mut kept = Vec::new();
        for s in self.db.find::<Snapshot>(Query::live()).await? {
            let counts = SnapshotState::from_word(&s.state).is_some_and(SnapshotState::counts);
            kept.push((s.account_id, Limit::Snapshot, i64::from(counts)));
            kept.push((s.account_id, Limit::SecondaryStorage, s.physical_bytes));
        }
        let templates = self.db.find::<Template>(Query::live().without("template_type", ["BUILTIN", "SYSTEM"])).await?;
        let owners: HashMap<i64, i64> = templates.into_iter().map(|t| (t.id, t.account_id)).collect();
        kept.extend(owners.values().map(|account| (*account, Limit::Template, 1)));
        for at in self.db.find::<TemplateStore>(Query::live().eq("state", DOWNLOADED)).await? {
            kept.extend(owners.get(&at.template_id).map(|account| (*account, Limit::SecondaryStorage, at.physical_bytes)));
        }
        let uploaded = self.db.find::<VolumeStore>(Query::live().eq("state", DOWNLOADED)).await?;
        let volumes = self.db.by_ids::<Volume>(uploaded.iter().map(|u| u.volume_id)).await?;
        for at in uploaded {
            kept.extend(volumes.get(&at.volume_id).map(|v| (v.account_id, Limit::SecondaryStorage, at.physical_bytes)));
        }
        Ok(kept)
    }

    /// What a row says is on an image store is there, and nothing else is; stores that cannot list are believed.
    async fn check_objects(&self, found: &mut Vec<String>) -> Result<()> {
        let (ready, live) = (|| Query::live().eq("state", DOWNLOADED), Query::live());
        let places = self.db.find::<TemplateStore>(live.clone()).await?;
        let templates = self.db.by_ids::<Template>(places.iter().map(|p| p.template_id)).await?;
        let uploads = self.db.find::<VolumeStore>(ready()).await?;
        let volumes = self.db.by_ids::<Volume>(uploads.iter().map(|u| u.volume_id)).await?;
        let snapshots = self.db.find::<Snapshot>(live.clone().not_null("store_id")).await?;
        let downloads = self.db.find::<Download>(live.clone().eq("own_object", true)).await?;
        for store in self.db.find::<ImageStore>(live).await? {
            let Ok(driver) = self.image_driver(&store).await else { continue };
            let Ok(there) = driver.list(&store.uuid).await else { continue };
            let (mut may, mut must) = (HashSet::new(), HashSet::new());
            for p in places.iter().filter(|p| p.store_id == store.id) {
                let Some(t) = templates.get(&p.template_id) else { continue };
                if p.state == DOWNLOADED {
                    must.insert(t.uuid.as_str())
                } else {
                    may.insert(t.uuid.as_str())
                };
            }
            must.extend(
                uploads.iter().filter(|u| u.store_id == store.id).filter_map(|u| volumes.get(&u.volume_id)).map(|v| v.uuid.as_str()),
            );
            for s in snapshots.iter().filter(|s| s.store_id == Some(store.id)) {
                if s.state == SnapshotState::BackedUp.word() {
                    must.insert(s.uuid.as_str())
                } else {
                    may.insert(s.uuid.as_str())
                };
            }
            must.extend(downloads.iter().filter(|d| d.store_id == store.id).map(|d| d.object.as_str()));
            let has: HashSet<&str> = there.iter().map(String::as_str).collect();
            found.extend(must.difference(&has).map(|o| format!("object {o} is not on image store {}", store.uuid)));
            let stray = has.iter().filter(|o| !must.contains(*o) && !may.contains(*o));
            found.extend(stray.map(|o| format!("image store {} has {o}, which nothing here knows", store.uuid)));
        }
        Ok(())
    }

    /// A snapshot has a volume's row and, once it is backed up, a store; no snapshot or volume rests in a passing state without a job.
    async fn check_storage(&self, found: &mut Vec<String>) -> Result<()> {
        let pending = self.db.find::<Job>(Query::live().eq("status", 0)).await?;
        let on = |kind: Kind| pending.iter().filter(move |j| j.instance_type.as_deref() == Some(kind.instance_type()));
        let snapshots_busy: HashSet<i64> = on(Kind::Snapshot).filter_map(|j| j.instance_id).collect();
        let queues: HashSet<&str> = pending.iter().map(|j| j.queue.as_str()).collect();
        let snapshots = self.db.find::<Snapshot>(Query::live()).await?;
        let volumes = self.db.by_ids::<Volume>(snapshots.iter().map(|s| s.volume_id)).await?;
        let stores = self.db.by_ids::<ImageStore>(snapshots.iter().filter_map(|s| s.store_id)).await?;
        for s in &snapshots {
            match SnapshotState::from_word(&s.state) {
                Some(SnapshotState::BackedUp) if !s.store_id.is_some_and(|id| stores.contains_key(&id)) => {
                    found.push(format!("snapshot {} is BackedUp and on no store", s.uuid));
                }
                Some(state) if state.is_passing() && !snapshots_busy.contains(&s.id) => {
                    found.push(format!("snapshot {} is {state} and has no job", s.uuid));
                }
                None => found.push(format!("snapshot {} has the state {}, which there is not", s.uuid, s.state)),
                _ => {}
            }
            if !volumes.contains_key(&s.volume_id) {
                found.push(format!("snapshot {} is of a volume that never was", s.uuid));
            }
        }
        for v in self.db.find::<Volume>(Query::live()).await? {
            let passing = VolumeState::from_word(&v.state).is_none_or(VolumeState::is_passing);
            let uploads = v.state == VolumeState::UploadOp.word() && !pending.iter().any(|j| j.command == "uploadVolume");
            if uploads {
                found.push(format!("volume {} is {} and no job uploads it", v.uuid, v.state));
            }
            if passing && !queues.contains(crate::jobs::queue_of(Kind::Volume, v.id).as_str()) {
                found.push(format!("volume {} is {} and has no job", v.uuid, v.state));
            }
        }
        Ok(())
    }
}
