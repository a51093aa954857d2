use crate::{Door, Fault, Outcome};
use std::sync::Arc;
use stratus_model::Caller;
use stratus_sigs::{Body, Limits, Params, Presented, Reason, Refusal, Request, detect_ec2};

/// A request whose signature holds.
pub struct Signed {
    /// Who signed.
    pub caller: Arc<Caller>,
    /// Exactly the parameters that were signed.
    pub parameters: Params,
}

/// A request as it came, body read.
pub(crate) struct Arrived {
    pub head: http::request::Parts,
    pub body: axum::body::Bytes,
}

impl Door {
    /// Reads the parameters and finds out who signed them.
    pub(crate) async fn authenticate(&self, arrived: &Arrived) -> Outcome<Signed> {
        let request = Request {
            method: arrived.head.method.as_str(),
            path: arrived.head.uri.path(),
            query: arrived.head.uri.query().unwrap_or_default(),
            headers: &arrived.head.headers,
            body: Body::Whole(&arrived.body),
        };
        let parameters = Params::of_request(&request, &Limits::EC2)?;
        let presented = detect_ec2(&request, &parameters).and_then(|p| p.ok_or_else(Refusal::not_signed));
        let presented = presented.map_err(|refusal| refused(&refusal, None))?;
        let caller = self.believe(&presented).await?;
        Ok(Signed { caller: Arc::new(caller), parameters })
    }

    async fn believe(&self, presented: &Presented) -> Outcome<Caller> {
        let found = self.native.key_lookup(presented.access_key()).await?;
        let Some((caller, secret)) = found else { return Err(refused(&Refusal::unknown_key(), Some(presented))) };
        match presented.verify(&secret, self.engine.clock.now()) {
            Ok(_) => Ok(caller),
            Err(refusal) => Err(refused(&refusal, Some(presented))),
        }
    }
}

/// One line in the log for a refused signature. The access key is no secret; the signature and what it should have been are.
fn refused(refusal: &Refusal, presented: Option<&Presented>) -> Fault {
    let key: String = presented.map(|p| p.access_key().chars().take(128).filter(|c| !c.is_control()).collect()).unwrap_or_default();
    let scheme = presented.map(|p| format!("{:?}", p.scheme()));
    if refusal.reason != Reason::NotSigned {
        tracing::warn!(code = refusal.ec2_code(), access_key = key, scheme, "an EC2 request was refused: {}", refusal.message);
        metrics::counter!("stratus_ec2_refused", "code" => refusal.ec2_code()).increment(1);
    }
    refusal.clone().into()
}
