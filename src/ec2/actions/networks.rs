//! Where a launch lands: nothing to say in a basic zone, a network of the account in an advanced one.
use super::launch::Groups;
use crate::cx::{object, pairs, text};
use crate::native::Parameters;
use crate::{Cx, Fault, Outcome, PATIENCE};
use serde_json::Value;

/// The first subnet that a launch names, by itself or in a network interface.
pub fn subnet_given(cx: &Cx) -> Option<String> {
    let interfaces = cx.input.indexes("NetworkInterface");
    let names = interfaces.into_iter().map(|i| format!("NetworkInterface.{i}.SubnetId"));
    let mut names = std::iter::once("SubnetId".to_owned()).chain(names);
    names.find_map(|n| cx.input.get(&n).filter(|v| !v.is_empty()).map(str::to_owned))
}

/// Adds networks and security groups to a launch.
pub async fn place(cx: &Cx, zone: &Value, groups: Groups, native: &mut Parameters) -> Outcome<()> {
    let advanced = text(zone, "networktype") == "Advanced";
    let enforced = !advanced || zone.get("securitygroupsenabled") == Some(&Value::Bool(true));
    let mut subnets: Vec<&str> = cx.input.get("SubnetId").into_iter().filter(|s| !s.is_empty()).collect();
    let names: Vec<String> = cx.input.indexes("NetworkInterface").into_iter().map(|i| format!("NetworkInterface.{i}.SubnetId")).collect();
    subnets.extend(names.iter().filter_map(|n| cx.input.get(n)));
    // A basic zone has one network, and a VM there is on it.
    if !subnets.is_empty() && advanced {
        native.insert("networkids".into(), cx.uuids("subnet", &subnets).await?.join(","));
    } else if advanced {
        native.insert("networkids".into(), network(cx, text(zone, "id"), enforced).await?);
    }
    let (key, values) = match groups {
        Groups::Names(names) => ("securitygroupnames", names),
        Groups::Uuids(uuids) => ("securitygroupids", uuids),
    };
    if !enforced {
        // Groups are kept but not enforced in isolated networks: only the one that everybody has may be named.
        if values.iter().any(|v| v != "default") {
            return Err(Fault::combination("Security groups are not enforced in this zone; only 'default' may be given"));
        }
        return Ok(());
    }
    if !values.is_empty() {
        native.insert(key.into(), values.join(","));
    }
    Ok(())
}

/// A network of an advanced zone: the one with security groups, else an isolated one of the account, else a new one.
pub async fn network(cx: &Cx, zone: &str, groups: bool) -> Outcome<String> {
    let query = match groups {
        true => pairs([("zoneid", zone), ("supportedservices", "SecurityGroup")]),
        false => pairs([("zoneid", zone), ("type", "Isolated")]),
    };
    if let Some(found) = cx.list("listNetworks", query).await?.first() {
        return Ok(text(found, "id").to_owned());
    }
    if groups {
        return Err(Fault::new("InvalidSubnetID.NotFound", "The zone has no network with security groups"));
    }
    let mut offering = None;
    for availability in ["Required", "Optional"] {
        let query = pairs([("availability", availability), ("state", "Enabled"), ("guestiptype", "Isolated"), ("zoneid", zone)]);
        offering = offering.or(cx.list("listNetworkOfferings", query).await?.first().map(|o| text(o, "id").to_owned()));
    }
    let offering = offering.ok_or_else(|| Fault::unsupported("There is no network offering to make a network from"))?;
    let name = format!("{}-network", cx.caller.account_name);
    let query = pairs([("name", &name), ("displaytext", &name), ("networkofferingid", &offering), ("zoneid", zone)]);
    let made = object(cx.finish("createNetwork", query, PATIENCE).await?, Some("network"));
    Ok(text(&made, "id").to_owned())
}
