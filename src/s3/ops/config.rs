//! What is set on buckets and objects: ACLs, policy, versioning, tags, CORS, and what nobody can set here.
use crate::access::Act;
use crate::acl::Acl;
use crate::cors::Cors;
use crate::meta::put;
use crate::ops::tagging;
use crate::policy::{self, Policy};
use crate::request::Request;
use crate::respond::{Answer, document, empty};
use crate::route::UNSET;
use crate::xml::{Element, Xml};
use crate::{Door, Fault, Outcome};
use axum::body::Body;
use std::sync::Arc;
use stratus_store::{S3Bucket, Value};

const MOST_DOCUMENT: usize = 64 * 1024;

/// The bucket, once the sender may do this with it.
async fn bucket_for(door: &Door, r: &Request, action: &str) -> Outcome<Arc<S3Bucket>> {
    let bucket = door.bucket(r.bucket()).await?;
    door.allow(r, &bucket, Act::bucket(action))?;
    Ok(bucket)
}

async fn set(door: &Door, r: &Request, bucket: &S3Bucket, column: &'static str, value: Option<String>, what: &str) -> Outcome<()> {
    let values = vec![(column, value.map_or(Value::Null, Value::from))];
    match &r.who {
        Some(who) => {
            let call = door.call(who, "s3:PutBucket", Some("S3.BUCKET.UPDATE"));
            door.engine.bucket_set(&call, bucket, values, what).await?;
        }
        // Whoever an ACL or a policy lets, unsigned: the event then names the product itself.
        None => {
            let system = Arc::new(door.engine.system_caller(stratus_model::Source::System).await?);
            let call = door.call(&system, "s3:PutBucket", Some("S3.BUCKET.UPDATE"));
            door.engine.bucket_set(&call, bucket, values, what).await?;
        }
    }
    Ok(())
}

pub async fn get_acl(door: &Arc<Door>, r: &Request) -> Outcome<Answer> {
    let bucket = bucket_for(door, r, "s3:GetBucketAcl").await?;
    let acl = match bucket.acl.as_str() {
        // Made by a native command, which knows nothing of ACLs.
        "" => {
            let (owner, _) = door.owner(bucket.account_id).await?;
            Acl::canned("private", &owner, &owner)?
        }
        text => Acl::read(text),
    };
    Ok(document(acl.document(door, bucket.account_id).await?))
}

/// The ACL that a request's headers or its body say.
async fn sent_acl(door: &Arc<Door>, r: &mut Request, body: Body, owner: &str, bucket_owner: &str) -> Outcome<Acl> {
    let body = door.document(r, body, MOST_DOCUMENT).await?;
    let (of_headers, sent) = Acl::of_headers(door, r, owner, bucket_owner).await?;
    match (sent, body.is_empty()) {
        (true, true) => Ok(of_headers),
        (false, false) => Acl::of_document(door, &body, owner).await,
        (true, false) => Err(Fault::new("UnexpectedContent", "This request does not support content")),
        (false, true) => Err(Fault::new("MissingSecurityHeader", "Your request was missing a required header")),
    }
}

pub async fn put_acl(door: &Arc<Door>, r: &mut Request, body: Body) -> Outcome<Answer> {
    let bucket = bucket_for(door, r, "s3:PutBucketAcl").await?;
    let (owner, _) = door.owner(bucket.account_id).await?;
    let acl = sent_acl(door, r, body, &owner, &owner).await?;
    set(door, r, &bucket, "acl", Some(acl.write()), "ACL").await?;
    Ok(empty(200))
}

pub async fn get_object_acl(door: &Arc<Door>, r: &Request) -> Outcome<Answer> {
    let (_, object) = super::get::found(door, r, "s3:GetObjectAcl").await?;
    Ok(document(Acl::read(&object.acl).document(door, object.account_id).await?))
}

pub async fn put_object_acl(door: &Arc<Door>, r: &mut Request, body: Body) -> Outcome<Answer> {
    let (bucket, object) = super::get::found(door, r, "s3:PutObjectAcl").await?;
    let ((owner, _), (bucket_owner, _)) = (door.owner(object.account_id).await?, door.owner(bucket.account_id).await?);
    let acl = sent_acl(door, r, body, &owner, &bucket_owner).await?;
    door.engine.object_set(&object, vec![("acl", acl.write().into())]).await?;
    let mut answer = empty(200);
    if !bucket.versioning.is_empty() {
        put(answer.headers_mut(), "x-amz-version-id", &object.version);
    }
    Ok(answer)
}

pub async fn get_policy(door: &Arc<Door>, r: &Request) -> Outcome<Answer> {
    let bucket = bucket_for(door, r, "s3:GetBucketPolicy").await?;
    let missing = || Fault::new("NoSuchBucketPolicy", "The bucket policy does not exist").with("BucketName", &bucket.name);
    let mut answer = document(bucket.policy.clone().ok_or_else(missing)?.into_bytes());
    put(answer.headers_mut(), "content-type", "application/json");
    Ok(answer)
}

pub async fn put_policy(door: &Arc<Door>, r: &mut Request, body: Body) -> Outcome<Answer> {
    let bucket = bucket_for(door, r, "s3:PutBucketPolicy").await?;
    let body = door.document(r, body, policy::LIMIT + 1).await?;
    let text = String::from_utf8(body).map_err(|_| Fault::new("MalformedPolicy", "Policies must be UTF-8"))?;
    Policy::parse(&text, &bucket.name)?;
    set(door, r, &bucket, "policy", Some(text), "policy").await?;
    Ok(empty(204))
}

