//! Local storage: a pool on each host that appears by itself, and VMs that stay where their disks are.
use super::super::cloud::{TestCloud, on_both};
use serde_json::Value;
use stratus_store::{Host, Query, StoragePool};

on_both! {
    vms_stay_where_their_disks_are in &super::super::hosts(2);
    a_host_takes_its_local_storage_along in &super::super::hosts(2);
}

impl TestCloud {
    /// The zone allows local storage, there are offerings for it; the one for VMs and the one for disks.
    async fn with_local_storage(&self) -> (String, String) {
        self.ask("updateZone", &[("id", &self.zone), ("localstorageenabled", "true")]).await;
        let about = [("name", "here"), ("displaytext", "here"), ("storagetype", "local")];
        let size = [("cpunumber", "1"), ("cpuspeed", "500"), ("memory", "256")];
        let vm = self.ask("createServiceOffering", &[&about[..], &size].concat()).await["serviceoffering"]["id"].clone();
        let disk = self.ask("createDiskOffering", &[&about[..], &[("disksize", "1")]].concat()).await["diskoffering"]["id"].clone();
        (vm.as_str().unwrap().to_owned(), disk.as_str().unwrap().to_owned())
    }
    async fn local_pools(&self) -> Vec<Value> {
        let mut pools = self.ask("listStoragePools", &[("scope", "HOST")]).await["storagepool"].as_array().cloned().unwrap_or_default();
        pools.sort_by_key(|pool| pool["name"].as_str().unwrap().to_owned());
        pools
    }
    async fn host_with(&self, vm: &str) -> String {
        let host = self.vm(vm).await.host_id.expect("a host");
        self.engine.db.must::<Host>(host).await.unwrap().uuid
    }
    /// The host whose own pool a volume is on.
    async fn host_under(&self, volume: &Value) -> String {
        let pool = self.ask("listVolumes", &[("id", volume["id"].as_str().unwrap())]).await["volume"][0]["storage"].clone();
        let pool = Query::live().eq("name", pool.as_str().unwrap());
        let pool = self.engine.db.find_one::<StoragePool>(pool).await.unwrap().unwrap();
        self.engine.db.must::<Host>(pool.host_id.expect("a pool on a host")).await.unwrap().uuid
    }
}

