//! The operations, a file a noun.
mod attributes;
mod bucket;
mod config;
mod copy;
mod delete;
mod get;
mod list;
mod post;
mod put;
pub mod tagging;
mod upload;
mod upload_end;
mod upload_list;

use crate::request::Request;
use crate::respond::Answer;
use crate::route::Operation;
use crate::{Door, Outcome};
use axum::body::Body;
use std::sync::Arc;

/// Carries out an operation.
pub async fn run(door: &Arc<Door>, r: &mut Request, operation: Operation, body: Body) -> Outcome<Answer> {
    use Operation as O;
    match operation {
        O::ListBuckets => bucket::list(door, r).await,
        O::CreateBucket => bucket::create(door, r, body).await,
        O::HeadBucket => bucket::head(door, r).await,
        O::DeleteBucket => bucket::delete(door, r).await,
        O::GetBucketLocation => bucket::location(door, r).await,
        O::ListObjects => list::objects(door, r, false).await,
        O::ListObjectsV2 => list::objects(door, r, true).await,
        O::ListObjectVersions => list::versions(door, r).await,
        O::ListMultipartUploads => upload_list::uploads(door, r).await,
        O::GetBucketAcl => config::get_acl(door, r).await,
        O::PutBucketAcl => config::put_acl(door, r, body).await,
        O::GetBucketPolicy => config::get_policy(door, r).await,
        O::PutBucketPolicy => config::put_policy(door, r, body).await,
        O::DeleteBucketPolicy => config::delete_policy(door, r).await,
        O::GetBucketPolicyStatus => config::policy_status(door, r).await,
        O::GetBucketVersioning => config::get_versioning(door, r).await,
        O::PutBucketVersioning => config::put_versioning(door, r, body).await,
        O::GetBucketTagging => config::get_tagging(door, r).await,
        O::PutBucketTagging => config::put_tagging(door, r, body).await,
        O::DeleteBucketTagging => config::delete_tagging(door, r).await,
        O::GetBucketCors => config::get_cors(door, r).await,
        O::PutBucketCors => config::put_cors(door, r, body).await,
        O::DeleteBucketCors => config::delete_cors(door, r).await,
        O::GetUnset => config::get_unset(door, r).await,
        O::DeleteUnset => config::delete_unset(door, r).await,
        O::DeleteObjects => delete::many(door, r, body).await,
        O::PostObject => post::post(door, r, body).await,
        O::PutObject => put::put(door, r, body).await,
        O::GetObject => get::get(door, r, false).await,
        O::HeadObject => get::get(door, r, true).await,
        O::DeleteObject => delete::one(door, r).await,
        O::CopyObject => copy::copy(door, r).await,
        O::GetObjectAcl => config::get_object_acl(door, r).await,
        O::PutObjectAcl => config::put_object_acl(door, r, body).await,
        O::GetObjectTagging => tagging::get(door, r).await,
        O::PutObjectTagging => tagging::put(door, r, body).await,
        O::DeleteObjectTagging => tagging::delete(door, r).await,
        O::GetObjectAttributes => attributes::get(door, r).await,
        O::CreateMultipartUpload => upload::create(door, r).await,
        O::UploadPart => upload::part(door, r, body).await,
        O::UploadPartCopy => copy::part(door, r).await,
        O::CompleteMultipartUpload => upload_end::complete(door, r, body).await,
        O::AbortMultipartUpload => upload_end::abort(door, r).await,
        O::ListParts => upload_list::parts(door, r).await,
    }
}
