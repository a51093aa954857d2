//! Figures of the S3 door beside ministack (PyPI), one run: small objects in and out, a large one out, and memory under many streams.
//! What counts is requests or bytes per second of the server's CPU (`/proc/PID/stat`), since the client shares the machine.
#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on says so and ends")]
#![allow(clippy::print_stdout, reason = "its output is what it is for")]

#[path = "parts/measure.rs"]
mod measure;

use measure::{Server, cpu, resident};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use stratus_sigs::sign::{Keys, Target, sign_v4};

/// Small requests of a kind, and how many of them at once.
const SMALL: usize = 5_000;
const AT_ONCE: usize = 16;
/// Reads of the large object.
const LARGE: usize = 20;
/// Streams open at once for the figure of memory.
const STREAMS: usize = 1_000;
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// A server of S3 to be measured.
struct Store {
    name: &'static str,
    pid: u32,
    endpoint: reqwest::Url,
    access: String,
    secret: String,
    http: reqwest::Client,
}

impl Store {
    async fn send(&self, method: reqwest::Method, path: &str, body: Vec<u8>) -> reqwest::Response {
        let host = format!("{}:{}", self.endpoint.host_str().unwrap(), self.endpoint.port().unwrap());
        let full = format!("{}{path}", self.endpoint.path().trim_end_matches('/'));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64;
        let keys = Keys { access: &self.access, secret: &self.secret };
        let target = Target { method: method.as_str(), host: &host, path: &full, query: &[], region: "us-east-1", service: "s3" };
        let signed = sign_v4(keys, &target, &[], UNSIGNED, now);
        let mut request = self.http.request(method, format!("http://{host}{full}")).body(body);
        for (name, value) in signed {
            request = request.header(name, value);
        }
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{} {path}: {}", self.name, answer.status());
        answer
    }

    /// Calls per second of the server's CPU.
    async fn rate(&self, what: &str, total: usize, bytes: usize, call: impl AsyncFn(usize)) {
        let next = AtomicUsize::new(0);
        let (before, since) = (cpu(self.pid), Instant::now());
        let workers = (0..AT_ONCE.min(total)).map(|_| async {
            loop {
                let n = next.fetch_add(1, Relaxed);
                if n >= total {
                    return;
                }
                call(n).await;
            }
        });
        futures::future::join_all(workers).await;
        let (wall, used) = (since.elapsed().as_secs_f64(), (cpu(self.pid) - before).max(0.01));
        println!(
            "{:<10} {what:<22} {total:>6} in {wall:6.2} s; {:9.1} per CPU-second; {:8.1} MB per CPU-second; {:6.1} MiB resident",
            self.name,
            total as f64 / used,
            (total * bytes) as f64 / used / 1e6,
            resident(self.pid)
        );
    }

    async fn measure(&self) {
        let small = vec![b'x'; 1024];
        self.send(reqwest::Method::PUT, "/bench", Vec::new()).await;
        self.rate("PUT 1 KiB", SMALL, 1024, async |n| {
            self.send(reqwest::Method::PUT, &format!("/bench/k{n}"), small.clone()).await;
        })
        .await;
        self.rate("GET 1 KiB", SMALL, 1024, async |n| {
            assert_eq!(self.send(reqwest::Method::GET, &format!("/bench/k{n}"), Vec::new()).await.bytes().await.unwrap().len(), 1024);
        })
        .await;
        self.send(reqwest::Method::PUT, "/bench/large", vec![7; 64 << 20]).await;
        self.rate("GET 64 MiB", LARGE, 64 << 20, async |_| {
            let mut answer = self.send(reqwest::Method::GET, "/bench/large", Vec::new()).await;
            let mut seen = 0;
            while let Some(piece) = answer.chunk().await.unwrap() {
                seen += piece.len();
            }
            assert_eq!(seen, 64 << 20);
        })
        .await;
    }

    /// Opens many reads of the large object at once, takes a little of each, and looks at the memory.
    async fn streams(&self) {
        let before = resident(self.pid);
        let open = (0..STREAMS).map(|_| async {
            let mut answer = self.send(reqwest::Method::GET, "/bench/large", Vec::new()).await;
            answer.chunk().await.unwrap();
            answer
        });
        let open = futures::future::join_all(open).await;
        println!("{:<10} {STREAMS} reads of 64 MiB open: {before:.1} MiB resident before, {:.1} during", self.name, resident(self.pid));
        drop(open);
    }
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
async fn ministack() -> Option<(Ended, u16)> {
    let program = stratus_testkit::repository().join(".venv/bench/bin/ministack");
    if !program.exists() {
        println!("ministack is not installed: python3 -m venv .venv/bench && .venv/bench/bin/pip install ministack");
        return None;
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let dir = std::env::temp_dir();
    let mut command = Command::new(program);
    command.env("GATEWAY_PORT", port.to_string()).current_dir(dir).stdout(Stdio::null()).stderr(Stdio::null());
    let child = Ended(command.spawn().unwrap());
    for _ in 0..200 {
        if reqwest::get(format!("http://127.0.0.1:{port}/")).await.is_ok() {
            return Some((child, port));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!("ministack does not answer");
    None
}

#[tokio::main]
async fn main() {
    stratus::tls::install();
    let http = || reqwest::Client::builder().no_proxy().build().unwrap();
    let server = Server::start_with(&["--s3-port", "0", "--simulate", "none"]).await;
    server.native().ok("updateConfiguration", &[("name", "enable.s3.api"), ("value", "true")]).await;
    let own = Store {
        name: "stratus",
        pid: server.ready["pid"].as_u64().unwrap() as u32,
        endpoint: server.fact("/s3_root").parse().unwrap(),
        access: server.fact("/admin/api_key").into(),
        secret: server.fact("/admin/secret_key").into(),
        http: http(),
    };
    own.measure().await;
    own.streams().await;
    let Some((child, port)) = ministack().await else { return };
    let other = Store {
        name: "ministack",
        pid: child.0.id(),
        endpoint: format!("http://127.0.0.1:{port}/").parse().unwrap(),
        access: "test".into(),
        secret: "test".into(),
        http: http(),
    };
    other.measure().await;
}
