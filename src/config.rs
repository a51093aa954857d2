//! What `serve` and `admin` are told: a flag wins over an environment variable, which wins over `stratus.toml`, which wins over the
//! default. One struct is all three, so an option cannot exist in one place only.
use anyhow::{Context, Result, bail};
use clap::Args;
use serde::{Deserialize, Deserializer};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The file that is read when no other is named.
const FILE: &str = "stratus.toml";

/// Where a door listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// Nowhere.
    Off,
    /// At this port; 0 is any free one.
    At(u16),
}

impl FromStr for Port {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            n => n.parse().map(Self::At).map_err(|_| format!("'{n}' is neither a port (0 to 65535) nor 'off'")),
        }
    }
}

impl<'de> Deserialize<'de> for Port {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Number(u16),
            Word(String),
        }
        match Either::deserialize(from)? {
            Either::Number(n) => Ok(Self::At(n)),
            Either::Word(w) => w.parse().map_err(serde::de::Error::custom),
        }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Which zone a new, empty database gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Simulate {
    /// A basic zone of simulated hosts that comes with the binary.
    BuiltIn,
    /// None.
    None,
    /// The zones of a description file.
    File(PathBuf),
}

/// Where the state of a cloud lies: all that the `admin` commands need.
#[derive(Debug, Clone, Default, Args)]
pub struct Place {
    /// The folder that holds everything this server keeps [default: ./data]
    #[arg(long, env = "STRATUS_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// mysql://user:password@host/database for a farm [default: SQLite in the data directory]
    #[arg(long, env = "STRATUS_DATABASE", hide_env_values = true, value_name = "URL")]
    pub database: Option<String>,
    /// The configuration file [default: ./stratus.toml if there is one]
    #[arg(long, env = "STRATUS_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Every option of `serve`, each also `STRATUS_…` in the environment and a key of `stratus.toml`.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Options {
    #[serde(skip)]
    #[command(flatten)]
    place: Place,
    /// In the file only: [`Place`] holds the flags.
    #[arg(skip)]
    data_dir: Option<PathBuf>,
    #[arg(skip)]
    database: Option<String>,
    /// The address to listen on [default: 127.0.0.1]
    #[arg(long, env = "STRATUS_BIND", value_name = "ADDR")]
    bind: Option<IpAddr>,
    /// Native API and console [default: 8080]
    #[arg(long, env = "STRATUS_NATIVE_PORT", value_name = "PORT")]
    native_port: Option<Port>,
    /// EC2 [default: 7080]
    #[arg(long, env = "STRATUS_AWS_PORT", value_name = "PORT")]
    aws_port: Option<Port>,
    /// Agents of real hosts, over TLS [default: 8250, or off while another server of this machine has it]
    #[arg(long, env = "STRATUS_AGENT_PORT", value_name = "PORT")]
    agent_port: Option<Port>,
    /// Other servers of a farm; reserved, servers do not talk to each other in this version [default: 9090]
    #[arg(long, env = "STRATUS_CLUSTER_PORT", value_name = "PORT")]
    cluster_port: Option<Port>,
    /// Native API without credentials, on loopback [default: the setting integration.api.port, else off]
    #[arg(long, env = "STRATUS_INTEGRATION_PORT", value_name = "PORT")]
    integration_port: Option<Port>,
    /// S3 at the root path, for clients that take no path in an endpoint [default: off]
    #[arg(long, env = "STRATUS_S3_PORT", value_name = "PORT")]
    s3_port: Option<Port>,
    /// The zone description that a new, empty database gets, or 'none' [default: a built-in basic zone]
    #[arg(long, env = "STRATUS_SIMULATE", value_name = "FILE|none")]
    simulate: Option<String>,
    /// How log lines look [default: text]
    #[arg(long, env = "STRATUS_LOG", value_name = "FORMAT")]
    log: Option<LogFormat>,
    /// Prometheus metrics and health; while off, both stand at the native port, metrics for loopback only [default: off]
    #[arg(long, env = "STRATUS_METRICS_PORT", value_name = "PORT")]
    metrics_port: Option<Port>,
}

