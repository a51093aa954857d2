//! Limits as one reads and sets them; how they are taken is `limits.rs`, how counters are repaired is `recount.rs`.
use crate::limits::GIB;
use crate::{Call, Engine, Topic};
use std::collections::HashMap;
use stratus_model::{AccountType, Error, Kind, Limit, Result, Role};
use stratus_store::{Account, Domain, Project, Query, ResourceCount};

/// Whose limits and counters.
#[derive(Debug, Clone)]
pub enum Holder {
    /// An account's.
    Account(Account),
    /// A domain's, which are over all accounts in and below it.
    Domain(Domain),
}

/// One resource of a holder, in the units of answers: storage in GiB, memory in MiB, -1 for no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// What.
    pub resource: Limit,
    /// In use.
    pub used: i64,
    /// Allowed.
    pub max: i64,
}

impl Allowance {
    /// What is left; `None` when there is no limit.
    pub fn available(&self) -> Option<i64> {
        (self.max >= 0).then(|| (self.max - self.used).max(0))
    }
}

impl Holder {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Account(_) => "account",
            Self::Domain(_) => "domain",
        }
    }
    fn defaults_of(&self) -> &'static str {
        match self {
            Self::Account(a) => crate::limits::defaults_of(a),
            Self::Domain(_) => "domain",
        }
    }
    const fn id(&self) -> i64 {
        match self {
            Self::Account(a) => a.id,
            Self::Domain(d) => d.id,
        }
    }
    /// Root administrators and ROOT itself are counted, but nothing limits them.
    fn unlimited(&self) -> bool {
        match self {
            Self::Account(a) => a.kind() == AccountType::RootAdmin,
            Self::Domain(d) => d.parent_id.is_none(),
        }
    }
    /// What an event about it is about.
    pub(crate) fn topic(&self, call: &Call) -> Topic {
        match self {
            Self::Account(a) => crate::account::topic(a),
            Self::Domain(d) => Topic { account: call.caller.account_id, domain: d.id, kind: Kind::Domain, id: d.id },
        }
    }
}

/// The resource of a wire number.
pub fn resource(number: i64) -> Result<Limit> {
    let found = Limit::ALL.into_iter().find(|l| l.number() == number);
    found.ok_or_else(|| Error::invalid("resourcetype", format!("{number} is none of 0 to 11")))
}

const fn unit(resource: Limit) -> i64 {
    match resource {
        Limit::PrimaryStorage | Limit::SecondaryStorage => GIB,
        _ => 1,
    }
}

impl Engine {
    /// The allowances of many holders of one kind in one query, each in the order of resource numbers.
    pub async fn allowances(&self, holders: &[Holder]) -> Result<Vec<Vec<Allowance>>> {
        let mut rows = HashMap::<(String, i64, i64), ResourceCount>::new();
        for kind in ["account", "domain"] {
            let ids: Vec<i64> = holders.iter().filter(|h| h.kind() == kind).map(Holder::id).collect();
            if ids.is_empty() {
                continue;
            }
            let found = self.db.find::<ResourceCount>(Query::all().eq("owner_kind", kind).within("owner_id", ids)).await?;
            rows.extend(found.into_iter().map(|r| ((r.owner_kind.clone(), r.owner_id, r.resource), r)));
        }
        let one = |h: &Holder, resource: Limit| {
            let row = rows.get(&(h.kind().to_owned(), h.id(), resource.number()));
            let own = row.and_then(|r| r.max).unwrap_or_else(|| self.default_limit(h.defaults_of(), resource));
            let max = if h.unlimited() || own < 0 { -1 } else { own / unit(resource) };
            Allowance { resource, used: row.map_or(0, |r| r.used) / unit(resource), max }
        };
        Ok(holders.iter().map(|h| Limit::ALL.iter().map(|r| one(h, *r)).collect()).collect())
    }

