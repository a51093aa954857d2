//! Many hosts, many VMs, many at once.
use crate::world::{bare_vm, furnished, network, nic, vm};
use std::sync::Arc;
use stratus_drivers::{Host, Network, StopMode};
use stratus_sim::Sim;

#[tokio::test]
async fn fifty_thousand_hosts_and_a_hundred_thousand_vms() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sim.journal");
    let sim = Sim::open(Some(path.clone())).unwrap();
    for host in 0..50_000 {
        let uuid = format!("host-{host}");
        Host::connect(&*sim, &uuid, &format!("http://sim/c{}/h{host}", host / 16)).await.unwrap();
        for number in [2 * host, 2 * host + 1] {
            sim.start(&uuid, &bare_vm(number)).await.unwrap();
        }
    }
    let all = sim.inventory();
    assert_eq!((all.hosts.len(), all.running, all.doubles.len()), (50_000, 100_000, 0));
    drop(sim);
    assert!(Sim::open(Some(path)).unwrap().inventory() == all);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn twenty_tasks_never_start_one_vm_twice() {
    let sim = furnished().await;
    for round in 0..20 {
        let tasks: Vec<_> = (0..20).map(|task| tokio::spawn(start_one(sim.clone(), ["h0", "h1"][task % 2], vm(round % 3 + 1)))).collect();
        let mut started = 0;
        for task in tasks {
            started += u32::from(task.await.unwrap());
        }
        let all = sim.inventory();
        assert_eq!((all.running, all.doubles.len()), (1, 0));
        assert_eq!(started, 10, "all tasks of the host that won, none of the other");
        for host in ["h0", "h1"] {
            sim.stop(host, &vm(round % 3 + 1).name, StopMode::Graceful).await.unwrap();
        }
    }
    assert_eq!(sim.double_starts(), 200);
}

async fn start_one(sim: Arc<Sim>, host: &str, vm: stratus_drivers::VmSpec) -> bool {
    sim.start(host, &vm).await.is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn twenty_tasks_leave_nothing_behind_and_the_journal_agrees() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sim.journal");
    let sim = Sim::open(Some(path.clone())).unwrap();
    crate::world::furnish(&sim).await;
    sim.implement(&network()).await.unwrap();
    let before = sim.inventory();
    let tasks: Vec<_> = (0..20).map(|task| tokio::spawn(come_and_go(sim.clone(), task))).collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(sim.inventory(), before);
    drop(sim);
    assert_eq!(Sim::open(Some(path)).unwrap().inventory(), before);
}

async fn come_and_go(sim: Arc<Sim>, task: u32) {
    for round in 0..20 {
        let number = 100 + task * 20 + round;
        let (spec, host) = (bare_vm(number), ["h0", "h1"][round as usize % 2]);
        sim.prepare(&network(), &nic(number), &spec.name).await.unwrap();
        sim.start(host, &spec).await.unwrap();
        sim.stop(host, &spec.name, StopMode::Forced).await.unwrap();
        sim.release(&network(), &nic(number), &spec.name).await.unwrap();
    }
}
