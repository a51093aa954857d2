//! Agents of real hosts: who may come in, and what it means that one has come or gone.
use crate::alert::{AlertDraft, HOST};
use crate::places::{Reach, unreachable};
use crate::{Call, Engine, Level, Topic};
use std::sync::Arc;
use stratus_drivers::{Agents, Secret};
use stratus_model::{Error, Kind, Micros, Result, Source};
use stratus_store::{Agent, AgentAuthority, Cluster, Host, ImageStore, Pod, Query, StoragePool, Tx, Value, Zone};
use uuid::Uuid;

/// How long a token may wait for its machine.
const TOKEN: Micros = 24 * 3600 * 1_000_000;
/// How long before the end of its certificate an agent is told to renew it.
const RENEW: Micros = 365 * 86_400 * 1_000_000;
/// The name of the one authority.
const AUTHORITY: &str = "agents";

/// What an agent says of itself when it comes.
#[derive(Debug, Clone, Default)]
pub struct AgentHello {
    /// Its version.
    pub version: String,
    /// The machine's name.
    pub host_name: String,
    /// Where it comes from.
    pub address: String,
    /// The hypervisor that it has drivers for.
    pub hypervisor: String,
    /// The zone, pod and cluster that it is meant for, by name or uuid.
    pub place: [Option<String>; 3],
}

impl Engine {
    /// The authority of this installation as (certificate, key), PEM; `make` makes one when there is none yet.
    pub async fn agent_authority(&self, make: impl FnOnce() -> Result<(String, String)>) -> Result<(String, String)> {
        let q = || Query::all().eq("name", AUTHORITY);
        let row = match self.db.find_one::<AgentAuthority>(q()).await? {
            Some(row) => row,
            None => {
                let (certificate, key) = make()?;
                let key_sealed = self.sealer.seal(&key)?;
                let row =
                    AgentAuthority { name: AUTHORITY.into(), certificate, key_sealed, created: self.clock.now(), ..Default::default() };
                match self.db.write(move |tx| Box::pin(async move { tx.insert(&mut row.clone()).await })).await {
                    // Another server was first: its authority is ours.
                    Ok(_) | Err(Error::Raced(_)) => {}
                    Err(e) => return Err(e),
                }
                let missing = || Error::internal("the agents' authority was not kept");
                self.db.find_one::<AgentAuthority>(q()).await?.ok_or_else(missing)?
            }
        };
        Ok((row.certificate, self.sealer.open(&row.key_sealed)?))
    }

    /// Makes a token for a machine that has no host yet; with it the machine's agent comes in and waits for `addHost`, or is added at
    /// once where it says its zone, pod and cluster.
    pub async fn agent_invite(&self, hypervisor: &str, name: &str) -> Result<Secret> {
        let (row, text) = self.new_agent(&Uuid::new_v4().to_string(), name, hypervisor)?;
        self.db.write(move |tx| Box::pin(async move { tx.insert(&mut row.clone()).await })).await?;
        Ok(text)
    }

    fn agents(&self, hypervisor: &str) -> Result<Arc<dyn Agents>> {
        self.drivers.agents(hypervisor).ok_or_else(|| Error::invalid("hypervisor", format!("{hypervisor} hosts have no agents")))
    }

    /// The row of an agent that is invited, and the text that invites it.
    pub(crate) fn new_agent(&self, uuid: &str, name: &str, hypervisor: &str) -> Result<(Agent, Secret)> {
        let invitation = self.agents(hypervisor)?.invite().map_err(|e| unreachable("host", e))?;
        let now = self.clock.now();
        let row = Agent {
            uuid: uuid.to_owned(),
            name: name.to_owned(),
            token_hash: Some(invitation.secret_hash),
            token_until: now + TOKEN,
            created: now,
            ..Default::default()
        };
        Ok((row, invitation.text))
    }

    /// An enrolled agent of this name that no host has been added for.
    pub(crate) async fn agent_waiting(&self, name: &str) -> Result<Option<Agent>> {
        for agent in self.db.find::<Agent>(Query::live().eq("name", name).not_null("fingerprint")).await? {
            if self.db.count::<Host>(Query::all().eq("uuid", agent.uuid.as_str())).await? == 0 {
                return Ok(Some(agent));
            }
        }
        Ok(None)
    }

