//! Lists of objects and versions: by key in UTF-8 order, with a delimiter's groups, in pages. A group is stepped over by its end, so a
//! folder of a million keys costs one row.
use crate::access::Act;
use crate::meta::Meta;
use crate::request::Request;
use crate::respond::{Answer, document};
use crate::text::{canonical, iso, url};
use crate::xml::Xml;
use crate::{Door, Fault, Outcome};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use stratus_engine::bucket_object::{Span, hex_of};
use stratus_store::S3Object;

/// Most keys and groups in an answer.
pub const MOST: i64 = 1000;

/// A continuation token of a name: opaque to clients, and refused when it is none of ours.
pub fn token(name: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("1{name}"))
}

/// The name in a token.
pub fn untoken(text: &str) -> Outcome<String> {
    let bad = || Fault::argument("continuation-token", text, "The continuation token provided is incorrect");
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| bad())?;
    let name = String::from_utf8(bytes).map_err(|_| bad())?;
    name.strip_prefix('1').map(str::to_owned).ok_or_else(bad)
}

/// The first text in hexadecimal behind all that begin with this one; `None` for behind everything.
pub fn behind(prefix: &str) -> Option<String> {
    let mut bytes = prefix.as_bytes().to_vec();
    // A UTF-8 text holds no 0xff, so its last byte can always be raised.
    let last = bytes.last_mut()?;
    *last += 1;
    Some(hex_of(&bytes))
}

/// The first text in hexadecimal after exactly this one.
pub fn after(key: &str) -> String {
    format!("{}00", hex_of(key.as_bytes()))
}

/// How names are written: as they are, or as `encoding-type=url` asks.
pub struct Encoding(bool);

impl Encoding {
    /// As a request asks.
    pub fn of(r: &Request) -> Outcome<Self> {
        match r.param("encoding-type") {
            None => Ok(Self(false)),
            Some("url") => Ok(Self(true)),
            Some(other) => Err(Fault::argument("encoding-type", other, "Invalid Encoding Method specified in Request")),
        }
    }
    /// A name.
    pub fn name(&self, text: &str) -> String {
        if self.0 { url(text) } else { text.to_owned() }
    }
    /// The element that tells.
    pub fn show(&self, x: &mut Xml) {
        if self.0 {
            x.text("EncodingType", "url");
        }
    }
}

/// The group that a key falls into.
pub fn group<'k>(key: &'k str, prefix: &str, delimiter: Option<&str>) -> Option<&'k str> {
    let delimiter = delimiter?;
    let end = key.get(prefix.len()..)?.find(delimiter)?;
    key.get(..prefix.len() + end + delimiter.len())
}

/// What a page holds, in order.
pub enum Item<T> {
    /// A row.
    Row(T),
    /// A group.
    Group(String),
}

/// Names and ids of owners, each looked up once.
pub struct Owners(HashMap<i64, (String, String)>);

impl Owners {
    /// Those of some accounts.
    pub async fn of(door: &Door, ids: impl Iterator<Item = i64>) -> Outcome<Self> {
        let mut found = HashMap::new();
        for id in ids {
            if let Entry::Vacant(place) = found.entry(id) {
                let (uuid, name) = door.owner(id).await?;
                place.insert((canonical(&uuid), name));
            }
        }
        Ok(Self(found))
    }
    /// An element.
    pub fn show(&self, x: &mut Xml, element: &str, account: i64) {
        if let Some((id, name)) = self.0.get(&account) {
            x.open(element).text("ID", id).text("DisplayName", name).close();
        }
    }
}

