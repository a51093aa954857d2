use crate::prelude::*;
use crate::views::domain::Domain;
use stratus_engine::domain::{DomainCreate, DomainFilter};

async fn shown(call: &Call, found: Listing<store::Domain>) -> Result<Answer> {
    Ok(Answer::list(found.count, views::domain::of(call, found.rows).await?))
}

async fn one(call: &Call, d: store::Domain) -> Result<Answer> {
    let shown = views::domain::of(call, vec![d]).await?.pop();
    shown.map(Answer::one).ok_or_else(|| Error::internal("a domain without its answer"))
}

/// Makes a domain.
#[derive(Command)]
#[command(name = "createDomain", roles = "admin", answer = "domain", view = Domain, event = "DOMAIN.CREATE")]
pub struct CreateDomain {
    /// the name of the domain, unique beside its siblings
    name: String,
    /// the ID of the domain above; ROOT when it is not given
    parentdomainid: Option<Ref<store::Domain>>,
    /// the DNS suffix of networks in the domain
    networkdomain: Option<String>,
    /// the ID that the domain shall have, to be the same in every region
    #[param(since = "4.1")]
    domainid: Option<String>,
}
impl Run for CreateDomain {
    async fn run(self, call: &Call) -> Result<Answer> {
        let parent = self.parentdomainid.map(|d| d.0);
        let ask = DomainCreate { name: self.name, parent, network_domain: self.networkdomain, uuid: self.domainid };
        one(call, call.domain_create(call, ask).await?).await
    }
}

/// Lists domains that the caller may see.
#[derive(Command)]
#[command(name = "listDomains", roles = "admins", answer = "domain", view = Domain)]
pub struct ListDomains {
    /// only the domain with this ID
    id: Option<Ref<store::Domain>>,
    /// only domains with this name
    name: Option<String>,
    /// only domains so far below ROOT
    level: Option<i64>,
    /// true for everything that the caller may see
    #[param(since = "3.0")]
    listall: Option<bool>,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListDomains {
    async fn run(self, call: &Call) -> Result<Answer> {
        let filter = DomainFilter {
            domain: self.id.map(|d| d.0),
            name: self.name,
            level: self.level,
            listall: self.listall.unwrap_or(false),
            page: self.page.range(call)?,
            keyword: self.page.keyword,
            ..Default::default()
        };
        shown(call, call.domain_list(call, filter).await?).await
    }
}

/// Lists the domains below one.
#[derive(Command)]
#[command(name = "listDomainChildren", roles = "admins", answer = "domain", view = Domain)]
pub struct ListDomainChildren {
    /// the ID of the domain whose children are listed; the caller's own when it is not given
    id: Option<Ref<store::Domain>>,
    /// only domains with this name
    name: Option<String>,
    /// true for children's children too
    isrecursive: Option<bool>,
    /// true for everything below the caller's domain
    #[param(since = "3.0")]
    listall: Option<bool>,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListDomainChildren {
    async fn run(self, call: &Call) -> Result<Answer> {
        let filter = DomainFilter {
            domain: self.id.map(|d| d.0),
            name: self.name,
            listall: self.listall.unwrap_or(false),
            recursive: self.isrecursive.unwrap_or(false),
            page: self.page.range(call)?,
            keyword: self.page.keyword,
            ..Default::default()
        };
        shown(call, call.domain_children(call, filter).await?).await
    }
}

/// Renames a domain or changes its DNS suffix.
#[derive(Command)]
#[command(name = "updateDomain", roles = "admin", answer = "domain", view = Domain, event = "DOMAIN.UPDATE")]
pub struct UpdateDomain {
    /// the ID of the domain
    id: Ref<store::Domain>,
    /// the new name
    name: Option<String>,
    /// the new DNS suffix of networks in the domain
    networkdomain: Option<String>,
}
impl Run for UpdateDomain {
    async fn run(self, call: &Call) -> Result<Answer> {
        one(call, call.domain_update(call, self.id.0, self.name, self.networkdomain).await?).await
    }
}

/// Deletes a domain.
#[derive(Command)]
#[command(name = "deleteDomain", roles = "admin", event = "DOMAIN.DELETE", job = "deleting a domain", on = "id")]
pub struct DeleteDomain {
    /// the ID of the domain
    id: Ref<store::Domain>,
    /// true to delete the accounts and domains in it too; otherwise it must be empty
    cleanup: Option<bool>,
}
impl Run for DeleteDomain {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.domain_delete(call, self.id.0, self.cleanup.unwrap_or(false)).await?;
        Ok(Answer::success())
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<CreateDomain>();
    r.add::<ListDomains>();
    r.add::<ListDomainChildren>();
    r.add::<UpdateDomain>();
    r.add::<DeleteDomain>();
}
