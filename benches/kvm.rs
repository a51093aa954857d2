//! Figures of hosts with agents: real guests on two hosts of namespaces, run in software, from boto3 to SSH; and a thousand simulated
//! agents that only show that they live. Nothing is asserted about time. Needs what the tests with guests need (`tests/tools.sh`).
#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on says so and ends")]
#![allow(clippy::print_stdout, reason = "its output is what it is for")]
#![allow(dead_code, unused_imports, unused_macros, reason = "the tests use more of it")]

#[path = "../tests/it/agents.rs"]
mod agents;
#[path = "../tests/it/cloud.rs"]
mod cloud;
#[path = "../tests/it/kvm_scene.rs"]
mod kvm_scene;
#[path = "../tests/it/native.rs"]
mod native;
#[path = "../tests/it/server.rs"]
mod server;

use agents::text;
use kvm_scene::{Scene, Store};
use native::Native;
use serde_json::json;
use server::Server;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use stratus_agent::{Agent, AgentConfig, Drivers, Hello, Token};
use stratus_sim::Sim;
use stratus_testkit::lab::LIMIT;

/// Agents that ping.
const AGENTS: usize = 1_000;
/// Agents that enrol at a time.
const AT_ONCE: usize = 16;
/// How long something idle is watched.
const WATCH: Duration = Duration::from_secs(60);

/// Seconds of CPU that a process and those it waited for have used.
fn cpu(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after_name: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u32 = (11..15).map(|i| after_name[i].parse::<u32>().unwrap()).sum();
    f64::from(ticks) / rustix::param::clock_ticks_per_second() as f64
}

/// MiB of a process in memory.
fn resident(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

fn uptime() -> String {
    let output = Command::new("uptime").output();
    output.map_or_else(|e| format!("uptime: {e}"), |o| String::from_utf8_lossy(&o.stdout).trim().to_owned())
}

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    println!("{}", uptime());
    runtime.block_on(async {
        // One part by its name (`cargo bench --bench kvm -- agents`), or both.
        let asked = |part: &str| std::env::args().any(|a| a == part) || !std::env::args().any(|a| a == "guests" || a == "agents");
        if asked("agents") {
            Box::pin(many()).await;
            println!("{}", uptime());
        }
        if asked("guests") {
            match Box::pin(Scene::open(Store::Mounted)).await {
                Some(mut scene) => Box::pin(guests(&mut scene)).await,
                None => println!("no guests: something that they need is missing"),
            }
        }
    });
    println!("{}", uptime());
}

async fn guests(scene: &mut Scene) {
    scene.ec2("create_security_group", json!({ "GroupName": "open", "Description": "for the neighbour" }));
    scene.permit("open", true);
    let pings = json!({ "IpProtocol": "icmp", "FromPort": -1, "ToPort": -1, "IpRanges": [{ "CidrIp": "0.0.0.0/0" }] });
    scene.ec2("authorize_security_group_ingress", json!({ "GroupName": "open", "IpPermissions": [pings] }));
    idle(scene, "without a guest").await;
    let one = booted(scene, 1).await;
    idle(scene, "with one guest").await;
    moved(scene, &one[0]).await;
    opened(scene, &one[0]).await;
    ended(scene, &one).await;
    let four = booted(scene, 4).await;
    ended(scene, &four).await;
}

