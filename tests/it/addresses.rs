//! Public addresses and static NAT in process, on both databases: rows, counts and what the simulated router answers for are one truth.
use super::cloud::{TestCloud, on_both};
use futures::future::join_all;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use stratus::simulate;
use stratus_drivers::DriverError;
use stratus_model::{Caller, Error};
use stratus_sim::{Fault, FaultKind, Op};
use stratus_store::{Event, IpAddress, Query, ResourceCount, UsageEvent};

on_both! {
    an_elastic_ip_lives_and_ends in stratus::simulate::BUILT_IN;
    parallel_associates_share_no_address in &super::eight_addresses();
    parallel_claims_of_one_address_or_vm_leave_one in stratus::simulate::BUILT_IN;
    a_router_that_does_not_answer_leaves_nothing_behind in stratus::simulate::BUILT_IN;
    a_vm_or_account_that_ends_takes_its_mapping_along in stratus::simulate::BUILT_IN;
    a_rule_has_tags_as_long_as_it_is_there in &crate::it::compute::advanced();
}

/// The built-in zone with eight public addresses.
fn eight_addresses() -> String {
    let small = simulate::BUILT_IN.replace("198.18.3.254", "198.18.0.9");
    assert_ne!(small, simulate::BUILT_IN);
    small
}

impl TestCloud {
    async fn associate(&self, who: &Arc<Caller>) -> Result<(String, String), Error> {
        let made = self.try_as(who, "associateIpAddress", &[("zoneid", &self.zone)]).await?;
        let ip = &made["ipaddress"];
        assert_eq!((ip["state"].as_str(), ip["isstaticnat"].as_bool()), (Some("Allocated"), Some(false)), "{ip}");
        Ok((ip["id"].as_str().unwrap().to_owned(), ip["ipaddress"].as_str().unwrap().to_owned()))
    }
    async fn nat(&self, address: &str, vm: &str) -> Result<Value, Error> {
        self.try_as(&self.admin, "enableStaticNat", &[("ipaddressid", address), ("virtualmachineid", vm)]).await
    }
    /// What the router answers for: public address and the guest behind it.
    fn routed(&self) -> BTreeSet<(String, Option<String>)> {
        let sets = self.sim.inventory().public;
        sets.into_values().flat_map(|s| s.addresses).map(|a| (a.address, a.static_nat.map(|n| n.guest))).collect()
    }
    /// The same of the rows.
    async fn rows(&self) -> BTreeSet<(String, Option<String>)> {
        let held = Query::all().not_null("associated_network_id");
        self.engine.db.find::<IpAddress>(held).await.unwrap().into_iter().map(|a| (a.address, a.guest_ip)).collect()
    }
    async fn routed_as_written(&self, when: &str) {
        self.settled(when).await;
        assert_eq!(self.routed(), self.rows().await, "{when}");
    }
    async fn counted(&self, account: i64) -> i64 {
        let q = Query::all().eq("owner_kind", "account").eq("owner_id", account).eq("resource", 1);
        self.engine.db.find_one::<ResourceCount>(q).await.unwrap().unwrap().used
    }
    async fn events(&self, kind: &str) -> Vec<String> {
        let found = self.engine.db.find::<Event>(Query::all().eq("event_type", kind)).await.unwrap();
        found.into_iter().map(|e| e.state).collect()
    }
}

