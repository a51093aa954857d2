//! `Filter.N`: several values of one filter are alternatives, several filters must all hold. Evaluated over the joined records.
use crate::mapping::Action;
use crate::mapping::expression::Leaf;
use crate::{Fault, Input, Names, Outcome, Version};
use serde_json::Value;

/// How many values one filter may have.
const MOST: usize = 200;

/// What a filter looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    /// One of the action's filters.
    Named(String),
    /// `tag:<key>`
    Tag(String),
    /// `tag-key`
    TagKey,
    /// `tag-value`
    TagValue,
}

/// One filter of a request.
#[derive(Debug, Clone)]
pub struct Filter {
    target: Target,
    patterns: Vec<String>,
}

/// Reads a request's filters; an unknown one is an error, never ignored.
pub fn parse(input: &Input, action: &Action, version: &Version) -> Outcome<Vec<Filter>> {
    let mut all = Vec::new();
    for index in input.indexes("Filter") {
        let name = input.require(&format!("Filter.{index}.Name"))?;
        let patterns: Vec<String> = input.list(&format!("Filter.{index}.Value")).into_iter().map(str::to_owned).collect();
        if patterns.len() > MOST {
            return Err(Fault::new("FilterLimitExceeded", format!("Filter {name} has more than {MOST} values")));
        }
        if patterns.is_empty() {
            return Err(Fault::missing(&format!("Filter.{index}.Value")));
        }
        all.push(Filter { target: target(name, action, version)?, patterns });
    }
    Ok(all)
}

fn target(name: &str, action: &Action, version: &Version) -> Outcome<Target> {
    if action.tags {
        match name {
            "tag-key" => return Ok(Target::TagKey),
            "tag-value" => return Ok(Target::TagValue),
            _ => {}
        }
        if let Some(key) = name.strip_prefix("tag:") {
            return Ok(Target::Tag(key.to_owned()));
        }
    }
    if action.filters.as_ref().is_some_and(|known| known.contains_key(name)) {
        return Ok(Target::Named(name.to_owned()));
    }
    // The code that the clients of each time know.
    let code = if version.from("2013-01-01") { "InvalidParameterValue" } else { "InvalidFilter" };
    Err(Fault::new(code, format!("The filter '{name}' is invalid")))
}

/// Notes the ids that filters compare: to be looked up before [`keep`].
pub fn ids(filters: &[Filter], action: &Action, records: &[Value], names: &mut Names) {
    for filter in filters {
        for record in records {
            for leaf in filter.values(action, record) {
                if let Leaf::Id { kind, uuid } = leaf {
                    names.want(kind, &uuid);
                }
            }
        }
    }
}

/// The records for which every filter holds.
pub fn keep(filters: &[Filter], action: &Action, names: &Names, records: Vec<Value>) -> Vec<Value> {
    records.into_iter().filter(|record| filters.iter().all(|f| f.holds(action, names, record))).collect()
}

impl Filter {
    fn values(&self, action: &Action, record: &Value) -> Vec<Leaf> {
        let tags = || record.get("tags").and_then(Value::as_array).into_iter().flatten();
        let text = |v: Option<&Value>| v.and_then(Value::as_str).map(|t| Leaf::Text(t.to_owned()));
        match &self.target {
            Target::Named(name) => match action.filters.as_ref().and_then(|f| f.get(name)) {
                Some(Some(expression)) => expression.values(record),
                _ => Vec::new(),
            },
            Target::TagKey => tags().filter_map(|t| text(t.get("key"))).collect(),
            Target::TagValue => tags().filter_map(|t| text(t.get("value"))).collect(),
            Target::Tag(key) => {
                tags().filter(|t| t.get("key").and_then(Value::as_str) == Some(key)).filter_map(|t| text(t.get("value"))).collect()
            }
        }
    }
    fn holds(&self, action: &Action, names: &Names, record: &Value) -> bool {
        self.values(action, record).into_iter().any(|leaf| {
            let text = match &leaf {
                Leaf::Text(text) => text,
                Leaf::Id { kind, uuid } => names.of(kind, uuid),
            };
            self.patterns.iter().any(|p| fits(p, text))
        })
    }
}

/// Whether a text fits a pattern: `*` any characters or none, `?` one, a backslash before either means itself.
pub fn fits(pattern: &str, text: &str) -> bool {
    let pattern = tokens(pattern);
    let text: Vec<char> = text.chars().collect();
    // The usual two pointers: on a mismatch the last `*` takes one character more. Never exponential.
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some(Token::Any) => {
                star = Some((p, t));
                p += 1;
            }
            Some(Token::One) => (p, t) = (p + 1, t + 1),
            Some(Token::Char(c)) if *c == text[t] => (p, t) = (p + 1, t + 1),
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    (p, t) = (at + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|token| matches!(token, Token::Any))
}

enum Token {
    Any,
    One,
    Char(char),
}

fn tokens(pattern: &str) -> Vec<Token> {
    let mut chars = pattern.chars();
    let mut found = Vec::new();
    while let Some(c) = chars.next() {
        found.push(match c {
            '*' => Token::Any,
            '?' => Token::One,
            '\\' => Token::Char(chars.next().unwrap_or('\\')),
            other => Token::Char(other),
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_as_documented() {
        for (pattern, text, wanted) in [
            ("running", "running", true),
            ("running", "Running", false),
            ("run*", "run", true),
            ("*nn*g", "running", true),
            ("r?nning", "running", true),
            ("r?nning", "rnning", false),
            ("*", "", true),
            ("?", "", false),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
            ("a\\?", "a?", true),
            ("\\\\", "\\", true),
            ("", "", true),
            ("", "x", false),
            ("a*b*c", "a__b__b__c", true),
            ("a*b*c", "a__b__b__", false),
        ] {
            assert_eq!(fits(pattern, text), wanted, "{pattern} {text}");
        }
    }

    #[test]
    fn a_hostile_pattern_ends_soon() {
        let pattern = "*a".repeat(100) + "b";
        assert!(!fits(&pattern, &"a".repeat(5000)));
    }
}
