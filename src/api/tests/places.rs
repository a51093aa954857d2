//! A zone is built, looked at and taken down again by native commands, in the order in which Marvin's deployDataCenter gives them.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use stratus_api::Registry;
use stratus_engine::{Engine, EngineConfig};
use stratus_model::{AccountType, Caller, Error, Source, SteppedClock};
use stratus_sim::Sim;
use stratus_store::{Db, Sealer};

struct Cloud {
    engine: Arc<Engine>,
    registry: Arc<Registry>,
    admin: Arc<Caller>,
    _dir: tempfile::TempDir,
}

impl Cloud {
    /// On SQLite or on MariaDB; none where there is no MariaDB.
    async fn fresh(maria: bool) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let sim = Sim::open(None).unwrap();
        let drivers = stratus_drivers::Registry::default()
            .with_host("Simulator", sim.clone())
            .with_pool("Simulator", sim.clone())
            .with_store("NFS", sim.clone());
        let db = match maria {
            true => Db::mysql(&stratus_testkit::maria::fresh().await?).await.unwrap(),
            false => Db::sqlite(&dir.path().join("stratus.db")).await.unwrap(),
        };
        let clock = Arc::new(SteppedClock::at(1_700_000_000_000_000));
        let config = EngineConfig::new(db, Sealer::new(&[7; 32]), drivers, clock, "test");
        let engine = Engine::open(config).await.unwrap();
        engine.setup().await.unwrap();
        let registry = Arc::new(Registry::new());
        engine.jobs_start(registry.clone()).await.unwrap();
        let admin = Arc::new(engine.system_caller(Source::System).await.unwrap());
        Some(Self { engine, registry, admin, _dir: dir })
    }
    async fn try_as(&self, caller: &Arc<Caller>, command: &str, params: &[(&str, &str)]) -> Result<Value, Error> {
        let params: BTreeMap<String, String> = params.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        self.registry.call_and_wait(&self.engine, caller, command, params).await
    }
    async fn refused(&self, command: &str, params: &[(&str, &str)]) -> u16 {
        self.try_as(&self.admin, command, params).await.unwrap_err().codes().api
    }
    async fn call(&self, command: &str, params: &[(&str, &str)]) -> Value {
        self.try_as(&self.admin, command, params).await.unwrap_or_else(|e| panic!("{command}: {e}"))
    }
}

fn id(v: &Value) -> &str {
    v["id"].as_str().unwrap()
}

