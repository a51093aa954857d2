//! Addresses of guests and of the public side: one row each, made with their range, taken and given back by one conditional statement.
//!
//! A basic zone's pod ranges, a shared network's ranges and an isolated network's own CIDR are the same mechanism. A NIC holds at most
//! one address of a network, so taking twice (a repeated saga step) finds the first one again.
use crate::Engine;
use std::collections::HashSet;
use std::net::Ipv4Addr;
use stratus_model::{Error, Kind, Result, net};
use stratus_store::{Dialect, IpAddress, IpRange, Network, Pod, Query, Tx};
use uuid::Uuid;

/// Addresses that a range may have at most: a /16.
pub const MOST: u32 = 1 << 16;
/// Free addresses looked at in one go, where others write at the same time.
const CANDIDATES: i64 = 16;
/// How often new candidates are looked for after all of those found were lost to others.
const ROUNDS: usize = 8;

const TAKE: &str =
    "state = 'Allocated', account_id = ?, domain_id = ?, nic_id = ?, vm_id = ?, allocated = ?, update_count = update_count + 1";

/// What an address is that nobody has.
pub(crate) const FREE: &str = "state = 'Free', account_id = null, domain_id = null, nic_id = null, vm_id = null, allocated = null, \
                               source_nat = 0, static_nat = 0, update_count = update_count + 1";

impl Engine {
    /// Takes an address of a network (in a pod, where the network's ranges belong to pods) for a NIC: the `wanted` one or any free one.
    /// A NIC that holds one already keeps it.
    pub async fn address_take(
        &self,
        tx: &mut Tx,
        network: &Network,
        pod: Option<i64>,
        wanted: Option<&str>,
        vm: i64,
        nic: i64,
        account: (i64, i64),
    ) -> Result<IpAddress> {
        let of_network = || Query::all().eq("network_id", network.id);
        if let Some(mine) = tx.find_one::<IpAddress>(of_network().eq("nic_id", nic).eq("state", "Allocated")).await? {
            return Ok(mine);
        }
        if let Some(text) = wanted {
            let address = parse("ipaddress", text)?.to_string();
            let found = tx.find_one::<IpAddress>(of_network().eq("address", address.as_str())).await?;
            let one = found.ok_or_else(|| Error::invalid("ipaddress", format!("{address} is not of network {}", network.uuid)))?;
            if pod.is_some() && one.pod_id != pod {
                return Err(Error::invalid("ipaddress", format!("{address} belongs to another pod than the one chosen")));
            }
            return match self.address_claim(tx, &one, vm, nic, account).await? {
                true => tx.must(one.id).await,
                false => Err(Error::InUse { kind: Kind::IpAddress, id: address, why: "another NIC holds it".into() }),
            };
        }
        for _ in 0..ROUNDS {
            let alone = tx.dialect() == Dialect::Sqlite;
            // By one index or the other: a network's addresses in the order of their keys may be those of another pod for long.
            let free = match pod {
                Some(_) => Query::all().eq("pod_id", pod).eq("network_id + 0", network.id),
                None => of_network(),
            };
            let free = free.eq("state", "Free").page(0, if alone { 1 } else { CANDIDATES });
            let mut free = tx.find::<IpAddress>(free).await?;
            if free.is_empty() {
                break;
            }
            // Where writers run side by side they would all wait for the first row: each begins somewhere else.
            if !alone {
                let start = nic.unsigned_abs() as usize % free.len();
                free.rotate_left(start);
            }
            for one in free {
                if self.address_claim(tx, &one, vm, nic, account).await? {
                    return Ok(IpAddress {
                        state: "Allocated".into(),
                        account_id: Some(account.0),
                        domain_id: Some(account.1),
                        nic_id: Some(nic),
                        vm_id: Some(vm),
                        allocated: Some(self.clock.now()),
                        update_count: one.update_count + 1,
                        ..one
                    });
                }
            }
        }
        Err(self.no_address(tx, network, pod).await?)
    }

    async fn address_claim(&self, tx: &mut Tx, one: &IpAddress, vm: i64, nic: i64, account: (i64, i64)) -> Result<bool> {
        let args = vec![account.0.into(), account.1.into(), nic.into(), vm.into(), self.clock.now().into()];
        tx.take::<IpAddress>(Query::all().eq("id", one.id).eq("state", "Free"), TAKE, args).await
    }

    async fn no_address(&self, tx: &mut Tx, network: &Network, pod: Option<i64>) -> Result<Error> {
        let all = tx.count::<IpAddress>(Query::all().eq("network_id", network.id).eq_opt("pod_id", pod)).await?;
        let place = match pod {
            Some(id) => format!(" in pod {}", tx.must::<Pod>(id).await?.name),
            None => String::new(),
        };
        Ok(Error::NoAddress(match all {
            0 => format!("Network {} ({}) has no IP range{place}", network.name, network.uuid),
            n => format!("All {n} IP addresses of network {} ({}){place} are in use", network.name, network.uuid),
        }))
    }

