//! Certificates of users: with their keys SOAP messages are signed. Only the certificate is kept; a private key is refused.
//!
//! A certificate is one user's only, by all its bytes: two with the same issuer and number are two. What was signed under a
//! certificate that is deleted since, or that ran out, is refused at the door.
use crate::user::topic;
use crate::{Call, Engine, ListScope, Listing, Topic};
use stratus_model::{Caller, Error, Kind, Micros, Result, Source};
use stratus_sigs::soap::Certificate;
use stratus_store::{Query, SoapSeen, Tx, User, UserCertificate, Value};
use uuid::Uuid;

/// The most that one user has at a time.
const MOST: i64 = 20;

/// Which certificates a list shows.
#[derive(Debug, Clone, Default)]
pub struct CertificateFilter {
    /// The certificate with this key.
    pub id: Option<i64>,
    /// Those of the user with this key.
    pub user_id: Option<i64>,
    /// The one with this SHA-256.
    pub fingerprint: Option<String>,
    /// A text in whom it names or who issued it.
    pub keyword: Option<String>,
    /// Offset and limit.
    pub page: (i64, i64),
}

impl Engine {
    /// Registers a certificate (PEM) for a user. [`Error::Invalid`] when it is none, runs out, or belongs to a user already.
    pub async fn user_certificate_register(&self, call: &Call, user: &User, pem: &str) -> Result<UserCertificate> {
        call.administer_user(user).await?;
        let read = Certificate::from_pem(pem).map_err(|e| Error::invalid("certificate", e.to_string()))?;
        if !read.is_valid_at(call.now()) {
            return Err(Error::invalid("certificate", "is not valid at this time: it has run out, or its time has not come"));
        }
        let mut row = UserCertificate {
            uuid: Uuid::new_v4().to_string(),
            user_id: user.id,
            account_id: user.account_id,
            domain_id: user.domain_id,
            certificate: read.to_pem(),
            live_fingerprint: Some(read.fingerprint.clone()),
            fingerprint: read.fingerprint,
            subject: read.subject,
            issuer: read.issuer,
            serial: read.serial,
            not_before: read.not_before,
            not_after: read.not_after,
            created: call.now(),
            ..Default::default()
        };
        let (call, user) = (call.clone(), user.clone());
        let taken = |e| match e {
            Error::Raced(_) => Error::Duplicate { kind: Kind::UserCertificate, name: "of these bytes".into() },
            e => e,
        };
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    // Holds the user's row, so that it is neither removed nor given too many meanwhile.
                    if !tx.take::<User>(Query::live().eq("id", user.id), "update_count = update_count + 1", Vec::new()).await? {
                        return Err(Error::not_found(Kind::User, user.uuid));
                    }
                    if tx.count::<UserCertificate>(Query::live().eq("user_id", user.id)).await? >= MOST {
                        return Err(Error::invalid("certificate", format!("a user has {MOST} at most; delete one first")));
                    }
                    tx.insert(&mut row).await.map_err(taken)?;
                    call.log(tx, topic(&user), format!("registered certificate {} of user {}", row.fingerprint, user.username)).await?;
                    Ok(row)
                })
            })
            .await
    }

    /// Lists certificates.
    pub async fn user_certificate_list(&self, scope: &ListScope, f: CertificateFilter) -> Result<Listing<UserCertificate>> {
        let mut q = scope.apply(Query::live()).eq_opt("id", f.id).eq_opt("user_id", f.user_id).eq_opt("fingerprint", f.fingerprint);
        if let Some(text) = &f.keyword {
            q = q.holds(&["subject", "issuer"], text);
        }
        Ok(Listing { count: self.db.count::<UserCertificate>(q.clone()).await?, rows: self.db.find(q.page(f.page.0, f.page.1)).await? })
    }

    /// Deletes a certificate: what it signs is refused from now on.
    pub async fn user_certificate_delete(&self, call: &Call, row: UserCertificate) -> Result<()> {
        let user = self.db.must::<User>(row.user_id).await?;
        call.administer_user(&user).await?;
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    if remove(tx, Query::live().eq("id", row.id), call.now()).await? == 0 {
                        return Err(Error::not_found(Kind::UserCertificate, row.uuid));
                    }
                    let about: Topic = topic(&user);
                    call.log(tx, about, format!("deleted certificate {} of user {}", row.fingerprint, user.username)).await
                })
            })
            .await
    }

    /// The user of a certificate by its SHA-256, and its bytes; `None` when there is none, or it or its account is not enabled.
    pub async fn by_certificate(&self, fingerprint: &str) -> Result<Option<(Caller, Vec<u8>)>> {
        let found = self.db.find_one::<UserCertificate>(Query::live().eq("live_fingerprint", fingerprint)).await?;
        let Some(row) = found else { return Ok(None) };
        let Some(user) = self.db.get::<User>(row.user_id).await?.filter(|u| u.removed.is_none()) else { return Ok(None) };
        if !self.is_enabled(&user).await? {
            return Ok(None);
        }
        let read = Certificate::from_pem(&row.certificate).map_err(|e| Error::internal(e.to_string()))?;
        Ok(Some((self.caller_of(&user, Source::Key).await?, read.der)))
    }

    /// Remembers a message by the hashes of its signatures until it is no longer good; false when one of them came before.
    pub async fn message_is_new(&self, digests: Vec<String>, good_until: Micros) -> Result<bool> {
        let kept = self
            .db
            .write(move |tx| {
                Box::pin(async move {
                    for digest in digests {
                        tx.insert(&mut SoapSeen { digest, good_until, ..Default::default() }).await?;
                    }
                    Ok(())
                })
            })
            .await;
        match kept {
            Ok(()) => Ok(true),
            Err(Error::Raced(_)) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Forgets the messages that are no longer good; how many.
    pub async fn messages_forget(&self) -> Result<u64> {
        let now = self.clock.now();
        self.db.write(move |tx| Box::pin(async move { tx.delete::<SoapSeen>(Query::all().at_most("good_until", now)).await })).await
    }
}

/// Removes a user's certificates with the user.
pub(crate) async fn remove_of(tx: &mut Tx, user_id: i64, now: Micros) -> Result<()> {
    remove(tx, Query::live().eq("user_id", user_id), now).await.map(drop)
}

/// The fingerprint is free again: the certificate can be registered anew, by anybody who has it.
async fn remove(tx: &mut Tx, which: Query, now: Micros) -> Result<u64> {
    tx.update::<UserCertificate>(which, vec![("removed", now.into()), ("live_fingerprint", Value::Null)]).await
}
