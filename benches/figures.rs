//! Figures of this machine: the real binary, started as the tests start it, beside a hello-world of the same HTTP library. Nothing is
//! asserted about time. CPU is that of the server's process (`/proc/PID/stat`); the client shares the machine with it.
#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on says so and ends")]
#![allow(clippy::print_stdout, reason = "its output is what it is for")]

#[path = "parts/grow.rs"]
mod grow;
#[path = "parts/measure.rs"]
mod measure;

use measure::Taken;
use measure::{Native, Server, cpu, load, ms, native_call, pid_of, resident, server, uptime};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use stratus_sigs::sign::{Keys, Target, body_hash, sign_v4};
use tempfile::TempDir;

/// Requests or VMs under way at once.
const IN_FLIGHT: usize = 64;
/// Deploys that are timed.
const DEPLOYS: usize = 1_000;
/// VMs at which deploys are timed once more; all but the first thousand are copied rows of stopped ones.
const AGAIN: i64 = 10_000;
/// Small requests of a kind.
const REQUESTS: usize = 10_000;
/// Starts on an empty database.
const STARTS: usize = 5;
/// Between two questions for a job's end.
const POLL: Duration = Duration::from_millis(50);

/// Signed calls of the EC2 door.
struct Ec2 {
    http: reqwest::Client,
    url: reqwest::Url,
    access: String,
    secret: String,
}

impl Ec2 {
    fn new(server: &Server) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let (access, secret) = (server.fact("/admin/api_key").to_owned(), server.fact("/admin/secret_key").to_owned());
        Self { http, url: server.fact("/ec2").parse().unwrap(), access, secret }
    }

    async fn call(&self, body: &'static str) -> Result<(), String> {
        let host = format!("{}:{}", self.url.host_str().unwrap(), self.url.port().unwrap());
        let target = Target { method: "POST", host: &host, path: self.url.path(), query: &[], region: "ROOT", service: "ec2" };
        let keys = Keys { access: &self.access, secret: &self.secret };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let headers = sign_v4(keys, &target, &form, &body_hash(body.as_bytes()), i64::try_from(now).unwrap());
        let request = headers.iter().fold(self.http.post(self.url.clone()).body(body), |r, (name, value)| r.header(name, value));
        answer(request).await
    }
}

/// Sends, reads the whole body and insists on 200.
async fn answer(request: reqwest::RequestBuilder) -> Result<(), String> {
    let response = request.send().await.map_err(|e| e.to_string())?;
    let status = response.status();
    let text = response.text().await.map_err(|e| e.to_string())?;
    if status == 200 { Ok(()) } else { Err(format!("{status} {text}")) }
}

/// This program again, as the hello-world; killed when dropped.
struct Hello(Child, String);

impl Hello {
    fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap()).arg("hello").stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self(child, line.trim().to_owned())
    }
}

impl Drop for Hello {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What [`Hello`] runs.
async fn hello() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("http://{}/", listener.local_addr().unwrap());
    let router = axum::Router::new().route("/", axum::routing::get(async || "hello, world"));
    axum::serve(listener, router).await.unwrap();
}

