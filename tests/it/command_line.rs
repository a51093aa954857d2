//! The binary as an operator meets it: refusals in a sentence, exit codes, files and their modes.
use super::Server;
use super::server::stratus;
use serde_json::Value;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn output(c: &mut Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = c.output().unwrap();
    (status.code(), String::from_utf8_lossy(&stdout).into(), String::from_utf8_lossy(&stderr).into())
}

fn mode(file: &Path) -> u32 {
    file.metadata().unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_started_server_tells_where_it_is_and_sigterm_ends_it_with_0() {
    let server = Server::start_with(&["--metrics-port", "0"]).await;
    for file in ["admin.env", "ready.json", "master.key", "stratus.db"] {
        assert_eq!(mode(&server.dir().join(file)), 0o600, "{file}");
    }
    let env = std::fs::read_to_string(server.dir().join("admin.env")).unwrap();
    for name in [
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "EC2_URL",
        "S3_URL",
        "CLOUDSTACK_ENDPOINT",
        "CLOUDSTACK_KEY",
        "CLOUDSTACK_SECRET",
        "STRATUS_CONSOLE",
    ] {
        assert!(env.lines().any(|l| l.starts_with(&format!("export {name}="))), "{name}");
    }
    let health = reqwest::get(server.fact("/native").replace("/client/api", "/health")).await.unwrap();
    assert_eq!((health.status().as_u16(), health.json::<Value>().await.unwrap()["status"].as_str()), (200, Some("ok")));
    let metrics = reqwest::get(server.fact("/metrics")).await.unwrap().text().await.unwrap();
    assert!(metrics.contains("stratus_requests{"), "{metrics}");
    assert!(server.log().contains("is ready.\n"), "{}", server.log());
    let (status, dir) = server.terminate().await;
    assert_eq!(status.code(), Some(0));
    assert!(!dir.path().join("ready.json").exists(), "ready.json outlives the server");
}

#[tokio::test]
async fn a_second_start_on_a_data_directory_or_port_in_use_says_so_and_exits_1() {
    let server = Server::start_with(&["--simulate", "none"]).await;
    let (code, out, err) = output(stratus().args(["serve", "--data-dir"]).arg(server.dir()));
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.contains("is in use by another stratus (process "), "{err}");
    let (code, _, err) = output(stratus().args(["admin", "check", "--data-dir"]).arg(server.dir()));
    assert_eq!(code, Some(1), "{err}");

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let dir = tempfile::tempdir().unwrap();
    let (code, _, err) = output(stratus().args(["serve", "--aws-port", "0", "--native-port", &port, "--data-dir"]).arg(dir.path()));
    assert_eq!(code, Some(1));
    assert!(err.contains("--native-port") && err.contains(&port), "{err}");
    assert!(!dir.path().join("stratus.db").exists(), "a refused start made a database");
}

#[test]
fn other_addresses_are_refused_until_the_first_password_is_changed() {
    let dir = tempfile::tempdir().unwrap();
    let serve = || {
        let mut c = stratus();
        c.args(["serve", "--bind", "0.0.0.0", "--native-port", "0", "--aws-port", "0", "--simulate", "none", "--data-dir"]).arg(dir.path());
        c
    };
    let (code, _, err) = output(&mut serve());
    assert_eq!(code, Some(1));
    assert!(err.contains("stratus admin set-password admin"), "{err}");

    let set = |password: &str| {
        let mut child = stratus()
            .args(["admin", "set-password", "--data-dir"])
            .arg(dir.path())
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
        child.wait().unwrap().code()
    };
    assert_eq!(set("\n"), Some(1));
    assert_eq!(set("password\n"), Some(1));
    assert_eq!(set("better than before\n"), Some(0));
    let mut child = serve().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let since = std::time::Instant::now();
    while !dir.path().join("ready.json").exists() {
        assert!(child.try_wait().unwrap().is_none() && since.elapsed().as_secs() < 60, "not ready");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn what_this_version_cannot_do_exits_2_with_a_sentence() {
    for arguments in [&["usage"][..], &["serve", "--native-port", "http"], &["dance"]] {
        let (code, _, err) = output(stratus().args(arguments));
        assert_eq!(code, Some(2), "{arguments:?}");
        assert!(!err.trim().is_empty(), "{arguments:?}");
    }
    assert_eq!(output(stratus().arg("version")), (Some(0), format!("stratus {}\n", env!("CARGO_PKG_VERSION")), String::new()));
}

#[tokio::test]
async fn an_operator_reads_keys_and_tables_but_no_secret_leaves_the_dump() {
    let server = Server::start_with(&["--simulate", "none"]).await;
    let (key, secret) = (server.fact("/admin/api_key").to_owned(), server.fact("/admin/secret_key").to_owned());
    assert!(!server.log().contains(&secret), "the secret key is in the log");
    let (_, dir) = server.terminate().await;
    let admin = |words: &[&str]| output(stratus().arg("admin").args(words).arg("--data-dir").arg(dir.path()));

    let (code, out, err) = admin(&["keys"]);
    assert!(code == Some(0) && out.contains(&key) && out.contains(&secret), "{err}");
    let (_, dump, err) = admin(&["dump"]);
    assert_eq!(err, "");
    let rows: Vec<Value> = dump.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert!(rows.iter().any(|r| r["table"] == "cloud_user" && r["row"]["username"] == "admin"), "{dump}");
    assert!(!dump.contains(&secret) && !dump.contains("argon2"));
    let (code, renewed, _) = admin(&["keys", "admin", "--renew"]);
    assert!(code == Some(0) && !renewed.contains(&key));
    assert_eq!(admin(&["check"]).0, Some(0));
    assert_eq!(admin(&["migrate"]).0, Some(0));
}
