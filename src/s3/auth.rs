//! Who sent a request.
use crate::request::{Request, Signed};
use crate::{Door, Fault, Outcome};
use std::sync::Arc;
use stratus_model::Caller;
use stratus_sigs::{Body, Mount, Presented, Reason, Refusal, Scheme, Verified, detect_s3};

impl Door {
    /// Finds out who signed a request, and what its signature says of the body.
    pub(crate) async fn authenticate(&self, request: &mut Request, query: &str) -> Outcome<()> {
        let presented = {
            let signed = stratus_sigs::Request {
                method: request.method.as_str(),
                path: &request.path,
                query,
                headers: &request.headers,
                body: Body::Later,
            };
            let bucket = request.bucket.as_deref().filter(|_| request.by_host);
            detect_s3(&signed, &request.params, &Mount { prefix: request.prefix, bucket })?
        };
        let Some(presented) = presented else { return Ok(()) };
        let (caller, verified) = self.believe(&presented).await?;
        request.signed = match presented.scheme() {
            Scheme::V4Header => Signed { how: "REST-HEADER", version: "AWS4-HMAC-SHA256" },
            Scheme::V4Query => Signed { how: "REST-QUERY-STRING", version: "AWS4-HMAC-SHA256" },
            Scheme::S3V2Query => Signed { how: "REST-QUERY-STRING", version: "AWS" },
            _ => Signed { how: "REST-HEADER", version: "AWS" },
        };
        request.who = Some(caller);
        request.payload = verified.payload;
        request.chain = verified.chain;
        Ok(())
    }

    /// The caller of a claim, once its signature holds.
    pub(crate) async fn believe(&self, presented: &Presented) -> Outcome<(Arc<Caller>, Verified)> {
        let found = self.known.key(&self.engine, presented.access_key()).await?;
        let Some((caller, secret)) = found else { return Err(refused(&Refusal::unknown_key(), presented)) };
        match presented.verify(&secret, self.engine.clock.now()) {
            Ok(verified) => Ok((caller, verified)),
            Err(refusal) => Err(refused(&refusal, presented)),
        }
    }
}

/// One line in the log for a refused signature. The access key is no secret; the signature and what it should have been are.
fn refused(refusal: &Refusal, presented: &Presented) -> Fault {
    let key: String = presented.access_key().chars().take(128).filter(|c| !c.is_control()).collect();
    let scheme = format!("{:?}", presented.scheme());
    tracing::warn!(code = refusal.s3_code(), access_key = key, scheme, "an S3 request was refused: {}", refusal.message);
    metrics::counter!("stratus_s3_refused", "code" => refusal.s3_code()).increment(1);
    let fault = Fault::from(refusal.clone());
    match refusal.reason {
        Reason::UnknownKey => fault.with("AWSAccessKeyId", key),
        // No secret is in it, and it is what shows a client's author what was signed instead.
        Reason::Mismatch => {
            let text = presented.strings_to_sign().next().map(|t| String::from_utf8_lossy(t).into_owned());
            fault.with("AWSAccessKeyId", key).with("StringToSign", text.unwrap_or_default())
        }
        _ => fault,
    }
}
