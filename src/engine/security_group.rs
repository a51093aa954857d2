//! Security groups: who may speak to the VMs of an account, and to whom they may speak.
//!
//! A group's `sequence` grows with each change of its rules or of its members, so that a host can tell a newer set from an older
//! one; `group_push.rs` carries the rules to the hosts, `group_members.rs` who is in the groups that rules allow.
use crate::{Call, Engine, ListScope, Listing, Topic};
use stratus_model::{Error, Kind, Result, VmState};
use stratus_store::{Account, Query, SecurityGroup, SecurityGroupMember, SecurityGroupRule, Tx, Vm};
use uuid::Uuid;

/// The group that every account has, and that VMs join when no other is named.
pub const DEFAULT_GROUP: &str = "default";

/// Which security groups to list.
#[derive(Debug, Clone)]
pub struct SecurityGroupList {
    /// Whose.
    pub scope: ListScope,
    /// This one only.
    pub id: Option<i64>,
    /// With this name.
    pub name: Option<String>,
    /// Those that this VM is in.
    pub vm: Option<i64>,
    /// Whose name holds this.
    pub keyword: Option<String>,
    /// With one of these tags.
    pub tags: Vec<(String, String)>,
    /// First row and number of rows.
    pub page: (i64, i64),
}

impl Engine {
    /// Makes the `default` group of a new account: whoever is in it may reach the others in it, nobody else may.
    pub async fn default_group_create(&self, tx: &mut Tx, account_id: i64, domain_id: i64) -> Result<SecurityGroup> {
        let mut group = SecurityGroup {
            uuid: Uuid::new_v4().to_string(),
            name: DEFAULT_GROUP.into(),
            description: Some("Default Security Group".into()),
            account_id,
            domain_id,
            created: self.clock.now(),
            ..Default::default()
        };
        tx.insert(&mut group).await?;
        let mut rule = SecurityGroupRule {
            uuid: Uuid::new_v4().to_string(),
            group_id: group.id,
            direction: "ingress".into(),
            protocol: "all".into(),
            first: -1,
            last: -1,
            allowed_group_id: Some(group.id),
            created: self.clock.now(),
            ..Default::default()
        };
        tx.insert(&mut rule).await?;
        Ok(group)
    }

    /// The `default` group of an account.
    pub async fn default_group(&self, account_id: i64) -> Result<SecurityGroup> {
        self.group_named(account_id, DEFAULT_GROUP).await
    }

    /// The group with this name.
    pub async fn group_named(&self, account_id: i64, name: &str) -> Result<SecurityGroup> {
        let found = self.db.find_one::<SecurityGroup>(Query::live().eq("account_id", account_id).eq("name", name)).await?;
        found.ok_or_else(|| Error::not_found(Kind::SecurityGroup, name))
    }

