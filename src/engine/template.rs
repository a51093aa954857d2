//! Templates: what root disks are copied from. `template_fetch.rs` brings them to the stores.
//!
//! Who may use one: its owner, everybody when it is public, and the accounts it is shared with; administrators those of their
//! domains. What one may not use does not exist for one.
use crate::template_fetch::{DOWNLOADED, counted, topic, waiting};
use crate::{Call, Engine, ListScope, Listing};
use std::collections::BTreeMap;
use stratus_model::{AccountType, Error, Kind, Limit, Result, Role};
use stratus_store::{
    Account, ImageStore, OsType, Project, Query, Template, TemplatePermission, TemplateStore, Tx, UsageEvent, Value, Vm, Zone,
};
use uuid::Uuid;

pub use crate::template_fetch::seed_templates;

/// Hypervisors a template can be for, and the disk formats of each; an empty list takes every format.
const HYPERVISORS: &[(&str, &[&str])] = &[
    ("XenServer", &["VHD"]),
    ("KVM", &["QCOW2", "RAW", "VHD", "VMDK"]),
    ("VMware", &["OVA"]),
    ("Hyperv", &["VHD", "VHDX"]),
    ("BareMetal", &["BAREMETAL"]),
    ("LXC", &["TAR"]),
    ("Ovm", &["RAW"]),
    ("Simulator", &[]),
];

/// Disk formats there are.
const FORMATS: &[&str] = &["QCOW2", "RAW", "VHD", "ISO", "OVA", "VHDX", "BAREMETAL", "TAR", "VMDK"];

/// A template to be registered. `zones` empty: every zone.
#[derive(Debug, Clone, Default)]
pub struct TemplateRegister {
    /// What was said of it; key, uuid, owner, state and times are given here.
    pub template: Template,
    /// Where it is to be.
    pub zone: Option<Zone>,
    /// More about it.
    pub details: BTreeMap<String, String>,
}

/// Which of the templates one may use are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemplateFilter {
    /// Public and featured.
    Featured,
    /// One's own.
    Mine,
    /// One's own that are ready.
    MineExecutable,
    /// Shared with one.
    Shared,
    /// Shared with one and ready.
    SharedExecutable,
    /// Ready: own, public or shared.
    Executable,
    /// Public, not featured.
    Community,
    /// Every one there is; for root administrators.
    All,
}

impl TemplateFilter {
    /// From the word on the wire.
    pub fn read(word: &str) -> Result<Self> {
        Ok(match word.trim().to_ascii_lowercase().as_str() {
            "featured" => Self::Featured,
            "self" => Self::Mine,
            "selfexecutable" | "self-executable" => Self::MineExecutable,
            "shared" => Self::Shared,
            "sharedexecutable" => Self::SharedExecutable,
            "executable" => Self::Executable,
            "community" => Self::Community,
            "all" => Self::All,
            other => {
                let known = "featured, self, selfexecutable, sharedexecutable, executable, community, all";
                return Err(Error::invalid("templatefilter", format!("'{other}' is none of {known}")));
            }
        })
    }
    /// Whether only templates that are ready are meant.
    pub const fn ready_only(self) -> bool {
        !matches!(self, Self::Mine | Self::Shared | Self::All)
    }
}

/// Which templates to list.
#[derive(Debug, Clone)]
pub struct TemplateList {
    /// Of these.
    pub filter: TemplateFilter,
    /// Whose, where the filter is about one's own.
    pub scope: ListScope,
    /// This one only; the filter is not asked then.
    pub id: Option<i64>,
    /// With this name.
    pub name: Option<String>,
    /// For this hypervisor.
    pub hypervisor: Option<String>,
    /// In this zone.
    pub zone: Option<i64>,
    /// Whose name or text holds this.
    pub keyword: Option<String>,
    /// With one of these tags.
    pub tags: Vec<(String, String)>,
    /// Those that were deleted too.
    pub removed: bool,
    /// ISOs instead.
    pub iso: bool,
    /// Bootable or not.
    pub bootable: Option<bool>,
    /// Public or not.
    pub public: Option<bool>,
    /// Ready in the zone or not.
    pub ready: Option<bool>,
    /// First row and number of rows.
    pub page: (i64, i64),
}

/// A template in a zone: what lists show.
#[derive(Debug, Clone, PartialEq)]
pub struct TemplateInZone {
    /// The template.
    pub template: Template,
    /// How it stands in the zone.
    pub at: TemplateStore,
}

