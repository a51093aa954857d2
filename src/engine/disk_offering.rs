//! Disk offerings: how big a data disk is and what kind of storage it wants. As with service offerings, size and kind never change.
use crate::offering;
use crate::service_offering::{OfferingUpdate, check_common, update_columns};
use crate::{Call, Engine, Listing, Topic};
use stratus_model::{Error, Kind, Result};
use stratus_store::{DiskOffering, Query, Tx};
use uuid::Uuid;

/// Writes the disk offerings of a fresh database.
pub async fn seed_disk_offerings(tx: &mut Tx, now: i64) -> Result<()> {
    let one = |name: &str, text: String, size_gb| DiskOffering {
        uuid: Uuid::new_v4().to_string(),
        name: name.into(),
        display_text: text,
        size_gb,
        is_custom: size_gb == 0,
        storage_type: "shared".into(),
        display_offering: true,
        created: now,
        ..Default::default()
    };
    let mut rows: Vec<DiskOffering> =
        [("Small", 5), ("Medium", 20), ("Large", 100)].iter().map(|(n, gb)| one(n, format!("{n} disk, {gb} GB"), *gb)).collect();
    rows.push(one("Custom", "Disk of a size given at creation".into(), 0));
    tx.insert_all(&rows).await
}

/// Which disk offerings to list.
#[derive(Debug, Clone, Default)]
pub struct DiskOfferingList {
    /// This one only.
    pub id: Option<i64>,
    /// With this name.
    pub name: Option<String>,
    /// Of this domain.
    pub domain: Option<i64>,
    /// Whose name or text holds this.
    pub keyword: Option<String>,
    /// First row and number of rows.
    pub page: (i64, i64),
}

fn check(o: &DiskOffering, most_gb: i64) -> Result<()> {
    check_common(&o.name, &o.display_text, &o.storage_type)?;
    match (o.is_custom, o.size_gb) {
        (true, n) if n != 0 => return Err(Error::invalid("disksize", "a custom disk gets its size when it is made")),
        (false, n) if n < 1 => return Err(Error::invalid("disksize", "a size in GB of at least 1 is needed, or customized=true")),
        (_, n) if n > most_gb => return Err(Error::invalid("disksize", format!("above storage.max.volume.size, {most_gb} GB"))),
        _ => {}
    }
    if o.is_custom_iops && (o.min_iops.is_some() || o.max_iops.is_some()) {
        return Err(Error::invalid("customizediops", "with true, miniops and maxiops are given when the disk is made"));
    }
    if o.min_iops.is_some() != o.max_iops.is_some() {
        return Err(Error::invalid("miniops", "give both miniops and maxiops, or none"));
    }
    if o.min_iops > o.max_iops {
        return Err(Error::invalid("miniops", "must not be above maxiops"));
    }
    Ok(())
}

impl Engine {
    /// Whether the caller may use a disk offering.
    pub async fn disk_offering_visible(&self, call: &Call, offering: &DiskOffering) -> Result<bool> {
        call.domain_seen(offering.domain_id).await
    }

    /// Makes a disk offering. Key, uuid and times of the row are given here.
    pub async fn disk_offering_create(&self, call: &Call, offering: DiskOffering) -> Result<DiskOffering> {
        let most = match self.settings.number("storage.max.volume.size") {
            n if n > 0 => n,
            _ => 2000,
        };
        let mut row = offering;
        check(&row, most)?;
        row.uuid = Uuid::new_v4().to_string();
        row.created = call.now();
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    tx.insert(&mut row).await?;
                    let topic = Topic::of_caller(&call, Kind::DiskOffering, row.id);
                    call.log(tx, topic, format!("Disk offering {} made, id={}", row.name, row.uuid)).await?;
                    Ok(row)
                })
            })
            .await
    }

    /// Lists disk offerings that the caller sees; users do not see those with displayoffering=false.
    pub async fn disk_offering_list(&self, call: &Call, ask: DiskOfferingList) -> Result<Listing<DiskOffering>> {
        let mut q = Query::live().eq_opt("id", ask.id).eq_opt("name", ask.name.as_deref()).eq_opt("domain_id", ask.domain);
        if !call.caller.is_root() {
            q = q.eq("display_offering", true);
        }
        if let Some(k) = &ask.keyword {
            q = q.holds(&["name", "display_text"], k);
        }
        let q = call.offerings_seen(q).await?.order("sort_key");
        let (offset, limit) = ask.page;
        Ok(Listing { count: self.db.count::<DiskOffering>(q.clone()).await?, rows: self.db.find(q.page(offset, limit)).await? })
    }

    /// Renames, reorders, shows or hides a disk offering.
    pub async fn disk_offering_update(&self, call: &Call, id: i64, ask: OfferingUpdate) -> Result<DiskOffering> {
        offering::change(call, id, update_columns(&ask)?).await
    }

    /// Hides a disk offering; volumes that have it keep it.
    pub async fn disk_offering_delete(&self, call: &Call, row: DiskOffering) -> Result<()> {
        offering::hide(call, row).await
    }
}
