//! A guest from its template to its end: lease, metadata, SSH, packet filter, disks, and a driver that is started again meanwhile.
use crate::contract::storage;
use crate::lab::{LIMIT, Lab, LabHost, run, serve, template};
use crate::things::{self, MIB, STORE, TEMPLATE, disk, disk_spec, network, vm};
use base64::Engine;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use stratus_drivers::{
    DiskRef, DiskSpec, DriverError, GroupMembers, GroupRule, Host, Network, NicRules, NicSpec, PowerState, PrimaryStorage, PublicAddress,
    PublicSet, SecondaryStorage, Secret, StaticNat, StopMode, StoreDetails, VmSpec,
};
use stratus_kvm::Kvm;

/// A host with a network that is up, public addresses beside it, and somebody out there.
struct Scene {
    lab: Lab,
    /// Empty only while it is started again.
    driver: Option<Arc<Kvm>>,
    key: String,
}

impl Scene {
    async fn open() -> Option<Self> {
        let lab = Lab::open(1).await?;
        let netns = lab.hosts[0].netns.clone();
        for command in [
            ["link", "add", "outside", "type", "bridge"].as_slice(),
            &["addr", "add", "203.0.113.1/24", "dev", "outside"],
            &["link", "set", "outside", "up"],
        ] {
            run("ip", &[["-n", &netns].as_slice(), command].concat());
        }
        let key = lab.folder.join("key").to_string_lossy().into_owned();
        run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", "me", "-f", &key]);
        let driver = lab.hosts[0].driver().await;
        Host::connect(&*driver, &lab.hosts[0].id, "http://host").await.unwrap();
        storage(&driver, &lab.folder).await;
        driver.implement(&network()).await.unwrap();
        Some(Self { lab, driver: Some(driver), key })
    }

    fn driver(&self) -> &Kvm {
        self.driver.as_deref().unwrap()
    }

    fn host(&self) -> &LabHost {
        &self.lab.hosts[0]
    }

    /// The namespace of the network's router.
    fn router(&self) -> String {
        let netns = run("ip", &["netns", "list"]);
        let prefix = format!("{}r", self.host().config.prefix);
        netns.split_whitespace().find(|name| name.starts_with(&prefix)).unwrap().to_owned()
    }

    async fn boot(&self, vm: &VmSpec) {
        self.driver().create_from_template(&disk(&vm.disks[0].path), TEMPLATE).await.unwrap();
        self.driver().prepare(&network(), &vm.nics[0], &vm.name).await.unwrap();
        self.driver().introduce(&network(), vm).await.unwrap();
        self.driver().start(&self.host().id, vm).await.unwrap();
    }

    async fn console(&self, vm: &VmSpec) -> String {
        let bytes = self.driver().console_output(&self.host().id, &vm.name).await.unwrap();
        String::from_utf8_lossy(&bytes).replace('\r', "")
    }

