//! Who serves which network, and what becomes of it when its host goes and comes.
use crate::contract::{nic, vm};
use crate::world::{Running, World};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stratus_agent::{Atlas, Guest, NetworkBooks, Place};
use stratus_drivers::{DriverError, Network, NetworkSpec, NicSpec, PublicAddress, PublicSet, Secret, StaticNat, VmSpec};
use stratus_sim::{Inventory, Sim};

/// Books of one network over pods.
#[derive(Default)]
struct Books {
    /// Hosts by pod.
    pods: BTreeMap<String, Vec<String>>,
    /// Hosts that are certainly not there.
    gone: Mutex<BTreeSet<String>>,
    /// Guests that run, with their pods.
    guests: Mutex<Vec<(String, u8)>>,
    public: Mutex<PublicSet>,
}

fn network(pod: Option<&str>) -> NetworkSpec {
    NetworkSpec {
        uuid: "net".into(),
        cidr: String::new(),
        gateway: String::new(),
        dns: Vec::new(),
        broadcast_uri: "vlan://untagged".into(),
        pod: pod.map(str::to_owned),
    }
}

fn guest(n: u8) -> (NicSpec, VmSpec) {
    let nic = nic(n);
    (nic.clone(), VmSpec { name: format!("i-2-{n}-VM"), nics: vec![nic], ..vm() })
}

#[async_trait::async_trait]
impl Atlas for Books {
    async fn pool(&self, _: &str) -> Option<Place> {
        None
    }
    async fn store(&self, _: &str) -> Option<Place> {
        None
    }
    async fn stores_of(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
    async fn network_hosts(&self, _: &str, pod: Option<&str>) -> Vec<String> {
        let of = |name: &String| pod.is_none_or(|pod| pod == name);
        self.pods.iter().filter(|(name, _)| of(name)).flat_map(|(_, hosts)| hosts).cloned().collect()
    }
    async fn network_pods(&self, _: &str) -> Vec<String> {
        self.pods.keys().cloned().collect()
    }
    async fn network(&self, _: &str, pod: Option<&str>) -> Option<NetworkBooks> {
        let there = self.guests.lock().unwrap().clone();
        let mine = there.into_iter().filter(|(at, _)| Some(at.as_str()) == pod);
        let guests = mine.map(|(_, n)| {
            let (nic, vm) = guest(n);
            Guest { nic, vm, password: (n == 2).then(|| Secret::new("hush")) }
        });
        Some(NetworkBooks { network: network(pod), guests: guests.collect(), public: self.public.lock().unwrap().clone() })
    }
    async fn networks_in_use(&self) -> Vec<NetworkSpec> {
        let pods: BTreeSet<String> = self.guests.lock().unwrap().iter().map(|(pod, _)| pod.clone()).collect();
        pods.iter().map(|pod| network(Some(pod))).collect()
    }
    async fn holder(&self, _: &str, _: &str) -> Option<String> {
        None
    }
    async fn given_up(&self, host: &str) -> bool {
        self.gone.lock().unwrap().contains(host)
    }
}

/// A server, its books, and a world for each host: what one router knows, no other does.
struct Scene {
    world: World,
    books: Arc<Books>,
    hosts: BTreeMap<String, (Arc<Sim>, Option<Running>)>,
}

impl Scene {
    async fn open(pods: &[(&str, &[&str])]) -> Self {
        let world = World::new(Duration::ZERO).await;
        let all = pods.iter().map(|(pod, hosts)| ((*pod).to_owned(), hosts.iter().map(|host| (*host).to_owned()).collect()));
        let books = Arc::new(Books { pods: all.collect(), ..Books::default() });
        world.hub.read_from(books.clone());
        let mut hosts = BTreeMap::new();
        for host in pods.iter().flat_map(|(_, hosts)| *hosts) {
            let sim = Sim::open(None).unwrap();
            let agent = world.agent(host, &sim).await;
            hosts.insert((*host).to_owned(), (sim, Some(agent)));
        }
        Self { world, books, hosts }
    }