pub async fn objects(door: &Arc<Door>, r: &Request, second: bool) -> Outcome<Answer> {
    let bucket = door.bucket(r.bucket()).await?;
    door.allow(r, &bucket, Act::bucket("s3:ListBucket"))?;
    let encoding = Encoding::of(r)?;
    let prefix = r.param("prefix").unwrap_or_default();
    let delimiter = r.param("delimiter");
    let most = r.number("max-keys", MOST, MOST)?;
    let start = match second {
        false => r.param("marker").unwrap_or_default().to_owned(),
        true => match r.params.get("continuation-token") {
            Some(t) => untoken(t)?,
            None => r.param("start-after").unwrap_or_default().to_owned(),
        },
    };
    // A marker that is a group, or stands in one, is behind that group's keys.
    let mut from = if start.is_empty() { String::new() } else { after(&start) };
    if let Some(end) = group(&start, prefix, delimiter).filter(|g| *g == start).and_then(behind) {
        from = from.max(end);
    }
    let (items, more) = page(door, bucket.id, prefix, delimiter, from, most).await?;
    let last = items.last().map(|i| match i {
        Item::Row(o) => o.object_key.clone(),
        Item::Group(g) => g.clone(),
    });
    let with_owner = !second || r.param("fetch-owner").is_some_and(|v| v.eq_ignore_ascii_case("true"));
    let rows = items.iter().filter_map(|i| if let Item::Row(o) = i { Some(o.account_id) } else { None });
    let owners = Owners::of(door, rows.filter(|_| with_owner)).await?;

    let mut x = Xml::root("ListBucketResult");
    x.text("Name", &bucket.name).text("Prefix", &encoding.name(prefix));
    if second {
        x.maybe("StartAfter", r.param("start-after").map(|s| encoding.name(s)).as_deref());
        x.maybe("ContinuationToken", r.param("continuation-token"));
        if let Some(last) = last.as_deref().filter(|_| more) {
            x.text("NextContinuationToken", &token(last));
        }
        x.text("KeyCount", &items.len().to_string());
    } else {
        x.text("Marker", &encoding.name(&start));
        if let Some(last) = last.as_deref().filter(|_| more && delimiter.is_some()) {
            x.text("NextMarker", &encoding.name(last));
        }
    }
    x.text("MaxKeys", &most.to_string()).maybe("Delimiter", delimiter.map(|d| encoding.name(d)).as_deref());
    x.text("IsTruncated", if more { "true" } else { "false" });
    encoding.show(&mut x);
    for item in &items {
        if let Item::Row(o) = item {
            x.open("Contents").text("Key", &encoding.name(&o.object_key));
            facts(&mut x, o);
            owners.show(&mut x, "Owner", o.account_id);
            x.close();
        }
    }
    groups(&mut x, &items, &encoding);
    Ok(document(x.done()))
}

/// The groups, behind the rows.
pub fn groups<T>(x: &mut Xml, items: &[Item<T>], encoding: &Encoding) {
    for item in items {
        if let Item::Group(g) = item {
            x.open("CommonPrefixes").text("Prefix", &encoding.name(g)).close();
        }
    }
}

fn facts(x: &mut Xml, o: &S3Object) {
    x.text("LastModified", &iso(o.created)).text("ETag", &format!("\"{}\"", o.etag));
    for c in Meta::read(&o.meta).checksums {
        x.text("ChecksumAlgorithm", c.algorithm.name()).text("ChecksumType", c.kind());
    }
    x.text("Size", &o.size_bytes.to_string()).text("StorageClass", "STANDARD");
}

/// A page of newest versions and groups from a key on, and whether there is more.
async fn page(
    door: &Door,
    bucket: i64,
    prefix: &str,
    delimiter: Option<&str>,
    from: String,
    most: i64,
) -> Outcome<(Vec<Item<S3Object>>, bool)> {
    let mut items = Vec::new();
    let mut span = Span { from: from.max(hex_of(prefix.as_bytes())), until: behind(prefix), older_than: None, limit: 0 };
    if most == 0 {
        return Ok((items, false));
    }
    loop {
        let wanted = most - items.len() as i64;
        span.limit = wanted + 1;
        let rows = door.engine.objects_span(bucket, &span).await?;
        let whole = rows.len() as i64 <= wanted;
        let mut stepped = false;
        for o in rows {
            if items.len() as i64 == most {
                return Ok((items, true));
            }
            match group(&o.object_key, prefix, delimiter).map(str::to_owned) {
                None => {
                    span.from = format!("{}00", o.key_hex);
                    items.push(Item::Row(o));
                }
                Some(g) => {
                    let Some(end) = behind(&g) else { return Ok((items, false)) };
                    span.from = end;
                    items.push(Item::Group(g));
                    stepped = true;
                    break;
                }
            }
        }
        if !stepped && whole {
            return Ok((items, false));
        }
    }
}