    /// Waits for a word of the guest's; answers all that it said.
    async fn says(&self, vm: &VmSpec, word: &str) -> String {
        let end = Instant::now() + LIMIT;
        loop {
            let console = self.console(vm).await;
            if console.contains(word) {
                return console;
            }
            assert!(Instant::now() < end, "{} does not say {word:?}: {console}", vm.name);
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    /// Runs a line in a guest over SSH from inside a namespace; what it said if it went well.
    fn ssh(&self, netns: &str, address: &str, line: &str) -> Option<String> {
        let target = format!("root@{address}");
        let options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "ConnectTimeout=4", "BatchMode=yes", "LogLevel=ERROR"];
        let mut command = Command::new("ip");
        // One whose guest stands still meanwhile would wait for ever.
        command.args(["netns", "exec", netns, "timeout", "20", "ssh", "-i", &self.key]);
        for option in options {
            command.args(["-o", option]);
        }
        let output = command.args([target.as_str(), line]).stdin(Stdio::null()).output().unwrap();
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    async fn rules(&self, vm: &VmSpec, sequence: i64, rules: Vec<GroupRule>) {
        let set = NicRules { vm: vm.name.clone(), nic: vm.nics[0].clone(), sequence, rules };
        self.driver().apply_rules(&self.host().id, &set).await.unwrap();
    }
}

fn rule(ingress: bool, protocol: &str, port: i32, cidrs: &[&str], groups: &[&str]) -> GroupRule {
    let all = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    GroupRule { ingress, protocol: protocol.into(), first: port, last: port, cidrs: all(cidrs), groups: all(groups) }
}

/// A guest with a key, user data that leaves a mark on its disk, and a password waiting.
fn first(key: &str) -> VmSpec {
    let script = "#!/bin/sh\necho from-user-data > /data/mark; sync; echo USERDATA ran\n";
    let user_data = Some(base64::engine::general_purpose::STANDARD.encode(script));
    let nics = vec![NicSpec { rate_mbps: Some(200), ..things::nic(11) }];
    VmSpec { user_data, nics, ssh_public_key: Some(std::fs::read_to_string(format!("{key}.pub")).unwrap()), ..vm(11) }
}

#[tokio::test(flavor = "multi_thread")]
async fn kvm_a_guest_lives_from_template_to_end() {
    let Some(mut scene) = Scene::open().await else { return };
    let vm = first(&scene.key);
    scene.driver().prepare(&network(), &vm.nics[0], &vm.name).await.unwrap();
    scene.driver().save_password(&network(), &vm.nics[0], &Secret::new("s3cret-word")).await.unwrap();
    rules_come_first(&scene, &vm).await;
    scene.boot(&vm).await;
    let console = scene.says(&vm, "MARK ready").await;
    for word in ["MARK lease 10.1.1.11", "MARK metadata guest-11 token=56", "MARK password 11", "USERDATA ran", "MARK ready guest-11"] {
        assert!(console.contains(word), "{word}: {console}");
    }
    held_to_its_rate(&scene);
    filtered(&scene, &vm).await;
    told_about_itself(&scene, &vm);
    spoofing(&scene, &vm);
    public(&scene, &vm).await;
    disks(&scene, &vm).await;
    full(&scene, &vm).await;
    full_store(&scene, &vm).await;
    again(&mut scene, &vm).await;
    ended(&scene, &vm).await;
}

/// Rules are there before the guest. Those of one that was to come and did not give way to whoever has its address now, and go when
/// the engine stops it.
async fn rules_come_first(scene: &Scene, vm: &VmSpec) {
    let other = things::vm(98);
    let taken = NicSpec { ip: vm.nics[0].ip.clone(), ..other.nics[0].clone() };
    let before = VmSpec { nics: vec![taken], ..other.clone() };
    scene.rules(&before, 7, Vec::new()).await;
    scene.rules(vm, 1, Vec::new()).await;
    assert_eq!(scene.driver().rules_sequence(&before.nics[0].uuid), None);
    scene.rules(&other, 7, Vec::new()).await;
    scene.driver().stop(&scene.host().id, &other.name, StopMode::Forced).await.unwrap();
    assert_eq!(scene.driver().rules_sequence(&other.nics[0].uuid), None);
}

/// The guest's tap has its queues, one a direction (`rate.rs` measures what they do).
fn held_to_its_rate(scene: &Scene) {
    let lab: &stratus_testkit::lab::Lab = &scene.lab;
    let queues = lab.hosts[0].inside("tc", &["qdisc", "show"]);
    assert_eq!(queues.matches("rate 200Mbit").count(), 2, "{queues}");
}

/// Nothing comes in, then what a rule lets in, by network and by group; taken back, it is shut again.
async fn filtered(scene: &Scene, vm: &VmSpec) {
    let (router, address) = (scene.router(), vm.nics[0].ip.as_str());
    let all_out = || rule(false, "all", -1, &["0.0.0.0/0"], &[]);
    assert_eq!(scene.ssh(&router, address, "hostname"), None, "a guest without rules lets nobody in");
    scene.rules(vm, 2, vec![rule(true, "tcp", 22, &["10.1.1.1/32"], &[]), all_out()]).await;
    assert_eq!(scene.ssh(&router, address, "hostname").as_deref(), Some("guest-11"));
    let web = || Command::new("ip").args(["netns", "exec", &router, "curl", "-sf", "-m", "4", &format!("http://{address}/")]).output();
    assert!(!web().unwrap().status.success(), "another port stays shut");
    let (shell, friends) = (rule(true, "tcp", 22, &["10.1.1.1/32"], &[]), rule(true, "tcp", 80, &[], &["friends"]));
    scene.rules(vm, 3, vec![shell.clone(), friends, all_out()]).await;
    assert!(!web().unwrap().status.success(), "a group without members lets nobody in");
    let members = |sequence, cidrs: &[&str]| GroupMembers {
        group: "friends".into(),
        sequence,
        cidrs: cidrs.iter().map(|c| (*c).to_owned()).collect(),
    };
    let host = &scene.host().id;
    scene.driver().apply_members(host, &members(1, &["10.1.1.1/32"])).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&web().unwrap().stdout).trim(), "guest-11", "a member comes in");
    scene.driver().apply_members(host, &members(2, &[])).await.unwrap();
    assert!(!web().unwrap().status.success(), "no member any more");
    scene.rules(vm, 4, vec![shell, all_out()]).await;
}

