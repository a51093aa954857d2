//! What an operator does while the server is down: the house is opened under its lock, looked at or changed, and left.
use crate::cli::{Admin, quiet, say};
use crate::config::{Config, Place};
use crate::house::{House, KVM};
use crate::lock::DataDir;
use crate::simulate;
use anyhow::{Context, Result, bail};
use serde_json::{Map, Value as Json};
use std::io::{BufRead, IsTerminal, Read, Write};
use stratus_store::{Row, TableInfo, User};

/// Rows read at a time by `admin dump`.
const PAGE: i64 = 1000;

/// Does what one of the commands says.
pub async fn run(what: Admin) -> Result<()> {
    quiet();
    match what {
        Admin::Migrate(place) => {
            open(place).await?;
            say(&format!("The database has the schema of version {}.\n", env!("CARGO_PKG_VERSION")))
        }
        Admin::Check(place) => check(&open(place).await?).await,
        Admin::Dump(place) => dump(&open(place).await?).await,
        Admin::Keys { user, domain, renew, place } => {
            let house = open(place).await?;
            let user = house.user(&user, &domain).await?;
            let keys = house.keys(user, renew).await?;
            say(&format!("export CLOUDSTACK_KEY='{}'\nexport CLOUDSTACK_SECRET='{}'\n", keys.api_key, keys.secret_key))
        }
        Admin::SetPassword { user, domain, place } => {
            let house = open(place).await?;
            let user = house.user(&user, &domain).await?;
            set_password(&house, user).await
        }
        Admin::Enrol { name, place } => {
            let house = open(place).await?;
            let token = house.engine.agent_invite(KVM, &name).await?;
            say(&format!("{}\n", token.reveal()))
        }
        Admin::Simulate { file, place } => {
            let house = open(place).await?;
            simulate::file(&house.engine, &file).await.with_context(|| format!("cannot make the zones of {}", file.display()))
        }
        Admin::Version(place) => {
            let house = open(place).await?;
            say(&format!("stratus {}\ndatabase of {}\n", env!("CARGO_PKG_VERSION"), house.engine.server.version))
        }
    }
}

async fn open(place: Place) -> Result<House> {
    let config = Config::at(place)?;
    House::open(&config, DataDir::take(&config.data_dir)?).await
}

/// Prints what is wrong, one finding a line; an error when there is anything.
async fn check(house: &House) -> Result<()> {
    let findings = house.engine.check().await?;
    for f in &findings {
        say(&format!("{f}\n"))?;
    }
    match findings.len() {
        0 => say("Everything holds.\n"),
        n => bail!("{n} broken invariants"),
    }
}

async fn set_password(house: &House, user: User) -> Result<()> {
    if std::io::stdin().is_terminal() {
        write!(std::io::stderr(), "New password for {} (it shows while you type): ", user.username)?;
    }
    let mut password = String::new();
    std::io::stdin().lock().take(4096).read_line(&mut password).context("cannot read the password")?;
    let password = password.trim_end_matches(['\r', '\n']);
    match password {
        "" => bail!("the password is empty"),
        "password" => bail!("that is the password of a fresh database: choose another"),
        _ => {}
    }
    let hash = house.engine.password_kept(password).await?;
    let (db, id) = (&house.engine.db, user.id);
    let set = vec![("password_hash", hash.into()), ("default_password", false.into()), ("failed_logins", 0.into())];
    db.write(move |tx| Box::pin(async move { tx.set::<User>(id, set).await })).await?;
    say(&format!("The password of {} is set.\n", user.username))
}

/// Every row of every table as `{"table":…,"row":{…}}`. Sealed secrets, hashes and tokens are left out.
async fn dump(house: &House) -> Result<()> {
    for table in stratus_store::tables() {
        let select = format!("select {} from {} where id > ? order by id limit {PAGE}", table.columns.join(","), table.name);
        let mut after = 0i64;
        loop {
            let rows = house.engine.db.rows(select.clone(), vec![after.into()]).await?;
            let Some(last) = rows.last() else { break };
            after = last.get(0)?;
            let mut text = String::new();
            for row in &rows {
                let line = serde_json::json!({ "table": table.name, "row": plain(&table, row)? });
                text.push_str(&line.to_string());
                text.push('\n');
            }
            say(&text)?;
        }
    }
    Ok(())
}

/// Whether a column holds something that must not leave the database, sealed or not.
fn is_secret(table: &str, column: &str) -> bool {
    column.ends_with("_sealed") || column.ends_with("_hash") || (table, column) == ("session", "session_key")
}

fn plain(table: &TableInfo, row: &Row) -> Result<Map<String, Json>> {
    let mut out = Map::new();
    let mut hidden_setting = false;
    for (i, column) in table.columns.iter().enumerate() {
        let value = match row.get::<Option<i64>>(i) {
            Ok(number) => number.map_or(Json::Null, Json::from),
            Err(_) => row.get::<Option<String>>(i)?.map_or(Json::Null, Json::from),
        };
        if (table.name, *column) == ("setting", "name") {
            let definition = value.as_str().and_then(|name| stratus_engine::settings::DEFINITIONS.get(name));
            hidden_setting = definition.is_some_and(|d| d.secret);
        }
        let hidden = is_secret(table.name, column) || (hidden_setting && *column == "content");
        out.insert((*column).to_owned(), if hidden && !value.is_null() { "(secret)".into() } else { value });
    }
    Ok(out)
}
