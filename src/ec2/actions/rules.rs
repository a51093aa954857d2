//! Rules of security groups, in the flat form of old tools, the `IpPermissions` form of newer ones, and by id.
use super::groups::{self, named, span};
use super::tags;
use crate::cx::{pairs, text};
use crate::native::Parameters;
use crate::run::dry_run;
use crate::{Cx, Fault, Outcome, PATIENCE};
use serde_json::{Value, json};

/// Who a rule lets in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum From {
    Cidr(String),
    /// account and group name
    Group(String, String),
}

/// A permission: one protocol and range of ports, several sources.
#[derive(Debug)]
struct Permission {
    /// `tcp`, `udp`, `icmp`, `-1` or a number
    protocol: String,
    from: i64,
    to: i64,
    sources: Vec<From>,
    /// What is said of each source's rule.
    descriptions: Vec<Option<String>>,
}

/// Which way packets go: towards the members of a group, or from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Towards them.
    In,
    /// From them.
    Out,
}

impl Way {
    const ALL: [Self; 2] = [Self::In, Self::Out];
    const fn list(self) -> &'static str {
        match self {
            Self::In => "ingressrule",
            Self::Out => "egressrule",
        }
    }
    const fn authorize(self) -> &'static str {
        match self {
            Self::In => "authorizeSecurityGroupIngress",
            Self::Out => "authorizeSecurityGroupEgress",
        }
    }
    const fn revoke(self) -> &'static str {
        match self {
            Self::In => "revokeSecurityGroupIngress",
            Self::Out => "revokeSecurityGroupEgress",
        }
    }
}

/// What goes out of a group that has no rule for it. EC2 shows it as a rule, with the group's own uuid.
fn everything() -> Key {
    ("-1".into(), -1, -1, From::Cidr("0.0.0.0/0".into()))
}

/// Whether everything goes out because no rule says otherwise.
async fn open(cx: &Cx, group: &Value) -> Outcome<bool> {
    let uuid = text(group, "id").to_owned();
    Ok(rules(group, Way::Out).next().is_none() && !cx.engine().ec2_egress_closed(std::slice::from_ref(&uuid)).await?.contains(&uuid))
}

/// The rules of a group with their uuids, the one that stands where there is none with them.
async fn standing(cx: &Cx, group: &Value, way: Way) -> Outcome<Vec<(String, Key)>> {
    let mut all: Vec<(String, Key)> = rules(group, way).map(|(rule, key)| (text(rule, "ruleid").to_owned(), key)).collect();
    if way == Way::Out && open(cx, group).await? {
        all.push((text(group, "id").to_owned(), everything()));
    }
    Ok(all)
}

/// `AuthorizeSecurityGroupIngress` and `…Egress`: all of it or, when one rule is there already, nothing.
pub async fn authorize(cx: &Cx, way: Way) -> Outcome<Value> {
    tags::check_launch(cx, &[tags::RULE])?;
    let permissions = permissions(cx).await?;
    let (group, _) = named(cx).await?;
    let there = standing(cx, &group, way).await?;
    for permission in &permissions {
        if let Some(source) = permission.sources.iter().find(|s| there.iter().any(|(_, key)| *key == permission.key(s))) {
            let message = format!("the specified rule \"peer: {source:?}, {}\" already exists", permission.protocol);
            return Err(Fault::new("InvalidPermission.Duplicate", message));
        }
    }
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    let uuid = text(&group, "id");
    // Natively the first rule shuts out everything else: what stood without a rule becomes one.
    if way == Way::Out && there.iter().any(|(id, _)| id == uuid) {
        let native = pairs([("securitygroupid", uuid), ("protocol", "all"), ("cidrlist", "0.0.0.0/0")]);
        cx.finish(way.authorize(), native, PATIENCE).await?;
    }
    for permission in &permissions {
        let mut parameters = permission.native();
        parameters.insert("securitygroupid".into(), uuid.to_owned());
        cx.finish(way.authorize(), parameters, PATIENCE).await?;
    }
    let after = fresh(cx, uuid).await?;
    if let Some((id, _)) = standing(cx, &after, way).await?.iter().find(|(_, key)| *key == everything())
        && there.iter().any(|(old, _)| old == uuid)
    {
        cx.engine().ec2_id_move("sgr", uuid, id).await?;
    }
    let mut made = Vec::new();
    for permission in &permissions {
        made.extend(describe(cx, &after, way, permission).await?);
    }
    tags::of_launch(cx, tags::RULE, &made).await?;
    let mut shown = groups::rules(cx, vec![after]).await?;
    shown.retain(|r| made.iter().any(|id| id == text(r, "id")));
    Ok(json!({ "rules": shown }))
}

