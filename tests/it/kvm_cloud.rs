//! A cloud with real guests as its user sees it: boto3 launches, a neighbour tries SSH, and what happens to the guests is looked at on
//! their hosts. In software, so a guest takes ten to forty seconds to boot; at most four run at once.
use super::Server;
use super::agents::{Agent, host_is};
use super::kvm_scene::{NEIGHBOUR, Scene, Store};
use serde_json::json;
use std::time::{Duration, Instant};
use stratus_testkit::lab::LIMIT;

/// What a guest does with its user data.
const SCRIPT: &str = "#!/bin/sh\necho from-user-data > /data/mark; sync; echo USERDATA ran\n";

#[tokio::test(flavor = "multi_thread")]
async fn kvm_cloud_instances_boot_are_filtered_and_leave_nothing() {
    let Some(mut scene) = Scene::open(Store::Mounted).await else { return };
    scene.ec2("create_security_group", json!({ "GroupName": "web", "Description": "web" }));
    scene.ec2("create_placement_group", json!({ "GroupName": "apart", "Strategy": "spread" }));
    let more = json!({ "UserData": SCRIPT, "SecurityGroups": ["web"], "Placement": { "GroupName": "apart" } });
    let ids = [scene.launch(more.clone()), scene.launch(more)];
    for id in &ids {
        let said = scene.says(id, "MARK ready").await;
        for word in ["token=56", "USERDATA ran"] {
            assert!(said.contains(word), "{word}: {said}");
        }
        scene.is(id, "running").await;
    }
    assert_ne!(scene.host_of(&ids[0]).await, scene.host_of(&ids[1]).await, "a spread group is on two hosts");
    let addresses = [scene.address(&ids[0]), scene.address(&ids[1])];
    filtered(&mut scene, &addresses).await;
    terminated(&mut scene, &ids).await;
}

