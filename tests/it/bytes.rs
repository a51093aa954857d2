//! Real bytes through the real binary: what came in by a URL goes out again unchanged, what may not come in leaves nothing, and a
//! server that is killed in the middle of a download brings it after all.
use super::server::stratus;
use super::web::{Manner, Web};
use super::{Native, Server};
use rand::RngCore;
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long something may take to come about on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn random(bytes: usize) -> Vec<u8> {
    let mut out = vec![0; bytes];
    rand::rng().fill_bytes(&mut out);
    out
}

/// The files of the simulator's images, and of those that are still coming.
fn images(dir: &Path) -> (usize, usize) {
    let count = |dir: &Path| std::fs::read_dir(dir).map_or(0, |d| d.filter(|e| e.as_ref().unwrap().path().is_file()).count());
    (count(&dir.join("images")), count(&dir.join("images/incoming")))
}

async fn set(native: &Native, name: &str, value: &str) {
    native.ok("updateConfiguration", &[("name", name), ("value", value)]).await;
}

async fn got(url: &str) -> (u16, Vec<u8>) {
    let answer = reqwest::Client::builder().no_proxy().build().unwrap().get(url).send().await.unwrap();
    (answer.status().as_u16(), answer.bytes().await.unwrap().to_vec())
}

fn id<'a>(answer: &'a Value, key: &str) -> &'a str {
    answer[key]["id"].as_str().unwrap_or_else(|| panic!("{key} in {answer}"))
}

/// The bytes behind the address that an extraction answers with.
async fn extracted(native: &Native, command: &str, key: &str, parameters: &[(&str, &str)]) -> (String, Vec<u8>) {
    let answer = native.finished(command, &[parameters, &[("mode", "HTTP_DOWNLOAD")]].concat()).await;
    let shown = &answer[key];
    assert_eq!((&shown["extractMode"], &shown["state"]), (&"HTTP_DOWNLOAD".into(), &"DOWNLOAD_URL_CREATED".into()), "{answer}");
    let url = shown["url"].as_str().unwrap().to_owned();
    let (status, bytes) = got(&url).await;
    assert_eq!(status, 200, "{url}");
    (url, bytes)
}

