//! Carries the rules of security groups to the hosts that filter packets.
//!
//! A NIC's whole set goes at once, with the sum of its groups' sequences: reading those before the rules makes a later sum never
//! older. Rules name other groups by uuid; who is in those comes to a host by `group_members.rs`.
use crate::Engine;
use crate::group_members::push_members;
use futures::StreamExt;
use std::collections::{BTreeMap, HashMap, HashSet};
use stratus_drivers::{GroupRule, NicRules, NicSpec, Registry};
use stratus_model::{Error, Result};
use stratus_store::{Db, Host, Network, Nic, OfferingService, Query, SecurityGroup, SecurityGroupMember, SecurityGroupRule, Vm};

/// The provider that filters.
pub(crate) const PROVIDER: &str = "SecurityGroupProvider";

/// Pushes at the same time.
const AT_ONCE: usize = 32;

impl Engine {
    /// Gives a VM that has a host its rules; hosts of those who allow its groups learn of it a moment later. Without a host: nothing.
    pub async fn group_rules_apply(&self, vm: &Vm) -> Result<()> {
        if vm.host_id.is_none() {
            return Ok(());
        }
        push(&self.db, &self.drivers, vec![vm.clone()]).await?;
        let members = self.db.find::<SecurityGroupMember>(Query::all().eq("vm_id", vm.id)).await?;
        self.group_members_changed(members.into_iter().map(|m| m.group_id));
        Ok(())
    }

    /// Gives the members of a group whose rules changed their new ones. What a host does not take is logged: the rule stands, and
    /// the host gets the whole set with the next change or start.
    pub(crate) async fn group_changed(&self, group: i64) -> Result<()> {
        let rules = self.group_rules(&[group]).await?;
        let allowed: HashSet<i64> = rules.iter().filter_map(|r| r.allowed_group_id).collect();
        if let Err(e) = push_members(&self.db, &self.drivers, allowed).await {
            tracing::warn!(error = %e, "a host did not take the members of a security group");
        }
        push_all(&self.db, &self.drivers, Query::all().eq("group_id", group)).await
    }
}

/// Pushes to every VM with a host that fits a query over memberships; failures are logged.
async fn push_all(db: &Db, drivers: &Registry, members: Query) -> Result<()> {
    let q = Query::live().not_null("host_id").id_in::<SecurityGroupMember>("vm_id", members);
    let vms = db.find::<Vm>(q).await?;
    if let Err(e) = push(db, drivers, vms).await {
        tracing::warn!(error = %e, "a host did not take the rules of a security group");
    }
    Ok(())
}

/// Pushes to VMs; tries all of them and answers with the first failure.
async fn push(db: &Db, drivers: &Registry, vms: Vec<Vm>) -> Result<()> {
    let hosts = db.by_ids::<Host>(vms.iter().filter_map(|v| v.host_id)).await?;
    let world = World::read(db, &vms).await?;
    let mut sets = Vec::new();
    for (groups, vms) in world.alike(&vms) {
        let (sequence, rules) = world.rules(&groups);
        for vm in vms {
            let Some(host) = vm.host_id.and_then(|h| hosts.get(&h)) else { continue };
            for nic in world.nics.get(&vm.id).into_iter().flatten() {
                let set = NicRules { vm: vm.instance_name.clone(), nic: spec(nic), sequence, rules: rules.clone() };
                sets.push((host.hypervisor.clone(), host.uuid.clone(), set));
            }
        }
    }
    let answers = futures::stream::iter(sets)
        .map(|(hypervisor, host, set)| async move {
            match drivers.network_for(&hypervisor, PROVIDER) {
                Some(driver) => driver.apply_rules(&host, &set).await,
                None => Ok(()),
            }
        })
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<_>>()
        .await;
    answers.into_iter().collect::<Result<Vec<()>, _>>().map(drop).map_err(|e| Error::Unavailable(e.to_string()))
}

fn spec(nic: &Nic) -> NicSpec {
    NicSpec {
        uuid: nic.uuid.clone(),
        mac: nic.mac.clone(),
        ip: nic.ip4.clone().unwrap_or_default(),
        netmask: nic.netmask.clone().unwrap_or_default(),
        gateway: nic.gateway.clone().unwrap_or_default(),
        broadcast_uri: nic.broadcast_uri.clone().unwrap_or_default(),
        default: nic.is_default,
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
