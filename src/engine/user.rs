//! Users: the logins and key pairs of an account.
use crate::account::{Standing, chosen_uuid, free_uuid};
use crate::setup::{ADMIN, SYSTEM};
use crate::{Call, Engine, ListScope, Listing, Topic, new_key};
use stratus_model::{Error, Kind, Micros, Result, Role};
use stratus_store::{Account, Domain, Query, Session, Tx, User};

/// What a new user is made of.
#[derive(Clone)]
pub struct NewUser {
    /// The login name, unique in its domain.
    pub username: String,
    /// The password in the clear; only its hash is kept.
    pub password: String,
    /// First name.
    pub firstname: String,
    /// Last name.
    pub lastname: String,
    /// E-mail address.
    pub email: Option<String>,
    /// Time zone, `Europe/London`.
    pub timezone: Option<String>,
    /// The uuid that the caller wants for it.
    pub uuid: Option<String>,
}

/// What may change of a user; `None` leaves a thing as it is.
#[derive(Clone, Default)]
pub struct UserUpdate {
    /// The login name.
    pub username: Option<String>,
    /// The password in the clear.
    pub password: Option<String>,
    /// First name.
    pub firstname: Option<String>,
    /// Last name.
    pub lastname: Option<String>,
    /// E-mail address.
    pub email: Option<String>,
    /// Time zone.
    pub timezone: Option<String>,
    /// An API key and its secret, brought along.
    pub keys: Option<(String, String)>,
}

/// Which users a list shows.
#[derive(Debug, Clone, Default)]
pub struct UserFilter {
    /// The user with this key.
    pub id: Option<i64>,
    /// The one with this login name.
    pub username: Option<String>,
    /// Those in this state.
    pub state: Option<String>,
    /// Those of accounts of this type's wire number.
    pub account_type: Option<i64>,
    /// A text in names or address.
    pub keyword: Option<String>,
    /// Offset and limit.
    pub page: (i64, i64),
}

impl NewUser {
    /// Refuses what cannot be a user.
    pub fn check(&self) -> Result<()> {
        checked_username(&self.username)?;
        checked_password(&self.password)?;
        chosen_uuid("userid", self.uuid.as_deref()).map(drop)
    }
}

fn checked_username(name: &str) -> Result<()> {
    if name.is_empty() || name.trim() != name || name.contains(char::is_control) {
        return Err(Error::invalid("username", "must not be empty or begin or end with a blank"));
    }
    Ok(())
}

fn checked_password(password: &str) -> Result<()> {
    if password.is_empty() { Err(Error::invalid("password", "must not be empty")) } else { Ok(()) }
}

impl Call {
    /// Refuses when the caller may not change a user. A plain user changes only itself.
    pub async fn administer_user(&self, user: &User) -> Result<Account> {
        let account = self.db.must::<Account>(user.account_id).await?;
        if user.id == self.caller.user_id && user.id != SYSTEM {
            return Ok(account);
        }
        if self.caller.role() == Role::User {
            return Err(Error::Denied(format!("User {} may change only itself", self.caller.username)));
        }
        self.administer(&account).await?;
        Ok(account)
    }

    /// A user's secret key, for those who may know it: the user itself and who could give it a new one. Never into a job's result.
    pub fn secret_shown(&self, user: &User, account: &Account, domain: &Domain) -> Option<String> {
        let me = &self.caller;
        let mine = user.id == me.user_id;
        let superior = account.kind().role() == Role::Admin && !me.is_root();
        let below = me.is_root() || me.is_admin() && domain.path.starts_with(&me.domain_path);
        if self.job.is_some() || user.id == SYSTEM || !(mine || below && !superior) {
            return None;
        }
        // A secret under another master key is shown as none, so that lists still work.
        user.secret_sealed.as_deref().and_then(|sealed| self.sealer.open(sealed).ok())
    }
}