/// What can change of a template.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "the columns of the row")]
pub struct TemplateUpdate {
    pub name: Option<String>,
    pub display_text: Option<String>,
    pub format: Option<String>,
    pub os_type: Option<OsType>,
    pub bootable: Option<bool>,
    pub password_enabled: Option<bool>,
    pub dynamic: Option<bool>,
    pub routing: Option<bool>,
    pub sort_key: Option<i64>,
}

/// What can change of who may use a template.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "the columns of the row, and the accounts")]
pub struct TemplatePermissionUpdate {
    pub public: Option<bool>,
    pub featured: Option<bool>,
    pub extractable: Option<bool>,
    /// `add`, `remove` or `reset`.
    pub op: Option<String>,
    /// Names of accounts of the template's domain.
    pub accounts: Vec<String>,
    /// Projects whose members may use it.
    pub projects: Vec<Project>,
}

/// Checks format, hypervisor and URL against each other; the hypervisor's usual spelling.
fn check_register(t: &mut Template) -> Result<()> {
    if t.name.trim().is_empty() {
        return Err(Error::invalid("name", "must not be empty"));
    }
    if t.is_iso {
        t.format = "ISO".into();
        t.hypervisor = None;
        return check_url(t.url.as_deref().unwrap_or_default(), &t.format);
    }
    let given = t.hypervisor.clone().unwrap_or_default();
    let known = HYPERVISORS.iter().find(|(h, _)| h.eq_ignore_ascii_case(given.trim()));
    let (hypervisor, formats) = known.ok_or_else(|| {
        let all: Vec<&str> = HYPERVISORS.iter().map(|(h, _)| *h).collect();
        Error::invalid("hypervisor", format!("'{given}' is none of {}", all.join(", ")))
    })?;
    t.hypervisor = Some((*hypervisor).into());
    t.format = format_word(&t.format)?;
    if t.format == "ISO" || !(formats.is_empty() || formats.contains(&t.format.as_str())) {
        return Err(Error::invalid("format", format!("a template for {hypervisor} cannot be {}", t.format)));
    }
    if !matches!(t.bits, 32 | 64) {
        return Err(Error::invalid("bits", "must be 32 or 64"));
    }
    check_url(t.url.as_deref().unwrap_or_default(), &t.format)
}

pub(crate) fn format_word(word: &str) -> Result<String> {
    let upper = word.trim().to_ascii_uppercase();
    match FORMATS.contains(&upper.as_str()) {
        true => Ok(upper),
        false => Err(Error::invalid("format", format!("'{word}' is none of {}", FORMATS.join(", ")))),
    }
}

pub(crate) fn check_url(url: &str, format: &str) -> Result<()> {
    let lower = url.trim().to_ascii_lowercase();
    let Some(rest) = lower.strip_prefix("http://").or_else(|| lower.strip_prefix("https://")) else {
        return Err(Error::invalid("url", "must begin with http:// or https://"));
    };
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    if path.is_empty() || path.starts_with('/') {
        return Err(Error::invalid("url", "names no host"));
    }
    let packed = [".gz", ".bz2", ".xz"].iter().find_map(|p| path.strip_suffix(p)).unwrap_or(path);
    let ending = packed.rsplit_once('/').and_then(|(_, file)| file.rsplit_once('.')).map(|(_, e)| e.to_ascii_uppercase());
    match ending {
        Some(e) if FORMATS.contains(&e.as_str()) && e != format => {
            Err(Error::invalid("url", format!("ends like {e}, but the format is {format}")))
        }
        _ => Ok(()),
    }
}

