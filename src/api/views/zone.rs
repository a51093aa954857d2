use crate::prelude::*;
use crate::views::capacity::{Beside, Capacity};
use std::collections::{BTreeMap, HashMap};

/// A zone.
#[derive(View)]
pub struct Zone {
    /// the ID of the zone
    pub id: String,
    /// the name of the zone
    pub name: String,
    /// the description of the zone
    pub description: Option<String>,
    /// the text that is shown for the zone
    pub displaytext: Option<String>,
    /// the guests' name server
    pub dns1: Option<String>,
    /// the guests' second name server
    pub dns2: Option<String>,
    /// the system's name server
    pub internaldns1: Option<String>,
    /// the system's second name server
    pub internaldns2: Option<String>,
    /// the guests' IPv6 name server
    pub ip6dns1: Option<String>,
    /// the guests' second IPv6 name server
    pub ip6dns2: Option<String>,
    /// the range of isolated guest networks
    pub guestcidraddress: Option<String>,
    /// the VLANs of the zone
    pub vlan: Option<String>,
    /// the DNS suffix of guests
    pub domain: Option<String>,
    /// the ID of the domain whose own the zone is
    pub domainid: Option<String>,
    /// the name of the domain whose own the zone is
    pub domainname: Option<String>,
    /// Basic or Advanced
    pub networktype: String,
    /// whether security groups isolate guests
    pub securitygroupsenabled: bool,
    /// whether VMs can be deployed: Enabled or Disabled
    pub allocationstate: String,
    /// text that the zone's tokens are made with
    pub zonetoken: Option<String>,
    /// who hands out addresses
    pub dhcpprovider: Option<String>,
    /// how full the zone is
    pub capacity: Option<Vec<Capacity>>,
    /// whether disks may live on the hosts themselves
    pub localstorageenabled: bool,
    /// the tags of the zone
    pub tags: Vec<ZoneTag>,
    /// the details of the zone
    pub resourcedetails: Option<BTreeMap<String, String>>,
}

/// A tag of a zone.
#[derive(View)]
pub struct ZoneTag {
    /// the key of the tag
    pub key: String,
    /// the value of the tag
    pub value: String,
    /// what is tagged
    pub resourcetype: String,
    /// the ID of what is tagged
    pub resourceid: String,
    /// the account that made the tag
    pub account: Option<String>,
    /// the ID of that account's domain
    pub domainid: Option<String>,
    /// the name of that account's domain
    pub domain: Option<String>,
    /// the name of the project that made the tag
    pub project: Option<String>,
    /// the ID of the project that made the tag
    pub projectid: Option<String>,
    /// for whom the tag was made
    pub customer: Option<String>,
}

/// Zones as this caller sees them: name servers and ranges are for root.
pub(crate) async fn of(call: &Call, rows: Vec<store::Zone>, capacities: Option<Beside>) -> Result<Vec<Zone>> {
    let full = call.caller.is_root();
    let domains = call.db.by_ids::<store::Domain>(rows.iter().filter_map(|z| z.domain_id)).await?;
    let mut details = details(call, &rows).await?;
    let mut tags = tags(call, &rows).await?;
    let one = |z: store::Zone| {
        let owner = z.domain_id.and_then(|d| domains.get(&d));
        let inner = |text: Option<String>| text.filter(|_| full);
        Zone {
            tags: tags.remove(&z.id).unwrap_or_default(),
            resourcedetails: details.remove(&z.id),
            capacity: capacities.as_ref().map(|c| c.at(z.id)),
            domainid: owner.map(|d| d.uuid.clone()),
            domainname: owner.map(|d| d.name.clone()),
            id: z.uuid,
            name: z.name,
            description: z.description,
            displaytext: z.display_text,
            dns1: inner(Some(z.dns1)),
            dns2: inner(z.dns2),
            internaldns1: inner(Some(z.internal_dns1)),
            internaldns2: inner(z.internal_dns2),
            ip6dns1: inner(z.ip6_dns1),
            ip6dns2: inner(z.ip6_dns2),
            guestcidraddress: inner(z.guest_cidr),
            vlan: None,
            domain: z.domain,
            networktype: z.network_type,
            securitygroupsenabled: z.security_groups,
            allocationstate: z.allocation_state,
            zonetoken: Some(z.zone_token),
            dhcpprovider: z.dhcp_provider,
            localstorageenabled: z.local_storage,
        }
    };
    Ok(rows.into_iter().map(one).collect())
}

async fn details(call: &Call, rows: &[store::Zone]) -> Result<HashMap<i64, BTreeMap<String, String>>> {
    let q = store::Query::all().eq("resource_type", "Zone").eq("display", true).within("resource_id", rows.iter().map(|z| z.id));
    let mut by_zone: HashMap<i64, BTreeMap<String, String>> = HashMap::new();
    for d in call.db.find::<store::Detail>(q).await? {
        by_zone.entry(d.resource_id).or_default().insert(d.name, d.content);
    }
    Ok(by_zone)
}

async fn tags(call: &Call, rows: &[store::Zone]) -> Result<HashMap<i64, Vec<ZoneTag>>> {
    let q = store::Query::all().eq("resource_type", "Zone").within("resource_id", rows.iter().map(|z| z.id));
    let tags = call.db.find::<store::Tag>(q).await?;
    let accounts = call.db.by_ids::<store::Account>(tags.iter().map(|t| t.account_id)).await?;
    let domains = call.db.by_ids::<store::Domain>(tags.iter().map(|t| t.domain_id)).await?;
    let mut by_zone: HashMap<i64, Vec<ZoneTag>> = HashMap::new();
    for t in tags {
        let domain = domains.get(&t.domain_id);
        by_zone.entry(t.resource_id).or_default().push(ZoneTag {
            key: t.tag_key,
            value: t.tag_value,
            resourcetype: t.resource_type,
            resourceid: t.resource_uuid,
            account: accounts.get(&t.account_id).map(|a| a.name.clone()),
            domainid: domain.map(|d| d.uuid.clone()),
            domain: domain.map(|d| d.name.clone()),
            project: None,
            projectid: None,
            customer: t.customer,
        });
    }
    Ok(by_zone)
}
