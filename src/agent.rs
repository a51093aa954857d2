//! `stratus agent`: this machine as a host. Options, their `STRATUS_…` variables, and the names of an `agent.properties` of old.
use crate::config::LogFormat;
use crate::lock::DataDir;
use crate::logging;
use anyhow::{Context, Result, bail};
use clap::Args;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use stratus_agent::{Agent, AgentConfig, Drivers, Hello, Token};
use tokio::signal::unix::{SignalKind, signal};

/// The usual port of servers.
const PORT: u16 = 8250;

/// What carries out the server's calls on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// A simulated host, for trying out and for tests: nothing on this machine is touched
    Sim,
    /// libvirt, files and nftables of this machine
    Kvm,
}

/// Every option of `agent`; a flag wins over its variable, which wins over the properties file.
#[derive(Debug, Args)]
pub struct Options {
    /// The servers, as HOST[:PORT], separated by commas; the agent connects to each
    #[arg(long, env = "STRATUS_SERVER", value_name = "HOST:PORT,…", value_delimiter = ',')]
    server: Vec<String>,
    /// The one-time token that addHost or `stratus admin enrol` gave; needed at the first start only
    #[arg(long, env = "STRATUS_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    token: Option<String>,
    /// The folder that holds the agent's certificate and what it has to remember [default: ./agent]
    #[arg(long, env = "STRATUS_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// What carries out the server's calls [default: kvm]
    #[arg(long, env = "STRATUS_DRIVERS", value_name = "KIND")]
    drivers: Option<Kind>,
    /// The zone that this machine is for, by name or ID; with pod and cluster, its host is added without addHost
    #[arg(long, env = "STRATUS_ZONE", value_name = "ZONE")]
    zone: Option<String>,
    /// The pod that this machine is for
    #[arg(long, env = "STRATUS_POD", value_name = "POD")]
    pod: Option<String>,
    /// The cluster that this machine is for
    #[arg(long, env = "STRATUS_CLUSTER", value_name = "CLUSTER")]
    cluster: Option<String>,
    /// A file of NAME=VALUE lines, as agent.properties [default: DIR/agent.properties if there is one]
    #[arg(long, env = "STRATUS_PROPERTIES", value_name = "FILE")]
    properties: Option<PathBuf>,
    /// How log lines look [default: text]
    #[arg(long, env = "STRATUS_LOG", value_name = "FORMAT")]
    log: Option<LogFormat>,
}

/// Runs the agent until SIGTERM or SIGINT. VMs run on.
pub async fn run(options: Options) -> Result<()> {
    logging::start(options.log.unwrap_or(LogFormat::Text), false);
    let path = options.data_dir.clone().unwrap_or_else(|| "agent".into());
    let dir = DataDir::take(&path)?;
    let properties = Properties::read(options.properties.as_deref(), &dir)?;
    let kind = match options.drivers {
        Some(kind) => kind,
        None => properties.kind()?,
    };
    let config = config(&options, &properties, &dir)?;
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let work = async {
        let agent = Agent::open(config).await?;
        let drivers = drivers(kind, &agent.id(), &dir, &properties).await?;
        tracing::info!(host = agent.id(), data = %dir.path().display(), "the agent runs");
        agent.run(drivers).await;
        Ok(())
    };
    tokio::select! {
        outcome = work => outcome,
        _ = term.recv() => Ok(()),
        _ = int.recv() => Ok(()),
    }
}

fn config(options: &Options, properties: &Properties, dir: &DataDir) -> Result<AgentConfig> {
    let text = |flag: &Option<String>, name: &str| flag.clone().or_else(|| properties.get(name));
    let servers = match options.server.is_empty() {
        false => options.server.clone(),
        true => properties.servers()?,
    };
    if servers.is_empty() {
        bail!("the agent has to know its server: give --server HOST:{PORT}");
    }
    let token = options.token.as_deref().map(|t| t.parse::<Token>().map_err(anyhow::Error::msg)).transpose().context("--token")?;
    let hello = Hello {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        host_name: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        hypervisor: "KVM".to_owned(),
        zone: text(&options.zone, "zone"),
        pod: text(&options.pod, "pod"),
        cluster: text(&options.cluster, "cluster"),
        ..Hello::default()
    };
    let servers = servers.iter().map(|s| with_port(s, PORT)).collect();
    Ok(AgentConfig { servers, token, data_dir: dir.path().to_owned(), hello })
}

/// `host:port` of `host` or `host:port`, the host maybe an IPv6 address in brackets.
fn with_port(server: &str, port: u16) -> String {
    let server = server.trim();
    let has_port =
        server.rsplit_once(':').is_some_and(|(host, p)| p.parse::<u16>().is_ok() && (!host.contains(':') || host.ends_with(']')));
    match (has_port, server.contains(':') && !server.starts_with('[')) {
        (true, _) => server.to_owned(),
        (false, true) => format!("[{server}]:{port}"),
        (false, false) => format!("{server}:{port}"),
    }
}

/// The drivers of this machine.
async fn drivers(kind: Kind, host: &str, dir: &DataDir, properties: &Properties) -> Result<Drivers> {
    match kind {
        Kind::Sim => {
            let sim = stratus_sim::Sim::open(Some(dir.file("simulator.journal"))).context("cannot open the simulated world")?;
            Ok(Drivers::of(sim))
        }
        Kind::Kvm => kvm(host, dir, properties).await,
    }
}

