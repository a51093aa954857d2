//! Alerts: what administrators should look at. Of one kind at one place there is one open alert while the cause lasts (EVT-05, EVT-06).
use crate::capacities::{Capacity, CapacityAsk, kind, percent_text};
use crate::mail::{Mail, Post};
use crate::{Call, Engine, Listing, Topic};
use stratus_model::{Error, Kind, Micros, Result};
use stratus_store::{Alert, Cluster, Host, Pod, Query, Value, Zone};
use uuid::Uuid;

/// The kinds of alerts in the order of their numbers.
const KINDS: [&str; 26] = [
    "ALERT.MEMORY",
    "ALERT.CPU",
    "ALERT.STORAGE",
    "ALERT.STORAGE.ALLOCATED",
    "ALERT.NETWORK.PUBLICIP",
    "ALERT.NETWORK.PRIVATEIP",
    "ALERT.COMPUTE.HOST",
    "ALERT.USERVM",
    "ALERT.SERVICE.DOMAINROUTER",
    "ALERT.SERVICE.CONSOLEPROXY",
    "ALERT.NETWORK.ROUTING",
    "ALERT.STORAGE.MISC",
    "ALERT.USAGE",
    "ALERT.MANAGEMENT",
    "ALERT.NETWORK.DOMAINROUTERMIGRATE",
    "ALERT.SERVICE.CONSOLEPROXYMIGRATE",
    "ALERT.USERVM.MIGRATE",
    "ALERT.NETWORK.VLAN",
    "ALERT.SERVICE.SSVM",
    "ALERT.USAGE.RESULT",
    "ALERT.STORAGE.DELETE",
    "ALERT.RESOURCE.COUNT",
    "ALERT.USAGE.SANITY",
    "ALERT.NETWORK.DIRECTPUBLICIP",
    "ALERT.STORAGE.LOCAL",
    "ALERT.RESOURCE.EXCEED",
];
/// A host is not connected.
pub const HOST: i64 = 6;
/// Counters could not be repaired.
pub const RESOURCE_COUNT: i64 = 21;
/// A limit kept recurring work from being done.
pub const LIMIT_EXCEEDED: i64 = 25;

/// A capacity, the alert that its shortage is, the setting that says from when, and what it is called.
const WATCHED: &[(i64, i64, &str, &str)] = &[
    (kind::MEMORY, 0, "cluster.memory.allocated.capacity.notificationthreshold", "memory"),
    (kind::CPU, 1, "cluster.cpu.allocated.capacity.notificationthreshold", "CPU"),
    (kind::STORAGE, 2, "cluster.storage.capacity.notificationthreshold", "primary storage"),
    (kind::STORAGE_ALLOCATED, 3, "cluster.storage.allocated.capacity.notificationthreshold", "allocated primary storage"),
    (kind::PUBLIC_IP, 4, "zone.virtualnetwork.publicip.capacity.notificationthreshold", "public addresses"),
    (kind::PRIVATE_IP, 5, "pod.privateip.capacity.notificationthreshold", "private addresses"),
    (kind::SECONDARY_STORAGE, 11, "zone.secstorage.capacity.notificationthreshold", "secondary storage"),
    (kind::VLAN, 17, "zone.vlan.capacity.notificationthreshold", "VLANs"),
    (kind::DIRECT_IP, 23, "zone.directnetwork.publicip.capacity.notificationthreshold", "guest addresses"),
    (kind::LOCAL_STORAGE, 24, "cluster.localStorage.capacity.notificationthreshold", "local storage"),
];

/// An alert about to be raised.
#[derive(Debug, Clone, Default)]
pub struct AlertDraft {
    /// The number of its kind.
    pub kind: i64,
    /// What it is called where that differs from its kind's name.
    pub name: Option<String>,
    /// What is the matter, a sentence.
    pub text: String,
    /// Where.
    pub zone: Option<i64>,
    /// Where in the zone.
    pub pod: Option<i64>,
    /// Where in the pod.
    pub cluster: Option<i64>,
}

/// Which alerts are meant: those of `ids`, or those of a kind and time.
#[derive(Debug, Clone, Default)]
pub struct AlertChoice {
    /// These.
    pub ids: Option<Vec<i64>>,
    /// Those of this kind.
    pub kind: Option<i64>,
    /// Those from this moment on.
    pub from: Option<Micros>,
    /// Those until this moment.
    pub to: Option<Micros>,
}

/// Which alerts a list shows.
#[derive(Debug, Clone, Default)]
pub struct AlertFilter {
    /// The alert with this key.
    pub id: Option<i64>,
    /// Those of this kind.
    pub kind: Option<i64>,
    /// Those of this name.
    pub name: Option<String>,
    /// A text in name or description.
    pub keyword: Option<String>,
    /// Offset and limit.
    pub page: (i64, i64),
}

/// The number of a kind of alert from its text.
pub fn alert_kind(text: &str) -> Result<i64> {
    let number = text.trim().parse::<i64>().ok().filter(|n| (0..KINDS.len() as i64).contains(n));
    number.ok_or_else(|| Error::invalid("type", format!("'{text}' is none of 0 to {}", KINDS.len() - 1)))
}