    /// Gives back what a NIC holds, its further addresses too; nothing when it holds none.
    pub async fn address_give_back(&self, tx: &mut Tx, nic: i64) -> Result<()> {
        self.nic_addresses_give_back(tx, nic).await?;
        let q = Query::all().eq("nic_id", nic).eq("state", "Allocated");
        tx.take::<IpAddress>(q, FREE, Vec::new()).await.map(drop)
    }

    /// The range of an address: gateway and netmask of the NIC that holds it.
    pub async fn range_of(&self, tx: &mut Tx, address: &IpAddress) -> Result<IpRange> {
        tx.must(address.range_id).await
    }

    /// Inserts a range and one free address for each of its addresses but the gateway's.
    pub async fn range_insert(&self, tx: &mut Tx, range: &mut IpRange) -> Result<()> {
        tx.insert(range).await?;
        tx.insert_all(&addresses_of(range)?).await
    }

    /// Gives a range that is there its changed ends; refused while an address that would fall out is held.
    pub async fn range_resize(&self, tx: &mut Tx, range: &mut IpRange) -> Result<()> {
        let fresh = addresses_of(range)?;
        let stays: HashSet<&str> = fresh.iter().map(|f| f.address.as_str()).collect();
        let (mut there, mut going, mut held) = (HashSet::new(), Vec::new(), 0);
        for old in tx.find::<IpAddress>(Query::all().eq("range_id", range.id)).await? {
            match (stays.contains(old.address.as_str()), old.state.as_str()) {
                (true, _) => drop(there.insert(old.address)),
                (false, "Free") => going.push(old.id),
                (false, _) => held += 1,
            }
        }
        if held > 0 {
            let why = format!("{held} of the addresses that it would lose are allocated");
            return Err(Error::InUse { kind: Kind::VlanIpRange, id: range.uuid.clone(), why });
        }
        for some in going.chunks(500) {
            tx.delete::<IpAddress>(Query::all().within("id", some.iter().copied()).eq("state", "Free")).await?;
        }
        let fresh: Vec<IpAddress> = fresh.into_iter().filter(|f| !there.contains(&f.address)).collect();
        tx.insert_all(&fresh).await?;
        let (vlan, netmask) = (range.vlan.as_str().into(), range.netmask.clone().into());
        let set = vec![
            ("vlan", vlan),
            ("netmask", netmask),
            ("start_ip", range.start_ip.clone().into()),
            ("end_ip", range.end_ip.clone().into()),
        ];
        tx.set::<IpRange>(range.id, set).await.map(drop)
    }

    /// Removes a range with its addresses; refused while one of them is held.
    pub async fn range_remove(&self, tx: &mut Tx, range: &IpRange) -> Result<()> {
        let of_range = || Query::all().eq("range_id", range.id);
        tx.delete::<IpAddress>(of_range().eq("state", "Free")).await?;
        let held = tx.count::<IpAddress>(of_range()).await?;
        if held > 0 {
            let why = format!("{held} of its addresses are allocated");
            return Err(Error::InUse { kind: Kind::VlanIpRange, id: range.uuid.clone(), why });
        }
        tx.remove::<IpRange>(range.id, self.clock.now()).await.map(drop)
    }
}

/// Reads an IPv4 address, naming the parameter that it came in.
pub fn parse(field: &str, text: &str) -> Result<Ipv4Addr> {
    text.trim().parse().map_err(|_| Error::invalid(field, format!("'{text}' is not an IPv4 address")))
}

/// Both ends of a range in order, no longer than [`MOST`].
pub fn span(first: &str, last: &str) -> Result<(Ipv4Addr, Ipv4Addr)> {
    let (a, b) = (parse("startip", first)?, parse("endip", last)?);
    if b < a {
        return Err(Error::invalid("endip", format!("{last} comes before {first}")));
    }
    if u32::from(b) - u32::from(a) >= MOST {
        return Err(Error::invalid("endip", format!("a range has at most {MOST} addresses")));
    }
    Ok((a, b))
}

/// A range that a subnet is cut into: both ends lie in the subnet of the gateway.
pub fn subnet_span(gateway: &str, netmask: &str, first: &str, last: &str) -> Result<(Ipv4Addr, Ipv4Addr)> {
    let (gateway, mask) = (parse("gateway", gateway)?, parse("netmask", netmask)?);
    let net = net::cidr(gateway, mask).ok_or_else(|| Error::invalid("netmask", format!("{mask} is not a netmask")))?;
    let (first, last) = span(first, last)?;
    for (field, ip) in [("startip", first), ("endip", last)] {
        if u32::from(ip) & u32::from(mask) != u32::from(gateway) & u32::from(mask) {
            return Err(Error::invalid(field, format!("{ip} does not lie in {net}, the subnet of the gateway")));
        }
    }
    Ok((first, last))
}

/// The addresses of a range that has ends, its gateway apart, all free.
fn addresses_of(range: &IpRange) -> Result<Vec<IpAddress>> {
    let (Some(first), Some(last)) = (range.start_ip.as_deref(), range.end_ip.as_deref()) else { return Ok(Vec::new()) };
    let (first, last) = span(first, last)?;
    let rows = net::range(first, last)
        .map(|ip| ip.to_string())
        .filter(|ip| range.gateway.as_deref() != Some(ip))
        .map(|address| IpAddress {
            uuid: Uuid::new_v4().to_string(),
            address,
            range_id: range.id,
            network_id: range.network_id,
            zone_id: range.zone_id,
            pod_id: range.pod_id,
            state: "Free".into(),
            ..Default::default()
        })
        .collect();
    Ok(rows)
}

