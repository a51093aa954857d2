//! Dedicated zones, pods, clusters and hosts.
use crate::prelude::*;
use stratus_engine::dedication::{DedicationFilter, Place};

/// What stands beside dedications, each table read once.
struct Beside {
    domains: std::collections::HashMap<i64, store::Domain>,
    accounts: std::collections::HashMap<i64, store::Account>,
}

impl Beside {
    async fn of(call: &Call, rows: &[store::Dedication]) -> Result<Self> {
        Ok(Self {
            domains: call.db.by_ids(rows.iter().map(|d| d.domain_id)).await?,
            accounts: call.db.by_ids(rows.iter().filter_map(|d| d.account_id)).await?,
        })
    }
    fn domain(&self, d: &store::Dedication) -> Option<String> {
        self.domains.get(&d.domain_id).map(|d| d.uuid.clone())
    }
    fn account(&self, d: &store::Dedication) -> Option<String> {
        d.account_id.and_then(|a| self.accounts.get(&a)).map(|a| a.uuid.clone())
    }
}

/// The account that is named beside a domain.
async fn account_of(call: &Call, name: Option<&str>, domain: &store::Domain) -> Result<Option<store::Account>> {
    match name {
        Some(name) => call.account_in_domain(domain.id, name).await.map(Some),
        None => Ok(None),
    }
}

async fn filter(
    call: &Call,
    account: Option<String>,
    domain: Option<Ref<store::Domain>>,
    place: Option<i64>,
    page: &Paging,
) -> Result<DedicationFilter> {
    let account = match (&account, &domain) {
        (Some(name), Some(d)) => Some(call.account_in_domain(d.0.id, name).await?.id),
        (Some(_), None) => return Err(Error::invalid("domainid", "is needed beside account")),
        _ => None,
    };
    Ok(DedicationFilter { place, domain: domain.map(|d| d.0.id), account, group: None, page: page.range(call)? })
}

/// A dedicated zone.
#[derive(View)]
pub struct DedicatedZone {
    /// the ID of the dedication
    pub id: String,
    /// the ID of the zone
    pub zoneid: Option<String>,
    /// the name of the zone
    pub zonename: Option<String>,
    /// the ID of the domain that may use it
    pub domainid: Option<String>,
    /// the ID of the account that alone may use it
    pub accountid: Option<String>,
    /// the ID of the affinity group of the dedication
    pub affinitygroupid: Option<String>,
}

async fn zones(call: &Call, rows: Vec<store::Dedication>) -> Result<Vec<DedicatedZone>> {
    let beside = Beside::of(call, &rows).await?;
    let places = call.db.by_ids::<store::Zone>(rows.iter().map(|d| d.place_id)).await?;
    let one = |d: store::Dedication| {
        let place = places.get(&d.place_id);
        DedicatedZone {
            zoneid: place.map(|p| p.uuid.clone()),
            zonename: place.map(|p| p.name.clone()),
            domainid: beside.domain(&d),
            accountid: beside.account(&d),
            affinitygroupid: None,
            id: d.uuid,
        }
    };
    Ok(rows.into_iter().map(one).collect())
}

/// Lets only one domain, or one account of it, use a zone.
#[derive(Command)]
#[command(name = "dedicateZone", roles = "admin", answer = "dedicatedzone", view = DedicatedZone, since = "4.2", event = "DEDICATE.RESOURCE", job = "dedicating a zone", on = "zoneid")]
pub struct DedicateZone {
    /// the ID of the zone
    zoneid: Ref<store::Zone>,
    /// the ID of the domain
    domainid: Ref<store::Domain>,
    /// the account of that domain that alone may use it
    account: Option<String>,
}
impl Run for DedicateZone {
    async fn run(self, call: &Call) -> Result<Answer> {
        let account = account_of(call, self.account.as_deref(), &self.domainid.0).await?;
        let made = call.dedicate(call, Place::Zone(self.zoneid.0), self.domainid.0, account).await?;
        Ok(Answer::list(1, zones(call, vec![made]).await?))
    }
}

