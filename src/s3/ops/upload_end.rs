//! The end of a multipart upload.
use crate::access::Act;
use crate::checksum::{self, Algorithm, Kept};
use crate::meta::{Meta, put as header};
use crate::ops::{put, upload};
use crate::request::Request;
use crate::respond::{Answer, document, empty};
use crate::text::url;
use crate::xml::{Element, LIMIT, Xml};
use crate::{Door, Fault, Outcome};
use axum::body::Body;
use md5::{Digest, Md5};
use std::collections::HashMap;
use std::sync::Arc;
use stratus_engine::bucket_object::{ObjectDraft, hex_of};
use stratus_store::S3Part;

/// The least bytes of a part that is not the last.
const LEAST: i64 = 5 << 20;

fn kept(part: &S3Part) -> Vec<Kept> {
    serde_json::from_str(&part.checksums).unwrap_or_default()
}

/// The parts that the document chooses, in its order.
fn chosen(doc: &Element, there: Vec<S3Part>) -> Outcome<Vec<S3Part>> {
    let mut by_number: HashMap<i64, S3Part> = there.into_iter().map(|p| (p.number, p)).collect();
    let mut chosen: Vec<S3Part> = Vec::new();
    for e in doc.all("Part") {
        let text = e.need("PartNumber")?;
        let number: i64 = text.parse().map_err(|_| Fault::malformed("PartNumber is not a number"))?;
        if !(1..=upload::PARTS).contains(&number) || chosen.len() as i64 == upload::PARTS {
            return Err(Fault::argument("PartNumber", text, "Part number must be an integer between 1 and 10000, inclusive"));
        }
        if chosen.last().is_some_and(|before| before.number >= number) {
            return Err(Fault::new(
                "InvalidPartOrder",
                "The list of parts was not in ascending order. Parts must be ordered by part number.",
            ));
        }
        let etag = e.need("ETag")?.trim_matches('"');
        let invalid = || {
            let why = "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified \
                       entity tag may not match the part's entity tag.";
            Fault::new("InvalidPart", why).with("PartNumber", number.to_string()).with("ETag", etag.chars().take(64).collect::<String>())
        };
        let part = by_number.remove(&number).filter(|p| p.etag == etag).ok_or_else(invalid)?;
        for c in kept(&part) {
            if e.value(c.algorithm.element()).is_some_and(|v| v != c.value) {
                return Err(invalid());
            }
        }
        chosen.push(part);
    }
    let Some((_, but_last)) = chosen.split_last() else { return Err(Fault::malformed("it names no parts")) };
    if let Some(small) = but_last.iter().find(|p| p.size_bytes < LEAST) {
        return Err(Fault::new("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
            .with("ProposedSize", small.size_bytes.to_string())
            .with("MinSizeAllowed", LEAST.to_string())
            .with("PartNumber", small.number.to_string()));
    }
    Ok(chosen)
}

/// The checksum of the whole, when the upload was begun with one; compared with the one that was sent.
fn whole(algorithm: Option<(Algorithm, bool)>, parts: &[S3Part], r: &Request) -> Outcome<Option<Kept>> {
    let sent = Algorithm::ALL.into_iter().find_map(|a| r.header(a.header()).map(|v| (a, v.to_owned())));
    let Some((a, full)) = algorithm else { return Ok(None) };
    let mut sums = Vec::with_capacity(parts.len());
    for p in parts {
        let value = kept(p).into_iter().find(|c| c.algorithm == a).map(|c| c.value);
        let missing =
            || Fault::new("InvalidPart", "A part has no checksum of the upload's algorithm").with("PartNumber", p.number.to_string());
        sums.push((value.ok_or_else(missing)?, p.size_bytes as u64));
    }
    let sum = checksum::of_parts(a, full, &sums)?;
    match sent {
        Some((s, value)) if s != a || (value != sum.value && sum.value.split('-').next() != Some(value.as_str())) => {
            Err(Fault::new("BadDigest", format!("The {} you specified did not match the calculated checksum.", s.name())))
        }
        _ => Ok(Some(sum)),
    }
}

pub async fn complete(door: &Arc<Door>, r: &mut Request, body: Body) -> Outcome<Answer> {
    let bucket = door.bucket(r.bucket()).await?;
    door.allow(r, &bucket, Act::key("s3:PutObject", r.key()))?;
    let up = upload::named(door, r, &bucket).await?;
    // A checksum header here is of the object, not of this document.
    let sums: Vec<_> = Algorithm::ALL.into_iter().filter_map(|a| r.headers.remove(a.header()).map(|v| (a.header(), v))).collect();
    let doc = Element::parse(&door.document(r, body, LIMIT).await?, "CompleteMultipartUpload")?;
    r.headers.extend(sums.into_iter().map(|(name, value)| (http::HeaderName::from_static(name), value)));
    let there = door.engine.part_list(&up, 0, upload::PARTS).await?;
    let parts = chosen(&doc, there)?;
    let mut meta = Meta::read(&up.meta);
    meta.checksums = whole(meta.algorithm.take(), &parts, r)?.into_iter().collect();
    let mut sum = Md5::new();
    for p in &parts {
        sum.update(unhex(&p.etag));
    }
    let size: i64 = parts.iter().map(|p| p.size_bytes).sum();
    if let Some(said) = r.header("x-amz-mp-object-size")
        && said.parse::<i64>() != Ok(size)
    {
        return Err(Fault::new(
            "InvalidRequest",
            format!("The provided 'x-amz-mp-object-size' header value {said} does not match what was computed: {size}"),
        ));
    }
    let draft = ObjectDraft {
        key: r.key().to_owned(),
        size,
        etag: format!("{}-{}", hex_of(&sum.finalize()), parts.len()),
        meta: meta.write(),
        acl: up.acl.clone(),
        tags: up.tags.clone(),
        account_id: up.account_id,
        blob: None,
        parts,
        expect: put::expect(r)?,
    };
    let written = put::refused(door.engine.upload_complete(&bucket, &up, draft).await?, r.key())?;
    door.free(written.freed.clone());
    let host = r.header("host").unwrap_or_default();
    let mut x = Xml::root("CompleteMultipartUploadResult");
    x.text("Location", &format!("http://{host}{}/{}/{}", r.prefix, bucket.name, url(r.key())));
    x.text("Bucket", &bucket.name).text("Key", r.key()).text("ETag", &format!("\"{}\"", written.object.etag));
    for c in &meta.checksums {
        x.text(c.algorithm.element(), &c.value).text("ChecksumType", c.kind());
    }
    let mut answer = document(x.done());
    if written.versioned {
        header(answer.headers_mut(), "x-amz-version-id", &written.object.version);
    }
    Ok(answer)
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2).filter_map(|two| std::str::from_utf8(two).ok());
    digits.filter_map(|two| u8::from_str_radix(two, 16).ok()).collect()
}

pub async fn abort(door: &Arc<Door>, r: &Request) -> Outcome<Answer> {
    let bucket = door.bucket(r.bucket()).await?;
    door.allow(r, &bucket, Act::key("s3:AbortMultipartUpload", r.key()))?;
    let up = upload::named(door, r, &bucket).await?;
    let freed = door.engine.upload_abort(&bucket, &up).await?.ok_or_else(Fault::no_upload)?;
    door.free(freed);
    Ok(empty(204))
}
