//! Carries the rules of security groups to the hosts that filter packets.
//!
//! A NIC's whole set goes at once, with the sum of its groups' sequences: reading those before the rules makes a later sum never
//! older. Rules name other groups by uuid; who is in those comes to a host by `group_members.rs`.
//!
//! Rules go ahead of guests: a host has them before a VM boots, arrives or gets a NIC there, and one that does not take them gets
//! no guest. A change that a host does not take later is noted, and the host is told everything with its next sign of life.
use crate::Engine;
use crate::group_members::{push_members, tell_members};
use crate::vm_start::{from_driver, nic_spec};
use futures::{FutureExt, StreamExt};
use std::collections::{BTreeMap, HashMap, HashSet};
use stratus_drivers::{GroupRule, NicRules, Registry};
use stratus_model::Result;
use stratus_store::{Db, Host, Network, Nic, OfferingService, Query, SecurityGroup, SecurityGroupMember, SecurityGroupRule, Vm};

/// The provider that filters.
pub(crate) const PROVIDER: &str = "SecurityGroupProvider";

/// Pushes at the same time.
const AT_ONCE: usize = 32;

/// Of which of the groups that its rules name a VM's new host is told the members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Members {
    /// Of those that the VM is not in. Its own groups' members are carried to all who allow them once it runs, for many VMs at once;
    /// told for each, a thousand starts in one group would cost a thousand times the group.
    Others,
    /// Of all: the guest's connections go on at the new host.
    All,
}

impl Engine {
    /// Gives a VM that has a host its rules; hosts of those who allow its groups learn of it a moment later. Without a host: nothing.
    pub async fn group_rules_apply(&self, vm: &Vm) -> Result<()> {
        if vm.host_id.is_none() {
            return Ok(());
        }
        self.push(vec![vm.clone()]).await?;
        self.group_arrival(vm.id).await
    }

    /// Says that a VM has come, to hosts of those who allow its groups: a moment later.
    pub(crate) async fn group_arrival(&self, vm: i64) -> Result<()> {
        let members = self.db.find::<SecurityGroupMember>(Query::all().eq("vm_id", vm)).await?;
        self.group_members_changed(members.into_iter().map(|m| m.group_id));
        Ok(())
    }

    /// Gives a host the rules of a VM that is about to run there, or to get a NIC there.
    ///
    /// # Errors
    /// The host does not take them: then it must not have the guest either.
    pub(crate) async fn group_rules_ahead(&self, vm: &Vm, host: &Host, members: Members) -> Result<()> {
        let vms = [Vm { host_id: Some(host.id), ..vm.clone() }];
        let world = World::read(&self.db, &vms).await?;
        let own = world.groups.get(&vm.id);
        let known = |group: &i64| members == Members::Others && own.is_some_and(|own| own.contains(group));
        for group in world.allowed.keys().filter(|group| !known(group)) {
            tell_members(&self.db, &self.drivers, host, *group).await?;
        }
        let answers = world.tell(&self.drivers, &vms, &HashMap::from([(host.id, host.clone())])).await;
        answers.into_iter().try_for_each(|(_, answer)| answer)
    }

    /// Tells a host everything about the guests that it has: it was away, or did not take a change.
    pub(crate) async fn host_filter(&self, host: &Host) -> Result<()> {
        let vms = self.db.find::<Vm>(Query::live().eq("host_id", host.id)).await?;
        let world = World::read(&self.db, &vms).await?;
        for group in world.allowed.keys() {
            if let Err(e) = tell_members(&self.db, &self.drivers, host, *group).await {
                self.group_changes.missed(&host.uuid);
                return Err(e);
            }
        }
        self.push(vms).await
    }

    /// The same where a failure is only to be logged: it is noted, and tried again.
    pub(crate) async fn host_refilter(&self, host: &Host) {
        if let Err(e) = self.host_filter(host).await {
            tracing::warn!(host = host.id, error = %e, "a host did not take the rules of its guests");
        }
    }

