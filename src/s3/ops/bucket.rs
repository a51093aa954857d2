//! Buckets themselves.
use crate::access::Act;
use crate::acl::Acl;
use crate::meta::put;
use crate::request::Request;
use crate::respond::{Answer, document, empty};
use crate::text::{canonical, iso, url};
use crate::xml::{Element, Xml};
use crate::{Door, Fault, Outcome};
use axum::body::Body;
use std::sync::Arc;
use stratus_engine::bucket::BucketDraft;
use stratus_model::Error;
use stratus_store::S3Bucket;

/// What a bucket that names no region is in.
pub const REGION: &str = "us-east-1";
/// Buckets an account may have, as S3 has it.
const MOST: usize = 1000;
const MOST_DOCUMENT: usize = 64 * 1024;

pub async fn list(door: &Arc<Door>, r: &Request) -> Outcome<Answer> {
    let who = door.signer(r)?;
    let prefix = r.param("prefix").unwrap_or_default();
    let most = usize::try_from(r.number("max-buckets", 10_000, 10_000)?).unwrap_or(0);
    let after = r.param("continuation-token").map(super::list::untoken).transpose()?.unwrap_or_default();
    let mut found = door.engine.buckets_of(who.account_id).await?;
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found.retain(|b| b.name.starts_with(prefix) && b.name > after);
    let more = found.len() > most;
    found.truncate(most);
    let mut x = Xml::root("ListAllMyBucketsResult");
    x.open("Owner").text("ID", &canonical(&who.account_uuid)).text("DisplayName", &who.account_name).close().open("Buckets");
    for b in &found {
        x.open("Bucket").text("Name", &b.name).text("CreationDate", &iso(b.created)).close();
    }
    x.close();
    if let Some(last) = found.last().filter(|_| more) {
        x.text("ContinuationToken", &super::list::token(&last.name));
    }
    Ok(document(x.done()))
}

/// That a name can be a bucket's.
fn checked_name(name: &str) -> Outcome<()> {
    let bad = |e: Error| Fault::new("InvalidBucketName", format!("The specified bucket is not valid. {e}")).with("BucketName", name);
    stratus_engine::bucket::checked_name(name).map_err(bad)
}

pub async fn create(door: &Arc<Door>, r: &mut Request, body: Body) -> Outcome<Answer> {
    let who = door.signer(r)?.clone();
    checked_name(r.bucket())?;
    let body = door.document(r, body, MOST_DOCUMENT).await?;
    let location = match body.is_empty() {
        true => None,
        false => {
            let doc = Element::parse(&body, "CreateBucketConfiguration")?;
            doc.value("LocationConstraint").filter(|l| !l.is_empty()).map(str::to_owned)
        }
    };
    if let Some(l) = &location
        && (l.len() > 64 || !l.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-'))
    {
        return Err(Fault::new("InvalidLocationConstraint", "The specified location-constraint is not valid"));
    }
    if r.header("x-amz-bucket-object-lock-enabled").is_some_and(|v| v.eq_ignore_ascii_case("true")) {
        return Err(Fault::not_offered("Object lock"));
    }
    let (acl, _) = Acl::of_headers(door, r, &who.account_uuid, &who.account_uuid).await?;
    if door.engine.buckets_of(who.account_id).await?.len() >= MOST {
        return Err(Fault::new("TooManyBuckets", "You have attempted to create more buckets than allowed"));
    }
    let draft = BucketDraft {
        account_id: who.account_id,
        domain_id: who.domain_id,
        name: r.bucket().to_owned(),
        location,
        acl: acl.write(),
        quota_bytes: None,
    };
    let call = door.call(&who, "s3:CreateBucket", Some("S3.BUCKET.CREATE"));
    match door.engine.bucket_create(&call, draft).await {
        Ok(_) => {}
        Err(Error::Duplicate { .. }) => {
            // To its owner the bucket is simply there, as it is in us-east-1; the seeds' script counts on one of the two.
            let there = door.bucket(r.bucket()).await?;
            if there.account_id != who.account_id {
                let why = "The requested bucket name is not available. The bucket namespace is shared by all users of the system. \
                           Please select a different name and try again.";
                return Err(Fault::new("BucketAlreadyExists", why).with("BucketName", r.bucket()));
            }
        }
        Err(e) => return Err(e.into()),
    }
    let mut answer = empty(200);
    put(answer.headers_mut(), "location", &format!("/{}", url(r.bucket())));
    Ok(answer)
}

pub async fn head(door: &Arc<Door>, r: &Request) -> Outcome<Answer> {
    let bucket = door.bucket(r.bucket()).await?;
    door.allow(r, &bucket, Act::bucket("s3:ListBucket"))?;
    let mut answer = empty(200);
    put(answer.headers_mut(), "x-amz-bucket-region", bucket.location.as_deref().unwrap_or(REGION));
    put(answer.headers_mut(), "content-type", "application/xml");
    Ok(answer)
}

pub async fn delete(door: &Arc<Door>, r: &Request) -> Outcome<Answer> {
    let bucket = door.bucket(r.bucket()).await?;
    door.allow(r, &bucket, Act::bucket("s3:DeleteBucket"))?;
    let who = door.signer(r)?;
    let call = door.call(who, "s3:DeleteBucket", Some("S3.BUCKET.DELETE"));
    let name = bucket.name.clone();
    match door.engine.bucket_delete(&call, S3Bucket::clone(&bucket)).await {
        Ok(files) => door.free(files),
        Err(Error::InUse { .. }) => {
            return Err(Fault::new("BucketNotEmpty", "The bucket you tried to delete is not empty").with("BucketName", name));
        }
        Err(e) => return Err(e.into()),
    }
    Ok(empty(204))
}

pub async fn location(door: &Arc<Door>, r: &Request) -> Outcome<Answer> {
    let bucket = door.bucket(r.bucket()).await?;
    door.allow(r, &bucket, Act::bucket("s3:GetBucketLocation"))?;
    let mut x = Xml::root("LocationConstraint");
    x.say(bucket.location.as_deref().unwrap_or_default());
    Ok(document(x.done()))
}
