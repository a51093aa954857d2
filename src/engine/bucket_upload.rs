//! Multipart uploads: parts are files of their own, and the finished object is a row that names them in order. So completing an upload
//! of any size moves no bytes.
use crate::Engine;
use crate::bucket::account_bytes;
use crate::bucket_object::{ObjectDraft, Outcome, Refused, Written, hex_of, lock, put};
use stratus_model::Result;
use stratus_store::{Query, S3Bucket, S3Part, S3Upload};
use uuid::Uuid;

impl Engine {
    /// Begins an upload.
    pub async fn upload_create(&self, bucket: &S3Bucket, draft: S3Upload) -> Result<S3Upload> {
        let (id, name, now) = (bucket.id, bucket.name.clone(), self.clock.now());
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    lock(tx, id, &name).await?;
                    let key_hex = hex_of(draft.object_key.as_bytes());
                    let mut row = S3Upload { uuid: Uuid::new_v4().to_string(), bucket_id: id, key_hex, created: now, ..draft };
                    tx.insert(&mut row).await?;
                    Ok(row)
                })
            })
            .await
    }

    /// The upload under way of this id.
    pub async fn upload_get(&self, bucket_id: i64, key: &str, uuid: &str) -> Result<Option<S3Upload>> {
        let q = Query::all().eq("uuid", uuid).eq("bucket_id", bucket_id).eq("key_hex", hex_of(key.as_bytes()));
        self.db.find_one(q).await
    }

    /// Adds a part, in place of an earlier one of its number; the files that became garbage.
    pub async fn part_put(&self, bucket: &S3Bucket, upload: &S3Upload, part: S3Part) -> Result<Outcome<Vec<String>>> {
        let (b, upload_id, now) = (bucket.clone(), upload.id, self.clock.now());
        self.roll_back_refused(move |tx| {
            Box::pin(async move {
                let b = lock(tx, b.id, &b.name).await?;
                if tx.count::<S3Upload>(Query::all().eq("id", upload_id)).await? == 0 {
                    return Ok(Err(Refused::NoUpload));
                }
                let same = Query::all().eq("upload_id", upload_id).eq("number", part.number);
                let old: Vec<S3Part> = tx.find(same.clone()).await?;
                tx.delete::<S3Part>(same).await?;
                let more = part.size_bytes - old.iter().map(|p| p.size_bytes).sum::<i64>();
                if !account_bytes(tx, b.account_id, more).await? {
                    return Ok(Err(Refused::Full("The object storage quota of the account is used up")));
                }
                tx.insert(&mut S3Part { upload_id: Some(upload_id), object_id: None, created: now, ..part }).await?;
                Ok(Ok(old.into_iter().map(|p| p.blob_id).collect()))
            })
        })
        .await
    }

    /// An upload's parts with a number above this one, in order.
    pub async fn part_list(&self, upload: &S3Upload, after: i64, limit: i64) -> Result<Vec<S3Part>> {
        self.db.find(Query::all().eq("upload_id", upload.id).at_least("number", after + 1).order("number").page(0, limit)).await
    }

    /// Ends an upload without an object; the files that became garbage. `None` when it is over already.
    pub async fn upload_abort(&self, bucket: &S3Bucket, upload: &S3Upload) -> Result<Option<Vec<String>>> {
        let (b, id) = (bucket.clone(), upload.id);
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    lock(tx, b.id, &b.name).await?;
                    if tx.delete::<S3Upload>(Query::all().eq("id", id)).await? == 0 {
                        return Ok(None);
                    }
                    let parts: Vec<S3Part> = tx.find(Query::all().eq("upload_id", id)).await?;
                    tx.delete::<S3Part>(Query::all().eq("upload_id", id)).await?;
                    account_bytes(tx, b.account_id, -parts.iter().map(|p| p.size_bytes).sum::<i64>()).await?;
                    Ok(Some(parts.into_iter().map(|p| p.blob_id).collect()))
                })
            })
            .await
    }

    /// Makes an upload's parts an object: `draft.parts` are those chosen, in order; the others are let go.
    pub async fn upload_complete(&self, bucket: &S3Bucket, upload: &S3Upload, draft: ObjectDraft) -> Result<Outcome<Written>> {
        let (b, id, now) = (bucket.clone(), upload.id, self.clock.now());
        self.roll_back_refused(move |tx| {
            Box::pin(async move {
                let b = lock(tx, b.id, &b.name).await?;
                if tx.delete::<S3Upload>(Query::all().eq("id", id)).await? == 0 {
                    return Ok(Err(Refused::NoUpload));
                }
                let all: Vec<S3Part> = tx.find(Query::all().eq("upload_id", id)).await?;
                // A part that was sent again after the door chose is another file: the choice no longer stands.
                if draft.parts.iter().any(|p| !all.iter().any(|a| a.blob_id == p.blob_id)) {
                    return Ok(Err(Refused::NoUpload));
                }
                tx.delete::<S3Part>(Query::all().eq("upload_id", id)).await?;
                let counted = all.iter().map(|p| p.size_bytes).sum();
                let left: Vec<String> =
                    all.into_iter().filter(|a| !draft.parts.iter().any(|p| p.blob_id == a.blob_id)).map(|a| a.blob_id).collect();
                let done = put(tx, &b, &draft, now, counted).await?;
                Ok(done.map(|mut w| {
                    w.freed.extend(left);
                    w
                }))
            })
        })
        .await
    }
}
