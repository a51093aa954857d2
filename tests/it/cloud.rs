//! VMs and volumes in process, on both databases: what the rows say, what the simulator runs and what is counted stay one truth.
use futures::future::join_all;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use stratus::simulate::{self, Description};
use stratus_api::Registry;
use stratus_drivers::DriverError;
use stratus_engine::{Engine, EngineConfig};
use stratus_model::{Caller, Error, Source, SteppedClock};
use stratus_sim::{Fault, FaultKind, Op, Sim};
use stratus_store::{Db, Host, HostCapacity, IpAddress, Nic, Placement, Query, ResourceCount, Sealer, StoragePool, User, Vm, Volume};

/// The built-in zone on simulated machines, an administrator and a clock that moves when told.
pub struct TestCloud {
    pub engine: Arc<Engine>,
    pub sim: Arc<Sim>,
    pub clock: Arc<SteppedClock>,
    pub registry: Arc<Registry>,
    pub admin: Arc<Caller>,
    pub zone: String,
    pub template: String,
    pub offering: String,
    _dir: tempfile::TempDir,
}

impl TestCloud {
    /// On SQLite or on MariaDB; none where there is no MariaDB.
    pub async fn new(maria: bool, zone: &str) -> Option<Self> {
        Self::with(maria, zone, |_| ()).await
    }
    /// With plug-ins of its own.
    pub async fn with(maria: bool, zone: &str, change: impl FnOnce(&mut EngineConfig)) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let db = match maria {
            true => Db::mysql(&stratus_testkit::maria::fresh().await?).await.unwrap(),
            false => Db::sqlite(&dir.path().join("stratus.db")).await.unwrap(),
        };
        let sim = Sim::open(None).unwrap();
        let drivers = stratus_drivers::Registry::default()
            .with_host("Simulator", sim.clone())
            .with_pool("Simulator", sim.clone())
            .with_store("NFS", sim.clone())
            .with_network("VirtualRouter", sim.clone())
            .with_network("SecurityGroupProvider", sim.clone());
        let clock = Arc::new(SteppedClock::at(1_700_000_000_000_000));
        let mut config = EngineConfig::new(db, Sealer::new(&[7; 32]), drivers, clock.clone(), "test");
        change(&mut config);
        let engine = Engine::open(config).await.unwrap();
        assert!(engine.setup().await.unwrap());
        simulate::make(&engine, &Description::read(zone).unwrap()).await.unwrap();
        let admin = engine.caller_of(&engine.db.must::<User>(2).await.unwrap(), Source::Key).await.unwrap();
        let none = String::new;
        let registry = Arc::new(Registry::new());
        let mut cloud =
            Self { engine, sim, clock, registry, admin: Arc::new(admin), zone: none(), template: none(), offering: none(), _dir: dir };
        cloud.zone = cloud.first("listZones", "zone", &[]).await;
        cloud.template = cloud.first("listTemplates", "template", &[("templatefilter", "executable")]).await;
        cloud.offering = cloud.first("listServiceOfferings", "serviceoffering", &[("name", "Small Instance")]).await;
        Some(cloud)
    }

    pub async fn try_as(&self, caller: &Arc<Caller>, command: &str, params: &[(&str, &str)]) -> Result<Value, Error> {
        let params: BTreeMap<String, String> = params.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        self.registry.call_and_wait(&self.engine, caller, command, params).await
    }
    pub async fn ask(&self, command: &str, params: &[(&str, &str)]) -> Value {
        let outcome = self.try_as(&self.admin, command, params).await;
        outcome.unwrap_or_else(|e| panic!("{command}: {e} ({:?})", std::error::Error::source(&e).map(ToString::to_string)))
    }
    pub async fn first(&self, command: &str, key: &str, params: &[(&str, &str)]) -> String {
        let found = self.ask(command, params).await;
        found[key][0]["id"].as_str().unwrap_or_else(|| panic!("{command}: {found}")).to_owned()
    }
    pub async fn try_deploy(&self, caller: &Arc<Caller>, more: &[(&str, &str)]) -> Result<Value, Error> {
        let mut params = vec![("zoneid", &*self.zone), ("templateid", &self.template), ("serviceofferingid", &self.offering)];
        params.extend(more);
        self.try_as(caller, "deployVirtualMachine", &params).await
    }
    pub async fn deploy(&self) -> String {
        let vm = self.try_deploy(&self.admin.clone(), &[]).await.unwrap()["virtualmachine"].clone();
        assert_eq!(vm["state"], "Running", "{vm}");
        vm["id"].as_str().unwrap().to_owned()
    }
    pub async fn vm(&self, uuid: &str) -> Vm {
        self.engine.db.find_one(Query::all().eq("uuid", uuid)).await.unwrap().unwrap()
    }
    /// A new account of type user with one user, in ROOT.
    pub async fn user(&self, name: &str) -> Arc<Caller> {
        let root = self.first("listDomains", "domain", &[("name", "ROOT")]).await;
        self.user_in(name, &root).await
    }
    /// The same in another domain.
    pub async fn user_in(&self, name: &str, domain: &str) -> Arc<Caller> {
        let who = [("username", name), ("password", "p"), ("firstname", "A"), ("lastname", "B"), ("email", "a@example.com")];
        self.ask("createAccount", &[&who[..], &[("accounttype", "0"), ("domainid", domain)]].concat()).await;
        let user = self.engine.db.find_one::<User>(Query::live().eq("username", name)).await.unwrap().unwrap();
        Arc::new(self.engine.caller_of(&user, Source::Key).await.unwrap())
    }
    /// Waits for the jobs that nobody waits for.
    pub async fn idle(&self) {
        let pending = self.engine.db.find::<stratus_store::Job>(Query::live().eq("status", 0)).await.unwrap();
        for job in pending {
            let ended = self.engine.job_wait(job.id, std::time::Duration::from_secs(60)).await.unwrap();
            assert_eq!(ended.status, 1, "{}: {:?}", ended.command, ended.result);
        }
    }
    /// How much of its hosts and pools is taken: MHz, bytes of memory, bytes of disks.
    pub async fn taken(&self) -> (i64, i64, i64) {
        let hosts = self.engine.db.find::<HostCapacity>(Query::all()).await.unwrap();
        let pools = self.engine.db.find::<StoragePool>(Query::live()).await.unwrap();
        let sum = |f: fn(&HostCapacity) -> i64| hosts.iter().map(f).sum();
        (sum(|h| h.cpu_used), sum(|h| h.memory_used), pools.iter().map(|p| p.used_bytes).sum())
    }

    /// Nothing is wrong at rest, and the simulated world is what the rows say.
    pub async fn settled(&self, when: &str) {
        assert_eq!(self.engine.check().await.unwrap(), Vec::<String>::new(), "{when}");
        let world = self.sim.inventory();
        assert!(world.doubles.is_empty() && world.double_starts == 0, "{when}: {:?}, {}", world.doubles, world.double_starts);
        let vms = self.engine.db.find::<Vm>(Query::live()).await.unwrap();
        let hosts = self.engine.db.by_ids::<Host>(vms.iter().filter_map(|v| v.host_id)).await.unwrap();
        let running: Vec<&Vm> = vms.iter().filter(|v| v.state == "Running").collect();
        for vm in &vms {
            let here = world.host_of(&vm.instance_name);
            let there = vm.host_id.and_then(|h| hosts.get(&h)).map(|h| h.uuid.as_str());
            assert_eq!(here, there, "{when}: {} is {}", vm.instance_name, vm.state);
            assert_eq!(here.is_some(), vm.state == "Running", "{when}: {} is {}", vm.instance_name, vm.state);
        }
        assert_eq!(world.running, running.len(), "{when}: VMs that run");
        let disks: BTreeSet<&String> = world.pools.values().flat_map(BTreeMap::keys).collect();
        let volumes = self.engine.db.find::<Volume>(Query::live().eq("state", "Ready")).await.unwrap();
        assert_eq!(disks, volumes.iter().filter_map(|v| v.path.as_ref()).collect(), "{when}: disks");
        let leases: BTreeSet<(String, String)> =
            world.networks.values().flatten().map(|(nic, lease)| (nic.clone(), lease.ip.clone())).collect();
        let nics = self.engine.db.find::<Nic>(Query::live().within("vm_id", running.iter().map(|v| v.id))).await.unwrap();
        let nics: BTreeSet<(String, String)> = nics.into_iter().map(|n| (n.uuid, n.ip4.unwrap_or_default())).collect();
        assert_eq!(leases, nics, "{when}: leases");
    }
}

