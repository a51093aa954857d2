//! Ranges of addresses: public ones, guests' own, and those of the storage network.
use crate::prelude::*;
use crate::views::ip_range::{IpRange, StorageRange, of, storage};
use stratus_engine::ip_range::{IpRangeCreate, IpRangeFilter, StorageRangeCreate, StorageRangeUpdate};

found!(IpRange => Kind::VlanIpRange);

/// Makes a range of addresses.
#[derive(Command)]
#[command(name = "createVlanIpRange", roles = "admin", answer = "vlan", view = IpRange, event = "VLAN.IP.RANGE.CREATE")]
pub struct CreateVlanIpRange {
    /// the account that alone may use it
    account: Option<String>,
    /// the ID of that account's domain
    domainid: Option<Ref<store::Domain>>,
    /// the last address; the first one when left out
    endip: Option<String>,
    /// the last IPv6 address
    #[param(since = "4.1")]
    endipv6: Refused,
    /// whether its addresses are public ones; true when left out
    forvirtualnetwork: Option<bool>,
    /// the gateway
    gateway: Option<String>,
    /// the IPv6 subnet
    #[param(since = "4.1")]
    ip6cidr: Refused,
    /// the IPv6 gateway
    #[param(since = "4.1")]
    ip6gateway: Refused,
    /// the netmask
    netmask: Option<String>,
    /// the ID of the network that it is for
    networkid: Option<Ref<store::Network>>,
    /// the ID of the physical network that carries it
    #[param(since = "3.0")]
    physicalnetworkid: Option<Ref<store::PhysicalNetwork>>,
    /// the ID of the pod, in a basic zone
    podid: Option<Ref<store::Pod>>,
    /// the project that alone may use it
    #[param(since = "3.0")]
    projectid: Option<Ref<store::Project>>,
    /// the first address
    startip: Option<String>,
    /// the first IPv6 address
    #[param(since = "4.1")]
    startipv6: Refused,
    /// its VLAN; untagged when left out
    vlan: Option<String>,
    /// the ID of the zone
    zoneid: Option<Ref<store::Zone>>,
}
impl Run for CreateVlanIpRange {
    async fn run(self, call: &Call) -> Result<Answer> {
        let Self { endipv6: Refused, ip6cidr: Refused, ip6gateway: Refused, startipv6: Refused, .. } = self;
        let domain = self.domainid.map(|d| d.0);
        let project = self.projectid.map(|p| p.0);
        let account = match self.account.is_some() || project.is_some() {
            true => Some(call.acting_owner(self.account.as_deref(), domain.as_ref(), project.as_ref()).await?),
            false => None,
        };
        let ask = IpRangeCreate {
            zone: self.zoneid.map(|z| z.0),
            pod: self.podid.map(|p| p.0),
            network: self.networkid.map(|n| n.0),
            physical: self.physicalnetworkid.map(|p| p.0),
            account,
            domain_id: domain.map(|d| d.id),
            vlan: self.vlan,
            gateway: self.gateway,
            netmask: self.netmask,
            start_ip: self.startip,
            end_ip: self.endip,
            for_virtual_network: self.forvirtualnetwork.unwrap_or(true),
        };
        let row = call.ip_range_create(call, ask).await?;
        let view = of(call, vec![row]).await?.pop();
        Ok(Answer::one(view.ok_or_else(|| Error::internal("no view"))?))
    }
}

