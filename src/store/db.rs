use crate::lists::{self, Lists};
use crate::lite::{self, Readers};
use crate::memory::{Memory, What};
use crate::tx::{Inner, Tx, my_fetch};
use crate::writer::{self, Piece};
use crate::{Boxed, Dialect, Query, Row, Table, Value, dialect};
use sqlx::mysql::{MySqlConnectOptions, MySqlPool, MySqlPoolOptions};
use std::borrow::Cow;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use stratus_model::{Error, Kind, Result};
use tokio::sync::{mpsc, oneshot};

/// How often a transaction that lost against another on the same server is tried again.
const TRIES: usize = 20;
/// Values in the conditions of a long list at most.
const NAMED: usize = 32;
/// Keys in one statement.
const MOST_KEYS: usize = 1024;
/// Keys that are looked up one by one where the table's rows are kept in memory.
const FEW: usize = 64;

/// An embedded database.
struct Lite {
    readers: Readers,
    queue: mpsc::Sender<Piece>,
    memory: Arc<Memory>,
    lists: Lists,
}

#[derive(Clone)]
enum Engine {
    Lite(Arc<Lite>),
    My(MySqlPool),
}

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Db(Engine);

impl Lite {
    fn read<T: Table>(&self, sql: &str, args: &[Value]) -> Result<Vec<T>> {
        self.readers.with(|c| {
            let mut found = Vec::new();
            lite::rows(c, sql, args, &mut |r| T::from_row(r).map(|t| found.push(t)))?;
            Ok(found)
        })
    }

    /// Rows that fit a query: from memory where the table's rows are kept.
    fn find<T: Table>(&self, q: &Query) -> Result<Vec<T>> {
        let (sql, args) = q.select::<T>();
        match T::SLOT {
            Some(slot) if Memory::keeps(slot) && q.is_narrow() => self.memory.rows(slot, What::Query(sql, args), |what| match what {
                What::Query(sql, args) => self.read(sql, args),
                What::Id(_) => Ok(Vec::new()),
            }),
            Some(slot) if Memory::is_sparse(slot) && self.is_empty::<T>(slot)? => Ok(Vec::new()),
            _ => self.read(&sql, &args),
        }
    }

    /// A page and the count of a list in the order of its keys.
    fn list<T: Table>(&self, q: &Query, descending: bool, (offset, limit): (i64, i64)) -> Result<(Vec<T>, i64)> {
        let ids = self.lists.ids::<T>(&self.memory, q, |q| {
            let (sql, args) = q.keys::<T>();
            self.readers.with(|c| {
                let mut ids = Vec::new();
                lite::rows(c, &sql, &args, &mut |r| r.get(0).map(|id| ids.push(id)))?;
                Ok(ids)
            })
        })?;
        let count = ids.len() as i64;
        let mut rows = Vec::new();
        for chunk in lists::page(&ids, descending, offset, limit).chunks(MOST_KEYS) {
            let (sql, args) = Query::all().within("id", chunk.iter().copied()).select::<T>();
            rows.extend(self.read::<T>(&sql, &args)?);
        }
        if descending {
            rows.reverse();
        }
        Ok((rows, count))
    }

    fn is_empty<T: Table>(&self, slot: usize) -> Result<bool> {
        self.memory.is_empty(slot, || {
            let (sql, args) = Query::all().page(0, 1).select::<T>();
            Ok(self.read::<T>(&sql, &args)?.is_empty())
        })
    }

    fn get<T: Table>(&self, id: i64) -> Result<Option<T>> {
        let read = || {
            let (sql, args) = Query::all().eq("id", id).select::<T>();
            self.read::<T>(&sql, &args)
        };
        let mut found = match T::SLOT.filter(|slot| Memory::keeps(*slot)) {
            Some(slot) => self.memory.rows(slot, What::Id(id), |_| read())?,
            None => read()?,
        };
        Ok(found.pop())
    }
}

