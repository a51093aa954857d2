//! Hosts for tests with real guests: a network namespace and a libvirtd each, and a wire between them. Nothing of the machine's
//! changes, and several test processes do not meet.
//!
//! Needs root, `/dev/net/tun` and packages that `tests/tools.sh` installs; where one is missing a test is skipped with its name.
use crate::{repository, skip, tool};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, MutexGuard};

/// Longest wait for anything that a guest does; guests take a tenth of it on an idle machine.
pub const LIMIT: Duration = Duration::from_secs(180);
/// One laboratory at a time.
static ONE: Mutex<()> = Mutex::const_new(());

/// Hosts, and a folder that all of them see.
pub struct Lab {
    /// The hosts, numbered from 1.
    pub hosts: Vec<LabHost>,
    /// What they share: `pool` and `store` in it are there and empty.
    pub folder: PathBuf,
    /// Namespaces beside the hosts', to be removed.
    others: Vec<String>,
    _tmp: tempfile::TempDir,
    _one: MutexGuard<'static, ()>,
}

/// One host.
pub struct LabHost {
    /// From 1.
    pub number: u8,
    /// Its network namespace.
    pub netns: String,
    /// First letters of interfaces and namespaces that its driver makes.
    pub prefix: String,
    /// Where its driver is to keep its state.
    pub state_dir: PathBuf,
    /// Everything of it.
    base: PathBuf,
    /// Whether there is another one.
    two: bool,
    daemon: Child,
}

/// Runs a program that has to succeed; what it said.
pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).env("PATH", path()).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|e| panic!("{program}: {e}"));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn path() -> String {
    format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default())
}

/// Whether everything is there; says what is missing.
fn complete() -> bool {
    if run("id", &["-u"]).trim() != "0" {
        skip("hosts for guests need root");
        return false;
    }
    if !Path::new("/dev/net/tun").exists() {
        skip("there is no /dev/net/tun for guests' NICs");
        return false;
    }
    let all = [
        ("libvirtd", "libvirt-daemon"),
        ("qemu-system-x86_64", "qemu-system-x86"),
        ("qemu-img", "qemu-utils"),
        ("dnsmasq", "dnsmasq-base"),
        ("nft", "nftables"),
        ("syslinux", "syslinux syslinux-common"),
        ("mcopy", "mtools"),
        ("dropbear", "dropbear-bin"),
        ("ssh", "openssh-client"),
    ];
    all.iter().all(|(program, package)| tool(program, package).is_some())
}

