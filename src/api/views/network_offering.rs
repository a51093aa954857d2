use crate::prelude::*;
use crate::views::physical_network::Provider;
use std::collections::BTreeMap;
use stratus_engine::network_offering::OfferingDetails;
use stratus_engine::provider::SERVICES;

/// A service of a network or an offering.
#[derive(View)]
pub struct Service {
    /// its name
    pub name: String,
    /// who provides it
    pub provider: Option<Vec<Provider>>,
    /// what it can do
    pub capability: Option<Vec<Capability>>,
}

/// What a service can do.
#[derive(View)]
pub struct Capability {
    /// its name
    pub name: String,
    /// its value
    pub value: String,
    /// whether an offering chooses it
    pub canchooseservicecapability: bool,
}

/// A network offering.
#[derive(View)]
pub struct NetworkOffering {
    /// the ID of the offering
    pub id: String,
    /// its name
    pub name: String,
    /// what people read
    pub displaytext: String,
    /// the kind of traffic of its networks
    pub traffictype: String,
    /// whether it is one of a fresh install
    pub isdefault: bool,
    /// whether networks bring their VLAN
    pub specifyvlan: bool,
    /// whether one public address may serve several services
    pub conservemode: bool,
    /// whether networks bring their ranges
    pub specifyipranges: bool,
    /// Optional or Required
    pub availability: String,
    /// Mbit/s, -1 for no limit
    #[view(kind = "integer")]
    pub networkrate: Option<i64>,
    /// Enabled or Disabled
    pub state: String,
    /// Shared or Isolated
    pub guestiptype: String,
    /// the ID of the offering of its routers
    pub serviceofferingid: Option<String>,
    /// its services
    pub service: Vec<Service>,
    /// whether it is for tiers of a VPC
    pub forvpc: bool,
    /// whether networks are made ready before the first VM
    pub ispersistent: bool,
    /// whether guests reach out unless a rule forbids it
    pub egressdefaultpolicy: bool,
    /// connections that a load balancer takes at once
    #[view(kind = "integer")]
    pub maxconnections: Option<i64>,
    /// the tag that its physical network must have
    pub tags: Option<String>,
    /// its details
    pub details: Option<BTreeMap<String, String>>,
    /// when it was made
    pub created: Date,
}

/// Offerings with their services.
pub(crate) async fn of(call: &Call, rows: Vec<store::NetworkOffering>) -> Result<Vec<NetworkOffering>> {
    let mut services = call.offering_services(rows.iter().map(|o| o.id)).await?;
    let routers = call.db.by_ids::<store::ServiceOffering>(rows.iter().filter_map(|o| o.service_offering_id)).await?;
    let usual = call.settings.number("network.throttling.rate");
    let one = |o: store::NetworkOffering| {
        let details = OfferingDetails::of(&o);
        NetworkOffering {
            service: of_offering(&services.remove(&o.id).unwrap_or_default(), &details, true),
            serviceofferingid: o.service_offering_id.and_then(|s| routers.get(&s)).map(|s| s.uuid.clone()),
            details: Some(details.details).filter(|d| !d.is_empty()),
            id: o.uuid,
            name: o.name,
            displaytext: o.display_text,
            traffictype: o.traffic_type,
            isdefault: o.is_default,
            specifyvlan: o.specify_vlan,
            conservemode: o.conserve_mode,
            specifyipranges: o.specify_ip_ranges,
            availability: o.availability,
            networkrate: Some(o.network_rate.unwrap_or(usual)),
            state: o.state,
            guestiptype: o.guest_type,
            forvpc: o.for_vpc,
            ispersistent: o.is_persistent,
            egressdefaultpolicy: o.egress_default,
            maxconnections: o.max_connections,
            tags: o.tags,
            created: Date(o.created),
        }
    };
    Ok(rows.into_iter().map(one).collect())
}

/// The services of an offering, each once, with what the offering chose for it.
pub(crate) fn of_offering(rows: &[store::OfferingService], details: &OfferingDetails, with_providers: bool) -> Vec<Service> {
    let mut list: Vec<Service> = Vec::new();
    for row in rows {
        let provider = with_providers.then(|| Provider::named(&row.provider));
        match list.iter_mut().find(|s| s.name == row.service) {
            Some(s) => s.provider.iter_mut().for_each(|p| p.extend(provider.as_ref().map(|p| Provider::named(&p.name)))),
            None => list.push(Service {
                name: row.service.clone(),
                provider: provider.map(|p| vec![p]),
                capability: Some(capabilities(&row.service, details)).filter(|c| !c.is_empty()),
            }),
        }
    }
    list
}

fn capabilities(service: &str, details: &OfferingDetails) -> Vec<Capability> {
    let known = SERVICES.iter().find(|s| s.name == service).map_or(&[][..], |s| s.capabilities);
    let one = |(name, value, choose): &(&str, &str, bool)| {
        let chosen = details.capabilities.iter().find(|(s, n, _)| s.eq_ignore_ascii_case(service) && n.eq_ignore_ascii_case(name));
        Capability {
            name: (*name).into(),
            value: chosen.map_or_else(|| (*value).to_owned(), |(_, _, v)| v.clone()),
            canchooseservicecapability: *choose,
        }
    };
    known.iter().map(one).collect()
}

/// Services as they are, whoever provides them.
pub(crate) fn supported(service: Option<&str>, provider: Option<&str>) -> Vec<Service> {
    let none = OfferingDetails::default();
    let providers = |service: &str| -> Vec<Provider> {
        let able = stratus_engine::provider::PROVIDERS.iter().filter(|p| p.services.contains(&service));
        able.filter(|p| provider.is_none_or(|name| name == p.name)).map(|p| Provider::named(p.name)).collect()
    };
    let all = SERVICES.iter().filter(|s| service.is_none_or(|name| name == s.name)).map(|s| Service {
        name: s.name.into(),
        provider: Some(providers(s.name)),
        capability: Some(capabilities(s.name, &none)),
    });
    all.filter(|s| provider.is_none() || s.provider.as_ref().is_some_and(|p| !p.is_empty())).collect()
}
