//! Directories of users.
use crate::prelude::*;
use crate::views::account::Account;
use stratus_engine::ldap::{Classic, LdapAccount, LdapUser as Person};
use stratus_model::AccountType;

/// A directory.
#[derive(View)]
pub struct LdapConfiguration {
    /// its name or address
    pub hostname: String,
    /// its port
    #[view(kind = "integer")]
    pub port: i64,
}

fn server(s: store::LdapServer) -> LdapConfiguration {
    LdapConfiguration { hostname: s.hostname, port: s.port }
}

/// A person in a directory.
#[derive(View)]
pub struct LdapUser {
    /// the e-mail address
    pub email: String,
    /// the name of the entry
    pub principal: String,
    /// the first name
    pub firstname: String,
    /// the last name
    pub lastname: String,
    /// the login name
    pub username: String,
    /// the unit of the directory in which the entry is
    pub domain: String,
}

fn page_of(call: &Call, page: &Paging, people: Vec<Person>) -> Result<Answer> {
    let (count, (offset, limit)) = (people.len() as i64, page.range(call)?);
    let (offset, limit) = (usize::try_from(offset).unwrap_or(0), usize::try_from(limit).unwrap_or(usize::MAX));
    let one = |p: Person| LdapUser {
        email: p.email,
        principal: p.principal,
        firstname: p.firstname,
        lastname: p.lastname,
        username: p.username,
        domain: p.domain,
    };
    Ok(Answer::list(count, people.into_iter().skip(offset).take(limit).map(one).collect()))
}

fn account_type(number: i64) -> Result<AccountType> {
    AccountType::from_number(number).ok_or_else(|| Error::invalid("accounttype", format!("there is no account type {number}")))
}

/// Makes a directory known, against which passwords are checked.
#[derive(Command)]
#[command(name = "addLdapConfiguration", roles = "admin,resourceadmin", answer = "LdapAddConfiguration", view = LdapConfiguration, wrapper = "ldapconfigurationresponse", since = "4.3", event = "LDAP.CONFIGURE")]
pub struct AddLdapConfiguration {
    /// the name or address of the directory
    hostname: String,
    /// its port; 636 for TLS
    port: i64,
}
impl Run for AddLdapConfiguration {
    async fn run(self, call: &Call) -> Result<Answer> {
        Ok(Answer::one(server(call.ldap_server_add(call, self.hostname, self.port).await?)))
    }
}

/// Forgets a directory.
#[derive(Command)]
#[command(name = "deleteLdapConfiguration", roles = "admin,resourceadmin", answer = "LdapDeleteConfiguration", view = LdapConfiguration, wrapper = "ldapconfigurationresponse", since = "4.3", event = "LDAP.REMOVE")]
pub struct DeleteLdapConfiguration {
    /// the name or address of the directory
    hostname: String,
}
impl Run for DeleteLdapConfiguration {
    async fn run(self, call: &Call) -> Result<Answer> {
        Ok(Answer::one(server(call.ldap_server_delete(call, &self.hostname).await?)))
    }
}