    /// Makes a group without rules.
    pub async fn security_group_create(
        &self,
        call: &Call,
        owner: &Account,
        name: String,
        description: Option<String>,
    ) -> Result<SecurityGroup> {
        if name.trim().is_empty() {
            return Err(Error::invalid("name", "must not be empty"));
        }
        if name.eq_ignore_ascii_case(DEFAULT_GROUP) {
            return Err(Error::invalid("name", "the name default is reserved: every account has that group already"));
        }
        let mut row = SecurityGroup {
            uuid: Uuid::new_v4().to_string(),
            name,
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
                    if tx.count::<SecurityGroup>(same).await? > 0 {
                        return Err(Error::Duplicate { kind: Kind::SecurityGroup, name: row.name });
                    }
                    tx.insert(&mut row).await?;
                    call.log(tx, topic(&row), format!("Security group {} made, id={}", row.name, row.uuid)).await?;
                    Ok(row)
                })
            })
            .await
    }

    /// Lists groups.
    pub async fn security_group_list(&self, ask: SecurityGroupList) -> Result<Listing<SecurityGroup>> {
        let mut q = ask.scope.apply(Query::live()).eq_opt("id", ask.id).eq_opt("name", ask.name);
        if let Some(vm) = ask.vm {
            q = q.id_in::<SecurityGroupMember>("group_id", Query::all().eq("vm_id", vm));
        }
        if let Some(k) = &ask.keyword {
            q = q.holds(&["name"], k);
        }
        q = crate::tag::tag_filter(q, "SecurityGroup", &ask.tags);
        let (offset, limit) = ask.page;
        Ok(Listing { count: self.db.count::<SecurityGroup>(q.clone()).await?, rows: self.db.find(q.page(offset, limit)).await? })
    }

    /// Deletes a group that no VM is in and no other group's rule allows.
    pub async fn security_group_delete(&self, call: &Call, group: SecurityGroup) -> Result<()> {
        if group.name == DEFAULT_GROUP {
            return Err(Error::invalid("id", "the default security group of an account cannot be deleted"));
        }
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    // A destroyed VM only waits for its end: it holds no group back, and comes back without it if it is recovered.
                    let members = Query::live()
                        .without("state", [VmState::Destroyed, VmState::Expunging, VmState::Error].map(VmState::word))
                        .id_in::<SecurityGroupMember>("vm_id", Query::all().eq("group_id", group.id));
                    let in_use = |why: String| Error::InUse { kind: Kind::SecurityGroup, id: group.uuid.clone(), why };
                    match tx.count::<Vm>(members).await? {
                        0 => {}
                        n => return Err(in_use(format!("{n} virtual machines are in it"))),
                    }
                    let allows = Query::all().eq("allowed_group_id", group.id).ne("group_id", group.id);
                    if tx.count::<SecurityGroupRule>(allows).await? > 0 {
                        return Err(in_use("rules of other security groups allow it".into()));
                    }
                    if !tx.remove::<SecurityGroup>(group.id, call.now()).await? {
                        return Err(Error::not_found(Kind::SecurityGroup, group.uuid));
                    }
                    tx.delete::<SecurityGroupRule>(Query::all().eq("group_id", group.id)).await?;
                    tx.delete::<SecurityGroupMember>(Query::all().eq("group_id", group.id)).await?;
                    call.tags_forget(tx, "SecurityGroup", group.id).await?;
                    call.log(tx, topic(&group), format!("Security group {} deleted, id={}", group.name, group.uuid)).await
                })
            })
            .await
    }

    /// The rules of some groups, in the order they were made.
    pub async fn group_rules(&self, groups: &[i64]) -> Result<Vec<SecurityGroupRule>> {
        self.db.find(Query::all().within("group_id", groups.iter().copied())).await
    }

    /// Puts a new VM into groups. Belongs into the transaction that makes the VM; once it has a host, `group_rules_apply` tells it
    /// and its peers.
    pub async fn groups_join(&self, tx: &mut Tx, vm_id: i64, groups: &[i64]) -> Result<()> {
        let mut wanted = groups.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        let live = Query::live().within("id", wanted.iter().copied());
        if tx.count::<SecurityGroup>(live).await? != wanted.len() as i64 {
            return Err(Error::Raced("a security group".into()));
        }
        let rows: Vec<SecurityGroupMember> =
            wanted.iter().map(|g| SecurityGroupMember { vm_id, group_id: *g, ..Default::default() }).collect();
        tx.insert_all(&rows).await?;
        touch(tx, &wanted).await
    }

    /// Puts a VM into other groups than it is in; those that it left. The new ones' sequences grow past what the old ones came to, so
    /// that a host takes the new rules for the later ones.
    pub async fn groups_change(&self, tx: &mut Tx, vm_id: i64, groups: &[i64]) -> Result<Vec<i64>> {
        let members = tx.find::<SecurityGroupMember>(Query::all().eq("vm_id", vm_id)).await?;
        let old = tx.find::<SecurityGroup>(Query::all().within("id", members.iter().map(|m| m.group_id))).await?;
        let before: i64 = old.iter().map(|g| g.sequence).sum();
        let left = self.groups_leave(tx, vm_id).await?;
        self.groups_join(tx, vm_id, groups).await?;
        let q = Query::all().within("id", groups.iter().copied());
        tx.take::<SecurityGroup>(q, "sequence = sequence + ?", vec![before.into()]).await?;
        Ok(left)
    }

    /// Takes a VM out of all its groups, when it is expunged; the groups it was in.
    pub async fn groups_leave(&self, tx: &mut Tx, vm_id: i64) -> Result<Vec<i64>> {
        let members = tx.find::<SecurityGroupMember>(Query::all().eq("vm_id", vm_id)).await?;
        let groups: Vec<i64> = members.iter().map(|m| m.group_id).collect();
        tx.delete::<SecurityGroupMember>(Query::all().eq("vm_id", vm_id)).await?;
        touch(tx, &groups).await?;
        Ok(groups)
    }
}

/// What events about a group are about.
pub(crate) fn topic(group: &SecurityGroup) -> Topic {
    Topic { account: group.account_id, domain: group.domain_id, kind: Kind::SecurityGroup, id: group.id }
}

/// Moves the sequence of groups on: who is in them has changed.
async fn touch(tx: &mut Tx, groups: &[i64]) -> Result<()> {
    if groups.is_empty() {
        return Ok(());
    }
    let q = Query::all().within("id", groups.iter().copied());
    tx.take::<SecurityGroup>(q, "sequence = sequence + 1", vec![]).await.map(drop)
}
