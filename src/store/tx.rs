use crate::{Dialect, Query, Row, Table, Value, dialect};
use sqlx::mysql::MySqlConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, MySql, Sqlite, Transaction};
use stratus_model::{Error, Kind, Micros, Result};

pub(crate) enum Inner {
    Lite(sqlx::pool::PoolConnection<Sqlite>),
    My(Transaction<'static, MySql>),
}

/// A piece of work that becomes durable whole or not at all; [`crate::Db::write`] hands it to a closure.
pub struct Tx {
    pub(crate) inner: Inner,
}

pub(crate) async fn lite_fetch(c: &mut SqliteConnection, sql: String, args: Vec<Value>) -> Result<Vec<Row>> {
    let mut q = sqlx::query(AssertSqlSafe(sql));
    for a in args {
        q = match a {
            Value::Null => q.bind(None::<i64>),
            Value::Int(i) => q.bind(i),
            Value::Text(t) => q.bind(t),
        };
    }
    Ok(q.fetch_all(c).await.map_err(dialect::error)?.into_iter().map(Row::Lite).collect())
}

pub(crate) async fn my_fetch(c: &mut MySqlConnection, sql: String, args: Vec<Value>) -> Result<Vec<Row>> {
    let mut q = sqlx::query(AssertSqlSafe(sql));
    for a in args {
        q = match a {
            Value::Null => q.bind(None::<i64>),
            Value::Int(i) => q.bind(i),
            Value::Text(t) => q.bind(t),
        };
    }
    Ok(q.fetch_all(c).await.map_err(dialect::error)?.into_iter().map(Row::My).collect())
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
    pub async fn rows(&mut self, sql: impl Into<String>, args: Vec<Value>) -> Result<Vec<Row>> {
        match &mut self.inner {
            Inner::Lite(c) => lite_fetch(c, sql.into(), args).await,
            Inner::My(c) => my_fetch(c, sql.into(), args).await,
        }
    }
    async fn run(&mut self, sql: String, args: Vec<Value>) -> Result<Done> {
        match &mut self.inner {
            Inner::Lite(c) => {
                let mut q = sqlx::query(AssertSqlSafe(sql));
                for a in args {
                    q = match a {
                        Value::Null => q.bind(None::<i64>),
                        Value::Int(i) => q.bind(i),
                        Value::Text(t) => q.bind(t),
                    };
                }
                let r = q.execute(&mut **c).await.map_err(dialect::error)?;
                Ok(Done { matched: r.rows_affected(), key: r.last_insert_rowid() })
            }
            Inner::My(c) => {
                let mut q = sqlx::query(AssertSqlSafe(sql));
                for a in args {
                    q = match a {
                        Value::Null => q.bind(None::<i64>),
                        Value::Int(i) => q.bind(i),
                        Value::Text(t) => q.bind(t),
                    };
                }
                let r = q.execute(&mut **c).await.map_err(dialect::error)?;
                Ok(Done { matched: r.rows_affected(), key: r.last_insert_id() as i64 })
            }
        }
    }
    /// Runs a `sql!` text that changes rows; the number of rows it matched.
    pub async fn execute(&mut self, sql: impl Into<String>, args: Vec<Value>) -> Result<u64> {
        Ok(self.run(sql.into(), args).await?.matched)
    }
    /// Inserts a row and gives it its key. A taken unique key is [`Error::Raced`].
    pub async fn insert<T: Table>(&mut self, row: &mut T) -> Result<i64> {
        let columns = &T::COLUMNS[1..];
        let sql = format!("insert into {} ({}) values ({})", T::NAME, columns.join(","), vec!["?"; columns.len()].join(","));
        let done = self.run(sql, row.values()).await?;
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
            self.run(sql, chunk.iter().flat_map(Table::values).collect()).await?;
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
        self.rows(sql, args).await?.iter().map(T::from_row).collect()
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
    pub(crate) async fn raw(&mut self, sql: &'static str) -> Result<()> {
        match &mut self.inner {
            Inner::Lite(c) => sqlx::query(sql).execute(&mut **c).await.map(|_| ()),
            Inner::My(c) => sqlx::query(sql).execute(&mut **c).await.map(|_| ()),
        }
        .map_err(dialect::error)
    }
}
