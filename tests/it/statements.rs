//! Every SQL text of the source means something to both engines.
use super::schema::{mysql, sqlite};
use sqlx::{AssertSqlSafe, Executor, SqlSafeStr};
use std::path::{Path, PathBuf};

fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

/// The text of a Rust string literal at the start of `source`, escapes resolved.
fn literal(source: &str) -> Option<String> {
    let source = source.trim_start();
    if let Some(raw) = source.strip_prefix('r') {
        let hashes = raw.chars().take_while(|c| *c == '#').count();
        let body = raw[hashes..].strip_prefix('"')?;
        return body.split_once(&format!("\"{}", "#".repeat(hashes))).map(|(text, _)| text.to_owned());
    }
    let mut out = String::new();
    let mut rest = source.strip_prefix('"')?.chars().peekable();
    loop {
        match rest.next()? {
            '"' => return Some(out),
            '\\' => match rest.next()? {
                '\n' => while rest.next_if(|c| c.is_whitespace()).is_some() {},
                'n' => out.push('\n'),
                't' => out.push('\t'),
                other => out.push(other),
            },
            c => out.push(c),
        }
    }
}

/// Every `sql!` statement with the place where it stands.
fn statements() -> Vec<(String, String)> {
    let root = stratus_testkit::repository();
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    let mut found = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for (at, _) in text.match_indices("sql!(") {
            let line_start = text[..at].rfind('\n').map_or(0, |n| n + 1);
            if text[line_start..at].trim_start().starts_with("//") {
                continue;
            }
            let place = format!("{}:{}", file.strip_prefix(&root).unwrap().display(), text[..at].matches('\n').count() + 1);
            let sql = literal(&text[at + 5..]).unwrap_or_else(|| panic!("{place}: sql! takes one literal"));
            // The `set` part of `Tx::take` is no statement; the engine's tests run those.
            if ["select", "insert", "update", "delete"].iter().any(|verb| sql.trim_start().starts_with(verb)) {
                found.push((place, sql));
            }
        }
    }
    found
}

#[tokio::test]
async fn sqlite_prepares_every_statement() {
    let (_dir, c) = sqlite().await;
    for (place, sql) in statements() {
        if let Err(e) = c.prepare(&sql) {
            panic!("{place}: {e}\n{sql}");
        }
    }
}

#[tokio::test]
async fn mariadb_prepares_every_statement() {
    let Some(mut c) = mysql().await else { return };
    for (place, sql) in statements() {
        if let Err(e) = (&mut c).prepare(AssertSqlSafe(sql.clone()).into_sql_str()).await {
            panic!("{place}: {e}\n{sql}");
        }
    }
}

#[test]
fn literals_are_read_as_rust_reads_them() {
    assert_eq!(literal("\"select \\\n     1 -- \\\"x\\\"\")").as_deref(), Some("select 1 -- \"x\""));
    assert_eq!(literal("r#\"a \"b\"\"#)").as_deref(), Some("a \"b\""));
    assert_eq!(literal("text)"), None);
}
