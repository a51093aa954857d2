//! The two folders of migrations make the same schema, and it is the one that the rows declare.
use rusqlite::Connection;
use sqlx::mysql::MySqlConnection;
use sqlx::{Connection as _, Row};
use std::collections::{BTreeMap, BTreeSet};
use stratus_store::Db;

/// Name, whether it is a number, whether it must have a value.
type Column = (String, bool, bool);
/// Table, name, unique, columns.
type Index = (String, String, bool, Vec<String>);

#[derive(Debug, Default, PartialEq)]
struct Schema {
    tables: BTreeMap<String, Vec<Column>>,
    indexes: BTreeSet<Index>,
}

/// A new SQLite database with the schema, and a connection to it.
pub async fn sqlite() -> (tempfile::TempDir, Connection) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("t.db");
    drop(Db::sqlite(&file).await.unwrap());
    let c = Connection::open(&file).unwrap();
    (dir, c)
}

/// A connection to a new MariaDB database with the schema; none where there is no MariaDB.
pub async fn mysql() -> Option<MySqlConnection> {
    let url = stratus_testkit::maria::fresh().await?;
    drop(Db::mysql(&url).await.unwrap());
    Some(MySqlConnection::connect(&url).await.unwrap())
}

/// The rows of a statement, each as `read` reads it.
fn all<T>(c: &Connection, sql: &str, read: impl Fn(&rusqlite::Row<'_>) -> rusqlite::Result<T>) -> Vec<T> {
    c.prepare(sql).unwrap().query_map([], |r| read(r)).unwrap().collect::<rusqlite::Result<_>>().unwrap()
}

fn of_sqlite(c: &Connection) -> Schema {
    let mut s = Schema::default();
    let names =
        "select name from sqlite_master where type = 'table' and name not like 'sqlite~_%' escape '~' and name <> '_sqlx_migrations'";
    for table in all(c, names, |r| r.get::<_, String>(0)) {
        let info = format!("select name, lower(type), \"notnull\" or pk from pragma_table_info('{table}') order by cid");
        let columns = all(c, &info, |r| Ok((r.get(0)?, r.get::<_, String>(1)? == "integer", r.get::<_, i64>(2)? != 0)));
        s.tables.insert(table.clone(), columns);
        let list = format!("select name, \"unique\" from pragma_index_list('{table}')");
        for (name, unique) in all(c, &list, |r| Ok((r.get::<_, String>(0)?, r.get::<_, i64>(1)? != 0))) {
            let parts = all(c, &format!("select name from pragma_index_info('{name}') order by seqno"), |r| r.get(0));
            s.indexes.insert((table.clone(), name, unique, parts));
        }
    }
    s
}

async fn of_mysql(c: &mut MySqlConnection) -> Schema {
    let mut s = Schema::default();
    let columns = "select cast(table_name as char), cast(column_name as char), cast(data_type as char), cast(is_nullable as char)
        from information_schema.columns where table_schema = database() and table_name <> '_sqlx_migrations' order by table_name, ordinal_position";
    for r in sqlx::query(columns).fetch_all(&mut *c).await.unwrap() {
        let column = (r.get::<String, _>(1), r.get::<String, _>(2) == "bigint", r.get::<String, _>(3) == "NO");
        s.tables.entry(r.get(0)).or_default().push(column);
    }
    let indexes = "select cast(table_name as char), cast(index_name as char), cast(max(non_unique) as signed),
        cast(group_concat(column_name order by seq_in_index) as char) from information_schema.statistics
        where table_schema = database() and table_name <> '_sqlx_migrations' and index_name <> 'PRIMARY' group by table_name, index_name";
    for r in sqlx::query(indexes).fetch_all(&mut *c).await.unwrap() {
        let parts = r.get::<String, _>(3).split(',').map(str::to_owned).collect();
        s.indexes.insert((r.get(0), r.get(1), r.get::<i64, _>(2) == 0, parts));
    }
    s
}

#[tokio::test]
async fn the_rows_declare_the_schema_of_sqlite() {
    let (_dir, c) = sqlite().await;
    let schema = of_sqlite(&c);
    let declared: BTreeMap<_, Vec<_>> = stratus_store::tables().iter().map(|t| (t.name.to_owned(), t.columns.to_vec())).collect();
    let made: BTreeMap<_, Vec<_>> = schema.tables.iter().map(|(t, c)| (t.clone(), c.iter().map(|c| c.0.as_str()).collect())).collect();
    for (table, columns) in &declared {
        assert_eq!(made.get(table), Some(columns), "{table}");
    }
    assert_eq!(made.keys().collect::<Vec<_>>(), declared.keys().collect::<Vec<_>>());
}

#[tokio::test]
async fn mariadb_and_sqlite_have_the_same_schema() {
    let Some(mut my) = mysql().await else { return };
    let (_dir, lite) = sqlite().await;
    let (my, lite) = (of_mysql(&mut my).await, of_sqlite(&lite));
    for (table, columns) in &lite.tables {
        assert_eq!(my.tables.get(table), Some(columns), "{table}");
    }
    assert_eq!(my.indexes, lite.indexes);
    assert_eq!(my, lite);
}
