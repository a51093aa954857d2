use crate::prelude::*;
use crate::views::user::{User, UserKeys};
use stratus_engine::ScopeRequest;
use stratus_engine::account::Standing;
use stratus_engine::user::{NewUser, UserFilter, UserUpdate};

async fn one(call: &Call, u: store::User) -> Result<Answer> {
    let shown = views::user::of(call, vec![u]).await?.pop();
    shown.map(Answer::one).ok_or_else(|| Error::internal("a user without its answer"))
}

/// Adds a user to an account.
#[derive(Command)]
#[command(name = "createUser", roles = "admins", answer = "user", view = User, event = "USER.CREATE")]
pub struct CreateUser {
    /// the name of the account
    account: String,
    /// the e-mail address
    email: String,
    /// the first name
    firstname: String,
    /// the last name
    lastname: String,
    /// the password in the clear
    password: String,
    /// the login name, unique in its domain
    username: String,
    /// the ID of the account's domain; the caller's own when it is not given
    domainid: Option<Ref<store::Domain>>,
    /// the time zone of the user, like Europe/London
    timezone: Option<String>,
    /// the ID that the user shall have, to be the same in every region
    #[param(since = "4.1")]
    userid: Option<String>,
}
impl Run for CreateUser {
    async fn run(self, call: &Call) -> Result<Answer> {
        let account = call.account_named(None, Some(&self.account), self.domainid.as_ref().map(|d| &d.0)).await?;
        let ask = NewUser {
            username: self.username,
            password: self.password,
            firstname: self.firstname,
            lastname: self.lastname,
            email: Some(self.email),
            timezone: self.timezone,
            uuid: self.userid,
        };
        one(call, call.user_create(call, account, ask).await?).await
    }
}

/// Lists users.
#[derive(Command)]
#[command(name = "listUsers", roles = "admins", answer = "user", view = User)]
pub struct ListUsers {
    /// only the user with this ID
    id: Option<Ref<store::User>>,
    /// only the user with this login name
    username: Option<String>,
    /// only users in this state: enabled, disabled or locked
    state: Option<String>,
    /// only users of accounts of this type
    #[param(kind = "long")]
    accounttype: Option<i64>,
    /// only users of this account; of the caller's domain unless domainid is given
    account: Option<String>,
    /// only users of this domain
    domainid: Option<Ref<store::Domain>>,
    /// with a domain, also users of those below it
    #[param(since = "3.0")]
    isrecursive: Option<bool>,
    /// true for everything that the caller may see
    #[param(since = "3.0")]
    listall: Option<bool>,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListUsers {
    async fn run(self, call: &Call) -> Result<Answer> {
        let scope = ScopeRequest {
            account: self.account,
            domain: self.domainid.map(|d| d.0),
            recursive: self.isrecursive.unwrap_or(false),
            listall: self.listall.unwrap_or(false),
            by_id: self.id.is_some(),
            project: None,
        };
        let filter = UserFilter {
            id: self.id.map(|u| u.0.id),
            username: self.username,
            state: self.state,
            account_type: self.accounttype,
            page: self.page.range(call)?,
            keyword: self.page.keyword,
        };
        let found = call.user_list(&call.scope(&scope).await?, filter).await?;
        Ok(Answer::list(found.count, views::user::of(call, found.rows).await?))
    }
}

/// Finds the user of an API key.
#[derive(Command)]
#[command(name = "getUser", roles = "admin", answer = "user", view = User, since = "4.0")]
pub struct GetUser {
    /// the user's API key
    userapikey: String,
}
impl Run for GetUser {
    async fn run(self, call: &Call) -> Result<Answer> {
        one(call, call.user_by_key(&self.userapikey).await?).await
    }
}

/// Changes a user. Users change themselves, administrators anybody they administer.
#[derive(Command)]
#[command(name = "updateUser", roles = "all", answer = "user", view = User, event = "USER.UPDATE")]
pub struct UpdateUser {
    /// the ID of the user
    id: Owned<store::User>,
    /// the e-mail address
    email: Option<String>,
    /// the first name
    firstname: Option<String>,
    /// the last name
    lastname: Option<String>,
    /// the new password in the clear
    password: Option<String>,
    /// the time zone, like Europe/London
    timezone: Option<String>,
    /// an API key brought along, together with usersecretkey
    userapikey: Option<String>,
    /// the login name
    username: Option<String>,
    /// the secret of the API key
    usersecretkey: Option<String>,
}
impl Run for UpdateUser {
    async fn run(self, call: &Call) -> Result<Answer> {
        let keys = match (self.userapikey, self.usersecretkey) {
            (Some(key), Some(secret)) => Some((key, secret)),
            (None, None) => None,
            _ => return Err(Error::invalid("userapikey", "goes together with usersecretkey")),
        };
        let ask = UserUpdate {
            username: self.username,
            password: self.password,
            firstname: self.firstname,
            lastname: self.lastname,
            email: self.email,
            timezone: self.timezone,
            keys,
        };
        one(call, call.user_update(call, self.id.0, ask).await?).await
    }
}

/// Deletes a user.
#[derive(Command)]
#[command(name = "deleteUser", roles = "admins", event = "USER.DELETE")]
pub struct DeleteUser {
    /// the ID of the user
    id: Owned<store::User>,
}
impl Run for DeleteUser {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.user_delete(call, self.id.0).await?;
        Ok(Answer::success())
    }
}

