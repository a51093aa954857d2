//! Copies. A whole object is copied by giving its files another name, so its size does not matter.
use crate::access::Act;
use crate::blobs::Fresh;
use crate::body::{MOST, Received, Receiver};
use crate::checksum::Algorithm;
use crate::meta::{Meta, put as header};
use crate::ops::{get, put, upload};
use crate::request::{Request, checked_key};
use crate::respond::{Answer, Segment, document};
use crate::text::{iso, unescape};
use crate::xml::Xml;
use crate::{Door, Fault, Outcome};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use stratus_engine::bucket_object::ObjectDraft;
use stratus_store::{S3Bucket, S3Object, S3Part};

const PIECE: u64 = 1 << 20;

/// What x-amz-copy-source names, once the sender may read it.
pub async fn source(door: &Door, r: &Request) -> Outcome<(Arc<S3Bucket>, S3Object)> {
    let text = r.header("x-amz-copy-source").unwrap_or_default();
    let bad = |why: &str| Fault::argument("x-amz-copy-source", text, why);
    let (path, version) = match text.split_once("?versionId=") {
        Some((p, v)) => (p, Some(v.to_owned())),
        None => (text, None),
    };
    let path = unescape(path).ok_or_else(|| bad("not UTF-8 once decoded"))?;
    let path = path.strip_prefix('/').unwrap_or(&path);
    let (name, key) = path.split_once('/').filter(|(b, k)| !b.is_empty() && !k.is_empty()).ok_or_else(|| bad("use bucket/key"))?;
    let key = checked_key(key.to_owned())?;
    let bucket = door.bucket(name).await?;
    let object = door.engine.object_get(bucket.id, &key, version.as_deref()).await?;
    let Some(object) = object.filter(|o| !o.marker) else {
        let fault = match version {
            Some(_) => Fault::new("NoSuchVersion", "The specified version does not exist.").with("Key", &key),
            None => Fault::no_key(&key),
        };
        return Err(door.missing(r, &bucket, fault));
    };
    let action = if version.is_some() { "s3:GetObjectVersion" } else { "s3:GetObject" };
    door.allow(r, &bucket, Act::object(action, &object))?;
    get::conditions(r, &object, "x-amz-copy-source-", false)?;
    Ok((bucket, object))
}

/// Whether a directive says REPLACE.
fn replaces(r: &Request, name: &str) -> Outcome<bool> {
    match r.header(name) {
        None | Some("" | "COPY") => Ok(false),
        Some("REPLACE") => Ok(true),
        Some(other) => Err(Fault::argument(name, other, "COPY or REPLACE")),
    }
}

pub async fn copy(door: &Arc<Door>, r: &Request) -> Outcome<Answer> {
    let bucket = door.bucket(r.bucket()).await?;
    door.allow(r, &bucket, Act::key("s3:PutObject", r.key()))?;
    put::only_offered(r)?;
    let (from_bucket, from) = source(door, r).await?;
    let (new_meta, new_tags) = (replaces(r, "x-amz-metadata-directive")?, replaces(r, "x-amz-tagging-directive")?);
    let same = from.bucket_id == bucket.id && from.object_key == r.key();
    let versioned_source = r.header("x-amz-copy-source").is_some_and(|s| s.contains("?versionId="));
    if same && !new_meta && !new_tags && !versioned_source {
        let why = "This copy request is illegal because it is trying to copy an object to itself without changing the object's \
                   metadata, storage class, website redirect location or encryption attributes.";
        return Err(Fault::new("InvalidRequest", why));
    }
    let (account_id, acl) = put::acl(door, r, &bucket).await?;
    let before = Meta::read(&from.meta);
    let mut meta = if new_meta { Meta::of_headers(&r.headers)? } else { before.clone() };
    meta.checksums = before.checksums.clone();
    let (blob, parts, fresh) = link(door, &from).await?;
    let draft = ObjectDraft {
        key: r.key().to_owned(),
        size: from.size_bytes,
        etag: from.etag.clone(),
        meta: meta.write(),
        acl: acl.write(),
        tags: if new_tags { put::tags(r)? } else { from.tags.clone() },
        account_id,
        blob,
        parts,
        expect: put::expect(r)?,
    };
    let outcome = door.engine.object_put(&bucket, draft).await;
    let written = put::refused(put::durable(outcome, fresh)?, r.key())?;
    door.free(written.freed.clone());
    let mut x = Xml::root("CopyObjectResult");
    x.text("ETag", &format!("\"{}\"", from.etag)).text("LastModified", &iso(written.object.created));
    for c in &meta.checksums {
        x.text(c.algorithm.element(), &c.value).text("ChecksumType", c.kind());
    }
    let mut answer = document(x.done());
    if written.versioned {
        header(answer.headers_mut(), "x-amz-version-id", &written.object.version);
    }
    if !from_bucket.versioning.is_empty() {
        header(answer.headers_mut(), "x-amz-copy-source-version-id", &from.version);
    }
    Ok(answer)
}

