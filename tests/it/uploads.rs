//! Uploads, downloads and copies in process, on both databases, with simulated bytes: rows, counts, refusals and what a step that fails
//! leaves. Real bytes are `bytes.rs`.
use super::cloud::{TestCloud, on_both};
use serde_json::Value;
use stratus_drivers::DriverError;
use stratus_sim::{Fault, FaultKind, Op};
use stratus_store::{Download, Host, Query, ResourceCount, VolumeStore};

on_both! {
    an_upload_is_counted_attached_and_forgotten in stratus::simulate::BUILT_IN;
    addresses_are_given_to_those_who_may in stratus::simulate::BUILT_IN;
    a_running_vm_moves_with_its_disks in super::ZONE;
    a_template_goes_to_another_zone in super::ZONE;
    a_storage_range_changes in super::ZONE;
}

/// Two zones; the first has two clusters with a pool each.
const ZONE: &str = include_str!("two_clusters.json");

fn id(answer: &Value, key: &str) -> String {
    answer[key]["id"].as_str().unwrap_or_else(|| panic!("{key} in {answer}")).to_owned()
}

impl TestCloud {
    async fn used(&self, account: i64) -> Vec<i64> {
        let q = Query::all().eq("owner_kind", "account").eq("owner_id", account).within("resource", [2, 10, 11]);
        let mut rows = self.engine.db.find::<ResourceCount>(q).await.unwrap();
        rows.sort_by_key(|r| r.resource);
        rows.into_iter().map(|r| r.used).collect()
    }
    fn upload<'a>(&'a self, url: &'a str) -> Vec<(&'a str, &'a str)> {
        vec![("name", "up"), ("url", url), ("format", "RAW"), ("zoneid", &self.zone)]
    }
}

async fn an_upload_is_counted_attached_and_forgotten(c: TestCloud) {
    let ann = c.user("ann").await;
    let up = c.try_as(&ann, "uploadVolume", &c.upload("http://sim/a.raw")).await.unwrap();
    let volume = id(&up, "volume");
    assert_eq!((&up["volume"]["state"], &up["volume"]["status"]), (&"Uploaded".into(), &"Upload Complete".into()), "{up}");
    c.settled("uploaded").await;
    assert_eq!(c.used(ann.account_id).await, [1, 2 << 30, 1 << 29]);
    let vm = id(&c.try_deploy(&ann, &[]).await.unwrap(), "virtualmachine");
    let attached = c.try_as(&ann, "attachVolume", &[("id", &volume), ("virtualmachineid", &vm)]).await.unwrap();
    assert_eq!(attached["volume"]["state"], "Ready", "{attached}");
    assert_eq!(c.engine.db.count::<VolumeStore>(Query::live()).await.unwrap(), 1);
    c.engine.storage_reconcile().await.unwrap();
    assert_eq!(c.engine.db.count::<VolumeStore>(Query::live()).await.unwrap(), 0, "the pool has the bytes now");
    c.settled("attached").await;
    c.try_as(&ann, "destroyVirtualMachine", &[("id", &vm)]).await.unwrap();
    c.ask("expungeVirtualMachine", &[("id", &vm)]).await;
    c.try_as(&ann, "deleteVolume", &[("id", &volume)]).await.unwrap();
    c.settled("deleted").await;

    let other = id(&c.try_as(&ann, "uploadVolume", &c.upload("http://sim/b.raw")).await.unwrap(), "volume");
    c.try_as(&ann, "deleteVolume", &[("id", &other)]).await.unwrap();
    c.settled("deleted without a place").await;
    for kind in [FaultKind::Fail(DriverError::Failed("no".into())), FaultKind::Lose] {
        c.sim.inject(Fault::nth(Op::Fetch, 1, kind));
        let failed = c.try_as(&ann, "uploadVolume", &c.upload("http://sim/c.raw")).await.unwrap_err();
        assert_eq!(failed.codes().api, 534, "{failed}");
        c.sim.clear_faults();
        c.settled("an upload that failed").await;
    }
    assert_eq!(c.used(ann.account_id).await, [0, 0, 0]);
    let domain = c.first("listDomains", "domain", &[]).await;
    c.ask("updateResourceLimit", &[("resourcetype", "11"), ("max", "0"), ("account", "ann"), ("domainid", &domain)]).await;
    let full = c.try_as(&ann, "uploadVolume", &c.upload("http://sim/d.raw")).await.unwrap_err();
    assert_eq!(full.codes().api, 535, "{full}");
    c.settled("above the limit").await;
    for (url, more, field) in [
        ("ftp://sim/a.raw", ("format", "RAW"), "url"),
        ("http://sim/a.iso", ("format", "ISO"), "format"),
        ("http://sim/a.raw", ("format", "floppy"), "format"),
        ("http://sim/a.qcow2", ("format", "RAW"), "url"),
    ] {
        let refused = c.try_as(&ann, "uploadVolume", &[("name", "x"), ("url", url), more, ("zoneid", &c.zone)]).await.unwrap_err();
        assert!(refused.to_string().contains(field), "{url}: {refused}");
    }
    assert_eq!(c.used(ann.account_id).await, [0, 0, 0]);
}

