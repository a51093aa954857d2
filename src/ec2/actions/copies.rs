//! `CopyImage` and `CopySnapshot`. There is one region: both ends of a copy lie in it.
use super::{image_attribute, image_make, places, snapshots, tags, tokens};
use crate::cx::{pairs, set, text};
use crate::run::dry_run;
use crate::{Cx, Fault, Outcome};
use serde_json::{Value, json};

/// Refuses a region that is not this one.
async fn here(cx: &Cx, parameter: &str) -> Outcome<()> {
    let Some(given) = cx.input.get(parameter).filter(|r| !r.is_empty()) else { return Ok(()) };
    let region = places::region(cx).await?;
    match given == region {
        true => Ok(()),
        false => Err(Fault::invalid(parameter, format!("there is the region '{region}' and no other here"))),
    }
}

/// `CopyImage`: of an image that the caller may launch; the copy is its own.
pub async fn image(cx: &Cx) -> Outcome<Value> {
    cx.input.require("SourceRegion")?;
    here(cx, "SourceRegion").await?;
    tags::check_launch(cx, &["image", "snapshot"])?;
    let given = cx.input.require("SourceImageId")?;
    let source = image_attribute::named(cx, "SourceImageId").await?;
    if text(&source, "ec2state") != "available" {
        return Err(Fault::new("InvalidAMIID.Unavailable", format!("The image '{given}' is {}", text(&source, "ec2state"))));
    }
    if cx.input.flag("DryRun") {
        image_make::name(cx).await?;
        return Err(dry_run());
    }
    let uuid = match tokens::claim(cx).await? {
        Some(uuid) => uuid,
        None => {
            let outcome = copy(cx, &source).await;
            tokens::settle(cx, &outcome).await?;
            outcome?
        }
    };
    Ok(json!({ "id": uuid }))
}

async fn copy(cx: &Cx, source: &Value) -> Outcome<String> {
    let mut native = pairs([("id", text(source, "id")), ("name", image_make::name(cx).await?)]);
    if let Some(description) = cx.input.get("Description").filter(|d| !d.is_empty()) {
        native.insert("displaytext".into(), description.to_owned());
    }
    let uuid = text(&cx.native("duplicateTemplate", native).await?, "id").to_owned();
    if cx.input.flag("CopyImageTags") {
        let own = source.get("tags").and_then(Value::as_array).cloned().unwrap_or_default();
        tags::give(cx, "ami", &uuid, &own).await?;
    }
    tags::of_launch(cx, "image", std::slice::from_ref(&uuid)).await?;
    Ok(uuid)
}

/// `CopySnapshot`.
pub async fn snapshot(cx: &Cx) -> Outcome<Value> {
    cx.input.require("SourceRegion")?;
    // botocore sets DestinationRegion to the region that the client was made with, whatever its endpoint: it says nothing.
    here(cx, "SourceRegion").await?;
    tags::check_launch(cx, &["snapshot"])?;
    let description = cx.input.get("Description");
    if description.is_some_and(|d| d.chars().count() > 255) {
        return Err(Fault::invalid("Description", "at most 255 characters"));
    }
    let source = snapshots::usable(cx, cx.input.require("SourceSnapshotId")?, None).await?;
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    let uuid = text(&cx.say("duplicateSnapshot", [("id", &source)]).await?, "id").to_owned();
    if let Some(description) = description {
        let set = [("description", Some(description))];
        cx.engine().ec2_attributes_set("snap", std::slice::from_ref(&uuid), &set).await?;
    }
    tags::of_launch(cx, "snapshot", std::slice::from_ref(&uuid)).await?;
    let mut record = tags::shown(cx, json!({ "id": uuid }))?;
    if record.get("tags").and_then(Value::as_array).is_some_and(Vec::is_empty) {
        set(&mut record, "tags", Value::Null);
    }
    Ok(record)
}
