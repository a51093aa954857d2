//! The numbers that keep guest networks apart (VLANs, VXLAN VNIs): the ranges of a physical network and what is taken of them.
//!
//! A taken number is a row with a unique key over physical network and number, so two networks cannot get the same one.
use crate::guest_vlan::dedicated;
use crate::{Engine, places};
use std::collections::BTreeSet;
use std::fmt;
use stratus_model::{Error, Kind, Result};
use stratus_store::{Network, PhysicalNetwork, Query, Tx, Vnet};

/// How often a number that another network got first is passed over.
const TRIES: usize = 32;

/// Ranges of numbers: `100-200,300-310`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranges(Vec<(i64, i64)>);

impl Ranges {
    /// Reads ranges; what is largest depends on the isolation method.
    pub fn read(text: &str, isolation: Option<&str>) -> Result<Self> {
        let most = match isolation {
            Some("VLAN") | None => 4094,
            _ => (1 << 24) - 1,
        };
        let bad = |part: &str| Error::invalid("vlan", format!("'{part}' is not a range like 100-200 between 1 and {most}"));
        let mut ranges = Vec::new();
        for part in text.split([',', ';']).map(str::trim).filter(|p| !p.is_empty()) {
            let (a, b) = part.split_once('-').unwrap_or((part, part));
            let (a, b): (i64, i64) = (a.trim().parse().map_err(|_| bad(part))?, b.trim().parse().map_err(|_| bad(part))?);
            if a < 1 || b < a || b > most {
                return Err(bad(part));
            }
            ranges.push((a, b));
        }
        ranges.sort_unstable();
        match ranges.windows(2).find(|w| w[1].0 <= w[0].1) {
            Some(w) => Err(Error::invalid("vlan", format!("{}-{} and {}-{} overlap", w[0].0, w[0].1, w[1].0, w[1].1))),
            None => Ok(Self(ranges)),
        }
    }
    /// Whether a number lies in them.
    pub fn holds(&self, n: i64) -> bool {
        self.0.iter().any(|(a, b)| (*a..=*b).contains(&n))
    }
    /// The first number that both have.
    pub fn meets(&self, other: &Self) -> Option<i64> {
        let pairs = self.0.iter().flat_map(|a| other.0.iter().map(move |b| (a, b)));
        pairs.filter(|(a, b)| a.0 <= b.1 && b.0 <= a.1).map(|(a, b)| a.0.max(b.0)).min()
    }
    /// From their ends.
    pub(crate) fn of(spans: impl IntoIterator<Item = (i64, i64)>) -> Self {
        let mut spans: Vec<(i64, i64)> = spans.into_iter().collect();
        spans.sort_unstable();
        Self(spans)
    }
    /// Whether one of them holds a whole range.
    pub(crate) fn covers(&self, (first, last): (i64, i64)) -> bool {
        self.0.iter().any(|(a, b)| *a <= first && last <= *b)
    }
    /// Whether there is no number in them.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// The first number that is not taken.
    fn first_free(&self, taken: impl Fn(i64) -> bool) -> Option<i64> {
        self.0.iter().flat_map(|(a, b)| *a..=*b).find(|n| !taken(*n))
    }
}

impl fmt::Display for Ranges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.0.iter().map(|(a, b)| format!("{a}-{b}")).collect();
        f.write_str(&parts.join(","))
    }
}

/// The scheme of a broadcast URI for an isolation method.
pub fn scheme(isolation: Option<&str>) -> &'static str {
    match isolation {
        Some("VXLAN") => "vxlan",
        Some("GRE" | "STT") => "lswitch",
        Some("VNS") => "vns",
        Some("MIDO") => "mido",
        _ => "vlan",
    }
}

impl Engine {
    /// Takes the next free number of a physical network for a network, in order: of those that are dedicated to its account, then of
    /// those that are nobody's. A network that has one keeps it.
    pub async fn vnet_take(&self, tx: &mut Tx, physical: &PhysicalNetwork, network: &Network) -> Result<i64> {
        let of_wire = || Query::all().eq("physical_network_id", physical.id);
        if let Some(mine) = tx.find_one::<Vnet>(of_wire().eq("network_id", network.id)).await? {
            return Ok(mine.number);
        }
        let Some(text) = physical.vlan.as_deref() else {
            return Err(Error::NoAddress(format!("Physical network {} has no VLAN range", physical.name)));
        };
        let ranges = Ranges::read(text, physical.isolation_methods.as_deref())?;
        // Held, so that no number is dedicated to somebody else while it is taken.
        places::hold::<PhysicalNetwork>(tx, Kind::PhysicalNetwork, physical.id).await?;
        let (own, others) = dedicated(tx, physical.id, network.account_id).await?;
        let mut taken: BTreeSet<i64> = tx.find::<Vnet>(of_wire()).await?.iter().map(|v| v.number).collect();
        let common =
            own.is_empty() || self.settings.scoped("use.system.guest.vlans", "account", network.account_id).as_deref() == Some("true");
        for _ in 0..TRIES {
            let open = || ranges.first_free(|n| taken.contains(&n) || own.holds(n) || others.holds(n));
            let Some(number) = own.first_free(|n| taken.contains(&n)).or_else(|| common.then(open).flatten()) else { break };
            if self.vnet_claim(tx, physical, network, number).await? {
                return Ok(number);
            }
            taken.insert(number);
        }
        Err(Error::NoAddress(match common {
            true => format!("No VLAN of physical network {} ({text}) is free for the account", physical.name),
            false => format!("No VLAN of {own}, the account's own, is free on physical network {}", physical.name),
        }))
    }

    /// Takes this very number; false when another network has it.
    pub async fn vnet_claim(&self, tx: &mut Tx, physical: &PhysicalNetwork, network: &Network, number: i64) -> Result<bool> {
        let mut row =
            Vnet { physical_network_id: physical.id, number, network_id: network.id, created: self.clock.now(), ..Default::default() };
        match tx.insert(&mut row).await {
            Ok(_) => Ok(true),
            Err(Error::Raced(_)) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Gives a network's number back.
    pub async fn vnet_give_back(&self, tx: &mut Tx, network: i64) -> Result<()> {
        tx.delete::<Vnet>(Query::all().eq("network_id", network)).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_sorted_and_apart() {
        let r = Ranges::read("300-310, 100-200", None).expect("ranges");
        assert_eq!(r.to_string(), "100-200,300-310");
        assert!(r.holds(150) && !r.holds(250));
        assert_eq!(r.first_free(|n| n <= 200), Some(300));
        assert!(r.covers((100, 200)) && !r.covers((150, 305)) && Ranges::of([]).is_empty());
        assert_eq!(r.meets(&Ranges::read("190-300", None).expect("ranges")), Some(190));
        for bad in ["5000", "0-5", "9-5", "a-b", "1-10,5-20"] {
            assert!(Ranges::read(bad, None).is_err(), "{bad}");
        }
        assert!(Ranges::read("5000-6000", Some("VXLAN")).is_ok());
    }
}
