//! Security groups and their rules.
use crate::declare::{AsTopic, Group, ParamMeta, Parameter};
use crate::prelude::*;
use crate::request::Given;
use crate::views::security_group as view;
use stratus_engine::group_rules::GroupRuleAsk;
use stratus_engine::security_group::SecurityGroupList;

found!(SecurityGroup owned);

/// Makes a security group.
#[derive(Command)]
#[command(name = "createSecurityGroup", roles = "all", answer = "securitygroup", view = view::SecurityGroup, event = "SG.CREATE")]
pub struct Create {
    /// its name, unique in the account
    name: String,
    /// the account that is to own it; needs domainid unless it is in the caller's domain
    account: Option<String>,
    /// what it is for
    description: Option<String>,
    /// the ID of that account's domain
    domainid: Option<Ref<store::Domain>>,
    /// a project that is to own it
    #[param(since = "3.0")]
    projectid: Option<Ref<store::Project>>,
}
impl Run for Create {
    async fn run(self, call: &Call) -> Result<Answer> {
        let owner =
            call.acting_owner(self.account.as_deref(), self.domainid.as_ref().map(|d| &d.0), self.projectid.as_ref().map(|p| &p.0)).await?;
        let group = call.security_group_create(call, &owner, self.name, self.description).await?;
        one(call, group, None).await
    }
}

async fn one(call: &Call, group: store::SecurityGroup, rules: Option<Vec<store::SecurityGroupRule>>) -> Result<Answer> {
    let mut views = match rules {
        Some(rules) => view::with_rules(call, vec![group], rules).await?,
        None => view::of(call, vec![group]).await?,
    };
    views.pop().map(Answer::one).ok_or_else(|| Error::internal("a security group without a record"))
}

/// Lists security groups with their rules.
#[derive(Command)]
#[command(name = "listSecurityGroups", roles = "all", answer = "securitygroup", view = view::SecurityGroup)]
pub struct List {
    /// only the group with this ID
    id: Option<Ref<store::SecurityGroup>>,
    /// only the group with this name
    securitygroupname: Option<String>,
    /// only those that the VM with this ID is in
    virtualmachineid: Option<Owned<store::Vm>>,
    #[param(flatten)]
    tags: Tags,
    #[param(flatten)]
    scoped: Scoped,
    #[param(flatten)]
    page: Paging,
}
impl Run for List {
    async fn run(self, call: &Call) -> Result<Answer> {
        let page = self.page.range(call)?;
        // A VM names its groups as well as an id does.
        let scope = self.scoped.scope(call, self.id.is_some() || self.virtualmachineid.is_some()).await?;
        let ask = SecurityGroupList {
            scope,
            id: self.id.map(|g| g.0.id),
            name: self.securitygroupname,
            vm: self.virtualmachineid.map(|v| v.0.id),
            keyword: self.page.keyword,
            tags: self.tags.0,
            page,
        };
        let found = call.security_group_list(ask).await?;
        Ok(Answer::list(found.count, view::of(call, found.rows).await?))
    }
}

/// A parameter of the type that is wanted.
async fn take<T: Parameter>(call: &Call, given: &mut Given, name: &'static str) -> Result<T> {
    T::take(call, given, name, 255).await
}

/// Takes a group by id, or by name and account; the caller may touch it.
async fn group(call: &Call, given: &mut Given, id: &'static str, name: &'static str) -> Result<store::SecurityGroup> {
    let by_id: Option<Owned<store::SecurityGroup>> = take(call, given, id).await?;
    let by_name: Option<String> = take(call, given, name).await?;
    let account: Option<String> = take(call, given, "account").await?;
    let domain: Option<Ref<store::Domain>> = take(call, given, "domainid").await?;
    let project: Option<Ref<store::Project>> = take(call, given, "projectid").await?;
    match (by_id, by_name) {
        (Some(_), Some(_)) => Err(Error::invalid(name, format!("cannot be combined with {id}"))),
        (Some(g), None) => Ok(g.0),
        (None, Some(n)) => {
            let owner = call.acting_owner(account.as_deref(), domain.as_ref().map(|d| &d.0), project.as_ref().map(|p| &p.0)).await?;
            call.group_named(owner.id, &n).await
        }
        (None, None) => Err(Error::invalid(id, format!("either {id} or {name} is needed"))),
    }
}

