//! The S3 door of the real binary: clients that nobody here wrote, what must be refused, and what a kill must not lose.
use super::Server;
use super::server::stratus;
use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

async fn server() -> Server {
    Server::start_with(&["--s3-port", "0"]).await
}

async fn run(program: &str, arguments: &[&str]) {
    let server = server().await;
    if let Some(out) = server.python(program, arguments).await {
        assert!(out.lines().last().is_some_and(|l| l.starts_with("ok")), "{program}: {out}");
    }
}

/// The keys of a second account.
async fn another(server: &Server) -> String {
    let native = server.native();
    let made = [
        ("accounttype", "0"),
        ("email", "o@example.com"),
        ("firstname", "O"),
        ("lastname", "T"),
        ("username", "other"),
        ("password", "p"),
        ("account", "other"),
    ];
    native.ok("createAccount", &made).await;
    let users = native.list("listUsers", "user", &[("username", "other"), ("listall", "true")]).await;
    let keys = native.ok("registerUserKeys", &[("id", users[0]["id"].as_str().unwrap())]).await;
    let keys = keys.get("userkeys").unwrap_or(&keys).to_string();
    assert!(keys.contains("secretkey"), "{keys}");
    keys
}

#[tokio::test]
async fn botos_s3_example_runs_as_the_seeds_show() {
    run("boto_s3_seed.py", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_does_everything_at_the_aws_port_and_another_account_nothing() {
    let server = server().await;
    let keys = another(&server).await;
    if let Some(out) = server.python("boto3_s3.py", &["path", &keys]).await {
        assert!(out.trim().ends_with("ok"), "{out}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_does_everything_at_the_root() {
    run("boto3_s3.py", &["root"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_does_everything_with_buckets_in_the_host_name() {
    run("boto3_s3.py", &["host"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_broken_is_refused_with_the_code_that_aws_gives() {
    run("s3_bad.py", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_aws_command_line_makes_copies_syncs_signs_and_removes() {
    if stratus_testkit::python().is_none() {
        return;
    }
    let server = server().await;
    let aws = stratus_testkit::repository().join(".venv/bin/aws");
    let s3 = async |words: &[&str]| server.run(&aws, &[&["--endpoint-url", server.fact("/s3"), "s3"], words].concat()).await;
    let files = tempfile::tempdir().unwrap();
    let at = |name: &str| files.path().join(name).to_str().unwrap().to_owned();
    std::fs::create_dir_all(at("in/sub")).unwrap();
    std::fs::write(at("in/a"), b"alpha").unwrap();
    std::fs::write(at("in/sub/b c"), vec![7; 20 << 20]).unwrap();
    s3(&["mb", "s3://cli"]).await;
    s3(&["cp", &at("in/a"), "s3://cli/one"]).await;
    s3(&["sync", &at("in"), "s3://cli/tree"]).await;
    s3(&["sync", "s3://cli/tree", &at("out")]).await;
    assert_eq!(std::fs::read(at("out/sub/b c")).unwrap(), vec![7; 20 << 20]);
    assert!(s3(&["ls", "s3://cli/tree/"]).await.contains("PRE sub/"));
    let url = s3(&["presign", "s3://cli/one"]).await;
    let answer = reqwest::get(url.trim()).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (200, "alpha"));
    s3(&["mv", "s3://cli/one", "s3://cli/two"]).await;
    s3(&["rm", "--recursive", "s3://cli"]).await;
    s3(&["rb", "s3://cli"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3cmd_works_at_the_root() {
    if stratus_testkit::python().is_none() {
        return;
    }
    let server = server().await;
    let program = stratus_testkit::repository().join(".venv/bin/s3cmd");
    let host = server.fact("/s3_root").trim_start_matches("http://").to_owned();
    let s3cmd = async |words: &[&str]| {
        let fixed = ["--no-ssl", "--config=/dev/null", "--host", &host, "--host-bucket", &host, "--region=us-east-1"];
        server.run(&program, &[&fixed[..], words].concat()).await
    };
    let files = tempfile::tempdir().unwrap();
    let at = |name: &str| files.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(at("a"), vec![9; 20 << 20]).unwrap();
    s3cmd(&["mb", "s3://s3cmd"]).await;
    s3cmd(&["put", "--acl-public", &at("a"), "s3://s3cmd/dir/a b"]).await;
    assert!(s3cmd(&["ls", "--recursive", "s3://s3cmd"]).await.contains("s3://s3cmd/dir/a b"));
    s3cmd(&["get", "s3://s3cmd/dir/a b", &at("b")]).await;
    assert_eq!(std::fs::read(at("a")).unwrap(), std::fs::read(at("b")).unwrap());
    assert!(s3cmd(&["info", "s3://s3cmd/dir/a b"]).await.contains("READ"));
    s3cmd(&["cp", "s3://s3cmd/dir/a b", "s3://s3cmd/c"]).await;
    s3cmd(&["del", "--recursive", "--force", "s3://s3cmd"]).await;
    s3cmd(&["rb", "s3://s3cmd"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_for_javascript_works_untouched() {
    let Some(node) = stratus_testkit::tool("node", "nodejs") else { return };
    let folder = stratus_testkit::repository().join(".venv/node");
    if !folder.join("node_modules/@aws-sdk/client-s3").is_dir() {
        return stratus_testkit::skip("@aws-sdk/client-s3 is not installed (tests/tools.sh)");
    }
    let server = server().await;
    let script = stratus_testkit::repository().join("tests/clients/s3_node.mjs");
    let out = server.run(&node, &[script.to_str().unwrap(), server.fact("/s3"), folder.to_str().unwrap()]).await;
    assert!(out.trim().ends_with("ok"), "{out}");
}

/// Files in the folder of objects.
pub fn files(dir: &Path) -> usize {
    let folders = std::fs::read_dir(dir.join("objects")).unwrap();
    folders.map(|f| std::fs::read_dir(f.unwrap().path()).unwrap().count()).sum()
}

/// What a body made of this seed is.
fn body(seed: u64) -> Vec<u8> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut bytes = vec![0; random.random_range(0..400_000)];
    random.fill_bytes(&mut bytes);
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_object_is_lost_and_none_is_half_when_the_server_is_killed() {
    if stratus_testkit::python().is_none() {
        return;
    }
    let seed = std::env::var("STRATUS_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(rand::random::<u64>);
    eprintln!("repeat with STRATUS_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut server = server().await;
    // Everybody may write: then this test needs no signatures of its own.
    let aws = stratus_testkit::repository().join(".venv/bin/aws");
    server
        .run(&aws, &["--endpoint-url", server.fact("/s3"), "s3api", "create-bucket", "--bucket", "open", "--acl", "public-read-write"])
        .await;
    let acknowledged: Arc<Mutex<BTreeMap<String, u64>>> = Arc::default();
    for round in 0..3 {
        let base = format!("{}/open", server.fact("/s3"));
        let mut puts = tokio::task::JoinSet::new();
        for n in 0..64 {
            let (base, acknowledged, content) = (base.clone(), acknowledged.clone(), random.random::<u64>());
            puts.spawn(async move {
                let client = reqwest::Client::builder().no_proxy().build().unwrap();
                for again in 0..20 {
                    // Names of their own, and some that several rounds overwrite.
                    let key = format!("k-{round}-{n}-{again}");
                    let content = content.wrapping_add(again);
                    let sent = client.put(format!("{base}/{key}")).header("x-amz-acl", "public-read").body(body(content)).send().await;
                    match sent {
                        Ok(a) if a.status() == 200 => drop(acknowledged.lock().await.insert(key, content)),
                        Ok(a) => panic!("{} {:?}", a.status(), a.text().await),
                        // An answer that was cut off acknowledges nothing.
                        Err(_) => return,
                    }
                }
            });
        }
        // On a busy machine the first answer takes its time: the kill is to come among answers, not before them.
        let before = acknowledged.lock().await.len();
        let answered = async {
            while acknowledged.lock().await.len() == before {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(60), answered).await.is_ok(), "nothing was answered; seed {seed}");
        tokio::time::sleep(Duration::from_millis(random.random_range(0..2000))).await;
        let dir = server.kill();
        while let Some(put) = puts.join_next().await {
            put.unwrap();
        }
        server = Server::start_in(dir, &["--s3-port", "0"]).await;
    }
    let acknowledged = acknowledged.lock().await.clone();
    eprintln!("{} objects were acknowledged", acknowledged.len());
    assert!(!acknowledged.is_empty(), "seed {seed}");
    let base = format!("{}/open", server.fact("/s3"));
    for (key, content) in &acknowledged {
        let got = reqwest::get(format!("{base}/{key}")).await.unwrap();
        assert_eq!(got.status(), 200, "{key} was acknowledged; seed {seed}");
        assert!(got.bytes().await.unwrap()[..] == body(*content)[..], "{key} is not what was sent; seed {seed}");
    }
    // What was not acknowledged is there whole or not at all, and no file without a row outlived the start.
    let dump =
        server.run(&aws, &["--endpoint-url", server.fact("/s3"), "s3api", "list-objects-v2", "--bucket", "open", "--output", "json"]).await;
    let listed: serde_json::Value = serde_json::from_str(&dump).unwrap();
    let listed = listed["Contents"].as_array().unwrap();
    for o in listed {
        let got = reqwest::get(format!("{base}/{}", o["Key"].as_str().unwrap())).await.unwrap();
        assert_eq!(got.bytes().await.unwrap().len() as u64, o["Size"].as_u64().unwrap(), "seed {seed}");
    }
    assert_eq!(files(server.dir()), listed.len(), "seed {seed}");
    let (_, dir) = server.terminate().await;
    let check = stratus().args(["admin", "check", "--data-dir"]).arg(dir.path()).output().unwrap();
    assert!(check.status.success(), "seed {seed}:\n{}{}", String::from_utf8_lossy(&check.stdout), String::from_utf8_lossy(&check.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_switch_works_live_and_buckets_are_seen_counted_and_bounded_by_native_commands() {
    if stratus_testkit::python().is_none() {
        return;
    }
    let server = server().await;
    let native = server.native();
    let made = native.ok("createBucket", &[("name", "native-made"), ("quota", "1")]).await;
    let id = made["bucket"]["id"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    native.ok("updateConfiguration", &[("name", "enable.s3.api"), ("value", "false")]).await;
    let off = reqwest::get(server.fact("/s3")).await.unwrap();
    assert_eq!(off.status(), 503);
    assert!(off.text().await.unwrap().contains("<Code>ServiceUnavailable</Code>"));
    native.ok("updateConfiguration", &[("name", "enable.s3.api"), ("value", "true")]).await;
    let aws = stratus_testkit::repository().join(".venv/bin/aws");
    let s3 = async |words: &[&str]| server.run(&aws, &[&["--endpoint-url", server.fact("/s3"), "s3api"], words].concat()).await;
    let file = server.dir().join("body");
    std::fs::write(&file, vec![1; 5000]).unwrap();
    s3(&["put-object", "--bucket", "native-made", "--key", "k", "--body", file.to_str().unwrap()]).await;
    assert!(s3(&["get-bucket-acl", "--bucket", "native-made"]).await.contains("FULL_CONTROL"));
    let listed = native.list("listBuckets", "bucket", &[]).await;
    assert_eq!((listed[0]["size"].as_i64(), listed[0]["objects"].as_i64(), listed[0]["quota"].as_i64()), (Some(5000), Some(1), Some(1)));
    // A quota of nothing holds at once.
    native.ok("updateBucketQuota", &[("quota", "0")]).await;
    let url = s3_presigned(&server, &aws).await;
    let full = reqwest::Client::new().put(url).body("more").send().await.unwrap();
    assert_eq!(full.status(), 403);
    assert!(full.text().await.unwrap().contains("QuotaExceeded"));
    native.ok("updateBucketQuota", &[("quota", "-1")]).await;
    let usage = native.list("listBucketUsage", "bucketusage", &[]).await;
    assert_eq!(usage[0]["size"].as_i64(), Some(5000));
    let refused = native.call("deleteBucket", &[("id", id.as_str())]).await.unwrap();
    assert!(refused.status != 200, "{}", refused.text);
    s3(&["delete-object", "--bucket", "native-made", "--key", "k"]).await;
    native.ok("deleteBucket", &[("id", &id)]).await;
    let events = native.list("listEvents", "event", &[("keyword", "bucket"), ("listall", "true")]).await;
    assert!(events.iter().any(|e| e["type"] == "S3.BUCKET.CREATE") && events.iter().any(|e| e["type"] == "S3.BUCKET.DELETE"));
}

/// A URL that lets its holder put `native-made/more`.
async fn s3_presigned(server: &Server, _aws: &Path) -> String {
    let ready = &server.ready;
    let script = "import boto3,os,sys;from botocore.config import Config;\
        print(boto3.client('s3',region_name='us-east-1',endpoint_url=sys.argv[1],config=Config(signature_version='s3v4'))\
        .generate_presigned_url('put_object',Params={'Bucket':'native-made','Key':'more'}))";
    let python = stratus_testkit::python().unwrap();
    server.run(&python, &["-c", script, ready["s3"].as_str().unwrap()]).await.trim().to_owned()
}
