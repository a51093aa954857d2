//! Certificates of users. These three commands are ours: the original kept certificates at its EC2 gateway only.
use crate::prelude::*;
use crate::views::user_certificate as certificate;
use stratus_engine::user_certificate::CertificateFilter;

/// Registers an X.509 certificate, with whose key the user then signs EC2's SOAP messages.
#[derive(Command)]
#[command(
    name = "registerUserCertificate",
    roles = "all",
    answer = "usercertificate",
    view = certificate::UserCertificate,
    event = "USER.CERTIFICATE.REGISTER"
)]
pub struct Register {
    /// the certificate in PEM form, without its private key
    #[param(length = 16384)]
    certificate: String,
    /// the ID of the user; the caller when it is not given
    userid: Option<Owned<store::User>>,
}
impl Run for Register {
    async fn run(self, call: &Call) -> Result<Answer> {
        let user = match self.userid {
            Some(user) => user.0,
            None => call.db.must::<store::User>(call.caller.user_id).await?,
        };
        let row = call.user_certificate_register(call, &user, &self.certificate).await?;
        views::one(certificate::of(call, vec![row]).await?)
    }
}

/// Lists certificates of users.
#[derive(Command)]
#[command(name = "listUserCertificates", roles = "all", answer = "usercertificate", view = certificate::UserCertificate)]
pub struct List {
    /// only the certificate with this ID
    id: Option<Owned<store::UserCertificate>>,
    /// only certificates of the user with this ID
    userid: Option<Owned<store::User>>,
    /// only the certificate with this SHA-256, in hexadecimal
    fingerprint: Option<String>,
    /// only certificates of this account's users; of the caller's domain unless domainid is given
    account: Option<String>,
    /// only certificates of this domain's users
    domainid: Option<Ref<store::Domain>>,
    /// with a domain, also those of the domains below it
    isrecursive: Option<bool>,
    /// true for everything that the caller may see
    listall: Option<bool>,
    #[param(flatten)]
    page: Paging,
}
impl Run for List {
    async fn run(self, call: &Call) -> Result<Answer> {
        let scope = stratus_engine::ScopeRequest {
            account: self.account,
            domain: self.domainid.map(|d| d.0),
            recursive: self.isrecursive.unwrap_or(false),
            listall: self.listall.unwrap_or(false),
            by_id: self.id.is_some() || self.userid.is_some(),
            project: None,
        };
        let filter = CertificateFilter {
            id: self.id.map(|c| c.0.id),
            user_id: self.userid.map(|u| u.0.id),
            fingerprint: self.fingerprint.map(|f| f.to_ascii_lowercase()),
            page: self.page.range(call)?,
            keyword: self.page.keyword,
        };
        let found = call.user_certificate_list(&call.scope(&scope).await?, filter).await?;
        Ok(Answer::list(found.count, certificate::of(call, found.rows).await?))
    }
}

/// Deletes a certificate; what its key signs is refused from then on.
#[derive(Command)]
#[command(name = "deleteUserCertificate", roles = "all", event = "USER.CERTIFICATE.DELETE")]
pub struct Delete {
    /// the ID of the certificate
    id: Owned<store::UserCertificate>,
}
impl Run for Delete {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.user_certificate_delete(call, self.id.0).await?;
        Ok(Answer::success())
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<Register>();
    r.add::<List>();
    r.add::<Delete>();
}