/// Each scenario on each database.
macro_rules! on_both {
    ($($scenario:ident in $zone:expr;)*) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $scenario() {
                super::$scenario(super::TestCloud::new(false, $zone).await.unwrap()).await;
            })*
        }
        mod mariadb {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $scenario() {
                if let Some(cloud) = super::TestCloud::new(true, $zone).await {
                    super::$scenario(cloud).await;
                }
            })*
        }
    };
}

pub(crate) use on_both;

on_both! {
    a_vm_lives_and_ends in stratus::simulate::BUILT_IN;
    a_data_volume_lives_and_ends in stratus::simulate::BUILT_IN;
    a_deleted_account_takes_all_it_owns_with_it in stratus::simulate::BUILT_IN;
    dedicated_places_are_their_owners_alone in stratus::simulate::BUILT_IN;
    parallel_deploys_do_not_pass_a_limit in stratus::simulate::BUILT_IN;
    parallel_deploys_of_one_name_make_one_vm in stratus::simulate::BUILT_IN;
    parallel_deploys_do_not_pass_the_hosts in &super::room_for_ten();
    a_host_that_does_not_start_vms_is_avoided in stratus::simulate::BUILT_IN;
    a_start_that_fails_everywhere_leaves_nothing in stratus::simulate::BUILT_IN;
}

