//! S3's error document.
use crate::xml::Xml;
use stratus_engine::bucket_object::Refused;
use stratus_model::{Error, Kind};

/// The result of anything a request asks.
pub type Outcome<T> = Result<T, Fault>;

/// What a request is refused with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// S3's code.
    pub code: &'static str,
    /// What to tell the sender.
    pub message: String,
    /// Further elements of the document.
    pub more: Vec<(&'static str, String)>,
}

impl Fault {
    /// A fault with this code.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), more: Vec::new() }
    }
    /// With another element.
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.more.push((name, value.into()));
        self
    }
    /// An argument that cannot be.
    pub fn argument(name: &str, value: &str, why: &str) -> Self {
        let shown: String = value.chars().take(256).collect();
        Self::new("InvalidArgument", format!("{name}: {why}")).with("ArgumentName", name).with("ArgumentValue", shown)
    }
    /// The caller may not.
    pub fn denied() -> Self {
        Self::new("AccessDenied", "Access Denied")
    }
    /// Something this door does not offer.
    pub fn not_offered(what: &str) -> Self {
        Self::new("NotImplemented", format!("{what} is not offered here"))
    }
    /// A body that is not the document it should be.
    pub fn malformed(why: &str) -> Self {
        Self::new(
            "MalformedXML",
            format!("The XML you provided was not well-formed or did not validate against our published schema: {why}"),
        )
    }
    /// No such bucket.
    pub fn no_bucket(name: &str) -> Self {
        Self::new("NoSuchBucket", "The specified bucket does not exist").with("BucketName", name)
    }
    /// No such object.
    pub fn no_key(key: &str) -> Self {
        Self::new("NoSuchKey", "The specified key does not exist.").with("Key", key)
    }
    /// No such upload.
    pub fn no_upload() -> Self {
        Self::new(
            "NoSuchUpload",
            "The specified multipart upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.",
        )
    }

    /// The HTTP status of the code.
    pub fn status(&self) -> u16 {
        match self.code {
            "NotModified" => 304,
            "AccessDenied"
            | "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "RequestTimeTooSkewed"
            | "AccessForbidden"
            | "QuotaExceeded" => 403,
            "NoSuchBucket"
            | "NoSuchKey"
            | "NoSuchVersion"
            | "NoSuchUpload"
            | "NoSuchBucketPolicy"
            | "NoSuchTagSet"
            | "NoSuchCORSConfiguration"
            | "NoSuchLifecycleConfiguration"
            | "NoSuchWebsiteConfiguration"
            | "NoSuchPublicAccessBlockConfiguration"
            | "ServerSideEncryptionConfigurationNotFoundError"
            | "ObjectLockConfigurationNotFoundError"
            | "ReplicationConfigurationNotFoundError"
            | "OwnershipControlsNotFoundError"
            | "NoSuchConfiguration" => 404,
            "MethodNotAllowed" => 405,
            "BucketAlreadyExists" | "BucketAlreadyOwnedByYou" | "BucketNotEmpty" | "OperationAborted" => 409,
            "MissingContentLength" => 411,
            "PreconditionFailed" => 412,
            "InvalidRange" => 416,
            "InternalError" => 500,
            "NotImplemented" => 501,
            "ServiceUnavailable" | "SlowDown" => 503,
            "InsufficientStorage" => 507,
            _ => 400,
        }
    }

    /// The document.
    pub(crate) fn document(&self, resource: &str, request_id: &str) -> Vec<u8> {
        let mut x = Xml::new();
        x.open("Error").text("Code", self.code).text("Message", &self.message);
        for (name, value) in &self.more {
            x.text(name, value);
        }
        x.text("Resource", resource).text("RequestId", request_id).text("HostId", request_id).close();
        x.done()
    }
}

impl From<Error> for Fault {
    fn from(e: Error) -> Self {
        match &e {
            Error::NotFound { kind: Kind::Bucket, id } => Self::no_bucket(id),
            Error::Internal(..) => {
                tracing::error!(error = %stratus_model::in_full(&e), "an S3 request failed");
                Self::new("InternalError", e.to_string())
            }
            Error::LimitReached { .. } => Self::new("QuotaExceeded", e.to_string()),
            Error::Raced(_) => Self::new("OperationAborted", "A conflicting operation is in progress. Please try again."),
            Error::Unavailable(_) => Self::new("ServiceUnavailable", e.to_string()),
            Error::Denied(_) | Error::Unauthenticated => Self::new("AccessDenied", e.to_string()),
            _ => Self::new("InvalidRequest", e.to_string()),
        }
    }
}

impl From<Refused> for Fault {
    fn from(r: Refused) -> Self {
        match r {
            Refused::Precondition { .. } => {
                Self::new("PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
            }
            Refused::Full(why) => Self::new("QuotaExceeded", why),
            Refused::NoUpload => Self::no_upload(),
        }
    }
}

impl From<std::io::Error> for Fault {
    fn from(e: std::io::Error) -> Self {
        if matches!(e.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded) {
            tracing::error!("the disk of the object storage is full");
            return Self::new("InsufficientStorage", "The server has no room for this; nothing was stored");
        }
        let reference = stratus_model::Reference::new();
        tracing::error!(%reference, error = %e, "object storage failed");
        Self::new("InternalError", format!("Internal error, reference {reference}"))
    }
}

impl From<stratus_sigs::Refusal> for Fault {
    fn from(r: stratus_sigs::Refusal) -> Self {
        Self::new(r.s3_code(), r.message)
    }
}
