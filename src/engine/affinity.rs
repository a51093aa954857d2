//! Affinity groups (VM-25). The one type there is, host anti-affinity, keeps the VMs of a group on different hosts.
//!
//! Which host a group has a VM on is a row of its own, unique by group and host, written in the transaction that takes the place: of
//! two parallel starts that choose one host, the second finds it taken and goes on to another.
use crate::dedication_group::refuse_explicit;
use crate::vm::{topic as vm_topic, wrong_state};
use crate::{Call, Engine, JobDraft, ListScope, Listing, Topic};
use std::collections::HashMap;
use stratus_model::{Error, Kind, Result, VmState};
use stratus_store::{Account, AffinityGroup, AffinityHost, AffinityMember, Job, Placement, Query, Tx, Vm};
use uuid::Uuid;

/// The type whose VMs run on different hosts.
pub const ANTI_AFFINITY: &str = "host anti-affinity";

/// Which affinity groups to list.
#[derive(Debug, Clone)]
pub struct AffinityList {
    /// Whose.
    pub scope: ListScope,
    /// The domain whose accounts share groups of dedicated places; none to leave those out.
    pub shared_in: Option<i64>,
    /// This one only.
    pub id: Option<i64>,
    /// With this name.
    pub name: Option<String>,
    /// Of this type.
    pub group_type: Option<String>,
    /// Those that this VM is in.
    pub vm: Option<i64>,
    /// Whose name or type holds this.
    pub keyword: Option<String>,
    /// First row and number of rows.
    pub page: (i64, i64),
}

fn topic(g: &AffinityGroup) -> Topic {
    Topic { account: g.account_id, domain: g.domain_id, kind: Kind::AffinityGroup, id: g.id }
}

impl Engine {
    /// Makes a group and the job that answers with it.
    pub async fn affinity_create(
        &self,
        call: &Call,
        owner: &Account,
        name: String,
        group_type: &str,
        description: Option<String>,
        draft: JobDraft,
    ) -> Result<(AffinityGroup, Job)> {
        if !group_type.trim().eq_ignore_ascii_case(ANTI_AFFINITY) {
            return Err(Error::invalid("type", format!("'{group_type}' is not a type of affinity groups; there is {ANTI_AFFINITY}")));
        }
        if name.trim().is_empty() {
            return Err(Error::invalid("name", "must not be empty"));
        }
        let mut row = AffinityGroup {
            uuid: Uuid::new_v4().to_string(),
            name,
            group_type: ANTI_AFFINITY.into(),
            description,
            account_id: owner.id,
            domain_id: owner.domain_id,
            created: call.now(),
            ..Default::default()
        };
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let same = Query::live().eq("account_id", row.account_id).eq("name", row.name.as_str());
                    if tx.count::<AffinityGroup>(same).await? > 0 {
                        return Err(Error::Duplicate { kind: Kind::AffinityGroup, name: row.name });
                    }
                    tx.insert(&mut row).await?;
                    let job = draft.insert(tx, &call, topic(&row)).await?;
                    Ok((row, job))
                })
            })
            .await
    }

    /// The group with this name: the account's own, or that of places of its domain.
    pub async fn affinity_named(&self, account_id: i64, name: &str) -> Result<AffinityGroup> {
        if let Some(own) = self.db.find_one::<AffinityGroup>(Query::live().eq("account_id", account_id).eq("name", name)).await? {
            return Ok(own);
        }
        let domain = self.db.must::<Account>(account_id).await?.domain_id;
        let shared = self.explicit_groups_of(domain).await?.null("removed").eq("name", name);
        self.db.find_one(shared).await?.ok_or_else(|| Error::not_found(Kind::AffinityGroup, name))
    }

    /// Lists groups.
    pub async fn affinity_list(&self, ask: AffinityList) -> Result<Listing<AffinityGroup>> {
        let seen = match ask.shared_in {
            Some(domain) => Query::live().any([ask.scope.apply(Query::all()), self.explicit_groups_of(domain).await?]),
            None => ask.scope.apply(Query::live()),
        };
        let mut q = seen.eq_opt("id", ask.id).eq_opt("name", ask.name).eq_opt("group_type", ask.group_type);
        if let Some(vm) = ask.vm {
            q = q.id_in::<AffinityMember>("group_id", Query::all().eq("vm_id", vm));
        }
        if let Some(k) = &ask.keyword {
            q = q.holds(&["name", "group_type"], k);
        }
        let (offset, limit) = ask.page;
        Ok(Listing { count: self.db.count::<AffinityGroup>(q.clone()).await?, rows: self.db.find(q.page(offset, limit)).await? })
    }

    /// Deletes a group; its VMs stay where they are.
    pub async fn affinity_delete(&self, group: AffinityGroup) -> Result<()> {
        refuse_explicit(&group)?;
        let now = self.clock.now();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    if tx.remove::<AffinityGroup>(group.id, now).await? {
                        tx.delete::<AffinityMember>(Query::all().eq("group_id", group.id)).await?;
                        tx.delete::<AffinityHost>(Query::all().eq("group_id", group.id)).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Refuses other groups for a VM that runs: they are looked at when it starts.
    pub fn affinity_changeable(&self, vm: &Vm) -> Result<()> {
        match vm.vm_state() {
            VmState::Stopped => Ok(()),
            _ => Err(wrong_state(vm, "its affinity groups are changed while it is stopped")),
        }
    }

    /// Puts a stopped VM into these groups and no others.
    pub async fn affinity_change(&self, call: &Call, vm: Vm, groups: Vec<AffinityGroup>) -> Result<Vm> {
        self.affinity_changeable(&vm)?;
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    tx.delete::<AffinityMember>(Query::all().eq("vm_id", vm.id)).await?;
                    join(tx, vm.id, &groups).await?;
                    // Moves the row's counter on, so that a start that read the old groups is refused.
                    tx.set::<Vm>(vm.id, vec![("pod_id", vm.pod_id.into())]).await?;
                    call.log(tx, vm_topic(&vm), format!("VM {} is in {} affinity groups", vm.uuid, groups.len())).await?;
                    tx.must(vm.id).await
                })
            })
            .await
    }

    /// Hosts that other VMs of a VM's groups have a place on.
    pub(crate) async fn affinity_avoid(&self, vm: i64) -> Result<Vec<i64>> {
        let mine = Query::all().eq("vm_id", vm);
        let others = Query::all().key_in::<AffinityMember>("group_id", "group_id", mine).ne("vm_id", vm);
        Ok(self.db.find::<AffinityHost>(others).await?.into_iter().map(|h| h.host_id).collect())
    }

    /// The groups of VMs, by VM.
    pub async fn affinity_of(&self, vms: &[i64]) -> Result<HashMap<i64, Vec<AffinityGroup>>> {
        let mut by_vm: HashMap<i64, Vec<AffinityGroup>> = HashMap::new();
        for chunk in vms.chunks(1000) {
            let members = self.db.find::<AffinityMember>(Query::all().within("vm_id", chunk.iter().copied())).await?;
            let groups = self.db.by_ids::<AffinityGroup>(members.iter().map(|m| m.group_id)).await?;
            for m in members {
                by_vm.entry(m.vm_id).or_default().extend(groups.get(&m.group_id).cloned());
            }
        }
        Ok(by_vm)
    }

    /// The VMs of groups, by group.
    pub async fn affinity_members(&self, groups: &[i64]) -> Result<HashMap<i64, Vec<Vm>>> {
        let members = self.db.find::<AffinityMember>(Query::all().within("group_id", groups.iter().copied())).await?;
        let vms = self.db.by_ids::<Vm>(members.iter().map(|m| m.vm_id)).await?;
        let mut by_group: HashMap<i64, Vec<Vm>> = HashMap::new();
        for m in members {
            by_group.entry(m.group_id).or_default().extend(vms.get(&m.vm_id).filter(|v| v.removed.is_none()).cloned());
        }
        Ok(by_group)
    }
}

