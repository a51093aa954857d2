//! Objects in buckets: one row a version, the newest marked. Each change locks its bucket's row first, so that versions of a key have
//! an order, counters hold and quotas cannot be passed by writing in parallel.
use crate::Engine;
use crate::bucket::{account_bytes, gone};
use stratus_model::{Error, Micros, Result};
use stratus_store::{Query, S3Bucket, S3Object, S3Part, S3Upload, Tx, Value, sql};
use uuid::Uuid;

/// The version of an object that was written while its bucket kept none.
pub const NULL_VERSION: &str = "null";

/// A key's bytes as the store orders them.
pub fn hex_of(key: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    key.iter().flat_map(|b| [DIGITS[usize::from(b >> 4)], DIGITS[usize::from(b & 15)]]).map(char::from).collect()
}

/// What a write asks of what is there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Expect {
    /// Nothing.
    #[default]
    Anything,
    /// There is no object of this key.
    Absent,
    /// There is one with this ETag.
    Etag(String),
}

/// A new version of an object, its bytes already safe in files.
#[derive(Debug, Clone, Default)]
pub struct ObjectDraft {
    /// The key.
    pub key: String,
    /// Bytes.
    pub size: i64,
    /// The ETag without quotes.
    pub etag: String,
    /// Headers and checksums.
    pub meta: String,
    /// The ACL.
    pub acl: String,
    /// Tags.
    pub tags: Option<String>,
    /// The owner.
    pub account_id: i64,
    /// The file, when one holds it all.
    pub blob: Option<String>,
    /// The parts, in order, when they hold it (copies of such objects); numbers, files, sizes and ETags.
    pub parts: Vec<S3Part>,
    /// What must be there before.
    pub expect: Expect,
}

/// Why a write was not done.
#[derive(Debug)]
pub enum Refused {
    /// What [`Expect`] asked for is not so; whether there is an object at all.
    Precondition {
        /// Whether the key has an object.
        exists: bool,
    },
    /// The bucket or the account is full.
    Full(&'static str),
    /// The upload is over or was never.
    NoUpload,
}

/// What a write did.
pub type Outcome<T> = std::result::Result<T, Refused>;

/// A written version, and the files that it made garbage.
#[derive(Debug, Clone)]
pub struct Written {
    /// The new version.
    pub object: S3Object,
    /// Whether its bucket keeps versions.
    pub versioned: bool,
    /// Files that no row names any more.
    pub freed: Vec<String>,
}

/// What deleting did.
#[derive(Debug, Clone, Default)]
pub struct Deleted {
    /// Whether a delete marker was made or taken away.
    pub marker: bool,
    /// The version made or deleted, where versions are kept.
    pub version: Option<String>,
    /// Files that no row names any more.
    pub freed: Vec<String>,
}

/// Locks a live bucket's row for the rest of the transaction and reads it.
pub(crate) async fn lock(tx: &mut Tx, bucket_id: i64, name: &str) -> Result<S3Bucket> {
    let touch = sql!("update s3_bucket set update_count = update_count + 1 where id = ? and removed is null");
    if tx.execute(touch, vec![bucket_id.into()]).await? == 0 {
        return Err(gone(name));
    }
    tx.must(bucket_id).await
}

/// Moves a bucket's and its account's counters; false when a quota does not let it. The caller must then give up the transaction.
pub(crate) async fn count(tx: &mut Tx, b: &S3Bucket, objects: i64, bytes: i64, account: i64) -> Result<Option<&'static str>> {
    if bytes > 0 && b.quota_bytes.is_some_and(|q| b.bytes + bytes > q) {
        return Ok(Some("The quota of the bucket is used up"));
    }
    if objects != 0 || bytes != 0 {
        let sql = sql!("update s3_bucket set objects = objects + ?, bytes = bytes + ? where id = ?");
        tx.execute(sql, vec![objects.into(), bytes.into(), b.id.into()]).await?;
    }
    match account == 0 || account_bytes(tx, b.account_id, account).await? {
        true => Ok(None),
        false => Ok(Some("The object storage quota of the account is used up")),
    }
}

async fn latest(tx: &mut Tx, bucket_id: i64, hex: &str) -> Result<Option<S3Object>> {
    tx.find_one(Query::all().eq("bucket_id", bucket_id).eq("latest", true).eq("key_hex", hex)).await
}

/// Removes a version's row; its files.
async fn remove(tx: &mut Tx, o: &S3Object) -> Result<Vec<String>> {
    tx.delete::<S3Object>(Query::all().eq("id", o.id)).await?;
    let Some(blob) = &o.blob_id else {
        if o.marker {
            return Ok(Vec::new());
        }
        let parts: Vec<S3Part> = tx.find(Query::all().eq("object_id", o.id)).await?;
        tx.delete::<S3Part>(Query::all().eq("object_id", o.id)).await?;
        return Ok(parts.into_iter().map(|p| p.blob_id).collect());
    };
    Ok(vec![blob.clone()])
}

