use crate::declare::{AsTopic, Group, ParamMeta, Parameter};
use crate::prelude::*;
use crate::request::Given;
use crate::views::account::Account;
use stratus_engine::ScopeRequest;
use stratus_engine::account::{AccountCreate, AccountFilter, AccountUpdate, Standing};
use stratus_engine::user::NewUser;
use stratus_model::AccountType;

async fn one(call: &Call, a: store::Account) -> Result<Answer> {
    let shown = views::account::of(call, vec![a]).await?.pop();
    shown.map(Answer::one).ok_or_else(|| Error::internal("an account without its answer"))
}

/// `id`, or `account` with `domainid`: how commands on accounts name theirs. The caller may administer it.
pub struct Chosen(store::Account);

impl Group for Chosen {
    fn parameters() -> Vec<ParamMeta> {
        let one = |name, description, kind, since| ParamMeta { name, description, kind, required: false, length: 255, since };
        vec![
            one("id", "the ID of the account", "uuid", Some("3.0")),
            one("account", "the name of the account, where no ID is given", "string", None),
            one("domainid", "the ID of the account's domain, beside its name", "uuid", None),
        ]
    }
    async fn parse(call: &Call, given: &mut Given) -> Result<Self> {
        let id = <Option<Ref<store::Account>> as Parameter>::take(call, given, "id", 255).await?;
        let name = <Option<String> as Parameter>::take(call, given, "account", 255).await?;
        let domain = <Option<Ref<store::Domain>> as Parameter>::take(call, given, "domainid", 255).await?;
        let account = call.account_named(id.map(|a| a.0), name.as_deref(), domain.as_ref().map(|d| &d.0)).await?;
        Ok(Self(account))
    }
}
impl AsTopic for Chosen {
    fn topic(&self) -> Topic {
        Topic { account: self.0.id, domain: self.0.domain_id, kind: Kind::Account, id: self.0.id }
    }
}

/// Makes an account and its first user.
#[derive(Command)]
#[command(name = "createAccount", roles = "admins", answer = "account", view = Account, event = "ACCOUNT.CREATE")]
pub struct CreateAccount {
    /// the type: 0 user, 1 root administrator, 2 domain administrator, 3 resource administrator
    #[param(kind = "short")]
    accounttype: i64,
    /// the e-mail address of the user
    email: String,
    /// the first name of the user
    firstname: String,
    /// the last name of the user
    lastname: String,
    /// the password in the clear
    password: String,
    /// the login name, unique in its domain
    username: String,
    /// the name of the account; the login name when it is not given
    account: Option<String>,
    /// free details, accountdetails[0].name=value
    #[param(since = "3.0")]
    accountdetails: Option<MapList>,
    /// the ID that the account shall have, to be the same in every region
    #[param(since = "4.1")]
    accountid: Option<String>,
    /// the ID of the account's domain; the caller's own when it is not given
    domainid: Option<Ref<store::Domain>>,
    /// the DNS suffix of the account's networks
    networkdomain: Option<String>,
    /// the time zone of the user, like Europe/London
    timezone: Option<String>,
    /// the ID that the user shall have, to be the same in every region
    #[param(since = "4.1")]
    userid: Option<String>,
}
impl Run for CreateAccount {
    async fn run(self, call: &Call) -> Result<Answer> {
        let kind = AccountType::from_number(self.accounttype)
            .ok_or_else(|| Error::invalid("accounttype", format!("there is no account type {}", self.accounttype)))?;
        let user = NewUser {
            username: self.username,
            password: self.password,
            firstname: self.firstname,
            lastname: self.lastname,
            email: Some(self.email),
            timezone: self.timezone,
            uuid: self.userid,
        };
        let ask = AccountCreate {
            name: self.account,
            kind,
            domain: self.domainid.map(|d| d.0),
            network_domain: self.networkdomain,
            details: self.accountdetails.unwrap_or_default().merged(),
            uuid: self.accountid,
            user,
        };
        one(call, call.account_create(call, ask).await?).await
    }
}

