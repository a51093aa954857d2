//! VMs that go elsewhere: to another host, away from one in maintenance, to another account.
use crate::it::cloud::{TestCloud, on_both};
use stratus_drivers::DriverError;
use stratus_sim::{Fault, FaultKind, Op};
use stratus_store::{Host, Placement, Query, ResourceCount, Volume};

on_both! {
    a_running_vm_moves in stratus::simulate::BUILT_IN;
    maintenance_drains_a_host in stratus::simulate::BUILT_IN;
    a_vm_goes_to_another_account in stratus::simulate::BUILT_IN;
}

async fn a_running_vm_moves(c: TestCloud) {
    let id = c.deploy().await;
    let from = c.vm(&id).await.host_id.unwrap();
    let hosts = c.engine.db.find::<Host>(Query::live()).await.unwrap();
    let (here, there) = (hosts.iter().find(|h| h.id == from).unwrap(), hosts.iter().find(|h| h.id != from).unwrap());
    c.fails("migrateVirtualMachine", &[("virtualmachineid", &id), ("hostid", &here.uuid)], 431, "already").await;
    for kind in [FaultKind::Fail(DriverError::Failed("no".into())), FaultKind::Fail(DriverError::NoRoom("full".into()))] {
        c.sim.inject(Fault::nth(Op::Migrate, 1, kind));
        let failed = c.try_as(&c.admin.clone(), "migrateVirtualMachine", &[("virtualmachineid", &id), ("hostid", &there.uuid)]).await;
        assert!(failed.is_err());
        assert_eq!(c.vm(&id).await.host_id, Some(from));
        c.settled("a failed migration").await;
    }
    c.sim.inject(Fault::nth(Op::Migrate, 1, FaultKind::Lose));
    let moved = c.ask("migrateVirtualMachine", &[("virtualmachineid", &id), ("hostid", &there.uuid)]).await["virtualmachine"].clone();
    assert_eq!((&moved["hostid"], &moved["state"]), (&there.uuid.as_str().into(), &"Running".into()), "a lost answer is no failure");
    c.settled("moved").await;
    assert_eq!(c.engine.db.count::<Placement>(Query::all()).await.unwrap(), 1);
    let back = c.ask("migrateVirtualMachine", &[("virtualmachineid", &id)]).await["virtualmachine"].clone();
    assert_eq!(back["hostid"], here.uuid.as_str(), "without a host it takes any other");
    let found = c.ask("findHostsForMigration", &[("virtualmachineid", &id)]).await;
    assert_eq!((found["host"].as_array().unwrap().len(), &found["host"][0]["id"]), (1, &there.uuid.as_str().into()), "{found}");
    assert_eq!(found["host"][0]["suitableformigration"], true);
    let seen = c.sim.inventory().hosts[&here.uuid].vms[&c.vm(&id).await.instance_name].clone();
    assert_eq!(seen.starts, 1, "its guest was never restarted");
    c.ask("stopVirtualMachine", &[("id", &id)]).await;
    c.fails("migrateVirtualMachine", &[("virtualmachineid", &id)], 431, "only a running").await;
    c.settled("stopped").await;
}

async fn maintenance_drains_a_host(c: TestCloud) {
    c.ask("updateConfiguration", &[("name", "vm.allocation.algorithm"), ("value", "firstfit")]).await;
    let vms = [c.deploy().await, c.deploy().await, c.deploy().await];
    let host = c.engine.db.must::<Host>(c.vm(&vms[0]).await.host_id.unwrap()).await.unwrap();
    c.sim.inject(Fault::nth(Op::Migrate, 2, FaultKind::Fail(DriverError::Failed("no".into()))));
    c.fails("prepareHostForMaintenance", &[("id", &host.uuid)], 536, "i-2-").await;
    let state = async || c.engine.db.must::<Host>(host.id).await.unwrap().resource_state;
    assert_eq!(state().await, "ErrorInMaintenance");
    c.settled("one VM did not move").await;
    let kept = c.ask("prepareHostForMaintenance", &[("id", &host.uuid)]).await["host"].clone();
    assert_eq!(kept["resourcestate"], "Maintenance");
    let here = Query::all().eq("host_id", host.id);
    assert_eq!(c.engine.db.count::<Placement>(here).await.unwrap(), 0);
    for vm in &vms {
        assert_eq!(c.vm(vm).await.state, "Running");
    }
    assert_ne!(c.vm(&c.deploy().await).await.host_id, Some(host.id));
    c.settled("drained").await;
    c.ask("cancelHostMaintenance", &[("id", &host.uuid)]).await;
    assert_eq!(state().await, "Enabled");
    for vm in &vms {
        assert_eq!(c.vm(vm).await.host_id, Some(host.id), "what left for the maintenance is back");
    }
    c.settled("taken back").await;
}

async fn a_vm_goes_to_another_account(c: TestCloud) {
    let (ann, bob) = (c.user("ann").await, c.user("bob").await);
    let disk = c.first("listDiskOfferings", "diskoffering", &[("name", "Small")]).await;
    let vm = c.try_deploy(&ann, &[("diskofferingid", &disk)]).await.unwrap()["virtualmachine"].clone();
    let id = vm["id"].as_str().unwrap();
    let domain = c.first("listDomains", "domain", &[]).await;
    let ask = [("virtualmachineid", id), ("account", "bob"), ("domainid", &*domain)];
    c.fails("assignVirtualMachine", &ask, 431, "stopped").await;
    c.ask("stopVirtualMachine", &[("id", id)]).await;
    let given = c.ask("assignVirtualMachine", &ask).await["virtualmachine"].clone();
    assert_eq!((&given["account"], &given["securitygroup"][0]["account"]), (&"bob".into(), &"bob".into()), "{given}");
    c.settled("given away").await;
    for (who, n) in [(&ann, 0), (&bob, 1)] {
        let q = Query::all().eq("owner_kind", "account").eq("owner_id", who.account_id).eq("resource", 0);
        assert_eq!(c.engine.db.find_one::<ResourceCount>(q).await.unwrap().unwrap().used, n);
        let volumes = c.engine.db.count::<Volume>(Query::live().eq("account_id", who.account_id)).await.unwrap();
        assert_eq!(volumes, n * 2);
    }
    assert!(c.try_as(&ann, "startVirtualMachine", &[("id", id)]).await.is_err());
    c.try_as(&bob, "startVirtualMachine", &[("id", id)]).await.unwrap();
    c.settled("started by its new owner").await;
    // A limit of the new owner refuses it, and nothing has changed.
    c.ask("stopVirtualMachine", &[("id", id)]).await;
    let none = [("resourcetype", "2"), ("max", "1"), ("account", "ann"), ("domainid", &*domain)];
    c.ask("updateResourceLimit", &none).await;
    let back = [("virtualmachineid", id), ("account", "ann"), ("domainid", &*domain)];
    c.fails("assignVirtualMachine", &back, 535, "volume").await;
    c.settled("refused").await;
}