/// Puts a version in front of the others; `counted` bytes of it are in the account's sum already (an upload's parts).
pub(crate) async fn put(tx: &mut Tx, b: &S3Bucket, d: &ObjectDraft, now: Micros, counted: i64) -> Result<Outcome<Written>> {
    let hex = hex_of(d.key.as_bytes());
    let before = latest(tx, b.id, &hex).await?;
    let live = before.as_ref().filter(|o| !o.marker);
    let fits = match &d.expect {
        Expect::Anything => true,
        Expect::Absent => live.is_none(),
        Expect::Etag(tag) => live.is_some_and(|o| o.etag == *tag),
    };
    if !fits {
        return Ok(Err(Refused::Precondition { exists: live.is_some() }));
    }
    let versioned = b.versioning == "Enabled";
    let (mut freed, mut objects, mut bytes) = (Vec::new(), 1, d.size);
    if !versioned {
        let old = Query::all().eq("bucket_id", b.id).eq("key_hex", hex.as_str()).eq("version", NULL_VERSION);
        if let Some(old) = tx.find_one::<S3Object>(old).await? {
            freed = remove(tx, &old).await?;
            (objects, bytes) = (0, d.size - old.size_bytes);
        }
    }
    if let Some(before) = &before {
        tx.set::<S3Object>(before.id, vec![("latest", false.into())]).await?;
    }
    if let Some(why) = count(tx, b, objects, bytes, bytes - counted).await? {
        return Ok(Err(Refused::Full(why)));
    }
    let uuid = Uuid::new_v4();
    let version = if versioned { uuid.simple().to_string() } else { NULL_VERSION.to_owned() };
    let mut object = S3Object {
        uuid: uuid.to_string(),
        bucket_id: b.id,
        object_key: d.key.clone(),
        key_hex: hex,
        version,
        latest: true,
        size_bytes: d.size,
        etag: d.etag.clone(),
        meta: d.meta.clone(),
        acl: d.acl.clone(),
        tags: d.tags.clone(),
        account_id: d.account_id,
        blob_id: d.blob.clone(),
        created: now,
        ..Default::default()
    };
    tx.insert(&mut object).await?;
    let parts: Vec<S3Part> =
        d.parts.iter().map(|p| S3Part { id: 0, upload_id: None, object_id: Some(object.id), created: now, ..p.clone() }).collect();
    if !parts.is_empty() {
        tx.insert_all(&parts).await?;
    }
    Ok(Ok(Written { object, versioned: !b.versioning.is_empty(), freed }))
}

/// Where a list begins and ends, and how much of it is wanted. Bounds are keys in hexadecimal.
#[derive(Debug, Clone)]
pub struct Span {
    /// The first key.
    pub from: String,
    /// The first key that is no longer in it.
    pub until: Option<String>,
    /// With versions: of the first key, only versions older than this row.
    pub older_than: Option<i64>,
    /// Most rows.
    pub limit: i64,
}

impl Engine {
    /// Puts a new version of an object into a bucket.
    pub async fn object_put(&self, bucket: &S3Bucket, draft: ObjectDraft) -> Result<Outcome<Written>> {
        let (id, name, now) = (bucket.id, bucket.name.clone(), self.clock.now());
        self.roll_back_refused(move |tx| {
            Box::pin(async move {
                let b = lock(tx, id, &name).await?;
                put(tx, &b, &draft, now, 0).await
            })
        })
        .await
    }

    /// Runs a write whose refusal must leave nothing behind: the refusal travels as an error through the transaction.
    pub(crate) async fn roll_back_refused<T, F>(&self, work: F) -> Result<Outcome<T>>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> stratus_store::Boxed<'t, Outcome<T>> + Send + Clone + 'static,
    {
        let why = std::sync::Arc::new(std::sync::Mutex::new(None));
        let told = why.clone();
        let outcome = self
            .db
            .write(move |tx| {
                Box::pin(async move {
                    match work(tx).await? {
                        Ok(t) => Ok(t),
                        Err(refused) => {
                            *told.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(refused);
                            Err(Error::Unavailable("refused".into()))
                        }
                    }
                })
            })
            .await;
        let refused = why.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        match (outcome, refused) {
            (Err(_), Some(refused)) => Ok(Err(refused)),
            (outcome, _) => outcome.map(Ok),
        }
    }

    /// The newest version of an object, or the one asked for; delete markers too.
    pub async fn object_get(&self, bucket_id: i64, key: &str, version: Option<&str>) -> Result<Option<S3Object>> {
        let q = Query::all().eq("bucket_id", bucket_id);
        self.db
            .find_one(match version {
                None => q.eq("latest", true).eq("key_hex", hex_of(key.as_bytes())),
                Some(v) => q.eq("key_hex", hex_of(key.as_bytes())).eq("version", v),
            })
            .await
    }

    /// The parts that an object's bytes lie in, in order.
    pub async fn object_parts(&self, object_id: i64) -> Result<Vec<S3Part>> {
        self.db.find(Query::all().eq("object_id", object_id).order("number")).await
    }

