use crate::{DriverError, NicSpec};
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

/// A provider of network services (DHCP, DNS, user data, security groups) for guest networks.
#[async_trait]
pub trait Network: Send + Sync {
    /// Makes the network ready to take VMs.
    async fn implement(&self, network: &NetworkSpec) -> Result<(), DriverError>;
    /// Makes ready for one NIC: lease, name, user data.
    async fn prepare(&self, network: &NetworkSpec, nic: &NicSpec, vm: &str) -> Result<(), DriverError>;
    /// Takes back what `prepare` did.
    async fn release(&self, network: &NetworkSpec, nic: &NicSpec, vm: &str) -> Result<(), DriverError>;
    /// Replaces the rule set of a NIC on a host.
    async fn apply_rules(&self, host: &str, rules: &NicRules) -> Result<(), DriverError>;
    /// Replaces what a host knows of a group's members. A host may forget a set that no rule on it names.
    async fn apply_members(&self, host: &str, members: &GroupMembers) -> Result<(), DriverError>;
    /// Takes the network down.
    async fn shutdown(&self, network: &NetworkSpec) -> Result<(), DriverError>;
}