impl Engine {
    /// Registers a template and begins to fetch it; answers when it is there or after a moment, whichever is first.
    pub async fn template_register(&self, call: &Call, owner: &Account, ask: TemplateRegister) -> Result<Vec<TemplateInZone>> {
        let mut row = ask.template;
        check_register(&mut row)?;
        self.may_publish(call, &row, owner)?;
        if ask.zone.is_none() && !call.caller.is_root() {
            return Err(Error::Denied("Only root administrators may register a template in all zones".into()));
        }
        if let Some(zone) = &ask.zone {
            call.zone_for(zone, owner).await?;
        }
        let stores = self.stores_for(ask.zone.as_ref()).await?;
        row = Template {
            uuid: Uuid::new_v4().to_string(),
            account_id: owner.id,
            domain_id: owner.domain_id,
            is_bootable: row.is_bootable || !row.is_iso,
            template_type: if row.is_routing { "ROUTING" } else { "USER" }.into(),
            cross_zones: ask.zone.is_none(),
            details: (!ask.details.is_empty()).then(|| serde_json::to_string(&ask.details)).transpose().map_err(Error::internal)?,
            state: "Active".into(),
            created: call.now(),
            ..row
        };
        let inner = call.clone();
        let (row, places) = self.db.write(move |tx| Box::pin(async move { insert(tx, &inner, row, stores).await })).await?;
        self.fetch_for_a_moment(call, &places).await;
        let places = self.db.by_ids::<TemplateStore>(places.iter().map(|p| p.id)).await?;
        let mut shown: Vec<TemplateInZone> = Vec::with_capacity(places.len());
        let template = self.db.must::<Template>(row.id).await?;
        for at in places.into_values() {
            shown.push(TemplateInZone { template: template.clone(), at });
        }
        shown.sort_by_key(|s| s.at.zone_id);
        Ok(shown)
    }

    /// Refuses what only administrators may say of a template.
    pub(crate) fn may_publish(&self, call: &Call, t: &Template, owner: &Account) -> Result<()> {
        if call.caller.is_root() {
            return Ok(());
        }
        if t.is_featured || t.is_routing {
            return Err(Error::Denied("Only root administrators may make templates featured or routing ones".into()));
        }
        let public = self.settings.scoped("allow.public.user.templates", "account", owner.id);
        if t.is_public && call.caller.role() == Role::User && public.as_deref() == Some("false") {
            return Err(Error::Denied("Only private templates may be made here (allow.public.user.templates)".into()));
        }
        Ok(())
    }

    /// One image store a zone: the zone's own with most room, else one of the region.
    pub(crate) async fn stores_for(&self, zone: Option<&Zone>) -> Result<Vec<(i64, i64)>> {
        let zones = match zone {
            Some(z) => vec![z.clone()],
            None => self.db.find::<Zone>(Query::live()).await?,
        };
        let mut stores = self.db.find::<ImageStore>(Query::live()).await?;
        stores.sort_by_key(|s| (s.zone_id.is_none(), s.used_bytes - s.total_bytes));
        let fits = |z: &Zone| stores.iter().find(|s| s.zone_id.is_none_or(|id| id == z.id)).map(|s| (z.id, s.id));
        let found: Vec<(i64, i64)> = zones.iter().filter_map(fits).collect();
        match found.is_empty() {
            true => Err(Error::Unavailable(format!("There is no image store for {}", zone.map_or("any zone", |z| z.name.as_str())))),
            false => Ok(found),
        }
    }

    /// Lists templates: one row a template and zone.
    pub async fn template_list(&self, call: &Call, ask: TemplateList) -> Result<Listing<TemplateInZone>> {
        if ask.filter == TemplateFilter::All && ask.id.is_none() && !call.caller.is_root() {
            return Err(Error::Denied("The filter all is for root administrators".into()));
        }
        let start = || if ask.removed && call.caller.is_root() { Query::all() } else { Query::live() };
        let mut q = start()
            .eq("is_iso", ask.iso)
            .eq_opt("id", ask.id)
            .eq_opt("name", ask.name.as_deref())
            .eq_opt("is_bootable", ask.bootable)
            .eq_opt("is_public", ask.public);
        if let Some(h) = &ask.hypervisor {
            let word = HYPERVISORS.iter().find(|(k, _)| k.eq_ignore_ascii_case(h)).map_or(h.as_str(), |(k, _)| k);
            q = q.eq("hypervisor", word);
        }
        if let Some(k) = &ask.keyword {
            q = q.holds(&["name", "display_text"], k);
        }
        q = match ask.id {
            Some(_) => call.templates_seen(q).await?,
            None => self.filtered(call, &ask, q),
        };
        q = crate::tag::tag_filter(q, if ask.iso { "ISO" } else { "Template" }, &ask.tags);
        let mut at = start().eq_opt("zone_id", ask.zone).key_in::<Template>("template_id", "id", q);
        if ask.id.is_none() && ask.filter.ready_only() {
            at = at.eq("state", DOWNLOADED);
        }
        match ask.ready {
            Some(true) => at = at.eq("state", DOWNLOADED),
            Some(false) => at = at.ne("state", DOWNLOADED),
            None => {}
        }
        let (offset, limit) = ask.page;
        let count = self.db.count::<TemplateStore>(at.clone()).await?;
        let places = self.db.find::<TemplateStore>(at.order("template_id").page(offset, limit)).await?;
        let templates = self.db.by_ids::<Template>(places.iter().map(|p| p.template_id)).await?;
        let with = |at: TemplateStore| templates.get(&at.template_id).map(|t| TemplateInZone { template: t.clone(), at });
        Ok(Listing { count, rows: places.into_iter().filter_map(with).collect() })
    }

