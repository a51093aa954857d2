//! Templates.
use crate::declare::{Group, ParamMeta, Parameter, Texts};
use crate::prelude::*;
use crate::request::Given;
use crate::views::template as view;
use stratus_engine::template::{TemplateFilter, TemplateInZone, TemplateList, TemplatePermissionUpdate, TemplateRegister, TemplateUpdate};
use stratus_engine::template_make::TemplateSource;

found!(Template owned);

/// Lists templates, one record a template and zone.
#[derive(Command)]
#[command(name = "listTemplates", roles = "all", answer = "template", view = view::Template)]
pub struct List {
    /// which are meant: featured, self, selfexecutable, sharedexecutable, executable, community or all
    templatefilter: String,
    /// only those for this hypervisor
    hypervisor: Option<String>,
    /// only the template with this ID
    id: Option<Ref<store::Template>>,
    /// only those with this name
    name: Option<String>,
    /// true for deleted ones too; for root administrators
    #[param(since = "4.2")]
    showremoved: Option<bool>,
    /// only those in the zone with this ID
    zoneid: Option<Ref<store::Zone>>,
    #[param(flatten)]
    tags: Tags,
    #[param(flatten)]
    scoped: Scoped,
    #[param(flatten)]
    page: Paging,
}
impl Run for List {
    async fn run(self, call: &Call) -> Result<Answer> {
        let page = self.page.range(call)?;
        let filter = TemplateFilter::read(&self.templatefilter)?;
        // Only root may ask for all, and means all.
        let scope = self.scoped.scope(call, self.id.is_some() || filter == TemplateFilter::All).await?;
        let ask = TemplateList {
            filter,
            scope,
            id: self.id.map(|t| t.0.id),
            name: self.name,
            hypervisor: self.hypervisor,
            zone: self.zoneid.map(|z| z.0.id),
            keyword: self.page.keyword,
            tags: self.tags.0,
            removed: self.showremoved.unwrap_or(false),
            iso: false,
            bootable: None,
            public: None,
            ready: None,
            page,
        };
        let found = call.template_list(call, ask).await?;
        Ok(Answer::list(found.count, view::of(call, found.rows).await?))
    }
}

/// Registers a template from a URL; it is fetched in the background.
#[derive(Command)]
#[command(name = "registerTemplate", roles = "all", answer = "template", view = view::Template, event = "TEMPLATE.CREATE")]
pub struct Register {
    /// what it says of itself
    #[param(length = 4096)]
    displaytext: String,
    /// the format of its disk: QCOW2, RAW, VHD, OVA …
    format: String,
    /// the hypervisor that it is for
    hypervisor: String,
    /// its name
    name: String,
    /// the ID of its OS type
    ostypeid: Ref<store::OsType>,
    /// where it is fetched from, http or https
    url: String,
    /// the ID of the zone that it is to be in; -1 for all of them
    #[param(kind = "uuid")]
    zoneid: String,
    /// the account that is to own it; needs domainid unless it is in the caller's domain
    account: Option<String>,
    /// 32 or 64 (the default)
    bits: Option<i64>,
    /// the checksum that its file must have
    checksum: Option<String>,
    /// more about it, details[0].name=value
    details: Option<MapList>,
    /// the ID of that account's domain
    domainid: Option<Ref<store::Domain>>,
    /// whether its VMs can grow while they run
    #[param(since = "4.2")]
    isdynamicallyscalable: Option<bool>,
    /// whether it can be downloaded
    isextractable: Option<bool>,
    /// whether it is shown before others; for root administrators
    isfeatured: Option<bool>,
    /// whether everybody may use it
    ispublic: Option<bool>,
    /// whether virtual routers are made of it; for root administrators
    #[param(since = "4.2")]
    isrouting: Option<bool>,
    /// whether its VMs can set a password at start
    passwordenabled: Option<bool>,
    /// a project that is to own it
    #[param(since = "3.0")]
    projectid: Option<Ref<store::Project>>,
    /// whether it needs hardware virtualisation (the default)
    requireshvm: Option<bool>,
    /// whether its VMs take a key pair
    #[param(since = "3.0")]
    sshkeyenabled: Option<bool>,
    /// its tag for the allocator
    templatetag: Option<String>,
}
impl Run for Register {
    async fn run(self, call: &Call) -> Result<Answer> {
        let owner =
            call.acting_owner(self.account.as_deref(), self.domainid.as_ref().map(|d| &d.0), self.projectid.as_ref().map(|p| &p.0)).await?;
        let template = store::Template {
            name: self.name,
            display_text: self.displaytext,
            format: self.format,
            hypervisor: Some(self.hypervisor),
            os_type_id: self.ostypeid.0.id,
            url: Some(self.url),
            checksum: self.checksum,
            bits: self.bits.unwrap_or(64),
            requires_hvm: self.requireshvm.unwrap_or(true),
            password_enabled: self.passwordenabled.unwrap_or(false),
            ssh_key_enabled: self.sshkeyenabled.unwrap_or(false),
            is_public: self.ispublic.unwrap_or(false),
            is_featured: self.isfeatured.unwrap_or(false),
            is_extractable: self.isextractable.unwrap_or(false),
            is_dynamic: self.isdynamicallyscalable.unwrap_or(false),
            is_routing: self.isrouting.unwrap_or(false),
            tag: self.templatetag,
            ..Default::default()
        };
        let zone = zone_of(call, &self.zoneid).await?;
        let details = self.details.map(|d| d.merged()).unwrap_or_default();
        let made = call.template_register(call, &owner, TemplateRegister { template, zone, details }).await?;
        Ok(Answer::list(made.len() as i64, view::of(call, made).await?))
    }
}

