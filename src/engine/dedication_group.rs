//! Affinity groups of dedicated places (`ExplicitDedication`): made with the first place that is dedicated to an account or to a domain,
//! gone with the last. A VM in such a group runs in those places and nowhere else.
use crate::dedication::{Barred, Places};
use crate::{Call, Engine};
use stratus_model::{Error, Kind, Result};
use stratus_store::{Account, AffinityGroup, AffinityMember, Dedication, Domain, Query, Tx, Vm};
use uuid::Uuid;

/// The type of these groups.
pub const EXPLICIT: &str = "ExplicitDedication";
/// What a whole domain's groups belong to: the product itself.
const NOBODY: i64 = 1;

/// The group of the places of an account, or of a domain; made when it is not there.
pub(crate) async fn group_for(tx: &mut Tx, call: &Call, domain: &Domain, account: Option<&Account>) -> Result<i64> {
    let owner = account.map_or(NOBODY, |a| a.id);
    let there = Query::live().eq("account_id", owner).eq("domain_id", domain.id).eq("group_type", EXPLICIT);
    if let Some(g) = tx.find_one::<AffinityGroup>(there).await? {
        return Ok(g.id);
    }
    let whom = account.map_or_else(|| domain.name.clone(), |a| a.name.clone());
    let mut row = AffinityGroup {
        uuid: Uuid::new_v4().to_string(),
        name: format!("DedicatedGrp-{whom}"),
        group_type: EXPLICIT.into(),
        description: Some(format!("places that are dedicated to {whom}")),
        account_id: owner,
        domain_id: domain.id,
        created: call.now(),
        ..Default::default()
    };
    tx.insert(&mut row).await
}

/// Removes a group whose last place was released; its VMs may run anywhere again.
pub(crate) async fn released(tx: &mut Tx, call: &Call, group: i64) -> Result<()> {
    if tx.count::<Dedication>(Query::all().eq("affinity_group_id", group)).await? == 0
        && tx.remove::<AffinityGroup>(group, call.now()).await?
    {
        tx.delete::<AffinityMember>(Query::all().eq("group_id", group)).await?;
    }
    Ok(())
}

/// Refuses to delete a group that stands for dedicated places.
pub(crate) fn refuse_explicit(group: &AffinityGroup) -> Result<()> {
    match group.group_type == EXPLICIT {
        true => {
            let why = "it stands for dedicated places and goes when they are released".into();
            Err(Error::InUse { kind: Kind::AffinityGroup, id: group.uuid.clone(), why })
        }
        false => Ok(()),
    }
}

impl Engine {
    /// Groups of places that a domain, or one above it, has for all its accounts.
    pub async fn explicit_groups_of(&self, domain: i64) -> Result<Query> {
        let domains = [vec![domain], self.domains_above(domain).await?].concat();
        Ok(Query::all().eq("group_type", EXPLICIT).eq("account_id", NOBODY).within("domain_id", domains))
    }

    /// Whether VMs of an account may be in a group: its own, or that of places of its domain.
    pub async fn affinity_usable(&self, group: &AffinityGroup, account: i64) -> Result<bool> {
        if group.account_id == account || group.group_type != EXPLICIT {
            return Ok(group.account_id == account);
        }
        let owner = self.db.must::<Account>(account).await?;
        let shared = self.explicit_groups_of(owner.domain_id).await?.eq("id", group.id).null("removed");
        Ok(self.db.count::<AffinityGroup>(shared).await? > 0)
    }

    /// Where a VM may not be: what is dedicated to others and, for one in a group of dedicated places, everywhere else.
    pub(crate) async fn barred_for(&self, vm: &Vm) -> Result<Barred> {
        let barred = self.barred_to(vm.account_id, vm.zone_id).await?;
        let mine = Query::all().eq("vm_id", vm.id);
        let groups = Query::live().eq("group_type", EXPLICIT).id_in::<AffinityMember>("group_id", mine);
        let groups: Vec<i64> = self.db.find::<AffinityGroup>(groups).await?.into_iter().map(|g| g.id).collect();
        if groups.is_empty() {
            return Ok(barred);
        }
        let mut only = Places::default();
        for d in self.db.find::<Dedication>(Query::all().within("affinity_group_id", groups)).await? {
            match d.place_kind.as_str() {
                "zone" if d.place_id == vm.zone_id => return Ok(barred),
                kind => only.add(kind, d.place_id),
            }
        }
        Ok(Barred { only: Some(only), ..barred })
    }
}
