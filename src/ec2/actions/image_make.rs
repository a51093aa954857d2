//! Images made: of an instance, of a snapshot, of a file at an address; and their end.
use super::{image_attribute, instances, launch, snapshots, tags};
use crate::cx::{object, pairs, set, text};
use crate::native::Parameters;
use crate::run::{dry_run, one};
use crate::{Cx, Fault, Outcome, PATIENCE};
use serde_json::{Value, json};

/// What an image's name may have beside letters and digits.
const MARKS: &str = "()[] ./-'@_";

/// A name that is good and not taken in the account.
pub async fn name(cx: &Cx) -> Outcome<&str> {
    let name = cx.input.require("Name")?;
    let good = (3..=128).contains(&name.chars().count()) && name.chars().all(|c| c.is_ascii_alphanumeric() || MARKS.contains(c));
    if !good {
        let why = format!("AMI names have 3 to 128 of letters, digits and {MARKS}");
        return Err(Fault::new("InvalidAMIName.Malformed", why));
    }
    if cx.input.get("Description").is_some_and(|d| d.chars().count() > 255) {
        return Err(Fault::invalid("Description", "at most 255 characters"));
    }
    let same = cx.list("listTemplates", pairs([("templatefilter", "self"), ("name", name)])).await?;
    if same.iter().any(|t| text(t, "name") == name) {
        return Err(Fault::new("InvalidAMIName.Duplicate", format!("AMI name {name} is already in use")));
    }
    Ok(name)
}

/// What a template says of itself: the description, or its name.
fn description<'c>(cx: &'c Cx, name: &'c str) -> &'c str {
    cx.input.get("Description").filter(|d| !d.is_empty()).unwrap_or(name)
}

/// `CreateImage`: of a stopped instance from its root disk; of a running one from a snapshot of it, taken while the instance is off
/// unless `NoReboot` is said. As at EC2 that snapshot stays; it goes with the image when `DeregisterImage` is asked to.
pub async fn create(cx: &Cx) -> Outcome<Value> {
    let name = name(cx).await?;
    tags::check_launch(cx, &["image", "snapshot"])?;
    only_root(cx)?;
    let given = cx.input.require("InstanceId")?;
    let uuid = cx.uuid("i", given).await?;
    let vm = one(cx, "listVirtualMachines", &uuid).await?.ok_or_else(|| cx.not_found("i", given))?;
    let vm = instances::gather(cx, vec![vm]).await?.pop().unwrap_or_default();
    let state = text(&vm, "ec2state").to_owned();
    if !matches!(state.as_str(), "running" | "stopped") {
        return Err(Fault::new("IncorrectState", format!("The instance is {state}; it must be running or stopped")));
    }
    let disks = vm.get("disks").and_then(Value::as_array).cloned().unwrap_or_default();
    let root = disks.iter().find(|d| d.get("number").and_then(Value::as_i64) == Some(0)).map(|d| text(d, "id").to_owned());
    let root = root.ok_or_else(|| Fault::new("IncorrectState", "The instance has no root disk"))?;
    let mut native = pairs([("name", name), ("displaytext", description(cx, name)), ("ostypeid", text(&vm, "guestosid"))]);
    native.extend(from_template(cx, text(&vm, "templateid")).await?);
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    let mut taken = None;
    if state == "stopped" {
        native.insert("volumeid".into(), root);
    } else {
        let snapshot = quietly(cx, &uuid, &root).await?;
        tags::of_launch(cx, "snapshot", std::slice::from_ref(&snapshot)).await?;
        native.insert("snapshotid".into(), snapshot.clone());
        taken = Some(snapshot);
    }
    made(cx, native, taken.as_deref()).await
}

/// A snapshot of a running instance's root disk: the instance is off meanwhile unless `NoReboot` is said.
async fn quietly(cx: &Cx, vm: &str, root: &str) -> Outcome<String> {
    let reboot = !cx.input.flag("NoReboot");
    if reboot {
        cx.finish("stopVirtualMachine", pairs([("id", vm)]), PATIENCE).await?;
    }
    let taken = cx.finish("createSnapshot", pairs([("volumeid", root)]), PATIENCE).await;
    if reboot {
        // Started again whatever became of the snapshot; nobody waits for it.
        cx.say("startVirtualMachine", [("id", vm)]).await?;
    }
    Ok(text(&object(taken?, Some("snapshot")), "id").to_owned())
}

/// What a new template takes over from the one that its VM was made of.
async fn from_template(cx: &Cx, template: &str) -> Outcome<Parameters> {
    let found = cx.list("listTemplates", pairs([("id", template), ("templatefilter", "executable")])).await.unwrap_or_default();
    let password = found.first().and_then(|t| t.get("passwordenabled")) == Some(&Value::Bool(true));
    Ok(pairs([("passwordenabled", if password { "true" } else { "false" })]))
}

