//! The calls with which the original's gateway was set up, said by signed Query, answered in plain text.
//!
//! Keys need no registration here; scripts that register them all the same are told whether the pair is right, and nothing is kept.
//! Certificates go to the native commands. Names of instance types for offerings of other names are kept here.
use crate::auth::Arrived;
use crate::cx::{objects, text};
use crate::door::{Answer, XML};
use crate::native::{Parameters, Permit};
use crate::{Door, Fault, Outcome};
use serde_json::Value;
use std::sync::Arc;
use stratus_engine::Call;
use stratus_model::{Caller, Error};
use stratus_sigs::{Body, Limits, Params, Request, same_secret};

/// The calls there are. They stand in no mapping, because they answer in no schema.
pub const CALLS: &[&str] =
    &["CloudEC2Version", "DeleteCertificate", "DeleteOfferMapping", "SetCertificate", "SetOfferMapping", "SetUserKeys"];

const TEXT: &str = "text/plain;charset=UTF-8";

impl Door {
    /// Answers one of the calls; `None` when the request says another action.
    pub(crate) async fn registration(self: &Arc<Self>, arrived: &Arrived) -> Option<Outcome<(Answer, &'static str)>> {
        let request = Request {
            method: arrived.head.method.as_str(),
            path: arrived.head.uri.path(),
            query: arrived.head.uri.query().unwrap_or_default(),
            headers: &arrived.head.headers,
            body: Body::Whole(&arrived.body),
        };
        // What cannot be read is refused where it is authenticated.
        let parameters = Params::of_request(&request, &Limits::EC2).ok()?;
        let name = parameters.get("Action")?;
        let name = CALLS.iter().find(|c| c.eq_ignore_ascii_case(name))?;
        let said = self.registered(name, arrived, &parameters).await;
        Some(said.map(|(body, kind)| (Answer { status: 200, request_id: uuid::Uuid::new_v4().to_string(), body: body.into() }, kind)))
    }

    async fn registered(self: &Arc<Self>, name: &str, arrived: &Arrived, parameters: &Params) -> Outcome<(String, &'static str)> {
        let need = |name: &str| parameters.get(name).filter(|v| !v.is_empty()).ok_or_else(|| Fault::missing(name));
        if name == "CloudEC2Version" {
            let text =
                format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><CloudEC2Version>{}</CloudEC2Version>", env!("CARGO_PKG_VERSION"));
            return Ok((text, XML));
        }
        if name == "SetUserKeys" {
            // The pair itself says who calls; whoever signs besides must have signed well.
            if parameters.get("Signature").is_some() {
                self.authenticate(arrived).await?;
            }
            let (key, secret) = (need("accesskey")?, need("secretkey")?);
            let found = self.native.key_lookup(key).await?;
            return match found.filter(|(_, right)| same_secret(right, secret)) {
                Some(_) => Ok(("User keys set successfully".into(), TEXT)),
                None => Err(Fault::new("AuthFailure", "The access key and the secret key are not a user's")),
            };
        }
        let caller = self.authenticate(arrived).await?.caller;
        let text = match name {
            "SetCertificate" => self.set_certificate(&caller, need("cert")?).await?,
            "DeleteCertificate" => self.delete_certificates(&caller, parameters.get("cert")).await?,
            "SetOfferMapping" => self.set_offering(caller, need("amazonoffer")?, need("cloudoffer")?).await?,
            _ => self.delete_offering(caller, need("amazonoffer")?).await?,
        };
        Ok((text.into(), TEXT))
    }

    /// Registers a certificate; one that is the caller's already is fine as it is.
    async fn set_certificate(&self, caller: &Arc<Caller>, pem: &str) -> Outcome<&'static str> {
        const DONE: &str = "User certificate set successfully";
        let register = self.command(caller, "registerUserCertificate", [("certificate", pem)]).await;
        match register {
            Ok(_) => Ok(DONE),
            Err(Error::Duplicate { .. }) if !self.own_certificates(caller, Some(pem)).await?.is_empty() => Ok(DONE),
            Err(e) => Err(e.into()),
        }
    }

    /// Deletes the certificate that is given, or all that the caller's user has: the original knew one a user.
    async fn delete_certificates(&self, caller: &Arc<Caller>, pem: Option<&str>) -> Outcome<&'static str> {
        let found = self.own_certificates(caller, pem).await?;
        if found.is_empty() {
            return Err(Fault::new("InvalidCertificate.NotFound", "The user has no such certificate"));
        }
        for certificate in &found {
            self.command(caller, "deleteUserCertificate", [("id", text(certificate, "id"))]).await?;
        }
        Ok("User certificate deleted successfully")
    }

    async fn own_certificates(&self, caller: &Arc<Caller>, pem: Option<&str>) -> Outcome<Vec<Value>> {
        let mut asked = vec![("userid", caller.user_uuid.clone())];
        if let Some(pem) = pem {
            let read = stratus_sigs::soap::Certificate::from_pem(pem).map_err(|e| Fault::invalid("cert", e))?;
            asked.push(("fingerprint", read.fingerprint));
        }
        let asked = asked.iter().map(|(n, v)| (*n, v.as_str()));
        Ok(objects(self.command(caller, "listUserCertificates", asked).await?))
    }

    async fn set_offering(self: &Arc<Self>, caller: Arc<Caller>, name: &str, offering: &str) -> Outcome<&'static str> {
        let call = self.root_call(caller, "SetOfferMapping")?;
        self.engine.ec2_offering_set(&call, name, offering).await?;
        Ok("Offering mapping set successfully")
    }

    async fn delete_offering(self: &Arc<Self>, caller: Arc<Caller>, name: &str) -> Outcome<&'static str> {
        let call = self.root_call(caller, "DeleteOfferMapping")?;
        match self.engine.ec2_offering_delete(&call, name).await? {
            true => Ok("Offering mapping deleted successfully"),
            false => Err(Fault::invalid("amazonoffer", format!("'{name}' stands for no offering of another name"))),
        }
    }

    fn root_call(&self, caller: Arc<Caller>, command: &'static str) -> Outcome<Call> {
        if !caller.is_root() || self.native.permit(&caller, "updateServiceOffering") != Permit::Yes {
            return Err(Fault::new("UnauthorizedOperation", "Only root administrators say what instance types stand for"));
        }
        Ok(Call::new(self.engine.clone(), caller, command, Some("SERVICE.OFFERING.EDIT")))
    }

    async fn command<'p>(
        &self,
        caller: &Arc<Caller>,
        command: &str,
        parameters: impl IntoIterator<Item = (&'p str, &'p str)>,
    ) -> Result<Value, Error> {
        let parameters: Parameters = parameters.into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        self.native.call(caller, command, parameters).await
    }
}
