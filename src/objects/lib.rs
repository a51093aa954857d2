//! Image stores that are buckets of an S3 service.
//!
//! Hosts do not read buckets, so every object has two places: near, on a file-based driver that pools can read (the staging store of the
//! original), and in the bucket, where it rests and from where it is read out. It comes near first and is there before the call answers;
//! what a pool puts near is taken to the bucket by [`SecondaryStorage::settle`]. The near copy stays as long as the object does: evicting
//! it would be a cache's work, and nothing here needs the room yet.
//!
//! Objects that the simulator made up have no bytes worth sending: their key ends in `.simulated` and holds their name alone.
//! Rejected: letting the near driver fetch through a presigned URL, which would need the bucket to be reachable from wherever it runs.
use async_trait::async_trait;
use opendal::services::S3;
use opendal::{ErrorKind, Operator};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use stratus_drivers::{DriverError, FetchSpec, ObjectReader, SecondaryStorage, StorageUse, StoreDetails, TemplateFacts};
use tokio::io::AsyncReadExt;
use tokio_util::compat::FuturesAsyncReadCompatExt;

/// Bytes sent at a time: a part of a multipart upload, of which there may be 10,000.
const PART: usize = 8 << 20;
/// Where objects are in the bucket.
const ROOT: &str = "template/stratus/";
/// The end of the key of an object that has no bytes.
const SIMULATED: &str = ".simulated";
/// What a bucket without end says of its size: a PiB.
const ENDLESS: u64 = 1 << 50;

type Done<T = ()> = Result<T, DriverError>;

/// Stores of provider `S3`, each a bucket.
pub struct Buckets {
    /// Where pools read and write.
    near: Arc<dyn SecondaryStorage>,
    stores: RwLock<HashMap<String, Operator>>,
}

fn failed(what: &str, e: &opendal::Error) -> DriverError {
    match e.kind() {
        ErrorKind::NotFound => DriverError::Missing(what.to_owned()),
        _ => DriverError::Failed(format!("{what}: {e}")),
    }
}

/// A bucket as `addImageStore` describes it.
fn operator(details: &StoreDetails) -> Done<Operator> {
    let text = |name: &str| details.get(name).map(|s| s.reveal().trim()).filter(|s| !s.is_empty());
    let need = |name: &str| text(name).ok_or_else(|| DriverError::Failed(format!("a store of S3 needs the detail {name}")));
    let (bucket, access, secret) = (need("bucket")?, need("accesskey")?, need("secretkey")?);
    let scheme = if text("usehttps") == Some("false") { "http" } else { "https" };
    let endpoint = match text("endpoint").unwrap_or("s3.amazonaws.com") {
        whole if whole.contains("://") => whole.to_owned(),
        host => format!("{scheme}://{host}"),
    };
    let s3 = S3::default()
        .root(ROOT)
        .bucket(bucket)
        .endpoint(&endpoint)
        .region(text("region").unwrap_or("us-east-1"))
        .access_key_id(access)
        .secret_access_key(secret)
        .disable_config_load()
        .disable_ec2_metadata();
    Operator::new(s3).map_err(|e| failed("the store of S3", &e))
}

impl Buckets {
    /// Buckets before which a file-based driver stands. TLS is spoken with the provider that the process has chosen by then.
    pub fn before(near: Arc<dyn SecondaryStorage>) -> Arc<Self> {
        // Said twice, the first time counts.
        opendal_http_transport_reqwest::install_default();
        Arc::new(Self { near, stores: RwLock::default() })
    }

    fn store(&self, store: &str) -> Done<Operator> {
        let stores = self.stores.read().unwrap_or_else(PoisonError::into_inner);
        stores.get(store).cloned().ok_or_else(|| DriverError::Unreachable(format!("store {store}")))
    }

    /// Takes what is near to the bucket.
    async fn send(&self, store: &str, object: &str) -> Done {
        let to = self.store(store)?;
        let mut from = self.near.open(store, object).await?;
        if from.made_up {
            let key = format!("{object}{SIMULATED}");
            return to.write(&key, object.to_owned()).await.map(drop).map_err(|e| failed("sending to S3", &e));
        }
        let mut writer = to.writer(object).await.map_err(|e| failed("sending to S3", &e))?;
        let sent: Done = async {
            loop {
                let mut part = Vec::with_capacity(PART);
                let n = (&mut from.body).take(PART as u64).read_to_end(&mut part).await;
                if n.map_err(|e| DriverError::Failed(format!("reading {object}: {e}")))? == 0 {
                    return Ok(());
                }
                writer.write(part).await.map_err(|e| failed("sending to S3", &e))?;
            }
        }
        .await;
        match sent {
            Ok(()) => writer.close().await.map(drop).map_err(|e| failed("sending to S3", &e)),
            Err(e) => {
                if let Err(e) = writer.abort().await {
                    tracing::warn!(store, object, error = %e, "a part of an object may be left in a bucket");
                }
                Err(e)
            }
        }
    }

