//! Limits of accounts and domains. One conditional statement a level takes everything a thing needs at once, so parallel calls
//! cannot pass a limit; taking and giving back stand in the transaction of the thing itself.
use crate::Engine;
use stratus_model::{AccountType, Error, Limit, Result};
use stratus_store::{Account, Domain, Query, ResourceCount, Tx, Value};

/// Bytes in a GiB: storage limits are set in GiB and counted in bytes.
pub const GIB: i64 = 1 << 30;

/// How much of one limited resource. Storage in bytes, memory in MiB, the rest in pieces.
pub type Take = (Limit, i64);

/// One level at which things are counted: whose counters, and whose defaults hold where no limit is set.
#[derive(Clone, Copy)]
struct Level {
    kind: &'static str,
    owner: i64,
    defaults_of: &'static str,
}

impl Level {
    fn account(a: &Account) -> Self {
        Self { kind: "account", owner: a.id, defaults_of: defaults_of(a) }
    }
    fn domain(d: &Domain) -> Self {
        Self { kind: "domain", owner: d.id, defaults_of: "domain" }
    }
}

/// Whose default limits an account has: a project's differ from those of other accounts.
pub(crate) fn defaults_of(a: &Account) -> &'static str {
    if a.kind() == AccountType::Project { "project" } else { "account" }
}

impl Engine {
    /// The default limit of an `account`, `project` or `domain` for a resource; -1 for none.
    pub fn default_limit(&self, owner_kind: &str, resource: Limit) -> i64 {
        let setting = match owner_kind {
            "domain" => resource.setting().replace("max.account.", "max.domain."),
            "project" => resource.setting().replace("max.account.", "max.project."),
            _ => resource.setting().to_owned(),
        };
        match self.settings.text(&setting).and_then(|t| t.parse::<i64>().ok()) {
            Some(n) if n >= 0 && matches!(resource, Limit::PrimaryStorage | Limit::SecondaryStorage) => n.saturating_mul(GIB),
            Some(n) => n,
            None => -1,
        }
    }

    /// Makes the counters of a new account or domain.
    pub async fn counters_create(&self, tx: &mut Tx, owner_kind: &str, owner_id: i64) -> Result<()> {
        let rows: Vec<ResourceCount> = Limit::ALL
            .iter()
            .map(|l| ResourceCount { owner_kind: owner_kind.into(), owner_id, resource: l.number(), ..Default::default() })
            .collect();
        tx.insert_all(&rows).await
    }

    /// Takes resources for an account from it and every domain above it, or says who has hit what. Root administrators are counted
    /// but not limited.
    pub async fn take(&self, tx: &mut Tx, account_id: i64, takes: &[Take]) -> Result<()> {
        let account = tx.must::<Account>(account_id).await?;
        let unlimited = account.account_type == 1;
        self.take_level(tx, Level::account(&account), takes, unlimited).await?;
        for domain in self.ancestry(tx, account.domain_id).await? {
            // ROOT is the whole cloud: capacity limits it, not a number.
            self.take_level(tx, Level::domain(&domain), takes, unlimited || domain.parent_id.is_none()).await?;
        }
        Ok(())
    }

    /// Gives resources back.
    pub async fn give_back(&self, tx: &mut Tx, account_id: i64, takes: &[Take]) -> Result<()> {
        let back: Vec<Take> = takes.iter().map(|(l, n)| (*l, -n)).collect();
        let account = tx.must::<Account>(account_id).await?;
        self.take_level(tx, Level::account(&account), &back, true).await?;
        for domain in self.ancestry(tx, account.domain_id).await? {
            self.take_level(tx, Level::domain(&domain), &back, true).await?;
        }
        Ok(())
    }

    /// A domain and those above it.
    pub async fn ancestry(&self, tx: &mut Tx, domain_id: i64) -> Result<Vec<Domain>> {
        let mut chain = Vec::new();
        let mut next = Some(domain_id);
        while let Some(id) = next {
            let d = tx.must::<Domain>(id).await?;
            next = d.parent_id;
            chain.push(d);
        }
        Ok(chain)
    }

    async fn take_level(&self, tx: &mut Tx, level: Level, takes: &[Take], unlimited: bool) -> Result<()> {
        let Level { kind, owner, defaults_of } = level;
        let takes: Vec<Take> = takes.iter().copied().filter(|(_, n)| *n != 0).collect();
        if takes.is_empty() {
            return Ok(());
        }
        let cases = " when ? then ?".repeat(takes.len());
        let places = vec!["?"; takes.len()].join(",");
        let amounts = || takes.iter().flat_map(|(l, n)| [Value::from(l.number()), Value::from(*n)]);
        let mut sql = format!(
            "update resource_count set used = used + case resource{cases} else 0 end \
             where owner_kind = ? and owner_id = ? and resource in ({places})"
        );
        let mut args: Vec<Value> = amounts().collect();
        args.extend([kind.into(), owner.into()]);
        args.extend(takes.iter().map(|(l, _)| Value::from(l.number())));
        if !unlimited {
            let max = format!("coalesce(max, case resource{cases} else -1 end)");
            sql.push_str(&format!(" and ({max} < 0 or used + case resource{cases} else 0 end <= {max})"));
            let defaults = || takes.iter().flat_map(|(l, _)| [Value::from(l.number()), Value::from(self.default_limit(defaults_of, *l))]);
            args.extend(defaults());
            args.extend(amounts());
            args.extend(defaults());
        }
        if tx.execute(sql, args).await? == takes.len() as u64 {
            return Ok(());
        }
        Err(self.who_is_full(tx, level, &takes).await?)
    }

    async fn who_is_full(&self, tx: &mut Tx, level: Level, takes: &[Take]) -> Result<Error> {
        let Level { kind, owner, defaults_of } = level;
        let counts = tx.find::<ResourceCount>(Query::all().eq("owner_kind", kind).eq("owner_id", owner)).await?;
        let name = match kind {
            "account" => tx.must::<Account>(owner).await?.name,
            _ => tx.must::<Domain>(owner).await?.path,
        };
        for (limit, asked) in takes {
            let Some(row) = counts.iter().find(|c| c.resource == limit.number()) else { continue };
            let max = row.max.unwrap_or_else(|| self.default_limit(defaults_of, *limit));
            // The statement above already added to the rows that did fit; the caller's savepoint takes that back.
            if max >= 0 && (row.used > max || row.used + asked > max) {
                return Ok(Error::LimitReached { limit: *limit, owner: format!("{kind} {name}"), used: row.used, max, asked: *asked });
            }
        }
        Ok(Error::internal(format!("the counters of {kind} {owner} are not complete")))
    }
}
