//! Network offerings.
use crate::prelude::*;
use crate::views::network_offering::{NetworkOffering, of};
use stratus_engine::network_offering::{NetworkOfferingCreate, NetworkOfferingFilter, NetworkOfferingUpdate};

found!(NetworkOffering => Kind::NetworkOffering);

/// Makes a network offering, disabled until it is enabled.
#[derive(Command)]
#[command(name = "createNetworkOffering", roles = "admin", answer = "networkoffering", view = NetworkOffering, event = "NETWORK.OFFERING.CREATE", since = "3.0")]
pub struct CreateNetworkOffering {
    /// what people read
    displaytext: String,
    /// Shared or Isolated
    guestiptype: String,
    /// its name
    name: String,
    /// the services of its networks
    supportedservices: Vec<String>,
    /// Guest
    traffictype: String,
    /// Optional or Required
    availability: Option<String>,
    /// whether one public address may serve several services
    conservemode: Option<bool>,
    /// details, details[0].name=value
    #[param(since = "4.2")]
    details: Option<MapList>,
    /// whether guests reach out unless a rule forbids it
    #[param(since = "4.2")]
    egressdefaultpolicy: Option<bool>,
    /// whether networks are made ready before the first VM
    #[param(since = "4.1")]
    ispersistent: Option<bool>,
    /// whether load balancers keep connections alive; true is not supported
    #[param(since = "4.3")]
    keepaliveenabled: Option<bool>,
    /// connections that a load balancer takes at once
    #[param(since = "4.2")]
    maxconnections: Option<i64>,
    /// Mbit/s
    networkrate: Option<i64>,
    /// capabilities of services, servicecapabilitylist[0].service=…, .capabilitytype=…, .capabilityvalue=…
    servicecapabilitylist: Option<MapList>,
    /// the ID of the offering of its routers
    serviceofferingid: Option<Ref<store::ServiceOffering>>,
    /// who provides which service, serviceproviderlist[0].service=…, .provider=…
    serviceproviderlist: Option<MapList>,
    /// whether networks bring their ranges
    specifyipranges: Option<bool>,
    /// whether networks bring their VLAN
    specifyvlan: Option<bool>,
    /// the tag that the physical network must have
    #[param(length = 4096)]
    tags: Option<String>,
}
impl Run for CreateNetworkOffering {
    async fn run(self, call: &Call) -> Result<Answer> {
        alive(self.keepaliveenabled)?;
        let providers = entries(self.serviceproviderlist, "serviceproviderlist", ["service", "provider"])?;
        let capabilities = entries(self.servicecapabilitylist, "servicecapabilitylist", ["service", "capabilitytype", "capabilityvalue"])?;
        let ask = NetworkOfferingCreate {
            name: self.name,
            display_text: self.displaytext,
            guest_type: self.guestiptype,
            traffic_type: self.traffictype,
            services: self.supportedservices,
            providers: providers.into_iter().map(|[s, p]| (s, p)).collect(),
            capabilities: capabilities.into_iter().map(|[s, n, v]| (s, n, v)).collect(),
            availability: self.availability,
            conserve_mode: self.conservemode,
            details: self.details.map(|d| d.merged()).unwrap_or_default(),
            egress_default: self.egressdefaultpolicy,
            is_persistent: self.ispersistent,
            max_connections: self.maxconnections,
            network_rate: self.networkrate,
            service_offering_id: self.serviceofferingid.map(|s| s.0.id),
            specify_ip_ranges: self.specifyipranges,
            specify_vlan: self.specifyvlan,
            tags: self.tags,
        };
        answer(call, call.network_offering_create(call, ask).await?).await
    }
}

fn alive(asked: Option<bool>) -> Result<()> {
    match asked {
        Some(true) => Err(Error::Unsupported("The value true of the parameter keepaliveenabled is not supported".into())),
        _ => Ok(()),
    }
}

/// The entries of a map parameter, each with all of its fields.
fn entries<const N: usize>(given: Option<MapList>, name: &str, fields: [&str; N]) -> Result<Vec<[String; N]>> {
    let mut out = Vec::new();
    for entry in given.unwrap_or_default().0 {
        let field = |f: &str| entry.iter().find(|(k, _)| k.eq_ignore_ascii_case(f)).map(|(_, v)| v.clone());
        let values: Option<Vec<String>> = fields.iter().map(|f| field(f)).collect();
        let values = values.and_then(|v| <[String; N]>::try_from(v).ok());
        out.push(values.ok_or_else(|| Error::invalid(name, format!("an entry needs {}", fields.join(" and "))))?);
    }
    Ok(out)
}

