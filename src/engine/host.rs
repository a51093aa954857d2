//! Hosts. `state` is how the connection is, `resource_state` what administrators want; the allocator looks at the capacity row's `open`
//! alone, which every change of a state here tells anew.
use crate::agent::AgentHello;
use crate::cluster::{self, ClusterAdd};
use crate::location::Location;
use crate::places::{self, Reach, hold, unreachable};
use crate::{Call, Engine, Listing, Topic};
use std::sync::Arc;
use stratus_drivers::{DriverError, Host as HostDriver, HostFacts, Secret};
use stratus_model::{Error, Kind, Result};
use stratus_store::{Agent, Cluster, Host, HostCapacity, HostLeave, OsCategory, Placement, Pod, Query, Tx, Value, Vm, Zone};
use uuid::Uuid;

/// What a new host is to be.
#[derive(Clone)]
pub struct HostAdd {
    /// The zone it is in.
    pub zone: Zone,
    /// The pod it is in.
    pub pod: Pod,
    /// The cluster it joins; without one, the cluster of `cluster_name`.
    pub cluster: Option<Cluster>,
    /// Name of a cluster in the pod, made when there is none.
    pub cluster_name: Option<String>,
    /// Hypervisor type.
    pub hypervisor: String,
    /// Where it is: `http://sim/c0/h0`, `http://192.168.0.7`.
    pub url: String,
    /// Administrator's login on the host.
    pub username: String,
    /// Administrator's password on the host.
    pub password: String,
    /// Tags that offerings can ask for.
    pub tags: Vec<String>,
    /// Enabled unless this says otherwise.
    pub allocation_state: Option<String>,
}

impl std::fmt::Debug for HostAdd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HostAdd({})", self.url)
    }
}

/// What is to change of a host.
#[derive(Debug, Clone, Default)]
pub struct HostUpdate {
    /// Enable or Disable.
    pub allocation_state: Option<String>,
    /// Tags that offerings can ask for; an empty list takes them away.
    pub tags: Option<Vec<String>>,
    /// The OS category that this host prefers.
    pub os_category: Option<OsCategory>,
    /// Where it is from now on.
    pub url: Option<String>,
}

/// A host that was added.
pub struct HostAdded {
    /// Its row. A host whose agent has not come yet is `Connecting`.
    pub host: Host,
    /// The one-time token with which its agent comes, where it needs one.
    pub token: Option<Secret>,
}

/// Which hosts to list.
#[derive(Debug, Clone, Default)]
pub struct HostFilter {
    /// The one with this key.
    pub id: Option<i64>,
    /// With this name.
    pub name: Option<String>,
    /// With this in the name, state or type.
    pub keyword: Option<String>,
    /// In this zone.
    pub zone: Option<i64>,
    /// In this pod.
    pub pod: Option<i64>,
    /// In this cluster.
    pub cluster: Option<i64>,
    /// Of this type.
    pub host_type: Option<String>,
    /// Of this hypervisor type.
    pub hypervisor: Option<String>,
    /// In this state.
    pub state: Option<String>,
    /// In this resource state.
    pub resource_state: Option<String>,
    /// Whether it is kept for HA restarts.
    pub ha: Option<bool>,
    /// Offset and limit.
    pub page: (i64, i64),
}

/// Which hosts a password is for.
#[derive(Debug, Clone, Copy)]
pub enum PasswordOf {
    /// One host.
    Host(i64),
    /// Every host of a cluster.
    Cluster(i64),
}

fn resource_state(text: &str) -> Result<String> {
    let word = places::one_of("allocationstate", text, &["Enable", "Enabled", "Disable", "Disabled"])?;
    Ok(if word.starts_with('E') { "Enabled" } else { "Disabled" }.to_owned())
}

impl Engine {
    fn host_driver(&self, hypervisor: &str) -> Result<Arc<dyn HostDriver>> {
        self.drivers.host(hypervisor).ok_or_else(|| Error::Unavailable(format!("This server has no driver for {hypervisor} hosts")))
    }