    /// For whom a token was made that is neither used nor expired.
    pub async fn agent_invited(&self, token_hash: &str) -> Result<Option<String>> {
        let q = Query::live().eq("token_hash", token_hash).at_least("token_until", self.clock.now());
        Ok(self.db.find_one::<Agent>(q).await?.map(|a| a.uuid))
    }

    /// Uses a token up for a certificate; false when another one was quicker.
    pub async fn agent_enrolled(&self, token_hash: &str, fingerprint: &str, good_until: Micros) -> Result<bool> {
        let q = Query::live().eq("token_hash", token_hash).at_least("token_until", self.clock.now());
        let set = vec![("token_hash", Value::Null), ("fingerprint", fingerprint.into()), ("good_until", good_until.into())];
        Ok(self.db.write(move |tx| Box::pin(async move { tx.update::<Agent>(q.clone(), set.clone()).await })).await? == 1)
    }

    /// Who holds a certificate, and whether it grows old. A renewed one takes the place of the old one when it is first used.
    pub async fn agent_admit(&self, fingerprint: &str) -> Result<Option<(String, bool)>> {
        let next = Query::live().eq("next_fingerprint", fingerprint);
        let set = vec![("fingerprint", fingerprint.into()), ("next_fingerprint", Value::Null)];
        self.db.write(move |tx| Box::pin(async move { tx.update::<Agent>(next.clone(), set.clone()).await })).await?;
        let Some(agent) = self.db.find_one::<Agent>(Query::live().eq("fingerprint", fingerprint)).await? else { return Ok(None) };
        Ok(Some((agent.uuid, agent.good_until - self.clock.now() < RENEW)))
    }

    /// Keeps an agent's next certificate.
    pub async fn agent_renewed(&self, uuid: &str, fingerprint: &str, good_until: Micros) -> Result<bool> {
        let q = Query::live().eq("uuid", uuid);
        let set = vec![("next_fingerprint", fingerprint.into()), ("good_until", good_until.into())];
        Ok(self.db.write(move |tx| Box::pin(async move { tx.update::<Agent>(q.clone(), set.clone()).await })).await? == 1)
    }

    /// Notes that somebody was sent away at the agents' door: one alert while it goes on.
    pub async fn agent_refused(&self, from: &str, why: &str) -> Result<()> {
        let text = format!("An agent from {from} was refused: {why}");
        self.alert_raise(AlertDraft { kind: HOST, text, ..Default::default() }).await
    }

    /// A call of the product itself about a host.
    pub(crate) async fn system_call(self: &Arc<Self>, event: &'static str) -> Result<Call> {
        let caller = Arc::new(self.system_caller(Source::System).await?);
        Ok(Call::new(self.clone(), caller, "agent", Some(event)))
    }

    /// An agent has its seat: its host is Up, reaches its storage, and what it runs is compared with what it should.
    pub async fn agent_arrived(self: &Arc<Self>, uuid: &str, hello: AgentHello) -> Result<()> {
        let call = self.system_call("HOST.RECONNECT").await?;
        let now = self.clock.now();
        let set = vec![("version", hello.version.as_str().into()), ("address", hello.address.as_str().into()), ("connected", now.into())];
        let mine = Query::live().eq("uuid", uuid);
        self.db.write(move |tx| Box::pin(async move { tx.update::<Agent>(mine.clone(), set.clone()).await })).await?;
        let host = match self.db.find_one::<Host>(Query::live().eq("uuid", uuid)).await? {
            Some(host) => self.host_reconnect(&call, &host).await?,
            None => match self.place_of_agent(&hello).await? {
                Some((zone, pod, cluster)) => self.host_add_agent(&call, uuid, &hello, (zone, pod, cluster)).await?,
                None => {
                    tracing::info!(agent = uuid, name = hello.host_name, "an agent waits for addHost with the URL agent://NAME");
                    return Ok(());
                }
            },
        };
        self.host_equip(&host).await;
        self.host_refilter(&host).await;
        let rows = self.vms_on(&[host.id]).await?;
        self.host_agree(&host, rows, true).await.map(drop)
    }

