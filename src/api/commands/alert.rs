//! Alerts.
use crate::prelude::*;
use stratus_engine::alert::{AlertChoice, AlertDraft, AlertFilter, alert_kind};

found!(Alert => Kind::Alert);

/// An alert.
#[derive(View)]
pub struct Alert {
    /// the ID of the alert
    pub id: String,
    /// the number of its kind
    #[view(name = "type", kind = "short")]
    pub kind: i64,
    /// the name of its kind
    pub name: String,
    /// what is the matter
    pub description: String,
    /// when it was raised last
    pub sent: Date,
}

/// Lists alerts that are not archived, the latest first.
#[derive(Command)]
#[command(name = "listAlerts", roles = "admin,resourceadmin", answer = "alert", view = Alert)]
pub struct ListAlerts {
    /// only the alert with this ID
    id: Option<Ref<store::Alert>>,
    /// only alerts of this name
    #[param(since = "4.3")]
    name: Option<String>,
    /// only alerts of this kind, by its number
    #[param(name = "type")]
    kind: Option<String>,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListAlerts {
    async fn run(self, call: &Call) -> Result<Answer> {
        let filter = AlertFilter {
            id: self.id.map(|a| a.0.id),
            kind: self.kind.as_deref().map(alert_kind).transpose()?,
            name: self.name,
            page: self.page.range(call)?,
            keyword: self.page.keyword,
        };
        let found = call.alert_list(filter).await?;
        let one = |a: store::Alert| Alert {
            id: a.uuid,
            kind: a.alert_type,
            name: a.subject,
            description: a.description,
            sent: Date(a.last_sent),
        };
        Ok(Answer::list(found.count, found.rows.into_iter().map(one).collect()))
    }
}

fn choice(ids: Option<Vec<Ref<store::Alert>>>, kind: Option<String>, from: Option<Date>, to: Option<Date>) -> Result<AlertChoice> {
    Ok(AlertChoice {
        ids: ids.map(|ids| ids.into_iter().map(|a| a.0.id).collect()),
        kind: kind.as_deref().map(alert_kind).transpose()?,
        from: from.map(|d| d.0),
        to: to.map(|d| d.0),
    })
}

/// Puts alerts away, so that lists leave them out.
#[derive(Command)]
#[command(name = "archiveAlerts", roles = "admin", since = "4.2", event = "ALERT.ARCHIVE")]
pub struct ArchiveAlerts {
    /// those raised until then
    enddate: Option<Date>,
    /// the IDs of the alerts
    ids: Option<Vec<Ref<store::Alert>>>,
    /// those raised from then on
    startdate: Option<Date>,
    /// those of this kind, by its number
    #[param(name = "type")]
    kind: Option<String>,
}
impl Run for ArchiveAlerts {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.alerts_archive(call, choice(self.ids, self.kind, self.startdate, self.enddate)?).await?;
        Ok(Answer::success())
    }
}

/// Forgets alerts.
#[derive(Command)]
#[command(name = "deleteAlerts", roles = "admin", since = "4.2", event = "ALERT.DELETE")]
pub struct DeleteAlerts {
    /// those raised until then
    enddate: Option<Date>,
    /// the IDs of the alerts
    ids: Option<Vec<Ref<store::Alert>>>,
    /// those raised from then on
    startdate: Option<Date>,
    /// those of this kind, by its number
    #[param(name = "type")]
    kind: Option<String>,
}
impl Run for DeleteAlerts {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.alerts_delete(call, choice(self.ids, self.kind, self.startdate, self.enddate)?).await?;
        Ok(Answer::success())
    }
}

/// Raises an alert.
#[derive(Command)]
#[command(name = "generateAlert", roles = "admin", since = "4.3", event = "ALERT.GENERATE", job = "raising an alert")]
pub struct GenerateAlert {
    /// what is the matter
    #[param(length = 999)]
    description: String,
    /// the name of the alert
    name: String,
    /// its kind, by its number
    #[param(name = "type", kind = "short")]
    kind: i64,
    /// the ID of the pod in which it is
    podid: Option<Ref<store::Pod>>,
    /// the ID of the zone in which it is
    zoneid: Option<Ref<store::Zone>>,
}
impl Run for GenerateAlert {
    async fn run(self, call: &Call) -> Result<Answer> {
        let draft = AlertDraft {
            kind: self.kind,
            name: Some(self.name),
            text: self.description,
            zone: self.zoneid.map(|z| z.0.id),
            pod: self.podid.map(|p| p.0.id),
            cluster: None,
        };
        call.alert_generate(call, draft).await?;
        Ok(Answer::success())
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<ListAlerts>();
    r.add::<ArchiveAlerts>();
    r.add::<DeleteAlerts>();
    r.add::<GenerateAlert>();
}