/// The built-in zone with hosts of five small instances each.
fn room_for_ten() -> String {
    let small = simulate::BUILT_IN.replace("cpus=96&mhz=3000&memory=512G", "cpus=5&mhz=500&memory=8G");
    assert_ne!(small, simulate::BUILT_IN);
    small
}

async fn a_vm_lives_and_ends(c: TestCloud) {
    let nothing = c.taken().await;
    assert_eq!(nothing, (0, 0, 0));
    let id = c.deploy().await;
    c.settled("deployed").await;
    let running = c.taken().await;
    assert_eq!((running.0, running.1), (500, 512 << 20));
    let stopped = (0, 0, running.2);
    for (command, state, taken) in [
        ("stopVirtualMachine", "Stopped", stopped),
        ("stopVirtualMachine", "Stopped", stopped),
        ("startVirtualMachine", "Running", running),
        ("rebootVirtualMachine", "Running", running),
        ("destroyVirtualMachine", "Destroyed", stopped),
        ("recoverVirtualMachine", "Stopped", stopped),
        ("startVirtualMachine", "Running", running),
        ("destroyVirtualMachine", "Destroyed", stopped),
    ] {
        let after = c.ask(command, &[("id", &id)]).await;
        assert_eq!(after["virtualmachine"]["state"], state, "{command}: {after}");
        c.settled(command).await;
        assert_eq!(c.taken().await, taken, "{command}");
    }
    let delay = c.engine.settings.number("expunge.delay");
    c.clock.step(delay * 1_000_000 - 1);
    assert_eq!(c.engine.expunge_due().await.unwrap(), 0);
    c.clock.step(1);
    assert_eq!(c.engine.expunge_due().await.unwrap(), 1);
    c.idle().await;
    c.settled("expunged").await;
    assert_eq!(c.taken().await, nothing);
    assert!(c.vm(&id).await.removed.is_some());
    assert_eq!(c.engine.db.count::<IpAddress>(Query::all().not_null("nic_id")).await.unwrap(), 0);
    assert_eq!(c.engine.expunge_due().await.unwrap(), 0);
}

