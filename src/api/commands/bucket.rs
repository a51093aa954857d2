//! Buckets of the S3 door, for consoles and administrators. Extensions of ours: the release that the rest follows had none.
use crate::prelude::*;
use crate::views::bucket;
use stratus_engine::GIB;
use stratus_engine::bucket::{BucketDraft, BucketList};

/// A quota in GiB as bytes; negative for none.
fn quota(gib: i64) -> Result<Option<i64>> {
    match gib {
        n if n < 0 => Ok(None),
        n => n.checked_mul(GIB).map(Some).ok_or_else(|| Error::invalid("quota", "too large")),
    }
}

/// Makes a bucket.
#[derive(Command)]
#[command(name = "createBucket", roles = "all", answer = "bucket", view = bucket::Bucket, event = "S3.BUCKET.CREATE")]
pub struct Create {
    /// the name of the bucket, unique in the cloud
    name: String,
    /// the account that is to own it; needs domainid unless it is in the caller's domain
    account: Option<String>,
    /// the ID of that account's domain
    domainid: Option<Ref<store::Domain>>,
    /// the most GiB it may hold; -1 for no bound of its own
    quota: Option<i64>,
}
impl Run for Create {
    async fn run(self, call: &Call) -> Result<Answer> {
        let owner = call.acting_account(self.account.as_deref(), self.domainid.as_ref().map(|d| &d.0)).await?;
        let quota_bytes = self.quota.map(quota).transpose()?.flatten();
        stratus_engine::bucket::checked_name(&self.name)?;
        let draft = BucketDraft {
            account_id: owner.id,
            domain_id: owner.domain_id,
            name: self.name,
            location: None,
            acl: String::new(),
            quota_bytes,
        };
        let row = call.bucket_create(call, draft).await?;
        Ok(Answer::one(bucket::of(call, vec![row]).await?.remove(0)))
    }
}

/// Lists buckets.
#[derive(Command)]
#[command(name = "listBuckets", roles = "all", answer = "bucket", view = bucket::Bucket)]
pub struct List {
    /// only the bucket with this ID
    id: Option<Owned<store::S3Bucket>>,
    /// only the bucket of this name
    name: Option<String>,
    #[param(flatten)]
    scoped: Scoped,
    #[param(flatten)]
    page: Paging,
}
impl Run for List {
    async fn run(self, call: &Call) -> Result<Answer> {
        let page = self.page.range(call)?;
        let scope = self.scoped.scope(call, self.id.is_some()).await?;
        let found = call
            .bucket_list(BucketList { scope, id: self.id.map(|b| b.0.uuid), name: self.name, keyword: self.page.keyword, page })
            .await?;
        Ok(Answer::list(found.count, bucket::of(call, found.rows).await?))
    }
}

/// Sets how much a bucket may hold.
#[derive(Command)]
#[command(name = "updateBucket", roles = "all", answer = "bucket", view = bucket::Bucket, event = "S3.BUCKET.UPDATE")]
pub struct Update {
    /// the ID of the bucket
    id: Owned<store::S3Bucket>,
    /// the most GiB it may hold; -1 for no bound of its own
    quota: i64,
}
impl Run for Update {
    async fn run(self, call: &Call) -> Result<Answer> {
        let bytes = quota(self.quota)?;
        let row = call.bucket_set(call, &self.id.0, vec![("quota_bytes", bytes.into())], "quota").await?;
        Ok(Answer::one(bucket::of(call, vec![row]).await?.remove(0)))
    }
}

/// Deletes a bucket that holds nothing.
#[derive(Command)]
#[command(name = "deleteBucket", roles = "all", event = "S3.BUCKET.DELETE")]
pub struct Delete {
    /// the ID of the bucket
    id: Owned<store::S3Bucket>,
}
impl Run for Delete {
    async fn run(self, call: &Call) -> Result<Answer> {
        // Files of uploads that end with it are swept by the S3 door, which alone knows where they lie.
        call.bucket_delete(call, self.id.0).await?;
        Ok(Answer::success())
    }
}

/// Shows what an account keeps in buckets and has asked of the S3 door.
#[derive(Command)]
#[command(name = "listBucketUsage", roles = "all", answer = "bucketusage", view = bucket::Usage)]
pub struct ListUsage {
    /// the account; needs domainid unless it is in the caller's domain
    account: Option<String>,
    /// the ID of that account's domain
    domainid: Option<Ref<store::Domain>>,
}
impl Run for ListUsage {
    async fn run(self, call: &Call) -> Result<Answer> {
        let owner = call.acting_account(self.account.as_deref(), self.domainid.as_ref().map(|d| &d.0)).await?;
        let row = call.s3_usage(owner.id).await?;
        Ok(Answer::list(1, vec![bucket::usage(call, &owner, row).await?]))
    }
}

/// Sets how much an account may keep in all its buckets together.
#[derive(Command)]
#[command(name = "updateBucketQuota", roles = "admins", answer = "bucketusage", view = bucket::Usage, event = "S3.QUOTA.UPDATE")]
pub struct UpdateQuota {
    /// the most GiB; -1 for any number
    quota: i64,
    /// the account; needs domainid unless it is in the caller's domain
    account: Option<String>,
    /// the ID of that account's domain
    domainid: Option<Ref<store::Domain>>,
}
impl Run for UpdateQuota {
    async fn run(self, call: &Call) -> Result<Answer> {
        let owner = call.acting_account(self.account.as_deref(), self.domainid.as_ref().map(|d| &d.0)).await?;
        let row = call.s3_quota_set(call, &owner, quota(self.quota)?).await?;
        Ok(Answer::one(bucket::usage(call, &owner, row).await?))
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<Create>();
    r.add::<List>();
    r.add::<Update>();
    r.add::<Delete>();
    r.add::<ListUsage>();
    r.add::<UpdateQuota>();
}
