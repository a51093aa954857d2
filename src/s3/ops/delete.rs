//! Deleting objects and versions.
use crate::access::Act;
use crate::meta::put;
use crate::request::{Request, checked_key};
use crate::respond::{Answer, document, empty};
use crate::xml::{Element, LIMIT, Xml};
use crate::{Door, Fault, Outcome};
use axum::body::Body;
use std::sync::Arc;
use stratus_engine::bucket_object::Deleted;
use stratus_store::S3Bucket;

const MOST: usize = 1000;

async fn delete(door: &Arc<Door>, r: &Request, bucket: &S3Bucket, key: &str, version: Option<&str>) -> Outcome<Deleted> {
    let action = if version.is_some() { "s3:DeleteObjectVersion" } else { "s3:DeleteObject" };
    // What ACLs call WRITE lets delete the newest only; versions are the owner's or a policy's to delete.
    door.allow(r, bucket, Act::key(action, key))?;
    let by = r.who.as_ref().map_or(bucket.account_id, |c| c.account_id);
    let done = door.engine.object_delete(bucket, key.to_owned(), version.map(str::to_owned), by).await?;
    door.free(done.freed.clone());
    Ok(done)
}

pub async fn one(door: &Arc<Door>, r: &Request) -> Outcome<Answer> {
    let bucket = door.bucket(r.bucket()).await?;
    let version = r.version()?.map(str::to_owned);
    let done = delete(door, r, &bucket, r.key(), version.as_deref()).await?;
    let mut answer = empty(204);
    if done.marker {
        put(answer.headers_mut(), "x-amz-delete-marker", "true");
    }
    if let Some(v) = done.version.filter(|_| !bucket.versioning.is_empty()) {
        put(answer.headers_mut(), "x-amz-version-id", &v);
    }
    Ok(answer)
}

pub async fn many(door: &Arc<Door>, r: &mut Request, body: Body) -> Outcome<Answer> {
    let bucket = door.bucket(r.bucket()).await?;
    let proved = r.headers.contains_key("content-md5") || r.headers.keys().any(|n| n.as_str().starts_with("x-amz-checksum-"));
    let in_signature = matches!(
        r.payload,
        stratus_sigs::Payload::Sha256(_) | stratus_sigs::Payload::Chunks { .. } | stratus_sigs::Payload::UnsignedChunks
    );
    if !proved && !in_signature {
        return Err(Fault::new("InvalidRequest", "Missing required header for this request: Content-MD5"));
    }
    let doc = Element::parse(&door.document(r, body, LIMIT).await?, "Delete")?;
    let objects: Vec<&Element> = doc.all("Object").collect();
    if objects.is_empty() || objects.len() > MOST {
        return Err(Fault::malformed("1 to 1000 objects"));
    }
    let quiet = doc.value("Quiet").is_some_and(|q| q.eq_ignore_ascii_case("true"));
    let mut x = Xml::root("DeleteResult");
    for o in objects {
        // Blanks are part of a key.
        let key =
            o.child("Key").map(|k| k.text.clone()).filter(|k| !k.is_empty()).ok_or_else(|| Fault::malformed("an Object needs Key"))?;
        let version = o.value("VersionId").filter(|v| !v.is_empty());
        let outcome = match checked_key(key.clone()) {
            Ok(key) => delete(door, r, &bucket, &key, version).await,
            Err(fault) => Err(fault),
        };
        match outcome {
            Ok(_) if quiet => {}
            Ok(done) => {
                x.open("Deleted").text("Key", &key).maybe("VersionId", version);
                if done.marker {
                    x.text("DeleteMarker", "true").maybe("DeleteMarkerVersionId", done.version.as_deref());
                }
                x.close();
            }
            Err(fault) => {
                x.open("Error")
                    .text("Key", &key)
                    .maybe("VersionId", version)
                    .text("Code", fault.code)
                    .text("Message", &fault.message)
                    .close();
            }
        }
    }
    Ok(document(x.done()))
}
