//! Rules of security groups: reading what was asked for, keeping it, taking it back.
//!
//! What cannot be (a wrong port, a rule that is there already) is refused when the request comes, by [`Engine::group_rules_new`];
//! the job then only adds what is not there, so that it may run again after a crash.
use crate::security_group::topic;
use crate::{Call, Engine};
use ipnet::IpNet;
use std::collections::HashSet;
use stratus_model::{Error, Kind, Result};
use stratus_store::{Account, Query, SecurityGroup, SecurityGroupRule, Tx};
use uuid::Uuid;

/// Rules to be added to a group, as a request has them.
#[derive(Debug, Clone, Default)]
pub struct GroupRuleAsk {
    /// Whether packets towards the VMs are meant, or from them.
    pub ingress: bool,
    /// `tcp`, `udp`, `icmp`, `all` or a number; everything when left out.
    pub protocol: Option<String>,
    /// First port.
    pub start_port: Option<i64>,
    /// Last port.
    pub end_port: Option<i64>,
    /// ICMP type, -1 for any.
    pub icmp_type: Option<i64>,
    /// ICMP code, -1 for any.
    pub icmp_code: Option<i64>,
    /// Networks on the other side.
    pub cidrs: Vec<String>,
    /// Groups on the other side: account and name.
    pub peers: Vec<(String, String)>,
}

/// What a rule is about, whoever it allows.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Traffic {
    protocol: String,
    first: i64,
    last: i64,
}

/// The direction's word in the database.
pub const fn direction(ingress: bool) -> &'static str {
    if ingress { "ingress" } else { "egress" }
}

fn within(name: &str, n: i64, least: i64, most: i64) -> Result<i64> {
    match (least..=most).contains(&n) {
        true => Ok(n),
        false => Err(Error::invalid(name, format!("{n} is not from {least} to {most}"))),
    }
}

fn traffic(ask: &GroupRuleAsk) -> Result<Traffic> {
    let word = ask.protocol.as_deref().unwrap_or("all").trim().to_lowercase();
    let protocol = match word.as_str() {
        "tcp" | "6" => "tcp".to_owned(),
        "udp" | "17" => "udp".to_owned(),
        "icmp" | "1" => "icmp".to_owned(),
        "all" | "-1" => "all".to_owned(),
        other => match other.parse::<u8>() {
            Ok(n) => n.to_string(),
            Err(_) => return Err(Error::invalid("protocol", format!("'{other}' is none of tcp, udp, icmp, all and 0 to 255"))),
        },
    };
    let ports = ask.start_port.is_some() || ask.end_port.is_some();
    let icmp = ask.icmp_type.is_some() || ask.icmp_code.is_some();
    let (first, last) = match protocol.as_str() {
        "icmp" if ports => return Err(Error::invalid("startport", "ICMP has types and codes, no ports: use icmptype and icmpcode")),
        "icmp" => {
            let kind = within("icmptype", ask.icmp_type.unwrap_or(-1), -1, 255)?;
            let code = within("icmpcode", ask.icmp_code.unwrap_or(-1), -1, 255)?;
            if kind == -1 && code != -1 {
                return Err(Error::invalid("icmpcode", "any type (-1) has any code (-1)"));
            }
            (kind, code)
        }
        _ if icmp => return Err(Error::invalid("icmptype", "only with protocol icmp")),
        "tcp" | "udp" => {
            let first = ask.start_port.or(ask.end_port).ok_or_else(|| Error::invalid("startport", "a port is needed with tcp and udp"))?;
            let first = within("startport", first, 0, 65535)?;
            let last = within("endport", ask.end_port.unwrap_or(first), 0, 65535)?;
            if first > last {
                return Err(Error::invalid("endport", format!("{last} is below startport, {first}")));
            }
            (first, last)
        }
        other if ports => return Err(Error::invalid("startport", format!("protocol {other} has no ports"))),
        _ => (-1, -1),
    };
    Ok(Traffic { protocol, first, last })
}

/// A network in CIDR form with the host's bits cleared, `10.1.2.3/8` to `10.0.0.0/8`.
pub(crate) fn network(text: &str) -> Result<String> {
    let net: IpNet = text.trim().parse().map_err(|_| Error::invalid("cidrlist", format!("'{text}' is not a network like 10.0.0.0/8")))?;
    Ok(net.trunc().to_string())
}