async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let since = Instant::now();
    while !holds().await {
        assert!(since.elapsed() < PATIENCE, "{what}: not after {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn check(server: Server) {
    let (_, dir) = server.terminate().await;
    let check = stratus().args(["admin", "check", "--data-dir"]).arg(dir.path()).output().unwrap();
    assert!(check.status.success(), "{}{}", String::from_utf8_lossy(&check.stdout), String::from_utf8_lossy(&check.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_in_goes_out_again() {
    let (server, web) = (Server::start().await, Web::start().await);
    let native = server.native();
    let (zone, template, offering) = native.place().await;
    set(&native, "secstorage.allowed.internal.sites", "127.0.0.1/32").await;
    let bytes = random(3 << 20);
    let url = web.put("/disk.raw", &bytes, Manner::BreaksOnce);
    let up = native.finished("uploadVolume", &[("name", "up"), ("url", &url), ("format", "RAW"), ("zoneid", &zone)]).await;
    assert_eq!((&up["volume"]["state"], &up["volume"]["size"]), (&"Uploaded".into(), &bytes.len().into()), "{up}");
    assert_eq!(web.asked("/disk.raw"), 2, "taken up once where it broke off");
    let volume = id(&up, "volume").to_owned();
    let (_, same) = extracted(&native, "extractVolume", "volume", &[("id", &volume), ("zoneid", &zone)]).await;
    assert!(same == bytes, "an uploaded volume");

    let deploy = [("zoneid", &*zone), ("templateid", &template), ("serviceofferingid", &offering)];
    let vm = id(&native.finished("deployVirtualMachine", &deploy).await, "virtualmachine").to_owned();
    native.finished("attachVolume", &[("id", &volume), ("virtualmachineid", &vm)]).await;
    let taken = native.finished("createSnapshot", &[("volumeid", &volume)]).await;
    let snapshot = id(&taken, "snapshot").to_owned();
    let second = native.finished("createVolume", &[("name", "second"), ("snapshotid", &snapshot)]).await;
    let second = id(&second, "volume").to_owned();
    let os = native.list("listOsTypes", "ostype", &[("pagesize", "1"), ("page", "1")]).await[0]["id"].as_str().unwrap().to_owned();
    let make = [("name", "t"), ("displaytext", "t"), ("ostypeid", &*os), ("snapshotid", &snapshot)];
    let made = native.finished("createTemplate", &make).await;
    let made = id(&made, "template").to_owned();
    let busy = native.ok("extractVolume", &[("id", &volume), ("zoneid", &zone), ("mode", "HTTP_DOWNLOAD")]).await;
    assert_eq!(native.wait(busy["jobid"].as_str().unwrap()).await.0, 2, "its VM runs");
    native.finished("detachVolume", &[("id", &volume)]).await;
    set(&native, "extract.url.expiration.interval", "3").await;
    set(&native, "extract.url.cleanup.interval", "1").await;
    let in_zone = |id: &str| [("id".to_owned(), id.to_owned()), ("zoneid".to_owned(), zone.clone())];
    for (command, key, thing) in
        [("extractVolume", "volume", &volume), ("extractVolume", "volume", &second), ("extractTemplate", "template", &made)]
    {
        let asked = in_zone(thing);
        let asked: Vec<(&str, &str)> = asked.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let (url, out) = extracted(&native, command, key, &asked).await;
        assert!(out == bytes, "{command} of {thing}");
        until("an address ends", || async { got(&url).await.0 == 404 }).await;
    }
    // A deploy from a template with bytes writes no file: all of this is one image.
    let again = [("zoneid", &*zone), ("templateid", &made), ("serviceofferingid", &offering)];
    let other = id(&native.finished("deployVirtualMachine", &again).await, "virtualmachine").to_owned();
    assert_eq!(images(server.dir()), (1, 0));
    for vm in [&vm, &other] {
        native.finished("destroyVirtualMachine", &[("id", vm), ("expunge", "true")]).await;
    }
    native.finished("deleteSnapshot", &[("id", &snapshot)]).await;
    native.finished("deleteTemplate", &[("id", &made)]).await;
    for volume in [&volume, &second] {
        native.ok("deleteVolume", &[("id", volume)]).await;
    }
    let dir = server.dir().to_owned();
    until("the last image goes", || async { images(&dir) == (0, 0) }).await;
    check(server).await;
}

/// Parameters of a command beyond those that every case has.
type Words<'a> = &'a [(&'a str, &'a str)];

/// A template that does not come; why.
async fn refused(native: &Native, zone: &str, os: &str, url: &str, more: &[(&str, &str)]) -> String {
    let mut ask =
        vec![("name", "no"), ("displaytext", "no"), ("hypervisor", "Simulator"), ("ostypeid", os), ("zoneid", zone), ("url", url)];
    ask.extend(more);
    if !more.iter().any(|(k, _)| *k == "format") {
        ask.push(("format", "RAW"));
    }
    let made = native.ok("registerTemplate", &ask).await;
    let id = made["template"][0]["id"].as_str().unwrap().to_owned();
    let since = Instant::now();
    loop {
        let now = native.list("listTemplates", "template", &[("templatefilter", "self"), ("id", &id)]).await.remove(0);
        let status = now["status"].as_str().unwrap_or_default().to_owned();
        assert_ne!(now["isready"], true, "{url} was let in");
        if !status.is_empty() && !status.ends_with("Downloaded") {
            native.finished("deleteTemplate", &[("id", &id)]).await;
            return status;
        }
        assert!(since.elapsed() < PATIENCE, "{url}: {now}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_come_in_leaves_nothing() {
    let (server, web) = (Server::start().await, Web::start().await);
    let native = server.native();
    let (zone, ..) = native.place().await;
    let os = native.list("listOsTypes", "ostype", &[("pagesize", "1"), ("page", "1")]).await[0]["id"].as_str().unwrap().to_owned();
    let plain = web.put("/a", b"some bytes", Manner::Well);
    let why = refused(&native, &zone, &os, &plain, &[]).await;
    assert!(why.contains("secstorage.allowed.internal.sites"), "{why}");
    let why = refused(&native, &zone, &os, &plain.replace("127.0.0.1", "localhost"), &[]).await;
    assert!(why.contains("secstorage.allowed.internal.sites"), "{why}");
    assert_eq!(web.asked("/a"), 0, "nobody went there");

    set(&native, "secstorage.allowed.internal.sites", "127.0.0.1").await;
    set(&native, "max.template.iso.size", "1").await;
    let mut backed = b"QFI\xfb\0\0\0\x03\0\0\0\0\0\0\x01\0\0\0\0\x0b".to_vec();
    backed.resize(512, 0);
    let mut lying = b"QFI\xfb\0\0\0\x03".to_vec();
    lying.resize(512, 0);
    lying[24..32].copy_from_slice(&(1_u64 << 50).to_be_bytes());
    // gzip of more than a GiB of zeros is a file of some kilobytes.
    let bomb = gzip_of_zeros((1 << 30) + 1);
    let cases: [(&str, &[u8], Manner, Words, &str); 9] = [
        ("/sum", b"some bytes", Manner::Well, &[("checksum", "00000000000000000000000000000000")], "checksum"),
        ("/format", b"some bytes", Manner::Well, &[("format", "QCOW2")], "QCOW2"),
        ("/backed", &backed, Manner::Well, &[("format", "QCOW2")], "backing file"),
        ("/lying", &lying, Manner::Well, &[("format", "QCOW2")], "are let in"),
        ("/bomb", &bomb, Manner::Well, &[], "once it is unpacked"),
        ("/empty", b"", Manner::Well, &[], "empty"),
        ("/breaks", b"some bytes", Manner::Breaks, &[], "link broke"),
        ("/away", b"", Manner::Redirect("ftp://127.0.0.1/a".into()), &[], "http and https"),
        ("/inside", b"", Manner::Redirect("http://10.0.0.1/a".into()), &[], "of the inside"),
    ];
    for (path, bytes, manner, more, expected) in cases {
        let url = web.put(path, bytes, manner);
        let why = refused(&native, &zone, &os, &url, more).await;
        assert!(why.contains(expected), "{path}: {why}");
    }
    let why = refused(&native, &zone, &os, &plain.replace("/a", "/nowhere"), &[]).await;
    assert!(why.contains("404"), "{why}");
    assert_eq!(images(server.dir()), (0, 0));
    let alerts = native.list("listAlerts", "alert", &[("keyword", "once it is unpacked")]).await;
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    // The built-in template began as well, and came.
    for (kind, n) in [("TEMPLATE.DOWNLOAD.START", 13), ("TEMPLATE.DOWNLOAD.FAILED", 12)] {
        assert_eq!(native.list("listEvents", "event", &[("type", kind), ("listall", "true")]).await.len(), n, "{kind}");
    }
    let (status, _) = got(&format!("{}/userdata/{}.raw", server.fact("/native").replace("/client/api", ""), "0".repeat(64))).await;
    assert_eq!(status, 404);
    check(server).await;
}

/// A cloud whose images rest in a bucket of another cloud's S3 door.
#[tokio::test(flavor = "multi_thread")]
async fn images_rest_in_a_bucket() {
    let other = Server::start_with(&["--s3-port", "0", "--simulate", "none"]).await;
    let far = other.native();
    set(&far, "enable.s3.api", "true").await;
    far.ok("createBucket", &[("name", "images")]).await;
    let mut zone: Value = serde_json::from_str(stratus::simulate::BUILT_IN).unwrap();
    let endpoint = other.fact("/s3").trim_end_matches('/').to_owned();
    let (access, secret) = (other.fact("/admin/api_key"), other.fact("/admin/secret_key"));
    zone["zones"][0]["secondaryStorages"] = serde_json::json!([]);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), zone.to_string()).unwrap();
    let server = Server::start_with(&["--simulate", file.path().to_str().unwrap()]).await;
    let web = Web::start().await;
    let native = server.native();
    let bucket = [("bucket", "images"), ("accesskey", access), ("secretkey", secret), ("endpoint", &*endpoint), ("usehttps", "false")];
    let wrong = native.call("addS3", &[&bucket[1..], &[("bucket", "nothing")]].concat()).await.unwrap();
    assert!(wrong.status >= 400 && !wrong.text.contains(secret), "{}", wrong.text);
    let added = native.ok("addS3", &bucket).await["secondarystorage"].clone();
    assert_eq!((&added["providername"], &added["scope"]), (&"S3".into(), &"REGION".into()), "{added}");
    assert_eq!(native.list("listS3s", "imagestore", &[]).await[0]["id"], added["id"]);
    let again = native.call("addS3", &bucket).await.unwrap();
    assert_eq!(again.status, 431, "{}", again.text);
    let ready = async || {
        let templates = native.list("listTemplates", "template", &[("templatefilter", "executable")]).await;
        templates.iter().any(|t| t["isready"] == true)
    };
    until("the built-in template is in the bucket", ready).await;
    let (zone, ..) = native.place().await;
    set(&native, "secstorage.allowed.internal.sites", "127.0.0.1").await;
    let bytes = random(20 << 20);
    let url = web.put("/v.raw", &bytes, Manner::Well);
    let up = native.finished("uploadVolume", &[("name", "v"), ("url", &url), ("format", "RAW"), ("zoneid", &zone)]).await;
    let volume = id(&up, "volume").to_owned();
    let usage = far.list("listBucketUsage", "bucketusage", &[]).await;
    // Beside it lies the built-in template, which has no bytes and is its name alone.
    assert_eq!(usage[0]["size"], bytes.len() + 36, "{usage:?}");
    // Keys are sealed with this server's own, and taken up again at its next start.
    let dir = server.kill();
    let server = Server::start_in(dir, &[]).await;
    let native = server.native();
    let (_, out) = extracted(&native, "extractVolume", "volume", &[("id", &volume), ("zoneid", &zone)]).await;
    assert!(out == bytes, "read from the bucket");
    let shown = native.ok("listImageStores", &[]).await.to_string();
    assert!(shown.contains("images") && !shown.contains(secret) && !shown.contains(access), "{shown}");
    assert!(!server.log().contains(secret), "no secret in a log");
    native.ok("deleteVolume", &[("id", &volume)]).await;
    check(server).await;
    drop(other);
}

fn gzip_of_zeros(bytes: u64) -> Vec<u8> {
    use std::io::Write;
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let block = vec![0; 1 << 20];
    let mut left = bytes;
    while left > 0 {
        let n = left.min(1 << 20) as usize;
        out.write_all(&block[..n]).unwrap();
        left -= n as u64;
    }
    out.finish().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_outlives_a_kill() {
    let (server, web) = (Server::start().await, Web::start().await);
    let native = server.native();
    let (zone, ..) = native.place().await;
    set(&native, "secstorage.allowed.internal.sites", "127.0.0.0/8").await;
    let os = native.list("listOsTypes", "ostype", &[("pagesize", "1"), ("page", "1")]).await[0]["id"].as_str().unwrap().to_owned();
    let bytes = random(1 << 20);
    let url = web.put("/t.raw", &bytes, Manner::Slowly);
    let ask = [("name", "t"), ("displaytext", "t"), ("hypervisor", "Simulator"), ("format", "RAW"), ("isextractable", "true")];
    let ask = [&ask[..], &[("ostypeid", &*os), ("zoneid", &zone), ("url", &url)]].concat();
    let made = native.ok("registerTemplate", &ask).await;
    let template = made["template"][0]["id"].as_str().unwrap().to_owned();
    // An upload is a job, and jobs go on as well.
    let upload = native.ok("uploadVolume", &[("name", "v"), ("url", &url), ("format", "RAW"), ("zoneid", &zone)]).await;
    let shown = |native: Native, id: String| async move {
        native.list("listTemplates", "template", &[("templatefilter", "self"), ("id", &id)]).await.remove(0)
    };
    until("a percentage", || async {
        let now = shown(native.clone(), template.clone()).await;
        now["status"].as_str().is_some_and(|s| s.ends_with("% Downloaded") && s != "0% Downloaded")
    })
    .await;
    until("two files are coming", || async { images(server.dir()) == (0, 2) }).await;
    let dir = server.kill();
    web.put("/t.raw", &bytes, Manner::Well);
    let server = Server::start_in(dir, &[]).await;
    let native = server.native();
    until("the template comes after all", || async { shown(native.clone(), template.clone()).await["isready"] == true }).await;
    let (status, volume) = native.wait(upload["jobid"].as_str().unwrap()).await;
    assert_eq!((status, &volume["volume"]["state"]), (1, &"Uploaded".into()), "{volume}");
    assert_eq!(images(server.dir()), (1, 0), "two things of the same bytes are one image, and nothing is left of the first life");
    let (_, out) = extracted(&native, "extractTemplate", "template", &[("id", &template)]).await;
    assert!(out == bytes);
    check(server).await;
}
