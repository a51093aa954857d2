//! `make run-kvm` in a network of its own, then what the README says to do with it, word by word.
use super::agents::until;
use super::kvm_scene::lab;
use super::server::stratus;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use stratus_testkit::lab::{LIMIT, run, template};

/// A user who may nothing, by number.
const NOBODY: &str = "65534";

/// `src/kvm/local.py` at work; interrupted when dropped, and what it left is ended.
struct Local {
    child: Child,
    netns: String,
    folder: String,
}

fn within(netns: &str, program: &str) -> Command {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net=/run/netns/{netns}")).arg(program).stdin(Stdio::null());
    command
}

fn script() -> String {
    stratus_testkit::repository().join("src/kvm/local.py").display().to_string()
}

impl Local {
    fn start(netns: &str, folder: &Path, log: &Path) -> Self {
        let image = folder.with_file_name("stratus-tiny.qcow2");
        std::fs::copy(template(), &image).unwrap();
        let log = std::fs::File::create(log).unwrap();
        let mut command = within(netns, "python3");
        command.arg(script()).arg("run").arg(folder).arg(stratus().get_program()).arg(image);
        command.args(["--native-port", "0", "--aws-port", "0", "--agent-port", "0"]);
        // As sudo would have it for somebody who is not root.
        command.env("SUDO_UID", NOBODY).env("SUDO_GID", NOBODY);
        let child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        Self { child, netns: netns.to_owned(), folder: folder.display().to_string() }
    }

    fn interrupt(&mut self) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), rustix::process::Signal::INT).unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = within(&self.netns, "python3").args([script().as_str(), "stop", &self.folder]).status();
    }
}

/// The shell lines of the README's section, for this folder.
fn lines(folder: &Path) -> Vec<String> {
    let readme = std::fs::read_to_string(stratus_testkit::repository().join("README.md")).unwrap();
    let section = readme.split("### A real host").nth(1).unwrap();
    let block = section.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    block.lines().map(|line| line.replace("data-kvm", &folder.display().to_string())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn kvm_local_host_does_what_the_readme_says() {
    let Some(mut lab) = lab(0).await else { return };
    let Some(python) = stratus_testkit::python() else { return };
    let netns = lab.namespace();
    let (folder, log, home) = (lab.folder.join("data"), lab.folder.join("log"), lab.folder.join("home"));
    std::fs::create_dir_all(home.join(".ssh")).unwrap();
    run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", home.join(".ssh/id_ed25519").to_str().unwrap()]);
    let mut local = Local::start(&netns, &folder, &log);
    let said = || std::fs::read_to_string(&log).unwrap_or_default();
    until("the host", async || {
        assert!(!said().contains("does not come about") && !said().contains("ended by itself"), "{}", said());
        said().contains("A real host is up").then_some(())
    })
    .await;
    read_by_its_user(&lab.folder, &folder);
    // Aliases are for people; ssh there would ask, and does not know when the guest is up.
    let ssh =
        format!("ssh -i {}/.ssh/id_ed25519 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes", home.display());
    let readme = lines(&folder).join("\n").replace("ssh root@", &format!("guest() {{ {ssh} root@")) + " hostname; }";
    let wait = format!("n=0; until guest; do n=$((n + 1)); [ $n -lt {} ]; sleep 1; done", LIMIT.as_secs() / 2);
    let text = format!("shopt -s expand_aliases\nset -e\n{readme}\n{wait}\n");
    let path = format!("{}:{}", python.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let output = within(&netns, "bash").args(["-c", &text]).env("PATH", path).env("HOME", &home).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}\n{out}\n{err}\n{}", said());
    local.interrupt();
    let guests = || lab.processes().into_iter().filter(|line| line.contains("qemu-system")).count();
    assert_eq!(guests(), 1, "a guest ends with the server");
    drop(local);
    assert_eq!(guests(), 0);
    let links = String::from_utf8(within(&netns, "ip").args(["-o", "link"]).output().unwrap().stdout).unwrap();
    assert_eq!(links.lines().count(), 1, "links are left: {links}");
}

/// Whoever ran it by sudo reads the keys, and comes no nearer to libvirt, disks and the books.
fn read_by_its_user(above: &Path, folder: &Path) {
    std::fs::set_permissions(above, std::os::unix::fs::PermissionsExt::from_mode(0o711)).unwrap();
    let as_nobody = |line: &str| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "sh", "-c", line]).current_dir(folder);
        command.output().unwrap().status.success()
    };
    assert!(as_nobody(". ./admin.env && [ -n \"$EC2_URL\" ]"), "the keys cannot be read");
    for kept in ["ls .", "ls libvirt", "ls libvirt/run", "ls agent", "ls pool", "ls store", "cat stratus.db", "cat ready.json"] {
        assert!(!as_nobody(kept), "{kept}");
    }
}