impl Engine {
    /// Adds a user to an account.
    pub async fn user_create(&self, call: &Call, account: Account, ask: NewUser) -> Result<User> {
        call.administer(&account).await?;
        if account.kind() == stratus_model::AccountType::Project {
            return Err(Error::invalid("account", "a project's account has no users"));
        }
        ask.check()?;
        let hash = self.password_kept(&ask.password).await?;
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    if tx.must::<Account>(account.id).await?.removed.is_some() {
                        return Err(Error::not_found(Kind::Account, account.name));
                    }
                    let user = user_insert(tx, &account, &ask, hash, call.now()).await?;
                    call.log(tx, topic(&user), format!("made user {}", user.username)).await?;
                    Ok(user)
                })
            })
            .await
    }

    /// Users in a scope.
    pub async fn user_list(&self, scope: &ListScope, f: UserFilter) -> Result<Listing<User>> {
        let mut q = scope.apply(Query::live()).ne("id", SYSTEM);
        q = q.eq_opt("id", f.id).eq_opt("username", f.username).eq_opt("state", f.state);
        if let Some(kind) = f.account_type {
            q = q.key_in::<Account>("account_id", "id", Query::all().eq("account_type", kind));
        }
        if let Some(text) = &f.keyword {
            q = q.holds(&["username", "firstname", "lastname", "email"], text);
        }
        Ok(Listing { count: self.db.count::<User>(q.clone()).await?, rows: self.db.find(q.page(f.page.0, f.page.1)).await? })
    }

    /// The user of an API key.
    pub async fn user_by_key(&self, api_key: &str) -> Result<User> {
        let found = self.db.find_one::<User>(Query::live().eq("api_key", api_key)).await?;
        found.ok_or_else(|| Error::not_found(Kind::User, api_key))
    }

    /// Changes a user. A new password ends the sessions that others have with the old one.
    pub async fn user_update(&self, call: &Call, user: User, ask: UserUpdate) -> Result<User> {
        call.administer_user(&user).await?;
        let mut set: Vec<(&'static str, stratus_store::Value)> = Vec::new();
        if let Some(password) = &ask.password {
            checked_password(password)?;
            set.push(("password_hash", self.password_kept(password).await?.into()));
            set.extend([("default_password", false.into()), ("failed_logins", 0_i64.into())]);
        }
        if let Some((key, secret)) = &ask.keys {
            if key.is_empty() || secret.is_empty() {
                return Err(Error::invalid("userapikey", "goes together with usersecretkey, neither empty"));
            }
            set.extend([("api_key", key.as_str().into()), ("secret_sealed", self.sealer.seal(secret)?.into())]);
        }
        let texts = [("firstname", ask.firstname), ("lastname", ask.lastname), ("email", ask.email), ("timezone", ask.timezone)];
        set.extend(texts.into_iter().filter_map(|(column, text)| text.map(|t| (column, t.into()))));
        let rename = ask.username.filter(|n| *n != user.username);
        if let Some(n) = &rename {
            checked_username(n)?;
            set.push(("username", n.as_str().into()));
        }
        let (call, new_password, new_key) = (call.clone(), ask.password.is_some(), ask.keys.is_some());
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    if let Some(n) = &rename {
                        free_name(tx, user.domain_id, n).await?;
                    }
                    if !set.is_empty() {
                        let taken = |e| match e {
                            Error::Raced(_) if new_key => Error::invalid("userapikey", "belongs to another user"),
                            e => e,
                        };
                        tx.set::<User>(user.id, set).await.map_err(taken)?;
                    }
                    if new_password && call.caller.user_id != user.id {
                        tx.delete::<Session>(Query::all().eq("user_id", user.id)).await?;
                    }
                    let user = tx.must::<User>(user.id).await?;
                    call.log(tx, topic(&user), format!("changed user {}", user.username)).await?;
                    Ok(user)
                })
            })
            .await
    }

    /// Enables, disables or locks a user. Enabling forgets its failed logins.
    pub async fn user_stand(&self, call: &Call, user: User, to: Standing) -> Result<User> {
        if call.caller.role() == Role::User {
            return Err(Error::Denied("Only administrators enable, disable and lock users".into()));
        }
        call.administer_user(&user).await?;
        if to != Standing::Enabled && (user.id == ADMIN || user.id == call.caller.user_id) {
            return Err(Error::Denied("Neither the user admin nor oneself can be shut out: nobody might be left to let them in".into()));
        }
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let mut set = vec![("state", to.word().into())];
                    if to == Standing::Enabled {
                        set.push(("failed_logins", 0_i64.into()));
                    } else {
                        tx.delete::<Session>(Query::all().eq("user_id", user.id)).await?;
                    }
                    tx.set::<User>(user.id, set).await?;
                    call.log(tx, topic(&user), format!("user {} is {}", user.username, to.word())).await?;
                    tx.must(user.id).await
                })
            })
            .await
    }

    /// Removes a user.
    pub async fn user_delete(&self, call: &Call, user: User) -> Result<()> {
        if call.caller.role() == Role::User {
            return Err(Error::Denied("Only administrators delete users".into()));
        }
        call.administer_user(&user).await?;
        if user.id == ADMIN || user.id == call.caller.user_id {
            return Err(Error::Denied("Neither the user admin nor oneself can be deleted".into()));
        }
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    user_remove(tx, &user, call.now()).await?;
                    call.log(tx, topic(&user), format!("deleted user {}", user.username)).await
                })
            })
            .await
    }

    /// Gives a user a new pair of keys, which are shown this once; the old pair stops at once. API key and secret.
    pub async fn user_keys_create(&self, call: &Call, user: User) -> Result<(String, String)> {
        call.administer_user(&user).await?;
        let (key, secret) = (new_key(), new_key());
        let sealed = self.sealer.seal(&secret)?;
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    tx.set::<User>(user.id, vec![("api_key", key.as_str().into()), ("secret_sealed", sealed.into())]).await?;
                    call.log(tx, topic(&user), format!("made new keys for user {}", user.username)).await?;
                    Ok((key, secret))
                })
            })
            .await
    }
}

