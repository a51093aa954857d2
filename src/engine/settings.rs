//! Settings: a fixed list with types and defaults, and the rows that differ from them. Reading is lock-free and live.
use arc_swap::ArcSwap;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use stratus_model::{Error, Result};
use stratus_store::{Db, Query, Setting};

/// What a setting is: facts of catalog/global-settings.json, the description our own.
#[derive(Debug, Clone, serde::Deserialize)]
pub struct Definition {
    /// Its name.
    pub name: String,
    /// The group it is listed in.
    pub category: String,
    /// `boolean`, `integer`, `long`, `float`, `string` …
    #[serde(rename = "type")]
    pub kind: String,
    /// The default; none for "not set".
    #[serde(default)]
    pub default: Option<String>,
    /// Where it may be set beside the whole cloud: `zone`, `cluster`, `storagepool`, `account`.
    #[serde(default)]
    pub scope: Option<String>,
    /// One sentence.
    #[serde(default)]
    pub description: String,
    /// Whether it is read at start only.
    #[serde(default)]
    pub restart: bool,
    /// Whether the value is a secret, shown to nobody.
    #[serde(default)]
    pub secret: bool,
}

#[derive(serde::Deserialize)]
struct File {
    setting: Vec<Definition>,
}

/// Every setting there is, by name. An unreadable list is a broken build: a test reads it, and then the list is simply empty.
pub static DEFINITIONS: LazyLock<std::collections::BTreeMap<String, Definition>> = LazyLock::new(|| {
    let file: File = toml::from_str(include_str!("settings.toml")).unwrap_or(File { setting: Vec::new() });
    file.setting.into_iter().map(|d| (d.name.clone(), d)).collect()
});

type Key = (String, String, i64);

/// The settings in force.
pub struct Settings(ArcSwap<HashMap<Key, Option<String>>>);

impl Settings {
    /// Reads what differs from the defaults.
    pub async fn load(db: &Db) -> Result<Self> {
        let s = Self(ArcSwap::default());
        s.reload(db).await?;
        Ok(s)
    }
    /// Reads again, after a change or on another server's word.
    pub async fn reload(&self, db: &Db) -> Result<()> {
        let rows = db.find::<Setting>(Query::all()).await?;
        self.0.store(Arc::new(rows.into_iter().map(|r| ((r.name, r.scope, r.scope_id), r.content)).collect()));
        Ok(())
    }
    /// The value for the whole cloud; `None` when it is not set and has no default.
    pub fn text(&self, name: &str) -> Option<String> {
        self.scoped(name, "global", 0)
    }
    /// The value in a scope (`zone`, `cluster`, `storagepool`, `account`), or the cloud's.
    pub fn scoped(&self, name: &str, scope: &str, id: i64) -> Option<String> {
        let map = self.0.load();
        let at = |scope: &str, id| map.get(&(name.to_owned(), scope.to_owned(), id)).cloned();
        at(scope, id).or_else(|| at("global", 0)).unwrap_or_else(|| DEFINITIONS.get(name).and_then(|d| d.default.clone()))
    }
    /// A whole number; 0 when it is not set or not a number.
    pub fn number(&self, name: &str) -> i64 {
        self.text(name).and_then(|t| t.trim().parse().ok()).unwrap_or(0)
    }
    /// A number with a fraction; `otherwise` when it is not set.
    pub fn factor(&self, name: &str, scope: &str, id: i64) -> f64 {
        self.scoped(name, scope, id).and_then(|t| t.trim().parse().ok()).filter(|f| *f > 0.0).unwrap_or(1.0)
    }
    /// Whether it says true.
    pub fn flag(&self, name: &str) -> bool {
        self.text(name).is_some_and(|t| t.eq_ignore_ascii_case("true"))
    }
}

impl Definition {
    /// Refuses a value of the wrong type, naming the setting.
    pub fn check(&self, value: &str) -> Result<()> {
        let bad = |what: &str| Err(Error::invalid("value", format!("{} takes {what}, not '{value}'", self.name)));
        match self.kind.as_str() {
            "boolean" if !matches!(value.to_lowercase().as_str(), "true" | "false") => bad("true or false"),
            "integer" | "long" | "int" | "short" if value.trim().parse::<i64>().is_err() => bad("a whole number"),
            "float" | "double" if value.trim().parse::<f64>().is_err() => bad("a number"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_reads_and_every_default_fits_its_type() {
        assert!(DEFINITIONS.len() > 350, "{} settings", DEFINITIONS.len());
        for d in DEFINITIONS.values() {
            if let Some(v) = &d.default {
                d.check(v).unwrap_or_else(|e| panic!("{}: {e}", d.name));
            }
        }
    }
}
