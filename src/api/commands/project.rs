//! Projects, their members and invitations.
use crate::prelude::*;
use crate::views::project::{self as view, Project, ProjectInvitation};
use stratus_engine::ScopeRequest;
use stratus_engine::invitation::InvitationFilter;
use stratus_engine::project::{ADMIN_ROLE, MEMBER_ROLE, ProjectCreate, ProjectFilter};

async fn one(call: &Call, p: store::Project) -> Result<Answer> {
    views::one(view::of(call, vec![p]).await?)
}

/// Makes a project, which owns things that its members share.
#[derive(Command)]
#[command(name = "createProject", roles = "all", answer = "project", view = Project, since = "3.0", event = "PROJECT.CREATE", job = "creating a project", create)]
pub struct CreateProject {
    /// what the project is for
    displaytext: String,
    /// the name of the project, unique in its domain
    name: String,
    /// the account that is to own it; of the caller's domain unless domainid is given
    account: Option<String>,
    /// the ID of that account's domain
    domainid: Option<Ref<store::Domain>>,
}
impl Create for CreateProject {
    async fn create(self, call: &Call, job: JobDraft) -> Result<Created> {
        let owner = call.acting_account(self.account.as_deref(), self.domainid.as_ref().map(|d| &d.0)).await?;
        let ask = ProjectCreate { name: self.name, display_text: self.displaytext, owner };
        let (project, job) = call.project_create(call, ask, job).await?;
        Ok(Created { job, uuid: project.uuid })
    }
    async fn finish(call: &Call, id: i64) -> Result<Answer> {
        one(call, call.db.must(id).await?).await
    }
}

/// Lists projects.
#[derive(Command)]
#[command(name = "listProjects", roles = "all", answer = "project", view = Project, since = "3.0")]
pub struct ListProjects {
    /// only those that this account is in; of the caller's domain unless domainid is given
    account: Option<String>,
    /// only those with this text
    displaytext: Option<String>,
    /// only those of this domain
    domainid: Option<Ref<store::Domain>>,
    /// only the project with this ID
    id: Option<Owned<store::Project>>,
    /// with a domain, also those of domains below it
    isrecursive: Option<bool>,
    /// true for everything that the caller may see
    listall: Option<bool>,
    /// only those of this name
    name: Option<String>,
    /// only those in this state: Active, Suspended or Disabled
    state: Option<String>,
    #[param(flatten)]
    tags: Tags,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListProjects {
    async fn run(self, call: &Call) -> Result<Answer> {
        let scope = ScopeRequest {
            account: self.account,
            domain: self.domainid.map(|d| d.0),
            recursive: self.isrecursive.unwrap_or(false),
            listall: self.listall.unwrap_or(false),
            by_id: self.id.is_some(),
            ..Default::default()
        };
        let filter = ProjectFilter {
            id: self.id.map(|p| p.0.id),
            name: self.name,
            display_text: self.displaytext,
            state: self.state,
            tags: self.tags.0,
            page: self.page.range(call)?,
            keyword: self.page.keyword,
        };
        let found = call.project_list(call, &call.scope(&scope).await?, filter).await?;
        Ok(Answer::list(found.count, view::of(call, found.rows).await?))
    }
}

/// A project that the caller manages: its owner may, and administrators above it.
pub struct Managed(store::Project);

impl crate::declare::Parameter for Managed {
    const KIND: &'static str = "uuid";
    async fn take(call: &Call, given: &mut crate::request::Given, name: &'static str, length: usize) -> Result<Self> {
        let found = <Ref<store::Project> as crate::declare::Parameter>::take(call, given, name, length).await?;
        // A job's caller was checked when the job was made.
        if call.job.is_none() {
            call.manage(&found.0).await?;
        }
        Ok(Self(found.0))
    }
}
impl crate::declare::AsTopic for Managed {
    fn topic(&self) -> Topic {
        Topic { account: self.0.account_id, domain: self.0.domain_id, kind: Kind::Project, id: self.0.id }
    }
}

/// Changes a project.
#[derive(Command)]
#[command(name = "updateProject", roles = "all", answer = "project", view = Project, since = "3.0", event = "PROJECT.UPDATE", job = "updating a project", on = "id")]
pub struct UpdateProject {
    /// the ID of the project
    id: Managed,
    /// the member account that is to own it from now on
    account: Option<String>,
    /// what it is for
    displaytext: Option<String>,
}
impl Run for UpdateProject {
    async fn run(self, call: &Call) -> Result<Answer> {
        one(call, call.project_update(call, self.id.0, self.displaytext, self.account.as_deref()).await?).await
    }
}

/// Lets things be made in a project again.
#[derive(Command)]
#[command(name = "activateProject", roles = "all", answer = "project", view = Project, wrapper = "activaterojectresponse", since = "3.0", event = "PROJECT.ACTIVATE", job = "activating a project", on = "id")]
pub struct ActivateProject {
    /// the ID of the project
    id: Managed,
}
impl Run for ActivateProject {
    async fn run(self, call: &Call) -> Result<Answer> {
        one(call, call.project_activate(call, self.id.0).await?).await
    }
}

/// Stops a project's VMs, and that anything is made in it.
#[derive(Command)]
#[command(name = "suspendProject", roles = "all", answer = "project", view = Project, since = "3.0", event = "PROJECT.SUSPEND", job = "suspending a project", on = "id")]
pub struct SuspendProject {
    /// the ID of the project
    id: Managed,
}
impl Run for SuspendProject {
    async fn run(self, call: &Call) -> Result<Answer> {
        one(call, call.project_suspend(call, self.id.0).await?).await
    }
}

/// Deletes a project with all that it owns.
#[derive(Command)]
#[command(name = "deleteProject", roles = "all", since = "3.0", event = "PROJECT.DELETE", job = "deleting a project", on = "id")]
pub struct DeleteProject {
    /// the ID of the project
    id: Managed,
}
impl Run for DeleteProject {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.project_delete(call, self.id.0).await?;
        Ok(Answer::success())
    }
}

