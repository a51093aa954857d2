//! A disk that fills while the server works: what was acknowledged stays, what was refused left nothing, and with room it goes on.
use super::agents::{self, one, text, until};
use super::server::stratus;
use super::web::{Manner, Web};
use super::{Native, Server};
use serde_json::Value;
use std::path::{Path, PathBuf};
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

/// Bytes of a header, and where they are.
type Change<'a> = (usize, &'a [u8]);

/// A qcow2 of so many bytes with a disk of 64 MiB, some of its header changed.
fn qcow2(bytes: usize, changes: &[Change<'_>]) -> Vec<u8> {
    let mut image = vec![0; 3 << 16];
    let fields: [Change<'_>; 6] = [
        (0, b"QFI\xfb\0\0\0\x03"),
        (20, &16_u32.to_be_bytes()),
        (24, &(64_u64 << 20).to_be_bytes()),
        (36, &1_u32.to_be_bytes()),
        (40, &(1_u64 << 16).to_be_bytes()),
        (100, &104_u32.to_be_bytes()),
    ];
    for (at, field) in fields.iter().chain(changes) {
        image[*at..*at + field.len()].copy_from_slice(field);
    }
    image.extend((0..bytes - image.len()).map(|n| (n % 251) as u8));
    image
}

/// Registers an image and waits until it is there or is not to come; its row.
async fn registered(native: &Native, zone: &str, name: &str, url: &str) -> Value {
    let os = native.list("listOsTypes", "ostype", &[]).await;
    let about = [("name", name), ("displaytext", name), ("format", "QCOW2"), ("hypervisor", "KVM"), ("ispublic", "true")];
    native.ok("registerTemplate", &[&about[..], &[("ostypeid", text(&os[0], "id")), ("url", url), ("zoneid", zone)]].concat()).await;
    until(name, async || {
        let row = one(native, "listTemplates", "template", &[("templatefilter", "all"), ("name", name)]).await;
        let status = row["status"].as_str().unwrap_or_default();
        let coming = status.is_empty() || status.ends_with("% Downloaded");
        (!coming).then_some(row)
    })
    .await
}

fn images(store: &Path) -> Vec<PathBuf> {
    let inside = |folder: &str| std::fs::read_dir(store.join(folder)).into_iter().flatten().map(|entry| entry.unwrap().path());
    ["", "incoming", "objects"].into_iter().flat_map(inside).filter(|path| path.is_file()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_the_servers_that_is_full_takes_nothing_and_goes_on_when_there_is_room() {
    let (place, files) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let Some(_small) = Small::at(place.path(), 24) else { return };
    let server = Server::start_with(&["--simulate", &agents::zones(files.path())]).await;
    let (native, web) = (server.native(), Web::start().await);
    native.ok("updateConfiguration", &[("name", "secstorage.allowed.internal.sites"), ("value", "127.0.0.0/8")]).await;
    let store = place.path().join("images");
    let url = format!("file://{}", store.display());
    let (_, agent) = agents::host(&native, 1, server.ready["ports"]["agents"].as_u64().unwrap(), ["File", &url]).await;
    let shown = one(&native, "listImageStores", "imagestore", &[("provider", "File")]).await;
    assert_eq!((text(&shown, "url"), text(&shown, "protocol"), text(&shown, "providername")), (url.as_str(), "file", "File"));
    let zone = text(&shown, "zoneid").to_owned();
    for bad in ["file://elsewhere/images", "file:///a/../b", "nfs://filer/images"] {
        let refused = native.call("addImageStore", &[("provider", "File"), ("zoneid", &zone), ("url", bad)]).await.unwrap();
        assert!(refused.status == 431 && refused.text.contains("parameter url"), "{bad}: {}", refused.text);
    }

    // What may not come says why and leaves nothing.
    native.ok("updateConfiguration", &[("name", "max.template.iso.size"), ("value", "1")]).await;
    let (backing, huge) = (104_u64.to_be_bytes(), (2_u64 << 30).to_be_bytes());
    let lies = (1_u64 << 29).to_be_bytes();
    let cases: [(&str, &[Change<'_>], &str); 4] = [
        ("backed", &[(8, &backing), (16, &11_u32.to_be_bytes())], "backing file"),
        ("encrypted", &[(32, &1_u32.to_be_bytes())], "encrypted"),
        ("lying", &[(24, &lies), (36, &u32::MAX.to_be_bytes())], "promises more"),
        ("huge", &[(24, &huge), (36, &4_u32.to_be_bytes())], "2147483648"),
    ];
    for (name, changes, why) in cases {
        let row = registered(&native, &zone, name, &web.put(&format!("/{name}"), &qcow2(1 << 20, changes), Manner::Well)).await;
        assert!(row["isready"] == false && row["status"].to_string().contains(why), "{name}: {row}");
        assert_eq!(images(&store), Vec::<PathBuf>::new(), "{name}");
    }

    let small = registered(&native, &zone, "small", &web.put("/small", &qcow2(5 << 20, &[]), Manner::Well)).await;
    assert!(small["isready"] == true, "{small}");
    let large = web.put("/large", &qcow2(20 << 20, &[]), Manner::Well);
    let row = registered(&native, &zone, "large", &large).await;
    assert!(row["isready"] == false && row["status"].to_string().contains("no room"), "{row}");
    assert!(!row["status"].to_string().contains(place.path().to_str().unwrap()), "where files lie is not the user's to know: {row}");
    assert_eq!(images(&store).len(), 2, "{:?}", images(&store));

    let offering = native.list("listServiceOfferings", "serviceoffering", &[]).await;
    let what = [("zoneid", zone.as_str()), ("templateid", text(&small, "id")), ("serviceofferingid", text(&offering[0], "id"))];
    let made = native.finished("deployVirtualMachine", &what).await;
    let vm = text(&made["virtualmachine"], "id").to_owned();
    let volume = one(&native, "listVolumes", "volume", &[("virtualmachineid", &vm), ("listall", "true")]).await;
    let ballast = place.path().join("ballast");
    let _ = std::fs::write(&ballast, vec![1; 24 << 20]);
    let ask = [("volumeid", text(&volume, "id"))];
    let begun = native.ok("createSnapshot", &ask).await;
    let (status, why) = native.wait(text(&begun, "jobid")).await;
    assert!(status == 2 && why.to_string().contains("no room"), "{status} {why}");
    agents::vm_is(&native, &vm, "Running").await;
    assert_eq!(images(&store).len(), 2, "{:?}", images(&store));

    std::fs::remove_file(&ballast).unwrap();
    let snapshot = native.finished("createSnapshot", &ask).await["snapshot"].clone();
    assert_eq!(images(&store).len(), 4, "{:?}", images(&store));
    assert!(std::fs::read(store.join(text(&small, "id"))).unwrap() == qcow2(5 << 20, &[]), "the bytes that came");
    native.finished("deleteSnapshot", &[("id", text(&snapshot, "id"))]).await;
    native.finished("destroyVirtualMachine", &[("id", &vm), ("expunge", "true")]).await;
    native.finished("deleteTemplate", &[("id", text(&small, "id"))]).await;
    assert_eq!(images(&store), Vec::<PathBuf>::new());
    assert!(!agent.log().contains("panicked"), "{}", agent.log());
    drop(agent);
    let (_, dir) = server.terminate().await;
    let check = stratus().args(["admin", "check", "--data-dir"]).arg(dir.path()).output().unwrap();
    assert!(check.status.success(), "{}{}", String::from_utf8_lossy(&check.stdout), String::from_utf8_lossy(&check.stderr));
}
