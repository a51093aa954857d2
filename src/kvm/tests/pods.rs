//! A basic zone's network in two pods: each has a subnet and a host, the wire between them is one. What a guest asks for, it gets from its
//! own pod's host, and goes on getting when the other one is gone. Packets are real, guests are namespaces.
use crate::lab::{LIMIT, Lab, LabHost, run};
use crate::things;
use crate::wired::Guest;
use base64::Engine;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use stratus_drivers::{Host, Network, NetworkSpec, NicSpec, PublicAddress, PublicSet, Secret, StaticNat, StopMode, VmSpec};
use stratus_kvm::Kvm;

/// What a DHCP client does with a lease: it is kept as it came, then used.
const LEASED: &str = r#"#!/bin/sh
[ "$1" = bound ] || [ "$1" = renew ] || exit 0
env > "$LEASE.new" && mv "$LEASE.new" "$LEASE"
PATH=$PATH:/usr/sbin:/sbin
command ip addr replace "$ip/$mask" dev "$interface"
command ip route replace default via "${router%% *}"
"#;

/// What the script `cloud-set-guest-password` of CloudStack's templates does over the wire, word by word: the server is the one that gave
/// the lease, the port 8080.
const ASK: [&str; 9] = ["-q", "-t", "3", "-T", "20", "-O", "-", "--header", "DomU_Request: send_my_password"];
const TOLD: [&str; 9] = ["-q", "-t", "3", "-T", "20", "-O", "-", "--header", "DomU_Request: saved_password"];

/// A pod with a host, and a guest in it.
struct Pod {
    name: &'static str,
    driver: Arc<Kvm>,
    host: String,
    vm: VmSpec,
    guest: Guest,
    lease: PathBuf,
}

fn share(pod: &str) -> NetworkSpec {
    let none = String::new;
    let broadcast_uri = "vlan://untagged".into();
    NetworkSpec { cidr: none(), gateway: none(), broadcast_uri, pod: Some(pod.into()), ..things::network() }
}

/// The guest with a number, in the subnet of its pod.
fn machine(number: u8, net: &str) -> VmSpec {
    let (ip, gateway) = (format!("{net}.{number}"), format!("{net}.1"));
    let nic = NicSpec { ip, gateway, broadcast_uri: "vlan://untagged".into(), ..things::nic(number) };
    let script = format!("#!/bin/sh\necho {number}\n");
    let metadata = [("service-offering", "Small Instance"), ("availability-zone", "zone1"), ("instance-id", "i-0123456789abcdef0")];
    VmSpec {
        nics: vec![nic],
        user_data: Some(base64::engine::general_purpose::STANDARD.encode(script)),
        metadata: metadata.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        ..things::vm(number)
    }
}

impl Pod {
    async fn open(host: &LabHost, folder: &Path, name: &'static str, vm: VmSpec) -> Self {
        let driver = host.driver().await;
        Host::connect(&*driver, &host.id, "http://host").await.unwrap();
        let nic = &vm.nics[0];
        driver.implement(&share(name)).await.unwrap();
        driver.prepare(&share(name), nic, &vm.name).await.unwrap();
        driver.save_password(&share(name), nic, &Secret::new(format!("hush-{name}"))).await.unwrap();
        driver.introduce(&share(name), &vm).await.unwrap();
        driver.migrate("another", &host.id, &vm).await.unwrap();
        let guest = Guest::plug(host, &driver, nic);
        Self { name, driver, host: host.id.clone(), lease: folder.join(name), vm, guest }
    }

    fn nic(&self) -> &NicSpec {
        &self.vm.nics[0]
    }

