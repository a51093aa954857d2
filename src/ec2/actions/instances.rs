//! Instances: a VM with its disks, its reservation and the work under way.
use crate::cx::{set, text};
use crate::{Cx, Outcome};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use stratus_engine::ec2_facts::{DiskFacts, GoneVm, VmFacts};

/// How long a terminated instance is still shown.
const SHOWN: i64 = 3600 * 1_000_000;

/// The instances of a list: the VMs there are, and those that ended within the hour.
pub async fn listed(cx: &Cx, records: Vec<Value>) -> Outcome<Vec<Value>> {
    let mut records = gather(cx, records).await?;
    let since = cx.now() - SHOWN;
    records.retain(|r| r.get("destroyed").and_then(Value::as_i64).is_none_or(|at| at >= since));
    Ok(records)
}

/// The caller's VMs that are expunged and were destroyed within the hour, as the native list would show them.
pub async fn gone(cx: &Cx) -> Outcome<Vec<Value>> {
    let vms = cx.engine().ec2_gone_vms(cx.caller.account_id, cx.now() - SHOWN).await?;
    let record = |vm: GoneVm| {
        json!({
            "id": vm.uuid, "name": vm.name, "state": "Expunging", "account": vm.account, "domainid": vm.domain, "zonename": vm.zone,
            "templateid": vm.template, "serviceofferingname": vm.offering, "keypair": vm.keypair, "hypervisor": vm.hypervisor,
            "created": vm.created,
        })
    };
    Ok(vms.into_iter().map(record).collect())
}

/// What a client said of an instance.
pub fn attribute<'v>(record: &'v Value, name: &str) -> Option<&'v str> {
    record.get("attributes")?.get(name)?.as_str()
}

/// Joins to VMs what the native record lacks.
pub async fn gather(cx: &Cx, mut records: Vec<Value>) -> Outcome<Vec<Value>> {
    if records.is_empty() {
        return Ok(records);
    }
    let uuids: Vec<String> = records.iter().map(|r| text(r, "id").to_owned()).collect();
    let mut facts = cx.engine().ec2_vms(&uuids).await?;
    // A VM that was not launched here is a reservation of its own.
    let alone: Vec<String> = uuids.iter().filter(|u| facts.get(*u).is_none_or(|f| f.reservation.is_none())).cloned().collect();
    let reservations = cx.engine().ec2_ids("r", &alone).await?;
    cx.owners(&mut records).await?;
    let types = cx.engine().ec2_offerings().await?.name;
    for record in &mut records {
        if let Some(name) = types.get(text(record, "serviceofferingid")) {
            set(record, "serviceofferingname", name.as_str());
        }
        let uuid = text(record, "id").to_owned();
        let fact = facts.remove(&uuid).unwrap_or_default();
        let reservation = fact.reservation.clone().or_else(|| reservations.get(&uuid).cloned());
        set(record, "reservation", reservation);
        join(cx, record, &fact);
    }
    super::vpc::of_instances(cx, &mut records).await?;
    Ok(records)
}

