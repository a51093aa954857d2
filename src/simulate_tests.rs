#![allow(clippy::unwrap_used, reason = "tests")]
use super::*;
use serde_json::json;
use std::sync::Mutex;

/// Answers every command as the original would, and remembers what was said.
#[derive(Default)]
struct Fake {
    said: Mutex<Vec<(String, BTreeMap<String, String>)>>,
    fails: Option<&'static str>,
}

impl Commands for Fake {
    async fn call(&self, command: &str, params: Vec<(String, String)>) -> Result<Value> {
        if self.fails == Some(command) {
            anyhow::bail!("no");
        }
        let number = {
            let mut said = self.said.lock().unwrap();
            said.push((command.into(), params.into_iter().collect()));
            said.len()
        };
        let thing = json!({ "id": format!("{command}-{number}"), "name": "x", "state": "Up" });
        Ok(match command {
            "createZone" => json!({ "zone": thing }),
            "createPhysicalNetwork" => json!({ "physicalnetwork": thing }),
            "listNetworkServiceProviders" => json!({ "count": 1, "networkserviceprovider": [thing] }),
            "listVirtualRouterElements" => json!({ "count": 1, "virtualrouterelement": [thing] }),
            "listInternalLoadBalancerElements" => json!({ "count": 1, "internalloadbalancerelement": [thing] }),
            "listNetworkOfferings" => json!({ "count": 1, "networkoffering": [thing] }),
            "createNetwork" => json!({ "network": thing }),
            "createPod" => json!({ "pod": thing }),
            "addCluster" => json!({ "count": 1, "cluster": [thing] }),
            "addHost" | "listHosts" => json!({ "count": 1, "host": [thing] }),
            _ => json!({ "success": true }),
        })
    }
}

impl Fake {
    fn words(&self) -> Vec<String> {
        self.said.lock().unwrap().iter().map(|(c, _)| c.clone()).collect()
    }
    fn all(&self, command: &str) -> Vec<BTreeMap<String, String>> {
        self.said.lock().unwrap().iter().filter(|(c, _)| c == command).map(|(_, a)| a.clone()).collect()
    }
    fn last(&self, command: &str) -> BTreeMap<String, String> {
        self.all(command).pop().unwrap()
    }
}

const ADVANCED: &str = r#"# a licence
# of two lines
{
  "zones": [{
    "name": "adv", "networktype": "Advanced", "dns1": "8.8.8.8", "internaldns1": "10.2.0.1", "guestcidraddress": "10.1.1.0/24",
    "securitygroupenabled": "false",
    "physical_networks": [{
      "name": "w", "vlan": "100-200", "isolationmethods": ["VLAN"], "broadcastdomainrange": "Zone",
      "traffictypes": [{"typ": "Guest", "simulator": "cloud-simulator-guest"}, {"typ": "Management"}, {"typ": "Public"}],
      "providers": [{"broadcastdomain": "ZONE", "name": "VirtualRouter"}, {"broadcastdomain": "ZONE", "name": "VpcVirtualRouter"}, {"broadcastdomain": "ZONE", "name": "InternalLbVm"}]
    }],
    "ipranges": [{"startip": "192.168.2.2", "endip": "192.168.2.200", "netmask": "255.255.255.0", "vlan": 50, "gateway": "192.168.2.1"}],
    "pods": [{
      "name": "p", "startip": "172.16.15.2", "endip": "172.16.15.200", "netmask": "255.255.255.0", "gateway": "172.16.15.1",
      "clusters": [{
        "clustername": "c", "hypervisor": "simulator", "clustertype": "CloudManaged",
        "hosts": [{"url": "http://sim/c0/h0", "username": "root", "password": "password"}],
        "primaryStorages": [{"url": "nfs://10.147.28.6:/export/home/sandbox/primary0", "name": "PS0"}]
      }]
    }],
    "secondaryStorages": [{"url": "nfs://10.147.28.6:/export/home/sandbox/secondary", "provider": "NFS"}]
  }],
  "dbSvr": {"dbSvr": "localhost", "port": 3306},
  "logger": {"LogFolderPath": "/tmp/"},
  "globalConfig": [{"name": "network.gc.wait", "value": 60}],
  "mgtSvr": [{"mgtSvrIp": "localhost", "port": 8096}]
}"#;