/// A group as it is now.
async fn fresh(cx: &Cx, uuid: &str) -> Outcome<Value> {
    let found = crate::cx::objects(cx.native("listSecurityGroups", pairs([("id", uuid)])).await?).pop();
    found.ok_or_else(|| cx.not_found("sg", uuid))
}

/// Keeps what a permission says of its rules; their uuids.
async fn describe(cx: &Cx, group: &Value, way: Way, permission: &Permission) -> Outcome<Vec<String>> {
    let there = standing(cx, group, way).await?;
    let mut found = Vec::new();
    for (source, description) in permission.sources.iter().zip(&permission.descriptions) {
        let Some((id, _)) = there.iter().find(|(_, key)| *key == permission.key(source)) else { continue };
        if description.is_some() {
            say(cx, id, description.as_deref()).await?;
        }
        found.push(id.clone());
    }
    Ok(found)
}

async fn say(cx: &Cx, rule: &str, description: Option<&str>) -> Outcome<()> {
    let kept = description.filter(|d| !d.is_empty());
    Ok(cx.engine().ec2_attributes_set("sgr", &[rule.to_owned()], &[("description", kept)]).await?)
}

/// `RevokeSecurityGroupIngress` and `…Egress`. A rule that is not there: EC2-Classic, which goes by names, took it for revoked.
pub async fn revoke(cx: &Cx, way: Way) -> Outcome<Value> {
    let by_rule = cx.input.list("SecurityGroupRuleId");
    let permissions = if by_rule.is_empty() { permissions(cx).await? } else { Vec::new() };
    let (group, by_id) = named(cx).await?;
    let there = standing(cx, &group, way).await?;
    let mut gone = Vec::new();
    for (id, given) in cx.uuids("sgr", &by_rule).await?.into_iter().zip(&by_rule) {
        if !there.iter().any(|(uuid, _)| *uuid == id) {
            return Err(cx.not_found("sgr", given));
        }
        gone.push(id);
    }
    for permission in &permissions {
        for source in &permission.sources {
            let key = permission.key(source);
            match there.iter().find(|(_, k)| *k == key) {
                Some((id, _)) => gone.push(id.clone()),
                None if by_id => {
                    let message = "The specified rule does not exist in this security group";
                    return Err(Fault::new("InvalidPermission.NotFound", message));
                }
                None => {}
            }
        }
    }
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    let uuid = text(&group, "id");
    if way == Way::Out && !gone.is_empty() && there.iter().all(|(id, _)| gone.contains(id)) {
        let call = cx.call("revokeSecurityGroupEgress", "SG.REVOKE.EGRESS");
        cx.engine().ec2_egress_close(&call, uuid).await?;
    }
    for id in gone.iter().filter(|id| *id != uuid) {
        cx.finish(way.revoke(), pairs([("id", id)]), PATIENCE).await?;
    }
    Ok(json!({}))
}

/// `UpdateSecurityGroupRuleDescriptionsIngress` and `…Egress`.
pub async fn descriptions(cx: &Cx, way: Way) -> Outcome<Value> {
    let (group, _) = named(cx).await?;
    let there = standing(cx, &group, way).await?;
    let mut said: Vec<(String, Option<String>)> = Vec::new();
    for i in cx.input.indexes("SecurityGroupRuleDescription") {
        let given = cx.input.require(&format!("SecurityGroupRuleDescription.{i}.SecurityGroupRuleId"))?;
        let id = cx.uuid("sgr", given).await?;
        if !there.iter().any(|(uuid, _)| *uuid == id) {
            return Err(cx.not_found("sgr", given));
        }
        said.push((id, cx.input.get(&format!("SecurityGroupRuleDescription.{i}.Description")).map(str::to_owned)));
    }
    let permissions = if said.is_empty() { permissions(cx).await? } else { Vec::new() };
    for permission in &permissions {
        for (source, description) in permission.sources.iter().zip(&permission.descriptions) {
            let found = there.iter().find(|(_, key)| *key == permission.key(source));
            let missing = || Fault::new("InvalidPermission.NotFound", "The specified rule does not exist in this security group");
            said.push((found.ok_or_else(missing)?.0.clone(), description.clone()));
        }
    }
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    for (id, description) in said {
        say(cx, &id, description.as_deref()).await?;
    }
    Ok(json!({}))
}

/// A rule as `ModifySecurityGroupRules` wants it.
struct Change {
    way: Way,
    rule: String,
    new: Permission,
    same: bool,
}