fn join(cx: &Cx, record: &mut Value, fact: &VmFacts) {
    // The record was read before the work under way was.
    if !fact.state.is_empty() {
        set(record, "state", fact.state.as_str());
    }
    let state = state(cx, text(record, "state"), fact.job.as_deref());
    set(record, "ec2state", state.as_str());
    if text(record, "state") == "Error" {
        set(record, "statereason", json!({ "code": "Server.InternalError", "message": "Server.InternalError: the launch failed" }));
    }
    set(record, "attributes", json!(fact.attributes));
    set(record, "monitoring", if attribute(record, "monitoring") == Some("true") { "enabled" } else { "disabled" });
    set(record, "clienttoken", attribute(record, "clientToken").unwrap_or_default().to_owned());
    set(record, "optimized", attribute(record, "ebsOptimized") == Some("true"));
    if let Some(at) = fact.destroyed.filter(|_| state == "terminated") {
        set(record, "destroyed", at);
        set(
            record,
            "statereason",
            json!({ "code": "Client.UserInitiatedShutdown", "message": "Client.UserInitiatedShutdown: User initiated shutdown" }),
        );
        let when = crate::mapping::expression::date(&at.to_string()).unwrap_or_default();
        set(record, "reason", format!("User initiated ({})", when.replace('T', " ").replace(".000Z", " GMT")));
    }
    if fact.launched > 0 {
        set(record, "launched", fact.launched);
    } else {
        let created = record.get("created").cloned().unwrap_or_default();
        set(record, "launched", created);
    }
    set(record, "launchindex", fact.launch_index.unwrap_or(0));
    set(record, "userdata", fact.user_data.clone());
    let architecture = if fact.os.contains("32-bit") { "i386" } else { "x86_64" };
    set(record, "architecture", architecture);
    if fact.os.starts_with("Windows") {
        set(record, "platform", "windows");
    }
    let paravirtual = text(record, "hypervisor") == "XenServer" && !fact.hvm;
    set(record, "virtualization", if paravirtual { "paravirtual" } else { "hvm" });
    if state != "terminated" {
        addresses(record);
        set(record, "disks", fact.disks.iter().map(|d| disk(d, fact.launched)).collect::<Vec<Value>>());
    } else {
        set(record, "disks", Vec::<Value>::new());
    }
    if !record.get("securitygroup").is_some_and(Value::is_array) {
        set(record, "securitygroup", Vec::<Value>::new());
    }
}

/// The state: what a job is about to make of it, else what the VM is in.
pub fn state(cx: &Cx, native: &str, job: Option<&str>) -> String {
    let state = cx.word("instance-state", native);
    let coming = job.and_then(|j| cx.mappings().tables.word("instance-job", j));
    match coming {
        Some(coming) if state != "terminated" => coming.to_owned(),
        _ => state,
    }
}

fn addresses(record: &mut Value) {
    let nics = record.get("nic").and_then(Value::as_array).cloned().unwrap_or_default();
    let default = nics.iter().find(|n| n.get("isdefault") == Some(&Value::Bool(true))).or(nics.first());
    if let Some(ip) = default.and_then(|n| n.get("ipaddress")) {
        set(record, "privateip", ip.clone());
    }
    if let Some(mac) = default.and_then(|n| n.get("macaddress")) {
        set(record, "mac", mac.clone());
    }
}

fn disk(disk: &DiskFacts, launched: i64) -> Value {
    json!({
        "id": disk.uuid,
        "number": disk.device,
        "device": device(disk),
        "attached": disk.attached.unwrap_or(launched),
        "delete": disk.delete_with_vm,
        "status": attachment(disk.job.as_deref()),
    })
}

/// The name of a device: as asked for, else by its number.
pub fn device(disk: &DiskFacts) -> String {
    if let Some(named) = &disk.named {
        return named.clone();
    }
    match u8::try_from(disk.device) {
        Ok(0) => crate::ROOT_DEVICE.to_owned(),
        Ok(n) if n < 26 => format!("/dev/sd{}", char::from(b'a' + n)),
        _ => format!("/dev/xvd{}", disk.device),
    }
}

/// How an attachment stands while a command works on it.
pub fn attachment(job: Option<&str>) -> &'static str {
    match job {
        Some("attachVolume") => "attaching",
        Some("detachVolume") => "detaching",
        _ => "attached",
    }
}

/// Marks all but running instances as hidden, unless all are asked for, and says how those are.
pub async fn status(cx: &Cx, records: Vec<Value>) -> Outcome<Vec<Value>> {
    let mut records = listed(cx, records).await?;
    for record in &mut records {
        let state = text(record, "ec2state").to_owned();
        if state != "running" && !cx.input.flag("IncludeAllInstances") {
            set(record, "hidden", true);
        }
        let (status, reachable) = match state.as_str() {
            "running" => ("ok", Some("passed")),
            "pending" => ("initializing", Some("initializing")),
            _ => ("not-applicable", None),
        };
        set(record, "status", status);
        set(record, "details", reachable.map(|s| vec![json!({ "name": "reachability", "status": s })]));
    }
    Ok(records)
}

