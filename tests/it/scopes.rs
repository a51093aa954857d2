//! Who sees what: every list command, by callers of each role, for their own and others' things, over a tree of three levels.
//!
//! The commands are read from the declarations, so a new list is probed without a line here. What each caller sees stands in
//! `scopes.txt`; beside it holds, whatever that file says, that nobody sees a thing of an account outside its reach.
use crate::it::cloud::TestCloud;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;
use stratus_model::{Caller, Source};
use stratus_store::{Query, User, Vm, Volume};

/// Accounts: name, type, domain.
const ACCOUNTS: [(&str, &str, &str); 6] =
    [("da", "2", "a"), ("ua", "0", "a"), ("db", "2", "b"), ("ub", "0", "b"), ("vb", "0", "b"), ("uc", "0", "c")];
/// Whose things each caller may see at most; `*` for everybody's.
const REACH: [(&str, &[&str]); 6] = [
    ("admin", &["*"]),
    ("da", &["da", "ua", "db", "ub", "vb", "project"]),
    ("ua", &["ua"]),
    ("db", &["db", "ub", "vb", "project"]),
    ("ub", &["ub", "project"]),
    ("uc", &["uc"]),
];
/// Parameters that a list needs before it answers.
const NEEDED: [(&str, &str); 2] = [("templatefilter", "self"), ("isofilter", "self")];
/// Lists that show more than things of accounts: what is shared with everybody, and what others did to one's domain.
const PUBLIC: [&str; 3] = ["listTemplates", "listIsos", "listEvents"];

struct World {
    cloud: TestCloud,
    callers: BTreeMap<&'static str, Arc<Caller>>,
    domains: BTreeMap<&'static str, String>,
    project: String,
}

impl World {
    async fn new() -> Self {
        let cloud = TestCloud::new(false, stratus::simulate::BUILT_IN).await.unwrap();
        let mut domains = BTreeMap::new();
        for (name, parent) in [("a", None), ("b", Some("a")), ("c", None)] {
            let above: Option<String> = parent.and_then(|p: &str| domains.get(p).cloned());
            let mut params = vec![("name", name)];
            params.extend(above.as_deref().map(|p| ("parentdomainid", p)));
            let made = cloud.ask("createDomain", &params).await;
            domains.insert(name, made["domain"]["id"].as_str().unwrap().to_owned());
        }
        let mut callers = BTreeMap::from([("admin", cloud.admin.clone())]);
        for (name, kind, domain) in ACCOUNTS {
            let who = [("username", name), ("accounttype", kind), ("domainid", &*domains[domain]), ("email", "a@example.com")];
            cloud.ask("createAccount", &[&who[..], &[("password", "p"), ("firstname", "A"), ("lastname", "B")]].concat()).await;
            let user = cloud.engine.db.find_one::<User>(Query::live().eq("username", name)).await.unwrap().unwrap();
            callers.insert(name, Arc::new(cloud.engine.caller_of(&user, Source::Key).await.unwrap()));
        }
        let made = cloud.try_as(&callers["ub"], "createProject", &[("name", "project"), ("displaytext", "x")]).await.unwrap();
        let project = made["project"]["id"].as_str().unwrap().to_owned();
        let world = Self { cloud, callers, domains, project };
        for name in world.callers.keys() {
            world.furnish(name, &[]).await;
        }
        world.furnish("ub", &[("projectid", &world.project)]).await;
        world.cloud.idle().await;
        world
    }

    /// One of everything that accounts own.
    async fn furnish(&self, name: &str, owner: &[(&str, &str)]) {
        let c = &self.cloud;
        let by = &self.callers[name];
        let vm = c.try_deploy(by, owner).await.unwrap()["virtualmachine"]["id"].as_str().unwrap().to_owned();
        let offering = c.first("listDiskOfferings", "diskoffering", &[("name", "Small")]).await;
        let volume = [("name", "data"), ("diskofferingid", &*offering), ("zoneid", &*c.zone)];
        for (command, params) in [
            ("createVolume", &volume[..]),
            ("createSSHKeyPair", &[("name", "key")]),
            ("createSecurityGroup", &[("name", "web")]),
            ("createTags", &[("resourcetype", "UserVm"), ("resourceids", &vm), ("tags[0].key", "k"), ("tags[0].value", "v")]),
        ] {
            let owner = if command == "createTags" { &[] } else { owner };
            c.try_as(by, command, &[params, owner].concat()).await.unwrap_or_else(|e| panic!("{command} by {name}: {e}"));
        }
    }

    /// How a list is asked: a word for the file, and the parameters that say it.
    fn ways(&self) -> Vec<(String, Vec<(&str, String)>)> {
        let mut ways = vec![
            ("own".to_owned(), vec![]),
            ("all".to_owned(), vec![("listall", "true".to_owned())]),
            ("project".to_owned(), vec![("projectid", self.project.clone())]),
            ("projects".to_owned(), vec![("projectid", "-1".to_owned())]),
        ];
        for (name, id) in &self.domains {
            ways.push((format!("domain {name}"), vec![("domainid", id.clone())]));
        }
        ways.push(("below a".to_owned(), vec![("domainid", self.domains["a"].clone()), ("isrecursive", "true".to_owned())]));
        for (name, _, domain) in ACCOUNTS {
            let params = vec![("account", name.to_owned()), ("domainid", self.domains[domain].clone())];
            ways.push((format!("account {name}"), params));
        }
        ways
    }
}