    /// Gives the members of a group whose rules changed their new ones. What a host does not take is logged: the rule stands, and
    /// the host is told again.
    pub(crate) async fn group_changed(&self, group: i64) -> Result<()> {
        let rules = self.group_rules(&[group]).await?;
        let allowed: HashSet<i64> = rules.iter().filter_map(|r| r.allowed_group_id).collect();
        if let Err(e) = push_members(&self.db, &self.drivers, &self.group_changes, allowed).await {
            tracing::warn!(error = %e, "a host did not take the members of a security group");
        }
        let members = Query::all().eq("group_id", group);
        let vms = self.db.find::<Vm>(Query::live().not_null("host_id").id_in::<SecurityGroupMember>("vm_id", members)).await?;
        if let Err(e) = self.push(vms).await {
            tracing::warn!(error = %e, "a host did not take the rules of a security group");
        }
        Ok(())
    }

    /// Pushes to VMs; tries all of them and answers with the first failure, which is noted.
    async fn push(&self, vms: Vec<Vm>) -> Result<()> {
        let hosts = self.db.by_ids::<Host>(vms.iter().filter_map(|v| v.host_id)).await?;
        let world = World::read(&self.db, &vms).await?;
        let answers = world.tell(&self.drivers, &vms, &hosts).await;
        let failed = answers.iter().filter(|(_, answer)| answer.is_err());
        failed.for_each(|(host, _)| self.group_changes.missed(host));
        answers.into_iter().try_for_each(|(_, answer)| answer)
    }
}

/// What rule sets are built from, read in a handful of queries however many VMs there are.
struct World {
    /// Groups of each VM, sorted.
    groups: HashMap<i64, Vec<i64>>,
    sequences: HashMap<i64, i64>,
    /// Groups that let nothing out when no rule says so.
    closed: HashSet<i64>,
    rules: Vec<SecurityGroupRule>,
    /// Uuids of the groups that rules allow.
    allowed: HashMap<i64, String>,
    /// NICs in networks that filter, by VM.
    nics: HashMap<i64, Vec<Nic>>,
}

impl World {
    async fn read(db: &Db, vms: &[Vm]) -> Result<Self> {
        let mut groups: HashMap<i64, Vec<i64>> = HashMap::new();
        for m in find_in::<SecurityGroupMember>(db, Query::all(), "vm_id", vms.iter().map(|v| v.id)).await? {
            groups.entry(m.vm_id).or_default().push(m.group_id);
        }
        groups.values_mut().for_each(|g| g.sort_unstable());
        let ids: HashSet<i64> = groups.values().flatten().copied().collect();
        let rows = db.by_ids::<SecurityGroup>(ids.iter().copied()).await?;
        let closed = rows.values().filter(|g| g.egress_closed).map(|g| g.id).collect();
        let sequences = rows.into_iter().map(|(id, g)| (id, g.sequence)).collect();
        let rules = find_in::<SecurityGroupRule>(db, Query::all(), "group_id", ids).await?;
        let allowed = db.by_ids::<SecurityGroup>(rules.iter().filter_map(|r| r.allowed_group_id)).await?;
        let allowed = allowed.into_iter().map(|(id, g)| (id, g.uuid)).collect();
        let nics = filtered_nics(db, groups.keys().copied()).await?;
        Ok(Self { groups, sequences, closed, rules, allowed, nics })
    }

    /// Gives each VM's host the rule sets of its NICs; every host's answer.
    async fn tell(&self, drivers: &Registry, vms: &[Vm], hosts: &HashMap<i64, Host>) -> Vec<(String, Result<()>)> {
        let mut sets = Vec::new();
        for (groups, vms) in self.alike(vms) {
            let (sequence, rules) = self.rules(&groups);
            for vm in vms {
                let Some(host) = vm.host_id.and_then(|h| hosts.get(&h)) else { continue };
                for nic in self.nics.get(&vm.id).into_iter().flatten() {
                    let set = NicRules { vm: vm.instance_name.clone(), nic: nic_spec(nic), sequence, rules: rules.clone() };
                    let Some(driver) = drivers.network_for(&host.hypervisor, PROVIDER) else { continue };
                    let host = host.uuid.clone();
                    sets.push(
                        async move {
                            let answer = driver.apply_rules(&host, &set).await.map_err(from_driver);
                            (host, answer)
                        }
                        .boxed(),
                    );
                }
            }
        }
        futures::stream::iter(sets).buffer_unordered(AT_ONCE).collect().await
    }

