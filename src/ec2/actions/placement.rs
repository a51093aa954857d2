//! Placement groups: host anti-affinity groups, which keep instances apart (`spread`). Nothing here packs them together.
use crate::cx::{pairs, set, text};
use crate::run::{dry_run, one};
use crate::{Cx, Fault, Outcome, PATIENCE};
use serde_json::{Value, json};

/// The native type of a group that keeps VMs apart.
const APART: &str = "host anti-affinity";

/// Joins to groups what EC2 shows beside their names.
pub fn gather(mut records: Vec<Value>) -> Vec<Value> {
    for record in &mut records {
        let strategy = if text(record, "type") == APART { "spread" } else { "cluster" };
        set(record, "strategy", strategy);
    }
    records
}

/// `CreatePlacementGroup`.
pub async fn create(cx: &Cx) -> Outcome<Value> {
    let name = cx.input.require("GroupName")?;
    match cx.input.get("Strategy").unwrap_or("cluster") {
        "spread" => {}
        "cluster" | "partition" => {
            return Err(Fault::unsupported("Groups keep instances apart here (Strategy=spread); nothing packs them together"));
        }
        other => return Err(Fault::invalid("Strategy", format!("'{other}' is none of cluster, spread and partition"))),
    }
    if cx.input.get("SpreadLevel").is_some_and(|level| level != "host") {
        return Err(Fault::unsupported("Instances are spread over hosts here (SpreadLevel=host)"));
    }
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    let made = cx.native("createAffinityGroup", pairs([("name", name), ("type", APART)])).await?;
    let id = text(&made, "id").to_owned();
    if let Some(job) = made.get("jobid").and_then(Value::as_str) {
        cx.door.native.wait(job, PATIENCE).await.map_err(|e| cx.fault(e))?;
    }
    let record = one(cx, "listAffinityGroups", &id).await?.unwrap_or_else(|| json!({ "id": id, "name": name, "type": APART }));
    Ok(gather(vec![record]).pop().unwrap_or_default())
}

/// `DeletePlacementGroup`.
pub async fn delete(cx: &Cx) -> Outcome<Value> {
    let name = cx.input.require("GroupName")?;
    let found = cx.list("listAffinityGroups", pairs([("name", name)])).await?;
    let unknown = || Fault::new("InvalidPlacementGroup.Unknown", format!("The placement group '{name}' is unknown"));
    let group = found.into_iter().find(|g| text(g, "name") == name).ok_or_else(unknown)?;
    let members = group.get("virtualmachineIds").and_then(Value::as_array).into_iter().flatten();
    let members: Vec<String> = members.filter_map(|v| v.as_str().map(str::to_owned)).collect();
    // A terminated instance is in no group any more, though natively it stays a member until it is expunged.
    let live = |vm: &Value| cx.word("instance-state", text(vm, "state")) != "terminated";
    if cx.vms(&members).await?.iter().any(live) {
        return Err(Fault::new("InvalidPlacementGroup.InUse", format!("The placement group '{name}' is in use")));
    }
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    cx.finish("deleteAffinityGroup", pairs([("id", text(&group, "id"))]), PATIENCE).await
}

/// `ModifyInstancePlacement`: a stopped instance joins a group, or with an empty name leaves the one that it is in.
pub async fn modify(cx: &Cx) -> Outcome<Value> {
    let given = cx.input.require("InstanceId")?;
    let uuid = cx.uuid("i", given).await?;
    let group = cx.input.get("GroupName").ok_or_else(|| Fault::missing("GroupName"))?;
    let vm = one(cx, "listVirtualMachines", &uuid).await?.ok_or_else(|| cx.not_found("i", given))?;
    if text(&vm, "state") != "Stopped" {
        return Err(Fault::new("IncorrectInstanceState", format!("The instance '{given}' is not in the 'stopped' state")));
    }
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    cx.finish("updateVMAffinityGroup", pairs([("id", &uuid), ("affinitygroupnames", group)]), PATIENCE).await?;
    Ok(json!({}))
}