/// Makes a VM a member of groups.
pub(crate) async fn join(tx: &mut Tx, vm: i64, groups: &[AffinityGroup]) -> Result<()> {
    for g in groups {
        let mut member = AffinityMember { group_id: g.id, vm_id: vm, ..Default::default() };
        tx.insert(&mut member).await?;
    }
    Ok(())
}

/// Takes a host for all anti-affinity groups of a VM that gets a place there. [`taken_is_no_room`] tells the error when another VM has it.
pub(crate) async fn hosts_take(tx: &mut Tx, vm: i64, host: i64) -> Result<()> {
    let apart = Query::all().eq("group_type", ANTI_AFFINITY);
    let mine = Query::all().eq("vm_id", vm).key_in::<AffinityGroup>("group_id", "id", apart);
    for m in tx.find::<AffinityMember>(mine).await? {
        let mut row = AffinityHost { group_id: m.group_id, host_id: host, vm_id: vm, ..Default::default() };
        tx.insert_or(&mut row, || Error::NoCapacity(TAKEN.into())).await?;
    }
    Ok(())
}

/// Gives up what a VM held a host for.
pub(crate) async fn hosts_leave(tx: &mut Tx, vm: i64, host: i64) -> Result<()> {
    tx.delete::<AffinityHost>(Query::all().eq("vm_id", vm).eq("host_id", host)).await.map(drop)
}

/// Takes a VM out of all groups, at its end.
pub(crate) async fn forget(tx: &mut Tx, vm: i64) -> Result<()> {
    tx.delete::<AffinityMember>(Query::all().eq("vm_id", vm)).await?;
    tx.delete::<AffinityHost>(Query::all().eq("vm_id", vm)).await.map(drop)
}

const TAKEN: &str = "another VM of an anti-affinity group is on the host";

/// The outcome of taking a place: that the host is taken for a group is no error, it is no room.
pub(crate) fn taken_is_no_room<T: Default>(outcome: Result<T>) -> Result<T> {
    match outcome {
        Err(Error::NoCapacity(why)) if why == TAKEN => Ok(T::default()),
        other => other,
    }
}

impl Engine {
    /// Broken rules of groups, for the checker: a host held by a VM that has no place there, or a member with a place and no hold.
    pub(crate) async fn check_affinity(&self, found: &mut Vec<String>) -> Result<()> {
        let placed = self.db.find::<Placement>(Query::all()).await?;
        let apart = Query::all().eq("group_type", ANTI_AFFINITY);
        let members = self.db.find::<AffinityMember>(Query::all().key_in::<AffinityGroup>("group_id", "id", apart)).await?;
        let held = self.db.find::<AffinityHost>(Query::all()).await?;
        let at = |vm: i64, host: i64| placed.iter().any(|p| p.vm_id == vm && p.host_id == host);
        found.extend(
            held.iter()
                .filter(|h| !at(h.vm_id, h.host_id))
                .map(|h| format!("affinity group {} holds host {} for vm {}, which is not there", h.group_id, h.host_id, h.vm_id)),
        );
        for m in &members {
            for p in placed.iter().filter(|p| p.vm_id == m.vm_id) {
                if !held.iter().any(|h| h.group_id == m.group_id && h.vm_id == m.vm_id && h.host_id == p.host_id) {
                    found.push(format!("vm {} of affinity group {} does not hold its host {}", m.vm_id, m.group_id, p.host_id));
                }
            }
        }
        Ok(())
    }
}
