//! Pods.
use crate::prelude::*;
use crate::views::capacity::Beside;
use stratus_engine::capacities::{CapacityAsk, Level};
use stratus_engine::pod::{PodCreate, PodFilter, PodUpdate};

/// Makes a pod.
#[derive(Command)]
#[command(name = "createPod", roles = "admin", answer = "pod", view = views::pod::Pod, event = "POD.CREATE")]
pub struct CreatePod {
    /// the ID of the zone
    zoneid: Ref<store::Zone>,
    /// the name of the pod
    name: String,
    /// the gateway of the pod's subnet
    gateway: String,
    /// the netmask of the pod's subnet
    netmask: String,
    /// the first address of the cloud's own range
    startip: String,
    /// the last address of the cloud's own range; the subnet's last one when left out
    endip: Option<String>,
    /// Enabled or Disabled
    allocationstate: Option<String>,
}
impl Run for CreatePod {
    async fn run(self, call: &Call) -> Result<Answer> {
        let ask = PodCreate {
            zone: self.zoneid.0,
            name: self.name,
            gateway: self.gateway,
            netmask: self.netmask,
            start_ip: self.startip,
            end_ip: self.endip,
            allocation_state: self.allocationstate,
        };
        answer(call, call.pod_create(call, ask).await?).await
    }
}

/// Lists pods.
#[derive(Command)]
#[command(name = "listPods", roles = "admin,resourceadmin", answer = "pod", view = views::pod::Pod)]
pub struct ListPods {
    /// only pods in this allocation state
    allocationstate: Option<String>,
    /// only the pod with this ID
    id: Option<Ref<store::Pod>>,
    /// only pods with this name
    name: Option<String>,
    /// only pods of this zone
    zoneid: Option<Ref<store::Zone>>,
    /// true to show how full the pods are
    #[param(since = "3.0")]
    showcapacities: Option<bool>,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListPods {
    async fn run(self, call: &Call) -> Result<Answer> {
        let (id, zone) = (self.id.map(|p| p.0.id), self.zoneid.map(|z| z.0.id));
        let capacities =
            Beside::read(call, self.showcapacities, CapacityAsk { zone, pod: id, level: Level::Pod, ..Default::default() }).await?;
        let page = self.page.range(call)?;
        let filter = PodFilter { id, name: self.name, keyword: self.page.keyword, zone, allocation_state: self.allocationstate, page };
        let found = call.pod_list(filter).await?;
        Ok(Answer::list(found.count, views::pod::of(call, found.rows, capacities).await?))
    }
}

/// Changes a pod.
#[derive(Command)]
#[command(name = "updatePod", roles = "admin", answer = "pod", view = views::pod::Pod, event = "POD.EDIT")]
pub struct UpdatePod {
    /// the ID of the pod
    id: Ref<store::Pod>,
    /// the name of the pod
    name: Option<String>,
    /// the gateway of the pod's subnet
    gateway: Option<String>,
    /// the netmask of the pod's subnet
    netmask: Option<String>,
    /// the first address of the cloud's own range
    startip: Option<String>,
    /// the last address of the cloud's own range
    endip: Option<String>,
    /// Enabled or Disabled
    allocationstate: Option<String>,
}
impl Run for UpdatePod {
    async fn run(self, call: &Call) -> Result<Answer> {
        let ask = PodUpdate {
            name: self.name,
            gateway: self.gateway,
            netmask: self.netmask,
            start_ip: self.startip,
            end_ip: self.endip,
            allocation_state: self.allocationstate,
        };
        answer(call, call.pod_update(call, &self.id.0, ask).await?).await
    }
}

/// Removes a pod that nothing is in.
#[derive(Command)]
#[command(name = "deletePod", roles = "admin", event = "POD.DELETE")]
pub struct DeletePod {
    /// the ID of the pod
    id: Ref<store::Pod>,
}
impl Run for DeletePod {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.pod_delete(call, &self.id.0).await?;
        Ok(Answer::success())
    }
}

async fn answer(call: &Call, pod: store::Pod) -> Result<Answer> {
    views::one(views::pod::of(call, vec![pod], None).await?)
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<CreatePod>();
    r.add::<ListPods>();
    r.add::<UpdatePod>();
    r.add::<DeletePod>();
}
