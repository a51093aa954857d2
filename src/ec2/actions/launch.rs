//! `RunInstances`: as many as asked for, at least `MinCount` or none; answered when the VMs have ids, not when they run.
use super::launch_disks::{self, Disks};
use super::{instances, networks, tags, tokens, vpc};
use crate::cx::{pairs, text};
use crate::mapping::request::{decode, parse_flag};
use crate::native::Parameters;
use crate::run::dry_run;
use crate::{Cx, Fault, Outcome};
use serde_json::Value;

/// The type of an instance when none is given.
const TYPE: &str = "m1.small";
/// Decoded bytes of user data.
const USER_DATA: usize = 16_384;
/// The most that one call launches.
const MOST: i64 = 10_000;
/// How many are asked for at the same time.
const AT_ONCE: usize = 16;

/// What one VM of the launch is made with.
struct Plan {
    native: Parameters,
    disks: Disks,
    /// What the doors keep of each instance.
    kept: Vec<(&'static str, String)>,
}

/// Launches, or says again what the same token launched.
pub async fn run(cx: &Cx) -> Outcome<Value> {
    let (min, max) = count(cx)?;
    tags::check_launch(cx, &["instance", "volume"])?;
    if cx.input.flag("DryRun") {
        plan(cx).await?;
        return Err(dry_run());
    }
    if let Some(reservation) = tokens::claim(cx).await? {
        return show(cx, &reservation).await;
    }
    let outcome = match plan(cx).await {
        Ok(plan) => launch(cx, &plan, min, max).await,
        Err(fault) => Err(fault),
    };
    tokens::settle(cx, &outcome).await?;
    show(cx, &outcome?).await
}

fn count(cx: &Cx) -> Outcome<(usize, usize)> {
    let (min, max) = (cx.input.int("MinCount").unwrap_or(1), cx.input.int("MaxCount").unwrap_or(1));
    if min < 1 || max < 1 {
        return Err(Fault::invalid("MinCount", "MinCount and MaxCount must be at least 1"));
    }
    if min > max {
        return Err(Fault::invalid("MinCount", "must not be greater than MaxCount"));
    }
    if max > MOST {
        return Err(Fault::new("InstanceLimitExceeded", format!("One call launches {MOST} instances at most")));
    }
    Ok((usize::try_from(min).unwrap_or(1), usize::try_from(max).unwrap_or(1)))
}

async fn plan(cx: &Cx) -> Outcome<Plan> {
    let mut native = Parameters::new();
    let image = cx.uuid("ami", cx.input.require("ImageId")?).await?;
    native.insert("serviceofferingid".into(), offering(cx).await?);
    let zone = zone(cx).await?;
    native.insert("zoneid".into(), text(&zone, "id").to_owned());
    let disks = launch_disks::read(cx, &image).await?;
    native.extend(disks.native.clone());
    native.insert("templateid".into(), image);
    for (from, to) in [("KeyName", "keypair"), ("Placement.GroupName", "affinitygroupnames"), ("PrivateIpAddress", "ipaddress")] {
        if let Some(value) = cx.input.get(from).filter(|v| !v.is_empty()) {
            native.insert(to.into(), value.to_owned());
        }
    }
    if let Some(data) = user_data(cx)? {
        native.insert("userdata".into(), data);
    }
    let groups = groups(cx).await?;
    networks::place(cx, &zone, groups, &mut native).await?;
    Ok(Plan { native, disks, kept: kept(cx) })
}

/// Attributes that are kept as they are said.
fn kept(cx: &Cx) -> Vec<(&'static str, String)> {
    let said = [
        ("DisableApiTermination", "disableApiTermination"),
        ("DisableApiStop", "disableApiStop"),
        ("Monitoring.Enabled", "monitoring"),
        ("EbsOptimized", "ebsOptimized"),
        ("InstanceInitiatedShutdownBehavior", "instanceInitiatedShutdownBehavior"),
        ("MetadataOptions.HttpTokens", "httpTokens"),
        ("MetadataOptions.HttpEndpoint", "httpEndpoint"),
        ("MetadataOptions.HttpPutResponseHopLimit", "httpPutResponseHopLimit"),
        ("MaintenanceOptions.AutoRecovery", "autoRecovery"),
        ("ClientToken", "clientToken"),
    ];
    let value = |parameter: &str| {
        let value = cx.input.get(parameter).filter(|v| !v.is_empty())?;
        // Flags are written in several ways, and read in one.
        Some(parse_flag(value).filter(|_| value.len() > 1).map_or_else(|| value.to_owned(), |flag| flag.to_string()))
    };
    said.into_iter().filter_map(|(parameter, name)| Some((name, value(parameter)?))).collect()
}

async fn offering(cx: &Cx) -> Outcome<String> {
    offering_named(cx, cx.input.get("InstanceType").filter(|t| !t.is_empty()).unwrap_or(TYPE)).await
}

/// The service offering that an instance type is.
pub async fn offering_named(cx: &Cx, name: &str) -> Outcome<String> {
    let named = cx.engine().ec2_offerings().await?.offering.remove(name);
    let asked = named.as_deref().map_or(("name", name), |uuid| ("id", uuid));
    let offerings = cx.list("listServiceOfferings", pairs([asked])).await?;
    let fits = |o: &&Value| (named.is_some() || text(o, "name") == name) && o.get("iscustomized") != Some(&Value::Bool(true));
    let found = offerings.iter().find(fits).map(|o| text(o, "id").to_owned());
    found.ok_or_else(|| Fault::invalid("InstanceType", format!("there is no instance type '{name}'")))
}

/// The zone that is named, else the account's own, else the first one that can be used.
pub async fn zone(cx: &Cx) -> Outcome<Value> {
    let zones = cx.list("listZones", Parameters::new()).await?;
    let wanted = cx.input.get("Placement.AvailabilityZone").filter(|z| !z.is_empty());
    if let Some(subnet) = networks::subnet_given(cx) {
        let network = vpc::subnet(cx, &subnet).await?;
        if let Some(other) = wanted.filter(|w| *w != text(&network, "zonename")) {
            return Err(Fault::combination(format!("The subnet '{subnet}' is not in the zone '{other}'")));
        }
        let zone = zones.into_iter().find(|z| text(z, "id") == text(&network, "zoneid"));
        return zone.ok_or_else(|| cx.not_found("subnet", &subnet));
    }
    let own = match wanted {
        Some(_) => None,
        None => cx.engine().ec2_default_zone(cx.caller.account_id).await?,
    };
    let fits = |z: &&Value| match wanted {
        Some(name) => text(z, "name") == name,
        None => text(z, "allocationstate") == "Enabled",
    };
    let at_home = zones.iter().filter(fits).find(|z| own.as_deref() == Some(text(z, "id")));
    at_home.or_else(|| zones.iter().find(fits)).cloned().ok_or_else(|| match wanted {
        Some(name) => Fault::new("InvalidZone.NotFound", format!("The zone '{name}' does not exist")),
        None => Fault::new("InsufficientInstanceCapacity", "No zone is enabled"),
    })
}

/// User data as it was sent, once it is known to be base64.
fn user_data(cx: &Cx) -> Outcome<Option<String>> {
    user_data_of(cx.input.get("UserData").unwrap_or_default())
}

/// User data of a text that is to be base64; none for an empty one.
pub fn user_data_of(text: &str) -> Outcome<Option<String>> {
    if text.is_empty() {
        return Ok(None);
    }
    let bytes = decode(text).ok_or_else(|| Fault::new("InvalidUserData.Malformed", "User data must be base64"))?;
    if bytes.len() > USER_DATA {
        return Err(Fault::invalid("UserData", format!("is limited to {USER_DATA} bytes")));
    }
    Ok(Some(text.chars().filter(|c| !c.is_ascii_whitespace()).collect()))
}

/// The groups of a launch: names, or uuids.
pub enum Groups {
    Names(Vec<String>),
    Uuids(Vec<String>),
}

async fn groups(cx: &Cx) -> Outcome<Groups> {
    let mut ids: Vec<&str> = cx.input.list("SecurityGroupId");
    let interface: Vec<String> =
        cx.input.indexes("NetworkInterface").into_iter().map(|i| format!("NetworkInterface.{i}.SecurityGroupId")).collect();
    ids.extend(interface.iter().flat_map(|name| cx.input.list(name)));
    // Tools from before there were ids send as a name what they were shown; later ones may send an id there.
    let (more, names): (Vec<&str>, Vec<&str>) = cx.input.list("SecurityGroup").into_iter().partition(|n| n.starts_with("sg-"));
    ids.extend(more);
    match (ids.is_empty(), names.is_empty()) {
        (false, false) => Err(Fault::combination("Give security groups by id or by name, not both")),
        (false, true) => Ok(Groups::Uuids(cx.uuids("sg", &ids).await?)),
        _ => Ok(Groups::Names(names.into_iter().map(str::to_owned).collect())),
    }
}

/// Launches up to `max`; the reservation. When fewer than `min` can be made, those are destroyed and the first failure is the answer.
async fn launch(cx: &Cx, plan: &Plan, min: usize, max: usize) -> Outcome<String> {
    let mut made: Vec<String> = Vec::new();
    let mut failure = None;
    while made.len() < max && failure.is_none() {
        let asked = (max - made.len()).min(AT_ONCE);
        let work = (0..asked).map(|_| cx.native("deployVirtualMachine", plan.native.clone()));
        for outcome in futures::future::join_all(work).await {
            match outcome {
                Ok(answer) => made.push(text(&answer, "id").to_owned()),
                Err(fault) => failure = failure.or(Some(fault)),
            }
        }
    }
    if let Some(fault) = failure
        && made.len() < min
    {
        undo(cx, &made).await;
        return Err(fault);
    }
    let reservation = format!("r-{}", uuid::Uuid::new_v4().simple().to_string().split_at(17).0);
    cx.engine().vm_reservation_set(&made, &reservation).await?;
    if let Err(fault) = finish(cx, plan, &made).await {
        undo(cx, &made).await;
        return Err(fault);
    }
    Ok(reservation)
}

async fn undo(cx: &Cx, made: &[String]) {
    for uuid in made {
        if let Err(fault) = cx.say("destroyVirtualMachine", [("id", uuid)]).await {
            tracing::warn!(vm = uuid, code = fault.code, "a VM of a launch that failed was left: {}", fault.message);
        }
    }
}

/// Tags, attributes and further disks, once there is something to give them to.
async fn finish(cx: &Cx, plan: &Plan, made: &[String]) -> Outcome<()> {
    if !plan.kept.is_empty() {
        let set: Vec<(&str, Option<&str>)> = plan.kept.iter().map(|(name, value)| (*name, Some(value.as_str()))).collect();
        cx.engine().ec2_attributes_set("i", made, &set).await?;
    }
    tags::of_launch(cx, "instance", made).await?;
    let tags_volumes = !cx.input.indexes("TagSpecification").is_empty();
    if !tags_volumes && plan.disks.is_plain() {
        return Ok(());
    }
    let facts = cx.engine().ec2_vms(made).await?;
    let mut volumes: Vec<String> = Vec::new();
    for vm in made {
        let disks = facts.get(vm).map(|f| f.disks.as_slice()).unwrap_or_default();
        volumes.extend(disks.iter().map(|d| d.uuid.clone()));
        plan.disks.settle(cx, disks).await?;
        let zone = plan.native.get("zoneid").map_or("", String::as_str);
        volumes.extend(plan.disks.make(cx, vm, zone).await?);
    }
    tags::of_launch(cx, "volume", &volumes).await
}

/// The reservation as an answer shows it.
async fn show(cx: &Cx, reservation: &str) -> Outcome<Value> {
    let members = cx.engine().vm_reservation_members(cx.caller.account_id, reservation).await?;
    let records = instances::gather(cx, cx.vms(&members).await?).await?;
    if records.is_empty() {
        // With a fake or a slow reader: the answer still names the reservation.
        let own = cx.engine().ec2_owner_of(cx.caller.account_id).await?;
        let empty: Vec<Value> = Vec::new();
        return Ok(serde_json::json!({ "reservation": reservation, "ownerid": own, "securitygroup": empty, "instances": empty }));
    }
    Ok(instances::reservation(reservation, records))
}
