//! The door for agents of real hosts, wired to the engine: its books say who may come in and where things are.
use async_trait::async_trait;
use std::net::IpAddr;
use std::sync::{Arc, Weak};
use std::time::{SystemTime, UNIX_EPOCH};
use stratus_agent::{Admission, Atlas, Authority, Gate, Guest, Hello, Hub, Issued, NetworkBooks, Place};
use stratus_drivers::{NetworkSpec, NicSpec, Secret, VmSpec};
use stratus_engine::Engine;
use stratus_engine::agent::AgentHello;
use stratus_engine::image_store::FILE;
use stratus_model::{Micros, Result};
use stratus_store::{Host, ImageStore, Query, StoragePool, Vm, Volume};

/// The engine as the agents' door asks it. Weak: the hub is among the engine's own drivers.
pub struct Books(Weak<Engine>);

impl Books {
    /// The books of an engine.
    pub fn of(engine: &Arc<Engine>) -> Arc<Self> {
        Arc::new(Self(Arc::downgrade(engine)))
    }

    fn engine(&self) -> Option<Arc<Engine>> {
        self.0.upgrade()
    }
}

/// The authority of this installation, made at its first start, and the hub told of it and of the books.
pub async fn open(engine: &Arc<Engine>, hub: &Arc<Hub>) -> anyhow::Result<Arc<Authority>> {
    let make = || Authority::make(SystemTime::now()).map_err(stratus_model::Error::internal);
    let (certificate, key) = engine.agent_authority(make).await?;
    let authority = Arc::new(Authority::open(&certificate, &key)?);
    hub.certified_by(&authority)?;
    hub.read_from(Books::of(engine));
    Ok(authority)
}

fn micros(at: SystemTime) -> Micros {
    at.duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_micros()).unwrap_or(i64::MAX))
}

/// An error of the books as an agent's operator hears it: the log has the cause.
fn trouble(e: stratus_model::Error) -> String {
    tracing::error!(error = %e, cause = ?std::error::Error::source(&e).map(ToString::to_string), "the agents' door");
    "the server cannot look at its books now; try again".to_owned()
}

const ENDING: &str = "the server is ending";

#[async_trait]
impl Gate for Books {
    async fn invited(&self, secret_hash: &str) -> std::result::Result<String, String> {
        let engine = self.engine().ok_or(ENDING)?;
        let found = engine.agent_invited(secret_hash).await.map_err(trouble)?;
        found.ok_or_else(|| "the token is used, expired or unknown here: make a new one".to_owned())
    }

    async fn enrolled(&self, secret_hash: &str, issued: &Issued) -> std::result::Result<(), String> {
        let engine = self.engine().ok_or(ENDING)?;
        match engine.agent_enrolled(secret_hash, &issued.fingerprint, micros(issued.until)).await.map_err(trouble)? {
            true => Ok(()),
            false => Err("the token was used by another machine at this moment".to_owned()),
        }
    }

    async fn admit(&self, fingerprint: &str) -> std::result::Result<Admission, String> {
        let engine = self.engine().ok_or(ENDING)?;
        match engine.agent_admit(fingerprint).await.map_err(trouble)? {
            Some((identity, renew)) => Ok(Admission { identity, renew }),
            None => Err("no host has this certificate any more: it was removed, or the certificate was replaced".to_owned()),
        }
    }

    async fn renewed(&self, identity: &str, issued: &Issued) -> std::result::Result<(), String> {
        let engine = self.engine().ok_or(ENDING)?;
        match engine.agent_renewed(identity, &issued.fingerprint, micros(issued.until)).await.map_err(trouble)? {
            true => Ok(()),
            false => Err("this host was removed".to_owned()),
        }
    }

    async fn arrived(&self, identity: &str, hello: &Hello, from: IpAddr) {
        let Some(engine) = self.engine() else { return };
        let said = AgentHello {
            version: hello.version.clone(),
            host_name: hello.host_name.clone(),
            address: from.to_string(),
            hypervisor: hello.hypervisor.clone(),
            place: [hello.zone.clone(), hello.pod.clone(), hello.cluster.clone()],
        };
        if let Err(e) = engine.agent_arrived(identity, said).await {
            tracing::warn!(host = identity, error = %e, "an agent has come and its host was not taken up; tried again with its next sign of life");
        }
    }

    async fn left(&self, identity: &str, why: &str) {
        let Some(engine) = self.engine() else { return };
        if let Err(e) = engine.agent_left(identity, why).await {
            tracing::warn!(host = identity, error = %e, "that an agent has gone was not written down");
        }
    }

