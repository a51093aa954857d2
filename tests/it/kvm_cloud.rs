//! A cloud with real guests as its user sees it: boto3 launches, a neighbour tries SSH, and what happens to the guests is looked at on
//! their hosts. In software, so a guest takes ten to forty seconds to boot; at most four run at once.
use super::kvm_scene::Scene;
use serde_json::json;
use std::time::{Duration, Instant};
use stratus_testkit::lab::LIMIT;

/// What a guest does with its user data.
const SCRIPT: &str = "#!/bin/sh\necho from-user-data > /data/mark; sync; echo USERDATA ran\n";

#[tokio::test(flavor = "multi_thread")]
async fn kvm_cloud_instances_boot_are_filtered_and_leave_nothing() {
    let Some(mut scene) = Scene::open().await else { return };
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
