//! Groups of VMs.
use crate::prelude::*;
use crate::views::instance_group as view;
use stratus_engine::instance_group::InstanceGroupList;

found!(InstanceGroup owned);

/// Makes a group of VMs.
#[derive(Command)]
#[command(name = "createInstanceGroup", roles = "all", event = "INSTANCEGROUP.CREATE", answer = "instancegroup", view = view::InstanceGroup)]
pub struct CreateGroup {
    /// its name, unique in the account
    name: String,
    /// the account that is to own it; needs domainid unless it is in the caller's domain
    account: Option<String>,
    /// the domain of that account
    domainid: Option<Ref<store::Domain>>,
    /// the project that is to own it
    #[param(since = "3.0")]
    projectid: Option<Ref<store::Project>>,
}
impl Run for CreateGroup {
    async fn run(self, call: &Call) -> Result<Answer> {
        let (domain, project) = (self.domainid.as_ref().map(|d| &d.0), self.projectid.as_ref().map(|p| &p.0));
        let owner = call.acting_owner(self.account.as_deref(), domain, project).await?;
        let group = call.instance_group_create(call, &owner, self.name).await?;
        views::one(view::of(call, vec![group]).await?)
    }
}

/// Gives a group of VMs another name.
#[derive(Command)]
#[command(name = "updateInstanceGroup", roles = "all", event = "INSTANCEGROUP.UPDATE", answer = "instancegroup", view = view::InstanceGroup)]
pub struct Update {
    /// the ID of the group
    id: Owned<store::InstanceGroup>,
    /// its new name
    name: Option<String>,
}
impl Run for Update {
    async fn run(self, call: &Call) -> Result<Answer> {
        let group = call.instance_group_update(call, self.id.0, self.name).await?;
        views::one(view::of(call, vec![group]).await?)
    }
}

/// Deletes a group of VMs; the VMs stay.
#[derive(Command)]
#[command(name = "deleteInstanceGroup", roles = "all", event = "INSTANCEGROUP.DELETE")]
pub struct Delete {
    /// the ID of the group
    id: Owned<store::InstanceGroup>,
}
impl Run for Delete {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.instance_group_delete(call, self.id.0).await?;
        Ok(Answer::success())
    }
}

/// Lists groups of VMs.
#[derive(Command)]
#[command(name = "listInstanceGroups", roles = "all", answer = "instancegroup", view = view::InstanceGroup)]
pub struct List {
    /// only the group with this ID
    id: Option<Owned<store::InstanceGroup>>,
    /// only the group with this name
    name: Option<String>,
    #[param(flatten)]
    scoped: Scoped,
    #[param(flatten)]
    page: Paging,
}
impl Run for List {
    async fn run(self, call: &Call) -> Result<Answer> {
        let page = self.page.range(call)?;
        let ask = InstanceGroupList {
            scope: self.scoped.scope(call, self.id.is_some()).await?,
            id: self.id.map(|g| g.0.id),
            name: self.name,
            keyword: self.page.keyword,
            page,
        };
        let found = call.instance_group_list(ask).await?;
        Ok(Answer::list(found.count, view::of(call, found.rows).await?))
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<CreateGroup>();
    r.add::<Update>();
    r.add::<Delete>();
    r.add::<List>();
}
