//! Who provides network services on a physical network, and the elements of those that are virtual routers.
//!
//! A provider is enabled only when it is ready: a router's element must be enabled first, and a vendor's box must be there. None of the
//! boxes has a driver in this cloud, so their providers can be added and stay disabled.
use crate::network_offering::word;
use crate::{Call, Engine, JobDraft, Listing, Topic};
use stratus_model::{Error, Kind, Micros, Result};
use stratus_store::{Job, Network, OfferingService, PhysicalNetwork, Provider, Query, RouterElement, Tx, Value};
use uuid::Uuid;

/// A service that networks can have.
pub struct Service {
    /// Its name.
    pub name: &'static str,
    /// Who provides it when nobody is named.
    pub usual: &'static str,
    /// Its capabilities: name, value, whether an offering chooses it.
    pub capabilities: &'static [(&'static str, &'static str, bool)],
}

/// Every service there is.
pub const SERVICES: &[Service] = &[
    Service {
        name: "Vpn",
        usual: "VirtualRouter",
        capabilities: &[("SupportedVpnTypes", "pptp,l2tp,ipsec", false), ("VpnTypes", "removeaccess", false)],
    },
    Service { name: "Dhcp", usual: "VirtualRouter", capabilities: &[("DhcpAccrossMultipleSubnets", "true", false)] },
    Service { name: "Dns", usual: "VirtualRouter", capabilities: &[("AllowDnsSuffixModification", "true", false)] },
    Service { name: "Gateway", usual: "VirtualRouter", capabilities: &[] },
    Service {
        name: "Firewall",
        usual: "VirtualRouter",
        capabilities: &[
            ("SupportedProtocols", "tcp,udp,icmp", false),
            ("SupportedEgressProtocols", "tcp,udp,icmp,all", false),
            ("SupportedTrafficDirection", "ingress, egress", false),
            ("TrafficStatistics", "per public ip", false),
            ("MultipleIps", "true", false),
        ],
    },
    Service {
        name: "Lb",
        usual: "VirtualRouter",
        capabilities: &[
            ("SupportedLbAlgorithms", "roundrobin,leastconn,source", false),
            ("SupportedLBIsolation", "shared", true),
            ("LbSchemes", "Public", true),
            ("ElasticLb", "false", true),
            ("InlineMode", "false", true),
            ("SupportedProtocols", "tcp, udp", false),
        ],
    },
    Service { name: "UserData", usual: "VirtualRouter", capabilities: &[] },
    Service {
        name: "SourceNat",
        usual: "VirtualRouter",
        capabilities: &[("SupportedSourceNatTypes", "peraccount", true), ("RedundantRouter", "false", true)],
    },
    Service {
        name: "StaticNat",
        usual: "VirtualRouter",
        capabilities: &[("ElasticIp", "false", true), ("AssociatePublicIP", "true", true)],
    },
    Service { name: "PortForwarding", usual: "VirtualRouter", capabilities: &[] },
    Service { name: "SecurityGroup", usual: "SecurityGroupProvider", capabilities: &[] },
    Service { name: "NetworkACL", usual: "VpcVirtualRouter", capabilities: &[("SupportedProtocols", "tcp,udp,icmp", false)] },
    Service { name: "Connectivity", usual: "NiciraNvp", capabilities: &[] },
];

/// A provider that physical networks can have.
pub struct Known {
    /// Its name.
    pub name: &'static str,
    /// What it can do.
    pub services: &'static [&'static str],
    /// Every physical network has it from the start.
    pub from_start: bool,
    /// It is a virtual machine of ours, with an element to be enabled.
    pub router: bool,
    /// It is a box of a vendor.
    pub vendor: bool,
}

