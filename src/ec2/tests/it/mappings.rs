//! The mappings agree with the catalogue's list of actions and with the functions there are.
use std::collections::BTreeSet;
use stratus_ec2::mapping::request::Rule;
use stratus_ec2::mapping::{Mappings, Run};

#[test]
fn every_action_is_mapped_or_refused_with_a_reason() {
    let mappings = Mappings::get().unwrap();
    let known: BTreeSet<String> = Mappings::known().unwrap().into_iter().collect();
    assert!(known.len() > 200);
    let mapped: BTreeSet<String> = mappings.actions().map(|a| a.name.clone()).collect();
    let mapped: BTreeSet<String> = mapped.into_iter().chain(stratus_ec2::REGISTRATION.iter().map(|n| (*n).to_owned())).collect();
    let refused: BTreeSet<String> = mappings.unsupported_names().map(str::to_owned).collect();
    let missing: Vec<_> = known.iter().filter(|n| !mapped.contains(*n) && !refused.contains(*n)).collect();
    assert!(missing.is_empty(), "neither mapped nor in unsupported.toml: {missing:?}");
    let both: Vec<_> = mapped.intersection(&refused).collect();
    assert!(both.is_empty(), "mapped and in unsupported.toml: {both:?}");
    let unheard: Vec<_> = mapped.union(&refused).filter(|n| !known.contains(*n)).collect();
    assert!(unheard.is_empty(), "not in actions.toml: {unheard:?}");
    assert!(refused.iter().all(|n| mappings.unsupported(n).is_some_and(|why| why.len() > 10)));
}

#[test]
fn every_mapping_names_what_there_is() {
    for action in Mappings::get().unwrap().actions() {
        let name = &action.name;
        assert!(action.names_functions_that_exist(), "{name} names a function that is not there");
        // What asks nothing of the cloud needs no command.
        let alone = action.run == Run::Fixed || matches!(&**name, "DescribeIdFormat" | "DescribeAggregateIdFormat" | "GetCallerIdentity");
        assert_eq!(action.command.is_none(), alone, "{name}: a command where there is something to ask");
        assert!(!action.answer.is_empty(), "{name} answers nothing");
        assert_eq!(action.run == Run::Function, action.function.is_some(), "{name}");
        for ids in &action.ids {
            let declared = action.request.iter().any(|p| p.plain() == ids.parameter);
            assert!(declared, "{name} asks by {} and does not declare it", ids.parameter);
        }
    }
}

/// `docs/ec2.md` says what there is: every action with its native command and its state, as the mappings have it.
#[test]
fn golden_documentation_lists_every_action() {
    let mappings = Mappings::get().unwrap();
    let mut text = String::from(
        "# The actions of the EC2 door\n\nWritten from `mappings/ec2/` by a test (`make golden`). `whole`: every parameter of the catalogue is \
         taken; `part`: those named are\nrefused with `UnsupportedOperation`; `none`: the action is, for the reason given. Parameters with no \
         effect here are ignored by name\nin the mapping.\n\n| action | native command | state |\n|---|---|---|\n",
    );
    let mut served = (0, 0);
    for name in Mappings::known().unwrap() {
        let line = match (mappings.action(&name), mappings.unsupported(&name)) {
            (Some(action), _) => {
                served.0 += 1;
                let command = action.command.as_deref().unwrap_or("-");
                let refused: Vec<&str> = action.request.iter().filter(|p| p.rule == Rule::Refuse).map(|p| p.name.as_str()).collect();
                let state = match (action.run, refused.is_empty()) {
                    (Run::Fixed, _) => "whole: a constant, since this cloud has nothing of the kind".to_owned(),
                    (_, true) => "whole".to_owned(),
                    (_, false) => format!("part: without {}", refused.join(", ")),
                };
                format!("| {name} | {command} | {state} |\n")
            }
            (None, None) if stratus_ec2::REGISTRATION.contains(&name.as_str()) => {
                served.0 += 1;
                format!("| {name} | - | whole: a registration call of old, in plain text |\n")
            }
            (None, why) => format!("| {name} | - | none: {} |\n", why.unwrap_or("it is not known")),
        };
        served.1 += 1;
        text.push_str(&line);
    }
    text.push_str(&format!("\n{} of {} actions are served.\n", served.0, served.1));
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/ec2.md");
    if std::env::var_os("STRATUS_GOLDEN").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    // Exactly what it says is for `make golden`: several people change mappings at once. That nothing is left out is for every run.
    let there = std::fs::read_to_string(&file).unwrap_or_default();
    let missing: Vec<String> = Mappings::known().unwrap().into_iter().filter(|n| !there.contains(&format!("| {n} |"))).collect();
    assert!(missing.is_empty(), "docs/ec2.md leaves out {missing:?}; `make golden` writes it anew");
}
