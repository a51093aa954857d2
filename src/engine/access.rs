//! Who may see and touch what. A user: the own account's things. A domain administrator: those of the domain and below. Root: all.
use crate::Call;
use stratus_model::{AccountType, Error, Kind, Result, Role};
use stratus_store::{Account, Db, Domain, Project, ProjectMember, Query, Table};

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
owned!(
    Vm,
    Volume,
    Snapshot,
    Template,
    SshKeyPair,
    SecurityGroup,
    Network,
    Nic,
    User,
    UserCertificate,
    FirewallRule,
    AffinityGroup,
    InstanceGroup,
    VmSnapshot
);

impl Owned for stratus_store::IpAddress {
    const KIND: Kind = Kind::IpAddress;
    /// A free address is the product's own.
    fn owner(&self) -> (i64, i64) {
        (self.account_id.unwrap_or(1), self.domain_id.unwrap_or(1))
    }
}
impl Owned for stratus_store::NicSecondaryIp {
    const KIND: Kind = Kind::IpAddress;
    fn owner(&self) -> (i64, i64) {
        (self.account_id, self.domain_id)
    }
}
impl Owned for stratus_store::S3Bucket {
    const KIND: Kind = Kind::Bucket;
    fn owner(&self) -> (i64, i64) {
        (self.account_id, self.domain_id)
    }
}

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
    /// Things of projects.
    pub project: Option<ProjectChoice>,
    /// Whether one thing is asked for by id: then the reach is all that the caller may see.
    pub by_id: bool,
}

/// Which projects' things are asked for.
#[derive(Debug, Clone)]
pub enum ProjectChoice {
    /// Those of every project that the caller may use.
    Any,
    /// Those of one.
    One(Project),
}

/// Whose things a list shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListScope {
    /// Everything.
    All,
    /// Everything but what projects own.
    Everyone,
    /// What projects own.
    Projects,
    /// One account's.
    Account(i64),
    /// Those of some accounts.
    Accounts(Vec<i64>),
    /// Those of some domains, without what projects own there.
    Domains(Vec<i64>),
    /// Those of some domains with what projects own there, and of some accounts.
    DomainsAnd(Vec<i64>, Vec<i64>),
}

impl ListScope {
    /// Narrows a query to the scope.
    pub fn apply(&self, q: Query) -> Query {
        self.apply_to("account_id", q)
    }