/// Makes a template from a volume whose VM is off, or from a snapshot.
#[derive(Command)]
#[command(
    name = "createTemplate",
    roles = "all",
    answer = "template",
    view = view::Template,
    event = "TEMPLATE.CREATE",
    job = "creating template",
    create
)]
pub struct Make {
    /// what it says of itself
    #[param(length = 4096)]
    displaytext: String,
    /// its name
    name: String,
    /// the ID of its OS type
    ostypeid: Ref<store::OsType>,
    /// 32 or 64 (the default)
    bits: Option<i64>,
    /// more about it, details[0].name=value
    details: Option<MapList>,
    /// whether its VMs can grow while they run
    #[param(since = "4.2")]
    isdynamicallyscalable: Option<bool>,
    /// whether it is shown before others; for root administrators
    isfeatured: Option<bool>,
    /// whether everybody may use it
    ispublic: Option<bool>,
    /// whether its VMs can set a password at start
    passwordenabled: Option<bool>,
    /// whether it needs hardware virtualisation
    requireshvm: Option<bool>,
    /// the ID of the snapshot to make it from; this or volumeid
    snapshotid: Option<Owned<store::Snapshot>>,
    /// its tag for the allocator
    templatetag: Option<String>,
    /// where a bare-metal image is, which this cloud does not take
    url: Refused,
    /// the bare-metal VM to make it from, which this cloud does not take
    #[param(kind = "uuid")]
    virtualmachineid: Refused,
    /// the ID of the volume to make it from; this or snapshotid
    volumeid: Option<Owned<store::Volume>>,
}

impl Create for Make {
    async fn create(self, call: &Call, job: JobDraft) -> Result<Created> {
        let source = match (self.volumeid, self.snapshotid) {
            (Some(v), None) => TemplateSource::Volume(v.0),
            (None, Some(s)) => TemplateSource::Snapshot(s.0),
            (None, None) => return Err(Error::invalid("volumeid", "a template is made from a volume or a snapshot; give one of the two")),
            (Some(_), Some(_)) => return Err(Error::invalid("snapshotid", "give either volumeid or snapshotid, not both")),
        };
        let details = self.details.map(|d| d.merged()).unwrap_or_default();
        let ask = store::Template {
            name: self.name,
            display_text: self.displaytext,
            os_type_id: self.ostypeid.0.id,
            bits: self.bits.unwrap_or(64),
            requires_hvm: self.requireshvm.unwrap_or(false),
            password_enabled: self.passwordenabled.unwrap_or(false),
            is_public: self.ispublic.unwrap_or(false),
            is_featured: self.isfeatured.unwrap_or(false),
            is_dynamic: self.isdynamicallyscalable.unwrap_or(false),
            tag: self.templatetag,
            details: (!details.is_empty()).then(|| serde_json::to_string(&details)).transpose().map_err(Error::internal)?,
            ..Default::default()
        };
        let (template, job) = call.template_make(call, source, ask, job).await?;
        Ok(Created { job, uuid: template.uuid })
    }
    async fn finish(call: &Call, id: i64) -> Result<Answer> {
        let source = match call.job_parameter(call, "volumeid").await? {
            Some(v) => TemplateSource::Volume(crate::resolve::named(call, "volumeid", &v).await?),
            None => {
                let snapshot = call.job_parameter(call, "snapshotid").await?.unwrap_or_default();
                TemplateSource::Snapshot(crate::resolve::named(call, "snapshotid", &snapshot).await?)
            }
        };
        let template = call.template_make_run(call, id, source).await?;
        let at = call.db.find_one::<store::TemplateStore>(store::Query::live().eq("template_id", id)).await?;
        let at = at.ok_or_else(|| Error::not_found(Kind::Template, &template.uuid))?;
        views::one(view::of(call, vec![TemplateInZone { template, at }]).await?)
    }
}

