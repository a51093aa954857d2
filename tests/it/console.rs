//! The web console in a real browser against the real binary; what a person does there is written in `console/tests/e2e`.
use super::Server;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// `console/`, its packages installed and its page built from the sources of now. None after saying what is missing.
fn console() -> Option<PathBuf> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            stratus_testkit::tool("node", "nodejs (20)")?;
            stratus_testkit::tool("chromium", "chromium")?;
            let folder = stratus_testkit::repository().join("console");
            if !folder.join("node_modules/.bin/vite").exists() {
                stratus_testkit::skip("the console's packages are not installed: tests/tools.sh runs npm ci in console/");
                return None;
            }
            node(&folder, &["node_modules/vite/bin/vite.js", "build", "--logLevel", "warn"]);
            Some(folder)
        })
        .clone()
}

/// Runs a Node program in `console/`; what it printed.
fn node(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("node").args(arguments).current_dir(folder).output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "node {arguments:?}: {}\n{text}", output.status);
    text
}

/// Runs scenarios in a browser against a server.
async fn browse(folder: &Path, server: &Server, scenarios: &str) -> String {
    let base = server.fact("/native").trim_end_matches("/client/api").to_owned();
    let (folder, scenarios, shots) = (folder.to_owned(), scenarios.to_owned(), server.dir().to_owned());
    let text = tokio::task::spawn_blocking(move || {
        let output =
            Command::new("node").args(["tests/e2e/run.mjs", &scenarios, &base]).current_dir(folder).env("SHOTS", shots).output().unwrap();
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    });
    let text = text.await.unwrap();
    assert!(text.lines().last() == Some("ok"), "{text}\nserver:\n{}", server.log());
    eprintln!("{text}");
    text
}

#[test]
fn the_consoles_types_and_components_are_right() {
    let Some(folder) = console() else { return };
    node(&folder, &["node_modules/vue-tsc/bin/vue-tsc.js", "--noEmit"]);
    node(&folder, &["node_modules/vitest/vitest.mjs", "run"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn three_roles_use_the_console_from_login_to_running_instances_and_new_zones() {
    let Some(folder) = console() else { return };
    let server = Server::start().await;
    let told = browse(&folder, &server, "administrator,user,domainAdministrator,laterParts,doors,zones,accessibility,figures").await;
    // The lines of "Use it from AWS tools", pasted into a shell.
    if stratus_testkit::python().is_none() {
        return;
    }
    let snippet: String = told.lines().find_map(|l| l.strip_prefix("snippet ")).map(|l| serde_json::from_str(l).unwrap()).unwrap();
    let tools = stratus_testkit::repository().join(".venv/bin");
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap_or_default());
    let output = Command::new("sh").args(["-ec", &snippet]).env("PATH", path).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("Reservations"), "{snippet}\n{text}{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn without_the_built_page_the_server_says_how_to_build_it_and_the_api_answers() {
    let server = Server::start().await;
    let base = server.fact("/native").trim_end_matches("/api").to_owned();
    let page = reqwest::get(format!("{base}/")).await.unwrap();
    assert!(page.status().is_success());
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe-inline"), "{policy}");
    let missing = reqwest::get(format!("{base}/assets/nothing.js")).await.unwrap();
    assert_eq!(missing.status(), 404);
}

/// Copies the only VM of a server's database until there are `count`, as a cloud that has grown.
fn multiply(server: &Server, count: i64) {
    use stratus_store::{Table, Vm};
    let column = |c: &&'static str| match *c {
        "uuid" => "printf('%08x-0000-4000-8000-%012x', i, i)".to_owned(),
        "name" | "display_name" => "'bulk-' || i".to_owned(),
        "instance_name" => "'i-2-bulk' || i || '-VM'".to_owned(),
        other => format!("vm.{other}"),
    };
    let columns = &Vm::COLUMNS[1..];
    let values: Vec<String> = columns.iter().map(column).collect();
    let sql = format!(
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < {}) insert into vm ({}) select {} from vm, n",
        count - 1,
        columns.join(", "),
        values.join(", ")
    );
    let c = rusqlite::Connection::open(server.dir().join("stratus.db")).unwrap();
    assert_eq!(c.execute(&sql, []).unwrap() as i64, count - 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_instances_stay_a_list() {
    let Some(folder) = console() else { return };
    let server = Server::start().await;
    let native = server.native();
    let (zone, template, offering) = native.place().await;
    let ask =
        [("zoneid", zone.as_str()), ("templateid", &template), ("serviceofferingid", &offering), ("name", "bulk-0"), ("startvm", "false")];
    native.finished("deployVirtualMachine", &ask).await;
    multiply(&server, 10_000);
    browse(&folder, &server, "many").await;
}

/// Not a test of its own: `make screenshots` writes docs/images with it.
#[tokio::test(flavor = "multi_thread")]
async fn screenshots() {
    if std::env::var_os("STRATUS_SCREENSHOTS").is_none() {
        return;
    }
    let Some(folder) = console() else { return };
    let server = Server::start().await;
    let base = server.fact("/native").trim_end_matches("/client/api").to_owned();
    let images = stratus_testkit::repository().join("docs/images");
    tokio::task::spawn_blocking(move || node(&folder, &["tests/e2e/screenshots.mjs", &base, images.to_str().unwrap()])).await.unwrap();
}
