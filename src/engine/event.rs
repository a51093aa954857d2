//! Events as one reads, archives and deletes them. How they are written is `events.rs`.
use crate::{Call, Engine, ListScope, Listing, Topic};
use std::collections::HashMap;
use std::sync::LazyLock;
use stratus_model::{Error, Kind, Micros, Result, Role};
use stratus_store::{Account, Domain, Event, Job, Query, Tx, User};

/// Every type there is by the table of release 4.3, and three older spellings that clients still filter by.
pub static EVENT_TYPES: LazyLock<Vec<&'static str>> = LazyLock::new(|| include_str!("event_types.txt").split_whitespace().collect());

const MINUTE: Micros = 60_000_000;
const DAY: Micros = 24 * 60 * MINUTE;

/// Which events a list shows.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// The event with this uuid.
    pub uuid: Option<String>,
    /// Those of a type.
    pub kind: Option<String>,
    /// Those of a level.
    pub level: Option<String>,
    /// Those since then.
    pub start: Option<Micros>,
    /// Those until then; a bare date means the whole day.
    pub end: Option<Micros>,
    /// With `duration`: work that was asked for in the last so many minutes and has not ended.
    pub entry_time: Option<i64>,
    /// With `entry_time`: and is at least so many minutes old.
    pub duration: Option<i64>,
    /// A text in type, level or description.
    pub keyword: Option<String>,
    /// Offset and limit.
    pub page: (i64, i64),
}

/// Which events are archived or deleted; at least one thing must be said.
#[derive(Debug, Clone, Default)]
pub struct EventChoice {
    /// Those with these uuids; each must be there and the caller's.
    pub uuids: Vec<String>,
    /// Those of a type.
    pub kind: Option<String>,
    /// Those since then.
    pub start: Option<Micros>,
    /// Those until then; a bare date means the whole day.
    pub end: Option<Micros>,
}

/// What stands beside events in answers, each table read once.
#[derive(Debug, Default)]
pub struct EventCompany {
    /// Accounts by key.
    pub accounts: HashMap<i64, Account>,
    /// Domains by key.
    pub domains: HashMap<i64, Domain>,
    /// Users by key.
    pub users: HashMap<i64, User>,
    /// The events that others began with, by key.
    pub starts: HashMap<i64, Event>,
}

impl Engine {
    /// Events in a scope, the newest first.
    pub async fn event_list(&self, scope: &ListScope, f: EventFilter) -> Result<Listing<Event>> {
        let mut q = scope.apply(Query::all()).eq("archived", false);
        q = q.eq_opt("uuid", f.uuid).eq_opt("event_type", f.kind).eq_opt("level", f.level.map(|l| l.to_uppercase()));
        q = between(q, f.start, f.end);
        match (f.entry_time, f.duration) {
            (Some(entry), Some(duration)) => {
                let now = self.clock.now();
                q = q.at_least("created", now - entry * MINUTE).at_most("created", now - duration * MINUTE);
                q = q.key_in::<Job>("id", "start_event_id", Query::all().eq("status", 0));
            }
            (None, None) => {}
            _ => return Err(Error::invalid("entrytime", "goes together with duration")),
        }
        if let Some(text) = &f.keyword {
            q = q.holds(&["event_type", "level", "description"], text);
        }
        Listing::of(&self.db, q.latest("id"), f.page).await
    }

    /// What answers show beside these events.
    pub async fn event_company(&self, events: &[Event]) -> Result<EventCompany> {
        Ok(EventCompany {
            accounts: self.db.by_ids(events.iter().map(|e| e.account_id)).await?,
            domains: self.db.by_ids(events.iter().map(|e| e.domain_id)).await?,
            users: self.db.by_ids(events.iter().map(|e| e.user_id)).await?,
            starts: self.db.by_ids(events.iter().filter_map(|e| e.start_id)).await?,
        })
    }

    /// Takes events out of lists; they stay in the database.
    pub async fn events_archive(&self, call: &Call, choice: EventChoice) -> Result<()> {
        let q = self.chosen(call, choice.clone()).await?.eq("archived", false);
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    all_there(tx, &choice.uuids, q.clone()).await?;
                    let n = tx.update::<Event>(q, vec![("archived", true.into())]).await?;
                    call.log(tx, Topic::of_caller(&call, Kind::Event, 0), format!("archived {n} events")).await
                })
            })
            .await
    }

    /// Deletes events for good.
    pub async fn events_delete(&self, call: &Call, choice: EventChoice) -> Result<()> {
        let q = self.chosen(call, choice.clone()).await?;
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    all_there(tx, &choice.uuids, q.clone()).await?;
                    let n = tx.delete::<Event>(q).await?;
                    call.log(tx, Topic::of_caller(&call, Kind::Event, 0), format!("deleted {n} events")).await
                })
            })
            .await
    }

    /// The events of a choice that are the caller's to deal with.
    async fn chosen(&self, call: &Call, c: EventChoice) -> Result<Query> {
        if c.uuids.is_empty() && c.kind.is_none() && c.start.is_none() && c.end.is_none() {
            return Err(Error::invalid("ids", "give at least one of ids, type, startdate and enddate"));
        }
        let mut q = match call.caller.role() {
            Role::Admin => Query::all(),
            Role::User => Query::all().eq("account_id", call.caller.account_id),
            _ => Query::all().within("domain_id", call.subtree(&call.caller.domain_path).await?),
        };
        if !c.uuids.is_empty() {
            q = q.within("uuid", c.uuids);
        }
        Ok(between(q.eq_opt("event_type", c.kind), c.start, c.end))
    }
}

fn between(mut q: Query, start: Option<Micros>, end: Option<Micros>) -> Query {
    if let Some(t) = start {
        q = q.at_least("created", t);
    }
    if let Some(t) = end {
        // Midnight sharp is how a date without a time arrives: it means all of that day.
        q = q.at_most("created", if t % DAY == 0 { t + DAY - 1 } else { t });
    }
    q
}

/// Refuses when one of the events named is not among those chosen.
async fn all_there(tx: &mut Tx, uuids: &[String], q: Query) -> Result<()> {
    if uuids.is_empty() {
        return Ok(());
    }
    let found = tx.find::<Event>(q).await?;
    match uuids.iter().find(|u| !found.iter().any(|e| e.uuid == **u)) {
        Some(missing) => Err(Error::not_found(Kind::Event, missing)),
        None => Ok(()),
    }
}
