//! What VMs are gathered and described by: groups, anti-affinity groups, details.
use crate::it::cloud::{TestCloud, on_both};
use futures::future::join_all;
use serde_json::Value;
use std::collections::BTreeSet;
use stratus_store::{AffinityHost, Query};

on_both! {
    groups_of_vms_are_kept in stratus::simulate::BUILT_IN;
    vms_of_an_anti_affinity_group_run_apart in &crate::it::compute::hosts(6);
    details_are_kept_beside_things in stratus::simulate::BUILT_IN;
    a_security_group_shuts_nothing_that_another_leaves_open in stratus::simulate::BUILT_IN;
}

async fn groups_of_vms_are_kept(c: TestCloud) {
    let id = c.deploy().await;
    let made = c.ask("createInstanceGroup", &[("name", "g1")]).await["instancegroup"].clone();
    c.fails("createInstanceGroup", &[("name", "g1")], 431, "g1").await;
    let vm = c.ask("updateVirtualMachine", &[("id", &id), ("group", "g1"), ("displayname", "d")]).await["virtualmachine"].clone();
    assert_eq!((&vm["group"], &vm["groupid"], &vm["displayname"]), (&"g1".into(), &made["id"], &"d".into()));
    let renamed = c.ask("updateInstanceGroup", &[("id", made["id"].as_str().unwrap()), ("name", "g2")]).await;
    assert_eq!(renamed["instancegroup"]["name"], "g2");
    let listed = c.ask("listVirtualMachines", &[("groupid", made["id"].as_str().unwrap())]).await;
    assert_eq!(listed["virtualmachine"][0]["group"], "g2");
    let ann = c.user("ann").await;
    assert!(c.try_as(&ann, "deleteInstanceGroup", &[("id", made["id"].as_str().unwrap())]).await.is_err());
    c.ask("deleteInstanceGroup", &[("id", made["id"].as_str().unwrap())]).await;
    let vm = c.ask("listVirtualMachines", &[("id", &id)]).await["virtualmachine"][0].clone();
    assert_eq!(vm["group"], Value::Null);
    c.settled("groups").await;
}

async fn vms_of_an_anti_affinity_group_run_apart(c: TestCloud) {
    let kind = ("type", "host anti-affinity");
    c.fails("createAffinityGroup", &[("name", "x"), ("type", "nearby")], 431, "type").await;
    let group = c.ask("createAffinityGroup", &[("name", "apart"), kind]).await["affinitygroup"]["id"].as_str().unwrap().to_owned();
    let admin = c.admin.clone();
    let ask = [("affinitygroupids", &*group)];
    let outcomes = join_all((0..10).map(|_| c.try_deploy(&admin, &ask))).await;
    let made: Vec<&Value> = outcomes.iter().filter_map(|o| o.as_ref().ok()).collect();
    for e in outcomes.iter().filter_map(|o| o.as_ref().err()) {
        assert_eq!(e.codes().api, 533, "{e}");
    }
    let on: BTreeSet<&str> = made.iter().map(|v| v["virtualmachine"]["hostid"].as_str().unwrap()).collect();
    assert_eq!((made.len(), on.len()), (6, 6), "one a host");
    c.settled("apart").await;
    let e = c.try_deploy(&admin, &[("affinitygroupnames", "apart")]).await.unwrap_err();
    assert!(e.to_string().contains("anti-affinity"), "{e}");
    let ids: Vec<&str> = made.iter().map(|v| v["virtualmachine"]["id"].as_str().unwrap()).collect();
    c.fails("migrateVirtualMachine", &[("virtualmachineid", ids[0])], 533, "anti-affinity").await;
    c.settled("no host to move to").await;
    let host = c.vm(ids[1]).await.host_id;
    c.ask("destroyVirtualMachine", &[("id", ids[1]), ("expunge", "true")]).await;
    c.ask("migrateVirtualMachine", &[("virtualmachineid", ids[0])]).await;
    assert_eq!(c.vm(ids[0]).await.host_id, host, "a place came free");
    c.settled("moved").await;
    let listed = c.ask("listAffinityGroups", &[("id", &group)]).await["affinitygroup"][0].clone();
    assert_eq!(listed["type"], "host anti-affinity");
    let loner = c.deploy().await;
    c.fails("updateVMAffinityGroup", &[("id", &loner), ("affinitygroupids", &group)], 431, "stopped").await;
    c.ask("stopVirtualMachine", &[("id", &loner)]).await;
    let vm = c.ask("updateVMAffinityGroup", &[("id", &loner), ("affinitygroupids", &group)]).await["virtualmachine"].clone();
    assert_eq!(vm["affinitygroup"][0]["name"], "apart");
    c.ask("startVirtualMachine", &[("id", &loner)]).await;
    let spread: BTreeSet<i64> = c.engine.db.find::<AffinityHost>(Query::all()).await.unwrap().iter().map(|h| h.host_id).collect();
    assert_eq!(spread.len(), 6);
    c.settled("joined").await;
    c.ask("deleteAffinityGroup", &[("name", "apart")]).await;
    assert_eq!(c.engine.db.count::<AffinityHost>(Query::all()).await.unwrap(), 0);
    c.ask("listAffinityGroupTypes", &[]).await;
    c.settled("group deleted").await;
}

