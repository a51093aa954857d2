//! Figures of the EC2 door beside ministack (PyPI): the same signed requests to both, one after the other, in rounds that take turns; the
//! median round is printed. What counts is the server's CPU (`/proc/PID/stat`), since the client shares the machine.
//!
//! They do not do the same: here a request's signature is verified, a launch is durable, scheduled, given an address and carried out by
//! jobs, and a list is read from the database; there everything is a dictionary in memory and nothing is checked.
#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on says so and ends")]
#![allow(clippy::print_stdout, reason = "its output is what it is for")]

#[path = "parts/measure.rs"]
mod measure;

use measure::{Native, Server, cpu, memory};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use stratus_sigs::sign::{Keys, Target, body_hash, sign_v4};

/// Rounds of each measurement.
const ROUNDS: usize = 5;
/// Small requests of a round.
const SMALL: usize = 1_000;
/// Launches of one instance of a round.
const ONES: usize = 50;
/// Instances there are when lists are timed.
const FEW: usize = 1_000;
const MANY: usize = 10_000;

/// A door to be measured.
struct Cloud {
    name: &'static str,
    pid: u32,
    url: reqwest::Url,
    access: String,
    secret: String,
    image: String,
    http: reqwest::Client,
}

impl Cloud {
    async fn call(&self, body: &str) -> String {
        let host = format!("{}:{}", self.url.host_str().unwrap(), self.url.port().unwrap());
        let target = Target { method: "POST", host: &host, path: self.url.path(), query: &[], region: "us-east-1", service: "ec2" };
        let keys = Keys { access: &self.access, secret: &self.secret };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let headers = sign_v4(keys, &target, &form, &body_hash(body.as_bytes()), i64::try_from(now).unwrap());
        let request = headers.iter().fold(self.http.post(self.url.clone()).body(body.to_owned()), |r, (name, value)| r.header(name, value));
        let response = request.send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        assert_eq!(status, 200, "{}: {}", self.name, &text[..text.len().min(500)]);
        text
    }
    async fn describe(&self) -> usize {
        self.call("Action=DescribeInstances&Version=2016-11-15").await.matches("<instanceId>").count()
    }
    async fn run(&self, count: usize) {
        let image = &self.image;
        let body =
            format!("Action=RunInstances&Version=2016-11-15&ImageId={image}&InstanceType=m1.small&MinCount={count}&MaxCount={count}");
        self.call(&body).await;
    }
}

/// What a round took of the server: milliseconds of CPU and of the clock for each of `n`.
async fn round(cloud: &Cloud, n: usize, work: impl AsyncFnOnce()) -> (f64, f64) {
    let (before, since) = (cpu(cloud.pid), Instant::now());
    work().await;
    let (used, wall) = (cpu(cloud.pid) - before, since.elapsed().as_secs_f64());
    (used * 1e3 / n as f64, wall * 1e3 / n as f64)
}

fn median(mut all: Vec<(f64, f64)>) -> (f64, f64) {
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    all[all.len() / 2]
}

/// Takes turns and prints both, and how many times less CPU the first one needs.
async fn compare(what: &str, clouds: [&Cloud; 2], n: usize, rounds: usize, work: impl AsyncFn(&Cloud)) {
    let mut taken = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for (cloud, taken) in clouds.iter().zip(&mut taken) {
            taken.push(round(cloud, n, async || work(cloud).await).await);
        }
    }
    let [own, other] = taken.map(median);
    println!(
        "{what:<44} {} {:9.3} ms CPU {:9.3} ms wall; {} {:9.3} ms CPU {:9.3} ms wall; {:.2}x",
        clouds[0].name,
        own.0,
        own.1,
        clouds[1].name,
        other.0,
        other.1,
        other.0 / own.0
    );
}

