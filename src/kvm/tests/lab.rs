//! Hosts for the tests: a network namespace and a libvirtd each.
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use stratus_kvm::{Accelerator, Config, Kvm, Peer, Tunnel};
use tokio::sync::{Mutex, MutexGuard};

/// Longest wait for anything that a guest does; guests take a tenth of it on an idle machine.
pub const LIMIT: Duration = Duration::from_secs(180);
/// One laboratory at a time.
static ONE: Mutex<()> = Mutex::const_new(());

pub struct Lab {
    pub hosts: Vec<LabHost>,
    pub folder: PathBuf,
    _tmp: tempfile::TempDir,
    _one: MutexGuard<'static, ()>,
}

pub struct LabHost {
    pub id: String,
    pub netns: String,
    pub config: Config,
    daemon: Child,
}

/// Runs a program that has to succeed.
pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|e| panic!("{program}: {e}"));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {error}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Why the tests cannot run here.
fn lacking() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("it is not root".into());
    }
    if !Path::new("/dev/net/tun").exists() {
        return Some("there is no /dev/net/tun".into());
    }
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    for (program, package) in [
        ("libvirtd", "libvirt-daemon"),
        ("qemu-system-x86_64", "qemu-system-x86"),
        ("qemu-img", "qemu-utils"),
        ("dnsmasq", "dnsmasq-base"),
        ("nft", "nftables"),
        ("syslinux", "syslinux syslinux-common"),
        ("mcopy", "mtools"),
        ("dropbear", "dropbear-bin"),
        ("ssh", "openssh-client"),
    ] {
        if !path.split(':').any(|folder| Path::new(folder).join(program).exists()) {
            return Some(format!("{program} is missing (packages {package})"));
        }
    }
    None
}

/// The template, built once for a version of its sources.
pub fn template() -> PathBuf {
    let image = Path::new(env!("CARGO_TARGET_TMPDIR")).join("template.qcow2");
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("template");
    let age = |path: &Path| path.metadata().and_then(|m| m.modified()).ok();
    let newest = std::fs::read_dir(&sources).unwrap().filter_map(|entry| age(&entry.unwrap().path())).max();
    if age(&image) < newest {
        run(sources.join("build.sh").to_str().unwrap(), &[image.to_str().unwrap()]);
    }
    image
}

impl Lab {
    /// Hosts with numbers from 1, or nothing with the reason printed.
    pub async fn open(count: u8) -> Option<Self> {
        if let Some(why) = lacking() {
            assert!(std::env::var_os("STRATUS_REQUIRE_TOOLS").is_none(), "this test has to run, but {why}");
            #[allow(clippy::print_stdout)]
            {
                println!("skipped: {why}");
            }
            return None;
        }
        let one = ONE.lock().await;
        let tmp = tempfile::Builder::new().prefix("stratus-kvm-").tempdir().unwrap();
        let folder = tmp.path().to_owned();
        for shared in ["pool", "store"] {
            std::fs::create_dir(folder.join(shared)).unwrap();
        }
        let hosts = (1..=count).map(|number| LabHost::start(&folder, number, count)).collect();
        let lab = Self { hosts, folder, _tmp: tmp, _one: one };
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
            run("ip", &["-n", &host.netns, "addr", "add", &address, "dev", &name]);
            run("ip", &["-n", &host.netns, "link", "set", &name, "up"]);
        }
    }

    /// Fails when something is left of what the drivers made.
    pub fn nothing_is_left(&self) {
        for host in &self.hosts {
            let links = run("ip", &["-n", &host.netns, "-o", "link"]);
            let extra: Vec<_> = links.lines().filter(|l| l.contains(&format!(" {}", host.config.prefix))).collect();
            assert!(extra.is_empty(), "interfaces are left: {extra:?}");
            let rules = run("nsenter", &[&format!("--net=/run/netns/{}", host.netns), "nft", "list", "ruleset"]);
            let left: Vec<_> = rules.lines().filter(|l| l.contains("jump") || l.contains("chain n_")).collect();
            assert!(left.is_empty(), "rules are left: {left:?}");
            let vms = std::fs::read_dir(host.config.state_dir.join("vms")).unwrap();
            let vms: Vec<_> = vms.map(|e| e.unwrap().path()).filter(|p| p.extension().is_none_or(|kind| kind != "moved")).collect();
            assert!(vms.is_empty(), "files are left: {vms:?}");
        }
        let router = format!("{}r", self.hosts[0].config.prefix);
        let left: Vec<_> = namespaces().into_iter().filter(|name| name.starts_with(&router)).collect();
        assert!(left.is_empty(), "namespaces are left: {left:?}");
        assert_eq!(self.processes(), Vec::<String>::new(), "processes are left");
    }

    /// Programs that the drivers started and that run.
    fn processes(&self) -> Vec<String> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            let ours = line.contains(&*self.folder.to_string_lossy());
            if ours && (line.starts_with("dnsmasq") || line.contains("qemu-system")) {
                found.push(line);
            }
        }
        found
    }
}

