use stratus_model::Error;

/// Which engine is behind a [`crate::Db`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Embedded SQLite.
    Sqlite,
    /// A server speaking MySQL's protocol.
    Mysql,
}

impl Dialect {
    /// The words after `select … ` that lock the rows read. SQLite has one writer, so there is nothing to lock.
    pub const fn for_update(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Mysql => " for update",
        }
    }
    /// An insert that leaves an existing row alone.
    pub const fn insert_ignore(self) -> &'static str {
        match self {
            Self::Sqlite => "insert or ignore into ",
            Self::Mysql => "insert ignore into ",
        }
    }
}

/// The server's complaint in our terms: a taken key is [`Error::Raced`] with the constraint's text, the rest is internal.
pub(crate) fn error(e: sqlx::Error) -> Error {
    match e.as_database_error() {
        Some(d) if d.is_unique_violation() => Error::Raced(d.message().to_owned()),
        _ => Error::internal(e),
    }
}

/// Whether the server gave up on a transaction that is worth trying again (deadlock 1213, lock wait 1205, certification failure).
pub(crate) fn is_conflict(e: &Error) -> bool {
    let Error::Internal(_, cause) = e else { return false };
    let code = cause.downcast_ref::<sqlx::Error>().and_then(|e| e.as_database_error()).and_then(|d| d.code());
    let number = cause
        .downcast_ref::<sqlx::Error>()
        .and_then(|e| e.as_database_error())
        .and_then(|d| d.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>())
        .map(|d| d.number());
    code.as_deref() == Some("40001") || matches!(number, Some(1213 | 1205))
}
