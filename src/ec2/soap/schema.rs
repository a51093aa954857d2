//! The messages of the two published versions, read from `wsdl/operations.txt`.
use crate::Version;
use std::collections::BTreeMap;
use std::sync::LazyLock;

const TABLE: &str = include_str!("../../../wsdl/operations.txt");

/// The versions of which a WSDL is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// 2010-11-15
    V2010,
    /// 2012-08-15
    V2012,
}

/// What an element holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A value of one of XML Schema's types.
    Simple(&'static str),
    /// Nothing; that it is there says something.
    Empty,
    /// The elements of a type that several share.
    Named(String),
    /// Elements.
    Fields(Vec<Field>),
}

/// An element of a message, or an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Whether it may be absent.
    pub optional: bool,
    /// Whether it may be there any number of times.
    pub many: bool,
    /// Whether it is an attribute.
    pub attribute: bool,
    /// What it holds.
    pub kind: Kind,
    /// The Query parameter that it is, where its name does not say so.
    pub query: Option<String>,
}

/// What is asked with, and what is answered.
#[derive(Debug, Clone)]
pub struct Operation {
    /// Its name.
    pub name: String,
    /// The elements of the request.
    pub request: Vec<Field>,
    /// The elements of the answer.
    pub response: Vec<Field>,
}

/// The operations of a version.
#[derive(Debug)]
pub struct Schema {
    /// Which.
    pub version: Published,
    /// Types that several elements share.
    pub types: BTreeMap<String, Vec<Field>>,
    /// By name.
    pub operations: BTreeMap<String, Operation>,
}

type Both = Result<[Schema; 2], String>;
static SCHEMAS: LazyLock<Both> = LazyLock::new(|| Ok([Schema::read(TABLE, Published::V2010)?, Schema::read(TABLE, Published::V2012)?]));

impl Published {
    /// Both, the older first.
    pub const ALL: [Self; 2] = [Self::V2010, Self::V2012];

    /// The date.
    pub const fn text(self) -> &'static str {
        match self {
            Self::V2010 => "2010-11-15",
            Self::V2012 => "2012-08-15",
        }
    }
    /// The one of this date.
    pub fn of(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.text() == text)
    }
    /// The one nearest to a version.
    pub fn nearest(version: &Version) -> Self {
        // 2011-10-01 lies between the two.
        if version.from("2011-10-01") { Self::V2012 } else { Self::V2010 }
    }
    /// As a version.
    pub fn version(self) -> Option<Version> {
        Version::parse(self.text())
    }
}

impl Schema {
    /// The messages of a published version. An error only when this build's table is broken.
    pub fn of(version: Published) -> Result<&'static Self, String> {
        let both = SCHEMAS.as_ref().map_err(Clone::clone)?;
        Ok(&both[version as usize])
    }

    /// The elements that an element holds.
    pub fn fields<'s>(&'s self, kind: &'s Kind) -> &'s [Field] {
        match kind {
            Kind::Fields(fields) => fields,
            Kind::Named(name) => self.types.get(name).map_or(&[], Vec::as_slice),
            Kind::Simple(_) | Kind::Empty => &[],
        }
    }

    /// The one item of a list; `None` for what is no list.
    pub fn item<'s>(&'s self, kind: &'s Kind) -> Option<&'s Field> {
        match self.fields(kind) {
            [item] if item.many && item.name == "item" => Some(item),
            _ => None,
        }
    }

    fn read(text: &str, version: Published) -> Result<Self, String> {
        let lines = lines(text, version)?;
        let mut schema = Self { version, types: BTreeMap::new(), operations: BTreeMap::new() };
        let mut rest = lines.as_slice();
        while let Some((first, after)) = rest.split_first() {
            let below = after.iter().take_while(|l| l.depth > first.depth).count();
            let (block, next) = after.split_at(below);
            match first.words[..] {
                ["type", name] => drop(schema.types.insert(name.into(), fields(block)?)),
                ["operation", name] => {
                    let side = |word: &str| {
                        let at = block.iter().position(|l| l.depth == 1 && l.words == [word]);
                        let inner = at.map(|at| &block[at + 1..]).unwrap_or_default();
                        fields(&inner[..inner.iter().take_while(|l| l.depth > 1).count()])
                    };
                    let operation = Operation { name: name.into(), request: side("in")?, response: side("out")? };
                    schema.operations.insert(name.into(), operation);
                }
                _ => return Err(format!("operations.txt:{}: neither a type nor an operation", first.number)),
            }
            rest = next;
        }
        for name in schema.named() {
            if !schema.types.contains_key(name) {
                return Err(format!("operations.txt: there is no type {name}"));
            }
        }
        Ok(schema)
    }

    fn named(&self) -> Vec<&str> {
        fn walk<'f>(fields: &'f [Field], found: &mut Vec<&'f str>) {
            for field in fields {
                match &field.kind {
                    Kind::Named(name) => found.push(name),
                    Kind::Fields(below) => walk(below, found),
                    Kind::Simple(_) | Kind::Empty => {}
                }
            }
        }
        let mut found = Vec::new();
        self.types.values().for_each(|f| walk(f, &mut found));
        self.operations.values().for_each(|o| [&o.request, &o.response].into_iter().for_each(|f| walk(f, &mut found)));
        found
    }
}