    fn filtered(&self, call: &Call, ask: &TemplateList, q: Query) -> Query {
        use TemplateFilter::*;
        let mine = || ask.scope.apply(Query::all());
        // Whose point of view: the account that is asked about, else the caller.
        let viewer = match &ask.scope {
            ListScope::Account(id) => *id,
            _ => call.caller.account_id,
        };
        let shared = || Query::all().id_in::<TemplatePermission>("template_id", Query::all().eq("account_id", viewer));
        match ask.filter {
            Featured => q.eq("is_public", true).eq("is_featured", true),
            Community => q.eq("is_public", true).eq("is_featured", false),
            Mine | MineExecutable | All => ask.scope.apply(q),
            Shared | SharedExecutable => q.any([shared()]),
            Executable => q.any([mine(), Query::all().eq("is_public", true), shared()]),
        }
    }

    /// Refuses a template that the caller may not use or that is not ready in a zone.
    pub async fn template_usable(&self, call: &Call, template: &Template, zone: i64) -> Result<()> {
        let kind = if template.is_iso { Kind::Iso } else { Kind::Template };
        let seen = call.templates_seen(Query::live().eq("id", template.id)).await?;
        if template.removed.is_some() || self.db.count::<Template>(seen).await? == 0 {
            return Err(Error::not_found(kind, &template.uuid));
        }
        let at = self.db.find_one::<TemplateStore>(Query::live().eq("template_id", template.id).eq("zone_id", zone)).await?;
        match at {
            Some(at) if at.state == DOWNLOADED => Ok(()),
            at => Err(Error::State {
                kind,
                id: template.uuid.clone(),
                state: at.map_or_else(|| "not in this zone".into(), |at| at.state),
                why: "it must be ready in the zone".into(),
            }),
        }
    }