/// Makes a template of the caller's own with the bytes of one that it may use, in every zone where that one is ready. Beside 4.3: what
/// EC2's `CopyImage` asks for.
#[derive(Command)]
#[command(
    name = "duplicateTemplate",
    roles = "all",
    answer = "template",
    view = view::Template,
    event = "TEMPLATE.COPY",
    job = "copying template",
    create
)]
pub struct Duplicate {
    /// the ID of the template to copy
    id: Ref<store::Template>,
    /// the name of the copy
    name: String,
    /// what the copy says of itself; as the first one does when it is not given
    #[param(length = 4096)]
    displaytext: Option<String>,
}

impl Create for Duplicate {
    async fn create(self, call: &Call, job: JobDraft) -> Result<Created> {
        let source = self.id.0;
        let display_text = self.displaytext.unwrap_or_else(|| source.display_text.clone());
        let ask = store::Template { name: self.name, display_text, ..Default::default() };
        let (template, job) = call.template_duplicate(call, source, ask, job).await?;
        Ok(Created { job, uuid: template.uuid })
    }
    async fn finish(call: &Call, id: i64) -> Result<Answer> {
        let template = call.template_duplicate_run(call, id).await?;
        let at = call.db.find_one::<store::TemplateStore>(store::Query::live().eq("template_id", id)).await?;
        let at = at.ok_or_else(|| Error::not_found(Kind::Template, &template.uuid))?;
        views::one(view::of(call, vec![TemplateInZone { template, at }]).await?)
    }
}

/// The zone with this ID; none for `-1`, which means all of them.
pub(crate) async fn zone_of(call: &Call, id: &str) -> Result<Option<store::Zone>> {
    match id.trim().parse::<i64>() {
        Ok(-1) => Ok(None),
        Ok(n) => {
            let found = call.db.find_one(store::Query::live().eq("id", n)).await?;
            found.map(Some).ok_or_else(|| Error::not_found(Kind::Zone, id))
        }
        Err(_) => call.db.by_uuid(Kind::Zone, &id.trim().to_ascii_lowercase()).await.map(Some),
    }
}

/// Changes what is said of a template.
#[derive(Command)]
#[command(name = "updateTemplate", roles = "all", answer = "template", view = view::Template, event = "TEMPLATE.UPDATE")]
pub struct Update {
    /// the ID of the template
    id: Owned<store::Template>,
    /// whether a VM can boot from it
    bootable: Option<bool>,
    /// what it is to say of itself
    #[param(length = 4096)]
    displaytext: Option<String>,
    /// the format of its disk
    format: Option<String>,
    /// whether its VMs can grow while they run
    #[param(since = "4.2")]
    isdynamicallyscalable: Option<bool>,
    /// whether virtual routers are made of it; for root administrators
    #[param(since = "4.2")]
    isrouting: Option<bool>,
    /// its new name
    name: Option<String>,
    /// the ID of its OS type
    ostypeid: Option<Ref<store::OsType>>,
    /// whether its VMs can set a password at start
    passwordenabled: Option<bool>,
    /// its place in lists, small ones first
    #[param(since = "3.0")]
    sortkey: Option<i64>,
}
impl Run for Update {
    async fn run(self, call: &Call) -> Result<Answer> {
        let ask = TemplateUpdate {
            name: self.name,
            display_text: self.displaytext,
            format: self.format,
            os_type: self.ostypeid.map(|o| o.0),
            bootable: self.bootable,
            password_enabled: self.passwordenabled,
            dynamic: self.isdynamicallyscalable,
            routing: self.isrouting,
            sort_key: self.sortkey,
        };
        let template = call.template_update(call, &self.id.0, ask).await?;
        let at = call.db.find_one(store::Query::live().eq("template_id", template.id)).await?.unwrap_or_default();
        let mut views = view::of(call, vec![TemplateInZone { template, at }]).await?;
        views.pop().map(Answer::one).ok_or_else(|| Error::internal("a template without a record"))
    }
}

/// Deletes a template in a zone or everywhere; VMs that were made of it go on.
#[derive(Command)]
#[command(name = "deleteTemplate", roles = "all", event = "TEMPLATE.DELETE", job = "deleting a template", on = "id")]
pub struct Delete {
    /// the ID of the template
    id: Owned<store::Template>,
    /// the ID of the only zone that it is to go from
    zoneid: Option<Ref<store::Zone>>,
}
impl Run for Delete {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.template_delete(call, self.id.0, self.zoneid.map(|z| z.0.id)).await?;
        Ok(Answer::success())
    }
}

