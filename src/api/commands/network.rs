//! Guest networks.
use crate::prelude::*;
use crate::views::network::{Network, of};
use stratus_engine::network::{NetworkCreate, NetworkUpdate};
use stratus_engine::network_query::NetworkFilter;

found!(Network owned);

/// Makes a network.
#[derive(Command)]
#[command(name = "createNetwork", roles = "all", answer = "network", view = Network, event = "NETWORK.CREATE")]
pub struct CreateNetwork {
    /// what people read
    displaytext: String,
    /// its name
    name: String,
    /// the ID of its offering
    networkofferingid: Ref<store::NetworkOffering>,
    /// the ID of its zone
    zoneid: Ref<store::Zone>,
    /// the account that it is to belong to
    account: Option<String>,
    /// the ACL of a VPC's tier
    #[param(kind = "uuid", since = "4.2")]
    aclid: Refused,
    /// Account or Domain: who may use it
    #[param(since = "3.0")]
    acltype: Option<String>,
    /// whether it is shown to users; for administrators
    #[param(since = "4.2")]
    displaynetwork: Option<bool>,
    /// the ID of the domain that it is to belong to
    domainid: Option<Ref<store::Domain>>,
    /// the last address of its range
    endip: Option<String>,
    /// the last IPv6 address of its range
    #[param(since = "4.1")]
    endipv6: Refused,
    /// the gateway of its guests
    gateway: Option<String>,
    /// its IPv6 subnet
    #[param(since = "4.1")]
    ip6cidr: Refused,
    /// its IPv6 gateway
    #[param(since = "4.1")]
    ip6gateway: Refused,
    /// the private VLAN within its VLAN
    #[param(since = "4.2")]
    isolatedpvlan: Refused,
    /// the netmask of its guests
    netmask: Option<String>,
    /// the DNS suffix of its guests
    networkdomain: Option<String>,
    /// the ID of the physical network that carries it
    #[param(since = "3.0")]
    physicalnetworkid: Option<Ref<store::PhysicalNetwork>>,
    /// the project that it is to belong to
    #[param(since = "3.0")]
    projectid: Option<Ref<store::Project>>,
    /// the first address of its range
    startip: Option<String>,
    /// the first IPv6 address of its range
    #[param(since = "4.1")]
    startipv6: Refused,
    /// whether accounts of domains below may use it too
    #[param(since = "3.0")]
    subdomainaccess: Option<bool>,
    /// its VLAN
    vlan: Option<String>,
    /// the VPC that it is to be a tier of
    #[param(kind = "uuid", since = "4.0")]
    vpcid: Refused,
}
impl Run for CreateNetwork {
    async fn run(self, call: &Call) -> Result<Answer> {
        let Self { aclid: Refused, endipv6: Refused, ip6cidr: Refused, ip6gateway: Refused, isolatedpvlan: Refused, .. } = self;
        let Self { startipv6: Refused, vpcid: Refused, .. } = self;
        let ask = NetworkCreate {
            name: self.name,
            display_text: self.displaytext,
            offering: self.networkofferingid.0,
            zone: self.zoneid.0,
            physical: self.physicalnetworkid.map(|p| p.0),
            account: self.account,
            domain: self.domainid.map(|d| d.0),
            project: self.projectid.map(|p| p.0),
            acl_type: self.acltype,
            subdomain_access: self.subdomainaccess,
            display_network: self.displaynetwork.filter(|_| call.caller.is_root()),
            gateway: self.gateway,
            netmask: self.netmask,
            start_ip: self.startip,
            end_ip: self.endip,
            vlan: self.vlan,
            network_domain: self.networkdomain,
        };
        answer(call, call.network_create(call, ask).await?).await
    }
}