impl Engine {
    /// Raises an alert; while one of the same kind and text at the same place is open, that one is counted up. Mails a new one.
    pub async fn alert_raise(&self, draft: AlertDraft) -> Result<()> {
        let now = self.clock.now();
        let name = draft.name.clone().unwrap_or_else(|| KINDS.get(draft.kind as usize).copied().unwrap_or("ALERT").to_owned());
        let row = Alert {
            uuid: Uuid::new_v4().to_string(),
            alert_type: draft.kind,
            subject: name,
            description: draft.text.clone(),
            zone_id: draft.zone,
            pod_id: draft.pod,
            cluster_id: draft.cluster,
            sent_count: 1,
            created: now,
            last_sent: now,
            ..Default::default()
        };
        // A capacity's text has its figures in it; of those there is one alert a place.
        let by_place = WATCHED.iter().any(|w| w.1 == draft.kind);
        let new = self
            .db
            .write(move |tx| {
                Box::pin(async move {
                    let mut same = Query::live().null("resolved").eq("alert_type", row.alert_type).eq("subject", row.subject.as_str());
                    for (column, id) in [("zone_id", row.zone_id), ("pod_id", row.pod_id), ("cluster_id", row.cluster_id)] {
                        same = if id.is_some() { same.eq(column, id) } else { same.null(column) };
                    }
                    if !by_place {
                        same = same.eq("description", row.description.as_str());
                    }
                    if tx.take::<Alert>(same, "sent_count = sent_count + 1, last_sent = ?", vec![now.into()]).await? {
                        return Ok(false);
                    }
                    tx.insert(&mut row.clone()).await?;
                    Ok(true)
                })
            })
            .await?;
        if new {
            tracing::warn!(kind = draft.kind, "alert: {}", draft.text);
            self.alert_mail(&draft);
        }
        Ok(())
    }

    /// Closes open alerts of a kind whose cause is gone.
    async fn alert_resolve(&self, kind: i64, at: Query) -> Result<()> {
        let open = at.null("removed").null("resolved").eq("alert_type", kind);
        if self.db.count::<Alert>(open.clone()).await? == 0 {
            return Ok(());
        }
        let now = self.clock.now();
        self.db
            .write(move |tx| Box::pin(async move { tx.update::<Alert>(open.clone(), vec![("resolved", now.into())]).await.map(drop) }))
            .await
    }

    fn alert_mail(&self, draft: &AlertDraft) {
        let to = self.settings.text("alert.email.addresses").unwrap_or_default();
        let to: Vec<String> = to.split(',').map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect();
        if !to.is_empty() {
            self.mail_send(Post::Alert, Mail { to, subject: format!("Alert: {}", draft.text), body: format!("{}\n", draft.text) });
        }
    }

    /// Looks at capacities and hosts; raises what is wrong and closes what no longer is. How many things are wrong.
    pub async fn alerts_check(&self) -> Result<u64> {
        let mut wrong = 0;
        for (level, kinds) in LEVELS {
            for c in self.capacity_list(CapacityAsk { level: *level, ..Default::default() }).await? {
                if kinds.contains(&c.kind) {
                    wrong += u64::from(self.capacity_check(&c).await?);
                }
            }
        }
        wrong += self.hosts_check().await?;
        self.alerts_purge().await?;
        Ok(wrong)
    }

    /// Whether one capacity is short.
    async fn capacity_check(&self, c: &Capacity) -> Result<bool> {
        let Some((_, alert, setting, word)) = WATCHED.iter().find(|w| w.0 == c.kind) else { return Ok(false) };
        let scope = c.cluster.filter(|_| setting.starts_with("cluster."));
        let threshold = match scope {
            Some(cluster) => self.settings.factor(setting, "cluster", cluster),
            None => self.settings.factor(setting, "global", 0),
        };
        if c.total == 0 || c.percent() < threshold * 100.0 {
            let mut at = Query::all().eq("zone_id", c.zone);
            for (column, id) in [("pod_id", c.pod), ("cluster_id", c.cluster)] {
                at = if id.is_some() { at.eq(column, id) } else { at.null(column) };
            }
            self.alert_resolve(*alert, at).await?;
            return Ok(false);
        }
        let place = self.place_of(c).await?;
        let (used, total) = (c.used, c.total);
        let text = format!("{word} in {place} is short: {used} of {total} used ({}%)", percent_text(c.percent()));
        self.alert_raise(AlertDraft { kind: *alert, text, zone: Some(c.zone), pod: c.pod, cluster: c.cluster, name: None }).await?;
        Ok(true)
    }

    async fn place_of(&self, c: &Capacity) -> Result<String> {
        if let Some(id) = c.cluster {
            return Ok(format!("cluster {}", self.db.must::<Cluster>(id).await?.name));
        }
        if let Some(id) = c.pod {
            return Ok(format!("pod {}", self.db.must::<Pod>(id).await?.name));
        }
        Ok(format!("zone {}", self.db.must::<Zone>(c.zone).await?.name))
    }