/// What an event about a user is about.
pub(crate) fn topic(u: &User) -> Topic {
    Topic { account: u.account_id, domain: u.domain_id, kind: Kind::User, id: u.id }
}

async fn free_name(tx: &mut Tx, domain_id: i64, username: &str) -> Result<()> {
    crate::domain::hold(tx, domain_id).await?;
    match tx.count::<User>(Query::live().eq("domain_id", domain_id).eq("username", username)).await? {
        0 => Ok(()),
        _ => Err(Error::Duplicate { kind: Kind::User, name: username.into() }),
    }
}

/// Writes a new user of an account; the name must be free in the domain.
pub(crate) async fn user_insert(tx: &mut Tx, account: &Account, ask: &NewUser, password_hash: String, now: Micros) -> Result<User> {
    free_name(tx, account.domain_id, &ask.username).await?;
    let mut user = User {
        uuid: free_uuid::<User>(tx, Kind::User, chosen_uuid("userid", ask.uuid.as_deref())?).await?,
        account_id: account.id,
        domain_id: account.domain_id,
        username: ask.username.clone(),
        password_hash,
        firstname: ask.firstname.clone(),
        lastname: ask.lastname.clone(),
        email: ask.email.clone(),
        timezone: ask.timezone.clone(),
        state: Standing::Enabled.word().into(),
        created: now,
        ..Default::default()
    };
    tx.insert(&mut user).await?;
    Ok(user)
}

/// Removes a user with its keys, certificates and sessions. The key is cleared, so that it can be registered again.
pub(crate) async fn user_remove(tx: &mut Tx, user: &User, now: Micros) -> Result<()> {
    let gone = vec![("removed", now.into()), ("api_key", stratus_store::Value::Null), ("secret_sealed", stratus_store::Value::Null)];
    tx.update::<User>(Query::live().eq("id", user.id), gone).await?;
    crate::user_certificate::remove_of(tx, user.id, now).await?;
    tx.delete::<Session>(Query::all().eq("user_id", user.id)).await.map(drop)
}

impl Engine {
    /// The domain that a login names: by path (`a/b`, `/a/b/`, `ROOT/a/b`), uuid or key; ROOT when nothing is named.
    pub async fn domain_at(&self, text: Option<&str>) -> Result<Option<Domain>> {
        let text = text.unwrap_or("").trim();
        if let Some(d) = self.db.find_one::<Domain>(Query::live().eq("uuid", text)).await? {
            return Ok(Some(d));
        }
        if let Ok(id) = text.parse::<i64>()
            && let Some(d) = self.db.find_one::<Domain>(Query::live().eq("id", id)).await?
        {
            return Ok(Some(d));
        }
        let inner = text.trim_matches('/');
        let below = inner.strip_prefix("ROOT").filter(|r| r.is_empty() || r.starts_with('/')).unwrap_or(inner).trim_matches('/');
        let path = if below.is_empty() { "/".to_owned() } else { format!("/{below}/") };
        self.db.find_one(Query::live().eq("path", path)).await
    }
}
