//! Elastic IPs: public addresses, and static NAT that lets one stand for an instance.
//!
//! Every address can be used in both of EC2's ways, by `PublicIp` and by `AllocationId`. Versions from before there were default VPCs
//! see it in the domain `standard`, later ones in `vpc`.
use super::vpc::SINCE as VPC;
use super::{networks, tags};
use crate::cx::{object, pairs, set, text};
use crate::run::{dry_run, one};
use crate::{Cx, Fault, Outcome, PATIENCE, actions::places};
use serde_json::{Value, json};
use std::net::Ipv4Addr;

/// Joins to addresses what the native record lacks; those that the cloud holds itself are hidden.
pub async fn gather(cx: &Cx, mut records: Vec<Value>) -> Outcome<Vec<Value>> {
    let uuids: Vec<String> = records.iter().map(|r| text(r, "id").to_owned()).collect();
    let mut facts = cx.engine().ec2_addresses(&uuids).await?;
    let region = places::region(cx).await?;
    cx.owners(&mut records).await?;
    for record in &mut records {
        let fact = facts.remove(text(record, "id")).unwrap_or_default();
        let yes = |field: &str| record.get(field) == Some(&Value::Bool(true));
        if yes("issourcenat") || yes("issystem") || text(record, "state") != "Allocated" {
            set(record, "hidden", true);
        }
        if fact.nic.is_some() {
            let owner = record.get("ownerid").cloned();
            set(record, "nicowner", owner);
        }
        set(record, "association", fact.association);
        set(record, "nicid", fact.nic);
        set(record, "ec2domain", domain(cx));
        set(record, "region", region.as_str());
    }
    Ok(records)
}

fn domain(cx: &Cx) -> &'static str {
    let asked = cx.input.get("Domain").is_some_and(|d| d == "vpc");
    if asked || cx.version.from(VPC) { "vpc" } else { "standard" }
}

/// `AllocateAddress`.
pub async fn allocate(cx: &Cx) -> Outcome<Value> {
    tags::check_launch(cx, &["elastic-ip"])?;
    if let Some(group) = cx.input.get("NetworkBorderGroup")
        && group != places::region(cx).await?
    {
        return Err(Fault::invalid("NetworkBorderGroup", format!("there is no network border group '{group}'")));
    }
    let homes = homes(cx).await?;
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    let mut refused = Fault::unsupported("No zone of this cloud has public addresses");
    for (parameter, id) in &homes {
        match cx.finish("associateIpAddress", pairs([(parameter, id)]), PATIENCE).await {
            Ok(made) => return allocated(cx, object(made, Some("ipaddress"))).await,
            // Another zone may have what this one has not.
            Err(fault) if matches!(fault.code.as_str(), "InvalidParameterValue") => {}
            Err(fault) if fault.code == "InsufficientAddressCapacity" => refused = fault,
            Err(fault) => return Err(fault),
        }
    }
    Err(refused)
}

async fn allocated(cx: &Cx, made: Value) -> Outcome<Value> {
    tags::of_launch(cx, "elastic-ip", &[text(&made, "id").to_owned()]).await?;
    Ok(gather(cx, vec![made]).await?.pop().unwrap_or_default())
}

/// Where an address can be taken, in the order of zones: a basic zone itself, in an advanced one a network of the account.
async fn homes(cx: &Cx) -> Outcome<Vec<(&'static str, String)>> {
    let zones = cx.list("listZones", pairs([("available", "true")])).await?;
    let mut homes = Vec::new();
    let mut bare = None;
    for zone in zones.iter().filter(|z| text(z, "allocationstate") != "Disabled") {
        let id = text(zone, "id");
        if text(zone, "networktype") == "Basic" {
            homes.push(("zoneid", id.to_owned()));
            continue;
        }
        match cx.list("listNetworks", pairs([("zoneid", id), ("type", "Isolated")])).await?.first() {
            Some(network) => homes.push(("networkid", text(network, "id").to_owned())),
            None => bare = bare.or_else(|| Some(zone.clone())),
        }
    }
    // As a launch does, but only where there is nothing else.
    if let (true, Some(zone), false) = (homes.is_empty(), bare, cx.input.flag("DryRun")) {
        homes.push(("networkid", networks::network(cx, text(&zone, "id"), false).await?));
    }
    Ok(homes)
}

/// The address that a request names.
async fn named(cx: &Cx) -> Outcome<Value> {
    let (given, found) = match (cx.input.get("AllocationId"), cx.input.get("PublicIp")) {
        (Some(_), Some(_)) => return Err(Fault::combination("Give AllocationId or PublicIp, not both")),
        (None, None) => return Err(Fault::missing(if cx.version.from(VPC) { "AllocationId" } else { "PublicIp" })),
        (Some(id), None) => {
            let uuid = cx.uuid("eipalloc", id).await?;
            (id, one(cx, "listPublicIpAddresses", &uuid).await?)
        }
        (None, Some(ip)) => {
            if ip.parse::<Ipv4Addr>().is_err() {
                return Err(Fault::invalid("PublicIp", format!("'{ip}' is not an IPv4 address")));
            }
            (ip, cx.list("listPublicIpAddresses", pairs([("ipaddress", ip)])).await?.pop())
        }
    };
    let missing = || match cx.input.get("AllocationId") {
        Some(id) => cx.not_found("eipalloc", id),
        None => Fault::new("InvalidAddress.NotFound", format!("The address '{given}' does not exist")),
    };
    let record = gather(cx, found.into_iter().collect()).await?.pop();
    record.filter(|r| r.get("hidden").is_none()).ok_or_else(missing)
}