/// Disables a user: it can neither log in nor sign calls.
#[derive(Command)]
#[command(name = "disableUser", roles = "admins", answer = "user", view = User, event = "USER.DISABLE", job = "disabling a user", on = "id")]
pub struct DisableUser {
    /// the ID of the user
    id: Owned<store::User>,
}
impl Run for DisableUser {
    async fn run(self, call: &Call) -> Result<Answer> {
        one(call, call.user_stand(call, self.id.0, Standing::Disabled).await?).await
    }
}

/// Enables a user that was disabled or locked, also one with too many wrong passwords.
#[derive(Command)]
#[command(name = "enableUser", roles = "admins", answer = "user", view = User, event = "USER.ENABLE")]
pub struct EnableUser {
    /// the ID of the user
    id: Owned<store::User>,
}
impl Run for EnableUser {
    async fn run(self, call: &Call) -> Result<Answer> {
        one(call, call.user_stand(call, self.id.0, Standing::Enabled).await?).await
    }
}

/// Locks a user: it can neither log in nor sign calls.
#[derive(Command)]
#[command(name = "lockUser", roles = "admins", answer = "user", view = User, event = "USER.LOCK", since = "4.1")]
pub struct LockUser {
    /// the ID of the user
    id: Owned<store::User>,
}
impl Run for LockUser {
    async fn run(self, call: &Call) -> Result<Answer> {
        one(call, call.user_stand(call, self.id.0, Standing::Locked).await?).await
    }
}

/// Makes a new pair of keys for a user; the old pair stops at once.
#[derive(Command)]
#[command(name = "registerUserKeys", roles = "all", answer = "userkeys", view = UserKeys, event = "REGISTER.USER.KEY")]
pub struct RegisterUserKeys {
    /// the ID of the user
    id: Owned<store::User>,
}
impl Run for RegisterUserKeys {
    async fn run(self, call: &Call) -> Result<Answer> {
        let (apikey, secretkey) = call.user_keys_create(call, self.id.0).await?;
        Ok(Answer::one(UserKeys { apikey, secretkey }))
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<CreateUser>();
    r.add::<ListUsers>();
    r.add::<GetUser>();
    r.add::<UpdateUser>();
    r.add::<DeleteUser>();
    r.add::<DisableUser>();
    r.add::<EnableUser>();
    r.add::<LockUser>();
    r.add::<RegisterUserKeys>();
}
