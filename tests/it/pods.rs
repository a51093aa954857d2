//! A basic zone with two pods: whose share of the network a router's call is about, and what the books tell one that takes over.
use super::cloud::TestCloud;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use stratus_drivers::{DriverError, GroupMembers, Network, NetworkSpec, NicRules, NicSpec, PublicSet, Secret, VmSpec};

/// The built-in zone with a second pod that has another subnet.
fn two_pods() -> String {
    let mut all: Value = serde_json::from_str(stratus::simulate::BUILT_IN).unwrap();
    let pods = all["zones"][0]["pods"].as_array_mut().unwrap();
    let text = pods[0].to_string().replace("10.1.", "10.2.").replace("pod1", "pod2").replace("cluster1", "cluster2");
    pods.push(
        serde_json::from_str(&text.replace("/c0/", "/c1/").replace("primary1", "primary2").replace("export/primary", "export/primary2"))
            .unwrap(),
    );
    all.to_string()
}

/// The simulator's router, and which calls came with which pod.
struct Recorder {
    router: Arc<dyn Network>,
    calls: Mutex<BTreeSet<(&'static str, Option<String>)>>,
}

impl Recorder {
    fn note(&self, call: &'static str, network: &NetworkSpec) {
        self.calls.lock().unwrap().insert((call, network.pod.clone()));
    }
}

type Done = Result<(), DriverError>;

#[async_trait::async_trait]
impl Network for Recorder {
    async fn implement(&self, network: &NetworkSpec) -> Done {
        self.note("implement", network);
        self.router.implement(network).await
    }
    async fn prepare(&self, network: &NetworkSpec, nic: &NicSpec, vm: &str) -> Done {
        self.note("prepare", network);
        self.router.prepare(network, nic, vm).await
    }
    fn tells_guests(&self) -> bool {
        true
    }
    async fn introduce(&self, network: &NetworkSpec, _: &VmSpec) -> Done {
        self.note("introduce", network);
        Ok(())
    }
    async fn save_password(&self, network: &NetworkSpec, nic: &NicSpec, password: &Secret) -> Done {
        self.note("password", network);
        self.router.save_password(network, nic, password).await
    }
    async fn release(&self, network: &NetworkSpec, nic: &NicSpec, vm: &str) -> Done {
        self.note("release", network);
        self.router.release(network, nic, vm).await
    }
    async fn apply_rules(&self, host: &str, rules: &NicRules) -> Done {
        self.router.apply_rules(host, rules).await
    }
    async fn apply_members(&self, host: &str, members: &GroupMembers) -> Done {
        self.router.apply_members(host, members).await
    }
    async fn apply_public(&self, network: &NetworkSpec, set: &PublicSet) -> Done {
        self.note("public", network);
        self.router.apply_public(network, set).await
    }
    async fn shutdown(&self, network: &NetworkSpec) -> Done {
        self.note("shutdown", network);
        self.router.shutdown(network).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_pod_has_its_share_of_a_basic_zones_network() {
    for maria in [false, true] {
        let (zone, mut recorder) = (two_pods(), None);
        let cloud = TestCloud::with(maria, &zone, |config| {
            let router = config.drivers.network_for("Simulator", "VirtualRouter").unwrap();
            let recording = Arc::new(Recorder { router, calls: Mutex::default() });
            config.drivers = std::mem::take(&mut config.drivers).with_network("VirtualRouter", recording.clone());
            recorder = Some(recording);
        });
        if let Some(cloud) = cloud.await {
            shares(&cloud, &recorder.unwrap()).await;
        }
    }
}

async fn shares(c: &TestCloud, recorder: &Recorder) {
    let pods = c.ask("listPods", &[]).await["pod"].clone();
    let network = c.ask("listNetworks", &[]).await["network"][0]["id"].as_str().unwrap().to_owned();
    c.ask("updateTemplate", &[("id", &c.template), ("passwordenabled", "true")]).await;
    let mut in_use = BTreeSet::new();
    for (pod, net) in [("pod1", "10.1."), ("pod2", "10.2.")] {
        let id = pods.as_array().unwrap().iter().find(|row| row["name"] == pod).unwrap()["id"].as_str().unwrap().to_owned();
        let host = c.ask("listHosts", &[("podid", &id)]).await["host"][0]["id"].as_str().unwrap().to_owned();
        recorder.calls.lock().unwrap().clear();
        let made = c.try_deploy(&c.admin.clone(), &[("hostid", &host)]).await.unwrap()["virtualmachine"].clone();
        let (vm, nic) = (made["id"].as_str().unwrap(), made["nic"][0].clone());
        assert!(nic["ipaddress"].as_str().unwrap().starts_with(net) && nic["gateway"].as_str().unwrap().starts_with(net), "{nic}");
        let calls = std::mem::take(&mut *recorder.calls.lock().unwrap());
        let own = |call| (call, Some(id.clone()));
        let start: BTreeSet<_> = ["implement", "prepare", "introduce", "password"].map(own).into();
        assert!(calls.is_superset(&start) && calls.iter().all(|(_, pod)| pod.as_ref() == Some(&id)), "{calls:?}");

        in_use.insert(id.clone());
        let told: BTreeSet<_> = c.engine.networks_in_use("Simulator").await.unwrap().into_iter().map(|n| (n.uuid, n.pod)).collect();
        assert_eq!(told, in_use.iter().map(|pod| (network.clone(), Some(pod.clone()))).collect());
        assert!(c.engine.networks_in_use("KVM").await.unwrap().is_empty());
        let books = c.engine.network_books(&network, Some(&id)).await.unwrap().unwrap();
        let [(lease, guest, password)] = books.guests.as_slice() else { panic!("one guest a pod: {}", books.guests.len()) };
        assert_eq!(
            (lease.ip.as_str(), guest.uuid.as_str(), &books.network.pod),
            (nic["ipaddress"].as_str().unwrap(), vm, &Some(id.clone()))
        );
        assert_eq!(password.as_deref(), made["password"].as_str(), "it may not have been fetched yet");
        c.ask("restartNetwork", &[("id", &network), ("cleanup", "true")]).await;
    }
    assert_eq!(c.engine.network_pods(&network).await.unwrap().len(), 2);
    let calls = std::mem::take(&mut *recorder.calls.lock().unwrap());
    for pod in &in_use {
        assert!(["implement", "prepare", "introduce"].iter().all(|call| calls.contains(&(call, Some(pod.clone())))), "{calls:?}");
    }
    assert!(calls.contains(&("shutdown", None)), "{calls:?}");

    for vm in c.ask("listVirtualMachines", &[]).await["virtualmachine"].as_array().unwrap() {
        c.ask("destroyVirtualMachine", &[("id", vm["id"].as_str().unwrap()), ("expunge", "true")]).await;
    }
    let released: BTreeSet<_> = recorder.calls.lock().unwrap().iter().filter(|(call, _)| *call == "release").cloned().collect();
    assert_eq!(released, in_use.iter().map(|pod| ("release", Some(pod.clone()))).collect(), "each at its own pod's home");
    assert!(c.engine.networks_in_use("Simulator").await.unwrap().is_empty());
    c.settled("two pods").await;
}
