use crate::mapping::{Action, Mappings};
use crate::native::Parameters;
use crate::{Door, Fault, Input, Outcome, Version, names};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use stratus_engine::Engine;
use stratus_model::{Caller, Error, Micros};

/// As many things as are asked for at once.
const MANY: usize = 500;

/// One call of an action: who asks, what, in which version.
pub struct Cx {
    /// The door.
    pub door: Arc<Door>,
    /// Who asks.
    pub caller: Arc<Caller>,
    /// What is asked.
    pub action: &'static Action,
    /// The parameters, checked.
    pub input: Input,
    /// The version asked.
    pub version: Version,
    /// The `Host` header.
    pub host: String,
}

impl Cx {
    /// The engine.
    pub fn engine(&self) -> &Arc<Engine> {
        &self.door.engine
    }
    /// The mappings.
    pub fn mappings(&self) -> &'static Mappings {
        self.door.mappings
    }
    /// Now.
    pub fn now(&self) -> Micros {
        self.engine().clock.now()
    }

    /// Runs a native command.
    pub async fn native(&self, command: &str, parameters: Parameters) -> Outcome<Value> {
        self.door.native.call(&self.caller, command, parameters).await.map_err(|e| self.fault(e))
    }
    /// A native error as this caller may see it: how full the cloud is, host by host, is for administrators.
    pub fn fault(&self, e: Error) -> Fault {
        let why = match &e {
            Error::NoCapacity(_) => "There is not enough capacity for the request",
            Error::NoAddress(_) => "There is no free address for the request",
            Error::Unavailable(_) => "A part of the cloud that the request needs is not available now",
            _ => return e.into(),
        };
        let fault = Fault::from(e);
        if self.caller.is_root() { fault } else { Fault { message: why.into(), ..fault } }
    }
    /// A call of the engine's own verbs, for what no native command does; the event is written as that command's.
    pub fn call(&self, command: &'static str, event: &'static str) -> stratus_engine::Call {
        stratus_engine::Call::new(self.engine().clone(), self.caller.clone(), command, Some(event))
    }
    /// Runs a native command with the parameters given in pairs.
    pub async fn say<const N: usize>(&self, command: &str, parameters: [(&str, &str); N]) -> Outcome<Value> {
        self.native(command, pairs(parameters)).await
    }
    /// Runs a native list command and gives all of what it lists.
    pub async fn list(&self, command: &str, mut parameters: Parameters) -> Outcome<Vec<Value>> {
        // Everything: EC2's own paging is over what is left after the filters.
        parameters.insert("pagesize".into(), "-1".into());
        Ok(objects(self.native(command, parameters).await?))
    }
    /// How many things one question may ask for.
    pub fn many(&self) -> usize {
        let most = self.engine().settings.number("default.page.size");
        usize::try_from(most).ok().filter(|n| *n > 0).unwrap_or(MANY).min(MANY)
    }
    /// A page of a native list (the first is 1), and how many things there are in all.
    pub async fn page(&self, command: &str, mut parameters: Parameters, page: u64, size: u64) -> Outcome<(Vec<Value>, u64)> {
        if command == "listVirtualMachines" && parameters.is_empty() {
            let found = self.door.native.vm_page(&self.caller, (page - 1) * size, size).await;
            return found.map_err(|e| self.fault(e));
        }
        parameters.insert("page".into(), page.to_string());
        parameters.insert("pagesize".into(), size.to_string());
        let answer = self.native(command, parameters).await?;
        let count = answer.get("count").and_then(Value::as_u64).unwrap_or(0);
        Ok((objects(answer), count))
    }
    /// VMs by uuid, as their list shows them; those that the caller may not see are left out.
    pub async fn vms(&self, uuids: &[String]) -> Outcome<Vec<Value>> {
        let mut found = Vec::with_capacity(uuids.len());
        for some in uuids.chunks(MANY) {
            found.extend(self.door.native.vms(&self.caller, some).await.map_err(|e| self.fault(e))?);
        }
        Ok(found)
    }
    /// Runs an asynchronous native command and waits for its end.
    pub async fn finish(&self, command: &str, parameters: Parameters, patience: Duration) -> Outcome<Value> {
        let begun = self.native(command, parameters).await?;
        match begun.get("jobid").and_then(Value::as_str) {
            Some(job) => self.door.native.wait(job, patience).await.map_err(|e| self.fault(e)),
            None => Ok(begun),
        }
    }

    /// The uuids that ids mean.
    pub async fn uuids(&self, kind: &str, given: &[&str]) -> Outcome<Vec<String>> {
        names::uuids(self.engine(), self.mappings(), kind, given).await
    }
    /// The uuid that an id means.
    pub async fn uuid(&self, kind: &str, given: &str) -> Outcome<String> {
        Ok(self.uuids(kind, &[given]).await?.pop().unwrap_or_default())
    }
    /// The error for an id that names nothing the caller has.
    pub fn not_found(&self, kind: &str, text: &str) -> Fault {
        names::not_found(self.mappings(), kind, text)
    }
    /// What a table of `tables.toml` says of a word.
    pub fn word(&self, table: &str, word: &str) -> String {
        self.mappings().tables.word(table, word).unwrap_or(word).to_owned()
    }

    /// Sets `ownerid`, the 12 digits of the account, on records that have `account` and `domainid`.
    pub async fn owners(&self, records: &mut [Value]) -> Outcome<()> {
        let wanted: HashSet<(String, String)> = records.iter().filter_map(owner_of).collect();
        let known: HashMap<_, _> = self.engine().ec2_owners(&wanted).await?;
        let own = self.engine().ec2_owner_of(self.caller.account_id).await?;
        for record in records {
            let number = owner_of(record).map_or(Some(&own), |pair| known.get(&pair));
            set(record, "ownerid", number.cloned().map_or(Value::Null, Value::from));
        }
        Ok(())
    }
}

fn owner_of(record: &Value) -> Option<(String, String)> {
    Some((record.get("account")?.as_str()?.to_owned(), record.get("domainid")?.as_str()?.to_owned()))
}

/// Parameters from pairs.
pub fn pairs<const N: usize>(given: [(&str, &str); N]) -> Parameters {
    given.into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
}

/// What a native list answer lists: the one list beside `count`.
pub fn objects(answer: Value) -> Vec<Value> {
    let Value::Object(map) = answer else { return Vec::new() };
    let list = map.into_iter().find_map(|(key, value)| match value {
        Value::Array(items) if key != "count" => Some(items),
        _ => None,
    });
    list.unwrap_or_default()
}

/// The object of a native answer: `{"keypair":{..}}` or the answer itself.
pub fn object(answer: Value, key: Option<&str>) -> Value {
    match answer {
        Value::Object(mut map) => match key.and_then(|k| map.remove(k)) {
            Some(inner) => inner,
            None => Value::Object(map),
        },
        other => other,
    }
}

/// Sets a field of a record.
pub fn set(record: &mut Value, field: &str, value: impl Into<Value>) {
    if let Value::Object(map) = record {
        map.insert(field.to_owned(), value.into());
    }
}

/// A text field of a record, empty when it has none.
pub fn text<'v>(record: &'v Value, field: &str) -> &'v str {
    record.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// A number of a record, whether it is written as a number or as a text.
pub fn number(record: &Value, field: &str) -> Option<i64> {
    let value = record.get(field)?;
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}
