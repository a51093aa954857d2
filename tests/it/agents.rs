//! Real agents, as processes of their own, with simulated hosts behind them: the way from `addHost` to a running VM and back.
use super::cloud::{TestCloud, on_both};
use super::server::stratus;
use super::{Native, Server};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use stratus_drivers::{Host, VmSpec};
use stratus_sim::Sim;
use stratus_store::{Agent as AgentRow, Query};
use tempfile::TempDir;

on_both! {
    a_token_is_good_once_and_for_a_day in stratus::simulate::BUILT_IN;
    a_renewed_certificate_replaces_the_old_one_when_it_is_used in stratus::simulate::BUILT_IN;
    the_first_authority_stays in stratus::simulate::BUILT_IN;
}

/// How long the other side of something may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// An agent process; killed when dropped.
pub struct Agent {
    child: Child,
    dir: TempDir,
}

impl Agent {
    fn start(dir: TempDir, port: u64, token: Option<&str>) -> Self {
        Self::start_with(dir, port, token, &[])
    }

    fn start_with(dir: TempDir, port: u64, token: Option<&str>, more: &[&str]) -> Self {
        Self::of("sim", dir, port, token, more)
    }

    /// With these drivers.
    pub fn of(drivers: &str, dir: TempDir, port: u64, token: Option<&str>, more: &[&str]) -> Self {
        let log = std::fs::File::options().create(true).append(true).open(dir.path().join("test.log")).unwrap();
        let mut c = stratus();
        c.args(["agent", "--drivers", drivers, "--server", &format!("127.0.0.1:{port}"), "--data-dir"]).arg(dir.path()).args(more);
        if let Some(token) = token {
            c.env("STRATUS_TOKEN", token);
        }
        let child = c.stdout(Stdio::null()).stderr(log.try_clone().unwrap()).stdout(log).spawn().unwrap();
        Self { child, dir }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL, then the data directory.
    pub fn kill(mut self) -> TempDir {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::mem::replace(&mut self.dir, TempDir::new().unwrap())
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("test.log")).unwrap_or_default()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Two basic zones without hosts; their clusters are for hosts with agents.
pub fn zones(dir: &Path) -> String {
    let mut all: Value = serde_json::from_str(stratus::simulate::BUILT_IN).unwrap();
    let zone = |n: usize| {
        let mut zone = all["zones"][0].clone();
        zone["name"] = format!("zone{n}").into();
        zone["ipranges"] = json!([]);
        zone.as_object_mut().unwrap().remove("networkoffering");
        zone["physical_networks"][0]["traffictypes"] = json!([{ "typ": "Guest" }, { "typ": "Management" }]);
        zone["secondaryStorages"] = json!([]);
        let cluster = &mut zone["pods"][0]["clusters"][0];
        cluster["hypervisor"] = "KVM".into();
        cluster["hosts"] = json!([]);
        cluster["primaryStorages"] = json!([]);
        zone
    };
    all["zones"] = json!([zone(1), zone(2)]);
    let file = dir.join("zones.json");
    std::fs::write(&file, all.to_string()).unwrap();
    file.to_str().unwrap().to_owned()
}

pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(since.elapsed() < PATIENCE, "{what} does not come about");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The only row of a list with this value.
pub async fn one(native: &Native, command: &str, key: &str, of: &[(&str, &str)]) -> Value {
    let rows = native.list(command, key, of).await;
    assert_eq!(rows.len(), 1, "{command} {of:?}: {rows:?}");
    rows[0].clone()
}

pub async fn host_is(native: &Native, id: &str, state: &str) -> Value {
    until(&format!("host {state}"), async || {
        let host = one(native, "listHosts", "host", &[("id", id)]).await;
        (host["state"] == state).then_some(host)
    })
    .await
}

pub async fn vm_is(native: &Native, id: &str, state: &str) {
    until(&format!("VM {state}"), async || {
        let vm = one(native, "listVirtualMachines", "virtualmachine", &[("id", id), ("listall", "true")]).await;
        (vm["state"] == state).then_some(())
    })
    .await;
}

pub fn text<'v>(of: &'v Value, key: &str) -> &'v str {
    of[key].as_str().unwrap_or_else(|| panic!("no {key} in {of}"))
}

