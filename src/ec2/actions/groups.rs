//! Security groups. EC2 shows one permission for all sources of the same protocol and ports; the native list has a rule for each.
use super::tags;
use crate::cx::{number, object, pairs, set, text};
use crate::run::dry_run;
use crate::{Cx, Fault, Outcome};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};

/// The account's own group that every account has.
const DEFAULT: &str = "default";

/// Folds the rules of groups into permissions, and names the groups that rules allow.
pub async fn gather(cx: &Cx, mut records: Vec<Value>) -> Outcome<Vec<Value>> {
    cx.owners(&mut records).await?;
    let allowed = allowed(cx, &records).await?;
    let modern = cx.version.from(super::vpc::SINCE);
    if modern {
        dress(cx, &mut records, &allowed).await?;
    }
    for record in &mut records {
        let domain = text(record, "domainid").to_owned();
        for (rules, permissions) in [("ingressrule", "ingress"), ("egressrule", "egress")] {
            let rules = record.get(rules).and_then(Value::as_array).cloned().unwrap_or_default();
            if modern || permissions == "ingress" || !rules.is_empty() {
                set(record, permissions, fold(&rules, &domain, &allowed));
            }
        }
    }
    Ok(records)
}

/// Sets what only versions with a VPC know: the VPC, descriptions, and the rule that stands where a group has none for what goes out.
async fn dress(cx: &Cx, records: &mut [Value], allowed: &Allowed) -> Outcome<()> {
    let uuids: Vec<String> = records.iter().map(|r| text(r, "id").to_owned()).collect();
    let closed = cx.engine().ec2_egress_closed(&uuids).await?;
    for record in records.iter_mut() {
        set(record, "vpc", super::vpc::vpc(cx));
        let uuid = text(record, "id").to_owned();
        if record.get("egressrule").and_then(Value::as_array).is_none_or(Vec::is_empty) && !closed.contains(&uuid) {
            set(record, "egressrule", json!([{ "ruleid": uuid, "protocol": "all", "cidr": "0.0.0.0/0" }]));
        }
    }
    let lists = ["ingressrule", "egressrule"];
    let all = records.iter().flat_map(|r| lists.iter().filter_map(|l| r.get(*l)?.as_array())).flatten();
    let rules: Vec<String> = all.map(|r| text(r, "ruleid").to_owned()).collect();
    let said = cx.engine().ec2_attributes("sgr", &rules).await?;
    for record in records.iter_mut() {
        let domain = text(record, "domainid").to_owned();
        for list in lists {
            for rule in record.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                let description = said.get(text(rule, "ruleid")).and_then(|a| a.get("description")).cloned();
                set(rule, "description", description);
                let key = (text(rule, "account").to_owned(), domain.clone(), text(rule, "securitygroupname").to_owned());
                if let Some((owner, Some(uuid))) = allowed.get(&key) {
                    set(rule, "peer", json!({ "id": uuid, "ownerid": owner }));
                }
            }
        }
    }
    Ok(())
}

/// `DescribeSecurityGroupRules`: the rules of groups, one after the other.
pub async fn rules(cx: &Cx, records: Vec<Value>) -> Outcome<Vec<Value>> {
    let mut all = Vec::new();
    for group in gather(cx, records).await? {
        for (list, egress) in [("ingressrule", false), ("egressrule", true)] {
            for rule in group.get(list).and_then(Value::as_array).into_iter().flatten() {
                let (protocol, from, to) = span(rule);
                all.push(json!({
                    "id": text(rule, "ruleid"), "group": text(&group, "id"), "ownerid": group.get("ownerid"), "egress": egress,
                    "protocol": protocol, "from": from, "to": to, "cidr": rule.get("cidr"), "peer": rule.get("peer"),
                    "description": rule.get("description"), "tags": [],
                }));
            }
        }
    }
    let uuids: Vec<String> = all.iter().map(|r| text(r, "id").to_owned()).collect();
    let mut own = tags::own(cx, "sgr", &uuids).await?;
    for rule in &mut all {
        if let Some(tags) = own.remove(text(rule, "id")) {
            set(rule, "tags", tags);
        }
    }
    Ok(all)
}

