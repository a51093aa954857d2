//! What clients of the AWS doors say of things and no native column holds: `disableApiTermination` of an instance, the device name of an
//! attachment, whether a volume was asked to be looked after. Whoever calls has seen the thing through a native list, which is where it
//! was decided that the caller may.
use crate::{Call, Engine};
use std::collections::HashMap;
use stratus_model::{Kind, Result};
use stratus_store::{Ec2Attribute, Query, Tx, Vm, Volume};

const CHUNK: usize = 500;

/// The attributes of one thing by name.
pub type Attributes = HashMap<String, String>;

impl Engine {
    /// The attributes of things of a kind (`i`, `vol` …) by uuid; things without any are left out.
    pub async fn ec2_attributes(&self, kind: &str, uuids: &[String]) -> Result<HashMap<String, Attributes>> {
        let mut found: HashMap<String, Attributes> = HashMap::new();
        for chunk in uuids.chunks(CHUNK) {
            for row in self.db.find::<Ec2Attribute>(Query::all().eq("kind", kind).within("uuid", chunk)).await? {
                found.entry(row.uuid).or_default().insert(row.name, row.content);
            }
        }
        Ok(found)
    }

    /// Sets attributes of things in one write; `None` takes one away.
    pub async fn ec2_attributes_set(&self, kind: &str, uuids: &[String], set: &[(&str, Option<&str>)]) -> Result<()> {
        let (kind, uuids) = (kind.to_owned(), uuids.to_vec());
        let set: Vec<(String, Option<String>)> = set.iter().map(|(n, v)| ((*n).to_owned(), v.map(str::to_owned))).collect();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    for chunk in uuids.chunks(CHUNK) {
                        let names = set.iter().map(|(name, _)| name.as_str());
                        let old = Query::all().eq("kind", kind.as_str()).within("uuid", chunk).within("name", names);
                        tx.delete::<Ec2Attribute>(old).await?;
                        let row = |uuid: &String, name: &String, content: &String| Ec2Attribute {
                            kind: kind.clone(),
                            uuid: uuid.clone(),
                            name: name.clone(),
                            content: content.clone(),
                            ..Default::default()
                        };
                        let rows: Vec<Ec2Attribute> = chunk
                            .iter()
                            .flat_map(|uuid| set.iter().filter_map(|(name, value)| Some(row(uuid, name, value.as_ref()?))))
                            .collect();
                        tx.insert_all(&rows).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Forgets what was said of a thing that is gone. Belongs into the transaction that ends it.
    pub async fn ec2_attributes_forget(&self, tx: &mut Tx, kind: &str, uuid: &str) -> Result<()> {
        tx.delete::<Ec2Attribute>(Query::all().eq("kind", kind).eq("uuid", uuid)).await.map(drop)
    }

    /// Whether a VM is to be destroyed when its guest turns it off: EC2's `InstanceInitiatedShutdownBehavior` is `terminate`.
    pub(crate) async fn ec2_ends_with_shutdown(&self, vm_uuid: &str) -> Result<bool> {
        let said = self.ec2_attributes("i", &[vm_uuid.to_owned()]).await?;
        Ok(said.get(vm_uuid).and_then(|all| all.get("instanceInitiatedShutdownBehavior")).is_some_and(|b| b == "terminate"))
    }

    /// Says whether a volume goes with its VM when that is expunged.
    pub async fn ec2_delete_with_vm_set(&self, volume_uuid: &str, goes: bool) -> Result<()> {
        let volume = self.db.by_uuid::<Volume>(Kind::Volume, volume_uuid).await?;
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    // By a plain update: the counter must not move under a job that is at work on the volume.
                    let sql = stratus_store::sql!("update volume set delete_with_vm = ? where id = ?");
                    tx.execute(sql, vec![goes.into(), volume.id.into()]).await.map(drop)
                })
            })
            .await
    }

    /// Puts a VM into other security groups than it was in: its own rules and those of its peers follow.
    pub async fn ec2_groups_set(&self, call: &Call, vm_uuid: &str, group_uuids: &[String]) -> Result<()> {
        let vm = self.db.by_uuid::<Vm>(Kind::Vm, vm_uuid).await?;
        let query = Query::live().within("uuid", group_uuids);
        let wanted: Vec<i64> = self.db.find::<stratus_store::SecurityGroup>(query).await?.into_iter().map(|g| g.id).collect();
        let (inner, joined, row) = (call.clone(), wanted.clone(), vm.clone());
        let left = self
            .db
            .write(move |tx| {
                Box::pin(async move {
                    let left = inner.groups_change(tx, row.id, &joined).await?;
                    let text = format!("VM {} was put into other security groups", row.uuid);
                    inner.log(tx, crate::vm::topic(&row), text).await?;
                    Ok(left)
                })
            })
            .await?;
        if vm.host_id.is_some() {
            self.group_rules_apply(&vm).await?;
        }
        self.group_members_changed(left.into_iter().chain(wanted));
        Ok(())
    }
}