/// An image store that hosts mount.
pub const NFS: [&str; 2] = ["NFS", "nfs://10.1.0.1/export/secondary"];

/// A host of one of the zones with its agent, storage and all, an image store of this provider and URL among it; (host's id, agent).
pub async fn host(native: &Native, n: usize, port: u64, store: [&str; 2]) -> (String, Agent) {
    let zone = one(native, "listZones", "zone", &[("name", &format!("zone{n}"))]).await;
    let zone = text(&zone, "id");
    let cluster = one(native, "listClusters", "cluster", &[("zoneid", zone)]).await;
    let (cluster, pod) = (text(&cluster, "id"), text(&cluster, "podid"));
    let url = format!("http://machine{n}");
    let place = [("zoneid", zone), ("podid", pod), ("clusterid", cluster)];
    let login = [("hypervisor", "KVM"), ("url", url.as_str()), ("username", "root"), ("password", "hush")];
    let added = native.list("addHost", "host", &[&place[..], &login].concat()).await.remove(0);
    assert_eq!(text(&added, "state"), "Connecting");
    let id = text(&added, "id").to_owned();
    let shown = one(native, "listHosts", "host", &[("id", &id)]).await;
    assert!(shown["agenttoken"].is_null(), "a token is shown once");
    let agent = Agent::start(TempDir::new().unwrap(), port, Some(text(&added, "agenttoken")));
    let up = host_is(native, &id, "Up").await;
    assert!(up["cpunumber"].as_i64() > Some(0) && up["memorytotal"].as_i64() > Some(0), "{up}");
    assert_eq!(text(&up, "version"), env!("CARGO_PKG_VERSION"));
    let pool = [("name", "primary"), ("url", "sharedmountpoint:///mnt/primary")];
    native.ok("createStoragePool", &[&place[..], &pool].concat()).await;
    let store = [("provider", store[0]), ("zoneid", zone), ("url", store[1])];
    native.ok("addImageStore", &store).await;
    (id, agent)
}

