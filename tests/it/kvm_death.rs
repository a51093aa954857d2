//! A host of real guests that goes into maintenance and comes back, and then dies: what offers high availability runs on the other one,
//! once, and the rest is stopped.
use super::agents::host_is;
use super::kvm_scene::{Scene, Store};
use serde_json::json;
use std::time::{Duration, Instant};
use stratus_testkit::lab::LIMIT;

#[tokio::test(flavor = "multi_thread")]
async fn kvm_death_of_a_host_restarts_its_guests_with_ha_on_the_other_once() {
    let Some(mut scene) = Scene::open(Store::Mounted).await else { return };
    scene.ec2("create_security_group", json!({ "GroupName": "open", "Description": "for the neighbour" }));
    scene.permit("open", true);
    let strong = scene.launch(json!({ "InstanceType": "tiny.ha", "SecurityGroups": ["open"] }));
    let weak = scene.launch(json!({ "SecurityGroups": ["open"] }));
    for id in [&strong, &weak] {
        scene.is(id, "running").await;
        if scene.host_of(id).await != 1 {
            let (vm, to) = (scene.vm(id).await, scene.hosts[1].clone());
            let ask = [("virtualmachineid", vm["id"].as_str().unwrap()), ("hostid", &to)];
            scene.native().finished("migrateVirtualMachine", &ask).await;
        }
    }
    let address = scene.address(&strong);
    let boot = scene.boot_id(&address).await;
    scene.ssh_soon(&address, "echo before-death > /data/mark; sync").await;
    let host = scene.hosts[1].clone();
    for (command, there) in [("prepareHostForMaintenance", 0), ("cancelHostMaintenance", 1)] {
        scene.native().finished(command, &[("id", &host)]).await;
        for id in [&strong, &weak] {
            assert_eq!(scene.host_of(id).await, there, "{command} of {id}\n{}", scene.logs());
        }
        assert_eq!(scene.boot_id(&address).await, boot, "{command}: it was booted again");
    }
    let name = scene.vm(&strong).await["instancename"].as_str().unwrap().to_owned();

    heard(&scene, &host).await;
    drop(scene.agents[1].take().unwrap().kill());
    scene.lab.lose_power(2);
    scene.is(&weak, "stopped").await;
    host_is(&scene.native(), &scene.hosts[1], "Down").await;
    let end = Instant::now() + LIMIT;
    while scene.ssh(&address, "cat /proc/sys/kernel/random/boot_id").is_none_or(|now| now == boot) {
        assert!(Instant::now() < end, "{strong} does not come back: {}\n{}", scene.instance(&strong), scene.logs());
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(scene.ssh_soon(&address, "cat /data/mark").await, "before-death");
    assert_eq!(scene.host_of(&strong).await, 0);
    let copies = scene.lab.processes().iter().filter(|line| line.contains(&format!("guest={name},"))).count();
    assert_eq!(copies, 1);
    let alerts = scene.native().list("listAlerts", "alert", &[("type", "6")]).await;
    assert!(!alerts.is_empty());
    scene.ec2("terminate_instances", json!({ "InstanceIds": [strong, weak] }));
    scene.is(&strong, "terminated").await;
}

/// Waits until a host has renewed its lease a few times with its guests on it. Only of one whose guests' locks it has seen can another
/// host say later that they are gone.
async fn heard(scene: &Scene, host: &str) {
    let file = scene.lab.folder.join(format!("pool/.hosts/{host}.json"));
    let turn = || {
        let lease: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).ok()?).ok()?;
        lease["turn"].as_u64()
    };
    let (end, first) = (Instant::now() + LIMIT, turn().expect("a lease"));
    while turn().is_none_or(|now| now < first + 3) {
        assert!(Instant::now() < end, "the lease of {host} is not renewed\n{}", scene.logs());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
