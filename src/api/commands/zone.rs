//! Zones.
use crate::prelude::*;
use crate::views::capacity::Beside;
use stratus_engine::capacities::CapacityAsk;
use stratus_engine::zone::{ZoneCreate, ZoneFilter, ZoneUpdate};

/// Makes a zone.
#[derive(Command)]
#[command(name = "createZone", roles = "admin", answer = "zone", view = views::zone::Zone, event = "ZONE.CREATE")]
pub struct CreateZone {
    /// the name of the zone
    name: String,
    /// Basic or Advanced
    networktype: String,
    /// the guests' name server
    dns1: String,
    /// the guests' second name server
    dns2: Option<String>,
    /// the system's name server
    internaldns1: String,
    /// the system's second name server
    internaldns2: Option<String>,
    /// the guests' IPv6 name server
    #[param(since = "4.1")]
    ip6dns1: Option<String>,
    /// the guests' second IPv6 name server
    #[param(since = "4.1")]
    ip6dns2: Option<String>,
    /// the DNS suffix of guests
    domain: Option<String>,
    /// the ID of the domain whose own the zone is to be; left out for a public zone
    domainid: Option<Ref<store::Domain>>,
    /// the range of isolated guest networks, in an advanced zone
    guestcidraddress: Option<String>,
    /// Enabled or Disabled; a new zone is disabled unless this says otherwise
    allocationstate: Option<String>,
    /// whether security groups isolate guests
    securitygroupenabled: Option<bool>,
    /// whether disks may live on the hosts themselves
    #[param(since = "4.0")]
    localstorageenabled: Option<bool>,
}
impl Run for CreateZone {
    async fn run(self, call: &Call) -> Result<Answer> {
        let ask = ZoneCreate {
            name: self.name,
            network_type: self.networktype,
            dns1: self.dns1,
            dns2: self.dns2,
            internal_dns1: self.internaldns1,
            internal_dns2: self.internaldns2,
            ip6_dns1: self.ip6dns1,
            ip6_dns2: self.ip6dns2,
            network_domain: self.domain,
            owner: self.domainid.map(|d| d.0),
            guest_cidr: self.guestcidraddress,
            allocation_state: self.allocationstate,
            security_groups: self.securitygroupenabled,
            local_storage: self.localstorageenabled,
        };
        answer(call, call.zone_create(call, ask).await?).await
    }
}

/// Lists zones.
#[derive(Command)]
#[command(name = "listZones", roles = "all", answer = "zone", view = views::zone::Zone)]
pub struct ListZones {
    /// false for only those zones in which the caller has VMs
    available: Option<bool>,
    /// only zones that are this domain's own
    domainid: Option<Ref<store::Domain>>,
    /// only the zone with this ID
    id: Option<Ref<store::Zone>>,
    /// only zones with this name
    #[param(since = "4.1")]
    name: Option<String>,
    /// only zones of this network type
    #[param(since = "4.2")]
    networktype: Option<String>,
    /// true to show how full the zones are
    #[param(since = "3.0")]
    showcapacities: Option<bool>,
    #[param(flatten)]
    tags: Tags,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListZones {
    async fn run(self, call: &Call) -> Result<Answer> {
        let id = self.id.map(|z| z.0.id);
        let filter = ZoneFilter {
            id,
            name: self.name,
            page: self.page.range(call)?,
            keyword: self.page.keyword,
            network_type: self.networktype,
            available: self.available,
            owner: self.domainid.map(|d| d.0.id),
            tags: self.tags.0.into_iter().map(|(k, v)| (k, Some(v))).collect(),
        };
        // How full a zone is tells of others' use: it is for administrators of the whole cloud.
        let show = self.showcapacities.filter(|_| call.caller.is_root());
        let capacities = Beside::read(call, show, CapacityAsk { zone: id, ..Default::default() }).await?;
        let found = call.zone_list(call, filter).await?;
        Ok(Answer::list(found.count, views::zone::of(call, found.rows, capacities).await?))
    }
}

/// Changes a zone.
#[derive(Command)]
#[command(name = "updateZone", roles = "admin", answer = "zone", view = views::zone::Zone, event = "ZONE.EDIT")]
pub struct UpdateZone {
    /// the ID of the zone
    id: Ref<store::Zone>,
    /// the name of the zone
    name: Option<String>,
    /// Enabled or Disabled
    allocationstate: Option<String>,
    /// details to set, details[0].key=…&details[0].value=…
    details: Option<MapList>,
    /// who hands out addresses
    dhcpprovider: Option<String>,
    /// the guests' name server
    dns1: Option<String>,
    /// the guests' second name server
    dns2: Option<String>,
    /// the order of DNS suffixes, which guests here do not get
    #[param(kind = "list")]
    dnssearchorder: Refused,
    /// the DNS suffix of guests
    domain: Option<String>,
    /// the range of isolated guest networks, in an advanced zone
    guestcidraddress: Option<String>,
    /// the system's name server
    internaldns1: Option<String>,
    /// the system's second name server
    internaldns2: Option<String>,
    /// the guests' IPv6 name server
    #[param(since = "4.1")]
    ip6dns1: Option<String>,
    /// the guests' second IPv6 name server
    #[param(since = "4.1")]
    ip6dns2: Option<String>,
    /// true to make a private zone everybody's
    ispublic: Option<bool>,
    /// whether disks may live on the hosts themselves
    #[param(since = "4.0")]
    localstorageenabled: Option<bool>,
}
impl Run for UpdateZone {
    async fn run(self, call: &Call) -> Result<Answer> {
        let Refused = self.dnssearchorder;
        let ask = ZoneUpdate {
            name: self.name,
            dns1: self.dns1,
            dns2: self.dns2,
            internal_dns1: self.internaldns1,
            internal_dns2: self.internaldns2,
            ip6_dns1: self.ip6dns1,
            ip6_dns2: self.ip6dns2,
            network_domain: self.domain,
            guest_cidr: self.guestcidraddress,
            allocation_state: self.allocationstate,
            is_public: self.ispublic,
            local_storage: self.localstorageenabled,
            dhcp_provider: self.dhcpprovider,
            details: super::pool::details(self.details),
        };
        answer(call, call.zone_update(call, &self.id.0, ask).await?).await
    }
}

/// Removes a zone that nothing is in.
#[derive(Command)]
#[command(name = "deleteZone", roles = "admin", event = "ZONE.DELETE")]
pub struct DeleteZone {
    /// the ID of the zone
    id: Ref<store::Zone>,
}
impl Run for DeleteZone {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.zone_delete(call, &self.id.0).await?;
        Ok(Answer::success())
    }
}

async fn answer(call: &Call, zone: store::Zone) -> Result<Answer> {
    views::one(views::zone::of(call, vec![zone], None).await?)
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<CreateZone>();
    r.add::<ListZones>();
    r.add::<UpdateZone>();
    r.add::<DeleteZone>();
}
