//! Directories: users whose passwords an LDAP server knows (AUT-02). Who may log in is still a user here; only the password is asked
//! there, by binding as the entry that is found under the user's name.
use crate::account::AccountCreate;
use crate::authenticators::Authenticator;
use crate::domain::DomainCreate;
use crate::user::NewUser;
use crate::{Call, Engine, Listing, Topic, new_key};
use async_trait::async_trait;
use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, Scope, SearchEntry, ldap_escape};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use stratus_model::{AccountType, Error, Kind, Result};
use stratus_store::{Account, Domain, LdapServer, Query, Setting, User};

/// How long a directory may take for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// The port on which a directory speaks TLS from the first byte.
const TLS_PORT: i64 = 636;
/// The row in which what `ldapConfig` was told is kept, sealed as a whole because a password is in it.
const CLASSIC: &str = "ldap.classic.configuration";

/// What `ldapConfig` was told.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Classic {
    /// The directory's name or address.
    pub hostname: String,
    /// Its port.
    pub port: i64,
    /// Whether it speaks TLS.
    pub ssl: bool,
    /// The entry below which users are looked for.
    pub search_base: String,
    /// How a user is found: `%u` login name, `%n` first and last name, `%e` e-mail address.
    pub query_filter: String,
    /// The entry as which the directory is searched.
    pub bind_dn: Option<String>,
    /// Its password.
    pub bind_password: Option<String>,
}

/// A directory as it is asked.
struct Directory {
    host: String,
    port: i64,
    tls: bool,
    base: String,
    bind: Option<(String, String)>,
    /// How a user is found where it is not by the attribute of login names.
    filter: Option<String>,
}

/// A person in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LdapUser {
    /// The entry's name.
    pub principal: String,
    /// The login name.
    pub username: String,
    /// The first name.
    pub firstname: String,
    /// The last name.
    pub lastname: String,
    /// The e-mail address.
    pub email: String,
    /// The unit of the directory in which the entry is.
    pub domain: String,
}

/// What an account that is made for a directory's user is made of, beside the user.
#[derive(Clone)]
pub struct LdapAccount {
    /// Its name; the login name when there is none.
    pub name: Option<String>,
    /// Its type.
    pub kind: AccountType,
    /// Where it lives.
    pub domain: Option<Domain>,
    /// The DNS suffix of its networks.
    pub network_domain: Option<String>,
    /// Free details.
    pub details: BTreeMap<String, String>,
    /// The uuid that the caller wants for it.
    pub uuid: Option<String>,
    /// The uuid that the caller wants for the user.
    pub user_uuid: Option<String>,
    /// The user's time zone.
    pub timezone: Option<String>,
}

fn silent(host: &str, e: impl std::fmt::Display) -> Error {
    tracing::warn!(host, error = %e, "a directory did not answer as it should");
    Error::Unavailable(format!("The directory {host} did not answer; the log says more"))
}

impl Directory {
    async fn open(&self) -> Result<Ldap> {
        let scheme = if self.tls { "ldaps" } else { "ldap" };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let settings = LdapConnSettings::new().set_conn_timeout(PATIENCE);
        let opened = LdapConnAsync::with_settings(settings, &format!("{scheme}://{host}:{}", self.port)).await;
        let (conn, ldap) = opened.map_err(|e| silent(&self.host, e))?;
        ldap3::drive!(conn);
        Ok(ldap)
    }

    /// A connection that may search.
    async fn searching(&self) -> Result<Ldap> {
        let mut ldap = self.open().await?;
        if let Some((dn, password)) = &self.bind {
            let bound = ldap.with_timeout(PATIENCE).simple_bind(dn, password).await.and_then(|r| r.success());
            bound.map_err(|e| silent(&self.host, e))?;
        }
        Ok(ldap)
    }

    async fn search(&self, ldap: &mut Ldap, base: &str, scope: Scope, filter: &str) -> Result<Vec<SearchEntry>> {
        let found = ldap.with_timeout(PATIENCE).search(base, scope, filter, vec!["*"]).await.and_then(|r| r.success());
        let (rows, _) = found.map_err(|e| silent(&self.host, e))?;
        Ok(rows.into_iter().map(SearchEntry::construct).collect())
    }
}

/// All values of an attribute, whatever the case of its name.
fn values<'a>(entry: &'a SearchEntry, attribute: &'a str) -> impl Iterator<Item = &'a String> {
    entry.attrs.iter().filter(move |(k, _)| k.eq_ignore_ascii_case(attribute)).flat_map(|(_, v)| v)
}

/// Passwords that a directory knows.
pub(crate) struct Directories;