/// Lets an account into a project, or invites it.
#[derive(Command)]
#[command(
    name = "addAccountToProject",
    roles = "all",
    since = "3.0",
    event = "PROJECT.ACCOUNT.ADD",
    job = "adding an account to a project",
    on = "projectid"
)]
pub struct AddAccountToProject {
    /// the ID of the project
    projectid: Managed,
    /// the account, of the project's domain
    account: Option<String>,
    /// the address that an invitation is sent to
    email: Option<String>,
}
impl Run for AddAccountToProject {
    async fn run(self, call: &Call) -> Result<Answer> {
        let project = self.projectid.0;
        let account = match &self.account {
            Some(name) => Some(call.account_in_domain(project.domain_id, name).await?),
            None => None,
        };
        call.project_invite(call, project, account, self.email).await?;
        Ok(Answer::success())
    }
}

/// Ends an account's membership in a project.
#[derive(Command)]
#[command(
    name = "deleteAccountFromProject",
    roles = "all",
    since = "3.0",
    event = "PROJECT.ACCOUNT.REMOVE",
    job = "removing an account from a project",
    on = "projectid"
)]
pub struct DeleteAccountFromProject {
    /// the name of the account
    account: String,
    /// the ID of the project
    projectid: Managed,
}
impl Run for DeleteAccountFromProject {
    async fn run(self, call: &Call) -> Result<Answer> {
        let project = self.projectid.0;
        let account = call.account_in_domain(project.domain_id, &self.account).await?;
        call.project_account_remove(call, project, account).await?;
        Ok(Answer::success())
    }
}

