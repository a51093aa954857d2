use crate::prelude::*;
use crate::views::tag::Owners;

/// Guest VLANs of one account.
#[derive(View)]
pub struct GuestVlanRange {
    /// the ID of the dedicated range
    pub id: String,
    /// the account that alone gets these VLANs
    pub account: Option<String>,
    /// the ID of the account's domain
    pub domainid: Option<String>,
    /// the name of the account's domain
    pub domain: Option<String>,
    /// its ends, like 100-110
    pub guestvlanrange: String,
    /// the project that alone gets these VLANs
    pub project: Option<String>,
    /// the ID of that project
    pub projectid: Option<String>,
    /// the internal number of the physical network, as the original prints it
    pub physicalnetworkid: i64,
    /// the internal number of the zone, as the original prints it
    pub zoneid: Option<i64>,
}

/// Ranges with what they belong to.
pub(crate) async fn of(call: &Call, rows: Vec<store::GuestVlanRange>) -> Result<Vec<GuestVlanRange>> {
    let owners = Owners::of(call, rows.iter().map(|r| (r.account_id, r.domain_id))).await?;
    let wires = call.db.by_ids::<store::PhysicalNetwork>(rows.iter().map(|r| r.physical_network_id)).await?;
    let one = |r: store::GuestVlanRange| GuestVlanRange {
        account: owners.account(r.account_id),
        domainid: owners.domain_uuid(r.domain_id),
        domain: owners.domain(r.domain_id),
        guestvlanrange: format!("{}-{}", r.first_number, r.last_number),
        project: owners.project(r.account_id),
        projectid: owners.project_uuid(r.account_id),
        physicalnetworkid: r.physical_network_id,
        zoneid: wires.get(&r.physical_network_id).map(|p| p.zone_id),
        id: r.uuid,
    };
    Ok(rows.into_iter().map(one).collect())
}
