//! Guest VLANs of one account (NET-12): a part of a physical network's numbers that only its isolated networks get, and that they get
//! first. When all are taken, `use.system.guest.vlans` says whether the account may use the cloud's others.
use crate::vnet::Ranges;
use crate::{Call, Engine, Listing, Topic, places};
use stratus_model::{Error, Kind, Result};
use stratus_store::{Account, GuestVlanRange, Network, PhysicalNetwork, Query, Tx, Vnet};
use uuid::Uuid;

/// Which dedicated ranges a list shows.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "each narrows by the parameter of its name")]
pub struct GuestVlanFilter {
    pub id: Option<i64>,
    pub account_id: Option<i64>,
    pub domain_id: Option<i64>,
    pub physical_network_id: Option<i64>,
    pub zone_id: Option<i64>,
    /// `100-110`, as it is shown.
    pub range: Option<String>,
}

fn topic(call: &Call, range: &GuestVlanRange) -> Topic {
    Topic::of_caller(call, Kind::GuestVlanRange, range.id)
}

/// The ends in `100-110`, or of a single number.
fn ends(text: &str) -> Result<(i64, i64)> {
    let bad = || Error::invalid("vlanrange", format!("'{text}' is not a range like 100-110"));
    let (a, b) = text.split_once('-').unwrap_or((text, text));
    let (a, b): (i64, i64) = (a.trim().parse().map_err(|_| bad())?, b.trim().parse().map_err(|_| bad())?);
    if a < 1 || b < a { Err(bad()) } else { Ok((a, b)) }
}

impl Engine {
    /// Dedicates numbers of a physical network to an account.
    pub async fn guest_vlan_dedicate(&self, call: &Call, wire: &PhysicalNetwork, owner: Account, text: &str) -> Result<GuestVlanRange> {
        let (first, last) = ends(text)?;
        let (call, wire) = (call.clone(), wire.id);
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    let wire = places::hold::<PhysicalNetwork>(tx, Kind::PhysicalNetwork, wire).await?;
                    may_dedicate(tx, &wire, &owner, (first, last)).await?;
                    let mut row = GuestVlanRange {
                        uuid: Uuid::new_v4().to_string(),
                        physical_network_id: wire.id,
                        first_number: first,
                        last_number: last,
                        account_id: owner.id,
                        domain_id: owner.domain_id,
                        created: call.now(),
                        ..Default::default()
                    };
                    tx.insert(&mut row).await?;
                    let text = format!("dedicated VLANs {first}-{last} of physical network {} to account {}", wire.name, owner.name);
                    call.log(tx, topic(&call, &row), text).await?;
                    Ok(row)
                })
            })
            .await
    }

    /// Opens a dedicated range to everybody again; networks keep the numbers that they have.
    pub async fn guest_vlan_release(&self, call: &Call, range: GuestVlanRange) -> Result<()> {
        let call = call.clone();
        self.db
            .write(move |tx| {
                Box::pin(async move {
                    tx.remove::<GuestVlanRange>(range.id, call.now()).await?;
                    let text = format!("VLANs {}-{} are open to everybody", range.first_number, range.last_number);
                    call.log(tx, topic(&call, &range), text).await
                })
            })
            .await
    }

    /// Lists dedicated ranges.
    pub async fn guest_vlan_list(&self, f: GuestVlanFilter, page: (i64, i64)) -> Result<Listing<GuestVlanRange>> {
        let q = Query::live().eq_opt("id", f.id).eq_opt("account_id", f.account_id).eq_opt("domain_id", f.domain_id);
        let mut q = q.eq_opt("physical_network_id", f.physical_network_id);
        if let Some(zone) = f.zone_id {
            q = q.key_in::<PhysicalNetwork>("physical_network_id", "id", Query::all().eq("zone_id", zone));
        }
        if let Some(text) = &f.range {
            let (first, last) = ends(text)?;
            q = q.eq("first_number", first).eq("last_number", last);
        }
        let count = self.db.count::<GuestVlanRange>(q.clone()).await?;
        Ok(Listing { rows: self.db.find(q.page(page.0, page.1)).await?, count })
    }
}

/// Numbers of a physical network that are dedicated: those of an account, and those of all others.
pub(crate) async fn dedicated(tx: &mut Tx, wire: i64, account: i64) -> Result<(Ranges, Ranges)> {
    let all = tx.find::<GuestVlanRange>(Query::live().eq("physical_network_id", wire)).await?;
    let (own, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|r| r.account_id == account);
    let ranges = |rows: Vec<GuestVlanRange>| Ranges::of(rows.iter().map(|r| (r.first_number, r.last_number)));
    Ok((ranges(own), ranges(others)))
}

/// Refuses numbers that the physical network does not have, that are dedicated already, or that others' networks use.
async fn may_dedicate(tx: &mut Tx, wire: &PhysicalNetwork, owner: &Account, span: (i64, i64)) -> Result<()> {
    let (first, last) = span;
    let has = Ranges::read(wire.vlan.as_deref().unwrap_or_default(), wire.isolation_methods.as_deref())?;
    if !has.covers(span) {
        let why = format!("{first}-{last} is not within {has}, the VLANs of physical network {}", wire.name);
        return Err(Error::invalid("vlanrange", why));
    }
    let (mine, others) = dedicated(tx, wire.id, owner.id).await?;
    if let Some(n) = Ranges::of([span]).meets(&mine).or_else(|| Ranges::of([span]).meets(&others)) {
        let why = format!("{n} is dedicated already");
        return Err(Error::InUse { kind: Kind::PhysicalNetwork, id: wire.uuid.clone(), why });
    }
    let taken = Query::all().eq("physical_network_id", wire.id).at_least("number", first).at_most("number", last);
    let strangers = Query::all().ne("account_id", owner.id);
    if let Some(v) = tx.find_one::<Vnet>(taken.key_in::<Network>("network_id", "id", strangers)).await? {
        let why = format!("a network of another account has {}", v.number);
        return Err(Error::InUse { kind: Kind::PhysicalNetwork, id: wire.uuid.clone(), why });
    }
    Ok(())
}

/// Refuses new numbers for a physical network that leave out some that are dedicated.
pub(crate) async fn refuse_narrower(tx: &mut Tx, wire: &PhysicalNetwork, to: &Ranges) -> Result<()> {
    for r in tx.find::<GuestVlanRange>(Query::live().eq("physical_network_id", wire.id)).await? {
        if !to.covers((r.first_number, r.last_number)) {
            let why = format!("{}-{} is dedicated to an account; release that first", r.first_number, r.last_number);
            return Err(Error::InUse { kind: Kind::PhysicalNetwork, id: wire.uuid.clone(), why });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_two_ends_in_order() {
        assert_eq!(ends("100-110").expect("a range"), (100, 110));
        assert_eq!(ends("7").expect("a number"), (7, 7));
        for bad in ["", "a-b", "9-5", "0-5", "1-2,5-6"] {
            assert!(ends(bad).is_err(), "{bad}");
        }
    }
}