/// The uuids of the rules of the caller's groups.
pub async fn rule_uuids(cx: &Cx) -> Outcome<Vec<String>> {
    let mut groups = cx.list("listSecurityGroups", crate::native::Parameters::new()).await?;
    dress(cx, &mut groups, &Allowed::new()).await?;
    let lists = ["ingressrule", "egressrule"];
    let rules = groups.iter().flat_map(|g| lists.iter().filter_map(|l| g.get(*l)?.as_array())).flatten();
    Ok(rules.map(|r| text(r, "ruleid").to_owned()).collect())
}

/// A group that a rule allows: its account's digits and its uuid, by account, domain and name.
type Allowed = HashMap<(String, String, String), (Option<String>, Option<String>)>;

async fn allowed(cx: &Cx, records: &[Value]) -> Outcome<Allowed> {
    let mut wanted = HashSet::new();
    for record in records {
        for rule in ["ingressrule", "egressrule"].iter().filter_map(|r| record.get(*r)?.as_array()).flatten() {
            if !text(rule, "securitygroupname").is_empty() {
                let key = (text(rule, "account"), text(record, "domainid"), text(rule, "securitygroupname"));
                wanted.insert((key.0.to_owned(), key.1.to_owned(), key.2.to_owned()));
            }
        }
    }
    let accounts = wanted.iter().map(|(account, domain, _)| (account.clone(), domain.clone())).collect();
    let owners = cx.engine().ec2_owners(&accounts).await?;
    let uuids = cx.engine().ec2_groups(&wanted).await?;
    let of = |key: &(String, String, String)| (owners.get(&(key.0.clone(), key.1.clone())).cloned(), uuids.get(key).cloned());
    Ok(wanted.iter().map(|key| (key.clone(), of(key))).collect())
}

/// A rule's protocol as EC2 says it, and its ports or ICMP type and code.
type Span = (String, i64, i64);

fn fold(rules: &[Value], domain: &str, allowed: &Allowed) -> Vec<Value> {
    let mut order: Vec<Span> = Vec::new();
    let mut sources: HashMap<Span, (Vec<Value>, Vec<Value>)> = HashMap::new();
    for rule in rules {
        let key = span(rule);
        if !sources.contains_key(&key) {
            order.push(key.clone());
        }
        let (groups, ranges) = sources.entry(key).or_default();
        match text(rule, "securitygroupname") {
            "" => ranges.push(json!({ "cidr": text(rule, "cidr"), "description": rule.get("description") })),
            name => {
                let key = (text(rule, "account").to_owned(), domain.to_owned(), name.to_owned());
                let (owner, uuid) = allowed.get(&key).cloned().unwrap_or_default();
                let description = rule.get("description");
                groups.push(json!({ "ownerid": owner, "id": uuid, "name": name, "description": description }));
            }
        }
    }
    let shown = |key: Span| {
        let (groups, ranges) = sources.remove(&key)?;
        let any = key.0 == "-1";
        let port = |p: i64| if any { Value::Null } else { p.into() };
        Some(json!({ "protocol": key.0, "from": port(key.1), "to": port(key.2), "groups": groups, "ranges": ranges }))
    };
    order.into_iter().filter_map(shown).collect()
}

/// What a native rule is about.
pub fn span(rule: &Value) -> Span {
    let protocol = match text(rule, "protocol") {
        "all" => "-1",
        other => other,
    };
    let (from, to) = if matches!(protocol, "icmp" | "1") { ("icmptype", "icmpcode") } else { ("startport", "endport") };
    (protocol.to_owned(), number(rule, from).unwrap_or(-1), number(rule, to).unwrap_or(-1))
}