const fn vendor(name: &'static str, services: &'static [&'static str]) -> Known {
    Known { name, services, from_start: false, router: false, vendor: true }
}

/// Every provider there is.
pub const PROVIDERS: &[Known] = &[
    Known {
        name: "VirtualRouter",
        services: &["Vpn", "Dhcp", "Dns", "Gateway", "Firewall", "Lb", "UserData", "SourceNat", "StaticNat", "PortForwarding"],
        from_start: true,
        router: true,
        vendor: false,
    },
    Known { name: "SecurityGroupProvider", services: &["SecurityGroup"], from_start: true, router: false, vendor: false },
    Known {
        name: "VpcVirtualRouter",
        services: &["Vpn", "Dhcp", "Dns", "Gateway", "Lb", "UserData", "SourceNat", "StaticNat", "PortForwarding", "NetworkACL"],
        from_start: true,
        router: true,
        vendor: false,
    },
    Known { name: "InternalLbVm", services: &["Lb"], from_start: true, router: true, vendor: false },
    vendor("Netscaler", &["Lb", "StaticNat"]),
    vendor("F5BigIp", &["Lb"]),
    vendor("JuniperSRX", &["Firewall", "Gateway", "PortForwarding", "SourceNat", "StaticNat"]),
    vendor("CiscoVnmc", &["Firewall", "Gateway", "PortForwarding", "SourceNat", "StaticNat"]),
    vendor("NiciraNvp", &["Connectivity", "Gateway", "PortForwarding", "SourceNat", "StaticNat"]),
    vendor("BigSwitchVns", &["Connectivity"]),
    vendor("MidoNet", &["Connectivity", "Dhcp", "Firewall", "Gateway", "PortForwarding", "SourceNat", "StaticNat"]),
    vendor("StratosphereSsp", &["Connectivity"]),
    vendor("Ovs", &["Connectivity"]),
    vendor("BaremetalDhcpProvider", &["Dhcp"]),
    vendor("BaremetalPxeProvider", &[]),
    vendor("BaremetalUserdataProvider", &["UserData"]),
];

/// The service of this name, whatever its case.
pub fn service(field: &str, text: &str) -> Result<&'static str> {
    let found = SERVICES.iter().find(|s| s.name.eq_ignore_ascii_case(text.trim()));
    found.map(|s| s.name).ok_or_else(|| Error::invalid(field, format!("'{text}' is not a network service")))
}

/// The provider of this name, whatever its case.
pub fn provider(field: &str, text: &str) -> Result<&'static Known> {
    let found = PROVIDERS.iter().find(|p| p.name.eq_ignore_ascii_case(text.trim()));
    found.ok_or_else(|| Error::invalid(field, format!("'{text}' is not a network service provider")))
}

/// Refuses a capability that the service does not have, that is not to choose, or that this cloud does not have.
pub(crate) fn capability(of: &str, name: &str, value: &str) -> Result<()> {
    let field = "servicecapabilitylist";
    let of = service(field, of)?;
    let known = SERVICES.iter().find(|s| s.name == of).and_then(|s| s.capabilities.iter().find(|c| c.0.eq_ignore_ascii_case(name)));
    match known {
        None => Err(Error::invalid(field, format!("{of} has no capability {name}"))),
        Some((_, _, false)) => Err(Error::invalid(field, format!("the capability {name} of {of} is not to choose"))),
        Some(("RedundantRouter" | "InlineMode" | "ElasticLb", _, _)) if value.eq_ignore_ascii_case("true") => {
            Err(Error::Unsupported(format!("The capability {name} of {of} is not supported")))
        }
        Some(_) => Ok(()),
    }
}

/// Which providers a list shows.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "each narrows by the column of its name")]
pub struct ProviderFilter {
    pub name: Option<String>,
    pub keyword: Option<String>,
    pub physical_network_id: Option<i64>,
    pub state: Option<String>,
}

const STATES: &[&str] = &["Enabled", "Disabled", "Shutdown"];

/// The services of a provider's row.
pub fn services_of(row: &Provider) -> Vec<String> {
    row.services.split(',').filter(|s| !s.is_empty()).map(str::to_owned).collect()
}

/// The providers that a new physical network has, disabled; routers with their elements.
pub(crate) async fn insert_defaults(tx: &mut Tx, physical_network: i64, now: Micros) -> Result<()> {
    for known in PROVIDERS.iter().filter(|p| p.from_start) {
        insert(tx, known, physical_network, None, known.services.join(","), now).await?;
    }
    Ok(())
}