async fn a_zone_is_built_and_taken_down_by_commands(cloud: Cloud) {
    let zone = [("name", "z"), ("networktype", "Basic"), ("dns1", "8.8.8.8"), ("internaldns1", "10.0.0.2")];
    let zone = cloud.call("createZone", &zone).await["zone"].clone();
    assert_eq!((&zone["allocationstate"], &zone["dns1"]), (&"Disabled".into(), &"8.8.8.8".into()));
    let z = id(&zone);
    let range = [("gateway", "10.0.0.1"), ("netmask", "255.255.255.0"), ("startip", "10.0.0.2"), ("endip", "10.0.0.9")];
    let pod = cloud.call("createPod", &[&[("zoneid", z), ("name", "p")], &range[..]].concat()).await["pod"].clone();
    assert_eq!(cloud.refused("createPod", &[&[("zoneid", z), ("name", "q")], &range[..]].concat()).await, 431);
    let p = id(&pod);
    let cluster = [("zoneid", z), ("podid", p), ("clustername", "c0"), ("clustertype", "CloudManaged"), ("hypervisor", "simulator")];
    let cluster = cloud.call("addCluster", &cluster).await;
    assert_eq!((&cluster["count"], &cluster["cluster"][0]["hypervisortype"]), (&1.into(), &"Simulator".into()));
    let k = id(&cluster["cluster"][0]);
    let host = [
        ("zoneid", z),
        ("podid", p),
        ("clusterid", k),
        ("hypervisor", "Simulator"),
        ("url", "http://sim/c0/h0"),
        ("username", "root"),
        ("password", "hunter2"),
        ("hosttags", "a,b"),
    ];
    let host = cloud.call("addHost", &host).await["host"][0].clone();
    assert_eq!((&host["state"], &host["hosttags"], &host["cpuallocated"]), (&"Up".into(), &"a,b".into(), &"0%".into()));
    assert!(!host.to_string().contains("hunter2"));
    let pool = [("zoneid", z), ("podid", p), ("clusterid", k), ("name", "ps0"), ("url", "nfs://10.0.0.8/primary")];
    assert_eq!(cloud.refused("createStoragePool", &[("zoneid", z), ("clusterid", k), ("name", "x"), ("url", "nfs://h/p")]).await, 431);
    let pool = cloud.call("createStoragePool", &pool).await["storagepool"].clone();
    assert_eq!(pool["type"], "NetworkFilesystem");
    let store = cloud.call("addSecondaryStorage", &[("zoneid", z), ("url", "nfs://10.0.0.8/secondary")]).await["secondarystorage"].clone();
    assert_eq!(store["providername"], "NFS");
    let zone =
        cloud.call("updateZone", &[("id", z), ("allocationstate", "Enabled"), ("details[0].key", "a"), ("details[0].value", "b")]).await;
    assert_eq!(zone["zone"]["resourcedetails"]["a"], "b");

    let listed = cloud.call("listZones", &[("id", z), ("showcapacities", "true")]).await;
    assert!(listed["zone"][0]["capacity"].as_array().unwrap().iter().any(|c| c["type"] == 1 && c["capacitytotal"] == 16000));
    assert_eq!(cloud.call("listHosts", &[("clusterid", k), ("type", "Routing")]).await["count"], 1);
    let cpu = cloud.call("listCapacity", &[("type", "1"), ("sortby", "usage"), ("podid", p)]).await;
    assert_eq!((&cpu["capacity"][0]["clustername"], &cpu["capacity"][0]["percentused"]), (&"c0".into(), &"0".into()));
    assert_eq!(cloud.call("listHypervisors", &[("zoneid", z)]).await["hypervisor"][0]["name"], "Simulator");

    let h = id(&host);
    assert_eq!(cloud.call("reconnectHost", &[("id", h)]).await["host"]["state"], "Up");
    assert_eq!(cloud.refused("deleteHost", &[("id", h)]).await, 431);
    assert_eq!(cloud.refused("deleteZone", &[("id", z)]).await, 536);
    assert_eq!(cloud.call("prepareHostForMaintenance", &[("id", h)]).await["host"]["resourcestate"], "Maintenance");
    for (command, thing) in [
        ("deleteHost", h),
        ("deleteStoragePool", id(&pool)),
        ("deleteCluster", k),
        ("deletePod", p),
        ("deleteImageStore", id(&store)),
        ("deleteZone", z),
    ] {
        assert_eq!(cloud.call(command, &[("id", thing)]).await["success"], "true", "{command}");
    }
    assert_eq!(cloud.call("listZones", &[]).await["count"], Value::Null);
}

async fn users_know_little_of_zones_and_nothing_of_hosts(cloud: Cloud) {
    let zone = [("name", "z"), ("networktype", "Basic"), ("dns1", "8.8.8.8"), ("internaldns1", "10.0.0.2"), ("allocationstate", "Enabled")];
    cloud.call("createZone", &zone).await;
    let user = Arc::new(Caller { account_type: AccountType::User, account_id: 99, ..(*cloud.admin).clone() });
    let zones = cloud.try_as(&user, "listZones", &[]).await.unwrap();
    assert_eq!(zones["zone"][0]["name"], "z");
    assert_eq!((&zones["zone"][0]["dns1"], &zones["zone"][0]["internaldns1"]), (&Value::Null, &Value::Null));
    for command in ["listHosts", "listPods", "listClusters", "listStoragePools", "listImageStores", "listCapacity", "createZone"] {
        assert!(matches!(cloud.try_as(&user, command, &[]).await, Err(Error::UnknownCommand(_))), "{command}");
    }
}

stratus_testkit::on_both! { Cloud::fresh; a_zone_is_built_and_taken_down_by_commands users_know_little_of_zones_and_nothing_of_hosts }