    /// Asks for a lease as a guest that boots does; the variables that the client was given.
    fn boots(&self, script: &Path) -> BTreeMap<String, String> {
        let _ = std::fs::remove_file(&self.lease);
        let arguments = ["udhcpc", "-i", "eth0", "-f", "-q", "-n", "-t", "60", "-T", "1", "-O", "staticroutes", "-s"];
        let mut client = self.guest.command("busybox", &[&arguments[..], &[script.to_str().unwrap()]].concat());
        let said = client.env("LEASE", &self.lease).output().unwrap();
        assert!(said.status.success(), "{}: no lease: {said:?}", self.name);
        let text = std::fs::read_to_string(&self.lease).unwrap();
        text.lines().filter_map(|line| line.split_once('=')).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// What a program inside says, if it went well.
    fn says(&self, program: &str, arguments: &[&str]) -> Option<String> {
        let said = self.guest.try_inside(program, arguments);
        said.status.success().then(|| String::from_utf8_lossy(&said.stdout).trim().to_owned())
    }

    fn get(&self, url: &str) -> Option<String> {
        self.guest.get(url).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The lease, the way out and the names are this pod's.
    fn has_its_lease(&self, script: &Path) {
        let (lease, nic) = (self.boots(script), self.nic());
        let said = |name: &str| lease.get(name).map(String::as_str).unwrap_or_default();
        for (name, value) in [("ip", &nic.ip), ("router", &nic.gateway), ("dns", &nic.gateway), ("serverid", &nic.gateway)] {
            assert_eq!(said(name), value, "{}: {name} of {lease:?}", self.name);
        }
        assert_eq!((said("mask"), said("hostname"), said("domain")), ("24", &*self.vm.host_name, "cs.internal"), "{lease:?}");
        let routes = format!("169.254.169.254/32 {0} 0.0.0.0/0 {0}", nic.gateway);
        assert_eq!(said("staticroutes"), routes, "{lease:?}");
        let name = format!("{}.cs.internal", self.vm.host_name);
        let answer = self.says("busybox", &["nslookup", &name, &nic.gateway]).unwrap_or_default();
        assert!(answer.contains(&nic.ip), "{}: {name}: {answer}", self.name);
    }

    /// Names and values under the gateway, as CloudStack's guests ask, and under 169.254.169.254, as EC2's do, with a token and without.
    fn is_told_about_itself(&self) {
        let (nic, vm) = (self.nic(), &self.vm);
        let seven = [
            ("service-offering", "Small Instance"),
            ("availability-zone", "zone1"),
            ("local-ipv4", nic.ip.as_str()),
            ("local-hostname", vm.host_name.as_str()),
            // Nothing public stands for it, so CloudStack tells its own address.
            ("public-ipv4", nic.ip.as_str()),
            ("public-hostname", nic.ip.as_str()),
            ("instance-id", vm.name.as_str()),
        ];
        for (name, value) in seven {
            assert_eq!(self.get(&format!("http://{}/latest/{name}", nic.gateway)).as_deref(), Some(value), "{}: {name}", self.name);
            assert_eq!(self.get(&format!("http://{}/latest/meta-data/{name}", nic.gateway)).as_deref(), Some(value), "{name}");
        }
        let ec2 = "http://169.254.169.254/latest";
        assert_eq!(self.get(&format!("{ec2}/meta-data/instance-id")).as_deref(), Some("i-0123456789abcdef0"));
        assert_eq!(self.get(&format!("{ec2}/meta-data/public-ipv4")), None, "EC2 has no such name without an address");
        let number = nic.ip.rsplit('.').next().unwrap();
        assert_eq!(self.get(&format!("{ec2}/user-data")), Some(format!("#!/bin/sh\necho {number}\n")));
        let (put, token) = (["-sf", "-m", "10", "-X", "PUT"], format!("{ec2}/api/token"));
        let seconds = ["-H", "X-aws-ec2-metadata-token-ttl-seconds: 60"];
        let token = self.says("curl", &[&put[..], &seconds, &[&token]].concat()).expect("a token");
        let with = |token: &str| {
            let header = format!("X-aws-ec2-metadata-token: {token}");
            self.says("curl", &["-sf", "-m", "10", "-H", &header, &format!("{ec2}/meta-data/local-ipv4")])
        };
        assert_eq!((token.len(), with(&token).as_deref(), with("x")), (56, Some(nic.ip.as_str()), None));
    }

    /// As the script asks; a password is told until its guest says that it has it, and then no more.
    fn takes_up_its_password(&self) {
        let server = format!("{}:8080", self.nic().gateway);
        let wget = |words: &[&str]| self.says("wget", &[words, &[&server]].concat());
        let password = format!("hush-{}", self.name);
        assert_eq!(wget(&["-q", "-O", "-"]).as_deref(), Some("bad_request"), "who does not say what he wants");
        assert_eq!(wget(&["-q", "-O", "-", "--header", "DomU_Request: root"]).as_deref(), Some("bad_request"));
        for _ in 0..2 {
            assert_eq!(wget(&ASK), Some(password.clone()), "{}", self.name);
        }
        assert_eq!(wget(&TOLD).as_deref(), Some("saved_password"));
        assert_eq!(wget(&ASK).as_deref(), Some("saved_password"), "fetched once");
    }

    async fn ends(self) {
        self.driver.stop(&self.host, &self.vm.name, StopMode::Forced).await.unwrap();
        drop(self.guest);
        self.driver.release(&share(self.name), &self.vm.nics[0], &self.vm.name).await.unwrap();
        self.driver.shutdown(&share(self.name)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kvm_two_pods_of_a_basic_zone_serve_their_own_guests() {
    let Some(lab) = Lab::open(2).await else { return };
    // The harder case: one wire for both pods, so that every broadcast is heard by both hosts.
    lab.bridge("guests");
    let script = lab.folder.join("leased");
    std::fs::write(&script, LEASED).unwrap();
    run("chmod", &["755", script.to_str().unwrap()]);
    let east = Pod::open(&lab.hosts[0], &lab.folder, "east", machine(11, "10.1.1")).await;
    let west = Pod::open(&lab.hosts[1], &lab.folder, "west", machine(21, "10.2.2")).await;
    for pod in [&east, &west] {
        pod.has_its_lease(&script);
        pod.is_told_about_itself();
        pod.takes_up_its_password();
    }
    // A guest hears a new password when it boots again, by way of the same router.
    west.driver.save_password(&share("west"), west.nic(), &Secret::new("hush-west")).await.unwrap();

    east.ends().await;
    west.has_its_lease(&script);
    west.is_told_about_itself();
    west.takes_up_its_password();
    let lab_hosts: &stratus_testkit::lab::Lab = &lab;
    lab_hosts.hosts[1].ip(&["link", "add", "outside", "type", "bridge"]);
    public(&west).await;
    west.ends().await;
}

/// With a public address the guest hears of that one.
async fn public(pod: &Pod) {
    let address = PublicAddress {
        address: "203.0.113.10".into(),
        netmask: "255.255.255.0".into(),
        gateway: "203.0.113.1".into(),
        broadcast_uri: "vlan://untagged".into(),
        source_nat: false,
        static_nat: Some(StaticNat { guest: pod.nic().ip.clone(), ports: None, pod: Some(pod.name.into()) }),
    };
    pod.driver.apply_public(&share(pod.name), &PublicSet { sequence: 1, addresses: vec![address] }).await.unwrap();
    for name in ["public-ipv4", "public-hostname"] {
        for url in [format!("http://{}/latest/{name}", pod.nic().gateway), format!("http://169.254.169.254/latest/meta-data/{name}")] {
            assert_eq!(pod.get(&url).as_deref(), Some("203.0.113.10"), "{url}");
        }
    }
}

/// What one host's router knew, another's can be told: the guest on its wire has the same address, name, data and password from there.
#[tokio::test(flavor = "multi_thread")]
async fn kvm_another_host_takes_a_router_over() {
    let Some(lab) = Lab::open(2).await else { return };
    lab.bridge("guests");
    let script = lab.folder.join("leased");
    std::fs::write(&script, LEASED).unwrap();
    run("chmod", &["755", script.to_str().unwrap()]);
    // The guest is on the second host, its router on the first.
    let [first, second] = lab.hosts.as_slice() else { panic!("two hosts") };
    let home = first.driver().await;
    let vm = machine(11, "10.1.1");
    home.implement(&share("east")).await.unwrap();
    home.prepare(&share("east"), &vm.nics[0], &vm.name).await.unwrap();
    home.introduce(&share("east"), &vm).await.unwrap();
    let driver = second.driver().await;
    Host::connect(&*driver, &second.id, "http://host").await.unwrap();
    driver.migrate("another", &second.id, &vm).await.unwrap();
    let guest = Guest::plug(second, &driver, &vm.nics[0]);
    let pod = Pod { name: "east", host: second.id.clone(), lease: lab.folder.join("east"), driver, vm, guest };
    pod.has_its_lease(&script);
    pod.is_told_about_itself();

    drop(home);
    lab.lose_power(1);
    // As the server does where a home is gone for good (src/agent/homes.rs).
    pod.driver.implement(&share("east")).await.unwrap();
    pod.driver.prepare(&share("east"), pod.nic(), &pod.vm.name).await.unwrap();
    pod.driver.introduce(&share("east"), &pod.vm).await.unwrap();
    pod.driver.save_password(&share("east"), pod.nic(), &Secret::new("hush-east")).await.unwrap();
    // The guest still knows the old router's MAC address; it asks again when that one is not heard.
    let end = Instant::now() + LIMIT;
    while pod.get("http://169.254.169.254/latest/meta-data/local-ipv4").is_none() {
        assert!(Instant::now() < end, "a running guest does not find its new router");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    pod.has_its_lease(&script);
    pod.is_told_about_itself();
    pod.takes_up_its_password();
    pod.ends().await;
}
