//! What the figures have in common: the server of the tests, what a process used (`/proc/PID`), and calls made many at once.
#![allow(dead_code, reason = "no one program of figures calls all of it")]

#[path = "../../tests/it/native.rs"]
pub mod native;
#[path = "../../tests/it/server.rs"]
pub mod server;

pub use native::Native;
pub use server::Server;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// A file of `/proc/PID`.
fn proc(pid: u32, file: &str) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap()
}

/// Seconds of CPU that a process and those it started have used, in user mode and in the kernel.
pub fn cpu(pid: u32) -> f64 {
    let stat = proc(pid, "stat");
    let after_name: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u32 = [11, 12].iter().map(|i| after_name[*i].parse::<u32>().unwrap()).sum();
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let below: f64 = children.split_whitespace().map(|c| cpu(c.parse().unwrap())).sum();
    f64::from(ticks) / rustix::param::clock_ticks_per_second() as f64 + below
}

/// MiB of a process in memory, now and at most.
pub fn memory(pid: u32) -> [f64; 2] {
    let status = proc(pid, "status");
    ["VmRSS:", "VmHWM:"].map(|key| {
        let line = status.lines().find_map(|l| l.strip_prefix(key)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
    })
}

/// MiB of a process in memory.
pub fn resident(pid: u32) -> f64 {
    memory(pid)[0]
}

/// The process of a server.
pub fn pid_of(server: &Server) -> u32 {
    u32::try_from(server.ready["pid"].as_u64().unwrap()).unwrap()
}

/// `uptime` as it prints.
pub fn uptime() -> String {
    let output = Command::new("uptime").output();
    output.map_or_else(|e| format!("uptime: {e}"), |o| String::from_utf8_lossy(&o.stdout).trim().to_owned())
}

/// A time in milliseconds.
pub fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// What a number of calls took.
pub struct Taken {
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

    /// Milliseconds until the middle one was answered.
    pub fn median(&self) -> f64 {
        self.at(0.5)
    }

    /// Milliseconds of the server's CPU for each.
    pub fn cost(&self) -> f64 {
        self.cpu * 1_000.0 / self.each.len() as f64
    }

    /// One line.
    pub fn print(&self, what: &str) {
        let n = self.each.len() as f64;
        println!(
            "{what:<58} {n:>6} in {:6.2} s = {:8.1}/s; server CPU {:6.2} s = {:7.3} ms each; latency ms p50 {:.1} p99 {:.1} max {:.1}",
            self.wall,
            n / self.wall,
            self.cpu,
            self.cost(),
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
pub async fn load<F>(pid: u32, at_once: usize, total: usize, call: F) -> Taken
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

/// A native call that must answer 200; the answer is not parsed twice.
pub async fn native_call(native: &Native, command: &str, parameters: &[(&str, &str)]) -> Result<native::Answer, String> {
    let a = native.call(command, parameters).await.map_err(|e| e.to_string())?;
    if a.status == 200 { Ok(a) } else { Err(format!("{} {}", a.status, a.text)) }
}