async fn insert(
    tx: &mut Tx,
    known: &Known,
    physical_network: i64,
    destination: Option<i64>,
    services: String,
    now: Micros,
) -> Result<Provider> {
    let mut p = Provider {
        uuid: Uuid::new_v4().to_string(),
        name: known.name.into(),
        physical_network_id: physical_network,
        destination_network_id: destination,
        services,
        state: "Disabled".into(),
        created: now,
        ..Default::default()
    };
    tx.insert(&mut p).await?;
    if known.router {
        insert_element(tx, p.id, now).await?;
    }
    Ok(p)
}

async fn insert_element(tx: &mut Tx, provider_id: i64, now: Micros) -> Result<RouterElement> {
    let mut e = RouterElement { uuid: Uuid::new_v4().to_string(), provider_id, created: now, ..Default::default() };
    tx.insert(&mut e).await?;
    Ok(e)
}

/// A provider whose element is asked for must be a router.
fn router(row: &Provider) -> Result<()> {
    match PROVIDERS.iter().any(|p| p.name == row.name && p.router) {
        true => Ok(()),
        false => Err(Error::invalid("nspid", format!("{} is not a virtual router and has no element", row.name))),
    }
}

impl Engine {
    /// Lists providers.
    pub async fn provider_list(&self, f: ProviderFilter, page: (i64, i64)) -> Result<Listing<Provider>> {
        let mut q = Query::live().eq_opt("name", f.name).eq_opt("physical_network_id", f.physical_network_id);
        if let Some(s) = &f.state {
            q = q.eq("state", word("state", s, STATES)?);
        }
        if let Some(k) = &f.keyword {
            q = q.holds(&["name"], k);
        }
        let count = self.db.count::<Provider>(q.clone()).await?;
        Ok(Listing { rows: self.db.find(q.page(page.0, page.1)).await?, count })
    }