    /// The holder that a command's `account`, `domainid` and `projectid` name: that project's account, that account, else that domain, else the caller's own account.
    pub async fn holder(&self, call: &Call, account: Option<&str>, domain: Option<Domain>, project: Option<Project>) -> Result<Holder> {
        if let Some(p) = project {
            if account.is_some() {
                return Err(Error::invalid("account", "cannot be combined with projectid"));
            }
            let owner: Account = self.db.must(p.account_id).await?;
            call.touch(&owner, "projectid").await?;
            return Ok(Holder::Account(owner));
        }
        match (account, domain) {
            (None, Some(d)) => {
                if call.caller.role() == Role::User || !(call.caller.is_root() || call.covers_domain(d.id).await?) {
                    return Err(Error::Denied(format!("Account {} may not see the limits of that domain", call.caller.account_name)));
                }
                Ok(Holder::Domain(d))
            }
            (account, domain) => Ok(Holder::Account(call.acting_account(account, domain.as_ref()).await?)),
        }
    }

    /// Sets a limit; -1 for none. A domain's cannot be above that of a domain over it.
    pub async fn limit_update(&self, call: &Call, holder: Holder, resource: Limit, max: i64) -> Result<Allowance> {
        self.may_limit(call, &holder).await?;
        if max < -1 {
            return Err(Error::invalid("max", "takes -1 for no limit, or a number from 0"));
        }
        if holder.unlimited() && max != -1 {
            return Err(Error::invalid("max", "takes only -1 here: root administrators and ROOT have no limits"));
        }
        self.below_parents(&holder, resource, max).await?;
        let stored = if max < 0 { -1 } else { max.checked_mul(unit(resource)).ok_or_else(|| Error::invalid("max", "is too large"))? };
        let (call, kept) = (call.clone(), holder.clone());
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let row = Query::all().eq("owner_kind", kept.kind()).eq("owner_id", kept.id()).eq("resource", resource.number());
                    if tx.update::<ResourceCount>(row, vec![("max", stored.into())]).await? == 0 {
                        return Err(Error::internal(format!("{} {} has no counters", kept.kind(), kept.id())));
                    }
                    let text = format!("limited {} of {} {} to {max}", resource.word(), kept.kind(), kept.id());
                    call.log(tx, kept.topic(&call), text).await
                })
            })
            .await?;
        let all = self.allowances(std::slice::from_ref(&holder)).await?;
        let found = all.into_iter().flatten().find(|a| a.resource == resource);
        found.ok_or_else(|| Error::internal("a limit without a row"))
    }

    /// Domain administrators limit those below them, never themselves.
    async fn may_limit(&self, call: &Call, holder: &Holder) -> Result<()> {
        let refused = || Err(Error::Denied(format!("Account {} may not set that limit", call.caller.account_name)));
        match holder {
            Holder::Account(a) => {
                call.administer(a).await?;
                if !call.caller.is_root() && a.id == call.caller.account_id { refused() } else { Ok(()) }
            }
            Holder::Domain(_) if call.caller.is_root() => Ok(()),
            Holder::Domain(d) if d.id == call.caller.domain_id || !call.covers_domain(d.id).await? => refused(),
            Holder::Domain(_) => Ok(()),
        }
    }

    async fn below_parents(&self, holder: &Holder, resource: Limit, max: i64) -> Result<()> {
        let Holder::Domain(d) = holder else { return Ok(()) };
        let mut next = d.parent_id;
        while let Some(id) = next {
            let parent = self.db.must::<Domain>(id).await?;
            next = parent.parent_id;
            let path = crate::domain::shown_path(&parent.path);
            let above = self.allowances(&[Holder::Domain(parent)]).await?;
            let over = above.into_iter().flatten().find(|a| a.resource == resource).map_or(-1, |a| a.max);
            if over >= 0 && max > over {
                return Err(Error::invalid("max", format!("{max} is more than the {over} of domain {path} above")));
            }
        }
        Ok(())
    }
}