fn which(id: &'static str, name: &'static str) -> Vec<ParamMeta> {
    let one = |name, description, kind, since| ParamMeta { name, description, kind, required: false, length: 255, since };
    vec![
        one(id, "the ID of the security group", "uuid", None),
        one(name, "the name of the security group; either this or the ID", "string", None),
        one("account", "the account that owns it; needs domainid unless it is in the caller's domain", "string", None),
        one("domainid", "the ID of that account's domain", "uuid", None),
        one("projectid", "the project that owns it", "uuid", Some("3.0")),
    ]
}

/// A group that is to be deleted.
pub struct Going(store::SecurityGroup);
impl Group for Going {
    fn parameters() -> Vec<ParamMeta> {
        which("id", "name")
    }
    async fn parse(call: &Call, given: &mut Given) -> Result<Self> {
        group(call, given, "id", "name").await.map(Self)
    }
}

/// Deletes a security group that no VM is in.
#[derive(Command)]
#[command(name = "deleteSecurityGroup", roles = "all", event = "SG.DELETE")]
pub struct Delete {
    #[param(flatten)]
    group: Going,
}
impl Run for Delete {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.security_group_delete(call, self.group.0).await?;
        Ok(Answer::success())
    }
}

/// A group and rules to add to it; what cannot be is refused before a job is made.
pub struct NewRules<const INGRESS: bool> {
    group: store::SecurityGroup,
    ask: GroupRuleAsk,
}
impl<const INGRESS: bool> Group for NewRules<INGRESS> {
    fn parameters() -> Vec<ParamMeta> {
        let one = |name, description, kind| ParamMeta { name, description, kind, required: false, length: 255, since: None };
        let mut all = which("securitygroupid", "securitygroupname");
        all.extend([
            one("cidrlist", "the networks on the other side, comma separated", "list"),
            one("endport", "the last port", "integer"),
            one("icmpcode", "the ICMP code, -1 for any", "integer"),
            one("icmptype", "the ICMP type, -1 for any", "integer"),
            one("protocol", "tcp, udp, icmp, all (the default) or a number", "string"),
            one("startport", "the first port", "integer"),
            one("usersecuritygrouplist", "the groups on the other side, [0].account and [0].group", "map"),
        ]);
        all
    }
    async fn parse(call: &Call, given: &mut Given) -> Result<Self> {
        let group = group(call, given, "securitygroupid", "securitygroupname").await?;
        let cidrs: Option<Vec<String>> = take(call, given, "cidrlist").await?;
        let peers: Option<MapList> = take(call, given, "usersecuritygrouplist").await?;
        let ask = GroupRuleAsk {
            ingress: INGRESS,
            protocol: take(call, given, "protocol").await?,
            start_port: take(call, given, "startport").await?,
            end_port: take(call, given, "endport").await?,
            icmp_type: take(call, given, "icmptype").await?,
            icmp_code: take(call, given, "icmpcode").await?,
            cidrs: cidrs.unwrap_or_default(),
            peers: peers.map(pairs).transpose()?.unwrap_or_default(),
        };
        if call.job.is_none() {
            call.group_rules_new(&group, &ask).await?;
        }
        Ok(Self { group, ask })
    }
}
impl<const INGRESS: bool> AsTopic for NewRules<INGRESS> {
    fn topic(&self) -> Topic {
        topic(&self.group)
    }
}

fn topic(group: &store::SecurityGroup) -> Topic {
    Topic { account: group.account_id, domain: group.domain_id, kind: Kind::SecurityGroup, id: group.id }
}

/// Account and group of each entry.
fn pairs(list: MapList) -> Result<Vec<(String, String)>> {
    let one = |m: std::collections::BTreeMap<String, String>| match (m.get("account"), m.get("group")) {
        (Some(account), Some(group)) => Ok((account.clone(), group.clone())),
        _ => Err(Error::invalid("usersecuritygrouplist", "each entry needs an account and a group")),
    };
    list.0.into_iter().map(one).collect()
}

