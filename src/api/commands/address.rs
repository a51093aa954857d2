//! Public addresses: taken, listed, given back.
use crate::prelude::*;
use crate::views::address::PublicIpAddress;
use stratus_engine::public_address::IpAssociate;

found!(IpAddress owned);

/// Lists public addresses.
#[derive(Command)]
#[command(name = "listPublicIpAddresses", roles = "all", answer = "publicipaddress", view = PublicIpAddress)]
pub struct ListPublicIpAddresses {
    /// false for free ones too, for administrators; true unless told otherwise
    allocatedonly: Option<bool>,
    /// those used by a guest network
    #[param(since = "3.0")]
    associatednetworkid: Option<Ref<store::Network>>,
    /// those with load balancing rules; there are none
    #[param(kind = "boolean")]
    forloadbalancing: Refused,
    /// public ones, which is what is listed unless this is false; then those of guests
    forvirtualnetwork: Option<bool>,
    /// the address with this ID
    id: Option<Ref<store::IpAddress>>,
    /// this address
    ipaddress: Option<String>,
    /// those that are the source NAT address of a network
    #[param(since = "3.0")]
    issourcenat: Option<bool>,
    /// those that stand for one VM
    #[param(since = "3.0")]
    isstaticnat: Option<bool>,
    /// those of a physical network
    #[param(since = "3.0")]
    physicalnetworkid: Option<Ref<store::PhysicalNetwork>>,
    /// those of a range
    vlanid: Option<Ref<store::IpRange>>,
    /// those of a VPC
    #[param(kind = "uuid", since = "4.0")]
    vpcid: Refused,
    /// those of a zone
    zoneid: Option<Ref<store::Zone>>,
    #[param(flatten)]
    scoped: Scoped,
    #[param(flatten)]
    tags: Tags,
    #[param(flatten)]
    page: Paging,
}

impl Run for ListPublicIpAddresses {
    async fn run(self, call: &Call) -> Result<Answer> {
        let by_id = self.id.is_some();
        let ranges = store::Query::live()
            .eq("for_virtual_network", self.forvirtualnetwork.unwrap_or(true))
            .eq_opt("physical_network_id", self.physicalnetworkid.map(|p| p.0.id));
        let mut q = store::Query::all()
            .eq_opt("id", self.id.map(|a| a.0.id))
            .eq_opt("associated_network_id", self.associatednetworkid.map(|n| n.0.id))
            .eq_opt("address", self.ipaddress)
            .eq_opt("source_nat", self.issourcenat)
            .eq_opt("static_nat", self.isstaticnat)
            .eq_opt("range_id", self.vlanid.map(|r| r.0.id))
            .eq_opt("zone_id", self.zoneid.map(|z| z.0.id))
            .key_in::<store::IpRange>("range_id", "id", ranges);
        let scope = self.scoped.scope(call, by_id).await?;
        match (self.allocatedonly, call.caller.is_root()) {
            // Free addresses belong to nobody, so only whose reach is everything sees them.
            (Some(false), true) => {}
            _ => q = scope.apply(q.ne("state", "Free")),
        }
        if let Some(k) = &self.page.keyword {
            q = q.holds(&["address"], k);
        }
        let q = stratus_engine::tag::tag_filter(q, "PublicIpAddress", &self.tags.0);
        let (offset, limit) = self.page.range(call)?;
        let count = call.db.count::<store::IpAddress>(q.clone()).await?;
        let rows = call.db.find::<store::IpAddress>(q.page(offset, limit)).await?;
        Ok(Answer::list(count, views::address::of(call, rows).await?))
    }
}

/// Takes a public address for an account.
#[derive(Command)]
#[command(
    name = "associateIpAddress",
    roles = "all",
    answer = "ipaddress",
    view = PublicIpAddress,
    event = "NET.IPASSIGN",
    job = "acquiring a public IP address",
    create
)]
pub struct AssociateIpAddress {
    /// the account that is to own it; needs domainid
    account: Option<String>,
    /// the domain of the account
    domainid: Option<Ref<store::Domain>>,
    /// one that moves between zones; there are none, so only false
    #[param(since = "4.2")]
    isportable: Option<bool>,
    /// the guest network that is to use it; a basic zone has one
    networkid: Option<Ref<store::Network>>,
    /// the project that is to own it
    #[param(since = "3.0")]
    projectid: Option<Ref<store::Project>>,
    /// the region of a portable one
    #[param(kind = "integer", since = "4.2")]
    regionid: Refused,
    /// the VPC that is to use it
    #[param(kind = "uuid", since = "4.0")]
    vpcid: Refused,
    /// the zone, when no network says it
    zoneid: Option<Ref<store::Zone>>,
}

impl Create for AssociateIpAddress {
    async fn create(self, call: &Call, job: JobDraft) -> Result<Created> {
        if self.isportable == Some(true) {
            return Err(Error::Unsupported("there are no portable IP addresses".into()));
        }
        let domain = self.domainid.map(|d| d.0);
        let ask = IpAssociate {
            owner: call.acting_owner(self.account.as_deref(), domain.as_ref(), self.projectid.as_ref().map(|p| &p.0)).await?,
            zone: self.zoneid.map(|z| z.0),
            network: self.networkid.map(|n| n.0),
        };
        let (address, job) = call.ip_associate(call, ask, job).await?;
        Ok(Created { job, uuid: address.uuid })
    }
    async fn finish(call: &Call, id: i64) -> Result<Answer> {
        let address = call.ip_associate_finish(call, id).await?;
        views::one(views::address::of(call, vec![address]).await?)
    }
}

/// Gives a public address back.
#[derive(Command)]
#[command(name = "disassociateIpAddress", roles = "all", event = "NET.IPRELEASE", job = "releasing a public IP address", on = "id")]
pub struct DisassociateIpAddress {
    /// the ID of the address
    id: Owned<store::IpAddress>,
}

impl Run for DisassociateIpAddress {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.ip_release(call, self.id.0.id).await?;
        Ok(Answer::success())
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<ListPublicIpAddresses>();
    r.add::<AssociateIpAddress>();
    r.add::<DisassociateIpAddress>();
}