/// What the guest reads of itself: both trees, both versions.
fn told_about_itself(scene: &Scene, vm: &VmSpec) {
    let (router, address) = (scene.router(), vm.nics[0].ip.as_str());
    let ask = |line: &str| scene.ssh(&router, address, line);
    let get = |url: &str| ask(&format!("timeout 5 wget -q -O - http://{url}"));
    assert_eq!(get("169.254.169.254/latest/meta-data/instance-id").as_deref(), Some("i-2-11-VM"), "version 1 needs no token");
    assert_eq!(get("10.1.1.1/latest/meta-data/service-offering").as_deref(), Some("Small"));
    assert_eq!(get("10.1.1.1/latest/local-ipv4").as_deref(), Some("10.1.1.11"));
    assert!(get("10.1.1.1/latest/public-keys").unwrap().starts_with("ssh-ed25519 "));
    assert!(get("169.254.169.254/latest/user-data").unwrap().contains("USERDATA"));
    assert_eq!(get("169.254.169.254/latest/meta-data/nothing"), None);
    let bad = "timeout 5 wget -q -O - --header 'X-aws-ec2-metadata-token: x' http://169.254.169.254/latest/meta-data/";
    assert_eq!(ask(bad), None, "a token that is none is refused");
    let password = "timeout 5 wget -q -O - --header 'DomU_Request: send_my_password' http://10.1.1.1:8080/";
    assert_eq!(ask(password).as_deref(), Some("saved_password"), "a password is told once");
    assert!(ask("nslookup guest-11.cs.internal").unwrap().contains("10.1.1.11"), "DNS knows the guest");
}

/// A guest that borrows an address is not heard.
fn spoofing(scene: &Scene, vm: &VmSpec) {
    let (router, address) = (scene.router(), vm.nics[0].ip.as_str());
    assert!(scene.ssh(&router, address, "ping -c 1 -W 4 10.1.1.1").is_some(), "as itself it is heard");
    let borrowed =
        "ip addr add 10.1.1.99/24 dev eth0; ping -c 2 -W 1 -I 10.1.1.99 10.1.1.1; code=$?; ip addr del 10.1.1.99/24 dev eth0; exit $code";
    assert_eq!(scene.ssh(&router, address, borrowed), None, "with a borrowed address it is not");
    let rules = run("nsenter", &[&format!("--net=/run/netns/{}", scene.host().netns), "nft", "list", "ruleset"]);
    let dropped = |line: &&str| line.contains("10.1.1.11 counter packets") && !line.contains("packets 0 ");
    assert!(rules.lines().any(|line| dropped(&line)), "the filter counted what it dropped: {rules}");
}

/// A public address stands for the guest, both ways.
async fn public(scene: &Scene, vm: &VmSpec) {
    let address = |last: u8, guest: Option<&str>| PublicAddress {
        address: format!("203.0.113.{last}"),
        netmask: "255.255.255.0".into(),
        gateway: "203.0.113.1".into(),
        broadcast_uri: "vlan://untagged".into(),
        source_nat: guest.is_none(),
        static_nat: guest.map(|guest| StaticNat { guest: guest.into(), ports: None, pod: None }),
    };
    let addresses = vec![address(2, None), address(10, Some(&vm.nics[0].ip))];
    scene.driver().apply_public(&network(), &PublicSet { sequence: 1, addresses }).await.unwrap();
    let shell = rule(true, "tcp", 22, &["10.1.1.1/32", "203.0.113.0/24"], &[]);
    scene.rules(vm, 5, vec![shell, rule(false, "all", -1, &["0.0.0.0/0"], &[])]).await;
    let outside = scene.host().netns.clone();
    let seen = scene.ssh(&outside, "203.0.113.10", "echo $SSH_CONNECTION; ping -c 1 -W 4 203.0.113.1 > /dev/null && echo out");
    let seen = seen.expect("SSH by the public address");
    assert!(seen.contains("203.0.113.1") && seen.ends_with("out"), "{seen}");
    scene.driver().apply_public(&network(), &PublicSet { sequence: 2, addresses: Vec::new() }).await.unwrap();
    assert_eq!(scene.ssh(&outside, "203.0.113.10", "hostname"), None, "an address that was taken away answers no more");
}