/// A folder that outlives a test run.
fn kept() -> PathBuf {
    let folder = repository().join("target/tmp");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// The template, built once for a version of its sources.
pub fn template() -> PathBuf {
    let image = kept().join("template.qcow2");
    let sources = repository().join("src/kvm/template");
    let age = |path: &Path| path.metadata().and_then(|m| m.modified()).ok();
    let newest = std::fs::read_dir(&sources).unwrap().filter_map(|entry| age(&entry.unwrap().path())).max();
    if age(&image) < newest {
        run(sources.join("build.sh").to_str().unwrap(), &[image.to_str().unwrap()]);
    }
    image
}

impl Lab {
    /// So many hosts, two at most; none after saying what is missing.
    pub async fn open(count: u8) -> Option<Self> {
        if !complete() {
            return None;
        }
        let one = ONE.lock().await;
        let tmp = tempfile::Builder::new().prefix("stratus-kvm-").tempdir().unwrap();
        let folder = tmp.path().to_owned();
        for shared in ["pool", "store"] {
            std::fs::create_dir(folder.join(shared)).unwrap();
        }
        let hosts = (1..=count).map(|number| LabHost::start(&folder, number, count)).collect();
        let lab = Self { hosts, folder, others: Vec::new(), _tmp: tmp, _one: one };
        lab.underlay();
        for host in &lab.hosts {
            host.answers().await;
        }
        Some(lab)
    }

    /// A wire between the hosts.
    fn underlay(&self) {
        let [first, second, ..] = self.hosts.as_slice() else { return };
        let ends = ["ip", "-n", &first.netns, "link", "add", "wire1", "mtu", "1600", "type", "veth", "peer", "name", "wire2"];
        run(ends[0], &[&ends[1..], &["mtu", "1600", "netns", &second.netns]].concat());
        for (host, number) in [(first, 1), (second, 2)] {
            let (name, address) = (format!("wire{number}"), format!("172.31.0.{number}/24"));
            host.ip(&["addr", "add", &address, "dev", &name]);
            host.ip(&["link", "set", &name, "up"]);
        }
    }

    /// A bridge for guests on every host, the same network on all, as whoever runs the machines would have made it.
    pub fn bridge(&self, name: &str) {
        for host in &self.hosts {
            host.ip(&["link", "add", name, "type", "bridge"]);
            host.ip(&["link", "set", name, "addrgenmode", "none", "up"]);
            if host.two {
                let (own, other) = (format!("172.31.0.{}", host.number), format!("172.31.0.{}", 3 - host.number));
                let wire = format!("wire{}", host.number);
                let add = ["link", "add", "across", "type", "vxlan", "id", "1", "local", &own, "remote", &other];
                host.ip(&[&add[..], &["dstport", "4789", "dev", &wire]].concat());
                host.ip(&["link", "set", "across", "mtu", "1500", "addrgenmode", "none", "master", name, "up"]);
            }
        }
    }

    /// A network with nothing in it; its namespace.
    pub fn namespace(&mut self) -> String {
        let name = format!("kvm-{}-n{}", std::process::id(), self.others.len());
        run("ip", &["netns", "add", &name]);
        run("ip", &["-n", &name, "link", "set", "lo", "up"]);
        self.others.push(name.clone());
        name
    }

    /// Somebody on a bridge of the first host who is no guest and no host; his namespace.
    pub fn neighbour(&mut self, bridge: &str, address: &str) -> String {
        let (name, host) = (self.namespace(), self.hosts[0].netns.clone());
        let leg = format!("leg{}", self.others.len());
        run("ip", &["-n", &host, "link", "add", &leg, "type", "veth", "peer", "name", "eth0", "netns", &name]);
        run("ip", &["-n", &host, "link", "set", &leg, "addrgenmode", "none", "master", bridge, "up"]);
        for command in [["addr", "add", address, "dev", "eth0"].as_slice(), &["link", "set", "eth0", "up"]] {
            run("ip", &[&["-n", &name], command].concat());
        }
        name
    }

    /// A host loses its power: guests and libvirtd are gone, and nothing answers. Its agent, which is elsewhere, is its owner's to end.
    pub fn lose_power(&self, number: u8) {
        for host in self.hosts.iter().filter(|host| host.number == number) {
            for pid in run("ip", &["netns", "pids", &host.netns]).lines() {
                run("kill", &["-KILL", pid]);
            }
            host.ip(&["link", "set", "lo", "down"]);
            if host.two {
                host.ip(&["link", "set", &format!("wire{number}"), "down"]);
            }
        }
    }

    /// Fails when something is left of what the drivers made.
    pub fn nothing_is_left(&self) {
        for host in &self.hosts {
            let links = run("ip", &["-n", &host.netns, "-o", "link"]);
            let extra: Vec<_> = links.lines().filter(|l| l.contains(&format!(" {}", host.prefix))).collect();
            assert!(extra.is_empty(), "interfaces are left: {extra:?}");
            let rules = host.inside("nft", &["list", "ruleset"]);
            let left: Vec<_> = rules.lines().filter(|l| l.contains("jump") || l.contains("chain n_")).collect();
            assert!(left.is_empty(), "rules are left: {left:?}");
            let vms = std::fs::read_dir(host.state_dir.join("vms")).unwrap();
            let vms: Vec<_> = vms.map(|e| e.unwrap().path()).filter(|p| p.extension().is_none_or(|kind| kind != "moved")).collect();
            assert!(vms.is_empty(), "files are left: {vms:?}");
            let left = host.routers();
            assert!(left.is_empty(), "namespaces are left: {left:?}");
        }
        assert_eq!(self.processes(), Vec::<String>::new(), "processes are left");
    }

    /// Programs that the drivers started and that run.
    pub fn processes(&self) -> Vec<String> {
        self.running().into_iter().map(|(_, line)| line).collect()
    }

    /// The process of a guest, by the name of its domain.
    pub fn guest(&self, name: &str) -> Option<String> {
        let mine = format!("guest={name},");
        self.running().into_iter().find(|(_, line)| line.contains(&mine)).map(|(pid, _)| pid)
    }

    fn running(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            let ours = line.contains(&*self.folder.to_string_lossy());
            if ours && (line.starts_with("dnsmasq") || line.contains("qemu-system")) {
                found.push((entry.file_name().to_string_lossy().into_owned(), line));
            }
        }
        found
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for name in &self.others {
            end_namespace(name);
        }
    }
}

