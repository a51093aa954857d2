//! Groups of VMs: a name under which an account's VMs are shown together (VM-13). A VM is in one at most.
use crate::{Call, Engine, ListScope, Listing, Topic};
use stratus_model::{Error, Kind, Result};
use stratus_store::{Account, InstanceGroup, Query, Tx, Value, Vm};
use uuid::Uuid;

/// Which groups to list.
#[derive(Debug, Clone)]
pub struct InstanceGroupList {
    /// Whose.
    pub scope: ListScope,
    /// This one only.
    pub id: Option<i64>,
    /// With this name.
    pub name: Option<String>,
    /// Whose name holds this.
    pub keyword: Option<String>,
    /// First row and number of rows.
    pub page: (i64, i64),
}

fn topic(g: &InstanceGroup) -> Topic {
    Topic { account: g.account_id, domain: g.domain_id, kind: Kind::InstanceGroup, id: g.id }
}

fn check_name(name: &str) -> Result<()> {
    match name.trim().is_empty() {
        true => Err(Error::invalid("name", "must not be empty")),
        false => Ok(()),
    }
}

async fn refuse_taken(tx: &mut Tx, account: i64, name: &str, but: i64) -> Result<()> {
    match tx.count::<InstanceGroup>(Query::live().eq("account_id", account).eq("name", name).ne("id", but)).await? {
        0 => Ok(()),
        _ => Err(Error::Duplicate { kind: Kind::InstanceGroup, name: name.into() }),
    }
}

fn new_row(owner: (i64, i64), name: &str, now: i64) -> InstanceGroup {
    let uuid = Uuid::new_v4().to_string();
    InstanceGroup { uuid, name: name.into(), account_id: owner.0, domain_id: owner.1, created: now, ..Default::default() }
}

/// The key of an account's group of this name, which is made when there is none.
pub(crate) async fn named(tx: &mut Tx, owner: (i64, i64), name: &str, now: i64) -> Result<i64> {
    if let Some(g) = tx.find_one::<InstanceGroup>(Query::live().eq("account_id", owner.0).eq("name", name)).await? {
        return Ok(g.id);
    }
    tx.insert(&mut new_row(owner, name, now)).await
}

impl Engine {
    /// Makes a group.
    pub async fn instance_group_create(&self, call: &Call, owner: &Account, name: String) -> Result<InstanceGroup> {
        check_name(&name)?;
        let mut row = new_row((owner.id, owner.domain_id), &name, call.now());
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    refuse_taken(tx, row.account_id, &row.name, 0).await?;
                    tx.insert(&mut row).await?;
                    call.log(tx, topic(&row), format!("instance group {} made", row.name)).await?;
                    Ok(row)
                })
            })
            .await
    }

    /// Gives a group another name.
    pub async fn instance_group_update(&self, call: &Call, group: InstanceGroup, name: Option<String>) -> Result<InstanceGroup> {
        let Some(name) = name else { return Ok(group) };
        check_name(&name)?;
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    refuse_taken(tx, group.account_id, &name, group.id).await?;
                    tx.set::<InstanceGroup>(group.id, vec![("name", name.into())]).await?;
                    let after = tx.must::<InstanceGroup>(group.id).await?;
                    call.log(tx, topic(&after), format!("instance group {} is now {}", group.name, after.name)).await?;
                    Ok(after)
                })
            })
            .await
    }

    /// Deletes a group; its VMs stay, in none.
    pub async fn instance_group_delete(&self, call: &Call, group: InstanceGroup) -> Result<()> {
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    if !tx.remove::<InstanceGroup>(group.id, call.now()).await? {
                        return Err(Error::not_found(Kind::InstanceGroup, group.uuid));
                    }
                    tx.update::<Vm>(Query::all().eq("group_id", group.id), vec![("group_id", Value::Null)]).await?;
                    call.log(tx, topic(&group), format!("instance group {} deleted", group.name)).await
                })
            })
            .await
    }

    /// Lists groups.
    pub async fn instance_group_list(&self, ask: InstanceGroupList) -> Result<Listing<InstanceGroup>> {
        let mut q = ask.scope.apply(Query::live()).eq_opt("id", ask.id).eq_opt("name", ask.name);
        if let Some(k) = &ask.keyword {
            q = q.holds(&["name"], k);
        }
        let (offset, limit) = ask.page;
        Ok(Listing { count: self.db.count::<InstanceGroup>(q.clone()).await?, rows: self.db.find(q.page(offset, limit)).await? })
    }
}