/// From the call to instances that let in by SSH.
async fn booted(scene: &mut Scene, count: usize) -> Vec<String> {
    let begun = Instant::now();
    let ids: Vec<String> = (0..count).map(|_| scene.launch(json!({ "SecurityGroups": ["open"] }))).collect();
    let accepted = begun.elapsed();
    let (mut leased, mut reached) = (vec![None; count], vec![None; count]);
    while reached.iter().any(Option::is_none) {
        assert!(begun.elapsed() < LIMIT * 2, "guests do not boot\n{}", scene.logs());
        for (at, id) in ids.iter().enumerate() {
            if leased[at].is_none() {
                let said = scene.ec2("get_console_output", json!({ "InstanceId": id }))["Output"].to_string();
                leased[at] = said.contains("MARK lease").then(|| begun.elapsed());
            } else if reached[at].is_none() {
                let address = scene.address(id);
                reached[at] = scene.ssh(&address, "true").map(|_| begun.elapsed());
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let seconds = |all: &[Option<Duration>]| all.iter().flatten().map(|d| format!("{:.1}", d.as_secs_f64())).collect::<Vec<_>>().join(" ");
    println!(
        "{count} of RunInstances: accepted {:.2} s, lease {} s, SSH {} s after the call",
        accepted.as_secs_f64(),
        seconds(&leased),
        seconds(&reached)
    );
    ids
}

async fn ended(scene: &mut Scene, ids: &[String]) {
    scene.ec2("terminate_instances", json!({ "InstanceIds": ids }));
    for id in ids {
        scene.is(id, "terminated").await;
    }
}

/// What the agents take while nobody asks them anything but whether they live.
async fn idle(scene: &Scene, when: &str) {
    let pids: Vec<u32> = scene.agents.iter().flatten().map(agents::Agent::pid).collect();
    let before: Vec<f64> = pids.iter().map(|pid| cpu(*pid)).collect();
    tokio::time::sleep(WATCH).await;
    for (pid, before) in pids.iter().zip(before) {
        let share = (cpu(*pid) - before) / WATCH.as_secs_f64() * 100.0;
        println!("agent {when}: {:.1} MiB resident, {share:.2} % of a core with the programs that it runs", resident(*pid));
    }
}

/// A live migration under pings, 50 a second; the guest answers as soon as it can, so the longest time between two answers counts.
async fn moved(scene: &mut Scene, id: &str) {
    let (address, from, vm) = (scene.address(id), scene.host_of(id).await, scene.vm(id).await);
    let neighbour = scene.ssh_command(&address).get_args().nth(2).unwrap().to_owned();
    let mut ping = Command::new("ip");
    ping.args(["netns", "exec"]).arg(neighbour).args(["ping", "-n", "-D", "-i", "0.02", "-w", "30", &address]);
    let ping = ping.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let begun = Instant::now();
    let ask = [("virtualmachineid", text(&vm, "id")), ("hostid", scene.hosts[1 - from].as_str())];
    scene.native().finished("migrateVirtualMachine", &ask).await;
    let took = begun.elapsed();
    let said = tokio::task::spawn_blocking(move || ping.wait_with_output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let heard: Vec<f64> = said.lines().filter_map(|l| l.strip_prefix('[')?.split(']').next()?.parse().ok()).collect();
    assert!(heard.len() > 100, "the guest answers no pings: {said}");
    let gap = heard.windows(2).map(|two| two[1] - two[0]).fold(0.0, f64::max);
    println!("live migration: job {:.1} s, longest time without an answer to pings {:.0} ms", took.as_secs_f64(), gap * 1_000.0);
}

/// From a change of a security group to its effect on a running guest, both ways.
async fn opened(scene: &mut Scene, id: &str) {
    let address = scene.address(id);
    for yes in [false, true] {
        let begun = Instant::now();
        scene.permit("open", yes);
        let answered = begun.elapsed();
        while connects(scene, &address) != yes {
            assert!(begun.elapsed() < LIMIT, "a group does not change");
        }
        let word = if yes { "authorize" } else { "revoke" };
        println!("{word}: answered after {} ms, in effect after {} ms at most", answered.as_millis(), begun.elapsed().as_millis());
    }
}

/// Whether a new connection to SSH comes about within a quarter of a second.
fn connects(scene: &Scene, address: &str) -> bool {
    let neighbour = scene.ssh_command(address).get_args().nth(2).unwrap().to_owned();
    let mut connect = Command::new("ip");
    connect.args(["netns", "exec"]).arg(neighbour).args(["timeout", "0.25", "bash", "-c", &format!(": < /dev/tcp/{address}/22")]);
    connect.stderr(Stdio::null()).status().unwrap().success()
}

/// A thousand agents of simulated hosts in this process, and what they cost the server.
async fn many() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_with(&["--simulate", &agents::zones(folder.path())]).await;
    let (native, pid) = (server.native(), u32::try_from(server.ready["pid"].as_u64().unwrap()).unwrap());
    let port = server.ready["ports"]["agents"].as_u64().unwrap();
    let cluster = native.list("listClusters", "cluster", &[]).await.remove(0);
    let place = [("zoneid", text(&cluster, "zoneid")), ("podid", text(&cluster, "podid")), ("clusterid", text(&cluster, "id"))];
    let sim = Sim::open(None).unwrap();
    let (before, begun, dirs) = (cpu(pid), Instant::now(), folder.path().join("agents"));
    let enrolled = futures::StreamExt::buffer_unordered(
        futures::stream::iter((0..AGENTS).map(|n| {
            let (native, sim, dir) = (&native, sim.clone(), dirs.join(n.to_string()));
            async move {
                let (name, url) = (format!("machine{n}"), format!("http://machine{n}"));
                let login = [("hypervisor", "KVM"), ("url", url.as_str()), ("username", "root"), ("password", "hush")];
                let row = native.list("addHost", "host", &[&place[..], &login].concat()).await.remove(0);
                let token = Some(text(&row, "agenttoken").parse::<Token>().unwrap());
                std::fs::create_dir_all(&dir).unwrap();
                let hello = Hello { version: "bench".into(), host_name: name, hypervisor: "KVM".into(), ..Hello::default() };
                let config = AgentConfig { servers: vec![format!("127.0.0.1:{port}")], token, data_dir: dir, hello };
                tokio::spawn(Agent::open(config).await.unwrap().run(Drivers::of(sim))).abort_handle()
            }
        })),
        AT_ONCE,
    );
    let running: Vec<_> = futures::StreamExt::collect(enrolled).await;
    while native.ok("listHosts", &[("type", "Routing"), ("state", "Up"), ("page", "1"), ("pagesize", "1")]).await["count"] != AGENTS {
        assert!(begun.elapsed() < LIMIT * 3, "agents do not come: {}", server.log());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    println!("{} agents enrolled and up: {:.1} s, server CPU {:.2} s", running.len(), begun.elapsed().as_secs_f64(), cpu(pid) - before);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let before = cpu(pid);
    tokio::time::sleep(WATCH * 3).await;
    let each = (cpu(pid) - before) / 3.0;
    println!(
        "{AGENTS} agents that are asked once a minute: server CPU {each:.2} s a minute ({:.2} ms each), {:.0} MiB resident",
        each * 1_000.0 / AGENTS as f64,
        resident(pid)
    );
    running.iter().for_each(tokio::task::AbortHandle::abort);
    drop(server);
}