async fn addresses_are_given_to_those_who_may(c: TestCloud) {
    let (ann, bob) = (c.user("ann").await, c.user("bob").await);
    let volume = id(&c.try_as(&ann, "uploadVolume", &c.upload("http://sim/a.raw")).await.unwrap(), "volume");
    let ask = [("id", volume.as_str()), ("zoneid", &c.zone), ("mode", "HTTP_DOWNLOAD")];
    let given = c.try_as(&ann, "extractVolume", &ask).await.unwrap();
    let url = given["volume"]["url"].as_str().unwrap().to_owned();
    let name = url.rsplit('/').next().unwrap().to_owned();
    let (download, reader) = c.engine.download_open(&name).await.unwrap().unwrap();
    assert_eq!((reader.bytes, download.file_name.as_str()), (2 << 30, "up.raw"));
    assert_eq!(c.try_as(&bob, "extractVolume", &ask).await.unwrap_err().codes().api, 531);
    // The built-in template is extractable and not theirs.
    let template = [("id", c.template.as_str()), ("mode", "HTTP_DOWNLOAD")];
    assert_eq!(c.try_as(&ann, "extractTemplate", &template).await.unwrap_err().codes().api, 531);
    c.ask("extractTemplate", &template).await;
    assert!(c.try_as(&c.admin, "extractIso", &template).await.is_err(), "a template is no ISO");
    for (mode, code) in [("FTP_UPLOAD", 432), ("BY_POST", 431)] {
        let refused = c.try_as(&ann, "extractVolume", &[("id", &volume), ("zoneid", &c.zone), ("mode", mode)]).await.unwrap_err();
        assert_eq!(refused.codes().api, code, "{refused}");
    }
    c.ask("updateConfiguration", &[("name", "disable.extraction"), ("value", "true")]).await;
    assert_eq!(c.try_as(&ann, "extractVolume", &ask).await.unwrap_err().codes().api, 531);
    c.ask("extractVolume", &ask).await;

    // A volume that has a place is copied for its address, and the copy goes with it; a step that fails leaves none.
    let vm = id(&c.try_deploy(&ann, &[]).await.unwrap(), "virtualmachine");
    let root =
        c.ask("listVolumes", &[("virtualmachineid", &vm), ("listall", "true")]).await["volume"][0]["id"].as_str().unwrap().to_owned();
    let ask = [("id", root.as_str()), ("zoneid", &c.zone), ("mode", "HTTP_DOWNLOAD")];
    assert_eq!(c.try_as(&c.admin, "extractVolume", &ask).await.unwrap_err().codes().api, 536, "its VM runs");
    c.ask("stopVirtualMachine", &[("id", &vm)]).await;
    for kind in [FaultKind::Fail(DriverError::Failed("no".into())), FaultKind::Lose] {
        c.sim.inject(Fault::nth(Op::Snapshot, 1, kind));
        c.try_as(&c.admin, "extractVolume", &ask).await.unwrap_err();
        c.sim.clear_faults();
        c.settled("a copy that failed").await;
    }
    c.ask("extractVolume", &ask).await;
    c.settled("a copy for an address").await;
    c.clock.step(14_400_000_001);
    assert!(c.engine.download_open(&name).await.unwrap().is_none(), "its time is over");
    assert!(c.engine.downloads_expire().await.unwrap() >= 3);
    assert_eq!(c.engine.db.count::<Download>(Query::live()).await.unwrap(), 0);
    c.settled("all addresses are over").await;
}