/// Lists dedicated zones.
#[derive(Command)]
#[command(name = "listDedicatedZones", roles = "admin", answer = "dedicatedzone", view = DedicatedZone, since = "4.2")]
pub struct ListDedicatedZones {
    /// only those of this account; needs domainid
    account: Option<String>,
    /// dedications make no affinity groups here
    #[param(kind = "uuid")]
    affinitygroupid: Refused,
    /// only those of this domain, or the domain of the account
    domainid: Option<Ref<store::Domain>>,
    /// only the zone with this ID
    zoneid: Option<Ref<store::Zone>>,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListDedicatedZones {
    async fn run(self, call: &Call) -> Result<Answer> {
        let place = self.zoneid.map(|p| p.0.id);
        let filter = filter(call, self.account, self.domainid, place, &self.page).await?;
        let found = call.dedication_list("zone", filter).await?;
        Ok(Answer::list(found.count, zones(call, found.rows).await?))
    }
}

/// Lets everybody use a zone again.
#[derive(Command)]
#[command(
    name = "releaseDedicatedZone",
    roles = "admin",
    since = "4.2",
    event = "DEDICATE.RESOURCE.RELEASE",
    job = "releasing a zone",
    on = "zoneid"
)]
pub struct ReleaseDedicatedZone {
    /// the ID of the zone
    zoneid: Ref<store::Zone>,
}
impl Run for ReleaseDedicatedZone {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.dedication_release(call, Place::Zone(self.zoneid.0)).await?;
        Ok(Answer::success())
    }
}

/// A dedicated pod.
#[derive(View)]
pub struct DedicatedPod {
    /// the ID of the dedication
    pub id: String,
    /// the ID of the pod
    pub podid: Option<String>,
    /// the name of the pod
    pub podname: Option<String>,
    /// the ID of the domain that may use it
    pub domainid: Option<String>,
    /// the ID of the account that alone may use it
    pub accountid: Option<String>,
    /// the ID of the affinity group of the dedication
    pub affinitygroupid: Option<String>,
}

async fn pods(call: &Call, rows: Vec<store::Dedication>) -> Result<Vec<DedicatedPod>> {
    let beside = Beside::of(call, &rows).await?;
    let places = call.db.by_ids::<store::Pod>(rows.iter().map(|d| d.place_id)).await?;
    let one = |d: store::Dedication| {
        let place = places.get(&d.place_id);
        DedicatedPod {
            podid: place.map(|p| p.uuid.clone()),
            podname: place.map(|p| p.name.clone()),
            domainid: beside.domain(&d),
            accountid: beside.account(&d),
            affinitygroupid: None,
            id: d.uuid,
        }
    };
    Ok(rows.into_iter().map(one).collect())
}

/// Lets only one domain, or one account of it, use a pod.
#[derive(Command)]
#[command(name = "dedicatePod", roles = "admin", answer = "dedicatedpod", view = DedicatedPod, since = "4.2", event = "DEDICATE.RESOURCE", job = "dedicating a pod", on = "podid")]
pub struct DedicatePod {
    /// the ID of the pod
    podid: Ref<store::Pod>,
    /// the ID of the domain
    domainid: Ref<store::Domain>,
    /// the account of that domain that alone may use it
    account: Option<String>,
}
impl Run for DedicatePod {
    async fn run(self, call: &Call) -> Result<Answer> {
        let account = account_of(call, self.account.as_deref(), &self.domainid.0).await?;
        let made = call.dedicate(call, Place::Pod(self.podid.0), self.domainid.0, account).await?;
        Ok(Answer::list(1, pods(call, vec![made]).await?))
    }
}

/// Lists dedicated pods.
#[derive(Command)]
#[command(name = "listDedicatedPods", roles = "admin", answer = "dedicatedpod", view = DedicatedPod, since = "4.2")]
pub struct ListDedicatedPods {
    /// only those of this account; needs domainid
    account: Option<String>,
    /// dedications make no affinity groups here
    #[param(kind = "uuid")]
    affinitygroupid: Refused,
    /// only those of this domain, or the domain of the account
    domainid: Option<Ref<store::Domain>>,
    /// only the pod with this ID
    podid: Option<Ref<store::Pod>>,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListDedicatedPods {
    async fn run(self, call: &Call) -> Result<Answer> {
        let place = self.podid.map(|p| p.0.id);
        let filter = filter(call, self.account, self.domainid, place, &self.page).await?;
        let found = call.dedication_list("pod", filter).await?;
        Ok(Answer::list(found.count, pods(call, found.rows).await?))
    }
}

/// Lets everybody use a pod again.
#[derive(Command)]
#[command(
    name = "releaseDedicatedPod",
    roles = "admin",
    since = "4.2",
    event = "DEDICATE.RESOURCE.RELEASE",
    job = "releasing a pod",
    on = "podid"
)]
pub struct ReleaseDedicatedPod {
    /// the ID of the pod
    podid: Ref<store::Pod>,
}
impl Run for ReleaseDedicatedPod {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.dedication_release(call, Place::Pod(self.podid.0)).await?;
        Ok(Answer::success())
    }
}

