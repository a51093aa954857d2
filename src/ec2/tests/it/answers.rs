//! Answers: their trees in several versions, filters, pages, changes of state.
use crate::cloud::Cloud;
use crate::fake::{IMAGE, VM, VM2};
use std::path::PathBuf;

/// Compares an answer with its golden file; `STRATUS_GOLDEN=1` writes it anew.
fn golden(name: &str, shown: &str) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden").join(name);
    if std::env::var_os("STRATUS_GOLDEN").is_some() {
        std::fs::write(&file, shown).unwrap();
    }
    let wanted = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(shown, wanted, "{name} differs; STRATUS_GOLDEN=1 writes it anew");
}

#[tokio::test]
async fn golden_answers_have_the_tree_of_their_version() {
    let cloud = Cloud::new().await;
    let owner = cloud.engine.ec2_owner_of(2).await.unwrap();
    let account = cloud.engine.db.must::<stratus_store::Account>(2).await.unwrap().uuid;
    let vpc = cloud.engine.ec2_ids("vpc", std::slice::from_ref(&account)).await.unwrap()[&account].clone();
    for (action, parameters) in [
        ("DescribeInstances", &[][..]),
        ("DescribeImages", &[]),
        ("DescribeAvailabilityZones", &[]),
        ("DescribeRegions", &[]),
        ("DescribeSecurityGroups", &[]),
        ("DescribeVolumes", &[]),
        ("DescribeInstanceTypes", &[]),
        ("DescribeInstanceStatus", &[]),
        ("DescribeInstanceAttribute", &[("InstanceId", VM), ("Attribute", "instanceType")]),
        ("StopInstances", &[("InstanceId.1", VM)]),
    ] {
        for version in ["2010-11-15", "2012-08-15", "2016-11-15"] {
            let reply = cloud.at(version, action, parameters).await;
            assert_eq!(reply.status, 200, "{action} {version}: {}", reply.body);
            golden(&format!("{action}-{version}.xml"), &reply.shown().replace(&owner, "OWNER").replace(&vpc, "VPC"));
        }
    }
}

#[tokio::test]
async fn filters_narrow_what_is_shown() {
    let cloud = Cloud::new().await;
    let shown = async |pairs: &[(&str, &str)]| {
        let mut parameters = Vec::new();
        for (i, (name, value)) in pairs.iter().enumerate() {
            parameters.push((format!("Filter.{}.Name", i + 1), (*name).to_owned()));
            for (j, value) in value.split(',').enumerate() {
                parameters.push((format!("Filter.{}.Value.{}", i + 1, j + 1), value.to_owned()));
            }
        }
        let parameters: Vec<(&str, &str)> = parameters.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let reply = cloud.ok("DescribeInstances", &parameters).await;
        (reply.has("<privateDnsName>one<"), reply.has("<privateDnsName>two<"))
    };
    assert_eq!(shown(&[("instance-state-name", "running")]).await, (true, false));
    assert_eq!(shown(&[("instance-state-name", "running,stopped")]).await, (true, true));
    assert_eq!(shown(&[("instance-state-name", "stopp?d")]).await, (false, true));
    assert_eq!(shown(&[("instance-state-name", "*"), ("tag:role", "web*")]).await, (true, false));
    assert_eq!(shown(&[("tag-key", "role")]).await, (true, false));
    assert_eq!(shown(&[("tag-key", "Role")]).await, (false, false));
    assert_eq!(shown(&[("instance-id", "i-6f1b0c2e8d3a4b579")]).await, (true, false));
    assert_eq!(shown(&[("image-id", "ami-*"), ("instance.group-name", "web")]).await, (true, true));
    assert_eq!(shown(&[("launch-time", "2013-01-01T00:00:00.000Z")]).await, (true, true));
    assert_eq!(shown(&[("vpc-id", "vpc-1")]).await, (false, false));
}

#[tokio::test]
async fn ids_stay_and_are_taken_in_every_form() {
    let cloud = Cloud::new().await;
    let first = cloud.ok("DescribeInstances", &[]).await;
    let id = first.between("<instanceId>", "<").unwrap().to_owned();
    assert_eq!(id, "i-6f1b0c2e8d3a4b579");
    // The second VM's uuid begins with the same 17 digits.
    let rest = first.body.rsplit_once("<instanceId>").unwrap().1;
    let second = rest.split_once('<').unwrap().0.to_owned();
    assert_ne!(id, second);
    assert_eq!(second.len(), id.len());
    for given in [id.as_str(), VM, &id.to_uppercase(), &format!("instance:{VM}")] {
        let reply = cloud.ok("DescribeInstances", &[("InstanceId.1", given)]).await;
        assert!(reply.has("<privateDnsName>one<") && !reply.has("<privateDnsName>two<"), "{given}");
    }
    let reply = cloud.ok("DescribeInstances", &[("InstanceId.1", &second), ("InstanceId.2", VM2)]).await;
    assert!(!reply.has("<privateDnsName>one<") && reply.has("<privateDnsName>two<"));
}

