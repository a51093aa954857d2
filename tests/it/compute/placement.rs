//! Who chooses hosts and pools: allocators by name, of ours and from outside.
use super::hosts;
use crate::it::cloud::{TestCloud, on_both};
use std::collections::BTreeSet;
use stratus_store::{Host, Query};

on_both! {
    allocators_choose_as_they_are_named in &crate::it::compute::hosts(6);
}

async fn allocators_choose_as_they_are_named(c: TestCloud) {
    let ann = c.user("ann").await;
    for most in ["max.account.user.vms", "max.account.volumes"] {
        c.ask("updateConfiguration", &[("name", most), ("value", "-1")]).await;
    }
    let all = c.engine.db.find::<Host>(Query::live()).await.unwrap();
    let set = async |value: &str| {
        c.ask("updateConfiguration", &[("name", "vm.allocation.algorithm"), ("value", value)]).await;
    };
    let spread = async |n: usize| {
        let mut on = Vec::new();
        for _ in 0..n {
            let vm = c.try_deploy(&ann, &[]).await.unwrap()["virtualmachine"]["id"].as_str().unwrap().to_owned();
            on.push(c.vm(&vm).await.host_id.unwrap());
        }
        on
    };
    set("firstfit").await;
    assert_eq!(spread(3).await, [all[0].id; 3]);
    set("userdispersing").await;
    let others: BTreeSet<i64> = spread(5).await.into_iter().collect();
    assert_eq!((others.len(), others.contains(&all[0].id)), (5, false), "{others:?}");
    set("random").await;
    let on: BTreeSet<i64> = spread(12).await.into_iter().collect();
    assert!(on.len() > 1, "{on:?}");
    set("userconcentratedpod_firstfit").await;
    assert_eq!(spread(1).await, [all[0].id]);
    // A planner of the offering goes before the setting.
    let own = [("cpunumber", "1"), ("cpuspeed", "100"), ("memory", "128"), ("deploymentplanner", "UserDispersingPlanner")];
    let own = c.offering("dispersing", &own).await;
    set("firstfit").await;
    let bob = c.user("bob").await;
    let ask = [("zoneid", &*c.zone), ("templateid", &*c.template), ("serviceofferingid", &*own)];
    let mut on = BTreeSet::new();
    for _ in 0..6 {
        let vm = c.try_as(&bob, "deployVirtualMachine", &ask).await.unwrap()["virtualmachine"]["id"].as_str().unwrap().to_owned();
        on.insert(c.vm(&vm).await.host_id.unwrap());
    }
    assert_eq!(on.len(), 6);
    c.settled("allocators").await;
}

/// The two of `samples/allocators`, in force by their name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn allocators_from_outside_are_put_in_force_by_name() {
    use stratus_sample_allocators::{EmptiestHost, FullestPool, NAME};
    let allocators = stratus_engine::allocators::Allocators::default().with_host(Box::new(EmptiestHost)).with_pool(Box::new(FullestPool));
    let c = TestCloud::with(false, &hosts(4), |config| config.allocators = allocators).await.unwrap();
    c.ask("updateConfiguration", &[("name", "vm.allocation.algorithm"), ("value", NAME)]).await;
    let mut on = Vec::new();
    for _ in 0..8 {
        let id = c.deploy().await;
        on.push(c.vm(&id).await.host_id.unwrap());
    }
    let first: BTreeSet<&i64> = on[..4].iter().collect();
    assert_eq!((first.len(), &on[..4]), (4, &on[4..]), "always the host with most free memory");
    c.settled("allocators from outside").await;
}
