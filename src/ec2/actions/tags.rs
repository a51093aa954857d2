//! Tags. The prefix of an id says what kind of thing it tags.
use crate::cx::{pairs, set, text};
use crate::native::Parameters;
use crate::run::{dry_run, one};
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

/// Tags of one thing at most.
const MOST: usize = 50;

/// The things that a request tags, by the prefix of their ids.
async fn things(cx: &Cx) -> Outcome<BTreeMap<&'static str, Vec<String>>> {
    let mut by: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    for text in cx.input.list("ResourceId") {
        let unknown = || Fault::new("InvalidID", format!("The ID '{text}' is not valid"));
        let kind = names::kind_of(cx.mappings(), text).ok_or_else(unknown)?;
        let uuid = cx.uuid(kind, text).await?;
        match native(cx, kind) {
            Some(_) => {}
            None if OWN_KINDS.contains(&kind) => {
                let there = own_things(cx, kind).await?;
                there.iter().find(|u| **u == uuid).ok_or_else(|| cx.not_found(kind, text))?;
            }
            None => return Err(Fault::unsupported(format!("'{text}' cannot be tagged in this cloud"))),
        }
        by.entry(kind).or_default().push(uuid);
    }
    Ok(by)
}

/// The word for a rule of a security group.
pub const RULE: &str = "security-group-rule";

/// The kinds that have no tags natively: they are kept by this door. Key pairs, rules of groups, and what the account's one VPC has once.
const OWN_KINDS: &[&str] = &[KEY_PAIR, "sgr", "vpc", "igw", "rtb", "acl", "dopt"];
const KEY_PAIR: &str = "key";

/// The uuids of the caller's things of a kind whose tags are kept here.
async fn own_things(cx: &Cx, kind: &str) -> Outcome<Vec<String>> {
    match kind {
        KEY_PAIR => Ok(cx.engine().ec2_keypairs(cx.caller.account_id).await?.into_iter().map(|k| k.uuid).collect()),
        "sgr" => super::groups::rule_uuids(cx).await,
        _ => Ok(vec![super::vpc::vpc(cx).to_owned()]),
    }
}
/// What the attribute of such a tag begins with.
const OWN: &str = "tag:";

