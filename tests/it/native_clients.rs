//! Clients of CloudStack's own world that nobody here wrote: CloudMonkey, Marvin, Ansible. Unmodified, against the real binary.
use super::Server;
use serde_json::Value;

/// Runs a Python 2.7 program of `tests/clients`; false where there is no Python 2.7.
async fn python2(server: &Server, program: &str, arguments: &[&str]) -> bool {
    let Some((python, packages)) = stratus_testkit::python2() else { return false };
    let script = stratus_testkit::repository().join("tests/clients").join(program);
    let (home, path) = (format!("HOME={}", server.dir().display()), format!("PYTHONPATH={}", packages.display()));
    let words = [&*home, &*path, python.to_str().unwrap(), "-W", "ignore", script.to_str().unwrap()];
    let out = server.run("env".as_ref(), &[&words[..], arguments].concat()).await;
    assert!(out.lines().last() == Some("ok"), "{program}: {out}");
    true
}

async fn marvin_builds(file: &str) {
    let server = Server::start_with(&["--simulate", "none"]).await;
    let file = stratus_testkit::repository().join("tests/clients").join(file);
    let port = server.ready["ports"]["native"].to_string();
    python2(&server, "marvin_zone.py", &[file.to_str().unwrap(), &port]).await;
}

#[tokio::test]
async fn cloudmonkey_syncs_and_runs_a_vm_to_its_end() {
    python2(&Server::start().await, "cloudmonkey_vm.py", &[]).await;
}

#[tokio::test]
async fn marvin_builds_a_basic_zone_and_runs_a_vm_in_it() {
    marvin_builds("marvin-basic.json").await;
}

#[tokio::test]
async fn marvin_builds_an_advanced_zone_and_runs_a_vm_in_it() {
    marvin_builds("marvin-advanced.json").await;
}

#[tokio::test]
async fn ansible_makes_changes_once_and_takes_all_away_again() {
    let Some(python) = stratus_testkit::python() else { return };
    let server = Server::start().await;
    let templates = server.native().list("listTemplates", "template", &[("templatefilter", "executable")]).await;
    let ranges = server.native().list("listVlanIpRanges", "vlaniprange", &[("forvirtualnetwork", "false")]).await;
    let further = ranges.first().and_then(|r| r["endip"].as_str()).unwrap();
    let playbook = stratus_testkit::repository().join("tests/clients/ansible_cloudstack.yml");
    let settings = [
        format!("HOME={}", server.dir().display()),
        format!("TEMPLATE={}", templates.first().and_then(|t: &Value| t["name"].as_str()).unwrap()),
        format!("FURTHER={further}"),
        "ANSIBLE_LOCALHOST_WARNING=False".to_owned(),
        "ANSIBLE_NOCOLOR=1".to_owned(),
    ];
    let interpreter = format!("ansible_python_interpreter={}", python.display());
    let ansible = python.with_file_name("ansible-playbook");
    let words = [python.to_str().unwrap(), ansible.to_str().unwrap(), playbook.to_str().unwrap(), "-e", &*interpreter];
    let out = server.run("env".as_ref(), &[settings.iter().map(String::as_str).collect::<Vec<_>>(), words.to_vec()].concat()).await;
    assert!(out.contains("failed=0") && out.contains("changed=19"), "{out}");
}
