//! Life cycles written beside this repository (`../shared/probes`, or where `STRATUS_PROBES` says). A row may fail only when it needs
//! a command that this version does not have; those rows are named here.
use super::Server;
use std::path::PathBuf;
use std::process::Command;

/// Rows of `native_lifecycle.py` that need commands of later versions: the usage server.
const NATIVE_LATER: &[&str] = &["usage"];

pub fn probes() -> Option<PathBuf> {
    let beside = stratus_testkit::repository().join("../shared/probes");
    let folder = std::env::var_os("STRATUS_PROBES").map_or(beside, PathBuf::from);
    if !folder.is_dir() {
        eprintln!("skipped: the probes do not lie beside this clone ({})", folder.display());
        return None;
    }
    Some(folder)
}

/// The rows that failed, with why.
fn failures(output: &str) -> Vec<(String, String)> {
    let row = |l: &str| {
        let (name, why) = l.strip_prefix("FAIL ")?.split_once(' ')?;
        Some((name.rsplit_once(' ').map_or(name, |(_, n)| n).to_owned(), why.to_owned()))
    };
    output.lines().filter_map(row).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_native_life_cycle_passes_but_for_commands_of_later_versions() {
    let (Some(folder), Some(python)) = (probes(), stratus_testkit::python()) else { return };
    let server = Server::start().await;
    let output = Command::new(python)
        .arg(folder.join("native_lifecycle.py"))
        .args(["--endpoint", server.fact("/native"), "--integration", server.fact("/integration")])
        .args(["--access-key", server.fact("/admin/api_key"), "--secret-key", server.fact("/admin/secret_key")])
        .args(["--username", "admin", "--password", "password", "--timeout", "15"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let unexpected: Vec<_> =
        failures(&text).into_iter().filter(|(row, _)| !NATIVE_LATER.contains(&row.trim_start_matches("native:"))).collect();
    assert!(text.contains(" passed, "), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(unexpected.is_empty(), "{unexpected:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_s3_life_cycle_passes_with_both_signatures() {
    let (Some(folder), Some(python)) = (probes(), stratus_testkit::python()) else { return };
    let server = Server::start().await;
    for more in [&["--boto3-signature", "s3"][..], &["--boto3-signature", "s3v4", "--checksums", "when_supported", "--client", "boto3"]] {
        let output = Command::new(&python)
            .arg(folder.join("s3_lifecycle.py"))
            .args(["--endpoint", server.fact("/s3"), "--access-key", server.fact("/admin/api_key")])
            .args(["--secret-key", server.fact("/admin/secret_key")])
            .args(more)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains(" passed, "), "{text}{}", String::from_utf8_lossy(&output.stderr));
        assert!(failures(&text).is_empty(), "{:#?}", failures(&text));
    }
}

/// A row of `ec2_lifecycle.py` that no answer can pass: boto 2 keeps a description in a field of the object, the row looks into its table.
const EC2_NEVER: &str = "boto2:DescribeImageAttribute:description";

#[tokio::test(flavor = "multi_thread")]
async fn the_ec2_life_cycle_passes_with_boto2_and_boto3() {
    let (Some(folder), Some(python)) = (probes(), stratus_testkit::python()) else { return };
    let server = Server::start().await;
    let output = Command::new(python)
        .arg(folder.join("ec2_lifecycle.py"))
        .args(["--endpoint", server.fact("/ec2"), "--access-key", server.fact("/admin/api_key")])
        .args(["--secret-key", server.fact("/admin/secret_key"), "--timeout", "30"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let unexpected: Vec<_> = failures(&text).into_iter().filter(|(row, _)| row != EC2_NEVER).collect();
    assert!(text.contains(" passed, "), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(unexpected.is_empty(), "{unexpected:#?}");
}
