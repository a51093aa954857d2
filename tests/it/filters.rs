//! Rules of security groups are on a host before a guest of theirs is, and a host that does not take them gets none.
use super::cloud::{TestCloud, on_both};
use stratus_drivers::DriverError;
use stratus_model::Error;
use stratus_sim::{Fault, FaultKind, Op, RulesEntry};
use stratus_store::{Host, Query, SecurityGroup};

on_both! {
    rules_are_there_before_the_guest_boots in stratus::simulate::BUILT_IN;
    a_host_that_does_not_take_rules_gets_no_guest in stratus::simulate::BUILT_IN;
    rules_go_ahead_of_a_guest_that_moves in stratus::simulate::BUILT_IN;
    rules_come_before_a_nic_is_plugged in &super::advanced_with_groups();
    a_host_that_missed_a_change_is_told_with_its_next_sign_of_life in stratus::simulate::BUILT_IN;
    members_of_groups_that_rules_name_are_there_before_the_guest_boots in stratus::simulate::BUILT_IN;
}

/// An advanced zone whose networks may have security groups.
fn advanced_with_groups() -> String {
    let mut zone: serde_json::Value = serde_json::from_str(&super::compute::advanced()).unwrap();
    let zones = &mut zone["zones"][0];
    zones["securitygroupenabled"] = true.into();
    zones["physical_networks"][0]["providers"] = serde_json::json!([{ "name": "VirtualRouter" }, { "name": "SecurityGroupProvider" }]);
    zone.to_string()
}

fn no() -> FaultKind {
    FaultKind::Fail(DriverError::Failed("no".into()))
}

impl TestCloud {
    async fn filtering(&self) -> Vec<Host> {
        self.engine.db.find(Query::live().eq("host_type", "Routing")).await.unwrap()
    }
    /// The rule sets that stand on a host.
    fn ruled(&self, host: &Host) -> Vec<RulesEntry> {
        self.sim.inventory().hosts[&host.uuid].rules.values().cloned().collect()
    }
    async fn group(&self, name: &str) -> String {
        self.ask("createSecurityGroup", &[("name", name)]).await["securitygroup"]["id"].as_str().unwrap().to_owned()
    }
    async fn deployed(&self, more: &[(&str, &str)]) -> String {
        let vm = self.try_deploy(&self.admin.clone(), more).await.unwrap();
        vm["virtualmachine"]["id"].as_str().unwrap().to_owned()
    }
}

async fn rules_are_there_before_the_guest_boots(c: TestCloud) {
    // Each host that is tried is told first, and has nothing of it when the start failed.
    c.sim.inject(Fault::nth(Op::Start, 1, no()).lasting());
    let (told, started) = (c.sim.count(Op::ApplyRules), c.sim.count(Op::Start));
    c.try_deploy(&c.admin, &[]).await.expect_err("nobody starts it");
    assert_eq!(c.sim.count(Op::ApplyRules) - told, c.sim.count(Op::Start) - started);
    for host in c.filtering().await {
        assert!(c.ruled(&host).is_empty(), "{}: {:?}", host.name, c.ruled(&host));
    }
    c.sim.clear_faults();
    c.settled("failed starts").await;
    let id = c.deploy().await;
    let host: Host = c.engine.db.must(c.vm(&id).await.host_id.unwrap()).await.unwrap();
    assert_eq!(c.ruled(&host).iter().map(|set| &set.vm).collect::<Vec<_>>(), [&c.vm(&id).await.instance_name]);
}

async fn a_host_that_does_not_take_rules_gets_no_guest(c: TestCloud) {
    c.ask("updateConfiguration", &[("name", "vm.allocation.algorithm"), ("value", "firstfit")]).await;
    let hosts = c.filtering().await;
    for kind in [no(), FaultKind::Lose] {
        for bad in &hosts {
            c.sim.inject(Fault::nth(Op::ApplyRules, 1, kind.clone()).on(&bad.uuid).lasting());
            let id = c.deploy().await;
            assert_ne!(c.vm(&id).await.host_id, Some(bad.id), "{kind:?}");
            assert!(c.ruled(bad).iter().all(|set| !set.vm.contains(&id)), "{kind:?}");
            c.sim.clear_faults();
            c.settled(&format!("{kind:?} on one host")).await;
        }
    }
    let started = c.sim.count(Op::Start);
    c.sim.inject(Fault::nth(Op::ApplyRules, 1, no()).lasting());
    let refused: Error = c.try_deploy(&c.admin, &[]).await.expect_err("nobody filters for it");
    assert_eq!(refused.codes().api, 534, "{refused}");
    assert_eq!(c.sim.count(Op::Start), started, "it was booted without rules");
    c.sim.clear_faults();
    c.settled("nobody took rules").await;
}

