//! Accounts: the owners of things. An account is made with its first user, its counters and its `default` security group.
use crate::setup::{ADMIN, SYSTEM};
use crate::user::{NewUser, user_insert};
use crate::{Call, Engine, ListScope, Listing, Topic};
use std::collections::{BTreeMap, HashMap};
use stratus_model::{AccountType, Error, Kind, Result};
use stratus_store::{Account, Domain, Query, Tx, User, Zone};

/// What a new account is made of.
#[derive(Clone)]
pub struct AccountCreate {
    /// Its name; the first user's name when there is none.
    pub name: Option<String>,
    /// Its type.
    pub kind: AccountType,
    /// Where it lives; the caller's domain when there is none.
    pub domain: Option<Domain>,
    /// The DNS suffix of its networks.
    pub network_domain: Option<String>,
    /// Free details.
    pub details: BTreeMap<String, String>,
    /// The uuid that the caller wants for it.
    pub uuid: Option<String>,
    /// Its first user.
    pub user: NewUser,
}

/// What may change of an account.
#[derive(Debug, Clone)]
pub struct AccountUpdate {
    /// The new name.
    pub name: String,
    /// The DNS suffix of its networks; empty to clear it.
    pub network_domain: Option<String>,
    /// Details that replace those of the same name.
    pub details: BTreeMap<String, String>,
}

/// Which accounts a list shows.
#[derive(Debug, Clone, Default)]
pub struct AccountFilter {
    /// The account with this key.
    pub id: Option<i64>,
    /// Those of this name.
    pub name: Option<String>,
    /// Those of this type's wire number.
    pub kind: Option<i64>,
    /// Those in this state.
    pub state: Option<String>,
    /// Those that still (do not) wait for a clean-up.
    pub cleanup_required: Option<bool>,
    /// A text in the name.
    pub keyword: Option<String>,
    /// Offset and limit.
    pub page: (i64, i64),
}

/// A state that an account or a user can be put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// May log in and sign.
    Enabled,
    /// May not, and its VMs are stopped.
    Disabled,
    /// May not; what it has goes on.
    Locked,
}

impl Standing {
    /// The word in rows and answers.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Locked => "locked",
        }
    }
}

/// An account is its own owner.
impl crate::Owned for Account {
    const KIND: Kind = Kind::Account;
    fn owner(&self) -> (i64, i64) {
        (self.id, self.domain_id)
    }
}

impl Call {
    /// Refuses when the caller may not administer an account: never its own superior's, and nobody the product's own.
    pub async fn administer(&self, account: &Account) -> Result<()> {
        let superior = account.kind().role() == stratus_model::Role::Admin && !self.caller.is_root();
        if superior || account.id == SYSTEM || !self.may_touch(account.id, account.domain_id).await? {
            return Err(Error::Denied(format!("Account {} may not administer account {}", self.caller.account_name, account.name)));
        }
        Ok(())
    }

    /// The account that `id`, or `account` with `domainid`, names; the caller may administer it.
    pub async fn account_named(&self, id: Option<Account>, name: Option<&str>, domain: Option<&Domain>) -> Result<Account> {
        let account = match (id, name) {
            (Some(a), _) => a,
            (None, Some(name)) => {
                let domain_id = domain.map_or(self.caller.domain_id, |d| d.id);
                let q = Query::live().eq("domain_id", domain_id).eq("name", name);
                self.db.find_one::<Account>(q).await?.ok_or_else(|| Error::not_found(Kind::Account, name))?
            }
            (None, None) => return Err(Error::invalid("id", "give either id, or account with domainid")),
        };
        self.administer(&account).await?;
        Ok(account)
    }
}