/// Instances on their way into an answer that is written in pieces: those of a reservation wait until all of it was read.
#[derive(Default)]
pub struct Reservations {
    order: Vec<String>,
    /// How many of each were read, of how many, and those that are shown.
    waiting: HashMap<String, (usize, usize, Vec<Value>)>,
}

impl Reservations {
    /// Counts instances that were read, by their reservations.
    pub async fn expect(&mut self, cx: &Cx, seen: &[String]) -> Outcome<()> {
        let fresh: HashSet<&String> = seen.iter().filter(|r| !self.waiting.contains_key(*r)).collect();
        let fresh: Vec<String> = fresh.into_iter().cloned().collect();
        let sizes = cx.engine().ec2_reservation_sizes(&fresh).await?;
        for reservation in seen {
            let known = self.waiting.entry(reservation.clone()).or_insert_with(|| {
                self.order.push(reservation.clone());
                // One that no launch wrote down is a VM by itself.
                (0, sizes.get(reservation).copied().unwrap_or(1), Vec::new())
            });
            known.0 += 1;
        }
        Ok(())
    }

    /// Takes instances in, and gives out the reservations that are complete.
    pub fn take(&mut self, shown: Vec<Value>) -> Vec<Value> {
        for record in shown {
            if let Some((_, _, members)) = self.waiting.get_mut(text(&record, "reservation")) {
                members.push(record);
            }
        }
        self.out(|(seen, of, _)| seen >= of)
    }

    /// What still waits at the end.
    pub fn rest(&mut self) -> Vec<Value> {
        self.out(|_| true)
    }

    fn out(&mut self, whether: impl Fn(&(usize, usize, Vec<Value>)) -> bool) -> Vec<Value> {
        let mut given = Vec::new();
        self.order.retain(|key| {
            let ready = self.waiting.get(key).is_some_and(&whether);
            if ready && let Some((_, _, members)) = self.waiting.remove(key).filter(|(_, _, members)| !members.is_empty()) {
                given.push(reservation(key, members));
            }
            !ready
        });
        given
    }
}

/// Instances by reservation, each in launch order.
pub fn reservations(records: Vec<Value>) -> Vec<Value> {
    let mut order: Vec<String> = Vec::new();
    let mut by: HashMap<String, Vec<Value>> = HashMap::new();
    for record in records {
        let key = text(&record, "reservation").to_owned();
        let members = by.entry(key.clone()).or_default();
        if members.is_empty() {
            order.push(key);
        }
        members.push(record);
    }
    let groups = order.into_iter().filter_map(|key| by.remove(&key).map(|members| (key, members)));
    groups.map(|(key, members)| reservation(&key, members)).collect()
}

/// One reservation with its instances.
pub fn reservation(id: &str, mut members: Vec<Value>) -> Value {
    members.sort_by_key(|m| m.get("launchindex").and_then(Value::as_i64).unwrap_or(0));
    let first = members.first();
    let owner = first.and_then(|m| m.get("ownerid")).cloned();
    let groups = first.and_then(|m| m.get("securitygroup")).cloned();
    json!({ "reservation": id, "ownerid": owner, "securitygroup": groups, "instances": members })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_named_by_number_or_as_asked() {
        let named =
            |device, named: Option<&str>| super::device(&DiskFacts { device, named: named.map(str::to_owned), ..Default::default() });
        assert_eq!(named(0, None), "/dev/sda1");
        assert_eq!(named(1, None), "/dev/sdb");
        assert_eq!(named(7, None), "/dev/sdh");
        assert_eq!(named(7, Some("/dev/xvdf")), "/dev/xvdf");
    }

    #[test]
    fn a_reservation_keeps_its_instances_in_launch_order() {
        let vm = |id: &str, r: &str, index: i64| json!({ "id": id, "reservation": r, "launchindex": index });
        let groups = reservations(vec![vm("b", "r-1", 1), vm("c", "r-2", 0), vm("a", "r-1", 0)]);
        assert_eq!(groups.len(), 2);
        assert_eq!(groups[0]["instances"][0]["id"], "a");
        assert_eq!(groups[1]["reservation"], "r-2");
    }
}