/// Lists network offerings.
#[derive(Command)]
#[command(name = "listNetworkOfferings", roles = "all", answer = "networkoffering", view = NetworkOffering)]
pub struct ListNetworkOfferings {
    /// only those of this availability: Optional or Required
    availability: Option<String>,
    /// only those with this text
    displaytext: Option<String>,
    /// only those for tiers of a VPC, or the others
    #[param(since = "4.0")]
    forvpc: Option<bool>,
    /// only those for Shared, or for Isolated networks
    guestiptype: Option<String>,
    /// only the offering with this ID
    id: Option<Ref<store::NetworkOffering>>,
    /// only those of a fresh install, or the others
    isdefault: Option<bool>,
    /// only those with a tag, or without
    #[param(since = "3.0")]
    istagged: Option<bool>,
    /// only the offering with this name
    name: Option<String>,
    /// only those that this network could change to
    #[param(since = "3.0")]
    networkid: Option<Owned<store::Network>>,
    /// only those with source NAT, or without
    #[param(since = "3.0")]
    sourcenatsupported: Option<bool>,
    /// only those whose networks bring their ranges, or the others
    #[param(since = "3.0")]
    specifyipranges: Option<bool>,
    /// only those whose networks bring their VLAN, or the others
    specifyvlan: Option<bool>,
    /// only those in this state: Enabled or Disabled
    #[param(since = "3.0")]
    state: Option<String>,
    /// only those with all of these services
    #[param(since = "3.0")]
    supportedservices: Option<Vec<String>>,
    /// only those with this tag
    #[param(length = 4096, since = "3.0")]
    tags: Option<String>,
    /// only those for this kind of traffic
    traffictype: Option<String>,
    /// only those that networks of this zone can have; a basic zone's can have none
    zoneid: Option<Ref<store::Zone>>,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListNetworkOfferings {
    async fn run(self, call: &Call) -> Result<Answer> {
        let page = self.page.range(call)?;
        let filter = NetworkOfferingFilter {
            id: self.id.map(|o| o.0.id),
            name: self.name,
            display_text: self.displaytext,
            keyword: self.page.keyword,
            guest_type: self.guestiptype,
            traffic_type: self.traffictype,
            availability: self.availability,
            state: self.state,
            is_default: self.isdefault,
            specify_vlan: self.specifyvlan,
            specify_ip_ranges: self.specifyipranges,
            for_vpc: self.forvpc,
            tagged: self.istagged,
            tags: self.tags,
            services: self.supportedservices.unwrap_or_default(),
            source_nat: self.sourcenatsupported,
            zone: self.zoneid.map(|z| z.0),
            network: self.networkid.map(|n| n.0),
        };
        let found = call.network_offering_list(filter, page).await?;
        Ok(Answer::list(found.count, of(call, found.rows).await?))
    }
}

/// Changes a network offering.
#[derive(Command)]
#[command(name = "updateNetworkOffering", roles = "admin", answer = "networkoffering", view = NetworkOffering, event = "NETWORK.OFFERING.EDIT")]
pub struct UpdateNetworkOffering {
    /// Optional or Required
    availability: Option<String>,
    /// what people read
    displaytext: Option<String>,
    /// the ID of the offering
    id: Option<Ref<store::NetworkOffering>>,
    /// whether load balancers keep connections alive; true is not supported
    #[param(since = "4.3")]
    keepaliveenabled: Option<bool>,
    /// connections that a load balancer takes at once
    #[param(since = "4.2")]
    maxconnections: Option<i64>,
    /// its name
    name: Option<String>,
    /// where it stands in lists, the smallest first
    #[param(since = "3.0")]
    sortkey: Option<i64>,
    /// Enabled or Disabled
    #[param(since = "3.0")]
    state: Option<String>,
}
impl Run for UpdateNetworkOffering {
    async fn run(self, call: &Call) -> Result<Answer> {
        alive(self.keepaliveenabled)?;
        let id = self.id.ok_or_else(|| Error::invalid("id", "must be given"))?.0.id;
        let ask = NetworkOfferingUpdate {
            name: self.name,
            display_text: self.displaytext,
            availability: self.availability,
            max_connections: self.maxconnections,
            sort_key: self.sortkey,
            state: self.state,
        };
        answer(call, call.network_offering_update(call, id, ask).await?).await
    }
}

/// Removes a network offering that no network uses.
#[derive(Command)]
#[command(name = "deleteNetworkOffering", roles = "admin", event = "NETWORK.OFFERING.DELETE", since = "3.0")]
pub struct DeleteNetworkOffering {
    /// the ID of the offering
    id: Ref<store::NetworkOffering>,
}
impl Run for DeleteNetworkOffering {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.network_offering_delete(call, self.id.0.id).await?;
        Ok(Answer::success())
    }
}

async fn answer(call: &Call, row: store::NetworkOffering) -> Result<Answer> {
    let view = of(call, vec![row]).await?.pop();
    Ok(Answer::one(view.ok_or_else(|| Error::internal("no view"))?))
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<CreateNetworkOffering>();
    r.add::<ListNetworkOfferings>();
    r.add::<UpdateNetworkOffering>();
    r.add::<DeleteNetworkOffering>();
}
