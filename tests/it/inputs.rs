//! Bad input for every parameter of every command, driven by `listApis`: missing, too long, of a wrong type, of nothing that exists,
//! of something of another kind, of something removed, of somebody else.
//!
//! Each must be an error of the caller's making, never ours, and write nothing. What is accepted all the same (a parameter that says
//! it has no effect) stands in `inputs.txt`, so that a parser that turns lax shows as a difference.
use crate::it::cloud::TestCloud;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use stratus_model::Caller;
use stratus_store::tables;

/// A uuid of nothing.
const NOBODY: &str = "00000000-dead-4bad-8bad-000000000000";
/// Commands that are not about their parameters: without any they do what they do.
const WHOLESALE: [&str; 2] = ["resetApiLimit", "cleanVMReservations"];

/// Ids of things that exist or existed.
struct Things {
    account: String,
    removed: String,
    foreign: String,
}

async fn things(c: &TestCloud, user: &Arc<Caller>) -> Things {
    let account = c.first("listAccounts", "account", &[("name", &user.account_name), ("listall", "true")]).await;
    let gone = c.ask("createSecurityGroup", &[("name", "gone")]).await["securitygroup"]["id"].as_str().unwrap().to_owned();
    c.ask("deleteSecurityGroup", &[("id", &gone)]).await;
    let foreign = c.ask("createSecurityGroup", &[("name", "admins")]).await["securitygroup"]["id"].as_str().unwrap().to_owned();
    Things { account, removed: gone, foreign }
}

/// A value that is of a parameter's type and names nothing.
fn plausible(p: &Value) -> (String, String) {
    let name = p["name"].as_str().unwrap();
    let value = match p["type"].as_str().unwrap() {
        "integer" | "long" | "short" => "1",
        "float" => "1.5",
        "boolean" => "true",
        "date" => "2013-01-31",
        "uuid" => NOBODY,
        "map" => return (format!("{name}[0].key"), "k".into()),
        "list" => NOBODY,
        _ => "x",
    };
    (name.to_owned(), value.to_owned())
}

/// The bad values of a parameter: what is wrong, and the pair that says it.
fn bad(command: &str, p: &Value, t: &Things) -> Vec<(&'static str, (String, String))> {
    let name = p["name"].as_str().unwrap().to_owned();
    let pair = |value: &str| (name.clone(), value.to_owned());
    let mut cases = match p["type"].as_str().unwrap() {
        "integer" | "long" | "short" => vec![("word", pair("one")), ("huge", pair("99999999999999999999"))],
        "float" => vec![("word", pair("one")), ("endless", pair("NaN"))],
        "boolean" => vec![("word", pair("maybe"))],
        "date" => vec![("word", pair("yesterday")), ("no such day", pair("2013-02-30"))],
        "uuid" => vec![
            ("unknown", pair(NOBODY)),
            ("no id", pair("' or 1=1 --")),
            ("removed", pair(&t.removed)),
            ("other kind", pair(if command.contains("SecurityGroup") || name.contains("securitygroup") { &t.account } else { &t.foreign })),
        ],
        "map" => vec![("no index", (format!("{name}[x].key"), "k".into())), ("deep", (format!("{name}[0].a[0]"), "k".into()))],
        _ => Vec::new(),
    };
    if p["type"] == "string" {
        let length = usize::try_from(p["length"].as_u64().unwrap_or(255)).unwrap();
        cases.push(("too long", pair(&"é".repeat(length + 1))));
        cases.push(("control", pair("a\u{7}b")));
    }
    cases
}

async fn row_counts(c: &TestCloud) -> BTreeMap<&'static str, i64> {
    let mut counts = BTreeMap::new();
    for t in tables() {
        let rows = c.engine.db.rows(format!("select count(*) from {}", t.name), Vec::new()).await.unwrap();
        counts.insert(t.name, rows[0].get::<i64>(0).unwrap());
    }
    counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_parameter_refuses_what_it_cannot_be_and_nothing_is_written() {
    let c = TestCloud::new(false, stratus::simulate::BUILT_IN).await.unwrap();
    let user = c.user("una").await;
    let things = things(&c, &user).await;
    let apis = c.registry.discover(&c.admin, None).unwrap();
    let (mut wrong, mut accepted) = (Vec::new(), Vec::new());
    for api in apis.iter().filter(|a| a["name"] != "listApis") {
        let name = api["name"].as_str().unwrap();
        let params = api["params"].as_array().unwrap();
        let required: Vec<&Value> = params.iter().filter(|p| p["required"] == true).collect();
        let before = row_counts(&c).await;
        for caller in [&c.admin, &user] {
            if !c.registry.has(caller, name) {
                let refused = c.try_as(caller, name, &[]).await.unwrap_err().codes().api;
                assert_eq!(refused, 432, "{name} is not this caller's");
                continue;
            }
            for p in &required {
                let others = required.iter().filter(|o| o["name"] != p["name"]).map(|o| plausible(o));
                for empty in [None, Some((p["name"].as_str().unwrap().to_owned(), " ".to_owned()))] {
                    let what = format!("{name} {} missing", p["name"].as_str().unwrap());
                    try_one(&c, caller, name, others.clone().chain(empty).collect(), what, &mut wrong, &mut accepted).await;
                }
            }
            for p in params {
                let others = || required.iter().filter(|o| o["name"] != p["name"]).map(|o| plausible(o));
                for (what, pair) in bad(name, p, &things) {
                    let what = format!("{name} {} {what}", p["name"].as_str().unwrap());
                    try_one(&c, caller, name, others().chain([pair]).collect(), what, &mut wrong, &mut accepted).await;
                }
            }
        }
        let after = row_counts(&c).await;
        let written: Vec<_> = after.iter().filter(|(k, v)| before[*k] != **v).collect();
        if !written.is_empty() && !WHOLESALE.contains(&name) {
            wrong.push(format!("{name} wrote {written:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} things are wrong\n{wrong:#?}", wrong.len());
    accepted.sort();
    accepted.dedup();
    let text: String = accepted.iter().map(|l| format!("{l}\n")).collect();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/inputs.txt");
    if std::env::var_os("STRATUS_GOLDEN").is_some() {
        std::fs::write(file, &text).unwrap();
    }
    let wanted = std::fs::read_to_string(file).unwrap_or_default();
    let known: Vec<&str> = wanted.lines().collect();
    let new: Vec<&String> = accepted.iter().filter(|l| !known.contains(&l.as_str())).collect();
    assert!(new.is_empty(), "accepted, and not in inputs.txt (STRATUS_GOLDEN=1 writes it anew)\n{new:#?}");
    assert_eq!(c.engine.check().await.unwrap(), Vec::<String>::new());
}

async fn try_one(
    c: &TestCloud,
    caller: &Arc<Caller>,
    command: &str,
    params: Vec<(String, String)>,
    what: String,
    wrong: &mut Vec<String>,
    accepted: &mut Vec<String>,
) {
    let params: Vec<(&str, &str)> = params.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    match c.try_as(caller, command, &params).await {
        Ok(_) => accepted.push(what),
        Err(e) if e.codes().api == 530 || e.to_string().is_empty() => {
            wrong.push(format!("{what}: {e} ({:?})", std::error::Error::source(&e).map(ToString::to_string)));
        }
        Err(_) => {}
    }
}
