//! `DescribeInstanceAttribute`: one element, each with its own shape.
use super::instances;
use crate::cx::{set, text};
use crate::run::{dry_run, one};
use crate::{Cx, Outcome};
use serde_json::{Value, json};

/// The attribute that was asked for, under its own name.
pub async fn describe(cx: &Cx) -> Outcome<Value> {
    let given = cx.input.require("InstanceId")?;
    let attribute = cx.input.require("Attribute")?;
    let uuid = cx.uuid("i", given).await?;
    let vm = one(cx, "listVirtualMachines", &uuid).await?.ok_or_else(|| cx.not_found("i", given))?;
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    let vm = instances::gather(cx, vec![vm]).await?.pop().unwrap_or_default();
    let mut record = json!({ "id": uuid });
    set(&mut record, attribute, value(&vm, attribute));
    Ok(record)
}

/// An attribute's value; an object without `value` for one that is not set.
fn value(vm: &Value, attribute: &str) -> Value {
    match attribute {
        "instanceType" => json!({ "value": text(vm, "serviceofferingname") }),
        "userData" => match vm.get("userdata").and_then(Value::as_str) {
            Some(data) if !data.is_empty() => json!({ "value": data }),
            _ => json!({}),
        },
        "instanceInitiatedShutdownBehavior" => json!({ "value": "stop" }),
        "rootDeviceName" => json!({ "value": crate::ROOT_DEVICE }),
        "sourceDestCheck" => json!({ "value": true }),
        "disableApiTermination" | "disableApiStop" | "ebsOptimized" | "enaSupport" => json!({ "value": false }),
        "enclaveOptions" => json!({ "enabled": false }),
        "blockDeviceMapping" => vm.get("disks").cloned().unwrap_or_default(),
        "groupSet" => vm.get("securitygroup").cloned().unwrap_or_default(),
        "productCodes" => json!([]),
        // kernel, ramdisk, sriovNetSupport: known, and never set here.
        _ => json!({}),
    }
}
