//! What is done with VMs beyond their life: passwords, sizes, owners, hosts, groups and snapshots, on both databases.
use super::cloud::{TestCloud, on_both};
use base64::Engine as _;
use futures::future::join_all;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use stratus_drivers::{DiskRef, DriverError};
use stratus_model::Error;
use stratus_sim::{Fault, FaultKind, Op};
use stratus_store::{AffinityHost, Event, Host, Job, Placement, Query, ResourceCount, StoragePool, Vm, VmSnapshot, Volume};

on_both! {
    a_password_is_told_once_and_kept_for_the_key in stratus::simulate::BUILT_IN;
    a_key_is_reset_while_stopped in stratus::simulate::BUILT_IN;
    a_stopped_vm_changes_its_offering in stratus::simulate::BUILT_IN;
    a_running_vm_grows in stratus::simulate::BUILT_IN;
    a_running_vm_moves in stratus::simulate::BUILT_IN;
    maintenance_drains_a_host in stratus::simulate::BUILT_IN;
    a_vm_goes_to_another_account in stratus::simulate::BUILT_IN;
    a_vm_is_restored in stratus::simulate::BUILT_IN;
    options_of_a_deploy_have_their_effect in stratus::simulate::BUILT_IN;
    groups_of_vms_are_kept in stratus::simulate::BUILT_IN;
    vms_of_an_anti_affinity_group_run_apart in &super::hosts(6);
    vm_snapshots_bring_disks_back in stratus::simulate::BUILT_IN;
    details_are_kept_beside_things in stratus::simulate::BUILT_IN;
    an_iso_is_registered_attached_and_booted in stratus::simulate::BUILT_IN;
    allocators_choose_as_they_are_named in &super::hosts(6);
    nics_come_and_go in &super::advanced();
}

/// The built-in zone with this many hosts.
fn hosts(n: usize) -> String {
    let mut zone: Value = serde_json::from_str(stratus::simulate::BUILT_IN).unwrap();
    let hosts = &mut zone["zones"][0]["pods"][0]["clusters"][0]["hosts"];
    let one = hosts[0].clone();
    let host = |i: usize| {
        let mut host = one.clone();
        host["url"] = format!("http://sim/c0/h{i}?cpus=8&mhz=2000&memory=16G").into();
        host
    };
    *hosts = (0..n).map(host).collect();
    zone.to_string()
}

/// An advanced zone with two hosts, without public addresses.
pub fn advanced() -> String {
    let mut zone: Value = serde_json::from_str(stratus::simulate::BUILT_IN).unwrap();
    let z = &mut zone["zones"][0];
    z["networktype"] = "Advanced".into();
    z["securitygroupenabled"] = false.into();
    z["guestcidraddress"] = "10.1.1.0/24".into();
    z["physical_networks"] = serde_json::json!([{
        "name": "wires", "vlan": "100-200", "isolationmethods": ["VLAN"], "broadcastdomainrange": "Zone",
        "traffictypes": [{ "typ": "Guest" }, { "typ": "Management" }, { "typ": "Public" }],
        "providers": [{ "broadcastdomain": "ZONE", "name": "VirtualRouter" }]
    }]);
    z["ipranges"] = serde_json::json!([
        { "startip": "192.168.2.2", "endip": "192.168.2.20", "netmask": "255.255.255.0", "vlan": 50, "gateway": "192.168.2.1" }
    ]);
    let pod = z["pods"][0].as_object_mut().unwrap();
    for gone in ["guestIpRanges", "publicIpRanges"] {
        pod.remove(gone);
    }
    z.as_object_mut().unwrap().remove("publicIpRanges");
    zone.to_string()
}

impl TestCloud {
    async fn job_of(&self, command: &str) -> Job {
        self.engine.db.find_one(Query::all().eq("command", command).latest("id")).await.unwrap().unwrap()
    }
    pub async fn fails(&self, command: &str, params: &[(&str, &str)], code: u16, words: &str) {
        let e = self.try_as(&self.admin.clone(), command, params).await.expect_err(command);
        assert_eq!(e.codes().api, code, "{command} {params:?}: {e}");
        assert!(e.to_string().contains(words), "{command} {params:?}: {e}");
    }
    async fn offering(&self, name: &str, more: &[(&str, &str)]) -> String {
        let mut all = vec![("name", name), ("displaytext", name)];
        all.extend(more);
        let made = self.ask("createServiceOffering", &all).await;
        made["serviceoffering"]["id"].as_str().unwrap().to_owned()
    }
    async fn with_passwords(&self) {
        self.ask("updateTemplate", &[("id", &self.template), ("passwordenabled", "true")]).await;
    }
    fn digest_at(&self, vm: &str) -> Option<String> {
        let leases = self.sim.inventory().networks.into_values().flatten();
        leases.filter(|(_, l)| l.vm == vm).find_map(|(_, l)| l.password)
    }
    /// Nothing in the database holds this text.
    async fn kept_nowhere(&self, secret: &str) {
        for j in self.engine.db.find::<Job>(Query::all()).await.unwrap() {
            assert!(!format!("{j:?}").contains(secret), "job {}", j.command);
        }
        for e in self.engine.db.find::<Event>(Query::all()).await.unwrap() {
            assert!(!e.description.contains(secret), "event {}", e.event_type);
        }
        for v in self.engine.db.find::<Vm>(Query::all()).await.unwrap() {
            assert!(!format!("{v:?}").contains(secret), "vm");
        }
    }
}

