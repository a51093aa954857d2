//! Makes what a description says by the native commands that Marvin's deployDataCenter calls, in its order.
use super::Commands;
use super::file_shape::{Cluster, Description, Network, Offering, PhysicalNetwork, Pod, Pool, Range, Store, Zone, plain};
use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;
use std::time::Duration;

/// How often a host that is not up yet is looked at, and how long between.
const LOOKS: usize = 120;
const BETWEEN: Duration = Duration::from_millis(500);

/// Parameters under way: those without a value are left out.
#[derive(Default)]
struct With(Vec<(String, String)>);

impl With {
    fn and(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.push((name.into(), value.into()));
        self
    }
    fn maybe(self, name: &str, value: Option<&String>) -> Self {
        match value {
            Some(v) => self.and(name, v),
            None => self,
        }
    }
}

fn with(name: &str, value: impl Into<String>) -> With {
    With::default().and(name, value)
}

struct Builder<'c, C> {
    commands: &'c C,
}

/// Makes every zone of a description.
pub async fn build<C: Commands>(commands: &C, description: &Description) -> Result<()> {
    let b = Builder { commands };
    for s in &description.settings {
        b.call("updateConfiguration", with("name", &s.name).and("value", &s.value)).await?;
    }
    for offering in &description.offerings {
        b.network_offering(offering).await.with_context(|| format!("network offering {}", offering.name))?;
    }
    for zone in &description.zones {
        b.zone(zone).await.with_context(|| format!("zone {}", zone.name))?;
        tracing::info!(zone = zone.name, "the zone is made");
    }
    Ok(())
}

fn basic(zone: &Zone) -> bool {
    zone.networktype.eq_ignore_ascii_case("Basic")
}
fn says(text: Option<&String>, word: &str) -> bool {
    text.is_some_and(|t| t.eq_ignore_ascii_case(word))
}