/// A dedicated cluster.
#[derive(View)]
pub struct DedicatedCluster {
    /// the ID of the dedication
    pub id: String,
    /// the ID of the cluster
    pub clusterid: Option<String>,
    /// the name of the cluster
    pub clustername: Option<String>,
    /// the ID of the domain that may use it
    pub domainid: Option<String>,
    /// the ID of the account that alone may use it
    pub accountid: Option<String>,
    /// the ID of the affinity group of the dedication
    pub affinitygroupid: Option<String>,
}

async fn clusters(call: &Call, rows: Vec<store::Dedication>) -> Result<Vec<DedicatedCluster>> {
    let beside = Beside::of(call, &rows).await?;
    let places = call.db.by_ids::<store::Cluster>(rows.iter().map(|d| d.place_id)).await?;
    let one = |d: store::Dedication| {
        let place = places.get(&d.place_id);
        DedicatedCluster {
            clusterid: place.map(|p| p.uuid.clone()),
            clustername: place.map(|p| p.name.clone()),
            domainid: beside.domain(&d),
            accountid: beside.account(&d),
            affinitygroupid: None,
            id: d.uuid,
        }
    };
    Ok(rows.into_iter().map(one).collect())
}

/// Lets only one domain, or one account of it, use a cluster.
#[derive(Command)]
#[command(name = "dedicateCluster", roles = "admin", answer = "dedicatedcluster", view = DedicatedCluster, since = "4.2", event = "DEDICATE.RESOURCE", job = "dedicating a cluster", on = "clusterid")]
pub struct DedicateCluster {
    /// the ID of the cluster
    clusterid: Ref<store::Cluster>,
    /// the ID of the domain
    domainid: Ref<store::Domain>,
    /// the account of that domain that alone may use it
    account: Option<String>,
}
impl Run for DedicateCluster {
    async fn run(self, call: &Call) -> Result<Answer> {
        let account = account_of(call, self.account.as_deref(), &self.domainid.0).await?;
        let made = call.dedicate(call, Place::Cluster(self.clusterid.0), self.domainid.0, account).await?;
        Ok(Answer::list(1, clusters(call, vec![made]).await?))
    }
}

/// Lists dedicated clusters.
#[derive(Command)]
#[command(name = "listDedicatedClusters", roles = "admin", answer = "dedicatedcluster", view = DedicatedCluster, since = "4.2")]
pub struct ListDedicatedClusters {
    /// only those of this account; needs domainid
    account: Option<String>,
    /// dedications make no affinity groups here
    #[param(kind = "uuid")]
    affinitygroupid: Refused,
    /// only those of this domain, or the domain of the account
    domainid: Option<Ref<store::Domain>>,
    /// only the cluster with this ID
    clusterid: Option<Ref<store::Cluster>>,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListDedicatedClusters {
    async fn run(self, call: &Call) -> Result<Answer> {
        let place = self.clusterid.map(|p| p.0.id);
        let filter = filter(call, self.account, self.domainid, place, &self.page).await?;
        let found = call.dedication_list("cluster", filter).await?;
        Ok(Answer::list(found.count, clusters(call, found.rows).await?))
    }
}

/// Lets everybody use a cluster again.
#[derive(Command)]
#[command(
    name = "releaseDedicatedCluster",
    roles = "admin",
    since = "4.2",
    event = "DEDICATE.RESOURCE.RELEASE",
    job = "releasing a cluster",
    on = "clusterid"
)]
pub struct ReleaseDedicatedCluster {
    /// the ID of the cluster
    clusterid: Ref<store::Cluster>,
}
impl Run for ReleaseDedicatedCluster {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.dedication_release(call, Place::Cluster(self.clusterid.0)).await?;
        Ok(Answer::success())
    }
}

