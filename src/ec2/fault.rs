use stratus_model::Error;
use stratus_sigs::Refusal;

/// What this door answers with.
pub type Outcome<T> = Result<T, Fault>;

/// An error in EC2's words (catalog/ec2-semantics.md section 13).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// `InvalidInstanceID.NotFound`
    pub code: String,
    /// for people
    pub message: String,
}

impl Fault {
    /// An error by its code.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }
    /// A parameter that has to be there.
    pub fn missing(parameter: &str) -> Self {
        Self::new("MissingParameter", format!("The request must contain the parameter {parameter}"))
    }
    /// A parameter whose value cannot be.
    pub fn invalid(parameter: &str, why: impl std::fmt::Display) -> Self {
        Self::new("InvalidParameterValue", format!("Invalid value for parameter {parameter}: {why}"))
    }
    /// Parameters that exclude each other.
    pub fn combination(why: impl Into<String>) -> Self {
        Self::new("InvalidParameterCombination", why)
    }
    /// Something that EC2 has and this cloud has not.
    pub fn unsupported(why: impl Into<String>) -> Self {
        Self::new("UnsupportedOperation", why)
    }
    /// The HTTP status that goes with the code. 5xx is only for what may work when it is tried again: SDKs do try.
    pub fn status(&self) -> u16 {
        match self.code.as_str() {
            "AuthFailure" => 401,
            "UnauthorizedOperation"
            | "SignatureDoesNotMatch"
            | "InvalidClientTokenId"
            | "MissingAuthenticationToken"
            | "OptInRequired"
            | "Blocked" => 403,
            "DryRunOperation" => 412,
            "InternalError" | "InsufficientInstanceCapacity" | "InsufficientAddressCapacity" => 500,
            "ServiceUnavailable" | "Unavailable" | "RequestLimitExceeded" => 503,
            _ => 400,
        }
    }
    /// Replaces the code by what an action's mapping says of it.
    pub fn renamed(self, names: &std::collections::BTreeMap<String, String>) -> Self {
        match names.get(&self.code) {
            Some(code) => Self { code: code.clone(), ..self },
            None => self,
        }
    }
}

impl From<Error> for Fault {
    fn from(e: Error) -> Self {
        let codes = e.codes();
        if let Error::Internal(reference, cause) = &e {
            tracing::error!(%reference, cause = %cause, "an EC2 call failed");
        }
        let code = match &e {
            // A job's failure as it was kept: only its native codes are left.
            Error::Replayed { api, .. } => match api {
                401 => "AuthFailure",
                430 | 431 => "InvalidParameterValue",
                432 => "UnsupportedOperation",
                531 | 532 => "UnauthorizedOperation",
                533 => "InsufficientInstanceCapacity",
                534 => "ServiceUnavailable",
                535 => "ResourceLimitExceeded",
                536 => "DependencyViolation",
                537 => "Resource.AlreadyAssociated",
                _ => codes.ec2,
            },
            _ => codes.ec2,
        };
        Self::new(code, e.to_string())
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.ec2_code(), refusal.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stratus_model::{Kind, Limit};

    #[test]
    fn errors_get_their_code_by_the_kind_of_thing() {
        let code = |e: Error| Fault::from(e).code;
        assert_eq!(code(Error::not_found(Kind::Vm, "i-1")), "InvalidInstanceID.NotFound");
        assert_eq!(code(Error::Duplicate { kind: Kind::SshKeyPair, name: "k".into() }), "InvalidKeyPair.Duplicate");
        let limit = Error::LimitReached { limit: Limit::Vm, owner: "a".into(), used: 20, max: 20, asked: 1 };
        assert_eq!(code(limit), "InstanceLimitExceeded");
        assert_eq!(code(Error::Replayed { api: 533, cs: 4325, text: String::new() }), "InsufficientInstanceCapacity");
    }

    #[test]
    fn a_permanent_refusal_is_never_a_5xx() {
        for (code, status) in [("AuthFailure", 401), ("UnauthorizedOperation", 403), ("DryRunOperation", 412), ("InternalError", 500)] {
            assert_eq!(Fault::new(code, "").status(), status, "{code}");
        }
        for code in ["UnsupportedOperation", "InvalidAction", "InstanceLimitExceeded", "InvalidAMIID.NotFound"] {
            assert_eq!(Fault::new(code, "").status(), 400, "{code}");
        }
    }
}