async fn an_elastic_ip_lives_and_ends(c: TestCloud) {
    let vm = c.deploy().await;
    let (id, ip) = c.associate(&c.admin).await.unwrap();
    c.routed_as_written("associated").await;
    assert_eq!(c.counted(2).await, 1);
    c.nat(&id, &vm).await.unwrap();
    c.nat(&id, &vm).await.unwrap();
    c.routed_as_written("enabled").await;
    let shown = c.ask("listPublicIpAddresses", &[("id", &id)]).await["publicipaddress"][0].clone();
    let machine = c.ask("listVirtualMachines", &[("id", &vm)]).await["virtualmachine"][0].clone();
    assert_eq!((&shown["isstaticnat"], &shown["virtualmachineid"]), (&Value::Bool(true), &machine["id"]), "{shown}");
    assert_eq!((&machine["publicip"], &machine["publicipid"]), (&shown["ipaddress"], &shown["id"]));
    assert_eq!(shown["vmipaddress"], machine["nic"][0]["ipaddress"]);
    assert_eq!(c.routed(), BTreeSet::from([(ip.clone(), shown["vmipaddress"].as_str().map(str::to_owned))]));

    // Stopped or not, the address is the VM's.
    c.ask("stopVirtualMachine", &[("id", &vm)]).await;
    c.routed_as_written("stopped").await;
    assert!(c.routed().iter().all(|(_, guest)| guest.is_some()));
    let rule = [("ipaddressid", &*id), ("protocol", "tcp"), ("startport", "80")];
    let refused = c.try_as(&c.admin, "createIpForwardingRule", &rule).await;
    assert!(matches!(refused, Err(Error::Invalid { ref field, .. }) if field == "ipaddressid"), "{refused:?}");

    c.ask("disableStaticNat", &[("ipaddressid", &id)]).await;
    c.routed_as_written("disabled").await;
    c.ask("disassociateIpAddress", &[("id", &id)]).await;
    c.routed_as_written("disassociated").await;
    assert!(c.routed().is_empty());
    assert_eq!(c.counted(2).await, 0);
    let jobs = ["Scheduled", "Started", "Completed"];
    assert_eq!(
        (c.events("NET.IPASSIGN").await, c.events("NET.IPRELEASE").await),
        (jobs.map(String::from).into(), jobs.map(String::from).into())
    );
    // The second enabling changed nothing.
    assert_eq!((c.events("STATICNAT.ENABLE").await.len(), c.events("STATICNAT.DISABLE").await.len()), (1, 3));
    let facts = c.engine.db.find::<UsageEvent>(Query::all().within("event_type", ["NET.IPASSIGN", "NET.IPRELEASE"])).await.unwrap();
    assert_eq!(facts.iter().map(|u| u.resource_name.as_deref()).collect::<Vec<_>>(), [Some(&*ip); 2]);

    // The same address later is another thing.
    let gone = c.try_as(&c.admin, "disassociateIpAddress", &[("id", &id)]).await;
    assert!(gone.is_err());
    let (again, same) = c.associate(&c.admin).await.unwrap();
    assert!(same != ip || again != id);
    let network = c.first("listNetworks", "network", &[]).await;
    let guest = c.first("listPublicIpAddresses", "publicipaddress", &[("forvirtualnetwork", "false"), ("allocatedonly", "false")]).await;
    for bad in [vec![("id", "00000000-0000-4000-8000-00000000dead")], vec![("id", &*guest)]] {
        assert!(c.try_as(&c.admin, "disassociateIpAddress", &bad).await.is_err(), "{bad:?}");
    }
    let other = c.user("eve").await;
    assert!(matches!(c.try_as(&other, "disassociateIpAddress", &[("id", &again)]).await, Err(Error::Denied(_))));
    assert!(matches!(
        c.try_as(&other, "enableStaticNat", &[("ipaddressid", &again), ("virtualmachineid", &vm)]).await,
        Err(Error::Denied(_))
    ));
    assert!(matches!(c.try_as(&c.admin, "associateIpAddress", &[]).await, Err(Error::Missing { .. })));
    c.try_as(&c.admin, "associateIpAddress", &[("networkid", &network)]).await.unwrap();
    c.routed_as_written("at the end").await;
}

