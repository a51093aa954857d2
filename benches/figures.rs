//! Figures of this machine: the real binary, started as the tests start it, beside a hello-world of the same HTTP library. Nothing is
//! asserted about time. CPU is that of the server's process (`/proc/PID/stat`); the client shares the machine with it.
#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on says so and ends")]
#![allow(clippy::print_stdout, reason = "its output is what it is for")]

#[path = "parts/grow.rs"]
mod grow;
#[allow(dead_code, reason = "the tests call more of it")]
#[path = "../tests/it/native.rs"]
mod native;
#[allow(dead_code, reason = "the tests call more of it")]
#[path = "../tests/it/server.rs"]
mod server;

use native::Native;
use server::Server;
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
/// Rows there are when pages are timed; all but the first thousand VMs are copied rows, which no host runs.
const ROWS: [i64; 3] = [1_000, 10_000, 100_000];
/// Rows at which deploys are timed once more.
const AGAIN: i64 = 10_000;
/// Rows on a page.
const PAGE: usize = 500;
/// Pages asked for, one after the other.
const PAGES: usize = 40;
/// Small requests of a kind.
const REQUESTS: usize = 10_000;
/// Starts on an empty database.
const STARTS: usize = 5;
/// Between two questions for a job's end.
const POLL: Duration = Duration::from_millis(50);

/// A file of `/proc/PID`.
fn proc(pid: u32, file: &str) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap()
}

/// Seconds of CPU a process has used, in user mode and in the kernel.
fn cpu(pid: u32) -> f64 {
    let stat = proc(pid, "stat");
    let after_name: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u32 = [11, 12].iter().map(|i| after_name[*i].parse::<u32>().unwrap()).sum();
    f64::from(ticks) / rustix::param::clock_ticks_per_second() as f64
}

/// MiB of a process in memory.
fn resident(pid: u32) -> f64 {
    let status = proc(pid, "status");
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

/// `uptime` as it prints.
fn uptime() -> String {
    let output = Command::new("uptime").output();
    output.map_or_else(|e| format!("uptime: {e}"), |o| String::from_utf8_lossy(&o.stdout).trim().to_owned())
}

/// A time in milliseconds.
fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// What a number of calls took.
struct Taken {
    wall: f64,
    cpu: f64,
    each: Vec<Duration>,
    failed: usize,
    why: String,
}

impl Taken {
    fn at(&self, part: f64) -> f64 {
        let last = self.each.len().saturating_sub(1);
        self.each.get((last as f64 * part).round() as usize).copied().map_or(f64::NAN, ms)
    }

    /// One line.
    fn print(&self, what: &str) {
        let n = self.each.len() as f64;
        println!(
            "{what:<58} {n:>6} in {:6.2} s = {:8.1}/s; server CPU {:6.2} s = {:7.3} ms each; latency ms p50 {:.1} p99 {:.1} max {:.1}",
            self.wall,
            n / self.wall,
            self.cpu,
            self.cpu * 1_000.0 / n,
            self.at(0.5),
            self.at(0.99),
            self.at(1.0)
        );
        if self.failed > 0 {
            println!("    {} failed, the last one: {}", self.failed, self.why);
        }
    }
}

/// Makes `total` calls, `at_once` of them under way, against the process `pid`. It gives up soon after one has failed.
async fn load<F>(pid: u32, at_once: usize, total: usize, call: F) -> Taken
where
    F: AsyncFn() -> Result<(), String>,
{
    let (begun, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (cpu_before, since) = (cpu(pid), Instant::now());
    let workers = (0..at_once).map(|_| async {
        let (mut each, mut why) = (Vec::new(), String::new());
        while failed.load(Relaxed) == 0 && begun.fetch_add(1, Relaxed) < total {
            let since = Instant::now();
            match call().await {
                Ok(()) => each.push(since.elapsed()),
                Err(text) => {
                    failed.fetch_add(1, Relaxed);
                    why = text;
                }
            }
        }
        (each, why)
    });
    let done = futures::future::join_all(workers).await;
    let (wall, cpu) = (since.elapsed().as_secs_f64(), cpu(pid) - cpu_before);
    let why = done.iter().map(|(_, why)| why).rfind(|w| !w.is_empty()).cloned().unwrap_or_default();
    let mut each: Vec<Duration> = done.into_iter().flat_map(|(each, _)| each).collect();
    each.sort_unstable();
    Taken { wall, cpu, each, failed: failed.into_inner(), why }
}

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

/// A native call that must answer 200; the answer is not parsed twice.
async fn native_call(native: &Native, command: &str, parameters: &[(&str, &str)]) -> Result<native::Answer, String> {
    let a = native.call(command, parameters).await.map_err(|e| e.to_string())?;
    if a.status == 200 { Ok(a) } else { Err(format!("{} {}", a.status, a.text)) }
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
    let pid = u32::try_from(server.ready["pid"].as_u64().unwrap()).unwrap();
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

    for rows in ROWS {
        if rows > ROWS[0] {
            grow::grow(&server, rows);
        }
        for (command, key) in [("listVirtualMachines", "virtualmachine"), ("listVolumes", "volume"), ("listEvents", "event")] {
            pages(pid, &native, command, key).await;
        }
        println!("RSS {:.1} MiB; {}", resident(pid), uptime());
        if rows == AGAIN {
            let (taken, _) = deploy(pid, &native, &what, DEPLOYS).await;
            taken.print(&format!("deploy to Running at {rows} VMs, {IN_FLIGHT} in flight"));
        }
    }
}

/// The first and the last page of a list.
async fn pages(pid: u32, native: &Native, command: &str, key: &str) {
    let count = native.ok(command, &[("page", "1"), ("pagesize", "1")]).await["count"].as_u64().unwrap_or_default();
    let last = usize::try_from(count).unwrap().div_ceil(PAGE).max(1);
    for page in [1, last] {
        let (number, size, bytes, rows) = (page.to_string(), PAGE.to_string(), AtomicUsize::new(0), AtomicUsize::new(0));
        let call = async || native_call(native, command, &[("page", &number), ("pagesize", &size)]).await;
        rows.store(call().await.map_or(0, |a| a.inner[key].as_array().map_or(0, Vec::len)), Relaxed);
        let taken = load(pid, 1, PAGES, async || {
            bytes.store(call().await?.text.len(), Relaxed);
            Ok(())
        })
        .await;
        taken.print(&format!("{command}, {count} rows, page {page} of {last}, one at a time"));
        println!("    {} rows and {} KiB a page", rows.into_inner(), bytes.into_inner() / 1024);
    }
}

#[tokio::main]
async fn main() {
    stratus::tls::install();
    if std::env::args().nth(1).as_deref() == Some("hello") { hello().await } else { figures().await }
}
