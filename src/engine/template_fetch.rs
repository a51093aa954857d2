//! How templates come to the image stores: the row of a template on a store says how far it is.
//!
//! A row is written before anything is fetched, so a server that starts again finds what was under way and fetches it once more;
//! drivers answer a fetch of what they have at once.
use crate::alert::AlertDraft;
use crate::{Call, Engine, Level, Topic};
use std::pin::pin;
use std::time::Duration;
use stratus_drivers::{DriverError, FetchSpec, ObjectKind, SecondaryStorage, TemplateFacts};
use stratus_model::{Error, Kind, Limit, Result};
use stratus_store::{Cluster, ImageStore, OsType, Query, Table, Template, TemplateStore, Tx, UsageEvent};
use uuid::Uuid;

/// The row waits for a driver to be asked.
pub const WAITING: &str = "NOT_DOWNLOADED";
/// A driver is at it.
pub const UNDER_WAY: &str = "DOWNLOAD_IN_PROGRESS";
/// It is there.
pub const DOWNLOADED: &str = "DOWNLOADED";
/// It did not come; `error` says why.
pub const FAILED: &str = "DOWNLOAD_ERROR";

/// How long a request waits for a template that comes quickly.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often one looks how far a fetch has come, and whether it is still wanted.
const LOOK: Duration = Duration::from_secs(1);
/// `ALERT.SERVICE.SSVM`: the alert of what brings templates.
const FETCHER: i64 = 18;

/// Writes the template of a fresh database; it arrives in a zone with the zone's first image store. After `seed_os_types`.
pub async fn seed_templates(tx: &mut Tx, now: i64) -> Result<()> {
    let os = tx.find_one::<OsType>(Query::all().eq("name", "CentOS 5.5 (64-bit)")).await?;
    let name = "CentOS 5.5(64-bit) no GUI (Simulator)";
    let mut row = Template {
        uuid: Uuid::new_v4().to_string(),
        name: name.into(),
        display_text: name.into(),
        account_id: 1,
        domain_id: 1,
        format: "RAW".into(),
        hypervisor: Some("Simulator".into()),
        os_type_id: os.ok_or_else(|| Error::internal("the OS types come before the templates"))?.id,
        url: Some("builtin://centos55-x86_64".into()),
        bits: 64,
        is_public: true,
        is_featured: true,
        is_extractable: true,
        is_bootable: true,
        template_type: "BUILTIN".into(),
        cross_zones: true,
        size_bytes: 2 << 30,
        state: "Active".into(),
        created: now,
        ..Default::default()
    };
    tx.insert(&mut row).await.map(drop)
}

impl Engine {
    /// Writes that the built-in templates are to come to a zone's first image store. Once that is committed, `templates_take_up`
    /// brings them.
    pub async fn builtin_templates_arrive(&self, tx: &mut Tx, zone_id: i64, store_id: i64) -> Result<()> {
        let there = Query::live().eq("zone_id", zone_id);
        let q = Query::live().eq("template_type", "BUILTIN").eq("state", "Active");
        let drivers = self.drivers.hypervisors().count();
        let clusters = tx.find::<Cluster>(Query::live().eq("zone_id", zone_id)).await?;
        // One for a hypervisor that nobody here drives would never come; one that no host of the zone has would be of no use.
        let useless = |h: &str| match clusters.is_empty() {
            true => self.drivers.host(h).is_none() || self.drivers.agents(h).is_some(),
            false => !clusters.iter().any(|c| c.hypervisor.eq_ignore_ascii_case(h)),
        };
        for template in tx.find::<Template>(q).await? {
            if drivers > 0 && template.hypervisor.as_deref().is_some_and(useless) {
                continue;
            }
            if tx.count::<TemplateStore>(there.clone().eq("template_id", template.id)).await? == 0 {
                let mut row = waiting(template.id, store_id, zone_id, self.clock.now());
                tx.insert(&mut row).await?;
            }
        }
        Ok(())
    }

    /// Fetches every template that is not where it should be, on one store or on all: after a store was added, and at start. Waits only
    /// for those that come quickly; what does not come is logged and stays marked.
    pub async fn templates_take_up(&self, call: &Call, store_id: Option<i64>) -> Result<()> {
        let q = Query::live().within("state", [WAITING, UNDER_WAY]).eq_opt("store_id", store_id);
        let rows = self.db.find::<TemplateStore>(q).await?;
        self.fetch_for_a_moment(call, &rows).await;
        Ok(())
    }