fn namespaces() -> Vec<String> {
    let entries = std::fs::read_dir("/run/netns").into_iter().flatten().filter_map(Result::ok);
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

impl LabHost {
    fn start(folder: &Path, number: u8, count: u8) -> Self {
        let netns = format!("kvm-{}-{number}", std::process::id());
        run("ip", &["netns", "add", &netns]);
        run("ip", &["-n", &netns, "link", "set", "lo", "up"]);
        let base = folder.join(format!("host{number}"));
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("libvirt-cache");
        for path in ["etc", "run", "lib", "log"].map(|name| base.join(name)).iter().chain([&cache]) {
            std::fs::create_dir_all(path).unwrap();
        }
        let two = count > 1;
        let qemu = "user = \"root\"\ngroup = \"root\"\ndynamic_ownership = 0\nremember_owner = 0\nsecurity_driver = \"none\"\n\
                    namespaces = []\ncgroup_controllers = []\nstdio_handler = \"file\"\nclear_emulator_capabilities = 0\n";
        let address = format!("172.31.0.{number}");
        let moves = if two { format!("migration_address = \"{address}\"\n") } else { String::new() };
        std::fs::write(base.join("etc/qemu.conf"), format!("{qemu}{moves}")).unwrap();
        let listens = "listen_tls = 0\nlisten_tcp = 1\nauth_tcp = \"none\"\nlisten_addr = \"0.0.0.0\"\n";
        let own = format!("host_uuid = \"00000000-0000-4000-8000-0000000003{number:02x}\"\n");
        let daemon = format!("auth_unix_ro = \"none\"\nauth_unix_rw = \"none\"\n{listens}{own}");
        std::fs::write(base.join("etc/libvirtd.conf"), daemon).unwrap();
        // The namespaces' names and folders come as arguments.
        let script = "hostname \"$1\"; for place in etc:/etc/libvirt run:/run/libvirt lib:/var/lib/libvirt log:/var/log/libvirt; do \
                      mkdir -p \"${place#*:}\"; mount --bind \"$2/${place%%:*}\" \"${place#*:}\"; done; \
                      mkdir -p /var/cache/libvirt; mount --bind \"$3\" /var/cache/libvirt; \
                      exec libvirtd --listen -f /etc/libvirt/libvirtd.conf -p /run/libvirt/libvirtd.pid";
        let net = format!("--net=/run/netns/{netns}");
        let mut command = Command::new("nsenter");
        command.args([&net, "unshare", "-m", "-u", "--propagation", "private", "sh", "-ec", script, "sh", &netns]);
        command.arg(&base).arg(&cache).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(std::fs::File::create(base.join("log/stderr")).unwrap());
        let path = std::env::var("PATH").unwrap_or_default();
        let daemon = command.env("PATH", format!("{path}:/usr/sbin:/sbin")).spawn().unwrap();
        let id = format!("00000000-0000-4000-8000-0000000004{number:02x}");
        let config = configuration(&base, number, &id, &netns, two);
        Self { id, netns, config, daemon }
    }

    /// Waits until libvirt has looked at QEMU, which takes long the first time.
    async fn answers(&self) {
        let end = Instant::now() + LIMIT;
        while !self.config.libvirt_socket.exists() {
            assert!(Instant::now() < end, "libvirtd does not start");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Loses its power: guests and libvirtd are gone, and nothing answers.
    pub fn lose_power(&self) {
        let inside = run("ip", &["netns", "pids", &self.netns]);
        for pid in inside.lines() {
            run("kill", &["-KILL", pid]);
        }
        run("ip", &["-n", &self.netns, "link", "set", "lo", "down"]);
        if let Some(tunnel) = &self.config.tunnel {
            run("ip", &["-n", &self.netns, "link", "set", &tunnel.device, "down"]);
        }
    }

    /// The driver of this host.
    pub async fn driver(&self) -> Arc<Kvm> {
        Kvm::open(self.config.clone()).await.unwrap()
    }
}

fn configuration(base: &Path, number: u8, id: &str, netns: &str, two: bool) -> Config {
    let mut config = Config::new(id, base.join("state"));
    config.libvirt_socket = base.join("run/libvirt-sock");
    config.accelerator = Accelerator::Qemu;
    config.guest_bridge = "guests".into();
    config.public_bridge = Some("outside".into());
    config.prefix = format!("k{:02x}", std::process::id() & 0xff);
    config.netns = Some(Path::new("/run/netns").join(netns));
    config.shared_pools = vec![crate::things::POOL.into()];
    config.cpus_max = 2;
    config.shutdown_seconds = 30;
    config.detach_seconds = LIMIT.as_secs();
    if two {
        let other = 3 - number;
        let (uri, memory) = (format!("qemu+tcp://172.31.0.{other}/system"), Some(format!("tcp://172.31.0.{other}")));
        let state_dir = base.parent().map(|folder| folder.join(format!("host{other}/state")));
        let peer = Peer { uri, memory, state_dir };
        config.peers.insert(format!("00000000-0000-4000-8000-0000000004{other:02x}"), peer);
        let address = |n: u8| std::net::Ipv4Addr::new(172, 31, 0, n);
        config.tunnel = Some(Tunnel { device: format!("wire{number}"), local: address(number), peers: vec![address(other)] });
    }
    config
}

impl Drop for LabHost {
    fn drop(&mut self) {
        // By their own pid files and namespace: guests first, then the daemon.
        let inside = Command::new("ip").args(["netns", "pids", &self.netns]).output();
        let pids = inside.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        for pid in pids.lines() {
            let _ = Command::new("kill").args(["-KILL", pid]).status();
        }
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
        let _ = Command::new("ip").args(["netns", "del", &self.netns]).status();
        let router = format!("{}r", self.config.prefix);
        for name in namespaces().into_iter().filter(|name| name.starts_with(&router)) {
            let inside = Command::new("ip").args(["netns", "pids", &name]).output();
            let pids = inside.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
            let own = std::process::id().to_string();
            for pid in pids.lines().filter(|pid| *pid != own) {
                let _ = Command::new("kill").args(["-KILL", pid]).status();
            }
            let _ = Command::new("ip").args(["netns", "del", &name]).status();
        }
    }
}

/// Serves a file over HTTP to whoever asks, until the end of the test.
pub async fn serve(file: PathBuf) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/template.qcow2", listener.local_addr().unwrap());
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
