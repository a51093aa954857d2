//! The ways in which an action is carried out; which one stands in its mapping.
mod change;
mod fixed;
mod list;

pub use list::Pieces;

use crate::cx::{object, pairs, text};
use crate::mapping::Run;
use crate::native::Parameters;
use crate::{Cx, Fault, Outcome, actions};
use futures::StreamExt;
use futures::future::BoxFuture;
use serde_json::Value;
use std::collections::HashMap;

/// Carries an action out; the record that its answer is read from.
pub async fn run(cx: &Cx) -> Outcome<Value> {
    match cx.action.run {
        Run::List => list::run(cx).await,
        Run::Call => call(cx).await,
        Run::Change => change::run(cx).await,
        Run::Fixed => fixed::run(cx).await,
        Run::Function => {
            let function = cx.action.function.as_deref().and_then(actions::function).ok_or_else(|| broken(cx))?;
            function(cx).await
        }
    }
}

/// What a mapping that names what is not there answers; a test sees to it that none does.
fn broken(cx: &Cx) -> Fault {
    Fault::new("InternalError", format!("the mapping of {} is incomplete", cx.action.name))
}

fn command(cx: &Cx) -> Outcome<&'static str> {
    cx.action.command.as_deref().ok_or_else(|| broken(cx))
}

/// The native parameters that a request's parameters become by the mapping alone.
async fn mapped(cx: &Cx) -> Outcome<Parameters> {
    let mut native = cx.action.native.clone();
    for parameter in &cx.action.request {
        let (Some(target), Some(value)) = (&parameter.native, cx.input.get(&parameter.name)) else { continue };
        let value = match parameter.id {
            Some(kind) => cx.uuid(kind, value).await?,
            None => value.to_owned(),
        };
        native.insert(target.clone(), value);
    }
    Ok(native)
}

async fn call(cx: &Cx) -> Outcome<Value> {
    let parameters = mapped(cx).await?;
    if cx.input.flag("DryRun") {
        return Err(dry_run());
    }
    let answer = cx.finish(command(cx)?, parameters, crate::PATIENCE).await?;
    let record = object(answer, cx.action.object.as_deref());
    Ok(gather(cx, vec![record]).await?.pop().unwrap_or_default())
}

async fn gather(cx: &Cx, records: Vec<Value>) -> Outcome<Vec<Value>> {
    match &cx.action.gather {
        None => Ok(records),
        Some(name) => actions::gather(name).ok_or_else(|| broken(cx))?(cx, records).await,
    }
}

/// The answer to a dry run that would have been carried out.
pub fn dry_run() -> Fault {
    Fault::new("DryRunOperation", "Request would have succeeded, but DryRun flag is set")
}

/// Does several things at once, but not all of them, and gives the outcomes in their order.
pub async fn together<T: Send>(work: Vec<BoxFuture<'_, T>>, at_once: usize) -> Vec<T> {
    futures::stream::iter(work).buffered(at_once).collect().await
}

/// Things by their uuids, each asked for by itself; `None` for one that is not there.
pub async fn each(cx: &Cx, command: &str, uuids: &[String]) -> Outcome<Vec<Option<Value>>> {
    if command == "listVirtualMachines" && uuids.len() > 1 {
        let mut found: HashMap<String, Value> = cx.vms(uuids).await?.into_iter().map(|v| (text(&v, "id").to_owned(), v)).collect();
        return Ok(uuids.iter().map(|uuid| found.remove(uuid)).collect());
    }
    let mut work: Vec<BoxFuture<'_, Outcome<Option<Value>>>> = Vec::with_capacity(uuids.len());
    for uuid in uuids {
        work.push(Box::pin(one(cx, command, uuid)));
    }
    together(work, 8).await.into_iter().collect()
}

/// One thing by its uuid, through the list that decides whether the caller may see it.
pub async fn one(cx: &Cx, command: &str, uuid: &str) -> Outcome<Option<Value>> {
    use stratus_model::Error;
    let mut parameters = pairs([("id", uuid)]);
    parameters.extend(cx.action.native.iter().map(|(n, v)| (n.clone(), v.clone())));
    match cx.door.native.call(&cx.caller, command, parameters).await {
        Ok(answer) => Ok(crate::cx::objects(answer).pop()),
        Err(Error::NotFound { .. } | Error::Denied(_) | Error::Invalid { .. }) => Ok(None),
        Err(e) => Err(cx.fault(e)),
    }
}
