//! What a VM is made of: the options of its deploy, another offering, more CPUs and memory while it runs.
use crate::it::cloud::{TestCloud, on_both};
use serde_json::Value;
use stratus_drivers::DriverError;
use stratus_model::Error;
use stratus_sim::{Fault, FaultKind, Op};
use stratus_store::{Host, Query};

on_both! {
    options_of_a_deploy_have_their_effect in stratus::simulate::BUILT_IN;
    a_stopped_vm_changes_its_offering in stratus::simulate::BUILT_IN;
    a_running_vm_grows in stratus::simulate::BUILT_IN;
}

async fn options_of_a_deploy_have_their_effect(c: TestCloud) {
    let admin = c.admin.clone();
    let free = c.engine.db.find::<stratus_store::IpAddress>(Query::all().eq("state", "Free").not_null("pod_id").page(5, 2)).await.unwrap();
    let host = c.engine.db.find::<Host>(Query::live().latest("id")).await.unwrap()[0].uuid.clone();
    let ask = [
        ("ipaddress", &*free[0].address),
        ("hostid", &*host),
        ("displayname", "My VM"),
        ("name", "web-1"),
        ("group", "web"),
        ("keyboard", "de"),
        ("userdata", "aGVsbG8="),
    ];
    let vm = c.try_deploy(&admin, &ask).await.unwrap()["virtualmachine"].clone();
    assert_eq!((&vm["nic"][0]["ipaddress"], &vm["hostid"]), (&free[0].address.as_str().into(), &host.as_str().into()), "{vm}");
    assert_eq!((&vm["displayname"], &vm["name"], &vm["group"]), (&"My VM".into(), &"web-1".into(), &"web".into()));
    let row = c.vm(vm["id"].as_str().unwrap()).await;
    assert_eq!((row.keyboard.as_deref(), row.user_data.as_deref()), (Some("de"), Some("aGVsbG8=")));
    let e = c.try_deploy(&admin, &[("ipaddress", &free[0].address)]).await.unwrap_err();
    assert!(matches!(e, Error::InUse { .. }), "{e}");
    let e = c.try_deploy(&admin, &[("ipaddress", "1.2.3.4")]).await.unwrap_err();
    assert!(e.to_string().contains("ipaddress"), "{e}");
    // A start that goes to another host keeps the address that was asked for.
    c.sim.inject(Fault::nth(Op::Start, 1, FaultKind::Fail(DriverError::Failed("no".into()))));
    let vm = c.try_deploy(&admin, &[("ipaddress", &free[1].address)]).await.unwrap()["virtualmachine"].clone();
    assert_eq!(vm["nic"][0]["ipaddress"], free[1].address.as_str());
    let quiet = c.try_deploy(&admin, &[("startvm", "false"), ("group", "web")]).await.unwrap()["virtualmachine"].clone();
    assert_eq!((&quiet["state"], &quiet["hostid"]), (&"Stopped".into(), &Value::Null));
    let group = c.first("listInstanceGroups", "instancegroup", &[("name", "web")]).await;
    let listed = c.ask("listVirtualMachines", &[("groupid", &group)]).await;
    assert_eq!(listed["count"], 2);
    c.settled("options").await;
}

async fn a_stopped_vm_changes_its_offering(c: TestCloud) {
    let id = c.deploy().await;
    let medium = c.first("listServiceOfferings", "serviceoffering", &[("name", "Medium Instance")]).await;
    c.fails("changeServiceForVirtualMachine", &[("id", &id), ("serviceofferingid", &medium)], 431, "while it is stopped").await;
    c.ask("stopVirtualMachine", &[("id", &id)]).await;
    let same = [("id", &*id), ("serviceofferingid", &*c.offering)];
    c.fails("changeServiceForVirtualMachine", &same, 431, "already").await;
    let local = c.offering("local", &[("cpunumber", "1"), ("cpuspeed", "500"), ("memory", "512"), ("storagetype", "local")]).await;
    c.fails("changeServiceForVirtualMachine", &[("id", &id), ("serviceofferingid", &local)], 431, "storage").await;
    let changed = c.ask("changeServiceForVirtualMachine", &[("id", &id), ("serviceofferingid", &medium)]).await["virtualmachine"].clone();
    assert_eq!((&changed["memory"], &changed["serviceofferingname"]), (&1024.into(), &"Medium Instance".into()), "{changed}");
    let custom = c.offering("custom", &[("customized", "true")]).await;
    c.fails("changeServiceForVirtualMachine", &[("id", &id), ("serviceofferingid", &custom)], 431, "cpuNumber").await;
    let numbers = [("details[0].cpuNumber", "3"), ("details[0].cpuSpeed", "700"), ("details[0].memory", "300")];
    let mut ask = vec![("id", &*id), ("serviceofferingid", &*custom)];
    ask.extend(numbers);
    let changed = c.ask("changeServiceForVirtualMachine", &ask).await["virtualmachine"].clone();
    assert_eq!((&changed["cpunumber"], &changed["cpuspeed"], &changed["memory"]), (&3.into(), &700.into(), &300.into()));
    c.settled("another offering").await;
    c.ask("startVirtualMachine", &[("id", &id)]).await;
    assert_eq!((c.taken().await.0, c.taken().await.1), (2100, 300 << 20));
    c.settled("started").await;
}

