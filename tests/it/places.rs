//! Where VMs run, on both databases: in the places of their dedication group, on hosts that take another guest; and how many disks one has.
use super::cloud::{TestCloud, on_both};
use serde_json::Value;
use std::sync::Arc;
use stratus_model::{Caller, Error};
use stratus_store::{Query, Volume, Zone};

on_both! {
    a_vm_in_a_dedication_group_runs_there_and_nowhere_else in stratus::simulate::BUILT_IN;
    a_host_takes_as_many_guests_as_its_hypervisor_says in stratus::simulate::BUILT_IN;
    a_vm_has_as_many_data_disks_as_its_hypervisor_takes in stratus::simulate::BUILT_IN;
    a_template_is_shared_with_a_project in stratus::simulate::BUILT_IN;
    events_say_what_they_are_about in stratus::simulate::BUILT_IN;
    a_private_zone_takes_nothing_of_others in &crate::it::compute::advanced();
}

fn text<'v>(v: &'v Value, field: &str) -> &'v str {
    v[field].as_str().unwrap_or_else(|| panic!("no {field} in {v}"))
}

impl TestCloud {
    async fn hosts(&self) -> Vec<String> {
        let found = self.ask("listHosts", &[("type", "Routing")]).await;
        found["host"].as_array().unwrap().iter().map(|h| text(h, "id").to_owned()).collect()
    }
    async fn landed_on(&self, who: &Arc<Caller>, more: &[(&str, &str)]) -> Result<(String, String), Error> {
        let vm = text(&self.try_deploy(who, more).await?["virtualmachine"], "id").to_owned();
        let shown = self.ask("listVirtualMachines", &[("id", &vm)]).await["virtualmachine"][0].clone();
        Ok((vm, text(&shown, "hostid").to_owned()))
    }
}

async fn a_vm_in_a_dedication_group_runs_there_and_nowhere_else(c: TestCloud) {
    let (anna, bert) = (c.user("anna").await, c.user("bert").await);
    let (root, hosts) = (c.first("listDomains", "domain", &[("name", "ROOT")]).await, c.hosts().await);
    let types = c.ask("listAffinityGroupTypes", &[]).await;
    assert_eq!(types["affinityGroupType"][1]["type"], "ExplicitDedication", "{types}");
    let made = c.ask("dedicateHost", &[("hostid", &hosts[1]), ("domainid", &root), ("account", "anna")]).await["dedicatedhost"][0].clone();
    let group = text(&made, "affinitygroupid").to_owned();
    let mine = c.try_as(&anna, "listAffinityGroups", &[]).await.unwrap()["affinitygroup"][0].clone();
    assert_eq!((text(&mine, "id"), text(&mine, "type"), text(&mine, "account")), (&*group, "ExplicitDedication", "anna"));
    assert_eq!(c.ask("listDedicatedHosts", &[("affinitygroupid", &group)]).await["count"], 1);
    for _ in 0..3 {
        assert_eq!(c.landed_on(&anna, &[("affinitygroupids", &group)]).await.unwrap().1, hosts[1]);
    }
    assert_eq!(c.landed_on(&anna, &[("affinitygroupnames", "DedicatedGrp-anna")]).await.unwrap().1, hosts[1]);
    assert_eq!(c.landed_on(&anna, &[("affinitygroupids", &group), ("hostid", &hosts[0])]).await.map(drop).unwrap_err().codes().api, 431);
    let elsewhere = [("affinitygroupids", &*group), ("hostid", &*hosts[0]), ("account", "anna"), ("domainid", &*root)];
    assert_eq!(c.try_deploy(&c.admin, &elsewhere).await.unwrap_err().codes().api, 533, "not even by name");
    assert_eq!(c.landed_on(&bert, &[("affinitygroupids", &group)]).await.unwrap_err().codes().api, 431, "another account's");
    assert_eq!(c.landed_on(&bert, &[]).await.unwrap().1, hosts[0]);
    assert_eq!(c.try_as(&anna, "deleteAffinityGroup", &[("id", &group)]).await.unwrap_err().codes().api, 536);
    c.settled("dedicated to an account").await;
    c.ask("releaseDedicatedHost", &[("hostid", &hosts[1])]).await;
    assert_eq!(c.try_as(&anna, "listAffinityGroups", &[]).await.unwrap()["count"], Value::Null);

    // A domain's places are for all its accounts.
    c.ask("dedicateHost", &[("hostid", &hosts[1]), ("domainid", &root)]).await;
    let seen = c.try_as(&bert, "listAffinityGroups", &[]).await.unwrap()["affinitygroup"][0].clone();
    assert_eq!((text(&seen, "name"), &seen["account"]), ("DedicatedGrp-ROOT", &Value::from("system")));
    assert_eq!(c.landed_on(&bert, &[("affinitygroupids", text(&seen, "id"))]).await.unwrap().1, hosts[1]);
    c.settled("dedicated to a domain").await;
}