async fn rules_go_ahead_of_a_guest_that_moves(c: TestCloud) {
    let id = c.deploy().await;
    let from = c.vm(&id).await.host_id.unwrap();
    let hosts = c.filtering().await;
    let (here, there) = (hosts.iter().find(|h| h.id == from).unwrap(), hosts.iter().find(|h| h.id != from).unwrap());
    let ask = [("virtualmachineid", id.as_str()), ("hostid", there.uuid.as_str())];
    for op in [Op::ApplyRules, Op::Migrate] {
        let moved = c.sim.count(Op::Migrate);
        c.sim.inject(Fault::nth(op, 1, no()).lasting());
        c.try_as(&c.admin, "migrateVirtualMachine", &ask).await.expect_err(op.word());
        c.sim.clear_faults();
        assert!(op == Op::Migrate || c.sim.count(Op::Migrate) == moved, "it was moved to a host without its rules");
        assert_eq!((c.ruled(here).len(), c.ruled(there).len()), (1, 0), "{op}");
        c.settled(op.word()).await;
    }
    c.ask("migrateVirtualMachine", &ask).await;
    assert_eq!((c.ruled(here).len(), c.ruled(there).len()), (0, 1));
    c.settled("moved").await;
}

async fn rules_come_before_a_nic_is_plugged(c: TestCloud) {
    let offering = c.first("listNetworkOfferings", "networkoffering", &[("name", "DefaultSharedNetworkOfferingWithSGService")]).await;
    let mut networks = Vec::new();
    for (name, vlan, net) in [("one", "301", "10.9.1"), ("two", "302", "10.9.2")] {
        let (gateway, first, last) = (format!("{net}.1"), format!("{net}.10"), format!("{net}.20"));
        let place = [("name", name), ("displaytext", name), ("networkofferingid", &*offering), ("zoneid", &*c.zone), ("vlan", vlan)];
        let range = [("gateway", &*gateway), ("netmask", "255.255.255.0"), ("startip", &*first), ("endip", &*last)];
        networks.push(c.ask("createNetwork", &[&place[..], &range].concat()).await["network"]["id"].as_str().unwrap().to_owned());
    }
    let id = c.deployed(&[("networkids", &networks[0])]).await;
    let host: Host = c.engine.db.must(c.vm(&id).await.host_id.unwrap()).await.unwrap();
    let plugged = c.sim.count(Op::Plug);
    c.sim.inject(Fault::nth(Op::ApplyRules, 1, no()).lasting());
    let ask = [("virtualmachineid", id.as_str()), ("networkid", networks[1].as_str())];
    c.try_as(&c.admin, "addNicToVirtualMachine", &ask).await.expect_err("nobody filters for it");
    c.sim.clear_faults();
    assert_eq!(c.sim.count(Op::Plug), plugged, "it was plugged without rules");
    c.settled("a NIC that was not plugged").await;
    c.ask("addNicToVirtualMachine", &ask).await;
    assert_eq!(c.ruled(&host).len(), 2);
    c.settled("a NIC with rules").await;
}

async fn a_host_that_missed_a_change_is_told_with_its_next_sign_of_life(c: TestCloud) {
    let group = c.group("web").await;
    let id = c.deployed(&[("securitygroupids", &group)]).await;
    let host: Host = c.engine.db.must(c.vm(&id).await.host_id.unwrap()).await.unwrap();
    let ports = || c.ruled(&host)[0].rules.iter().filter(|rule| rule.ingress).map(|rule| rule.first).collect::<Vec<_>>();
    c.sim.inject(Fault::nth(Op::ApplyRules, 1, no()).lasting());
    let rule =
        [("securitygroupid", group.as_str()), ("protocol", "TCP"), ("startport", "22"), ("endport", "22"), ("cidrlist", "0.0.0.0/0")];
    c.ask("authorizeSecurityGroupIngress", &rule).await;
    assert_eq!(ports(), Vec::<i32>::new(), "it did not take the rule");
    c.sim.clear_faults();
    c.engine.hosts_heartbeat(c.engine.clock.now()).await.unwrap();
    assert_eq!(ports(), [22]);
    let told = c.sim.count(Op::ApplyRules);
    c.engine.hosts_heartbeat(c.engine.clock.now()).await.unwrap();
    assert_eq!(c.sim.count(Op::ApplyRules), told, "told once");
}

async fn members_of_groups_that_rules_name_are_there_before_the_guest_boots(c: TestCloud) {
    let (friends, web) = (c.group("friends").await, c.group("web").await);
    c.deployed(&[("securitygroupids", &friends)]).await;
    let account = c.engine.db.find_one::<SecurityGroup>(Query::live().eq("uuid", web.as_str())).await.unwrap().unwrap().account_id;
    let account = c.engine.db.must::<stratus_store::Account>(account).await.unwrap().name;
    let named = [("usersecuritygrouplist[0].account", account.as_str()), ("usersecuritygrouplist[0].group", "friends")];
    let rule = [("securitygroupid", web.as_str()), ("protocol", "TCP"), ("startport", "80"), ("endport", "80")];
    c.ask("authorizeSecurityGroupIngress", &[&rule[..], &named].concat()).await;
    // What fails here is the first word to the host, about the friends; the rules of the group are the second.
    c.sim.inject(Fault::nth(Op::ApplyRules, 1, no()).on(&friends).lasting());
    let started = c.sim.count(Op::Start);
    c.try_deploy(&c.admin, &[("securitygroupids", &web)]).await.expect_err("hosts do not take the members");
    assert_eq!(c.sim.count(Op::Start), started);
    c.sim.clear_faults();
    let told = c.sim.count(Op::ApplyRules);
    c.deployed(&[("securitygroupids", &web)]).await;
    assert_eq!(c.sim.count(Op::ApplyRules) - told, 2, "the friends, and the rules");
    c.settled("a guest with friends").await;
}
