//! Lists of uploads under way and of their parts.
use crate::access::Act;
use crate::checksum::Kept;
use crate::meta::Meta;
use crate::ops::list::{Encoding, Item, MOST, Owners, after, behind, group, groups};
use crate::ops::upload;
use crate::request::Request;
use crate::respond::{Answer, document};
use crate::text::iso;
use crate::xml::Xml;
use crate::{Door, Outcome};
use std::sync::Arc;
use stratus_engine::bucket_object::{Span, hex_of};
use stratus_store::S3Upload;

pub async fn parts(door: &Arc<Door>, r: &Request) -> Outcome<Answer> {
    let bucket = door.bucket(r.bucket()).await?;
    door.allow(r, &bucket, Act::key("s3:ListMultipartUploadParts", r.key()))?;
    let up = upload::named(door, r, &bucket).await?;
    let (most, marker) = (r.number("max-parts", MOST, MOST)?, r.number("part-number-marker", 0, i64::MAX)?);
    let encoding = Encoding::of(r)?;
    let mut found = door.engine.part_list(&up, marker, most + 1).await?;
    let more = found.len() as i64 > most;
    found.truncate(usize::try_from(most).unwrap_or(0));
    let owners = Owners::of(door, [up.account_id].into_iter()).await?;
    let mut x = Xml::root("ListPartsResult");
    x.text("Bucket", &bucket.name).text("Key", &encoding.name(r.key())).text("UploadId", &up.uuid);
    owners.show(&mut x, "Initiator", up.account_id);
    owners.show(&mut x, "Owner", up.account_id);
    x.text("StorageClass", "STANDARD").text("PartNumberMarker", &marker.to_string());
    if let Some(last) = found.last().filter(|_| more) {
        x.text("NextPartNumberMarker", &last.number.to_string());
    }
    x.text("MaxParts", &most.to_string()).text("IsTruncated", if more { "true" } else { "false" });
    if let Some((a, full)) = Meta::read(&up.meta).algorithm {
        x.text("ChecksumAlgorithm", a.name()).text("ChecksumType", if full { "FULL_OBJECT" } else { "COMPOSITE" });
    }
    for p in &found {
        x.open("Part").text("PartNumber", &p.number.to_string()).text("LastModified", &iso(p.created));
        x.text("ETag", &format!("\"{}\"", p.etag)).text("Size", &p.size_bytes.to_string());
        let kept: Vec<Kept> = serde_json::from_str(&p.checksums).unwrap_or_default();
        for c in &kept {
            x.text(c.algorithm.element(), &c.value);
        }
        x.close();
    }
    Ok(document(x.done()))
}

pub async fn uploads(door: &Arc<Door>, r: &Request) -> Outcome<Answer> {
    let bucket = door.bucket(r.bucket()).await?;
    door.allow(r, &bucket, Act::bucket("s3:ListBucketMultipartUploads"))?;
    let encoding = Encoding::of(r)?;
    let (prefix, delimiter) = (r.param("prefix").unwrap_or_default(), r.param("delimiter"));
    let most = r.number("max-uploads", MOST, MOST)?;
    let (marker, id_marker) = (r.param("key-marker").unwrap_or_default(), r.param("upload-id-marker"));
    let mut from = match (marker, id_marker) {
        ("", _) => String::new(),
        // The marker's own key still has uploads behind the one named.
        (key, Some(_)) => hex_of(key.as_bytes()),
        (key, None) => after(key),
    };
    if let Some(end) = group(marker, prefix, delimiter).filter(|g| *g == marker).and_then(behind) {
        from = from.max(end);
    }
    let behind_id = match id_marker {
        Some(id) if !marker.is_empty() => door.engine.upload_get(bucket.id, marker, id).await?.map(|u| u.id),
        _ => None,
    };
    let span = Span { from: from.max(hex_of(prefix.as_bytes())), until: behind(prefix), older_than: None, limit: 0 };
    let (items, more) = page(door, bucket.id, (prefix, delimiter), span, (marker, behind_id), most).await?;
    let rows = items.iter().filter_map(|i| if let Item::Row(u) = i { Some(u.account_id) } else { None });
    let owners = Owners::of(door, rows).await?;
    let mut x = Xml::root("ListMultipartUploadsResult");
    x.text("Bucket", &bucket.name).text("KeyMarker", &encoding.name(marker)).text("UploadIdMarker", id_marker.unwrap_or_default());
    match items.last().filter(|_| more) {
        Some(Item::Row(u)) => x.text("NextKeyMarker", &encoding.name(&u.object_key)).text("NextUploadIdMarker", &u.uuid),
        Some(Item::Group(g)) => x.text("NextKeyMarker", &encoding.name(g)),
        None => &mut x,
    };
    x.text("Prefix", &encoding.name(prefix)).maybe("Delimiter", delimiter.map(|d| encoding.name(d)).as_deref());
    x.text("MaxUploads", &most.to_string()).text("IsTruncated", if more { "true" } else { "false" });
    encoding.show(&mut x);
    for item in &items {
        if let Item::Row(u) = item {
            x.open("Upload").text("Key", &encoding.name(&u.object_key)).text("UploadId", &u.uuid);
            owners.show(&mut x, "Initiator", u.account_id);
            owners.show(&mut x, "Owner", u.account_id);
            x.text("StorageClass", "STANDARD").text("Initiated", &iso(u.created));
            if let Some((a, full)) = Meta::read(&u.meta).algorithm {
                x.text("ChecksumAlgorithm", a.name()).text("ChecksumType", if full { "FULL_OBJECT" } else { "COMPOSITE" });
            }
            x.close();
        }
    }
    groups(&mut x, &items, &encoding);
    Ok(document(x.done()))
}

/// A page of uploads, and whether there is more. Uploads of one key are few, so those up to a marker are simply passed over.
async fn page(
    door: &Door,
    bucket: i64,
    (prefix, delimiter): (&str, Option<&str>),
    mut span: Span,
    (marker, behind_id): (&str, Option<i64>),
    most: i64,
) -> Outcome<(Vec<Item<S3Upload>>, bool)> {
    let mut items = Vec::new();
    let mut last: Option<String> = None;
    span.limit = i64::MAX;
    for u in door.engine.uploads_span(bucket, &span).await? {
        if u.object_key == marker && behind_id.is_some_and(|id| u.id <= id) {
            continue;
        }
        let g = group(&u.object_key, prefix, delimiter).map(str::to_owned);
        if g.is_some() && g == last {
            continue;
        }
        if items.len() as i64 == most {
            return Ok((items, most > 0));
        }
        last.clone_from(&g);
        items.push(match g {
            Some(g) => Item::Group(g),
            None => Item::Row(u),
        });
    }
    Ok((items, false))
}
