//! The server is killed at random moments of parallel work on volumes, snapshots and templates; afterwards nothing is half done,
//! nothing is counted wrong and no image has no owner.
use super::server::stratus;
use super::web::{Manner, Web};
use super::{Native, Server};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::time::{Duration, Instant};

const KILLS: usize = 4;
const AT_ONCE: usize = 12;
const SETTLED: Duration = Duration::from_secs(120);

/// Asks for everything at once; answers that were cut off acknowledge nothing.
async fn work(native: Native, zone: String, os: String, url: String, volume: String, snapshot: String, round: usize) {
    let mut all = tokio::task::JoinSet::new();
    for n in 0..AT_ONCE {
        let (native, zone, os, url, volume, snapshot) =
            (native.clone(), zone.clone(), os.clone(), url.clone(), volume.clone(), snapshot.clone());
        all.spawn(async move {
            let name = format!("r{round}-{n}");
            let call = async |command: &str, parameters: &[(&str, &str)]| drop(native.call(command, parameters).await);
            match n % 4 {
                0 => call("createSnapshot", &[("volumeid", &volume)]).await,
                1 => call("createVolume", &[("name", &name), ("snapshotid", &snapshot)]).await,
                2 => {
                    let what = [("name", &*name), ("displaytext", "t"), ("ostypeid", &os), ("snapshotid", &snapshot)];
                    call("createTemplate", &what).await;
                }
                _ => call("uploadVolume", &[("name", &name), ("url", &url), ("format", "RAW"), ("zoneid", &zone)]).await,
            }
        });
    }
    while all.join_next().await.is_some() {}
}

#[tokio::test(flavor = "multi_thread")]
async fn work_on_storage_is_whole_or_not_there_when_the_server_is_killed() {
    let seed = std::env::var("STRATUS_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(rand::random::<u64>);
    eprintln!("repeat with STRATUS_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let web = Web::start().await;
    let url = web.put("/v.raw", &vec![7; 1 << 20], Manner::Well);
    let mut server = Server::start().await;
    let native = server.native();
    for limit in ["volumes", "snapshots", "templates", "primary.storage", "secondary.storage"] {
        native.ok("updateConfiguration", &[("name", &format!("max.account.{limit}")), ("value", "-1")]).await;
    }
    native.ok("updateConfiguration", &[("name", "secstorage.allowed.internal.sites"), ("value", "127.0.0.1")]).await;
    let (zone, template, offering) = native.place().await;
    let os = native.list("listOsTypes", "ostype", &[("pagesize", "1"), ("page", "1")]).await[0]["id"].as_str().unwrap().to_owned();
    let deploy = [("zoneid", &*zone), ("templateid", &template), ("serviceofferingid", &offering)];
    let vm = native.finished("deployVirtualMachine", &deploy).await["virtualmachine"]["id"].as_str().unwrap().to_owned();
    let root = native.list("listVolumes", "volume", &[("virtualmachineid", &vm)]).await[0]["id"].as_str().unwrap().to_owned();
    let taken = native.finished("createSnapshot", &[("volumeid", &root)]).await;
    let snapshot = taken["snapshot"]["id"].as_str().unwrap().to_owned();

    for round in 0..KILLS {
        let all = (zone.clone(), os.clone(), url.clone(), root.clone(), snapshot.clone());
        let working = tokio::spawn(work(server.native(), all.0, all.1, all.2, all.3, all.4, round));
        tokio::time::sleep(Duration::from_millis(random.random_range(10..900))).await;
        let dir = server.kill();
        working.await.unwrap();
        server = Server::start_in(dir, &[]).await;
    }
    let since = Instant::now();
    loop {
        let jobs = server.native().list("listAsyncJobs", "asyncjobs", &[("listall", "true"), ("pagesize", "-1")]).await;
        if jobs.iter().all(|j| j["jobstatus"] != 0) {
            break;
        }
        assert!(since.elapsed() < SETTLED, "jobs are pending after {SETTLED:?}; seed {seed}");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let native = server.native();
    for (command, key, passing) in [
        ("listVolumes", "volume", &["Creating", "Snapshotting", "UploadOp", "Copying"][..]),
        ("listSnapshots", "snapshot", &["Allocated", "Creating", "BackingUp", "Destroying"][..]),
    ] {
        for thing in native.list(command, key, &[("listall", "true"), ("pagesize", "-1")]).await {
            assert!(!passing.contains(&thing["state"].as_str().unwrap_or_default()), "{thing}; seed {seed}");
        }
    }
    let (_, dir) = server.terminate().await;
    let check = stratus().args(["admin", "check", "--data-dir"]).arg(dir.path()).output().unwrap();
    assert!(check.status.success(), "seed {seed}:\n{}{}", String::from_utf8_lossy(&check.stdout), String::from_utf8_lossy(&check.stderr));
}