    /// Starts a guest in a pod, as the engine does.
    async fn start(&self, pod: &str, n: u8) -> Result<(), DriverError> {
        let (network, (nic, vm)) = (network(Some(pod)), guest(n));
        self.books.guests.lock().unwrap().push((pod.to_owned(), n));
        self.world.hub.implement(&network).await?;
        self.world.hub.prepare(&network, &nic, &vm.name).await?;
        self.world.hub.introduce(&network, &vm).await
    }

    fn inventory(&self, host: &str) -> Inventory {
        self.hosts[host].0.inventory()
    }

    /// Addresses that a host leases; nothing where it does not serve the network.
    fn leases(&self, host: &str) -> Option<BTreeSet<String>> {
        self.inventory(host).networks.get("net").map(|leases| leases.values().map(|lease| lease.ip.clone()).collect())
    }

    /// Which of these hosts serve.
    fn serving<'h>(&self, hosts: &[&'h str]) -> Vec<&'h str> {
        hosts.iter().copied().filter(|host| self.leases(host).is_some()).collect()
    }

    /// A host's agent ends; the folder that it comes back with.
    async fn lose(&mut self, host: &str) -> tempfile::TempDir {
        let agent = self.hosts.get_mut(host).unwrap().1.take().unwrap();
        let dir = agent.kill().await;
        self.world.books.until(&format!("left {host}"), 1).await;
        self.books.gone.lock().unwrap().insert(host.to_owned());
        dir
    }

    async fn come_back(&mut self, host: &str, dir: tempfile::TempDir) {
        let config = self.world.config(&dir, None);
        let sim = self.hosts[host].0.clone();
        let agent = Running::start(config, dir, &sim).await.unwrap();
        self.hosts.get_mut(host).unwrap().1 = Some(agent);
        self.world.books.until(&format!("arrived {host}"), 2).await;
        self.books.gone.lock().unwrap().remove(host);
    }
}