async fn a_host_takes_as_many_guests_as_its_hypervisor_says(c: TestCloud) {
    let capability = c.ask("listHypervisorCapabilities", &[("hypervisor", "Simulator")]).await["hypervisorCapabilities"][0].clone();
    let most = |n: &'static str| {
        let id = text(&capability, "id").to_owned();
        let c = &c;
        async move { c.ask("updateHypervisorCapabilities", &[("id", &id), ("maxguestslimit", n)]).await }
    };
    most("1").await;
    let vms = [c.deploy().await, c.deploy().await];
    let refused = c.try_deploy(&c.admin, &[]).await.unwrap_err();
    assert_eq!(refused.codes().api, 533, "{refused}");
    assert!(refused.to_string().contains("has 1 guests"), "{refused}");
    c.settled("full").await;
    let targets = c.ask("findHostsForMigration", &[("virtualmachineid", &vms[0])]).await;
    assert_eq!(targets["host"][0]["suitableformigration"], false, "{targets}");
    c.ask("stopVirtualMachine", &[("id", &vms[0])]).await;
    c.deploy().await;
    assert_eq!(c.try_as(&c.admin, "startVirtualMachine", &[("id", &vms[0])]).await.unwrap_err().codes().api, 533);
    most("2").await;
    c.ask("startVirtualMachine", &[("id", &vms[0])]).await;
    c.settled("two each").await;
}

async fn a_vm_has_as_many_data_disks_as_its_hypervisor_takes(c: TestCloud) {
    let vm = c.deploy().await;
    let offering = c.first("listDiskOfferings", "diskoffering", &[("name", "Small")]).await;
    let attach = async || {
        let made = c.ask("createVolume", &[("name", "data"), ("diskofferingid", &offering), ("zoneid", &c.zone)]).await;
        let id = text(&made["volume"], "id").to_owned();
        c.try_as(&c.admin, "attachVolume", &[("id", &id), ("virtualmachineid", &vm)]).await
    };
    for _ in 0..6 {
        attach().await.unwrap();
    }
    let refused = attach().await.unwrap_err();
    assert_eq!(refused.codes().api, 431, "{refused}");
    assert!(refused.to_string().contains("6 data disks"), "{refused}");
    c.settled("six disks").await;
}

async fn a_template_is_shared_with_a_project(c: TestCloud) {
    let (anna, bert) = (c.user("anna").await, c.user("bert").await);
    let project = c.try_as(&bert, "createProject", &[("name", "rocket"), ("displaytext", "x")]).await.unwrap();
    let project = text(&project["project"], "id").to_owned();
    let vm = text(&c.try_deploy(&anna, &[]).await.unwrap()["virtualmachine"], "id").to_owned();
    c.ask("stopVirtualMachine", &[("id", &vm)]).await;
    let volume = c.first("listVolumes", "volume", &[("virtualmachineid", &vm), ("listall", "true")]).await;
    let os = c.first("listOsTypes", "ostype", &[]).await;
    let ask = [("name", "mine"), ("displaytext", "mine"), ("ostypeid", &*os), ("volumeid", &*volume)];
    let template = text(&c.try_as(&anna, "createTemplate", &ask).await.unwrap()["template"], "id").to_owned();
    let share = async |op: &str| {
        let ask = [("id", &*template), ("op", op), ("projectids", &*project)];
        c.try_as(&c.admin, "updateTemplatePermissions", &ask).await.unwrap();
        c.ask("listTemplatePermissions", &[("id", &template)]).await["templatepermission"].clone()
    };
    let into_project = [("projectid", &*project), ("templateid", &*template), ("zoneid", &*c.zone), ("serviceofferingid", &*c.offering)];
    assert!(c.try_as(&bert, "deployVirtualMachine", &into_project).await.is_err(), "not shared yet");
    assert_eq!(share("add").await["projectids"], Value::from(vec![project.as_str()]));
    c.try_as(&bert, "deployVirtualMachine", &into_project).await.unwrap();
    assert_eq!(share("remove").await["projectids"], Value::Null);
    let stranger = [("id", &*template), ("op", "add"), ("projectids", &*project)];
    assert_eq!(c.try_as(&anna, "updateTemplatePermissions", &stranger).await.unwrap_err().codes().api, 531, "bert's project");
}

