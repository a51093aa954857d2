//! What zones, pods, clusters, hosts and pools have in common: holding a parent while a child comes or goes, refusing to remove what is
//! in use, allocation states, and which hosts the allocator may choose.
use crate::Engine;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use stratus_drivers::DriverError;
use stratus_model::{Error, Kind, Result};
use stratus_store::{HostCapacity, Query, Table, Tx};

/// Where a change of allocation states is felt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Every host of a zone.
    Zone(i64),
    /// Every host of a pod.
    Pod(i64),
    /// Every host of a cluster.
    Cluster(i64),
    /// One host.
    Host(i64),
}

impl Engine {
    /// Tells anew which hosts the allocator may choose: Up and Enabled themselves, in a managed, enabled cluster of an enabled pod and
    /// zone. Every transaction that changes one of these states ends with this.
    pub async fn hosts_reopen(&self, tx: &mut Tx, reach: Reach) -> Result<()> {
        let which = match reach {
            Reach::Zone(id) => Query::all().eq("zone_id", id),
            Reach::Pod(id) => Query::all().eq("pod_id", id),
            Reach::Cluster(id) => Query::all().eq("cluster_id", id),
            Reach::Host(id) => Query::all().eq("host_id", id),
        };
        let set = stratus_store::sql!(
            "open = case when exists (select 1 from host h join cluster c on c.id = h.cluster_id join pod p on p.id = h.pod_id \
             join zone z on z.id = h.zone_id where h.id = host_capacity.host_id and h.removed is null and h.state = 'Up' \
             and h.resource_state = 'Enabled' and c.allocation_state = 'Enabled' and c.managed_state = 'Managed' \
             and p.allocation_state = 'Enabled' and z.allocation_state = 'Enabled') then 1 else 0 end, update_count = update_count + 1"
        );
        tx.take::<HostCapacity>(which, set, vec![]).await.map(drop)
    }
}

/// Locks a live row until the transaction ends and reads it. Whoever puts something into a place or removes the place holds it first,
/// so that names stay unique and nothing lands in what is going away, on a server with many writers too.
pub(crate) async fn hold<T: Table>(tx: &mut Tx, kind: Kind, id: i64) -> Result<T> {
    match tx.update::<T>(Query::live().eq("id", id), vec![]).await? {
        0 => Err(Error::not_found(kind, id.to_string())),
        _ => tx.must(id).await,
    }
}

/// Refuses when rows that fit are still there; `what` says what they are, in the plural.
pub(crate) async fn refuse_used<T: Table>(tx: &mut Tx, q: Query, kind: Kind, id: &str, what: &str) -> Result<()> {
    match tx.count::<T>(q).await? {
        0 => Ok(()),
        n => Err(Error::InUse { kind, id: id.to_owned(), why: format!("{n} of its {what} still there") }),
    }
}

/// Refuses when another live row has the name; `q` says among which.
pub(crate) async fn refuse_name<T: Table>(tx: &mut Tx, q: Query, kind: Kind, name: &str) -> Result<()> {
    match tx.count::<T>(q.null("removed").eq("name", name)).await? {
        0 => Ok(()),
        _ => Err(Error::Duplicate { kind, name: name.to_owned() }),
    }
}

/// A name that is not blank.
pub(crate) fn name(field: &str, text: &str) -> Result<String> {
    match text.trim() {
        "" => Err(Error::invalid(field, "must not be empty")),
        t => Ok(t.to_owned()),
    }
}

/// `Enabled` or `Disabled`, however it is spelt.
pub(crate) fn allocation(text: &str) -> Result<String> {
    one_of("allocationstate", text, &["Enabled", "Disabled"])
}

/// One of several words, in the spelling of the list.
pub(crate) fn one_of(field: &str, text: &str, words: &[&str]) -> Result<String> {
    let found = words.iter().find(|w| w.eq_ignore_ascii_case(text.trim()));
    found.map(|w| (*w).to_owned()).ok_or_else(|| Error::invalid(field, format!("is one of {}, not '{text}'", words.join(", "))))
}

/// An IPv4 address.
pub(crate) fn ip4(field: &str, text: &str) -> Result<Ipv4Addr> {
    text.trim().parse().map_err(|_| Error::invalid(field, format!("'{text}' is not an IPv4 address")))
}

/// An IPv4 or IPv6 address, as text in its usual form.
pub(crate) fn ip(field: &str, text: &str) -> Result<String> {
    let parsed: Result<IpAddr, _> = text.trim().parse();
    parsed.map(|a| a.to_string()).map_err(|_| Error::invalid(field, format!("'{text}' is not an IP address")))
}

/// An IPv6 address, as text in its usual form.
pub(crate) fn ip6(field: &str, text: &str) -> Result<String> {
    let parsed: Result<Ipv6Addr, _> = text.trim().parse();
    parsed.map(|a| a.to_string()).map_err(|_| Error::invalid(field, format!("'{text}' is not an IPv6 address")))
}

/// A CIDR with the bits behind the prefix cleared.
pub(crate) fn cidr(field: &str, text: &str) -> Result<String> {
    let net: ipnet::Ipv4Net = text.trim().parse().map_err(|_| Error::invalid(field, format!("'{text}' is not a CIDR like 10.1.1.0/24")))?;
    match net.prefix_len() {
        1..=30 => Ok(net.trunc().to_string()),
        _ => Err(Error::invalid(field, format!("'{text}' leaves no room for guests"))),
    }
}

/// Tags as they are kept: without blanks and repetitions, joined by commas; nothing when there are none.
pub(crate) fn tags(given: &[String]) -> Option<String> {
    let mut out: Vec<&str> = Vec::new();
    for t in given.iter().flat_map(|t| t.split(',')).map(str::trim).filter(|t| !t.is_empty()) {
        if !out.contains(&t) {
            out.push(t);
        }
    }
    (!out.is_empty()).then(|| out.join(","))
}

/// What a driver's refusal of something that is being added means to the administrator who gave the URL.
pub(crate) fn unreachable(what: &str, e: DriverError) -> Error {
    match e {
        DriverError::Unreachable(who) => Error::Unavailable(format!("The {what} cannot be added: {who} does not answer")),
        DriverError::Unsupported(why) => Error::Unsupported(format!("The {what} cannot be added: {why}")),
        DriverError::NoRoom(why) | DriverError::Missing(why) | DriverError::Failed(why) => Error::invalid("url", why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_kept_in_one_spelling() {
        assert_eq!(allocation("enabled").expect("a state"), "Enabled");
        assert!(allocation("on").is_err());
        assert_eq!(cidr("guestcidraddress", "10.1.1.7/24").expect("a CIDR"), "10.1.1.0/24");
        assert!(cidr("guestcidraddress", "10.1.1.7").is_err());
        assert!(cidr("guestcidraddress", "0.0.0.0/0").is_err());
        assert_eq!(tags(&["a, b".into(), "a".into(), " ".into()]).as_deref(), Some("a,b"));
        assert_eq!(tags(&[]), None);
        assert_eq!(ip6("ip6dns1", "2001:0db8::1").expect("an address"), "2001:db8::1");
    }
}
