//! NICs of a VM and their further addresses.
use crate::prelude::*;
use crate::views::nic::{SecondaryIp, secondary};

found!(NicSecondaryIp owned);

/// Lists the NICs of a VM.
#[derive(Command)]
#[command(name = "listNics", roles = "all", answer = "nic", view = views::vm::Nic, since = "4.2")]
pub struct ListNics {
    /// the ID of the VM
    virtualmachineid: Owned<store::Vm>,
    /// only the NIC with this ID
    nicid: Option<Owned<store::Nic>>,
    #[param(flatten)]
    page: Paging,
}
impl Run for ListNics {
    async fn run(self, call: &Call) -> Result<Answer> {
        let page = self.page.range(call)?;
        let nic = self.nicid.map(|n| n.0.id);
        let found = call.nic_list(&self.virtualmachineid.0, nic, self.page.keyword.as_deref(), page).await?;
        Ok(Answer::list(found.count, views::nic::of(call, found.rows).await?))
    }
}

/// Gives a NIC one more address of its network.
#[derive(Command)]
#[command(
    name = "addIpToNic",
    roles = "all",
    since = "4.2",
    answer = "nicsecondaryip",
    view = SecondaryIp,
    event = "NET.IPASSIGN",
    job = "giving a NIC one more address",
    on = "nicid",
    wrapper = "addiptovmnicresponse"
)]
pub struct AddIpToNic {
    /// the ID of the NIC
    nicid: Owned<store::Nic>,
    /// the address; any free one when left out
    ipaddress: Option<String>,
}
impl Run for AddIpToNic {
    async fn run(self, call: &Call) -> Result<Answer> {
        let row = call.nic_address_add(call, &self.nicid.0, self.ipaddress).await?;
        views::one(secondary(call, vec![row]).await?)
    }
}

/// Takes a further address off its NIC.
#[derive(Command)]
#[command(
    name = "removeIpFromNic",
    roles = "all",
    since = "4.2",
    event = "NET.IPRELEASE",
    job = "taking a further address off a NIC",
    on = "id"
)]
pub struct RemoveIpFromNic {
    /// the ID of the further address
    id: Owned<store::NicSecondaryIp>,
}
impl Run for RemoveIpFromNic {
    async fn run(self, call: &Call) -> Result<Answer> {
        call.nic_address_remove(self.id.0).await?;
        Ok(Answer::success())
    }
}

pub(crate) fn register(r: &mut Registry) {
    r.add::<ListNics>();
    r.add::<AddIpToNic>();
    r.add::<RemoveIpFromNic>();
}
