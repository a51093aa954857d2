//! What must hold of buckets at rest.
use crate::Engine;
use std::collections::{HashMap, HashSet};
use stratus_model::Result;
use stratus_store::{Query, S3Bucket, S3Object, S3Part, S3Upload, S3Usage};

impl Engine {
    /// A bucket counts what lies in it, an account what its buckets and uploads hold; each key has one newest version, each file one row.
    pub(crate) async fn check_buckets(&self, found: &mut Vec<String>) -> Result<()> {
        let buckets = self.db.find::<S3Bucket>(Query::all()).await?;
        let owners: HashMap<i64, i64> = buckets.iter().map(|b| (b.id, b.account_id)).collect();
        let (mut sums, mut kept): (HashMap<i64, (i64, i64)>, HashMap<i64, i64>) = Default::default();
        let mut newest = HashMap::<(i64, String), usize>::new();
        for o in self.db.find::<S3Object>(Query::all()).await? {
            let s = sums.entry(o.bucket_id).or_default();
            *s = (s.0 + 1, s.1 + o.size_bytes);
            *kept.entry(owners.get(&o.bucket_id).copied().unwrap_or(0)).or_default() += o.size_bytes;
            *newest.entry((o.bucket_id, o.key_hex)).or_default() += usize::from(o.latest);
        }
        found.extend(newest.iter().filter(|(_, n)| **n != 1).map(|((b, k), n)| format!("key {k} of bucket {b} has {n} newest versions")));
        let uploads: HashMap<i64, i64> = self.db.find::<S3Upload>(Query::all()).await?.into_iter().map(|u| (u.id, u.bucket_id)).collect();
        for p in self.db.find::<S3Part>(Query::all().not_null("upload_id")).await? {
            let bucket = p.upload_id.and_then(|u| uploads.get(&u)).copied().unwrap_or(0);
            *kept.entry(owners.get(&bucket).copied().unwrap_or(0)).or_default() += p.size_bytes;
        }
        for b in &buckets {
            let sum = sums.remove(&b.id).unwrap_or_default();
            if sum != (b.objects, b.bytes) {
                found.push(format!("bucket {}: counts {} objects and {} bytes, has {sum:?}", b.uuid, b.objects, b.bytes));
            }
        }
        found.extend(sums.keys().map(|b| format!("objects of a bucket {b} that is not there")));
        for u in self.db.find::<S3Usage>(Query::all()).await? {
            let sum = kept.remove(&u.account_id).unwrap_or(0);
            if sum != u.bytes {
                found.push(format!("account {} counts {} bytes of objects and has {sum}", u.account_id, u.bytes));
            }
        }
        let mut files = HashSet::new();
        found.extend(self.blobs_all().await?.into_iter().filter(|f| !files.insert(f.clone())).map(|f| format!("file {f} has two rows")));
        Ok(())
    }
}
