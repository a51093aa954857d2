//! `listApis`: the declarations as the caller's client reads them. CloudMonkey, Marvin and the console build themselves from this.
use crate::declare::{FieldMeta, Meta};
use crate::registry::Registry;
use serde_json::{Map, Value, json};
use stratus_model::{Caller, Error, Result};

impl Registry {
    /// The answer of `listApis` for a caller; `name` for one command only.
    pub fn discover(&self, caller: &Caller, name: Option<&str>) -> Result<Vec<Value>> {
        let shown: Vec<Value> =
            self.all().filter(|m| name.is_none_or(|n| n == m.name) && self.has(caller, m.name)).map(|m| self.describe(m)).collect();
        match (name, shown.is_empty()) {
            (Some(n), true) => Err(Error::invalid("name", format!("there is no API named {n}"))),
            _ => Ok(shown),
        }
    }

    fn describe(&self, m: &Meta) -> Value {
        let params: Vec<Value> = (m.parameters)().iter().map(|p| parameter(p, &self.related(m, p.name))).collect();
        let mut api = Map::new();
        api.insert("name".into(), m.name.into());
        api.insert("description".into(), m.description.into());
        if let Some(since) = m.since {
            api.insert("since".into(), since.into());
        }
        api.insert("isasync".into(), m.job.is_some().into());
        api.insert("related".into(), self.related(m, "").into());
        api.insert("params".into(), params.into());
        api.insert("response".into(), response(m).into());
        Value::Object(api)
    }

    /// Commands that answer with the same kind of thing.
    fn related(&self, m: &Meta, parameter: &str) -> String {
        let Some(answer) = m.answer.filter(|_| parameter.is_empty() || parameter == "id") else { return String::new() };
        self.all().filter(|o| o.answer == Some(answer) && o.name != m.name).map(|o| o.name).collect::<Vec<_>>().join(",")
    }
}

fn parameter(p: &crate::declare::ParamMeta, related: &str) -> Value {
    let mut v = json!({ "name": p.name, "description": p.description, "type": p.kind, "length": p.length, "required": p.required });
    if let (Some(since), Value::Object(map)) = (p.since, &mut v) {
        map.insert("since".into(), since.into());
    }
    if let (true, Value::Object(map)) = (p.kind == "uuid", &mut v) {
        map.insert("related".into(), related.into());
    }
    v
}

fn response(m: &Meta) -> Vec<Value> {
    match m.response {
        Some(fields) => fields().iter().map(|f| field(f, 0)).collect(),
        None => vec![
            json!({ "name": "success", "description": "true if the operation was executed", "type": "boolean" }),
            json!({ "name": "displaytext", "description": "any text associated with the success or failure", "type": "string" }),
        ],
    }
}

fn field(f: &FieldMeta, depth: usize) -> Value {
    let mut v = json!({ "name": f.name, "description": f.description, "type": f.kind });
    let nested = if depth < 3 { (f.fields)() } else { Vec::new() };
    if let (false, Value::Object(map)) = (nested.is_empty(), &mut v) {
        map.insert("response".into(), nested.iter().map(|n| field(n, depth + 1)).collect::<Vec<_>>().into());
    }
    v
}
