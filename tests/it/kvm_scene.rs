//! A cloud of real guests for tests: the server, two hosts with agents, libvirt and networks of their own, boto3, and a neighbour of
//! the guests who tries to reach them.
use super::agents::{Agent, host_is, one, text, until};
use super::{Native, Server};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use stratus_testkit::lab::{LIMIT, Lab, LabHost, run, serve, template};
use tempfile::TempDir;

/// The neighbour's address, outside the range of guests.
pub const NEIGHBOUR: &str = "10.1.0.250";

/// How hosts reach the image store.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// Each has its folder mounted.
    Mounted,
    /// Through the server, which keeps it.
    Served,
}

pub struct Scene {
    pub server: Option<Server>,
    /// Empty only while it is started again.
    pub agents: Vec<Option<Agent>>,
    /// Ids of the hosts, in the laboratory's order.
    pub hosts: Vec<String>,
    pub agent_port: u64,
    boto: Boto,
    neighbour: String,
    pub key: PathBuf,
    pub lab: Lab,
}

/// Hosts for agents with KVM drivers; none, after saying why, where something is missing or these drivers are not in the build.
pub async fn lab(count: u8) -> Option<Lab> {
    if cfg!(not(feature = "kvm")) {
        stratus_testkit::skip("built without the KVM drivers (cargo feature kvm, which needs libvirt-dev)");
        return None;
    }
    Lab::open(count).await
}

/// A basic zone without hosts, where destroyed instances go soon and hosts are looked at often.
fn zone(dir: &Path) -> String {
    let mut all: Value = serde_json::from_str(stratus::simulate::BUILT_IN).unwrap();
    let soon = [
        ("expunge.delay", "1"),
        ("expunge.interval", "2"),
        ("ping.interval", "5"),
        ("vm.stats.interval", "5000"),
        ("host.stats.interval", "5000"),
    ];
    let inside = ("secstorage.allowed.internal.sites", "127.0.0.0/8");
    all["globalConfig"] = soon.iter().chain([&inside]).map(|(name, value)| json!({ "name": name, "value": value })).collect();
    let zone = &mut all["zones"][0];
    zone["ipranges"] = json!([]);
    zone.as_object_mut().unwrap().remove("networkoffering");
    zone["physical_networks"][0]["traffictypes"] = json!([{ "typ": "Guest" }, { "typ": "Management" }]);
    zone["secondaryStorages"] = json!([]);
    let cluster = &mut zone["pods"][0]["clusters"][0];
    (cluster["hypervisor"], cluster["hosts"], cluster["primaryStorages"]) = ("KVM".into(), json!([]), json!([]));
    let file = dir.join("zone.json");
    std::fs::write(&file, all.to_string()).unwrap();
    file.to_str().unwrap().to_owned()
}

impl Scene {
    /// Everything up to a template that is ready; none where something is missing that this needs.
    pub async fn open(store: Store) -> Option<Self> {
        let mut lab = lab(2).await?;
        stratus_testkit::python()?;
        lab.bridge("guests");
        let neighbour = lab.neighbour("guests", &format!("{NEIGHBOUR}/19"));
        let key = lab.folder.join("key");
        run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", "me", "-f", key.to_str().unwrap()]);
        let server = Server::start_with(&["--simulate", &zone(&lab.folder)]).await;
        let agent_port = server.ready["ports"]["agents"].as_u64().unwrap();
        let (agents, hosts) = Box::pin(enrolled(&server.native(), &lab, agent_port)).await;
        let boto = Boto::of(&server);
        let mut scene = Self { server: Some(server), agents, hosts, agent_port, boto, neighbour, key, lab };
        scene.furnish(store).await;
        Some(scene)
    }

    pub fn native(&self) -> Native {
        self.server.as_ref().unwrap().native()
    }

