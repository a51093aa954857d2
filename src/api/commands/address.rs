//! Public addresses as they are. Acquiring them and the rules on them come with advanced networking: until then no rule can exist, and
//! the lists of rules say so by being empty, because clients read them beside every VM.
use crate::prelude::*;
use crate::views::address::{ForwardingRule, PublicIpAddress};

found!(IpAddress => Kind::IpAddress);

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
            .eq_opt("network_id", self.associatednetworkid.map(|n| n.0.id))
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
            _ => q = scope.apply(q.eq("state", "Allocated")),
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

/// Lists port forwarding rules. Nothing makes them yet.
#[derive(Command)]
#[command(name = "listPortForwardingRules", roles = "all", answer = "portforwardingrule", view = ForwardingRule)]
pub struct ListPortForwardingRules {
    /// the rule with this ID
    #[param(kind = "uuid")]
    id: Refused,
    /// those of an address
    ipaddressid: Option<Ref<store::IpAddress>>,
    /// those of a network
    #[param(since = "4.3")]
    networkid: Option<Ref<store::Network>>,
    #[param(flatten)]
    scoped: Scoped,
    #[param(flatten)]
    tags: Tags,
    #[param(flatten)]
    page: Paging,
}

impl Run for ListPortForwardingRules {
    async fn run(self, call: &Call) -> Result<Answer> {
        self.scoped.scope(call, false).await?;
        self.page.range(call)?;
        Ok(Answer::list(0, Vec::<ForwardingRule>::new()))
    }
}

/// Lists the rules of static NAT addresses. Nothing makes them yet.
#[derive(Command)]
#[command(name = "listIpForwardingRules", roles = "all", answer = "ipforwardingrule", view = ForwardingRule)]
pub struct ListIpForwardingRules {
    /// the rule with this ID
    #[param(kind = "uuid")]
    id: Refused,
    /// those of an address
    ipaddressid: Option<Ref<store::IpAddress>>,
    /// those of a VM
    virtualmachineid: Option<Owned<store::Vm>>,
    #[param(flatten)]
    scoped: Scoped,
    #[param(flatten)]
    page: Paging,
}

impl Run for ListIpForwardingRules {
    async fn run(self, call: &Call) -> Result<Answer> {
        self.scoped.scope(call, false).await?;
        self.page.range(call)?;
        Ok(Answer::list(0, Vec::<ForwardingRule>::new()))
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<ListPublicIpAddresses>();
    r.add::<ListPortForwardingRules>();
    r.add::<ListIpForwardingRules>();
}
