use crate::{DriverError, NicSpec, Secret, VmSpec};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// A guest network as its elements need to know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkSpec {
    /// The network's uuid.
    pub uuid: String,
    /// Address range in CIDR form.
    pub cidr: String,
    /// Gateway.
    pub gateway: String,
    /// Name servers.
    pub dns: Vec<String>,
    /// `vlan://untagged`, `vlan://295`.
    pub broadcast_uri: String,
    /// In a basic zone the uuid of the pod whose share of the network a call is about: pods have ranges of their own (each NIC says its
    /// gateway) and hosts of their own, which serve their guests and no others. Without one, a call there is about all shares that are up.
    #[serde(default)]
    pub pod: Option<String>,
}

/// One rule of a security group as a packet filter needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRule {
    /// Whether it is about packets towards the guest.
    pub ingress: bool,
    /// `tcp`, `udp`, `icmp`, `all` or a protocol number.
    pub protocol: String,
    /// First port, or ICMP type; -1 for any.
    pub first: i32,
    /// Last port, or ICMP code; -1 for any.
    pub last: i32,
    /// The networks on the other side, in CIDR form.
    pub cidrs: Vec<String>,
    /// Uuids of security groups whose members are on the other side too; a host knows them from [`Network::apply_members`].
    #[serde(default)]
    pub groups: Vec<String>,
}

/// Everybody in a security group, as rules that name the group need to know them. One set a host serves all its NICs, so that a
/// change of members is one message to each host however many guests it has. A set that a host was not given is empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupMembers {
    /// The group's uuid.
    pub group: String,
    /// Grows with each change; an older one than what stands is ignored.
    pub sequence: i64,
    /// The members' addresses, in CIDR form.
    pub cidrs: Vec<String>,
}

/// The whole rule set of one NIC. A later sequence replaces an earlier one entirely, so a lost message never leaves half a set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NicRules {
    /// The VM's instance name.
    pub vm: String,
    /// The NIC that the rules guard.
    pub nic: NicSpec,
    /// Grows with each change; an older one than what stands is ignored.
    pub sequence: i64,
    /// Everything that is allowed; the rest is dropped.
    pub rules: Vec<GroupRule>,
}

/// Ports that a public address forwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortRule {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// First port.
    pub first: u16,
    /// Last port.
    pub last: u16,
    /// Who may come, in CIDR form.
    pub cidrs: Vec<String>,
}

/// One guest's address that stands behind a public one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaticNat {
    /// The guest's own address.
    pub guest: String,
    /// What is forwarded; `None` is everything, and the filter is elsewhere (security groups).
    pub ports: Option<Vec<PortRule>>,
    /// In a basic zone the uuid of the guest's pod.
    #[serde(default)]
    pub pod: Option<String>,
}

/// A public address that a network's router answers for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicAddress {
    /// The address.
    pub address: String,
    /// Netmask of its range.
    pub netmask: String,
    /// Gateway of its range.
    pub gateway: String,
    /// `vlan://untagged`, `vlan://50`.
    pub broadcast_uri: String,
    /// Whether guests without an address of their own go out by it.
    pub source_nat: bool,
    /// Whose it is alone.
    pub static_nat: Option<StaticNat>,
}

/// All public addresses of a network. A later sequence replaces an earlier one entirely, so a lost message never leaves half a set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicSet {
    /// Grows with each change; an older one than what stands is ignored.
    pub sequence: i64,
    /// Every address; one that is not among them is the network's no more.
    pub addresses: Vec<PublicAddress>,
}

/// A provider of network services (DHCP, DNS, user data, security groups, public addresses) for guest networks.
#[async_trait]
pub trait Network: Send + Sync {
    /// Makes the network ready to take VMs.
    async fn implement(&self, network: &NetworkSpec) -> Result<(), DriverError>;
    /// Makes ready for one NIC: lease, name, user data.
    async fn prepare(&self, network: &NetworkSpec, nic: &NicSpec, vm: &str) -> Result<(), DriverError>;
    /// Whether guests are told about themselves here, so that [`Network::introduce`] is worth a call.
    fn tells_guests(&self) -> bool {
        false
    }
    /// Says what a guest behind prepared NICs is to hear of itself: names, user data, keys. It comes before each start; the VM may run
    /// on another host than the one that answers it.
    async fn introduce(&self, _network: &NetworkSpec, _vm: &VmSpec) -> Result<(), DriverError> {
        Ok(())
    }
    /// Keeps the password that the guest behind a prepared NIC is to fetch once, at its next boot.
    async fn save_password(&self, network: &NetworkSpec, nic: &NicSpec, password: &Secret) -> Result<(), DriverError>;
    /// Takes back what `prepare` did.
    async fn release(&self, network: &NetworkSpec, nic: &NicSpec, vm: &str) -> Result<(), DriverError>;
    /// Replaces the rule set of a NIC on a host.
    async fn apply_rules(&self, host: &str, rules: &NicRules) -> Result<(), DriverError>;
    /// Replaces what a host knows of a group's members. A host may forget a set that no rule on it names.
    async fn apply_members(&self, host: &str, members: &GroupMembers) -> Result<(), DriverError>;
    /// Replaces the public addresses that a network's router answers for. The network is up.
    async fn apply_public(&self, network: &NetworkSpec, set: &PublicSet) -> Result<(), DriverError>;
    /// Takes the network down.
    async fn shutdown(&self, network: &NetworkSpec) -> Result<(), DriverError>;
}
