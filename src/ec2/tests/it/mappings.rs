//! The mappings agree with the catalogue's list of actions and with the functions there are.
use std::collections::BTreeSet;
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
