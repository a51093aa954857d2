//! Tags, and whose things are: what many records show beside their own.
use crate::prelude::*;
use std::collections::HashMap;
use stratus_model::AccountType;

/// A tag as answers show it.
#[derive(View, Debug, Clone)]
pub struct Tag {
    /// the account that owns the tagged thing
    pub account: Option<String>,
    /// the customer that the tag was made for
    pub customer: Option<String>,
    /// the name of the owner's domain
    pub domain: Option<String>,
    /// the ID of the owner's domain
    pub domainid: Option<String>,
    /// the tag's key
    pub key: String,
    /// the name of the project that owns the tagged thing
    pub project: Option<String>,
    /// the ID of the project that owns the tagged thing
    pub projectid: Option<String>,
    /// the ID of the tagged thing
    pub resourceid: String,
    /// the type of the tagged thing
    pub resourcetype: String,
    /// the tag's value
    pub value: String,
}

/// The accounts and domains of a page of things: two queries, however many things.
pub(crate) struct Owners {
    accounts: HashMap<i64, store::Account>,
    domains: HashMap<i64, store::Domain>,
    projects: HashMap<i64, store::Project>,
}

impl Owners {
    /// Of things by the keys of account and domain.
    pub async fn of(call: &Call, owners: impl Iterator<Item = (i64, i64)>) -> Result<Self> {
        let (accounts, domains): (Vec<i64>, Vec<i64>) = owners.unzip();
        let accounts: HashMap<i64, store::Account> = call.db.by_ids(accounts).await?;
        let behind: Vec<i64> = accounts.values().filter(|a| a.kind() == AccountType::Project).map(|a| a.id).collect();
        let projects = if behind.is_empty() { HashMap::new() } else { call.projects_of(behind).await? };
        Ok(Self { accounts, domains: call.db.by_ids(domains).await?, projects })
    }
    /// The account's name; none for a thing of a project.
    pub fn account(&self, id: i64) -> Option<String> {
        self.accounts.get(&id).filter(|a| a.kind() != AccountType::Project).map(|a| a.name.clone())
    }
    /// The project's name, for a thing of a project.
    pub fn project(&self, id: i64) -> Option<String> {
        self.projects.get(&id).map(|p| p.name.clone())
    }
    /// The project's uuid, for a thing of a project.
    pub fn project_uuid(&self, id: i64) -> Option<String> {
        self.projects.get(&id).map(|p| p.uuid.clone())
    }
    /// The account's uuid.
    pub fn account_uuid(&self, id: i64) -> Option<String> {
        self.accounts.get(&id).map(|a| a.uuid.clone())
    }
    /// The domain's name.
    pub fn domain(&self, id: i64) -> Option<String> {
        self.domains.get(&id).map(|d| d.name.clone())
    }
    /// The domain's uuid.
    pub fn domain_uuid(&self, id: i64) -> Option<String> {
        self.domains.get(&id).map(|d| d.uuid.clone())
    }
    /// Whether the caller may act on things of this owner.
    pub fn may_touch(&self, call: &Call, account: i64, domain: i64) -> bool {
        let below = || self.domains.get(&domain).is_some_and(|d| d.path.starts_with(&call.caller.domain_path));
        account == call.caller.account_id || call.caller.is_root() || call.caller.is_admin() && below()
    }
}

/// A page of tags.
pub(crate) async fn of(call: &Call, rows: Vec<store::Tag>) -> Result<Vec<Tag>> {
    let owners = Owners::of(call, rows.iter().map(|t| (t.account_id, t.domain_id))).await?;
    Ok(rows.into_iter().map(|t| one(&owners, t)).collect())
}

/// A page of details, which look like tags.
pub(crate) async fn details(call: &Call, rows: Vec<store::ResourceDetail>) -> Result<Vec<Tag>> {
    let as_tag = |d: store::ResourceDetail| store::Tag {
        resource_type: d.resource_type,
        resource_uuid: d.resource_uuid,
        tag_key: d.detail_key,
        tag_value: d.detail_value,
        account_id: d.account_id,
        domain_id: d.domain_id,
        ..Default::default()
    };
    of(call, rows.into_iter().map(as_tag).collect()).await
}

fn one(owners: &Owners, t: store::Tag) -> Tag {
    Tag {
        account: owners.account(t.account_id),
        customer: t.customer,
        domain: owners.domain(t.domain_id),
        domainid: owners.domain_uuid(t.domain_id),
        key: t.tag_key,
        project: owners.project(t.account_id),
        projectid: owners.project_uuid(t.account_id),
        resourceid: t.resource_uuid,
        resourcetype: t.resource_type,
        value: t.tag_value,
    }
}

/// The tags of a page of things of one type (`UserVm`, `Volume` …), by the thing's key.
pub(crate) async fn by_thing(call: &Call, resource_type: &str, ids: &[i64]) -> Result<HashMap<i64, Vec<Tag>>> {
    let tags = call.tags_of(resource_type, ids).await?;
    let owners = Owners::of(call, tags.values().flatten().map(|t| (t.account_id, t.domain_id))).await?;
    Ok(tags.into_iter().map(|(id, tags)| (id, tags.into_iter().map(|t| one(&owners, t)).collect())).collect())
}