fn digest(text: &str) -> String {
    let hex: String = Sha256::digest(text).iter().map(|b| format!("{b:02x}")).collect();
    format!("{{SHA-256}}{hex}")
}

async fn a_password_is_told_once_and_kept_for_the_key(c: TestCloud) {
    c.with_passwords().await;
    let pair = c.ask("createSSHKeyPair", &[("name", "k")]).await;
    let private = pair["keypair"]["privatekey"].as_str().unwrap().to_owned();
    let vm = c.try_deploy(&c.admin.clone(), &[("keypair", "k")]).await.unwrap()["virtualmachine"].clone();
    let (id, first) = (vm["id"].as_str().unwrap(), vm["password"].as_str().unwrap().to_owned());
    let name = c.vm(id).await.instance_name;
    assert_eq!(c.digest_at(&name), Some(digest(&first)), "the guest fetches the password that was answered");
    let listed = c.ask("listVirtualMachines", &[("id", id)]).await;
    assert_eq!((&listed["virtualmachine"][0]["password"], &listed["virtualmachine"][0]["passwordenabled"]), (&Value::Null, &true.into()));
    let jobs = c.ask("listAsyncJobs", &[]).await.to_string();
    assert!(!jobs.contains(&first) && !jobs.contains("sealed"), "{jobs}");
    let job = c.job_of("deployVirtualMachine").await;
    let asked = c.ask("queryAsyncJobResult", &[("jobid", &job.uuid)]).await;
    assert_eq!(asked["jobresult"]["virtualmachine"]["password"], first.as_str());
    let open = |kept: Value| {
        use rsa::pkcs1::DecodeRsaPrivateKey;
        let key = rsa::RsaPrivateKey::from_pkcs1_pem(&private).unwrap();
        let sealed = base64::engine::general_purpose::STANDARD.decode(kept["password"]["encryptedpassword"].as_str().unwrap()).unwrap();
        String::from_utf8(key.decrypt(rsa::Pkcs1v15Encrypt, &sealed).unwrap()).unwrap()
    };
    assert_eq!(open(c.ask("getVMPassword", &[("id", id)]).await), first);
    let again = c.ask("resetPasswordForVirtualMachine", &[("id", id)]).await["virtualmachine"].clone();
    let second = again["password"].as_str().unwrap().to_owned();
    assert!(second != first && again["state"] == "Running", "{again}");
    assert_eq!(c.digest_at(&name), Some(digest(&second)));
    assert_eq!(open(c.ask("getVMPassword", &[("id", id)]).await), second);
    let world = c.sim.inventory();
    assert_eq!(world.hosts.values().find_map(|h| h.vms.get(&name)).unwrap().starts, 2, "a running VM is restarted for it");
    c.kept_nowhere(&first).await;
    c.kept_nowhere(&second).await;
    assert_eq!(c.engine.passwords_forget().await.unwrap(), 1);
    assert_eq!(c.vm(id).await.password_sealed, None);
    c.settled("passwords").await;
}

