//! The certificate of console and image servers, and the cloud's own name.
use crate::prelude::*;
use stratus_engine::certificate::CertificateUpload;

/// What became of a certificate.
#[derive(View)]
pub struct CustomCertificate {
    /// what was done
    pub message: String,
}

/// Keeps a certificate for console and image servers.
#[derive(Command)]
#[command(name = "uploadCustomCertificate", roles = "admin", answer = "customcertificate", view = CustomCertificate, event = "UPLOAD.CUSTOM.CERTIFICATE", job = "keeping a certificate")]
pub struct UploadCustomCertificate {
    /// the certificate in PEM
    #[param(length = 65535)]
    certificate: String,
    /// the domain that the servers' names end with
    domainsuffix: String,
    /// where a certificate of the chain stands in it
    id: Option<i64>,
    /// the name of a certificate of the chain
    name: Option<String>,
    /// the private key in PKCS 8 form and PEM; none for a certificate of the chain
    #[param(length = 65535)]
    privatekey: Option<String>,
}
impl Run for UploadCustomCertificate {
    async fn run(self, call: &Call) -> Result<Answer> {
        let ask = CertificateUpload {
            certificate: self.certificate,
            private_key: self.privatekey,
            domain_suffix: self.domainsuffix,
            seq: self.id.unwrap_or(0),
            name: self.name,
        };
        call.certificate_upload(call, ask).await?;
        Ok(Answer::one(CustomCertificate {
            message: "The certificate is kept; console and image servers show it from their next start on".into(),
        }))
    }
}

/// The name of this cloud.
#[derive(View)]
pub struct CloudIdentifier {
    /// the ID of the user who asked
    pub userid: String,
    /// the random name of this installation
    pub cloudidentifier: String,
    /// that name signed with the user's secret key
    pub signature: String,
}

/// Says what this cloud is called, signed for a user.
#[derive(Command)]
#[command(name = "getCloudIdentifier", roles = "all", answer = "cloudidentifier", view = CloudIdentifier)]
pub struct GetCloudIdentifier {
    /// the ID of the user
    userid: Owned<store::User>,
}
impl Run for GetCloudIdentifier {
    async fn run(self, call: &Call) -> Result<Answer> {
        let (cloudidentifier, signature) = call.cloud_identifier(call, &self.userid.0).await?;
        Ok(Answer::one(CloudIdentifier { userid: self.userid.0.uuid, cloudidentifier, signature }))
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<UploadCustomCertificate>();
    r.add::<GetCloudIdentifier>();
}