/// Whose a row is: an account's name, `project`, or nothing where the answer does not say.
fn owner_of(row: &Value) -> Option<String> {
    match (row["project"].as_str(), row["account"].as_str()) {
        (Some(_), _) => Some("project".into()),
        (None, Some(a)) => Some(a.to_owned()),
        _ => None,
    }
}

/// The rows of a list's answer.
fn rows(answer: &Value) -> Vec<Value> {
    answer.as_object().into_iter().flat_map(|o| o.values()).find_map(Value::as_array).cloned().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_list_shows_each_caller_its_own_reach() {
    let world = World::new().await;
    let apis = world.cloud.registry.discover(&world.cloud.admin, None).unwrap();
    let mut text = String::new();
    let mut leaks = Vec::new();
    // What lists need that are about one thing: a thing of ub's.
    let of_ub = Query::live().eq("account_id", world.callers["ub"].account_id);
    let vm = world.cloud.engine.db.find_one::<Vm>(of_ub.clone()).await.unwrap().unwrap().uuid;
    let volume = world.cloud.engine.db.find_one::<Volume>(of_ub).await.unwrap().unwrap().uuid;
    let things = [("virtualmachineid", vm.as_str()), ("volumeid", volume.as_str())];
    for api in apis.iter().filter(|a| a["name"].as_str().is_some_and(|n| n.starts_with("list") && n != "listApis")) {
        let name = api["name"].as_str().unwrap();
        let takes = |p: &str| api["params"].as_array().unwrap().iter().any(|a| a["name"] == p);
        let required: Vec<&str> =
            api["params"].as_array().unwrap().iter().filter(|p| p["required"] == true).map(|p| p["name"].as_str().unwrap()).collect();
        let needed = things.into_iter().filter(|(p, _)| required.contains(p));
        let given: Vec<(&str, &str)> = NEEDED.into_iter().filter(|(p, _)| takes(p)).chain(needed).collect();
        if required.iter().any(|r| !given.iter().any(|(g, _)| g == r) && *r != "projectid") {
            let _ = writeln!(text, "{name}: needs {}", required.join(", "));
            continue;
        }
        for (way, params) in world.ways() {
            if !params.iter().all(|(p, _)| takes(p)) || required.contains(&"projectid") && !params.iter().any(|(p, _)| *p == "projectid") {
                continue;
            }
            let mut params: Vec<(&str, &str)> = params.iter().map(|(k, v)| (*k, v.as_str())).collect();
            params.extend(&given);
            let mut seen = Vec::new();
            for (caller, reach) in REACH {
                seen.push(format!("{caller}: {}", look(&world, name, caller, reach, &params, &mut leaks).await));
            }
            let _ = writeln!(text, "{name} {way} | {}", seen.join(" | "));
        }
    }
    assert!(leaks.is_empty(), "{leaks:#?}");
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/scopes.txt");
    if std::env::var_os("STRATUS_GOLDEN").is_some() {
        std::fs::write(file, &text).unwrap();
    }
    let wanted = std::fs::read_to_string(file).unwrap_or_default();
    let (new, old): (Vec<&str>, Vec<&str>) = (text.lines().collect(), wanted.lines().collect());
    let differ: Vec<&&str> = new.iter().filter(|l| !old.contains(l)).chain(old.iter().filter(|l| !new.contains(l))).collect();
    assert!(differ.is_empty(), "scopes.txt differs; STRATUS_GOLDEN=1 writes it anew\n{differ:#?}");
}

/// What a caller sees of a list, in short: whose things and how many, a code, or that there is something.
async fn look(world: &World, command: &str, name: &str, reach: &[&str], params: &[(&str, &str)], leaks: &mut Vec<String>) -> String {
    let caller = &world.callers[name];
    let answer = match world.cloud.try_as(caller, command, params).await {
        Ok(a) => a,
        Err(e) => return e.codes().api.to_string(),
    };
    let rows = rows(&answer);
    // That there are some is what matters: how many changes with every seed.
    let owners: BTreeSet<String> = rows.iter().map(|r| owner_of(r).unwrap_or_else(|| "some".into())).collect();
    for row in &rows {
        // An account is its own.
        let itself = || row["name"].as_str().filter(|_| row["accounttype"].is_number()).map(str::to_owned);
        let owner = owner_of(row).or_else(itself);
        if owner.is_some_and(|o| !reach.contains(&"*") && !reach.contains(&o.as_str()) && !PUBLIC.contains(&command)) {
            leaks.push(format!("{command} {params:?}: {name} sees {row}"));
        }
    }
    if owners.is_empty() { "none".into() } else { owners.into_iter().collect::<Vec<_>>().join(" ") }
}