async fn vms_stay_where_their_disks_are(c: TestCloud) {
    assert_eq!(c.local_pools().await, Vec::<Value>::new(), "a zone has none unless it says so");
    let shared = c.deploy().await;
    let (offering, disk) = c.with_local_storage().await;
    let pools = c.local_pools().await;
    let names: Vec<&str> = pools.iter().map(|pool| pool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["sim-c0-h0 Local Storage", "sim-c0-h1 Local Storage"], "they appear by themselves");
    assert_eq!(
        (&pools[0]["type"], &pools[0]["state"], &pools[0]["scope"]),
        (&"Filesystem".into(), &"Up".into(), &"HOST".into()),
        "{}",
        pools[0]
    );
    let hosts = c.ask("listHosts", &[("type", "Routing")]).await;
    assert!(hosts["host"].as_array().unwrap().iter().all(|h| h["islocalstorageactive"] == true && h["disksizetotal"].as_i64() > Some(0)));

    let made = c.try_deploy(&c.admin, &[("serviceofferingid", &offering), ("diskofferingid", &disk)]).await.unwrap();
    let vm = made["virtualmachine"]["id"].as_str().unwrap().to_owned();
    c.settled("deployed").await;
    let at = c.host_with(&vm).await;
    let other = c.engine.db.find::<Host>(Query::live().ne("uuid", at.as_str())).await.unwrap()[0].uuid.clone();
    for volume in c.ask("listVolumes", &[("virtualmachineid", &vm)]).await["volume"].as_array().unwrap() {
        assert_eq!((&volume["storagetype"], c.host_under(volume).await), (&"local".into(), at.clone()), "{volume}");
    }
    c.fails("migrateVirtualMachine", &[("virtualmachineid", &vm), ("hostid", &other)], 431, "local storage").await;
    c.fails("migrateVirtualMachine", &[("virtualmachineid", &vm)], 533, "").await;
    let targets = c.ask("findHostsForMigration", &[("virtualmachineid", &vm)]).await;
    assert_eq!(targets["host"][0]["suitableformigration"], false, "{targets}");
    c.ask("stopVirtualMachine", &[("id", &vm)]).await;
    c.fails("startVirtualMachine", &[("id", &vm), ("hostid", &other)], 431, "local storage").await;
    for _ in 0..4 {
        c.ask("startVirtualMachine", &[("id", &vm)]).await;
        assert_eq!(c.host_with(&vm).await, at, "it starts where its disks are");
        c.ask("stopVirtualMachine", &[("id", &vm)]).await;
    }
    c.settled("started and stopped").await;

    // A VM without disks on a host goes everywhere; a disk on a host takes it there.
    let root = c.ask("listVolumes", &[("virtualmachineid", &shared)]).await["volume"][0].clone();
    let shared_at = c.ask("listStoragePools", &[("name", root["storage"].as_str().unwrap())]).await;
    assert_ne!(shared_at["storagepool"][0]["scope"], "HOST", "an offering for shared storage keeps away from the hosts'");
    let data = c.ask("createVolume", &[("name", "data"), ("diskofferingid", &disk), ("zoneid", &c.zone)]).await["volume"].clone();
    let data_id = data["id"].as_str().unwrap();
    c.ask("attachVolume", &[("id", data_id), ("virtualmachineid", &shared)]).await;
    assert_eq!(c.host_under(&data).await, c.host_with(&shared).await);
    c.ask("detachVolume", &[("id", data_id)]).await;
    let away = [c.host_with(&shared).await, other.clone(), at.clone()];
    let to = away.iter().find(|host| **host != away[0]).unwrap();
    c.ask("migrateVirtualMachine", &[("virtualmachineid", &shared), ("hostid", to)]).await;
    c.fails("attachVolume", &[("id", data_id), ("virtualmachineid", &shared)], 431, "another host").await;
    c.settled("attached and detached").await;

    // With its disks it can move.
    c.ask("startVirtualMachine", &[("id", &vm)]).await;
    c.ask("migrateVirtualMachineWithVolume", &[("virtualmachineid", &vm), ("hostid", &other)]).await;
    assert_eq!(c.host_with(&vm).await, other);
    for volume in c.ask("listVolumes", &[("virtualmachineid", &vm)]).await["volume"].as_array().unwrap() {
        assert_eq!(c.host_under(volume).await, other, "{volume}");
    }
    c.settled("moved with its disks").await;
    c.ask("updateZone", &[("id", &c.zone), ("localstorageenabled", "false")]).await;
    let refused = c.try_deploy(&c.admin, &[("serviceofferingid", &offering)]).await.unwrap_err();
    assert!(refused.codes().api == 431 && refused.to_string().contains("does not allow"), "{refused}");
    c.fails("createVolume", &[("name", "more"), ("diskofferingid", &disk), ("zoneid", &c.zone)], 431, "does not allow").await;
}

async fn a_host_takes_its_local_storage_along(c: TestCloud) {
    let (offering, disk) = c.with_local_storage().await;
    let made = c.try_deploy(&c.admin, &[("serviceofferingid", &offering)]).await.unwrap();
    let vm = made["virtualmachine"]["id"].as_str().unwrap().to_owned();
    let at = c.host_with(&vm).await;
    c.fails("prepareHostForMaintenance", &[("id", &at)], 536, "i-2-").await;
    c.ask("stopVirtualMachine", &[("id", &vm)]).await;
    c.fails("deleteHost", &[("id", &at), ("forced", "true")], 536, "local storage").await;
    let data = c.ask("createVolume", &[("name", "data"), ("diskofferingid", &disk), ("zoneid", &c.zone)]).await["volume"].clone();
    let data_id = data["id"].as_str().unwrap();
    c.ask("attachVolume", &[("id", data_id), ("virtualmachineid", &vm)]).await;
    assert_eq!(c.host_under(&data).await, at, "beside the VM's other disk");
    c.settled("refused").await;
    c.ask("deleteHost", &[("id", &at), ("forced", "true"), ("forcedestroylocalstorage", "true")]).await;
    assert!(c.vm(&vm).await.removed.is_some());
    assert_eq!(c.local_pools().await.len(), 1);
    c.settled("deleted with what was on it").await;
}