async fn a_deleted_account_takes_all_it_owns_with_it(c: TestCloud) {
    let user = c.user("anna").await;
    let offering = c.first("listDiskOfferings", "diskoffering", &[("name", "Small")]).await;
    let project = c.try_as(&user, "createProject", &[("name", "rocket"), ("displaytext", "x")]).await.unwrap();
    let project = project["project"]["id"].as_str().unwrap().to_owned();
    for owner in [&[][..], &[("projectid", &*project)]] {
        for _ in 0..2 {
            c.try_deploy(&user, owner).await.unwrap();
        }
        let volume = [&[("name", "data"), ("diskofferingid", &*offering), ("zoneid", &*c.zone)][..], owner].concat();
        c.try_as(&user, "createVolume", &volume).await.unwrap();
        c.try_as(&user, "associateIpAddress", &[&[("zoneid", &*c.zone)][..], owner].concat()).await.unwrap();
    }
    let limit = c.ask("updateResourceLimit", &[("projectid", &project), ("resourcetype", "0"), ("max", "2")]).await;
    assert_eq!((limit["resourcelimit"]["project"].as_str(), limit["resourcelimit"]["max"].as_i64()), (Some("rocket"), Some(2)), "{limit}");
    let refused = c.try_deploy(&user, &[("projectid", &*project)]).await.unwrap_err();
    assert_eq!((refused.codes().api, refused.codes().cs), (535, 4280), "{refused}");
    let vms = c.try_as(&user, "listVirtualMachines", &[("projectid", &*project)]).await.unwrap();
    assert_eq!((vms["count"].as_i64(), vms["virtualmachine"][0]["project"].as_str()), (Some(2), Some("rocket")), "{vms}");
    c.settled("deployed").await;

    let running = |vms: Value| vms["virtualmachine"].as_array().unwrap().iter().filter(|v| v["state"] == "Running").count();
    c.ask("suspendProject", &[("id", &project)]).await;
    assert_eq!(running(c.ask("listVirtualMachines", &[("projectid", &project)]).await), 0);
    c.ask("deleteProject", &[("id", &project)]).await;
    c.settled("project deleted").await;
    let id = c.first("listAccounts", "account", &[("name", "anna"), ("listall", "true")]).await;
    c.ask("disableAccount", &[("id", &id), ("lock", "false")]).await;
    assert_eq!(running(c.ask("listVirtualMachines", &[("listall", "true")]).await), 0, "a disabled account's VMs are stopped");
    c.ask("deleteAccount", &[("id", &id)]).await;
    c.idle().await;
    c.settled("account deleted").await;
    assert_eq!(c.taken().await, (0, 0, 0));
    assert_eq!(c.engine.db.count::<Vm>(Query::live()).await.unwrap() + c.engine.db.count::<Volume>(Query::live()).await.unwrap(), 0);
    assert_eq!(c.engine.accounts_due().await.unwrap(), 0);
}