    /// How long a host may be silent, in microseconds: `ping.timeout` signs of life, and those that are not whole are waited for, so
    /// that 2.5 of a minute are three minutes.
    pub(crate) fn silence(&self) -> Micros {
        let missed = self.settings.factor("ping.timeout", "global", 0).ceil();
        (missed as i64).saturating_mul(self.settings.number("ping.interval").max(1)).saturating_mul(1_000_000)
    }

    /// Hosts that have not been heard of; how many.
    pub(crate) async fn hosts_check(&self) -> Result<u64> {
        let away = ["Down", "Alert", "Disconnected"];
        let text = |h: &Host| format!("Host {} ({}) is not connected", h.name, h.uuid);
        let silent = Query::live().within("state", away).at_most("last_ping", self.clock.now() - self.silence());
        let hosts = self.db.find::<Host>(silent).await?;
        for h in &hosts {
            let (zone, pod, cluster) = (Some(h.zone_id), Some(h.pod_id), Some(h.cluster_id));
            self.alert_raise(AlertDraft { kind: HOST, text: text(h), zone, pod, cluster, name: None }).await?;
        }
        let still: Vec<String> = hosts.iter().map(text).collect();
        let over = Query::all().eq("subject", KINDS[HOST as usize]).without("description", still);
        self.alert_resolve(HOST, over).await?;
        Ok(hosts.len() as u64)
    }

    /// Forgets alerts older than `alert.purge.delay` days, when that is set.
    async fn alerts_purge(&self) -> Result<()> {
        let days = self.settings.number("alert.purge.delay");
        if days <= 0 {
            return Ok(());
        }
        let now = self.clock.now();
        let old = Query::live().at_most("created", now - days.saturating_mul(86_400_000_000));
        self.db
            .write(move |tx| Box::pin(async move { tx.update::<Alert>(old.clone(), vec![("removed", now.into())]).await.map(drop) }))
            .await
    }

    /// Alerts that are not archived, the latest first.
    pub async fn alert_list(&self, f: AlertFilter) -> Result<Listing<Alert>> {
        let mut q = Query::live().eq("archived", false).eq_opt("id", f.id).eq_opt("alert_type", f.kind).eq_opt("subject", f.name);
        if let Some(text) = &f.keyword {
            q = q.holds(&["subject", "description"], text);
        }
        let count = self.db.count::<Alert>(q.clone()).await?;
        Ok(Listing { count, rows: self.db.find(q.latest("last_sent").page(f.page.0, f.page.1)).await? })
    }

    /// Puts alerts away, so that lists leave them out.
    pub async fn alerts_archive(&self, call: &Call, choice: AlertChoice) -> Result<()> {
        self.alerts_change(call, choice, ("archived", true.into()), "archived alerts").await
    }

    /// Forgets alerts.
    pub async fn alerts_delete(&self, call: &Call, choice: AlertChoice) -> Result<()> {
        self.alerts_change(call, choice, ("removed", self.clock.now().into()), "deleted alerts").await
    }

    async fn alerts_change(&self, call: &Call, c: AlertChoice, set: (&'static str, Value), done: &'static str) -> Result<()> {
        if c.ids.is_none() && c.kind.is_none() && c.to.is_none() {
            return Err(Error::invalid("ids", "give ids, type, or enddate"));
        }
        let mut q = Query::live().eq_opt("alert_type", c.kind);
        if let Some(ids) = c.ids {
            q = q.within("id", ids);
        }
        if let Some(from) = c.from {
            q = q.at_least("created", from);
        }
        if let Some(to) = c.to {
            q = q.at_most("created", to);
        }
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let n = tx.update::<Alert>(q, vec![set]).await?;
                    call.log(tx, Topic::of_caller(&call, Kind::Alert, 0), format!("{done}: {n}")).await
                })
            })
            .await
    }

    /// Raises an alert on an administrator's word.
    pub async fn alert_generate(&self, call: &Call, draft: AlertDraft) -> Result<()> {
        if !(0..KINDS.len() as i64).contains(&draft.kind) {
            return Err(Error::invalid("type", format!("{} is none of 0 to {}", draft.kind, KINDS.len() - 1)));
        }
        let text = format!("raised alert {}", draft.text);
        self.alert_raise(draft).await?;
        let call = call.clone();
        self.db.write(move |tx| Box::pin(async move { call.log(tx, Topic::of_caller(&call, Kind::Alert, 0), text.clone()).await })).await
    }
}

/// Which capacities are looked at by cluster, by pod and by zone.
const LEVELS: &[(crate::capacities::Level, &[i64])] = &[
    (crate::capacities::Level::Cluster, &[kind::MEMORY, kind::CPU, kind::STORAGE, kind::STORAGE_ALLOCATED, kind::LOCAL_STORAGE]),
    (crate::capacities::Level::Pod, &[kind::PRIVATE_IP]),
    (crate::capacities::Level::Zone, &[kind::PUBLIC_IP, kind::SECONDARY_STORAGE, kind::VLAN, kind::DIRECT_IP]),
];
