//! What a page of a long list costs, on SQLite and on MariaDB where there is one: the first and the last page of VMs, volumes and events
//! at 1,000, 10,000 and 100,000 rows. All but a few VMs are copied rows of stopped ones. The last lines say by how much each page's
//! cost grew from the fewest rows to the most; the goal is 1.5 at most. Nothing is asserted.
//!
//! CPU is that of the server's process; with MariaDB its own CPU is not in it, so there the time of an answer counts too.
#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on says so and ends")]
#![allow(clippy::print_stdout, reason = "its output is what it is for")]

#[path = "parts/grow.rs"]
mod grow;
#[path = "parts/measure.rs"]
mod measure;

use measure::{Native, Server, load, native_call, pid_of, resident, uptime};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use stratus_store::Db;

/// Rows there are when pages are timed.
const ROWS: [i64; 3] = [1_000, 10_000, 100_000];
/// Rows on a page.
const PAGE: usize = 500;
/// Pages asked for, one after the other.
const PAGES: usize = 40;
/// Pages asked for before: caches and prepared statements are there when it counts.
const WARM: usize = 10;
/// VMs that are really deployed.
const REAL: usize = 3;
/// The lists, and the key of their rows in the answer.
const LISTS: [(&str, &str); 3] = [("listVirtualMachines", "virtualmachine"), ("listVolumes", "volume"), ("listEvents", "event")];

/// Median milliseconds and milliseconds of CPU of a page, by list and place, in the order of [`ROWS`].
type Costs = BTreeMap<(&'static str, &'static str), Vec<(f64, f64)>>;

/// The first and the last page of a list.
async fn pages(pid: u32, native: &Native, (command, key): (&'static str, &str), costs: &mut Costs) {
    let count = native.ok(command, &[("page", "1"), ("pagesize", "1")]).await["count"].as_u64().unwrap_or_default();
    let last = usize::try_from(count).unwrap().div_ceil(PAGE).max(1);
    // The very last page is seldom full: the one before it is as deep and as long as the first.
    for (place, page) in [("first", 1), ("last", (last - 1).max(1))] {
        let (number, size, bytes, rows) = (page.to_string(), PAGE.to_string(), AtomicUsize::new(0), AtomicUsize::new(0));
        let call = async || native_call(native, command, &[("page", &number), ("pagesize", &size)]).await;
        for _ in 0..WARM {
            rows.store(call().await.map_or(0, |a| a.inner[key].as_array().map_or(0, Vec::len)), Relaxed);
        }
        let taken = load(pid, 1, PAGES, async || {
            bytes.store(call().await?.text.len(), Relaxed);
            Ok(())
        })
        .await;
        taken.print(&format!("{command}, {count} rows, page {page} of {last}, one at a time"));
        println!("    {} rows and {} KiB a page", rows.into_inner(), bytes.into_inner() / 1024);
        costs.entry((command, place)).or_default().push((taken.median(), taken.cost()));
    }
}

async fn measure(database: &str, server: &Server, db: &Db) {
    let (pid, native) = (pid_of(server), server.native());
    println!("{database}; {}", uptime());
    let (zone, template, offering) = native.place().await;
    for _ in 0..REAL {
        let what = [("zoneid", &*zone), ("templateid", &*template), ("serviceofferingid", &*offering)];
        native.finished("deployVirtualMachine", &what).await;
    }
    let mut costs = Costs::new();
    for rows in ROWS {
        grow::grow(db, rows).await;
        for list in LISTS {
            pages(pid, &native, list, &mut costs).await;
        }
        println!("RSS {:.1} MiB; {}", resident(pid), uptime());
    }
    for ((command, place), costs) in costs {
        let (fewest, most) = (costs[0], costs[costs.len() - 1]);
        println!(
            "{database}: {command}, {place} page, {} to {} rows: {:.2} times the time ({:.1} to {:.1} ms), {:.2} times the CPU ({:.1} to {:.1} ms)",
            ROWS[0],
            ROWS[ROWS.len() - 1],
            most.0 / fewest.0,
            fewest.0,
            most.0,
            most.1 / fewest.1,
            fewest.1,
            most.1
        );
    }
}

#[tokio::main]
async fn main() {
    stratus::tls::install();
    println!("cores: {}", std::thread::available_parallelism().unwrap());
    let server = Server::start().await;
    let db = Db::sqlite(&server.dir().join("stratus.db")).await.unwrap();
    measure("SQLite", &server, &db).await;
    drop((db, server));
    let Some(url) = stratus_testkit::maria::fresh().await else { return };
    let server = Server::start_with(&["--database", &url]).await;
    let db = Db::mysql(&url).await.unwrap();
    measure("MariaDB", &server, &db).await;
}