/// `ModifySecurityGroupRules`: the new rule takes the old one's place and its id.
pub async fn modify(cx: &Cx) -> Outcome<Value> {
    let (group, _) = named(cx).await?;
    let mut changes = Vec::new();
    for i in cx.input.indexes("SecurityGroupRule") {
        changes.push(change(cx, &group, &format!("SecurityGroupRule.{i}")).await?);
    }
    if changes.is_empty() {
        return Err(Fault::missing("SecurityGroupRule"));
    }
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    let uuid = text(&group, "id");
    for Change { way, rule, new, same } in changes {
        let mut id = rule.clone();
        if !same {
            let mut parameters = new.native();
            parameters.insert("securitygroupid".into(), uuid.to_owned());
            cx.finish(way.authorize(), parameters, PATIENCE).await?;
            let after = fresh(cx, uuid).await?;
            let made = standing(cx, &after, way).await?.into_iter().find(|(_, key)| *key == new.key(&new.sources[0]));
            id = made.map_or(id, |(made, _)| made);
            if rule != uuid {
                cx.finish(way.revoke(), pairs([("id", &rule)]), PATIENCE).await?;
            }
            cx.engine().ec2_id_move("sgr", &rule, &id).await?;
        }
        say(cx, &id, new.descriptions.first().and_then(Option::as_deref)).await?;
    }
    Ok(json!({}))
}

async fn change(cx: &Cx, group: &Value, prefix: &str) -> Outcome<Change> {
    let given = cx.input.require(&format!("{prefix}.SecurityGroupRuleId"))?;
    let rule = cx.uuid("sgr", given).await?;
    let mut found = None;
    for way in Way::ALL {
        let there = standing(cx, group, way).await?;
        if let Some((_, key)) = there.iter().find(|(id, _)| *id == rule) {
            found = Some((way, key.clone(), there.clone()));
        }
    }
    let (way, old, there) = found.ok_or_else(|| cx.not_found("sgr", given))?;
    let inner = format!("{prefix}.SecurityGroupRule");
    let source = match (cx.input.get(&format!("{inner}.CidrIpv4")), cx.input.get(&format!("{inner}.ReferencedGroupId"))) {
        (Some(_), Some(_)) => return Err(Fault::combination("Give CidrIpv4 or ReferencedGroupId, not both")),
        (None, None) => return Err(Fault::missing("CidrIpv4")),
        (Some(cidr), None) => From::Cidr(range(cidr)?),
        (None, Some(id)) => group_by_id(cx, id).await?,
    };
    let description = cx.input.get(&format!("{inner}.Description")).map(str::to_owned);
    let new = permission(&format!("{inner}."), cx, vec![source], vec![description])?;
    let key = new.key(&new.sources[0]);
    if there.iter().any(|(id, k)| *k == key && *id != rule) {
        return Err(Fault::new("InvalidPermission.Duplicate", "A rule like this exists already in the security group"));
    }
    Ok(Change { way, rule, same: key == old, new })
}

/// `DescribeSecurityGroupReferences`: only other VPCs could refer to a group, and there are none.
pub async fn references(cx: &Cx) -> Outcome<Value> {
    for (uuid, given) in cx.uuids("sg", &cx.input.list("GroupId")).await?.iter().zip(cx.input.list("GroupId")) {
        crate::run::one(cx, "listSecurityGroups", uuid).await?.ok_or_else(|| cx.not_found("sg", given))?;
    }
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    Ok(json!({ "all": [] }))
}

/// `DescribeStaleSecurityGroups`: a rule becomes stale with a peering that ends, and there are none.
pub async fn stale(cx: &Cx) -> Outcome<Value> {
    cx.input.require("VpcId")?;
    super::vpc::check(cx, "VpcId").await?;
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    Ok(json!({ "all": [] }))
}

type Key = (String, i64, i64, From);

/// The rules that a group has.
fn rules(group: &Value, way: Way) -> impl Iterator<Item = (&Value, Key)> {
    let all = group.get(way.list()).and_then(Value::as_array).into_iter().flatten();
    all.map(|rule| {
        let (protocol, from, to) = span(rule);
        let source = match text(rule, "securitygroupname") {
            "" => From::Cidr(text(rule, "cidr").to_owned()),
            name => From::Group(text(rule, "account").to_owned(), name.to_owned()),
        };
        let (from, to) = if protocol == "-1" { (-1, -1) } else { (from, to) };
        (rule, (protocol, from, to, source))
    })
}

impl Permission {
    fn key(&self, source: &From) -> Key {
        (self.protocol.clone(), self.from, self.to, source.clone())
    }