    /// Changes what is said of a template.
    pub async fn template_update(&self, call: &Call, template: &Template, ask: TemplateUpdate) -> Result<Template> {
        if ask.routing.is_some() && !call.caller.is_root() {
            return Err(Error::Denied("Only root administrators may make templates routing ones".into()));
        }
        if ask.name.as_ref().is_some_and(|n| n.trim().is_empty()) {
            return Err(Error::invalid("name", "must not be empty"));
        }
        let format = ask.format.as_deref().map(format_word).transpose()?;
        let kind = ask.routing.filter(|_| counted(template)).map(|r| if r { "ROUTING" } else { "USER" });
        let set: Vec<(&'static str, Option<Value>)> = vec![
            ("name", ask.name.map(Value::from)),
            ("display_text", ask.display_text.map(Value::from)),
            ("format", format.map(Value::from)),
            ("os_type_id", ask.os_type.map(|o| Value::from(o.id))),
            ("is_bootable", ask.bootable.map(Value::from)),
            ("password_enabled", ask.password_enabled.map(Value::from)),
            ("is_dynamic", ask.dynamic.map(Value::from)),
            ("is_routing", ask.routing.map(Value::from)),
            ("template_type", kind.map(Value::from)),
            ("sort_key", ask.sort_key.map(Value::from)),
        ];
        let set: Vec<(&'static str, Value)> = set.into_iter().filter_map(|(c, v)| Some((c, v?))).collect();
        let (call, id) = (call.clone(), template.id);
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    if !set.is_empty() {
                        tx.set::<Template>(id, set).await?;
                    }
                    let row = tx.must::<Template>(id).await?;
                    call.log(tx, topic(&row), format!("Template {} changed, id={}", row.name, row.uuid)).await?;
                    Ok(row)
                })
            })
            .await
    }

    /// Deletes a template in a zone or everywhere; VMs made of it go on.
    pub async fn template_delete(&self, call: &Call, template: Template, zone: Option<i64>) -> Result<()> {
        let attached = Query::live().eq("iso_id", template.id).eq_opt("zone_id", zone);
        let attached = self.db.count::<Vm>(attached).await?;
        if template.is_iso && attached > 0 {
            let why = format!("it is in the drive of {attached} virtual machines; detach it first");
            return Err(Error::InUse { kind: Kind::Iso, id: template.uuid, why });
        }
        let at = self.db.find::<TemplateStore>(Query::live().eq("template_id", template.id)).await?;
        let (going, staying): (Vec<_>, Vec<_>) = at.into_iter().partition(|p| zone.is_none_or(|z| z == p.zone_id));
        if let (Some(_), true) = (zone, going.is_empty()) {
            return match call.job {
                Some(_) => Ok(()), // an earlier life of this job did it
                None => Err(Error::not_found(Kind::Template, template.uuid)),
            };
        }
        let stores = self.db.by_ids::<ImageStore>(going.iter().map(|p| p.store_id)).await?;
        // A store of the whole region has one copy for all its zones.
        for store in stores.values().filter(|s| !staying.iter().any(|p| p.store_id == s.id)) {
            if let Ok(driver) = self.image_driver(store).await {
                driver.delete(&store.uuid, &template.uuid).await.map_err(|e| Error::Unavailable(e.to_string()))?;
            }
        }
        self.template_evict(&template, zone).await?;
        // Hosts do not see what the server's own stores have.
        if !template.is_iso && stores.values().any(|s| s.provider == crate::image_store::FILE) {
            self.template_unneeded(template.id, zone, None).await?;
        }
        let call = call.clone();
        self.db.write(move |tx| Box::pin(async move { forget(tx, &call, template, going).await })).await
    }

    /// Whom a template is shared with: the names of accounts, and the uuids of projects.
    pub async fn template_permissions(&self, template: &Template) -> Result<(Vec<String>, Vec<String>)> {
        let rows = self.db.find::<TemplatePermission>(Query::all().eq("template_id", template.id)).await?;
        let accounts = self.db.by_ids::<Account>(rows.iter().map(|r| r.account_id)).await?;
        let live = || rows.iter().filter_map(|r| accounts.get(&r.account_id)).filter(|a| a.removed.is_none());
        let behind = self.projects_of(live().filter(|a| a.kind() == AccountType::Project).map(|a| a.id)).await?;
        let names = live().filter(|a| a.kind() != AccountType::Project).map(|a| a.name.clone()).collect();
        Ok((names, live().filter_map(|a| behind.get(&a.id)).map(|p| p.uuid.clone()).collect()))
    }

    /// Changes who may use a template.
    pub async fn template_share(&self, call: &Call, template: &Template, ask: TemplatePermissionUpdate) -> Result<Template> {
        let owner = self.db.must::<Account>(template.account_id).await?;
        let op = ask.op.as_deref().map(str::to_ascii_lowercase);
        match op.as_deref() {
            None if !ask.accounts.is_empty() || !ask.projects.is_empty() => {
                return Err(Error::invalid("op", "is needed with accounts and projectids: add or remove"));
            }
            None | Some("add" | "remove" | "reset") => {}
            Some(other) => return Err(Error::invalid("op", format!("'{other}' is none of add, remove, reset"))),
        }
        if ask.extractable.is_some() && !call.caller.is_root() {
            return Err(Error::Denied("Only root administrators may say whether a template can be extracted".into()));
        }
        let reset = op.as_deref() == Some("reset");
        let row = Template {
            is_public: ask.public.unwrap_or(template.is_public && !reset),
            is_featured: ask.featured.unwrap_or(template.is_featured && !reset),
            is_extractable: ask.extractable.unwrap_or(template.is_extractable),
            ..template.clone()
        };
        if row.is_public && !template.is_public || row.is_featured && !template.is_featured {
            self.may_publish(call, &Template { is_routing: false, ..row.clone() }, &owner)?;
        }
        let mut accounts = self.sharers(&owner, &ask.accounts).await?;
        for project in &ask.projects {
            if project.account_id == owner.id {
                return Err(Error::invalid("projectids", format!("project {} owns the template", project.uuid)));
            }
            accounts.push(project.account_id);
        }
        let call = call.clone();
        self.db.write(move |tx| Box::pin(async move { share(tx, &call, row, op, accounts).await })).await
    }

    async fn sharers(&self, owner: &Account, names: &[String]) -> Result<Vec<i64>> {
        let mut ids = Vec::with_capacity(names.len());
        for name in names {
            let q = Query::live().eq("domain_id", owner.domain_id).eq("name", name);
            let account = self.db.find_one::<Account>(q).await?.ok_or_else(|| Error::not_found(Kind::Account, name))?;
            if account.id == owner.id {
                return Err(Error::invalid("accounts", format!("{name} owns the template")));
            }
            if !ids.contains(&account.id) {
                ids.push(account.id);
            }
        }
        Ok(ids)
    }
}