    /// Adds a host: makes contact, then keeps it with what it has to give. One whose hypervisor has agents is kept at once, and what it
    /// has to give is known when its agent has come.
    pub async fn host_add(&self, call: &Call, ask: HostAdd) -> Result<HostAdded> {
        let address = Location::of_host(&ask.url)?;
        let hypervisor = self.hypervisor(&ask.hypervisor)?;
        let cluster = self.cluster_for(call, &ask, &hypervisor).await?;
        let mut host = Host {
            uuid: Uuid::new_v4().to_string(),
            name: address.name(),
            zone_id: ask.zone.id,
            pod_id: ask.pod.id,
            cluster_id: cluster.id,
            host_type: "Routing".into(),
            hypervisor: hypervisor.clone(),
            url: address.to_string(),
            ip_address: address.host,
            username: Some(ask.username.clone()).filter(|u| !u.is_empty()),
            password_sealed: Some(self.sealer.seal(&ask.password)?),
            tags: places::tags(&ask.tags),
            state: "Up".into(),
            resource_state: ask.allocation_state.as_deref().map_or(Ok("Enabled".into()), resource_state)?,
            server_id: Some(self.server.id),
            epoch: self.server.epoch,
            created: call.now(),
            last_ping: call.now(),
            ..Default::default()
        };
        refuse_twice(self.db.find_one(twice(&host)).await?)?;
        if let Some(agents) = self.drivers.agents(&hypervisor) {
            match self.agent_waiting(&host.name).await? {
                Some(agent) if agents.is_here(&agent.uuid) => host.uuid = agent.uuid,
                waiting => return self.host_invite(call, cluster, host, waiting).await,
            }
        }
        let host = self.host_keep(call, cluster, host).await?;
        if self.drivers.agents(&hypervisor).is_some() {
            self.host_equip(&host).await;
        }
        Ok(HostAdded { host, token: None })
    }

    /// Keeps a host whose agent is still to come, and invites the agent if that has no certificate yet.
    async fn host_invite(&self, call: &Call, cluster: Cluster, mut host: Host, waiting: Option<Agent>) -> Result<HostAdded> {
        let mut invited = None;
        let token = match waiting {
            Some(agent) => {
                host.uuid = agent.uuid;
                None
            }
            None => {
                let (agent, text) = self.new_agent(&host.uuid, &host.name, &host.hypervisor)?;
                invited = Some(agent);
                Some(text)
            }
        };
        host.state = "Connecting".into();
        host.last_ping = 0;
        let call = call.clone();
        let host = self
            .db
            .write(move |tx| {
                Box::pin(async move {
                    if let Some(mut agent) = invited {
                        tx.insert(&mut agent).await?;
                    }
                    insert(tx, &call, cluster, host).await
                })
            })
            .await?;
        Ok(HostAdded { host, token })
    }

    /// Adds the host of an agent that says itself where it belongs.
    pub(crate) async fn host_add_agent(&self, call: &Call, uuid: &str, hello: &AgentHello, place: (Zone, Pod, Cluster)) -> Result<Host> {
        let (zone, pod, cluster) = place;
        let host = Host {
            uuid: uuid.to_owned(),
            name: hello.host_name.clone(),
            zone_id: zone.id,
            pod_id: pod.id,
            cluster_id: cluster.id,
            host_type: "Routing".into(),
            hypervisor: cluster.hypervisor.clone(),
            url: format!("agent://{}", hello.host_name),
            ip_address: hello.address.clone(),
            state: "Up".into(),
            resource_state: "Enabled".into(),
            server_id: Some(self.server.id),
            epoch: self.server.epoch,
            created: call.now(),
            last_ping: call.now(),
            ..Default::default()
        };
        refuse_twice(self.db.find_one(twice(&host)).await?)?;
        self.host_keep(call, cluster, host).await
    }

    /// Makes contact with a host, then keeps it with what it has to give.
    async fn host_keep(&self, call: &Call, cluster: Cluster, mut host: Host) -> Result<Host> {
        let driver = self.host_driver(&host.hypervisor)?;
        let (uuid, inner) = (host.uuid.clone(), call.clone());
        let kept = match driver.connect(&uuid, &host.url).await {
            Ok(facts) => {
                keep_facts(&mut host, &facts);
                let host = self.db.write(move |tx| Box::pin(async move { insert(tx, &inner, cluster, host).await })).await;
                host.map(|host| (host, facts))
            }
            Err(e) => Err(unreachable("host", e)),
        };
        // Also when there was no answer: that may have got lost on the way.
        match kept {
            Ok((host, facts)) => {
                self.local_pool(call, &host, &facts).await;
                Ok(host)
            }
            Err(e) => {
                forget(&driver, &uuid).await;
                Err(e)
            }
        }
    }