    fn native(&self) -> Parameters {
        let mut p = Parameters::new();
        let protocol = if self.protocol == "-1" { "all" } else { &self.protocol };
        p.insert("protocol".into(), protocol.into());
        if self.protocol == "icmp" {
            p.insert("icmptype".into(), self.from.to_string());
            p.insert("icmpcode".into(), self.to.to_string());
        } else if matches!(self.protocol.as_str(), "tcp" | "udp") {
            p.insert("startport".into(), self.from.to_string());
            p.insert("endport".into(), self.to.to_string());
        }
        let cidrs: Vec<&str> = self.sources.iter().filter_map(|s| if let From::Cidr(c) = s { Some(c.as_str()) } else { None }).collect();
        if !cidrs.is_empty() {
            p.insert("cidrlist".into(), cidrs.join(","));
        }
        let groups = self.sources.iter().filter_map(|s| if let From::Group(a, g) = s { Some((a, g)) } else { None });
        for (i, (account, group)) in groups.enumerate() {
            p.insert(format!("usersecuritygrouplist[{i}].account"), account.clone());
            p.insert(format!("usersecuritygrouplist[{i}].group"), group.clone());
        }
        p
    }
}

async fn permissions(cx: &Cx) -> Outcome<Vec<Permission>> {
    let indexes = cx.input.indexes("IpPermissions");
    if indexes.is_empty() {
        return Ok(vec![flat(cx).await?]);
    }
    let mut all = Vec::with_capacity(indexes.len());
    for index in indexes {
        all.push(structured(cx, &format!("IpPermissions.{index}")).await?);
    }
    Ok(all)
}

async fn flat(cx: &Cx) -> Outcome<Permission> {
    let mut sources = Vec::new();
    if let Some(cidr) = cx.input.get("CidrIp") {
        sources.push(From::Cidr(range(cidr)?));
    }
    if let Some(group) = cx.input.get("SourceSecurityGroupName") {
        let owner = cx.input.get("SourceSecurityGroupOwnerId").filter(|o| !o.is_empty());
        sources.push(From::Group(account(cx, owner).await?, group.to_owned()));
        // The classic form: a whole group is let in on every port.
        if cx.input.get("IpProtocol").is_none() {
            let descriptions = vec![None; sources.len()];
            return Ok(Permission { protocol: "-1".into(), from: -1, to: -1, sources, descriptions });
        }
    }
    let descriptions = vec![None; sources.len()];
    permission("", cx, sources, descriptions)
}

async fn structured(cx: &Cx, prefix: &str) -> Outcome<Permission> {
    let mut sources = Vec::new();
    let mut descriptions = Vec::new();
    let described = |prefix: &str| cx.input.get(&format!("{prefix}.Description")).map(str::to_owned);
    for i in cx.input.indexes(&format!("{prefix}.IpRanges")) {
        let prefix = format!("{prefix}.IpRanges.{i}");
        sources.push(From::Cidr(range(cx.input.require(&format!("{prefix}.CidrIp"))?)?));
        descriptions.push(described(&prefix));
    }
    for i in cx.input.indexes(&format!("{prefix}.Ipv6Ranges")) {
        let given = cx.input.require(&format!("{prefix}.Ipv6Ranges.{i}.CidrIpv6"))?;
        sources.push(From::Cidr(range_6(given)?));
        descriptions.push(None);
    }
    for i in cx.input.indexes(&format!("{prefix}.Groups")) {
        let prefix = format!("{prefix}.Groups.{i}");
        sources.push(source_group(cx, &prefix).await?);
        descriptions.push(described(&prefix));
    }
    permission(&format!("{prefix}."), cx, sources, descriptions)
}

async fn source_group(cx: &Cx, prefix: &str) -> Outcome<From> {
    if let Some(id) = cx.input.get(&format!("{prefix}.GroupId")).filter(|i| !i.is_empty()) {
        return group_by_id(cx, id).await;
    }
    let name = cx.input.require(&format!("{prefix}.GroupName"))?.to_owned();
    let owner = cx.input.get(&format!("{prefix}.UserId")).filter(|o| !o.is_empty());
    Ok(From::Group(account(cx, owner).await?, name))
}

async fn group_by_id(cx: &Cx, id: &str) -> Outcome<From> {
    let uuid = cx.uuid("sg", id).await?;
    let found = crate::cx::objects(cx.native("listSecurityGroups", pairs([("id", &uuid)])).await?).pop();
    let group = found.ok_or_else(|| cx.not_found("sg", id))?;
    Ok(From::Group(text(&group, "account").to_owned(), text(&group, "name").to_owned()))
}

