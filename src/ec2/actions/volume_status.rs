//! How volumes are, their one attribute, and what was last changed of their size.
use super::{disks, volumes};
use crate::cx::{number, pairs, set, text};
use crate::run::dry_run;
use crate::{Cx, Fault, Outcome};
use serde_json::{Value, json};

/// `DescribeVolumeStatus`: the storage behind a volume that is there is in order; one that is not would be in Error.
pub async fn gather(cx: &Cx, records: Vec<Value>) -> Outcome<Vec<Value>> {
    let mut records = volumes::gather(cx, records).await?;
    for record in &mut records {
        if !matches!(text(record, "ec2state"), "available" | "in-use") {
            set(record, "hidden", true);
        }
        set(record, "details", json!([{ "name": "io-enabled", "status": "passed" }]));
        set(record, "nothing", Vec::<Value>::new());
    }
    Ok(records)
}

/// `DescribeVolumeAttribute`.
pub async fn attribute(cx: &Cx) -> Outcome<Value> {
    let asked = cx.input.require("Attribute")?;
    let volume = disks::named(cx).await?;
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    let mut record = json!({ "id": text(&volume, "id") });
    let kept = volume.get("attributes").and_then(|a| a.get("autoEnableIO")).and_then(Value::as_str).unwrap_or("false");
    match asked {
        "autoEnableIO" => set(&mut record, "autoEnableIO", json!({ "value": kept })),
        _ => set(&mut record, "productCodes", Vec::<Value>::new()),
    }
    Ok(record)
}

/// `ModifyVolumeAttribute`.
pub async fn modify_attribute(cx: &Cx) -> Outcome<Value> {
    let volume = disks::named(cx).await?;
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    let on = cx.input.flag("AutoEnableIO.Value").to_string();
    cx.engine().ec2_attributes_set("vol", &[text(&volume, "id").to_owned()], &[("autoEnableIO", Some(&on))]).await?;
    Ok(json!({}))
}

/// `EnableVolumeIO`: it is never turned off here.
pub async fn enable_io(cx: &Cx) -> Outcome<Value> {
    disks::named(cx).await?;
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    Ok(json!({}))
}

/// `DescribeVolumesModifications`: the last change of each volume that was changed.
pub async fn modifications(cx: &Cx, records: Vec<Value>) -> Outcome<Vec<Value>> {
    let mut records = volumes::gather(cx, records).await?;
    for record in &mut records {
        let kept = record.get("attributes").and_then(|a| a.get("modification")).and_then(Value::as_str);
        let modified: Option<Value> = kept.and_then(|m| serde_json::from_str(m).ok());
        match modified {
            Some(modified) => set(record, "modified", modified),
            None => set(record, "hidden", true),
        }
    }
    Ok(records)
}

/// `ModifyVolume`: larger, and answered while that is under way.
pub async fn modify(cx: &Cx) -> Outcome<Value> {
    let volume = disks::named(cx).await?;
    let bytes = number(&volume, "size").unwrap_or(0);
    let now = (bytes + (1 << 30) - 1) >> 30;
    let asked = cx.input.int("Size").ok_or_else(|| Fault::missing("Size"))?;
    if asked < now {
        return Err(Fault::invalid("Size", format!("New size cannot be smaller than existing size, {now} GiB")));
    }
    if asked > 65_536 {
        return Err(Fault::new("VolumeModificationSizeLimitExceeded", "A volume has 65536 GiB at most"));
    }
    if matches!(text(&volume, "ec2state"), "creating" | "deleting") {
        return Err(Fault::new("IncorrectState", format!("The volume is {}", text(&volume, "ec2state"))));
    }
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    let id = text(&volume, "id").to_owned();
    let at = cx.now();
    if asked > now {
        cx.finish("resizeVolume", pairs([("id", &id), ("size", &asked.to_string())]), crate::PATIENCE).await?;
    }
    let modified = json!({ "state": "completed", "from": now, "to": asked, "progress": 100, "started": at, "ended": cx.now() });
    let set = [("modification", Some(modified.to_string()))];
    let set = set.each_ref().map(|(name, value)| (*name, value.as_deref()));
    cx.engine().ec2_attributes_set("vol", std::slice::from_ref(&id), &set).await?;
    Ok(json!({ "id": id, "modified": modified }))
}
