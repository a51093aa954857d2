//! Programs that are run: by argument vectors, never through a shell.
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use stratus_drivers::DriverError;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Longest that `ip`, `nft` and their like may take.
const QUICK: Duration = Duration::from_secs(60);
/// Longest that copying an image may take.
pub(crate) const LONG: Duration = Duration::from_secs(6 * 3600);

/// Where programs run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Runner {
    /// The network namespace of the host, when that is not the one of this process.
    pub netns: Option<PathBuf>,
}

/// What a program said.
pub(crate) struct Said {
    pub ok: bool,
    pub out: String,
    pub err: String,
}

impl Runner {
    /// The same with another network namespace.
    pub fn within(netns: PathBuf) -> Self {
        Self { netns: Some(netns) }
    }

    fn command(&self, program: &str, arguments: &[&OsStr]) -> Command {
        let mut command = match &self.netns {
            None => Command::new(program),
            Some(path) => {
                let mut command = Command::new("nsenter");
                let mut net = std::ffi::OsString::from("--net=");
                net.push(path);
                command.arg(net).arg("--").arg(program);
                command
            }
        };
        // A driver started by hand may lack these; programs for administrators live there.
        let path = std::env::var("PATH").unwrap_or_default();
        command.args(arguments).env("PATH", format!("{path}:/usr/sbin:/sbin:/usr/bin:/bin")).env("LC_ALL", "C");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// Runs a program to its end and tells what it said.
    pub async fn ask<A: AsRef<OsStr>>(&self, program: &str, arguments: &[A]) -> Result<Said, DriverError> {
        self.feed(program, arguments, None, QUICK).await
    }

    /// Runs a program that has to succeed.
    pub async fn run<A: AsRef<OsStr>>(&self, program: &str, arguments: &[A]) -> Result<String, DriverError> {
        self.run_for(program, arguments, QUICK).await
    }

    /// Runs a program that has to succeed, and may take longer.
    pub async fn run_for<A: AsRef<OsStr>>(&self, program: &str, arguments: &[A], limit: Duration) -> Result<String, DriverError> {
        let said = self.feed(program, arguments, None, limit).await?;
        if said.ok { Ok(said.out) } else { Err(failed(program, arguments, &said)) }
    }

    /// Runs a program that has to succeed and reads `input`.
    pub async fn pipe<A: AsRef<OsStr>>(&self, program: &str, arguments: &[A], input: &str) -> Result<String, DriverError> {
        let said = self.feed(program, arguments, Some(input), QUICK).await?;
        if said.ok { Ok(said.out) } else { Err(failed(program, arguments, &said)) }
    }

    async fn feed<A: AsRef<OsStr>>(
        &self,
        program: &str,
        arguments: &[A],
        input: Option<&str>,
        limit: Duration,
    ) -> Result<Said, DriverError> {
        let arguments: Vec<&OsStr> = arguments.iter().map(AsRef::as_ref).collect();
        let mut command = self.command(program, &arguments);
        if input.is_some() {
            command.stdin(Stdio::piped());
        }
        let mut child = command.spawn().map_err(|e| DriverError::Failed(format!("cannot run {program}: {e}")))?;
        if let (Some(text), Some(mut stdin)) = (input, child.stdin.take()) {
            // A program that ends before it has read everything says why by its exit code.
            let _ = stdin.write_all(text.as_bytes()).await;
        }
        let output = tokio::time::timeout(limit, child.wait_with_output())
            .await
            .map_err(|_| DriverError::Failed(format!("{program} took longer than {} s", limit.as_secs())))?
            .map_err(|e| DriverError::Failed(format!("cannot run {program}: {e}")))?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Said { ok: output.status.success(), out: text(output.stdout), err: text(output.stderr) })
    }
}

fn failed<A: AsRef<OsStr>>(program: &str, arguments: &[A], said: &Said) -> DriverError {
    let first = arguments.first().map(|a| a.as_ref().to_string_lossy().into_owned()).unwrap_or_default();
    let why = said.err.trim().chars().take(500).collect::<String>();
    full_or_failed(format!("{program} {first}: {why}"))
}

/// What a program, or QEMU, said when it failed: that a disk is full is told apart.
pub(crate) fn full_or_failed(text: String) -> DriverError {
    // `strerror` of ENOSPC and EDQUOT in the C locale, which programs run in here.
    match ["No space left on device", "Disk quota exceeded"].iter().any(|full| text.contains(full)) {
        true => DriverError::NoRoom(text),
        false => DriverError::Failed(text),
    }
}