#[tokio::test]
async fn pages_follow_each_other_and_tokens_are_bound_to_their_request() {
    let cloud = Cloud::new().await;
    let rows = (0..12).map(|n| crate::fake::vm(&uuid::Uuid::new_v4().to_string(), &format!("vm{n}"), "Running", &[])).collect();
    cloud.fake.lists("listVirtualMachines", "virtualmachine", rows);
    let first = cloud.ok("DescribeInstances", &[("MaxResults", "5")]).await;
    let token = first.between("<nextToken>", "<").unwrap().to_owned();
    assert!(first.has("<privateDnsName>vm4<") && !first.has("<privateDnsName>vm5<"));
    let second = cloud.ok("DescribeInstances", &[("MaxResults", "5"), ("NextToken", &token)]).await;
    assert!(second.has("<privateDnsName>vm5<") && !second.has("<privateDnsName>vm10<"));
    let token = second.between("<nextToken>", "<").unwrap().to_owned();
    let third = cloud.ok("DescribeInstances", &[("MaxResults", "5"), ("NextToken", &token)]).await;
    assert!(third.has("<privateDnsName>vm11<") && !third.has("<nextToken>"));
    cloud.refuses("InvalidNextToken", "DescribeInstances", &[("MaxResults", "5"), ("NextToken", "made-up")]).await;
    cloud.refuses("InvalidNextToken", "DescribeInstanceStatus", &[("MaxResults", "5"), ("NextToken", &token)]).await;
    let narrowed = [("MaxResults", "5"), ("NextToken", token.as_str()), ("Filter.1.Name", "tag-key"), ("Filter.1.Value.1", "x")];
    cloud.refuses("InvalidNextToken", "DescribeInstances", &narrowed).await;
    cloud.refuses("InvalidParameterValue", "DescribeInstances", &[("MaxResults", "4")]).await;
    cloud.clock.step(25 * 3600 * 1_000_000);
    cloud.refuses("InvalidNextToken", "DescribeInstances", &[("MaxResults", "5"), ("NextToken", &token)]).await;
}

#[tokio::test]
async fn a_change_calls_only_where_there_is_something_to_change() {
    let cloud = Cloud::new().await;
    let reply = cloud.ok("StopInstances", &[("InstanceId.1", VM), ("InstanceId.2", VM2), ("Force", "true")]).await;
    let calls = cloud.fake.calls("stopVirtualMachine");
    assert_eq!(calls.len(), 1);
    assert_eq!((calls[0]["id"].as_str(), calls[0]["forced"].as_str()), (VM, "true"));
    assert!(reply.has("<currentState><code>64</code><name>stopping</name></currentState><previousState><code>16</code>"));
    assert!(reply.has("<currentState><code>80</code><name>stopped</name></currentState><previousState><code>80</code>"));
    cloud.refuses("IncorrectInstanceState", "RebootInstances", &[("InstanceId.1", VM), ("InstanceId.2", VM2)]).await;
    assert!(cloud.fake.calls("rebootVirtualMachine").is_empty());
    assert!(cloud.ok("RebootInstances", &[("InstanceId.1", VM)]).await.has("<return>true</return>"));
    cloud.refuses("InvalidInstanceID.NotFound", "TerminateInstances", &[("InstanceId.1", VM), ("InstanceId.2", "i-00000000")]).await;
    assert!(cloud.fake.calls("destroyVirtualMachine").is_empty());
}

#[tokio::test]
async fn owners_and_executability_choose_images() {
    let cloud = Cloud::new().await;
    let shown = async |pairs: &[(&str, &str)]| cloud.ok("DescribeImages", pairs).await.has("<imageId>");
    assert!(shown(&[]).await && shown(&[("ImageId.1", IMAGE)]).await && shown(&[("Owner.1", "amazon")]).await);
    assert!(shown(&[("ExecutableBy.1", "all")]).await);
    assert!(!shown(&[("Owner.1", "aws-marketplace")]).await && !shown(&[("Owner.1", "123456789012")]).await);
    cloud.refuses("InvalidUserID.Malformed", "DescribeImages", &[("Owner.1", "who?")]).await;
}
