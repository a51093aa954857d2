//! RunInstances and rules of security groups.
use crate::cloud::Cloud;
use crate::fake::{GROUP, IMAGE};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use stratus_model::{Error, Limit};
use stratus_store::{Account, Query, Vm, Zone};

/// Makes VM rows as the native command would, `room` of them.
async fn deploys(cloud: &Cloud, room: usize) -> Arc<AtomicUsize> {
    let made = Arc::new(AtomicUsize::new(0));
    let ids: Vec<String> = (0..room).map(|_| uuid::Uuid::new_v4().to_string()).collect();
    for uuid in ids.clone() {
        let mut vm = Vm { uuid, name: "vm".into(), account_id: 2, domain_id: 1, state: "Starting".into(), ..Default::default() };
        cloud.engine.db.write(move |tx| Box::pin(async move { tx.insert(&mut vm).await })).await.unwrap();
    }
    let rows = ids.iter().map(|id| crate::fake::vm(id, "vm", "Starting", &[])).collect();
    cloud.fake.lists("listVirtualMachines", "virtualmachine", rows);
    let count = made.clone();
    cloud.fake.on("deployVirtualMachine", move |_| match ids.get(count.fetch_add(1, Ordering::SeqCst)) {
        Some(id) => Ok(json!({ "id": id, "jobid": "job" })),
        None => Err(Error::LimitReached { limit: Limit::Vm, owner: "a".into(), used: 3, max: 3, asked: 1 }),
    });
    made
}

#[tokio::test]
async fn a_launch_answers_at_once_with_its_reservation() {
    let cloud = Cloud::new().await;
    deploys(&cloud, 3).await;
    let group = [("SecurityGroup.1", "web"), ("KeyName", "mine"), ("UserData", "aGk=")];
    let mut parameters = vec![("ImageId", IMAGE), ("MinCount", "2"), ("MaxCount", "2"), ("Placement.AvailabilityZone", "Zone 1")];
    parameters.extend(group);
    let reply = cloud.ok("RunInstances", &parameters).await;
    let reservation = reply.between("<reservationId>", "<").unwrap().to_owned();
    assert!(reservation.starts_with("r-") && reservation.len() == 19);
    assert!(reply.has("<name>pending</name>") && reply.has("<amiLaunchIndex>0<") && reply.has("<amiLaunchIndex>1<"));
    let call = &cloud.fake.calls("deployVirtualMachine")[0];
    for (name, wanted) in
        [("templateid", IMAGE), ("serviceofferingid", "small"), ("zoneid", "Zone 1"), ("keypair", "mine"), ("userdata", "aGk=")]
    {
        assert_eq!(call[name], wanted, "{name}");
    }
    assert_eq!(call["securitygroupnames"], "web");
    let shown = cloud.ok("DescribeInstances", &[("Filter.1.Name", "reservation-id"), ("Filter.1.Value.1", &reservation)]).await;
    assert_eq!(shown.body.matches("<instanceId>").count(), 2);
    let rows = cloud.engine.db.find::<Vm>(Query::all().eq("reservation", reservation)).await.unwrap();
    assert_eq!(rows.iter().map(|r| r.launch_index).collect::<Vec<_>>(), [Some(0), Some(1)]);
}

#[tokio::test]
async fn a_launch_without_a_zone_goes_to_the_accounts_own() {
    let cloud = Cloud::new().await;
    deploys(&cloud, 1).await;
    let zone = |name: &str| json!({ "id": name, "name": name, "allocationstate": "Enabled", "networktype": "Basic" });
    cloud.fake.lists("listZones", "zone", vec![zone("Zone 1"), zone("Zone 2")]);
    let own = Zone { uuid: "Zone 2".into(), name: "Zone 2".into(), network_type: "Basic".into(), ..Default::default() };
    let write = cloud.engine.db.write(move |tx| {
        Box::pin(async move {
            let mut own = own;
            tx.insert(&mut own).await?;
            tx.set::<Account>(2, vec![("default_zone_id", own.id.into())]).await.map(drop)
        })
    });
    write.await.unwrap();
    cloud.ok("RunInstances", &[("ImageId", IMAGE), ("MinCount", "1"), ("MaxCount", "1")]).await;
    assert_eq!(cloud.fake.calls("deployVirtualMachine")[0]["zoneid"], "Zone 2");
}

#[tokio::test]
async fn as_many_as_possible_but_at_least_the_minimum() {
    let cloud = Cloud::new().await;
    deploys(&cloud, 3).await;
    let reply = cloud.ok("RunInstances", &[("ImageId", IMAGE), ("MinCount", "1"), ("MaxCount", "5")]).await;
    assert_eq!(reply.body.matches("<instanceId>").count(), 3);
    let cloud = Cloud::new().await;
    deploys(&cloud, 3).await;
    cloud.refuses("InstanceLimitExceeded", "RunInstances", &[("ImageId", IMAGE), ("MinCount", "4"), ("MaxCount", "5")]).await;
    assert_eq!(cloud.fake.calls("destroyVirtualMachine").len(), 3);
    for (min, max) in [("0", "1"), ("2", "1"), ("x", "1")] {
        cloud.refuses("InvalidParameterValue", "RunInstances", &[("ImageId", IMAGE), ("MinCount", min), ("MaxCount", max)]).await;
    }
}

