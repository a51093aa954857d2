use crate::Versions;
use crate::mapping::Tables;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::sync::Arc;

/// A value of an answer before ids are looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leaf {
    /// A text.
    Text(String),
    /// The id of a thing.
    Id {
        /// Its prefix.
        kind: &'static str,
        /// The thing.
        uuid: String,
    },
}

/// How a mapping says where a value comes from: `state | table instance-state @2011-01-01..`.
///
/// First a path into the native record (through lists it gives every value) or `= text`, then steps, then the versions it stands in.
#[derive(Debug, Clone)]
pub struct Expression {
    source: Source,
    steps: Vec<Step>,
    /// The versions in which the value stands.
    pub versions: Versions,
}

#[derive(Debug, Clone)]
enum Source {
    Path(Vec<String>),
    Constant(String),
}

#[derive(Debug, Clone)]
enum Step {
    /// `id i`: a uuid becomes an id.
    Id(&'static str),
    /// `table instance-state`: looked up in `tables.toml`, `*` standing for every other text.
    Table(Arc<std::collections::BTreeMap<String, String>>),
    /// `date`: a native date, or microseconds, becomes EC2's form.
    Date,
    /// `gib`: bytes become GiB, rounded up.
    Gib,
    /// `base64`: a text is encoded.
    Base64,
    /// `or text`: what stands when there is nothing.
    Or(String),
}

impl Expression {
    /// Reads an expression.
    pub fn parse(text: &str, tables: &Tables) -> Result<Self, String> {
        let (body, versions) = match text.rsplit_once('@') {
            Some((body, range)) => (body, Versions::parse(range.trim()).ok_or(format!("'{range}' is no range of versions"))?),
            None => (text, Versions::default()),
        };
        let mut parts = body.split('|').map(str::trim);
        let first = parts.next().unwrap_or_default();
        let source = match first.strip_prefix('=') {
            Some(constant) => Source::Constant(constant.trim().to_owned()),
            None => Source::Path(path(first)),
        };
        let steps = parts.map(|p| Step::parse(p, tables)).collect::<Result<_, _>>()?;
        Ok(Self { source, steps, versions })
    }

    /// Every value that a record has here.
    pub fn values(&self, record: &Value) -> Vec<Leaf> {
        let mut found = match &self.source {
            Source::Constant(text) => vec![Leaf::Text(text.clone())],
            Source::Path(path) => {
                let mut texts = Vec::new();
                walk(record, path, &mut |v| texts.extend(text_of(v).map(Leaf::Text)));
                texts
            }
        };
        for step in &self.steps {
            found = step.take(found);
        }
        found
    }

    /// The one value that an answer shows.
    pub fn value(&self, record: &Value) -> Option<Leaf> {
        let or = self.steps.iter().position(|step| matches!(step, Step::Or(_))).unwrap_or(self.steps.len());
        let (before, after) = self.steps.split_at(or);
        let first = match &self.source {
            Source::Constant(text) => along(before, Leaf::Text(text.clone())),
            Source::Path(path) => first(record, path, &|v| along(before, Leaf::Text(text_of(v)?))),
        };
        match after.split_first() {
            Some((Step::Or(text), rest)) => along(rest, first.unwrap_or_else(|| Leaf::Text(text.clone()))),
            _ => first,
        }
    }
}

impl Step {
    fn parse(text: &str, tables: &Tables) -> Result<Self, String> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        Ok(match word {
            "id" => Self::Id(tables.prefix(rest).ok_or(format!("'{rest}' is no kind of id"))?),
            "table" => Self::Table(tables.table(rest).ok_or(format!("there is no table '{rest}'"))?),
            "date" => Self::Date,
            "gib" => Self::Gib,
            "base64" => Self::Base64,
            "or" => Self::Or(rest.trim().to_owned()),
            _ => return Err(format!("'{text}' is no step of an expression")),
        })
    }

    fn take(&self, found: Vec<Leaf>) -> Vec<Leaf> {
        if let Self::Or(text) = self {
            return if found.is_empty() { vec![Leaf::Text(text.clone())] } else { found };
        }
        found
            .into_iter()
            .filter_map(|leaf| match leaf {
                Leaf::Text(text) => self.one(text),
                id @ Leaf::Id { .. } => Some(id),
            })
            .collect()
    }

    fn one(&self, text: String) -> Option<Leaf> {
        Some(Leaf::Text(match self {
            Self::Id(kind) => return Some(Leaf::Id { kind, uuid: text }),
            Self::Table(table) => table.get(&text).or_else(|| table.get("*"))?.clone(),
            Self::Date => date(&text)?,
            Self::Gib => text.parse::<u64>().ok()?.div_ceil(1 << 30).to_string(),
            Self::Base64 => STANDARD.encode(text),
            Self::Or(_) => text,
        }))
    }
}

