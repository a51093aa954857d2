use crate::prelude::*;
use crate::views::event::{Event, EventType};
use stratus_engine::event::{EVENT_TYPES, EventChoice, EventFilter};

/// Lists events, the newest first.
#[derive(Command)]
#[command(name = "listEvents", roles = "all", answer = "event", view = Event)]
pub struct ListEvents {
    /// with entrytime: only work that is not over and is at least so many minutes old
    duration: Option<i64>,
    /// only events until then; a date alone means the whole day
    enddate: Option<Date>,
    /// with duration: only work that is not over and was asked for in the last so many minutes
    entrytime: Option<i64>,
    /// only the event with this ID
    #[param(kind = "uuid")]
    id: Option<String>,
    /// only events of this level: INFO, WARN or ERROR
    level: Option<String>,
    /// only events since then
    startdate: Option<Date>,
    /// only events of this type, like VM.CREATE
    #[param(name = "type")]
    kind: Option<String>,
    #[param(flatten)]
    scope: Scoped,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListEvents {
    async fn run(self, call: &Call) -> Result<Answer> {
        let scope = self.scope.scope(call, self.id.is_some()).await?;
        let filter = EventFilter {
            uuid: self.id,
            kind: self.kind,
            level: self.level,
            start: self.startdate.map(|d| d.0),
            end: self.enddate.map(|d| d.0),
            entry_time: self.entrytime,
            duration: self.duration,
            page: self.page.range(call)?,
            keyword: self.page.keyword,
        };
        let found = call.event_list(&scope, filter).await?;
        Ok(Answer::list(found.count, views::event::of(call, found.rows).await?))
    }
}

/// Lists the types of events.
#[derive(Command)]
#[command(name = "listEventTypes", roles = "all", answer = "eventtype", view = EventType)]
pub struct ListEventTypes {}
impl Run for ListEventTypes {
    async fn run(self, _: &Call) -> Result<Answer> {
        let types: Vec<EventType> = EVENT_TYPES.iter().map(|t| EventType { name: (*t).into() }).collect();
        Ok(Answer::list(types.len() as i64, types))
    }
}

fn chosen(ids: Option<Vec<String>>, kind: Option<String>, start: Option<Date>, end: Option<Date>) -> EventChoice {
    EventChoice { uuids: ids.unwrap_or_default(), kind, start: start.map(|d| d.0), end: end.map(|d| d.0) }
}

/// Takes events out of lists; they stay in the database. At least one parameter must say which.
#[derive(Command)]
#[command(name = "archiveEvents", event = "EVENT.ARCHIVE", roles = "all", since = "4.2")]
pub struct ArchiveEvents {
    /// only events until then; a date alone means the whole day
    enddate: Option<Date>,
    /// the IDs of the events
    ids: Option<Vec<String>>,
    /// only events since then
    startdate: Option<Date>,
    /// only events of this type
    #[param(name = "type")]
    kind: Option<String>,
}
impl Run for ArchiveEvents {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.events_archive(call, chosen(self.ids, self.kind, self.startdate, self.enddate)).await?;
        Ok(Answer::success())
    }
}

/// Deletes events for good. At least one parameter must say which.
#[derive(Command)]
#[command(name = "deleteEvents", event = "EVENT.DELETE", roles = "all", since = "4.2")]
pub struct DeleteEvents {
    /// only events until then; a date alone means the whole day
    enddate: Option<Date>,
    /// the IDs of the events
    ids: Option<Vec<String>>,
    /// only events since then
    startdate: Option<Date>,
    /// only events of this type
    #[param(name = "type")]
    kind: Option<String>,
}
impl Run for DeleteEvents {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.events_delete(call, chosen(self.ids, self.kind, self.startdate, self.enddate)).await?;
        Ok(Answer::success())
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<ListEvents>();
    r.add::<ListEventTypes>();
    r.add::<ArchiveEvents>();
    r.add::<DeleteEvents>();
}