    /// Storage, a template, a small offering, a key.
    async fn furnish(&mut self, store: Store) {
        let native = self.native();
        let cluster = one(&native, "listClusters", "cluster", &[]).await;
        let place = [("zoneid", text(&cluster, "zoneid")), ("podid", text(&cluster, "podid")), ("clusterid", text(&cluster, "id"))];
        let folder = self.lab.folder.display();
        let pool = format!("SharedMountPoint://{folder}/pool");
        let (provider, store) = match store {
            Store::Mounted => ("NFS", format!("SharedMountPoint://localhost{folder}/store")),
            Store::Served => ("File", format!("file://{folder}/images")),
        };
        native.ok("createStoragePool", &[&place[..], &[("name", "primary"), ("url", &pool)]].concat()).await;
        native.ok("addImageStore", &[("provider", provider), place[0], ("url", &store)]).await;
        let size = [("cpunumber", "1"), ("cpuspeed", "300"), ("memory", "128")];
        for (name, ha) in [("tiny", "false"), ("tiny.ha", "true")] {
            let about = [("name", name), ("displaytext", name), ("offerha", ha)];
            native.ok("createServiceOffering", &[&about[..], &size].concat()).await;
        }
        let os = native.list("listOsTypes", "ostype", &[("description", "Other Linux (64-bit)")]).await;
        let url = serve(template()).await;
        let about = [("name", "tiny"), ("displaytext", "tiny"), ("format", "QCOW2"), ("hypervisor", "KVM"), ("url", &url)];
        let more = [("ostypeid", text(&os[0], "id")), place[0], ("ispublic", "true")];
        native.ok("registerTemplate", &[&about[..], &more].concat()).await;
        until("the template", async || {
            let rows = native.list("listTemplates", "template", &[("templatefilter", "all"), ("name", "tiny")]).await;
            assert!(rows.iter().all(|row| !row["status"].to_string().contains("rror")), "{rows:?}");
            (rows.len() == 1 && rows[0]["isready"] == true).then_some(())
        })
        .await;
        let public = std::fs::read_to_string(self.key.with_extension("pub")).unwrap();
        self.ec2("import_key_pair", json!({ "KeyName": "me", "PublicKeyMaterial": public }));
    }

    /// A call of boto3 that has to succeed.
    pub fn ec2(&mut self, method: &str, parameters: Value) -> Value {
        let answer = self.boto.ask("ec2", method, &parameters);
        match answer.get("ok") {
            Some(ok) => ok.clone(),
            None => panic!("{method} {parameters}: {answer}\n{}", self.logs()),
        }
    }

    /// What server and agents wrote.
    pub fn logs(&self) -> String {
        let server = self.server.as_ref().map(Server::log).unwrap_or_default();
        let agents: Vec<String> = self.agents.iter().flatten().map(Agent::log).collect();
        format!("server:\n{server}\nagents:\n{}", agents.join("\nnext:\n"))
    }

    /// Speaks to the server after it was started again.
    pub fn reconnect(&mut self) {
        self.boto = Boto::of(self.server.as_ref().unwrap());
    }

    /// An instance that boots, of the template unless another image is named.
    pub fn launch(&mut self, more: Value) -> String {
        let images = self.ec2("describe_images", json!({ "Filters": [{ "Name": "name", "Values": ["tiny"] }] }));
        let mut ask =
            json!({ "ImageId": images["Images"][0]["ImageId"], "InstanceType": "tiny", "KeyName": "me", "MinCount": 1, "MaxCount": 1 });
        for (name, value) in more.as_object().unwrap() {
            ask[name] = value.clone();
        }
        let answer = self.ec2("run_instances", ask);
        text(&answer["Instances"][0], "InstanceId").to_owned()
    }

    pub fn instance(&mut self, id: &str) -> Value {
        self.ec2("describe_instances", json!({ "InstanceIds": [id] }))["Reservations"][0]["Instances"][0].clone()
    }

    /// The instance as the native door shows it.
    pub async fn vm(&mut self, id: &str) -> Value {
        let name = text(&self.instance(id), "PrivateIpAddress").to_owned();
        let vms = self.native().list("listVirtualMachines", "virtualmachine", &[("listall", "true")]).await;
        vms.into_iter().find(|vm| vm["nic"][0]["ipaddress"] == name.as_str()).unwrap_or_else(|| panic!("no VM has {name}"))
    }

    /// The host that runs an instance, by its place in the laboratory.
    pub async fn host_of(&mut self, id: &str) -> usize {
        let vm = self.vm(id).await;
        self.hosts.iter().position(|host| vm["hostid"] == host.as_str()).unwrap_or_else(|| panic!("no host in {vm}"))
    }

    /// Whether a host holds an instance's NIC, both ways, to the megabits that NICs have without an offering's word.
    pub async fn held_to_its_rate(&mut self, id: &str, host: usize) -> bool {
        use sha2::Digest;
        use std::fmt::Write;
        let vm = self.vm(id).await;
        let digest = sha2::Sha256::digest(vm["nic"][0]["id"].as_str().unwrap());
        let name = digest.iter().take(5).fold(String::new(), |mut name, byte| {
            let _ = write!(name, "{byte:02x}");
            name
        });
        let host = &self.lab.hosts[host];
        let queues = host.inside("tc", &["qdisc", "show"]);
        let held = |kind: &str| {
            let device = format!(" dev {}{kind}{name} ", host.prefix);
            queues.lines().any(|line| line.contains(&device) && line.contains("tbf") && line.contains("rate 200Mbit"))
        };
        held("t") && held("i")
    }

    pub fn address(&mut self, id: &str) -> String {
        text(&self.instance(id), "PrivateIpAddress").to_owned()
    }

