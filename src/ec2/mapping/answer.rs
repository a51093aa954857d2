//! The answer's shape as a mapping declares it, in the order in which it is written. A text is an [`Expression`]; a list of texts is
//! one element in several spellings (by version); a table with `each` and `item` is a set; any other table is an element with children. `shape = "reservation"` stands for the
//! elements of that shape in `tables.toml`.
use crate::Versions;
use crate::mapping::Tables;
use crate::mapping::expression::{Expression, path};
use toml::{Table, Value};

/// One element of an answer.
#[derive(Debug, Clone)]
pub struct Element {
    /// Its tag.
    pub name: String,
    /// What is in it.
    pub content: Content,
}

/// What an element holds.
#[derive(Debug, Clone)]
pub enum Content {
    /// A value.
    Leaf(Expression),
    /// Children. With `of` the element stands when the record has that object, and its children read from there.
    Fields {
        /// Where the children read from.
        of: Option<Vec<String>>,
        /// In order.
        fields: Vec<Element>,
        /// In which versions it stands.
        versions: Versions,
    },
    /// A list. It stands, if empty, when the record has the list.
    Set {
        /// Where the list is.
        each: Vec<String>,
        /// One item of it.
        item: Box<Content>,
        /// In which versions it stands.
        versions: Versions,
    },
}

/// Reads the elements of an answer.
pub fn elements(table: &Table, tables: &Tables) -> Result<Vec<Element>, String> {
    let mut found = Vec::new();
    for (name, value) in table {
        if name == "shape" {
            let shape = value.as_str().and_then(|s| tables.shape(s)).ok_or_else(|| format!("{value} is no shape"))?;
            found.extend(elements(shape, tables).map_err(|e| format!("shape {value}: {e}"))?);
            continue;
        }
        let inside = |e| format!("{name}: {e}");
        let variants = match value {
            Value::Array(all) => all.iter().collect(),
            one => vec![one],
        };
        for value in variants {
            found.push(Element { name: name.clone(), content: content(value, tables).map_err(inside)? });
        }
    }
    Ok(found)
}

fn content(value: &Value, tables: &Tables) -> Result<Content, String> {
    let table = match value {
        Value::String(text) => return Expression::parse(text, tables).map(Content::Leaf),
        Value::Table(table) => table,
        other => return Err(format!("{other} is neither an expression nor a table")),
    };
    let mut table = table.clone();
    let versions = match text(&mut table, "versions")? {
        Some(range) => Versions::parse(&range).ok_or(format!("'{range}' is no range of versions"))?,
        None => Versions::default(),
    };
    let of = text(&mut table, "of")?.map(|p| path(&p));
    if let Some(each) = text(&mut table, "each")? {
        let item = table.remove("item").ok_or("a set needs an item")?;
        if !table.is_empty() || of.is_some() {
            return Err("a set has each, item and versions only".into());
        }
        return Ok(Content::Set { each: path(&each), item: Box::new(content(&item, tables)?), versions });
    }
    Ok(Content::Fields { of, fields: elements(&table, tables)?, versions })
}

fn text(table: &mut Table, key: &str) -> Result<Option<String>, String> {
    match table.remove(key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(format!("{key} must be a text")),
    }
}