pub async fn versions(door: &Arc<Door>, r: &Request) -> Outcome<Answer> {
    let bucket = door.bucket(r.bucket()).await?;
    door.allow(r, &bucket, Act::bucket("s3:ListBucketVersions"))?;
    let encoding = Encoding::of(r)?;
    let prefix = r.param("prefix").unwrap_or_default();
    let delimiter = r.param("delimiter");
    let most = r.number("max-keys", MOST, MOST)?;
    let marker = r.param("key-marker").unwrap_or_default();
    let version_marker = r.param("version-id-marker");
    let mut span =
        Span { from: if marker.is_empty() { String::new() } else { after(marker) }, until: behind(prefix), older_than: None, limit: 0 };
    if let Some(end) = group(marker, prefix, delimiter).filter(|g| *g == marker).and_then(behind) {
        span.from = span.from.max(end);
    }
    if let Some(v) = version_marker {
        if marker.is_empty() {
            return Err(Fault::argument("version-id-marker", v, "A version-id marker cannot be specified without a key marker."));
        }
        if let Some(o) = door.engine.object_get(bucket.id, marker, Some(v)).await? {
            (span.from, span.older_than) = (o.key_hex, Some(o.id));
        }
    }
    let (items, more) = version_page(door, bucket.id, prefix, delimiter, span, most).await?;
    let rows = items.iter().filter_map(|i| if let Item::Row(o) = i { Some(o.account_id) } else { None });
    let owners = Owners::of(door, rows).await?;

    let mut x = Xml::root("ListVersionsResult");
    x.text("Name", &bucket.name).text("Prefix", &encoding.name(prefix)).text("KeyMarker", &encoding.name(marker));
    x.text("VersionIdMarker", version_marker.unwrap_or_default());
    if more {
        match items.last() {
            Some(Item::Row(o)) => x.text("NextKeyMarker", &encoding.name(&o.object_key)).text("NextVersionIdMarker", &o.version),
            Some(Item::Group(g)) => x.text("NextKeyMarker", &encoding.name(g)),
            None => &mut x,
        };
    }
    x.text("MaxKeys", &most.to_string()).maybe("Delimiter", delimiter.map(|d| encoding.name(d)).as_deref());
    x.text("IsTruncated", if more { "true" } else { "false" });
    encoding.show(&mut x);
    for item in &items {
        if let Item::Row(o) = item {
            x.open(if o.marker { "DeleteMarker" } else { "Version" });
            x.text("Key", &encoding.name(&o.object_key)).text("VersionId", &o.version);
            x.text("IsLatest", if o.latest { "true" } else { "false" });
            if o.marker {
                x.text("LastModified", &iso(o.created));
            } else {
                facts(&mut x, o);
            }
            owners.show(&mut x, "Owner", o.account_id);
            x.close();
        }
    }
    groups(&mut x, &items, &encoding);
    Ok(document(x.done()))
}

async fn version_page(
    door: &Door,
    bucket: i64,
    prefix: &str,
    delimiter: Option<&str>,
    mut span: Span,
    most: i64,
) -> Outcome<(Vec<Item<S3Object>>, bool)> {
    let mut items = Vec::new();
    let first = hex_of(prefix.as_bytes());
    if span.from < first {
        (span.from, span.older_than) = (first, None);
    }
    if most == 0 {
        return Ok((items, false));
    }
    loop {
        let wanted = most - items.len() as i64;
        span.limit = wanted + 1;
        let rows = door.engine.versions_span(bucket, &span).await?;
        let whole = rows.len() as i64 <= wanted;
        let mut stepped = false;
        for o in rows {
            if items.len() as i64 == most {
                return Ok((items, true));
            }
            match group(&o.object_key, prefix, delimiter).map(str::to_owned) {
                None => {
                    (span.from, span.older_than) = (o.key_hex.clone(), Some(o.id));
                    items.push(Item::Row(o));
                }
                Some(g) => {
                    let Some(end) = behind(&g) else { return Ok((items, false)) };
                    (span.from, span.older_than) = (end, None);
                    items.push(Item::Group(g));
                    stepped = true;
                    break;
                }
            }
        }
        if !stepped && whole {
            return Ok((items, false));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_and_bounds() {
        assert_eq!(group("a/b/c", "a/", Some("/")), Some("a/b/"));
        assert_eq!(group("a/b", "a/", Some("/")), None);
        assert_eq!(group("a/b/c", "", None), None);
        assert_eq!(behind("a"), Some("62".into()));
        assert_eq!(behind(""), None);
        assert!(after("a") > hex_of(b"a") && after("a") <= hex_of(b"a\0") && after("a") < hex_of("b".as_bytes()));
        assert_eq!(untoken(&token("é/x")), Ok("é/x".into()));
        assert!(untoken("!!").is_err() && untoken("").is_err());
    }
}