/// Whether two ranges share an address. What cannot be read shares nothing.
pub fn overlap(a: (&str, &str), b: (&str, &str)) -> bool {
    let ends = |(first, last): (&str, &str)| Some((first.parse::<Ipv4Addr>().ok()?, last.parse::<Ipv4Addr>().ok()?));
    matches!((ends(a), ends(b)), (Some((a1, a2)), Some((b1, b2))) if a1 <= b2 && b1 <= a2)
}

/// The subnet and range of a CIDR: gateway (its first address), netmask, first and last address for guests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subnet {
    /// The network's own address.
    pub network: Ipv4Addr,
    /// The netmask.
    pub netmask: Ipv4Addr,
    /// The first address.
    pub gateway: Ipv4Addr,
    /// The first address for guests.
    pub first: Ipv4Addr,
    /// The last address for guests.
    pub last: Ipv4Addr,
}

impl Subnet {
    /// From `10.1.1.0/24`; at least 2 guests (a /29 is the smallest that is taken), at most a /16.
    pub fn of_cidr(field: &str, text: &str) -> Result<Self> {
        let bad = |why: &str| Error::invalid(field, format!("'{text}' {why}"));
        let (ip, len) = text.trim().split_once('/').ok_or_else(|| bad("is not a CIDR like 10.1.1.0/24"))?;
        let ip: Ipv4Addr = ip.parse().map_err(|_| bad("is not a CIDR like 10.1.1.0/24"))?;
        let len: u8 = len.parse().map_err(|_| bad("is not a CIDR like 10.1.1.0/24"))?;
        if !(8..=29).contains(&len) {
            return Err(bad("must have a prefix between 8 and 29"));
        }
        let mask = net::netmask(len);
        let base = u32::from(ip) & u32::from(mask);
        Ok(Self::at(base, mask, Ipv4Addr::from(base + 1)))
    }
    /// From a gateway and its netmask.
    pub fn of_gateway(gateway: &str, netmask: &str) -> Result<Self> {
        let (gateway, mask) = (parse("gateway", gateway)?, parse("netmask", netmask)?);
        match net::prefix(mask) {
            Some(8..=29) => Ok(Self::at(u32::from(gateway) & u32::from(mask), mask, gateway)),
            _ => Err(Error::invalid("netmask", format!("{mask} is not a netmask between /8 and /29"))),
        }
    }
    fn at(base: u32, mask: Ipv4Addr, gateway: Ipv4Addr) -> Self {
        // A larger network than a /16 hands out the addresses of its first /16.
        let size = (!u32::from(mask)).min(MOST - 1);
        let first = if u32::from(gateway) == base + 1 { base + 2 } else { base + 1 };
        Self { network: base.into(), netmask: mask, gateway, first: first.into(), last: (base + size - 1).into() }
    }
    /// In CIDR form.
    pub fn cidr(&self) -> String {
        net::cidr(self.network, self.netmask).unwrap_or_default()
    }
    /// Whether an address lies in it.
    pub fn holds(&self, ip: Ipv4Addr) -> bool {
        u32::from(ip) & u32::from(self.netmask) == u32::from(self.network)
    }
}

/// How many addresses lie between two ends, both counted.
pub fn size(first: Ipv4Addr, last: Ipv4Addr) -> usize {
    net::range(first, last).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cidr_gives_gateway_and_guests() {
        let s = Subnet::of_cidr("cidr", "10.1.1.0/24").expect("a cidr");
        assert_eq!(
            (s.gateway.to_string(), s.first.to_string(), s.last.to_string()),
            ("10.1.1.1".into(), "10.1.1.2".into(), "10.1.1.254".into())
        );
        assert_eq!(Subnet::of_cidr("cidr", "10.0.0.0/8").expect("a cidr").last.to_string(), "10.0.255.254");
        assert!(Subnet::of_cidr("cidr", "10.1.1.0/33").is_err() && Subnet::of_cidr("cidr", "10.1.1").is_err());
    }

    #[test]
    fn a_range_lies_in_its_subnet_and_in_order() {
        assert!(subnet_span("10.1.1.1", "255.255.255.0", "10.1.1.10", "10.1.1.20").is_ok());
        assert!(subnet_span("10.1.1.1", "255.255.255.0", "10.1.1.10", "10.1.2.20").is_err());
        assert!(subnet_span("10.1.1.1", "255.0.255.0", "10.1.1.10", "10.1.1.20").is_err());
        assert!(span("10.1.1.20", "10.1.1.10").is_err());
        assert!(overlap(("10.0.0.1", "10.0.0.9"), ("10.0.0.9", "10.0.0.20")));
        assert!(!overlap(("10.0.0.1", "10.0.0.9"), ("10.0.0.10", "10.0.0.20")));
    }
}