/// Lets packets of others reach the members of a security group.
#[derive(Command)]
#[command(name = "authorizeSecurityGroupIngress", roles = "all", answer = "securitygroup", view = view::SecurityGroupRule, event = "SG.AUTH.INGRESS", job = "authorising ingress", on = "rules")]
pub struct AuthorizeIngress {
    #[param(flatten)]
    rules: NewRules<true>,
}
impl Run for AuthorizeIngress {
    async fn run(self, call: &Call) -> Result<Answer> {
        let rules = call.group_rules_add(call, &self.rules.group, &self.rules.ask).await?;
        one(call, self.rules.group, Some(rules)).await
    }
}

/// Lets packets of the members of a security group go out; without any such rule, all may.
#[derive(Command)]
#[command(name = "authorizeSecurityGroupEgress", roles = "all", answer = "securitygroup", view = view::SecurityGroupRule, event = "SG.AUTH.EGRESS", job = "authorising egress", on = "rules", since = "3.0")]
pub struct AuthorizeEgress {
    #[param(flatten)]
    rules: NewRules<false>,
}
impl Run for AuthorizeEgress {
    async fn run(self, call: &Call) -> Result<Answer> {
        let rules = call.group_rules_add(call, &self.rules.group, &self.rules.ask).await?;
        one(call, self.rules.group, Some(rules)).await
    }
}

/// A rule that is to go, by id. In a job it may be gone by now.
pub struct OldRule<const INGRESS: bool>(Option<(store::SecurityGroupRule, store::SecurityGroup)>);
impl<const INGRESS: bool> Group for OldRule<INGRESS> {
    fn parameters() -> Vec<ParamMeta> {
        vec![ParamMeta { name: "id", description: "the ID of the rule", kind: "uuid", required: true, length: 255, since: None }]
    }
    async fn parse(call: &Call, given: &mut Given) -> Result<Self> {
        let id: String = take(call, given, "id").await?;
        match call.group_rule(&id.trim().to_ascii_lowercase(), INGRESS).await {
            Ok((rule, group)) => {
                if call.job.is_none() {
                    call.touch(&group, "id").await?;
                }
                Ok(Self(Some((rule, group))))
            }
            Err(Error::NotFound { .. }) if call.job.is_some() => Ok(Self(None)),
            Err(e) => Err(e),
        }
    }
}
impl<const INGRESS: bool> AsTopic for OldRule<INGRESS> {
    fn topic(&self) -> Topic {
        let nobody = Topic { account: 1, domain: 1, kind: Kind::SecurityGroup, id: 0 };
        self.0.as_ref().map_or(nobody, |(_, group)| topic(group))
    }
}

/// Takes an ingress rule back.
#[derive(Command)]
#[command(name = "revokeSecurityGroupIngress", roles = "all", event = "SG.REVOKE.INGRESS", job = "revoking ingress", on = "rule")]
pub struct RevokeIngress {
    #[param(flatten)]
    rule: OldRule<true>,
}
impl Run for RevokeIngress {
    async fn run(self, call: &Call) -> Result<Answer> {
        if let Some((rule, _)) = self.rule.0 {
            call.group_rule_revoke(call, rule).await?;
        }
        Ok(Answer::success())
    }
}

/// Takes an egress rule back.
#[derive(Command)]
#[command(
    name = "revokeSecurityGroupEgress",
    roles = "all",
    event = "SG.REVOKE.EGRESS",
    job = "revoking egress",
    on = "rule",
    since = "3.0"
)]
pub struct RevokeEgress {
    #[param(flatten)]
    rule: OldRule<false>,
}
impl Run for RevokeEgress {
    async fn run(self, call: &Call) -> Result<Answer> {
        if let Some((rule, _)) = self.rule.0 {
            call.group_rule_revoke(call, rule).await?;
        }
        Ok(Answer::success())
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<Create>();
    r.add::<List>();
    r.add::<Delete>();
    r.add::<AuthorizeIngress>();
    r.add::<AuthorizeEgress>();
    r.add::<RevokeIngress>();
    r.add::<RevokeEgress>();
}
