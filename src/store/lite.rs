//! SQLite, called where the caller stands.
//!
//! A statement on a database of this process takes microseconds: handing it to another thread costs more than running it, so readers
//! run on the thread that asks, each with a connection of its own while the statement lasts, and all writes on one thread
//! (`writer.rs`). Connections keep their prepared statements.
//!
//! Rejected: the asynchronous face of `sqlx` for SQLite, which sends every statement and every row of it through channels (measured: a
//! page of 500 wide rows 9 ms, half of it between threads). It stays what migrations are embedded with; their table in the database is
//! still its own.
use crate::{Row, Value};
use rusqlite::{CachedStatement, Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use stratus_model::{Error, Result};

/// Readers that are kept open while nobody reads.
const IDLE: usize = 4;
/// Prepared statements a connection keeps.
const PREPARED: usize = 256;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations/sqlite");

/// The engine's complaint in our terms: a taken key is [`Error::Raced`] with the constraint's text, the rest is internal.
pub(crate) fn error(e: rusqlite::Error) -> Error {
    use rusqlite::ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE};
    match &e {
        rusqlite::Error::SqliteFailure(code, text)
            if matches!(code.extended_code, SQLITE_CONSTRAINT_UNIQUE | SQLITE_CONSTRAINT_PRIMARYKEY) =>
        {
            Error::Raced(text.clone().unwrap_or_default())
        }
        _ => Error::internal(e),
    }
}

/// Opens the one connection that writes, making the file if need be.
pub(crate) fn open_writer(file: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let c = open(file, flags)?;
    // Pages that a batch changes stay in memory until it commits, and so does what undoes one of its pieces.
    c.execute_batch(
        "pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on; pragma cache_size = -16000; \
         pragma temp_store = memory;",
    )
    .map_err(error)?;
    Ok(c)
}

fn open(file: &Path, flags: OpenFlags) -> Result<Connection> {
    let c = Connection::open_with_flags(file, flags).map_err(error)?;
    c.busy_timeout(Duration::from_secs(5)).map_err(error)?;
    c.set_prepared_statement_cache_capacity(PREPARED);
    Ok(c)
}

/// Brings a database to the newest schema; refuses one that a newer or a changed program has made.
pub(crate) fn migrate(c: &mut Connection) -> Result<()> {
    c.execute_batch(
        "create table if not exists _sqlx_migrations (version bigint primary key, description text not null, \
         installed_on timestamp not null default current_timestamp, success boolean not null, checksum blob not null, \
         execution_time bigint not null)",
    )
    .map_err(error)?;
    let done: Vec<(i64, Vec<u8>)> = {
        let mut s = c.prepare("select version, checksum from _sqlx_migrations order by version").map_err(error)?;
        let rows = s.query_map([], |r| Ok((r.get(0)?, r.get(1)?))).map_err(error)?;
        rows.collect::<rusqlite::Result<_>>().map_err(error)?
    };
    for (version, checksum) in &done {
        match MIGRATIONS.iter().find(|m| m.version == *version) {
            None => return Err(Error::internal(format!("the database has migration {version}, which this version does not know"))),
            Some(m) if m.checksum != *checksum => {
                return Err(Error::internal(format!("migration {version} was another one when the database was made")));
            }
            Some(_) => {}
        }
    }
    for m in MIGRATIONS.iter().filter(|m| !done.iter().any(|(version, _)| *version == m.version)) {
        let since = std::time::Instant::now();
        let tx = c.transaction().map_err(error)?;
        tx.execute_batch(m.sql.as_str()).map_err(error)?;
        let took = i64::try_from(since.elapsed().as_nanos()).unwrap_or(i64::MAX);
        let note = "insert into _sqlx_migrations (version, description, success, checksum, execution_time) values (?, ?, 1, ?, ?)";
        tx.execute(note, rusqlite::params![m.version, m.description, m.checksum, took]).map_err(error)?;
        tx.commit().map_err(error)?;
    }
    Ok(())
}

/// The connections that read.
pub(crate) struct Readers {
    file: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(crate) fn new(file: &Path) -> Self {
        Self { file: file.to_owned(), idle: Mutex::default() }
    }

    /// Runs `work` on a connection that is nobody else's meanwhile. It must not wait for anything.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = idle().pop();
        let c = match kept {
            Some(c) => c,
            None => {
                let c = open(&self.file, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
                c.execute_batch("pragma mmap_size = 268435456").map_err(error)?;
                c
            }
        };
        let out = work(&c);
        let mut idle = idle();
        if idle.len() < IDLE {
            idle.push(c);
        }
        out
    }
}

fn prepare<'c>(c: &'c Connection, sql: &str, args: &[Value]) -> Result<CachedStatement<'c>> {
    tracing::trace!(target: "stratus_store::sql", sql);
    let mut s = c.prepare_cached(sql).map_err(error)?;
    for (i, a) in args.iter().enumerate() {
        match a {
            Value::Null => s.raw_bind_parameter(i + 1, rusqlite::types::Null),
            Value::Int(n) => s.raw_bind_parameter(i + 1, n),
            Value::Text(t) => s.raw_bind_parameter(i + 1, t.as_str()),
        }
        .map_err(error)?;
    }
    Ok(s)
}

/// Hands every row of a statement to `each`.
pub(crate) fn rows(c: &Connection, sql: &str, args: &[Value], each: &mut dyn FnMut(&Row<'_>) -> Result<()>) -> Result<()> {
    let mut s = prepare(c, sql, args)?;
    let mut rows = s.raw_query();
    while let Some(r) = rows.next().map_err(error)? {
        each(&Row::Lite(r))?;
    }
    Ok(())
}

/// The rows of a statement, to keep.
pub(crate) fn kept(c: &Connection, sql: &str, args: &[Value]) -> Result<Vec<Row<'static>>> {
    use rusqlite::types::ValueRef;
    let mut s = prepare(c, sql, args)?;
    let columns = s.column_count();
    let mut rows = s.raw_query();
    let mut all = Vec::new();
    while let Some(r) = rows.next().map_err(error)? {
        let value = |i| match r.get_ref(i).map_err(error)? {
            ValueRef::Null => Ok(Value::Null),
            ValueRef::Integer(n) => Ok(Value::Int(n)),
            ValueRef::Text(t) => std::str::from_utf8(t).map(Value::from).map_err(Error::internal),
            other => Err(Error::internal(format!("a column of type {}", other.data_type()))),
        };
        all.push(Row::Kept((0..columns).map(value).collect::<Result<_>>()?));
    }
    Ok(all)
}

/// Runs a statement that changes rows: how many it matched, and the key of the last one inserted.
pub(crate) fn execute(c: &Connection, sql: &str, args: &[Value]) -> Result<(u64, i64)> {
    let matched = prepare(c, sql, args)?.raw_execute().map_err(error)?;
    Ok((matched as u64, c.last_insert_rowid()))
}