/// Lists directories.
#[derive(Command)]
#[command(name = "listLdapConfigurations", roles = "all", answer = "LdapConfiguration", view = LdapConfiguration, wrapper = "ldapconfigurationresponse", since = "4.3")]
pub struct ListLdapConfigurations {
    /// only the directory of this name or address
    hostname: Option<String>,
    /// only those on this port
    port: Option<i64>,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListLdapConfigurations {
    async fn run(self, call: &Call) -> Result<Answer> {
        let page = self.page.range(call)?;
        let found = call.ldap_server_list(self.hostname.as_deref(), self.port, self.page.keyword.as_deref(), page).await?;
        Ok(Answer::list(found.count, found.rows.into_iter().map(server).collect()))
    }
}

/// Lists people in the directories.
#[derive(Command)]
#[command(name = "listLdapUsers", roles = "admin,resourceadmin", answer = "LdapUser", view = LdapUser, wrapper = "ldapuserresponse", since = "4.3")]
pub struct ListLdapUsers {
    /// all, or new for those that are not users here; all unless told otherwise
    listtype: Option<String>,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListLdapUsers {
    async fn run(self, call: &Call) -> Result<Answer> {
        let only_new = match self.listtype.as_deref().unwrap_or("all") {
            "all" => false,
            "new" => true,
            other => return Err(Error::invalid("listtype", format!("'{other}' is neither all nor new"))),
        };
        let mut people = call.ldap_users(self.page.keyword.as_deref(), None).await?;
        if only_new {
            let known = call.ldap_known(&people).await?;
            people.retain(|p| !known.contains(&p.username));
        }
        page_of(call, &self.page, people)
    }
}

/// Finds people in the directories by a part of their names.
#[derive(Command)]
#[command(name = "searchLdap", roles = "admin", answer = "LdapUser", view = LdapUser, wrapper = "ldapuserresponse", since = "4.3")]
pub struct SearchLdap {
    /// a part of the login name, first or last name, or e-mail address
    query: String,
    #[param(flatten)]
    page: Paging,
}
impl Run for SearchLdap {
    async fn run(self, call: &Call) -> Result<Answer> {
        let people = call.ldap_users(Some(&self.query), None).await?;
        page_of(call, &self.page, people)
    }
}

/// Makes an account for somebody whom a directory knows.
#[derive(Command)]
#[command(name = "ldapCreateAccount", roles = "admin,resourceadmin", answer = "account", view = Account, wrapper = "createaccountresponse", since = "4.3", event = "ACCOUNT.CREATE")]
pub struct LdapCreateAccount {
    /// the type: 0 user, 1 root administrator, 2 domain administrator, 3 resource administrator
    #[param(kind = "short")]
    accounttype: i64,
    /// the login name, as the directory knows it
    username: String,
    /// the name of the account; the login name when it is not given
    account: Option<String>,
    /// free details, accountdetails[0].name=value
    accountdetails: Option<MapList>,
    /// the ID that the account shall have, to be the same in every region
    accountid: Option<String>,
    /// the ID of the account's domain; the caller's own when it is not given
    domainid: Option<Ref<store::Domain>>,
    /// the DNS suffix of the account's networks
    networkdomain: Option<String>,
    /// the time zone of the user, like Europe/London
    timezone: Option<String>,
    /// the ID that the user shall have, to be the same in every region
    userid: Option<String>,
}
impl Run for LdapCreateAccount {
    async fn run(self, call: &Call) -> Result<Answer> {
        let ask = LdapAccount {
            name: self.account,
            kind: account_type(self.accounttype)?,
            domain: self.domainid.map(|d| d.0),
            network_domain: self.networkdomain,
            details: self.accountdetails.unwrap_or_default().merged(),
            uuid: self.accountid,
            user_uuid: self.userid,
            timezone: self.timezone,
        };
        let account = call.ldap_account_create(call, &self.username, ask).await?;
        views::one(views::account::of(call, vec![account]).await?)
    }
}

/// Makes accounts for everybody in the directories who has none.
#[derive(Command)]
#[command(name = "importLdapUsers", roles = "admin,resourceadmin", answer = "LdapUser", view = LdapUser, wrapper = "ldapuserresponse", since = "4.3", event = "ACCOUNT.CREATE")]
pub struct ImportLdapUsers {
    /// the type: 0 user, 1 root administrator, 2 domain administrator, 3 resource administrator
    #[param(kind = "short")]
    accounttype: i64,
    /// free details of the accounts, accountdetails[0].name=value
    accountdetails: Option<MapList>,
    /// the ID of the accounts' domain; domains named after the directory's units when it is not given
    domainid: Option<Ref<store::Domain>>,
    /// only members of this group of the directory
    group: Option<String>,
    /// the time zone of the users, like Europe/London
    timezone: Option<String>,
    #[param(flatten)]
    page: Paging,
}
impl Run for ImportLdapUsers {
    async fn run(self, call: &Call) -> Result<Answer> {
        self.page.range(call)?;
        let ask = LdapAccount {
            name: None,
            kind: account_type(self.accounttype)?,
            domain: self.domainid.map(|d| d.0),
            network_domain: None,
            details: self.accountdetails.unwrap_or_default().merged(),
            uuid: None,
            user_uuid: None,
            timezone: self.timezone,
        };
        let people = call.ldap_users(self.page.keyword.as_deref(), self.group.as_deref()).await?;
        let made = call.ldap_import(call, people, ask).await?;
        page_of(call, &self.page, made)
    }
}

/// The directory that ldapConfig set. Its password is never shown.
#[derive(View)]
pub struct LdapConfig {
    /// its name or address
    pub hostname: String,
    /// its port
    pub port: String,
    /// whether it speaks TLS
    pub ssl: String,
    /// the entry below which users are looked for
    pub searchbase: String,
    /// how a user is found
    pub queryfilter: String,
    /// the entry as which the directory is searched
    pub binddn: Option<String>,
    /// stars for a password
    pub bindpass: Option<String>,
}

fn classic(c: Classic) -> LdapConfig {
    LdapConfig {
        hostname: c.hostname,
        port: c.port.to_string(),
        ssl: c.ssl.to_string(),
        searchbase: c.search_base,
        queryfilter: c.query_filter,
        binddn: c.bind_dn,
        bindpass: c.bind_password.map(|_| "*****".into()),
    }
}

/// Sets the directory against which passwords are checked, as releases before 4.3 did.
#[derive(Command)]
#[command(name = "ldapConfig", roles = "admin", answer = "ldapconfig", view = LdapConfig, since = "3.0", event = "LDAP.CONFIGURE")]
pub struct LdapConfigure {
    /// the entry as which the directory is searched
    binddn: Option<String>,
    /// its password
    bindpass: Option<String>,
    /// the name or address of the directory
    hostname: Option<String>,
    /// true to see what is set, and to set nothing
    #[param(since = "4.2")]
    listall: Option<bool>,
    /// its port; 389, or 636 with ssl, when it is not given
    port: Option<i64>,
    /// how a user is found: %u login name, %n first and last name, %e e-mail address
    queryfilter: Option<String>,
    /// the entry below which users are looked for
    searchbase: Option<String>,
    /// whether it speaks TLS
    ssl: Option<bool>,
    /// a file of certificates; those that the operating system trusts are trusted
    #[param(kind = "string")]
    truststore: Refused,
    /// the password of that file
    #[param(kind = "string")]
    truststorepass: Refused,
}
impl Run for LdapConfigure {
    async fn run(self, call: &Call) -> Result<Answer> {
        if self.listall == Some(true) {
            let shown: Vec<LdapConfig> = call.ldap_classic().await?.into_iter().map(classic).collect();
            return Ok(Answer::list(shown.len() as i64, shown));
        }
        let need = |v: Option<String>, field: &str| v.ok_or_else(|| Error::Missing { command: "ldapconfig".into(), field: field.into() });
        let ssl = self.ssl.unwrap_or(false);
        let set = Classic {
            hostname: need(self.hostname, "hostname")?,
            port: self.port.unwrap_or(if ssl { 636 } else { 389 }),
            ssl,
            search_base: need(self.searchbase, "searchbase")?,
            query_filter: need(self.queryfilter, "queryfilter")?,
            bind_dn: self.binddn,
            bind_password: self.bindpass,
        };
        call.ldap_classic_set(call, Some(set.clone())).await?;
        Ok(Answer::list(1, vec![classic(set)]))
    }
}

/// Forgets the directory that ldapConfig set.
#[derive(Command)]
#[command(name = "ldapRemove", roles = "admin", answer = "ldapremove", view = LdapConfig, since = "3.0", event = "LDAP.REMOVE")]
pub struct LdapRemove {}
impl Run for LdapRemove {
    async fn run(self, call: &Call) -> Result<Answer> {
        let was = call.ldap_classic().await?.ok_or_else(|| Error::not_found(Kind::Configuration, "ldapConfig"))?;
        call.ldap_classic_set(call, None).await?;
        Ok(Answer::one(classic(was)))
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<AddLdapConfiguration>();
    r.add::<DeleteLdapConfiguration>();
    r.add::<ListLdapConfigurations>();
    r.add::<ListLdapUsers>();
    r.add::<SearchLdap>();
    r.add::<LdapCreateAccount>();
    r.add::<ImportLdapUsers>();
    r.add::<LdapConfigure>();
    r.add::<LdapRemove>();
}