/// What holds after flags, environment, file and defaults were laid over each other.
#[derive(Debug, Clone)]
pub struct Config {
    /// The folder of this server.
    pub data_dir: PathBuf,
    /// A `mysql://` URL; none for SQLite in the data directory.
    pub database: Option<String>,
    /// The address to listen on.
    pub bind: IpAddr,
    /// Native API.
    pub native_port: Port,
    /// AWS doors.
    pub aws_port: Port,
    /// Agents of real hosts; none takes the usual port if it is free.
    pub agent_port: Option<Port>,
    /// S3 at the root path.
    pub s3_port: Port,
    /// Native API without credentials; none leaves it to the setting.
    pub integration_port: Option<Port>,
    /// Metrics and health.
    pub metrics_port: Port,
    /// The zone of a new, empty database.
    pub simulate: Simulate,
    /// How log lines look.
    pub log: LogFormat,
}

impl Config {
    /// A server in a folder of its own, on free ports of loopback: for tests.
    pub fn in_dir(data_dir: &Path) -> Self {
        Self {
            data_dir: data_dir.to_owned(),
            database: None,
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            native_port: Port::At(0),
            aws_port: Port::At(0),
            agent_port: Some(Port::At(0)),
            s3_port: Port::At(0),
            integration_port: Some(Port::At(0)),
            metrics_port: Port::Off,
            simulate: Simulate::BuiltIn,
            log: LogFormat::Text,
        }
    }

    /// Flags and environment as clap read them, over the file, over the defaults.
    pub fn of(flags: Options) -> Result<Self> {
        let file = Options::read(flags.place.config.as_deref())?;
        let database = flags.place.database.or(file.database);
        if let Some(url) = &database
            && !url.starts_with("mysql://")
        {
            // The URL may hold a password: the sentence does not repeat it.
            bail!("--database takes a mysql:// URL; leave it out for SQLite in the data directory");
        }
        let simulate = match flags.simulate.or(file.simulate).as_deref() {
            None => Simulate::BuiltIn,
            Some("none") => Simulate::None,
            Some(path) => Simulate::File(path.into()),
        };
        Ok(Self {
            data_dir: flags.place.data_dir.or(file.data_dir).unwrap_or_else(|| "data".into()),
            database,
            bind: flags.bind.or(file.bind).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            native_port: flags.native_port.or(file.native_port).unwrap_or(Port::At(8080)),
            aws_port: flags.aws_port.or(file.aws_port).unwrap_or(Port::At(7080)),
            agent_port: flags.agent_port.or(file.agent_port),
            s3_port: flags.s3_port.or(file.s3_port).unwrap_or(Port::Off),
            integration_port: flags.integration_port.or(file.integration_port),
            metrics_port: flags.metrics_port.or(file.metrics_port).unwrap_or(Port::Off),
            simulate,
            log: flags.log.or(file.log).unwrap_or(LogFormat::Text),
        })
    }

    /// The same for a command that only needs to know where the state lies.
    pub fn at(place: Place) -> Result<Self> {
        Self::of(Options { place, ..Options::default() })
    }
}

impl Options {
    fn read(named: Option<&Path>) -> Result<Self> {
        let path = named.unwrap_or(Path::new(FILE));
        match std::fs::read_to_string(path) {
            Ok(text) => toml::from_str(&text).with_context(|| format!("the configuration file {} cannot be used", path.display())),
            Err(e) if named.is_none() && e.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(e) => Err(e).with_context(|| format!("the configuration file {} cannot be read", path.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_file(text: &str, flags: Options) -> Result<Config> {
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("s.toml");
        std::fs::write(&file, text)?;
        Config::of(Options { place: Place { config: Some(file), ..flags.place }, ..flags })
    }

    #[test]
    fn a_flag_wins_over_the_file_and_the_file_over_the_default() {
        let flags = Options { aws_port: Some(Port::At(1)), ..Options::default() };
        let c = with_file("aws-port = 2\nnative-port = 3\nmetrics-port = \"off\"\ndata-dir = \"d\"", flags).expect("reads");
        assert_eq!((c.aws_port, c.native_port, c.metrics_port), (Port::At(1), Port::At(3), Port::Off));
        assert_eq!((c.data_dir, c.integration_port), (PathBuf::from("d"), None));
    }

    #[test]
    fn what_the_file_cannot_say_is_refused_by_name() {
        for (text, named) in [("native_port = 1", "native_port"), ("aws-port = \"on\"", "'on'"), ("s3-port = \"high\"", "'high'")] {
            let e = format!("{:#}", with_file(text, Options::default()).expect_err(text));
            assert!(e.contains(named), "{e}");
        }
    }

    #[test]
    fn a_refused_database_url_is_not_repeated() {
        let flags = Options { place: Place { database: Some("postgres://u:hush@h/d".into()), ..Place::default() }, ..Options::default() };
        assert!(!format!("{:#}", Config::of(flags).expect_err("refused")).contains("hush"));
    }
}
