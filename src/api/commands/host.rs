//! Hosts.
use crate::prelude::*;
use crate::views::host::Groups;
use stratus_engine::host::{HostAdd, HostFilter, HostUpdate, PasswordOf};

/// Adds a host.
#[derive(Command)]
#[command(name = "addHost", roles = "admin,resourceadmin", answer = "host", view = views::host::Host, event = "HOST.CREATE")]
pub struct AddHost {
    /// the ID of the zone
    zoneid: Ref<store::Zone>,
    /// the ID of the pod
    podid: Ref<store::Pod>,
    /// the ID of the cluster that the host joins
    clusterid: Option<Ref<store::Cluster>>,
    /// the name of the cluster that the host joins, made when there is none
    clustername: Option<String>,
    /// the hypervisor type of the host
    hypervisor: String,
    /// where the host is
    url: String,
    /// the administrator's login on the host
    username: String,
    /// the administrator's password on the host
    password: String,
    /// tags that offerings can ask for
    hosttags: Option<Vec<String>>,
    /// Enabled or Disabled
    allocationstate: Option<String>,
}
impl Run for AddHost {
    async fn run(self, call: &Call) -> Result<Answer> {
        let ask = HostAdd {
            zone: self.zoneid.0,
            pod: self.podid.0,
            cluster: self.clusterid.map(|c| c.0),
            cluster_name: self.clustername,
            hypervisor: self.hypervisor,
            url: self.url,
            username: self.username,
            password: self.password,
            tags: self.hosttags.unwrap_or_default(),
            allocation_state: self.allocationstate,
        };
        let added = call.host_add(call, ask).await?;
        let mut shown = views::host::of(call, vec![added.host], Groups::ALL).await?;
        if let (Some(host), Some(token)) = (shown.first_mut(), added.token) {
            host.agenttoken = Some(token.reveal().to_owned());
        }
        Ok(Answer::list(1, shown))
    }
}