async fn a_running_vm_moves_with_its_disks(c: TestCloud) {
    let vm = c.deploy().await;
    let row = c.vm(&vm).await;
    let hosts = c.ask("listHosts", &[("type", "Routing"), ("zoneid", &c.zone)]).await["host"].as_array().unwrap().clone();
    let host = c.engine.db.must::<Host>(row.host_id.unwrap()).await.unwrap().uuid;
    let here = hosts.iter().find(|h| h["id"] == host.as_str()).unwrap()["clusterid"].clone();
    let there = hosts.iter().find(|h| h["clusterid"] != here).unwrap();
    let to = [("virtualmachineid", vm.as_str()), ("hostid", there["id"].as_str().unwrap())];
    assert!(c.try_as(&c.admin, "migrateVirtualMachine", &to).await.is_err(), "without its disks it cannot");
    c.settled("refused").await;
    for kind in [FaultKind::Fail(DriverError::Failed("no".into()))] {
        c.sim.inject(Fault::nth(Op::Migrate, 1, kind));
        c.try_as(&c.admin, "migrateVirtualMachineWithVolume", &to).await.unwrap_err();
        c.sim.clear_faults();
        c.settled("a move that failed").await;
    }
    let moved = c.ask("migrateVirtualMachineWithVolume", &to).await;
    assert_eq!((&moved["virtualmachine"]["state"], &moved["virtualmachine"]["hostid"]), (&"Running".into(), &there["id"]), "{moved}");
    c.settled("moved with its disk").await;
    let back = hosts.iter().find(|h| h["clusterid"] == here).unwrap();
    let volume = c.ask("listVolumes", &[("virtualmachineid", &vm)]).await["volume"][0].clone();
    let pools = c.ask("listStoragePools", &[("clusterid", here.as_str().unwrap())]).await["storagepool"].clone();
    let (volume, pool) = (volume["id"].as_str().unwrap(), pools[0]["id"].as_str().unwrap());
    let named = [("migrateto[0].volume", volume), ("migrateto[0].pool", pool)];
    let wrong = [&to[..1], &[("hostid", there["id"].as_str().unwrap())], &named].concat();
    assert!(c.try_as(&c.admin, "migrateVirtualMachineWithVolume", &wrong).await.is_err(), "it is there already");
    c.ask("migrateVirtualMachineWithVolume", &[&to[..1], &[("hostid", back["id"].as_str().unwrap())], &named].concat()).await;
    c.settled("moved back to a pool that was named").await;
}