async fn events_say_what_they_are_about(c: TestCloud) {
    let vm = c.try_deploy(&c.admin, &[("name", "web1")]).await.unwrap()["virtualmachine"].clone();
    let id = text(&vm, "id");
    c.ask("stopVirtualMachine", &[("id", id)]).await;
    let group = c.ask("createInstanceGroup", &[("name", "shop")]).await["instancegroup"].clone();
    c.ask("updateInstanceGroup", &[("id", text(&group, "id")), ("name", "store")]).await;
    c.ask("deleteInstanceGroup", &[("id", text(&group, "id"))]).await;
    let said = async |kind: &str| text(&c.ask("listEvents", &[("type", kind)]).await["event"][0], "description").to_owned();
    assert_eq!(said("VM.CREATE").await, "creating a VM: web1");
    assert_eq!(said("VM.STOP").await, format!("stopping a VM: virtual machine {id}"));
    for (kind, word) in [("INSTANCEGROUP.CREATE", "shop"), ("INSTANCEGROUP.UPDATE", "store"), ("INSTANCEGROUP.DELETE", "store")] {
        let text = said(kind).await;
        assert!(text.contains(word), "{kind}: {text}");
    }
}

async fn a_private_zone_takes_nothing_of_others(c: TestCloud) {
    let domain = c.ask("createDomain", &[("name", "inside")]).await["domain"]["id"].as_str().unwrap().to_owned();
    let (inside, outside) = (c.user_in("ann", &domain).await, c.user("eve").await);
    let row = c.engine.db.find_one::<Zone>(Query::live()).await.unwrap().unwrap();
    let set = vec![("domain_id", inside.domain_id.into())];
    c.engine.db.write(move |tx| Box::pin(async move { tx.set::<Zone>(row.id, set.clone()).await })).await.unwrap();
    let disk = c.first("listDiskOfferings", "diskoffering", &[("name", "Small")]).await;
    let os = c.first("listOsTypes", "ostype", &[("pagesize", "1"), ("page", "1")]).await;
    let isolated = [("name", "DefaultIsolatedNetworkOfferingWithSourceNatService")];
    let offering = c.first("listNetworkOfferings", "networkoffering", &isolated).await;
    let named = [("name", "x"), ("displaytext", "x"), ("zoneid", &*c.zone)];
    let image = [("format", "QCOW2"), ("hypervisor", "Simulator"), ("ostypeid", &*os), ("url", "http://sim/t.qcow2")];
    let ask = [
        ("createVolume", vec![("name", "x"), ("zoneid", &*c.zone), ("diskofferingid", &*disk)]),
        ("uploadVolume", vec![("name", "x"), ("zoneid", &*c.zone), ("format", "RAW"), ("url", "http://sim/v.raw")]),
        ("registerTemplate", [&named[..], &image].concat()),
        ("registerIso", [&named[..], &[("ostypeid", &*os), ("url", "http://sim/i.iso")]].concat()),
        ("createNetwork", [&named[..], &[("networkofferingid", &*offering)]].concat()),
    ];
    for (command, params) in &ask {
        let refused = c.try_as(&outside, command, params).await.unwrap_err();
        assert!(refused.codes().api == 431 && refused.to_string().contains(&c.zone), "{command}: {refused}");
    }
    assert!(c.engine.db.find::<Volume>(Query::live().eq("account_id", outside.account_id)).await.unwrap().is_empty());
    for (command, params) in &ask {
        c.try_as(&inside, command, params).await.unwrap_or_else(|e| panic!("{command}: {e}"));
    }
    c.settled("a private zone").await;
}
