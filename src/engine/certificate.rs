//! The certificate that console and image servers show, and who this cloud is.
use crate::{Call, Engine, Topic};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use stratus_model::{Error, Kind, Result};
use stratus_store::{Certificate, Query, User};

/// A certificate about to be kept.
#[derive(Debug, Clone)]
pub struct CertificateUpload {
    /// The certificate or a certificate of its chain, PEM.
    pub certificate: String,
    /// Its private key, PKCS 8 in PEM; none for a certificate of the chain.
    pub private_key: Option<String>,
    /// The domain that servers' names end with.
    pub domain_suffix: String,
    /// Where in the chain it stands; 0 for the certificate itself.
    pub seq: i64,
    /// Its name in the chain.
    pub name: Option<String>,
}

/// Whether a text is a PEM document of this label.
fn is_pem(text: &str, label: &str) -> bool {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let inner = text.trim().strip_prefix(begin.as_str()).and_then(|t| t.strip_suffix(end.as_str()));
    inner.is_some_and(|t| {
        let body: String = t.split_whitespace().collect();
        !body.is_empty() && STANDARD.decode(body).is_ok()
    })
}

impl Engine {
    /// Keeps a certificate in place of the one of the same name.
    pub async fn certificate_upload(&self, call: &Call, ask: CertificateUpload) -> Result<()> {
        if !is_pem(&ask.certificate, "CERTIFICATE") {
            return Err(Error::invalid("certificate", "is not one certificate in PEM"));
        }
        if ask.private_key.as_deref().is_some_and(|k| !is_pem(k, "PRIVATE KEY")) {
            return Err(Error::invalid("privatekey", "is not a private key in PKCS 8 form and PEM"));
        }
        let name = match (&ask.private_key, ask.name) {
            (Some(_), _) => "CPVMCertificate".to_owned(),
            (None, Some(name)) => name,
            (None, None) => return Err(Error::invalid("privatekey", "is needed; a certificate of the chain needs name and id instead")),
        };
        let row = Certificate {
            name,
            seq: ask.seq,
            certificate: ask.certificate,
            key_sealed: ask.private_key.as_deref().map(|k| self.sealer.seal(k)).transpose()?,
            domain_suffix: ask.domain_suffix,
            created: call.now(),
            ..Default::default()
        };
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    tx.delete::<Certificate>(Query::all().eq("name", row.name.as_str())).await?;
                    tx.insert(&mut row.clone()).await?;
                    call.log(tx, Topic::of_caller(&call, Kind::Configuration, 0), format!("keeps certificate {}", row.name)).await
                })
            })
            .await
    }

    /// The random name of this installation, and its signature with a user's secret key.
    pub async fn cloud_identifier(&self, call: &Call, user: &User) -> Result<(String, String)> {
        call.touch(user, "userid").await?;
        let identifier = self.settings.text("cloud.identifier").unwrap_or_default();
        let Some(sealed) = &user.secret_sealed else {
            return Err(Error::invalid("userid", "has no keys; registerUserKeys gives it some"));
        };
        let secret = self.sealer.open(sealed)?;
        let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).map_err(|e| Error::internal(e.to_string()))?;
        mac.update(identifier.to_lowercase().as_bytes());
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        Ok((identifier, signature))
    }
}
