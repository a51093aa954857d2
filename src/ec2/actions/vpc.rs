//! The default VPC: how a cloud without VPCs of one's own making looks to versions that know nothing else (lib.rs "One VPC").
use crate::cx::{pairs, set, text};
use crate::run::{dry_run, one};
use crate::{Cx, Fault, Outcome};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;

/// The first version whose accounts have a default VPC; those before it see EC2-Classic.
pub const SINCE: &str = "2013-02-01";

/// What stands for the caller's VPC and for what is in it once: the account itself.
pub fn vpc(cx: &Cx) -> &str {
    &cx.caller.account_uuid
}

/// Networks that guests use, with what the native record lacks.
async fn subnets_of(cx: &Cx, records: Vec<Value>) -> Outcome<Vec<Value>> {
    let mut records: Vec<Value> =
        records.into_iter().filter(|n| text(n, "traffictype") == "Guest" && n.get("issystem") != Some(&Value::Bool(true))).collect();
    let uuids: Vec<String> = records.iter().map(|r| text(r, "id").to_owned()).collect();
    let mut facts = cx.engine().ec2_networks(&uuids).await?;
    let owner = cx.engine().ec2_owner_of(cx.caller.account_id).await?;
    for record in &mut records {
        let fact = facts.remove(text(record, "id")).unwrap_or_default();
        set(record, "vpc", vpc(cx));
        set(record, "ownerid", owner.as_str());
        set(record, "free", fact.free);
        set(record, "dns", fact.dns);
        set(record, "cidrblock", fact.cidrs.first().cloned());
    }
    // One without any range has no address to give: no EC2 tool could read it.
    records.retain(|r| !text(r, "cidrblock").is_empty());
    Ok(records)
}

/// `DescribeSubnets`: every guest network that the account may use.
pub async fn subnets(cx: &Cx, records: Vec<Value>) -> Outcome<Vec<Value>> {
    let mut records = subnets_of(cx, records).await?;
    let mut zones = HashSet::new();
    for record in &mut records {
        let first = zones.insert(text(record, "zoneid").to_owned());
        set(record, "default", first);
    }
    Ok(records)
}

/// The kind of thing that a list of the VPC's parts is about: what it is asked for by, `rtb` of `RouteTableId`.
fn kind(cx: &Cx) -> &str {
    cx.action.ids.first().and_then(|ids| ids.kind.as_deref()).unwrap_or("vpc")
}

/// One record for the VPC, with its subnets beneath: what every list of things that a VPC has once is read from.
pub async fn vpcs(cx: &Cx, records: Vec<Value>) -> Outcome<Vec<Value>> {
    let subnets = subnets_of(cx, records).await?;
    let Some(first) = subnets.first() else { return Ok(Vec::new()) };
    let blocks: Vec<&str> = subnets.iter().map(|s| text(s, "cidrblock")).collect();
    let cidr = covering(&blocks).unwrap_or_else(|| text(first, "cidrblock").to_owned());
    let mut dns: Vec<Value> = Vec::new();
    for server in subnets.iter().filter_map(|s| s.get("dns")?.as_array()).flatten() {
        if !dns.contains(server) {
            dns.push(server.clone());
        }
    }
    let values = |all: Vec<Value>| all.into_iter().map(|v| json!({ "value": v })).collect::<Vec<Value>>();
    let mut options = vec![json!({ "key": "domain-name-servers", "values": values(dns) })];
    if let Some(domain) = first.get("networkdomain").filter(|d| d.is_string()) {
        options.insert(0, json!({ "key": "domain-name", "values": values(vec![domain.clone()]) }));
    }
    // Groups say who may come; the network itself stops nobody.
    let entry = |number: i64, action: &str, egress: bool| json!({ "number": number, "action": action, "egress": egress });
    let entries: Vec<Value> = [true, false].into_iter().flat_map(|e| [entry(100, "allow", e), entry(32767, "deny", e)]).collect();
    let association = |s: &Value| json!({ "subnet": text(s, "id"), "acl": vpc(cx) });
    let tags = super::tags::own(cx, kind(cx), &[vpc(cx).to_owned()]).await?.remove(vpc(cx)).unwrap_or_default();
    Ok(vec![json!({
        "id": vpc(cx),
        "tags": tags,
        "ownerid": first.get("ownerid"),
        "cidr": cidr,
        "options": options,
        "entries": entries,
        "routes": [
            { "destination": cidr, "gateway": "local", "origin": "CreateRouteTable" },
            { "destination": "0.0.0.0/0", "igw": vpc(cx), "origin": "CreateRoute" },
        ],
        "main": [{ "id": vpc(cx), "cidr": cidr }],
        "subnets": subnets.iter().map(association).collect::<Vec<Value>>(),
        "none": [],
    })])
}