/// Lists the members of a project. (Discovery shows the fields of a project here, as it always did; the answer has a member's.)
#[derive(Command)]
#[command(name = "listProjectAccounts", roles = "all", answer = "projectaccount", view = Project, since = "3.0")]
pub struct ListProjectAccounts {
    /// the ID of the project
    projectid: Owned<store::Project>,
    /// only the account of this name
    account: Option<String>,
    /// only those with this role: Admin or Regular
    role: Option<String>,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListProjectAccounts {
    async fn run(self, call: &Call) -> Result<Answer> {
        let roles = [ADMIN_ROLE, MEMBER_ROLE];
        let role = match &self.role {
            Some(r) => {
                let known = roles.iter().find(|k| k.eq_ignore_ascii_case(r));
                Some((*known.ok_or_else(|| Error::invalid("role", format!("'{r}' is neither Admin nor Regular")))?).to_owned())
            }
            None => None,
        };
        let (project, page) = (self.projectid.0, self.page.range(call)?);
        let found = call.project_members(project.id, self.account.as_deref(), role, self.page.keyword.as_deref(), page).await?;
        Ok(Answer::list(found.count, view::members(call, &project, found.rows).await?))
    }
}

/// Lists invitations into projects.
#[derive(Command)]
#[command(name = "listProjectInvitations", roles = "all", answer = "projectinvitation", view = ProjectInvitation, since = "3.0")]
pub struct ListProjectInvitations {
    /// only those of this account; of the caller's domain unless domainid is given
    account: Option<String>,
    /// true for those only that can still be accepted
    activeonly: Option<bool>,
    /// only those of this domain
    domainid: Option<Ref<store::Domain>>,
    /// only the invitation with this ID
    id: Option<Ref<store::ProjectInvitation>>,
    /// with a domain, also those of domains below it
    isrecursive: Option<bool>,
    /// true for everything that the caller may see
    listall: Option<bool>,
    /// only those into this project, for those who manage it
    projectid: Option<Ref<store::Project>>,
    /// only those in this state: Pending, Completed, Declined or Expired
    state: Option<String>,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListProjectInvitations {
    async fn run(self, call: &Call) -> Result<Answer> {
        let scope = ScopeRequest {
            account: self.account,
            domain: self.domainid.map(|d| d.0),
            recursive: self.isrecursive.unwrap_or(false),
            listall: self.listall.unwrap_or(false),
            by_id: self.id.is_some(),
            ..Default::default()
        };
        let filter = InvitationFilter {
            id: self.id.map(|i| i.0.id),
            project: self.projectid.map(|p| p.0),
            state: self.state,
            active_only: self.activeonly.unwrap_or(false),
            page: self.page.range(call)?,
            keyword: self.page.keyword,
        };
        let found = call.invitation_list(call, &call.scope(&scope).await?, filter).await?;
        Ok(Answer::list(found.count, view::invitations(call, found.rows).await?))
    }
}

/// Accepts or declines an invitation into a project.
#[derive(Command)]
#[command(
    name = "updateProjectInvitation",
    roles = "all",
    since = "3.0",
    event = "PROJECT.INVITATION.UPDATE",
    job = "answering an invitation",
    on = "projectid"
)]
pub struct UpdateProjectInvitation {
    /// the ID of the project
    projectid: Ref<store::Project>,
    /// false to decline it; true unless told otherwise
    accept: Option<bool>,
    /// the account that joins, of the project's domain; the caller's own when it is not given
    account: Option<String>,
    /// the text that the invitation's mail holds, for an invitation to an address
    token: Option<String>,
}
impl Run for UpdateProjectInvitation {
    async fn run(self, call: &Call) -> Result<Answer> {
        let project = self.projectid.0;
        let account = match &self.account {
            Some(name) => {
                let account = call.account_in_domain(project.domain_id, name).await?;
                call.touch(&account, name).await?;
                account
            }
            None => call.db.must(call.caller.account_id).await?,
        };
        call.invitation_answer(call, project, account, self.token, self.accept.unwrap_or(true)).await?;
        Ok(Answer::success())
    }
}

/// Withdraws an invitation into a project.
#[derive(Command)]
#[command(
    name = "deleteProjectInvitation",
    roles = "all",
    since = "3.0",
    event = "PROJECT.INVITATION.REMOVE",
    job = "withdrawing an invitation",
    on = "id"
)]
pub struct DeleteProjectInvitation {
    /// the ID of the invitation
    id: Ref<store::ProjectInvitation>,
}
impl Run for DeleteProjectInvitation {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.invitation_delete(call, self.id.0).await?;
        Ok(Answer::success())
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<CreateProject>();
    r.add::<ListProjects>();
    r.add::<UpdateProject>();
    r.add::<ActivateProject>();
    r.add::<SuspendProject>();
    r.add::<DeleteProject>();
    r.add::<AddAccountToProject>();
    r.add::<DeleteAccountFromProject>();
    r.add::<ListProjectAccounts>();
    r.add::<ListProjectInvitations>();
    r.add::<UpdateProjectInvitation>();
    r.add::<DeleteProjectInvitation>();
}
