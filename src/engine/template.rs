//! Templates: what root disks are copied from.
use crate::Engine;
use stratus_model::{Error, Result};
use stratus_store::{OsType, Query, Template, TemplateStore, Tx};
use uuid::Uuid;

/// Bytes of the built-in template's disk.
const BUILTIN_BYTES: i64 = 2 << 30;

/// Writes the template of a fresh database; it arrives in a zone with the zone's first image store. After `seed_os_types`.
pub async fn seed_templates(tx: &mut Tx, now: i64) -> Result<()> {
    let os = tx.find_one::<OsType>(Query::all().eq("name", "CentOS 5.5 (64-bit)")).await?;
    let mut row = Template {
        uuid: Uuid::new_v4().to_string(),
        name: "CentOS 5.5(64-bit) no GUI (Simulator)".into(),
        display_text: "CentOS 5.5(64-bit) no GUI (Simulator)".into(),
        account_id: 1,
        domain_id: 1,
        format: "RAW".into(),
        hypervisor: Some("Simulator".into()),
        os_type_id: os.ok_or_else(|| Error::internal("the OS types come before the templates"))?.id,
        bits: 64,
        is_public: true,
        is_featured: true,
        is_extractable: true,
        is_bootable: true,
        template_type: "BUILTIN".into(),
        cross_zones: true,
        size_bytes: BUILTIN_BYTES,
        state: "Active".into(),
        created: now,
        ..Default::default()
    };
    tx.insert(&mut row).await.map(drop)
}

impl Engine {
    /// The built-in templates are there as soon as a zone has an image store: drivers make them out of nothing.
    pub async fn builtin_templates_arrive(&self, tx: &mut Tx, zone_id: i64, store_id: i64) -> Result<()> {
        let there = Query::live().eq("zone_id", zone_id);
        let q = Query::live().eq("template_type", "BUILTIN").eq("state", "Active");
        for template in tx.find::<Template>(q).await? {
            if tx.count::<TemplateStore>(there.clone().eq("template_id", template.id)).await? > 0 {
                continue;
            }
            let mut row = TemplateStore {
                template_id: template.id,
                store_id,
                zone_id,
                state: "DOWNLOADED".into(),
                percent: 100,
                physical_bytes: template.size_bytes,
                created: self.clock.now(),
                ..Default::default()
            };
            tx.insert(&mut row).await?;
        }
        Ok(())
    }
}
