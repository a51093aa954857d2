//! Browser sessions: login by password, a cookie and a session key afterwards.
//!
//! Only argon2id of the clear password is stored, so the clear text is what logs in. Clients of release 2.2 send the MD5 hex of it
//! instead; they get in only where that hex was itself set as the password, because keeping a second, weak hash is no good trade.
use crate::{Call, Engine, Level};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use stratus_model::{Caller, Error, Result, Source};
use stratus_store::{Domain, Query, Session, User};
use subtle::ConstantTimeEq;

/// Seconds without a call after which a session ends.
pub const TIMEOUT_SECONDS: i64 = 1800;
/// Microseconds between two writes of a session's last use.
const TOUCH_AFTER: i64 = 60 * SECOND;
const SECOND: i64 = 1_000_000;

/// A login that was let in. The cookie exists here and at the client only.
#[derive(Debug, Clone)]
pub struct LoggedIn {
    /// The session's row.
    pub session: Session,
    /// What the client's cookie holds.
    pub cookie: String,
    /// Who it is, for calls.
    pub caller: Caller,
}

impl Engine {
    /// Logs a user in. `domain` is a path, uuid or key; none is ROOT. Every refusal reads alike.
    pub async fn login(self: &Arc<Self>, username: &str, password: &str, domain: Option<&str>) -> Result<(User, LoggedIn)> {
        let refused = || Error::Denied(format!("Failed to authenticate user {username}; check name, password and domain"));
        let user = match self.domain_at(domain).await? {
            Some(Domain { id, .. }) => self.db.find_one::<User>(Query::live().eq("domain_id", id).eq("username", username)).await?,
            None => None,
        };
        let right = self.authenticate(user.as_ref(), password).await?;
        let Some(user) = user else { return Err(refused()) };
        if !right {
            self.login_failed(&user).await?;
            return Err(refused());
        }
        if !self.is_enabled(&user).await? {
            return Err(refused());
        }
        self.let_in(user).await
    }

    /// Counts a wrong password; the one that reaches `incorrect.login.attempts.allowed` disables the user.
    async fn login_failed(&self, user: &User) -> Result<()> {
        let allowed = self.settings.number("incorrect.login.attempts.allowed");
        // The product's own two users are not disabled: any stranger could, and nobody would be left to enable them.
        let lock = allowed > 0 && user.id > crate::setup::ADMIN;
        let id = user.id;
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    tx.take::<User>(Query::live().eq("id", id), "failed_logins = failed_logins + 1", Vec::new()).await?;
                    let full = Query::live().eq("id", id).eq("state", "enabled").at_least("failed_logins", allowed);
                    if lock && tx.update::<User>(full, vec![("state", "disabled".into())]).await? > 0 {
                        tracing::warn!(user = id, allowed, "disabled after too many wrong passwords");
                    }
                    Ok(())
                })
            })
            .await
    }

    async fn let_in(self: &Arc<Self>, user: User) -> Result<(User, LoggedIn)> {
        let caller = self.caller_of(&user, Source::Session).await?;
        let (cookie, now) = (hex(&rand::random::<[u8; 32]>()), self.clock.now());
        let mut session = Session {
            cookie_hash: hash_cookie(&cookie),
            session_key: STANDARD.encode(rand::random::<[u8; 20]>()),
            user_id: user.id,
            created: now,
            last_used: now,
            ..Default::default()
        };
        let call = Call::new(self.clone(), Arc::new(caller.clone()), "login", Some("USER.LOGIN"));
        let session = self
            .db
            .write(move |tx| {
                Box::pin(async move {
                    let user = tx.must::<User>(call.caller.user_id).await?;
                    if user.failed_logins != 0 {
                        tx.set::<User>(user.id, vec![("failed_logins", 0_i64.into())]).await?;
                    }
                    tx.insert(&mut session).await?;
                    call.log(tx, crate::user::topic(&user), format!("user {} has logged in", user.username)).await?;
                    Ok(session)
                })
            })
            .await?;
        Ok((user, LoggedIn { session, cookie, caller }))
    }

    /// The live session of a cookie; one that is too old, or whose user may not call any more, is ended here.
    pub async fn session_of(&self, cookie: &str) -> Result<Option<(Session, User)>> {
        let Some(session) = self.db.find_one::<Session>(Query::all().eq("cookie_hash", hash_cookie(cookie))).await? else {
            return Ok(None);
        };
        let now = self.clock.now();
        let user = self.db.get::<User>(session.user_id).await?.filter(|u| u.removed.is_none());
        let Some(user) = user.filter(|_| now - session.last_used < TIMEOUT_SECONDS * SECOND) else {
            self.session_end(&session).await?;
            return Ok(None);
        };
        if !self.is_enabled(&user).await? {
            self.session_end(&session).await?;
            return Ok(None);
        }
        if now - session.last_used >= TOUCH_AFTER {
            let id = session.id;
            self.db
                .write(move |tx| Box::pin(async move { tx.set::<Session>(id, vec![("last_used", now.into())]).await.map(drop) }))
                .await?;
        }
        Ok(Some((session, user)))
    }

    /// The caller that a cookie and a session key together are. A live session called without its key is ended: the cookie alone is
    /// what another site's page could send.
    pub async fn by_session(&self, cookie: &str, session_key: Option<&str>) -> Result<Option<Caller>> {
        let Some((session, user)) = self.session_of(cookie).await? else { return Ok(None) };
        if !bool::from(session_key.unwrap_or("").as_bytes().ct_eq(session.session_key.as_bytes())) {
            self.session_end(&session).await?;
            return Ok(None);
        }
        self.caller_of(&user, Source::Session).await.map(Some)
    }

    /// Ends the session of a cookie, if there is one.
    pub async fn logout(self: &Arc<Self>, cookie: &str) -> Result<()> {
        let Some((session, user)) = self.session_of(cookie).await? else { return Ok(()) };
        let caller = Arc::new(self.caller_of(&user, Source::Session).await?);
        let call = Call::new(self.clone(), caller, "logout", Some("USER.LOGOUT"));
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    tx.delete::<Session>(Query::all().eq("id", session.id)).await?;
                    let text = format!("user {} has logged out", user.username);
                    call.write_event(tx, "USER.LOGOUT", Level::Info, "Completed", crate::user::topic(&user), text, None).await.map(drop)
                })
            })
            .await
    }

    /// Forgets sessions that have run out; how many.
    pub async fn sessions_expire(&self) -> Result<u64> {
        let over = self.clock.now() - TIMEOUT_SECONDS * SECOND;
        self.db.write(move |tx| Box::pin(async move { tx.delete::<Session>(Query::all().at_most("last_used", over)).await })).await
    }

    async fn session_end(&self, session: &Session) -> Result<()> {
        let id = session.id;
        self.db.write(move |tx| Box::pin(async move { tx.delete::<Session>(Query::all().eq("id", id)).await.map(drop) })).await
    }
}

pub(crate) fn hash_cookie(cookie: &str) -> String {
    hex(&Sha256::digest(cookie.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