/// The smallest network that holds all of these, unless it would be no network of this world.
fn covering(blocks: &[&str]) -> Option<String> {
    let ends = |text: &str| {
        let (ip, len) = text.split_once('/')?;
        let (ip, len) = (u32::from(ip.parse::<Ipv4Addr>().ok()?), len.parse::<u32>().ok().filter(|l| *l <= 32)?);
        let mask = u32::MAX.checked_shl(32 - len).unwrap_or(0);
        Some((ip & mask, ip | !mask))
    };
    let all: Vec<(u32, u32)> = blocks.iter().filter_map(|b| ends(b)).collect();
    let (low, high) = (all.iter().map(|e| e.0).min()?, all.iter().map(|e| e.1).max()?);
    let len = (low ^ high).leading_zeros();
    let mask = u32::MAX.checked_shl(32 - len).unwrap_or(0);
    (len >= 8).then(|| format!("{}/{len}", Ipv4Addr::from(low & mask)))
}

/// The VPC that a request names; there is no other.
pub async fn check(cx: &Cx, parameter: &str) -> Outcome<()> {
    let Some(given) = cx.input.get(parameter).filter(|v| !v.is_empty()) else { return Ok(()) };
    match cx.uuid("vpc", given).await? == vpc(cx) {
        true => Ok(()),
        false => Err(cx.not_found("vpc", given)),
    }
}

/// `DescribeVpcAttribute`.
pub async fn attribute(cx: &Cx) -> Outcome<Value> {
    cx.input.require("VpcId")?;
    check(cx, "VpcId").await?;
    let asked = cx.input.require("Attribute")?;
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    let value = json!({ "value": asked == "enableDnsSupport" });
    Ok(json!({ "id": vpc(cx), asked: value }))
}

/// `DescribeNetworkInterfaces`: the NICs of instances, one after the other.
pub async fn interfaces(cx: &Cx, records: Vec<Value>) -> Outcome<Vec<Value>> {
    let records = super::instances::gather(cx, records).await?;
    let shown = records.iter().filter(|r| text(r, "ec2state") != "terminated");
    let mut all: Vec<Value> = shown.flat_map(nics_of).collect();
    dress(cx, &mut all).await?;
    Ok(all)
}

/// The NICs of a VM, each with what it shares with its VM.
fn nics_of(vm: &Value) -> Vec<Value> {
    let nics = vm.get("nic").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut all = Vec::new();
    for (index, mut nic) in nics.into_iter().enumerate().filter(|(_, n)| !text(n, "ipaddress").is_empty()) {
        for field in ["zonename", "ownerid", "securitygroup", "launched", "name"] {
            set(&mut nic, field, vm.get(field).cloned().unwrap_or_default());
        }
        set(&mut nic, "instance", text(vm, "id"));
        set(&mut nic, "index", index);
        all.push(nic);
    }
    all
}

/// Joins to NICs their VPC and public addresses.
async fn dress(cx: &Cx, nics: &mut [Value]) -> Outcome<()> {
    let uuids: Vec<String> = nics.iter().map(|n| text(n, "id").to_owned()).collect();
    let public = cx.engine().ec2_public_of(&uuids).await?;
    for nic in nics {
        set(nic, "vpc", vpc(cx));
        let owner = nic.get("ownerid").cloned();
        if let Some((ip, address, mapping)) = public.get(text(nic, "id")) {
            set(nic, "association", json!({ "ip": ip, "address": address, "mapping": mapping, "ownerid": owner }));
        }
        let (ip, association) = (text(nic, "ipaddress").to_owned(), nic.get("association").cloned());
        set(nic, "addresses", json!([{ "ip": ip, "association": association }]));
        set(nic, "none", Vec::<Value>::new());
    }
    Ok(())
}