#[tokio::test]
async fn the_built_in_zone_is_said_in_the_order_of_the_original() {
    let fake = Fake::default();
    build(&fake, &Description::read(BUILT_IN).unwrap()).await.unwrap();
    let expected = "listNetworkOfferings createZone createPhysicalNetwork addTrafficType addTrafficType addTrafficType \
        listNetworkServiceProviders listVirtualRouterElements configureVirtualRouterElement updateNetworkServiceProvider \
        listNetworkServiceProviders updateNetworkServiceProvider updatePhysicalNetwork listNetworkOfferings createNetwork createPod \
        createVlanIpRange addCluster addHost addHost listHosts createStoragePool createVlanIpRange addImageStore updateZone";
    assert_eq!(fake.words().join(" "), expected.split_whitespace().collect::<Vec<_>>().join(" "));
    let guests = fake.all("createVlanIpRange").remove(0);
    assert_eq!((guests["forvirtualnetwork"].as_str(), guests["podid"].as_str()), ("false", "createPod-16"));
    assert_eq!(fake.last("createVlanIpRange")["forvirtualnetwork"], "true");
    assert_eq!(fake.last("listNetworkOfferings")["name"], "SharedNetworkOfferingWithElasticIp");
    assert_eq!(fake.last("updateZone")["allocationstate"], "Enabled");
}

#[tokio::test]
async fn an_advanced_zone_gets_vlans_and_public_addresses() {
    let fake = Fake::default();
    build(&fake, &Description::read(ADVANCED).unwrap()).await.unwrap();
    let words = fake.words();
    assert_eq!(words[0], "updateConfiguration");
    assert!(words.contains(&"configureInternalLoadBalancerElement".into()) && !words.contains(&"createNetwork".into()));
    assert_eq!(fake.last("updatePhysicalNetwork")["vlan"], "100-200");
    let range = fake.last("createVlanIpRange");
    assert_eq!((range["forvirtualnetwork"].as_str(), range["vlan"].as_str()), ("true", "50"));
    assert_eq!(fake.last("createZone")["guestcidraddress"], "10.1.1.0/24");
}

#[tokio::test]
async fn what_fails_is_named_with_where() {
    let fake = Fake { fails: Some("addHost"), ..Fake::default() };
    let error = format!("{:#}", build(&fake, &Description::read(BUILT_IN).unwrap()).await.unwrap_err());
    assert!(error.starts_with("zone zone1: pod pod1: cluster cluster1: host http://sim/c0/h0"), "{error}");
}

#[test]
fn an_unknown_or_missing_key_is_named_with_its_line() {
    let read = |text: &str| format!("{:#}", Description::read(text).unwrap_err());
    let misspelt = read(&ADVANCED.replace("\"clustertype\"", "\"clustertyp\""));
    assert!(misspelt.contains("unknown field `clustertyp`") && misspelt.contains("line 16"), "{misspelt}");
    let missing = read(&ADVANCED.replace("\"networktype\": \"Advanced\", ", ""));
    assert!(missing.contains("missing field `networktype`"), "{missing}");
    assert!(read("{\"zones\": [], \"mgtsvr\": []}").contains("unknown field `mgtsvr`"));
    assert!(read("{\"zones\": [").contains("line"));
    assert!(read(&ADVANCED.replace("\"dns1\": \"8.8.8.8\"", "\"dns1\": [1]")).contains("not [1]"));
}

/// A fresh engine on simulated machines.
async fn engine(dir: &Path) -> Arc<Engine> {
    use stratus_drivers::Registry as Drivers;
    let sim = stratus_sim::Sim::open(None).unwrap();
    let drivers = Drivers::default()
        .with_host("Simulator", sim.clone())
        .with_pool("Simulator", sim.clone())
        .with_store("NFS", sim.clone())
        .with_network("VirtualRouter", sim);
    let config = stratus_engine::EngineConfig::new(
        stratus_store::Db::sqlite(&dir.join("stratus.db")).await.unwrap(),
        stratus_store::Sealer::new(&[7; 32]),
        drivers,
        Arc::new(stratus_model::SystemClock),
        "test",
    );
    let engine = Engine::open(config).await.unwrap();
    engine.setup().await.unwrap();
    engine
}

