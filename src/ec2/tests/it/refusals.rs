//! What the door refuses, and in which shape.
use crate::cloud::{Cloud, KEYS, NOW};
use crate::fake::VM;
use axum::body::Body;
use http::Request;
use stratus_sigs::sign::{Hash, Keys, sign_v2};

#[tokio::test]
async fn an_error_has_the_shape_that_every_client_reads() {
    let cloud = Cloud::new().await;
    let reply = cloud.call("NoSuchAction", &[]).await;
    assert_eq!((reply.status, reply.code()), (400, "InvalidAction"));
    let wanted = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Errors><Error><Code>InvalidAction</Code><Message>The action NoSuchAction \
         is not valid for this service</Message></Error></Errors><RequestID>{}</RequestID></Response>",
        reply.request_id
    );
    assert_eq!(reply.body, wanted);
}

#[tokio::test]
async fn what_is_not_known_is_never_an_empty_success() {
    let cloud = Cloud::new().await;
    cloud.refuses("UnknownParameter", "DescribeInstances", &[("Nonsense", "1")]).await;
    cloud.refuses("InvalidParameterValue", "DescribeInstances", &[("Filter.1.Name", "nonsense"), ("Filter.1.Value.1", "x")]).await;
    let old = cloud.at("2012-08-15", "DescribeInstances", &[("Filter.1.Name", "nonsense"), ("Filter.1.Value.1", "x")]).await;
    assert_eq!(old.code(), "InvalidFilter");
    cloud.refuses("MissingParameter", "DescribeInstances", &[("Filter.1.Name", "image-id")]).await;
    cloud.refuses("InvalidInstanceID.NotFound", "DescribeInstances", &[("InstanceId.1", "i-00000000")]).await;
    cloud.refuses("InvalidInstanceID.Malformed", "DescribeInstances", &[("InstanceId.1", "ami-00000000")]).await;
    cloud.refuses("InvalidParameterValue", "DescribeInstances", &[("InstanceId.1", "")]).await;
    cloud.refuses("InvalidAMIID.NotFound", "DescribeImages", &[("ImageId.1", "ami-00000000")]).await;
    cloud.refuses("InvalidZone.NotFound", "DescribeAvailabilityZones", &[("ZoneName.1", "none")]).await;
    cloud.refuses("InvalidGroup.NotFound", "DescribeSecurityGroups", &[("GroupName.1", "none")]).await;
    cloud.refuses("InvalidKeyPair.NotFound", "DescribeKeyPairs", &[("KeyName.1", "none")]).await;
    cloud.refuses("UnsupportedOperation", "CreateVpc", &[("CidrBlock", "10.0.0.0/16")]).await;
    cloud.refuses("MissingParameter", "StopInstances", &[]).await;
    cloud.refuses("InvalidParameterValue", "StopInstances", &[("InstanceId.1", VM), ("Force", "perhaps")]).await;
    let unparsable = cloud.at("latest", "DescribeInstances", &[]).await;
    assert_eq!(unparsable.code(), "NoSuchVersion");
}

#[tokio::test]
async fn a_dry_run_changes_nothing_and_says_what_would_be() {
    let cloud = Cloud::new().await;
    let reply = cloud.call("StopInstances", &[("InstanceId.1", VM), ("DryRun", "true")]).await;
    assert_eq!((reply.status, reply.code()), (412, "DryRunOperation"));
    assert!(cloud.fake.calls("stopVirtualMachine").is_empty());
    cloud.fake.forbidden.lock().unwrap().push("stopVirtualMachine".into());
    let reply = cloud.call("StopInstances", &[("InstanceId.1", VM), ("DryRun", "true")]).await;
    assert_eq!((reply.status, reply.code()), (403, "UnauthorizedOperation"));
}

#[tokio::test]
async fn signatures_are_refused_with_their_codes() {
    let cloud = Cloud::new().await;
    let send = async |keys: Keys<'_>, at: i64| {
        let query =
            sign_v2(keys, "GET", "cloud:7080", "/awsapi", &[("Action", "DescribeRegions"), ("Version", "2010-11-15")], Hash::Sha256, at);
        let request = Request::get(format!("/awsapi?{query}")).header("host", "cloud:7080").body(Body::empty()).unwrap();
        let reply = cloud.send(request).await;
        (reply.status, if reply.status == 200 { String::new() } else { reply.code().to_owned() })
    };
    assert_eq!(send(KEYS, NOW).await, (200, String::new()));
    assert_eq!(send(Keys { access: "access", secret: "wrong" }, NOW).await, (403, "SignatureDoesNotMatch".into()));
    assert_eq!(send(Keys { access: "nobody", secret: "secret" }, NOW).await, (401, "AuthFailure".into()));
    assert_eq!(send(KEYS, NOW - 16 * 60_000_000).await, (400, "RequestExpired".into()));
    let unsigned = Request::get("/awsapi?Action=DescribeRegions&Version=2010-11-15").header("host", "cloud:7080");
    let reply = cloud.send(unsigned.body(Body::empty()).unwrap()).await;
    assert_eq!((reply.status, reply.code()), (403, "MissingAuthenticationToken"));
}

#[tokio::test]
async fn the_setting_turns_the_door_on_and_off_at_once() {
    let cloud = Cloud::off().await;
    let reply = cloud.call("DescribeRegions", &[]).await;
    assert_eq!((reply.status, reply.code()), (404, "ServiceUnavailable"));
    cloud.set("enable.ec2.api", "true").await;
    cloud.ok("DescribeRegions", &[]).await;
    cloud.set("enable.ec2.api", "false").await;
    assert_eq!(cloud.call("DescribeRegions", &[]).await.status, 404);
}

#[tokio::test]
async fn other_protocols_are_refused_in_their_own_shape() {
    let cloud = Cloud::new().await;
    let s3 = cloud.send(Request::get("/awsapi/services/AmazonS3").body(Body::empty()).unwrap()).await;
    assert_eq!((s3.status, s3.code()), (501, "NotImplemented"));
    let elsewhere = cloud.send(Request::get("/elsewhere").body(Body::empty()).unwrap()).await;
    assert_eq!(elsewhere.status, 404);
}

#[tokio::test]
async fn too_much_is_an_error_and_not_a_silence() {
    let cloud = Cloud::new().await;
    let request = Request::post("/awsapi").header("content-type", "application/x-www-form-urlencoded");
    let reply = cloud.send(request.body(Body::from("a=1&".repeat(300_000))).unwrap()).await;
    assert_eq!((reply.status, reply.code()), (400, "InvalidParameterValue"));
    let twice = Request::get("/awsapi?Action=A&Action=B").header("host", "h").body(Body::empty()).unwrap();
    assert_eq!(cloud.send(twice).await.code(), "InvalidParameterCombination");
}
