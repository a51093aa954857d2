//! Invitations into projects: for an account, which finds it in its list, or for a mailbox, to which a token is sent.
use crate::mail::{Mail, Post, is_address};
use crate::project::{join, topic};
use crate::{Call, Engine, ListScope, Listing};
use stratus_model::{Error, Kind, Result};
use stratus_store::{Account, Project, ProjectInvitation, Query};
use uuid::Uuid;

/// Not answered yet.
pub const PENDING: &str = "Pending";

/// Which invitations a list shows.
#[derive(Debug, Clone, Default)]
pub struct InvitationFilter {
    /// The invitation with this key.
    pub id: Option<i64>,
    /// Those into this project.
    pub project: Option<Project>,
    /// Those in this state.
    pub state: Option<String>,
    /// Only those that can still be accepted.
    pub active_only: bool,
    /// A text in the address or state.
    pub keyword: Option<String>,
    /// Offset and limit.
    pub page: (i64, i64),
}

impl Engine {
    /// Lets an account into a project, or invites it: `project.invite.required` says which. An address is always invited.
    pub async fn project_invite(&self, call: &Call, p: Project, account: Option<Account>, email: Option<String>) -> Result<()> {
        if account.is_none() && email.is_none() {
            return Err(Error::invalid("account", "give account, email, or both"));
        }
        if let Some(address) = email.as_deref().filter(|a| !is_address(a)) {
            return Err(Error::invalid("email", format!("'{address}' is not an e-mail address")));
        }
        if let Some(a) = &account
            && self.project_has(p.id, a.id).await?
        {
            return Ok(());
        }
        match account {
            Some(a) if !self.settings.flag("project.invite.required") => self.project_account_add(call, p, a).await,
            None if !self.settings.flag("project.invite.required") => {
                Err(Error::invalid("account", "is needed: accounts are added without invitation here (project.invite.required)"))
            }
            account => self.invitation_make(call, p, account, email).await,
        }
    }

    async fn invitation_make(&self, call: &Call, p: Project, account: Option<Account>, email: Option<String>) -> Result<()> {
        let token = email.as_ref().map(|_| Uuid::new_v4().simple().to_string());
        let row = ProjectInvitation {
            uuid: Uuid::new_v4().to_string(),
            project_id: p.id,
            account_id: account.as_ref().map(|a| a.id),
            domain_id: p.domain_id,
            email: email.clone(),
            token: token.clone(),
            state: PENDING.into(),
            created: call.now(),
            ..Default::default()
        };
        let (inner, project, oldest) = (call.clone(), p.clone(), self.oldest_active());
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let same = match row.account_id {
                        Some(a) => Query::live().eq("account_id", a),
                        None => Query::live().eq("email", row.email.clone()),
                    };
                    let same = same.eq("project_id", project.id).eq("state", PENDING);
                    if tx.count::<ProjectInvitation>(same.clone().at_least("created", oldest)).await? > 0 {
                        return Err(Error::Duplicate { kind: Kind::ProjectInvitation, name: format!("to project {}", project.name) });
                    }
                    // One that ran out makes room for a new one.
                    tx.update::<ProjectInvitation>(same, vec![("state", "Expired".into())]).await?;
                    tx.insert(&mut row.clone()).await?;
                    inner.log(tx, topic(&project), format!("invited into project {}", project.name)).await
                })
            })
            .await?;
        if let (Some(to), Some(token)) = (email, token) {
            self.mail_send(Post::Project, letter(&p, to, &token));
        }
        Ok(())
    }

    /// The moment before which pending invitations have run out (`project.invite.timeout`, seconds).
    fn oldest_active(&self) -> i64 {
        self.clock.now() - self.settings.number("project.invite.timeout").max(0).saturating_mul(1_000_000)
    }

    /// Invitations in a scope; of a project to those who manage it.
    pub async fn invitation_list(&self, call: &Call, scope: &ListScope, f: InvitationFilter) -> Result<Listing<ProjectInvitation>> {
        let mut q = match &f.project {
            Some(p) => {
                call.manage(p).await?;
                Query::live().eq("project_id", p.id)
            }
            None => scope.apply(Query::live()),
        };
        q = q.eq_opt("id", f.id).eq_opt("state", f.state);
        if f.active_only {
            q = q.eq("state", PENDING).at_least("created", self.oldest_active());
        }
        if let Some(text) = &f.keyword {
            q = q.holds(&["email", "state"], text);
        }
        Ok(Listing { count: self.db.count::<ProjectInvitation>(q.clone()).await?, rows: self.db.find(q.page(f.page.0, f.page.1)).await? })
    }

    /// An invitation's state as one reads it: one that ran out is Expired whether or not its row says so yet.
    pub fn invitation_state(&self, i: &ProjectInvitation) -> String {
        let over = i.state == PENDING && i.created < self.oldest_active();
        if over { "Expired".into() } else { i.state.clone() }
    }

    /// Accepts or declines an invitation: the account's own, or the one whose token is given.
    pub async fn invitation_answer(&self, call: &Call, p: Project, account: Account, token: Option<String>, accept: bool) -> Result<()> {
        let (inner, oldest) = (call.clone(), self.oldest_active());
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let q = Query::live().eq("project_id", p.id);
                    let q = match &token {
                        Some(t) => q.eq("token", t.as_str()),
                        None => q.eq("account_id", account.id),
                    };
                    let Some(found) = tx.find_one::<ProjectInvitation>(q.latest("id")).await? else {
                        return Err(Error::not_found(Kind::ProjectInvitation, format!("of {} into project {}", account.name, p.uuid)));
                    };
                    let over = found.state == PENDING && found.created < oldest;
                    let to = if accept { "Completed" } else { "Declined" };
                    if found.state == to && found.account_id == Some(account.id) && inner.job.is_some() {
                        return Ok(());
                    }
                    if over || found.state != PENDING {
                        let state = if over { "Expired".to_owned() } else { found.state };
                        let why = "it can no longer be answered".to_owned();
                        return Err(Error::State { kind: Kind::ProjectInvitation, id: found.uuid, state, why });
                    }
                    // An invitation that names an account is that account's, whoever knows the token.
                    if found.account_id.is_some_and(|a| a != account.id) {
                        return Err(Error::Denied("The invitation is for another account".into()));
                    }
                    tx.set::<ProjectInvitation>(found.id, vec![("state", to.into()), ("account_id", account.id.into())]).await?;
                    if accept {
                        join(tx, &inner, &p, account.id).await?;
                    }
                    inner.log(tx, topic(&p), format!("invitation into project {} is {to}", p.name)).await
                })
            })
            .await
    }

    /// Withdraws an invitation.
    pub async fn invitation_delete(&self, call: &Call, i: ProjectInvitation) -> Result<()> {
        let project = self.db.must::<Project>(i.project_id).await?;
        call.manage(&project).await?;
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    tx.remove::<ProjectInvitation>(i.id, call.now()).await?;
                    call.log(tx, topic(&project), format!("withdrew an invitation into project {}", project.name)).await
                })
            })
            .await
    }
}

fn letter(p: &Project, to: String, token: &str) -> Mail {
    Mail {
        to: vec![to],
        subject: format!("You are invited to join the project {}", p.name),
        body: format!(
            "You are invited to join the project {} ({}).\n\nTo accept, call updateProjectInvitation with projectid={} and token={token}.\n",
            p.name, p.display_text, p.uuid
        ),
    }
}
