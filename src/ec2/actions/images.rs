//! Images: templates seen once, whichever zones they are in, with whose they are and who may launch them.
use crate::cx::{pairs, set, text};
use crate::{Cx, Fault, Outcome};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};

/// Joins the caller's own templates to those it may launch, and hides what `Owner` and `ExecutableBy` leave out.
pub async fn gather(cx: &Cx, launchable: Vec<Value>) -> Outcome<Vec<Value>> {
    let own = cx.list("listTemplates", pairs([("templatefilter", "self")])).await?;
    let mut records = join_all(cx, launchable, own).await?;
    choose(cx, &mut records).await?;
    Ok(records)
}

/// Templates, each once, with what the native record lacks.
pub async fn join_all(cx: &Cx, launchable: Vec<Value>, own: Vec<Value>) -> Outcome<Vec<Value>> {
    let mut records = once_each(launchable, own);
    let uuids: Vec<String> = records.iter().map(|r| text(r, "id").to_owned()).collect();
    let hvm = cx.engine().ec2_templates(&uuids).await?;
    let mut attributes = cx.engine().ec2_attributes("ami", &uuids).await?;
    cx.owners(&mut records).await?;
    for record in &mut records {
        let wants_hvm = hvm.get(text(record, "id")).copied().unwrap_or(true);
        join(record, wants_hvm);
        let kept = attributes.remove(text(record, "id")).unwrap_or_default();
        set(record, "deprecateat", kept.get("deprecateAt").cloned());
        set(record, "snapshot", kept.get("snapshot").cloned());
        let snapshot = record.get("snapshot").cloned().unwrap_or_default();
        if let Some(disk) = record.get_mut("disks").and_then(|d| d.get_mut(0)) {
            set(disk, "snapshot", snapshot);
        }
    }
    Ok(records)
}

/// Every template once: the native list has a row for each zone. One ready zone is enough.
fn once_each(launchable: Vec<Value>, own: Vec<Value>) -> Vec<Value> {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut records: Vec<Value> = Vec::new();
    for record in launchable.into_iter().chain(own) {
        if text(&record, "templatetype") == "SYSTEM" {
            continue;
        }
        match places.get(text(&record, "id")) {
            Some(place) => {
                if record.get("isready") == Some(&Value::Bool(true)) {
                    set(&mut records[*place], "isready", true);
                }
            }
            None => {
                places.insert(text(&record, "id").to_owned(), records.len());
                records.push(record);
            }
        }
    }
    records
}

fn join(record: &mut Value, wants_hvm: bool) {
    let status = text(record, "status").to_lowercase();
    let state = match record.get("isready") {
        Some(Value::Bool(true)) => "available",
        _ if status.contains("error") || status.contains("fail") => "failed",
        _ => "pending",
    };
    set(record, "ec2state", state);
    let location = format!("{}/{}", text(record, "ownerid"), text(record, "name"));
    set(record, "location", location);
    let system = text(record, "ostypename").to_owned();
    set(record, "architecture", if system.contains("32-bit") { "i386" } else { "x86_64" });
    if system.starts_with("Windows") {
        set(record, "platform", "windows");
    }
    let paravirtual = text(record, "hypervisor") == "XenServer" && !wants_hvm;
    set(record, "virtualization", if paravirtual { "paravirtual" } else { "hvm" });
    if is(record, "isfeatured") && is(record, "ispublic") && text(record, "domain") == "ROOT" {
        set(record, "alias", "amazon");
    }
    let size = record.get("size").cloned().unwrap_or(Value::Null);
    set(record, "disks", json!([{ "device": crate::ROOT_DEVICE, "size": size }]));
}

fn is(record: &Value, field: &str) -> bool {
    record.get(field) == Some(&Value::Bool(true))
}

/// `Owner` and `ExecutableBy`: alternatives within each, and both must hold.
async fn choose(cx: &Cx, records: &mut [Value]) -> Outcome<()> {
    let own = cx.engine().ec2_owner_of(cx.caller.account_id).await?;
    owned(cx, "Owner", records).await?;
    if let ref given @ [_, ..] = cx.input.list("ExecutableBy")[..] {
        let shared = shared(cx, given).await?;
        hide(records, |r| !shared.holds(r, &own));
    }
    Ok(())
}

/// Hides what none of the accounts owns that a parameter names.
pub async fn owned(cx: &Cx, parameter: &str, records: &mut [Value]) -> Outcome<()> {
    let own = cx.engine().ec2_owner_of(cx.caller.account_id).await?;
    let mut owners = Vec::new();
    for text in cx.input.list(parameter) {
        owners.push(owner(cx, text, &own).await?);
    }
    if !owners.is_empty() {
        hide(records, |r| !owners.iter().any(|o| o.owns(r)));
    }
    Ok(())
}

fn hide(records: &mut [Value], which: impl Fn(&Value) -> bool) {
    for record in records.iter_mut() {
        if which(record) {
            set(record, "hidden", true);
        }
    }
}

enum Owner {
    Account(String),
    Amazon,
    Nobody,
}

impl Owner {
    fn owns(&self, record: &Value) -> bool {
        match self {
            Self::Account(number) => text(record, "ownerid") == number,
            Self::Amazon => text(record, "alias") == "amazon",
            Self::Nobody => false,
        }
    }
}

async fn owner(cx: &Cx, given: &str, own: &str) -> Outcome<Owner> {
    Ok(match given {
        "self" => Owner::Account(own.to_owned()),
        "amazon" => Owner::Amazon,
        "aws-marketplace" | "microsoft" | "aws-backup-vault" => Owner::Nobody,
        other => match cx.engine().ec2_account(other, cx.caller.domain_id).await? {
            Some(pair) => {
                let known = cx.engine().ec2_owners(&HashSet::from([pair.clone()])).await?;
                known.get(&pair).cloned().map_or(Owner::Nobody, Owner::Account)
            }
            // Twelve digits that belong to nobody here are an account that owns nothing; anything else is no account.
            None if other.len() == 12 && other.bytes().all(|b| b.is_ascii_digit()) => Owner::Nobody,
            None => return Err(Fault::new("InvalidUserID.Malformed", format!("Invalid user id: \"{other}\""))),
        },
    })
}

#[derive(Default)]
struct Shared {
    everybody: bool,
    /// Templates that were shared with the caller by name.
    uuids: HashSet<String>,
}

impl Shared {
    fn holds(&self, record: &Value, own: &str) -> bool {
        let public = is(record, "ispublic");
        (self.everybody && public) || (!public && text(record, "ownerid") != own && self.uuids.contains(text(record, "id")))
    }
}

async fn shared(cx: &Cx, given: &[&str]) -> Outcome<Shared> {
    let mut shared = Shared { everybody: given.contains(&"all"), ..Shared::default() };
    if given.iter().any(|g| *g != "all") {
        let with_us = cx.list("listTemplates", pairs([("templatefilter", "sharedexecutable")])).await?;
        shared.uuids = with_us.iter().map(|t| text(t, "id").to_owned()).collect();
    }
    Ok(shared)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_of_two_zones_is_one_image() {
        let row = |id: &str, zone: &str, ready: bool| json!({ "id": id, "zoneid": zone, "isready": ready });
        let system = json!({ "id": "s", "templatetype": "SYSTEM" });
        let records = once_each(vec![row("a", "1", false), system, row("b", "1", true)], vec![row("a", "2", true)]);
        assert_eq!(records.len(), 2);
        assert_eq!(records[0]["isready"], true);
    }
}