/// A rule in words.
fn words(rule: &SecurityGroupRule, other: &str) -> String {
    match rule.protocol.as_str() {
        "tcp" | "udp" | "icmp" => format!("{} {} {}-{} {other}", rule.direction, rule.protocol, rule.first, rule.last),
        p => format!("{} {p} {other}", rule.direction),
    }
}

/// The rule of the database that says the same.
fn same(rule: &SecurityGroupRule) -> Query {
    let q = Query::all()
        .eq("group_id", rule.group_id)
        .eq("direction", &rule.direction)
        .eq("protocol", &rule.protocol)
        .eq("first", rule.first)
        .eq("last", rule.last);
    match (&rule.cidr, rule.allowed_group_id) {
        (Some(cidr), _) => q.eq("cidr", cidr),
        (None, Some(group)) => q.eq("allowed_group_id", group),
        (None, None) => q.null("cidr").null("allowed_group_id"),
    }
}

impl Engine {
    /// The rules that a request asks for, one a network or group on the other side, none of them kept yet.
    async fn group_rules_read(&self, group: &SecurityGroup, ask: &GroupRuleAsk) -> Result<Vec<SecurityGroupRule>> {
        let traffic = traffic(ask)?;
        let one = |cidr: Option<String>, allowed: Option<i64>| SecurityGroupRule {
            uuid: Uuid::new_v4().to_string(),
            group_id: group.id,
            direction: direction(ask.ingress).into(),
            protocol: traffic.protocol.clone(),
            first: traffic.first,
            last: traffic.last,
            cidr,
            allowed_group_id: allowed,
            created: self.clock.now(),
            ..Default::default()
        };
        let mut rules: Vec<SecurityGroupRule> = Vec::new();
        for cidr in &ask.cidrs {
            let cidr = network(cidr)?;
            if !rules.iter().any(|r| r.cidr.as_ref() == Some(&cidr)) {
                rules.push(one(Some(cidr), None));
            }
        }
        for (account, name) in &ask.peers {
            let q = Query::live().eq("domain_id", group.domain_id).eq("name", account);
            let owner = self.db.find_one::<Account>(q).await?.ok_or_else(|| Error::not_found(Kind::Account, account))?;
            let peer = self.group_named(owner.id, name).await?;
            if !rules.iter().any(|r| r.allowed_group_id == Some(peer.id)) {
                rules.push(one(None, Some(peer.id)));
            }
        }
        match rules.is_empty() {
            true => Err(Error::invalid("cidrlist", "at least one network, or one group in usersecuritygrouplist, is needed")),
            false => Ok(rules),
        }
    }

    /// Refuses rules that cannot be or are there already.
    pub async fn group_rules_new(&self, group: &SecurityGroup, ask: &GroupRuleAsk) -> Result<()> {
        for rule in self.group_rules_read(group, ask).await? {
            if self.db.count::<SecurityGroupRule>(same(&rule)).await? > 0 {
                let other = rule.cidr.clone().unwrap_or_else(|| "from the group".into());
                return Err(Error::Duplicate { kind: Kind::SecurityGroupRule, name: words(&rule, &other) });
            }
        }
        Ok(())
    }

    /// Adds rules and carries them to the hosts of the group's members; one that is there already is answered as it is.
    pub async fn group_rules_add(&self, call: &Call, group: &SecurityGroup, ask: &GroupRuleAsk) -> Result<Vec<SecurityGroupRule>> {
        let asked = self.group_rules_read(group, ask).await?;
        let (call, id) = (call.clone(), group.id);
        let rules = self.db.write(move |tx| Box::pin(async move { keep(tx, &call, id, asked).await })).await?;
        self.group_changed(id).await?;
        Ok(rules)
    }

    /// Which of these groups let nothing out although no rule says so.
    pub async fn ec2_egress_closed(&self, uuids: &[String]) -> Result<HashSet<String>> {
        let mut closed = HashSet::new();
        for chunk in uuids.chunks(500) {
            let rows = self.db.find::<SecurityGroup>(Query::live().within("uuid", chunk).eq("egress_closed", true)).await?;
            closed.extend(rows.into_iter().map(|g| g.uuid));
        }
        Ok(closed)
    }

