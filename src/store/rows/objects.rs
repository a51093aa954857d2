use crate::{Text, table};

table! {
    /// A bucket of the S3 door. `bytes` and `objects` count every version and delete marker in it.
    S3Bucket in "s3_bucket" {
        uuid: String, name: String,
        /// The name while the bucket lives: unique, so that a name is free again once its bucket is removed.
        live_name: Option<String>,
        account_id: i64, domain_id: i64, location: Option<String>,
        /// Empty, `Enabled` or `Suspended`.
        versioning: String,
        acl: Text, policy: Option<Text>, cors: Option<Text>, tags: Option<Text>, bytes: i64, objects: i64,
        quota_bytes: Option<i64>, update_count: i64, created: i64, removed: Option<i64>,
    }
}
table! {
    /// One version of an object, or a delete marker.
    S3Object in "s3_object" {
        uuid: String, bucket_id: i64, object_key: Text,
        /// The key's UTF-8 bytes in hexadecimal: ASCII that sorts as S3 lists, short enough to be indexed everywhere.
        key_hex: Text,
        /// `null`, or the id that a versioned bucket gave.
        version: String,
        latest: bool, marker: bool, size_bytes: i64, etag: String,
        /// Headers and checksums, as the door wrote them.
        meta: Text,
        acl: Text, tags: Option<Text>, account_id: i64,
        /// The file that holds the bytes; none when parts do.
        blob_id: Option<String>,
        created: i64,
    }
}
table! {
    /// A multipart upload under way.
    S3Upload in "s3_upload" {
        uuid: String, bucket_id: i64, object_key: Text, key_hex: Text, account_id: i64, meta: Text, acl: Text, tags: Option<Text>,
        created: i64,
    }
}
table! {
    /// A part of an upload under way, or of the object that it became.
    S3Part in "s3_part" {
        upload_id: Option<i64>, object_id: Option<i64>, number: i64, blob_id: String, size_bytes: i64, etag: String, checksums: Text,
        created: i64,
    }
}
table! {
    /// What an account keeps at the S3 door and has asked of it.
    S3Usage in "s3_usage" {
        account_id: i64, bytes: i64, quota_bytes: Option<i64>, gets: i64, puts: i64, bytes_in: i64, bytes_out: i64,
    }
}
