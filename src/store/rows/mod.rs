//! One declaration a table. Columns that say what they are by name carry no comment; the relations between them are model.md's.
#![allow(missing_docs, reason = "a column's name is the native API's word for it; units and odd ones are commented")]
mod agents;
mod compute;
mod console;
mod disks;
mod machines;
mod names;
mod objects;
mod places;
mod who;
mod wires;
mod work;

pub use agents::*;
pub use compute::*;
pub use console::*;
pub use disks::*;
pub use machines::*;
pub use names::*;
pub use objects::*;
pub use places::*;
pub use who::*;
pub use wires::*;
pub use work::*;

use crate::{Table, TableInfo};

fn info<T: Table>() -> TableInfo {
    TableInfo { name: T::NAME, columns: T::COLUMNS }
}

/// Every table there is: what the schema-parity test walks, and what `stratus admin dump` writes.
pub fn tables() -> Vec<TableInfo> {
    vec![
        info::<Agent>(),
        info::<AgentAuthority>(),
        info::<Domain>(),
        info::<Account>(),
        info::<User>(),
        info::<Project>(),
        info::<ProjectMember>(),
        info::<ProjectInvitation>(),
        info::<ApiCount>(),
        info::<LdapServer>(),
        info::<Certificate>(),
        info::<UserCertificate>(),
        info::<Session>(),
        info::<ResourceCount>(),
        info::<Setting>(),
        info::<Region>(),
        info::<Zone>(),
        info::<Pod>(),
        info::<Cluster>(),
        info::<Host>(),
        info::<HostCapacity>(),
        info::<StoragePool>(),
        info::<ImageStore>(),
        info::<Dedication>(),
        info::<HypervisorCapability>(),
        info::<StoreDefinition>(),
        info::<PhysicalNetwork>(),
        info::<TrafficType>(),
        info::<Provider>(),
        info::<RouterElement>(),
        info::<NetworkOffering>(),
        info::<OfferingService>(),
        info::<Network>(),
        info::<IpRange>(),
        info::<IpAddress>(),
        info::<FirewallRule>(),
        info::<Vnet>(),
        info::<GuestVlanRange>(),
        info::<PortableIpRange>(),
        info::<Nic>(),
        info::<NicSecondaryIp>(),
        info::<SecurityGroup>(),
        info::<SecurityGroupRule>(),
        info::<SecurityGroupMember>(),
        info::<ServiceOffering>(),
        info::<OsCategory>(),
        info::<OsType>(),
        info::<Template>(),
        info::<TemplateStore>(),
        info::<TemplatePool>(),
        info::<TemplatePermission>(),
        info::<Vm>(),
        info::<Placement>(),
        info::<AffinityGroup>(),
        info::<AffinityMember>(),
        info::<AffinityHost>(),
        info::<InstanceGroup>(),
        info::<VmSnapshot>(),
        info::<ResourceDetail>(),
        info::<SshKeyPair>(),
        info::<DiskOffering>(),
        info::<Volume>(),
        info::<Snapshot>(),
        info::<SnapshotPolicy>(),
        info::<VolumeStore>(),
        info::<Download>(),
        info::<PoolStop>(),
        info::<HostLeave>(),
        info::<HaRestart>(),
        info::<Job>(),
        info::<JobStep>(),
        info::<Event>(),
        info::<Alert>(),
        info::<UsageEvent>(),
        info::<Server>(),
        info::<Tag>(),
        info::<Detail>(),
        info::<Ec2Id>(),
        info::<Ec2Attribute>(),
        info::<ClientToken>(),
        info::<S3Bucket>(),
        info::<S3Object>(),
        info::<S3Upload>(),
        info::<S3Part>(),
        info::<S3Usage>(),
        info::<CapacitySample>(),
        info::<ConsoleTicket>(),
        info::<SoapSeen>(),
        info::<Ec2Offering>(),
    ]
}