async fn a_running_vm_grows(c: TestCloud) {
    let id = c.deploy().await;
    let name = c.vm(&id).await.instance_name;
    let big = c.offering("big", &[("cpunumber", "2"), ("cpuspeed", "1000"), ("memory", "2048")]).await;
    let small = c.offering("small", &[("cpunumber", "1"), ("cpuspeed", "500"), ("memory", "128")]).await;
    c.fails("scaleVirtualMachine", &[("id", &id), ("serviceofferingid", &big)], 531, "enable.dynamic.scale.vm").await;
    c.ask("updateConfiguration", &[("name", "enable.dynamic.scale.vm"), ("value", "true")]).await;
    c.fails("scaleVirtualMachine", &[("id", &id), ("serviceofferingid", &big)], 431, "not dynamically scalable").await;
    c.ask("updateVirtualMachine", &[("id", &id), ("isdynamicallyscalable", "true")]).await;
    c.fails("scaleVirtualMachine", &[("id", &id), ("serviceofferingid", &small)], 431, "only grows").await;
    for kind in [FaultKind::Fail(DriverError::Failed("no".into())), FaultKind::Lose] {
        c.sim.inject(Fault::nth(Op::Scale, 1, kind));
        let failed = c.try_as(&c.admin.clone(), "scaleVirtualMachine", &[("id", &id), ("serviceofferingid", &big)]).await;
        assert!(failed.is_err());
        assert_eq!((c.taken().await.0, c.taken().await.1), (500, 512 << 20), "what failed takes nothing");
        assert_eq!(c.vm(&id).await.memory_mb, 512);
        c.settled("a failed growth").await;
    }
    let grown = c.ask("scaleVirtualMachine", &[("id", &id), ("serviceofferingid", &big)]).await["virtualmachine"].clone();
    assert_eq!((&grown["state"], &grown["memory"], &grown["serviceofferingname"]), (&"Running".into(), &2048.into(), &"big".into()));
    let seen = c.sim.inventory().hosts.values().find_map(|h| h.vms.get(&name).cloned()).unwrap();
    assert_eq!((seen.cpus, seen.memory_mb, seen.starts), (2, 2048, 1), "it grew without a restart");
    assert_eq!((c.taken().await.0, c.taken().await.1), (2000, 2048 << 20));
    c.settled("grown").await;
    // Where its host has no room it moves to one that has.
    let host = c.vm(&id).await.host_id.unwrap();
    let fill = "update host_capacity set cpu_total = cpu_used where host_id = ?";
    assert_eq!(c.engine.db.write(move |tx| Box::pin(async move { tx.execute(fill, vec![host.into()]).await })).await.unwrap(), 1);
    let huge = c.offering("huge", &[("cpunumber", "4"), ("cpuspeed", "1000"), ("memory", "4096")]).await;
    c.ask("scaleVirtualMachine", &[("id", &id), ("serviceofferingid", &huge)]).await;
    assert_ne!(c.vm(&id).await.host_id, Some(host));
    let seen = c.sim.inventory().hosts.values().find_map(|h| h.vms.get(&name).cloned()).unwrap();
    assert_eq!((seen.cpus, seen.memory_mb, seen.starts), (4, 4096, 1));
    c.settled("grown elsewhere").await;
}
