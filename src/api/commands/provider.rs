//! Providers of network services and the elements of those that are virtual routers.
use super::physical_network::part;
use crate::prelude::*;
use crate::views::network_offering::{Service, supported};
use crate::views::physical_network::{Element, LoadBalancerElement, Provider, balancers, elements, providers};
use stratus_engine::provider::{self, ProviderFilter};

found!(Provider => Kind::Provider);
found!(RouterElement => Kind::VirtualRouterElement);

/// Lists providers of network services.
#[derive(Command)]
#[command(name = "listNetworkServiceProviders", roles = "admin", answer = "networkserviceprovider", view = Provider, since = "3.0")]
pub struct ListNetworkServiceProviders {
    /// only the provider of this name
    name: Option<String>,
    /// only those of this physical network
    physicalnetworkid: Option<Ref<store::PhysicalNetwork>>,
    /// only those in this state: Enabled, Disabled or Shutdown
    state: Option<String>,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListNetworkServiceProviders {
    async fn run(self, call: &Call) -> Result<Answer> {
        let page = self.page.range(call)?;
        let filter = ProviderFilter {
            name: self.name,
            keyword: self.page.keyword,
            physical_network_id: self.physicalnetworkid.map(|p| p.0.id),
            state: self.state,
        };
        let found = call.provider_list(filter, page).await?;
        Ok(Answer::list(found.count, providers(call, found.rows).await?))
    }
}

/// Adds a provider of network services to a physical network.
#[derive(Command)]
#[command(name = "addNetworkServiceProvider", roles = "admin", answer = "networkserviceprovider", view = Provider, event = "SERVICE.PROVIDER.CREATE", job = "adding a network service provider", create, since = "3.0")]
pub struct AddNetworkServiceProvider {
    /// the name of the provider
    name: String,
    /// the ID of the physical network
    physicalnetworkid: Ref<store::PhysicalNetwork>,
    /// the ID of the physical network that the provider leads to
    destinationphysicalnetworkid: Option<Ref<store::PhysicalNetwork>>,
    /// the services to be provided; all that it can when left out
    servicelist: Option<Vec<String>>,
}
impl Create for AddNetworkServiceProvider {
    async fn create(self, call: &Call, job: JobDraft) -> Result<Created> {
        let destination = self.destinationphysicalnetworkid.map(|p| p.0.id);
        let (row, job) = call.provider_add(call, &self.physicalnetworkid.0, &self.name, destination, self.servicelist, job).await?;
        Ok(Created { job, uuid: row.uuid })
    }
    async fn finish(call: &Call, id: i64) -> Result<Answer> {
        answer(call, call.db.must(id).await?).await
    }
}

/// Enables, disables or shuts down a provider, or chooses among its services.
#[derive(Command)]
#[command(name = "updateNetworkServiceProvider", roles = "admin", answer = "networkserviceprovider", view = Provider, event = "SERVICE.PROVIDER.UPDATE", job = "changing a network service provider", on = "id", since = "3.0")]
pub struct UpdateNetworkServiceProvider {
    /// the ID of the provider
    id: Ref<store::Provider>,
    /// the services to be provided
    servicelist: Option<Vec<String>>,
    /// Enabled, Disabled or Shutdown
    state: Option<String>,
}
impl Run for UpdateNetworkServiceProvider {
    async fn run(self, call: &Call) -> Result<Answer> {
        answer(call, call.provider_update(call, self.id.0.id, self.state, self.servicelist).await?).await
    }
}

/// Removes a provider that no network uses.
#[derive(Command)]
#[command(
    name = "deleteNetworkServiceProvider",
    roles = "admin",
    event = "SERVICE.PROVIDER.DELETE",
    job = "deleting a network service provider",
    on = "id",
    since = "3.0"
)]
pub struct DeleteNetworkServiceProvider {
    /// the ID of the provider
    id: Ref<store::Provider>,
}
impl Run for DeleteNetworkServiceProvider {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.provider_delete(call, self.id.0.id).await?;
        Ok(Answer::success())
    }
}

