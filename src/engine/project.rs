//! Projects: an account that owns things, and the accounts that may use them. Its owner's account has the role `Admin` in it.
use crate::account::{checked_name, new_owner_number, own_things};
use crate::{Call, Engine, JobDraft, ListScope, Listing, Topic};
use std::collections::HashMap;
use stratus_model::{AccountType, Error, Kind, Limit, Result};
use stratus_store::{Account, Domain, Job, Project, ProjectInvitation, ProjectMember, Query, Tx};
use uuid::Uuid;

/// The role of a project's owner.
pub const ADMIN_ROLE: &str = "Admin";
/// The role of every other member.
pub const MEMBER_ROLE: &str = "Regular";

/// What a new project is made of.
#[derive(Debug, Clone)]
pub struct ProjectCreate {
    /// Its name, unique in its domain.
    pub name: String,
    /// What it is for.
    pub display_text: String,
    /// The account that is to own it.
    pub owner: Account,
}

/// Which projects a list shows.
#[derive(Debug, Clone, Default)]
pub struct ProjectFilter {
    /// The project with this key.
    pub id: Option<i64>,
    /// Those of this name.
    pub name: Option<String>,
    /// Those with this display text.
    pub display_text: Option<String>,
    /// Those in this state.
    pub state: Option<String>,
    /// Those with one of these tags.
    pub tags: Vec<(String, String)>,
    /// A text in name or display text.
    pub keyword: Option<String>,
    /// Offset and limit.
    pub page: (i64, i64),
}

impl crate::Owned for Project {
    const KIND: Kind = Kind::Project;
    fn owner(&self) -> (i64, i64) {
        (self.account_id, self.domain_id)
    }
}

/// What an event about a project is about.
pub(crate) fn topic(p: &Project) -> Topic {
    Topic { account: p.account_id, domain: p.domain_id, kind: Kind::Project, id: p.id }
}

impl Call {
    /// Refuses when the caller may not manage a project: its owner may, and administrators above it.
    pub async fn manage(&self, project: &Project) -> Result<()> {
        let above = self.caller.is_root() || self.caller.is_admin() && self.covers_domain(project.domain_id).await?;
        if above || self.db.count::<ProjectMember>(member(project.id, self.caller.account_id).eq("role", ADMIN_ROLE)).await? > 0 {
            return Ok(());
        }
        Err(Error::Denied(format!("Account {} may not manage project {}", self.caller.account_name, project.uuid)))
    }
}

fn member(project: i64, account: i64) -> Query {
    Query::all().eq("project_id", project).eq("account_id", account)
}