async fn a_key_is_reset_while_stopped(c: TestCloud) {
    let id = c.deploy().await;
    c.ask("createSSHKeyPair", &[("name", "k1")]).await;
    c.fails("resetSSHKeyForVirtualMachine", &[("id", &id), ("keypair", "k1")], 431, "is reset while").await;
    c.fails("resetPasswordForVirtualMachine", &[("id", &id)], 431, "cannot set passwords").await;
    c.fails("getVMPassword", &[("id", &id)], 431, "no password kept").await;
    c.ask("stopVirtualMachine", &[("id", &id)]).await;
    c.fails("resetSSHKeyForVirtualMachine", &[("id", &id), ("keypair", "nobody")], 431, "nobody").await;
    let reset = c.ask("resetSSHKeyForVirtualMachine", &[("id", &id), ("keypair", "k1")]).await;
    assert_eq!((&reset["virtualmachine"]["keypair"], &reset["virtualmachine"]["password"]), (&"k1".into(), &Value::Null));
    assert!(c.vm(&id).await.ssh_public_key.unwrap().starts_with("ssh-rsa "));
    c.with_passwords().await;
    let reset = c.ask("resetSSHKeyForVirtualMachine", &[("id", &id), ("keypair", "k1")]).await;
    let password = reset["virtualmachine"]["password"].as_str().unwrap().to_owned();
    let started = c.ask("startVirtualMachine", &[("id", &id)]).await;
    assert_eq!(started["virtualmachine"]["password"], password.as_str(), "it is taken up by the start");
    assert_eq!(c.digest_at(&c.vm(&id).await.instance_name), Some(digest(&password)));
    c.kept_nowhere(&password).await;
    c.settled("keys").await;
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

async fn nics_come_and_go(c: TestCloud) {
    let offering = c.first("listNetworkOfferings", "networkoffering", &[("name", "DefaultSharedNetworkOffering")]).await;
    let mut networks = Vec::new();
    for (name, vlan, net) in [("one", "301", "10.9.1"), ("two", "302", "10.9.2")] {
        let (gateway, first, last) = (format!("{net}.1"), format!("{net}.10"), format!("{net}.20"));
        let ask = [
            ("name", name),
            ("displaytext", name),
            ("networkofferingid", &*offering),
            ("zoneid", &*c.zone),
            ("vlan", vlan),
            ("gateway", &*gateway),
            ("netmask", "255.255.255.0"),
            ("startip", &*first),
            ("endip", &*last),
        ];
        networks.push(c.ask("createNetwork", &ask).await["network"]["id"].as_str().unwrap().to_owned());
    }
    let vm = c.try_deploy(&c.admin.clone(), &[("networkids", &networks[0])]).await.unwrap()["virtualmachine"].clone();
    let id = vm["id"].as_str().unwrap();
    let ask = [("virtualmachineid", id), ("networkid", &*networks[1]), ("ipaddress", "10.9.2.15")];
    for kind in [FaultKind::Fail(DriverError::Failed("no".into())), FaultKind::Lose] {
        c.sim.inject(Fault::nth(Op::Plug, 1, kind));
        assert!(c.try_as(&c.admin.clone(), "addNicToVirtualMachine", &ask).await.is_err());
        c.settled("a NIC that was not plugged").await;
    }
    let with = c.ask("addNicToVirtualMachine", &ask).await["virtualmachine"].clone();
    let nics = with["nic"].as_array().unwrap();
    assert_eq!((nics.len(), &nics[1]["ipaddress"], &nics[1]["isdefault"]), (2, &"10.9.2.15".into(), &false.into()), "{with}");
    c.settled("a second NIC").await;
    c.fails("addNicToVirtualMachine", &ask, 536, "has a NIC").await;
    let (first, second) = (nics[0]["id"].as_str().unwrap(), nics[1]["id"].as_str().unwrap());
    c.fails("removeNicFromVirtualMachine", &[("virtualmachineid", id), ("nicid", first)], 431, "default").await;
    let swapped =
        c.ask("updateDefaultNicForVirtualMachine", &[("virtualmachineid", id), ("nicid", second)]).await["virtualmachine"].clone();
    assert_eq!((&swapped["nic"][0]["isdefault"], &swapped["nic"][1]["isdefault"]), (&false.into(), &true.into()));
    let left = c.ask("removeNicFromVirtualMachine", &[("virtualmachineid", id), ("nicid", first)]).await["virtualmachine"].clone();
    assert_eq!(left["nic"].as_array().unwrap().len(), 1);
    c.settled("the first NIC is gone").await;
    c.ask("stopVirtualMachine", &[("id", id)]).await;
    c.ask("addNicToVirtualMachine", &[("virtualmachineid", id), ("networkid", &networks[0])]).await;
    c.ask("startVirtualMachine", &[("id", id)]).await;
    let seen = c.sim.inventory().hosts.values().find_map(|h| h.vms.get(&format!("i-2-{}-VM", 1)).cloned());
    assert!(seen.is_none_or(|v| v.nics.len() == 2));
    c.settled("started with both").await;
}

/// The two of `samples/allocators`, in force by their name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn allocators_from_outside_are_put_in_force_by_name() {
    use stratus_sample_allocators::{EmptiestHost, FullestPool, NAME};
    let allocators = stratus_engine::allocators::Allocators::default().with_host(Box::new(EmptiestHost)).with_pool(Box::new(FullestPool));
    let c = TestCloud::with(false, &hosts(4), allocators).await.unwrap();
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