    /// Fetches off the request, which waits only while it is quick.
    pub(crate) async fn fetch_for_a_moment(&self, call: &Call, places: &[TemplateStore]) {
        let fetches = places.iter().map(|p| {
            let (call, id) = (call.clone(), p.id);
            tokio::spawn(async move {
                if let Err(e) = call.template_fetch(&call, id).await {
                    tracing::warn!(row = id, error = %stratus_model::in_full(&e), "a template did not come");
                }
            })
        });
        let all = futures::future::join_all(fetches);
        // Late ones go on by themselves.
        let _ = tokio::time::timeout(PATIENCE, all).await;
    }

    /// What may come from a URL: so much, and from where.
    pub(crate) fn fetch_spec(&self, object: &str, kind: ObjectKind, url: &str, format: &str, checksum: Option<&str>) -> FetchSpec {
        let setting = if kind == ObjectKind::Volume { "storage.max.volume.upload.size" } else { "max.template.iso.size" };
        let most = u64::try_from(self.settings.number(setting)).ok().filter(|n| *n > 0);
        let inside = self.settings.text("secstorage.allowed.internal.sites").unwrap_or_default();
        FetchSpec {
            object: object.to_owned(),
            kind,
            url: url.to_owned(),
            format: format.to_owned(),
            checksum: checksum.map(str::to_owned),
            most_bytes: most.map_or(u64::MAX, |gib| gib.saturating_mul(1 << 30)),
            inside: inside.split(',').map(|s| s.trim().to_owned()).filter(|s| !s.is_empty()).collect(),
        }
    }

    /// Brings one template to one store. What goes wrong is written on the row and answered.
    pub async fn template_fetch(&self, call: &Call, row_id: i64) -> Result<()> {
        let row = self.db.must::<TemplateStore>(row_id).await?;
        if row.removed.is_some() || row.state == DOWNLOADED {
            return Ok(());
        }
        let template = self.db.must::<Template>(row.template_id).await?;
        let (driver, store) = self.store_driver(row.store_id).await?;
        self.fetch_state(row_id, UNDER_WAY, None).await?;
        let begun = format!("Template {} is being fetched", template.name);
        self.fetch_event(call, &template, Level::Info, "TEMPLATE.DOWNLOAD.START", begun).await?;
        let url = template.url.clone().unwrap_or_default();
        let spec = self.fetch_spec(&template.uuid, ObjectKind::Template, &url, &template.format, template.checksum.as_deref());
        let got = match self.fetch_watched::<TemplateStore>(driver.as_ref(), &store, row.id, &spec).await {
            Ok(facts) => self.arrived(call, &row, &template, facts).await,
            Err(e) => Err(Error::Unavailable(e.to_string())),
        };
        let Err(e) = got else { return Ok(()) };
        self.fetch_failed(call, driver.as_ref(), (&row, &store, &template), &e).await?;
        Err(e)
    }

    /// Writes down what did not come, and why.
    async fn fetch_failed(
        &self,
        call: &Call,
        driver: &dyn SecondaryStorage,
        (row, store, template): (&TemplateStore, &ImageStore, &Template),
        e: &Error,
    ) -> Result<()> {
        // The store keeps nothing that nobody counts; a failure here leaves a file that the next fetch overwrites.
        discard(driver, store, template).await;
        if self.db.must::<TemplateStore>(row.id).await?.removed.is_some() {
            return Ok(());
        }
        self.fetch_state(row.id, FAILED, Some(e.to_string())).await?;
        let text = format!("Template {} did not come: {e}", template.name);
        let (kind, zone) = (FETCHER, Some(row.zone_id));
        self.alert_raise(AlertDraft { kind, zone, text: text.clone(), ..Default::default() }).await?;
        self.fetch_event(call, template, Level::Error, "TEMPLATE.DOWNLOAD.FAILED", text).await
    }

    /// Asks the driver, and while it is at it writes down how far it is on the row `id` of a thing on a store; gives up when that row
    /// is removed meanwhile.
    pub(crate) async fn fetch_watched<T: Table>(
        &self,
        driver: &dyn SecondaryStorage,
        store: &ImageStore,
        id: i64,
        spec: &FetchSpec,
    ) -> std::result::Result<TemplateFacts, DriverError> {
        let mut fetch = pin!(driver.fetch(&store.uuid, spec));
        let mut seen = 0;
        loop {
            tokio::select! {
                got = &mut fetch => return got,
                () = tokio::time::sleep(LOOK) => {}
            }
            if let Ok(0) = self.db.count::<T>(Query::live().eq("id", id)).await {
                return Err(DriverError::Failed("it was deleted meanwhile".into()));
            }
            let Ok(Some(percent)) = driver.progress(&store.uuid, &spec.object).await else { continue };
            if seen != percent {
                seen = percent;
                let (q, set) = (Query::live().eq("id", id).eq("state", UNDER_WAY), vec![("percent", i64::from(seen).into())]);
                let wrote = self.db.write(move |tx| Box::pin(async move { tx.update::<T>(q, set).await })).await;
                // The figure is for people to look at; the next one may be written again.
                wrote.map_or_else(|e| tracing::warn!(error = %stratus_model::in_full(&e), "a percentage was not written"), drop);
            }
        }
    }

