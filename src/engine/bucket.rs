//! Buckets of the S3 door: names, owners, what is set on them, and how many bytes may lie in them.
//!
//! The rows are the truth. A file that no row names is garbage, and the door sweeps it; so whatever removes rows (an account's end
//! included) needs to touch no file, and a crash between the two leaves nothing that anybody could read.
use crate::{Call, Engine, ListScope, Listing, Topic};
use stratus_model::{Error, Kind, Micros, Result};
use stratus_store::{Query, S3Bucket, S3Object, S3Part, S3Upload, S3Usage, Tx, Value, sql};
use uuid::Uuid;

/// What a new bucket is made of.
#[derive(Debug, Clone)]
pub struct BucketDraft {
    /// The owner.
    pub account_id: i64,
    /// The owner's domain.
    pub domain_id: i64,
    /// The name, already looked at by the door.
    pub name: String,
    /// The region that was asked for, if any.
    pub location: Option<String>,
    /// The ACL, as the door writes it; empty for the owner's alone.
    pub acl: String,
    /// Most bytes in it.
    pub quota_bytes: Option<i64>,
}

/// Which buckets to list.
#[derive(Debug, Clone)]
pub struct BucketList {
    /// Whose.
    pub scope: ListScope,
    /// With this uuid.
    pub id: Option<String>,
    /// With this name.
    pub name: Option<String>,
    /// Whose name holds this.
    pub keyword: Option<String>,
    /// First row and number of rows.
    pub page: (i64, i64),
}

/// Requests and bytes of one account since they were last written down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests that read.
    pub gets: i64,
    /// Requests that write.
    pub puts: i64,
    /// Bytes of bodies received.
    pub bytes_in: i64,
    /// Bytes of bodies sent.
    pub bytes_out: i64,
}

/// What an event about a bucket is about.
pub fn topic(b: &S3Bucket) -> Topic {
    Topic { account: b.account_id, domain: b.domain_id, kind: Kind::Bucket, id: b.id }
}

/// That a name can be a bucket's: S3's first rules, which also let capitals and underscores.
///
/// # Errors
/// [`Error::Invalid`] naming what is asked for.
pub fn checked_name(name: &str) -> Result<()> {
    let bad = |why: &str| Err(Error::invalid("name", why));
    match name {
        n if !(3..=255).contains(&n.len()) => bad("a bucket's name has 3 to 255 characters"),
        n if !n.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-')) => {
            bad("a bucket's name has letters, digits, '.', '_' and '-'")
        }
        n if !n.starts_with(|c: char| c.is_ascii_alphanumeric()) => bad("a bucket's name begins with a letter or a digit"),
        n if n.contains("..") => bad("a bucket's name has no two dots beside each other"),
        n if n.parse::<std::net::Ipv4Addr>().is_ok() => bad("a bucket's name is not an IP address"),
        // The first segment of the S3 door's prefix: signatures of SigV2 could not tell the two apart.
        "awsapi" => bad("this name is reserved"),
        _ => Ok(()),
    }
}

pub(crate) fn gone(name: &str) -> Error {
    Error::not_found(Kind::Bucket, name)
}