pub async fn delete_policy(door: &Arc<Door>, r: &Request) -> Outcome<Answer> {
    let bucket = bucket_for(door, r, "s3:DeleteBucketPolicy").await?;
    set(door, r, &bucket, "policy", None, "no policy").await?;
    Ok(empty(204))
}

pub async fn policy_status(door: &Arc<Door>, r: &Request) -> Outcome<Answer> {
    let bucket = bucket_for(door, r, "s3:GetBucketPolicyStatus").await?;
    let missing = || Fault::new("NoSuchBucketPolicy", "The bucket policy does not exist").with("BucketName", &bucket.name);
    let policy = Policy::parse(bucket.policy.as_deref().ok_or_else(missing)?, &bucket.name)?;
    let mut x = Xml::root("PolicyStatus");
    x.text("IsPublic", if policy.is_public() { "true" } else { "false" });
    Ok(document(x.done()))
}

pub async fn get_versioning(door: &Arc<Door>, r: &Request) -> Outcome<Answer> {
    let bucket = bucket_for(door, r, "s3:GetBucketVersioning").await?;
    let mut x = Xml::root("VersioningConfiguration");
    if !bucket.versioning.is_empty() {
        x.text("Status", &bucket.versioning);
    }
    Ok(document(x.done()))
}

pub async fn put_versioning(door: &Arc<Door>, r: &mut Request, body: Body) -> Outcome<Answer> {
    let bucket = bucket_for(door, r, "s3:PutBucketVersioning").await?;
    let doc = Element::parse(&door.document(r, body, MOST_DOCUMENT).await?, "VersioningConfiguration")?;
    if doc.value("MfaDelete").or(doc.value("MFADelete")).is_some_and(|v| v.eq_ignore_ascii_case("Enabled")) {
        return Err(Fault::not_offered("MFA delete"));
    }
    let status = match doc.need("Status")? {
        s @ ("Enabled" | "Suspended") => s.to_owned(),
        _ => return Err(Fault::new("IllegalVersioningConfigurationException", "Status must be Enabled or Suspended")),
    };
    set(door, r, &bucket, "versioning", Some(status), "versioning").await?;
    Ok(empty(200))
}

pub async fn get_tagging(door: &Arc<Door>, r: &Request) -> Outcome<Answer> {
    let bucket = bucket_for(door, r, "s3:GetBucketTagging").await?;
    let tags = tagging::read(bucket.tags.as_deref());
    if tags.is_empty() {
        return Err(Fault::new("NoSuchTagSet", "The TagSet does not exist").with("BucketName", &bucket.name));
    }
    Ok(document(tagging::to_document(&tags)))
}

pub async fn put_tagging(door: &Arc<Door>, r: &mut Request, body: Body) -> Outcome<Answer> {
    let bucket = bucket_for(door, r, "s3:PutBucketTagging").await?;
    let tags = tagging::of_document(&door.document(r, body, MOST_DOCUMENT).await?, tagging::BUCKET)?;
    set(door, r, &bucket, "tags", tagging::write(&tags), "tags").await?;
    Ok(empty(204))
}

pub async fn delete_tagging(door: &Arc<Door>, r: &Request) -> Outcome<Answer> {
    let bucket = bucket_for(door, r, "s3:PutBucketTagging").await?;
    set(door, r, &bucket, "tags", None, "no tags").await?;
    Ok(empty(204))
}

pub async fn get_cors(door: &Arc<Door>, r: &Request) -> Outcome<Answer> {
    let bucket = bucket_for(door, r, "s3:GetBucketCORS").await?;
    let missing = || Fault::new("NoSuchCORSConfiguration", "The CORS configuration does not exist").with("BucketName", &bucket.name);
    Ok(document(Cors::read(bucket.cors.as_deref().ok_or_else(missing)?).document()))
}

pub async fn put_cors(door: &Arc<Door>, r: &mut Request, body: Body) -> Outcome<Answer> {
    let bucket = bucket_for(door, r, "s3:PutBucketCORS").await?;
    let cors = Cors::parse(&door.document(r, body, MOST_DOCUMENT).await?)?;
    set(door, r, &bucket, "cors", Some(cors.write()), "CORS").await?;
    Ok(empty(200))
}

pub async fn delete_cors(door: &Arc<Door>, r: &Request) -> Outcome<Answer> {
    let bucket = bucket_for(door, r, "s3:PutBucketCORS").await?;
    set(door, r, &bucket, "cors", None, "no CORS").await?;
    Ok(empty(204))
}

/// The answer that AWS gives while nobody has set the thing.
pub async fn get_unset(door: &Arc<Door>, r: &Request) -> Outcome<Answer> {
    let bucket = bucket_for(door, r, "s3:GetBucketConfiguration").await?;
    let unset = UNSET.iter().find(|u| r.params.get(u.name).is_some());
    match unset.map(|u| u.answer).ok_or_else(|| Fault::not_offered("This"))? {
        Ok((root, fields)) => {
            let mut x = Xml::root(root);
            for (name, value) in fields {
                x.text(name, value);
            }
            Ok(document(x.done()))
        }
        Err((code, message)) => Err(Fault::new(code, message).with("BucketName", &bucket.name)),
    }
}

/// Taking away what is not there is done, as at AWS.
pub async fn delete_unset(door: &Arc<Door>, r: &Request) -> Outcome<Answer> {
    bucket_for(door, r, "s3:PutBucketConfiguration").await?;
    Ok(empty(204))
}
