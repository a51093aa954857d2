use crate::prelude::*;
use crate::views::limit::{ResourceCount, ResourceLimit};
use stratus_engine::limit::{Holder, resource};

/// Lists limits of an account or a domain; of the caller's own account when nothing is named.
#[derive(Command)]
#[command(name = "listResourceLimits", roles = "all", answer = "resourcelimit", view = ResourceLimit)]
pub struct ListResourceLimits {
    /// the account whose limits are listed; of the caller's domain unless domainid is given
    account: Option<String>,
    /// the domain whose limits are listed, or the domain of the account
    domainid: Option<Ref<store::Domain>>,
    /// no effect: limits are told apart by their owner and resourcetype
    #[param(kind = "long")]
    id: Ignored,
    /// with a domain alone, also the limits of those below it
    #[param(since = "3.0")]
    isrecursive: Option<bool>,
    /// no effect: limits are listed for what account and domainid name
    #[param(kind = "boolean", since = "3.0")]
    listall: Ignored,
    /// limits of a project
    #[param(since = "3.0")]
    projectid: Option<Ref<store::Project>>,
    /// only the limit of this resource: 0 VMs, 1 public addresses, 2 volumes, 3 snapshots, 4 templates, 5 projects, 6 networks, 7 VPCs, 8 CPU cores, 9 memory, 10 primary storage, 11 secondary storage
    resourcetype: Option<i64>,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListResourceLimits {
    async fn run(self, call: &Call) -> Result<Answer> {
        let Self { id: Ignored, listall: Ignored, .. } = self;
        let only = self.resourcetype.map(resource).transpose()?;
        let holder = call.holder(call, self.account.as_deref(), self.domainid.map(|d| d.0), self.projectid.map(|p| p.0)).await?;
        let holders = match (&holder, self.isrecursive) {
            (Holder::Domain(d), Some(true)) => {
                let below = store::Query::live().starts("path", &d.path);
                call.db.find::<store::Domain>(below).await?.into_iter().map(Holder::Domain).collect()
            }
            _ => vec![holder],
        };
        let mut shown = Vec::new();
        for (holder, allowed) in holders.iter().zip(call.allowances(&holders).await?) {
            let name = views::limit::name(call, holder).await?;
            let fits = allowed.iter().filter(|a| only.is_none_or(|o| o == a.resource));
            shown.extend(fits.map(|a| views::limit::limit(&name, a)));
        }
        let (count, (offset, limit)) = (shown.len() as i64, self.page.range(call)?);
        let (offset, limit) = (usize::try_from(offset).unwrap_or(0), usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(Answer::list(count, shown.into_iter().skip(offset).take(limit).collect()))
    }
}

/// Sets a limit of an account or a domain.
#[derive(Command)]
#[command(name = "updateResourceLimit", roles = "admins", answer = "resourcelimit", view = ResourceLimit, event = "RESOURCE.LIMIT.UPDATE")]
pub struct UpdateResourceLimit {
    /// what is limited, by the numbers of listResourceLimits
    resourcetype: i64,
    /// the account that is limited; of the caller's domain unless domainid is given
    account: Option<String>,
    /// the domain that is limited, or the domain of the account
    domainid: Option<Ref<store::Domain>>,
    /// how much is allowed; -1, and nothing given, for any amount
    #[param(kind = "long")]
    max: Option<i64>,
    /// limit of a project
    #[param(since = "3.0")]
    projectid: Option<Ref<store::Project>>,
}
impl Run for UpdateResourceLimit {
    async fn run(self, call: &Call) -> Result<Answer> {
        if self.account.is_none() && self.domainid.is_none() && self.projectid.is_none() {
            return Err(Error::invalid("domainid", "give domainid, account with domainid, or projectid"));
        }
        let holder = call.holder(call, self.account.as_deref(), self.domainid.map(|d| d.0), self.projectid.map(|p| p.0)).await?;
        let name = views::limit::name(call, &holder).await?;
        let now = call.limit_update(call, holder, resource(self.resourcetype)?, self.max.unwrap_or(-1)).await?;
        Ok(Answer::one(views::limit::limit(&name, &now)))
    }
}

/// Counts again what an account or a domain uses, and repairs the counters that are wrong.
#[derive(Command)]
#[command(name = "updateResourceCount", roles = "admins", answer = "resourcecount", view = ResourceCount, event = "RESOURCE.COUNT.UPDATE")]
pub struct UpdateResourceCount {
    /// the domain whose resources are counted, or the domain of the account
    domainid: Ref<store::Domain>,
    /// the account whose resources are counted
    account: Option<String>,
    /// resources of a project
    #[param(since = "3.0")]
    projectid: Option<Ref<store::Project>>,
    /// only this resource, by the numbers of listResourceLimits
    resourcetype: Option<i64>,
}
impl Run for UpdateResourceCount {
    async fn run(self, call: &Call) -> Result<Answer> {
        let only = self.resourcetype.map(resource).transpose()?;
        let holder = call.holder(call, self.account.as_deref(), Some(self.domainid.0), self.projectid.map(|p| p.0)).await?;
        let name = views::limit::name(call, &holder).await?;
        let counted = call.limit_recount(call, holder, only).await?;
        Ok(Answer::list(counted.len() as i64, counted.iter().map(|a| views::limit::count(&name, a)).collect()))
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<ListResourceLimits>();
    r.add::<UpdateResourceLimit>();
    r.add::<UpdateResourceCount>();
}