/// Ends what runs in a namespace, this process apart, and the namespace.
fn end_namespace(name: &str) {
    let inside = Command::new("ip").args(["netns", "pids", name]).output();
    let pids = inside.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let own = std::process::id().to_string();
    for pid in pids.lines().filter(|pid| *pid != own) {
        let _ = Command::new("kill").args(["-KILL", pid]).status();
    }
    let _ = Command::new("ip").args(["netns", "del", name]).status();
}

const QEMU: &str = "user = \"root\"\ngroup = \"root\"\ndynamic_ownership = 0\nremember_owner = 0\nsecurity_driver = \"none\"\n\
                    namespaces = []\ncgroup_controllers = []\nstdio_handler = \"file\"\nclear_emulator_capabilities = 0\n";
const DAEMON: &str = "auth_unix_ro = \"none\"\nauth_unix_rw = \"none\"\nlisten_tls = 0\nlisten_tcp = 1\nauth_tcp = \"none\"\n\
                      listen_addr = \"0.0.0.0\"\n";
/// What a host's daemon runs in: the namespace's name and folders come as arguments.
const START: &str = "hostname \"$1\"; for place in etc:/etc/libvirt run:/run/libvirt lib:/var/lib/libvirt log:/var/log/libvirt; do \
                     mkdir -p \"${place#*:}\"; mount --bind \"$2/${place%%:*}\" \"${place#*:}\"; done; \
                     mkdir -p /var/cache/libvirt; mount --bind \"$3\" /var/cache/libvirt; \
                     exec libvirtd --listen -f /etc/libvirt/libvirtd.conf -p /run/libvirt/libvirtd.pid";

/// What libvirt finds out of QEMU is kept.
fn cache() -> PathBuf {
    kept().join("libvirt-cache")
}

fn daemon(netns: &str, base: &Path) -> Child {
    let net = format!("--net=/run/netns/{netns}");
    let mut command = Command::new("nsenter");
    command.args([&net, "unshare", "-m", "-u", "--propagation", "private", "sh", "-ec", START, "sh", netns]);
    command.arg(base).arg(cache()).stdin(Stdio::null()).stdout(Stdio::null()).env("PATH", path());
    command.stderr(std::fs::File::create(base.join("log/stderr")).unwrap()).spawn().unwrap()
}

impl LabHost {
    fn start(folder: &Path, number: u8, count: u8) -> Self {
        let netns = format!("kvm-{}-{number}", std::process::id());
        run("ip", &["netns", "add", &netns]);
        run("ip", &["-n", &netns, "link", "set", "lo", "up"]);
        let base = folder.join(format!("host{number}"));
        for path in ["etc", "run", "lib", "log"].map(|name| base.join(name)).iter().chain([&cache()]) {
            std::fs::create_dir_all(path).unwrap();
        }
        let two = count > 1;
        let moves = if two { format!("migration_address = \"172.31.0.{number}\"\n") } else { String::new() };
        std::fs::write(base.join("etc/qemu.conf"), format!("{QEMU}{moves}")).unwrap();
        let own = format!("host_uuid = \"00000000-0000-4000-8000-0000000003{number:02x}\"\n");
        std::fs::write(base.join("etc/libvirtd.conf"), format!("{DAEMON}{own}")).unwrap();
        let daemon = daemon(&netns, &base);
        // Interfaces' names have room for four letters of ours.
        let prefix = format!("k{:03x}", std::process::id() & 0xfff);
        Self { number, netns, prefix, state_dir: base.join("state"), base, two, daemon }
    }