#[async_trait]
impl Authenticator for Directories {
    fn name(&self) -> &'static str {
        "LDAP"
    }
    async fn knows(&self, engine: &Engine, user: &User, password: &str) -> Result<bool> {
        engine.ldap_knows(user, password).await
    }
}

impl Engine {
    fn directory_setting(&self, name: &str) -> Option<String> {
        self.settings.text(name).filter(|t| !t.trim().is_empty())
    }

    async fn directories(&self) -> Result<Vec<Directory>> {
        let bind = self.directory_setting("ldap.bind.principal").zip(self.setting_secret("ldap.bind.password")?);
        let base = self.directory_setting("ldap.basedn").unwrap_or_default();
        let plain = |s: LdapServer| Directory {
            host: s.hostname,
            tls: s.port == TLS_PORT,
            port: s.port,
            base: base.clone(),
            bind: bind.clone(),
            filter: None,
        };
        let mut all: Vec<Directory> = self.db.find::<LdapServer>(Query::all()).await?.into_iter().map(plain).collect();
        if let Some(c) = self.ldap_classic().await? {
            all.push(Directory {
                host: c.hostname,
                port: c.port,
                tls: c.ssl,
                base: c.search_base,
                bind: c.bind_dn.zip(c.bind_password),
                filter: Some(c.query_filter),
            });
        }
        Ok(all)
    }

    /// What `ldapConfig` was told, if it was.
    pub async fn ldap_classic(&self) -> Result<Option<Classic>> {
        let row = self.db.find_one::<Setting>(Query::all().eq("name", CLASSIC)).await?;
        let Some(sealed) = row.and_then(|r| r.content) else { return Ok(None) };
        serde_json::from_str(&self.sealer.open(&sealed)?).map(Some).map_err(Error::internal)
    }

