//! Which operation a request means: by method, by what it names, and by sub-resource. A sub-resource that is not known is refused, so
//! that a request for it never reads or writes the bucket or object itself.
use crate::{Fault, Outcome};
use http::Method;

macro_rules! operations {
    ($($name:ident),* $(,)?) => {
        /// What can be asked.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs, reason = "the names of S3's API reference")]
        pub enum Operation { $($name),* }
        impl Operation {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
            /// The name in S3's API reference.
            pub const fn name(self) -> &'static str { match self { $(Self::$name => stringify!($name)),* } }
        }
    };
}
operations! {
    ListBuckets, CreateBucket, HeadBucket, DeleteBucket, ListObjects, ListObjectsV2, ListObjectVersions, ListMultipartUploads,
    GetBucketLocation, GetBucketAcl, PutBucketAcl, GetBucketPolicy, PutBucketPolicy, DeleteBucketPolicy, GetBucketPolicyStatus,
    GetBucketVersioning, PutBucketVersioning, GetBucketTagging, PutBucketTagging, DeleteBucketTagging, GetBucketCors, PutBucketCors,
    DeleteBucketCors, GetUnset, DeleteUnset, DeleteObjects, PostObject, PutObject, GetObject, HeadObject, DeleteObject, CopyObject,
    GetObjectAcl, PutObjectAcl, GetObjectTagging, PutObjectTagging, DeleteObjectTagging, GetObjectAttributes, CreateMultipartUpload,
    UploadPart, UploadPartCopy, CompleteMultipartUpload, AbortMultipartUpload, ListParts,
}

/// A name and a text.
type Pair = (&'static str, &'static str);

/// A sub-resource of buckets that nobody can set here, with what AWS answers while nobody has.
pub struct Unset {
    /// The parameter.
    pub name: &'static str,
    /// An error's code and message, or the document's root and what stands in it.
    pub answer: Result<(&'static str, &'static [Pair]), Pair>,
}

/// What is not offered and answered as not set.
pub const UNSET: &[Unset] = &[
    Unset { name: "accelerate", answer: Ok(("AccelerateConfiguration", &[])) },
    Unset { name: "analytics", answer: Err(("NoSuchConfiguration", "The specified configuration does not exist.")) },
    Unset {
        name: "encryption",
        answer: Err(("ServerSideEncryptionConfigurationNotFoundError", "The server side encryption configuration was not found")),
    },
    Unset { name: "intelligent-tiering", answer: Err(("NoSuchConfiguration", "The specified configuration does not exist.")) },
    Unset { name: "inventory", answer: Err(("NoSuchConfiguration", "The specified configuration does not exist.")) },
    Unset { name: "lifecycle", answer: Err(("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist")) },
    Unset { name: "logging", answer: Ok(("BucketLoggingStatus", &[])) },
    Unset { name: "metrics", answer: Err(("NoSuchConfiguration", "The specified configuration does not exist.")) },
    Unset { name: "notification", answer: Ok(("NotificationConfiguration", &[])) },
    Unset {
        name: "object-lock",
        answer: Err(("ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket")),
    },
    Unset { name: "ownershipControls", answer: Err(("OwnershipControlsNotFoundError", "The bucket ownership controls were not found")) },
    Unset {
        name: "publicAccessBlock",
        answer: Err(("NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found")),
    },
    Unset { name: "replication", answer: Err(("ReplicationConfigurationNotFoundError", "The replication configuration was not found")) },
    Unset { name: "requestPayment", answer: Ok(("RequestPaymentConfiguration", &[("Payer", "BucketOwner")])) },
    Unset { name: "website", answer: Err(("NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration")) },
];

/// Sub-resources of S3 that are not offered, neither set nor unset.
const NOT_OFFERED: &[&str] = &[
    "torrent",
    "restore",
    "select",
    "select-type",
    "retention",
    "legal-hold",
    "append",
    "renameObject",
    "metadataTable",
    "metadataConfiguration",
    "session",
    "abac",
];

/// The sub-resources that mean something, apart from those above.
const OFFERED: &[&str] = &[
    "acl",
    "policy",
    "policyStatus",
    "versioning",
    "versions",
    "uploads",
    "location",
    "cors",
    "tagging",
    "delete",
    "uploadId",
    "attributes",
];

