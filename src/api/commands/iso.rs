//! ISOs: templates of a drive. What they share with templates is done by the same verbs.
use crate::commands::template::{Sharing, permissions, zone_of};
use crate::prelude::*;
use crate::views::template as view;
use stratus_engine::template::{TemplateFilter, TemplateInZone, TemplateList, TemplateRegister, TemplateUpdate};

/// An ISO that exists; the id of a template is not one's.
fn iso(template: store::Template) -> Result<store::Template> {
    if template.is_iso { Ok(template) } else { Err(Error::not_found(Kind::Iso, template.uuid)) }
}

/// Registers an ISO from a URL; it is fetched in the background.
#[derive(Command)]
#[command(name = "registerIso", roles = "all", answer = "iso", view = view::Template, event = "ISO.CREATE")]
pub struct Register {
    /// what it says of itself
    #[param(length = 4096)]
    displaytext: String,
    /// its name
    name: String,
    /// where it is fetched from, http or https
    url: String,
    /// the ID of the zone that it is to be in; -1 for all of them
    #[param(kind = "uuid")]
    zoneid: String,
    /// the account that is to own it; needs domainid unless it is in the caller's domain
    account: Option<String>,
    /// whether a VM can boot from it (the default); then its OS type is needed
    bootable: Option<bool>,
    /// the checksum that its file must have
    #[param(since = "3.0")]
    checksum: Option<String>,
    /// the ID of that account's domain
    domainid: Option<Ref<store::Domain>>,
    /// an image store of one's choice; the zone's own is taken
    #[param(since = "4.2")]
    imagestoreuuid: Refused,
    /// whether its VMs can grow while they run
    #[param(since = "4.2")]
    isdynamicallyscalable: Option<bool>,
    /// whether it can be downloaded
    isextractable: Option<bool>,
    /// whether it is shown before others; for root administrators
    isfeatured: Option<bool>,
    /// whether everybody may use it
    ispublic: Option<bool>,
    /// the ID of its OS type
    ostypeid: Option<Ref<store::OsType>>,
    /// the project that is to own it
    #[param(since = "3.0")]
    projectid: Option<Ref<store::Project>>,
}
impl Run for Register {
    async fn run(self, call: &Call) -> Result<Answer> {
        let _ = self.imagestoreuuid;
        let (domain, project) = (self.domainid.as_ref().map(|d| &d.0), self.projectid.as_ref().map(|p| &p.0));
        let owner = call.acting_owner(self.account.as_deref(), domain, project).await?;
        let bootable = self.bootable.unwrap_or(true);
        let os = match self.ostypeid {
            Some(os) => os.0.id,
            None if bootable => return Err(Error::invalid("ostypeid", "a bootable ISO needs its OS type")),
            None => call.os_type_none().await?.id,
        };
        let template = store::Template {
            name: self.name,
            display_text: self.displaytext,
            is_iso: true,
            os_type_id: os,
            url: Some(self.url),
            checksum: self.checksum,
            bits: 64,
            requires_hvm: true,
            is_bootable: bootable,
            is_public: self.ispublic.unwrap_or(false),
            is_featured: self.isfeatured.unwrap_or(false),
            is_extractable: self.isextractable.unwrap_or(true),
            is_dynamic: self.isdynamicallyscalable.unwrap_or(false),
            ..Default::default()
        };
        let zone = zone_of(call, &self.zoneid).await?;
        let ask = TemplateRegister { template, zone, ..Default::default() };
        let made = call.template_register(call, &owner, ask).await?;
        Ok(Answer::list(made.len() as i64, view::of(call, made).await?))
    }
}

/// Lists ISOs, one record an ISO and zone.
#[derive(Command)]
#[command(name = "listIsos", roles = "all", answer = "iso", view = view::Template)]
pub struct List {
    /// only bootable ones, or only others
    bootable: Option<bool>,
    /// the hypervisor; an ISO is for every one, so this narrows nothing
    hypervisor: Ignored,
    /// only the ISO with this ID
    id: Option<Ref<store::Template>>,
    /// which are meant: featured, self (the default), selfexecutable, sharedexecutable, executable, community or all
    isofilter: Option<String>,
    /// only those that everybody may use, or only others
    ispublic: Option<bool>,
    /// only those that are ready, or only others
    isready: Option<bool>,
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
        let _ = self.hypervisor;
        let page = self.page.range(call)?;
        let filter = TemplateFilter::read(self.isofilter.as_deref().unwrap_or("selfexecutable"))?;
        let scope = self.scoped.scope(call, self.id.is_some() || filter == TemplateFilter::All).await?;
        let ask = TemplateList {
            filter,
            scope,
            id: self.id.map(|t| t.0.id),
            name: self.name,
            hypervisor: None,
            zone: self.zoneid.map(|z| z.0.id),
            keyword: self.page.keyword,
            tags: self.tags.0,
            removed: self.showremoved.unwrap_or(false),
            iso: true,
            bootable: self.bootable,
            public: self.ispublic,
            ready: self.isready,
            page,
        };
        let found = call.template_list(call, ask).await?;
        Ok(Answer::list(found.count, view::of(call, found.rows).await?))
    }
}