    /// Adds a provider to a physical network, disabled.
    pub async fn provider_add(
        &self,
        call: &Call,
        physical: &PhysicalNetwork,
        name: &str,
        destination: Option<i64>,
        services: Option<Vec<String>>,
        job: JobDraft,
    ) -> Result<(Provider, Job)> {
        let known = provider("name", name)?;
        let services = chosen(known, services)?;
        let (call, physical) = (call.clone(), physical.clone());
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let same = Query::live().eq("physical_network_id", physical.id).eq("name", known.name);
                    if tx.find_one::<Provider>(same).await?.is_some() {
                        return Err(Error::Duplicate { kind: Kind::Provider, name: known.name.into() });
                    }
                    let p = insert(tx, known, physical.id, destination, services, call.now()).await?;
                    let job = job.insert(tx, &call, Topic::of_caller(&call, Kind::Provider, p.id)).await?;
                    Ok((p, job))
                })
            })
            .await
    }

    /// Enables, disables or shuts down a provider, or chooses among its services.
    pub async fn provider_update(&self, call: &Call, id: i64, state: Option<String>, services: Option<Vec<String>>) -> Result<Provider> {
        let state = state.map(|s| word("state", &s, STATES)).transpose()?;
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let p = tx.must::<Provider>(id).await?;
                    let mut set: Vec<(&'static str, Value)> = Vec::new();
                    if let Some(s) = services {
                        set.push(("services", chosen(provider("name", &p.name)?, Some(s))?.into()));
                    }
                    if let Some(state) = state {
                        if state == "Enabled" {
                            ready(tx, &p).await?;
                        }
                        set.push(("state", state.into()));
                    }
                    if !set.is_empty() {
                        tx.set::<Provider>(id, set).await?;
                    }
                    call.log(tx, Topic::of_caller(&call, Kind::Provider, id), format!("changed network service provider {}", p.name))
                        .await?;
                    tx.must(id).await
                })
            })
            .await
    }

    /// Removes a provider that no network uses.
    pub async fn provider_delete(&self, call: &Call, id: i64) -> Result<()> {
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let p = tx.must::<Provider>(id).await?;
                    let offerings = Query::all().eq("provider", p.name.as_str());
                    let of_us = Query::live().eq("physical_network_id", p.physical_network_id);
                    let users = tx.count::<Network>(of_us.key_in::<OfferingService>("offering_id", "offering_id", offerings)).await?;
                    if users > 0 {
                        return Err(Error::InUse { kind: Kind::Provider, id: p.uuid, why: format!("{users} networks use it") });
                    }
                    remove(tx, id, call.now()).await?;
                    call.log(tx, Topic::of_caller(&call, Kind::Provider, id), format!("deleted network service provider {}", p.name)).await
                })
            })
            .await
    }

    /// Lists the elements of routers, or of those providers whose name is given.
    pub async fn router_element_list(
        &self,
        id: Option<i64>,
        provider: Option<i64>,
        enabled: Option<bool>,
        names: &[&'static str],
        page: (i64, i64),
    ) -> Result<Listing<RouterElement>> {
        let of = Query::all().within("name", names.iter().copied());
        let q = Query::live().eq_opt("id", id).eq_opt("provider_id", provider).eq_opt("enabled", enabled);
        let q = q.key_in::<Provider>("provider_id", "id", of);
        let count = self.db.count::<RouterElement>(q.clone()).await?;
        Ok(Listing { rows: self.db.find(q.page(page.0, page.1)).await?, count })
    }

    /// Makes the element of a router's provider.
    pub async fn router_element_create(&self, call: &Call, of: &Provider, job: JobDraft) -> Result<(RouterElement, Job)> {
        router(of)?;
        let (call, of) = (call.clone(), of.clone());
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    if tx.find_one::<RouterElement>(Query::live().eq("provider_id", of.id)).await?.is_some() {
                        return Err(Error::Duplicate { kind: Kind::VirtualRouterElement, name: of.name });
                    }
                    let e = insert_element(tx, of.id, call.now()).await?;
                    let job = job.insert(tx, &call, Topic::of_caller(&call, Kind::VirtualRouterElement, e.id)).await?;
                    Ok((e, job))
                })
            })
            .await
    }

    /// Turns the element of a router on or off.
    pub async fn router_element_configure(&self, call: &Call, id: i64, enabled: bool) -> Result<RouterElement> {
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    tx.set::<RouterElement>(id, vec![("enabled", enabled.into())]).await?;
                    let text = if enabled { "enabled a virtual router element" } else { "disabled a virtual router element" };
                    call.log(tx, Topic::of_caller(&call, Kind::VirtualRouterElement, id), text).await?;
                    tx.must(id).await
                })
            })
            .await
    }
}

/// The services of a provider as the column holds them: all it has, or those chosen.
fn chosen(known: &Known, services: Option<Vec<String>>) -> Result<String> {
    let Some(list) = services else { return Ok(known.services.join(",")) };
    let mut out = Vec::new();
    for text in &list {
        let s = service("servicelist", text)?;
        if !known.services.contains(&s) {
            return Err(Error::invalid("servicelist", format!("{} does not provide {s}", known.name)));
        }
        out.push(s);
    }
    Ok(out.join(","))
}

/// Refuses a provider that cannot serve yet, saying what is missing.
async fn ready(tx: &mut Tx, p: &Provider) -> Result<()> {
    let known = provider("name", &p.name)?;
    let not = |why: String| Err(Error::State { kind: Kind::Provider, id: p.uuid.clone(), state: p.state.clone(), why });
    if known.vendor {
        return not(format!("{} is not ready: no device of it is configured", p.name));
    }
    if known.router && tx.find_one::<RouterElement>(Query::live().eq("provider_id", p.id).eq("enabled", true)).await?.is_none() {
        return not(format!("{} is not ready: enable its element first", p.name));
    }
    Ok(())
}

/// Removes a provider and its element.
pub(crate) async fn remove(tx: &mut Tx, id: i64, now: Micros) -> Result<()> {
    tx.update::<RouterElement>(Query::live().eq("provider_id", id), vec![("removed", now.into())]).await?;
    tx.remove::<Provider>(id, now).await.map(drop)
}