    /// Sends what has just come near; what cannot be sent does not stay.
    async fn sent(&self, store: &str, object: &str, facts: TemplateFacts) -> Done<TemplateFacts> {
        match self.send(store, object).await {
            Ok(()) => Ok(facts),
            Err(e) => {
                if let Err(again) = self.near.delete(store, object).await {
                    tracing::warn!(store, object, error = %again, "an object that did not reach its bucket is left before it");
                }
                Err(e)
            }
        }
    }
}

#[async_trait]
impl SecondaryStorage for Buckets {
    async fn connect(&self, store: &str, url: &str, details: &StoreDetails) -> Done<StorageUse> {
        let operator = operator(details)?;
        operator.check().await.map_err(|e| DriverError::Unreachable(format!("the bucket ({e})")))?;
        let place = if url.is_empty() { "s3://bucket" } else { url };
        self.near.connect(store, place, &StoreDetails::new()).await?;
        self.stores.write().unwrap_or_else(PoisonError::into_inner).insert(store.to_owned(), operator);
        Ok(StorageUse { total: ENDLESS, used: 0 })
    }
    async fn fetch(&self, store: &str, what: &FetchSpec) -> Done<TemplateFacts> {
        self.store(store)?;
        let facts = self.near.fetch(store, what).await?;
        self.sent(store, &what.object, facts).await
    }
    async fn progress(&self, store: &str, object: &str) -> Done<Option<u8>> {
        self.near.progress(store, object).await
    }
    async fn template_from_snapshot(&self, store: &str, template: &str, snapshot: &str) -> Done<TemplateFacts> {
        self.store(store)?;
        let facts = self.near.template_from_snapshot(store, template, snapshot).await?;
        self.sent(store, template, facts).await
    }
    async fn duplicate(&self, store: &str, object: &str, copy: &str) -> Done<TemplateFacts> {
        self.store(store)?;
        let facts = self.near.duplicate(store, object, copy).await?;
        self.sent(store, copy, facts).await
    }
    async fn copy(&self, from: &str, object: &str, to: &str) -> Done<TemplateFacts> {
        self.store(to)?;
        let facts = self.near.copy(from, object, to).await?;
        if from == to { Ok(facts) } else { self.sent(to, object, facts).await }
    }
    async fn open(&self, store: &str, object: &str) -> Done<ObjectReader> {
        let bucket = self.store(store)?;
        let what = format!("{object} on store {store}");
        let bytes = match bucket.stat(object).await {
            Ok(facts) => facts.content_length(),
            Err(e) if e.kind() == ErrorKind::NotFound => return self.near.open(store, object).await,
            Err(e) => return Err(failed(&what, &e)),
        };
        let reader = bucket.reader(object).await.map_err(|e| failed(&what, &e))?;
        let body = reader.into_futures_async_read(0..bytes).await.map_err(|e| failed(&what, &e))?;
        Ok(ObjectReader { bytes, body: Box::pin(body.compat()), made_up: false })
    }
    async fn settle(&self, store: &str, object: &str) -> Done {
        self.send(store, object).await
    }
    async fn list(&self, store: &str) -> Done<Vec<String>> {
        let entries = self.store(store)?.list("/").await.map_err(|e| failed("listing a bucket", &e))?;
        let name = |path: &str| path.strip_suffix(SIMULATED).unwrap_or(path).to_owned();
        Ok(entries.iter().filter(|e| !e.path().ends_with('/')).map(|e| name(e.path())).collect())
    }
    async fn delete(&self, store: &str, object: &str) -> Done {
        let bucket = self.store(store)?;
        for key in [object.to_owned(), format!("{object}{SIMULATED}")] {
            bucket.delete(&key).await.map_err(|e| failed("deleting from S3", &e))?;
        }
        self.near.delete(store, object).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stratus_drivers::Secret;

    #[test]
    fn a_bucket_needs_its_keys_and_tells_none() {
        let mut details = StoreDetails::new();
        for name in ["bucket", "accesskey", "secretkey"] {
            let missing = operator(&details).expect_err("not all is there").to_string();
            assert!(missing.contains(name), "{missing}");
            details.insert(name.to_owned(), Secret::new(if name == "bucket" { "images" } else { "hush" }));
        }
        let known = operator(&details).expect("all is there");
        assert!(!format!("{known:?}").contains("hush"), "{known:?}");
    }
}
