//! Why a request was not believed, and what each door calls it.

/// The code of one reason at each door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Codes {
    /// the code in an EC2 answer
    pub ec2: &'static str,
    /// the code in an S3 answer
    pub s3: &'static str,
}

/// What was wrong, as far as a client must be able to tell it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// nothing in the request says who sent it; for the door that wants a signed request
    NotSigned,
    /// the access key belongs to nobody; for the door, which alone knows the keys
    UnknownKey,
    /// the signature's own parts cannot be read
    Malformed,
    /// a parameter the scheme needs is missing
    MissingParameter,
    /// a parameter has a value nobody can read, or too much of it
    InvalidParameter,
    /// two parameters, or two schemes, that exclude each other
    Combination,
    /// a header that must be signed is not
    NotCovered,
    /// the signature does not fit the request
    Mismatch,
    /// the body is not the one whose hash was sent
    BodyMismatch,
    /// the given end of the request's life has passed
    Expired,
    /// the request's own time is too far from ours
    Skewed,
    /// a session token, which this cloud does not issue
    SessionToken,
    /// a form upload breaks a condition of its policy
    PolicyBroken,
}

impl Reason {
    /// The error codes, after the EC2 and S3 API references.
    #[must_use]
    pub const fn codes(self) -> Codes {
        let (ec2, s3) = match self {
            Self::NotSigned => ("MissingAuthenticationToken", "AccessDenied"),
            Self::UnknownKey => ("AuthFailure", "InvalidAccessKeyId"),
            Self::Malformed => ("IncompleteSignature", "AuthorizationHeaderMalformed"),
            Self::MissingParameter => ("MissingParameter", "AuthorizationQueryParametersError"),
            Self::InvalidParameter => ("InvalidParameterValue", "InvalidArgument"),
            Self::Combination => ("InvalidParameterCombination", "InvalidArgument"),
            Self::NotCovered => ("IncompleteSignature", "AccessDenied"),
            Self::Mismatch => ("SignatureDoesNotMatch", "SignatureDoesNotMatch"),
            Self::BodyMismatch => ("SignatureDoesNotMatch", "XAmzContentSHA256Mismatch"),
            Self::Expired => ("RequestExpired", "AccessDenied"),
            Self::Skewed => ("RequestExpired", "RequestTimeTooSkewed"),
            Self::SessionToken => ("InvalidClientTokenId", "InvalidToken"),
            Self::PolicyBroken => ("AuthFailure", "AccessDenied"),
        };
        Codes { ec2, s3 }
    }
}

/// A request that is not believed. The text may be shown to the sender.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// the kind of fault
    pub reason: Reason,
    /// what to tell the sender; never holds a secret or a right signature
    pub message: String,
    /// the parameter, header or form field at fault
    pub field: Option<String>,
}

impl Refusal {
    /// A refusal of no single field.
    #[must_use]
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), field: None }
    }

    /// A refusal of one parameter, header or form field. The name is the sender's: it is cut and cleaned first.
    #[must_use]
    pub fn of(reason: Reason, field: &str, why: impl std::fmt::Display) -> Self {
        let field = shown(field);
        Self { reason, message: format!("{field}: {why}"), field: Some(field) }
    }

    /// The answer to a request without any credentials.
    #[must_use]
    pub fn not_signed() -> Self {
        Self::new(Reason::NotSigned, "The request must be signed")
    }

    /// The answer to an access key that belongs to nobody, or to a user who may not act.
    #[must_use]
    pub fn unknown_key() -> Self {
        Self::new(Reason::UnknownKey, "The access key is not known here")
    }

    /// The code in an EC2 answer.
    #[must_use]
    pub const fn ec2_code(&self) -> &'static str {
        self.reason.codes().ec2
    }

    /// The code in an S3 answer.
    #[must_use]
    pub const fn s3_code(&self) -> &'static str {
        self.reason.codes().s3
    }

    pub(crate) fn mismatch() -> Self {
        Self::new(Reason::Mismatch, "The signature does not fit the request; check the secret key and the signing method")
    }

    pub(crate) fn missing(field: &str) -> Self {
        Self::of(Reason::MissingParameter, field, "missing")
    }
}

/// A name as sent, fit to be shown and logged: at most 64 characters, none of them a control character.
fn shown(name: &str) -> String {
    name.chars().take(64).map(|c| if c.is_control() { '?' } else { c }).collect()
}
