//! Physical networks.
use crate::prelude::*;
use crate::views::physical_network::{IsolationMethod, PhysicalNetwork, of};
use stratus_engine::physical_network::{ISOLATION_METHODS, PhysicalNetworkCreate, PhysicalNetworkUpdate};

found!(PhysicalNetwork => Kind::PhysicalNetwork);

/// Makes a physical network in a zone, with its providers, all disabled.
#[derive(Command)]
#[command(name = "createPhysicalNetwork", roles = "admin", answer = "physicalnetwork", view = PhysicalNetwork, event = "PHYSICAL.NETWORK.CREATE", job = "creating a physical network", create, since = "3.0")]
pub struct CreatePhysicalNetwork {
    /// its name
    name: String,
    /// the ID of the zone
    zoneid: Ref<store::Zone>,
    /// how far broadcasts reach: ZONE in advanced zones, POD in basic ones
    broadcastdomainrange: Option<String>,
    /// the ID of the domain whose own it is to be
    domainid: Option<Ref<store::Domain>>,
    /// how guest networks are kept apart, like VLAN or VXLAN
    isolationmethods: Option<Vec<String>>,
    /// its speed, like 1G
    networkspeed: Option<String>,
    /// the tag that offerings name it by
    tags: Option<Vec<String>>,
    /// the numbers that guest networks get, as ranges like 100-200
    vlan: Option<String>,
}
impl Create for CreatePhysicalNetwork {
    async fn create(self, call: &Call, job: JobDraft) -> Result<Created> {
        let ask = PhysicalNetworkCreate {
            name: self.name,
            zone: self.zoneid.0,
            broadcast_domain_range: self.broadcastdomainrange,
            domain_id: self.domainid.map(|d| d.0.id),
            isolation_methods: self.isolationmethods.unwrap_or_default(),
            speed: self.networkspeed,
            tags: self.tags.unwrap_or_default(),
            vlan: self.vlan,
        };
        let (row, job) = call.physical_network_create(call, ask, job).await?;
        Ok(Created { job, uuid: row.uuid })
    }
    async fn finish(call: &Call, id: i64) -> Result<Answer> {
        answer(call, call.db.must(id).await?).await
    }
}

/// Lists physical networks.
#[derive(Command)]
#[command(name = "listPhysicalNetworks", roles = "admin", answer = "physicalnetwork", view = PhysicalNetwork, since = "3.0")]
pub struct ListPhysicalNetworks {
    /// only the physical network with this ID
    id: Option<Ref<store::PhysicalNetwork>>,
    /// only those with this name
    name: Option<String>,
    /// only those of this zone
    zoneid: Option<Ref<store::Zone>>,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListPhysicalNetworks {
    async fn run(self, call: &Call) -> Result<Answer> {
        let (id, zone) = (self.id.map(|p| p.0.id), self.zoneid.map(|z| z.0.id));
        let found = call.physical_network_list(id, zone, self.name, self.page.keyword.as_deref(), self.page.range(call)?).await?;
        Ok(Answer::list(found.count, of(call, found.rows).await?))
    }
}

/// Changes a physical network.
#[derive(Command)]
#[command(name = "updatePhysicalNetwork", roles = "admin", answer = "physicalnetwork", view = PhysicalNetwork, event = "PHYSICAL.NETWORK.UPDATE", job = "changing a physical network", on = "id", since = "3.0")]
pub struct UpdatePhysicalNetwork {
    /// the ID of the physical network
    id: Ref<store::PhysicalNetwork>,
    /// its speed, like 1G
    networkspeed: Option<String>,
    /// Enabled or Disabled
    state: Option<String>,
    /// the tag that offerings name it by
    tags: Option<Vec<String>>,
    /// the numbers that guest networks get, as ranges like 100-200; in place of those before
    vlan: Option<String>,
}
impl Run for UpdatePhysicalNetwork {
    async fn run(self, call: &Call) -> Result<Answer> {
        let ask = PhysicalNetworkUpdate { speed: self.networkspeed, state: self.state, tags: self.tags, vlan: self.vlan };
        answer(call, call.physical_network_update(call, self.id.0.id, ask).await?).await
    }
}

/// Removes a physical network that nothing uses.
#[derive(Command)]
#[command(
    name = "deletePhysicalNetwork",
    roles = "admin",
    event = "PHYSICAL.NETWORK.DELETE",
    job = "deleting a physical network",
    on = "id",
    since = "3.0"
)]
pub struct DeletePhysicalNetwork {
    /// the ID of the physical network
    id: Ref<store::PhysicalNetwork>,
}
impl Run for DeletePhysicalNetwork {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.physical_network_delete(call, self.id.0.id).await?;
        Ok(Answer::success())
    }
}

/// Lists the ways to keep guest networks apart.
#[derive(Command)]
#[command(name = "listNetworkIsolationMethods", roles = "admin", answer = "isolationmethod", view = IsolationMethod, since = "4.2")]
pub struct ListNetworkIsolationMethods {
    #[param(flatten)]
    page: Paging,
}
impl Run for ListNetworkIsolationMethods {
    async fn run(self, call: &Call) -> Result<Answer> {
        let all: Vec<IsolationMethod> = ISOLATION_METHODS.iter().map(|m| IsolationMethod { name: (*m).into() }).collect();
        part(call, &self.page, all, |m| &m.name)
    }
}

/// A page of a list that is not in the database.
pub(super) fn part<V: crate::declare::Record + 'static>(call: &Call, page: &Paging, all: Vec<V>, name: fn(&V) -> &str) -> Result<Answer> {
    let (offset, limit) = page.range(call)?;
    let keyword = page.keyword.as_deref().unwrap_or_default().to_lowercase();
    let all: Vec<V> = all.into_iter().filter(|v| name(v).to_lowercase().contains(&keyword)).collect();
    let count = all.len() as i64;
    let size = |n: i64| usize::try_from(n).unwrap_or(usize::MAX);
    Ok(Answer::list(count, all.into_iter().skip(size(offset)).take(size(limit)).collect()))
}

async fn answer(call: &Call, row: store::PhysicalNetwork) -> Result<Answer> {
    let view = of(call, vec![row]).await?.pop();
    Ok(Answer::one(view.ok_or_else(|| Error::internal("no view"))?))
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<CreatePhysicalNetwork>();
    r.add::<ListPhysicalNetworks>();
    r.add::<UpdatePhysicalNetwork>();
    r.add::<DeletePhysicalNetwork>();
    r.add::<ListNetworkIsolationMethods>();
}