    /// Where an agent without a host says that it belongs, when that is a place.
    async fn place_of_agent(&self, hello: &AgentHello) -> Result<Option<(Zone, Pod, Cluster)>> {
        let [Some(zone), Some(pod), Some(cluster)] = &hello.place else { return Ok(None) };
        let named = |q: Query, text: &str| q.any([Query::all().eq("uuid", text), Query::all().eq("name", text)]);
        let Some(zone) = self.db.find_one::<Zone>(named(Query::live(), zone)).await? else { return Ok(None) };
        let Some(pod) = self.db.find_one::<Pod>(named(Query::live().eq("zone_id", zone.id), pod)).await? else { return Ok(None) };
        let in_pod = Query::live().eq("pod_id", pod.id).eq("hypervisor", crate::hypervisor::canonical(&hello.hypervisor));
        let Some(cluster) = self.db.find_one::<Cluster>(named(in_pod, cluster)).await? else { return Ok(None) };
        Ok(Some((zone, pod, cluster)))
    }

    /// Connects a host to the pools and stores that it is to reach. What it does not reach is an alert, not the end of the host.
    pub(crate) async fn host_equip(&self, host: &Host) {
        let outcome = async {
            let (me, agents) = ([host.uuid.clone()], self.agents(&host.hypervisor)?);
            let pools =
                Query::live().eq("zone_id", host.zone_id).eq("hypervisor", &host.hypervisor).eq_or_null("cluster_id", host.cluster_id);
            let pools = pools.eq_or_null("host_id", host.id);
            if let Some(driver) = self.drivers.pool(&host.hypervisor) {
                for pool in self.db.find::<StoragePool>(pools).await? {
                    agents.meant_for(&pool.uuid, &me);
                    if let Err(e) = driver.connect(&pool.uuid, &pool.url).await {
                        self.unequipped(host, &format!("storage pool {}", pool.name), &e.to_string()).await?;
                    }
                }
            }
            for store in self.db.find::<ImageStore>(Query::live().eq("zone_id", host.zone_id)).await? {
                agents.meant_for(&store.uuid, &me);
                let details = self.open_details(&store)?;
                if let Err(e) = self.image_driver(&store).await?.connect(&store.uuid, &store.url, &details).await {
                    self.unequipped(host, &format!("image store {}", store.name), &e.to_string()).await?;
                }
            }
            Ok::<(), Error>(())
        };
        if let Err(e) = outcome.await {
            tracing::warn!(host = host.id, error = %e, "a host was not connected to its storage");
        }
    }

    /// Raises the alert that a host does not reach some storage.
    pub(crate) async fn unequipped(&self, host: &Host, what: &str, why: &str) -> Result<()> {
        let text = format!("Host {} does not reach the {what}: {why}", host.name);
        let (zone, pod, cluster) = (Some(host.zone_id), Some(host.pod_id), Some(host.cluster_id));
        self.alert_raise(AlertDraft { kind: HOST, text, zone, pod, cluster, name: None }).await
    }

    /// An agent's connection has ended: its host is Disconnected until it comes back, unless it speaks to another server.
    pub async fn agent_left(self: &Arc<Self>, uuid: &str, why: &str) -> Result<()> {
        let call = self.system_call("HOST.RECONNECT").await?;
        let why = why.to_owned();
        let Some(host) = self.db.find_one::<Host>(Query::live().eq("uuid", uuid)).await? else { return Ok(()) };
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let mine = Query::live().eq("id", host.id).eq("state", "Up").eq("server_id", call.server.id);
                    let set = vec![("state", "Disconnected".into()), ("disconnected", call.now().into())];
                    if tx.update::<Host>(mine, set).await? == 0 {
                        return Ok(());
                    }
                    call.hosts_reopen(tx, Reach::Host(host.id)).await?;
                    host_event(tx, &call, &host, Level::Warn, format!("host {} is disconnected: {why}", host.name)).await
                })
            })
            .await
    }
}

/// Writes an event about a host that nobody asked for.
pub(crate) async fn host_event(tx: &mut Tx, call: &Call, host: &Host, level: Level, text: String) -> Result<()> {
    let topic = Topic::of_caller(call, Kind::Host, host.id);
    call.write_event(tx, "HOST.RECONNECT", level, "Completed", topic, text, None).await.map(drop)
}