    /// Deletes an object, or one of its versions. Deleting what is not there is done at once.
    pub async fn object_delete(&self, bucket: &S3Bucket, key: String, version: Option<String>, by: i64) -> Result<Deleted> {
        let (id, name, now) = (bucket.id, bucket.name.clone(), self.clock.now());
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let b = lock(tx, id, &name).await?;
                    match version {
                        Some(v) => delete_version(tx, &b, &key, v).await,
                        None => delete_newest(tx, &b, &key, by, now).await,
                    }
                })
            })
            .await
    }

    /// Sets the ACL or the tags of a version.
    pub async fn object_set(&self, object: &S3Object, values: Vec<(&'static str, Value)>) -> Result<()> {
        let id = object.id;
        self.db.write(move |tx| Box::pin(async move { tx.set::<S3Object>(id, values).await.map(drop) })).await
    }

    /// Newest versions that are no delete markers, by key.
    pub async fn objects_span(&self, bucket_id: i64, span: &Span) -> Result<Vec<S3Object>> {
        let q = Query::all().eq("bucket_id", bucket_id).eq("latest", true).at_least("key_hex", span.from.as_str());
        let mut sql_until = q;
        if let Some(until) = &span.until {
            sql_until = sql_until.below("key_hex", until.as_str());
        }
        self.db.find(sql_until.eq("marker", false).order("key_hex").page(0, span.limit)).await
    }

    /// All versions and markers, by key and then from new to old.
    pub async fn versions_span(&self, bucket_id: i64, span: &Span) -> Result<Vec<S3Object>> {
        let mut sql = format!("select {} from s3_object where bucket_id = ? and key_hex >= ?", columns());
        let mut args: Vec<Value> = vec![bucket_id.into(), span.from.as_str().into()];
        if let Some(until) = &span.until {
            sql.push_str(" and key_hex < ?");
            args.push(until.as_str().into());
        }
        if let Some(id) = span.older_than {
            sql.push_str(" and (key_hex > ? or id < ?)");
            args.extend([span.from.as_str().into(), id.into()]);
        }
        sql.push_str(&format!(" order by key_hex, id desc limit {}", span.limit));
        self.db.rows(sql, args).await?.iter().map(stratus_store::Table::from_row).collect()
    }

    /// Uploads under way, by key and then by age.
    pub async fn uploads_span(&self, bucket_id: i64, span: &Span) -> Result<Vec<S3Upload>> {
        let mut q = Query::all().eq("bucket_id", bucket_id).at_least("key_hex", span.from.as_str());
        if let Some(until) = &span.until {
            q = q.below("key_hex", until.as_str());
        }
        self.db.find(q.order("key_hex").page(0, span.limit)).await
    }
}

fn columns() -> String {
    <S3Object as stratus_store::Table>::COLUMNS.join(",")
}

async fn delete_newest(tx: &mut Tx, b: &S3Bucket, key: &str, by: i64, now: Micros) -> Result<Deleted> {
    let hex = hex_of(key.as_bytes());
    let null = Query::all().eq("bucket_id", b.id).eq("key_hex", hex.as_str()).eq("version", NULL_VERSION);
    let (mut freed, mut objects, mut bytes) = (Vec::new(), 0, 0);
    if b.versioning != "Enabled"
        && let Some(old) = tx.find_one::<S3Object>(null).await?
    {
        freed = remove(tx, &old).await?;
        (objects, bytes) = (-1, -old.size_bytes);
    }
    let mut deleted = Deleted { freed, ..Default::default() };
    if !b.versioning.is_empty() {
        if let Some(before) = latest(tx, b.id, &hex).await? {
            tx.set::<S3Object>(before.id, vec![("latest", false.into())]).await?;
        }
        let uuid = Uuid::new_v4();
        let version = if b.versioning == "Enabled" { uuid.simple().to_string() } else { NULL_VERSION.to_owned() };
        let mut marker = S3Object {
            uuid: uuid.to_string(),
            bucket_id: b.id,
            object_key: key.to_owned(),
            key_hex: hex,
            version: version.clone(),
            latest: true,
            marker: true,
            meta: "{}".into(),
            acl: "[]".into(),
            account_id: by,
            created: now,
            ..Default::default()
        };
        tx.insert(&mut marker).await?;
        objects += 1;
        deleted = Deleted { marker: true, version: Some(version), ..deleted };
    }
    count(tx, b, objects, bytes, bytes).await?;
    Ok(deleted)
}

async fn delete_version(tx: &mut Tx, b: &S3Bucket, key: &str, version: String) -> Result<Deleted> {
    let hex = hex_of(key.as_bytes());
    let all = || Query::all().eq("bucket_id", b.id).eq("key_hex", hex.as_str());
    let Some(o) = tx.find_one::<S3Object>(all().eq("version", version.as_str())).await? else {
        return Ok(Deleted { version: Some(version), ..Default::default() });
    };
    let freed = remove(tx, &o).await?;
    if o.latest
        && let Some(next) = tx.find_one::<S3Object>(all().latest("id")).await?
    {
        tx.set::<S3Object>(next.id, vec![("latest", true.into())]).await?;
    }
    count(tx, b, -1, -o.size_bytes, -o.size_bytes).await?;
    Ok(Deleted { marker: o.marker, version: Some(version), freed })
}
