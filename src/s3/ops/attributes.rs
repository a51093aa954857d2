//! The facts of an object, those asked for.
use crate::checksum::Kept;
use crate::meta::{Meta, put};
use crate::ops::get;
use crate::request::Request;
use crate::respond::{Answer, document};
use crate::text::http_date;
use crate::xml::Xml;
use crate::{Door, Fault, Outcome};
use std::sync::Arc;

const KNOWN: &[&str] = &["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"];

pub async fn get(door: &Arc<Door>, r: &Request) -> Outcome<Answer> {
    let (bucket, object) = get::found(door, r, "s3:GetObjectAttributes").await?;
    let listed: Vec<&str> = r
        .headers
        .get_all("x-amz-object-attributes")
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .map(str::trim)
        .collect();
    if listed.is_empty() || listed.iter().any(|a| !KNOWN.contains(a)) {
        return Err(Fault::argument("x-amz-object-attributes", &listed.join(","), "Invalid attribute name specified"));
    }
    let has = |name: &str| listed.contains(&name);
    let meta = Meta::read(&object.meta);
    let mut x = Xml::root("GetObjectAttributesResponse");
    if has("ETag") {
        x.text("ETag", &object.etag);
    }
    if has("Checksum") && !meta.checksums.is_empty() {
        x.open("Checksum");
        for c in &meta.checksums {
            x.text(c.algorithm.element(), &c.value).text("ChecksumType", c.kind());
        }
        x.close();
    }
    let parts = get::parts(door, &object).await?;
    if has("ObjectParts") && !parts.is_empty() {
        let number = |name: &str| r.header(name).and_then(|v| v.parse::<usize>().ok());
        let (most, marker) = (number("x-amz-max-parts").unwrap_or(1000).min(1000), number("x-amz-part-number-marker").unwrap_or(0));
        let shown: Vec<_> = parts.iter().filter(|p| p.number as usize > marker).take(most).collect();
        let last = shown.last().map_or(marker as i64, |p| p.number);
        let more = parts.last().is_some_and(|p| p.number > last);
        x.open("ObjectParts").text("PartsCount", &parts.len().to_string()).text("PartNumberMarker", &marker.to_string());
        x.text("NextPartNumberMarker", &last.to_string()).text("MaxParts", &most.to_string());
        x.text("IsTruncated", if more { "true" } else { "false" });
        for p in shown {
            x.open("Part").text("PartNumber", &p.number.to_string()).text("Size", &p.size_bytes.to_string());
            let kept: Vec<Kept> = serde_json::from_str(&p.checksums).unwrap_or_default();
            for c in &kept {
                x.text(c.algorithm.element(), &c.value);
            }
            x.close();
        }
        x.close();
    }
    if has("StorageClass") {
        x.text("StorageClass", "STANDARD");
    }
    if has("ObjectSize") {
        x.text("ObjectSize", &object.size_bytes.to_string());
    }
    let mut answer = document(x.done());
    put(answer.headers_mut(), "last-modified", &http_date(object.created));
    if !bucket.versioning.is_empty() {
        put(answer.headers_mut(), "x-amz-version-id", &object.version);
    }
    Ok(answer)
}
