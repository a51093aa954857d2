//! The server is killed at random moments of two hundred parallel deploys; nothing that was acknowledged is lost or counted twice.
use super::server::stratus;
use super::{Native, Server};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

const DEPLOYS: usize = 200;
const KILLS: usize = 4;
const SETTLED: Duration = Duration::from_secs(120);

/// VM and job of each answer that reached us.
type Acknowledged = Arc<Mutex<Vec<(String, String)>>>;

/// Deploys whatever of `names` was not acknowledged yet, all at once, until the server goes away or all are done.
async fn deploy(native: Native, place: (String, String, String), names: Vec<String>, acknowledged: Acknowledged) {
    let mut deploys = tokio::task::JoinSet::new();
    for name in names {
        let (native, acknowledged, (zone, template, offering)) = (native.clone(), acknowledged.clone(), place.clone());
        deploys.spawn(async move {
            let ask = [("zoneid", &*zone), ("templateid", &template), ("serviceofferingid", &offering), ("name", &name)];
            // An answer that was cut off acknowledges nothing.
            let Ok(answer) = native.call("deployVirtualMachine", &ask).await else { return };
            if let (Some(vm), Some(job)) = (answer.inner["id"].as_str(), answer.inner["jobid"].as_str()) {
                acknowledged.lock().await.push((vm.to_owned(), job.to_owned()));
            } else if answer.status == 200 {
                assert!(!answer.text.is_empty(), "an answer of nothing");
            }
        });
    }
    while deploys.join_next().await.is_some() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_deploy_is_lost_when_the_server_is_killed() {
    let seed = std::env::var("STRATUS_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(rand::random::<u64>);
    eprintln!("repeat with STRATUS_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut server = Server::start().await;
    // Room for all: limits are another test's.
    for limit in ["max.account.user.vms", "max.account.volumes", "max.account.cpus", "max.account.memory", "max.account.primary.storage"] {
        server.native().ok("updateConfiguration", &[("name", limit), ("value", "-1")]).await;
    }
    let place = server.native().place().await;
    let acknowledged = Acknowledged::default();

    for round in 0..KILLS {
        let names = (0..DEPLOYS / KILLS).map(|n| format!("vm-{round}-{n}")).collect();
        let deploys = tokio::spawn(deploy(server.native(), place.clone(), names, acknowledged.clone()));
        tokio::time::sleep(Duration::from_millis(random.random_range(20..1500))).await;
        let dir = server.kill();
        deploys.await.unwrap();
        server = Server::start_in(dir, &[]).await;
    }

    let acknowledged = acknowledged.lock().await.clone();
    eprintln!("{} deploys were acknowledged", acknowledged.len());
    let native = server.native();
    settle(&native).await;
    let vms = native.list("listVirtualMachines", "virtualmachine", &[("listall", "true"), ("pagesize", "-1")]).await;
    for (vm, job) in &acknowledged {
        let found = vms.iter().filter(|v| v["id"] == vm.as_str()).collect::<Vec<_>>();
        assert_eq!(found.len(), 1, "VM {vm} was acknowledged; seed {seed}");
        let state = found[0]["state"].as_str();
        assert!(matches!(state, Some("Running" | "Error")), "VM {vm} is {state:?}; seed {seed}");
        let (status, _) = native.wait(job).await;
        assert!(status == 1 || state == Some("Error"), "job {job} ended with {status}, its VM is {state:?}; seed {seed}");
    }
    let (_, dir) = server.terminate().await;
    let check = stratus().args(["admin", "check", "--data-dir"]).arg(dir.path()).output().unwrap();
    assert!(check.status.success(), "seed {seed}:\n{}{}", String::from_utf8_lossy(&check.stdout), String::from_utf8_lossy(&check.stderr));
}

/// Waits until no job is pending and no VM is between two states.
pub async fn settle(native: &Native) {
    let since = Instant::now();
    loop {
        let jobs = native.list("listAsyncJobs", "asyncjobs", &[("listall", "true"), ("pagesize", "-1")]).await;
        let vms = native.list("listVirtualMachines", "virtualmachine", &[("listall", "true"), ("pagesize", "-1")]).await;
        let pending = jobs.iter().filter(|j| j["jobstatus"] == 0).count();
        let moving: Vec<_> = vms.iter().filter(|v| matches!(v["state"].as_str(), Some("Starting" | "Stopping" | "Stopped"))).collect();
        if pending == 0 && moving.is_empty() {
            return;
        }
        if since.elapsed() >= SETTLED {
            let of = |v: &serde_json::Value| ["name", "state", "created"].map(|k| v[k].to_string());
            let left: Vec<_> = moving.iter().map(|v| of(v)).collect();
            let theirs = jobs.iter().filter(|j| moving.iter().any(|v| j["jobinstanceid"] == v["id"])).collect::<Vec<_>>();
            panic!("{pending} jobs pending and VMs unsettled after {SETTLED:?}: {left:?}, their jobs {theirs:?}");
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}
