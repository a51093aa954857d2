//! Templates in answers: one record a template and zone.
use crate::declare::Texts;
use crate::prelude::*;
use crate::views::tag::{Owners, Tag};
use std::collections::BTreeMap;
use stratus_engine::template::TemplateInZone;
use stratus_engine::template_fetch::{DOWNLOADED, FAILED, WAITING};
use stratus_engine::template_make::MAKING;

/// A template as it stands in a zone.
#[derive(View, Debug, Clone)]
pub struct Template {
    /// the ID of the template
    pub id: String,
    /// its name
    pub name: String,
    /// what it says of itself
    pub displaytext: String,
    /// whether everybody may use it
    pub ispublic: bool,
    /// when it was made
    pub created: Date,
    /// when it was deleted
    pub removed: Option<Date>,
    /// whether VMs can be made of it in this zone
    pub isready: bool,
    /// whether its VMs can set a password at start
    pub passwordenabled: bool,
    /// the format of its disk
    pub format: String,
    /// whether it is shown before others
    pub isfeatured: bool,
    /// whether it is in every zone
    #[view(name = "crossZones")]
    pub cross_zones: bool,
    /// the ID of its OS type
    pub ostypeid: Option<String>,
    /// the name of its OS type
    pub ostypename: Option<String>,
    /// the ID of the account that owns it
    pub accountid: Option<String>,
    /// the account that owns it
    pub account: Option<String>,
    /// the ID of the zone
    pub zoneid: Option<String>,
    /// the name of the zone
    pub zonename: Option<String>,
    /// how far it has come; for who may change it
    pub status: Option<String>,
    /// size of its disk in bytes
    pub size: Option<i64>,
    /// what it is: USER, BUILTIN, SYSTEM, ROUTING
    pub templatetype: String,
    /// the hypervisor that it is for
    pub hypervisor: Option<String>,
    /// the name of its domain
    pub domain: Option<String>,
    /// the ID of its domain
    pub domainid: Option<String>,
    /// whether it can be downloaded
    pub isextractable: bool,
    /// whether a VM can boot from it
    pub bootable: bool,
    /// the checksum of its disk
    pub checksum: Option<String>,
    /// the ID of the template that it was made from
    pub sourcetemplateid: Option<String>,
    /// the ID of the host that holds it
    pub hostid: Option<String>,
    /// the name of the host that holds it
    pub hostname: Option<String>,
    /// its tag for the allocator
    pub templatetag: Option<String>,
    /// the ID of the project that owns it
    pub projectid: Option<String>,
    /// the name of the project that owns it
    pub project: Option<String>,
    /// more about it
    pub details: Option<BTreeMap<String, String>>,
    /// its tags
    pub tags: Vec<Tag>,
    /// whether its VMs take a key pair
    pub sshkeyenabled: bool,
    /// whether its VMs can grow while they run
    pub isdynamicallyscalable: bool,
}

/// Whom a template is shared with.
#[derive(View, Debug, Clone)]
pub struct TemplatePermissions {
    /// the ID of the template
    pub id: String,
    /// whether everybody may use it
    pub ispublic: bool,
    /// the ID of the owner's domain
    pub domainid: Option<String>,
    /// the accounts that it is shared with
    pub account: Texts,
    /// the projects that it is shared with
    pub projectids: Option<Texts>,
}

/// A page of templates.
pub(crate) async fn of(call: &Call, rows: Vec<TemplateInZone>) -> Result<Vec<Template>> {
    let owners = Owners::of(call, rows.iter().map(|t| (t.template.account_id, t.template.domain_id))).await?;
    let zones = call.db.by_ids::<store::Zone>(rows.iter().map(|t| t.at.zone_id)).await?;
    let systems = call.db.by_ids::<store::OsType>(rows.iter().map(|t| t.template.os_type_id)).await?;
    let sources = call.db.by_ids::<store::Template>(rows.iter().filter_map(|t| t.template.source_template_id)).await?;
    let ids: Vec<i64> = rows.iter().map(|t| t.template.id).collect();
    let iso = rows.iter().any(|t| t.template.is_iso);
    let tags = crate::views::tag::by_thing(call, if iso { "ISO" } else { "Template" }, &ids).await?;
    let one = |TemplateInZone { template: t, at }: TemplateInZone| {
        let (zone, system) = (zones.get(&at.zone_id), systems.get(&t.os_type_id));
        Template {
            ispublic: t.is_public,
            created: Date(t.created),
            removed: t.removed.map(Date),
            isready: at.state == DOWNLOADED,
            status: owners.may_touch(call, t.account_id, t.domain_id).then(|| status(&at)),
            ostypeid: system.map(|s| s.uuid.clone()),
            ostypename: system.map(|s| s.name.clone()),
            accountid: owners.account_uuid(t.account_id),
            account: owners.account(t.account_id),
            zoneid: zone.map(|z| z.uuid.clone()),
            zonename: zone.map(|z| z.name.clone()),
            size: Some(t.size_bytes).filter(|s| *s > 0),
            domain: owners.domain(t.domain_id),
            domainid: owners.domain_uuid(t.domain_id),
            sourcetemplateid: t.source_template_id.and_then(|s| sources.get(&s)).map(|s| s.uuid.clone()),
            details: t.details.as_deref().and_then(|d| serde_json::from_str(d).ok()),
            tags: tags.get(&t.id).cloned().unwrap_or_default(),
            hostid: None,
            hostname: None,
            project: owners.project(t.account_id),
            projectid: owners.project_uuid(t.account_id),
            id: t.uuid,
            name: t.name,
            displaytext: t.display_text,
            passwordenabled: t.password_enabled,
            format: t.format,
            isfeatured: t.is_featured,
            cross_zones: t.cross_zones,
            templatetype: t.template_type,
            hypervisor: t.hypervisor,
            isextractable: t.is_extractable,
            bootable: t.is_bootable,
            checksum: t.checksum,
            templatetag: t.tag,
            sshkeyenabled: t.ssh_key_enabled,
            isdynamicallyscalable: t.is_dynamic,
        }
    };
    Ok(rows.into_iter().map(one).collect())
}

/// How far a template has come, in the original's words.
fn status(at: &store::TemplateStore) -> String {
    match at.state.as_str() {
        DOWNLOADED => "Download Complete".into(),
        FAILED => at.error.clone().unwrap_or_else(|| "it did not come".into()),
        MAKING => "Creating".into(),
        WAITING => String::new(),
        _ => format!("{}% Downloaded", at.percent),
    }
}
