//! Projects, their members and invitations in answers.
use crate::prelude::*;
use crate::views::owner_figures::OwnerFigures;
use crate::views::tag::{Owners, Tag, by_thing};
use stratus_engine::limit::Holder;

/// A project, with what it uses and what it may use.
#[derive(View)]
pub struct Project {
    /// the ID of the project
    pub id: String,
    /// the name of the project
    pub name: String,
    /// what the project is for
    pub displaytext: String,
    /// the ID of the project's domain
    pub domainid: Option<String>,
    /// the name of the project's domain
    pub domain: Option<String>,
    /// the account that owns the project
    pub account: Option<String>,
    /// the state of the project: Active, Suspended or, while it is being deleted, Disabled
    pub state: String,
    /// its tags
    pub tags: Vec<Tag>,
    #[view(flatten)]
    pub figures: OwnerFigures,
}

/// A page of projects, with one query per table beside it.
pub(crate) async fn of(call: &Call, rows: Vec<store::Project>) -> Result<Vec<Project>> {
    let ids: Vec<i64> = rows.iter().map(|p| p.id).collect();
    let behind: Vec<i64> = rows.iter().map(|p| p.account_id).collect();
    let accounts = call.db.by_ids::<store::Account>(behind.iter().copied()).await?;
    let holders: Vec<Holder> = behind.iter().filter_map(|id| accounts.get(id)).cloned().map(Holder::Account).collect();
    let allowances = call.allowances(&holders).await?;
    let domains = call.db.by_ids::<store::Domain>(rows.iter().map(|p| p.domain_id)).await?;
    let owners = call.project_owners(&ids).await?;
    let vms = call.vms_of(&behind).await?;
    let mut tags = by_thing(call, "Project", &ids).await?;
    Ok(rows
        .into_iter()
        .zip(allowances)
        .map(|(p, allowed)| {
            let domain = domains.get(&p.domain_id);
            Project {
                id: p.uuid,
                name: p.name,
                displaytext: p.display_text,
                domainid: domain.map(|d| d.uuid.clone()),
                domain: domain.map(|d| d.name.clone()),
                account: owners.get(&p.id).map(|a| a.name.clone()),
                state: p.state,
                tags: tags.remove(&p.id).unwrap_or_default(),
                figures: OwnerFigures::of(&allowed, vms.get(&p.account_id)),
            }
        })
        .collect())
}

/// A member of a project.
#[derive(View)]
pub struct ProjectAccount {
    /// the ID of the project
    pub projectid: Option<String>,
    /// the name of the project
    pub project: Option<String>,
    /// the ID of the account
    pub accountid: Option<String>,
    /// the name of the account
    pub account: Option<String>,
    /// the type of the account: 0 user, 1 root administrator, 2 domain administrator, 3 resource administrator
    #[view(kind = "short")]
    pub accounttype: i64,
    /// Admin for the owner of the project, else Regular
    pub role: String,
    /// the ID of the account's domain
    pub domainid: Option<String>,
    /// the name of the account's domain
    pub domain: Option<String>,
    /// the account's users
    pub user: Vec<views::user::User>,
}

/// A page of a project's members.
pub(crate) async fn members(call: &Call, project: &store::Project, rows: Vec<store::ProjectMember>) -> Result<Vec<ProjectAccount>> {
    let ids: Vec<i64> = rows.iter().map(|m| m.account_id).collect();
    let accounts = call.db.by_ids::<store::Account>(ids.iter().copied()).await?;
    let domains = call.db.by_ids::<store::Domain>(accounts.values().map(|a| a.domain_id)).await?;
    let mut users = call.users_of(&ids).await?;
    let mut shown = Vec::with_capacity(rows.len());
    for m in rows {
        let Some(a) = accounts.get(&m.account_id) else { continue };
        let domain = domains.get(&a.domain_id);
        shown.push(ProjectAccount {
            projectid: Some(project.uuid.clone()),
            project: Some(project.name.clone()),
            accountid: Some(a.uuid.clone()),
            account: Some(a.name.clone()),
            accounttype: a.account_type,
            role: m.role,
            domainid: domain.map(|d| d.uuid.clone()),
            domain: domain.map(|d| d.name.clone()),
            user: views::user::of(call, users.remove(&a.id).unwrap_or_default()).await?,
        });
    }
    Ok(shown)
}

/// An invitation into a project.
#[derive(View)]
pub struct ProjectInvitation {
    /// the ID of the invitation
    pub id: String,
    /// the ID of the project
    pub projectid: Option<String>,
    /// the name of the project
    pub project: Option<String>,
    /// the ID of the project's domain
    pub domainid: Option<String>,
    /// the name of the project's domain
    pub domain: Option<String>,
    /// the account that is invited
    pub account: Option<String>,
    /// the address that the invitation was sent to
    pub email: Option<String>,
    /// Pending, Completed, Declined or Expired
    pub state: String,
}

/// A page of invitations.
pub(crate) async fn invitations(call: &Call, rows: Vec<store::ProjectInvitation>) -> Result<Vec<ProjectInvitation>> {
    let projects = call.db.by_ids::<store::Project>(rows.iter().map(|i| i.project_id)).await?;
    let owners = Owners::of(call, rows.iter().map(|i| (i.account_id.unwrap_or(0), i.domain_id))).await?;
    let one = |i: store::ProjectInvitation| {
        let project = projects.get(&i.project_id);
        ProjectInvitation {
            state: call.invitation_state(&i),
            id: i.uuid,
            projectid: project.map(|p| p.uuid.clone()),
            project: project.map(|p| p.name.clone()),
            domainid: owners.domain_uuid(i.domain_id),
            domain: owners.domain(i.domain_id),
            account: i.account_id.and_then(|a| owners.account(a)),
            email: i.email,
        }
    };
    Ok(rows.into_iter().map(one).collect())
}