/// A dedicated host.
#[derive(View)]
pub struct DedicatedHost {
    /// the ID of the dedication
    pub id: String,
    /// the ID of the host
    pub hostid: Option<String>,
    /// the name of the host
    pub hostname: Option<String>,
    /// the ID of the domain that may use it
    pub domainid: Option<String>,
    /// the ID of the account that alone may use it
    pub accountid: Option<String>,
    /// the ID of the affinity group of the dedication
    pub affinitygroupid: Option<String>,
}

async fn hosts(call: &Call, rows: Vec<store::Dedication>) -> Result<Vec<DedicatedHost>> {
    let beside = Beside::of(call, &rows).await?;
    let places = call.db.by_ids::<store::Host>(rows.iter().map(|d| d.place_id)).await?;
    let one = |d: store::Dedication| {
        let place = places.get(&d.place_id);
        DedicatedHost {
            hostid: place.map(|p| p.uuid.clone()),
            hostname: place.map(|p| p.name.clone()),
            domainid: beside.domain(&d),
            accountid: beside.account(&d),
            affinitygroupid: None,
            id: d.uuid,
        }
    };
    Ok(rows.into_iter().map(one).collect())
}

/// Lets only one domain, or one account of it, use a host.
#[derive(Command)]
#[command(name = "dedicateHost", roles = "admin", answer = "dedicatedhost", view = DedicatedHost, since = "4.2", event = "DEDICATE.RESOURCE", job = "dedicating a host", on = "hostid")]
pub struct DedicateHost {
    /// the ID of the host
    hostid: Ref<store::Host>,
    /// the ID of the domain
    domainid: Ref<store::Domain>,
    /// the account of that domain that alone may use it
    account: Option<String>,
}
impl Run for DedicateHost {
    async fn run(self, call: &Call) -> Result<Answer> {
        let account = account_of(call, self.account.as_deref(), &self.domainid.0).await?;
        let made = call.dedicate(call, Place::Host(self.hostid.0), self.domainid.0, account).await?;
        Ok(Answer::list(1, hosts(call, vec![made]).await?))
    }
}

/// Lists dedicated hosts.
#[derive(Command)]
#[command(name = "listDedicatedHosts", roles = "admin", answer = "dedicatedhost", view = DedicatedHost, since = "4.2")]
pub struct ListDedicatedHosts {
    /// only those of this account; needs domainid
    account: Option<String>,
    /// dedications make no affinity groups here
    #[param(kind = "uuid")]
    affinitygroupid: Refused,
    /// only those of this domain, or the domain of the account
    domainid: Option<Ref<store::Domain>>,
    /// only the host with this ID
    hostid: Option<Ref<store::Host>>,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListDedicatedHosts {
    async fn run(self, call: &Call) -> Result<Answer> {
        let place = self.hostid.map(|p| p.0.id);
        let filter = filter(call, self.account, self.domainid, place, &self.page).await?;
        let found = call.dedication_list("host", filter).await?;
        Ok(Answer::list(found.count, hosts(call, found.rows).await?))
    }
}

/// Lets everybody use a host again.
#[derive(Command)]
#[command(
    name = "releaseDedicatedHost",
    roles = "admin",
    since = "4.2",
    event = "DEDICATE.RESOURCE.RELEASE",
    job = "releasing a host",
    on = "hostid"
)]
pub struct ReleaseDedicatedHost {
    /// the ID of the host
    hostid: Ref<store::Host>,
}
impl Run for ReleaseDedicatedHost {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.dedication_release(call, Place::Host(self.hostid.0)).await?;
        Ok(Answer::success())
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<DedicateZone>();
    r.add::<ListDedicatedZones>();
    r.add::<ReleaseDedicatedZone>();
    r.add::<DedicatePod>();
    r.add::<ListDedicatedPods>();
    r.add::<ReleaseDedicatedPod>();
    r.add::<DedicateCluster>();
    r.add::<ListDedicatedClusters>();
    r.add::<ReleaseDedicatedCluster>();
    r.add::<DedicateHost>();
    r.add::<ListDedicatedHosts>();
    r.add::<ReleaseDedicatedHost>();
}