    /// Waits until libvirt is there.
    async fn answers(&self) {
        let end = Instant::now() + LIMIT;
        while !self.socket().exists() {
            assert!(Instant::now() < end, "libvirtd does not start");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Where everything of it lies.
    pub(crate) fn base(&self) -> &Path {
        &self.base
    }

    /// The process of its daemon, which has mounts of its own.
    pub(crate) fn daemon(&self) -> u32 {
        self.daemon.id()
    }

    /// Kills libvirt's daemon; guests run on.
    pub fn daemon_killed(&mut self) {
        self.daemon.kill().unwrap();
        self.daemon.wait().unwrap();
        std::fs::remove_file(self.socket()).unwrap();
    }

    /// Starts it again.
    pub async fn daemon_again(&mut self) {
        self.daemon = daemon(&self.netns, &self.base);
        self.answers().await;
    }

    /// Has libvirt's daemon stand still, or go on.
    pub fn daemon_halted(&self, halted: bool) {
        run("kill", &[if halted { "-STOP" } else { "-CONT" }, &self.daemon.id().to_string()]);
    }

    /// libvirt's socket.
    pub fn socket(&self) -> PathBuf {
        self.base.join("run/libvirt-sock")
    }

    /// A small file system at a folder, as the host and this process see it, with so many MiB; gone when dropped.
    pub fn small(&self, folder: &Path, mib: u32) -> Small {
        let (image, at) = (folder.with_extension("image"), folder.to_str().unwrap());
        std::fs::create_dir_all(folder).unwrap();
        run("truncate", &["-s", &format!("{mib}M"), image.to_str().unwrap()]);
        run("mkfs.ext4", &["-q", "-m", "0", image.to_str().unwrap()]);
        let device = run("losetup", &["-f", "--show", image.to_str().unwrap()]).trim().to_owned();
        let small = Small { device, folder: folder.to_owned() };
        run("mount", &[&small.device, at]);
        // The daemon has mounts of its own since it was started.
        run("nsenter", &["-t", &self.daemon.id().to_string(), "-m", "mount", &small.device, at]);
        small
    }

    /// Changes interfaces of the host.
    pub fn ip(&self, arguments: &[&str]) -> String {
        run("ip", &[&["-n", &self.netns], arguments].concat())
    }

    /// Runs a program in the host's network.
    pub fn inside(&self, program: &str, arguments: &[&str]) -> String {
        let net = format!("--net=/run/netns/{}", self.netns);
        run("nsenter", &[&[net.as_str(), program], arguments].concat())
    }

    /// Namespaces of routers that drivers made. Those of all hosts here: their names do not tell them apart.
    pub fn routers(&self) -> Vec<String> {
        let prefix = format!("{}r", self.prefix);
        let entries = std::fs::read_dir("/run/netns").into_iter().flatten().filter_map(Result::ok);
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).filter(|name| name.starts_with(&prefix)).collect()
    }

    /// The KVM driver's settings for this host, all but who it is and its peers.
    pub fn settings(&self) -> Value {
        let mut all = json!({
            "state_dir": self.state_dir,
            "libvirt_socket": self.socket(),
            "accelerator": "qemu",
            "guest_bridge": "guests",
            "public_bridge": "outside",
            "prefix": self.prefix,
            "netns": Path::new("/run/netns").join(&self.netns),
            "local_storage": self.base.join("local"),
            "mounts": self.base.with_file_name("mounts"),
            "cpus_max": 2,
            "shutdown_seconds": 30,
            "detach_seconds": LIMIT.as_secs(),
        });
        if self.two {
            let address = |number: u8| format!("172.31.0.{number}");
            let (own, other) = (address(self.number), address(3 - self.number));
            all["tunnel"] = json!({ "device": format!("wire{}", self.number), "local": own, "peers": [other] });
        }
        all
    }

    /// This host as another one's peer.
    pub fn as_peer(&self) -> Value {
        let address = format!("172.31.0.{}", self.number);
        json!({ "uri": format!("qemu+tcp://{address}/system"), "memory": format!("tcp://{address}"), "state_dir": self.state_dir })
    }
}

/// A small file system.
pub struct Small {
    device: String,
    folder: PathBuf,
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.folder).status();
        // It goes when the last one that has it mounted lets it go.
        let _ = Command::new("losetup").args(["-d", &self.device]).env("PATH", path()).status();
    }
}

impl Drop for LabHost {
    fn drop(&mut self) {
        // Guests first, then the daemon: both are in the namespace.
        let routers = self.routers();
        end_namespace(&self.netns);
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
        routers.iter().for_each(|name| end_namespace(name));
    }
}

/// Serves a file over HTTP to whoever asks, until the end of the test; its URL.
pub async fn serve(file: PathBuf) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let name = file.file_name().unwrap().to_string_lossy().into_owned();
    let url = format!("http://{}/{name}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let bytes = std::fs::read(&file).unwrap();
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", bytes.len());
                let _ = stream.write_all(head.as_bytes()).await;
                let _ = stream.write_all(&bytes).await;
            });
        }
    });
    url
}
