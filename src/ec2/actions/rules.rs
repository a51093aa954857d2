//! Ingress rules, in the flat form of old tools and the `IpPermissions` form of newer ones.
use super::groups::{named, span};
use crate::cx::{pairs, text};
use crate::native::Parameters;
use crate::run::dry_run;
use crate::{Cx, Fault, Outcome, PATIENCE};
use serde_json::{Value, json};
use std::collections::HashSet;

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
}

/// `AuthorizeSecurityGroupIngress`: all of it or, when one rule is there already, nothing.
pub async fn authorize(cx: &Cx) -> Outcome<Value> {
    let permissions = permissions(cx).await?;
    let (group, _) = named(cx).await?;
    let there: HashSet<_> = rules(&group).map(|(_, key)| key).collect();
    for permission in &permissions {
        if let Some(source) = permission.sources.iter().find(|s| there.contains(&permission.key(s))) {
            let message = format!("the specified rule \"peer: {source:?}, {}\" already exists", permission.protocol);
            return Err(Fault::new("InvalidPermission.Duplicate", message));
        }
    }
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    for permission in &permissions {
        let mut parameters = permission.native();
        parameters.insert("securitygroupid".into(), text(&group, "id").to_owned());
        cx.finish("authorizeSecurityGroupIngress", parameters, PATIENCE).await?;
    }
    Ok(json!({}))
}

/// `RevokeSecurityGroupIngress`. A rule that is not there: EC2-Classic, which goes by names, took it for revoked.
pub async fn revoke(cx: &Cx) -> Outcome<Value> {
    let permissions = permissions(cx).await?;
    let (group, by_id) = named(cx).await?;
    let mut gone = Vec::new();
    for permission in &permissions {
        for source in &permission.sources {
            let key = permission.key(source);
            let found = rules(&group).find(|(_, k)| *k == key).map(|(rule, _)| text(rule, "ruleid").to_owned());
            match found {
                Some(id) => gone.push(id),
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
    for id in gone {
        cx.finish("revokeSecurityGroupIngress", pairs([("id", &id)]), PATIENCE).await?;
    }
    Ok(json!({}))
}

type Key = (String, i64, i64, From);

/// The rules that a group has.
fn rules(group: &Value) -> impl Iterator<Item = (&Value, Key)> {
    let all = group.get("ingressrule").and_then(Value::as_array).into_iter().flatten();
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
            return Ok(Permission { protocol: "-1".into(), from: -1, to: -1, sources });
        }
    }
    permission("", cx, sources)
}

async fn structured(cx: &Cx, prefix: &str) -> Outcome<Permission> {
    let mut sources = Vec::new();
    for i in cx.input.indexes(&format!("{prefix}.IpRanges")) {
        sources.push(From::Cidr(range(cx.input.require(&format!("{prefix}.IpRanges.{i}.CidrIp"))?)?));
    }
    for i in cx.input.indexes(&format!("{prefix}.Groups")) {
        sources.push(source_group(cx, &format!("{prefix}.Groups.{i}")).await?);
    }
    permission(&format!("{prefix}."), cx, sources)
}

async fn source_group(cx: &Cx, prefix: &str) -> Outcome<From> {
    if let Some(id) = cx.input.get(&format!("{prefix}.GroupId")).filter(|i| !i.is_empty()) {
        let uuid = cx.uuid("sg", id).await?;
        let found = crate::cx::objects(cx.native("listSecurityGroups", pairs([("id", &uuid)])).await?).pop();
        let group = found.ok_or_else(|| cx.not_found("sg", id))?;
        return Ok(From::Group(text(&group, "account").to_owned(), text(&group, "name").to_owned()));
    }
    let name = cx.input.require(&format!("{prefix}.GroupName"))?.to_owned();
    let owner = cx.input.get(&format!("{prefix}.UserId")).filter(|o| !o.is_empty());
    Ok(From::Group(account(cx, owner).await?, name))
}

/// The name of the account that owns a source group; the caller's own when none is given.
async fn account(cx: &Cx, owner: Option<&str>) -> Outcome<String> {
    let Some(owner) = owner else { return Ok(cx.caller.account_name.clone()) };
    let found = cx.engine().ec2_account(owner, cx.caller.domain_id).await?;
    let unknown = || Fault::new("InvalidPermission.Malformed", format!("There is no account '{owner}'"));
    Ok(found.ok_or_else(unknown)?.0)
}

fn permission(prefix: &str, cx: &Cx, sources: Vec<From>) -> Outcome<Permission> {
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
    Ok(Permission { protocol: protocol.to_owned(), from, to, sources })
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
