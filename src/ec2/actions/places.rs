//! Zones, regions, instance types and what an account may.
use crate::cx::{number, pairs, set, text};
use crate::native::Parameters;
use crate::{Cx, Outcome};
use serde_json::{Value, json};

/// The name of the region this server is.
pub async fn region(cx: &Cx) -> Outcome<String> {
    let regions = cx.list("listRegions", Parameters::new()).await?;
    Ok(regions.first().map(|r| text(r, "name")).filter(|n| !n.is_empty()).unwrap_or("ROOT").to_owned())
}

/// Zones with their region and the id that stands for their place in it.
pub async fn zones(cx: &Cx, mut records: Vec<Value>) -> Outcome<Vec<Value>> {
    let region = region(cx).await?;
    for (index, record) in records.iter_mut().enumerate() {
        set(record, "region", region.as_str());
        set(record, "zoneid", format!("{}-az{}", region.to_lowercase(), index + 1));
        set(record, "messages", Vec::<Value>::new());
    }
    Ok(records)
}

/// Regions with the address at which they are reached: for this one, as the caller reached it.
pub fn regions(cx: &Cx, mut records: Vec<Value>) -> Vec<Value> {
    if records.is_empty() {
        records.push(json!({ "name": "ROOT" }));
    }
    for (index, record) in records.iter_mut().enumerate() {
        let address = match index {
            0 => cx.host.clone(),
            _ => address_of(text(record, "endpoint")),
        };
        // boto 2 adds the port itself.
        let shown = if cx.version.from("2014-01-01") { address } else { bare(&address) };
        set(record, "address", shown);
    }
    records
}

fn address_of(url: &str) -> String {
    let after = url.split_once("://").map_or(url, |(_, rest)| rest);
    after.split('/').next().unwrap_or_default().to_owned()
}

fn bare(address: &str) -> String {
    match address.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host.to_owned(),
        _ => address.to_owned(),
    }
}

/// Service offerings that can be launched by name, their own or another that stands for them.
pub async fn types(cx: &Cx, mut records: Vec<Value>) -> Outcome<Vec<Value>> {
    let given = cx.engine().ec2_offerings().await?.offering;
    let named = given.iter().filter_map(|(name, uuid)| {
        let mut record = records.iter().find(|r| text(r, "id") == uuid)?.clone();
        set(&mut record, "name", name.as_str());
        Some(record)
    });
    let named: Vec<Value> = named.collect();
    records.retain(|r| !given.contains_key(text(r, "name")));
    records.extend(named);
    for record in &mut records {
        let yes = |field: &str| record.get(field) == Some(&Value::Bool(true));
        if yes("iscustomized") || yes("issystem") {
            set(record, "hidden", true);
        }
        set(record, "architectures", vec!["x86_64"]);
        set(record, "usage", vec!["on-demand"]);
        set(record, "rootdevices", vec!["ebs"]);
        set(record, "virtualizations", vec!["hvm"]);
    }
    Ok(records)
}

/// `DescribeInstanceTypeOfferings`: every type in every place of the kind that is asked for.
pub async fn type_offerings(cx: &Cx, records: Vec<Value>) -> Outcome<Vec<Value>> {
    let kind = cx.input.get("LocationType").unwrap_or("region");
    let places: Vec<String> = match kind {
        "region" => vec![region(cx).await?],
        _ => {
            let zones = zones(cx, cx.list("listZones", Parameters::new()).await?).await?;
            let field = if kind == "availability-zone" { "name" } else { "zoneid" };
            zones.iter().map(|z| text(z, field).to_owned()).collect()
        }
    };
    let types = types(cx, records).await?.into_iter().filter(|r| r.get("hidden").is_none());
    let offered = |r: Value| {
        let of = |place: &String| json!({ "name": text(&r, "name"), "locationtype": kind, "location": place });
        places.iter().map(of).collect::<Vec<_>>()
    };
    Ok(types.flat_map(offered).collect())
}

/// `DescribeIdFormat` and its kin: ids are long ones, of every kind that is given out.
pub fn id_format(cx: &Cx) -> Outcome<Value> {
    let asked = cx.input.get("Resource").filter(|r| !r.is_empty());
    let words: Vec<&str> = cx.mappings().tables.kinds().filter_map(|k| k.word.as_deref()).collect();
    if let Some(unknown) = asked.filter(|a| !words.contains(a)) {
        return Err(crate::Fault::invalid("Resource", format!("'{unknown}' is not a kind of resource")));
    }
    if cx.input.flag("DryRun") {
        return Err(crate::run::dry_run());
    }
    let shown = words.into_iter().filter(|w| asked.is_none_or(|a| a == *w));
    Ok(json!({ "all": shown.map(|w| json!({ "resource": w })).collect::<Vec<_>>() }))
}

/// STS's `GetCallerIdentity`: the account's digits, the user and a name for both.
pub async fn caller_identity(cx: &Cx) -> Outcome<Value> {
    let account = cx.engine().ec2_owner_of(cx.caller.account_id).await?;
    let user = &cx.caller.username;
    Ok(json!({ "account": account, "user": cx.caller.user_uuid, "arn": format!("arn:aws:iam::{account}:user/{user}") }))
}

/// `DescribeAccountAttributes`.
pub async fn account_attributes(cx: &Cx) -> Outcome<Value> {
    let asked = cx.input.list("AttributeName");
    let zones = cx.list("listZones", Parameters::new()).await?;
    let has = |kind: &str| zones.iter().any(|z| text(z, "networktype") == kind);
    let modern = cx.version.from(super::vpc::SINCE);
    let platforms = match modern {
        true => vec![("VPC", true)],
        false => vec![("EC2", has("Basic")), ("VPC", has("Advanced"))],
    };
    let platforms = platforms.into_iter().filter(|(_, there)| *there).map(|(p, _)| p.to_owned());
    let vpc = match modern && !zones.is_empty() {
        true => cx.engine().ec2_ids("vpc", &[super::vpc::vpc(cx).to_owned()]).await?.into_values().next(),
        false => None,
    };
    let instances = limit(cx, "0").await?;
    let addresses = limit(cx, "1").await?;
    let all: [(&str, Vec<String>); 6] = [
        ("supported-platforms", platforms.collect()),
        ("default-vpc", vec![vpc.unwrap_or_else(|| "none".into())]),
        ("max-instances", vec![instances]),
        ("vpc-max-security-groups-per-interface", vec!["5".into()]),
        ("max-elastic-ips", vec![addresses.clone()]),
        ("vpc-max-elastic-ips", vec![addresses]),
    ];
    if let Some(unknown) = asked.iter().find(|a| !all.iter().any(|(name, _)| name == *a)) {
        return Err(crate::Fault::invalid("AttributeName", format!("'{unknown}' is not an attribute")));
    }
    if cx.input.flag("DryRun") {
        return Err(crate::run::dry_run());
    }
    let shown = all.into_iter().filter(|(name, _)| asked.is_empty() || asked.contains(name));
    Ok(json!({ "all": shown.map(|(name, values)| json!({ "name": name, "values": values })).collect::<Vec<_>>() }))
}

/// A limit of the account; a large number stands for none.
async fn limit(cx: &Cx, resource: &str) -> Outcome<String> {
    let limits = cx.native("listResourceLimits", pairs([("resourcetype", resource)])).await;
    let found = limits.ok().and_then(|l| crate::cx::objects(l).first().and_then(|l| number(l, "max")));
    Ok(found.filter(|max| *max >= 0).unwrap_or(10_000).to_string())
}
