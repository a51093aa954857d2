//! Tags. The prefix of an id says what kind of thing it tags.
use crate::cx::{pairs, set, text};
use crate::native::Parameters;
use crate::run::dry_run;
use crate::{Cx, Fault, Outcome, PATIENCE, names};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The longest key and value.
const KEY: usize = 127;
const VALUE: usize = 255;

/// A tag as given; a value that was not given is not an empty one.
struct Given {
    key: String,
    value: Option<String>,
}

fn given(cx: &Cx, prefix: &str) -> Outcome<Vec<Given>> {
    let mut all = Vec::new();
    for i in cx.input.indexes(prefix) {
        let key = cx.input.require(&format!("{prefix}.{i}.Key"))?.to_owned();
        let value = cx.input.get(&format!("{prefix}.{i}.Value")).map(str::to_owned);
        if key.to_lowercase().starts_with("aws:") {
            return Err(Fault::invalid("Tag", "keys that begin with aws: are reserved"));
        }
        if key.chars().count() > KEY || value.as_ref().is_some_and(|v| v.chars().count() > VALUE) {
            return Err(Fault::invalid("Tag", format!("a key has at most {KEY} characters, a value {VALUE}")));
        }
        all.push(Given { key, value });
    }
    Ok(all)
}

/// The things that a request tags, by native resource type.
async fn things(cx: &Cx) -> Outcome<BTreeMap<String, Vec<String>>> {
    let mut by: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for text in cx.input.list("ResourceId") {
        let unknown = || Fault::new("InvalidID", format!("The ID '{text}' is not valid"));
        let kind = names::kind_of(cx.mappings(), text).ok_or_else(unknown)?;
        let tagged = cx.mappings().tables.kind(kind).and_then(|k| k.tagged.clone());
        let tagged = tagged.ok_or_else(|| Fault::unsupported(format!("'{text}' cannot be tagged in this cloud")))?;
        by.entry(tagged).or_default().push(cx.uuid(kind, text).await?);
    }
    Ok(by)
}

/// `CreateTags`: a key that is there gets the new value.
pub async fn create(cx: &Cx) -> Outcome<Value> {
    let tags = given(cx, "Tag")?;
    if tags.is_empty() {
        return Err(Fault::missing("Tag"));
    }
    let things = things(cx).await?;
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    for (kind, uuids) in &things {
        put(cx, kind, uuids, &tags).await?;
    }
    Ok(json!({}))
}

async fn put(cx: &Cx, kind: &str, uuids: &[String], tags: &[Given]) -> Outcome<()> {
    // The native command refuses a key that is there.
    for uuid in uuids {
        let old = cx.list("listTags", pairs([("resourcetype", kind), ("resourceid", uuid)])).await?;
        let again: Vec<&Given> = tags.iter().filter(|t| old.iter().any(|o| text(o, "key") == t.key)).collect();
        if !again.is_empty() {
            let mut parameters = pairs([("resourcetype", kind), ("resourceids", uuid)]);
            for (i, tag) in again.iter().enumerate() {
                parameters.insert(format!("tags[{i}].key"), tag.key.clone());
            }
            cx.finish("deleteTags", parameters, PATIENCE).await?;
        }
    }
    let mut parameters = pairs([("resourcetype", kind), ("resourceids", &uuids.join(","))]);
    for (i, tag) in tags.iter().enumerate() {
        parameters.insert(format!("tags[{i}].key"), tag.key.clone());
        parameters.insert(format!("tags[{i}].value"), tag.value.clone().unwrap_or_default());
    }
    cx.finish("createTags", parameters, PATIENCE).await.map(drop)
}

/// `DeleteTags`: without a value whatever the value, with one only that; a tag that is not there counts as deleted.
pub async fn delete(cx: &Cx) -> Outcome<Value> {
    let tags = given(cx, "Tag")?;
    let things = things(cx).await?;
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    for (kind, uuids) in &things {
        for uuid in uuids {
            let old = cx.list("listTags", pairs([("resourcetype", kind), ("resourceid", uuid)])).await?;
            let goes = |o: &&Value| {
                let fits = |t: &Given| t.key == text(o, "key") && t.value.as_ref().is_none_or(|v| v == text(o, "value"));
                tags.is_empty() || tags.iter().any(fits)
            };
            let mut parameters: Parameters = pairs([("resourcetype", kind), ("resourceids", uuid)]);
            let gone: Vec<&Value> = old.iter().filter(goes).collect();
            for (i, tag) in gone.iter().enumerate() {
                parameters.insert(format!("tags[{i}].key"), text(tag, "key").to_owned());
            }
            if !gone.is_empty() {
                cx.finish("deleteTags", parameters, PATIENCE).await?;
            }
        }
    }
    Ok(json!({}))
}

/// Tags with the id and kind of the thing they are on; those on things that EC2 does not show are hidden.
pub async fn gather(cx: &Cx, mut records: Vec<Value>) -> Outcome<Vec<Value>> {
    for kind in cx.mappings().tables.kinds() {
        let Some(native) = kind.tagged.as_deref() else { continue };
        let of_kind: Vec<&mut Value> = records.iter_mut().filter(|r| text(r, "resourcetype") == native).collect();
        let uuids: Vec<String> = of_kind.iter().map(|r| text(r, "resourceid").to_owned()).collect();
        let ids = cx.engine().ec2_ids(kind.prefix, &uuids).await?;
        for record in of_kind {
            let id = ids.get(text(record, "resourceid")).cloned();
            set(record, "ec2id", id);
            set(record, "word", kind.word.clone());
            // So that `tag:<key>` filters read it as they read other things' tags.
            let tag = json!([{ "key": text(record, "key"), "value": text(record, "value") }]);
            set(record, "tags", tag);
        }
    }
    for record in records.iter_mut().filter(|r| r.get("ec2id").is_none()) {
        set(record, "hidden", true);
    }
    Ok(records)
}

/// Tags that a launch gives to what it makes: `TagSpecification.N` of one resource type.
pub async fn of_launch(cx: &Cx, word: &str, kind: &str, uuids: &[String]) -> Outcome<()> {
    for i in cx.input.indexes("TagSpecification") {
        let prefix = format!("TagSpecification.{i}");
        if cx.input.get(&format!("{prefix}.ResourceType")) == Some(word) {
            let tags = given(cx, &format!("{prefix}.Tag"))?;
            if !tags.is_empty() && !uuids.is_empty() {
                put(cx, kind, uuids, &tags).await?;
            }
        }
    }
    Ok(())
}

/// Refuses tags that cannot be, before anything is made.
pub fn check_launch(cx: &Cx, words: &[&str]) -> Outcome<()> {
    for i in cx.input.indexes("TagSpecification") {
        let prefix = format!("TagSpecification.{i}");
        let word = cx.input.require(&format!("{prefix}.ResourceType"))?;
        if !words.contains(&word) {
            return Err(Fault::unsupported(format!("Tags on a {word} cannot be given here")));
        }
        given(cx, &format!("{prefix}.Tag"))?;
    }
    Ok(())
}