impl<C: Commands> Builder<'_, C> {
    async fn call(&self, command: &str, with: With) -> Result<Value> {
        self.commands.call(command, with.0).await.with_context(|| command.to_owned())
    }
    /// Calls a command and answers with the id of the thing under this key: the object, or the first of a list.
    async fn make(&self, command: &str, key: &str, with: With) -> Result<String> {
        let answer = self.call(command, with).await?;
        first(&answer, key).and_then(id).ok_or_else(|| anyhow!("{command} answered without a {key}: {answer}"))
    }
    async fn find(&self, command: &str, key: &str, with: With) -> Result<Option<String>> {
        let answer = self.call(command, with).await?;
        Ok(first(&answer, key).and_then(id))
    }

    async fn zone(&self, zone: &Zone) -> Result<()> {
        let cidr = zone.guestcidraddress.as_ref().filter(|_| !basic(zone));
        let ask = with("name", &zone.name)
            .and("networktype", &zone.networktype)
            .and("dns1", &zone.dns1)
            .and("internaldns1", &zone.internaldns1)
            .maybe("dns2", zone.dns2.as_ref())
            .maybe("internaldns2", zone.internaldns2.as_ref())
            .maybe("ip6dns1", zone.ip6dns1.as_ref())
            .maybe("ip6dns2", zone.ip6dns2.as_ref())
            .maybe("guestcidraddress", cidr)
            .maybe("domain", zone.domain.as_ref())
            .maybe("securitygroupenabled", zone.securitygroupenabled.as_ref())
            .maybe("localstorageenabled", zone.localstorageenabled.as_ref());
        let id = self.make("createZone", "zone", ask).await?;
        for wire in &zone.physical_networks {
            self.wire(zone, &id, wire).await.with_context(|| format!("physical network {}", wire.name))?;
        }
        let guests = if basic(zone) { Some(self.basic_network(zone, &id).await?) } else { None };
        for pod in &zone.pods {
            self.pod(&id, pod, guests.as_deref()).await.with_context(|| format!("pod {}", pod.name))?;
        }
        if !basic(zone) || zone.physical_networks.iter().any(|w| w.traffictypes.iter().any(|t| t.typ.eq_ignore_ascii_case("Public"))) {
            for range in &zone.ipranges {
                let ask = range_of(range).and("zoneid", &id).and("forvirtualnetwork", "true");
                self.call("createVlanIpRange", ask).await?;
            }
        }
        if !basic(zone) {
            for network in &zone.networks {
                self.shared_network(zone, &id, network).await.with_context(|| format!("network {}", network.name))?;
            }
        }
        for pool in &zone.pools {
            self.pool(&id, None, pool).await.with_context(|| format!("primary storage {}", pool.name))?;
        }
        for store in &zone.stores {
            self.store(&id, store).await?;
        }
        if !says(zone.enabled.as_ref(), "false") {
            self.call("updateZone", with("id", &id).and("allocationstate", "Enabled")).await?;
        }
        Ok(())
    }

    async fn wire(&self, zone: &Zone, zone_id: &str, wire: &PhysicalNetwork) -> Result<()> {
        let range = wire.broadcastdomainrange.clone().filter(|_| !basic(zone));
        let mut ask = with("name", &wire.name).and("zoneid", zone_id).maybe("broadcastdomainrange", range.as_ref());
        ask = ask.maybe("networkspeed", wire.networkspeed.as_ref()).maybe("tags", wire.tags.as_ref());
        if !wire.isolationmethods.is_empty() && !basic(zone) {
            ask = ask.and("isolationmethods", wire.isolationmethods.join(","));
        }
        let id = self.make("createPhysicalNetwork", "physicalnetwork", ask).await?;
        for t in &wire.traffictypes {
            let ask = with("physicalnetworkid", &id)
                .and("traffictype", &t.typ)
                .maybe("xennetworklabel", t.xen.as_ref())
                .maybe("kvmnetworklabel", t.kvm.as_ref())
                .maybe("vmwarenetworklabel", t.vmware.as_ref())
                .maybe("hypervnetworklabel", t.hyperv.as_ref())
                .maybe("vlan", t.vlan.as_ref());
            self.call("addTrafficType", ask).await?;
        }
        let usual: &[&str] = match basic(zone) {
            true => &["VirtualRouter", "SecurityGroupProvider"],
            false => &["VirtualRouter", "VpcVirtualRouter", "InternalLbVm"],
        };
        if let Some(p) = wire.providers.iter().find(|p| !p.devices.is_empty()) {
            bail!("provider {}: a vendor's devices cannot be simulated", p.name);
        }
        let mut names: Vec<&str> = wire.providers.iter().map(|p| p.name.as_str()).collect();
        if names.is_empty() {
            names.extend(usual);
        }
        if says(zone.securitygroupenabled.as_ref(), "true") && !names.contains(&"SecurityGroupProvider") {
            names.push("SecurityGroupProvider");
        }
        for name in names {
            self.provider(&id, name).await.with_context(|| format!("provider {name}"))?;
        }
        let vlan = wire.vlan.as_ref().filter(|_| !basic(zone));
        self.call("updatePhysicalNetwork", with("id", &id).and("state", "Enabled").maybe("vlan", vlan)).await?;
        Ok(())
    }

    /// Enables a provider; the element of a router first.
    async fn provider(&self, wire: &str, name: &str) -> Result<()> {
        let ask = with("physicalnetworkid", wire).and("name", name).and("state", "Disabled");
        let found = self.find("listNetworkServiceProviders", "networkserviceprovider", ask).await?;
        let id = found.ok_or_else(|| anyhow!("the physical network has no disabled provider of this name"))?;
        let element = match name {
            "VirtualRouter" | "VpcVirtualRouter" => Some(("VirtualRouter", "virtualrouterelement")),
            "InternalLbVm" => Some(("InternalLoadBalancer", "internalloadbalancerelement")),
            _ => None,
        };
        if let Some((kind, key)) = element {
            let found = self.find(&format!("list{kind}Elements"), key, with("nspid", &id)).await?;
            let element = found.ok_or_else(|| anyhow!("it has no element"))?;
            self.call(&format!("configure{kind}Element"), with("id", element).and("enabled", "true")).await?;
        }
        self.call("updateNetworkServiceProvider", with("id", id).and("state", "Enabled")).await?;
        Ok(())
    }

    async fn network_offering(&self, o: &Offering) -> Result<()> {
        if self.find("listNetworkOfferings", "networkoffering", with("name", &o.name)).await?.is_some() {
            return Ok(());
        }
        let mut ask = with("name", &o.name).and("displaytext", o.displaytext.as_ref().unwrap_or(&o.name)).and("traffictype", "Guest");
        ask = ask.and("guestiptype", &o.guestiptype).and("supportedservices", o.supportedservices.join(","));
        if o.guestiptype.eq_ignore_ascii_case("Shared") {
            ask = ask.and("specifyvlan", "true").and("specifyipranges", "true");
        }
        for (i, c) in o.servicecapabilitylist.iter().enumerate() {
            let name = |field: &str| format!("servicecapabilitylist[{i}].{field}");
            ask = ask.and(&name("service"), &c.service).and(&name("capabilitytype"), &c.capabilitytype);
            ask = ask.and(&name("capabilityvalue"), &c.capabilityvalue);
        }
        let id = self.make("createNetworkOffering", "networkoffering", ask).await?;
        self.call("updateNetworkOffering", with("id", id).and("state", "Enabled")).await.map(drop)
    }

    async fn offering(&self, zone: &Zone, named: Option<&String>) -> Result<String> {
        let usual = match says(zone.securitygroupenabled.as_ref(), "true") {
            true => "DefaultSharedNetworkOfferingWithSGService",
            false => "DefaultSharedNetworkOffering",
        };
        let name = named.map_or(usual, String::as_str);
        let found = self.find("listNetworkOfferings", "networkoffering", with("name", name)).await?;
        found.ok_or_else(|| anyhow!("there is no network offering {name}"))
    }

    async fn basic_network(&self, zone: &Zone, zone_id: &str) -> Result<String> {
        let offering = self.offering(zone, zone.networkoffering.as_ref()).await?;
        let ask = with("name", "guestNetworkForBasicZone")
            .and("displaytext", "guestNetworkForBasicZone")
            .and("zoneid", zone_id)
            .and("networkofferingid", offering);
        self.make("createNetwork", "network", ask).await
    }

    async fn shared_network(&self, zone: &Zone, zone_id: &str, n: &Network) -> Result<()> {
        let offering = self.offering(zone, n.networkoffering.as_ref()).await?;
        let ask = with("name", &n.name)
            .and("displaytext", n.displaytext.as_ref().unwrap_or(&n.name))
            .and("zoneid", zone_id)
            .and("networkofferingid", offering)
            .maybe("acltype", n.acltype.as_ref())
            .maybe("gateway", n.gateway.as_ref())
            .maybe("netmask", n.netmask.as_ref())
            .maybe("startip", n.startip.as_ref())
            .maybe("endip", n.endip.as_ref())
            .maybe("vlan", n.vlan.as_ref())
            .maybe("networkdomain", n.networkdomain.as_ref());
        self.call("createNetwork", ask).await.map(drop)
    }

    async fn pod(&self, zone: &str, pod: &Pod, guests: Option<&str>) -> Result<()> {
        let ask = with("name", &pod.name).and("zoneid", zone).and("startip", &pod.startip).and("endip", &pod.endip);
        let id = self.make("createPod", "pod", ask.and("gateway", &pod.gateway).and("netmask", &pod.netmask)).await?;
        for range in &pod.guest_ranges {
            let Some(network) = guests else { bail!("guestIpRanges belong to pods of a basic zone") };
            let ask = range_of(range).and("zoneid", zone).and("podid", &id).and("networkid", network);
            self.call("createVlanIpRange", ask.and("forvirtualnetwork", "false")).await?;
        }
        for cluster in &pod.clusters {
            self.cluster(zone, &id, cluster).await.with_context(|| format!("cluster {}", cluster.clustername))?;
        }
        Ok(())
    }

    async fn cluster(&self, zone: &str, pod: &str, cluster: &Cluster) -> Result<()> {
        let ask = with("clustername", &cluster.clustername).and("hypervisor", &cluster.hypervisor);
        let id =
            self.make("addCluster", "cluster", ask.and("clustertype", &cluster.clustertype).and("zoneid", zone).and("podid", pod)).await?;
        for host in &cluster.hosts {
            let ask = with("url", &host.url).and("username", &host.username).and("password", &host.password);
            let ask = ask.and("hypervisor", &cluster.hypervisor).and("zoneid", zone).and("podid", pod).and("clusterid", &id);
            self.make("addHost", "host", ask.maybe("hosttags", host.hosttags.as_ref()))
                .await
                .with_context(|| format!("host {}", host.url))?;
        }
        self.wait_up(&id).await?;
        for pool in &cluster.pools {
            self.pool(zone, Some((pod, &id)), pool).await.with_context(|| format!("primary storage {}", pool.name))?;
        }
        Ok(())
    }

    /// Waits until every host of a cluster is up.
    async fn wait_up(&self, cluster: &str) -> Result<()> {
        let mut waiting = Vec::new();
        for _ in 0..LOOKS {
            let answer = self.call("listHosts", with("clusterid", cluster).and("type", "Routing")).await?;
            let hosts = answer["host"].as_array().cloned().unwrap_or_default();
            let down = hosts.iter().filter(|h| h["state"] != "Up");
            waiting = down.map(|h| format!("{} is {}", plain(&h["name"]), plain(&h["state"]))).collect();
            if waiting.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(BETWEEN).await;
        }
        bail!("hosts did not come up: {}", waiting.join(", "))
    }

    async fn pool(&self, zone: &str, place: Option<(&str, &str)>, pool: &Pool) -> Result<()> {
        let mut ask = with("name", &pool.name).and("url", &pool.url).and("zoneid", zone);
        if let Some((pod, cluster)) = place {
            ask = ask.and("podid", pod).and("clusterid", cluster);
        }
        let zone_wide = "ZONE".to_owned();
        let scope = pool.scope.as_ref().or(Some(&zone_wide).filter(|_| place.is_none()));
        ask = ask.maybe("scope", scope).maybe("provider", pool.provider.as_ref()).maybe("hypervisor", pool.hypervisor.as_ref());
        self.call("createStoragePool", ask.maybe("tags", pool.tags.as_ref())).await.map(drop)
    }

    async fn store(&self, zone: &str, store: &Store) -> Result<()> {
        let mut ask = with("provider", &store.provider).maybe("url", store.url.as_ref()).maybe("name", store.name.as_ref());
        // A store of objects serves a whole region.
        if store.provider.eq_ignore_ascii_case("NFS") {
            ask = ask.and("zoneid", zone);
        }
        for (i, (key, value)) in store.details.iter().enumerate() {
            ask = ask.and(&format!("details[{i}].key"), key).and(&format!("details[{i}].value"), plain(value));
        }
        self.call("addImageStore", ask).await.map(drop).with_context(|| format!("secondary storage {}", store.provider))
    }
}

fn range_of(range: &Range) -> With {
    with("startip", &range.startip)
        .and("endip", &range.endip)
        .and("gateway", &range.gateway)
        .and("netmask", &range.netmask)
        .maybe("vlan", range.vlan.as_ref())
}

/// The object under a key, or the first of the list there.
fn first<'v>(answer: &'v Value, key: &str) -> Option<&'v Value> {
    match answer.get(key)? {
        Value::Array(list) => list.first(),
        one => Some(one),
    }
}
fn id(thing: &Value) -> Option<String> {
    thing.get("id")?.as_str().map(str::to_owned)
}