/// Sets `vpc`, `subnet` and `interfaces` on instances, in versions that know them.
pub async fn of_instances(cx: &Cx, records: &mut [Value]) -> Outcome<()> {
    if !cx.version.from(SINCE) {
        return Ok(());
    }
    let mut all: Vec<Value> = records.iter().filter(|r| text(r, "ec2state") != "terminated").flat_map(nics_of).collect();
    dress(cx, &mut all).await?;
    let mut by: HashMap<String, Vec<Value>> = HashMap::new();
    for nic in all {
        by.entry(text(&nic, "instance").to_owned()).or_default().push(nic);
    }
    for record in records {
        let own = by.remove(text(record, "id")).unwrap_or_default();
        if let Some(first) = own.iter().find(|n| n.get("isdefault") == Some(&Value::Bool(true))).or(own.first()) {
            set(record, "vpc", vpc(cx));
            set(record, "subnet", text(first, "networkid"));
        }
        set(record, "interfaces", own);
    }
    Ok(())
}

/// The NIC that a request names.
async fn interface(cx: &Cx) -> Outcome<Value> {
    let given = cx.input.require("NetworkInterfaceId")?;
    let uuid = cx.uuid("eni", given).await?;
    let missing = || cx.not_found("eni", given);
    let vm = cx.engine().ec2_nic_vm(&uuid).await?.ok_or_else(missing)?;
    let vm = one(cx, "listVirtualMachines", &vm).await?.ok_or_else(missing)?;
    interfaces(cx, vec![vm]).await?.into_iter().find(|n| text(n, "id") == uuid).ok_or_else(missing)
}

/// `ModifyNetworkInterfaceAttribute`. Groups are those of the instance; what else can be said is so already, or cannot be.
pub async fn modify_interface(cx: &Cx) -> Outcome<Value> {
    let nic = interface(cx).await?;
    let groups = cx.input.list("SecurityGroupId");
    let flag = |name: &str| cx.input.get(name).and_then(crate::mapping::request::parse_flag);
    if cx.input.get("Description.Value").is_some_and(|d| !d.is_empty()) {
        return Err(Fault::unsupported("A network interface has no description of its own here"));
    }
    if flag("SourceDestCheck.Value") == Some(false) {
        return Err(Fault::unsupported("Guests are always held to their own addresses here"));
    }
    if flag("Attachment.DeleteOnTermination") == Some(false) {
        return Err(Fault::unsupported("A network interface goes with its instance here"));
    }
    let uuids = super::attribute::group_uuids(cx, &groups).await?;
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    if !uuids.is_empty() {
        cx.engine().ec2_groups_set(&cx.call("updateVirtualMachine", "VM.UPDATE"), text(&nic, "instance"), &uuids).await?;
    }
    Ok(json!({}))
}

/// `DescribeNetworkInterfaceAttribute`.
pub async fn interface_attribute(cx: &Cx) -> Outcome<Value> {
    let asked = cx.input.require("Attribute")?;
    let nic = interface(cx).await?;
    let uuid = text(&nic, "id").to_owned();
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    let mut answer = json!({ "id": uuid });
    match asked {
        "description" => set(&mut answer, "description", json!({ "value": "" })),
        "sourceDestCheck" => set(&mut answer, "check", json!({ "value": true })),
        "groupSet" => set(&mut answer, "groups", nic.get("securitygroup").cloned().unwrap_or_default()),
        "attachment" => set(&mut answer, "attachment", nic),
        _ => return Err(Fault::unsupported(format!("The attribute {asked} is not there in this cloud"))),
    }
    Ok(answer)
}

/// The subnet that a launch names, as the guest network's native record.
pub async fn subnet(cx: &Cx, given: &str) -> Outcome<Value> {
    let uuid = cx.uuid("subnet", given).await?;
    let found = cx.list("listNetworks", pairs([("id", &uuid)])).await.unwrap_or_default().pop();
    found.ok_or_else(|| cx.not_found("subnet", given))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vpc_covers_its_subnets() {
        assert_eq!(covering(&["10.1.0.0/19"]).as_deref(), Some("10.1.0.0/19"));
        assert_eq!(covering(&["10.1.1.0/24", "10.1.2.0/24"]).as_deref(), Some("10.1.0.0/22"));
        assert_eq!(covering(&["10.1.1.0/24", "192.168.0.0/24"]), None);
        assert_eq!(covering(&[]), None);
    }
}