impl Call {
    /// Narrows a query over templates to those that the caller may use.
    pub async fn templates_seen(&self, q: Query) -> Result<Query> {
        if self.caller.is_root() {
            return Ok(q);
        }
        let me = [vec![self.caller.account_id], self.project_accounts().await?].concat();
        let shared = Query::all().id_in::<TemplatePermission>("template_id", Query::all().within("account_id", me.iter().copied()));
        let below = match self.caller.role() {
            Role::User | Role::Admin => Vec::new(),
            Role::DomainAdmin | Role::ResourceAdmin => self.subtree(&self.caller.domain_path).await?,
        };
        let mine = Query::all().within("account_id", me);
        Ok(q.any([mine, Query::all().within("domain_id", below), Query::all().eq("is_public", true), shared]))
    }
}

async fn insert(tx: &mut Tx, call: &Call, mut row: Template, stores: Vec<(i64, i64)>) -> Result<(Template, Vec<TemplateStore>)> {
    if counted(&row) {
        call.take(tx, row.account_id, &[(Limit::Template, 1)]).await?;
    }
    tx.insert(&mut row).await?;
    let mut places = Vec::with_capacity(stores.len());
    for (zone, store) in stores {
        let mut at = waiting(row.id, store, zone, row.created);
        tx.insert(&mut at).await?;
        places.push(at);
    }
    call.log(tx, topic(&row), format!("Template {} registered, id={}", row.name, row.uuid)).await?;
    Ok((row, places))
}

/// Takes a template's places away, and the template with the last one.
pub(crate) async fn forget(tx: &mut Tx, call: &Call, template: Template, going: Vec<TemplateStore>) -> Result<()> {
    let counted = counted(&template);
    for at in going {
        let at = tx.must::<TemplateStore>(at.id).await?;
        if !tx.remove::<TemplateStore>(at.id, call.now()).await? || at.state != DOWNLOADED || !counted {
            continue;
        }
        call.give_back(tx, template.account_id, &[(Limit::SecondaryStorage, at.physical_bytes)]).await?;
        let mut fact = UsageEvent {
            event_type: "TEMPLATE.DELETE".into(),
            account_id: template.account_id,
            domain_id: template.domain_id,
            zone_id: at.zone_id,
            resource_id: template.id,
            resource_name: Some(template.name.clone()),
            created: call.now(),
            ..Default::default()
        };
        tx.insert(&mut fact).await?;
    }
    if tx.count::<TemplateStore>(Query::live().eq("template_id", template.id)).await? == 0
        && tx.remove::<Template>(template.id, call.now()).await?
    {
        if counted {
            call.give_back(tx, template.account_id, &[(Limit::Template, 1)]).await?;
        }
        tx.delete::<TemplatePermission>(Query::all().eq("template_id", template.id)).await?;
        call.tags_forget(tx, if template.is_iso { "ISO" } else { "Template" }, template.id).await?;
    }
    call.log(tx, topic(&template), format!("Template {} deleted, id={}", template.name, template.uuid)).await
}

async fn share(tx: &mut Tx, call: &Call, row: Template, op: Option<String>, accounts: Vec<i64>) -> Result<Template> {
    let set =
        vec![("is_public", row.is_public.into()), ("is_featured", row.is_featured.into()), ("is_extractable", row.is_extractable.into())];
    tx.set::<Template>(row.id, set).await?;
    let of = Query::all().eq("template_id", row.id);
    match op.as_deref() {
        Some("reset") => drop(tx.delete::<TemplatePermission>(of).await?),
        Some("remove") => drop(tx.delete::<TemplatePermission>(of.within("account_id", accounts)).await?),
        Some("add") => {
            let there = tx.find::<TemplatePermission>(of).await?;
            for account_id in accounts.into_iter().filter(|a| !there.iter().any(|t| t.account_id == *a)) {
                let mut p = TemplatePermission { template_id: row.id, account_id, created: call.now(), ..Default::default() };
                tx.insert(&mut p).await?;
            }
        }
        _ => {}
    }
    call.log(tx, topic(&row), format!("Permissions of template {} changed, id={}", row.name, row.uuid)).await?;
    tx.must(row.id).await
}