/// Lists accounts with what they use and may use.
#[derive(Command)]
#[command(name = "listAccounts", roles = "all", answer = "account", view = Account)]
pub struct ListAccounts {
    /// only the account with this ID
    id: Option<Ref<store::Account>>,
    /// only accounts with this name
    name: Option<String>,
    /// only accounts of this type: 0 user, 1 root administrator, 2 domain administrator, 3 resource administrator
    #[param(kind = "long")]
    accounttype: Option<i64>,
    /// only accounts of this domain
    domainid: Option<Ref<store::Domain>>,
    /// true for accounts that still wait to be cleaned up
    iscleanuprequired: Option<bool>,
    /// with a domain, also accounts of those below it
    isrecursive: Option<bool>,
    /// true for everything that the caller may see
    #[param(since = "3.0")]
    listall: Option<bool>,
    /// only accounts in this state: enabled, disabled or locked
    state: Option<String>,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListAccounts {
    async fn run(self, call: &Call) -> Result<Answer> {
        let scope = ScopeRequest {
            domain: self.domainid.map(|d| d.0),
            recursive: self.isrecursive.unwrap_or(false),
            listall: self.listall.unwrap_or(false),
            by_id: self.id.is_some(),
            ..Default::default()
        };
        let filter = AccountFilter {
            id: self.id.map(|a| a.0.id),
            name: self.name,
            kind: self.accounttype,
            state: self.state,
            cleanup_required: self.iscleanuprequired,
            page: self.page.range(call)?,
            keyword: self.page.keyword,
        };
        let found = call.account_list(&call.scope(&scope).await?, filter).await?;
        Ok(Answer::list(found.count, views::account::of(call, found.rows).await?))
    }
}

/// Renames an account or changes its details.
#[derive(Command)]
#[command(name = "updateAccount", roles = "admins", answer = "account", view = Account, event = "ACCOUNT.UPDATE")]
pub struct UpdateAccount {
    /// the new name
    newname: String,
    #[param(flatten)]
    which: Chosen,
    /// details that replace those of the same name, accountdetails[0].name=value
    #[param(since = "3.0")]
    accountdetails: Option<MapList>,
    /// the DNS suffix of the account's networks
    networkdomain: Option<String>,
}
impl Run for UpdateAccount {
    async fn run(self, call: &Call) -> Result<Answer> {
        let details = self.accountdetails.unwrap_or_default().merged();
        let ask = AccountUpdate { name: self.newname, network_domain: self.networkdomain, details };
        one(call, call.account_update(call, self.which.0, ask).await?).await
    }
}

/// Deletes an account with its users. It must not own anything any more.
#[derive(Command)]
#[command(name = "deleteAccount", roles = "admins", event = "ACCOUNT.DELETE", job = "deleting an account", on = "id")]
pub struct DeleteAccount {
    /// the ID of the account
    id: Owned<store::Account>,
}
impl Run for DeleteAccount {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.account_delete(call, self.id.0).await?;
        Ok(Answer::success())
    }
}

/// Disables or locks an account: its users can neither log in nor sign calls.
#[derive(Command)]
#[command(name = "disableAccount", roles = "admins", answer = "account", view = Account, event = "ACCOUNT.DISABLE", job = "disabling an account", on = "which")]
pub struct DisableAccount {
    /// true to lock it, so that what it has goes on; false to disable it, which stops its VMs
    lock: bool,
    #[param(flatten)]
    which: Chosen,
}
impl Run for DisableAccount {
    async fn run(self, call: &Call) -> Result<Answer> {
        let to = if self.lock { Standing::Locked } else { Standing::Disabled };
        one(call, call.account_stand(call, self.which.0, to).await?).await
    }
}

/// Enables an account that was disabled or locked.
#[derive(Command)]
#[command(name = "enableAccount", roles = "admins", answer = "account", view = Account, event = "ACCOUNT.ENABLE")]
pub struct EnableAccount {
    #[param(flatten)]
    which: Chosen,
}
impl Run for EnableAccount {
    async fn run(self, call: &Call) -> Result<Answer> {
        one(call, call.account_stand(call, self.which.0, Standing::Enabled).await?).await
    }
}

/// Locks an account: its users can neither log in nor sign calls, what it has goes on.
#[derive(Command)]
#[command(name = "lockAccount", roles = "admins", answer = "account", view = Account, event = "ACCOUNT.LOCK", since = "4.1")]
pub struct LockAccount {
    /// the name of the account
    account: String,
    /// the ID of the account's domain
    domainid: Ref<store::Domain>,
}
impl Run for LockAccount {
    async fn run(self, call: &Call) -> Result<Answer> {
        let account = call.account_named(None, Some(&self.account), Some(&self.domainid.0)).await?;
        one(call, call.account_stand(call, account, Standing::Locked).await?).await
    }
}

/// Sets the zone that an account's VMs go to when a deployment names none.
#[derive(Command)]
#[command(name = "markDefaultZoneForAccount", roles = "admin", answer = "account", view = Account, event = "ACCOUNT.MARK.DEFAULT.ZONE", job = "setting the default zone of an account", on = "zoneid", since = "4.0")]
pub struct MarkDefaultZone {
    /// the name or ID of the account
    account: String,
    /// the ID of the account's domain
    domainid: Ref<store::Domain>,
    /// the ID of the zone
    zoneid: Ref<store::Zone>,
}
impl Run for MarkDefaultZone {
    async fn run(self, call: &Call) -> Result<Answer> {
        let by_id = store::Query::live().eq("uuid", self.account.as_str()).eq("domain_id", self.domainid.0.id);
        let found = call.db.find_one::<store::Account>(by_id).await?;
        let account = call.account_named(found, Some(&self.account), Some(&self.domainid.0)).await?;
        one(call, call.account_default_zone(call, account, self.zoneid.0).await?).await
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<CreateAccount>();
    r.add::<ListAccounts>();
    r.add::<UpdateAccount>();
    r.add::<DeleteAccount>();
    r.add::<DisableAccount>();
    r.add::<EnableAccount>();
    r.add::<LockAccount>();
    r.add::<MarkDefaultZone>();
}
