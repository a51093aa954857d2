//! What a started server tells: the block on standard output, and `admin.env` and `ready.json` in the data directory (mode 0600,
//! because they hold the administrator's keys).
use crate::lock::DataDir;
use anyhow::{Context, Result};
use serde::Serialize;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Everything there is to know about a server that answers. `ready.json` is this.
#[derive(Debug, Clone, Serialize)]
pub struct Ready {
    /// The product's version.
    pub version: &'static str,
    /// The process.
    pub pid: u32,
    /// The console.
    pub console: Option<String>,
    /// The native API.
    pub native: Option<String>,
    /// EC2.
    pub ec2: Option<String>,
    /// S3.
    pub s3: Option<String>,
    /// S3 at the root of a port of its own.
    pub s3_root: Option<String>,
    /// The native API without credentials.
    pub integration: Option<String>,
    /// Prometheus metrics.
    pub metrics: Option<String>,
    /// Where agents of real hosts connect to: `host:port`.
    pub agents: Option<String>,
    /// `sqlite` or `mysql`.
    pub database: &'static str,
    /// Where the data is.
    pub data_dir: PathBuf,
    /// The ports in use.
    pub ports: Ports,
    /// The administrator's keys.
    pub admin: Option<Keys>,
}

/// The ports that doors are bound to.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Ports {
    /// Native API.
    pub native: Option<u16>,
    /// AWS doors.
    pub aws: Option<u16>,
    /// S3 at the root path.
    pub s3: Option<u16>,
    /// Native API without credentials.
    pub integration: Option<u16>,
    /// Metrics.
    pub metrics: Option<u16>,
    /// Agents.
    pub agents: Option<u16>,
}

/// A user's keys.
#[derive(Clone, Serialize)]
pub struct Keys {
    /// The login name.
    pub username: String,
    /// The API key.
    pub api_key: String,
    /// The secret key.
    pub secret_key: String,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keys({}, …)", self.username)
    }
}

/// Where doors ended up.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bound {
    /// Native API.
    pub native: Option<SocketAddr>,
    /// AWS doors.
    pub aws: Option<SocketAddr>,
    /// Native API without credentials.
    pub integration: Option<SocketAddr>,
    /// S3 at the root path.
    pub s3: Option<SocketAddr>,
    /// Metrics.
    pub metrics: Option<SocketAddr>,
    /// Agents.
    pub agents: Option<SocketAddr>,
}

/// The URL at which a listener is reached from this machine.
fn url(at: SocketAddr, path: &str) -> String {
    let ip = match at.ip() {
        IpAddr::V6(v6) if v6.is_unspecified() => IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
        ip if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        ip => ip,
    };
    format!("http://{}{path}", SocketAddr::new(ip, at.port()))
}

impl Ready {
    /// The facts of a server with these doors.
    pub fn new(bound: &Bound, dir: &DataDir, database: &'static str, admin: Option<Keys>) -> Self {
        let at = |door: Option<SocketAddr>, path| door.map(|a| url(a, path));
        let port = |door: Option<SocketAddr>| door.map(|a| a.port());
        Self {
            version: env!("CARGO_PKG_VERSION"),
            pid: std::process::id(),
            console: at(bound.native, "/client/"),
            native: at(bound.native, "/client/api"),
            ec2: at(bound.aws, "/awsapi"),
            s3: at(bound.aws, "/awsapi/rest/AmazonS3"),
            s3_root: at(bound.s3, ""),
            integration: at(bound.integration, "/client/api"),
            metrics: at(bound.metrics.or(bound.native), "/metrics"),
            agents: bound.agents.map(|at| at.to_string()),
            database,
            data_dir: dir.path().to_owned(),
            ports: Ports {
                native: port(bound.native),
                aws: port(bound.aws),
                s3: port(bound.s3),
                integration: port(bound.integration),
                metrics: port(bound.metrics),
                agents: port(bound.agents),
            },
            admin,
        }
    }

    /// The lines of `admin.env`.
    fn env(&self) -> String {
        let (key, secret) = self.admin.as_ref().map(|k| (k.api_key.as_str(), k.secret_key.as_str())).unzip();
        let lines = [
            ("AWS_ACCESS_KEY_ID", key),
            ("AWS_SECRET_ACCESS_KEY", secret),
            // botocore asks for some region; the EC2 door takes any.
            ("AWS_DEFAULT_REGION", Some("ROOT")),
            ("EC2_URL", self.ec2.as_deref()),
            ("S3_URL", self.s3.as_deref()),
            ("CLOUDSTACK_ENDPOINT", self.native.as_deref()),
            ("CLOUDSTACK_KEY", key),
            ("CLOUDSTACK_SECRET", secret),
            ("STRATUS_CONSOLE", self.console.as_deref()),
        ];
        let mut text = String::new();
        for (name, value) in lines {
            if let Some(v) = value {
                let _ = writeln!(text, "export {name}='{}'", v.replace('\'', r"'\''"));
            }
        }
        text
    }

    /// Writes both files; `ready.json` last, since scripts wait for it.
    pub fn write(&self, dir: &DataDir) -> Result<()> {
        private_file(&dir.file("admin.env"), &self.env())?;
        private_file(&dir.file("ready.json"), &(serde_json::to_string_pretty(self)? + "\n"))
    }

    /// The block for the person who started the server.
    pub fn block(&self) -> String {
        let mut text = format!("Stratus {} is ready.\n", self.version);
        let mut line = |name: &str, value: Option<&str>| {
            if let Some(v) = value {
                let _ = writeln!(text, "  {name:<12} {v}");
            }
        };
        line("Console", self.console.as_deref());
        line("EC2", self.ec2.as_deref());
        line("S3", self.s3.as_deref());
        line("S3 at /", self.s3_root.as_deref());
        line("Native API", self.native.as_deref());
        line("Integration", self.integration.as_deref());
        line("Metrics", self.metrics.as_deref());
        line("Agents", self.agents.as_deref());
        line("Data", self.data_dir.to_str());
        line("Keys", Some(&format!("source {}", self.data_dir.join("admin.env").display())));
        text
    }
}

/// Takes back what a server that is no longer there wrote.
pub fn withdraw(dir: &DataDir) {
    let _ = std::fs::remove_file(dir.file("ready.json"));
}

/// Writes a file that only its owner may read, whole or not at all.
fn private_file(path: &Path, text: &str) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let new = path.with_extension("new");
        let _ = std::fs::remove_file(&new);
        let mut f = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        f.write_all(text.as_bytes())?;
        std::fs::rename(&new, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unspecified_address_is_reached_by_loopback() {
        let at = |text: &str| url(text.parse().expect("an address"), "/x");
        assert_eq!(at("0.0.0.0:1"), "http://127.0.0.1:1/x");
        assert_eq!(at("[::]:1"), "http://[::1]:1/x");
        assert_eq!(at("10.0.0.1:1"), "http://10.0.0.1:1/x");
    }
}
