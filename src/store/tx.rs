use crate::memory::Changed;
use crate::{Boxed, Dialect, Query, Row, Table, Value, dialect, lite};
use sqlx::mysql::{MySqlArguments, MySqlConnection};
use sqlx::query::Query as Statement;
use sqlx::{AssertSqlSafe, MySql, Transaction};
use std::borrow::Cow;
use stratus_model::{Error, Kind, Micros, Result};

pub(crate) enum Inner {
    Lite(rusqlite::Connection),
    My(Transaction<'static, MySql>),
}

/// A piece of work that becomes durable whole or not at all; [`crate::Db::write`] hands it to a closure.
pub struct Tx {
    pub(crate) inner: Inner,
    /// What it has changed so far.
    pub(crate) changed: Changed,
}

fn statement(sql: Cow<'static, str>, args: Vec<Value>) -> Statement<'static, MySql, MySqlArguments> {
    tracing::trace!(target: "stratus_store::sql", sql = &*sql);
    args.into_iter().fold(sqlx::query(AssertSqlSafe(sql.into_owned())), |q, a| match a {
        Value::Null => q.bind(None::<i64>),
        Value::Int(i) => q.bind(i),
        Value::Text(t) => q.bind(t),
    })
}

/// Rows from a server. In a box, as all that speaks to one: such futures are large, and whatever awaits a read of either engine would
/// carry them about.
pub(crate) fn my_fetch<'c>(c: &'c mut MySqlConnection, sql: Cow<'static, str>, args: Vec<Value>) -> Boxed<'c, Vec<Row<'static>>> {
    Box::pin(async move { Ok(statement(sql, args).fetch_all(c).await.map_err(dialect::error)?.into_iter().map(Row::My).collect()) })
}

fn my_execute<'c>(c: &'c mut MySqlConnection, sql: Cow<'static, str>, args: Vec<Value>) -> Boxed<'c, Done> {
    Box::pin(async move {
        let r = statement(sql, args).execute(c).await.map_err(dialect::error)?;
        Ok(Done { matched: r.rows_affected(), key: r.last_insert_id() as i64 })
    })
}

/// What a statement that changes rows did.
struct Done {
    matched: u64,
    key: i64,
}

impl Tx {
    /// The engine behind this transaction.
    pub fn dialect(&self) -> Dialect {
        match self.inner {
            Inner::Lite(_) => Dialect::Sqlite,
            Inner::My(_) => Dialect::Mysql,
        }
    }
    /// Rows of a `sql!` text.
    pub async fn rows(&mut self, sql: impl Into<Cow<'static, str>>, args: Vec<Value>) -> Result<Vec<Row<'static>>> {
        match &mut self.inner {
            Inner::Lite(c) => lite::kept(c, &sql.into(), &args),
            Inner::My(c) => my_fetch(c, sql.into(), args).await,
        }
    }
    async fn run(&mut self, sql: Cow<'static, str>, args: Vec<Value>) -> Result<Done> {
        self.changed.by(&sql);
        match &mut self.inner {
            Inner::Lite(c) => lite::execute(c, &sql, &args).map(|(matched, key)| Done { matched, key }),
            Inner::My(c) => my_execute(c, sql, args).await,
        }
    }
    /// Runs a `sql!` text that changes rows; the number of rows it matched.
    pub async fn execute(&mut self, sql: impl Into<Cow<'static, str>>, args: Vec<Value>) -> Result<u64> {
        Ok(self.run(sql.into(), args).await?.matched)
    }
    /// Inserts a row and gives it its key. A taken unique key is [`Error::Raced`].
    pub async fn insert<T: Table>(&mut self, row: &mut T) -> Result<i64> {
        let done = self.run(T::INSERT.into(), row.values()).await?;
        row.set_id(done.key);
        Ok(done.key)
    }
    /// Inserts a row; when a unique key is taken, the error that `taken` makes.
    pub async fn insert_or<T: Table>(&mut self, row: &mut T, taken: impl FnOnce() -> Error + Send) -> Result<i64> {
        match self.insert(row).await {
            Err(Error::Raced(_)) => Err(taken()),
            other => other,
        }
    }
    /// Inserts many rows in few statements; their keys are not read back.
    pub async fn insert_all<T: Table>(&mut self, rows: &[T]) -> Result<()> {
        let columns = &T::COLUMNS[1..];
        let one = format!("({})", vec!["?"; columns.len()].join(","));
        // SQLite takes 32,766 placeholders in a statement, MySQL 65,535.
        for chunk in rows.chunks((20_000 / columns.len()).max(1)) {
            let sql = format!("insert into {} ({}) values {}", T::NAME, columns.join(","), vec![one.as_str(); chunk.len()].join(","));
            self.run(sql.into(), chunk.iter().flat_map(Table::values).collect()).await?;
        }
        Ok(())
    }
    /// The row with this key, removed or not.
    pub async fn get<T: Table>(&mut self, id: i64) -> Result<Option<T>> {
        self.find_one(Query::all().eq("id", id)).await
    }
    /// The row with this key, or an internal error: for keys that the database itself gave us.
    pub async fn must<T: Table>(&mut self, id: i64) -> Result<T> {
        self.get(id).await?.ok_or_else(|| Error::internal(format!("{} {id} is not there", T::NAME)))
    }
    /// Rows that fit a query.
    pub async fn find<T: Table>(&mut self, q: Query) -> Result<Vec<T>> {
        let (sql, args) = q.select::<T>();
        match &mut self.inner {
            Inner::Lite(c) => {
                let mut found = Vec::new();
                lite::rows(c, &sql, &args, &mut |r| T::from_row(r).map(|t| found.push(t)))?;
                Ok(found)
            }
            Inner::My(c) => my_fetch(c, sql.into(), args).await?.iter().map(T::from_row).collect(),
        }
    }
    /// The first row that fits a query.
    pub async fn find_one<T: Table>(&mut self, q: Query) -> Result<Option<T>> {
        Ok(self.find(q.page(0, 1)).await?.pop())
    }
    /// How many rows fit a query.
    pub async fn count<T: Table>(&mut self, q: Query) -> Result<i64> {
        let (sql, args) = q.count::<T>();
        self.rows(sql, args).await?.first().map_or(Ok(0), |r| r.get(0))
    }
    /// Sets columns of the row with this key and moves its update counter on, if it has one. Number of rows matched.
    pub async fn set<T: Table>(&mut self, id: i64, values: Vec<(&'static str, Value)>) -> Result<u64> {
        self.update::<T>(Query::all().eq("id", id), values).await
    }
    /// Sets columns of every row that fits. Number of rows matched.
    pub async fn update<T: Table>(&mut self, q: Query, values: Vec<(&'static str, Value)>) -> Result<u64> {
        let mut set: Vec<String> = values.iter().map(|(c, _)| format!("{c} = ?")).collect();
        if T::COLUMNS.contains(&"update_count") {
            set.push("update_count = update_count + 1".into());
        }
        let (sql, args) = q.update::<T>(&set.join(", "), values.into_iter().map(|(_, v)| v).collect());
        self.execute(sql, args).await
    }
    /// Moves a row from the state that was read to another, together with other columns. [`Error::Raced`] when it is no longer as read.
    pub async fn advance<T: Table>(
        &mut self,
        id: i64,
        from: &str,
        update_count: i64,
        to: &str,
        mut values: Vec<(&'static str, Value)>,
    ) -> Result<()> {
        values.push(("state", to.into()));
        let q = Query::all().eq("id", id).eq("state", from).eq("update_count", update_count);
        match self.update::<T>(q, values).await? {
            1 => Ok(()),
            _ => Err(Error::Raced(format!("{} {id}", T::NAME))),
        }
    }
    /// A reservation: `set` (with its `args`) on rows that still fit. True when exactly that happened.
    pub async fn take<T: Table>(&mut self, q: Query, set: &'static str, args: Vec<Value>) -> Result<bool> {
        let (sql, args) = q.update::<T>(set, args);
        Ok(self.execute(sql, args).await? > 0)
    }
    /// Marks a row as removed. False when it already was.
    pub async fn remove<T: Table>(&mut self, id: i64, now: Micros) -> Result<bool> {
        Ok(self.update::<T>(Query::live().eq("id", id), vec![("removed", now.into())]).await? > 0)
    }
    /// Deletes rows for good: only for relations (memberships, reservations), never for resources.
    pub async fn delete<T: Table>(&mut self, q: Query) -> Result<u64> {
        let (sql, args) = q.delete::<T>();
        self.execute(sql, args).await
    }
    /// The live row with this uuid.
    pub async fn by_uuid<T: Table>(&mut self, kind: Kind, uuid: &str) -> Result<T> {
        self.find_one(Query::live().eq("uuid", uuid)).await?.ok_or_else(|| Error::not_found(kind, uuid))
    }
}
