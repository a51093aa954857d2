//! Bad input made up from the mappings: every parameter of every action, wrong in every way that its declaration allows to be wrong. Each
//! is a client error in EC2's shape, and nothing is asked of the cloud but what looks.
use crate::cloud::{Cloud, Reply};
use crate::fake::{GROUP, IMAGE, VM, VOLUME};
use stratus_ec2::mapping::request::{Kind, Parameter, Rule};
use stratus_ec2::mapping::{Action, Mappings};

/// What was asked of the cloud that changes something.
fn changes(cloud: &Cloud) -> Vec<String> {
    let looks = |c: &str| c.starts_with("list") || c.starts_with("get");
    cloud.fake.asked.lock().unwrap().iter().map(|(c, _)| c.clone()).filter(|c| !looks(c)).collect()
}

fn refused(cloud: &Cloud, what: &str, reply: &Reply) {
    assert!((400..500).contains(&reply.status), "{what}: HTTP {} {}", reply.status, reply.body);
    assert!(reply.has("<Response><Errors><Error><Code>") || reply.has("<ErrorResponse"), "{what}: {}", reply.body);
    assert_eq!(changes(cloud), Vec::<String>::new(), "{what} was refused and changed something");
}

/// A name as it is sent.
fn sent(parameter: &Parameter) -> String {
    parameter.name.replace(".N", ".1")
}

/// Something that fits a parameter.
fn good(parameter: &Parameter) -> String {
    let name = parameter.plain().rsplit('.').next().unwrap_or_default();
    let text = match (name, parameter.kind) {
        ("InstanceId", _) => VM,
        ("ImageId", _) => IMAGE,
        ("GroupId", _) => GROUP,
        ("VolumeId", _) => VOLUME,
        ("PublicKeyMaterial", _) => "c3NoLXJzYSBBQUFB",
        (_, Kind::Int) => "5",
        (_, Kind::Bool) => "false",
        (_, Kind::Base64) => "aGk=",
        _ => parameter.values.first().map_or("text", String::as_str),
    };
    text.to_owned()
}

/// The parameters that an action needs.
fn needed(action: &Action) -> Vec<(String, String)> {
    action.request.iter().filter(|p| p.required).map(|p| (sent(p), good(p))).collect()
}

async fn ask(cloud: &Cloud, version: &str, action: &Action, parameters: &[(String, String)]) -> Reply {
    let pairs: Vec<(&str, &str)> = parameters.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    cloud.at(version, &action.name, &pairs).await
}

fn with(base: &[(String, String)], name: &str, value: &str) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = base.iter().filter(|(n, _)| n != name).cloned().collect();
    all.push((name.to_owned(), value.to_owned()));
    all
}

#[tokio::test]
async fn what_cannot_be_is_refused_for_every_parameter_of_every_action() {
    let cloud = Cloud::new().await;
    let mut tried = 0;
    for action in Mappings::get().unwrap().actions() {
        let base = needed(action);
        for parameter in action.request.iter().filter(|p| p.rule == Rule::Take && !p.name.ends_with('*')) {
            let name = sent(parameter);
            let mut wrong = match parameter.kind {
                Kind::Int => vec!["x", "1.5", "99999999999999999999"],
                Kind::Bool => vec!["maybe", "2"],
                Kind::Base64 => vec!["*"],
                Kind::Text => Vec::new(),
            };
            if parameter.is_list() {
                wrong.push("");
            }
            if !parameter.values.is_empty() {
                wrong.push("no such word");
            }
            let long = "x".repeat(parameter.longest.unwrap_or(0) + 1);
            if parameter.longest.is_some() {
                wrong.push(&long);
            }
            for value in wrong {
                let reply = ask(&cloud, "2016-11-15", action, &with(&base, &name, value)).await;
                refused(&cloud, &format!("{} {name}={value}", action.name), &reply);
                tried += 1;
            }
            if parameter.required {
                let without: Vec<(String, String)> = base.iter().filter(|(n, _)| *n != name).cloned().collect();
                let reply = ask(&cloud, "2016-11-15", action, &without).await;
                refused(&cloud, &format!("{} without {name}", action.name), &reply);
                tried += 1;
            }
        }
        for parameter in action.request.iter().filter(|p| p.rule == Rule::Refuse && !p.name.ends_with('*')) {
            let reply = ask(&cloud, "2016-11-15", action, &with(&base, &sent(parameter), "true")).await;
            refused(&cloud, &format!("{} {}", action.name, parameter.name), &reply);
            tried += 1;
        }
    }
    assert!(tried > 300, "only {tried} were tried");
}

