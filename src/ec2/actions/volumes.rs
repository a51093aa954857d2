//! Volumes with their attachments and the work under way.
use super::instances::{attachment, device};
use crate::cx::{set, text};
use crate::{Cx, Outcome};
use serde_json::{Value, json};

/// Joins to volumes what the native record lacks, and leaves out those that are gone for EC2.
pub async fn gather(cx: &Cx, mut records: Vec<Value>) -> Outcome<Vec<Value>> {
    let uuids: Vec<String> = records.iter().map(|r| text(r, "id").to_owned()).collect();
    let mut facts = cx.engine().ec2_volumes(&uuids).await?;
    cx.owners(&mut records).await?;
    for record in &mut records {
        let fact = facts.remove(text(record, "id")).unwrap_or_default();
        let mut vm = text(record, "virtualmachineid").to_owned();
        // What natively waits with a destroyed VM for its end is over for EC2: a disk that goes with it is gone, another one free.
        let ended = cx.word("instance-state", text(record, "vmstate")) == "terminated" && !vm.is_empty();
        if ended {
            set(record, "heldby", vm.as_str());
            set(record, "virtualmachineid", "");
            vm.clear();
        }
        let state = match (fact.job.as_deref(), vm.is_empty()) {
            // An attachment in the making counts as use; the instance is known when it is made.
            (Some("deleteVolume"), _) => "deleting".to_owned(),
            (Some("createVolume"), _) => "creating".to_owned(),
            _ if ended && fact.delete_with_vm => "gone".to_owned(),
            _ => state(cx, text(record, "state"), !vm.is_empty()),
        };
        set(record, "ec2state", state.as_str());
        set(record, "attributes", json!(fact.attributes));
        let attached = fact.attached.map_or_else(|| Value::from(text(record, "attached").to_owned()), Value::from);
        let attached = if attached == "" { Value::from(text(record, "created").to_owned()) } else { attached };
        let attachments = match vm.is_empty() {
            true => Vec::new(),
            false => vec![json!({
                "id": text(record, "id"),
                "instance": vm,
                "device": device(&fact),
                "status": attachment(fact.job.as_deref()),
                "attached": attached,
                "delete": fact.delete_with_vm,
            })],
        };
        set(record, "attachments", attachments);
    }
    records.retain(|r| text(r, "ec2state") != "gone");
    Ok(records)
}

fn state(cx: &Cx, native: &str, in_use: bool) -> String {
    let table = if in_use { "volume-in-use" } else { "volume-state" };
    cx.word(table, native)
}
