//! A change of state: each thing is looked at, all are judged, and only then the command goes out for each; nobody waits for the jobs.
use super::{broken, command, dry_run, each, mapped, together};
use crate::actions::instances;
use crate::cx::{set, text};
use crate::mapping::Deed;
use crate::{Cx, Fault, Outcome};
use futures::future::BoxFuture;
use serde_json::{Value, json};
use std::collections::HashSet;

pub async fn run(cx: &Cx) -> Outcome<Value> {
    let ids = cx.action.ids.first().ok_or_else(|| broken(cx))?;
    let given = cx.input.list(&ids.parameter);
    let uuids = cx.uuids(ids.kind.as_deref().unwrap_or("i"), &given).await?;
    let mut seen = HashSet::new();
    let uuids: Vec<(String, String)> =
        given.iter().map(|g| (*g).to_owned()).zip(uuids).filter(|(_, uuid)| seen.insert(uuid.clone())).collect();
    let things = look(cx, &uuids).await?;
    let deeds = things.iter().map(|thing| judge(cx, thing)).collect::<Outcome<Vec<Deed>>>()?;
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    let native = mapped(cx).await?;
    let command = command(cx)?;
    let mut work: Vec<BoxFuture<'_, Outcome<Value>>> = Vec::new();
    for (thing, deed) in things.iter().zip(&deeds) {
        if *deed == Deed::Call {
            let mut parameters = native.clone();
            parameters.insert("id".into(), text(thing, "id").to_owned());
            work.push(Box::pin(cx.native(command, parameters)));
        }
    }
    let ends = together(work, 16).await;
    // All were tried; the first failure is the answer.
    ends.into_iter().collect::<Outcome<Vec<Value>>>()?;
    let changed = things.into_iter().zip(deeds).map(|(mut thing, deed)| {
        let before = text(&thing, "ec2state").to_owned();
        let after = match (&cx.action.becomes, deed) {
            (Some(becomes), Deed::Call) => becomes.clone(),
            _ => before.clone(),
        };
        set(&mut thing, "previousstate", before);
        set(&mut thing, "currentstate", after);
        thing
    });
    Ok(json!({ "all": changed.collect::<Vec<Value>>() }))
}

async fn look(cx: &Cx, given: &[(String, String)]) -> Outcome<Vec<Value>> {
    let uuids: Vec<String> = given.iter().map(|(_, uuid)| uuid.clone()).collect();
    let mut things = Vec::with_capacity(given.len());
    let mut gone = None;
    for ((text, uuid), found) in given.iter().zip(each(cx, "listVirtualMachines", &uuids).await?) {
        if found.is_none() && gone.is_none() {
            gone = Some(instances::gone(cx).await?);
        }
        let found = found.or_else(|| gone.iter().flatten().find(|g| crate::cx::text(g, "id") == uuid).cloned());
        things.push(found.ok_or_else(|| cx.not_found("i", text))?);
    }
    instances::gather(cx, things).await
}

fn judge(cx: &Cx, thing: &Value) -> Outcome<Deed> {
    let state = text(thing, "ec2state");
    match cx.action.from.get(state).copied().unwrap_or(Deed::Refuse) {
        Deed::Refuse => {
            let why = format!("The instance is {state}; {} is not possible now", cx.action.name);
            Err(Fault::new("IncorrectInstanceState", why))
        }
        Deed::Call => guarded(cx, thing).map(|()| Deed::Call),
        deed => Ok(deed),
    }
}

/// Refuses what an attribute of the instance forbids.
fn guarded(cx: &Cx, thing: &Value) -> Outcome<()> {
    let Some(guard) = &cx.action.guard else { return Ok(()) };
    if instances::attribute(thing, &guard.attribute) != Some("true") {
        return Ok(());
    }
    let why = format!("The instance may not be changed so: its attribute '{}' is true; modify it first", guard.attribute);
    Err(Fault::new(&guard.code, why))
}
