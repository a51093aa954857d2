//! Certificates in answers.
use crate::prelude::*;

/// A certificate of a user.
#[derive(View)]
pub struct UserCertificate {
    /// the ID of the certificate
    pub id: String,
    /// the ID of its user
    pub userid: Option<String>,
    /// the login name of its user
    pub username: Option<String>,
    /// the account of its user
    pub account: Option<String>,
    /// the ID of that account's domain
    pub domainid: Option<String>,
    /// the name of that domain
    pub domain: Option<String>,
    /// SHA-256 of the certificate, in hexadecimal
    pub fingerprint: String,
    /// whom the certificate names
    pub subject: String,
    /// who issued it
    pub issuer: String,
    /// its serial number, in hexadecimal
    pub serialnumber: String,
    /// from when it is good
    pub validfrom: Date,
    /// until when it is good
    pub validuntil: Date,
    /// the certificate in PEM form
    pub certificate: String,
    /// when it was registered
    pub created: Date,
}

pub(crate) async fn of(call: &Call, rows: Vec<store::UserCertificate>) -> Result<Vec<UserCertificate>> {
    let users = call.db.by_ids::<store::User>(rows.iter().map(|c| c.user_id)).await?;
    let accounts = call.db.by_ids::<store::Account>(rows.iter().map(|c| c.account_id)).await?;
    let domains = call.db.by_ids::<store::Domain>(rows.iter().map(|c| c.domain_id)).await?;
    let one = |c: store::UserCertificate| UserCertificate {
        userid: users.get(&c.user_id).map(|u| u.uuid.clone()),
        username: users.get(&c.user_id).map(|u| u.username.clone()),
        account: accounts.get(&c.account_id).map(|a| a.name.clone()),
        domainid: domains.get(&c.domain_id).map(|d| d.uuid.clone()),
        domain: domains.get(&c.domain_id).map(|d| d.name.clone()),
        id: c.uuid,
        fingerprint: c.fingerprint,
        subject: c.subject,
        issuer: c.issuer,
        serialnumber: c.serial,
        validfrom: Date(c.not_before),
        validuntil: Date(c.not_after),
        certificate: c.certificate,
        created: Date(c.created),
    };
    Ok(rows.into_iter().map(one).collect())
}
