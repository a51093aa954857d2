//! API throttling: how many calls an account makes in an interval (`api.throttling.…`, LIM-04, LIM-05).
//!
//! Servers on MariaDB may be several, so the count is a row there; with SQLite there is one server and the count is in memory. Root
//! administrators are not throttled, as one of them has to be able to lift a limit.
use crate::{Call, Engine, Topic};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use stratus_model::{Caller, Error, Kind, Result};
use stratus_store::{Account, ApiCount, Dialect, Query, Value};

/// Counts in memory, by account: when the window began, and how many calls since.
#[derive(Default)]
pub struct Throttle(Mutex<HashMap<i64, (i64, i64)>>);

/// Where an account stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiUse {
    /// Calls in this window.
    pub issued: i64,
    /// Calls that are still taken in it.
    pub allowed: i64,
    /// Seconds until the window is over.
    pub expires: i64,
}

impl Throttle {
    fn map(&self) -> std::sync::MutexGuard<'_, HashMap<i64, (i64, i64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Counts a call; refuses it when the account has used up its window.
    pub async fn api_count(&self, caller: &Caller) -> Result<()> {
        if !self.settings.flag("api.throttling.enabled") || caller.is_root() {
            return Ok(());
        }
        let (now, window, most) = (self.clock.now(), self.api_window(), self.settings.number("api.throttling.max"));
        let (start, calls) = match self.db.dialect() {
            Dialect::Sqlite => self.count_here(caller.account_id, now, window),
            Dialect::Mysql => self.count_shared(caller.account_id, now, window).await?,
        };
        match calls > most {
            true => Err(Error::Throttled { retry_ms: ((start + window - now) / 1000).max(1) }),
            false => Ok(()),
        }
    }

    fn api_window(&self) -> i64 {
        self.settings.number("api.throttling.interval").max(1).saturating_mul(1_000_000)
    }

    fn count_here(&self, account: i64, now: i64, window: i64) -> (i64, i64) {
        let mut map = self.throttle.map();
        if map.len() as i64 >= self.settings.number("api.throttling.cachesize").max(1) {
            map.retain(|_, (start, _)| *start + window > now);
        }
        let entry = map.entry(account).or_insert((now, 0));
        if entry.0 + window <= now {
            *entry = (now, 0);
        }
        entry.1 += 1;
        *entry
    }

    async fn count_shared(&self, account: i64, now: i64, window: i64) -> Result<(i64, i64)> {
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let row = || Query::all().eq("account_id", account);
                    // `calls` first: MySQL's assignments see those before them.
                    let set = "calls = case when window_start <= ? then 1 else calls + 1 end, \
                               window_start = case when window_start <= ? then ? else window_start end";
                    let args: Vec<Value> = vec![(now - window).into(), (now - window).into(), now.into()];
                    if !tx.take::<ApiCount>(row(), set, args).await? {
                        let mut first = ApiCount { account_id: account, window_start: now, calls: 1, ..Default::default() };
                        tx.insert(&mut first).await?;
                        return Ok((now, 1));
                    }
                    let at = tx.find_one::<ApiCount>(row()).await?.unwrap_or_default();
                    Ok((at.window_start, at.calls))
                })
            })
            .await
    }

    /// How an account stands in its window.
    pub async fn api_use(&self, account: i64) -> Result<ApiUse> {
        let (now, window, most) = (self.clock.now(), self.api_window(), self.settings.number("api.throttling.max"));
        let at = match self.db.dialect() {
            Dialect::Sqlite => self.throttle.map().get(&account).copied(),
            Dialect::Mysql => {
                let row = self.db.find_one::<ApiCount>(Query::all().eq("account_id", account)).await?;
                row.map(|r| (r.window_start, r.calls))
            }
        };
        let (start, calls) = at.filter(|(start, _)| *start + window > now).unwrap_or((now, 0));
        Ok(ApiUse { issued: calls, allowed: (most - calls).max(0), expires: (start + window - now) / 1_000_000 })
    }

    /// Begins an account's window anew, or everybody's.
    pub async fn api_reset(&self, call: &Call, account: Option<Account>) -> Result<()> {
        let name = account.as_ref().map_or("everybody", |a| a.name.as_str()).to_owned();
        let account = account.map(|a| a.id);
        match account {
            Some(id) => drop(self.throttle.map().remove(&id)),
            None => self.throttle.map().clear(),
        }
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    tx.delete::<ApiCount>(Query::all().eq_opt("account_id", account)).await?;
                    call.log(tx, Topic::of_caller(&call, Kind::Account, account.unwrap_or(0)), format!("counts calls of {name} anew")).await
                })
            })
            .await
    }
}
