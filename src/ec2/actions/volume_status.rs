//! How volumes are, their one attribute, and what was last changed of their size.
use super::{disks, volumes};
use crate::cx::{set, text};
use crate::run::dry_run;
use crate::{Cx, Outcome};
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