async fn details_are_kept_beside_things(c: TestCloud) {
    let id = c.deploy().await;
    let volume = c.first("listVolumes", "volume", &[]).await;
    let thing = [("resourcetype", "Volume"), ("resourceid", &*volume)];
    let ask =
        [&thing[..], &[("details[0].key", "a"), ("details[0].value", "1"), ("details[1].key", "b"), ("details[1].value", "2")]].concat();
    c.ask("addResourceDetail", &ask).await;
    c.ask("addResourceDetail", &[&thing[..], &[("details[0].key", "a"), ("details[0].value", "3")]].concat()).await;
    let listed = c.ask("listResourceDetails", &thing).await;
    assert_eq!((&listed["count"], &listed["resourcedetail"][0]["resourceid"]), (&2.into(), &volume.as_str().into()), "{listed}");
    let a = c.ask("listResourceDetails", &[&thing[..], &[("key", "a")]].concat()).await;
    assert_eq!(a["resourcedetail"][0]["value"], "3");
    c.fails("removeResourceDetail", &[&thing[..], &[("key", "z")]].concat(), 431, "z").await;
    c.ask("removeResourceDetail", &thing).await;
    assert_eq!(c.ask("listResourceDetails", &thing).await["count"], Value::Null);
    let ann = c.user("ann").await;
    let e = c.try_as(&ann, "addResourceDetail", &ask).await.unwrap_err();
    assert_eq!(e.codes().api, 432, "{e}");
    let _ = id;
}

/// Each group says what it lets out; a VM in several may do what any of them allows. A group without egress rules lets out everything.
async fn a_security_group_shuts_nothing_that_another_leaves_open(c: TestCloud) {
    let group =
        async |name: &str| c.ask("createSecurityGroup", &[("name", name)]).await["securitygroup"]["id"].as_str().unwrap().to_owned();
    let (open, web, dns) = (group("open").await, group("web").await, group("dns").await);
    for (group, protocol, port) in [(&web, "tcp", "80"), (&dns, "udp", "53")] {
        let rule = [("securitygroupid", &**group), ("protocol", protocol), ("startport", port), ("endport", port)];
        c.ask("authorizeSecurityGroupEgress", &[&rule[..], &[("cidrlist", "0.0.0.0/0")]].concat()).await;
    }
    let outs = async |groups: &[&str]| -> BTreeSet<(String, i32)> {
        let list = groups.join(",");
        let vm = c.try_deploy(&c.admin, &[("securitygroupids", &list)]).await.unwrap()["virtualmachine"].clone();
        let name = c.vm(vm["id"].as_str().unwrap()).await.instance_name;
        let sets = c.sim.inventory().hosts.into_values().flat_map(|h| h.rules.into_values());
        let rules = sets.filter(|s| s.vm == name).flat_map(|s| s.rules).filter(|r| !r.ingress);
        rules.map(|r| (r.protocol, r.first)).collect()
    };
    let set = |rules: &[(&str, i32)]| rules.iter().map(|(p, n)| ((*p).to_owned(), *n)).collect::<BTreeSet<_>>();
    assert_eq!(outs(&[&open]).await, set(&[("all", -1)]));
    assert_eq!(outs(&[&web]).await, set(&[("tcp", 80)]));
    assert_eq!(outs(&[&web, &dns]).await, set(&[("tcp", 80), ("udp", 53)]));
    assert_eq!(outs(&[&web, &open]).await, set(&[("tcp", 80), ("all", -1)]), "open stays open");
}
