//! The network of a VM that names none in an advanced zone: the account's only isolated network, or one made for it of the offering
//! that is `Required`.
use crate::network::NetworkCreate;
use crate::{Call, Engine};
use std::sync::LazyLock;
use stratus_model::{AccountType, Error, Result};
use stratus_store::{Account, Domain, Network, NetworkOffering, Query, Zone};
use tokio::sync::Mutex;

/// Held while a network is made for an account, so that two first deploys at once share one.
static MAKING: LazyLock<Mutex<()>> = LazyLock::new(Mutex::default);

impl Engine {
    /// The network that VMs of an account are put on when none is named.
    pub(crate) async fn network_default(&self, call: &Call, owner: &Account, zone: &Zone) -> Result<Network> {
        if let Some(n) = self.network_only(owner, zone).await? {
            return Ok(n);
        }
        let _turn = MAKING.lock().await;
        if let Some(n) = self.network_only(owner, zone).await? {
            return Ok(n);
        }
        let required = Query::live().eq("availability", "Required").eq("state", "Enabled").eq("guest_type", "Isolated");
        let required = required.eq("for_vpc", false).eq("system_only", false);
        let Some(offering) = self.db.find_one::<NetworkOffering>(required).await? else {
            return Err(Error::invalid("networkids", "must be given: no network offering is Required, so none is made for the account"));
        };
        let project = match owner.kind() {
            AccountType::Project => self.projects_of([owner.id]).await?.remove(&owner.id),
            _ => None,
        };
        let name = format!("{}-network", project.as_ref().map_or(&owner.name, |p| &p.name));
        let ask = NetworkCreate {
            display_text: name.clone(),
            name,
            offering,
            zone: zone.clone(),
            account: project.is_none().then(|| owner.name.clone()),
            domain: self.db.get::<Domain>(owner.domain_id).await?.filter(|_| project.is_none()),
            project,
            ..Default::default()
        };
        self.network_create(call, ask).await
    }

    async fn network_only(&self, owner: &Account, zone: &Zone) -> Result<Option<Network>> {
        let mine = Query::live().eq("account_id", owner.id).eq("zone_id", zone.id).eq("guest_type", "Isolated").eq("is_system", false);
        let mut found = self.db.find::<Network>(mine.page(0, 2)).await?;
        match found.len() {
            2 => Err(Error::invalid("networkids", format!("must be given: account {} has several networks in the zone", owner.name))),
            _ => Ok(found.pop()),
        }
    }
}
