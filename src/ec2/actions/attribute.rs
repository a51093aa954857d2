//! Attributes of one instance: shown, changed, reset. Native ones are the VM's own; the rest is kept for the doors, and has its effect
//! where it is looked at (`guard` of a mapping, the disks at an expunge).
use super::instances;
use crate::cx::{pairs, set, text};
use crate::mapping::request::parse_flag;
use crate::run::{dry_run, one};
use crate::{Cx, Fault, Outcome, PATIENCE};
use serde_json::{Value, json};

/// Attributes that are kept as they are said, with what they are when nobody said anything.
const KEPT: &[(&str, &str)] = &[
    ("disableApiTermination", "false"),
    ("disableApiStop", "false"),
    ("instanceInitiatedShutdownBehavior", "stop"),
    ("ebsOptimized", "false"),
];

/// The instance that a request names, with all that is known of it.
async fn named(cx: &Cx) -> Outcome<Value> {
    let given = cx.input.require("InstanceId")?;
    let uuid = cx.uuid("i", given).await?;
    let vm = one(cx, "listVirtualMachines", &uuid).await?.ok_or_else(|| cx.not_found("i", given))?;
    Ok(instances::gather(cx, vec![vm]).await?.pop().unwrap_or_default())
}

/// `DescribeInstanceAttribute`: the attribute that was asked for, under its own name.
pub async fn describe(cx: &Cx) -> Outcome<Value> {
    cx.input.require("InstanceId")?;
    let attribute = cx.input.require("Attribute")?;
    let vm = named(cx).await?;
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    let mut record = json!({ "id": text(&vm, "id") });
    set(&mut record, attribute, value(&vm, attribute));
    Ok(record)
}

/// An attribute's value; an object without `value` for one that is not set.
fn value(vm: &Value, attribute: &str) -> Value {
    if let Some((_, unsaid)) = KEPT.iter().find(|(name, _)| *name == attribute) {
        return json!({ "value": instances::attribute(vm, attribute).unwrap_or(unsaid) });
    }
    match attribute {
        "instanceType" => json!({ "value": text(vm, "serviceofferingname") }),
        "userData" => match vm.get("userdata").and_then(Value::as_str) {
            Some(data) if !data.is_empty() => json!({ "value": data }),
            _ => json!({}),
        },
        "rootDeviceName" => json!({ "value": crate::ROOT_DEVICE }),
        "sourceDestCheck" => json!({ "value": true }),
        "enaSupport" => json!({ "value": false }),
        "enclaveOptions" => json!({ "enabled": false }),
        "blockDeviceMapping" => vm.get("disks").cloned().unwrap_or_default(),
        "groupSet" => vm.get("securitygroup").cloned().unwrap_or_default(),
        "productCodes" => json!([]),
        // kernel, ramdisk, sriovNetSupport: known, and never set here.
        _ => json!({}),
    }
}