/// A snapshot of the running guest's disk holds its bytes; a disk made from it is attached, grown and let go.
async fn disks(scene: &Scene, vm: &VmSpec) {
    let (router, address, host) = (scene.router(), vm.nics[0].ip.as_str(), &scene.host().id);
    let ask = |line: &str| scene.ssh(&router, address, line);
    ask("echo before > /data/moment; sync").expect("written");
    let facts = scene.driver().snapshot(&disk("root-11"), "snapshot-1", STORE).await.unwrap();
    assert_eq!(facts.virtual_bytes, 64 * MIB);
    ask("echo after > /data/moment; sync").expect("written");
    let copy = disk("copy");
    scene.driver().create_from_snapshot(&copy, "snapshot-1", STORE).await.unwrap();
    let spec = disk_spec("copy", 1);
    scene.driver().attach(host, &vm.name, &spec).await.unwrap();
    let read = "n=0; while [ ! -b /dev/vdb2 ] && [ $n -lt 30 ]; do sleep 1; n=$((n + 1)); done; \
                mkdir -p /mnt; mount -o ro /dev/vdb2 /mnt && cat /mnt/moment /mnt/mark; umount /mnt";
    assert_eq!(ask(read).as_deref(), Some("before\nfrom-user-data"), "the bytes of the moment");
    let larger = DiskRef { bytes: 96 * MIB, ..copy.clone() };
    scene.driver().resize(&larger).await.unwrap();
    assert_eq!(ask("cat /sys/block/vdb/size").as_deref(), Some("196608"), "the guest sees 96 MiB in sectors");
    scene.driver().detach(host, &vm.name, &spec).await.unwrap();
    assert_eq!(ask("ls /dev/vdb 2> /dev/null || echo gone").as_deref(), Some("gone"));
    PrimaryStorage::delete(scene.driver(), &copy).await.unwrap();
    SecondaryStorage::delete(scene.driver(), STORE, "snapshot-1").await.unwrap();
}