    async fn refused(&self, from: IpAddr, why: &str) {
        let Some(engine) = self.engine() else { return };
        if let Err(e) = engine.agent_refused(&from.to_string(), why).await {
            tracing::warn!(%from, error = %e, "that an agent was refused was not written down");
        }
    }
}

/// What the books say; a book that cannot be read says nothing, and the call that needed it fails as one for something unknown.
async fn read<T: Default>(found: impl Future<Output = Result<T>>) -> T {
    found.await.map_err(trouble).unwrap_or_default()
}

#[async_trait]
impl Atlas for Books {
    async fn pool(&self, pool: &str) -> Option<Place> {
        let engine = self.engine()?;
        read(async {
            let Some(row) = engine.db.find_one::<StoragePool>(Query::live().eq("uuid", pool)).await? else { return Ok(None) };
            let hosts = engine.pool_hosts(&row).await?;
            Ok(Some(Place { url: row.url, hosts, ..Place::default() }))
        })
        .await
    }

    async fn store(&self, store: &str) -> Option<Place> {
        let engine = self.engine()?;
        read(async {
            let Some(row) = engine.db.find_one::<ImageStore>(Query::live().eq("uuid", store)).await? else { return Ok(None) };
            let hosts = match row.zone_id {
                Some(zone) => engine.zone_hosts(zone).await?,
                None => Vec::new(),
            };
            let details = engine.open_details(&row)?;
            let served = row.provider == FILE;
            Ok(Some(Place { url: row.url, hosts, details, served }))
        })
        .await
    }

    async fn stores_of(&self, host: &str) -> Vec<String> {
        let Some(engine) = self.engine() else { return Vec::new() };
        read(async {
            let Some(host) = engine.db.find_one::<Host>(Query::live().eq("uuid", host)).await? else { return Ok(Vec::new()) };
            let stores = engine.db.find::<ImageStore>(Query::live().eq("zone_id", host.zone_id)).await?;
            Ok(stores.into_iter().map(|s| s.uuid).collect())
        })
        .await
    }

    async fn network_hosts(&self, network: &str, pod: Option<&str>) -> Vec<String> {
        let Some(engine) = self.engine() else { return Vec::new() };
        read(engine.network_hosts(network, pod)).await
    }

    async fn network_pods(&self, network: &str) -> Vec<String> {
        let Some(engine) = self.engine() else { return Vec::new() };
        read(engine.network_pods(network)).await
    }

    async fn network(&self, network: &str, pod: Option<&str>) -> Option<NetworkBooks> {
        let engine = self.engine()?;
        let books = read(engine.network_books(network, pod)).await?;
        let guest = |(nic, vm, password): (NicSpec, VmSpec, Option<String>)| Guest { nic, vm, password: password.map(Secret::new) };
        Some(NetworkBooks { network: books.network, guests: books.guests.into_iter().map(guest).collect(), public: books.public })
    }

    async fn networks_in_use(&self) -> Vec<NetworkSpec> {
        let Some(engine) = self.engine() else { return Vec::new() };
        read(engine.networks_in_use(crate::house::KVM)).await
    }

    async fn holder(&self, pool: &str, path: &str) -> Option<String> {
        let engine = self.engine()?;
        read(async {
            let on = Query::live().key_in::<StoragePool>("pool_id", "id", Query::all().eq("uuid", pool));
            let Some(volume) = engine.db.find_one::<Volume>(on.eq("path", path).not_null("vm_id")).await? else { return Ok(None) };
            let vm = engine.db.get::<Vm>(volume.vm_id.unwrap_or(0)).await?;
            // A VM that is still starting has no process yet: its disks are being made.
            let running = vm.filter(|vm| vm.state != "Starting").and_then(|vm| vm.host_id);
            match running {
                Some(host) => Ok(engine.db.get::<Host>(host).await?.map(|h| h.uuid)),
                None => Ok(None),
            }
        })
        .await
    }

    async fn given_up(&self, host: &str) -> bool {
        let Some(engine) = self.engine() else { return true };
        let row = read(engine.db.find_one::<Host>(Query::live().eq("uuid", host))).await;
        row.is_none_or(|host| matches!(host.state.as_str(), "Down" | "Alert" | "Connecting"))
    }

    async fn gone(&self, host: &str) -> bool {
        let Some(engine) = self.engine() else { return false };
        match engine.db.find_one::<Host>(Query::live().eq("uuid", host)).await {
            Ok(row) => row.is_none_or(|host| matches!(host.state.as_str(), "Down" | "Connecting")),
            Err(e) => {
                trouble(e);
                false
            }
        }
    }
}