/// Changes what is said of an ISO.
#[derive(Command)]
#[command(name = "updateIso", roles = "all", answer = "iso", view = view::Template, event = "ISO.UPDATE")]
pub struct Update {
    /// the ID of the ISO
    id: Owned<store::Template>,
    /// whether a VM can boot from it
    bootable: Option<bool>,
    /// what it is to say of itself
    #[param(length = 4096)]
    displaytext: Option<String>,
    /// the format; an ISO's is ISO
    format: Refused,
    /// whether its VMs can grow while they run
    #[param(since = "4.2")]
    isdynamicallyscalable: Option<bool>,
    /// virtual routers are not made of ISOs
    #[param(kind = "boolean", since = "4.2")]
    isrouting: Refused,
    /// its new name
    name: Option<String>,
    /// the ID of its OS type
    ostypeid: Option<Ref<store::OsType>>,
    /// what is installed from an ISO sets no password by itself
    #[param(kind = "boolean")]
    passwordenabled: Refused,
    /// its place in lists, small ones first
    #[param(since = "3.0")]
    sortkey: Option<i64>,
}
impl Run for Update {
    async fn run(self, call: &Call) -> Result<Answer> {
        let _ = (self.format, self.isrouting, self.passwordenabled);
        let ask = TemplateUpdate {
            name: self.name,
            display_text: self.displaytext,
            os_type: self.ostypeid.map(|o| o.0),
            bootable: self.bootable,
            dynamic: self.isdynamicallyscalable,
            sort_key: self.sortkey,
            ..Default::default()
        };
        let template = call.template_update(call, &iso(self.id.0)?, ask).await?;
        let at = call.db.find_one(store::Query::live().eq("template_id", template.id)).await?.unwrap_or_default();
        views::one(view::of(call, vec![TemplateInZone { template, at }]).await?)
    }
}

/// Deletes an ISO that no drive holds, in a zone or everywhere.
#[derive(Command)]
#[command(name = "deleteIso", roles = "all", event = "ISO.DELETE", job = "deleting an ISO", on = "id", wrapper = "deleteisosresponse")]
pub struct Delete {
    /// the ID of the ISO
    id: Owned<store::Template>,
    /// the ID of the only zone that it is to go from
    zoneid: Option<Ref<store::Zone>>,
}
impl Run for Delete {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.template_delete(call, iso(self.id.0)?, self.zoneid.map(|z| z.0.id)).await?;
        Ok(Answer::success())
    }
}

/// Brings an ISO to another zone.
#[derive(Command)]
#[command(
    name = "copyIso",
    roles = "all",
    answer = "template",
    view = view::Template,
    event = "ISO.COPY",
    job = "copying an ISO",
    on = "id",
    wrapper = "copytemplateresponse"
)]
pub struct Copy {
    /// the ID of the zone that it is to be in
    destzoneid: Ref<store::Zone>,
    /// the ID of the ISO
    id: Owned<store::Template>,
    /// the ID of a zone that it is in
    sourcezoneid: Option<Ref<store::Zone>>,
}
impl Run for Copy {
    async fn run(self, call: &Call) -> Result<Answer> {
        let from = self.sourcezoneid.map(|z| z.0);
        let copied = call.template_copy(call, &iso(self.id.0)?, from.as_ref(), &self.destzoneid.0).await?;
        views::one(view::of(call, vec![copied]).await?)
    }
}

/// Puts an ISO into the drive of a VM.
#[derive(Command)]
#[command(
    name = "attachIso",
    roles = "all",
    answer = "virtualmachine",
    view = views::vm::Vm,
    event = "ISO.ATTACH",
    job = "attaching an ISO",
    on = "virtualmachineid"
)]
pub struct Attach {
    /// the ID of the ISO
    id: Ref<store::Template>,
    /// the ID of the VM
    virtualmachineid: Owned<store::Vm>,
}
impl Run for Attach {
    async fn run(self, call: &Call) -> Result<Answer> {
        let vm = call.iso_attach(call, self.virtualmachineid.0, iso(self.id.0)?).await?;
        views::one(views::vm::of(call, vec![vm]).await?)
    }
}

/// Takes the ISO out of the drive of a VM.
#[derive(Command)]
#[command(
    name = "detachIso",
    roles = "all",
    answer = "virtualmachine",
    view = views::vm::Vm,
    event = "ISO.DETACH",
    job = "detaching an ISO",
    on = "virtualmachineid"
)]
pub struct Detach {
    /// the ID of the VM
    virtualmachineid: Owned<store::Vm>,
}
impl Run for Detach {
    async fn run(self, call: &Call) -> Result<Answer> {
        let vm = call.iso_detach(self.virtualmachineid.0).await?;
        views::one(views::vm::of(call, vec![vm]).await?)
    }
}

/// Says whom an ISO is shared with.
#[derive(Command)]
#[command(
    name = "listIsoPermissions",
    roles = "all",
    answer = "templatepermission",
    view = view::TemplatePermissions,
    wrapper = "listtemplatepermissionsresponse"
)]
pub struct ListPermissions {
    /// the ID of the ISO
    id: Owned<store::Template>,
}
impl Run for ListPermissions {
    async fn run(self, call: &Call) -> Result<Answer> {
        permissions(call, iso(self.id.0)?).await
    }
}

/// Changes whom an ISO is shared with.
#[derive(Command)]
#[command(name = "updateIsoPermissions", roles = "all", event = "ISO.UPDATE")]
pub struct UpdatePermissions {
    /// the ID of the ISO
    id: Owned<store::Template>,
    #[param(flatten)]
    sharing: Sharing,
}
impl Run for UpdatePermissions {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.template_share(call, &iso(self.id.0)?, self.sharing.0).await?;
        Ok(Answer::success())
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<Register>();
    r.add::<List>();
    r.add::<Update>();
    r.add::<Delete>();
    r.add::<Copy>();
    r.add::<Attach>();
    r.add::<Detach>();
    r.add::<ListPermissions>();
    r.add::<UpdatePermissions>();
}