fn ips(all: &[u8]) -> Option<BTreeSet<String>> {
    Some(all.iter().map(|n| format!("10.1.1.{n}")).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pods_guests_are_served_by_its_own_hosts_whatever_becomes_of_other_pods() {
    // The one in the middle has no hosts yet.
    let mut scene = Scene::open(&[("east", &["h1"]), ("north", &[]), ("west", &["h2"])]).await;
    scene.start("east", 1).await.unwrap();
    scene.start("west", 2).await.unwrap();
    assert_eq!((scene.leases("h1"), scene.leases("h2")), (ips(&[1]), ips(&[2])));
    let address = |last: u8, pod: &str, n: u8| PublicAddress {
        address: format!("198.51.100.{last}"),
        netmask: "255.255.255.0".into(),
        gateway: "198.51.100.1".into(),
        broadcast_uri: "vlan://untagged".into(),
        source_nat: false,
        static_nat: Some(StaticNat { guest: format!("10.1.1.{n}"), ports: None, pod: Some(pod.into()) }),
    };
    let set = PublicSet { sequence: 1, addresses: vec![address(7, "east", 1), address(8, "west", 2)] };
    scene.world.hub.apply_public(&network(None), &set).await.unwrap();
    for (host, own) in [("h1", "198.51.100.7"), ("h2", "198.51.100.8")] {
        let public = scene.inventory(host).public["net"].clone();
        assert_eq!(public.addresses.iter().map(|a| a.address.as_str()).collect::<Vec<_>>(), [own], "each home answers for its guests");
    }

    scene.lose("h1").await;
    scene.start("west", 3).await.unwrap();
    let password = Secret::new("hush");
    scene.world.hub.save_password(&network(Some("west")), &nic(3), &password).await.unwrap();
    assert_eq!(scene.leases("h2"), ips(&[2, 3]));
    let later = PublicSet { sequence: 2, addresses: vec![address(8, "west", 3)] };
    assert!(scene.world.hub.apply_public(&network(None), &later).await.is_err(), "one pod was not told");
    assert_eq!(scene.inventory("h2").public["net"].sequence, 2, "the other was");
    assert!(matches!(scene.start("east", 4).await, Err(DriverError::Unreachable(_))), "no other pod's host steps in");
    assert_eq!(scene.leases("h2"), ips(&[2, 3]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_of_old_is_found_and_gives_other_pods_guests_to_their_own() {
    let scene = Scene::open(&[("east", &["h1"]), ("west", &["h2"])]).await;
    // One home for all pods, as it was.
    let h1 = scene.hosts["h1"].0.clone();
    scene.world.hub.implement(&network(Some("east"))).await.unwrap();
    for n in [1, 2] {
        let (nic, vm) = guest(n);
        h1.prepare(&network(None), &nic, &vm.name).await.unwrap();
    }
    *scene.books.guests.lock().unwrap() = vec![("east".into(), 1), ("west".into(), 2)];
    scene.world.hub.tend().await;
    assert_eq!((scene.leases("h1"), scene.leases("h2")), (ips(&[1]), ips(&[2])));
    assert!(scene.inventory("h2").networks["net"].values().all(|lease| lease.password.is_some()), "passwords go along");
    scene.world.hub.shutdown(&network(None)).await.unwrap();
    assert_eq!((scene.leases("h1"), scene.leases("h2")), (None, None), "a network that ends ends in every pod");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_host_takes_over_from_one_that_is_gone_and_keeps_what_it_took() {
    let mut scene = Scene::open(&[("east", &["h1", "h2"])]).await;
    *scene.books.public.lock().unwrap() = PublicSet { sequence: 5, addresses: Vec::new() };
    scene.start("east", 1).await.unwrap();
    scene.start("east", 2).await.unwrap();
    let first = scene.serving(&["h1", "h2"]).remove(0);
    let second = if first == "h1" { "h2" } else { "h1" };
    scene.world.hub.tend().await;
    assert_eq!(scene.serving(&["h1", "h2"]), [first], "a home that is there stays");

    let dir = scene.lose(first).await;
    scene.books.gone.lock().unwrap().clear();
    scene.world.hub.tend().await;
    assert_eq!(scene.leases(second), None, "nobody knows what became of the host: it may serve");
    scene.books.gone.lock().unwrap().insert(first.into());
    scene.world.hub.tend().await;
    assert_eq!(scene.leases(second), ips(&[1, 2]), "told everything about guests that run");
    let inventory = scene.inventory(second);
    let waiting = inventory.networks["net"].values().filter(|lease| lease.password.is_some()).count();
    assert_eq!((waiting, inventory.public["net"].sequence), (1, 5));
    scene.start("east", 3).await.unwrap();

    scene.come_back(first, dir).await;
    assert_eq!(scene.leases(first), ips(&[1, 2]), "it does not know better");
    scene.world.hub.tend().await;
    assert_eq!((scene.leases(first), scene.leases(second)), (None, ips(&[1, 2, 3])));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_homes_that_nobody_has_a_word_for_one_is_left_and_told_everything() {
    let mut scene = Scene::open(&[("east", &["h1", "h2"])]).await;
    scene.start("east", 1).await.unwrap();
    let first = scene.serving(&["h1", "h2"]).remove(0);
    let dir = scene.lose(first).await;
    scene.start("east", 3).await.unwrap();
    let (authority, books, at) = scene.world.kill(&["h1", "h2"]).await;
    let world = World::with(authority, books, Duration::from_secs(60), at).await;
    world.hub.read_from(scene.books.clone());
    let mut scene = Scene { world, ..scene };
    let second = if first == "h1" { "h2" } else { "h1" };
    scene.world.books.until(&format!("arrived {second}"), 2).await;
    scene.come_back(first, dir).await;
    assert_eq!(scene.serving(&["h1", "h2"]).len(), 2);
    scene.world.hub.tend().await;
    let one = scene.serving(&["h1", "h2"]);
    assert_eq!((one.len(), scene.leases(one[0])), (1, ips(&[1, 3])));
}