impl Db {
    /// Opens (and makes, if need be) the SQLite database in a file, and brings it to the newest schema.
    pub async fn sqlite(file: &Path) -> Result<Self> {
        let mut connection = lite::open_writer(file)?;
        lite::migrate(&mut connection)?;
        let (queue, work) = mpsc::channel(1024);
        let memory = Arc::new(Memory::default());
        let (kept, runtime) = (memory.clone(), tokio::runtime::Handle::current());
        let serve = move || {
            let _inside = runtime.enter();
            writer::serve(connection, work, kept);
        };
        std::thread::Builder::new().name("store-writer".into()).spawn(serve).map_err(Error::internal)?;
        Ok(Self(Engine::Lite(Arc::new(Lite { readers: Readers::new(file), queue, memory, lists: Lists::default() }))))
    }
    /// Connects to a MySQL-protocol server (`mysql://user:password@host:port/database`) and brings it to the newest schema.
    pub async fn mysql(url: &str) -> Result<Self> {
        // The URL holds a password: an error must not repeat it.
        let options = MySqlConnectOptions::from_str(url).map_err(|_| Error::invalid("database", "not a mysql:// URL"))?;
        let pool = MySqlPoolOptions::new()
            .max_connections(16)
            .after_connect(|c, _| {
                Box::pin(async move {
                    sqlx::query("set session transaction isolation level read committed").execute(c).await?;
                    Ok(())
                })
            })
            .connect_with(options.statement_cache_capacity(512))
            .await
            .map_err(dialect::error)?;
        sqlx::migrate!("./migrations/mysql").run(&pool).await.map_err(Error::internal)?;
        Ok(Self(Engine::My(pool)))
    }
    /// Which engine this is.
    pub fn dialect(&self) -> Dialect {
        match self.0 {
            Engine::Lite(_) => Dialect::Sqlite,
            Engine::My(_) => Dialect::Mysql,
        }
    }
    /// How often something was written: what was read since this number was taken is true for as long as it stays. `None` where other
    /// processes write too, so that nobody can know.
    pub fn written(&self) -> Option<u64> {
        match &self.0 {
            Engine::Lite(l) => Some(l.memory.written()),
            Engine::My(_) => None,
        }
    }
    /// Runs a piece of work and answers when it is durable. On an error nothing of it stands. The closure may run again when the
    /// server reports a conflict, so it keeps nothing outside; it awaits nothing but the database.
    pub async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> Boxed<'t, T> + Send + Clone + 'static,
    {
        match &self.0 {
            Engine::Lite(l) => {
                let (answer, answered) = oneshot::channel();
                let work: writer::Work = Box::new(move |tx| {
                    let out = work(tx);
                    Box::pin(async move { Ok(Box::new(out.await?) as Box<dyn std::any::Any + Send>) })
                });
                let gone = || Error::internal("the writer has ended");
                l.queue.send(Piece { work, answer }).await.map_err(|_| gone())?;
                let out = answered.await.map_err(|_| gone())??;
                out.downcast::<T>().map(|t| *t).map_err(|_| gone())
            }
            Engine::My(pool) => {
                for _ in 1..TRIES {
                    match Box::pin(Self::attempt(pool, work.clone())).await {
                        Err(e) if dialect::is_conflict(&e) => tokio::task::yield_now().await,
                        other => return other,
                    }
                }
                Box::pin(Self::attempt(pool, work)).await
            }
        }
    }
    async fn attempt<T, F>(pool: &MySqlPool, work: F) -> Result<T>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> Boxed<'t, T> + Send,
    {
        let mut tx = Tx { inner: Inner::My(pool.begin().await.map_err(dialect::error)?), changed: Default::default() };
        let out = work(&mut tx).await?; // dropping the transaction rolls it back
        if let Inner::My(t) = tx.inner {
            t.commit().await.map_err(dialect::error)?;
        }
        Ok(out)
    }
    /// Rows of a `sql!` text.
    pub async fn rows(&self, sql: impl Into<Cow<'static, str>>, args: Vec<Value>) -> Result<Vec<Row<'static>>> {
        match &self.0 {
            Engine::Lite(l) => {
                let sql = sql.into();
                l.readers.with(|c| lite::kept(c, &sql, &args))
            }
            Engine::My(pool) => pooled(pool, sql.into(), args).await,
        }
    }
    /// Rows that fit a query.
    pub async fn find<T: Table>(&self, q: Query) -> Result<Vec<T>> {
        match &self.0 {
            Engine::Lite(l) => l.find(&q),
            Engine::My(_) => {
                let (sql, args) = q.select::<T>();
                self.rows(sql, args).await?.iter().map(T::from_row).collect()
            }
        }
    }
    /// The first row that fits a query.
    pub async fn find_one<T: Table>(&self, q: Query) -> Result<Option<T>> {
        Ok(self.find(q.page(0, 1)).await?.pop())
    }
    /// How many rows fit a query.
    pub async fn count<T: Table>(&self, q: Query) -> Result<i64> {
        let (sql, args) = q.count::<T>();
        self.rows(sql, args).await?.first().map_or(Ok(0), |r| r.get(0))
    }
    /// A page of the rows that fit (first row and number of rows), and how many fit in all.
    pub async fn list<T: Table>(&self, q: Query, page: (i64, i64)) -> Result<(Vec<T>, i64)> {
        // What names its rows one by one is no long list.
        let named = q.conditions().1.len() > NAMED;
        if let (Engine::Lite(l), Some(descending), false) = (&self.0, q.by_key(), named) {
            return l.list(&q, descending, page);
        }
        let rows = self.find::<T>(q.clone().page(page.0, page.1)).await?;
        let whole = page.0 == 0 && (rows.len() as i64) < page.1;
        let count = if whole { rows.len() as i64 } else { self.count::<T>(q).await? };
        Ok((rows, count))
    }
    /// The row with this key, removed or not.
    pub async fn get<T: Table>(&self, id: i64) -> Result<Option<T>> {
        match &self.0 {
            Engine::Lite(l) => l.get(id),
            Engine::My(_) => self.find_one(Query::all().eq("id", id)).await,
        }
    }
    /// The row with this key, or an internal error: for keys that the database itself gave us.
    pub async fn must<T: Table>(&self, id: i64) -> Result<T> {
        self.get(id).await?.ok_or_else(|| Error::internal(format!("{} {id} is not there", T::NAME)))
    }
    /// The live row with this uuid.
    pub async fn by_uuid<T: Table>(&self, kind: Kind, uuid: &str) -> Result<T> {
        self.find_one(Query::live().eq("uuid", uuid)).await?.ok_or_else(|| Error::not_found(kind, uuid))
    }
    /// The rows with these keys by key, removed or not: how lists fetch what they show beside each row, in one query.
    pub async fn by_ids<T: Table>(&self, ids: impl IntoIterator<Item = i64>) -> Result<std::collections::HashMap<i64, T>> {
        let mut ids: Vec<i64> = ids.into_iter().collect();
        ids.sort_unstable();
        ids.dedup();
        let mut found = std::collections::HashMap::with_capacity(ids.len());
        if let (Engine::Lite(l), true) = (&self.0, ids.len() <= FEW && T::SLOT.is_some_and(Memory::keeps)) {
            for id in ids {
                found.extend(l.get::<T>(id)?.map(|t| (id, t)));
            }
            return Ok(found);
        }
        for chunk in ids.chunks(1000) {
            found.extend(self.find::<T>(Query::all().within("id", chunk.iter().copied())).await?.into_iter().map(|t| (t.id(), t)));
        }
        Ok(found)
    }
}

/// Rows by a connection of the pool.
fn pooled<'p>(pool: &'p MySqlPool, sql: Cow<'static, str>, args: Vec<Value>) -> Boxed<'p, Vec<Row<'static>>> {
    Box::pin(async move { my_fetch(&mut *pool.acquire().await.map_err(dialect::error)?, sql, args).await })
}