/// An image has one disk here: mappings of others can only leave them out.
fn only_root(cx: &Cx) -> Outcome<()> {
    for i in cx.input.indexes("BlockDeviceMapping") {
        let prefix = format!("BlockDeviceMapping.{i}");
        let dropped = cx.input.get(&format!("{prefix}.NoDevice")).is_some_and(|v| v != "false");
        let ephemeral = cx.input.get(&format!("{prefix}.VirtualName")).is_some_and(|v| v.starts_with("ephemeral"));
        let root = cx.input.get(&format!("{prefix}.DeviceName")).is_some_and(super::launch_disks::is_root);
        if !(dropped || ephemeral || root) {
            return Err(Fault::unsupported("An image has a root disk and no other here; leave the others out with NoDevice"));
        }
    }
    Ok(())
}

/// Asks for the template and answers with its id; it is pending until its job ends.
async fn made(cx: &Cx, native: Parameters, snapshot: Option<&str>) -> Outcome<Value> {
    let begun = match cx.native("createTemplate", native).await {
        Ok(begun) => begun,
        Err(fault) => {
            if let Some(snapshot) = snapshot {
                // What was taken for this alone goes again.
                cx.say("deleteSnapshot", [("id", snapshot)]).await.ok();
            }
            return Err(fault);
        }
    };
    let image = text(&begun, "id").to_owned();
    if let Some(snapshot) = snapshot {
        cx.engine().ec2_attributes_set("ami", std::slice::from_ref(&image), &[("snapshot", Some(snapshot))]).await?;
    }
    tags::of_launch(cx, "image", std::slice::from_ref(&image)).await?;
    Ok(json!({ "id": image }))
}

/// What `RegisterImage` says of the file's form and where it goes.
struct Form {
    format: String,
    zone: String,
    system: String,
    hypervisor: String,
}

/// `RegisterImage`: a file at an address, or a snapshot.
pub async fn register(cx: &Cx) -> Outcome<Value> {
    let name = name(cx).await?;
    tags::check_launch(cx, &["image"])?;
    let snapshot = snapshot(cx)?;
    match (cx.input.get("ImageLocation").filter(|l| !l.is_empty()), snapshot) {
        (Some(_), Some(_)) => Err(Fault::combination("Give ImageLocation or a snapshot for the root device, not both")),
        (None, None) => Err(Fault::missing("ImageLocation")),
        (Some(location), None) => of_file(cx, name, location).await,
        (None, Some(given)) => {
            let uuid = snapshots::usable(cx, &given, None).await?;
            let system = system(cx, bits_name(cx)?).await?;
            if cx.input.flag("DryRun") {
                return Err(dry_run());
            }
            let native = pairs([("name", name), ("displaytext", description(cx, name)), ("ostypeid", &system), ("snapshotid", &uuid)]);
            made(cx, native, None).await
        }
    }
}

/// The snapshot of the root device's mapping.
fn snapshot(cx: &Cx) -> Outcome<Option<String>> {
    let root = cx.input.get("RootDeviceName").filter(|r| !r.is_empty());
    let mut found = None;
    for i in cx.input.indexes("BlockDeviceMapping") {
        let prefix = format!("BlockDeviceMapping.{i}");
        let device = cx.input.get(&format!("{prefix}.DeviceName")).unwrap_or_default();
        let Some(given) = cx.input.get(&format!("{prefix}.Ebs.SnapshotId")).filter(|s| !s.is_empty()) else { continue };
        if root.is_some_and(|r| r != device) && !super::launch_disks::is_root(device) {
            return Err(Fault::unsupported("An image has a root disk and no other here"));
        }
        found = Some(given.to_owned());
    }
    Ok(found)
}

async fn of_file(cx: &Cx, name: &str, location: &str) -> Outcome<Value> {
    // ec2-register sends the address escaped for XML.
    let location = location.replace("&amp;", "&");
    if !location.starts_with("http://") && !location.starts_with("https://") {
        return Err(Fault::new("InvalidManifest", "ImageLocation must be the http or https address of a template's file"));
    }
    let form = form(cx, &location).await?;
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    let native = pairs([
        ("name", name),
        ("displaytext", description(cx, name)),
        ("url", &location),
        ("format", &form.format),
        ("hypervisor", &form.hypervisor),
        ("ostypeid", &form.system),
        ("zoneid", &form.zone),
    ]);
    let made = crate::cx::objects(cx.native("registerTemplate", native).await?).pop().unwrap_or_default();
    let image = text(&made, "id").to_owned();
    tags::of_launch(cx, "image", std::slice::from_ref(&image)).await?;
    Ok(json!({ "id": image }))
}