/// The name of the account that owns a source group; the caller's own when none is given.
async fn account(cx: &Cx, owner: Option<&str>) -> Outcome<String> {
    let Some(owner) = owner else { return Ok(cx.caller.account_name.clone()) };
    let found = cx.engine().ec2_account(owner, cx.caller.domain_id).await?;
    let unknown = || Fault::new("InvalidPermission.Malformed", format!("There is no account '{owner}'"));
    Ok(found.ok_or_else(unknown)?.0)
}

fn permission(prefix: &str, cx: &Cx, sources: Vec<From>, descriptions: Vec<Option<String>>) -> Outcome<Permission> {
    let given = cx.input.require(&format!("{prefix}IpProtocol"))?.to_ascii_lowercase();
    let protocol = match given.as_str() {
        "6" => "tcp",
        "17" => "udp",
        "1" => "icmp",
        "all" => "-1",
        other => other,
    };
    if !matches!(protocol, "tcp" | "udp" | "icmp" | "-1") && protocol.parse::<u8>().is_err() {
        return Err(Fault::new("InvalidPermission.Malformed", format!("Invalid IP protocol '{given}'")));
    }
    if sources.is_empty() {
        return Err(Fault::missing("CidrIp"));
    }
    let port = |name: &str| cx.input.int(&format!("{prefix}{name}"));
    let (from, to) = match protocol {
        "icmp" => (port("FromPort").unwrap_or(-1), port("ToPort").unwrap_or(-1)),
        "tcp" | "udp" => ports(port("FromPort"), port("ToPort"), protocol)?,
        _ => (-1, -1),
    };
    Ok(Permission { protocol: protocol.to_owned(), from, to, sources, descriptions })
}

fn ports(from: Option<i64>, to: Option<i64>, protocol: &str) -> Outcome<(i64, i64)> {
    let (Some(from), Some(to)) = (from, to) else {
        return Err(Fault::new("InvalidPermission.Malformed", format!("{protocol} needs FromPort and ToPort")));
    };
    // Old clients say "every port" so.
    if (from, to) == (-1, -1) {
        return Ok((1, 65535));
    }
    if !(0..=65535).contains(&from) || !(0..=65535).contains(&to) || from > to {
        return Err(Fault::new("InvalidPermission.Malformed", format!("Invalid range of ports {from}-{to}")));
    }
    Ok((from, to))
}

/// A CIDR with the bits of its host part cleared, as EC2 keeps it.
fn range(text: &str) -> Outcome<String> {
    let bad = || Fault::new("InvalidPermission.Malformed", format!("Invalid CIDR '{text}'"));
    let (address, length) = text.split_once('/').unwrap_or((text, "32"));
    let address: std::net::Ipv4Addr = address.parse().map_err(|_| bad())?;
    let length: u8 = length.parse().ok().filter(|l| *l <= 32).ok_or_else(bad)?;
    let mask = stratus_model::net::netmask(length);
    stratus_model::net::cidr(address, mask).ok_or_else(bad)
}

/// A CIDR of IPv6, which no rule has here.
fn range_6(text: &str) -> Outcome<String> {
    let bad = || Fault::new("InvalidPermission.Malformed", format!("Invalid CIDR '{text}'"));
    let (address, length) = text.split_once('/').unwrap_or((text, "128"));
    let address: std::net::Ipv6Addr = address.parse().map_err(|_| bad())?;
    let length: u8 = length.parse().ok().filter(|l| *l <= 128).ok_or_else(bad)?;
    Ok(format!("{address}/{length}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_normalised() {
        assert_eq!(range("10.1.2.3/8").as_deref(), Ok("10.0.0.0/8"));
        assert_eq!(range("0.0.0.0/0").as_deref(), Ok("0.0.0.0/0"));
        assert_eq!(range("10.1.2.3").as_deref(), Ok("10.1.2.3/32"));
        for bad in ["", "10.0.0.0/33", "10.0.0/8", "::/0", "10.0.0.0/x"] {
            assert_eq!(range(bad).map_err(|f| f.code), Err("InvalidPermission.Malformed".into()), "{bad}");
        }
    }

    #[test]
    fn ports_are_a_range() {
        assert_eq!(ports(Some(22), Some(22), "tcp"), Ok((22, 22)));
        assert_eq!(ports(Some(-1), Some(-1), "tcp"), Ok((1, 65535)));
        assert!(ports(Some(80), Some(22), "tcp").is_err() && ports(None, Some(1), "udp").is_err());
    }
}
