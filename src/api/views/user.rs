use crate::prelude::*;
use stratus_engine::setup::ADMIN;

/// A user.
#[derive(View)]
pub struct User {
    /// the ID of the user
    pub id: String,
    /// the login name
    pub username: String,
    /// the first name
    pub firstname: String,
    /// the last name
    pub lastname: String,
    /// the e-mail address
    pub email: Option<String>,
    /// when the user was made
    pub created: Date,
    /// the state of the user: enabled, disabled or locked
    pub state: String,
    /// the name of the user's account
    pub account: Option<String>,
    /// the type of the user's account
    #[view(kind = "short")]
    pub accounttype: Option<i64>,
    /// the ID of the user's domain
    pub domainid: Option<String>,
    /// the name of the user's domain
    pub domain: Option<String>,
    /// the time zone that the user works in
    pub timezone: Option<String>,
    /// the key that the user signs calls with
    pub apikey: Option<String>,
    /// the secret that the user signs calls with, for those who may give it a new one
    pub secretkey: Option<String>,
    /// the ID of the user's account
    pub accountid: Option<String>,
    /// whether the user's domain is below the caller's
    pub iscallerchilddomain: bool,
    /// whether the user came with the installation
    pub isdefault: bool,
}

pub(crate) async fn of(call: &Call, rows: Vec<store::User>) -> Result<Vec<User>> {
    let accounts = call.db.by_ids::<store::Account>(rows.iter().map(|u| u.account_id)).await?;
    let domains = call.db.by_ids::<store::Domain>(rows.iter().map(|u| u.domain_id)).await?;
    let one = |u: store::User| {
        let (account, domain) = (accounts.get(&u.account_id), domains.get(&u.domain_id));
        let here = &call.caller.domain_path;
        User {
            account: account.map(|a| a.name.clone()),
            accountid: account.map(|a| a.uuid.clone()),
            accounttype: account.map(|a| a.account_type),
            domainid: domain.map(|d| d.uuid.clone()),
            domain: domain.map(|d| d.name.clone()),
            secretkey: account.zip(domain).and_then(|(a, d)| call.secret_shown(&u, a, d)),
            iscallerchilddomain: domain.is_some_and(|d| d.path != *here && d.path.starts_with(here)),
            isdefault: u.id <= ADMIN,
            id: u.uuid,
            username: u.username,
            firstname: u.firstname,
            lastname: u.lastname,
            email: u.email,
            created: Date(u.created),
            state: u.state,
            timezone: u.timezone,
            apikey: u.api_key,
        }
    };
    Ok(rows.into_iter().map(one).collect())
}

/// A new pair of keys; the only answer that shows a secret to whoever just made it.
#[derive(View)]
pub struct UserKeys {
    /// the key that names the user
    pub apikey: String,
    /// the secret that calls are signed with
    pub secretkey: String,
}