#[cfg(feature = "kvm")]
async fn kvm(host: &str, dir: &DataDir, properties: &Properties) -> Result<Drivers> {
    let config = properties.kvm(host, dir.path())?;
    let config = serde_json::from_value(config).context("the settings for the KVM drivers")?;
    Ok(Drivers::of(stratus_kvm::Kvm::open(config).await.context("cannot open the KVM drivers")?))
}

#[cfg(not(feature = "kvm"))]
async fn kvm(_: &str, _: &DataDir, _: &Properties) -> Result<Drivers> {
    bail!("this binary was built without the KVM drivers (cargo feature kvm, which needs libvirt); try --drivers sim")
}

/// `agent.properties`: the names that such files have had for years, and the KVM drivers' own settings as `kvm.NAME`.
#[derive(Debug, Default)]
struct Properties(BTreeMap<String, String>);

impl Properties {
    fn read(named: Option<&Path>, dir: &DataDir) -> Result<Self> {
        let usual = dir.file("agent.properties");
        let path = named.unwrap_or(&usual);
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Self::parse(&text)),
            Err(e) if named.is_none() && e.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(e) => Err(e).with_context(|| format!("the properties file {} cannot be read", path.display())),
        }
    }

    fn parse(text: &str) -> Self {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', '!']));
        let pairs = lines.filter_map(|line| line.split_once('='));
        Self(pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect())
    }

    /// A value that says something; `default` is what such files hold where nobody chose.
    fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).filter(|v| !v.is_empty() && *v != "default").cloned()
    }

    /// `host`, a list with commas that may end in `@` and the name of an order, and `port`.
    fn servers(&self) -> Result<Vec<String>> {
        let Some(hosts) = self.get("host") else { return Ok(Vec::new()) };
        let port = match self.get("port") {
            Some(text) => text.parse().with_context(|| format!("port in the properties file is '{text}'"))?,
            None => PORT,
        };
        let hosts = hosts.split_once('@').map_or(hosts.as_str(), |(list, _)| list);
        Ok(hosts.split(',').map(str::trim).filter(|h| !h.is_empty()).map(|h| with_port(h, port)).collect())
    }

    /// The drivers that `resource` (a class of old) or `hypervisor.type` asks for.
    fn kind(&self) -> Result<Kind> {
        let resource = self.get("resource").map(|r| r.contains("Libvirt") || r.contains("kvm"));
        match (resource, self.get("hypervisor.type").as_deref().map(str::to_lowercase).as_deref()) {
            (_, Some("kvm")) | (Some(true), None) | (None, None) => Ok(Kind::Kvm),
            (_, Some("simulator")) => Ok(Kind::Sim),
            (_, other) => bail!(
                "the properties file asks for the hypervisor {}; this agent drives kvm and simulator",
                other.unwrap_or("of its resource")
            ),
        }
    }

    /// The KVM drivers' settings: what old names say, then `kvm.NAME`.
    #[cfg_attr(not(feature = "kvm"), allow(dead_code, reason = "without the drivers nobody asks"))]
    fn kvm(&self, host: &str, dir: &Path) -> Result<serde_json::Value> {
        let mut all = serde_json::json!({ "host": host, "state_dir": dir.join("kvm") });
        // The devices of old name bridges.
        let names =
            [("guest.network.device", "guest_bridge"), ("public.network.device", "public_bridge"), ("local.storage.path", "local_storage")];
        for (old, new) in names {
            if let Some(value) = self.get(old) {
                all[new] = value.into();
            }
        }
        for (name, value) in self.0.iter().filter_map(|(name, value)| Some((name.strip_prefix("kvm.")?, value))) {
            // Numbers, lists and tables are written as JSON; everything else is a text.
            all[name.replace('.', "_")] = serde_json::from_str(value).unwrap_or_else(|_| value.as_str().into());
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_named_with_and_without_port() {
        for (given, meant) in
            [("h", "h:8250"), ("h:1", "h:1"), ("10.0.0.1", "10.0.0.1:8250"), ("::1", "[::1]:8250"), ("[::1]:2", "[::1]:2")]
        {
            assert_eq!(with_port(given, PORT), meant);
        }
    }

    #[test]
    fn a_properties_file_of_old_says_where_and_what() {
        let p = Properties::parse(
            "# of old\nhost=10.0.0.1, 10.0.0.2@roundrobin\nport=8251\nzone=default\npod=1\nresource=com.cloud.hypervisor.kvm.resource.LibvirtComputingResource\n\
             guest.network.device=cloudbr1\nkvm.cpus_max=4\nworkers=5\n",
        );
        assert_eq!(p.servers().expect("servers"), ["10.0.0.1:8251", "10.0.0.2:8251"]);
        assert_eq!((p.get("zone"), p.get("pod").as_deref()), (None, Some("1")));
        assert_eq!(p.kind().expect("a kind"), Kind::Kvm);
        let kvm = p.kvm("h", Path::new("/d")).expect("settings");
        assert_eq!((kvm["guest_bridge"].as_str(), kvm["cpus_max"].as_i64()), (Some("cloudbr1"), Some(4)));
        assert!(Properties::parse("hypervisor.type=lxc").kind().is_err());
        assert_eq!(Properties::parse("hypervisor.type=Simulator").kind().expect("a kind"), Kind::Sim);
    }
}
