//! What this cloud has none of: the request is judged like any other, and then the mapping's constants and empty lists are the answer.
use crate::{Cx, Fault, Outcome, filters, paging};
use serde_json::{Value, json};

pub async fn run(cx: &Cx) -> Outcome<Value> {
    filters::parse(&cx.input, cx.action, &cx.version)?;
    paging::parse(cx)?;
    for ids in &cx.action.ids {
        let given = cx.input.list(&ids.parameter);
        if let Some(kind) = &ids.kind {
            cx.uuids(kind, &given).await?;
        }
        if let Some(first) = given.first() {
            let code = ids.not_found.as_deref().unwrap_or("InvalidParameterValue");
            return Err(Fault::new(code, format!("'{first}' does not exist")));
        }
    }
    if cx.input.flag("DryRun") {
        return Err(super::dry_run());
    }
    // Two lists: `all` is empty, `one` has a single record for what is answered once.
    Ok(json!({ "all": Vec::<Value>::new(), "one": [{}] }))
}