impl Engine {
    /// Makes a project with its account, its counters and its owner, and the job that ends its making.
    pub async fn project_create(&self, call: &Call, ask: ProjectCreate, draft: JobDraft) -> Result<(Project, Job)> {
        checked_name("name", &ask.name)?;
        if !call.caller.is_admin() && !self.settings.flag("allow.user.create.projects") {
            return Err(Error::Denied("Only administrators create projects here (allow.user.create.projects)".into()));
        }
        if ask.owner.kind() == AccountType::Project {
            return Err(Error::invalid("account", "a project cannot own a project"));
        }
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    crate::domain::hold(tx, ask.owner.domain_id).await?;
                    let same = Query::live().eq("domain_id", ask.owner.domain_id).eq("name", ask.name.as_str());
                    if tx.count::<Project>(same).await? > 0 {
                        return Err(Error::Duplicate { kind: Kind::Project, name: ask.name });
                    }
                    call.take(tx, ask.owner.id, &[(Limit::Project, 1)]).await?;
                    let account = account_insert(tx, &call, &ask).await?;
                    let mut project = Project {
                        uuid: Uuid::new_v4().to_string(),
                        name: ask.name,
                        display_text: ask.display_text,
                        domain_id: account.domain_id,
                        account_id: account.id,
                        state: "Active".into(),
                        created: call.now(),
                        ..Default::default()
                    };
                    tx.insert(&mut project).await?;
                    member_insert(tx, &call, project.id, ask.owner.id, ADMIN_ROLE).await?;
                    let job = draft.insert(tx, &call, topic(&project)).await?;
                    Ok((project, job))
                })
            })
            .await
    }

    /// Projects in a scope over their members' accounts; the caller's own projects are always in it.
    pub async fn project_list(&self, call: &Call, scope: &ListScope, f: ProjectFilter) -> Result<Listing<Project>> {
        let of = |accounts: Vec<i64>| Query::all().key_in::<ProjectMember>("id", "project_id", Query::all().within("account_id", accounts));
        let q = match scope {
            ListScope::All | ListScope::Everyone | ListScope::Projects => Query::live(),
            ListScope::Account(id) => Query::live().any([of(vec![*id])]),
            ListScope::Accounts(ids) => Query::live().any([of(ids.clone())]),
            ListScope::Domains(ids) | ListScope::DomainsAnd(ids, _) => {
                let below = Query::all().within("domain_id", ids.iter().copied());
                Query::live().any([below, of(vec![call.caller.account_id])])
            }
        };
        let mut q = q.eq_opt("id", f.id).eq_opt("name", f.name).eq_opt("display_text", f.display_text).eq_opt("state", f.state);
        if let Some(text) = &f.keyword {
            q = q.holds(&["name", "display_text"], text);
        }
        q = crate::tag::tag_filter(q, "Project", &f.tags);
        Ok(Listing { count: self.db.count::<Project>(q.clone()).await?, rows: self.db.find(q.page(f.page.0, f.page.1)).await? })
    }

    /// Changes what a project is for, and hands it to another of its members.
    pub async fn project_update(&self, call: &Call, p: Project, text: Option<String>, owner: Option<&str>) -> Result<Project> {
        let to = match owner {
            Some(name) => Some(self.account_in_domain(p.domain_id, name).await?),
            None => None,
        };
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    if let Some(to) = &to {
                        hand_over(tx, &call, &p, to).await?;
                    }
                    if let Some(text) = text {
                        tx.set::<Project>(p.id, vec![("display_text", text.into())]).await?;
                    }
                    call.log(tx, topic(&p), format!("changed project {}", p.name)).await?;
                    tx.must(p.id).await
                })
            })
            .await
    }

    /// Lets things be made in a project again.
    pub async fn project_activate(&self, call: &Call, p: Project) -> Result<Project> {
        self.project_stand(call, p, "Active").await
    }

    /// Stops a project: its VMs, and that anything is made in it.
    pub async fn project_suspend(&self, call: &Call, p: Project) -> Result<Project> {
        let p = self.project_stand(call, p, "Suspended").await?;
        let account = self.db.must::<Account>(p.account_id).await?;
        self.account_vms_stop(call, &account).await?;
        Ok(p)
    }

    async fn project_stand(&self, call: &Call, p: Project, to: &'static str) -> Result<Project> {
        if p.state == "Disabled" {
            let why = "it is being deleted".to_owned();
            return Err(Error::State { kind: Kind::Project, id: p.uuid, state: p.state, why });
        }
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    tx.set::<Project>(p.id, vec![("state", to.into())]).await?;
                    call.log(tx, topic(&p), format!("project {} is {to}", p.name)).await?;
                    tx.must(p.id).await
                })
            })
            .await
    }

    /// Deletes a project with all that it owns. Runs in a job and may run again.
    pub async fn project_delete(&self, call: &Call, p: Project) -> Result<()> {
        if p.removed.is_some() {
            return Ok(());
        }
        let id = p.id;
        self.db.write(move |tx| Box::pin(async move { tx.set::<Project>(id, vec![("state", "Disabled".into())]).await.map(drop) })).await?;
        let account = self.db.must::<Account>(p.account_id).await?;
        self.account_end(call, account).await?;
        let call = call.clone();
        self.db.write(move |tx| Box::pin(async move { remove(tx, &call, &p).await })).await
    }

    /// The account of this name in a domain, other than projects' own.
    pub async fn account_in_domain(&self, domain: i64, name: &str) -> Result<Account> {
        let named = Query::live().eq("domain_id", domain).eq("name", name).ne("account_type", AccountType::Project.number());
        self.db.find_one(named).await?.ok_or_else(|| Error::not_found(Kind::Account, name))
    }

    /// Makes an account a member of a project; one that already is stays as it is.
    pub async fn project_account_add(&self, call: &Call, p: Project, account: Account) -> Result<()> {
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    join(tx, &call, &p, account.id).await?;
                    call.log(tx, topic(&p), format!("account {} joined project {}", account.name, p.name)).await
                })
            })
            .await
    }

    /// Ends an account's membership; the owner's does not end.
    pub async fn project_account_remove(&self, call: &Call, p: Project, account: Account) -> Result<()> {
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    match tx.find_one::<ProjectMember>(member(p.id, account.id)).await? {
                        // A job that runs again finds its work done.
                        None if call.job.is_some() => return Ok(()),
                        None => {
                            let why = format!("account {} is not in project {}", account.name, p.uuid);
                            return Err(Error::invalid("account", why));
                        }
                        Some(m) if m.role == ADMIN_ROLE => {
                            let why = "owns the project; updateProject hands it to another account first";
                            return Err(Error::invalid("account", why));
                        }
                        Some(_) => {}
                    }
                    tx.delete::<ProjectMember>(member(p.id, account.id)).await?;
                    call.log(tx, topic(&p), format!("account {} left project {}", account.name, p.name)).await
                })
            })
            .await
    }

    /// Whether an account is in a project.
    pub async fn project_has(&self, project: i64, account: i64) -> Result<bool> {
        Ok(self.db.count::<ProjectMember>(member(project, account)).await? > 0)
    }

    /// The members of a project.
    pub async fn project_members(
        &self,
        project: i64,
        account: Option<&str>,
        role: Option<String>,
        keyword: Option<&str>,
        page: (i64, i64),
    ) -> Result<Listing<ProjectMember>> {
        let mut q = Query::all().eq("project_id", project).eq_opt("role", role);
        if let Some(name) = account {
            q = q.key_in::<Account>("account_id", "id", Query::live().eq("name", name));
        }
        if let Some(text) = keyword {
            q = q.key_in::<Account>("account_id", "id", Query::live().holds(&["name"], text));
        }
        Ok(Listing { count: self.db.count::<ProjectMember>(q.clone()).await?, rows: self.db.find(q.page(page.0, page.1)).await? })
    }

    /// The owners of these projects, by project.
    pub async fn project_owners(&self, projects: &[i64]) -> Result<HashMap<i64, Account>> {
        let q = Query::all().within("project_id", projects.iter().copied()).eq("role", ADMIN_ROLE);
        let owners = self.db.find::<ProjectMember>(q).await?;
        let mut accounts = self.db.by_ids::<Account>(owners.iter().map(|m| m.account_id)).await?;
        Ok(owners.into_iter().filter_map(|m| Some((m.project_id, accounts.remove(&m.account_id).or(None)?))).collect())
    }

    /// The projects behind these accounts, by account.
    pub async fn projects_of(&self, accounts: impl IntoIterator<Item = i64>) -> Result<HashMap<i64, Project>> {
        let found = self.db.find::<Project>(Query::all().within("account_id", accounts)).await?;
        Ok(found.into_iter().map(|p| (p.account_id, p)).collect())
    }
}