/// A guest whose pool is full stands still and loses nothing; when there is room it goes on by itself.
async fn full(scene: &Scene, vm: &VmSpec) {
    const SMALL: &str = "00000000-0000-4000-8000-0000000000a9";
    let (router, address, host) = (scene.router(), vm.nics[0].ip.as_str(), &scene.host().id);
    let lab: &stratus_testkit::lab::Lab = &scene.lab;
    let folder = scene.lab.folder.join("small");
    let small = lab.hosts[0].small(&folder, 96);
    PrimaryStorage::connect(scene.driver(), SMALL, &format!("file://{}", folder.display())).await.unwrap();
    let disk = DiskRef { pool: SMALL.into(), path: "data".into(), bytes: 256 * MIB };
    PrimaryStorage::create(scene.driver(), &disk).await.unwrap();
    let spec = DiskSpec { path: disk.path.clone(), pool: disk.pool.clone(), device: 1, bytes: disk.bytes };
    scene.driver().attach(host, &vm.name, &spec).await.unwrap();
    let ballast = folder.join("ballast");
    run("fallocate", &["-l", "64M", ballast.to_str().unwrap()]);
    let write = "n=0; while [ ! -b /dev/vdb ] && [ $n -lt 30 ]; do sleep 1; n=$((n + 1)); done; \
                 (dd if=/dev/zero of=/dev/vdb bs=1M count=48 conv=fsync && echo whole > /run/whole) > /dev/null 2>&1 &";
    scene.ssh(&router, address, write).expect("begun");
    let end = Instant::now() + LIMIT;
    while scene.ssh(&router, address, "true").is_some() {
        assert!(Instant::now() < end, "a guest writes where there is no room");
    }
    while !scene.driver().figures(host).await.unwrap().iter().any(|figures| figures.name == vm.name && figures.halted) {
        assert!(Instant::now() < end, "a guest that stands still is not told of");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    std::fs::remove_file(&ballast).unwrap();
    while scene.ssh(&router, address, "cat /run/whole").as_deref() != Some("whole") {
        assert!(Instant::now() < end + LIMIT, "a guest does not go on when there is room");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    scene.driver().detach(host, &vm.name, &spec).await.unwrap();
    PrimaryStorage::delete(scene.driver(), &disk).await.unwrap();
    PrimaryStorage::disconnect(scene.driver(), SMALL).await.unwrap();
    drop(small);
}

/// A store without room takes nothing, says so and keeps nothing; the guest whose disk was to be copied there runs on, and with room it
/// is.
async fn full_store(scene: &Scene, vm: &VmSpec) {
    const SMALL: &str = "00000000-0000-4000-8000-0000000000b2";
    const SHOT: &str = "00000000-0000-4000-8000-0000000000b3";
    let (driver, router, address) = (scene.driver(), scene.router(), vm.nics[0].ip.as_str());
    let lab: &stratus_testkit::lab::Lab = &scene.lab;
    let folder = scene.lab.folder.join("small-store");
    let small = lab.hosts[0].small(&folder, 128);
    SecondaryStorage::connect(driver, SMALL, &format!("file://{}", folder.display()), &StoreDetails::new()).await.unwrap();
    let ballast = folder.join("ballast");
    let files = || -> Vec<_> {
        let inside = |name: &str| std::fs::read_dir(folder.join(name)).unwrap().map(|entry| entry.unwrap().path());
        ["", "incoming", "objects"].into_iter().flat_map(inside).filter(|path| path.is_file() && *path != ballast).collect()
    };
    let free = run("df", &["--output=avail", "-B1", folder.to_str().unwrap()]);
    let free: u64 = free.split_whitespace().last().unwrap().parse().unwrap();
    run("fallocate", &["-l", &(free - 4 * MIB).to_string(), ballast.to_str().unwrap()]);
    let boot = scene.ssh(&router, address, "cat /proc/sys/kernel/random/boot_id").expect("runs");
    let url = serve(template()).await;
    let refused = [
        driver.fetch(SMALL, &things::fetch(SHOT, &url)).await,
        driver.snapshot(&disk("root-11"), SHOT, SMALL).await,
        driver.snapshot(&disk("root-11"), SHOT, SMALL).await,
    ];
    for outcome in refused {
        assert!(matches!(outcome, Err(DriverError::NoRoom(_))), "{outcome:?}");
        assert_eq!(files(), Vec::<std::path::PathBuf>::new());
    }
    assert_eq!(scene.ssh(&router, address, "sync; cat /proc/sys/kernel/random/boot_id").as_deref(), Some(boot.as_str()));
    std::fs::remove_file(&ballast).unwrap();
    driver.snapshot(&disk("root-11"), SHOT, SMALL).await.unwrap();
    SecondaryStorage::delete(driver, SMALL, SHOT).await.unwrap();
    assert_eq!(files(), Vec::<std::path::PathBuf>::new());
    drop(small);
}

/// A driver that starts again finds everything; the guest goes on, and is still told about itself.
async fn again(scene: &mut Scene, vm: &VmSpec) {
    let (router, address) = (scene.router(), vm.nics[0].ip.clone());
    scene.driver = None;
    scene.driver = Some(scene.lab.hosts[0].driver().await);
    let reports = Host::list(scene.driver(), &scene.host().id).await.unwrap();
    assert!(reports.iter().any(|report| report.name == vm.name && report.state == PowerState::On));
    assert_eq!(scene.driver().rules_sequence(&vm.nics[0].uuid), Some(5));
    held_to_its_rate(scene);
    let name = scene.ssh(&router, &address, "timeout 5 wget -q -O - http://169.254.169.254/latest/meta-data/local-hostname");
    assert_eq!(name.as_deref(), Some("guest-11"));
    let picture = scene.driver().screenshot(&vm.name).await.unwrap();
    assert!(picture.starts_with(b"\x89PNG") || picture.starts_with(b"P6"), "a picture of the screen");
    assert!(scene.driver().screen_socket(&vm.name).is_ok());
    // The laboratory's libvirt has no cgroups, so no CPU weighs more; that stops nobody.
    scene.driver().scale(&scene.host().id, &VmSpec { cpu_mhz: 2 * vm.cpu_mhz, ..vm.clone() }).await.unwrap();
    let figures = scene.driver().figures(&scene.host().id).await.unwrap();
    assert!(figures[0].disk_read > MIB && figures[0].network_out > 0, "{figures:?}");
}

/// The guest listens to its power button; afterwards nothing is left.
async fn ended(scene: &Scene, vm: &VmSpec) {
    let (driver, host) = (scene.driver(), &scene.host().id);
    driver.stop(host, &vm.name, StopMode::Graceful).await.unwrap();
    assert_eq!(Host::list(driver, host).await.unwrap(), []);
    driver.release(&network(), &vm.nics[0], &vm.name).await.unwrap();
    driver.shutdown(&network()).await.unwrap();
    PrimaryStorage::delete(driver, &disk("root-11")).await.unwrap();
    SecondaryStorage::delete(driver, STORE, TEMPLATE).await.unwrap();
    for folder in ["pool", "pool/.templates", "store", "store/objects"] {
        let entries = std::fs::read_dir(scene.lab.folder.join(folder)).unwrap().map(|entry| entry.unwrap());
        let left: Vec<_> = entries.filter(|entry| entry.path().is_file()).map(|entry| entry.path()).collect();
        assert!(left.is_empty(), "files are left: {left:?}");
    }
    scene.lab.nothing_is_left();
}