async fn template(native: &Native, name: &str) {
    let os = native.list("listOsTypes", "ostype", &[]).await;
    let os = text(&os[0], "id").to_owned();
    let ask = [
        ("name", name),
        ("displaytext", name),
        ("format", "QCOW2"),
        ("hypervisor", "KVM"),
        ("ostypeid", os.as_str()),
        ("url", "http://example.org/tiny.qcow2"),
        ("zoneid", "-1"),
        ("ispublic", "true"),
    ];
    native.ok("registerTemplate", &ask).await;
    until("the template", async || {
        let rows = native.list("listTemplates", "template", &[("templatefilter", "all"), ("name", name)]).await;
        (rows.len() == 2 && rows.iter().all(|r| r["isready"] == true)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn vms_on_hosts_with_agents_outlive_agents_and_servers() {
    let files = TempDir::new().unwrap();
    let server = Server::start_with(&["--simulate", &zones(files.path())]).await;
    let port = server.ready["ports"]["agents"].as_u64().unwrap();
    let native = server.native();
    let (first, first_agent) = host(&native, 1, port, NFS).await;
    let (second, second_agent) = host(&native, 2, port, NFS).await;
    template(&native, "agents-tiny").await;
    let Some(out) = server.python("boto3_agents.py", &["agents-tiny", "zone1", "zone2"]).await else { return };
    assert!(out.starts_with("ok i-"), "{out}");
    let all = [("listall", "true")];
    let vms = native.list("listVirtualMachines", "virtualmachine", &all).await;
    let vm_on = |host: &str| vms.iter().find(|vm| vm["hostid"] == host).unwrap_or_else(|| panic!("no VM on {host}: {vms:?}")).clone();
    let (on_first, on_second) = (vm_on(&first), vm_on(&second));

    // An agent is killed and comes back: its VM ran on, and is there again.
    let dir = first_agent.kill();
    host_is(&native, &first, "Disconnected").await;
    let first_agent = Agent::start(dir, port, None);
    host_is(&native, &first, "Up").await;
    vm_is(&native, text(&on_first, "id"), "Running").await;
    native.finished("reconnectHost", &[("id", &first)]).await;
    native.finished("rebootVirtualMachine", &[("id", text(&on_first, "id"))]).await;

    // While the second one is away its guest halts, and somebody starts a VM by hand.
    let dir = second_agent.kill();
    host_is(&native, &second, "Disconnected").await;
    {
        let world = Sim::open(Some(dir.path().join("simulator.journal"))).unwrap();
        world.guest_halt(&second, text(&on_second, "instancename")).unwrap();
        world.start(&second, &stranger()).await.unwrap();
    }
    let second_agent = Agent::start(dir, port, None);
    host_is(&native, &second, "Up").await;
    vm_is(&native, text(&on_second, "id"), "Stopped").await;
    let told = until("the event", async || {
        let events = native.list("listEvents", "event", &[("keyword", "does not know"), ("listall", "true")]).await;
        events.first().map(|e| e["description"].to_string())
    })
    .await;
    assert!(told.contains("by-hand"), "{told}");
    native.finished("startVirtualMachine", &[("id", text(&on_second, "id"))]).await;

    // The server is killed and comes back: agents find it, VMs are as they were.
    let data = server.kill();
    let enrol = stratus().args(["admin", "enrol", "machine3", "--data-dir"]).arg(data.path()).output().unwrap();
    let token = String::from_utf8(enrol.stdout).unwrap();
    assert!(token.starts_with("stratus1."), "{token} {}", String::from_utf8_lossy(&enrol.stderr));
    let server = Server::start_in(data, &["--agent-port", &port.to_string()]).await;
    let native = server.native();
    for (host, vm) in [(&first, &on_first), (&second, &on_second)] {
        host_is(&native, host, "Up").await;
        vm_is(&native, text(vm, "id"), "Running").await;
        native.finished("stopVirtualMachine", &[("id", text(vm, "id"))]).await;
    }

    // A third one says itself where it belongs.
    let place = ["--zone", "zone2", "--pod", "pod1", "--cluster", "cluster1"];
    let _third_agent = Agent::start_with(TempDir::new().unwrap(), port, Some(token.trim()), &place);
    until("the third host", async || {
        let hosts = native.list("listHosts", "host", &[("type", "Routing")]).await;
        (hosts.len() == 3 && hosts.iter().all(|h| h["state"] == "Up")).then_some(())
    })
    .await;

    // A host that is removed lets its agent in no more.
    native.finished("destroyVirtualMachine", &[("id", text(&on_first, "id"))]).await;
    native.finished("prepareHostForMaintenance", &[("id", &first)]).await;
    native.ok("deleteHost", &[("id", &first)]).await;
    until("the refusal", async || first_agent.log().contains("no host has this certificate").then_some(())).await;
    let alerts = native.list("listAlerts", "alert", &[("keyword", "was refused")]).await;
    assert!(!alerts.is_empty(), "a refused agent is an alert");

    let (status, data) = server.terminate().await;
    assert!(status.success());
    let check = stratus().args(["admin", "check", "--data-dir"]).arg(data.path()).output().unwrap();
    assert!(check.status.success(), "{}{}", String::from_utf8_lossy(&check.stdout), String::from_utf8_lossy(&check.stderr));
    let dir = second_agent.kill();
    let world = Sim::open(Some(dir.path().join("simulator.journal"))).unwrap();
    assert!(world.list(&second).await.unwrap().iter().any(|vm| vm.name == "by-hand"), "a stranger is left alone");
    assert_eq!(world.double_starts(), 0);
}

/// A VM that no server knows.
pub fn stranger() -> VmSpec {
    VmSpec {
        name: "by-hand".into(),
        uuid: "00000000-0000-4000-8000-000000000001".into(),
        host_name: "by-hand".into(),
        cpus: 1,
        cpu_mhz: 100,
        memory_mb: 64,
        disks: Vec::new(),
        nics: Vec::new(),
        user_data: None,
        ssh_public_key: None,
        iso: None,
        metadata: Default::default(),
    }
}

const DAY: i64 = 86_400_000_000;

impl TestCloud {
    /// An agent that is invited by this token hash until a day from now.
    async fn invited(&self, uuid: &str, hash: &str) {
        let now = self.engine.clock.now();
        let (uuid, token_hash) = (uuid.to_owned(), Some(hash.to_owned()));
        let row = AgentRow { uuid, name: "machine".into(), token_hash, token_until: now + DAY, created: now, ..Default::default() };
        self.engine.db.write(move |tx| Box::pin(async move { tx.insert(&mut row.clone()).await })).await.unwrap();
    }
}

async fn a_token_is_good_once_and_for_a_day(c: TestCloud) {
    c.invited("a", "hash-a").await;
    c.invited("b", "hash-b").await;
    let year = c.engine.clock.now() + 365 * DAY;
    assert_eq!(c.engine.agent_invited("hash-a").await.unwrap().as_deref(), Some("a"));
    assert_eq!(c.engine.agent_invited("hash-x").await.unwrap(), None);
    assert!(c.engine.agent_enrolled("hash-a", "print-a", year).await.unwrap());
    assert!(!c.engine.agent_enrolled("hash-a", "print-z", year).await.unwrap(), "of two only one");
    assert_eq!(c.engine.agent_invited("hash-a").await.unwrap(), None);
    assert_eq!(c.engine.agent_admit("print-a").await.unwrap().unwrap().0, "a");
    assert_eq!(c.engine.agent_admit("print-z").await.unwrap(), None);
    c.clock.step(DAY + 1);
    assert_eq!(c.engine.agent_invited("hash-b").await.unwrap(), None, "a day is over");
    assert!(!c.engine.agent_enrolled("hash-b", "print-b", year).await.unwrap());
}

async fn a_renewed_certificate_replaces_the_old_one_when_it_is_used(c: TestCloud) {
    c.invited("a", "hash-a").await;
    let years = |n: i64| c.engine.clock.now() + n * 365 * DAY;
    c.engine.agent_enrolled("hash-a", "old", years(2)).await.unwrap();
    assert_eq!(c.engine.agent_admit("old").await.unwrap(), Some(("a".into(), false)));
    c.clock.step(366 * DAY);
    assert_eq!(c.engine.agent_admit("old").await.unwrap(), Some(("a".into(), true)), "it grows old");
    assert!(c.engine.agent_renewed("a", "new", years(2)).await.unwrap());
    assert!(c.engine.agent_admit("old").await.unwrap().is_some(), "an answer that got lost locks nobody out");
    assert_eq!(c.engine.agent_admit("new").await.unwrap(), Some(("a".into(), false)));
    assert_eq!(c.engine.agent_admit("old").await.unwrap(), None);
    let gone = vec![("removed", c.engine.clock.now().into())];
    c.engine.db.write(move |tx| Box::pin(async move { tx.update::<AgentRow>(Query::live(), gone.clone()).await })).await.unwrap();
    assert_eq!(c.engine.agent_admit("new").await.unwrap(), None, "its host was removed");
}

async fn the_first_authority_stays(c: TestCloud) {
    let make = |n: &'static str| move || Ok((format!("certificate {n}"), format!("key {n}")));
    let first = c.engine.agent_authority(make("1")).await.unwrap();
    assert_eq!(c.engine.agent_authority(make("2")).await.unwrap(), first);
    assert_eq!(first, ("certificate 1".into(), "key 1".into()));
}

#[test]
fn an_agent_says_what_it_lacks() {
    let dir = TempDir::new().unwrap();
    let run = |more: &[&str]| {
        let out = stratus().args(["agent", "--data-dir"]).arg(dir.path()).args(more).output().unwrap();
        (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
    };
    for (more, words) in [
        (&["--drivers", "sim"][..], "--server"),
        (&["--drivers", "sim", "--server", "127.0.0.1:1"], "--token"),
        (&["--drivers", "sim", "--server", "127.0.0.1:1", "--token", "stratus1.cut"], "copied whole"),
    ] {
        let (code, err) = run(more);
        assert_eq!(code, Some(1), "{more:?}: {err}");
        assert!(err.contains(words), "{more:?}: {err}");
    }
}
