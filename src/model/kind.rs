use serde::{Deserialize, Serialize};

/// The kinds of things that calls name. The text of [`Kind::noun`] stands in messages; it is also how jobs name what they work on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each variant is the noun it names, explained in the engine's file of that name")]
pub enum Kind {
    Account,
    AffinityGroup,
    Alert,
    Bucket,
    Cluster,
    Configuration,
    DiskOffering,
    Domain,
    Event,
    FirewallRule,
    GuestOs,
    GuestOsCategory,
    GuestVlanRange,
    Host,
    ImageStore,
    InstanceGroup,
    IpAddress,
    Iso,
    Job,
    Network,
    NetworkOffering,
    Nic,
    PhysicalNetwork,
    Pod,
    PortableIpRange,
    Project,
    ProjectInvitation,
    Provider,
    Region,
    Role,
    SecurityGroup,
    SecurityGroupRule,
    ServiceOffering,
    Snapshot,
    SnapshotPolicy,
    SshKeyPair,
    StoragePool,
    Tag,
    Template,
    TrafficType,
    User,
    UserCertificate,
    VirtualRouterElement,
    VlanIpRange,
    Vm,
    VmSnapshot,
    Volume,
    Vpc,
    Zone,
}

impl Kind {
    /// The noun in messages.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::AffinityGroup => "affinity group",
            Self::Alert => "alert",
            Self::Bucket => "bucket",
            Self::Cluster => "cluster",
            Self::Configuration => "configuration setting",
            Self::DiskOffering => "disk offering",
            Self::Domain => "domain",
            Self::Event => "event",
            Self::FirewallRule => "firewall rule",
            Self::GuestOs => "OS type",
            Self::GuestOsCategory => "OS category",
            Self::GuestVlanRange => "dedicated guest VLAN range",
            Self::Host => "host",
            Self::ImageStore => "image store",
            Self::InstanceGroup => "instance group",
            Self::IpAddress => "IP address",
            Self::Iso => "ISO",
            Self::Job => "job",
            Self::Network => "network",
            Self::NetworkOffering => "network offering",
            Self::Nic => "NIC",
            Self::PhysicalNetwork => "physical network",
            Self::Pod => "pod",
            Self::PortableIpRange => "portable IP range",
            Self::Project => "project",
            Self::ProjectInvitation => "project invitation",
            Self::Provider => "network service provider",
            Self::Region => "region",
            Self::Role => "role",
            Self::SecurityGroup => "security group",
            Self::SecurityGroupRule => "security group rule",
            Self::ServiceOffering => "service offering",
            Self::Snapshot => "snapshot",
            Self::SnapshotPolicy => "snapshot policy",
            Self::SshKeyPair => "SSH key pair",
            Self::StoragePool => "storage pool",
            Self::Tag => "tag",
            Self::Template => "template",
            Self::TrafficType => "traffic type",
            Self::User => "user",
            Self::UserCertificate => "certificate",
            Self::VirtualRouterElement => "virtual router element",
            Self::VlanIpRange => "VLAN IP range",
            Self::Vm => "virtual machine",
            Self::VmSnapshot => "VM snapshot",
            Self::Volume => "volume",
            Self::Vpc => "VPC",
            Self::Zone => "zone",
        }
    }
    /// The word in `jobinstancetype` and in events' resource type.
    pub const fn instance_type(self) -> &'static str {
        match self {
            Self::Vm => "VirtualMachine",
            Self::Volume => "Volume",
            Self::Snapshot => "Snapshot",
            Self::Template => "Template",
            Self::Iso => "Iso",
            Self::Network => "Network",
            Self::SecurityGroup => "SecurityGroup",
            Self::Host => "Host",
            Self::StoragePool => "StoragePool",
            Self::Account => "Account",
            Self::Project => "Project",
            Self::User => "User",
            Self::Domain => "Domain",
            Self::PhysicalNetwork => "PhysicalNetwork",
            Self::TrafficType => "TrafficType",
            Self::Provider => "PhysicalNetworkServiceProvider",
            Self::VirtualRouterElement => "VirtualRouterElement",
            Self::IpAddress => "IpAddress",
            Self::FirewallRule => "FirewallRule",
            Self::AffinityGroup => "AffinityGroup",
            Self::InstanceGroup => "InstanceGroup",
            Self::Bucket => "Bucket",
            _ => "None",
        }
    }
    /// EC2's code for an id of this kind that is not there (catalog/ec2-semantics.md section 13).
    pub const fn ec2_not_found(self) -> &'static str {
        match self {
            Self::Vm => "InvalidInstanceID.NotFound",
            Self::Volume => "InvalidVolume.NotFound",
            Self::Snapshot => "InvalidSnapshot.NotFound",
            Self::Template | Self::Iso => "InvalidAMIID.NotFound",
            Self::SecurityGroup => "InvalidGroup.NotFound",
            Self::SecurityGroupRule => "InvalidPermission.NotFound",
            Self::SshKeyPair => "InvalidKeyPair.NotFound",
            Self::Zone => "InvalidZone.NotFound",
            Self::IpAddress => "InvalidAddress.NotFound",
            Self::Network => "InvalidSubnetID.NotFound",
            Self::Vpc => "InvalidVpcID.NotFound",
            Self::Nic => "InvalidNetworkInterfaceID.NotFound",
            Self::AffinityGroup => "InvalidPlacementGroup.Unknown",
            _ => "InvalidParameterValue",
        }
    }
    /// EC2's code for a name of this kind that is already taken.
    pub const fn ec2_duplicate(self) -> &'static str {
        match self {
            Self::SecurityGroup => "InvalidGroup.Duplicate",
            Self::SecurityGroupRule => "InvalidPermission.Duplicate",
            Self::SshKeyPair => "InvalidKeyPair.Duplicate",
            Self::Template | Self::Iso => "InvalidAMIName.Duplicate",
            Self::AffinityGroup => "InvalidPlacementGroup.Duplicate",
            _ => "InvalidParameterValue",
        }
    }
    /// EC2's code for a thing that is in the wrong state for what was asked.
    pub const fn ec2_wrong_state(self) -> &'static str {
        match self {
            Self::Vm => "IncorrectInstanceState",
            Self::Template | Self::Iso => "InvalidAMIID.Unavailable",
            _ => "IncorrectState",
        }
    }
    /// EC2's code for a thing that others still use.
    pub const fn ec2_in_use(self) -> &'static str {
        match self {
            Self::SecurityGroup => "InvalidGroup.InUse",
            Self::Volume => "VolumeInUse",
            Self::Snapshot => "InvalidSnapshot.InUse",
            Self::IpAddress => "InvalidIPAddress.InUse",
            _ => "DependencyViolation",
        }
    }
}