async fn parallel_associates_share_no_address(c: TestCloud) {
    let users = join_all(["a", "b", "c", "d", "e"].map(|n| c.user(n))).await;
    let asked = join_all((0..50).map(|i| c.associate(&users[i % 5]))).await;
    let got: Vec<String> = asked.iter().filter_map(|r| Some(r.as_ref().ok()?.1.clone())).collect();
    assert_eq!(got.len(), 8, "{asked:?}");
    assert_eq!(got.iter().collect::<BTreeSet<_>>().len(), 8, "{got:?}");
    assert!(asked.iter().all(|r| matches!(r, Ok(_) | Err(Error::NoAddress(_)))), "{asked:?}");
    c.routed_as_written("all taken").await;
    let mine = c.ask("listPublicIpAddresses", &[("listall", "true")]).await["publicipaddress"].as_array().unwrap().clone();
    let all = mine.iter().map(|a| a["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    join_all(all.iter().map(|id| async { c.ask("disassociateIpAddress", &[("id", id)]).await })).await;
    c.routed_as_written("all given back").await;
    assert!(c.routed().is_empty());

    // A limit holds as well.
    let id = c.first("listAccounts", "account", &[("name", "a"), ("listall", "true")]).await;
    let account = c.ask("listAccounts", &[("id", &id)]).await["account"][0].clone();
    let limit = [("resourcetype", "1"), ("max", "3"), ("account", "a"), ("domainid", account["domainid"].as_str().unwrap())];
    c.ask("updateResourceLimit", &limit).await;
    let asked = join_all((0..20).map(|_| c.associate(&users[0]))).await;
    assert_eq!(asked.iter().filter(|r| r.is_ok()).count(), 3, "{asked:?}");
    assert!(asked.iter().all(|r| matches!(r, Ok(_) | Err(Error::LimitReached { .. }))), "{asked:?}");
    c.routed_as_written("up to the limit").await;
}

async fn parallel_claims_of_one_address_or_vm_leave_one(c: TestCloud) {
    let vms = [c.deploy().await, c.deploy().await];
    let ids = [c.associate(&c.admin).await.unwrap().0, c.associate(&c.admin).await.unwrap().0];
    let pairs = [(0, 0), (0, 1), (1, 0), (1, 1)];
    for _ in 0..3 {
        let outcomes = join_all(pairs.map(|(a, v)| c.nat(&ids[a], &vms[v]))).await;
        let done = outcomes.iter().filter(|r| r.is_ok()).count();
        assert!((1..=2).contains(&done), "{outcomes:?}");
        assert!(outcomes.iter().all(|r| matches!(r, Ok(_) | Err(Error::RuleConflict(_)))), "{outcomes:?}");
        c.routed_as_written("claimed").await;
        join_all(ids.iter().map(|id| async { c.ask("disableStaticNat", &[("ipaddressid", id)]).await })).await;
        c.routed_as_written("let go").await;
        assert!(c.routed().iter().all(|(_, guest)| guest.is_none()));
    }
}

async fn a_router_that_does_not_answer_leaves_nothing_behind(c: TestCloud) {
    let vm = c.deploy().await;
    let (id, _) = c.associate(&c.admin).await.unwrap();
    let before = (c.rows().await, c.counted(2).await);
    let silent = || FaultKind::Fail(DriverError::Unreachable("router".into()));
    // The undo's own message to the router gets through.
    c.sim.inject(Fault::nth(Op::ApplyPublic, 1, silent()));
    assert!(c.associate(&c.admin).await.is_err());
    c.routed_as_written("not associated").await;
    assert_eq!((c.rows().await, c.counted(2).await), before);
    c.sim.inject(Fault::nth(Op::ApplyPublic, 1, silent()));
    assert!(c.nat(&id, &vm).await.is_err());
    c.routed_as_written("not enabled").await;
    c.nat(&id, &vm).await.unwrap();
    let before = c.rows().await;
    for (command, parameter) in [("disableStaticNat", "ipaddressid"), ("disassociateIpAddress", "id")] {
        c.sim.inject(Fault::nth(Op::ApplyPublic, 1, silent()));
        assert!(c.try_as(&c.admin, command, &[(parameter, &*id)]).await.is_err(), "{command}");
        c.routed_as_written(command).await;
        assert_eq!(c.rows().await, before, "{command}");
    }
    // When not even the undo is heard, the reconciler tells the router later.
    for nth in [1, 2] {
        c.sim.inject(Fault::nth(Op::ApplyPublic, nth, silent()));
    }
    assert!(c.try_as(&c.admin, "disableStaticNat", &[("ipaddressid", &id)]).await.is_err());
    assert_eq!(c.engine.check().await.unwrap().len(), 1);
    assert_eq!(c.engine.public_reconcile().await.unwrap(), 1);
    c.routed_as_written("told later").await;
    assert_eq!(c.engine.public_reconcile().await.unwrap(), 0);
}

async fn a_vm_or_account_that_ends_takes_its_mapping_along(c: TestCloud) {
    let user = c.user("anna").await;
    let vm = c.try_deploy(&user, &[]).await.unwrap()["virtualmachine"]["id"].as_str().unwrap().to_owned();
    let (id, ip) = c.associate(&user).await.unwrap();
    let to_vm = [("ipaddressid", &*id), ("virtualmachineid", &*vm)];
    c.try_as(&user, "enableStaticNat", &to_vm).await.unwrap();
    c.ask("destroyVirtualMachine", &[("id", &vm)]).await;
    c.routed_as_written("destroyed").await;
    assert_eq!(c.routed(), BTreeSet::from([(ip.clone(), None)]));
    assert!(matches!(c.try_as(&user, "enableStaticNat", &to_vm).await, Err(Error::State { .. })));
    c.ask("recoverVirtualMachine", &[("id", &vm)]).await;
    c.try_as(&user, "enableStaticNat", &to_vm).await.unwrap();
    c.routed_as_written("recovered").await;
    let account = c.first("listAccounts", "account", &[("name", "anna"), ("listall", "true")]).await;
    c.ask("deleteAccount", &[("id", &account)]).await;
    c.idle().await;
    c.routed_as_written("account deleted").await;
    assert!(c.routed().is_empty());
}

async fn a_rule_has_tags_as_long_as_it_is_there(c: TestCloud) {
    let vm = c.deploy().await;
    let network = c.first("listNetworks", "network", &[("type", "Isolated")]).await;
    let made = c.ask("associateIpAddress", &[("networkid", &network)]).await;
    let address = made["ipaddress"]["id"].as_str().unwrap().to_owned();
    c.nat(&address, &vm).await.unwrap();
    let open = [("ipaddressid", &*address), ("protocol", "tcp"), ("startport", "80")];
    let rule = c.ask("createIpForwardingRule", &open).await["ipforwardingrule"]["id"].as_str().unwrap().to_owned();
    let tag = [("resourcetype", "FirewallRule"), ("resourceids", &*rule), ("tags[0].key", "for"), ("tags[0].value", "web")];
    c.ask("createTags", &tag).await;
    let shown = async || c.ask("listIpForwardingRules", &[]).await["ipforwardingrule"][0]["tags"][0]["value"].clone();
    assert_eq!(shown().await, "web");
    // What a router refuses is as it was, tags included.
    c.sim.inject(Fault::nth(Op::ApplyPublic, 1, FaultKind::Fail(DriverError::Failed("no".into()))));
    assert!(c.try_as(&c.admin, "disableStaticNat", &[("ipaddressid", &address)]).await.is_err());
    assert_eq!(shown().await, "web");
    c.sim.clear_faults();
    c.ask("disableStaticNat", &[("ipaddressid", &address)]).await;
    assert_eq!(c.ask("listTags", &[]).await["count"], Value::Null);
    c.routed_as_written("disabled").await;
}