/// Starts on an empty database, without a zone, until `ready.json` is there.
fn starts() {
    for n in 1..=STARTS {
        let dir = TempDir::new().unwrap();
        let since = Instant::now();
        let mut child = server::stratus()
            .args([
                "serve",
                "--simulate",
                "none",
                "--native-port",
                "0",
                "--aws-port",
                "0",
                "--integration-port",
                "0",
                "--agent-port",
                "off",
                "--data-dir",
            ])
            .arg(dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while !dir.path().join("ready.json").exists() {
            assert!(child.try_wait().unwrap().is_none() && since.elapsed() < Duration::from_secs(60), "the server does not start");
            std::thread::sleep(Duration::from_millis(1));
        }
        let (wall, used, mib) = (since.elapsed(), cpu(child.id()), resident(child.id()));
        println!(
            "start {n} to ready, empty database, --simulate none: wall {:.0} ms, CPU {:.0} ms, RSS {mib:.1} MiB",
            ms(wall),
            used * 1e3
        );
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

/// What one durable write of this disk costs: all that waits for the database waits for this.
fn disk(dir: &Path) {
    let mut file = std::fs::File::create(dir.join("disk")).unwrap();
    let mut each: Vec<Duration> = (0..200)
        .map(|_| {
            let since = Instant::now();
            file.write_all(&[7; 4096]).unwrap();
            file.sync_data().unwrap();
            since.elapsed()
        })
        .collect();
    each.sort_unstable();
    println!("disk: 4 KiB write and fdatasync: p50 {:.2} ms, p99 {:.2} ms", ms(each[100]), ms(each[198]));
}

/// Small requests, beside the hello-world.
async fn small(server: &Server, pid: u32, at_once: usize) {
    let greeter = Hello::start();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let taken = load(greeter.0.id(), at_once, REQUESTS, async || answer(http.get(&greeter.1)).await).await;
    taken.print(&format!("axum hello-world, {at_once} in flight"));
    let ec2 = Ec2::new(server);
    let taken = load(pid, at_once, REQUESTS, async || ec2.call("Action=DescribeInstances&Version=2016-11-15").await).await;
    taken.print(&format!("EC2 DescribeInstances, SigV4, no VM, {at_once} in flight"));
    let native = server.native();
    let taken = load(pid, at_once, REQUESTS, async || native_call(&native, "listVirtualMachines", &[]).await.map(drop)).await;
    taken.print(&format!("native listVirtualMachines, signed, no VM, {at_once} in flight"));
}

/// A zone, a template and an offering so small that addresses run out before hosts do.
async fn place(native: &Native) -> Arc<[(&'static str, String); 3]> {
    for name in ["user.vms", "volumes", "cpus", "memory", "primary.storage"] {
        native.ok("updateConfiguration", &[("name", &format!("max.account.{name}")), ("value", "-1")]).await;
    }
    let (zone, template, _) = native.place().await;
    let size = [("name", "bench"), ("displaytext", "bench"), ("cpunumber", "1"), ("cpuspeed", "100"), ("memory", "128")];
    let offering = native.ok("createServiceOffering", &size).await["serviceoffering"]["id"].as_str().unwrap().to_owned();
    Arc::new([("zoneid", zone), ("templateid", template), ("serviceofferingid", offering)])
}

/// Deploys VMs and asks for each job until the VM is Running.
async fn deploy(pid: u32, native: &Native, what: &[(&'static str, String); 3], total: usize) -> (Taken, usize) {
    let polls = AtomicUsize::new(0);
    let parameters: Vec<(&str, &str)> = what.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let taken = load(pid, IN_FLIGHT, total, async || {
        let started = native_call(native, "deployVirtualMachine", &parameters).await?;
        let job = started.inner["jobid"].as_str().ok_or("no job")?.to_owned();
        loop {
            tokio::time::sleep(POLL).await;
            polls.fetch_add(1, Relaxed);
            let r = native_call(native, "queryAsyncJobResult", &[("jobid", &job)]).await?.inner;
            match r["jobstatus"].as_i64() {
                Some(0) => {}
                Some(1) if r["jobresult"]["virtualmachine"]["state"] == "Running" => return Ok(()),
                _ => return Err(r.to_string()),
            }
        }
    })
    .await;
    (taken, polls.into_inner())
}

async fn figures() {
    println!("{}", uptime());
    println!("cores: {}", std::thread::available_parallelism().unwrap());
    starts();

    let server = Server::start().await;
    let pid = pid_of(&server);
    let native = server.native();
    disk(server.dir());
    let before = cpu(pid);
    tokio::time::sleep(Duration::from_secs(5)).await;
    println!("idle with the built-in zone: RSS {:.1} MiB; CPU in 5 s: {:.0} ms", resident(pid), (cpu(pid) - before) * 1e3);
    small(&server, pid, 1).await;
    small(&server, pid, IN_FLIGHT).await;
    println!("{}", uptime());

    let what = place(&native).await;
    let (taken, polls) = deploy(pid, &native, &what, DEPLOYS).await;
    taken.print(&format!("deploy to Running, {IN_FLIGHT} in flight"));
    println!("    no delay in the simulator, SQLite synchronous=FULL; jobs asked for every {} ms, {polls} times in all", POLL.as_millis());
    println!("{}", uptime());

    let db = stratus_store::Db::sqlite(&server.dir().join("stratus.db")).await.unwrap();
    grow::grow(&db, AGAIN).await;
    println!("RSS {:.1} MiB; {}", resident(pid), uptime());
    let (taken, _) = deploy(pid, &native, &what, DEPLOYS).await;
    taken.print(&format!("deploy to Running at {AGAIN} VMs, {IN_FLIGHT} in flight"));
    println!("RSS {:.1} MiB; {}", resident(pid), uptime());
}

#[tokio::main]
async fn main() {
    stratus::tls::install();
    if std::env::args().nth(1).as_deref() == Some("hello") { hello().await } else { figures().await }
}