/// What a request is about.
pub struct Target<'a> {
    /// The method.
    pub method: &'a Method,
    /// Whether it names a bucket.
    pub bucket: bool,
    /// Whether it names a key.
    pub key: bool,
    /// Names and values of the query.
    pub query: &'a [(&'a str, &'a str)],
    /// Whether it carries x-amz-copy-source.
    pub copies: bool,
}

impl Target<'_> {
    fn has(&self, name: &str) -> bool {
        self.query.iter().any(|(n, _)| *n == name)
    }

    /// The one sub-resource; two of them make no sense together.
    fn sub_resource(&self) -> Outcome<Option<&str>> {
        let mut found: Option<&str> = None;
        for (name, value) in self.query {
            let known = OFFERED.contains(name) || UNSET.iter().any(|u| u.name == *name);
            if NOT_OFFERED.contains(name) {
                return Err(Fault::not_offered(&format!("The sub-resource {name}")));
            }
            if !known {
                // A bare name is how sub-resources look: one that nobody here has heard of is not passed over.
                if value.is_empty() && !crate::request::is_parameter(name) {
                    let shown: String = name.chars().take(64).collect();
                    return Err(Fault::not_offered(&format!("The sub-resource {shown}")));
                }
                continue;
            }
            if found.replace(name).is_some() {
                return Err(Fault::argument("query", name, "Conflicting query string parameters"));
            }
        }
        Ok(found)
    }

    /// The operation.
    pub fn operation(&self) -> Outcome<Operation> {
        let sub = self.sub_resource()?;
        let found = match (self.bucket, self.key) {
            (false, _) => (sub.is_none() && matches!(*self.method, Method::GET | Method::HEAD)).then_some(Operation::ListBuckets),
            (true, false) => self.of_bucket(sub)?,
            (true, true) => self.of_object(sub)?,
        };
        found.ok_or_else(|| {
            Fault::new("MethodNotAllowed", "The specified method is not allowed against this resource.")
                .with("Method", self.method.as_str())
        })
    }

    fn of_bucket(&self, sub: Option<&str>) -> Outcome<Option<Operation>> {
        use Operation as O;
        let m = self.method.as_str();
        let Some(sub) = sub else {
            return Ok(Some(match m {
                "GET" if self.query.iter().any(|(n, v)| *n == "list-type" && *v == "2") => O::ListObjectsV2,
                "GET" => O::ListObjects,
                "HEAD" => O::HeadBucket,
                "PUT" => O::CreateBucket,
                "DELETE" => O::DeleteBucket,
                "POST" => O::PostObject,
                _ => return Ok(None),
            }));
        };
        if UNSET.iter().any(|u| u.name == sub) {
            return match m {
                "GET" => Ok(Some(O::GetUnset)),
                "DELETE" => Ok(Some(O::DeleteUnset)),
                _ => Err(Fault::not_offered(&format!("Setting {sub}"))),
            };
        }
        Ok(match (sub, m) {
            ("acl", "GET") => Some(O::GetBucketAcl),
            ("acl", "PUT") => Some(O::PutBucketAcl),
            ("policy", "GET") => Some(O::GetBucketPolicy),
            ("policy", "PUT") => Some(O::PutBucketPolicy),
            ("policy", "DELETE") => Some(O::DeleteBucketPolicy),
            ("policyStatus", "GET") => Some(O::GetBucketPolicyStatus),
            ("versioning", "GET") => Some(O::GetBucketVersioning),
            ("versioning", "PUT") => Some(O::PutBucketVersioning),
            ("versions", "GET") => Some(O::ListObjectVersions),
            ("uploads", "GET") => Some(O::ListMultipartUploads),
            ("location", "GET") => Some(O::GetBucketLocation),
            ("cors", "GET") => Some(O::GetBucketCors),
            ("cors", "PUT") => Some(O::PutBucketCors),
            ("cors", "DELETE") => Some(O::DeleteBucketCors),
            ("tagging", "GET") => Some(O::GetBucketTagging),
            ("tagging", "PUT") => Some(O::PutBucketTagging),
            ("tagging", "DELETE") => Some(O::DeleteBucketTagging),
            ("delete", "POST") => Some(O::DeleteObjects),
            _ => None,
        })
    }

    fn of_object(&self, sub: Option<&str>) -> Outcome<Option<Operation>> {
        use Operation as O;
        let m = self.method.as_str();
        let Some(sub) = sub else {
            return Ok(Some(match m {
                "GET" => O::GetObject,
                "HEAD" => O::HeadObject,
                "PUT" if self.has("partNumber") => {
                    return Err(Fault::argument("uploadId", "", "This operation does not accept a query-string without uploadId"));
                }
                "PUT" if self.copies => O::CopyObject,
                "PUT" => O::PutObject,
                "DELETE" => O::DeleteObject,
                _ => return Ok(None),
            }));
        };
        Ok(match (sub, m) {
            ("acl", "GET") => Some(O::GetObjectAcl),
            ("acl", "PUT") => Some(O::PutObjectAcl),
            ("tagging", "GET") => Some(O::GetObjectTagging),
            ("tagging", "PUT") => Some(O::PutObjectTagging),
            ("tagging", "DELETE") => Some(O::DeleteObjectTagging),
            ("attributes", "GET") => Some(O::GetObjectAttributes),
            ("uploads", "POST") => Some(O::CreateMultipartUpload),
            ("uploadId", "PUT") if self.copies => Some(O::UploadPartCopy),
            ("uploadId", "PUT") => Some(O::UploadPart),
            ("uploadId", "POST") => Some(O::CompleteMultipartUpload),
            ("uploadId", "DELETE") => Some(O::AbortMultipartUpload),
            ("uploadId", "GET") => Some(O::ListParts),
            _ if UNSET.iter().any(|u| u.name == sub) => return Err(Fault::not_offered(&format!("The sub-resource {sub} of an object"))),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: &str, bucket: bool, key: bool, query: &[(&str, &str)]) -> Result<&'static str, &'static str> {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        Target { method: &method, bucket, key, query, copies: false }.operation().map(Operation::name).map_err(|f| f.code)
    }

    #[test]
    fn the_documentation_lists_every_operation() {
        let text = include_str!("../../docs/s3.md");
        let listed: Vec<&str> =
            text.lines().filter_map(|l| l.strip_prefix("| ")?.split(" |").next()).filter(|n| *n != "Operation").collect();
        assert_eq!(listed, Operation::ALL.iter().map(|o| o.name()).collect::<Vec<_>>());
        let unset = text.lines().find(|l| l.starts_with("| GetUnset")).expect("its row");
        UNSET.iter().for_each(|u| assert!(unset.contains(u.name), "{}", u.name));
    }

    #[test]
    fn nothing_falls_through() {
        assert_eq!(of("GET", true, false, &[]), Ok("ListObjects"));
        assert_eq!(of("GET", true, false, &[("list-type", "2"), ("prefix", "")]), Ok("ListObjectsV2"));
        assert_eq!(of("GET", true, false, &[("lifecycle", "")]), Ok("GetUnset"));
        assert_eq!(of("PUT", true, false, &[("lifecycle", "")]), Err("NotImplemented"));
        assert_eq!(of("GET", true, false, &[("somethingNew", "")]), Err("NotImplemented"));
        assert_eq!(of("DELETE", true, false, &[("somethingNew", "")]), Err("NotImplemented"));
        assert_eq!(of("PUT", true, true, &[("retention", "")]), Err("NotImplemented"));
        assert_eq!(of("GET", true, true, &[("torrent", "")]), Err("NotImplemented"));
        assert_eq!(of("DELETE", true, true, &[("acl", "")]), Err("MethodNotAllowed"));
        assert_eq!(of("GET", true, false, &[("acl", ""), ("policy", "")]), Err("InvalidArgument"));
        assert_eq!(of("PATCH", true, true, &[]), Err("MethodNotAllowed"));
        assert_eq!(of("DELETE", false, false, &[]), Err("MethodNotAllowed"));
        assert_eq!(of("PUT", true, true, &[("partNumber", "1")]), Err("InvalidArgument"));
    }
}
