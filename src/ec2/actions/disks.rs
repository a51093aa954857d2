//! What is done to volumes.
use super::{instances, launch_disks, snapshots, tags, tokens, volumes};
use crate::cx::{pairs, set, text};
use crate::native::Parameters;
use crate::run::{dry_run, one};
use crate::{Cx, Fault, Outcome, PATIENCE};
use serde_json::{Value, json};

/// The volume that a request names.
pub async fn named(cx: &Cx) -> Outcome<Value> {
    let given = cx.input.require("VolumeId")?;
    let uuid = cx.uuid("vol", given).await?;
    let record = one(cx, "listVolumes", &uuid).await?.ok_or_else(|| cx.not_found("vol", given))?;
    volumes::gather(cx, vec![record]).await?.pop().ok_or_else(|| cx.not_found("vol", given))
}

/// Takes a volume from the destroyed VM that natively still holds it.
async fn freed(cx: &Cx, volume: &Value) -> Outcome<()> {
    if text(volume, "heldby").is_empty() {
        return Ok(());
    }
    cx.finish("detachVolume", pairs([("id", text(volume, "id"))]), PATIENCE).await.map(drop)
}

/// `CreateVolume`.
pub async fn create(cx: &Cx) -> Outcome<Value> {
    tags::check_launch(cx, &["volume"])?;
    if cx.input.flag("DryRun") {
        plan(cx).await?;
        return Err(dry_run());
    }
    let uuid = match tokens::claim(cx).await? {
        Some(uuid) => uuid,
        None => {
            let outcome = make(cx).await;
            tokens::settle(cx, &outcome).await?;
            outcome?
        }
    };
    let found = one(cx, "listVolumes", &uuid).await?.unwrap_or_else(|| json!({ "id": uuid }));
    let mut record = volumes::gather(cx, vec![found]).await?.pop().unwrap_or_default();
    if text(&record, "zonename").is_empty() {
        set(&mut record, "zonename", cx.input.require("AvailabilityZone")?);
    }
    set(&mut record, "ec2state", "creating");
    Ok(record)
}

async fn make(cx: &Cx) -> Outcome<String> {
    let begun = cx.native("createVolume", plan(cx).await?).await?;
    let uuid = text(&begun, "id").to_owned();
    tags::of_launch(cx, "volume", std::slice::from_ref(&uuid)).await?;
    Ok(uuid)
}

async fn plan(cx: &Cx) -> Outcome<Parameters> {
    let name = cx.input.require("AvailabilityZone")?;
    let zones = cx.list("listZones", Parameters::new()).await?;
    let zone = zones.iter().find(|z| text(z, "name") == name);
    let zone = zone.ok_or_else(|| Fault::new("InvalidZone.NotFound", format!("The zone '{name}' does not exist")))?;
    let mut native = pairs([("name", &format!("ec2-{}", uuid::Uuid::new_v4().simple())), ("zoneid", text(zone, "id"))]);
    let size = cx.input.int("Size");
    match (cx.input.get("SnapshotId").filter(|s| !s.is_empty()), size) {
        (Some(snapshot), size) => {
            native.insert("snapshotid".into(), snapshots::usable(cx, snapshot, size).await?);
            native.extend(size.map(|gib| ("size".to_owned(), gib.to_string())));
        }
        (None, Some(size)) if size < 1 => return Err(Fault::invalid("Size", "must be at least 1 GiB")),
        (None, Some(size)) => {
            native.insert("size".into(), size.to_string());
            native.insert("diskofferingid".into(), launch_disks::custom_offering(cx, cx.input.get("VolumeType")).await?);
        }
        (None, None) => return Err(Fault::missing("Size")),
    }
    Ok(native)
}

