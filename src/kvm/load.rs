//! What this machine does as a whole, as its kernel counts it.
use crate::Done;
use crate::keep::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use stratus_drivers::HostLoad;

/// What its CPUs had done at the last look.
#[derive(Default)]
pub(crate) struct Last(Mutex<Option<Spent>>);

/// Time of all CPUs together since the machine was switched on, in the kernel's ticks.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Spent {
    all: u64,
    idle: u64,
}

impl Last {
    /// How the machine stands; its CPUs since the last look, the first time since it was switched on.
    pub fn look(&self) -> Done<HostLoad> {
        let spent = spent(&text("/proc/stat")?);
        let before = self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(spent).unwrap_or(Spent { all: 0, idle: 0 });
        let (network_in, network_out) = cards(Path::new("/sys/class/net"));
        Ok(HostLoad {
            cpu: share(before, spent),
            average: average(&text("/proc/loadavg")?),
            memory_used: memory_used(&text("/proc/meminfo")?),
            network_in,
            network_out,
        })
    }
}

fn text(path: &str) -> Done<String> {
    std::fs::read_to_string(path).map_err(io(Path::new(path)))
}

/// The first line of `/proc/stat`: user, nice, system, idle, waiting for disks, interrupts of both kinds, stolen. Guests' time, which
/// follows, is in the first two already.
fn spent(stat: &str) -> Spent {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu ")).unwrap_or_default();
    let ticks: Vec<u64> = line.split_whitespace().take(8).map(|ticks| ticks.parse().unwrap_or(0)).collect();
    Spent { all: ticks.iter().sum(), idle: ticks.iter().skip(3).take(2).sum() }
}

/// What was not idle between two looks, in hundredths of a percent.
fn share(before: Spent, now: Spent) -> u32 {
    let all = now.all.saturating_sub(before.all);
    let busy = all.saturating_sub(now.idle.saturating_sub(before.idle));
    (busy.saturating_mul(10_000)).checked_div(all).unwrap_or(0) as u32
}

/// The first number of `/proc/loadavg`, in hundredths.
fn average(loadavg: &str) -> u32 {
    let first = loadavg.split_whitespace().next().and_then(|first| first.parse::<f64>().ok());
    first.map_or(0, |load| (load * 100.0).round() as u32)
}

/// Bytes, by `/proc/meminfo`: all but what is available without swapping.
fn memory_used(meminfo: &str) -> u64 {
    let kib = |name: &str| {
        let rest = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap_or_default();
        rest.split_whitespace().next().and_then(|number| number.parse::<u64>().ok()).unwrap_or(0)
    };
    kib("MemTotal").saturating_sub(kib("MemAvailable")) << 10
}

/// Bytes in and out over all cards that are hardware (or a hypervisor's): bridges, taps and tunnels would count packets again.
fn cards(folder: &Path) -> (u64, u64) {
    let mut sum = (0, 0);
    for card in std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path()) {
        if !card.join("device").exists() {
            continue;
        }
        let count = |name: &str| {
            let text = std::fs::read_to_string(card.join("statistics").join(name)).unwrap_or_default();
            text.trim().parse::<u64>().unwrap_or(0)
        };
        sum = (sum.0 + count("rx_bytes"), sum.1 + count("tx_bytes"));
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_are_looked_at_between_two_times() {
        let first = spent("cpu  100 0 50 800 50 0 0 0 7 0\ncpu0 1 1 1 1\n");
        assert_eq!(first, Spent { all: 1000, idle: 850 });
        let second = spent("cpu  150 0 75 820 55 0 0 0 9 0\n");
        assert_eq!(share(first, second), 7500, "25 idle of 100");
        assert_eq!(share(second, second), 0, "no time passed");
        assert_eq!(share(Spent { all: 0, idle: 0 }, first), 1500, "since it was switched on");
    }

    #[test]
    fn the_kernels_texts_are_read() {
        assert_eq!(average("1.27 0.80 0.51 2/345 6789\n"), 127);
        assert_eq!(memory_used("MemTotal:  1000 kB\nMemFree:  100 kB\nMemAvailable:   600 kB\n"), 400 << 10);
        assert_eq!((average(""), memory_used(""), spent("")), (0, 0, Spent { all: 0, idle: 0 }));
    }

    #[test]
    fn only_cards_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        for (name, card) in [("eth0", true), ("eth1", true), ("bridge0", false)] {
            std::fs::create_dir_all(dir.path().join(name).join("statistics")).unwrap();
            if card {
                std::fs::create_dir(dir.path().join(name).join("device")).unwrap();
            }
            std::fs::write(dir.path().join(name).join("statistics/rx_bytes"), "10\n").unwrap();
            std::fs::write(dir.path().join(name).join("statistics/tx_bytes"), "3\n").unwrap();
        }
        assert_eq!(cards(dir.path()), (20, 6));
    }

    #[test]
    fn this_machine_does_something() {
        let load = Last::default().look().unwrap();
        assert!(load.memory_used > 0 && load.cpu > 0 && load.cpu <= 10_000, "{load:?}");
    }
}