    /// The cluster that a host joins: a row of the database, or one still to be made.
    async fn cluster_for(&self, call: &Call, ask: &HostAdd, hypervisor: &str) -> Result<Cluster> {
        let of = |c: &Cluster| c.zone_id == ask.zone.id && c.pod_id == ask.pod.id;
        if ask.pod.zone_id != ask.zone.id {
            return Err(Error::invalid("podid", format!("pod {} is not in zone {}", ask.pod.name, ask.zone.name)));
        }
        let found = match (&ask.cluster, &ask.cluster_name) {
            (Some(c), None) if of(c) => Some(c.clone()),
            (Some(c), None) => return Err(Error::invalid("clusterid", format!("cluster {} is not in pod {}", c.name, ask.pod.name))),
            (None, Some(name)) => self.db.find_one::<Cluster>(Query::live().eq("pod_id", ask.pod.id).eq("name", name.trim())).await?,
            _ => return Err(Error::invalid("clusterid", "either clusterid or clustername says which cluster the host joins")),
        };
        match found {
            Some(c) if c.hypervisor == hypervisor => Ok(c),
            Some(c) => Err(Error::invalid("hypervisor", format!("cluster {} is for {} hosts, not {hypervisor}", c.name, c.hypervisor))),
            None => self.new_cluster(
                call,
                &ClusterAdd {
                    zone: ask.zone.clone(),
                    pod: ask.pod.clone(),
                    name: ask.cluster_name.clone().unwrap_or_default(),
                    hypervisor: hypervisor.to_owned(),
                    cluster_type: "CloudManaged".into(),
                    allocation_state: None,
                },
            ),
        }
    }

