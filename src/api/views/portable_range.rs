use crate::prelude::*;
use stratus_engine::portable_range::addresses_of;

/// A range of portable addresses.
#[derive(View)]
pub struct PortableRange {
    /// the ID of the range
    pub id: String,
    /// the number of its region
    #[view(kind = "integer")]
    pub regionid: i64,
    /// its VLAN
    pub vlan: String,
    /// the gateway
    pub gateway: String,
    /// the netmask
    pub netmask: String,
    /// the first address
    pub startip: String,
    /// the last address
    pub endip: String,
    /// its addresses
    pub portableipaddress: Vec<PortableAddress>,
}

/// An address of a portable range.
#[derive(View)]
pub struct PortableAddress {
    /// the account that has it
    pub accountid: Option<String>,
    /// since when it is taken
    pub allocated: Option<Date>,
    /// the domain of that account
    pub domainid: Option<String>,
    /// the address
    pub ipaddress: String,
    /// the network that uses it
    pub networkid: Option<String>,
    /// the physical network that carries it
    pub physicalnetworkid: Option<String>,
    /// the number of its region
    #[view(kind = "integer")]
    pub regionid: i64,
    /// Free: none is handed out yet
    pub state: String,
    /// the VPC that uses it
    pub vpcid: Option<String>,
    /// the zone that it is used in
    pub zoneid: Option<String>,
}

/// Ranges with their addresses.
pub(crate) fn of(rows: Vec<store::PortableIpRange>) -> Vec<PortableRange> {
    rows.into_iter().map(one).collect()
}

fn one(r: store::PortableIpRange) -> PortableRange {
    let free = |ipaddress: String| PortableAddress {
        ipaddress,
        regionid: r.region_id,
        state: "Free".into(),
        accountid: None,
        allocated: None,
        domainid: None,
        networkid: None,
        physicalnetworkid: None,
        vpcid: None,
        zoneid: None,
    };
    PortableRange {
        portableipaddress: addresses_of(&r).into_iter().map(free).collect(),
        id: r.uuid,
        regionid: r.region_id,
        vlan: r.vlan,
        gateway: r.gateway,
        netmask: r.netmask,
        startip: r.start_ip,
        endip: r.end_ip,
    }
}