async fn dedicated_places_are_their_owners_alone(c: TestCloud) {
    let (anna, bert) = (c.user("anna").await, c.user("bert").await);
    c.ask("updateConfiguration", &[("name", "vm.allocation.algorithm"), ("value", "firstfit")]).await;
    let hosts = c.ask("listHosts", &[("type", "Routing")]).await;
    let hosts: Vec<String> = hosts["host"].as_array().unwrap().iter().map(|h| h["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(hosts.len(), 2, "{hosts:?}");
    let root = c.first("listDomains", "domain", &[("name", "ROOT")]).await;
    let to_anna = [("hostid", &*hosts[0]), ("domainid", &*root), ("account", "anna")];
    let stranger = c.try_deploy(&bert, &[]).await.unwrap()["virtualmachine"]["id"].as_str().unwrap().to_owned();
    assert_eq!(c.try_as(&c.admin, "dedicateHost", &to_anna).await.unwrap_err().codes().api, 536, "bert's VM runs there");
    c.ask("destroyVirtualMachine", &[("id", &stranger), ("expunge", "true")]).await;
    let made = c.ask("dedicateHost", &to_anna).await;
    assert_eq!((made["count"].as_i64(), made["dedicatedhost"][0]["hostid"].as_str()), (Some(1), Some(&*hosts[0])), "{made}");
    assert_eq!(c.try_as(&c.admin, "dedicateHost", &to_anna).await.unwrap_err().codes().api, 536, "twice");

    let host_of = async |caller| {
        let vm = c.try_deploy(caller, &[]).await.unwrap()["virtualmachine"]["id"].as_str().unwrap().to_owned();
        let shown = c.ask("listVirtualMachines", &[("id", &vm)]).await;
        (vm, shown["virtualmachine"][0]["hostid"].as_str().unwrap().to_owned())
    };
    for _ in 0..3 {
        assert_eq!(host_of(&bert).await.1, hosts[1], "the first host is anna's");
    }
    let (vm, host) = host_of(&anna).await;
    assert_eq!(host, hosts[0]);
    let targets = c.ask("findHostsForMigration", &[("virtualmachineid", &vm)]).await;
    assert_eq!((targets["host"][0]["id"].as_str(), targets["host"][0]["suitableformigration"].as_bool()), (Some(&*hosts[1]), Some(true)));
    let berts = host_of(&bert).await.0;
    let targets = c.ask("findHostsForMigration", &[("virtualmachineid", &berts)]).await;
    assert_eq!(targets["host"][0]["suitableformigration"], false, "{targets}");
    let on_annas = [("hostid", &*hosts[0])];
    assert!(c.try_deploy(&c.admin.clone(), &on_annas).await.is_err(), "not even by name");

    let zone = [("zoneid", &*c.zone), ("domainid", &*root), ("account", "anna")];
    assert_eq!(c.try_as(&c.admin, "dedicateZone", &zone).await.unwrap_err().codes().api, 536, "bert has VMs in it");
    assert_eq!(c.ask("listDedicatedHosts", &[("domainid", &root), ("account", "anna")]).await["count"], 1);
    assert_eq!(c.ask("listDedicatedHosts", &[("domainid", &root), ("account", "bert")]).await["count"], Value::Null);
    c.ask("releaseDedicatedHost", &[("hostid", &hosts[0])]).await;
    assert_eq!(c.ask("listDedicatedHosts", &[]).await["count"], Value::Null);
    assert_eq!(host_of(&bert).await.1, hosts[0], "open to everybody again");
    c.settled("dedicated").await;
}

async fn a_data_volume_lives_and_ends(c: TestCloud) {
    let vm = c.deploy().await;
    let before = c.taken().await;
    let offering = c.first("listDiskOfferings", "diskoffering", &[("name", "Small")]).await;
    let made = c.ask("createVolume", &[("name", "data"), ("diskofferingid", &offering), ("zoneid", &c.zone)]).await;
    let id = made["volume"]["id"].as_str().unwrap().to_owned();
    assert_eq!(made["volume"]["state"], "Allocated");
    c.settled("created").await;
    let on_host = |c: &TestCloud| c.sim.inventory().hosts.values().flat_map(|h| h.vms.values()).map(|v| v.disks.len()).sum::<usize>();
    for (round, stopped) in [("running", false), ("stopped", true)] {
        if stopped {
            c.ask("stopVirtualMachine", &[("id", &vm)]).await;
        }
        let attached = c.ask("attachVolume", &[("id", &id), ("virtualmachineid", &vm)]).await;
        assert_eq!((&attached["volume"]["deviceid"], &attached["volume"]["state"]), (&1.into(), &"Ready".into()), "{attached}");
        c.settled(round).await;
        if stopped {
            c.ask("startVirtualMachine", &[("id", &vm)]).await;
        }
        assert_eq!(on_host(&c), 2, "{round}");
        let refused = c.try_as(&c.admin, "deleteVolume", &[("id", &id)]).await;
        assert!(refused.is_err(), "{round}: an attached volume was deleted");
        let detached = c.ask("detachVolume", &[("id", &id)]).await;
        assert_eq!(detached["volume"]["virtualmachineid"], Value::Null, "{detached}");
        assert_eq!(on_host(&c), 1, "{round}");
        c.settled(round).await;
    }
    c.ask("deleteVolume", &[("id", &id)]).await;
    c.settled("deleted").await;
    assert_eq!(c.taken().await, before);
    // A data disk of the VM's own deployment outlives it.
    let with = c.try_deploy(&c.admin, &[("diskofferingid", &offering)]).await.unwrap();
    let with = with["virtualmachine"]["id"].as_str().unwrap();
    c.settled("deployed with a data disk").await;
    c.ask("destroyVirtualMachine", &[("id", with), ("expunge", "true")]).await;
    c.settled("expunged with a data disk").await;
    let left = c.first("listVolumes", "volume", &[("type", "DATADISK")]).await;
    c.ask("deleteVolume", &[("id", &left)]).await;
    c.settled("both gone").await;
    assert_eq!(c.taken().await, before);
}

async fn parallel_deploys_do_not_pass_a_limit(c: TestCloud) {
    let ann = c.user("ann").await;
    let limit = [("resourcetype", "0"), ("max", "20"), ("account", "ann"), ("domainid", "")];
    let domain = c.first("listDomains", "domain", &[]).await;
    let limit = limit.map(|(k, v)| (k, if k == "domainid" { domain.as_str() } else { v }));
    c.ask("updateResourceLimit", &limit).await;
    let outcomes = join_all((0..50).map(|_| c.try_deploy(&ann, &[]))).await;
    let made = outcomes.iter().filter(|o| o.is_ok()).count();
    for e in outcomes.iter().filter_map(|o| o.as_ref().err()) {
        assert_eq!(e.codes().api, 535, "{e} ({:?})", std::error::Error::source(e).map(ToString::to_string));
    }
    assert_eq!(made, 20);
    assert_eq!(c.engine.db.count::<Vm>(Query::live()).await.unwrap(), 20);
    let count = Query::all().eq("owner_kind", "account").eq("owner_id", ann.account_id).eq("resource", 0);
    assert_eq!(c.engine.db.find_one::<ResourceCount>(count).await.unwrap().unwrap().used, 20);
    c.settled("50 deploys against a limit of 20").await;
}

async fn parallel_deploys_of_one_name_make_one_vm(c: TestCloud) {
    let outcomes = join_all((0..20).map(|_| c.try_deploy(&c.admin, &[("name", "the-one")]))).await;
    for e in outcomes.iter().filter_map(|o| o.as_ref().err()) {
        assert_eq!(e.codes().api, 431, "{e} ({:?})", std::error::Error::source(e).map(ToString::to_string));
    }
    assert_eq!(outcomes.iter().filter(|o| o.is_ok()).count(), 1);
    c.settled("20 deploys of one name").await;
}

async fn parallel_deploys_do_not_pass_the_hosts(c: TestCloud) {
    let outcomes = join_all((0..50).map(|_| c.try_deploy(&c.admin, &[]))).await;
    for e in outcomes.iter().filter_map(|o| o.as_ref().err()) {
        assert_eq!(e.codes().api, 533, "{e} ({:?})", std::error::Error::source(e).map(ToString::to_string));
    }
    assert_eq!(outcomes.iter().filter(|o| o.is_ok()).count(), 10);
    c.settled("50 deploys on room for 10").await;
    let world = c.sim.inventory();
    assert!(world.hosts.values().all(|h| h.running == 5), "{:?}", world.hosts.values().map(|h| h.running).collect::<Vec<_>>());
    let held = |state: &str| Query::all().eq("state", state);
    assert_eq!(c.engine.db.count::<IpAddress>(held("Allocated").not_null("nic_id")).await.unwrap(), 10);
    assert_eq!(c.engine.db.count::<Placement>(Query::all()).await.unwrap(), 10);
    assert_eq!(c.engine.db.count::<Vm>(Query::live().eq("state", "Error")).await.unwrap(), 40);
    assert_eq!(c.engine.db.count::<Volume>(Query::live().not_null("pool_id")).await.unwrap(), 10);
    // What failed is destroyed and expunged like any other.
    for vm in c.engine.db.find::<Vm>(Query::live().eq("state", "Error").page(0, 5)).await.unwrap() {
        c.ask("destroyVirtualMachine", &[("id", &vm.uuid), ("expunge", "true")]).await;
    }
    c.settled("failed VMs expunged").await;
}

async fn a_host_that_does_not_start_vms_is_avoided(c: TestCloud) {
    c.ask("updateConfiguration", &[("name", "vm.allocation.algorithm"), ("value", "firstfit")]).await;
    let hosts = c.engine.db.find::<Host>(Query::live().eq("hypervisor", "Simulator")).await.unwrap();
    assert_eq!(hosts.len(), 2);
    let errors = [DriverError::Failed("no".into()), DriverError::Unreachable("it".into()), DriverError::NoRoom("full".into())];
    let kinds = errors.map(FaultKind::Fail).into_iter().chain([FaultKind::Lose]);
    let mut deployed = 0;
    for kind in kinds {
        for bad in &hosts {
            c.sim.inject(Fault::nth(Op::Start, 1, kind.clone()).on(&bad.uuid).lasting());
            let id = c.deploy().await;
            deployed += 1;
            assert_ne!(c.vm(&id).await.host_id, Some(bad.id), "{kind:?}");
            c.sim.clear_faults();
            c.settled(&format!("{kind:?} on one host")).await;
        }
    }
    assert!(c.sim.count(Op::Start) > deployed, "no failing host was ever tried");
}

async fn a_start_that_fails_everywhere_leaves_nothing(c: TestCloud) {
    let offering = c.first("listDiskOfferings", "diskoffering", &[("name", "Small")]).await;
    for op in [Op::DiskFromTemplate, Op::DiskCreate, Op::Implement, Op::Prepare, Op::ApplyRules, Op::Start] {
        for kind in [FaultKind::Fail(DriverError::Failed("no".into())), FaultKind::Lose] {
            let when = format!("{op} {kind:?}");
            c.sim.inject(Fault::nth(op, 1, kind).lasting());
            let failed = c.try_deploy(&c.admin, &[("diskofferingid", &offering)]).await;
            let failed = failed.expect_err(&when);
            // Each host was tried; what the first said is kept.
            assert_eq!(failed.codes().api, 534, "{when}: {failed}");
            c.sim.clear_faults();
            let vm = c.engine.db.find_one::<Vm>(Query::live().latest("id")).await.unwrap().unwrap();
            assert_eq!(vm.state, "Error", "{when}");
            c.settled(&when).await;
            assert_eq!(c.taken().await, (0, 0, 0), "{when}");
            assert_eq!(c.engine.db.count::<IpAddress>(Query::all().not_null("nic_id")).await.unwrap(), 0, "{when}: addresses");
            let world = c.sim.inventory();
            assert!(world.pools.values().all(BTreeMap::is_empty), "{when}: {:?}", world.pools);
            assert!(world.networks.values().all(BTreeMap::is_empty), "{when}: {:?}", world.networks);
            assert!(world.hosts.values().all(|h| h.vms.is_empty() && h.memory_used == 0), "{when}");
            c.ask("destroyVirtualMachine", &[("id", &vm.uuid), ("expunge", "true")]).await;
            for volume in c.engine.db.find::<Volume>(Query::live()).await.unwrap() {
                c.ask("deleteVolume", &[("id", &volume.uuid)]).await;
            }
            c.settled(&format!("{when}, cleaned up")).await;
            let counts = c.engine.db.find::<ResourceCount>(Query::all().within("resource", [0i64, 2, 8, 9, 10])).await.unwrap();
            assert!(counts.iter().all(|n| n.used == 0), "{when}: {counts:?}");
        }
    }
}