    /// Counts what came and opens the template.
    pub(crate) async fn arrived(&self, call: &Call, row: &TemplateStore, template: &Template, facts: TemplateFacts) -> Result<()> {
        let most = self.settings.number("max.template.iso.size").saturating_mul(crate::limits::GIB);
        let size = i64::try_from(facts.virtual_bytes).unwrap_or(i64::MAX);
        let physical = i64::try_from(facts.physical_bytes).unwrap_or(i64::MAX);
        if most > 0 && physical > most {
            return Err(Error::invalid("url", format!("{physical} bytes are above max.template.iso.size")));
        }
        let (call, row, template) = (call.clone(), row.clone(), template.clone());
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let q = Query::live().eq("id", row.id).ne("state", DOWNLOADED);
                    let set = vec![
                        ("state", DOWNLOADED.into()),
                        ("percent", 100.into()),
                        ("physical_bytes", physical.into()),
                        ("error", stratus_store::Value::Null),
                    ];
                    if tx.update::<TemplateStore>(q, set).await? == 0 {
                        // Deleted meanwhile, or somebody else was faster.
                        return match tx.must::<TemplateStore>(row.id).await?.removed {
                            Some(_) => Err(Error::not_found(Kind::Template, template.uuid)),
                            None => Ok(()),
                        };
                    }
                    if counted(&template) {
                        call.take(tx, template.account_id, &[(Limit::SecondaryStorage, physical)]).await?;
                        use_begins(tx, &call, &row, &template, size).await?;
                    }
                    let sum = template.checksum.clone().unwrap_or(facts.checksum);
                    tx.set::<Template>(template.id, vec![("size_bytes", size.into()), ("checksum", sum.into())]).await?;
                    let text = format!("Template {} is there", template.name);
                    call.write_event(tx, "TEMPLATE.DOWNLOAD.SUCCESS", Level::Info, "Completed", topic(&template), text, None)
                        .await
                        .map(drop)
                })
            })
            .await
    }

    async fn fetch_state(&self, row_id: i64, state: &'static str, error: Option<String>) -> Result<()> {
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let q = Query::live().eq("id", row_id).ne("state", DOWNLOADED);
                    tx.update::<TemplateStore>(q, vec![("state", state.into()), ("error", error.into())]).await.map(drop)
                })
            })
            .await
    }

    async fn fetch_event(&self, call: &Call, template: &Template, level: Level, kind: &'static str, text: String) -> Result<()> {
        let (call, topic) = (call.clone(), topic(template));
        self.db
            .write(move |tx| Box::pin(async move { call.write_event(tx, kind, level, "Completed", topic, text, None).await.map(drop) }))
            .await
    }
}

/// A row for a template that is still to come.
pub(crate) fn waiting(template_id: i64, store_id: i64, zone_id: i64, now: i64) -> TemplateStore {
    TemplateStore { template_id, store_id, zone_id, state: WAITING.into(), created: now, ..Default::default() }
}

/// Whether limits and usage count a template: not the cloud's own.
pub(crate) fn counted(t: &Template) -> bool {
    !matches!(t.template_type.as_str(), "BUILTIN" | "SYSTEM")
}

/// What events about a template are about.
pub(crate) fn topic(t: &Template) -> Topic {
    Topic { account: t.account_id, domain: t.domain_id, kind: if t.is_iso { Kind::Iso } else { Kind::Template }, id: t.id }
}

async fn discard(driver: &dyn SecondaryStorage, store: &ImageStore, template: &Template) {
    if let Err(e) = driver.delete(&store.uuid, &template.uuid).await {
        tracing::warn!(store = store.uuid, template = template.uuid, error = %stratus_model::in_full(&e), "what came of a template was not deleted");
    }
}

pub(crate) async fn use_begins(tx: &mut Tx, call: &Call, row: &TemplateStore, template: &Template, size: i64) -> Result<()> {
    let mut fact = UsageEvent {
        event_type: "TEMPLATE.CREATE".into(),
        account_id: template.account_id,
        domain_id: template.domain_id,
        zone_id: row.zone_id,
        resource_id: template.id,
        resource_name: Some(template.name.clone()),
        template_id: template.source_template_id,
        size: Some(size),
        created: call.now(),
        ..Default::default()
    };
    tx.insert(&mut fact).await.map(drop)
}