/// Lists ranges of addresses.
#[derive(Command)]
#[command(name = "listVlanIpRanges", roles = "admin", answer = "vlaniprange", view = IpRange)]
pub struct ListVlanIpRanges {
    /// only those that this account alone may use
    account: Option<String>,
    /// only those that this domain alone may use, or with account: the ID of its domain
    domainid: Option<Ref<store::Domain>>,
    /// only public ones, or only guests' own
    forvirtualnetwork: Option<bool>,
    /// only the range with this ID
    id: Option<Ref<store::IpRange>>,
    /// only those of this network
    networkid: Option<Ref<store::Network>>,
    /// only those on this physical network
    #[param(since = "3.0")]
    physicalnetworkid: Option<Ref<store::PhysicalNetwork>>,
    /// only those of this pod
    podid: Option<Ref<store::Pod>>,
    /// only those that this project alone may use
    #[param(since = "3.0")]
    projectid: Option<Ref<store::Project>>,
    /// only those on this VLAN
    vlan: Option<String>,
    /// only those of this zone
    zoneid: Option<Ref<store::Zone>>,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListVlanIpRanges {
    async fn run(self, call: &Call) -> Result<Answer> {
        let page = self.page.range(call)?;
        let domain = self.domainid.map(|d| d.0);
        let project = self.projectid.map(|p| p.0);
        let account = match self.account.is_some() || project.is_some() {
            true => Some(call.acting_owner(self.account.as_deref(), domain.as_ref(), project.as_ref()).await?),
            false => None,
        };
        let filter = IpRangeFilter {
            id: self.id.map(|r| r.0.id),
            zone_id: self.zoneid.map(|z| z.0.id),
            pod_id: self.podid.map(|p| p.0.id),
            network_id: self.networkid.map(|n| n.0.id),
            physical_network_id: self.physicalnetworkid.map(|p| p.0.id),
            account_id: account.map(|a| a.id),
            domain_id: domain.map(|d| d.id),
            vlan: self.vlan,
            for_virtual_network: self.forvirtualnetwork,
            keyword: self.page.keyword,
        };
        let found = call.ip_range_list(filter, page).await?;
        Ok(Answer::list(found.count, of(call, found.rows).await?))
    }
}

/// Removes a range none of whose addresses is in use.
#[derive(Command)]
#[command(name = "deleteVlanIpRange", roles = "admin", event = "VLAN.IP.RANGE.DELETE")]
pub struct DeleteVlanIpRange {
    /// the ID of the range
    id: Ref<store::IpRange>,
}
impl Run for DeleteVlanIpRange {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.ip_range_delete(call, self.id.0.id).await?;
        Ok(Answer::success())
    }
}

/// Dedicates a public range to an account.
#[derive(Command)]
#[command(name = "dedicatePublicIpRange", roles = "admin", answer = "vlan", view = IpRange, since = "4.2", event = "VLAN.IP.RANGE.DEDICATE")]
pub struct DedicatePublicIpRange {
    /// the account
    account: String,
    /// the ID of its domain
    domainid: Ref<store::Domain>,
    /// the ID of the range
    id: Ref<store::IpRange>,
    /// a project in place of the account, which cannot be left out: so this is refused
    projectid: Option<Ref<store::Project>>,
}
impl Run for DedicatePublicIpRange {
    async fn run(self, call: &Call) -> Result<Answer> {
        let project = self.projectid.map(|p| p.0);
        let owner = call.acting_owner(Some(&self.account), Some(&self.domainid.0), project.as_ref()).await?;
        let row = call.ip_range_dedicate(call, self.id.0.id, owner).await?;
        views::one(of(call, vec![row]).await?)
    }
}

/// Opens a dedicated public range to everybody again.
#[derive(Command)]
#[command(name = "releasePublicIpRange", roles = "admin", since = "4.2", event = "VLAN.IP.RANGE.RELEASE")]
pub struct ReleasePublicIpRange {
    /// the ID of the range
    id: Ref<store::IpRange>,
}
impl Run for ReleasePublicIpRange {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.ip_range_open(call, self.id.0.id).await?;
        Ok(Answer::success())
    }
}

