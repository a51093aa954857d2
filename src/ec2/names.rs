//! Ids of things: looked up in one batch a kind for a whole answer, and read in every form that is accepted.
use crate::mapping::Mappings;
use crate::{Fault, Outcome};
use std::collections::{HashMap, HashSet};
use stratus_engine::Engine;

/// The ids that one answer needs.
#[derive(Debug, Default)]
pub struct Names {
    known: HashMap<&'static str, HashMap<String, String>>,
    wanted: HashMap<&'static str, HashSet<String>>,
}

impl Names {
    /// Notes that an id is needed.
    pub fn want(&mut self, kind: &'static str, uuid: &str) {
        if !self.known.get(kind).is_some_and(|all| all.contains_key(uuid)) {
            let wanted = self.wanted.entry(kind).or_default();
            if !wanted.contains(uuid) {
                wanted.insert(uuid.to_owned());
            }
        }
    }
    /// Looks up what is needed and not known yet.
    pub async fn learn(&mut self, engine: &Engine) -> Outcome<()> {
        if self.wanted.is_empty() {
            return Ok(());
        }
        let wanted = std::mem::take(&mut self.wanted);
        let kinds: Vec<&'static str> = wanted.keys().copied().collect();
        let mut found =
            engine.ec2_names(wanted.into_iter().map(|(k, uuids)| (k.to_owned(), uuids.into_iter().collect())).collect()).await?;
        for kind in kinds {
            self.known.entry(kind).or_default().extend(found.remove(kind).unwrap_or_default());
        }
        Ok(())
    }
    /// An id; the uuid itself when it was not looked up.
    pub fn of<'n>(&'n self, kind: &str, uuid: &'n str) -> &'n str {
        self.known.get(kind).and_then(|all| all.get(uuid)).map_or(uuid, String::as_str)
    }
}

/// An id as it may be given.
#[derive(Debug, PartialEq, Eq)]
enum Given {
    Id(String),
    Uuid(String),
    Bad,
}

/// Reads `i-<8 or 17 hex>` in any case, a uuid, or either after `instance:`.
fn read(kind: &str, word: Option<&str>, text: &str) -> Given {
    let text = match text.split_once(':') {
        Some((before, after)) if Some(before) == word || before == kind => after,
        _ => text,
    };
    if let Ok(uuid) = uuid::Uuid::try_parse(text)
        && text.len() == 36
    {
        return Given::Uuid(uuid.to_string());
    }
    let lower = text.to_ascii_lowercase();
    match lower.strip_prefix(kind).and_then(|rest| rest.strip_prefix('-')) {
        Some(hex) if matches!(hex.len(), 8 | 17) && hex.bytes().all(|b| b.is_ascii_hexdigit()) => Given::Id(lower),
        _ => Given::Bad,
    }
}

/// The uuids that ids mean, in their order. One that is malformed or was never given out fails the call with the kind's code.
pub async fn uuids(engine: &Engine, mappings: &Mappings, kind: &str, given: &[&str]) -> Outcome<Vec<String>> {
    let Some(facts) = mappings.tables.kind(kind) else { return Err(Fault::new("InternalError", format!("no kind {kind}"))) };
    let mut ids = Vec::new();
    for text in given {
        match read(kind, facts.word.as_deref(), text) {
            Given::Id(id) => ids.push(id),
            Given::Uuid(_) => {}
            Given::Bad => return Err(Fault::new(&facts.malformed, format!("Invalid id: \"{text}\" (expecting \"{kind}-...\")"))),
        }
    }
    let known = engine.ec2_uuids(kind, &ids).await?;
    let mut uuids = Vec::with_capacity(given.len());
    for text in given {
        let uuid = match read(kind, facts.word.as_deref(), text) {
            Given::Id(id) => known.get(&id).cloned(),
            Given::Uuid(uuid) => Some(uuid),
            Given::Bad => None,
        };
        uuids.push(uuid.ok_or_else(|| not_found(mappings, kind, text))?);
    }
    Ok(uuids)
}

/// The error for an id that names nothing the caller has.
pub fn not_found(mappings: &Mappings, kind: &str, text: &str) -> Fault {
    let code = mappings.tables.kind(kind).map_or("InvalidParameterValue", |k| k.not_found.as_str());
    Fault::new(code, format!("The id '{text}' does not exist"))
}

/// The kind that an id's prefix (or the word before its colon) names.
pub fn kind_of(mappings: &Mappings, text: &str) -> Option<&'static str> {
    let before = text.split([':', '-']).next().unwrap_or_default().to_ascii_lowercase();
    let word = text.split_once(':').map(|(word, _)| word);
    mappings.tables.kinds().find(|k| k.prefix == before || (word.is_some() && k.word.as_deref() == word)).map(|k| k.prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_in_every_form() {
        let uuid = "6f1b0c2e-8d3a-4b57-9e21-5a7c3d9e1f02";
        assert_eq!(read("i", Some("instance"), "i-0123456789ABCDEF0"), Given::Id("i-0123456789abcdef0".into()));
        assert_eq!(read("i", Some("instance"), "i-00000000"), Given::Id("i-00000000".into()));
        assert_eq!(read("i", Some("instance"), uuid), Given::Uuid(uuid.into()));
        assert_eq!(read("i", Some("instance"), &format!("instance:{uuid}")), Given::Uuid(uuid.into()));
        for bad in ["", "i-", "i-xyz", "i-123", "ami-00000000", "vol-0123456789abcdef0", "image:i-00000000"] {
            assert_eq!(read("i", Some("instance"), bad), Given::Bad, "{bad}");
        }
    }
}
