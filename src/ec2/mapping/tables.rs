use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A kind of id.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Kind {
    /// The code for an id that names nothing.
    pub not_found: String,
    /// The code for a text that is no id of this kind.
    pub malformed: String,
    /// The word of `CreateTags` and of `type:uuid` ids.
    pub word: Option<String>,
    /// The native `resourcetype` of tags.
    pub tagged: Option<String>,
    /// The prefix itself, kept for as long as the process lives.
    #[serde(skip)]
    pub prefix: &'static str,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    kinds: BTreeMap<String, Kind>,
    #[serde(default)]
    tables: BTreeMap<String, Arc<BTreeMap<String, String>>>,
    #[serde(default)]
    shapes: BTreeMap<String, toml::Table>,
}

/// Kinds of ids, answer shapes and tables of words: `mappings/ec2/tables.toml`.
#[derive(Debug, Default)]
pub struct Tables {
    kinds: BTreeMap<String, Kind>,
    tables: BTreeMap<String, Arc<BTreeMap<String, String>>>,
    shapes: BTreeMap<String, toml::Table>,
}

impl Tables {
    /// Reads the file.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut file: File = toml::from_str(text).map_err(|e| e.to_string())?;
        for (prefix, kind) in &mut file.kinds {
            // Read once a process: the few bytes may stay.
            kind.prefix = prefix.clone().leak();
        }
        Ok(Self { kinds: file.kinds, tables: file.tables, shapes: file.shapes })
    }
    /// The elements of a shape that several answers share.
    pub fn shape(&self, name: &str) -> Option<&toml::Table> {
        self.shapes.get(name)
    }
    /// A table by name.
    pub fn table(&self, name: &str) -> Option<Arc<BTreeMap<String, String>>> {
        self.tables.get(name).cloned()
    }
    /// A kind by its prefix.
    pub fn kind(&self, prefix: &str) -> Option<&Kind> {
        self.kinds.get(prefix)
    }
    /// A prefix that lives as long as the process.
    pub fn prefix(&self, prefix: &str) -> Option<&'static str> {
        self.kinds.get(prefix).map(|k| k.prefix)
    }
    /// Every kind.
    pub fn kinds(&self) -> impl Iterator<Item = &Kind> {
        self.kinds.values()
    }
    /// What a table says of a word, or of every other word.
    pub fn word(&self, table: &str, word: &str) -> Option<&str> {
        let table = self.tables.get(table)?;
        table.get(word).or_else(|| table.get("*")).map(String::as_str)
    }
}