    /// From now on a group without egress rules lets nothing out, until it gets one: EC2's way to take back that everything may go out.
    pub async fn ec2_egress_close(&self, call: &Call, uuid: &str) -> Result<()> {
        let group = self.db.by_uuid::<SecurityGroup>(Kind::SecurityGroup, uuid).await?;
        let (call, id) = (call.clone(), group.id);
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    tx.take::<SecurityGroup>(Query::all().eq("id", id), "egress_closed = 1, sequence = sequence + 1", vec![]).await?;
                    call.log(tx, topic(&group), format!("security group {} lets nothing out without a rule", group.name)).await
                })
            })
            .await?;
        self.group_changed(id).await
    }

    /// The rule with this uuid and its group.
    pub async fn group_rule(&self, uuid: &str, ingress: bool) -> Result<(SecurityGroupRule, SecurityGroup)> {
        let q = Query::all().eq("uuid", uuid).eq("direction", direction(ingress));
        let rule = self.db.find_one::<SecurityGroupRule>(q).await?.ok_or_else(|| Error::not_found(Kind::SecurityGroupRule, uuid))?;
        let group = self.db.must(rule.group_id).await?;
        Ok((rule, group))
    }

    /// Takes a rule back, from the database and from the hosts.
    pub async fn group_rule_revoke(&self, call: &Call, rule: SecurityGroupRule) -> Result<()> {
        let (call, group) = (call.clone(), rule.group_id);
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    if tx.delete::<SecurityGroupRule>(Query::all().eq("id", rule.id)).await? > 0 {
                        tx.take::<SecurityGroup>(Query::all().eq("id", group), "sequence = sequence + 1", vec![]).await?;
                        let row = tx.must::<SecurityGroup>(group).await?;
                        call.log(tx, topic(&row), format!("Rule {} of security group {} revoked", rule.uuid, row.name)).await?;
                    }
                    Ok(())
                })
            })
            .await?;
        self.group_changed(group).await
    }
}

async fn keep(tx: &mut Tx, call: &Call, group: i64, asked: Vec<SecurityGroupRule>) -> Result<Vec<SecurityGroupRule>> {
    let changed = tx.take::<SecurityGroup>(Query::live().eq("id", group), "sequence = sequence + 1", vec![]).await?;
    let row = tx.must::<SecurityGroup>(group).await?;
    if !changed {
        return Err(Error::not_found(Kind::SecurityGroup, row.uuid));
    }
    let mut rules = Vec::with_capacity(asked.len());
    for mut rule in asked {
        let there = tx.find_one::<SecurityGroupRule>(same(&rule)).await?;
        rules.push(match there {
            Some(there) => there,
            None => {
                tx.insert(&mut rule).await?;
                rule
            }
        });
    }
    if rules.iter().any(|r| r.direction == direction(false)) {
        tx.take::<SecurityGroup>(Query::all().eq("id", group), "egress_closed = 0", vec![]).await?;
    }
    call.log(tx, topic(&row), format!("{} rules of security group {} authorised", rules.len(), row.name)).await?;
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(protocol: &str, start: Option<i64>, end: Option<i64>) -> GroupRuleAsk {
        GroupRuleAsk { protocol: Some(protocol.into()), start_port: start, end_port: end, ..Default::default() }
    }

    #[test]
    fn traffic_is_read_strictly() {
        let is = |a: GroupRuleAsk| traffic(&a).map(|t| (t.protocol, t.first, t.last)).ok();
        assert_eq!(is(ask("TCP", Some(22), Some(25))), Some(("tcp".into(), 22, 25)));
        assert_eq!(is(ask("17", Some(53), None)), Some(("udp".into(), 53, 53)));
        assert_eq!(is(ask("icmp", None, None)), Some(("icmp".into(), -1, -1)));
        assert_eq!(is(ask("47", None, None)), Some(("47".into(), -1, -1)));
        assert_eq!(is(GroupRuleAsk::default()), Some(("all".into(), -1, -1)));
        for bad in [
            ask("tcp", None, None),
            ask("tcp", Some(2), Some(1)),
            ask("udp", Some(1), Some(65536)),
            ask("sctp", None, None),
            ask("256", None, None),
            ask("all", Some(1), Some(2)),
        ] {
            assert!(traffic(&bad).is_err(), "{bad:?}");
        }
        assert_eq!(network("10.1.2.3/8").ok().as_deref(), Some("10.0.0.0/8"));
        assert!(network("10.1.2.3").is_err() && network("10.0.0.0/33").is_err());
    }
}