impl Engine {
    /// Makes an account with its first user.
    pub async fn account_create(&self, call: &Call, ask: AccountCreate) -> Result<Account> {
        let domain = match &ask.domain {
            Some(d) => d.clone(),
            None => self.db.must(call.caller.domain_id).await?,
        };
        may_create(call, ask.kind, &domain).await?;
        ask.user.check()?;
        let name = ask.name.clone().unwrap_or_else(|| ask.user.username.clone());
        checked_name("account", &name)?;
        let uuid = chosen_uuid("accountid", ask.uuid.as_deref())?;
        let details = if ask.details.is_empty() { None } else { Some(to_json(&ask.details)?) };
        let network_domain = network_domain(ask.network_domain.as_deref())?;
        let hash = self.password_kept(&ask.user.password).await?;
        let (call, kind) = (call.clone(), ask.kind);
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    free_name(tx, domain.id, &name).await?;
                    let mut account = Account {
                        uuid: free_uuid::<Account>(tx, Kind::Account, uuid).await?,
                        name,
                        account_type: kind.number(),
                        domain_id: domain.id,
                        network_domain,
                        owner_number: new_owner_number(tx).await?,
                        details,
                        state: Standing::Enabled.word().into(),
                        created: call.now(),
                        ..Default::default()
                    };
                    tx.insert(&mut account).await?;
                    own_things(&call, tx, &account).await?;
                    user_insert(tx, &account, &ask.user, hash, call.now()).await?;
                    call.log(tx, topic(&account), format!("made account {} with user {}", account.name, ask.user.username)).await?;
                    Ok(account)
                })
            })
            .await
    }

    /// Accounts in a scope.
    pub async fn account_list(&self, scope: &ListScope, f: AccountFilter) -> Result<Listing<Account>> {
        let q = scope.apply_to("id", Query::live());
        // The product's own account and those behind projects are not accounts to anybody.
        let q = q.ne("id", SYSTEM).ne("account_type", AccountType::Project.number());
        let mut q = q.eq_opt("id", f.id).eq_opt("name", f.name).eq_opt("account_type", f.kind).eq_opt("state", f.state);
        q = q.eq_opt("cleanup", f.cleanup_required);
        if let Some(text) = &f.keyword {
            q = q.holds(&["name"], text);
        }
        Ok(Listing { count: self.db.count::<Account>(q.clone()).await?, rows: self.db.find(q.page(f.page.0, f.page.1)).await? })
    }

    /// Renames an account and changes its details.
    pub async fn account_update(&self, call: &Call, account: Account, ask: AccountUpdate) -> Result<Account> {
        call.administer(&account).await?;
        checked_name("newname", &ask.name)?;
        if account.id == ADMIN && ask.name != account.name {
            return Err(Error::invalid("newname", "the account admin keeps its name"));
        }
        let domain_name = network_domain(ask.network_domain.as_deref())?;
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    if ask.name != account.name {
                        free_name(tx, account.domain_id, &ask.name).await?;
                    }
                    let mut set = vec![("name", ask.name.as_str().into())];
                    if ask.network_domain.is_some() {
                        set.push(("network_domain", domain_name.into()));
                    }
                    if !ask.details.is_empty() {
                        let mut details = details_of(&tx.must::<Account>(account.id).await?);
                        details.extend(ask.details);
                        set.push(("details", to_json(&details)?.into()));
                    }
                    tx.set::<Account>(account.id, set).await?;
                    call.log(tx, topic(&account), format!("changed account {}", ask.name)).await?;
                    tx.must(account.id).await
                })
            })
            .await
    }

    /// Enables, disables or locks an account.
    pub async fn account_stand(&self, call: &Call, account: Account, to: Standing) -> Result<Account> {
        call.administer(&account).await?;
        if to != Standing::Enabled {
            if account.id == ADMIN {
                return Err(Error::Denied("The account admin is always enabled: nobody else could let it in again".into()));
            }
            if account.id == call.caller.account_id {
                return Err(Error::Denied("An account cannot shut itself out".into()));
            }
        }
        let again = call.clone();
        let account: Account = self
            .db
            .write(move |tx| {
                Box::pin(async move {
                    tx.set::<Account>(account.id, vec![("state", to.word().into())]).await?;
                    again.log(tx, topic(&account), format!("account {} is {}", account.name, to.word())).await?;
                    tx.must(account.id).await
                })
            })
            .await?;
        if to == Standing::Disabled {
            self.account_vms_stop(call, &account).await?;
        }
        Ok(account)
    }

    /// Sets the zone that an account's VMs go to when a deployment names none.
    pub async fn account_default_zone(&self, call: &Call, account: Account, zone: Zone) -> Result<Account> {
        call.administer(&account).await?;
        if zone.domain_id.is_some_and(|d| d != account.domain_id) {
            return Err(Error::invalid("zoneid", "is private to another domain than the account's"));
        }
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    tx.set::<Account>(account.id, vec![("default_zone_id", zone.id.into())]).await?;
                    call.log(tx, topic(&account), format!("the default zone of account {} is {}", account.name, zone.name)).await?;
                    tx.must(account.id).await
                })
            })
            .await
    }

    /// How many VMs run and how many are stopped, by account.
    pub async fn vms_of(&self, accounts: &[i64]) -> Result<HashMap<i64, (i64, i64)>> {
        let mut counts = HashMap::<i64, (i64, i64)>::new();
        if accounts.is_empty() {
            return Ok(counts);
        }
        let places = vec!["?"; accounts.len()].join(",");
        let sql = format!(
            "select account_id, state, count(*) from vm where removed is null and state in ('Running', 'Stopped') \
             and account_id in ({places}) group by account_id, state"
        );
        for row in self.db.rows(sql, accounts.iter().map(|id| (*id).into()).collect()).await? {
            let entry = counts.entry(row.get(0)?).or_default();
            match row.get::<String>(1)?.as_str() {
                "Running" => entry.0 = row.get(2)?,
                _ => entry.1 = row.get(2)?,
            }
        }
        Ok(counts)
    }

    /// The account's users, by account.
    pub async fn users_of(&self, accounts: &[i64]) -> Result<HashMap<i64, Vec<User>>> {
        let mut by_account = HashMap::<i64, Vec<User>>::new();
        for u in self.db.find::<User>(Query::live().within("account_id", accounts.iter().copied())).await? {
            by_account.entry(u.account_id).or_default().push(u);
        }
        Ok(by_account)
    }
}

