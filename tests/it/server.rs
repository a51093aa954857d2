//! The real binary in a data directory of its own, killed when dropped.
use super::Native;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a debug build may take from the start to `ready.json` on a busy machine.
const READY: Duration = Duration::from_secs(60);

/// The `stratus` binary with nothing of the caller's environment that could configure it.
pub fn stratus() -> Command {
    let mut c = Command::new(env!("CARGO_BIN_EXE_stratus"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("STRATUS_") {
            c.env_remove(name);
        }
    }
    c.current_dir(std::env::temp_dir()).stdin(Stdio::null());
    c
}

/// A running server.
pub struct Server {
    child: Child,
    dir: TempDir,
    /// What `ready.json` says.
    pub ready: Value,
}

impl Server {
    /// A fresh cloud with the built-in zone.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// A fresh cloud with more options.
    pub async fn start_with(options: &[&str]) -> Self {
        Self::start_in(TempDir::new().unwrap(), options).await
    }

    /// A server on a data directory that may have had one before.
    pub async fn start_in(dir: TempDir, options: &[&str]) -> Self {
        // The tests' own HTTP client asks for it.
        stratus::tls::install();
        let ready = dir.path().join("ready.json");
        let _ = std::fs::remove_file(&ready);
        let log = std::fs::File::options().create(true).append(true).open(dir.path().join("test.log")).unwrap();
        let mut child = stratus()
            .args(["serve", "--native-port", "0", "--aws-port", "0", "--integration-port", "0", "--data-dir"])
            .arg(dir.path())
            .args(if options.contains(&"--agent-port") { &[][..] } else { &["--agent-port", "0"] })
            .args(options)
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let since = Instant::now();
        while !ready.exists() {
            let text = || std::fs::read_to_string(dir.path().join("test.log")).unwrap_or_default();
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the server ended ({status}):\n{}", text());
            }
            assert!(since.elapsed() < READY, "the server is not ready:\n{}", text());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let ready = serde_json::from_str(&std::fs::read_to_string(ready).unwrap()).unwrap();
        Self { child, dir, ready }
    }

    /// A text of `ready.json`, by path (`/admin/api_key`).
    pub fn fact(&self, pointer: &str) -> &str {
        self.ready.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("ready.json has no {pointer}: {}", self.ready))
    }

    /// The data directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The administrator at the native door.
    pub fn native(&self) -> Native {
        Native::new(self.fact("/native"), self.fact("/admin/api_key"), self.fact("/admin/secret_key"))
    }

    /// What it wrote to standard output and standard error.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("test.log")).unwrap_or_default()
    }

    /// SIGTERM, then the exit status and the data directory.
    pub async fn terminate(mut self) -> (ExitStatus, TempDir) {
        self.signal(rustix::process::Signal::TERM);
        let since = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(since.elapsed() < Duration::from_secs(30), "SIGTERM does not end the server:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        (status, self.leave())
    }

    /// SIGKILL, then the data directory.
    pub fn kill(mut self) -> TempDir {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.leave()
    }

    fn leave(mut self) -> TempDir {
        std::mem::replace(&mut self.dir, TempDir::new().unwrap())
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Runs a Python program of `tests/clients` with this server's `admin.env` around it; its output when it succeeds.
    pub async fn python(&self, program: &str, arguments: &[&str]) -> Option<String> {
        let python = stratus_testkit::python()?;
        let script = stratus_testkit::repository().join("tests/clients").join(program);
        Some(self.run(&python, &[&[script.to_str().unwrap()], arguments].concat()).await)
    }

    /// Runs a program with this server's `admin.env` around it; its output when it succeeds.
    pub async fn run(&self, program: &Path, arguments: &[&str]) -> String {
        let (program, text): (PathBuf, String) = (program.to_owned(), arguments.join(" "));
        let mut command = Command::new("sh");
        command
            .args(["-c", ". \"$0\" && exec \"$@\""])
            .arg(self.dir().join("admin.env"))
            .arg(&program)
            .args(arguments)
            .env("READY_JSON", self.dir().join("ready.json"))
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{} {text}: {}\n{out}\n{err}\nserver:\n{}", program.display(), output.status, self.log());
        out.into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