/// What limits count, by the wire numbers of `listResourceLimits` (model.md "How much").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each variant is the resource it counts")]
pub enum Limit {
    Vm = 0,
    PublicIp = 1,
    Volume = 2,
    Snapshot = 3,
    Template = 4,
    Project = 5,
    Network = 6,
    Vpc = 7,
    Cpu = 8,
    Memory = 9,
    PrimaryStorage = 10,
    SecondaryStorage = 11,
}

impl Limit {
    /// All of them in the order of their numbers.
    pub const ALL: [Self; 12] = [
        Self::Vm,
        Self::PublicIp,
        Self::Volume,
        Self::Snapshot,
        Self::Template,
        Self::Project,
        Self::Network,
        Self::Vpc,
        Self::Cpu,
        Self::Memory,
        Self::PrimaryStorage,
        Self::SecondaryStorage,
    ];
    /// The wire number.
    pub const fn number(self) -> i64 {
        self as i64
    }
    /// The word in messages and in `listAccounts` fields (`vmlimit`, `iptotal` …).
    pub const fn word(self) -> &'static str {
        match self {
            Self::Vm => "vm",
            Self::PublicIp => "ip",
            Self::Volume => "volume",
            Self::Snapshot => "snapshot",
            Self::Template => "template",
            Self::Project => "project",
            Self::Network => "network",
            Self::Vpc => "vpc",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::PrimaryStorage => "primarystorage",
            Self::SecondaryStorage => "secondarystorage",
        }
    }
    /// The last part of the setting that holds an account's default (`max.account.` before it).
    pub const fn setting(self) -> &'static str {
        match self {
            Self::Vm => "max.account.user.vms",
            Self::PublicIp => "max.account.public.ips",
            Self::Volume => "max.account.volumes",
            Self::Snapshot => "max.account.snapshots",
            Self::Template => "max.account.templates",
            Self::Project => "max.account.projects",
            Self::Network => "max.account.networks",
            Self::Vpc => "max.account.vpcs",
            Self::Cpu => "max.account.cpus",
            Self::Memory => "max.account.memory",
            Self::PrimaryStorage => "max.account.primary.storage",
            Self::SecondaryStorage => "max.account.secondary.storage",
        }
    }
    /// EC2's code when this limit is reached.
    pub const fn ec2_exceeded(self) -> &'static str {
        match self {
            Self::Vm | Self::Cpu | Self::Memory => "InstanceLimitExceeded",
            Self::PublicIp => "AddressLimitExceeded",
            Self::Volume | Self::PrimaryStorage => "VolumeLimitExceeded",
            Self::Snapshot => "SnapshotLimitExceeded",
            Self::Vpc => "VpcLimitExceeded",
            _ => "ResourceLimitExceeded",
        }
    }
}
