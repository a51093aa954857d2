//! The kinds of traffic that physical networks carry.
use super::physical_network::part;
use crate::prelude::*;
use crate::views::physical_network::{Implementor, Provider, TrafficType, traffic};
use stratus_engine::physical_network::{Labels, TrafficTypeAdd};

found!(TrafficType => Kind::TrafficType);

/// Adds a kind of traffic to a physical network.
#[derive(Command)]
#[command(name = "addTrafficType", roles = "admin", answer = "traffictype", view = TrafficType, event = "TRAFFIC.TYPE.CREATE", job = "adding a traffic type", create, since = "3.0")]
pub struct AddTrafficType {
    /// the ID of the physical network
    physicalnetworkid: Ref<store::PhysicalNetwork>,
    /// Guest, Management, Public or Storage
    traffictype: String,
    /// what Hyper-V hosts call its switch
    #[param(since = "4.3")]
    hypervnetworklabel: Option<String>,
    /// how networks of this kind are kept apart
    #[param(since = "4.3")]
    isolationmethod: Option<String>,
    /// what KVM hosts call its bridge
    kvmnetworklabel: Option<String>,
    /// the VLAN of management traffic on VMware hosts
    vlan: Option<String>,
    /// what VMware hosts call its switch
    vmwarenetworklabel: Option<String>,
    /// what XenServer hosts call its network
    xennetworklabel: Option<String>,
}
impl Create for AddTrafficType {
    async fn create(self, call: &Call, job: JobDraft) -> Result<Created> {
        let ask = TrafficTypeAdd {
            traffic_type: self.traffictype,
            isolation: self.isolationmethod,
            labels: Labels {
                xen: self.xennetworklabel,
                kvm: self.kvmnetworklabel,
                vmware: self.vmwarenetworklabel,
                hyperv: self.hypervnetworklabel,
            },
            vlan: self.vlan,
        };
        let (row, job) = call.traffic_type_add(call, &self.physicalnetworkid.0, ask, job).await?;
        Ok(Created { job, uuid: row.uuid })
    }
    async fn finish(call: &Call, id: i64) -> Result<Answer> {
        answer(call, call.db.must(id).await?).await
    }
}

/// Lists the kinds of traffic of a physical network. (Its entry here shows a provider's fields, as the original's does.)
#[derive(Command)]
#[command(name = "listTrafficTypes", roles = "admin", answer = "traffictype", view = Provider, since = "3.0")]
pub struct ListTrafficTypes {
    /// the ID of the physical network
    physicalnetworkid: Ref<store::PhysicalNetwork>,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListTrafficTypes {
    async fn run(self, call: &Call) -> Result<Answer> {
        let page = self.page.range(call)?;
        let found = call.traffic_type_list(self.physicalnetworkid.0.id, self.page.keyword.as_deref(), page).await?;
        Ok(Answer::list(found.count, traffic(call, found.rows).await?))
    }
}

/// Changes what hosts call the network of a kind of traffic.
#[derive(Command)]
#[command(name = "updateTrafficType", roles = "admin", answer = "traffictype", view = TrafficType, event = "TRAFFIC.TYPE.UPDATE", job = "changing a traffic type", on = "id", since = "3.0")]
pub struct UpdateTrafficType {
    /// the ID of the traffic type
    id: Ref<store::TrafficType>,
    /// what Hyper-V hosts call its switch
    #[param(since = "4.3")]
    hypervnetworklabel: Option<String>,
    /// what KVM hosts call its bridge
    kvmnetworklabel: Option<String>,
    /// what VMware hosts call its switch
    vmwarenetworklabel: Option<String>,
    /// what XenServer hosts call its network
    xennetworklabel: Option<String>,
}
impl Run for UpdateTrafficType {
    async fn run(self, call: &Call) -> Result<Answer> {
        let labels = Labels {
            xen: self.xennetworklabel,
            kvm: self.kvmnetworklabel,
            vmware: self.vmwarenetworklabel,
            hyperv: self.hypervnetworklabel,
        };
        answer(call, call.traffic_type_update(call, self.id.0.id, labels).await?).await
    }
}

/// Takes a kind of traffic off a physical network.
#[derive(Command)]
#[command(
    name = "deleteTrafficType",
    roles = "admin",
    event = "TRAFFIC.TYPE.DELETE",
    job = "deleting a traffic type",
    on = "id",
    since = "3.0"
)]
pub struct DeleteTrafficType {
    /// the ID of the traffic type
    id: Ref<store::TrafficType>,
}
impl Run for DeleteTrafficType {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.traffic_type_delete(call, self.id.0.id).await?;
        Ok(Answer::success())
    }
}

/// Who makes the networks of each kind of traffic, by the names of the original.
const IMPLEMENTORS: &[(&str, &str)] = &[
    ("Guest", "DirectPodBasedNetworkGuru"),
    ("Guest", "DirectNetworkGuru"),
    ("Guest", "ExternalGuestNetworkGuru"),
    ("Public", "PublicNetworkGuru"),
    ("Management", "PodBasedNetworkGuru"),
    ("Control", "ControlNetworkGuru"),
    ("Storage", "StorageNetworkGuru"),
];

/// Lists who makes the networks of each kind of traffic.
#[derive(Command)]
#[command(name = "listTrafficTypeImplementors", roles = "admin", answer = "traffictypeimplementorresponse", view = Implementor, since = "3.0")]
pub struct ListTrafficTypeImplementors {
    /// only for this kind of traffic
    traffictype: Option<String>,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListTrafficTypeImplementors {
    async fn run(self, call: &Call) -> Result<Answer> {
        let fits = |kind: &str| self.traffictype.as_deref().is_none_or(|t| t.eq_ignore_ascii_case(kind));
        let all = IMPLEMENTORS.iter().filter(|(kind, _)| fits(kind));
        let all = all.map(|(kind, who)| Implementor { traffictype: (*kind).into(), traffictypeimplementor: (*who).into() }).collect();
        part(call, &self.page, all, |i| &i.traffictypeimplementor)
    }
}

async fn answer(call: &Call, row: store::TrafficType) -> Result<Answer> {
    let view = traffic(call, vec![row]).await?.pop();
    Ok(Answer::one(view.ok_or_else(|| Error::internal("no view"))?))
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<AddTrafficType>();
    r.add::<ListTrafficTypes>();
    r.add::<UpdateTrafficType>();
    r.add::<DeleteTrafficType>();
    r.add::<ListTrafficTypeImplementors>();
}