/// Lists networks.
#[derive(Command)]
#[command(name = "listNetworks", roles = "all", answer = "network", view = Network)]
pub struct ListNetworks {
    /// only those that belong to an Account, or to a Domain
    #[param(since = "3.0")]
    acltype: Option<String>,
    /// only those with an address for another VM, or without
    #[param(since = "4.0")]
    canusefordeploy: Option<bool>,
    /// only tiers of a VPC, or the others
    #[param(since = "4.0")]
    forvpc: Option<bool>,
    /// only the network with this ID
    id: Option<Ref<store::Network>>,
    /// true for the cloud's own networks; for administrators
    issystem: Option<bool>,
    /// only those on this physical network
    #[param(since = "3.0")]
    physicalnetworkid: Option<Ref<store::PhysicalNetwork>>,
    /// only those that must be restarted, or need not
    #[param(since = "3.0")]
    restartrequired: Option<bool>,
    /// only those whose ranges were given by people, or the others
    #[param(since = "3.0")]
    specifyipranges: Option<bool>,
    /// only those with all of these services
    #[param(since = "3.0")]
    supportedservices: Option<Vec<String>>,
    /// only those for this kind of traffic
    traffictype: Option<String>,
    /// only Shared, or only Isolated ones
    #[param(name = "type")]
    kind: Option<String>,
    /// only tiers of this VPC
    #[param(kind = "uuid", since = "4.0")]
    vpcid: Refused,
    /// only those of this zone
    zoneid: Option<Ref<store::Zone>>,
    #[param(flatten)]
    scope: Scoped,
    #[param(flatten)]
    tags: Tags,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListNetworks {
    async fn run(self, call: &Call) -> Result<Answer> {
        let Self { vpcid: Refused, .. } = self;
        let scope = self.scope.scope(call, self.id.is_some()).await?;
        let page = self.page.range(call)?;
        let filter = NetworkFilter {
            id: self.id.map(|n| n.0.id),
            zone_id: self.zoneid.map(|z| z.0.id),
            physical_network_id: self.physicalnetworkid.map(|p| p.0.id),
            guest_type: self.kind,
            traffic_type: self.traffictype,
            acl_type: self.acltype,
            is_system: self.issystem,
            restart_required: self.restartrequired,
            specify_ip_ranges: self.specifyipranges,
            can_use_for_deploy: self.canusefordeploy,
            for_vpc: self.forvpc,
            services: self.supportedservices.unwrap_or_default(),
            tags: self.tags.0,
            keyword: self.page.keyword,
        };
        let found = call.network_list(call, scope, filter, page).await?;
        Ok(Answer::list(found.count, of(call, found.rows).await?))
    }
}

/// Changes a network.
#[derive(Command)]
#[command(name = "updateNetwork", roles = "all", answer = "network", view = Network, event = "NETWORK.UPDATE", job = "changing a network", on = "id")]
pub struct UpdateNetwork {
    /// the ID of the network
    id: Owned<store::Network>,
    /// whether its addresses may change with its offering; they never have to
    #[param(kind = "boolean", since = "3.0")]
    changecidr: Ignored,
    /// whether it is shown to users; for administrators
    #[param(since = "4.2")]
    displaynetwork: Option<bool>,
    /// what people read
    displaytext: Option<String>,
    /// the part of its addresses that guests get
    #[param(since = "4.2")]
    guestvmcidr: Refused,
    /// its name
    name: Option<String>,
    /// the DNS suffix of its guests
    networkdomain: Option<String>,
    /// the ID of another offering of the same kind
    #[param(since = "3.0")]
    networkofferingid: Option<Ref<store::NetworkOffering>>,
}
impl Run for UpdateNetwork {
    async fn run(self, call: &Call) -> Result<Answer> {
        let Self { changecidr: Ignored, guestvmcidr: Refused, .. } = self;
        let ask = NetworkUpdate {
            name: self.name,
            display_text: self.displaytext,
            network_domain: self.networkdomain,
            display_network: self.displaynetwork.filter(|_| call.caller.is_root()),
            offering: self.networkofferingid.map(|o| o.0),
        };
        answer(call, call.network_update(call, self.id.0.id, ask).await?).await
    }
}

/// Removes a network that no VM is on.
#[derive(Command)]
#[command(name = "deleteNetwork", roles = "all", event = "NETWORK.DELETE", job = "deleting a network", on = "id")]
pub struct DeleteNetwork {
    /// the ID of the network
    id: Owned<store::Network>,
    /// no effect: what the network holds is given back in any case
    #[param(kind = "boolean", since = "4.3")]
    forced: Ignored,
}
impl Run for DeleteNetwork {
    async fn run(self, call: &Call) -> Result<Answer> {
        let Self { id, forced: Ignored } = self;
        call.network_delete(call, id.0.id).await?;
        Ok(Answer::success())
    }
}

/// Starts a network anew: its router is told all there is to know again.
#[derive(Command)]
#[command(name = "restartNetwork", roles = "all", event = "NETWORK.RESTART", job = "restarting a network", on = "id")]
pub struct RestartNetwork {
    /// the ID of the network
    id: Owned<store::Network>,
    /// whether the router forgets what it had first; true unless told otherwise
    cleanup: Option<bool>,
}
impl Run for RestartNetwork {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.network_restart(call, self.id.0.id, self.cleanup.unwrap_or(true)).await?;
        Ok(Answer::success())
    }
}

async fn answer(call: &Call, row: store::Network) -> Result<Answer> {
    let view = of(call, vec![row]).await?.pop();
    Ok(Answer::one(view.ok_or_else(|| Error::internal("no view"))?))
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<CreateNetwork>();
    r.add::<ListNetworks>();
    r.add::<UpdateNetwork>();
    r.add::<DeleteNetwork>();
    r.add::<RestartNetwork>();
}