    /// Waits for a word on an instance's console; all of it.
    pub async fn says(&mut self, id: &str, word: &str) -> String {
        let end = Instant::now() + LIMIT;
        loop {
            let said = self.ec2("get_console_output", json!({ "InstanceId": id }));
            let said = said["Output"].as_str().unwrap_or_default().replace('\r', "");
            if said.contains(word) {
                return said;
            }
            let state = self.instance(id)["State"]["Name"].clone();
            assert!(Instant::now() < end && state != "terminated", "{id} ({state}) does not say {word:?}: {said}\n{}", self.logs());
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    }

    pub async fn is(&mut self, id: &str, state: &str) {
        let end = Instant::now() + LIMIT;
        while self.instance(id)["State"]["Name"] != state {
            assert!(Instant::now() < end, "{id} is not {state}: {}\n{}", self.instance(id), self.logs());
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Waits until a describing call says a word at a place of its answer.
    pub async fn comes(&mut self, method: &str, parameters: &Value, at: &str, word: &str) {
        let end = Instant::now() + LIMIT;
        loop {
            let said = self.ec2(method, parameters.clone());
            if said.pointer(at).is_some_and(|value| value == word) {
                return;
            }
            assert!(Instant::now() < end, "{method} {parameters} does not say {word}: {said}\n{}", self.logs());
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// A new volume, attached to an instance that runs.
    pub async fn volume(&mut self, ask: Value, to: &str) -> String {
        let volume = text(&self.ec2("create_volume", ask), "VolumeId").to_owned();
        let describe = json!({ "VolumeIds": [volume] });
        self.comes("describe_volumes", &describe, "/Volumes/0/State", "available").await;
        self.ec2("attach_volume", json!({ "VolumeId": volume, "InstanceId": to, "Device": "/dev/sdf" }));
        self.comes("describe_volumes", &describe, "/Volumes/0/Attachments/0/State", "attached").await;
        volume
    }

    /// What tells one boot of a guest from the next.
    pub async fn boot_id(&self, address: &str) -> String {
        self.ssh_soon(address, "cat /proc/sys/kernel/random/boot_id").await
    }

    /// Ends the process that an instance is, as the kernel would when it runs out of memory.
    pub async fn kill_guest(&mut self, id: &str) {
        let name = text(&self.vm(id).await, "instancename").to_owned();
        let pid = self.lab.guest(&name).unwrap_or_else(|| panic!("no process runs {name}"));
        run("kill", &["-KILL", &pid]);
    }

    /// The neighbour's SSH, ready for a command.
    pub fn ssh_command(&self, address: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.neighbour, "ssh", "-i"]).arg(&self.key);
        for option in ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "ConnectTimeout=5", "BatchMode=yes", "LogLevel=ERROR"] {
            command.args(["-o", option]);
        }
        command.arg(format!("root@{address}")).stdin(Stdio::null());
        command
    }

    /// Runs a line in a guest; what it said if it went well.
    pub fn ssh(&self, address: &str, line: &str) -> Option<String> {
        let output = self.ssh_command(address).arg(line).output().unwrap();
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Runs a line in a guest until it goes well; what it said.
    pub async fn ssh_soon(&self, address: &str, line: &str) -> String {
        let end = Instant::now() + LIMIT;
        loop {
            match self.ssh(address, line) {
                Some(said) => return said,
                None => assert!(Instant::now() < end, "{address} does not do {line:?}\n{}", self.logs()),
            }
        }
    }

    /// The neighbour's pings to a guest, five a second from now on, and the first has been answered.
    pub fn pings(&self, address: &str) -> Pings {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.neighbour, "ping", "-n", "-i", "0.2", address]).stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let end = Instant::now() + LIMIT;
        while !lines.next().is_some_and(|line| line.contains("icmp_seq=")) {
            assert!(Instant::now() < end, "{address} answers no ping");
        }
        Pings { child, lines: Box::new(lines) }
    }

    /// Opens or shuts the neighbour's way to SSH in a security group.
    pub fn permit(&mut self, group: &str, yes: bool) {
        let rule = json!({ "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{ "CidrIp": format!("{NEIGHBOUR}/32") }] });
        let method = if yes { "authorize_security_group_ingress" } else { "revoke_security_group_ingress" };
        self.ec2(method, json!({ "GroupName": group, "IpPermissions": [rule] }));
    }

    /// What guests left on the hosts: taps, filters, files, processes, leases.
    pub fn left(&self) -> Vec<String> {
        let mut left = Vec::new();
        let lines = |text: &str, fits: &dyn Fn(&str) -> bool| text.lines().filter(|l| fits(l)).map(str::to_owned).collect::<Vec<_>>();
        for host in &self.lab.hosts {
            // Taps, and the ways round of those with a rate.
            for kind in ["t", "i"] {
                let name = format!(" {}{kind}", host.prefix);
                left.extend(lines(&host.ip(&["-o", "link"]), &|line| line.contains(&name)));
            }
            left.extend(lines(&host.inside("nft", &["list", "ruleset"]), &|line| line.contains("jump") || line.contains("chain n_")));
            for folder in ["vms", "rules", "members", "rates"] {
                left.extend(files(&host.state_dir.join(folder)).into_iter().filter(|path| !path.ends_with(".moved")));
            }
            left.extend(leases(host));
            // What was brought from a store that the server keeps.
            for store in std::fs::read_dir(host.state_dir.join("cache")).into_iter().flatten() {
                let store = store.unwrap().path();
                left.extend(["", "incoming", "objects"].iter().flat_map(|folder| files(&store.join(folder))));
            }
        }
        left.extend(files(&self.lab.folder.join("pool")));
        left.extend(self.lab.processes().into_iter().filter(|line| line.contains("qemu-system")));
        left
    }
}

/// The files of a folder, whole paths.
fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries.filter(|entry| entry.path().is_file()).map(|entry| entry.path().display().to_string()).collect()
}

/// Addresses that a host's routers give.
fn leases(host: &LabHost) -> Vec<String> {
    let routers = std::fs::read_dir(host.state_dir.join("routers")).into_iter().flatten().filter_map(Result::ok);
    routers
        .flat_map(|router| {
            std::fs::read_to_string(router.path().join("leases")).unwrap_or_default().lines().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect()
}

/// Both hosts added and up, with their agents.
async fn enrolled(native: &Native, lab: &Lab, port: u64) -> (Vec<Option<Agent>>, Vec<String>) {
    let cluster = one(native, "listClusters", "cluster", &[]).await;
    let place = [("zoneid", text(&cluster, "zoneid")), ("podid", text(&cluster, "podid")), ("clusterid", text(&cluster, "id"))];
    let mut added = Vec::new();
    for host in &lab.hosts {
        let url = format!("http://machine{}", host.number);
        let login = [("hypervisor", "KVM"), ("url", url.as_str()), ("username", "root"), ("password", "hush")];
        added.push(native.list("addHost", "host", &[&place[..], &login].concat()).await.remove(0));
    }
    let mut agents = Vec::new();
    for (host, row) in lab.hosts.iter().zip(&added) {
        let mut settings = host.settings();
        for (other, row) in lab.hosts.iter().zip(&added).filter(|(other, _)| other.number != host.number) {
            settings["peers"][text(row, "id")] = other.as_peer();
        }
        let dir = TempDir::new().unwrap();
        let lines = settings.as_object().unwrap().iter().map(|(name, value)| match value.as_str() {
            Some(text) => format!("kvm.{name}={text}\n"),
            None => format!("kvm.{name}={value}\n"),
        });
        std::fs::write(dir.path().join("agent.properties"), lines.collect::<String>()).unwrap();
        agents.push(Some(Agent::of("kvm", dir, port, Some(text(row, "agenttoken")), &[])));
    }
    for row in &added {
        host_is(native, text(row, "id"), "Up").await;
    }
    (agents, added.iter().map(|row| text(row, "id").to_owned()).collect())
}

/// Pings that go on until they are asked about.
pub struct Pings {
    child: Child,
    lines: Box<dyn Iterator<Item = String>>,
}

impl Pings {
    /// The longest time for which every ping was lost. One that was answered late was not lost.
    pub fn longest_silence(mut self) -> Duration {
        run("kill", &["-INT", &self.child.id().to_string()]);
        let number = |line: String| line.split("icmp_seq=").nth(1)?.split(' ').next()?.parse::<u32>().ok();
        let mut answered: Vec<u32> = self.lines.by_ref().filter_map(number).collect();
        let _ = self.child.wait();
        answered.sort_unstable();
        let lost = answered.windows(2).map(|pair| pair[1] - pair[0] - 1).max().unwrap_or(u32::MAX);
        Duration::from_millis(200).saturating_mul(lost)
    }
}

/// boto3 in a process that is asked line by line.
struct Boto {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Boto {
    fn of(server: &Server) -> Self {
        let script = stratus_testkit::repository().join("tests/clients/boto3_calls.py");
        let mut command = Command::new("sh");
        command.args(["-c", ". \"$0\" && exec \"$@\""]).arg(server.dir().join("admin.env"));
        command.arg(stratus_testkit::python().unwrap()).arg(script).env("AWS_EC2_METADATA_DISABLED", "true");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (to, from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, to, from }
    }

    fn ask(&mut self, service: &str, method: &str, parameters: &Value) -> Value {
        writeln!(self.to, "{}", json!([service, method, parameters])).unwrap();
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("boto3 {method}: {e}: {line:?}"))
    }
}

impl Drop for Boto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