/// Ends a process when it is dropped.
struct Ended(Child);
impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// ministack on a free port; none where it is not installed.
async fn ministack(http: &reqwest::Client) -> Option<(Ended, Cloud)> {
    let program = stratus_testkit::repository().join(".venv/bench/bin/ministack");
    if !program.exists() {
        println!("ministack is not installed: python3 -m venv .venv/bench && .venv/bench/bin/pip install ministack");
        return None;
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = Command::new(program);
    command.env("GATEWAY_PORT", port.to_string()).current_dir(std::env::temp_dir()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = Ended(command.spawn().unwrap());
    let url: reqwest::Url = format!("http://127.0.0.1:{port}/").parse().unwrap();
    for _ in 0..200 {
        if http.get(url.clone()).send().await.is_ok() {
            let (pid, access, secret) = (child.0.id(), "test".into(), "test".into());
            return Some((child, Cloud { name: "ministack", pid, url, access, secret, image: "ami-00000000".into(), http: http.clone() }));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!("ministack does not answer");
    None
}

/// The built-in zone with room for more addresses.
fn zone(dir: &std::path::Path) -> String {
    let text = include_str!("../src/simulate.json");
    let larger = text.replace("255.255.224.0", "255.255.128.0").replace("10.1.31.254", "10.1.127.254");
    let file = dir.join("zone.json");
    std::fs::write(&file, larger).unwrap();
    file.to_str().unwrap().to_owned()
}

async fn count(native: &Native, state: &str) -> u64 {
    native.ok("listVirtualMachines", &[("state", state), ("page", "1"), ("pagesize", "1")]).await["count"].as_u64().unwrap_or(0)
}

/// Waits until every launch has ended.
async fn settled(native: &Native) {
    while count(native, "Starting").await > 0 {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Makes instances that do not run until there are so many.
async fn fill(native: &Native, total: usize) {
    let (zone, template, offering) = native.place().await;
    let what = [("zoneid", &*zone), ("templateid", &*template), ("serviceofferingid", &*offering), ("startvm", "false")];
    let there = native.ok("listVirtualMachines", &[("page", "1"), ("pagesize", "1")]).await["count"].as_u64().unwrap_or(0) as usize;
    let calls = (there..total).map(|_| native.ok("deployVirtualMachine", &what));
    futures::StreamExt::collect::<Vec<_>>(futures::StreamExt::buffer_unordered(futures::stream::iter(calls), 64)).await;
}

#[tokio::main]
async fn main() {
    stratus::tls::install();
    println!("{}", String::from_utf8_lossy(&Command::new("uptime").output().unwrap().stdout).trim());
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_with(&["--simulate", &zone(dir.path())]).await;
    let native = server.native();
    for name in ["user.vms", "volumes", "cpus", "memory", "primary.storage"] {
        native.ok("updateConfiguration", &[("name", &format!("max.account.{name}")), ("value", "-1")]).await;
    }
    let small = [("name", "m1.bench"), ("displaytext", "bench"), ("cpunumber", "1"), ("cpuspeed", "100"), ("memory", "128")];
    native.ok("createServiceOffering", &small).await;
    let pid = server.ready["pid"].as_u64().unwrap() as u32;
    let (access, secret) = (server.fact("/admin/api_key").to_owned(), server.fact("/admin/secret_key").to_owned());
    let mut own =
        Cloud { name: "stratus", pid, url: server.fact("/ec2").parse().unwrap(), access, secret, image: String::new(), http: http.clone() };
    let images = own.call("Action=DescribeImages&Version=2016-11-15").await;
    own.image = images.split_once("<imageId>").unwrap().1.split_once('<').unwrap().0.to_owned();
    let Some((_child, other)) = ministack(&http).await else { return };
    let clouds = [&own, &other];
    compare("DescribeInstances, no instance", clouds, SMALL, ROUNDS, async |c| {
        for _ in 0..SMALL {
            c.describe().await;
        }
    })
    .await;
    compare("RunInstances, one a call, until they run", clouds, ONES, ROUNDS, async |c| {
        for _ in 0..ONES {
            c.run(1).await;
        }
        if c.name == own.name {
            settled(&native).await;
        }
    })
    .await;
    compare("RunInstances, 250 a call, until they run", clouds, 250, 3, async |c| {
        c.run(250).await;
        if c.name == own.name {
            settled(&native).await;
        }
    })
    .await;
    for total in [FEW, MANY] {
        fill(&native, total).await;
        let there = other.describe().await;
        let mut left = total.saturating_sub(there);
        while left > 0 {
            other.run(left.min(1_000)).await;
            left -= left.min(1_000);
        }
        let seen = (own.describe().await, other.describe().await);
        compare(&format!("DescribeInstances, {} and {} instances", seen.0, seen.1), clouds, 1, ROUNDS, async |c| {
            c.describe().await;
        })
        .await;
        println!(
            "    stratus {:.0} MiB resident, {:.0} at most; ministack {:.0}, {:.0}",
            memory(pid)[0],
            memory(pid)[1],
            memory(other.pid)[0],
            memory(other.pid)[1]
        );
    }
    compare("DescribeInstances, a page of 1,000 of 10,000", clouds, 1, ROUNDS, async |c| {
        c.call("Action=DescribeInstances&Version=2016-11-15&MaxResults=1000").await;
    })
    .await;
    println!("{}", String::from_utf8_lossy(&Command::new("uptime").output().unwrap().stdout).trim());
}