/// Nobody comes in until a rule says so, on a guest that runs; a member of a group reaches the other host.
async fn filtered(scene: &mut Scene, addresses: &[String; 2]) {
    assert_eq!(scene.ssh(&addresses[0], "hostname"), None, "a group without rules lets nobody in");
    scene.permit("web", true);
    for address in addresses {
        let mark = scene.ssh_soon(address, "cat /data/mark").await;
        assert_eq!(mark, "from-user-data");
    }
    let ping = |from: &str| format!("ping -c 1 -W 3 -I {from} {NEIGHBOUR} > /dev/null && echo answered");
    assert_eq!(scene.ssh_soon(&addresses[0], &ping("eth0")).await, "answered");
    let borrowed = format!("ip addr add 10.1.31.250/32 dev eth0; {}; ip addr del 10.1.31.250/32 dev eth0", ping("10.1.31.250"));
    assert_eq!(scene.ssh_soon(&addresses[0], &borrowed).await, "", "a guest is heard under an address that is not its own");
    let get = format!("timeout 5 wget -q -O - http://{}/", addresses[1]);
    assert_eq!(scene.ssh(&addresses[0], &get), None, "another port stays shut");
    let friends = json!({ "IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "UserIdGroupPairs": [{ "GroupName": "web" }] });
    scene.ec2("authorize_security_group_ingress", json!({ "GroupName": "web", "IpPermissions": [friends] }));
    let name = scene.ssh_soon(&addresses[0], &get).await;
    assert_eq!(name, scene.ssh_soon(&addresses[1], "hostname").await, "the guest on the other host answers");
    scene.permit("web", false);
    let end = Instant::now() + LIMIT;
    while scene.ssh(&addresses[0], "hostname").is_some() {
        assert!(Instant::now() < end, "a rule that was taken back lets in");
    }
}

/// What ended leaves nothing on any host.
async fn terminated(scene: &mut Scene, ids: &[String]) {
    assert!(!scene.left().is_empty(), "nothing is seen of guests that run");
    scene.ec2("terminate_instances", json!({ "InstanceIds": ids }));
    for id in ids {
        scene.is(id, "terminated").await;
    }
    let end = Instant::now() + LIMIT;
    while !scene.left().is_empty() {
        assert!(Instant::now() < end, "left: {:#?}\n{}", scene.left(), scene.logs());
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kvm_cloud_disks_moves_and_restarts_leave_guests_alone() {
    let Some(mut scene) = Scene::open(Store::Served).await else { return };
    scene.ec2("create_security_group", json!({ "GroupName": "open", "Description": "for the neighbour" }));
    scene.permit("open", true);
    let more = json!({ "SecurityGroups": ["open"] });
    let ids = [scene.launch(more.clone()), scene.launch(more)];
    for id in &ids {
        scene.says(id, "MARK ready").await;
        scene.is(id, "running").await;
    }
    let addresses = [scene.address(&ids[0]), scene.address(&ids[1])];
    disks(&mut scene, &ids, &addresses).await;
    screen(&mut scene, &ids[0], &addresses[0]).await;
    moved(&mut scene, &ids[0], &addresses[0]).await;
    restarted(&mut scene, &ids, &addresses).await;
    let image = image(&mut scene, &ids[1], &addresses[1]).await;
    let strong = killed(&mut scene, &ids[1], &addresses[1]).await;
    terminated(&mut scene, &[ids[0].clone(), ids[1].clone(), strong]).await;
    let copies = |scene: &Scene| std::fs::read_dir(scene.lab.folder.join("pool/.templates")).unwrap().count();
    assert_eq!(copies(&scene), 2, "the pool has a copy of the template and one of the image");
    scene.ec2("deregister_image", json!({ "ImageId": image }));
    let end = Instant::now() + LIMIT;
    while copies(&scene) > 1 {
        assert!(Instant::now() < end, "the pool keeps its copy of an image that is gone\n{}", scene.logs());
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// What one guest writes to a volume while it runs, another one reads from a volume of its snapshot.
async fn disks(scene: &mut Scene, ids: &[String; 2], addresses: &[String; 2]) {
    let zone = json!({ "AvailabilityZone": "zone1", "Size": 1 });
    let volume = scene.volume(zone.clone(), &ids[0]).await;
    let there = "n=0; while [ ! -b /dev/vdb ] && [ $n -lt 60 ]; do sleep 1; n=$((n + 1)); done";
    scene.ssh_soon(&addresses[0], &format!("{there}; echo held-by-the-volume > /dev/vdb && sync")).await;
    let snapshot = scene.ec2("create_snapshot", json!({ "VolumeId": volume }))["SnapshotId"].clone();
    let ask = json!({ "SnapshotIds": [snapshot] });
    scene.comes("describe_snapshots", &ask, "/Snapshots/0/State", "completed").await;
    let copy = scene.volume(json!({ "AvailabilityZone": "zone1", "SnapshotId": snapshot }), &ids[1]).await;
    let read = scene.ssh_soon(&addresses[1], &format!("{there}; head -n 1 /dev/vdb")).await;
    assert_eq!(read, "held-by-the-volume");
    for volume in [volume, copy] {
        scene.ec2("detach_volume", json!({ "VolumeId": volume }));
        scene.comes("describe_volumes", &json!({ "VolumeIds": [volume] }), "/Volumes/0/State", "available").await;
        scene.ec2("delete_volume", json!({ "VolumeId": volume }));
    }
    scene.ec2("delete_snapshot", json!({ "SnapshotId": snapshot }));
    assert_eq!(scene.ssh_soon(&addresses[0], "ls /dev/vdb 2> /dev/null || echo gone").await, "gone");
}

/// The screen is not blank, and what is typed at it arrives.
async fn screen(scene: &mut Scene, id: &str, address: &str) {
    let vm = scene.vm(id).await;
    let made = scene.native().ok("createConsoleEndpoint", &[("virtualmachineid", vm["id"].as_str().unwrap())]).await;
    let ticket = made["consoleendpoint"]["websocket"]["token"].as_str().unwrap().to_owned();
    scene.ssh_soon(address, "(setsid sh -c 'head -n 1 < /dev/tty1 > /run/typed' > /dev/null 2>&1 &)").await;
    let server = scene.server.as_ref().unwrap();
    let url = server.fact("/native").replace("http:", "ws:").replace("/client/api", &format!("/client/console/ws?ticket={ticket}"));
    let said = server.python("console_keys.py", &[&url, "typed by hand"]).await.unwrap();
    let colours: u32 = said.trim().rsplit(' ').next().unwrap().parse().unwrap();
    assert!(colours > 1, "a blank screen: {said}");
    let typed =
        scene.ssh_soon(address, "n=0; while [ ! -s /run/typed ] && [ $n -lt 30 ]; do sleep 1; n=$((n + 1)); done; cat /run/typed").await;
    assert_eq!(typed, "typed by hand");
}

/// A guest moves to the other host under an open SSH session, with its rules.
async fn moved(scene: &mut Scene, id: &str, address: &str) {
    let (boot, from) = (scene.boot_id(address).await, scene.host_of(id).await);
    let ping = json!({ "IpProtocol": "icmp", "FromPort": -1, "ToPort": -1, "IpRanges": [{ "CidrIp": format!("{NEIGHBOUR}/32") }] });
    scene.ec2("authorize_security_group_ingress", json!({ "GroupName": "open", "IpPermissions": [ping] }));
    let count = "n=0; while [ $n -lt 60 ]; do echo $n; n=$((n + 1)); sleep 0.2; done";
    let session = scene.ssh_command(address).arg(count).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let pings = scene.pings(address);
    let vm = scene.vm(id).await;
    let ask = [("virtualmachineid", vm["id"].as_str().unwrap()), ("hostid", scene.hosts[1 - from].as_str())];
    scene.native().finished("migrateVirtualMachine", &ask).await;
    let lost = pings.longest_silence();
    assert!(lost <= Duration::from_secs(2), "nothing was heard of the guest for {lost:?}");
    let output = session.wait_with_output().unwrap();
    let lines = String::from_utf8_lossy(&output.stdout).lines().count();
    assert!(output.status.success() && lines == 60, "the session ended after {lines} lines\n{}", scene.logs());
    assert_eq!((scene.host_of(id).await, scene.boot_id(address).await), (1 - from, boot));
    let end = Instant::now() + LIMIT;
    while !scene.held_to_its_rate(id, 1 - from).await {
        assert!(Instant::now() < end, "the rate does not follow a guest that moved");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert!(!scene.held_to_its_rate(id, from).await, "nothing is left of it where it was");
    scene.permit("open", false);
    let end = Instant::now() + LIMIT;
    while scene.ssh(address, "hostname").is_some() {
        assert!(Instant::now() < end, "rules do not follow a guest that moved");
    }
    scene.permit("open", true);
    scene.ssh_soon(address, "hostname").await;
}

/// Agents and the server are killed and come back: guests run on, and the books agree.
async fn restarted(scene: &mut Scene, ids: &[String; 2], addresses: &[String; 2]) {
    let boots = [scene.boot_id(&addresses[0]).await, scene.boot_id(&addresses[1]).await];
    for at in 0..scene.agents.len() {
        let dir = scene.agents[at].take().unwrap().kill();
        host_is(&scene.native(), &scene.hosts[at], "Disconnected").await;
        assert_eq!(scene.boot_id(&addresses[0]).await, boots[0]);
        scene.agents[at] = Some(Agent::of("kvm", dir, scene.agent_port, None, &[]));
        host_is(&scene.native(), &scene.hosts[at], "Up").await;
    }
    let data = scene.server.take().unwrap().kill();
    assert_eq!(scene.boot_id(&addresses[1]).await, boots[1]);
    scene.server = Some(Server::start_in(data, &["--agent-port", &scene.agent_port.to_string()]).await);
    scene.reconnect();
    for host in &scene.hosts {
        host_is(&scene.native(), host, "Up").await;
    }
    for (at, id) in ids.iter().enumerate() {
        scene.is(id, "running").await;
        assert_eq!(scene.boot_id(&addresses[at]).await, boots[at], "a guest was booted again");
    }
}

/// An image of an instance that runs boots with what was on its disk.
async fn image(scene: &mut Scene, id: &str, address: &str) -> String {
    scene.ssh_soon(address, "echo from-the-image > /data/image && sync").await;
    let image = scene.ec2("create_image", json!({ "InstanceId": id, "Name": "mine", "NoReboot": true }))["ImageId"].clone();
    scene.comes("describe_images", &json!({ "ImageIds": [image] }), "/Images/0/State", "available").await;
    let copy = scene.launch(json!({ "ImageId": image, "SecurityGroups": ["open"] }));
    scene.says(&copy, "MARK ready").await;
    let at = scene.address(&copy);
    assert_eq!(scene.ssh_soon(&at, "cat /data/image").await, "from-the-image");
    scene.ec2("terminate_instances", json!({ "InstanceIds": [copy] }));
    scene.is(&copy, "terminated").await;
    image.as_str().unwrap().to_owned()
}

/// QEMU is killed under two guests: the one with high availability comes back, the other is stopped. The former.
async fn killed(scene: &mut Scene, weak: &str, address: &str) -> String {
    let strong = scene.launch(json!({ "InstanceType": "tiny.ha", "SecurityGroups": ["open"] }));
    scene.says(&strong, "MARK ready").await;
    let at = scene.address(&strong);
    let boot = scene.boot_id(&at).await;
    scene.boot_id(address).await;
    scene.ssh_soon(&at, "echo before-the-kill > /data/kept; sync").await;
    for id in [weak, &strong] {
        scene.kill_guest(id).await;
    }
    scene.is(weak, "stopped").await;
    let end = Instant::now() + LIMIT;
    while scene.ssh(&at, "cat /proc/sys/kernel/random/boot_id").is_none_or(|now| now == boot) {
        assert!(Instant::now() < end, "{strong} does not come back: {}\n{}", scene.instance(&strong), scene.logs());
    }
    scene.is(&strong, "running").await;
    assert_eq!(scene.ssh_soon(&at, "cat /data/kept").await, "before-the-kill");
    strong
}