    /// Narrows a query on a table whose owner stands in `column` (beside `domain_id`).
    pub fn apply_to(&self, column: &'static str, q: Query) -> Query {
        let of_projects = || Query::all().eq("account_type", AccountType::Project.number());
        match self {
            Self::All => q,
            Self::Everyone => q.key_not_in::<Account>(column, "id", of_projects()),
            Self::Projects => q.key_in::<Account>(column, "id", of_projects()),
            Self::Account(id) => q.eq(column, *id),
            Self::Accounts(ids) => q.within(column, ids.iter().copied()),
            Self::Domains(ids) => q.within("domain_id", ids.iter().copied()).key_not_in::<Account>(column, "id", of_projects()),
            Self::DomainsAnd(domains, accounts) => {
                q.any([Query::all().within("domain_id", domains.iter().copied()), Query::all().within(column, accounts.iter().copied())])
            }
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

impl<T: Table> Listing<T> {
    /// A page of what fits a query: first row and number of rows.
    pub async fn of(db: &Db, q: Query, page: (i64, i64)) -> Result<Self> {
        let (rows, count) = db.list(q, page).await?;
        Ok(Self { rows, count })
    }
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
        if self.caller.is_root() || account_id == self.caller.account_id {
            return Ok(true);
        }
        let below = self.caller.role() != Role::User && self.covers_domain(domain_id).await?;
        Ok(below || self.uses_project_of(account_id).await?)
    }

    /// Whether an account is a project's and the caller is a member of it.
    async fn uses_project_of(&self, account_id: i64) -> Result<bool> {
        let mine = Query::all().eq("account_id", self.caller.account_id);
        let q = Query::live().eq("account_id", account_id).key_in::<ProjectMember>("id", "project_id", mine);
        Ok(self.db.count::<Project>(q).await? > 0)
    }

    /// The accounts of the projects that the caller is a member of.
    pub async fn project_accounts(&self) -> Result<Vec<i64>> {
        let mine = Query::all().eq("account_id", self.caller.account_id);
        let q = Query::live().key_in::<ProjectMember>("id", "project_id", mine);
        Ok(self.db.find::<Project>(q).await?.into_iter().map(|p| p.account_id).collect())
    }

    /// The account that owns what a command makes in a project: the caller uses it, and it is active.
    pub async fn project_account(&self, project: &Project) -> Result<Account> {
        if !self.may_touch(project.account_id, project.domain_id).await? {
            return Err(Error::Denied(format!("Account {} may not act for project {}", self.caller.account_name, project.uuid)));
        }
        if project.state != "Active" {
            let why = "nothing can be added to it".to_owned();
            return Err(Error::State { kind: Kind::Project, id: project.uuid.clone(), state: project.state.clone(), why });
        }
        self.db.must(project.account_id).await
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
        // The account behind a project is named by projectid only.
        let named = Query::live().eq("domain_id", domain_id).eq("name", name).ne("account_type", AccountType::Project.number());
        let found = self.db.find_one::<Account>(named).await?;
        let account = found.ok_or_else(|| Error::not_found(Kind::Account, name))?;
        if !self.may_touch(account.id, account.domain_id).await? {
            return Err(Error::Denied(format!("Account {} may not act for account {name}", self.caller.account_name)));
        }
        Ok(account)
    }

    /// The account that a call acts for: a project's, or as [`Call::acting_account`] says.
    pub async fn acting_owner(&self, account: Option<&str>, domain: Option<&Domain>, project: Option<&Project>) -> Result<Account> {
        match project {
            Some(_) if account.is_some() => Err(Error::invalid("account", "cannot be combined with projectid")),
            Some(p) => self.project_account(p).await,
            None => self.acting_account(account, domain).await,
        }
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
            return self.project_scope(project, r.domain.as_ref()).await;
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
            if r.by_id {
                let projects = self.project_accounts().await?;
                return Ok(ListScope::Accounts([vec![self.caller.account_id], projects].concat()));
            }
            return Ok(ListScope::Account(self.caller.account_id));
        }
        match &r.domain {
            Some(d) if r.recursive => Ok(ListScope::Domains(self.subtree(&d.path).await?)),
            Some(d) => Ok(ListScope::Domains(vec![d.id])),
            None if r.by_id && self.caller.is_root() => Ok(ListScope::All),
            None if r.by_id => Ok(ListScope::DomainsAnd(self.subtree(&self.caller.domain_path).await?, self.project_accounts().await?)),
            None if r.listall && self.caller.is_root() => Ok(ListScope::Everyone),
            None if r.listall || r.recursive => Ok(ListScope::Domains(self.subtree(&self.caller.domain_path).await?)),
            None => Ok(ListScope::Account(self.caller.account_id)),
        }
    }

    async fn project_scope(&self, project: &ProjectChoice, domain: Option<&Domain>) -> Result<ListScope> {
        match project {
            ProjectChoice::One(p) if !self.may_touch(p.account_id, p.domain_id).await? => {
                Err(Error::Denied(format!("Account {} may not list things of project {}", self.caller.account_name, p.uuid)))
            }
            ProjectChoice::One(p) if domain.is_some_and(|d| d.id != p.domain_id) => {
                Err(Error::invalid("domainid", "is not the domain of the project"))
            }
            ProjectChoice::One(p) => Ok(ListScope::Account(p.account_id)),
            ProjectChoice::Any if self.caller.is_root() => Ok(ListScope::Projects),
            ProjectChoice::Any => {
                let mut accounts = self.project_accounts().await?;
                if self.caller.is_admin() {
                    let below = Query::live().within("domain_id", self.subtree(&self.caller.domain_path).await?);
                    accounts.extend(self.db.find::<Project>(below).await?.into_iter().map(|p| p.account_id));
                }
                Ok(ListScope::Accounts(accounts))
            }
        }
    }
}
