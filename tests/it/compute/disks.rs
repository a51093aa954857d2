//! Disks that go back or come in: restored VMs, VM snapshots, ISOs.
use crate::it::cloud::{TestCloud, on_both};
use serde_json::Value;
use stratus_drivers::{DiskRef, DriverError};
use stratus_sim::{Fault, FaultKind, Op};
use stratus_store::{Query, StoragePool, VmSnapshot, Volume};

on_both! {
    a_vm_is_restored in stratus::simulate::BUILT_IN;
    vm_snapshots_bring_disks_back in stratus::simulate::BUILT_IN;
    an_iso_is_registered_attached_and_booted in stratus::simulate::BUILT_IN;
}

async fn a_vm_is_restored(c: TestCloud) {
    let id = c.deploy().await;
    let vm = c.vm(&id).await;
    let root = async || {
        let q = Query::live().eq("vm_id", vm.id).eq("volume_type", "ROOT");
        c.engine.db.find_one::<Volume>(q).await.unwrap().unwrap()
    };
    let old = root().await;
    let pool = c.engine.db.must::<StoragePool>(old.pool_id.unwrap()).await.unwrap();
    let at = |v: &Volume| DiskRef { pool: pool.uuid.clone(), path: v.path.clone().unwrap(), bytes: v.size_bytes as u64 };
    let fresh = stratus_drivers::PrimaryStorage::identity(&*c.sim, &at(&old)).await.unwrap();
    c.sim.scribble(&at(&old)).unwrap();
    let before = c.taken().await;
    let restored = c.ask("restoreVirtualMachine", &[("virtualmachineid", &id)]).await["virtualmachine"].clone();
    assert_eq!(restored["state"], "Running");
    let new = root().await;
    assert_ne!(new.uuid, old.uuid);
    assert_eq!(stratus_drivers::PrimaryStorage::identity(&*c.sim, &at(&new)).await.unwrap(), fresh, "the marker is gone");
    assert_eq!(c.taken().await, before);
    c.settled("restored").await;
    // When it cannot start again the new disk is made, the VM is stopped, and nothing leaks.
    c.sim.inject(Fault::nth(Op::DiskFromTemplate, 1, FaultKind::Fail(DriverError::Failed("no".into()))).lasting());
    assert!(c.try_as(&c.admin.clone(), "restoreVirtualMachine", &[("virtualmachineid", &id)]).await.is_err());
    c.sim.clear_faults();
    assert_eq!(c.vm(&id).await.state, "Stopped");
    c.settled("a restore that did not start").await;
    c.ask("startVirtualMachine", &[("id", &id)]).await;
    c.ask("stopVirtualMachine", &[("id", &id)]).await;
    let restored = c.ask("restoreVirtualMachine", &[("virtualmachineid", &id)]).await["virtualmachine"].clone();
    assert_eq!(restored["state"], "Stopped", "a stopped VM stays stopped");
    c.settled("restored while stopped").await;
}

async fn vm_snapshots_bring_disks_back(c: TestCloud) {
    let id = c.deploy().await;
    let vm = c.vm(&id).await;
    let root = c.engine.db.find_one::<Volume>(Query::live().eq("vm_id", vm.id)).await.unwrap().unwrap();
    let pool = c.engine.db.must::<StoragePool>(root.pool_id.unwrap()).await.unwrap();
    let at = DiskRef { pool: pool.uuid, path: root.path.unwrap(), bytes: root.size_bytes as u64 };
    let bytes = async || stratus_drivers::PrimaryStorage::identity(&*c.sim, &at).await.unwrap();
    let (first, take) = (bytes().await, [("virtualmachineid", &*id), ("name", "before"), ("snapshotmemory", "true")]);
    let one = c.ask("createVMSnapshot", &take).await["vmsnapshot"].clone();
    assert_eq!((&one["state"], &one["type"], &one["current"]), (&"Ready".into(), &"DiskAndMemory".into(), &true.into()), "{one}");
    c.sim.scribble(&at).unwrap();
    let second = bytes().await;
    let two = c.ask("createVMSnapshot", &[("virtualmachineid", &id)]).await["vmsnapshot"].clone();
    assert_eq!((&two["parent"], &two["type"]), (&one["id"], &"Disk".into()), "{two}");
    c.fails("changeServiceForVirtualMachine", &[("id", &id), ("serviceofferingid", &c.offering)], 431, "stopped").await;
    c.fails("restoreVirtualMachine", &[("virtualmachineid", &id)], 431, "VM snapshots").await;
    let one = one["id"].as_str().unwrap();
    let reverted = c.ask("revertToVMSnapshot", &[("vmsnapshotid", one)]).await["virtualmachine"].clone();
    assert_eq!((bytes().await, &reverted["state"]), (first.clone(), &"Running".into()));
    let two = two["id"].as_str().unwrap();
    let reverted = c.ask("revertToVMSnapshot", &[("vmsnapshotid", two)]).await["virtualmachine"].clone();
    assert_eq!((bytes().await, &reverted["state"]), (second, &"Stopped".into()), "a snapshot of disks is of a VM that is off");
    c.fails("createVMSnapshot", &take, 431, "memory").await;
    c.sim.inject(Fault::nth(Op::VmKeep, 1, FaultKind::Lose));
    assert!(c.try_as(&c.admin.clone(), "createVMSnapshot", &[("virtualmachineid", &id)]).await.is_err());
    let failed = c.engine.db.find_one::<VmSnapshot>(Query::live().eq("state", "Error")).await.unwrap().unwrap();
    c.ask("deleteVMSnapshot", &[("vmsnapshotid", &failed.uuid)]).await;
    c.ask("updateConfiguration", &[("name", "vmsnapshot.max"), ("value", "2")]).await;
    c.fails("createVMSnapshot", &[("virtualmachineid", &id)], 431, "vmsnapshot.max").await;
    let listed = c.ask("listVMSnapshot", &[("virtualmachineid", &id)]).await;
    assert_eq!(listed["count"], 2, "{listed}");
    c.ask("deleteVMSnapshot", &[("vmsnapshotid", one)]).await;
    let left = c.ask("listVMSnapshot", &[("virtualmachineid", &id)]).await["vmSnapshot"][0].clone();
    assert_eq!((&left["id"], &left["parent"]), (&two.into(), &Value::Null));
    c.ask("destroyVirtualMachine", &[("id", &id), ("expunge", "true")]).await;
    assert_eq!(c.engine.db.count::<VmSnapshot>(Query::live()).await.unwrap(), 0);
    c.settled("snapshots").await;
}