async fn ask(engine: &Arc<Engine>, command: &str, params: &[(&str, &str)]) -> Value {
    let caller = Arc::new(engine.system_caller(Source::System).await.unwrap());
    let params = params.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Registry::new().call_and_wait(engine, &caller, command, params).await.unwrap()
}

#[tokio::test]
async fn the_built_in_zone_stands_with_hosts_up_and_addresses_free() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path()).await;
    built_in(&engine).await.unwrap();
    let zone = &ask(&engine, "listZones", &[]).await["zone"][0];
    assert_eq!((zone["name"].as_str(), zone["allocationstate"].as_str()), (Some("zone1"), Some("Enabled")));
    let network = &ask(&engine, "listNetworks", &[]).await["network"][0];
    assert_eq!(
        (network["state"].as_str(), network["type"].as_str(), network["canusefordeploy"].as_bool()),
        (Some("Setup"), Some("Shared"), Some(true))
    );
    let services: Vec<&str> = network["service"].as_array().unwrap().iter().filter_map(|s| s["name"].as_str()).collect();
    assert!(services.contains(&"SecurityGroup"), "{services:?}");
    assert_eq!(ask(&engine, "listHosts", &[("type", "Routing"), ("state", "Up")]).await["count"], 2);
    let ranges = ask(&engine, "listVlanIpRanges", &[]).await;
    assert_eq!((&ranges["count"], &ranges["vlaniprange"][0]["vlan"]), (&json!(2), &json!("vlan://untagged")));
    let free = stratus_store::Query::all().eq("state", "Free");
    assert!(engine.db.count::<stratus_store::IpAddress>(free).await.unwrap() > 3800);
    let enabled = ask(&engine, "listNetworkServiceProviders", &[("state", "Enabled")]).await;
    assert_eq!(enabled["count"], 2);
}

#[tokio::test]
async fn an_advanced_zone_of_the_originals_file_stands() {
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path()).await;
    make(&engine, &Description::read(ADVANCED).unwrap()).await.unwrap();
    let wire = &ask(&engine, "listPhysicalNetworks", &[]).await["physicalnetwork"][0];
    assert_eq!((wire["vlan"].as_str(), wire["state"].as_str()), (Some("100-200"), Some("Enabled")));
    assert_eq!(ask(&engine, "listNetworkServiceProviders", &[("state", "Enabled")]).await["count"], 3);
    let range = &ask(&engine, "listVlanIpRanges", &[]).await["vlaniprange"][0];
    assert_eq!((range["vlan"].as_str(), range["forvirtualnetwork"].as_bool()), (Some("vlan://50"), Some(true)));
    let offering = ask(&engine, "listNetworkOfferings", &[("name", "DefaultIsolatedNetworkOfferingWithSourceNatService")]).await;
    let offering = offering["networkoffering"][0]["id"].as_str().unwrap().to_owned();
    let zone = ask(&engine, "listZones", &[]).await["zone"][0]["id"].as_str().unwrap().to_owned();
    let made =
        ask(&engine, "createNetwork", &[("name", "n"), ("displaytext", "n"), ("zoneid", &zone), ("networkofferingid", &offering)]).await;
    assert_eq!((made["network"]["cidr"].as_str(), made["network"]["state"].as_str()), (Some("10.1.1.0/24"), Some("Allocated")));
    let id = made["network"]["id"].as_str().unwrap();
    let renamed = ask(&engine, "updateNetwork", &[("id", id), ("name", "m")]).await;
    assert_eq!(renamed["network"]["name"], "m");
    assert_eq!(ask(&engine, "deleteNetwork", &[("id", id)]).await["success"], true);
}