#[tokio::test]
async fn what_is_not_known_is_refused_by_every_action() {
    let cloud = Cloud::new().await;
    for action in Mappings::get().unwrap().actions() {
        let base = needed(action);
        let reply = ask(&cloud, "2016-11-15", action, &with(&base, "NoSuchParameter", "x")).await;
        refused(&cloud, &format!("{} with a parameter of nowhere", action.name), &reply);
        assert!(reply.has("UnknownParameter"), "{}: {}", action.name, reply.body);
        let reply = ask(&cloud, "yesterday", action, &base).await;
        refused(&cloud, &format!("{} of yesterday", action.name), &reply);
        assert!(reply.has("NoSuchVersion"), "{}: {}", action.name, reply.body);
        if action.filters.is_some() {
            for (version, code) in [("2016-11-15", "InvalidParameterValue"), ("2012-08-15", "InvalidFilter")] {
                let filter = with(&with(&base, "Filter.1.Name", "no-such-filter"), "Filter.1.Value.1", "x");
                let reply = ask(&cloud, version, action, &filter).await;
                refused(&cloud, &format!("{} filtered by nothing", action.name), &reply);
                assert_eq!(reply.code(), code, "{} {version}", action.name);
            }
        }
        if action.paging.is_some() {
            if action.paging.as_ref().is_some_and(|p| p.not_with_ids) {
                let id = action.request.iter().find(|p| Some(p.plain()) == action.ids.first().map(|i| i.parameter.as_str())).unwrap();
                let both = with(&with(&base, &sent(id), &good(id)), "MaxResults", "5");
                let reply = ask(&cloud, "2016-11-15", action, &both).await;
                refused(&cloud, &format!("{} with ids and MaxResults", action.name), &reply);
                assert_eq!(reply.code(), "InvalidParameterCombination", "{}", action.name);
            }
            for (name, value) in [("MaxResults", "0"), ("MaxResults", "x"), ("MaxResults", "1001"), ("NextToken", "made up")] {
                let reply = ask(&cloud, "2016-11-15", action, &with(&base, name, value)).await;
                refused(&cloud, &format!("{} {name}={value}", action.name), &reply);
            }
        }
    }
}

#[tokio::test]
async fn ids_that_name_nothing_are_not_found_by_every_action() {
    let cloud = Cloud::new().await;
    let id = |p: &&Parameter| p.rule == Rule::Take && p.plain().rsplit('.').next().is_some_and(|n| n.ends_with("Id") && n != "UserId");
    for action in Mappings::get().unwrap().actions() {
        let base = needed(action);
        for parameter in action.request.iter().filter(id).filter(|p| !p.name.ends_with('*')) {
            for value in ["i-00000000", "vol-0123456789abcdef0", "zz-1", "%", "sg-"] {
                let what = format!("{} {}={value}", action.name, parameter.name);
                let reply = ask(&cloud, "2016-11-15", action, &with(&base, &sent(parameter), value)).await;
                assert!(reply.status < 500, "{what}: {}", reply.body);
                if parameter.required {
                    refused(&cloud, &what, &reply);
                }
            }
        }
    }
}

#[tokio::test]
async fn ten_thousand_members_are_answered_and_not_choked_on() {
    let cloud = Cloud::new().await;
    for action in Mappings::get().unwrap().actions() {
        let Some(list) = action.request.iter().find(|p| p.is_list() && p.rule == Rule::Take) else {
            continue;
        };
        let mut all: Vec<(String, String)> = needed(action).into_iter().filter(|(n, _)| *n != sent(list)).collect();
        all.extend((1..=10_000).map(|i| (format!("{}.{i}", list.plain()), "i-00000000".to_owned())));
        let reply = ask(&cloud, "2016-11-15", action, &all).await;
        refused(&cloud, &format!("{} with 10,000 {}", action.name, list.plain()), &reply);
    }
}

#[tokio::test]
async fn a_dry_run_changes_nothing_whatever_the_action() {
    let cloud = Cloud::new().await;
    let mut dry = 0;
    for action in Mappings::get().unwrap().actions() {
        let reply = ask(&cloud, "2016-11-15", action, &with(&needed(action), "DryRun", "true")).await;
        // STS has no dry runs.
        if action.wire.is_none() {
            refused(&cloud, &format!("{} dry", action.name), &reply);
            dry += usize::from(reply.code() == "DryRunOperation");
        }
    }
    assert!(dry > 40, "only {dry} dry runs got so far");
}