    /// Changes a host.
    pub async fn host_update(&self, call: &Call, host: &Host, ask: HostUpdate) -> Result<Host> {
        let mut set: Vec<(&'static str, Value)> = Vec::new();
        let wanted = ask.allocation_state.as_deref().map(resource_state).transpose()?;
        if let Some(tags) = &ask.tags {
            set.push(("tags", places::tags(tags).into()));
        }
        if let Some(os) = &ask.os_category {
            set.push(("os_category_id", os.id.into()));
        }
        if let Some(url) = &ask.url {
            let address = Location::of_host(url)?;
            set.extend([("url", address.to_string().into()), ("ip_address", address.host.clone().into()), ("name", address.name().into())]);
        }
        let (again, call, id) = (call.clone(), call.clone(), host.id);
        let after = self
            .db
            .write(move |tx| {
                Box::pin(async move {
                    let before: Host = hold(tx, Kind::Host, id).await?;
                    if let Some(to) = wanted {
                        if !matches!(before.resource_state.as_str(), "Enabled" | "Disabled") {
                            return Err(wrong_state(&before, "end the maintenance first"));
                        }
                        set.push(("resource_state", to.into()));
                    }
                    tx.set::<Host>(id, set).await?;
                    call.hosts_reopen(tx, Reach::Host(id)).await?;
                    let after: Host = tx.must(id).await?;
                    if after.url != before.url {
                        refuse_twice(tx.find_one(twice(&after).ne("id", id)).await?)?;
                    }
                    call.log(tx, Topic::of_caller(&call, Kind::Host, id), format!("host {} changed", after.name)).await?;
                    Ok(after)
                })
            })
            .await?;
        // At another place it is another connection, and maybe another machine.
        if after.url == host.url { Ok(after) } else { self.host_reconnect(&again, &after).await }
    }

    /// Keeps other credentials for a host or all hosts of a cluster. What the host itself accepts is not changed.
    pub async fn host_password(&self, call: &Call, of: PasswordOf, username: &str, password: &str) -> Result<()> {
        let sealed = self.sealer.seal(password)?;
        let (call, username) = (call.clone(), username.to_owned());
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let (q, kind, id) = match of {
                        PasswordOf::Host(id) => (Query::live().eq("id", id), Kind::Host, id),
                        PasswordOf::Cluster(id) => (Query::live().eq("cluster_id", id), Kind::Cluster, id),
                    };
                    // For a whole cluster only those with this login change, as one rolls a password host by host.
                    let q = if kind == Kind::Cluster { q.eq("username", &username) } else { q };
                    let set = vec![("username", (&username).into()), ("password_sealed", sealed.into())];
                    if tx.update::<Host>(q, set).await? == 0 {
                        return Err(Error::invalid("username", "no host there has this login"));
                    }
                    call.log(tx, Topic::of_caller(&call, kind, id), "host password changed").await
                })
            })
            .await
    }

    /// Makes contact with a host again and reads anew what it is. A host that does not answer becomes Disconnected.
    pub async fn host_reconnect(&self, call: &Call, host: &Host) -> Result<Host> {
        let facts = self.host_driver(&host.hypervisor)?.connect(&host.uuid, &host.url).await;
        let (inner, id, told) = (call.clone(), host.id, facts.clone());
        let after = self
            .db
            .write(move |tx| {
                Box::pin(async move {
                    let mut host: Host = hold(tx, Kind::Host, id).await?;
                    let now = inner.now();
                    match facts {
                        Ok(facts) => {
                            keep_facts(&mut host, &facts);
                            let mut set = reconnected(&host, now);
                            set.extend([("server_id", inner.server.id.into()), ("epoch", inner.server.epoch.into())]);
                            tx.set::<Host>(id, set).await?;
                            let cluster: Cluster = tx.must(host.cluster_id).await?;
                            let total = inner.host_total(&cluster, host.cpus, host.cpu_mhz, host.memory_bytes);
                            let set = vec![("cpu_total", total.cpu.into()), ("memory_total", total.memory.into())];
                            tx.update::<HostCapacity>(Query::all().eq("host_id", id), set).await?;
                            inner.log(tx, Topic::of_caller(&inner, Kind::Host, id), format!("host {} reconnected", host.name)).await?;
                        }
                        Err(_) => {
                            tx.set::<Host>(id, vec![("state", "Disconnected".into()), ("disconnected", now.into())]).await?;
                        }
                    }
                    inner.hosts_reopen(tx, Reach::Host(id)).await?;
                    tx.must::<Host>(id).await
                })
            })
            .await?;
        match told {
            Err(e) => Err(Error::Unavailable(format!("Host {} cannot be reached: {e}", after.name))),
            Ok(facts) => {
                self.local_pool(call, &after, &facts).await;
                Ok(after)
            }
        }
    }

    /// Removes a host that no VM is on. Without `forced` it has to be in maintenance, so that nobody removes one by a slip.
    pub async fn host_delete(&self, call: &Call, host: &Host, forced: bool) -> Result<()> {
        let (call, id) = (call.clone(), host.id);
        let (gone, pool) = self
            .db
            .write(move |tx| {
                Box::pin(async move {
                    let host: Host = hold(tx, Kind::Host, id).await?;
                    if !forced && host.resource_state != "Maintenance" {
                        return Err(wrong_state(&host, "put it into maintenance first, or force"));
                    }
                    let now = call.now();
                    let set = vec![("state", "Removed".into()), ("resource_state", "Disabled".into()), ("removed", now.into())];
                    tx.set::<Host>(id, set).await?;
                    call.hosts_reopen(tx, Reach::Host(id)).await?;
                    refuse_occupied(tx, &host).await?;
                    let pool = crate::local_storage::end(tx, &host, now).await?;
                    tx.delete::<HostCapacity>(Query::all().eq("host_id", id)).await?;
                    tx.delete::<HostLeave>(Query::all().eq("host_id", id)).await?;
                    // Its certificate opens nothing any more.
                    tx.update::<Agent>(Query::live().eq("uuid", &host.uuid), vec![("removed", now.into())]).await?;
                    call.log(tx, Topic::of_caller(&call, Kind::Host, id), format!("host {} removed", host.name)).await?;
                    Ok((host, pool))
                })
            })
            .await?;
        if let (Some(pool), Some(driver)) = (pool, self.drivers.pool(&gone.hypervisor)) {
            crate::pool::forget(&driver, &pool).await;
        }
        if let Ok(driver) = self.host_driver(&gone.hypervisor) {
            forget(&driver, &gone.uuid).await;
        }
        if let Some(agents) = self.drivers.agents(&gone.hypervisor) {
            agents.dismiss(&gone.uuid);
        }
        Ok(())
    }

    /// Hosts.
    pub async fn host_list(&self, f: HostFilter) -> Result<Listing<Host>> {
        let mut q = Query::live()
            .eq_opt("id", f.id)
            .eq_opt("name", f.name)
            .eq_opt("zone_id", f.zone)
            .eq_opt("pod_id", f.pod)
            .eq_opt("cluster_id", f.cluster)
            .eq_opt("host_type", f.host_type)
            .eq_opt("hypervisor", f.hypervisor.as_deref().map(crate::hypervisor::canonical))
            .eq_opt("state", f.state)
            .eq_opt("resource_state", f.resource_state);
        match (f.ha, self.settings.text("ha.tag").filter(|t| !t.is_empty())) {
            (Some(true), Some(tag)) => q = q.holds(&["tags"], &tag),
            (Some(true), None) => q = q.within("id", Vec::<i64>::new()),
            _ => {}
        }
        if let Some(k) = &f.keyword {
            q = q.holds(&["name", "state", "host_type"], k);
        }
        let (offset, limit) = f.page;
        Ok(Listing { count: self.db.count::<Host>(q.clone()).await?, rows: self.db.find(q.page(offset, limit)).await? })
    }
}