/// The instance that a request names, by itself or by its network interface.
async fn target(cx: &Cx) -> Outcome<Value> {
    let (kind, given, uuid) = match (cx.input.get("InstanceId"), cx.input.get("NetworkInterfaceId")) {
        (Some(_), Some(_)) => return Err(Fault::combination("Give InstanceId or NetworkInterfaceId, not both")),
        (None, None) => return Err(Fault::missing("InstanceId")),
        (Some(id), None) => ("i", id, Some(cx.uuid("i", id).await?)),
        (None, Some(id)) => ("eni", id, cx.engine().ec2_nic_vm(&cx.uuid("eni", id).await?).await?),
    };
    let uuid = uuid.ok_or_else(|| cx.not_found(kind, given))?;
    one(cx, "listVirtualMachines", &uuid).await?.ok_or_else(|| cx.not_found(kind, given))
}

/// `AssociateAddress`.
pub async fn associate(cx: &Cx) -> Outcome<Value> {
    let (address, vm) = (named(cx).await?, target(cx).await?);
    let (id, vm_id) = (text(&address, "id"), text(&vm, "id"));
    let mut native = pairs([("ipaddressid", id), ("virtualmachineid", vm_id)]);
    if let Some(ip) = cx.input.get("PrivateIpAddress") {
        native.insert("vmguestip".into(), ip.to_owned());
    }
    let elsewhere = Some(text(&address, "virtualmachineid")).filter(|v| !v.is_empty() && *v != vm_id).map(|_| id.to_owned());
    let another = Some(text(&vm, "publicipid")).filter(|a| !a.is_empty() && *a != id).map(str::to_owned);
    if let (Some(_), false) = (elsewhere.as_ref().or(another.as_ref()), reassociates(cx)) {
        let why = "The address or the instance is associated already, and reassociation is not allowed";
        return Err(Fault::new("Resource.AlreadyAssociated", why));
    }
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    for old in elsewhere.into_iter().chain(another) {
        cx.finish("disableStaticNat", pairs([("ipaddressid", &old)]), PATIENCE).await?;
    }
    cx.native("enableStaticNat", native).await?;
    let after = one(cx, "listPublicIpAddresses", id).await?.unwrap_or(address);
    Ok(gather(cx, vec![after]).await?.pop().unwrap_or_default())
}

/// Whether an association may take the place of another: in the way of old always, by `AllocationId` in versions of old only when asked.
fn reassociates(cx: &Cx) -> bool {
    match cx.input.get("AllowReassociation") {
        Some(_) => cx.input.flag("AllowReassociation"),
        None => cx.input.get("AllocationId").is_none() || cx.version.from(VPC),
    }
}

/// `DisassociateAddress`: an address that stands for nobody stays as it is.
pub async fn disassociate(cx: &Cx) -> Outcome<Value> {
    let address = match (cx.input.get("AssociationId"), cx.input.get("PublicIp")) {
        (Some(_), Some(_)) => return Err(Fault::combination("Give AssociationId or PublicIp, not both")),
        (None, None) => return Err(Fault::missing(if cx.version.from(VPC) { "AssociationId" } else { "PublicIp" })),
        (None, Some(_)) => named(cx).await?,
        (Some(id), None) => {
            let missing = || cx.not_found("eipassoc", id);
            let uuid = cx.engine().ec2_associated(&cx.uuid("eipassoc", id).await?).await?.ok_or_else(missing)?;
            one(cx, "listPublicIpAddresses", &uuid).await?.ok_or_else(missing)?
        }
    };
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    if address.get("isstaticnat") == Some(&Value::Bool(true)) {
        cx.finish("disableStaticNat", pairs([("ipaddressid", text(&address, "id"))]), PATIENCE).await?;
    }
    Ok(json!({}))
}

/// `ReleaseAddress`: by `PublicIp` whatever it stands for, by `AllocationId` only once it stands for nobody.
pub async fn release(cx: &Cx) -> Outcome<Value> {
    let address = named(cx).await?;
    if cx.input.get("AllocationId").is_some() && address.get("isstaticnat") == Some(&Value::Bool(true)) {
        let why = format!("The address {} is associated with an instance; disassociate it first", text(&address, "ipaddress"));
        return Err(Fault::new("InvalidIPAddress.InUse", why));
    }
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    cx.finish("disassociateIpAddress", pairs([("id", text(&address, "id"))]), PATIENCE).await?;
    Ok(json!({}))
}
