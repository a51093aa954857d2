//! Groups of VMs in answers.
use crate::prelude::*;
use crate::views::tag::Owners;

/// A group of VMs.
#[derive(View, Debug, Clone)]
pub struct InstanceGroup {
    /// the ID of the group
    pub id: String,
    /// its name
    pub name: String,
    /// when it was made
    pub created: Date,
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
}

/// A page of groups.
pub(crate) async fn of(call: &Call, rows: Vec<store::InstanceGroup>) -> Result<Vec<InstanceGroup>> {
    let owners = Owners::of(call, rows.iter().map(|g| (g.account_id, g.domain_id))).await?;
    let one = |g: store::InstanceGroup| InstanceGroup {
        account: owners.account(g.account_id),
        projectid: owners.project_uuid(g.account_id),
        project: owners.project(g.account_id),
        domainid: owners.domain_uuid(g.domain_id),
        domain: owners.domain(g.domain_id),
        created: Date(g.created),
        id: g.uuid,
        name: g.name,
    };
    Ok(rows.into_iter().map(one).collect())
}