/// One change of `ModifyInstanceAttribute`.
enum Change {
    Kept(&'static str, String),
    Type(String),
    UserData(String),
    Groups(Vec<String>),
    /// Device name or volume id, and whether the disk goes with the instance.
    Disks(Vec<(String, bool)>),
    /// It is so already.
    Nothing,
}

/// `ModifyInstanceAttribute`: one attribute a call, as EC2 has it.
pub async fn modify(cx: &Cx) -> Outcome<Value> {
    cx.input.require("InstanceId")?;
    let mut said = said(cx)?;
    let vm = named(cx).await?;
    let (Some((name, value)), true) = (said.pop(), said.is_empty()) else {
        return Err(Fault::combination("Give one attribute to change, no more and no less"));
    };
    let change = change(cx, &name, value.as_deref()).await?;
    if matches!(change, Change::Type(_) | Change::UserData(_)) && text(&vm, "ec2state") != "stopped" {
        let why = format!("The instance '{}' is not in the 'stopped' state", cx.input.require("InstanceId")?);
        return Err(Fault::new("IncorrectInstanceState", why));
    }
    if matches!(text(&vm, "ec2state"), "terminated" | "shutting-down") {
        return Err(Fault::new("IncorrectInstanceState", "The instance is terminated"));
    }
    let disks = match &change {
        Change::Disks(wanted) => disks_of(&vm, wanted)?,
        _ => Vec::new(),
    };
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    apply(cx, text(&vm, "id"), change, disks).await?;
    Ok(json!({}))
}

/// What a request says, in the form of now (`DisableApiTermination.Value`) or the old one (`Attribute` and `Value`).
fn said(cx: &Cx) -> Outcome<Vec<(String, Option<String>)>> {
    let mut all: Vec<(String, Option<String>)> = Vec::new();
    for (parameter, attribute) in [
        ("DisableApiTermination.Value", "disableApiTermination"),
        ("DisableApiStop.Value", "disableApiStop"),
        ("InstanceInitiatedShutdownBehavior.Value", "instanceInitiatedShutdownBehavior"),
        ("EbsOptimized.Value", "ebsOptimized"),
        ("InstanceType.Value", "instanceType"),
        ("UserData.Value", "userData"),
        ("SourceDestCheck.Value", "sourceDestCheck"),
        ("EnaSupport.Value", "enaSupport"),
        ("SriovNetSupport.Value", "sriovNetSupport"),
        ("Kernel.Value", "kernel"),
        ("Ramdisk.Value", "ramdisk"),
    ] {
        if let Some(value) = cx.input.get(parameter) {
            all.push((attribute.to_owned(), Some(value.to_owned())));
        }
    }
    if cx.input.any("GroupId") {
        all.push(("groupSet".into(), None));
    }
    if cx.input.any("BlockDeviceMapping") {
        all.push(("blockDeviceMapping".into(), None));
    }
    if let Some(attribute) = cx.input.get("Attribute").filter(|a| !a.is_empty()) {
        // boto says `Attribute=groupSet` beside `GroupId.1`: that is one and the same.
        match (cx.input.get("Value"), all.iter().any(|(name, _)| name == attribute)) {
            (value @ Some(_), false) => all.push((attribute.to_owned(), value.map(str::to_owned))),
            (None, true) => {}
            (Some(_), true) => return Err(Fault::combination("The attribute is given in two ways")),
            (None, false) => return Err(Fault::missing("Value")),
        }
    } else if cx.input.get("Value").is_some() {
        return Err(Fault::missing("Attribute"));
    }
    Ok(all)
}

async fn change(cx: &Cx, attribute: &str, value: Option<&str>) -> Outcome<Change> {
    let value = value.unwrap_or_default();
    let flag = || parse_flag(value).ok_or_else(|| Fault::invalid(attribute, "must be true or false"));
    Ok(match attribute {
        "disableApiTermination" => Change::Kept("disableApiTermination", flag()?.to_string()),
        "disableApiStop" => Change::Kept("disableApiStop", flag()?.to_string()),
        "ebsOptimized" => Change::Kept("ebsOptimized", flag()?.to_string()),
        "instanceInitiatedShutdownBehavior" if matches!(value, "stop" | "terminate") => {
            Change::Kept("instanceInitiatedShutdownBehavior", value.to_owned())
        }
        "instanceInitiatedShutdownBehavior" => {
            return Err(Fault::new("InvalidInstanceAttributeValue", "must be stop or terminate"));
        }
        "instanceType" => Change::Type(super::launch::offering_named(cx, value).await?),
        "userData" => Change::UserData(super::launch::user_data_of(value)?.unwrap_or_default()),
        "groupSet" => Change::Groups(group_uuids(cx, &cx.input.list("GroupId")).await?),
        "blockDeviceMapping" => Change::Disks(disks_said(cx)?),
        "sourceDestCheck" if flag()? => Change::Nothing,
        "sourceDestCheck" => return Err(Fault::unsupported("Guests are always held to their own addresses here")),
        "enaSupport" if !flag()? => Change::Nothing,
        "enaSupport" | "sriovNetSupport" => {
            return Err(Fault::unsupported("NICs are virtio or emulated here; there is nothing to turn on"));
        }
        "kernel" | "ramdisk" if value.is_empty() => Change::Nothing,
        "kernel" | "ramdisk" => return Err(Fault::unsupported("Instances boot from their own disk here, with the kernel on it")),
        "rootDeviceName" | "productCodes" | "enclaveOptions" => {
            return Err(Fault::unsupported(format!("The attribute {attribute} cannot be changed here")));
        }
        other => return Err(Fault::invalid("Attribute", format!("'{other}' is not an attribute"))),
    })
}

/// The uuids of security groups. Each is shown to the caller by the native list, or it is not there.
pub async fn group_uuids(cx: &Cx, given: &[&str]) -> Outcome<Vec<String>> {
    let uuids = cx.uuids("sg", given).await?;
    for (group, given) in uuids.iter().zip(given) {
        one(cx, "listSecurityGroups", group).await?.ok_or_else(|| cx.not_found("sg", given))?;
    }
    Ok(uuids)
}

fn disks_said(cx: &Cx) -> Outcome<Vec<(String, bool)>> {
    let mut all = Vec::new();
    for i in cx.input.indexes("BlockDeviceMapping") {
        let prefix = format!("BlockDeviceMapping.{i}");
        let goes = cx.input.get(&format!("{prefix}.Ebs.DeleteOnTermination")).and_then(parse_flag);
        let goes = goes.ok_or_else(|| Fault::missing(&format!("{prefix}.Ebs.DeleteOnTermination")))?;
        all.push((cx.input.require(&format!("{prefix}.DeviceName"))?.to_owned(), goes));
    }
    // The old form: `Attribute=blockDeviceMapping&Value=/dev/sdc=true`.
    for text in cx.input.get("Value").into_iter() {
        let pair = text.split_once('=').and_then(|(device, goes)| Some((device.to_owned(), parse_flag(goes)?)));
        all.push(pair.ok_or_else(|| Fault::invalid("Value", "must be DEVICE=true or DEVICE=false"))?);
    }
    Ok(all)
}

fn disks_of(vm: &Value, wanted: &[(String, bool)]) -> Outcome<Vec<(String, bool)>> {
    let disks = vm.get("disks").and_then(Value::as_array).cloned().unwrap_or_default();
    let find = |(device, goes): &(String, bool)| {
        let found = disks.iter().find(|d| text(d, "device") == device).map(|d| (text(d, "id").to_owned(), *goes));
        let why = || Fault::new("InvalidInstanceAttributeValue", format!("No device is currently mapped at {device}"));
        found.ok_or_else(why)
    };
    wanted.iter().map(find).collect()
}

async fn apply(cx: &Cx, vm: &str, change: Change, disks: Vec<(String, bool)>) -> Outcome<()> {
    match change {
        Change::Nothing => {}
        Change::Type(offering) => {
            cx.finish("changeServiceForVirtualMachine", pairs([("id", vm), ("serviceofferingid", &offering)]), PATIENCE).await?;
        }
        Change::UserData(data) => drop(cx.say("updateVirtualMachine", [("id", vm), ("userdata", &data)]).await?),
        Change::Kept(name, value) => {
            // The native command judges whether the caller may, and writes the event.
            cx.say("updateVirtualMachine", [("id", vm)]).await?;
            cx.engine().ec2_attributes_set("i", &[vm.to_owned()], &[(name, Some(&value))]).await?;
        }
        Change::Groups(groups) => {
            cx.engine().ec2_groups_set(&cx.call("updateVirtualMachine", "VM.UPDATE"), vm, &groups).await?;
        }
        Change::Disks(_) => {
            cx.say("updateVirtualMachine", [("id", vm)]).await?;
            for (volume, goes) in disks {
                cx.engine().ec2_delete_with_vm_set(&volume, goes).await?;
            }
        }
    }
    Ok(())
}

/// `ResetInstanceAttribute`: what can be reset is never anything else here.
pub async fn reset(cx: &Cx) -> Outcome<Value> {
    cx.input.require("InstanceId")?;
    let attribute = cx.input.require("Attribute")?;
    if !matches!(attribute, "sourceDestCheck" | "kernel" | "ramdisk") {
        return Err(Fault::invalid("Attribute", format!("'{attribute}' cannot be reset")));
    }
    named(cx).await?;
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    Ok(json!({}))
}

/// `MonitorInstances` and `UnmonitorInstances`: the wish is kept and shown.
pub async fn monitor(cx: &Cx) -> Outcome<Value> {
    let given = cx.input.list("InstanceId");
    let uuids = cx.uuids("i", &given).await?;
    for (text, found) in given.iter().zip(crate::run::each(cx, "listVirtualMachines", &uuids).await?) {
        found.ok_or_else(|| cx.not_found("i", text))?;
    }
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    let on = cx.action.name == "MonitorInstances";
    cx.engine().ec2_attributes_set("i", &uuids, &[("monitoring", on.then_some("true"))]).await?;
    let state = if on { "pending" } else { "disabling" };
    let shown: Vec<Value> = uuids.iter().map(|uuid| json!({ "id": uuid, "monitoring": state })).collect();
    Ok(json!({ "all": shown }))
}

/// What `ModifyInstanceMetadataOptions` and `ModifyInstanceMaintenanceOptions` keep: parameter, attribute, what it is when unsaid.
const OPTIONS: &[(&str, &str, &str)] = &[
    ("HttpTokens", "httpTokens", "optional"),
    ("HttpEndpoint", "httpEndpoint", "enabled"),
    ("HttpPutResponseHopLimit", "httpPutResponseHopLimit", "1"),
    ("AutoRecovery", "autoRecovery", "default"),
    ("RebootMigration", "rebootMigration", "disabled"),
];

/// Options of an instance that are kept as they are said.
pub async fn options(cx: &Cx) -> Outcome<Value> {
    let vm = named(cx).await?;
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    let uuid = text(&vm, "id").to_owned();
    let mut record = json!({ "id": uuid });
    let mut said = Vec::new();
    for (parameter, name, unsaid) in OPTIONS {
        let now = cx.input.get(parameter).filter(|v| !v.is_empty());
        said.extend(now.map(|v| (*name, Some(v))));
        set(&mut record, name, now.or(instances::attribute(&vm, name)).unwrap_or(unsaid));
    }
    if !said.is_empty() {
        cx.say("updateVirtualMachine", [("id", &uuid)]).await?;
        cx.engine().ec2_attributes_set("i", &[uuid], &said).await?;
    }
    Ok(record)
}

/// `GetConsoleOutput`: what the host keeps of the guest's console, 64 KiB at most.
pub async fn console(cx: &Cx) -> Outcome<Value> {
    let vm = named(cx).await?;
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    let output = cx.engine().vm_console_output(text(&vm, "id")).await.map_err(|e| cx.fault(e))?;
    let tail = &output[output.len().saturating_sub(64 << 10)..];
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, tail);
    Ok(json!({ "id": text(&vm, "id"), "at": cx.now(), "output": encoded }))
}

