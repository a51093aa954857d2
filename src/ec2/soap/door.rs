//! A message on its way: read, believed, carried out, answered.
use super::fault::{content_type, envelope};
use super::schema::{Operation, Published, Schema};
use super::{NAMESPACE, answer, malformed, parameters, respond_fault, wsdl};
use crate::auth::Arrived;
use crate::door::Answer;
use crate::{Door, Fault, Input, Outcome, Version, tree};
use std::sync::Arc;
use stratus_model::Caller;
use stratus_sigs::soap::{self, Claim, Document, Envelope, SoapVersion};
use stratus_sigs::{Reason, Refusal};

/// What a message asks for.
struct Asked<'m> {
    /// The version that the answer is said to be in.
    version: Version,
    /// The published one that it is in.
    schema: &'static Schema,
    name: &'m str,
}

impl Door {
    /// Answers a message; with the content type.
    pub(crate) async fn soap(self: &Arc<Self>, arrived: Arrived) -> (Answer, &'static str) {
        let request_id = uuid::Uuid::new_v4().to_string();
        let read = Document::parse(&arrived.body).map_err(malformed).and_then(|document| Envelope::of(document).map_err(unread));
        let message = match read {
            Ok(message) => message,
            Err(fault) => {
                let version = said(&arrived);
                return (respond_fault(&fault, version, request_id, None), content_type(version));
            }
        };
        let version = message.version;
        let answer = match self.message(&arrived, &message, &request_id).await {
            Ok(body) => Answer { status: 200, request_id, body: envelope(version, "", &body) },
            Err(fault) => respond_fault(&fault, version, request_id, None),
        };
        (answer, content_type(version))
    }

    async fn message(self: &Arc<Self>, arrived: &Arrived, message: &Envelope, request_id: &str) -> Outcome<Vec<u8>> {
        let asked = asked(message)?;
        let caller = self.signer(message, asked.name).await?;
        let Some(operation) = asked.schema.operations.get(asked.name) else {
            let why = format!("{} is no operation of version {}", shown(asked.name), asked.schema.version.text());
            return Err(Fault::new("InvalidAction", why));
        };
        let action = self.action(asked.name)?;
        let pairs = parameters::of(asked.schema, operation, &message.document, message.operation)?;
        let input = Input::new(pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())));
        // Expressions go by the version whose elements are answered.
        let version = asked.schema.version.version().unwrap_or_else(|| asked.version.clone());
        let (cx, record) = self.carry_out(caller, action, input, version, crate::door::host(arrived)).await?;
        let built = crate::door::build(&cx, &record, request_id);
        let fields = answer::cut(asked.schema, &operation.response, built);
        let names = crate::door::names(&cx, &fields).await?;
        let namespace = format!("{NAMESPACE}{}/", asked.version.text());
        Ok(tree::element(&response(operation), Some(&namespace), &fields, &names))
    }

    /// Who signed the message. It must be signed, in time, and not have come before.
    async fn signer(&self, message: &Envelope, name: &str) -> Outcome<Caller> {
        let claim = Claim::of(message).and_then(|c| c.ok_or_else(not_signed)).map_err(|r| refused(&r, name))?;
        let Some((caller, registered)) = self.engine.by_certificate(&claim.fingerprint()).await? else {
            return Err(refused(&Claim::unknown(), name));
        };
        claim.verify(&registered, self.engine.clock.now()).map_err(|r| refused(&r, name))?;
        let digests = claim.replay_keys().iter().map(|key| key.iter().map(|b| format!("{b:02x}")).collect()).collect();
        if self.engine.message_is_new(digests, claim.good_until()).await? {
            return Ok(caller);
        }
        let replay = Refusal::new(Reason::UnknownKey, "The message came before; sign a new one for each call");
        Err(refused(&replay, name))
    }
}

/// The WSDL that a request asks for.
pub(crate) fn published(version: Option<&str>, address: &str) -> Outcome<String> {
    let version = match version {
        None => Published::V2012,
        Some(text) => Published::of(text).ok_or_else(|| {
            Fault::new("NoSuchVersion", format!("There is a WSDL of {} only", Published::ALL.map(Published::text).join(" and of ")))
        })?,
    };
    let schema = Schema::of(version).map_err(|e| Fault::new("InternalError", e))?;
    Ok(wsdl::write(schema, &wsdl::Address(address)))
}

/// A fault for a message of which nothing is known but how it came.
pub(crate) fn refuse(fault: &Fault, arrived: &Arrived, status: Option<u16>) -> (Answer, &'static str) {
    let version = said(arrived);
    (respond_fault(fault, version, uuid::Uuid::new_v4().to_string(), status), content_type(version))
}

/// The SOAP that a request's head says it is in.
fn said(arrived: &Arrived) -> SoapVersion {
    let kind = arrived.head.headers.get("content-type").and_then(|k| k.to_str().ok()).unwrap_or_default();
    if kind.to_ascii_lowercase().starts_with("application/soap+xml") { SoapVersion::Soap12 } else { SoapVersion::Soap11 }
}

fn asked(message: &Envelope) -> Outcome<Asked<'_>> {
    let (document, node) = (&message.document, message.operation);
    let date = document.namespace(node).strip_prefix(NAMESPACE).map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    let Some(version) = date.and_then(Version::parse) else {
        let why = format!("The element in the Body is not in a namespace of EC2, {NAMESPACE}<date>/");
        return Err(Fault::new("NoSuchVersion", why));
    };
    let schema = Schema::of(Published::nearest(&version)).map_err(|e| Fault::new("InternalError", e))?;
    Ok(Asked { version, schema, name: document.name(node) })
}

fn unread(fault: soap::Fault) -> Fault {
    let code = match &fault {
        soap::Fault::VersionMismatch => "VersionMismatch",
        soap::Fault::MustUnderstand(_) => "MustUnderstand",
        soap::Fault::Malformed(_) => return malformed(fault),
    };
    Fault::new(code, fault.to_string())
}

fn not_signed() -> Refusal {
    Refusal::new(Reason::NotSigned, "The message must be signed with a registered certificate's key (WS-Security)")
}

/// One line in the log for a refused signature.
fn refused(refusal: &Refusal, name: &str) -> Fault {
    if refusal.reason != Reason::NotSigned {
        tracing::warn!(code = refusal.ec2_code(), operation = shown(name), "a SOAP message was refused: {}", refusal.message);
        metrics::counter!("stratus_ec2_refused", "code" => refusal.ec2_code()).increment(1);
    }
    refusal.clone().into()
}

fn response(operation: &Operation) -> String {
    format!("{}Response", operation.name)
}

fn shown(name: &str) -> String {
    name.chars().take(64).collect()
}