/// Makes a range of the storage network.
#[derive(Command)]
#[command(name = "createStorageNetworkIpRange", roles = "admin", answer = "storagenetworkiprange", view = StorageRange, event = "STORAGE.IP.RANGE.CREATE", job = "creating a storage IP range", since = "3.0")]
pub struct CreateStorageNetworkIpRange {
    /// the gateway
    gateway: String,
    /// the netmask
    netmask: String,
    /// the ID of the pod
    podid: Ref<store::Pod>,
    /// the first address
    startip: String,
    /// the last address; the first one when left out
    endip: Option<String>,
    /// its VLAN; untagged when left out
    vlan: Option<i64>,
}
impl Run for CreateStorageNetworkIpRange {
    async fn run(self, call: &Call) -> Result<Answer> {
        let ask = StorageRangeCreate {
            pod: self.podid.0,
            gateway: self.gateway,
            netmask: self.netmask,
            start_ip: self.startip,
            end_ip: self.endip,
            vlan: self.vlan,
        };
        let row = call.storage_range_create(call, ask).await?;
        let view = storage(call, vec![row]).await?.pop();
        Ok(Answer::one(view.ok_or_else(|| Error::internal("no view"))?))
    }
}

/// Changes a range of the storage network.
#[derive(Command)]
#[command(
    name = "updateStorageNetworkIpRange",
    roles = "admin",
    answer = "storagenetworkiprange",
    view = StorageRange,
    event = "STORAGE.IP.RANGE.UPDATE",
    job = "updating a storage IP range",
    on = "id",
    since = "3.0"
)]
pub struct UpdateStorageNetworkIpRange {
    /// the ID of the range
    id: Ref<store::IpRange>,
    /// its last address from now on
    endip: Option<String>,
    /// its netmask from now on
    netmask: Option<String>,
    /// its first address from now on
    startip: Option<String>,
    /// its VLAN from now on
    vlan: Option<i64>,
}
impl Run for UpdateStorageNetworkIpRange {
    async fn run(self, call: &Call) -> Result<Answer> {
        let ask = StorageRangeUpdate { start_ip: self.startip, end_ip: self.endip, netmask: self.netmask, vlan: self.vlan };
        let row = call.storage_range_update(call, self.id.0.id, ask).await?;
        let view = storage(call, vec![row]).await?.pop();
        Ok(Answer::one(view.ok_or_else(|| Error::internal("no view"))?))
    }
}

/// Lists ranges of storage networks.
#[derive(Command)]
#[command(name = "listStorageNetworkIpRange", roles = "admin", answer = "storagenetworkiprange", view = StorageRange, since = "3.0")]
pub struct ListStorageNetworkIpRange {
    /// only the range with this ID
    id: Option<Ref<store::IpRange>>,
    /// only those of this pod
    podid: Option<Ref<store::Pod>>,
    /// only those of this zone
    zoneid: Option<Ref<store::Zone>>,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListStorageNetworkIpRange {
    async fn run(self, call: &Call) -> Result<Answer> {
        let page = self.page.range(call)?;
        let (id, zone, pod) = (self.id.map(|r| r.0.id), self.zoneid.map(|z| z.0.id), self.podid.map(|p| p.0.id));
        let found = call.storage_range_list(id, zone, pod, page).await?;
        Ok(Answer::list(found.count, storage(call, found.rows).await?))
    }
}

/// Removes a range of the storage network none of whose addresses is in use.
#[derive(Command)]
#[command(
    name = "deleteStorageNetworkIpRange",
    roles = "admin",
    event = "STORAGE.IP.RANGE.DELETE",
    job = "deleting a storage IP range",
    on = "id",
    since = "3.0"
)]
pub struct DeleteStorageNetworkIpRange {
    /// the ID of the range
    id: Ref<store::IpRange>,
}
impl Run for DeleteStorageNetworkIpRange {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.ip_range_delete(call, self.id.0.id).await?;
        Ok(Answer::success())
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<CreateVlanIpRange>();
    r.add::<ListVlanIpRanges>();
    r.add::<DeleteVlanIpRange>();
    r.add::<DedicatePublicIpRange>();
    r.add::<ReleasePublicIpRange>();
    r.add::<CreateStorageNetworkIpRange>();
    r.add::<UpdateStorageNetworkIpRange>();
    r.add::<ListStorageNetworkIpRange>();
    r.add::<DeleteStorageNetworkIpRange>();
}