/// Live hosts that are the same machine as this one. A simulated host is one machine a cluster; a real one is one in the whole cloud.
fn twice(host: &Host) -> Query {
    match host.hypervisor.as_str() {
        "Simulator" => Query::live().eq("cluster_id", host.cluster_id).eq("url", &host.url),
        _ => Query::live().eq("name", &host.name),
    }
}

fn refuse_twice(found: Option<Host>) -> Result<()> {
    match found {
        Some(h) => Err(Error::Duplicate { kind: Kind::Host, name: h.name }),
        None => Ok(()),
    }
}

pub(crate) fn wrong_state(host: &Host, why: &str) -> Error {
    Error::State { kind: Kind::Host, id: host.uuid.clone(), state: host.resource_state.clone(), why: why.into() }
}

fn keep_facts(host: &mut Host, facts: &HostFacts) {
    host.cpus = facts.cpus.into();
    host.cpu_mhz = facts.cpu_mhz.into();
    host.memory_bytes = i64::try_from(facts.memory_bytes).unwrap_or(i64::MAX);
    host.hypervisor_version = Some(facts.version.clone()).filter(|v| !v.is_empty());
    host.capabilities = Some(facts.capabilities.clone()).filter(|c| !c.is_empty());
}

fn reconnected(host: &Host, now: i64) -> Vec<(&'static str, Value)> {
    vec![
        ("state", "Up".into()),
        ("disconnected", Value::Null),
        ("last_ping", now.into()),
        ("cpus", host.cpus.into()),
        ("cpu_mhz", host.cpu_mhz.into()),
        ("memory_bytes", host.memory_bytes.into()),
        ("hypervisor_version", host.hypervisor_version.clone().into()),
        ("capabilities", host.capabilities.clone().into()),
    ]
}

/// Keeps a host that answered, and its cluster when that is new too.
async fn insert(tx: &mut Tx, call: &Call, mut cluster: Cluster, mut host: Host) -> Result<Host> {
    match cluster.id {
        0 => cluster::insert(tx, &mut cluster).await?,
        id => cluster = hold(tx, Kind::Cluster, id).await?,
    }
    host.cluster_id = cluster.id;
    refuse_twice(tx.find_one(twice(&host)).await?)?;
    tx.insert(&mut host).await?;
    let total = call.host_total(&cluster, host.cpus, host.cpu_mhz, host.memory_bytes);
    let mut capacity = HostCapacity {
        host_id: host.id,
        zone_id: host.zone_id,
        pod_id: host.pod_id,
        cluster_id: host.cluster_id,
        hypervisor: host.hypervisor.clone(),
        cpu_total: total.cpu,
        memory_total: total.memory,
        max_guests: call.guests_most(&host).await?,
        ..Default::default()
    };
    tx.insert(&mut capacity).await?;
    call.hosts_reopen(tx, Reach::Host(host.id)).await?;
    call.log(tx, Topic::of_caller(call, Kind::Host, host.id), format!("host {} added", host.name)).await?;
    Ok(host)
}

/// Refuses while VMs have a place on the host, naming some of them.
pub(crate) async fn refuse_occupied(tx: &mut Tx, host: &Host) -> Result<()> {
    let here = || Query::all().eq("host_id", host.id);
    let n = tx.count::<Placement>(here()).await?;
    if n == 0 {
        return Ok(());
    }
    let some = tx.find::<Vm>(Query::all().id_in::<Placement>("vm_id", here()).page(0, 5)).await?;
    let names: Vec<String> = some.into_iter().map(|v| v.instance_name).collect();
    let why = format!("{n} virtual machines are on it ({}{}); stop them first", names.join(", "), if n > 5 { " …" } else { "" });
    Err(Error::InUse { kind: Kind::Host, id: host.uuid.clone(), why })
}

/// Tells the driver that a host is no longer ours. That it does not listen changes nothing for us.
async fn forget(driver: &Arc<dyn HostDriver>, uuid: &str) {
    match driver.disconnect(uuid).await {
        Ok(()) | Err(DriverError::Missing(_)) => {}
        Err(e) => tracing::warn!(host = uuid, error = %e, "a removed host did not take leave"),
    }
}
