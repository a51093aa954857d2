//! A disk that fills while the server works: what was acknowledged stays, what was refused left nothing, and with room it goes on.
use super::Server;
use super::server::stratus;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// A small file system of its own at `dir`, taken away when dropped.
struct Small<'a>(&'a Path);

impl<'a> Small<'a> {
    /// None where nothing may be mounted.
    fn at(dir: &'a Path, megabytes: u32) -> Option<Self> {
        let size = format!("size={megabytes}m,mode=0700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "stratus-test"]).arg(dir).output();
        if mounted.is_ok_and(|o| o.status.success()) {
            return Some(Self(dir));
        }
        stratus_testkit::skip("no small disk: mounting a tmpfs needs root");
        None
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        // Lazily: the server that held it may be ending still.
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

/// Bytes of an object: its number, again and again.
fn content(n: usize) -> Vec<u8> {
    n.to_le_bytes().repeat(64 << 10)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_loses_nothing_that_was_acknowledged_and_leaves_nothing_of_what_was_refused() {
    if stratus_testkit::python().is_none() {
        return;
    }
    let place = TempDir::new().unwrap();
    let Some(_small) = Small::at(place.path(), 40) else { return };
    let dir = TempDir::new_in(place.path()).unwrap();
    let server = Server::start_in(dir, &[]).await;
    let native = server.native();
    let (zone, template, offering) = native.place().await;
    let aws = stratus_testkit::repository().join(".venv/bin/aws");
    let make = ["--endpoint-url", server.fact("/s3"), "s3api", "create-bucket", "--bucket", "open", "--acl", "public-read-write"];
    server.run(&aws, &make).await;
    let base = format!("{}/open", server.fact("/s3"));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let put = async |n: usize| {
        let sent = client.put(format!("{base}/k{n}")).header("x-amz-acl", "public-read").body(content(n)).send().await.unwrap();
        (sent.status().as_u16(), sent.text().await.unwrap())
    };

    let mut kept = Vec::new();
    let refused = loop {
        let n = kept.len();
        let (status, text) = put(n).await;
        if status != 200 {
            break (status, text);
        }
        kept.push(n);
        assert!(n < 200, "a disk of 40 MiB took {n} objects of 512 KiB");
    };
    assert!(refused.0 >= 500 && refused.1.contains("<Code>"), "{refused:?}");
    assert!(!refused.1.contains(place.path().to_str().unwrap()), "the answer tells a stranger where files lie: {}", refused.1);

    // What little is left: a deploy either is acknowledged and stays, or is refused and leaves nothing.
    let filler = place.path().join("filler");
    let _ = std::fs::write(&filler, vec![1; 40 << 20]);
    let mut vms = Vec::new();
    for n in 0..40 {
        let name = format!("full-{n}");
        let ask = [("zoneid", &*zone), ("templateid", &template), ("serviceofferingid", &offering), ("name", &name)];
        let answer = native.call("deployVirtualMachine", &ask).await.unwrap();
        match answer.inner["id"].as_str().filter(|_| answer.status == 200) {
            Some(id) => vms.push(id.to_owned()),
            None => assert!(answer.status >= 400 && answer.inner["errorcode"].is_number(), "{}: {}", answer.status, answer.text),
        }
    }
    let (status, _) = put(1000).await;
    assert!(status >= 500, "an object of 512 KiB on a full disk: {status}");

    // With room again it goes on where it was, and after a restart too.
    std::fs::remove_file(&filler).unwrap();
    assert_eq!(client.delete(format!("{base}/k0")).send().await.unwrap().status(), 204);
    assert_eq!(put(0).await.0, 200);
    let server = Server::start_in(server.kill(), &[]).await;
    let base = format!("{}/open", server.fact("/s3"));
    for n in &kept {
        let got = reqwest::get(format!("{base}/k{n}")).await.unwrap().bytes().await.unwrap();
        assert!(got[..] == content(*n)[..], "k{n} is not what was sent");
    }
    assert_eq!(reqwest::get(format!("{base}/k{}", kept.len())).await.unwrap().status(), 404, "the refused object is not there");
    super::kill::settle(&server.native()).await;
    let there = server.native().list("listVirtualMachines", "virtualmachine", &[("listall", "true"), ("pagesize", "-1")]).await;
    for vm in &vms {
        assert!(there.iter().any(|v| v["id"] == vm.as_str()), "VM {vm} was acknowledged");
    }
    assert_eq!(super::s3::files(server.dir()), kept.len(), "files of objects");
    let (_, dir) = server.terminate().await;
    let check = stratus().args(["admin", "check", "--data-dir"]).arg(dir.path()).output().unwrap();
    assert!(check.status.success(), "{}{}", String::from_utf8_lossy(&check.stdout), String::from_utf8_lossy(&check.stderr));
}
