//! Beginning a multipart upload, and its parts.
use crate::access::Act;
use crate::body::Received;
use crate::checksum::Algorithm;
use crate::meta::{Meta, put as header};
use crate::ops::put;
use crate::request::Request;
use crate::respond::{Answer, document, empty};
use crate::xml::Xml;
use crate::{Door, Fault, Outcome};
use axum::body::Body;
use std::sync::Arc;
use stratus_store::{S3Bucket, S3Part, S3Upload};

/// Most parts of an upload.
pub const PARTS: i64 = 10_000;

pub async fn create(door: &Arc<Door>, r: &Request) -> Outcome<Answer> {
    let bucket = door.bucket(r.bucket()).await?;
    door.allow(r, &bucket, Act::key("s3:PutObject", r.key()))?;
    put::only_offered(r)?;
    let (account_id, acl) = put::acl(door, r, &bucket).await?;
    let mut meta = Meta::of_headers(&r.headers)?;
    let algorithm = put::algorithm(r, "x-amz-checksum-algorithm")?;
    let full = match (algorithm, r.header("x-amz-checksum-type")) {
        (None, Some(t)) => {
            return Err(Fault::argument(
                "x-amz-checksum-type",
                t,
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header",
            ));
        }
        (Some(Algorithm::Sha1 | Algorithm::Sha256), Some("FULL_OBJECT")) | (Some(Algorithm::Crc64nvme), Some("COMPOSITE")) => {
            return Err(Fault::new("InvalidRequest", "The checksum type cannot be used with this checksum algorithm"));
        }
        (Some(_), Some("FULL_OBJECT")) | (Some(Algorithm::Crc64nvme), None) => true,
        (_, None | Some("COMPOSITE")) => false,
        (_, Some(t)) => return Err(Fault::argument("x-amz-checksum-type", t, "COMPOSITE or FULL_OBJECT")),
    };
    meta.algorithm = algorithm.map(|a| (a, full));
    let draft = S3Upload {
        object_key: r.key().to_owned(),
        account_id,
        meta: meta.write(),
        acl: acl.write(),
        tags: put::tags(r)?,
        ..S3Upload::default()
    };
    let up = door.engine.upload_create(&bucket, draft).await?;
    let mut x = Xml::root("InitiateMultipartUploadResult");
    x.text("Bucket", &bucket.name).text("Key", r.key()).text("UploadId", &up.uuid);
    let mut answer = document(x.done());
    if let Some(a) = algorithm {
        header(answer.headers_mut(), "x-amz-checksum-algorithm", a.name());
        header(answer.headers_mut(), "x-amz-checksum-type", if full { "FULL_OBJECT" } else { "COMPOSITE" });
    }
    Ok(answer)
}

/// The upload that a request names.
pub async fn named(door: &Door, r: &Request, bucket: &S3Bucket) -> Outcome<S3Upload> {
    let id = r.param("uploadId").filter(|id| uuid::Uuid::try_parse(id).is_ok()).ok_or_else(Fault::no_upload)?;
    door.engine.upload_get(bucket.id, r.key(), id).await?.ok_or_else(Fault::no_upload)
}

/// Bucket, upload and number of the part that a request sends.
pub async fn of_part(door: &Door, r: &Request) -> Outcome<(Arc<S3Bucket>, S3Upload, i64)> {
    let bucket = door.bucket(r.bucket()).await?;
    door.allow(r, &bucket, Act::key("s3:PutObject", r.key()))?;
    let text = r.params.get("partNumber").unwrap_or_default();
    let number = text.parse::<i64>().ok().filter(|n| (1..=PARTS).contains(n));
    let number =
        number.ok_or_else(|| Fault::argument("partNumber", text, "Part number must be an integer between 1 and 10000, inclusive"))?;
    let up = named(door, r, &bucket).await?;
    Ok((bucket, up, number))
}

pub async fn part(door: &Arc<Door>, r: &mut Request, body: Body) -> Outcome<Answer> {
    let (bucket, up, number) = of_part(door, r).await?;
    let algorithm = Meta::read(&up.meta).algorithm.map(|(a, _)| a);
    let received = door.receive(r, body, algorithm).await?;
    if let Some(a) = algorithm
        && !received.checksums.iter().any(|c| c.algorithm == a)
    {
        let why = "Checksum Type mismatch occurred: the part's checksum is of another algorithm than the upload's";
        return Err(Fault::new("InvalidRequest", why));
    }
    let (etag, checksums) = (received.md5.clone(), received.checksums.clone());
    commit(door, &bucket, &up, number, received).await?;
    let mut answer = empty(200);
    header(answer.headers_mut(), "etag", &format!("\"{etag}\""));
    checksums.iter().for_each(|c| header(answer.headers_mut(), c.algorithm.header(), &c.value));
    Ok(answer)
}

/// Makes a received file a part.
pub async fn commit(door: &Door, bucket: &S3Bucket, up: &S3Upload, number: i64, received: Received) -> Outcome<()> {
    let part = S3Part {
        number,
        blob_id: received.fresh.id.clone(),
        size_bytes: received.size,
        etag: received.md5,
        checksums: serde_json::to_string(&received.checksums).unwrap_or_else(|_| "[]".into()),
        ..S3Part::default()
    };
    let freed = put::durable(door.engine.part_put(bucket, up, part).await, [received.fresh])??;
    door.free(freed);
    Ok(())
}