/// Lists the services that networks can have and who can provide each.
#[derive(Command)]
#[command(name = "listSupportedNetworkServices", roles = "admin", answer = "networkservice", view = Service, since = "3.0")]
pub struct ListSupportedNetworkServices {
    /// only the services of this provider
    provider: Option<String>,
    /// only the service of this name
    service: Option<String>,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListSupportedNetworkServices {
    async fn run(self, call: &Call) -> Result<Answer> {
        let service = self.service.map(|s| provider::service("service", &s)).transpose()?;
        let by = self.provider.map(|p| provider::provider("provider", &p)).transpose()?;
        part(call, &self.page, supported(service, by.map(|p| p.name)), |s| &s.name)
    }
}

const ROUTERS: &[&str] = &["VirtualRouter", "VpcVirtualRouter"];
const BALANCERS: &[&str] = &["InternalLbVm"];

/// Lists the elements of virtual routers.
#[derive(Command)]
#[command(name = "listVirtualRouterElements", roles = "admins", answer = "virtualrouterelement", view = Element, since = "3.0")]
pub struct ListVirtualRouterElements {
    /// only those that are enabled, or disabled
    enabled: Option<bool>,
    /// only the element with this ID
    id: Option<Ref<store::RouterElement>>,
    /// only that of this provider
    nspid: Option<Ref<store::Provider>>,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListVirtualRouterElements {
    async fn run(self, call: &Call) -> Result<Answer> {
        let (id, of) = (self.id.map(|e| e.0.id), self.nspid.map(|p| p.0.id));
        let found = call.router_element_list(id, of, self.enabled, ROUTERS, self.page.range(call)?).await?;
        Ok(Answer::list(found.count, elements(call, found.rows).await?))
    }
}

/// Makes the element of a virtual router's provider.
#[derive(Command)]
#[command(name = "createVirtualRouterElement", roles = "admins", answer = "virtualrouterelement", view = Element, event = "NETWORK.ELEMENT.CONFIGURE", job = "creating a virtual router element", create, since = "3.0")]
pub struct CreateVirtualRouterElement {
    /// the ID of the provider
    nspid: Ref<store::Provider>,
    /// no effect: the kind of router follows from the provider
    #[param(kind = "uuid", since = "4.2")]
    providertype: Ignored,
}
impl Create for CreateVirtualRouterElement {
    async fn create(self, call: &Call, job: JobDraft) -> Result<Created> {
        let Self { nspid, providertype: Ignored } = self;
        let (row, job) = call.router_element_create(call, &nspid.0, job).await?;
        Ok(Created { job, uuid: row.uuid })
    }
    async fn finish(call: &Call, id: i64) -> Result<Answer> {
        element(call, call.db.must(id).await?).await
    }
}

/// Turns the element of a virtual router on or off.
#[derive(Command)]
#[command(name = "configureVirtualRouterElement", roles = "admins", answer = "virtualrouterelement", view = Element, event = "NETWORK.ELEMENT.CONFIGURE", job = "configuring a virtual router element", on = "id", since = "3.0")]
pub struct ConfigureVirtualRouterElement {
    /// whether routers of this kind are made
    enabled: bool,
    /// the ID of the element
    id: Ref<store::RouterElement>,
}
impl Run for ConfigureVirtualRouterElement {
    async fn run(self, call: &Call) -> Result<Answer> {
        element(call, call.router_element_configure(call, self.id.0.id, self.enabled).await?).await
    }
}

/// Lists the elements of internal load balancers.
#[derive(Command)]
#[command(name = "listInternalLoadBalancerElements", roles = "admins", answer = "internalloadbalancerelement", view = LoadBalancerElement, since = "4.2")]
pub struct ListInternalLoadBalancerElements {
    /// only those that are enabled, or disabled
    enabled: Option<bool>,
    /// only the element with this ID
    id: Option<Ref<store::RouterElement>>,
    /// only that of this provider
    nspid: Option<Ref<store::Provider>>,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListInternalLoadBalancerElements {
    async fn run(self, call: &Call) -> Result<Answer> {
        let (id, of) = (self.id.map(|e| e.0.id), self.nspid.map(|p| p.0.id));
        let found = call.router_element_list(id, of, self.enabled, BALANCERS, self.page.range(call)?).await?;
        Ok(Answer::list(found.count, balancers(call, found.rows).await?))
    }
}

/// Makes the element of an internal load balancer's provider.
#[derive(Command)]
#[command(name = "createInternalLoadBalancerElement", roles = "admins", answer = "internalloadbalancerelement", view = LoadBalancerElement, event = "NETWORK.ELEMENT.CONFIGURE", job = "creating an internal load balancer element", create, since = "4.2")]
pub struct CreateInternalLoadBalancerElement {
    /// the ID of the provider
    nspid: Ref<store::Provider>,
}
impl Create for CreateInternalLoadBalancerElement {
    async fn create(self, call: &Call, job: JobDraft) -> Result<Created> {
        let (row, job) = call.router_element_create(call, &self.nspid.0, job).await?;
        Ok(Created { job, uuid: row.uuid })
    }
    async fn finish(call: &Call, id: i64) -> Result<Answer> {
        balancer(call, call.db.must(id).await?).await
    }
}

/// Turns the element of an internal load balancer on or off.
#[derive(Command)]
#[command(name = "configureInternalLoadBalancerElement", roles = "admins", answer = "internalloadbalancerelement", view = LoadBalancerElement, event = "NETWORK.ELEMENT.CONFIGURE", job = "configuring an internal load balancer element", on = "id", since = "4.2")]
pub struct ConfigureInternalLoadBalancerElement {
    /// whether load balancers of this kind are made
    enabled: bool,
    /// the ID of the element
    id: Ref<store::RouterElement>,
}
impl Run for ConfigureInternalLoadBalancerElement {
    async fn run(self, call: &Call) -> Result<Answer> {
        balancer(call, call.router_element_configure(call, self.id.0.id, self.enabled).await?).await
    }
}

fn only<V: crate::declare::Record + 'static>(mut views: Vec<V>) -> Result<Answer> {
    Ok(Answer::one(views.pop().ok_or_else(|| Error::internal("no view"))?))
}
async fn answer(call: &Call, row: store::Provider) -> Result<Answer> {
    only(providers(call, vec![row]).await?)
}
async fn element(call: &Call, row: store::RouterElement) -> Result<Answer> {
    only(elements(call, vec![row]).await?)
}
async fn balancer(call: &Call, row: store::RouterElement) -> Result<Answer> {
    only(balancers(call, vec![row]).await?)
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<ListNetworkServiceProviders>();
    r.add::<AddNetworkServiceProvider>();
    r.add::<UpdateNetworkServiceProvider>();
    r.add::<DeleteNetworkServiceProvider>();
    r.add::<ListSupportedNetworkServices>();
    r.add::<ListVirtualRouterElements>();
    r.add::<CreateVirtualRouterElement>();
    r.add::<ConfigureVirtualRouterElement>();
    r.add::<ListInternalLoadBalancerElements>();
    r.add::<CreateInternalLoadBalancerElement>();
    r.add::<ConfigureInternalLoadBalancerElement>();
}
