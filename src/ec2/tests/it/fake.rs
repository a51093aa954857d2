//! Native commands as a table of answers, and a log of what was asked.
use async_trait::async_trait;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stratus_ec2::Native;
use stratus_ec2::native::{Parameters, Permit};
use stratus_model::{Caller, Error, Kind, Result};

pub const VM: &str = "6f1b0c2e-8d3a-4b57-9e21-5a7c3d9e1f02";
pub const VM2: &str = "6f1b0c2e-8d3a-4b57-9e21-5a7c3d9e1f03";
pub const IMAGE: &str = "aaaaaaaa-0000-4000-8000-000000000001";
pub const GROUP: &str = "bbbbbbbb-0000-4000-8000-000000000001";
pub const VOLUME: &str = "cccccccc-0000-4000-8000-000000000001";

type Handler = Box<dyn Fn(&Parameters) -> Result<Value> + Send + Sync>;

#[derive(Default)]
pub struct Fake {
    answers: Mutex<BTreeMap<String, Handler>>,
    pub asked: Mutex<Vec<(String, Parameters)>>,
    pub keys: Mutex<BTreeMap<String, (Caller, String)>>,
    pub forbidden: Mutex<Vec<String>>,
}

impl Fake {
    /// What a command answers from now on.
    pub fn on(&self, command: &str, answer: impl Fn(&Parameters) -> Result<Value> + Send + Sync + 'static) {
        self.answers.lock().unwrap().insert(command.into(), Box::new(answer));
    }
    /// What a list shows: all of it, or the one with the `id` that is asked for.
    pub fn lists(&self, command: &str, object: &'static str, rows: Vec<Value>) {
        self.on(command, move |p| {
            let fits = |r: &&Value| p.get("id").is_none_or(|id| r["id"] == *id) && p.get("name").is_none_or(|n| r["name"] == *n);
            let rows: Vec<Value> = rows.iter().filter(fits).cloned().collect();
            let number = |name: &str| p.get(name).and_then(|n| n.parse::<usize>().ok());
            let size = number("pagesize").unwrap_or(usize::MAX);
            let page: Vec<Value> = rows.iter().skip((number("page").unwrap_or(1) - 1).saturating_mul(size)).take(size).cloned().collect();
            match (rows.is_empty(), p.get("id")) {
                (true, Some(id)) => Err(Error::not_found(Kind::Vm, id.clone())),
                (true, None) => Ok(json!({})),
                _ => Ok(json!({ "count": rows.len(), object: page })),
            }
        });
    }
    /// The parameters of every call of a command so far.
    pub fn calls(&self, command: &str) -> Vec<Parameters> {
        self.asked.lock().unwrap().iter().filter(|(c, _)| c == command).map(|(_, p)| p.clone()).collect()
    }
}

