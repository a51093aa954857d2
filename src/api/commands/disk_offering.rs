//! Disk offerings.
use crate::prelude::*;
use crate::views::disk_offering as view;
use stratus_engine::disk_offering::DiskOfferingList;
use stratus_engine::service_offering::OfferingUpdate;

found!(DiskOffering => Kind::DiskOffering);

/// Makes a disk offering.
#[derive(Command)]
#[command(name = "createDiskOffering", roles = "admin", answer = "diskoffering", view = view::DiskOffering, event = "DISK.OFFERING.CREATE")]
pub struct Create {
    /// what it says of itself
    #[param(length = 4096)]
    displaytext: String,
    /// its name
    name: String,
    /// bytes a second that a disk may read
    #[param(kind = "long", since = "4.2")]
    bytesreadrate: Option<i64>,
    /// bytes a second that a disk may write
    #[param(kind = "long", since = "4.2")]
    byteswriterate: Option<i64>,
    /// whether the size is given when a disk is made
    customized: Option<bool>,
    /// whether the IOPS are given when a disk is made
    #[param(since = "4.2")]
    customizediops: Option<bool>,
    /// size in GB
    #[param(kind = "long")]
    disksize: Option<i64>,
    /// whether users see it (the default)
    #[param(since = "4.2")]
    displayoffering: Option<bool>,
    /// the ID of the domain that it is for; for everybody when left out
    domainid: Option<Ref<store::Domain>>,
    /// room for snapshots on storage that the hypervisor manages, which this cloud has none of
    #[param(kind = "integer", since = "4.3")]
    hypervisorsnapshotreserve: Refused,
    /// requests a second that a disk may read
    #[param(kind = "long", since = "4.2")]
    iopsreadrate: Option<i64>,
    /// requests a second that a disk may write
    #[param(kind = "long", since = "4.2")]
    iopswriterate: Option<i64>,
    /// most IOPS
    #[param(kind = "long", since = "4.2")]
    maxiops: Option<i64>,
    /// least IOPS
    #[param(kind = "long", since = "4.2")]
    miniops: Option<i64>,
    /// shared (the default) or local
    #[param(since = "4.0")]
    storagetype: Option<String>,
    /// tags that the storage must have, comma separated
    #[param(length = 4096)]
    tags: Option<String>,
}
impl Run for Create {
    async fn run(self, call: &Call) -> Result<Answer> {
        let _ = self.hypervisorsnapshotreserve;
        let offering = store::DiskOffering {
            name: self.name,
            display_text: self.displaytext,
            size_gb: self.disksize.unwrap_or(0),
            is_custom: self.customized.unwrap_or(false),
            is_custom_iops: self.customizediops.unwrap_or(false),
            min_iops: self.miniops,
            max_iops: self.maxiops,
            tags: self.tags.filter(|t| !t.trim().is_empty()),
            domain_id: self.domainid.map(|d| d.0.id),
            storage_type: self.storagetype.map_or_else(|| "shared".into(), |t| t.to_lowercase()),
            bytes_read_rate: self.bytesreadrate,
            bytes_write_rate: self.byteswriterate,
            iops_read_rate: self.iopsreadrate,
            iops_write_rate: self.iopswriterate,
            display_offering: self.displayoffering.unwrap_or(true),
            ..Default::default()
        };
        let row = call.disk_offering_create(call, offering).await?;
        Ok(Answer::one(view::one(call, row).await?))
    }
}

/// Lists disk offerings.
#[derive(Command)]
#[command(name = "listDiskOfferings", roles = "all", answer = "diskoffering", view = view::DiskOffering)]
pub struct List {
    /// only those of the domain with this ID
    domainid: Option<Ref<store::Domain>>,
    /// only the offering with this ID
    id: Option<Ref<store::DiskOffering>>,
    /// only those with this name
    name: Option<String>,
    #[param(flatten)]
    page: Paging,
}
impl Run for List {
    async fn run(self, call: &Call) -> Result<Answer> {
        let page = self.page.range(call)?;
        let ask = DiskOfferingList {
            id: self.id.map(|i| i.0.id),
            name: self.name,
            domain: self.domainid.map(|d| d.0.id),
            keyword: self.page.keyword,
            page,
        };
        let found = call.disk_offering_list(call, ask).await?;
        Ok(Answer::list(found.count, view::of(call, found.rows).await?))
    }
}

/// Renames, reorders, shows or hides a disk offering; its size and kind never change.
#[derive(Command)]
#[command(name = "updateDiskOffering", roles = "admin", answer = "diskoffering", view = view::DiskOffering, event = "DISK.OFFERING.EDIT")]
pub struct Update {
    /// the ID of the disk offering
    id: Ref<store::DiskOffering>,
    /// whether users are to see it
    #[param(since = "4.3")]
    displayoffering: Option<bool>,
    /// what it is to say of itself
    #[param(length = 4096)]
    displaytext: Option<String>,
    /// its new name
    name: Option<String>,
    /// its place in lists, small ones first
    #[param(since = "3.0")]
    sortkey: Option<i64>,
}
impl Run for Update {
    async fn run(self, call: &Call) -> Result<Answer> {
        let ask = OfferingUpdate { name: self.name, display_text: self.displaytext, sort_key: self.sortkey, display: self.displayoffering };
        let row = call.disk_offering_update(call, self.id.0.id, ask).await?;
        Ok(Answer::one(view::one(call, row).await?))
    }
}

/// Deletes a disk offering; volumes that have it keep it.
#[derive(Command)]
#[command(name = "deleteDiskOffering", roles = "admin", event = "DISK.OFFERING.DELETE")]
pub struct Delete {
    /// the ID of the disk offering
    id: Ref<store::DiskOffering>,
}
impl Run for Delete {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.disk_offering_delete(call, self.id.0).await?;
        Ok(Answer::success())
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<Create>();
    r.add::<List>();
    r.add::<Update>();
    r.add::<Delete>();
}
