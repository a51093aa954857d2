//! Putting an object.
use crate::access::Act;
use crate::acl::Acl;
use crate::blobs::Fresh;
use crate::body::Received;
use crate::checksum::Algorithm;
use crate::meta::{Meta, put as header};
use crate::ops::tagging;
use crate::request::Request;
use crate::respond::{Answer, empty};
use crate::{Door, Fault, Outcome};
use axum::body::Body;
use std::sync::Arc;
use stratus_engine::bucket_object::{Expect, ObjectDraft, Refused, Written};
use stratus_store::S3Bucket;

/// Headers that ask for something this door does not do: refused, because to pass over them would be a false promise.
const NOT_OFFERED: &[(&str, &str)] = &[
    ("x-amz-server-side-encryption", "Server-side encryption"),
    ("x-amz-server-side-encryption-customer-algorithm", "Server-side encryption"),
    ("x-amz-object-lock-mode", "Object lock"),
    ("x-amz-object-lock-retain-until-date", "Object lock"),
    ("x-amz-object-lock-legal-hold", "Object lock"),
    ("x-amz-write-offset-bytes", "Appending to objects"),
];

/// That nothing is asked for that is not done.
pub fn only_offered(r: &Request) -> Outcome<()> {
    if let Some((_, what)) = NOT_OFFERED.iter().find(|(name, _)| r.headers.contains_key(*name)) {
        return Err(Fault::not_offered(what));
    }
    match r.header("x-amz-storage-class") {
        None | Some("STANDARD" | "REDUCED_REDUNDANCY" | "") => Ok(()),
        Some(other) => {
            let shown: String = other.chars().take(64).collect();
            Err(Fault::new("InvalidStorageClass", format!("The storage class you specified is not valid: {shown}; here is STANDARD")))
        }
    }
}

/// What a write's headers ask of what is there.
pub fn expect(r: &Request) -> Outcome<Expect> {
    match (r.header("if-none-match"), r.header("if-match")) {
        (None, None) => Ok(Expect::Anything),
        (Some("*"), None) => Ok(Expect::Absent),
        (None, Some(tag)) => Ok(Expect::Etag(tag.trim_matches('"').to_owned())),
        _ => Err(Fault::not_offered("This condition on a write")),
    }
}

/// Whose object it will be: the sender's; the bucket's owner's when nobody signed.
pub async fn owner(door: &Door, r: &Request, bucket: &S3Bucket) -> Outcome<(i64, String)> {
    match &r.who {
        Some(c) => Ok((c.account_id, c.account_uuid.clone())),
        None => Ok((bucket.account_id, door.owner(bucket.account_id).await?.0)),
    }
}

/// The ACL of a new object.
pub async fn acl(door: &Door, r: &Request, bucket: &S3Bucket) -> Outcome<(i64, Acl)> {
    let (account, uuid) = owner(door, r, bucket).await?;
    let bucket_owner = match account == bucket.account_id {
        true => uuid.clone(),
        false => door.owner(bucket.account_id).await?.0,
    };
    Ok((account, Acl::of_headers(door, r, &uuid, &bucket_owner).await?.0))
}

/// The tags of a new object.
pub fn tags(r: &Request) -> Outcome<Option<String>> {
    Ok(tagging::write(&r.header("x-amz-tagging").map(tagging::of_header).transpose()?.unwrap_or_default()))
}

/// The algorithm that a request names.
pub fn algorithm(r: &Request, name: &str) -> Outcome<Option<Algorithm>> {
    let unknown = |v: &str| {
        let shown: String = v.chars().take(32).collect();
        Fault::new(
            "InvalidRequest",
            format!(
                "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]: {shown}"
            ),
        )
    };
    r.header(name).filter(|v| !v.is_empty()).map(|v| Algorithm::from_name(v).ok_or_else(|| unknown(v))).transpose()
}

pub async fn put(door: &Arc<Door>, r: &mut Request, body: Body) -> Outcome<Answer> {
    let bucket = door.bucket(r.bucket()).await?;
    door.allow(r, &bucket, Act::key("s3:PutObject", r.key()))?;
    only_offered(r)?;
    let (account_id, acl) = acl(door, r, &bucket).await?;
    let mut meta = Meta::of_headers(&r.headers)?;
    let (tags, expect) = (tags(r)?, expect(r)?);
    let algorithm = algorithm(r, "x-amz-sdk-checksum-algorithm")?;
    let received = door.receive(r, body, algorithm).await?;
    meta.checksums = received.checksums.clone();
    let draft = ObjectDraft {
        key: r.key().to_owned(),
        size: received.size,
        etag: received.md5.clone(),
        meta: meta.write(),
        acl: acl.write(),
        tags,
        account_id,
        expect,
        ..ObjectDraft::default()
    };
    let written = commit(door, r, &bucket, draft, received).await?;
    let mut answer = empty(200);
    show(&written, answer.headers_mut());
    meta.show_checksums(answer.headers_mut());
    Ok(answer)
}

/// Makes a received file an object.
pub async fn commit(door: &Arc<Door>, r: &Request, bucket: &S3Bucket, mut draft: ObjectDraft, received: Received) -> Outcome<Written> {
    draft.blob = Some(received.fresh.id.clone());
    let outcome = door.engine.object_put(bucket, draft).await;
    let written = refused(durable(outcome, [received.fresh])?, r.key())?;
    door.free(written.freed.clone());
    Ok(written)
}

/// Keeps new files once a row names them, and lets them go when the write was refused. After a failure of the database nobody knows
/// whether the row is there: then the files stay, for the sweep to find out.
pub fn durable<T>(
    outcome: stratus_model::Result<Result<T, Refused>>,
    files: impl IntoIterator<Item = Fresh>,
) -> Outcome<Result<T, Refused>> {
    if !matches!(outcome, Ok(Err(_))) {
        files.into_iter().for_each(Fresh::keep);
    }
    Ok(outcome?)
}

/// A refusal of the engine, with the key where there is no object to compare with.
pub fn refused(outcome: Result<Written, Refused>, key: &str) -> Outcome<Written> {
    outcome.map_err(|r| match r {
        Refused::Precondition { exists: false } => Fault::no_key(key),
        other => other.into(),
    })
}

/// The headers of a written version.
pub fn show(written: &Written, out: &mut http::HeaderMap) {
    header(out, "etag", &format!("\"{}\"", written.object.etag));
    if written.versioned {
        header(out, "x-amz-version-id", &written.object.version);
    }
}