/// The native resource type of a kind's tags.
fn native(cx: &Cx, kind: &str) -> Option<String> {
    cx.mappings().tables.kind(kind).and_then(|k| k.tagged.clone())
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
    let Some(kind) = native(cx, kind) else { return put_own(cx, kind, uuids, tags).await };
    let kind = kind.as_str();
    // The native command refuses a key that is there.
    for uuid in uuids {
        let old = cx.list("listTags", pairs([("resourcetype", kind), ("resourceid", uuid)])).await?;
        let again: Vec<&Given> = tags.iter().filter(|t| old.iter().any(|o| text(o, "key") == t.key)).collect();
        room(old.len() - again.len() + tags.len())?;
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

async fn put_own(cx: &Cx, kind: &str, uuids: &[String], tags: &[Given]) -> Outcome<()> {
    let old = cx.engine().ec2_attributes(kind, uuids).await?;
    let names: Vec<String> = tags.iter().map(|t| format!("{OWN}{}", t.key)).collect();
    for uuid in uuids {
        let there = old.get(uuid).into_iter().flat_map(|all| all.keys()).filter(|n| n.starts_with(OWN) && !names.contains(n)).count();
        room(there + tags.len())?;
    }
    let set: Vec<(&str, Option<&str>)> =
        names.iter().zip(tags).map(|(name, tag)| (name.as_str(), Some(tag.value.as_deref().unwrap_or_default()))).collect();
    Ok(cx.engine().ec2_attributes_set(kind, uuids, &set).await?)
}

fn room(tags: usize) -> Outcome<()> {
    match tags > MOST {
        true => Err(Fault::new("TagLimitExceeded", format!("A resource has {MOST} tags at most"))),
        false => Ok(()),
    }
}

async fn delete_own(cx: &Cx, kind: &str, uuids: &[String], tags: &[Given]) -> Outcome<()> {
    for (uuid, attributes) in cx.engine().ec2_attributes(kind, uuids).await? {
        let fits = |t: &Given, key: &str, value: &String| t.key == key && t.value.as_ref().is_none_or(|v| v == value);
        let goes = |(name, value): (&String, &String)| {
            let key = name.strip_prefix(OWN)?;
            (tags.is_empty() || tags.iter().any(|t| fits(t, key, value))).then(|| name.clone())
        };
        let gone: Vec<String> = attributes.iter().filter_map(goes).collect();
        let set: Vec<(&str, Option<&str>)> = gone.iter().map(|name| (name.as_str(), None)).collect();
        cx.engine().ec2_attributes_set(kind, &[uuid], &set).await?;
    }
    Ok(())
}

/// The tags that this door keeps itself of things, by uuid, as native records have them.
pub async fn own(cx: &Cx, kind: &str, uuids: &[String]) -> Outcome<BTreeMap<String, Vec<Value>>> {
    let mut all = BTreeMap::new();
    for (uuid, attributes) in cx.engine().ec2_attributes(kind, uuids).await? {
        let tag = |(name, value): (&String, &String)| Some((name.strip_prefix(OWN)?.to_owned(), value.clone()));
        let tags: BTreeMap<String, String> = attributes.iter().filter_map(tag).collect();
        all.insert(uuid, tags.into_iter().map(|(key, value)| json!({ "key": key, "value": value })).collect());
    }
    Ok(all)
}

/// Refuses things that the caller does not see: without a tag to delete no native command would.
async fn visible(cx: &Cx) -> Outcome<()> {
    for text in cx.input.list("ResourceId") {
        let Some(kind) = names::kind_of(cx.mappings(), text) else { continue };
        let uuid = cx.uuid(kind, text).await?;
        let list = match kind {
            "i" => "listVirtualMachines",
            "vol" => "listVolumes",
            "snap" => "listSnapshots",
            "sg" => "listSecurityGroups",
            "eipalloc" => "listPublicIpAddresses",
            "subnet" => "listNetworks",
            "ami" => {
                super::image_attribute::find(cx, text).await?.ok_or_else(|| cx.not_found(kind, text))?;
                continue;
            }
            "eni" => {
                let vm = cx.engine().ec2_nic_vm(&uuid).await?.ok_or_else(|| cx.not_found(kind, text))?;
                one(cx, "listVirtualMachines", &vm).await?.ok_or_else(|| cx.not_found(kind, text))?;
                continue;
            }
            _ => continue,
        };
        one(cx, list, &uuid).await?.ok_or_else(|| cx.not_found(kind, text))?;
    }
    Ok(())
}

/// `DeleteTags`: without a value whatever the value, with one only that; a tag that is not there counts as deleted.
pub async fn delete(cx: &Cx) -> Outcome<Value> {
    let tags = given(cx, "Tag")?;
    let things = things(cx).await?;
    visible(cx).await?;
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    for (kind, uuids) in &things {
        let Some(kind) = native(cx, kind) else {
            delete_own(cx, kind, uuids, &tags).await?;
            continue;
        };
        let kind = kind.as_str();
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
    for kind in OWN_KINDS {
        let things = own_things(cx, kind).await?;
        let word = cx.mappings().tables.kind(kind).and_then(|k| k.word.clone());
        for (uuid, tags) in own(cx, kind, &things).await? {
            let ids = cx.engine().ec2_ids(kind, std::slice::from_ref(&uuid)).await?;
            for tag in tags {
                records.push(json!({ "ec2id": ids.get(&uuid), "word": word, "key": tag["key"], "value": tag["value"], "tags": [tag] }));
            }
        }
    }
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

/// Gives a new thing the tags of another, as native records have them.
pub async fn give(cx: &Cx, kind: &str, uuid: &str, tags: &[Value]) -> Outcome<()> {
    let tags: Vec<Given> = tags.iter().map(|t| Given { key: text(t, "key").into(), value: Some(text(t, "value").into()) }).collect();
    match tags.is_empty() {
        true => Ok(()),
        false => put(cx, kind, &[uuid.to_owned()], &tags).await,
    }
}

/// Tags that a creation gives to what it makes: `TagSpecification.N` of one resource type, by its word.
pub async fn of_launch(cx: &Cx, word: &str, uuids: &[String]) -> Outcome<()> {
    let kind = cx.mappings().tables.kinds().find(|k| k.word.as_deref() == Some(word)).map_or("", |k| k.prefix);
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
            return Err(Fault::invalid("TagSpecification", format!("'{word}' is not a resource that {} tags", cx.action.name)));
        }
        let tags = given(cx, &format!("{prefix}.Tag"))?;
        room(tags.len())?;
        // Told now, not when the thing is made and its tags are refused.
        if !matches!(word, "key-pair" | RULE) && tags.iter().any(|t| t.value.as_deref().unwrap_or_default().is_empty()) {
            return Err(Fault::invalid("TagSpecification", "a tag needs a value in this cloud"));
        }
    }
    Ok(())
}

/// A new thing with the tags that its request gave it.
pub fn shown(cx: &Cx, mut record: Value) -> Outcome<Value> {
    let mut all = Vec::new();
    for i in cx.input.indexes("TagSpecification") {
        let tags = given(cx, &format!("TagSpecification.{i}.Tag"))?;
        all.extend(tags.into_iter().map(|t| json!({ "key": t.key, "value": t.value.unwrap_or_default() })));
    }
    set(&mut record, "tags", all);
    Ok(record)
}
