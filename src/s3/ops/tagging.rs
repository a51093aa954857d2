//! Tags of objects and buckets.
use crate::meta::put as header;
use crate::request::Request;
use crate::respond::{Answer, document, empty};
use crate::xml::{Element, Xml};
use crate::{Door, Fault, Outcome};
use axum::body::Body;
use std::collections::HashSet;
use std::sync::Arc;
use stratus_sigs::{Limits, Params};
use stratus_store::Value;

/// Most tags of an object.
pub const OBJECT: usize = 10;
/// Most tags of a bucket.
pub const BUCKET: usize = 50;
const MOST_DOCUMENT: usize = 64 * 1024;

/// Names and values.
pub type Tags = Vec<(String, String)>;

/// From the store.
pub fn read(text: Option<&str>) -> Tags {
    text.and_then(|t| serde_json::from_str(t).ok()).unwrap_or_default()
}

/// To the store; none for no tags.
pub fn write(tags: &Tags) -> Option<String> {
    if tags.is_empty() { None } else { serde_json::to_string(tags).ok() }
}

fn checked(tags: Tags, most: usize) -> Outcome<Tags> {
    if tags.len() > most {
        return Err(Fault::new("BadRequest", format!("Tags cannot be more than {most}")));
    }
    let mut seen = HashSet::new();
    for (k, v) in &tags {
        if k.is_empty() || k.chars().count() > 128 {
            return Err(Fault::new("InvalidTag", "The TagKey you have provided is invalid"));
        }
        if v.chars().count() > 256 {
            return Err(Fault::new("InvalidTag", "The TagValue you have provided is invalid"));
        }
        if !seen.insert(k) {
            return Err(Fault::new("InvalidTag", "Cannot provide multiple Tags with the same key"));
        }
    }
    Ok(tags)
}

/// Tags of the header x-amz-tagging.
pub fn of_header(text: &str) -> Outcome<Tags> {
    let limits = Limits { repeats: true, ..Limits::S3 };
    let bad = |_| {
        Fault::argument(
            "x-amz-tagging",
            text,
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
        )
    };
    let params = Params::of_query(text, &limits).map_err(bad)?;
    checked(params.pairs().map(|(k, v)| (k.to_owned(), v.to_owned())).collect(), OBJECT)
}

/// Tags of a document.
pub fn of_document(body: &[u8], most: usize) -> Outcome<Tags> {
    let doc = Element::parse(body, "Tagging")?;
    let set = doc.child("TagSet").ok_or_else(|| Fault::malformed("TagSet is missing"))?;
    let tags = set.all("Tag").map(|t| Ok((t.need("Key")?.to_owned(), t.value("Value").unwrap_or_default().to_owned())));
    checked(tags.collect::<Outcome<Tags>>()?, most)
}

/// The document.
pub fn to_document(tags: &Tags) -> Vec<u8> {
    let mut x = Xml::root("Tagging");
    x.open("TagSet");
    for (k, v) in tags {
        x.open("Tag").text("Key", k).text("Value", v).close();
    }
    x.done()
}

fn version_header(answer: &mut Answer, version: &str, versioned: bool) {
    if versioned {
        header(answer.headers_mut(), "x-amz-version-id", version);
    }
}

pub async fn get(door: &Arc<Door>, r: &Request) -> Outcome<Answer> {
    let (bucket, object) = super::get::found(door, r, "s3:GetObjectTagging").await?;
    let mut answer = document(to_document(&read(object.tags.as_deref())));
    version_header(&mut answer, &object.version, !bucket.versioning.is_empty());
    Ok(answer)
}

pub async fn put(door: &Arc<Door>, r: &mut Request, body: Body) -> Outcome<Answer> {
    let (bucket, object) = super::get::found(door, r, "s3:PutObjectTagging").await?;
    let tags = of_document(&door.document(r, body, MOST_DOCUMENT).await?, OBJECT)?;
    door.engine.object_set(&object, vec![("tags", write(&tags).into())]).await?;
    let mut answer = empty(200);
    version_header(&mut answer, &object.version, !bucket.versioning.is_empty());
    Ok(answer)
}

pub async fn delete(door: &Arc<Door>, r: &Request) -> Outcome<Answer> {
    let (bucket, object) = super::get::found(door, r, "s3:DeleteObjectTagging").await?;
    door.engine.object_set(&object, vec![("tags", Value::Null)]).await?;
    let mut answer = empty(204);
    version_header(&mut answer, &object.version, !bucket.versioning.is_empty());
    Ok(answer)
}
