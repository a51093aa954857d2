//! Clusters, and the hypervisor types that they can be of.
use crate::prelude::*;
use crate::views::capacity::Beside;
use stratus_engine::capacities::{CapacityAsk, Level};
use stratus_engine::cluster::{ClusterAdd, ClusterFilter, ClusterUpdate};

/// Adds a cluster to a pod.
#[derive(Command)]
#[command(name = "addCluster", roles = "admin", answer = "cluster", view = views::cluster::Cluster, event = "CLUSTER.CREATE")]
pub struct AddCluster {
    /// the ID of the zone
    zoneid: Ref<store::Zone>,
    /// the ID of the pod
    podid: Ref<store::Pod>,
    /// the name of the cluster
    clustername: String,
    /// CloudManaged
    clustertype: String,
    /// the hypervisor type of its hosts
    hypervisor: String,
    /// Enabled or Disabled
    allocationstate: Option<String>,
    /// the guests' virtual switch, which VMware clusters have
    #[param(since = "4.2")]
    guestvswitchname: Refused,
    /// the type of the guests' virtual switch, which VMware clusters have
    #[param(since = "4.2")]
    guestvswitchtype: Refused,
    /// the password of the cluster's own management, which VMware clusters have
    password: Refused,
    /// the public virtual switch, which VMware clusters have
    #[param(since = "4.2")]
    publicvswitchname: Refused,
    /// the type of the public virtual switch, which VMware clusters have
    #[param(since = "4.2")]
    publicvswitchtype: Refused,
    /// where the cluster's own management is, which VMware clusters have
    url: Refused,
    /// the login of the cluster's own management, which VMware clusters have
    username: Refused,
    /// the address of a Nexus switch, which VMware clusters have
    #[param(since = "4.0")]
    vsmipaddress: Refused,
    /// the password of a Nexus switch, which VMware clusters have
    #[param(since = "4.0")]
    vsmpassword: Refused,
    /// the login of a Nexus switch, which VMware clusters have
    #[param(since = "4.0")]
    vsmusername: Refused,
}
impl Run for AddCluster {
    async fn run(self, call: &Call) -> Result<Answer> {
        let (Refused, Refused, Refused, Refused) =
            (self.guestvswitchname, self.guestvswitchtype, self.publicvswitchname, self.publicvswitchtype);
        let (Refused, Refused, Refused) = (self.url, self.username, self.password);
        let (Refused, Refused, Refused) = (self.vsmipaddress, self.vsmusername, self.vsmpassword);
        let ask = ClusterAdd {
            zone: self.zoneid.0,
            pod: self.podid.0,
            name: self.clustername,
            hypervisor: self.hypervisor,
            cluster_type: self.clustertype,
            allocation_state: self.allocationstate,
        };
        let cluster = call.cluster_add(call, ask).await?;
        Ok(Answer::list(1, views::cluster::of(call, vec![cluster], None).await?))
    }
}

/// Lists clusters.
#[derive(Command)]
#[command(name = "listClusters", roles = "admin,resourceadmin", answer = "cluster", view = views::cluster::Cluster)]
pub struct ListClusters {
    /// only clusters in this allocation state
    allocationstate: Option<String>,
    /// only clusters of this cluster type
    clustertype: Option<String>,
    /// only clusters of this hypervisor type
    hypervisor: Option<String>,
    /// only the cluster with this ID
    id: Option<Ref<store::Cluster>>,
    /// only clusters that the cloud looks after (Managed), or that it does not (Unmanaged)
    managedstate: Option<String>,
    /// only clusters with this name
    name: Option<String>,
    /// only clusters of this pod
    podid: Option<Ref<store::Pod>>,
    /// only clusters of this zone
    zoneid: Option<Ref<store::Zone>>,
    /// true to show how full the clusters are
    #[param(since = "3.0")]
    showcapacities: Option<bool>,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListClusters {
    async fn run(self, call: &Call) -> Result<Answer> {
        let (id, pod, zone) = (self.id.map(|c| c.0.id), self.podid.map(|p| p.0.id), self.zoneid.map(|z| z.0.id));
        let ask = CapacityAsk { zone, pod, cluster: id, level: Level::Cluster, kind: None };
        let capacities = Beside::read(call, self.showcapacities, ask).await?;
        let page = self.page.range(call)?;
        let filter = ClusterFilter {
            id,
            name: self.name,
            keyword: self.page.keyword,
            zone,
            pod,
            hypervisor: self.hypervisor,
            cluster_type: self.clustertype,
            allocation_state: self.allocationstate,
            managed_state: self.managedstate,
            page,
        };
        let found = call.cluster_list(filter).await?;
        Ok(Answer::list(found.count, views::cluster::of(call, found.rows, capacities).await?))
    }
}

/// Changes a cluster.
#[derive(Command)]
#[command(name = "updateCluster", roles = "admin", answer = "cluster", view = views::cluster::Cluster, event = "CLUSTER.EDIT")]
pub struct UpdateCluster {
    /// the ID of the cluster
    id: Ref<store::Cluster>,
    /// Enabled or Disabled
    allocationstate: Option<String>,
    /// the name of the cluster
    clustername: Option<String>,
    /// CloudManaged
    clustertype: Option<String>,
    /// the hypervisor type, while there are no hosts
    hypervisor: Option<String>,
    /// Managed, or Unmanaged for the cloud to leave its hosts alone
    managedstate: Option<String>,
}
impl Run for UpdateCluster {
    async fn run(self, call: &Call) -> Result<Answer> {
        let ask = ClusterUpdate {
            name: self.clustername,
            hypervisor: self.hypervisor,
            cluster_type: self.clustertype,
            allocation_state: self.allocationstate,
            managed_state: self.managedstate,
            ..Default::default()
        };
        let cluster = call.cluster_update(call, &self.id.0, ask).await?;
        views::one(views::cluster::of(call, vec![cluster], None).await?)
    }
}

/// Removes a cluster that nothing is in.
#[derive(Command)]
#[command(name = "deleteCluster", roles = "admin", event = "CLUSTER.DELETE")]
pub struct DeleteCluster {
    /// the ID of the cluster
    id: Ref<store::Cluster>,
}
impl Run for DeleteCluster {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.cluster_delete(call, &self.id.0).await?;
        Ok(Answer::success())
    }
}

/// Lists hypervisor types.
#[derive(Command)]
#[command(name = "listHypervisors", roles = "all", answer = "hypervisor", view = Hypervisor)]
pub struct ListHypervisors {
    /// only those that this zone has clusters of
    zoneid: Option<Ref<store::Zone>>,
}

/// A hypervisor type.
#[derive(View)]
pub struct Hypervisor {
    /// the name of the hypervisor type
    pub name: String,
}
impl Run for ListHypervisors {
    async fn run(self, call: &Call) -> Result<Answer> {
        let names = call.hypervisor_list(self.zoneid.map(|z| z.0.id)).await?;
        Ok(Answer::list(names.len() as i64, names.into_iter().map(|name| Hypervisor { name }).collect()))
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<AddCluster>();
    r.add::<ListClusters>();
    r.add::<UpdateCluster>();
    r.add::<DeleteCluster>();
    r.add::<ListHypervisors>();
}
