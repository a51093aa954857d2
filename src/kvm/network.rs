//! The [`Network`] trait, and what is remembered of a guest network.
use crate::{Done, Kvm};
use async_trait::async_trait;
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use stratus_drivers::{DriverError, GroupMembers, Network, NetworkSpec, NicRules, NicSpec, PublicSet, Secret, VmSpec};

/// A guest network that is up here.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Net {
    pub spec: NetworkSpec,
    /// By the NIC's uuid.
    pub leases: BTreeMap<String, Lease>,
    pub public: PublicSet,
}

/// A NIC that was prepared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lease {
    pub nic: NicSpec,
    pub vm: String,
    /// What the guest is to hear of itself, known before it starts.
    pub guest: Option<VmSpec>,
    /// What it may fetch once.
    pub password: Option<String>,
}

impl Net {
    /// The router's addresses with their networks: the network's own gateway and, where pods have ranges of their own, each NIC's.
    pub fn subnets(&self) -> BTreeSet<(Ipv4Addr, Ipv4Net)> {
        let own = self.spec.cidr.parse::<Ipv4Net>().ok().zip(self.spec.gateway.parse().ok());
        let own = own.map(|(net, gateway)| (gateway, net.trunc()));
        own.into_iter().chain(self.leases.values().filter_map(|lease| subnet(&lease.nic))).collect()
    }

    /// The lease of an address.
    pub fn holder(&self, ip: Ipv4Addr) -> Option<&Lease> {
        self.leases.values().find(|lease| lease.nic.ip.parse() == Ok(ip))
    }
}

/// A NIC's gateway and network, if they make sense together.
fn subnet(nic: &NicSpec) -> Option<(Ipv4Addr, Ipv4Net)> {
    let (gateway, netmask) = (nic.gateway.parse::<Ipv4Addr>().ok()?, nic.netmask.parse().ok()?);
    let net = Ipv4Net::with_netmask(gateway, netmask).ok()?.trunc();
    net.contains(&nic.ip.parse::<Ipv4Addr>().ok()?).then_some((gateway, net))
}

/// What becomes text of configurations has to be what it says it is.
fn checked(nic: &NicSpec) -> Done {
    let mac: Vec<&str> = nic.mac.split(':').collect();
    let good = mac.len() == 6 && mac.iter().all(|byte| byte.len() == 2 && byte.bytes().all(|c| c.is_ascii_hexdigit()));
    let ip = nic.ip.parse::<Ipv4Addr>().is_ok();
    if good && ip && subnet(nic).is_some() {
        return Ok(());
    }
    Err(DriverError::Failed(format!("NIC {}: {} {} with gateway {} is no address in its network", nic.uuid, nic.mac, nic.ip, nic.gateway)))
}

