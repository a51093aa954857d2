//! A list: natives, joined, narrowed by ids and filters, paged, grouped.
use super::{broken, command, each, gather, mapped};
use crate::mapping::Ids;
use crate::{Cx, Fault, Names, Outcome, actions, filters, paging};
use serde_json::{Value, json};
use std::collections::HashSet;

/// Up to so many ids are asked for one by one; for more, everything is listed once.
const FEW: usize = 20;

pub async fn run(cx: &Cx) -> Outcome<Value> {
    let filters = filters::parse(&cx.input, cx.action, &cx.version)?;
    let page = paging::parse(cx)?;
    let wanted = wanted(cx).await?;
    if cx.input.flag("DryRun") {
        return Err(super::dry_run());
    }
    let records = fetch(cx, &wanted).await?;
    let records = gather(cx, records).await?;
    let mut records = narrow(cx, &wanted, records)?;
    // Known to be there, but not what this list is about.
    records.retain(|r| r.get("hidden") != Some(&Value::Bool(true)));
    let mut names = Names::default();
    names.learn(cx.engine(), filters::ids(&filters, cx.action, &records)).await?;
    let records = filters::keep(&filters, cx.action, &names, records);
    let (records, next) = page.cut(cx, records)?;
    let records = match &cx.action.group {
        Some(name) => actions::group(name).ok_or_else(|| broken(cx))?(records),
        None => records,
    };
    Ok(json!({ "all": records, "nexttoken": next }))
}

/// What one parameter of ids asks for.
struct Wanted {
    ids: &'static Ids,
    /// As given, and as the records have it.
    things: Vec<(String, String)>,
}

async fn wanted(cx: &Cx) -> Outcome<Vec<Wanted>> {
    let mut all = Vec::new();
    for ids in &cx.action.ids {
        let given = cx.input.list(&ids.parameter);
        if given.is_empty() {
            continue;
        }
        let keys = match &ids.kind {
            Some(kind) => cx.uuids(kind, &given).await?,
            None => given.iter().map(|g| (*g).to_owned()).collect(),
        };
        all.push(Wanted { ids, things: given.into_iter().map(str::to_owned).zip(keys).collect() });
    }
    Ok(all)
}

async fn fetch(cx: &Cx, wanted: &[Wanted]) -> Outcome<Vec<Value>> {
    let by_id = wanted.iter().find(|w| w.ids.native && w.things.len() <= FEW);
    let Some(few) = by_id else { return cx.list(command(cx)?, mapped(cx).await?).await };
    let command = command(cx)?;
    let mut seen = HashSet::new();
    let uuids: Vec<String> = few.things.iter().map(|(_, uuid)| uuid.clone()).filter(|uuid| seen.insert(uuid.clone())).collect();
    Ok(each(cx, command, &uuids).await?.into_iter().flatten().collect())
}

/// Leaves the things that were asked for; one that is not there fails the call.
fn narrow(cx: &Cx, wanted: &[Wanted], mut records: Vec<Value>) -> Outcome<Vec<Value>> {
    for Wanted { ids, things } in wanted {
        let keys: HashSet<&str> = things.iter().map(|(_, key)| key.as_str()).collect();
        records.retain(|r| r.get(&ids.field).and_then(Value::as_str).is_some_and(|key| keys.contains(key)));
        let found: HashSet<&str> = records.iter().filter_map(|r| r.get(&ids.field).and_then(Value::as_str)).collect();
        if let Some((given, _)) = things.iter().find(|(_, key)| !found.contains(key.as_str())) {
            return Err(match (&ids.kind, &ids.not_found) {
                (_, Some(code)) => Fault::new(code, format!("'{given}' does not exist")),
                (Some(kind), None) => cx.not_found(kind, given),
                (None, None) => Fault::invalid(&ids.parameter, format!("'{given}' does not exist")),
            });
        }
    }
    Ok(records)
}