/// What an event about an account is about.
pub(crate) fn topic(a: &Account) -> Topic {
    Topic { account: a.id, domain: a.domain_id, kind: Kind::Account, id: a.id }
}

/// Who may make an account of a type in a domain: root any, other administrators users and their own like, in their domains.
async fn may_create(call: &Call, kind: AccountType, domain: &Domain) -> Result<()> {
    use AccountType::{DomainAdmin, ResourceAdmin, RootAdmin, User};
    if !matches!(kind, User | RootAdmin | DomainAdmin | ResourceAdmin) {
        return Err(Error::invalid("accounttype", "0 for a user, 1 for a root, 2 for a domain and 3 for a resource administrator"));
    }
    if call.caller.is_root() {
        return Ok(());
    }
    if (kind == User || kind == call.caller.account_type) && call.caller.is_admin() && call.covers_domain(domain.id).await? {
        return Ok(());
    }
    Err(Error::Denied(format!(
        "Account {} may not make accounts of type {} in {}",
        call.caller.account_name,
        kind.number(),
        crate::domain::shown_path(&domain.path)
    )))
}

/// What every account has from the first moment: counters and the security group `default`.
pub(crate) async fn own_things(engine: &Engine, tx: &mut Tx, account: &Account) -> Result<()> {
    engine.counters_create(tx, "account", account.id).await?;
    engine.default_group_create(tx, account.id, account.domain_id).await.map(drop)
}

/// Twelve digits that no account has yet, the first not 0: EC2 clients take the text for a number.
pub(crate) async fn new_owner_number(tx: &mut Tx) -> Result<String> {
    loop {
        let number = (100_000_000_000 + rand::random::<u64>() % 900_000_000_000).to_string();
        if tx.count::<Account>(Query::all().eq("owner_number", number.as_str())).await? == 0 {
            return Ok(number);
        }
    }
}

async fn free_name(tx: &mut Tx, domain_id: i64, name: &str) -> Result<()> {
    crate::domain::hold(tx, domain_id).await?;
    match tx.count::<Account>(Query::live().eq("domain_id", domain_id).eq("name", name)).await? {
        0 => Ok(()),
        _ => Err(Error::Duplicate { kind: Kind::Account, name: name.into() }),
    }
}

/// The uuid that a caller chose, in its usual form.
pub(crate) fn chosen_uuid(field: &str, uuid: Option<&str>) -> Result<Option<String>> {
    let Some(text) = uuid else { return Ok(None) };
    let uuid = uuid::Uuid::parse_str(text).map_err(|_| Error::invalid(field, format!("'{text}' is not a UUID")))?;
    Ok(Some(uuid.to_string()))
}

/// The chosen uuid if nothing has it or ever had it, or a new one.
pub(crate) async fn free_uuid<T: stratus_store::Table>(tx: &mut Tx, kind: Kind, chosen: Option<String>) -> Result<String> {
    let Some(uuid) = chosen else { return Ok(uuid::Uuid::new_v4().to_string()) };
    match tx.count::<T>(Query::all().eq("uuid", uuid.as_str())).await? {
        0 => Ok(uuid),
        _ => Err(Error::Duplicate { kind, name: uuid }),
    }
}

/// Refuses names that are empty, start or end in blanks, or hold control characters or slashes.
pub(crate) fn checked_name(field: &str, name: &str) -> Result<()> {
    if name.is_empty() || name.trim() != name || name.contains(|c: char| c.is_control() || c == '/') {
        return Err(Error::invalid(field, "must not be empty, begin or end with a blank, or hold a slash"));
    }
    Ok(())
}

/// A DNS suffix; an empty one clears it.
pub(crate) fn network_domain(text: Option<&str>) -> Result<Option<String>> {
    let label = |l: &str| {
        !l.is_empty()
            && l.len() <= 63
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    match text {
        None | Some("") => Ok(None),
        Some(d) if d.len() <= 190 && d.split('.').all(label) => Ok(Some(d.to_owned())),
        Some(_) => {
            Err(Error::invalid("networkdomain", "takes labels of letters, digits and hyphens with dots between, at most 190 characters"))
        }
    }
}

/// An account's details.
pub fn details_of(account: &Account) -> BTreeMap<String, String> {
    account.details.as_deref().and_then(|d| serde_json::from_str(d).ok()).unwrap_or_default()
}

fn to_json(details: &BTreeMap<String, String>) -> Result<String> {
    serde_json::to_string(details).map_err(Error::internal)
}
