//! Rows: everything the cloud remembers, on SQLite (embedded) or a MySQL-protocol server (a farm), behind one face.
//!
//! - **One SQL text for both.** `?` placeholders, integer keys, times as integer microseconds, booleans as 0/1, JSON as text. What
//!   really differs (DDL, pragmas, retry codes) stands in `dialect.rs` and the two migration folders, which a test holds equal.
//! - **Nouns are rows.** [`table!`] declares a row once; insert, select and compare-and-set come from that declaration, so a column
//!   cannot be forgotten in one of five places. Dynamic lists are built by [`Query`] only; the rest is `sql!` literals, each of which
//!   a test prepares on both engines.
//! - **Group commit.** [`Db::write`] takes a closure and answers when its work is durable. On SQLite one writer runs waiting
//!   closures, each in its own savepoint, inside one transaction with one fsync (`writer.rs`); a server batches commits by itself, so
//!   there each closure is a transaction, repeated when the server reports a conflict. A closure awaits nothing but the database.
//! - **Pages cost the same.** [`Db::list`] answers with a page and the count of a list; the keys of long lists stay in memory while they
//!   are true (`lists.rs`).
//! - **No thread between.** SQLite answers in microseconds, so a read runs where it is asked (`lite.rs`), and what rarely changes is
//!   not read again until it is written to (`memory.rs`). `RUST_LOG=stratus_store::sql=trace` logs every statement.
//! - **Never read-then-write.** A state moves by [`Tx::advance`], a reservation by one conditional `UPDATE` ([`Tx::take`]); the
//!   number of matched rows is the answer.
//!
//! `sqlx` speaks to servers and embeds the migrations, `rusqlite` is SQLite.
//!
//! Rejected: `sqlx::Any` (fails on MySQL types), an ORM (150 entities of compile time; claims fall back to raw SQL anyway).
mod db;
mod dialect;
mod lists;
mod lite;
mod memory;
mod query;
mod row;
mod seal;
mod table;
mod tx;
mod writer;

mod rows;

pub use db::Db;
pub use dialect::Dialect;
pub use query::Query;
pub use row::{FromCol, Row, Value};
pub use rows::*;
pub use seal::Sealer;
pub use table::{Table, TableInfo, Text};
pub use tx::Tx;

/// A boxed future, as [`Db::write`] closures return.
pub type Boxed<'t, T> = futures::future::BoxFuture<'t, stratus_model::Result<T>>;