/// `GetPasswordData`: the password that the native side sealed with the instance's public key; empty while there is none.
pub async fn password(cx: &Cx) -> Outcome<Value> {
    let vm = named(cx).await?;
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    let sealed = match cx.say("getVMPassword", [("id", text(&vm, "id"))]).await {
        Ok(answer) => text(&crate::cx::object(answer, Some("password")), "encryptedpassword").to_owned(),
        // No password was set, or the instance has no key to seal it with: EC2 says so by an empty text.
        Err(fault) if fault.code == "InvalidParameterValue" => String::new(),
        Err(fault) => return Err(fault),
    };
    Ok(json!({ "id": text(&vm, "id"), "at": cx.now(), "data": sealed }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_attributes_have_a_value_when_nobody_said_one() {
        let vm = json!({ "attributes": { "disableApiTermination": "true" } });
        assert_eq!(value(&vm, "disableApiTermination"), json!({ "value": "true" }));
        assert_eq!(value(&vm, "instanceInitiatedShutdownBehavior"), json!({ "value": "stop" }));
        assert_eq!(value(&vm, "kernel"), json!({}));
    }

    #[test]
    fn disks_are_found_by_their_device() {
        let vm = json!({ "disks": [{ "id": "v", "device": "/dev/sda1" }] });
        assert_eq!(disks_of(&vm, &[("/dev/sda1".into(), false)]), Ok(vec![("v".into(), false)]));
        assert!(disks_of(&vm, &[("/dev/sdz".into(), false)]).is_err());
    }
}
