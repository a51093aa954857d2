//! Tags: pairs of key and value on things.
use crate::Engine;
use std::collections::HashMap;
use stratus_model::Result;
use stratus_store::{Query, Tag};

/// Narrows a query to things that have one of these tags; no tags, no narrowing.
pub fn tag_filter(q: Query, resource_type: &str, tags: &[(String, String)]) -> Query {
    if tags.is_empty() {
        return q;
    }
    let pairs = tags.iter().map(|(k, v)| Query::all().eq("tag_key", k).eq("tag_value", v));
    q.id_in::<Tag>("resource_id", Query::all().eq("resource_type", resource_type).any(pairs))
}

impl Engine {
    /// The tags of some things of one type, by the thing's key: one query a page.
    pub async fn tags_of(&self, resource_type: &str, ids: &[i64]) -> Result<HashMap<i64, Vec<Tag>>> {
        let mut by_thing: HashMap<i64, Vec<Tag>> = HashMap::new();
        for chunk in ids.chunks(1000) {
            let q = Query::all().eq("resource_type", resource_type).within("resource_id", chunk.iter().copied());
            for tag in self.db.find::<Tag>(q).await? {
                by_thing.entry(tag.resource_id).or_default().push(tag);
            }
        }
        Ok(by_thing)
    }
}