#[async_trait]
impl Network for Kvm {
    async fn implement(&self, network: &NetworkSpec) -> Done {
        let _held = self.locks.hold(&network.uuid).await;
        let mut net = self.net(&network.uuid)?.unwrap_or_else(|| Net {
            spec: network.clone(),
            leases: BTreeMap::new(),
            public: PublicSet::default(),
        });
        net.spec = network.clone();
        self.folders.networks.put(&network.uuid, &net)?;
        self.router_up(&net).await
    }
    async fn prepare(&self, network: &NetworkSpec, nic: &NicSpec, vm: &str) -> Done {
        checked(nic)?;
        self.change(&network.uuid, true, |net| {
            if let Some(holder) = net.leases.values().find(|lease| lease.nic.ip == nic.ip && lease.nic.uuid != nic.uuid) {
                let why = format!("address {} of network {} is leased to NIC {}", nic.ip, network.uuid, holder.nic.uuid);
                return Err(DriverError::Failed(why));
            }
            let before = net.leases.get(&nic.uuid);
            let (guest, password) = (before.and_then(|lease| lease.guest.clone()), before.and_then(|lease| lease.password.clone()));
            net.leases.insert(nic.uuid.clone(), Lease { nic: nic.clone(), vm: vm.to_owned(), guest, password });
            Ok(())
        })
        .await
    }
    fn tells_guests(&self) -> bool {
        true
    }
    async fn introduce(&self, network: &NetworkSpec, vm: &VmSpec) -> Done {
        self.change(&network.uuid, true, |net| {
            for lease in net.leases.values_mut().filter(|lease| lease.vm == vm.name) {
                lease.guest = Some(vm.clone());
            }
            Ok(())
        })
        .await
    }
    async fn save_password(&self, network: &NetworkSpec, nic: &NicSpec, password: &Secret) -> Done {
        self.change(&network.uuid, false, |net| {
            let lease = net.leases.get_mut(&nic.uuid);
            let lease = lease.ok_or_else(|| DriverError::Missing(format!("NIC {} in network {}", nic.uuid, network.uuid)))?;
            lease.password = Some(password.reveal().to_owned());
            Ok(())
        })
        .await
    }
    async fn release(&self, network: &NetworkSpec, nic: &NicSpec, _vm: &str) -> Done {
        self.rules_forget(nic).await?;
        if !self.net(&network.uuid)?.is_some_and(|net| net.leases.contains_key(&nic.uuid)) {
            return Ok(());
        }
        self.change(&network.uuid, true, |net| {
            net.leases.remove(&nic.uuid);
            Ok(())
        })
        .await
    }
    async fn apply_rules(&self, host: &str, rules: &NicRules) -> Done {
        self.mine(host)?;
        checked(&rules.nic)?;
        self.rules_apply(rules).await
    }
    async fn apply_members(&self, host: &str, members: &GroupMembers) -> Done {
        self.mine(host)?;
        self.members_apply(members).await
    }
    async fn apply_public(&self, network: &NetworkSpec, set: &PublicSet) -> Done {
        let _held = self.locks.hold(&network.uuid).await;
        let net = self.net(&network.uuid)?.ok_or_else(|| DriverError::Missing(format!("network {}", network.uuid)))?;
        if net.public.sequence > set.sequence {
            return Ok(());
        }
        let net = Net { public: set.clone(), ..net };
        self.public_up(&net).await?;
        self.folders.networks.put(&network.uuid, &net)
    }
    async fn shutdown(&self, network: &NetworkSpec) -> Done {
        let _held = self.locks.hold(&network.uuid).await;
        if let Some(net) = self.net(&network.uuid)? {
            self.router_down(&net).await?;
            self.folders.networks.remove(&network.uuid)?;
        }
        Ok(())
    }
}

impl Kvm {
    /// What is remembered of a network.
    pub(crate) fn net(&self, network: &str) -> Done<Option<Net>> {
        self.folders.networks.get(network)
    }

    /// Changes what is remembered of a network that is up, and with `heard` tells its DHCP server.
    async fn change(&self, network: &str, heard: bool, change: impl FnOnce(&mut Net) -> Done + Send) -> Done {
        let _held = self.locks.hold(network).await;
        let mut net = self.net(network)?.ok_or_else(|| DriverError::Missing(format!("network {network}")))?;
        change(&mut net)?;
        self.folders.networks.put(network, &net)?;
        if heard { self.dhcp_up(&net).await } else { Ok(()) }
    }

    /// Forgets a password that its guest has.
    pub(crate) async fn password_taken(&self, network: &str, nic: &str) -> Done {
        self.change(network, false, |net| {
            if let Some(lease) = net.leases.get_mut(nic) {
                lease.password = None;
            }
            Ok(())
        })
        .await
    }

    /// Makes the routers of remembered networks again where they are gone; where they are there, nothing moves.
    pub(crate) async fn networks_restore(&self) -> Done {
        for network in self.folders.networks.names()? {
            let _held = self.locks.hold(&network).await;
            let Some(net) = self.net(&network)? else { continue };
            self.router_up(&net).await?;
        }
        Ok(())
    }
}
