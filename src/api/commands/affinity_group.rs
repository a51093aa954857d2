//! Affinity groups: VMs that run apart.
use crate::commands::vm::affinity_groups;
use crate::declare::{AsTopic, Group, ParamMeta, Parameter};
use crate::prelude::*;
use crate::request::Given;
use crate::views::affinity_group as view;
use stratus_engine::affinity::{ANTI_AFFINITY, AffinityList};
use stratus_engine::dedication_group::EXPLICIT;

found!(AffinityGroup owned);

/// Makes an affinity group.
#[derive(Command)]
#[command(
    name = "createAffinityGroup",
    roles = "all",
    since = "4.2",
    answer = "affinitygroup",
    view = view::AffinityGroup,
    event = "AG.CREATE",
    job = "creating an affinity group",
    create
)]
pub struct CreateGroup {
    /// its name, unique in the account
    name: String,
    /// what it does: host anti-affinity
    r#type: String,
    /// the account that is to own it; needs domainid unless it is in the caller's domain
    account: Option<String>,
    /// what it is for
    description: Option<String>,
    /// the domain of that account
    domainid: Option<Ref<store::Domain>>,
}
impl Create for CreateGroup {
    async fn create(self, call: &Call, job: JobDraft) -> Result<Created> {
        let owner = call.acting_account(self.account.as_deref(), self.domainid.as_ref().map(|d| &d.0)).await?;
        let (group, job) = call.affinity_create(call, &owner, self.name, &self.r#type, self.description, job).await?;
        Ok(Created { job, uuid: group.uuid })
    }
    async fn finish(call: &Call, id: i64) -> Result<Answer> {
        let group = call.db.must::<store::AffinityGroup>(id).await?;
        views::one(view::of(call, vec![group]).await?)
    }
}

/// A group by id, or by name and account.
pub struct ThisGroup(Owned<store::AffinityGroup>);
impl Group for ThisGroup {
    fn parameters() -> Vec<ParamMeta> {
        let one = |name, kind, description| ParamMeta { name, description, kind, required: false, length: 255, since: None };
        vec![
            one("account", "string", "the account that owns the group, where it is named"),
            one("domainid", "uuid", "the domain of that account"),
            one("id", "uuid", "the ID of the group; this or its name"),
            one("name", "string", "the name of the group; this or its ID"),
        ]
    }
    async fn parse(call: &Call, given: &mut Given) -> Result<Self> {
        let id = <Option<Owned<store::AffinityGroup>> as Parameter>::take(call, given, "id", 255).await?;
        let name = <Option<String> as Parameter>::take(call, given, "name", 255).await?;
        let account = <Option<String> as Parameter>::take(call, given, "account", 255).await?;
        let domain = <Option<Ref<store::Domain>> as Parameter>::take(call, given, "domainid", 255).await?;
        match (id, name) {
            (Some(_), Some(_)) => Err(Error::invalid("name", "cannot be combined with id")),
            (Some(g), None) => Ok(Self(g)),
            (None, Some(name)) => {
                let owner = call.acting_account(account.as_deref(), domain.as_ref().map(|d| &d.0)).await?;
                Ok(Self(Owned(call.affinity_named(owner.id, &name).await?)))
            }
            (None, None) => Err(Error::invalid("id", "either id or name is needed")),
        }
    }
}
impl AsTopic for ThisGroup {
    fn topic(&self) -> Topic {
        self.0.topic()
    }
}

/// Deletes an affinity group; its VMs stay.
#[derive(Command)]
#[command(
    name = "deleteAffinityGroup",
    roles = "all",
    since = "4.2",
    event = "AG.DELETE",
    job = "deleting an affinity group",
    on = "group"
)]
pub struct DeleteGroup {
    #[param(flatten)]
    group: ThisGroup,
}
impl Run for DeleteGroup {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.affinity_delete(self.group.0.0).await?;
        Ok(Answer::success())
    }
}