/// The account behind a project: it has no users, so nobody logs in as it.
async fn account_insert(tx: &mut Tx, call: &Call, ask: &ProjectCreate) -> Result<Account> {
    let mut account = Account {
        uuid: Uuid::new_v4().to_string(),
        name: format!("PrjAcct-{}-{}", ask.name, ask.owner.domain_id),
        account_type: AccountType::Project.number(),
        domain_id: ask.owner.domain_id,
        owner_number: new_owner_number(tx).await?,
        state: "enabled".into(),
        created: call.now(),
        ..Default::default()
    };
    tx.insert(&mut account).await?;
    own_things(call, tx, &account).await?;
    Ok(account)
}

async fn member_insert(tx: &mut Tx, call: &Call, project: i64, account: i64, role: &str) -> Result<()> {
    let mut m = ProjectMember { project_id: project, account_id: account, role: role.into(), created: call.now(), ..Default::default() };
    tx.insert(&mut m).await.map(drop)
}

/// Makes an account a member unless it is one.
pub(crate) async fn join(tx: &mut Tx, call: &Call, p: &Project, account: i64) -> Result<()> {
    // Held, so that the project cannot go, nor the account join twice, meanwhile.
    if tx.update::<Project>(Query::live().eq("id", p.id), Vec::new()).await? == 0 {
        return Err(Error::not_found(Kind::Project, &p.uuid));
    }
    if tx.count::<ProjectMember>(member(p.id, account)).await? == 0 {
        member_insert(tx, call, p.id, account, MEMBER_ROLE).await?;
    }
    Ok(())
}

/// Makes a member the owner; the one before stays a member.
async fn hand_over(tx: &mut Tx, call: &Call, p: &Project, to: &Account) -> Result<()> {
    let owners = Query::all().eq("project_id", p.id).eq("role", ADMIN_ROLE);
    let before = tx.find_one::<ProjectMember>(owners.clone()).await?;
    if before.as_ref().is_some_and(|m| m.account_id == to.id) {
        return Ok(());
    }
    if tx.count::<ProjectMember>(member(p.id, to.id)).await? == 0 {
        return Err(Error::invalid("account", format!("account {} is not in the project; add it first", to.name)));
    }
    call.take(tx, to.id, &[(Limit::Project, 1)]).await?;
    if let Some(before) = before {
        call.give_back(tx, before.account_id, &[(Limit::Project, 1)]).await?;
    }
    tx.update::<ProjectMember>(owners, vec![("role", MEMBER_ROLE.into())]).await?;
    tx.update::<ProjectMember>(member(p.id, to.id), vec![("role", ADMIN_ROLE.into())]).await.map(drop)
}

async fn remove(tx: &mut Tx, call: &Call, p: &Project) -> Result<()> {
    if !tx.remove::<Project>(p.id, call.now()).await? {
        return Ok(());
    }
    let all = || Query::all().eq("project_id", p.id);
    if let Some(owner) = tx.find_one::<ProjectMember>(all().eq("role", ADMIN_ROLE)).await? {
        call.give_back(tx, owner.account_id, &[(Limit::Project, 1)]).await?;
    }
    tx.delete::<ProjectMember>(all()).await?;
    tx.update::<ProjectInvitation>(all().null("removed"), vec![("removed", call.now().into())]).await?;
    call.tags_forget(tx, "Project", p.id).await?;
    call.log(tx, topic(p), format!("deleted project {}", p.name)).await
}

/// A domain has no projects left.
pub(crate) async fn left_in(tx: &mut Tx, domain: &Domain) -> Result<i64> {
    tx.count::<Project>(Query::live().eq("domain_id", domain.id)).await
}
