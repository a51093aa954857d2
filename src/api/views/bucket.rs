//! Buckets in answers.
use crate::prelude::*;
use stratus_engine::GIB;

/// A bucket.
#[derive(View, Debug, Clone)]
pub struct Bucket {
    /// the ID of the bucket
    pub id: String,
    /// its name
    pub name: String,
    /// the account that owns it
    pub account: Option<String>,
    /// the ID of the owner's domain
    pub domainid: Option<String>,
    /// the owner's domain
    pub domain: Option<String>,
    /// bytes of all versions of all objects in it
    pub size: i64,
    /// objects in it, every version and delete marker counted
    pub objects: i64,
    /// the most GiB it may hold, when it has a bound of its own
    pub quota: Option<i64>,
    /// whether it keeps versions
    pub versioning: bool,
    /// whether it has a policy
    pub policy: bool,
    /// when it was made
    pub created: Date,
}

/// What an account keeps and has asked for.
#[derive(View, Debug, Clone)]
pub struct Usage {
    /// the account
    pub account: String,
    /// the ID of its domain
    pub domainid: Option<String>,
    /// its domain
    pub domain: Option<String>,
    /// bytes it keeps, parts of uploads under way included
    pub size: i64,
    /// the most GiB it may keep, when there is a bound
    pub quota: Option<i64>,
    /// requests that read
    pub reads: i64,
    /// requests that write
    pub writes: i64,
    /// bytes received
    pub received: i64,
    /// bytes sent
    pub sent: i64,
}

/// A page of buckets.
pub(crate) async fn of(call: &Call, rows: Vec<store::S3Bucket>) -> Result<Vec<Bucket>> {
    let accounts = call.db.by_ids::<store::Account>(rows.iter().map(|b| b.account_id)).await?;
    let domains = call.db.by_ids::<store::Domain>(rows.iter().map(|b| b.domain_id)).await?;
    let view = |b: store::S3Bucket| Bucket {
        id: b.uuid,
        name: b.name,
        account: accounts.get(&b.account_id).map(|a| a.name.clone()),
        domainid: domains.get(&b.domain_id).map(|d| d.uuid.clone()),
        domain: domains.get(&b.domain_id).map(|d| d.name.clone()),
        size: b.bytes,
        objects: b.objects,
        quota: b.quota_bytes.map(|q| q / GIB),
        versioning: b.versioning == "Enabled",
        policy: b.policy.is_some(),
        created: Date(b.created),
    };
    Ok(rows.into_iter().map(view).collect())
}

/// An account's sums.
pub(crate) async fn usage(call: &Call, owner: &store::Account, row: store::S3Usage) -> Result<Usage> {
    let domain = call.db.get::<store::Domain>(owner.domain_id).await?;
    Ok(Usage {
        account: owner.name.clone(),
        domainid: domain.as_ref().map(|d| d.uuid.clone()),
        domain: domain.map(|d| d.name),
        size: row.bytes,
        quota: row.quota_bytes.map(|q| q / GIB),
        reads: row.gets,
        writes: row.puts,
        received: row.bytes_in,
        sent: row.bytes_out,
    })
}