/// Lists affinity groups.
#[derive(Command)]
#[command(name = "listAffinityGroups", roles = "all", since = "4.2", answer = "affinitygroup", view = view::AffinityGroup)]
pub struct List {
    /// only the group with this ID
    id: Option<Ref<store::AffinityGroup>>,
    /// only the group with this name
    name: Option<String>,
    /// only groups of this type
    r#type: Option<String>,
    /// only groups of this VM
    virtualmachineid: Option<Owned<store::Vm>>,
    /// only things of this account; of the caller's domain unless domainid is given
    account: Option<String>,
    /// only things of this domain
    domainid: Option<Ref<store::Domain>>,
    /// with a domain, also things of those below it
    isrecursive: Option<bool>,
    /// true for everything that the caller may see
    listall: Option<bool>,
    #[param(flatten)]
    page: Paging,
}
impl Run for List {
    async fn run(self, call: &Call) -> Result<Answer> {
        let page = self.page.range(call)?;
        let scope = stratus_engine::ScopeRequest {
            account: self.account,
            domain: self.domainid.map(|d| d.0),
            recursive: self.isrecursive.unwrap_or(false),
            listall: self.listall.unwrap_or(false),
            project: None,
            by_id: self.id.is_some() || self.virtualmachineid.is_some(),
        };
        // Another account's list shows that account's own.
        let shared_in = scope.account.is_none().then_some(call.caller.domain_id);
        let ask = AffinityList {
            scope: call.scope(&scope).await?,
            shared_in,
            id: self.id.map(|g| g.0.id),
            name: self.name,
            group_type: self.r#type,
            vm: self.virtualmachineid.map(|v| v.0.id),
            keyword: self.page.keyword,
            page,
        };
        let found = call.affinity_list(ask).await?;
        Ok(Answer::list(found.count, view::of(call, found.rows).await?))
    }
}

/// Lists the types of affinity groups.
#[derive(Command)]
#[command(name = "listAffinityGroupTypes", roles = "all", since = "4.2", answer = "affinityGroupType", view = view::AffinityGroupType)]
pub struct ListTypes {
    #[param(flatten)]
    page: Paging,
}
impl Run for ListTypes {
    async fn run(self, call: &Call) -> Result<Answer> {
        let (first, _) = self.page.range(call)?;
        let all = [ANTI_AFFINITY, EXPLICIT].map(|kind| view::AffinityGroupType { kind: kind.into() });
        Ok(Answer::list(2, if first == 0 { all.into() } else { Vec::new() }))
    }
}

/// Puts a stopped VM into these affinity groups and no others.
#[derive(Command)]
#[command(
    name = "updateVMAffinityGroup",
    roles = "all",
    since = "4.2",
    answer = "virtualmachine",
    view = views::vm::Vm,
    event = "VM.AG.UPDATE",
    job = "changing the affinity groups of a VM",
    on = "id",
    wrapper = "updatevirtualmachineresponse"
)]
pub struct Update {
    /// the ID of the VM
    id: Owned<store::Vm>,
    /// the groups by ID
    affinitygroupids: Option<Vec<Ref<store::AffinityGroup>>>,
    /// the groups by name
    affinitygroupnames: Option<Vec<String>>,
}
impl Run for Update {
    async fn run(self, call: &Call) -> Result<Answer> {
        let vm = self.id.0;
        let groups = affinity_groups(call, vm.account_id, self.affinitygroupids, self.affinitygroupnames).await?;
        let groups = groups.ok_or_else(|| Error::invalid("affinitygroupids", "either this or affinitygroupnames is needed"))?;
        let vm = call.affinity_change(call, vm, groups).await?;
        views::one(views::vm::of(call, vec![vm]).await?)
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<CreateGroup>();
    r.add::<DeleteGroup>();
    r.add::<List>();
    r.add::<ListTypes>();
    r.add::<Update>();
}