/// Other names for an object's files.
async fn link(door: &Arc<Door>, from: &S3Object) -> Outcome<(Option<String>, Vec<S3Part>, Vec<Fresh>)> {
    let parts = get::parts(door, from).await?;
    let blobs = door.blobs.clone();
    let whole = from.blob_id.clone();
    let work = move || {
        if let Some(id) = whole {
            let fresh = blobs.link(&id)?;
            return Ok((Some(fresh.id.clone()), Vec::new(), vec![fresh]));
        }
        let mut linked = Vec::with_capacity(parts.len());
        let mut fresh = Vec::with_capacity(parts.len());
        for part in parts {
            let f = blobs.link(&part.blob_id)?;
            linked.push(S3Part { blob_id: f.id.clone(), ..part });
            fresh.push(f);
        }
        Ok::<_, std::io::Error>((None, linked, fresh))
    };
    match tokio::task::spawn_blocking(work).await.map_err(|e| Fault::from(std::io::Error::other(e)))? {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Err(Fault::no_key(&from.object_key)),
        other => Ok(other?),
    }
}

pub async fn part(door: &Arc<Door>, r: &mut Request) -> Outcome<Answer> {
    let (bucket, up, number) = upload::of_part(door, r).await?;
    let (from_bucket, from) = source(door, r).await?;
    let size = from.size_bytes as u64;
    let (first, length) = match r.header("x-amz-copy-source-range") {
        None => (0, size),
        Some(text) => {
            let bad = || {
                Fault::argument(
                    "x-amz-copy-source-range",
                    text,
                    "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy",
                )
            };
            let exact = text.strip_prefix("bytes=").and_then(|s| s.split_once('-')).ok_or_else(bad)?;
            let (a, b): (u64, u64) = (exact.0.parse().map_err(|_| bad())?, exact.1.parse().map_err(|_| bad())?);
            if a > b {
                return Err(bad());
            }
            if b >= size {
                return Err(Fault::new("InvalidArgument", "Range specified is not valid for source object of this size")
                    .with("ActualObjectSize", size.to_string()));
            }
            (a, b - a + 1)
        }
    };
    if length > MOST {
        return Err(Fault::new("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size"));
    }
    let algorithm = Meta::read(&up.meta).algorithm.map(|(a, _)| a);
    let segments = get::segments(&from, &get::parts(door, &from).await?, first, length);
    let received = reread(door, segments, algorithm).await?;
    let (etag, checksums) = (received.md5.clone(), received.checksums.clone());
    upload::commit(door, &bucket, &up, number, received).await?;
    let mut x = Xml::root("CopyPartResult");
    x.text("LastModified", &iso(door.engine.clock.now())).text("ETag", &format!("\"{etag}\""));
    for c in &checksums {
        x.text(c.algorithm.element(), &c.value);
    }
    let mut answer = document(x.done());
    if !from_bucket.versioning.is_empty() {
        header(answer.headers_mut(), "x-amz-copy-source-version-id", &from.version);
    }
    Ok(answer)
}

/// Copies bytes of files into a new one.
async fn reread(door: &Arc<Door>, segments: Vec<Segment>, algorithm: Option<Algorithm>) -> Outcome<Received> {
    let _hold = door.blobs.hold(segments.iter().map(|s| s.blob.clone()).collect());
    let mut receiver = Receiver::new(door.blobs.clone(), false, algorithm.into_iter().collect());
    for s in segments {
        let file = Arc::new(door.blobs.read(&s.blob)?);
        let (mut at, end) = (s.from, s.from + s.length);
        while at < end {
            let (reader, n) = (file.clone(), PIECE.min(end - at) as usize);
            let read = move || {
                let mut piece = vec![0; n];
                reader.read_exact_at(&mut piece, at).map(|()| piece)
            };
            let piece = tokio::task::spawn_blocking(read).await.map_err(|e| Fault::from(std::io::Error::other(e)))??;
            receiver.push(&piece).await?;
            at += n as u64;
        }
    }
    receiver.received().await
}
