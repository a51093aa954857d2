//! Who may see and touch what. A user: the own account's things. A domain administrator: those of the domain and below. Root: all.
use crate::Call;
use stratus_model::{Error, Kind, Result, Role};
use stratus_store::{Account, Domain, Query, Table};

/// A row that belongs to an account.
pub trait Owned: Table {
    /// What it is, for messages.
    const KIND: Kind;
    /// The owner and its domain.
    fn owner(&self) -> (i64, i64);
}

macro_rules! owned {
    ($($t:ident),* $(,)?) => { $(impl Owned for stratus_store::$t {
        const KIND: Kind = Kind::$t;
        fn owner(&self) -> (i64, i64) { (self.account_id, self.domain_id) }
    })* };
}
owned!(Vm, Volume, Template, SshKeyPair, SecurityGroup, Network, Nic, User);

/// The parameters that every list of owned things takes.
#[derive(Debug, Clone, Default)]
pub struct ScopeRequest {
    /// Things of this account (with `domain`, else of the caller's domain).
    pub account: Option<String>,
    /// Things of this domain.
    pub domain: Option<Domain>,
    /// With a domain: of those below it too.
    pub recursive: bool,
    /// Everything the caller may see.
    pub listall: bool,
    /// `-1` for things of projects, or a project's uuid.
    pub project: Option<String>,
    /// Whether one thing is asked for by id: then the reach is all that the caller may see.
    pub by_id: bool,
}

/// Whose things a list shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListScope {
    /// Everything.
    All,
    /// One account's.
    Account(i64),
    /// Those of some domains.
    Domains(Vec<i64>),
    /// Nothing.
    None,
}

impl ListScope {
    /// Narrows a query to the scope.
    pub fn apply(&self, q: Query) -> Query {
        match self {
            Self::All => q,
            Self::Account(id) => q.eq("account_id", *id),
            Self::Domains(ids) => q.within("domain_id", ids.iter().copied()),
            Self::None => q.within("account_id", Vec::<i64>::new()),
        }
    }
}

/// A page of a list and how many there are in all.
#[derive(Debug, Clone)]
pub struct Listing<T> {
    /// The page.
    pub rows: Vec<T>,
    /// All that fit, not only the page.
    pub count: i64,
}

impl<T> Listing<T> {
    /// A list that is whole.
    pub fn whole(rows: Vec<T>) -> Self {
        Self { count: rows.len() as i64, rows }
    }
}

impl Call {
    /// Whether the caller may act on things of this account.
    pub async fn may_touch(&self, account_id: i64, domain_id: i64) -> Result<bool> {
        Ok(match self.caller.role() {
            Role::Admin => true,
            Role::User => account_id == self.caller.account_id,
            Role::DomainAdmin | Role::ResourceAdmin => account_id == self.caller.account_id || self.covers_domain(domain_id).await?,
        })
    }

    /// Whether a domain is the caller's own or below it.
    pub async fn covers_domain(&self, domain_id: i64) -> Result<bool> {
        if domain_id == self.caller.domain_id {
            return Ok(true);
        }
        Ok(self.db.get::<Domain>(domain_id).await?.is_some_and(|d| d.path.starts_with(&self.caller.domain_path)))
    }

    /// Refuses when the caller may not act on things of this account. What one may not know of is "not found" to a user.
    pub async fn touch<T: Owned>(&self, row: &T, named: &str) -> Result<()> {
        let (account, domain) = row.owner();
        if self.may_touch(account, domain).await? {
            return Ok(());
        }
        Err(Error::Denied(format!(
            "Account {} does not have permission to operate with the {} {named}",
            self.caller.account_name,
            T::KIND.noun()
        )))
    }

    /// The account that a call acts for: the caller's own, or the one named by `account` and `domain`, if the caller may.
    pub async fn acting_account(&self, account: Option<&str>, domain: Option<&Domain>) -> Result<Account> {
        let Some(name) = account else {
            return match domain {
                Some(d) if d.id != self.caller.domain_id => Err(Error::invalid("domainid", "needs the account parameter beside it")),
                _ => self.db.must(self.caller.account_id).await,
            };
        };
        let domain_id = domain.map_or(self.caller.domain_id, |d| d.id);
        let found = self.db.find_one::<Account>(Query::live().eq("domain_id", domain_id).eq("name", name)).await?;
        let account = found.ok_or_else(|| Error::not_found(Kind::Account, name))?;
        if !self.may_touch(account.id, account.domain_id).await? {
            return Err(Error::Denied(format!("Account {} may not act for account {name}", self.caller.account_name)));
        }
        Ok(account)
    }

    /// Domains at and below a path.
    pub async fn subtree(&self, path: &str) -> Result<Vec<i64>> {
        let all = self.db.find::<Domain>(Query::live()).await?;
        Ok(all.into_iter().filter(|d| d.path.starts_with(path)).map(|d| d.id).collect())
    }

    /// Whose things a list shows (catalog/README.md "Lists").
    pub async fn scope(&self, r: &ScopeRequest) -> Result<ListScope> {
        if r.project.is_some() && r.account.is_some() {
            return Err(Error::invalid("account", "cannot be combined with projectid"));
        }
        if let Some(project) = &r.project {
            // No project owns anything here yet; -1 means "of any project".
            return if project == "-1" { Ok(ListScope::None) } else { Err(Error::not_found(Kind::Project, project.clone())) };
        }
        if let Some(d) = &r.domain
            && !(self.caller.is_root()
                || d.path.starts_with(&self.caller.domain_path) && self.caller.is_admin()
                || d.id == self.caller.domain_id)
        {
            return Err(Error::Denied(format!("Account {} may not list things of domain {}", self.caller.account_name, d.path)));
        }
        if let Some(name) = &r.account {
            return Ok(ListScope::Account(self.acting_account(Some(name), r.domain.as_ref()).await?.id));
        }
        if self.caller.role() == Role::User {
            return Ok(ListScope::Account(self.caller.account_id));
        }
        match &r.domain {
            Some(d) if r.recursive => Ok(ListScope::Domains(self.subtree(&d.path).await?)),
            Some(d) => Ok(ListScope::Domains(vec![d.id])),
            None if r.listall || r.by_id => {
                if self.caller.is_root() {
                    Ok(ListScope::All)
                } else {
                    Ok(ListScope::Domains(self.subtree(&self.caller.domain_path).await?))
                }
            }
            None if r.recursive => Ok(ListScope::Domains(self.subtree(&self.caller.domain_path).await?)),
            None => Ok(ListScope::Account(self.caller.account_id)),
        }
    }
}