/// The group that a request names by `GroupId` or `GroupName`, and whether it was by id.
pub async fn named(cx: &Cx) -> Outcome<(Value, bool)> {
    let (parameters, given, by_id) = match (cx.input.get("GroupId"), cx.input.get("GroupName")) {
        (Some(_), Some(_)) => return Err(Fault::combination("Give GroupId or GroupName, not both")),
        (None, None) => return Err(Fault::missing("GroupName")),
        (Some(id), None) => (pairs([("id", &cx.uuid("sg", id).await?)]), id, true),
        // Before there were ids, tools were shown names and send them; those of now may send an id.
        (None, Some(name)) => match cx.uuid("sg", name).await {
            Ok(uuid) if name.starts_with("sg-") => (pairs([("id", &uuid)]), name, true),
            _ => (pairs([("securitygroupname", name)]), name, false),
        },
    };
    let missing = || Fault::new("InvalidGroup.NotFound", format!("The security group '{given}' does not exist"));
    let found = match cx.native("listSecurityGroups", parameters).await {
        Ok(answer) => crate::cx::objects(answer).pop(),
        Err(fault) if fault.code == "InvalidGroup.NotFound" || fault.code == "UnauthorizedOperation" => None,
        Err(fault) => return Err(fault),
    };
    Ok((found.ok_or_else(missing)?, by_id))
}

/// `CreateSecurityGroup`.
pub async fn create(cx: &Cx) -> Outcome<Value> {
    let (name, description) = (cx.input.require("GroupName")?, cx.input.require("GroupDescription")?);
    if name == DEFAULT {
        return Err(Fault::new("InvalidGroup.Reserved", "The security group 'default' is reserved"));
    }
    if name.starts_with("sg-") {
        return Err(Fault::invalid("GroupName", "must not begin with sg-"));
    }
    tags::check_launch(cx, &["security-group"])?;
    super::vpc::check(cx, "VpcId").await?;
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    let made = cx.say("createSecurityGroup", [("name", name), ("description", description)]).await?;
    let group = object(made, Some("securitygroup"));
    tags::of_launch(cx, "security-group", &[text(&group, "id").to_owned()]).await?;
    tags::shown(cx, group)
}

/// `DeleteSecurityGroup`.
pub async fn delete(cx: &Cx) -> Outcome<Value> {
    let (group, by_id) = named(cx).await?;
    if text(&group, "name") == DEFAULT {
        return Err(Fault::new("CannotDelete", "The default security group cannot be deleted"));
    }
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    let done = cx.say("deleteSecurityGroup", [("id", text(&group, "id"))]).await;
    done.map_err(
        |fault| if by_id && fault.code == "InvalidGroup.InUse" { Fault::new("DependencyViolation", fault.message) } else { fault },
    )?;
    Ok(group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_of_the_same_ports_are_one_permission() {
        let rule = |cidr: &str, from: i64| json!({ "protocol": "tcp", "startport": from, "endport": from, "cidr": cidr });
        let group = json!({ "protocol": "tcp", "startport": 22, "endport": 22, "securitygroupname": "web", "account": "a" });
        let ping = json!({ "protocol": "icmp", "icmptype": -1, "icmpcode": -1, "cidr": "0.0.0.0/0" });
        let any = json!({ "protocol": "all", "cidr": "0.0.0.0/0" });
        let folded = fold(&[rule("10.0.0.0/8", 22), group, rule("10.0.0.0/8", 80), ping, any], "d", &Allowed::new());
        assert_eq!(folded.len(), 4);
        assert_eq!(folded[0]["ranges"].as_array().map(Vec::len), Some(1));
        assert_eq!(folded[0]["groups"][0]["name"], "web");
        assert_eq!((&folded[2]["from"], &folded[2]["to"]), (&json!(-1), &json!(-1)));
        assert_eq!((&folded[3]["protocol"], &folded[3]["from"]), (&json!("-1"), &Value::Null));
    }
}