/// Brings a template to another zone.
#[derive(Command)]
#[command(
    name = "copyTemplate",
    roles = "all",
    answer = "template",
    view = view::Template,
    event = "TEMPLATE.COPY",
    job = "copying a template",
    on = "id"
)]
pub struct Copy {
    /// the ID of the zone that it is to be in
    destzoneid: Ref<store::Zone>,
    /// the ID of the template
    id: Owned<store::Template>,
    /// the ID of a zone that it is in
    sourcezoneid: Option<Ref<store::Zone>>,
}
impl Run for Copy {
    async fn run(self, call: &Call) -> Result<Answer> {
        let (template, from) = (self.id.0, self.sourcezoneid.map(|z| z.0));
        if template.is_iso {
            return Err(Error::not_found(Kind::Template, template.uuid));
        }
        let copied = call.template_copy(call, &template, from.as_ref(), &self.destzoneid.0).await?;
        views::one(view::of(call, vec![copied]).await?)
    }
}

/// Brings a template to the pools of a zone before the first VM is made of it.
#[derive(Command)]
#[command(name = "prepareTemplate", roles = "admin", answer = "template", view = view::Template)]
pub struct Prepare {
    /// the ID of the template
    templateid: Ref<store::Template>,
    /// the ID of the zone
    zoneid: Ref<store::Zone>,
}
impl Run for Prepare {
    async fn run(self, call: &Call) -> Result<Answer> {
        let prepared = call.template_preload(call, &self.templateid.0, &self.zoneid.0).await?;
        Ok(Answer::list(1, view::of(call, vec![prepared]).await?))
    }
}

/// Says whom a template is shared with.
#[derive(Command)]
#[command(name = "listTemplatePermissions", roles = "all", answer = "templatepermission", view = view::TemplatePermissions)]
pub struct ListPermissions {
    /// the ID of the template
    id: Owned<store::Template>,
}
impl Run for ListPermissions {
    async fn run(self, call: &Call) -> Result<Answer> {
        permissions(call, self.id.0).await
    }
}

/// Whom a template or ISO is shared with.
pub(crate) async fn permissions(call: &Call, template: store::Template) -> Result<Answer> {
    let (accounts, projects) = call.template_permissions(&template).await?;
    let domain = call.db.get::<store::Domain>(template.domain_id).await?;
    Ok(Answer::one(view::TemplatePermissions {
        id: template.uuid,
        ispublic: template.is_public,
        domainid: domain.filter(|_| call.caller.is_admin()).map(|d| d.uuid),
        account: Texts(accounts),
        projectids: (!projects.is_empty()).then_some(Texts(projects)),
    }))
}

/// How the sharing of a template or an ISO changes.
pub(crate) struct Sharing(pub TemplatePermissionUpdate);
impl Group for Sharing {
    fn parameters() -> Vec<ParamMeta> {
        let one = |name, kind, description| ParamMeta { name, description, kind, required: false, length: 255, since: None };
        vec![
            one("accounts", "list", "the names of accounts of its domain, comma separated"),
            one("isextractable", "boolean", "whether it can be downloaded; for root administrators"),
            one("isfeatured", "boolean", "whether it is shown before others; for root administrators"),
            one("ispublic", "boolean", "whether everybody may use it"),
            one("op", "string", "add or remove the accounts and projects, or reset everything"),
            ParamMeta { since: Some("3.0"), ..one("projectids", "list", "projects whose members may use it") },
        ]
    }
    async fn parse(call: &Call, given: &mut Given) -> Result<Self> {
        let projects = <Option<Vec<Owned<store::Project>>> as Parameter>::take(call, given, "projectids", 255).await?;
        Ok(Self(TemplatePermissionUpdate {
            public: <Option<bool> as Parameter>::take(call, given, "ispublic", 255).await?,
            featured: <Option<bool> as Parameter>::take(call, given, "isfeatured", 255).await?,
            extractable: <Option<bool> as Parameter>::take(call, given, "isextractable", 255).await?,
            op: <Option<String> as Parameter>::take(call, given, "op", 255).await?,
            accounts: <Option<Vec<String>> as Parameter>::take(call, given, "accounts", 255).await?.unwrap_or_default(),
            projects: projects.unwrap_or_default().into_iter().map(|p| p.0).collect(),
        }))
    }
}

/// Changes whom a template is shared with.
#[derive(Command)]
#[command(name = "updateTemplatePermissions", roles = "all", event = "TEMPLATE.UPDATE")]
pub struct UpdatePermissions {
    /// the ID of the template
    id: Owned<store::Template>,
    #[param(flatten)]
    sharing: Sharing,
}
impl Run for UpdatePermissions {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.template_share(call, &self.id.0, self.sharing.0).await?;
        Ok(Answer::success())
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<List>();
    r.add::<Register>();
    r.add::<Make>();
    r.add::<Duplicate>();
    r.add::<Update>();
    r.add::<Delete>();
    r.add::<Copy>();
    r.add::<Prepare>();
    r.add::<ListPermissions>();
    r.add::<UpdatePermissions>();
}