/// Lists hosts.
#[derive(Command)]
#[command(name = "listHosts", roles = "admin,resourceadmin", answer = "host", view = views::host::Host)]
pub struct ListHosts {
    /// only hosts of this cluster
    clusterid: Option<Ref<store::Cluster>>,
    /// what to show: all, capacity, events, stats or min
    details: Option<Vec<String>>,
    /// true for only those hosts that are kept for HA restarts
    #[param(since = "4.0")]
    hahost: Option<bool>,
    /// only hosts of this hypervisor type
    #[param(since = "4.3")]
    hypervisor: Option<String>,
    /// only the host with this ID
    id: Option<Ref<store::Host>>,
    /// only hosts with this name
    name: Option<String>,
    /// only hosts of this pod
    podid: Option<Ref<store::Pod>>,
    /// only hosts in this resource state
    #[param(since = "3.0")]
    resourcestate: Option<String>,
    /// only hosts in this state
    state: Option<String>,
    /// only hosts of this type
    #[param(name = "type")]
    kind: Option<String>,
    /// only hosts that this VM could move to
    #[param(kind = "uuid")]
    virtualmachineid: Refused,
    /// only hosts of this zone
    zoneid: Option<Ref<store::Zone>>,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListHosts {
    async fn run(self, call: &Call) -> Result<Answer> {
        let Refused = self.virtualmachineid;
        let groups = Groups::of(&self.details)?;
        let filter = HostFilter {
            id: self.id.map(|h| h.0.id),
            name: self.name,
            page: self.page.range(call)?,
            keyword: self.page.keyword,
            zone: self.zoneid.map(|z| z.0.id),
            pod: self.podid.map(|p| p.0.id),
            cluster: self.clusterid.map(|c| c.0.id),
            host_type: self.kind,
            hypervisor: self.hypervisor,
            state: self.state,
            resource_state: self.resourcestate,
            ha: self.hahost,
        };
        let found = call.host_list(filter).await?;
        Ok(Answer::list(found.count, views::host::of(call, found.rows, groups).await?))
    }
}

/// Changes a host.
#[derive(Command)]
#[command(name = "updateHost", roles = "admin", answer = "host", view = views::host::Host, event = "HOST.EDIT")]
pub struct UpdateHost {
    /// the ID of the host
    id: Ref<store::Host>,
    /// Enable or Disable
    allocationstate: Option<String>,
    /// tags that offerings can ask for, in place of those there are
    hosttags: Option<Vec<String>>,
    /// the ID of the OS category that the host prefers
    oscategoryid: Option<Ref<store::OsCategory>>,
    /// where the host is
    #[param(since = "3.0")]
    url: Option<String>,
}
impl Run for UpdateHost {
    async fn run(self, call: &Call) -> Result<Answer> {
        let ask = HostUpdate {
            allocation_state: self.allocationstate,
            tags: self.hosttags,
            os_category: self.oscategoryid.map(|c| c.0),
            url: self.url,
        };
        answer(call, call.host_update(call, &self.id.0, ask).await?).await
    }
}

/// Keeps other credentials for a host, or for the hosts of a cluster with the same login.
#[derive(Command)]
#[command(name = "updateHostPassword", roles = "admin", event = "HOST.EDIT")]
pub struct UpdateHostPassword {
    /// the ID of the cluster
    clusterid: Option<Ref<store::Cluster>>,
    /// the ID of the host
    hostid: Option<Ref<store::Host>>,
    /// the login on the hosts
    username: String,
    /// the new password on the hosts
    password: String,
}
impl Run for UpdateHostPassword {
    async fn run(self, call: &Call) -> Result<Answer> {
        let of = match (self.hostid, self.clusterid) {
            (Some(h), None) => PasswordOf::Host(h.0.id),
            (None, Some(c)) => PasswordOf::Cluster(c.0.id),
            _ => return Err(Error::invalid("hostid", "either hostid or clusterid says whose password it is")),
        };
        call.host_password(call, of, &self.username, &self.password).await?;
        Ok(Answer::success())
    }
}

/// Removes a host that no VM is on.
#[derive(Command)]
#[command(name = "deleteHost", roles = "admin,resourceadmin", event = "HOST.DELETE")]
pub struct DeleteHost {
    /// the ID of the host
    id: Ref<store::Host>,
    /// true to remove a host that is not in maintenance
    forced: Option<bool>,
    /// true to destroy the VMs with disks on the host's local storage, and volumes there
    forcedestroylocalstorage: Option<bool>,
}
impl Run for DeleteHost {
    async fn run(self, call: &Call) -> Result<Answer> {
        if self.forcedestroylocalstorage == Some(true) {
            call.local_storage_destroy(call, &self.id.0).await?;
        }
        call.host_delete(call, &self.id.0, self.forced == Some(true)).await?;
        Ok(Answer::success())
    }
}

/// Makes contact with a host again.
#[derive(Command)]
#[command(name = "reconnectHost", roles = "admin", answer = "host", view = views::host::Host, event = "HOST.RECONNECT", job = "reconnecting a host", on = "id")]
pub struct ReconnectHost {
    /// the ID of the host
    id: Ref<store::Host>,
}
impl Run for ReconnectHost {
    async fn run(self, call: &Call) -> Result<Answer> {
        answer(call, call.host_reconnect(call, &self.id.0).await?).await
    }
}

/// Takes a host that no VM is on out of use.
#[derive(Command)]
#[command(name = "prepareHostForMaintenance", roles = "admin", answer = "host", view = views::host::Host, event = "MAINT.PREPARE", job = "preparing a host for maintenance", on = "id")]
pub struct PrepareHostForMaintenance {
    /// the ID of the host
    id: Ref<store::Host>,
}
impl Run for PrepareHostForMaintenance {
    async fn run(self, call: &Call) -> Result<Answer> {
        answer(call, call.host_maintenance(call, &self.id.0).await?).await
    }
}

/// Takes a host back into use.
#[derive(Command)]
#[command(name = "cancelHostMaintenance", roles = "admin", answer = "host", view = views::host::Host, event = "MAINT.CANCEL", job = "ending the maintenance of a host", on = "id")]
pub struct CancelHostMaintenance {
    /// the ID of the host
    id: Ref<store::Host>,
}
impl Run for CancelHostMaintenance {
    async fn run(self, call: &Call) -> Result<Answer> {
        answer(call, call.host_maintenance_end(call, &self.id.0).await?).await
    }
}

/// Gives back what a host keeps for VMs that were stopped. A VM that stops gives its place back at once here, so there is nothing.
#[derive(Command)]
#[command(
    name = "releaseHostReservation",
    roles = "admin",
    since = "4.2",
    event = "HOST.RESERVATION.RELEASE",
    job = "releasing reservations of a host",
    on = "id"
)]
pub struct ReleaseHostReservation {
    /// the ID of the host
    id: Ref<store::Host>,
}
impl Run for ReleaseHostReservation {
    async fn run(self, _: &Call) -> Result<Answer> {
        Ok(Answer::success())
    }
}

/// A way to choose where VMs go.
#[derive(View)]
pub struct DeploymentPlanner {
    /// its name
    pub name: String,
}

/// Lists the ways to choose where VMs go, which service offerings can name.
#[derive(Command)]
#[command(name = "listDeploymentPlanners", roles = "admin", answer = "deploymentPlanner", view = DeploymentPlanner, since = "4.2")]
pub struct ListDeploymentPlanners {
    #[param(flatten)]
    page: Paging,
}
impl Run for ListDeploymentPlanners {
    async fn run(self, call: &Call) -> Result<Answer> {
        self.page.range(call)?;
        Ok(Answer::list(1, vec![DeploymentPlanner { name: "FirstFitPlanner".into() }]))
    }
}

async fn answer(call: &Call, host: store::Host) -> Result<Answer> {
    views::one(views::host::of(call, vec![host], Groups::ALL).await?)
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<AddHost>();
    r.add::<ListHosts>();
    r.add::<UpdateHost>();
    r.add::<UpdateHostPassword>();
    r.add::<DeleteHost>();
    r.add::<ReconnectHost>();
    r.add::<PrepareHostForMaintenance>();
    r.add::<CancelHostMaintenance>();
    r.add::<ReleaseHostReservation>();
    r.add::<ListDeploymentPlanners>();
}