/// A line of the table.
struct Line<'t> {
    number: usize,
    depth: usize,
    words: Vec<&'t str>,
    query: Option<&'t str>,
}

/// The lines that a version has; what is below a line of the other version goes with it.
fn lines(text: &str, version: Published) -> Result<Vec<Line<'_>>, String> {
    let (own, other) = match version {
        Published::V2010 => (" [2010]", " [2012]"),
        Published::V2012 => (" [2012]", " [2010]"),
    };
    let mut found = Vec::new();
    let mut left_out = None;
    for (number, raw) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty() && !l.starts_with('#')) {
        let depth = raw.len() - raw.trim_start().len();
        if depth % 2 != 0 {
            return Err(format!("operations.txt:{}: an odd indentation", number + 1));
        }
        let depth = depth / 2;
        if left_out.is_some_and(|out| depth > out) {
            continue;
        }
        left_out = raw.ends_with(other).then_some(depth);
        if left_out.is_some() {
            continue;
        }
        let line = raw.strip_suffix(own).unwrap_or(raw);
        let (line, query) = line.split_once(" -> ").map_or((line, None), |(line, query)| (line, Some(query.trim())));
        found.push(Line { number: number + 1, depth, words: line.split_whitespace().collect(), query });
    }
    Ok(found)
}

fn fields(lines: &[Line<'_>]) -> Result<Vec<Field>, String> {
    let mut found = Vec::new();
    let mut rest = lines;
    while let Some((first, after)) = rest.split_first() {
        let (block, next) = after.split_at(after.iter().take_while(|l| l.depth > first.depth).count());
        let wrong = |why: &str| format!("operations.txt:{}: {why}", first.number);
        let (head, kind) = match first.words[..] {
            [head] if block.is_empty() => (head, Kind::Simple("string")),
            [head] => (head, Kind::Fields(fields(block)?)),
            [head, _] if !block.is_empty() => return Err(wrong(&format!("{head} has a kind and elements"))),
            [head, "empty"] => (head, Kind::Empty),
            [head, kind] if kind.starts_with(char::is_uppercase) => (head, Kind::Named(kind.into())),
            [head, kind] => {
                let known = ["string", "int", "long", "double", "boolean", "dateTime"];
                (head, Kind::Simple(known.into_iter().find(|k| *k == kind).ok_or_else(|| wrong("no such kind"))?))
            }
            _ => return Err(wrong("too many words")),
        };
        let name = head.trim_start_matches('@').trim_end_matches(['?', '*']);
        found.push(Field {
            name: name.into(),
            optional: head.contains(['?', '*']),
            many: head.ends_with('*'),
            attribute: head.starts_with('@'),
            kind,
            query: first.query.map(str::to_owned),
        });
        rest = next;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_the_operations_of_both_versions() {
        let count = |v| Schema::of(v).expect("a table").operations.len();
        assert_eq!([count(Published::V2010), count(Published::V2012)], [95, 144]);
        let old = Schema::of(Published::V2010).expect("a table");
        let run = &old.operations["RunInstances"];
        let groups = run.request.iter().find(|f| f.name == "groupSet").expect("groups");
        let item = old.item(&groups.kind).expect("a list");
        assert_eq!(old.fields(&item.kind).iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), ["groupId"]);
        assert!(!old.operations.contains_key("DescribeInstanceStatus"));
    }

    #[test]
    fn the_nearest_version_is_found() {
        let nearest = |t: &str| Published::nearest(&Version::parse(t).expect("a version")).text();
        assert_eq!(
            ["2006-06-26", "2010-11-15", "2011-07-15", "2011-11-01", "2012-08-15", "2013-02-01", "2016-11-15"].map(nearest),
            ["2010-11-15", "2010-11-15", "2010-11-15", "2012-08-15", "2012-08-15", "2012-08-15", "2012-08-15"]
        );
    }

    #[test]
    fn a_slip_in_the_table_is_found() {
        for bad in
            ["type A\n   x", "operation X\n  in\n    a b c", "type A\n  x Nowhere", "what", "type A\n  x number", "type A\n  x int\n    y"]
        {
            assert!(Schema::read(bad, Published::V2010).is_err(), "{bad}");
        }
    }
}
