//! Snapshots: taken, listed, deleted. Natively they belong to an account and cannot be shared.
use super::{disks, images, tags};
use crate::cx::{number, pairs, set, text};
use crate::run::{dry_run, one};
use crate::{Cx, Fault, Outcome, PATIENCE};
use serde_json::{Value, json};

/// Joins to snapshots what the native record lacks; those that are going are left out.
pub async fn gather(cx: &Cx, mut records: Vec<Value>) -> Outcome<Vec<Value>> {
    let uuids: Vec<String> = records.iter().map(|r| text(r, "id").to_owned()).collect();
    let mut facts = cx.engine().ec2_snapshots(&uuids).await?;
    cx.owners(&mut records).await?;
    for record in &mut records {
        let fact = facts.remove(text(record, "id")).unwrap_or_default();
        let state = match fact.job.as_deref() {
            Some("deleteSnapshot") => "gone".to_owned(),
            _ => cx.word("snapshot-state", text(record, "state")),
        };
        set(record, "ec2state", state);
        set(record, "progress", cx.word("snapshot-progress", text(record, "state")));
        set(record, "size", fact.bytes);
        // The volume may be gone, its id stays.
        set(record, "volumeid", fact.volume);
        let said = fact.attributes.get("description").cloned();
        set(record, "description", said.unwrap_or_else(|| text(record, "name").to_owned()));
    }
    records.retain(|r| text(r, "ec2state") != "gone");
    Ok(records)
}

/// The snapshots of a list: `Owner` and `RestorableBy` leave out what is another's.
pub async fn listed(cx: &Cx, records: Vec<Value>) -> Outcome<Vec<Value>> {
    let mut records = gather(cx, records).await?;
    images::owned(cx, "Owner", &mut records).await?;
    // Who owns a snapshot is who can make volumes of it: `all` are those that everybody can use, of which there are none.
    let by = cx.input.list("RestorableBy");
    if by.iter().all(|b| *b == "all") && !by.is_empty() {
        records.clear();
    } else if !by.is_empty() {
        images::owned(cx, "RestorableBy", &mut records).await?;
    }
    Ok(records)
}

/// The snapshot that a request names.
pub async fn named(cx: &Cx, parameter: &str) -> Outcome<Value> {
    let given = cx.input.require(parameter)?;
    let uuid = cx.uuid("snap", given).await?;
    let found = one(cx, "listSnapshots", &uuid).await?.ok_or_else(|| cx.not_found("snap", given))?;
    gather(cx, vec![found]).await?.pop().ok_or_else(|| cx.not_found("snap", given))
}

/// The uuid of a snapshot that a disk of a size, or of its own, can be made from.
pub async fn usable(cx: &Cx, given: &str, size: Option<i64>) -> Outcome<String> {
    let uuid = cx.uuid("snap", given).await?;
    let found = one(cx, "listSnapshots", &uuid).await?.ok_or_else(|| cx.not_found("snap", given))?;
    let snapshot = gather(cx, vec![found]).await?.pop().ok_or_else(|| cx.not_found("snap", given))?;
    if text(&snapshot, "ec2state") != "completed" {
        return Err(Fault::new("IncorrectState", format!("Snapshot '{given}' is {}", text(&snapshot, "ec2state"))));
    }
    let least = number(&snapshot, "size").unwrap_or(0);
    if size.is_some_and(|gib| gib.saturating_mul(1 << 30) < least) {
        return Err(Fault::invalid("Size", format!("the snapshot needs {} GiB", (least + (1 << 30) - 1) >> 30)));
    }
    Ok(uuid)
}

/// `CreateSnapshot`: answered while it is taken.
pub async fn create(cx: &Cx) -> Outcome<Value> {
    tags::check_launch(cx, &["snapshot"])?;
    if cx.input.get("Description").is_some_and(|d| d.chars().count() > 255) {
        return Err(Fault::invalid("Description", "at most 255 characters"));
    }
    let volume = disks::named(cx).await?;
    if text(&volume, "state") == "Allocated" {
        return Err(Fault::new("IncorrectState", "The volume was never attached: it has no bytes yet that a snapshot could keep"));
    }
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    let uuid = text(&cx.say("createSnapshot", [("volumeid", text(&volume, "id"))]).await?, "id").to_owned();
    if let Some(description) = cx.input.get("Description") {
        let set = [("description", Some(description))];
        cx.engine().ec2_attributes_set("snap", std::slice::from_ref(&uuid), &set).await?;
    }
    tags::of_launch(cx, "snapshot", std::slice::from_ref(&uuid)).await?;
    let found = one(cx, "listSnapshots", &uuid).await?.unwrap_or_else(|| json!({ "id": uuid }));
    let mut record = gather(cx, vec![found]).await?.pop().unwrap_or_default();
    // A client that has just asked for it expects to wait.
    set(&mut record, "ec2state", "pending");
    set(&mut record, "progress", "");
    if record.get("size").and_then(Value::as_i64) == Some(0) {
        set(&mut record, "size", volume.get("size").cloned().unwrap_or_default());
    }
    Ok(record)
}

/// `DeleteSnapshot`.
pub async fn delete(cx: &Cx) -> Outcome<Value> {
    let snapshot = named(cx, "SnapshotId").await?;
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    cx.finish("deleteSnapshot", pairs([("id", text(&snapshot, "id"))]), PATIENCE).await
}

/// `DescribeSnapshotAttribute`: nobody but its owner makes volumes of it.
pub async fn attribute(cx: &Cx) -> Outcome<Value> {
    let attribute = cx.input.require("Attribute")?;
    let snapshot = named(cx, "SnapshotId").await?;
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    let mut record = json!({ "id": text(&snapshot, "id") });
    set(&mut record, attribute, Vec::<Value>::new());
    Ok(record)
}

/// `ModifySnapshotAttribute` and `ResetSnapshotAttribute`: to let somebody in is not possible, and to keep everybody out is done already.
pub async fn modify(cx: &Cx) -> Outcome<Value> {
    if cx.input.get("Attribute").is_some_and(|a| !matches!(a, "" | "createVolumePermission")) {
        return Err(Fault::invalid("Attribute", "only createVolumePermission can be changed"));
    }
    let snapshot = named(cx, "SnapshotId").await?;
    let add = cx.input.any("CreateVolumePermission.Add") || cx.input.get("OperationType") == Some("add");
    if add {
        let why = format!("Snapshot {} cannot be shared: in this cloud snapshots are their account's alone", text(&snapshot, "name"));
        return Err(Fault::unsupported(why));
    }
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    Ok(json!({}))
}
