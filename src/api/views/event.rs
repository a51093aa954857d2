use crate::prelude::*;
use stratus_model::AccountType;

/// Something that happened.
#[derive(View)]
pub struct Event {
    /// the ID of the event
    pub id: String,
    /// the login name of the user who did it
    pub username: Option<String>,
    /// the type of the event, like VM.CREATE
    #[view(name = "type")]
    pub kind: String,
    /// INFO, WARN or ERROR
    pub level: String,
    /// what happened
    pub description: String,
    /// the account whose thing it is about
    pub account: Option<String>,
    /// the ID of the project whose thing it is about
    pub projectid: Option<String>,
    /// the name of the project whose thing it is about
    pub project: Option<String>,
    /// the ID of the domain
    pub domainid: Option<String>,
    /// the name of the domain
    pub domain: Option<String>,
    /// when it happened
    pub created: Date,
    /// Scheduled, Started or Completed
    pub state: String,
    /// the ID of the event that this work began with
    pub parentid: Option<String>,
}

pub(crate) async fn of(call: &Call, rows: Vec<store::Event>) -> Result<Vec<Event>> {
    let beside = call.event_company(&rows).await?;
    let projects = call.projects_of(beside.accounts.values().filter(|a| a.kind() == AccountType::Project).map(|a| a.id)).await?;
    let one = |e: store::Event| {
        let domain = beside.domains.get(&e.domain_id);
        let account = beside.accounts.get(&e.account_id);
        let project = account.filter(|a| a.kind() == AccountType::Project);
        Event {
            id: e.uuid,
            username: beside.users.get(&e.user_id).map(|u| u.username.clone()),
            kind: e.event_type,
            level: e.level,
            description: e.description,
            account: account.filter(|_| project.is_none()).map(|a| a.name.clone()),
            projectid: project.and_then(|a| projects.get(&a.id)).map(|p| p.uuid.clone()),
            project: project.and_then(|a| projects.get(&a.id)).map(|p| p.name.clone()),
            domainid: domain.map(|d| d.uuid.clone()),
            domain: domain.map(|d| d.name.clone()),
            created: Date(e.created),
            state: e.state,
            parentid: e.start_id.and_then(|s| beside.starts.get(&s)).map(|s| s.uuid.clone()),
        }
    };
    Ok(rows.into_iter().map(one).collect())
}

/// A type of events.
#[derive(View)]
pub struct EventType {
    /// the type, like VM.CREATE
    pub name: String,
}