#[tokio::test]
async fn a_client_token_launches_once() {
    let cloud = Cloud::new().await;
    let made = deploys(&cloud, 3).await;
    let ask = [("ImageId", IMAGE), ("MinCount", "1"), ("MaxCount", "1"), ("ClientToken", "token-1")];
    let first = cloud.ok("RunInstances", &ask).await;
    cloud.clock.step(1_000_000);
    let again = cloud.ok("RunInstances", &ask).await;
    assert_eq!(first.between("<reservationId>", "<"), again.between("<reservationId>", "<"));
    assert_eq!(made.load(Ordering::SeqCst), 1);
    let other = [("ImageId", IMAGE), ("MinCount", "1"), ("MaxCount", "2"), ("ClientToken", "token-1")];
    cloud.refuses("IdempotentParameterMismatch", "RunInstances", &other).await;
    // A launch that failed gives its token back.
    let bad = [("ImageId", IMAGE), ("MinCount", "1"), ("MaxCount", "1"), ("ClientToken", "token-2"), ("InstanceType", "zz.none")];
    cloud.refuses("InvalidParameterValue", "RunInstances", &bad).await;
    let good = [("ImageId", IMAGE), ("MinCount", "1"), ("MaxCount", "1"), ("ClientToken", "token-2")];
    cloud.ok("RunInstances", &good).await;
}

#[tokio::test]
async fn a_launch_is_refused_before_anything_is_made() {
    let cloud = Cloud::new().await;
    let made = deploys(&cloud, 1).await;
    for (code, name, value) in [
        ("InvalidAMIID.NotFound", "ImageId", "ami-00000000"),
        ("InvalidAMIID.Malformed", "ImageId", "i-00000000"),
        ("InvalidZone.NotFound", "Placement.AvailabilityZone", "nowhere"),
        ("InvalidUserData.Malformed", "UserData", "***"),
        ("UnsupportedOperation", "LaunchTemplate.LaunchTemplateName", "x"),
        ("InvalidParameterValue", "InstanceType", "zz.none"),
        ("InvalidGroupId.Malformed", "SecurityGroupId.1", "web"),
    ] {
        let mut ask = vec![("MinCount", "1"), ("MaxCount", "1"), (name, value)];
        if name != "ImageId" {
            ask.push(("ImageId", IMAGE));
        }
        cloud.refuses(code, "RunInstances", &ask).await;
    }
    let both = [("ImageId", IMAGE), ("MinCount", "1"), ("MaxCount", "1"), ("SecurityGroup.1", "web"), ("SecurityGroupId.1", GROUP)];
    cloud.refuses("InvalidParameterCombination", "RunInstances", &both).await;
    assert_eq!(made.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn rules_come_in_two_forms_and_are_checked_before_they_are_made() {
    let cloud = Cloud::new().await;
    for command in ["authorizeSecurityGroupIngress", "revokeSecurityGroupIngress"] {
        cloud.fake.on(command, |_| Ok(json!({ "jobid": "job" })));
    }
    let flat = [("GroupName", "web"), ("IpProtocol", "tcp"), ("FromPort", "443"), ("ToPort", "443"), ("CidrIp", "10.1.2.3/8")];
    cloud.ok("AuthorizeSecurityGroupIngress", &flat).await;
    let call = &cloud.fake.calls("authorizeSecurityGroupIngress")[0];
    let wanted = [("cidrlist", "10.0.0.0/8"), ("endport", "443"), ("protocol", "tcp"), ("securitygroupid", GROUP), ("startport", "443")];
    assert_eq!(call.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect::<Vec<_>>(), wanted);
    let duplicate = [
        ("GroupId", GROUP),
        ("IpPermissions.1.IpProtocol", "tcp"),
        ("IpPermissions.1.FromPort", "444"),
        ("IpPermissions.1.ToPort", "444"),
        ("IpPermissions.1.IpRanges.1.CidrIp", "0.0.0.0/0"),
        ("IpPermissions.2.IpProtocol", "6"),
        ("IpPermissions.2.FromPort", "22"),
        ("IpPermissions.2.ToPort", "22"),
        ("IpPermissions.2.IpRanges.1.CidrIp", "10.0.0.0/8"),
    ];
    cloud.refuses("InvalidPermission.Duplicate", "AuthorizeSecurityGroupIngress", &duplicate).await;
    assert_eq!(cloud.fake.calls("authorizeSecurityGroupIngress").len(), 1);
    cloud.ok("RevokeSecurityGroupIngress", &duplicate[..1].iter().chain(&duplicate[5..]).copied().collect::<Vec<_>>()).await;
    assert_eq!(cloud.fake.calls("revokeSecurityGroupIngress")[0]["id"], "rule-22");
    cloud.refuses("InvalidPermission.NotFound", "RevokeSecurityGroupIngress", &duplicate[..5]).await;
    cloud
        .refuses("InvalidGroup.NotFound", "AuthorizeSecurityGroupIngress", &[("GroupName", "none"), flat[1], flat[2], flat[3], flat[4]])
        .await;
}