impl Engine {
    /// Makes a bucket. [`Error::Duplicate`] when anybody has one of this name.
    pub async fn bucket_create(&self, call: &Call, draft: BucketDraft) -> Result<S3Bucket> {
        let mut row = S3Bucket {
            uuid: Uuid::new_v4().to_string(),
            live_name: Some(draft.name.clone()),
            name: draft.name,
            account_id: draft.account_id,
            domain_id: draft.domain_id,
            location: draft.location,
            acl: draft.acl,
            quota_bytes: draft.quota_bytes,
            created: call.now(),
            ..Default::default()
        };
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    // Holds the owner's row: an account that is being deleted gets no more buckets.
                    let owner = sql!("update account set removed = removed where id = ? and removed is null");
                    if tx.execute(owner, vec![row.account_id.into()]).await? == 0 {
                        return Err(Error::Denied("The account is being deleted".into()));
                    }
                    let name = row.name.clone();
                    tx.insert_or(&mut row, || Error::Duplicate { kind: Kind::Bucket, name }).await?;
                    usage_row(tx, row.account_id).await?;
                    call.log(tx, topic(&row), format!("created bucket {}", row.name)).await?;
                    Ok(row)
                })
            })
            .await
    }

    /// The live bucket of this name.
    pub async fn bucket_named(&self, name: &str) -> Result<Option<S3Bucket>> {
        self.db.find_one::<S3Bucket>(Query::all().eq("live_name", name)).await
    }

    /// An account's buckets by name.
    pub async fn buckets_of(&self, account_id: i64) -> Result<Vec<S3Bucket>> {
        self.db.find::<S3Bucket>(Query::live().eq("account_id", account_id).order("name")).await
    }

    /// Lists buckets for the native commands.
    pub async fn bucket_list(&self, ask: BucketList) -> Result<Listing<S3Bucket>> {
        let mut q = ask.scope.apply(Query::live()).eq_opt("uuid", ask.id).eq_opt("name", ask.name);
        if let Some(k) = &ask.keyword {
            q = q.holds(&["name"], k);
        }
        let (offset, limit) = ask.page;
        Ok(Listing { count: self.db.count::<S3Bucket>(q.clone()).await?, rows: self.db.find(q.page(offset, limit)).await? })
    }

    /// Sets columns of a bucket; `what` goes into the event.
    pub async fn bucket_set(&self, call: &Call, bucket: &S3Bucket, values: Vec<(&'static str, Value)>, what: &str) -> Result<S3Bucket> {
        let (call, bucket, what) = (call.clone(), bucket.clone(), what.to_owned());
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    if tx.update::<S3Bucket>(Query::live().eq("id", bucket.id), values).await? == 0 {
                        return Err(gone(&bucket.name));
                    }
                    call.log(tx, topic(&bucket), format!("{what} of bucket {} set", bucket.name)).await?;
                    tx.must(bucket.id).await
                })
            })
            .await
    }

    /// Deletes a bucket that holds nothing; uploads under way in it end. The files that became garbage.
    pub async fn bucket_delete(&self, call: &Call, bucket: S3Bucket) -> Result<Vec<String>> {
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let empty = Query::live().eq("id", bucket.id).eq("objects", 0);
                    let set = vec![("removed", call.now().into()), ("live_name", Value::Null)];
                    if tx.update::<S3Bucket>(empty, set).await? == 0 {
                        let why = "it is not empty".to_owned();
                        return match tx.count::<S3Bucket>(Query::live().eq("id", bucket.id)).await? {
                            0 => Err(gone(&bucket.name)),
                            _ => Err(Error::InUse { kind: Kind::Bucket, id: bucket.name, why }),
                        };
                    }
                    let parts: Vec<S3Part> = tx.find(parts_of_uploads(bucket.id)).await?;
                    let bytes: i64 = parts.iter().map(|p| p.size_bytes).sum();
                    tx.delete::<S3Part>(parts_of_uploads(bucket.id)).await?;
                    tx.delete::<S3Upload>(Query::all().eq("bucket_id", bucket.id)).await?;
                    account_bytes(tx, bucket.account_id, -bytes).await?;
                    call.log(tx, topic(&bucket), format!("deleted bucket {}", bucket.name)).await?;
                    Ok(parts.into_iter().map(|p| p.blob_id).collect())
                })
            })
            .await
    }

    /// What an account keeps and has asked for.
    pub async fn s3_usage(&self, account_id: i64) -> Result<S3Usage> {
        let found = self.db.find_one::<S3Usage>(Query::all().eq("account_id", account_id)).await?;
        Ok(found.unwrap_or(S3Usage { account_id, ..Default::default() }))
    }

    /// Sets the most bytes that an account may keep; `None` for any number.
    pub async fn s3_quota_set(&self, call: &Call, account: &stratus_store::Account, quota: Option<i64>) -> Result<S3Usage> {
        let (call, id, domain, name) = (call.clone(), account.id, account.domain_id, account.name.clone());
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    usage_row(tx, id).await?;
                    tx.update::<S3Usage>(Query::all().eq("account_id", id), vec![("quota_bytes", quota.into())]).await?;
                    let topic = Topic { account: id, domain, kind: Kind::Account, id };
                    call.log(tx, topic, format!("object storage quota of account {name} set")).await?;
                    let row = tx.find_one::<S3Usage>(Query::all().eq("account_id", id)).await?;
                    row.ok_or_else(|| Error::internal("a row just written is not there"))
                })
            })
            .await
    }

    /// Writes down what was counted in memory.
    pub async fn s3_traffic(&self, counted: Vec<(i64, Traffic)>) -> Result<()> {
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    for (account, t) in counted {
                        usage_row(tx, account).await?;
                        let sql = sql!(
                            "update s3_usage set gets = gets + ?, puts = puts + ?, bytes_in = bytes_in + ?, bytes_out = bytes_out + ? where account_id = ?"
                        );
                        tx.execute(sql, vec![t.gets.into(), t.puts.into(), t.bytes_in.into(), t.bytes_out.into(), account.into()]).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Which of these files some row names.
    pub async fn blobs_named(&self, blobs: &[String]) -> Result<std::collections::HashSet<String>> {
        let mut named = std::collections::HashSet::new();
        for chunk in blobs.chunks(500) {
            let q = || Query::all().within("blob_id", chunk.iter());
            named.extend(self.db.find::<S3Object>(q()).await?.into_iter().filter_map(|o| o.blob_id));
            named.extend(self.db.find::<S3Part>(q()).await?.into_iter().map(|p| p.blob_id));
        }
        Ok(named)
    }

    /// Every file that some row names; for checks at rest.
    pub async fn blobs_all(&self) -> Result<Vec<String>> {
        let mut all: Vec<String> =
            self.db.find::<S3Object>(Query::all().not_null("blob_id")).await?.into_iter().filter_map(|o| o.blob_id).collect();
        all.extend(self.db.find::<S3Part>(Query::all()).await?.into_iter().map(|p| p.blob_id));
        Ok(all)
    }

    /// The account behind a canonical id's row, for display.
    pub async fn account_by_id(&self, id: i64) -> Result<Option<stratus_store::Account>> {
        self.db.get(id).await
    }

    /// The account of this uuid.
    pub async fn account_by_uuid(&self, uuid: &str) -> Result<Option<stratus_store::Account>> {
        self.db.find_one(Query::live().eq("uuid", uuid)).await
    }

    /// The account of the user with this e-mail address, when there is exactly one.
    pub async fn account_by_email(&self, email: &str) -> Result<Option<stratus_store::Account>> {
        let users = self.db.find::<stratus_store::User>(Query::live().eq("email", email).page(0, 2)).await?;
        match users.as_slice() {
            [one] => self.db.get(one.account_id).await,
            _ => Ok(None),
        }
    }
}

pub(crate) fn parts_of_uploads(bucket_id: i64) -> Query {
    Query::all().key_in::<S3Upload>("upload_id", "id", Query::all().eq("bucket_id", bucket_id))
}

/// Makes an account's counters when they are not there yet.
pub(crate) async fn usage_row(tx: &mut Tx, account_id: i64) -> Result<()> {
    let sql =
        format!("{}s3_usage (account_id, bytes, gets, puts, bytes_in, bytes_out) values (?, 0, 0, 0, 0, 0)", tx.dialect().insert_ignore());
    tx.execute(sql, vec![account_id.into()]).await.map(drop)
}

/// Adds to an account's bytes; false when its quota does not let it. Taking away is always let.
pub(crate) async fn account_bytes(tx: &mut Tx, account_id: i64, bytes: i64) -> Result<bool> {
    let free = sql!("update s3_usage set bytes = bytes + ? where account_id = ?");
    let held = sql!("update s3_usage set bytes = bytes + ? where account_id = ? and (quota_bytes is null or bytes + ? <= quota_bytes)");
    Ok(match bytes {
        n if n <= 0 => tx.execute(free, vec![n.into(), account_id.into()]).await?,
        n => tx.execute(held, vec![n.into(), account_id.into(), n.into()]).await?,
    } > 0)
}

/// Removes an account's buckets with all that lies in them; their files are garbage from then on.
pub(crate) async fn remove_all(tx: &mut Tx, account_id: i64, now: Micros) -> Result<()> {
    let mine = || Query::live().eq("account_id", account_id);
    for b in tx.find::<S3Bucket>(mine()).await? {
        tx.delete::<S3Part>(parts_of_uploads(b.id)).await?;
        tx.delete::<S3Upload>(Query::all().eq("bucket_id", b.id)).await?;
        let objects = Query::all().eq("bucket_id", b.id);
        tx.delete::<S3Part>(Query::all().key_in::<S3Object>("object_id", "id", objects.clone())).await?;
        tx.delete::<S3Object>(objects).await?;
    }
    let set = vec![("removed", now.into()), ("live_name", Value::Null), ("bytes", Value::Int(0)), ("objects", Value::Int(0))];
    tx.update::<S3Bucket>(mine(), set).await?;
    tx.update::<S3Usage>(Query::all().eq("account_id", account_id), vec![("bytes", Value::Int(0))]).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::checked_name;

    #[test]
    fn names_follow_the_first_rules() {
        for good in ["abc", "My_Bucket", "a.b-c", "0aa"] {
            assert!(checked_name(good).is_ok(), "{good}");
        }
        for bad in ["ab", "-ab", "a b", "192.168.1.1", "a..b", "awsapi", "ä-bc", &"a".repeat(256)] {
            assert!(checked_name(bad).is_err(), "{bad}");
        }
    }
}
