//! Guest VLANs that belong to one account.
use crate::prelude::*;
use crate::views::guest_vlan::{GuestVlanRange, of};
use stratus_engine::guest_vlan::GuestVlanFilter;

found!(GuestVlanRange => Kind::GuestVlanRange);

/// Dedicates VLANs of a physical network to an account.
#[derive(Command)]
#[command(name = "dedicateGuestVlanRange", roles = "admin", answer = "dedicatedguestvlanrange", view = GuestVlanRange, since = "4.2", event = "GUESTVLANRANGE.DEDICATE")]
pub struct Dedicate {
    /// the account
    account: String,
    /// the ID of its domain
    domainid: Ref<store::Domain>,
    /// the ID of the physical network
    physicalnetworkid: Ref<store::PhysicalNetwork>,
    /// the VLANs, like 100-110
    vlanrange: String,
    /// a project in place of the account, which cannot be left out: so this is refused
    projectid: Option<Ref<store::Project>>,
}
impl Run for Dedicate {
    async fn run(self, call: &Call) -> Result<Answer> {
        let project = self.projectid.map(|p| p.0);
        let owner = call.acting_owner(Some(&self.account), Some(&self.domainid.0), project.as_ref()).await?;
        let row = call.guest_vlan_dedicate(call, &self.physicalnetworkid.0, owner, &self.vlanrange).await?;
        views::one(of(call, vec![row]).await?)
    }
}

/// Opens dedicated VLANs to everybody again.
#[derive(Command)]
#[command(
    name = "releaseDedicatedGuestVlanRange",
    roles = "admin",
    since = "4.2",
    event = "GUESTVLANRANGE.RELEASE",
    job = "releasing guest VLANs",
    on = "id"
)]
pub struct Release {
    /// the ID of the dedicated range
    id: Ref<store::GuestVlanRange>,
}
impl Run for Release {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.guest_vlan_release(call, self.id.0).await?;
        Ok(Answer::success())
    }
}

/// Lists dedicated VLANs.
#[derive(Command)]
#[command(name = "listDedicatedGuestVlanRanges", roles = "admin", answer = "dedicatedguestvlanrange", view = GuestVlanRange, since = "4.2")]
pub struct List {
    /// only those of this account
    account: Option<String>,
    /// only those of accounts of this domain, or with account: the ID of its domain
    domainid: Option<Ref<store::Domain>>,
    /// only the range with these ends
    guestvlanrange: Option<String>,
    /// only the range with this ID
    id: Option<Ref<store::GuestVlanRange>>,
    /// only those of this physical network
    physicalnetworkid: Option<Ref<store::PhysicalNetwork>>,
    /// only those of this project
    projectid: Option<Ref<store::Project>>,
    /// only those of this zone
    zoneid: Option<Ref<store::Zone>>,
    #[param(flatten)]
    page: Paging,
}
impl Run for List {
    async fn run(self, call: &Call) -> Result<Answer> {
        let page = self.page.range(call)?;
        let (domain, project) = (self.domainid.map(|d| d.0), self.projectid.map(|p| p.0));
        let account = match self.account.is_some() || project.is_some() {
            true => Some(call.acting_owner(self.account.as_deref(), domain.as_ref(), project.as_ref()).await?.id),
            false => None,
        };
        let filter = GuestVlanFilter {
            id: self.id.map(|r| r.0.id),
            account_id: account,
            domain_id: domain.map(|d| d.id),
            physical_network_id: self.physicalnetworkid.map(|p| p.0.id),
            zone_id: self.zoneid.map(|z| z.0.id),
            range: self.guestvlanrange,
        };
        let found = call.guest_vlan_list(filter, page).await?;
        Ok(Answer::list(found.count, of(call, found.rows).await?))
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<Dedicate>();
    r.add::<Release>();
    r.add::<List>();
}