async fn a_template_goes_to_another_zone(c: TestCloud) {
    let zones = c.ask("listZones", &[]).await["zone"].as_array().unwrap().clone();
    let other = zones.iter().find(|z| z["id"] != c.zone.as_str()).unwrap()["id"].as_str().unwrap().to_owned();
    let vm = c.deploy().await;
    let root = c.first("listVolumes", "volume", &[("virtualmachineid", &vm)]).await;
    let snapshot = id(&c.ask("createSnapshot", &[("volumeid", &root)]).await, "snapshot");
    let os = c.first("listOsTypes", "ostype", &[("pagesize", "1"), ("page", "1")]).await;
    let made = c.ask("createTemplate", &[("displaytext", "t"), ("name", "t"), ("ostypeid", &os), ("snapshotid", &snapshot)]).await;
    let template = id(&made, "template");
    let ask = [("id", template.as_str()), ("sourcezoneid", &c.zone), ("destzoneid", &other)];
    c.sim.inject(Fault::nth(Op::ObjectCopy, 1, FaultKind::Fail(DriverError::Failed("no".into()))));
    c.try_as(&c.admin, "copyTemplate", &ask).await.unwrap_err();
    c.sim.clear_faults();
    c.settled("a copy that failed").await;
    let copied = c.ask("copyTemplate", &ask).await;
    assert_eq!((&copied["template"]["zoneid"], &copied["template"]["isready"]), (&other.as_str().into(), &true.into()), "{copied}");
    assert_eq!(copied["template"]["checksum"], made["template"]["checksum"]);
    c.settled("in two zones").await;
    c.ask("copyTemplate", &ask).await;
    c.settled("asked again").await;
    assert!(c.try_as(&c.admin, "copyTemplate", &[("id", &template), ("sourcezoneid", &c.zone), ("destzoneid", &c.zone)]).await.is_err());
    let ready = c.ask("prepareTemplate", &[("templateid", &template), ("zoneid", &other)]).await;
    assert_eq!(ready["template"][0]["id"], template.as_str(), "{ready}");
    let copies = || c.sim.inventory().copies.values().filter(|t| t.contains(&template)).count();
    let pools = c.ask("listStoragePools", &[("zoneid", &other)]).await["count"].as_u64().unwrap();
    assert_eq!(copies() as u64, pools, "a copy on each pool of that zone");
    c.ask("prepareTemplate", &[("templateid", &template), ("zoneid", &other)]).await;
    c.sim.inject(Fault::nth(Op::PoolPreload, 1, FaultKind::Fail(DriverError::NoRoom("full".into()))));
    assert!(c.try_as(&c.admin, "prepareTemplate", &[("templateid", &template), ("zoneid", &c.zone)]).await.is_err());
    c.sim.clear_faults();
    assert_eq!(copies() as u64, pools);
    c.ask("deleteTemplate", &[("id", &template), ("zoneid", &other)]).await;
    assert_eq!(copies(), 0, "they went with it");
    assert!(c.try_as(&c.admin, "prepareTemplate", &[("templateid", &template), ("zoneid", &other)]).await.is_err());
    c.settled("in one zone again").await;
}

async fn a_storage_range_changes(c: TestCloud) {
    let pod = c.first("listPods", "pod", &[("zoneid", &c.zone)]).await;
    let wire = c.first("listPhysicalNetworks", "physicalnetwork", &[("zoneid", &c.zone)]).await;
    c.ask("addTrafficType", &[("physicalnetworkid", &wire), ("traffictype", "Storage")]).await;
    let made =
        [("podid", &*pod), ("gateway", "10.99.0.1"), ("netmask", "255.255.255.0"), ("startip", "10.99.0.10"), ("endip", "10.99.0.20")];
    let range = id(&c.ask("createStorageNetworkIpRange", &made).await, "storagenetworkiprange");
    let changed =
        c.ask("updateStorageNetworkIpRange", &[("id", &range), ("startip", "10.99.0.15"), ("endip", "10.99.0.40"), ("vlan", "7")]).await;
    let shown = &changed["storagenetworkiprange"];
    assert_eq!((&shown["startip"], &shown["endip"], &shown["vlan"]), (&"10.99.0.15".into(), &"10.99.0.40".into(), &7.into()), "{changed}");
    let held = c.engine.db.count::<stratus_store::IpAddress>(Query::all().starts("address", "10.99.0.")).await.unwrap();
    assert_eq!(held, 26);
    for bad in [("endip", "10.99.0.9"), ("endip", "10.98.0.9"), ("netmask", "255.0.255.0")] {
        assert!(c.try_as(&c.admin, "updateStorageNetworkIpRange", &[("id", &range), bad]).await.is_err(), "{bad:?}");
    }
    c.settled("a storage range").await;
}