async fn an_iso_is_registered_attached_and_booted(c: TestCloud) {
    let os = c.first("listOsTypes", "ostype", &[]).await;
    let ask = [("name", "tools"), ("displaytext", "t"), ("url", "http://example.org/tools.iso"), ("zoneid", &*c.zone)];
    c.fails("registerIso", &ask, 431, "ostypeid").await;
    let ask = [&ask[..], &[("ostypeid", &os), ("ispublic", "true")]].concat();
    let made = c.ask("registerIso", &ask).await["iso"][0].clone();
    assert_eq!((&made["format"], &made["isready"], &made["bootable"]), (&"ISO".into(), &true.into(), &true.into()), "{made}");
    let iso = made["id"].as_str().unwrap().to_owned();
    let data =
        [("name", "data"), ("displaytext", "d"), ("url", "http://example.org/data.iso"), ("zoneid", &*c.zone), ("bootable", "false")];
    let data = c.ask("registerIso", &data).await["iso"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(c.ask("listIsos", &[("bootable", "true")]).await["count"], 1);
    assert_eq!(c.ask("listIsos", &[("isofilter", "executable")]).await["count"], 2);
    assert_eq!(c.ask("listTemplates", &[("templatefilter", "self")]).await["count"], Value::Null, "an ISO is no template");
    let vm = c.deploy().await;
    let name = c.vm(&vm).await.instance_name;
    let drive = || c.sim.inventory().hosts.values().find_map(|h| h.vms.get(&name).cloned()).unwrap().iso;
    c.fails("detachIso", &[("virtualmachineid", &vm)], 431, "no ISO").await;
    let with = c.ask("attachIso", &[("virtualmachineid", &vm), ("id", &iso)]).await["virtualmachine"].clone();
    assert_eq!((&with["isoid"], &with["isoname"], drive()), (&iso.as_str().into(), &"tools".into(), Some(iso.clone())));
    assert_eq!(c.ask("listVirtualMachines", &[("isoid", &iso)]).await["count"], 1);
    c.fails("deleteIso", &[("id", &iso)], 536, "detach").await;
    c.ask("stopVirtualMachine", &[("id", &vm)]).await;
    c.ask("startVirtualMachine", &[("id", &vm)]).await;
    assert_eq!(drive(), Some(iso.clone()), "it stays in the drive");
    c.ask("detachIso", &[("virtualmachineid", &vm)]).await;
    assert_eq!(drive(), None);
    // A VM from an ISO: blank, its root disk as large as a disk offering says.
    let disk = c.first("listDiskOfferings", "diskoffering", &[("name", "Small")]).await;
    let boot = [("zoneid", &*c.zone), ("templateid", &*iso), ("serviceofferingid", &*c.offering)];
    c.fails("deployVirtualMachine", &boot, 431, "diskofferingid").await;
    let boot = [&boot[..], &[("diskofferingid", &*disk)]].concat();
    c.fails("deployVirtualMachine", &boot, 431, "hypervisor").await;
    let blank = c.ask("deployVirtualMachine", &[&boot[..], &[("hypervisor", "simulator")]].concat()).await["virtualmachine"].clone();
    assert_eq!((&blank["state"], &blank["isoid"]), (&"Running".into(), &iso.as_str().into()), "{blank}");
    let root = c.ask("listVolumes", &[("virtualmachineid", blank["id"].as_str().unwrap())]).await;
    assert_eq!((&root["count"], &root["volume"][0]["type"], &root["volume"][0]["size"]), (&1.into(), &"ROOT".into(), &(5i64 << 30).into()));
    let bad = [("zoneid", &*c.zone), ("templateid", &*data), ("serviceofferingid", &*c.offering), ("diskofferingid", &*disk)];
    c.fails("deployVirtualMachine", &[&bad[..], &[("hypervisor", "simulator")]].concat(), 431, "not bootable").await;
    c.ask("updateIso", &[("id", &data), ("name", "data2")]).await;
    assert_eq!(c.ask("listIsoPermissions", &[("id", &iso)]).await["templatepermission"]["ispublic"], true);
    c.ask("updateIsoPermissions", &[("id", &iso), ("ispublic", "false")]).await;
    c.fails("deleteIso", &[("id", &c.template)], 431, "ISO").await;
    c.ask("deleteIso", &[("id", &data)]).await;
    c.settled("ISOs").await;
    assert_eq!(c.engine.figures_read().await.unwrap(), 2);
    let shown = c.ask("listVirtualMachines", &[("id", &vm)]).await["virtualmachine"][0].clone();
    assert_eq!((&shown["cpuused"], &shown["networkkbsread"]), (&"0%".into(), &0.into()), "{shown}");
    let network = c.first("listNetworks", "network", &[]).await;
    c.fails("addNicToVirtualMachine", &[("virtualmachineid", &vm), ("networkid", &network)], 431, "Basic").await;
}