/// `AttachVolume`.
pub async fn attach(cx: &Cx) -> Outcome<Value> {
    let (given, device) = (cx.input.require("InstanceId")?, cx.input.require("Device")?);
    let volume = named(cx).await?;
    let vm = cx.uuid("i", given).await?;
    let instance = one(cx, "listVirtualMachines", &vm).await?.ok_or_else(|| cx.not_found("i", given))?;
    let instance = instances::gather(cx, vec![instance]).await?.pop().unwrap_or_default();
    if !text(&volume, "virtualmachineid").is_empty() {
        return Err(Fault::new("VolumeInUse", format!("{} is already attached to an instance", cx.input.require("VolumeId")?)));
    }
    if text(&volume, "zoneid") != text(&instance, "zoneid") {
        return Err(Fault::new("InvalidVolume.ZoneMismatch", "The volume is not in the zone of the instance"));
    }
    if matches!(text(&instance, "ec2state"), "terminated" | "shutting-down") {
        return Err(Fault::new("IncorrectState", format!("Instance '{given}' is not 'running' or 'stopped'")));
    }
    let taken = instance.get("disks").and_then(Value::as_array).into_iter().flatten().any(|d| text(d, "device") == device);
    if taken {
        return Err(Fault::new("InvalidDevice.InUse", format!("{device} is already in use")));
    }
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    let uuid = text(&volume, "id").to_owned();
    freed(cx, &volume).await?;
    let mut native = pairs([("id", &uuid), ("virtualmachineid", &vm)]);
    if let Some(number) = number_of(device) {
        native.insert("deviceid".into(), number.to_string());
    }
    cx.engine().ec2_device_set(&uuid, Some(device)).await?;
    cx.native("attachVolume", native).await?;
    Ok(json!({ "id": uuid, "instance": vm, "device": device, "status": "attaching", "attached": cx.now(), "delete": false }))
}

/// The device number that a name stands for; none leaves the choice to the engine. `d` is where the CD-ROM sits.
pub fn number_of(device: &str) -> Option<u8> {
    let name = device.strip_prefix("/dev/").unwrap_or(device);
    let letters = ["xvd", "sd", "vd", "hd"].iter().find_map(|p| name.strip_prefix(p))?;
    match letters.as_bytes() {
        [letter @ b'b'..=b'p'] if *letter != b'd' => Some(letter - b'a'),
        _ => None,
    }
}

/// `DetachVolume`.
pub async fn detach(cx: &Cx) -> Outcome<Value> {
    let volume = named(cx).await?;
    let given = cx.input.require("VolumeId")?;
    let attachment = volume.get("attachments").and_then(Value::as_array).and_then(|a| a.first()).cloned();
    let Some(mut attachment) = attachment else {
        return Err(Fault::new("IncorrectState", format!("Volume '{given}' is in the 'available' state")));
    };
    let other = || Fault::new("InvalidAttachment.NotFound", format!("Volume '{given}' is not attached so"));
    if let Some(instance) = cx.input.get("InstanceId").filter(|i| !i.is_empty())
        && cx.uuid("i", instance).await? != text(&attachment, "instance")
    {
        return Err(other());
    }
    if cx.input.get("Device").is_some_and(|d| !d.is_empty() && d != text(&attachment, "device")) {
        return Err(other());
    }
    if text(&volume, "type") == "ROOT" && text(&volume, "vmstate") != "Stopped" {
        return Err(Fault::new("OperationNotPermitted", "The root volume of a running instance cannot be detached"));
    }
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    let uuid = text(&volume, "id");
    cx.say("detachVolume", [("id", uuid)]).await?;
    cx.engine().ec2_device_set(uuid, None).await?;
    set(&mut attachment, "status", "detaching");
    Ok(attachment)
}

/// `DeleteVolume`.
pub async fn delete(cx: &Cx) -> Outcome<Value> {
    let volume = named(cx).await?;
    if !text(&volume, "virtualmachineid").is_empty() {
        return Err(Fault::new("VolumeInUse", format!("Volume '{}' is attached to an instance", cx.input.require("VolumeId")?)));
    }
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    freed(cx, &volume).await?;
    cx.finish("deleteVolume", pairs([("id", text(&volume, "id"))]), PATIENCE).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_names_have_numbers() {
        let numbers =
            ["/dev/sdb", "/dev/xvdc", "/dev/sdd", "/dev/vde", "sdh", "/dev/sdp", "/dev/sdq", "/dev/xvdba", "/dev/sda1"].map(number_of);
        assert_eq!(numbers, [Some(1), Some(2), None, Some(4), Some(7), Some(15), None, None, None]);
    }
}