fn bits_name(cx: &Cx) -> Outcome<&'static str> {
    match cx.input.get("Architecture").filter(|a| !a.is_empty()) {
        None | Some("x86_64") => Ok("Other (64-bit)"),
        Some("i386") => Ok("Other (32-bit)"),
        Some(other) => Err(Fault::invalid("Architecture", format!("'{other}' is none of i386 and x86_64"))),
    }
}

/// The old overloading `FORMAT:ZONE:OSTYPE[:HYPERVISOR]`, or what a plain architecture leaves open by the file's name and the zone.
async fn form(cx: &Cx, location: &str) -> Outcome<Form> {
    let given = cx.input.get("Architecture").unwrap_or_default();
    let parts: Vec<&str> = given.split(':').collect();
    if parts.len() < 3 {
        let zone = launch::zone(cx).await?;
        let hypervisor = hypervisor(cx, text(&zone, "id")).await?;
        let system = system(cx, bits_name(cx)?).await?;
        let format = match suffix(location) {
            Some(format) => format.to_owned(),
            None => format_of(&hypervisor).to_owned(),
        };
        return Ok(Form { format, zone: text(&zone, "id").to_owned(), system, hypervisor });
    }
    let (format, zone_name, system_name) = (parts[0], parts[1], parts[2]);
    let zones = cx.list("listZones", Parameters::new()).await?;
    let zone = zones.iter().find(|z| text(z, "name") == zone_name);
    let zone = zone.ok_or_else(|| Fault::invalid("Architecture", format!("there is no zone '{zone_name}'")))?;
    let hypervisor = match parts.get(3) {
        Some(named) => (*named).to_owned(),
        None => hypervisor(cx, text(zone, "id")).await?,
    };
    let system = system(cx, system_name).await?;
    Ok(Form { format: format.to_uppercase(), zone: text(zone, "id").to_owned(), system, hypervisor })
}

/// The format that a file's name tells.
fn suffix(location: &str) -> Option<&'static str> {
    let path = location.split(['?', '#']).next().unwrap_or_default().to_lowercase();
    let bare = [".gz", ".bz2", ".zip"].iter().find_map(|s| path.strip_suffix(s)).unwrap_or(&path);
    [(".qcow2", "QCOW2"), (".vhd", "VHD"), (".ova", "OVA"), (".raw", "RAW"), (".img", "RAW")]
        .iter()
        .find(|(end, _)| bare.ends_with(end))
        .map(|(_, format)| *format)
}

fn format_of(hypervisor: &str) -> &'static str {
    match hypervisor {
        "XenServer" | "Hyperv" => "VHD",
        "VMware" => "OVA",
        _ => "QCOW2",
    }
}

async fn hypervisor(cx: &Cx, zone: &str) -> Outcome<String> {
    let all = cx.list("listHypervisors", pairs([("zoneid", zone)])).await?;
    let found = all.first().map(|h| text(h, "name").to_owned());
    found.ok_or_else(|| Fault::unsupported("The zone has no hypervisor yet that an image could be for"))
}

async fn system(cx: &Cx, name: &str) -> Outcome<String> {
    let all = cx.list("listOsTypes", pairs([("description", name)])).await?;
    let found = all.iter().find(|o| text(o, "description").eq_ignore_ascii_case(name)).map(|o| text(o, "id").to_owned());
    found.ok_or_else(|| Fault::invalid("Architecture", format!("there is no OS type '{name}'")))
}

/// `DeregisterImage`: the template is deleted, and with it, when that is asked, the snapshot that was taken for it.
pub async fn deregister(cx: &Cx) -> Outcome<Value> {
    let image = image_attribute::own(cx, "ImageId").await?;
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    let id = text(&image, "id").to_owned();
    let kept = cx.engine().ec2_attributes("ami", std::slice::from_ref(&id)).await?.remove(&id).unwrap_or_default();
    cx.finish("deleteTemplate", pairs([("id", &id)]), PATIENCE).await?;
    let clear: Vec<(&str, Option<&str>)> = kept.keys().map(|name| (name.as_str(), None)).collect();
    cx.engine().ec2_attributes_set("ami", std::slice::from_ref(&id), &clear).await?;
    let mut record = json!({ "id": id });
    if cx.input.flag("DeleteAssociatedSnapshots") {
        let mut results = Vec::new();
        if let Some(snapshot) = kept.get("snapshot") {
            let done = cx.finish("deleteSnapshot", pairs([("id", snapshot)]), PATIENCE).await;
            let code = if done.is_ok() { "success" } else { "client-error" };
            results.push(json!({ "id": snapshot, "code": code }));
        }
        set(&mut record, "results", results);
    }
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_tells_its_format() {
        for (location, format) in [
            ("http://a/b.vhd", Some("VHD")),
            ("http://a/b.QCOW2.bz2?x=1", Some("QCOW2")),
            ("http://a/b.img", Some("RAW")),
            ("http://a/b", None),
        ] {
            assert_eq!(suffix(location), format, "{location}");
        }
    }
}