    /// Keeps what `ldapConfig` is told, once the directory has answered; none forgets it.
    pub async fn ldap_classic_set(&self, call: &Call, classic: Option<Classic>) -> Result<()> {
        if let Some(c) = &classic {
            if !(1..=65535).contains(&c.port) {
                return Err(Error::invalid("port", "takes 1 to 65535"));
            }
            if !["%u", "%n", "%e"].iter().any(|p| c.query_filter.contains(p)) {
                return Err(Error::invalid("queryfilter", "names no user: it needs %u (login name), %n (full name) or %e (e-mail)"));
            }
        }
        let content = match &classic {
            Some(c) => Some(self.sealer.seal(&serde_json::to_string(c).map_err(Error::internal)?)?),
            None => None,
        };
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    tx.delete::<Setting>(Query::all().eq("name", CLASSIC)).await?;
                    let said = if content.is_some() { "uses a directory for passwords" } else { "forgot the directory for passwords" };
                    if content.is_some() {
                        let mut row = Setting { name: CLASSIC.into(), scope: "global".into(), content, ..Default::default() };
                        tx.insert(&mut row).await?;
                    }
                    call.log(tx, Topic::of_caller(&call, Kind::Configuration, 0), said).await
                })
            })
            .await
    }

    /// Makes a directory known, once it has answered.
    pub async fn ldap_server_add(&self, call: &Call, hostname: String, port: i64) -> Result<LdapServer> {
        if !(1..=65535).contains(&port) {
            return Err(Error::invalid("port", "takes 1 to 65535"));
        }
        let asked = Directory { host: hostname.clone(), port, tls: port == TLS_PORT, base: String::new(), bind: None, filter: None };
        asked.open().await.map_err(|_| Error::invalid("hostname", format!("no directory answers at {hostname}:{port}")))?;
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let mut row = LdapServer { hostname, port, created: call.now(), ..Default::default() };
                    let same = Query::all().eq("hostname", row.hostname.as_str()).eq("port", port);
                    if tx.count::<LdapServer>(same).await? > 0 {
                        return Err(Error::Duplicate { kind: Kind::Configuration, name: format!("{}:{port}", row.hostname) });
                    }
                    tx.insert(&mut row).await?;
                    call.log(tx, Topic::of_caller(&call, Kind::Configuration, row.id), format!("uses the directory {}", row.hostname))
                        .await?;
                    Ok(row)
                })
            })
            .await
    }

    /// Forgets a directory.
    pub async fn ldap_server_delete(&self, call: &Call, hostname: &str) -> Result<LdapServer> {
        let found = self.db.find_one::<LdapServer>(Query::all().eq("hostname", hostname)).await?;
        let row = found.ok_or_else(|| Error::not_found(Kind::Configuration, hostname))?;
        let (call, gone) = (call.clone(), row.clone());
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    tx.delete::<LdapServer>(Query::all().eq("id", gone.id)).await?;
                    call.log(tx, Topic::of_caller(&call, Kind::Configuration, gone.id), format!("forgot the directory {}", gone.hostname))
                        .await
                })
            })
            .await?;
        Ok(row)
    }

    /// Directories.
    pub async fn ldap_server_list(
        &self,
        hostname: Option<&str>,
        port: Option<i64>,
        keyword: Option<&str>,
        page: (i64, i64),
    ) -> Result<Listing<LdapServer>> {
        let mut q = Query::all().eq_opt("hostname", hostname).eq_opt("port", port);
        if let Some(text) = keyword {
            q = q.holds(&["hostname"], text);
        }
        Ok(Listing { count: self.db.count::<LdapServer>(q.clone()).await?, rows: self.db.find(q.page(page.0, page.1)).await? })
    }

    /// Whether a directory knows a user by this password. A directory that does not answer knows nobody.
    async fn ldap_knows(&self, user: &User, password: &str) -> Result<bool> {
        for directory in self.directories().await? {
            match self.ldap_check(&directory, user, password).await {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(e) => tracing::warn!(host = directory.host, error = %e, "a password could not be checked"),
            }
        }
        Ok(false)
    }

    async fn ldap_check(&self, directory: &Directory, user: &User, password: &str) -> Result<bool> {
        let mut searching = directory.searching().await?;
        let filter = match &directory.filter {
            None => self.user_filter(&format!("({}={})", self.attribute("ldap.username.attribute"), ldap_escape(user.username.as_str()))),
            Some(f) => {
                let full = format!("{} {}", user.firstname, user.lastname);
                f.replace("%u", &ldap_escape(user.username.as_str()))
                    .replace("%n", &ldap_escape(full.as_str()))
                    .replace("%e", &ldap_escape(user.email.as_deref().unwrap_or_default()))
            }
        };
        let found = directory.search(&mut searching, &directory.base, Scope::Subtree, &filter).await?;
        // A name that several entries have is nobody's.
        let [entry] = found.as_slice() else { return Ok(false) };
        if !self.in_group(directory, &mut searching, &entry.dn).await? {
            return Ok(false);
        }
        let mut fresh = directory.open().await?;
        let bound = fresh.with_timeout(PATIENCE).simple_bind(&entry.dn, password).await.map_err(|e| silent(&directory.host, e))?;
        Ok(bound.rc == 0)
    }

    /// Whether an entry is in the group that users must be in (`ldap.search.group.principle`), if there is one.
    async fn in_group(&self, directory: &Directory, ldap: &mut Ldap, dn: &str) -> Result<bool> {
        let Some(group) = self.directory_setting("ldap.search.group.principle").filter(|_| directory.filter.is_none()) else {
            return Ok(true);
        };
        let filter = format!("({}={})", self.attribute("ldap.group.user.uniquemember"), ldap_escape(dn));
        Ok(!directory.search(ldap, &group, Scope::Base, &filter).await?.is_empty())
    }

    fn attribute(&self, setting: &str) -> String {
        self.directory_setting(setting).unwrap_or_else(|| "uid".into())
    }

    /// A condition on users.
    fn user_filter(&self, condition: &str) -> String {
        format!("(&(objectClass={}){condition})", self.attribute("ldap.user.object"))
    }

    fn ldap_user(&self, base: &str, entry: &SearchEntry) -> Option<LdapUser> {
        let one = |setting: &str| values(entry, &self.attribute(setting)).next().cloned();
        let above = entry.dn.split_once(',').map_or("", |(_, rest)| rest);
        let unit = above.strip_suffix(base).unwrap_or(above).trim_end_matches(',');
        Some(LdapUser {
            username: one("ldap.username.attribute")?,
            firstname: one("ldap.firstname.attribute").unwrap_or_default(),
            lastname: one("ldap.lastname.attribute").unwrap_or_default(),
            email: one("ldap.email.attribute").unwrap_or_default(),
            domain: unit.split(',').next().and_then(|u| u.split_once('=')).map_or(String::new(), |(_, v)| v.to_owned()),
            principal: entry.dn.clone(),
        })
    }

    /// People in the directories: all, those whose names hold a text, or those of a group.
    pub async fn ldap_users(&self, text: Option<&str>, group: Option<&str>) -> Result<Vec<LdapUser>> {
        let directories = self.directories().await?;
        if directories.is_empty() {
            return Err(Error::Unavailable("No directory is set; addLdapConfiguration sets one".into()));
        }
        let mut people: Vec<LdapUser> = Vec::new();
        for directory in &directories {
            let mut ldap = directory.searching().await?;
            let entries = match group {
                Some(name) => self.group_entries(directory, &mut ldap, name).await?,
                None => directory.search(&mut ldap, &directory.base, Scope::Subtree, &self.people_filter(text)).await?,
            };
            people.extend(entries.iter().filter_map(|e| self.ldap_user(&directory.base, e)));
        }
        people.sort_by(|a, b| a.username.cmp(&b.username));
        people.dedup_by(|a, b| a.username == b.username);
        Ok(people)
    }

    fn people_filter(&self, text: Option<&str>) -> String {
        let name = self.attribute("ldap.username.attribute");
        let Some(text) = text else { return self.user_filter(&format!("({name}=*)")) };
        let text = ldap_escape(text);
        let any: String = ["ldap.username.attribute", "ldap.firstname.attribute", "ldap.lastname.attribute", "ldap.email.attribute"]
            .map(|s| format!("({}=*{text}*)", self.attribute(s)))
            .concat();
        self.user_filter(&format!("(|{any})"))
    }

    async fn group_entries(&self, directory: &Directory, ldap: &mut Ldap, name: &str) -> Result<Vec<SearchEntry>> {
        let filter = format!("(&(objectClass={})(cn={}))", self.attribute("ldap.group.object"), ldap_escape(name));
        let groups = directory.search(ldap, &directory.base, Scope::Subtree, &filter).await?;
        let members = self.attribute("ldap.group.user.uniquemember");
        let mut people = Vec::new();
        for dn in groups.iter().flat_map(|g| values(g, &members)) {
            people.extend(directory.search(ldap, dn, Scope::Base, &self.user_filter("")).await?);
        }
        Ok(people)
    }

    /// Which of these people are users here already.
    pub async fn ldap_known(&self, people: &[LdapUser]) -> Result<std::collections::HashSet<String>> {
        let names = people.iter().map(|p| p.username.as_str());
        Ok(self.db.find::<User>(Query::live().within("username", names)).await?.into_iter().map(|u| u.username).collect())
    }

    /// Makes an account for the person of this login name.
    pub async fn ldap_account_create(&self, call: &Call, username: &str, ask: LdapAccount) -> Result<Account> {
        let people = self.ldap_users(Some(username), None).await?;
        let person = people.into_iter().find(|p| p.username == username);
        let person = person.ok_or_else(|| Error::invalid("username", format!("no directory knows '{username}'")))?;
        self.person_account(call, person, ask).await
    }

    async fn person_account(&self, call: &Call, person: LdapUser, ask: LdapAccount) -> Result<Account> {
        let user = NewUser {
            username: person.username,
            // Nobody knows it: the directory's is the one that lets in.
            password: new_key(),
            firstname: person.firstname,
            lastname: person.lastname,
            email: Some(person.email),
            timezone: ask.timezone,
            uuid: ask.user_uuid,
        };
        let account = AccountCreate {
            name: ask.name,
            kind: ask.kind,
            domain: ask.domain,
            network_domain: ask.network_domain,
            details: ask.details,
            uuid: ask.uuid,
            user,
        };
        self.account_create(call, account).await
    }

    /// Makes accounts for those people that are not users yet, in a domain or in one of the name of their unit; who they are.
    pub async fn ldap_import(&self, call: &Call, people: Vec<LdapUser>, ask: LdapAccount) -> Result<Vec<LdapUser>> {
        let known = self.ldap_known(&people).await?;
        let mut made = Vec::new();
        for person in people.into_iter().filter(|p| !known.contains(&p.username)) {
            let domain = match &ask.domain {
                Some(d) => d.clone(),
                None => self.unit_domain(call, &person.domain).await?,
            };
            self.person_account(call, person.clone(), LdapAccount { domain: Some(domain), ..ask.clone() }).await?;
            made.push(person);
        }
        Ok(made)
    }

    /// The domain below ROOT that is named after a unit of the directory; made when it is not there.
    async fn unit_domain(&self, call: &Call, unit: &str) -> Result<Domain> {
        let root = crate::setup::ROOT_DOMAIN;
        if unit.is_empty() {
            return self.db.must(root).await;
        }
        match self.db.find_one::<Domain>(Query::live().eq("parent_id", root).eq("name", unit)).await? {
            Some(d) => Ok(d),
            None => {
                let ask = DomainCreate { name: unit.to_owned(), parent: None, network_domain: None, uuid: None };
                self.domain_create(call, ask).await
            }
        }
    }
}
