//! Disk offerings in answers.
use crate::prelude::*;

/// A disk offering.
#[derive(View, Debug, Clone)]
pub struct DiskOffering {
    /// the ID of the disk offering
    pub id: String,
    /// the ID of the domain that it is for
    pub domainid: Option<String>,
    /// the name of the domain that it is for
    pub domain: Option<String>,
    /// its name
    pub name: String,
    /// what it says of itself
    pub displaytext: String,
    /// size in GB; 0 when given at creation
    pub disksize: i64,
    /// when it was made
    pub created: Date,
    /// whether the size is given at creation
    pub iscustomized: bool,
    /// whether the IOPS are given at creation
    pub iscustomizediops: bool,
    /// least IOPS
    pub miniops: Option<i64>,
    /// most IOPS
    pub maxiops: Option<i64>,
    /// tags that the storage must have
    pub tags: Option<String>,
    /// whether disks lie on shared or local storage
    pub storagetype: String,
    /// bytes a second that a disk may read
    #[view(name = "diskBytesReadRate")]
    pub bytes_read: Option<i64>,
    /// bytes a second that a disk may write
    #[view(name = "diskBytesWriteRate")]
    pub bytes_write: Option<i64>,
    /// requests a second that a disk may read
    #[view(name = "diskIopsReadRate")]
    pub iops_read: Option<i64>,
    /// requests a second that a disk may write
    #[view(name = "diskIopsWriteRate")]
    pub iops_write: Option<i64>,
    /// whether users see it
    pub displayoffering: bool,
}

/// A page of disk offerings.
pub(crate) async fn of(call: &Call, rows: Vec<store::DiskOffering>) -> Result<Vec<DiskOffering>> {
    let domains = call.db.by_ids::<store::Domain>(rows.iter().filter_map(|o| o.domain_id)).await?;
    let one = |o: store::DiskOffering| {
        let domain = o.domain_id.and_then(|d| domains.get(&d));
        DiskOffering {
            id: o.uuid,
            domainid: domain.map(|d| d.uuid.clone()),
            domain: domain.map(|d| d.name.clone()),
            name: o.name,
            displaytext: o.display_text,
            disksize: o.size_gb,
            created: Date(o.created),
            iscustomized: o.is_custom,
            iscustomizediops: o.is_custom_iops,
            miniops: o.min_iops,
            maxiops: o.max_iops,
            tags: o.tags,
            storagetype: o.storage_type,
            bytes_read: o.bytes_read_rate,
            bytes_write: o.bytes_write_rate,
            iops_read: o.iops_read_rate,
            iops_write: o.iops_write_rate,
            displayoffering: o.display_offering,
        }
    };
    Ok(rows.into_iter().map(one).collect())
}

/// One disk offering.
pub(crate) async fn one(call: &Call, row: store::DiskOffering) -> Result<DiskOffering> {
    of(call, vec![row]).await?.pop().ok_or_else(|| Error::internal("an offering without a record"))
}