#[async_trait]
impl Native for Fake {
    async fn call(&self, _: &Arc<Caller>, command: &str, parameters: Parameters) -> Result<Value> {
        self.asked.lock().unwrap().push((command.into(), parameters.clone()));
        match self.answers.lock().unwrap().get(command) {
            Some(answer) => answer(&parameters),
            None => Err(Error::UnknownCommand(command.into())),
        }
    }
    async fn vms(&self, caller: &Arc<Caller>, uuids: &[String]) -> Result<Vec<Value>> {
        let mut found = Vec::new();
        for uuid in uuids {
            match self.call(caller, "listVirtualMachines", [("id".to_owned(), uuid.clone())].into()).await {
                Ok(answer) => found.extend(answer["virtualmachine"].as_array().cloned().unwrap_or_default()),
                Err(Error::NotFound { .. }) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(found)
    }
    async fn vm_page(&self, caller: &Arc<Caller>, first: u64, most: u64) -> Result<(Vec<Value>, u64)> {
        let page = [("page".to_owned(), (first / most + 1).to_string()), ("pagesize".to_owned(), most.to_string())];
        let answer = self.call(caller, "listVirtualMachines", page.into()).await?;
        Ok((answer["virtualmachine"].as_array().cloned().unwrap_or_default(), answer["count"].as_u64().unwrap_or(0)))
    }
    async fn key_lookup(&self, key: &str) -> Result<Option<(Caller, String)>> {
        Ok(self.keys.lock().unwrap().get(key).cloned())
    }
    fn permit(&self, _: &Caller, command: &str) -> Permit {
        if self.forbidden.lock().unwrap().iter().any(|c| c == command) { Permit::No } else { Permit::Yes }
    }
    async fn wait(&self, _: &str, _: Duration) -> Result<Value> {
        Ok(json!({ "success": true }))
    }
}

fn tag(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": value })
}

/// A VM as listVirtualMachines shows it.
pub fn vm(id: &str, name: &str, state: &str, tags: &[(&str, &str)]) -> Value {
    json!({
        "id": id, "name": name, "account": "admin", "created": "2013-01-01T02:00:00+0200", "state": state, "hypervisor": "Simulator",
        "templateid": IMAGE, "serviceofferingname": "m1.small", "zonename": "Zone 1", "keypair": "mine",
        "securitygroup": [{ "id": GROUP, "name": "web" }],
        "nic": [{ "ipaddress": "10.1.1.5", "macaddress": "06:00:00:00:00:01", "isdefault": true }],
        "tags": tags.iter().map(|(k, v)| tag(k, v)).collect::<Vec<_>>(),
    })
}

/// A small cloud.
pub fn populate(fake: &Fake) {
    let vms = vec![vm(VM, "one", "Running", &[("role", "web & <db>")]), vm(VM2, "two", "Stopped", &[])];
    fake.lists("listVirtualMachines", "virtualmachine", vms);
    fake.lists("listSSHKeyPairs", "keypair", vec![json!({ "name": "mine", "fingerprint": "00:11" })]);
    let zone = |name: &str, state: &str| json!({ "id": name, "name": name, "allocationstate": state, "networktype": "Basic" });
    fake.lists("listZones", "zone", vec![zone("Zone 1", "Enabled"), zone("Zone 2", "Disabled")]);
    fake.lists("listRegions", "region", vec![json!({ "id": 1, "name": "Local", "endpoint": "http://localhost:8080/client/api" })]);
    fake.lists(
        "listServiceOfferings",
        "serviceoffering",
        vec![json!({ "id": "small", "name": "m1.small", "cpunumber": 1, "memory": 1740 })],
    );
    let image = json!({
        "id": IMAGE, "name": "tiny Linux", "displaytext": "a small image", "created": "2013-01-01T00:00:00+0000", "isready": true,
        "ispublic": true, "isfeatured": true, "domain": "ROOT", "ostypename": "Other (64-bit)", "size": 2147483648_u64,
        "hypervisor": "Simulator", "templatetype": "BUILTIN", "tags": [],
    });
    fake.on("listTemplates", move |p| {
        let rows = if p["templatefilter"] == "executable" { vec![image.clone()] } else { Vec::new() };
        Ok(json!({ "count": rows.len(), "template": rows }))
    });
    let rule = |cidr: &str, port: i64| json!({ "ruleid": format!("rule-{port}"), "protocol": "tcp", "startport": port, "endport": port, "cidr": cidr });
    let group = json!({
        "id": GROUP, "name": "web", "description": "web & more", "account": "admin",
        "ingressrule": [rule("10.0.0.0/8", 22), rule("192.168.0.0/16", 22), rule("0.0.0.0/0", 80)], "egressrule": [], "tags": [],
    });
    fake.on("listSecurityGroups", move |p| {
        let fits = p.get("id").is_none_or(|id| id == GROUP) && p.get("securitygroupname").is_none_or(|n| n == "web");
        Ok(if fits { json!({ "count": 1, "securitygroup": [group.clone()] }) } else { json!({}) })
    });
    let volume = json!({
        "id": VOLUME, "name": "data", "state": "Ready", "size": 5368709120_u64, "zonename": "Zone 1", "type": "DATADISK",
        "created": "2013-01-01T00:00:00+0000", "tags": [],
    });
    fake.lists("listVolumes", "volume", vec![volume]);
    for command in ["startVirtualMachine", "stopVirtualMachine", "rebootVirtualMachine", "destroyVirtualMachine"] {
        fake.on(command, |_| Ok(json!({ "jobid": "job" })));
    }
}
