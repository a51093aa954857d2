//! Security groups and their rules in answers.
use crate::prelude::*;
use crate::views::tag::{Owners, Tag};
use std::collections::HashMap;

/// A rule of a security group.
#[derive(View, Debug, Clone)]
pub struct SecurityGroupRule {
    /// the ID of the rule
    pub ruleid: String,
    /// the protocol
    pub protocol: String,
    /// the first port
    #[view(kind = "integer")]
    pub startport: Option<i64>,
    /// the last port
    #[view(kind = "integer")]
    pub endport: Option<i64>,
    /// the ICMP type; -1 for any
    #[view(kind = "integer")]
    pub icmptype: Option<i64>,
    /// the ICMP code; -1 for any
    #[view(kind = "integer")]
    pub icmpcode: Option<i64>,
    /// the name of the group that it allows
    pub securitygroupname: Option<String>,
    /// the account of the group that it allows
    pub account: Option<String>,
    /// the network that it allows
    pub cidr: Option<String>,
}

/// A security group with its rules.
#[derive(View, Debug, Clone)]
pub struct SecurityGroup {
    /// the ID of the security group
    pub id: String,
    /// its name
    pub name: String,
    /// its description
    pub description: Option<String>,
    /// the account that owns it
    pub account: Option<String>,
    /// the ID of the project that owns it
    pub projectid: Option<String>,
    /// the name of the project that owns it
    pub project: Option<String>,
    /// the ID of its domain
    pub domainid: Option<String>,
    /// the name of its domain
    pub domain: Option<String>,
    /// what may reach its members
    pub ingressrule: Vec<SecurityGroupRule>,
    /// what its members may reach; everything when there is none
    pub egressrule: Vec<SecurityGroupRule>,
    /// its tags
    pub tags: Vec<Tag>,
}

/// A page of groups, with all their rules.
pub(crate) async fn of(call: &Call, rows: Vec<store::SecurityGroup>) -> Result<Vec<SecurityGroup>> {
    let ids: Vec<i64> = rows.iter().map(|g| g.id).collect();
    let rules = call.group_rules(&ids).await?;
    with_rules(call, rows, rules).await
}

/// Groups with some of their rules: those that were just authorised, for instance.
pub(crate) async fn with_rules(
    call: &Call,
    rows: Vec<store::SecurityGroup>,
    rules: Vec<store::SecurityGroupRule>,
) -> Result<Vec<SecurityGroup>> {
    let allowed = call.db.by_ids::<store::SecurityGroup>(rules.iter().filter_map(|r| r.allowed_group_id)).await?;
    let owners = Owners::of(call, rows.iter().chain(allowed.values()).map(|g| (g.account_id, g.domain_id))).await?;
    let ids: Vec<i64> = rows.iter().map(|g| g.id).collect();
    let mut tags = crate::views::tag::by_thing(call, "SecurityGroup", &ids).await?;
    let mut by_group: HashMap<(i64, bool), Vec<SecurityGroupRule>> = HashMap::new();
    for r in rules {
        let peer = r.allowed_group_id.and_then(|g| allowed.get(&g));
        by_group.entry((r.group_id, r.direction == "ingress")).or_default().push(rule(&owners, r, peer));
    }
    let mut one = |g: store::SecurityGroup| SecurityGroup {
        id: g.uuid,
        name: g.name,
        description: g.description,
        account: owners.account(g.account_id),
        projectid: owners.project_uuid(g.account_id),
        project: owners.project(g.account_id),
        domainid: owners.domain_uuid(g.domain_id),
        domain: owners.domain(g.domain_id),
        ingressrule: by_group.remove(&(g.id, true)).unwrap_or_default(),
        egressrule: by_group.remove(&(g.id, false)).unwrap_or_default(),
        tags: tags.remove(&g.id).unwrap_or_default(),
    };
    Ok(rows.into_iter().map(&mut one).collect())
}

fn rule(owners: &Owners, r: store::SecurityGroupRule, peer: Option<&store::SecurityGroup>) -> SecurityGroupRule {
    let ports = matches!(r.protocol.as_str(), "tcp" | "udp");
    let icmp = r.protocol == "icmp";
    SecurityGroupRule {
        ruleid: r.uuid,
        protocol: r.protocol,
        startport: ports.then_some(r.first),
        endport: ports.then_some(r.last),
        icmptype: icmp.then_some(r.first),
        icmpcode: icmp.then_some(r.last),
        securitygroupname: peer.map(|g| g.name.clone()),
        account: peer.and_then(|g| owners.account(g.account_id)),
        cidr: r.cidr,
    }
}