/// What steps, none of which is `or`, make of a value.
fn along(steps: &[Step], leaf: Leaf) -> Option<Leaf> {
    steps.iter().try_fold(leaf, |leaf, step| match leaf {
        Leaf::Text(text) => step.one(text),
        id @ Leaf::Id { .. } => Some(id),
    })
}

/// The first of what stands at a path, going through lists, that comes to something.
fn first(value: &Value, path: &[String], each: &dyn Fn(&Value) -> Option<Leaf>) -> Option<Leaf> {
    if let Value::Array(items) = value {
        return items.iter().find_map(|item| first(item, path, each));
    }
    match path.split_first() {
        None => each(value),
        Some((name, rest)) => first(value.get(name)?, rest, each),
    }
}

/// A path's parts; `.` alone is the record itself.
pub fn path(text: &str) -> Vec<String> {
    text.split('.').filter(|p| !p.is_empty()).map(str::to_owned).collect()
}

/// Calls `each` with everything at a path, going through lists.
pub fn walk(value: &Value, path: &[String], each: &mut dyn FnMut(&Value)) {
    if let Value::Array(items) = value {
        items.iter().for_each(|item| walk(item, path, each));
        return;
    }
    match path.split_first() {
        None => each(value),
        Some((first, rest)) => {
            if let Some(inner) = value.get(first) {
                walk(inner, rest, each);
            }
        }
    }
}

/// What is at a path, if every step on the way is an object.
pub fn at<'v>(value: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter().try_fold(value, |v, part| v.get(part)).filter(|v| !v.is_null())
}

/// A scalar as text; nothing for an empty one, since SDKs fail on empty dates and numbers.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(s) if s.is_empty() => None,
        Value::String(s) => Some(s.clone()),
        Value::Number(n) => Some(n.to_string()),
        Value::Bool(b) => Some(b.to_string()),
        _ => None,
    }
}

/// `2013-01-01T00:00:00.000Z`, from a native date or from microseconds.
pub fn date(text: &str) -> Option<String> {
    let micros = text.parse::<i64>().ok().or_else(|| stratus_model::parse_date(text))?;
    let whole = stratus_model::format_date(micros);
    let seconds = whole.strip_suffix("+0000")?;
    Some(format!("{seconds}.{:03}Z", micros.rem_euclid(1_000_000) / 1000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn texts(expression: &str, record: &Value) -> Vec<String> {
        let tables = Tables::parse("[kinds.i]\nnot-found=\"N\"\nmalformed=\"M\"\n[tables.state]\nRunning=\"running\"\n\"*\"=\"other\"\n");
        let parsed = Expression::parse(expression, &tables.expect("tables")).expect(expression);
        let shown = |leaf| match leaf {
            Leaf::Text(t) => t,
            Leaf::Id { kind, uuid } => format!("{kind}:{uuid}"),
        };
        parsed.values(record).into_iter().map(shown).collect()
    }

    #[test]
    fn expressions_say_where_a_value_comes_from() {
        let vm = json!({"id": "u", "state": "Running", "nic": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}], "size": 1073741825_u64,
            "created": "2013-01-01T02:00:00+0200", "empty": "", "at": 1_000_000});
        for (expression, wanted) in [
            ("id | id i", vec!["i:u"]),
            ("state | table state", vec!["running"]),
            ("id | table state", vec!["other"]),
            ("nic.ip", vec!["10.0.0.1", "10.0.0.2"]),
            ("= ebs", vec!["ebs"]),
            ("size | gib", vec!["2"]),
            ("created | date", vec!["2013-01-01T00:00:00.000Z"]),
            ("at | date", vec!["1970-01-01T00:00:01.000Z"]),
            ("empty", vec![]),
            ("none.such", vec![]),
            ("none | or x @2011-01-01..", vec!["x"]),
            ("none | or", vec![""]),
            ("state | base64", vec!["UnVubmluZw=="]),
        ] {
            assert_eq!(texts(expression, &vm), wanted, "{expression}");
        }
    }

    #[test]
    fn a_slip_in_an_expression_is_found() {
        let tables = Tables::parse("").expect("tables");
        for bad in ["id | id i", "state | table none", "state | upper", "state @2011"] {
            assert!(Expression::parse(bad, &tables).is_err(), "{bad}");
        }
    }
}
