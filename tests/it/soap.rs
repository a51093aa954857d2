//! EC2 by SOAP and by Query with clients that nobody here wrote, and what goes with it: certificates, and the registration calls of old.
use super::Server;
use super::probes::probes;
use serde_json::Value;
use std::process::Command;

async fn sweep(way: &str, version: &str) {
    let server = Server::start().await;
    if let Some(out) = server.python("ec2_sweep.py", &[way, version]).await {
        assert!(out.lines().last().is_some_and(|l| l.starts_with("ok")), "{way} {version}: {out}");
    }
}

#[tokio::test]
async fn every_seed_operation_works_by_soap_in_the_version_of_2010() {
    sweep("soap", "2010-11-15").await;
}

#[tokio::test]
async fn every_seed_operation_works_by_soap_in_the_version_of_2012() {
    sweep("soap", "2012-08-15").await;
}

#[tokio::test]
async fn every_seed_operation_works_by_query_in_the_version_of_2010() {
    sweep("query", "2010-11-15").await;
}

#[tokio::test]
async fn every_seed_operation_works_by_query_in_the_version_of_2012() {
    sweep("query", "2012-08-15").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_soap_life_cycle_passes() {
    let (Some(folder), Some(python)) = (probes(), stratus_testkit::python()) else { return };
    let server = Server::start().await;
    let output = Command::new(python)
        .arg(folder.join("soap_lifecycle.py"))
        .args(["--endpoint", server.fact("/ec2"), "--timeout", "30"])
        .arg(format!("--access-key={}", server.fact("/admin/api_key")))
        .arg(format!("--secret-key={}", server.fact("/admin/secret_key")))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn certificates_are_registered_listed_and_deleted() {
    let server = Server::start().await;
    let native = server.native();
    let pem = std::fs::read_to_string(stratus_testkit::repository().join("tests/wire/soap-user-cert.pem")).unwrap();
    let made = native.ok("registerUserCertificate", &[("certificate", &pem)]).await;
    let certificate = &made["usercertificate"];
    assert_eq!(certificate["username"], "admin", "{made}");
    let listed = native.ok("listUserCertificates", &[("fingerprint", certificate["fingerprint"].as_str().unwrap())]).await;
    assert_eq!(listed["usercertificate"][0]["id"], certificate["id"], "{listed}");
    let events = native.ok("listEvents", &[("type", "USER.CERTIFICATE.REGISTER")]).await;
    assert_eq!(events["count"], 1, "{events}");
    let id = certificate["id"].as_str().unwrap();
    native.ok("deleteUserCertificate", &[("id", id)]).await;
    let none: Value = native.ok("listUserCertificates", &[]).await;
    assert!(none.get("usercertificate").is_none(), "{none}");
}