    /// VMs by the groups they are in: those of one set of groups have the same rules.
    fn alike<'v>(&self, vms: &'v [Vm]) -> BTreeMap<Vec<i64>, Vec<&'v Vm>> {
        let mut sets: BTreeMap<Vec<i64>, Vec<&Vm>> = BTreeMap::new();
        for vm in vms {
            if let Some(groups) = self.groups.get(&vm.id) {
                sets.entry(groups.clone()).or_default().push(vm);
            }
        }
        sets
    }

    /// Sequence and rules of who is in these groups. One of them that has no egress rule and is not closed lets everything out, whatever
    /// the others allow: a group only adds.
    fn rules(&self, groups: &[i64]) -> (i64, Vec<GroupRule>) {
        let sequence = groups.iter().filter_map(|g| self.sequences.get(g)).sum();
        let mut rules: Vec<GroupRule> = Vec::new();
        let mine = self.rules.iter().filter(|r| groups.contains(&r.group_id));
        let mut filtered: HashSet<i64> = HashSet::new();
        for r in mine {
            if r.direction == "egress" {
                filtered.insert(r.group_id);
            }
            let cidrs: Vec<String> = r.cidr.iter().cloned().collect();
            let groups: Vec<String> = r.allowed_group_id.and_then(|g| self.allowed.get(&g)).into_iter().cloned().collect();
            if cidrs.is_empty() && groups.is_empty() {
                continue;
            }
            let number = |n: i64| i32::try_from(n).unwrap_or(-1);
            rules.push(GroupRule {
                ingress: r.direction == "ingress",
                protocol: r.protocol.clone(),
                first: number(r.first),
                last: number(r.last),
                cidrs,
                groups,
            });
        }
        if groups.iter().any(|g| !self.closed.contains(g) && !filtered.contains(g)) {
            rules.push(GroupRule {
                ingress: false,
                protocol: "all".into(),
                first: -1,
                last: -1,
                cidrs: vec!["0.0.0.0/0".into()],
                groups: Vec::new(),
            });
        }
        (sequence, rules)
    }
}

async fn find_in<T: stratus_store::Table>(db: &Db, q: Query, column: &'static str, ids: impl IntoIterator<Item = i64>) -> Result<Vec<T>> {
    let ids: Vec<i64> = ids.into_iter().collect();
    let mut rows = Vec::new();
    for chunk in ids.chunks(1000) {
        rows.extend(db.find::<T>(q.clone().within(column, chunk.iter().copied())).await?);
    }
    Ok(rows)
}

/// The NICs of VMs in networks whose offering has the SecurityGroup service.
async fn filtered_nics(db: &Db, vms: impl Iterator<Item = i64>) -> Result<HashMap<i64, Vec<Nic>>> {
    let nics = find_in::<Nic>(db, Query::live(), "vm_id", vms).await?;
    let networks = db.by_ids::<Network>(nics.iter().map(|n| n.network_id)).await?;
    let q = Query::all().eq("service", "SecurityGroup").within("offering_id", networks.values().map(|n| n.offering_id));
    let offerings: HashSet<i64> = db.find::<OfferingService>(q).await?.into_iter().map(|s| s.offering_id).collect();
    let mut by_vm: HashMap<i64, Vec<Nic>> = HashMap::new();
    for nic in nics {
        if networks.get(&nic.network_id).is_some_and(|n| offerings.contains(&n.offering_id)) {
            by_vm.entry(nic.vm_id).or_default().push(nic);
        }
    }
    Ok(by_vm)
}
