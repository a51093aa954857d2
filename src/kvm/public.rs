//! Public addresses: the router has them on a leg of its own and gives what comes to them to the guests behind.
use crate::keep::plain;
use crate::network::Net;
use crate::{Done, Kvm};
use ipnet::Ipv4Net;
use std::fmt::Write;
use std::net::Ipv4Addr;
use stratus_drivers::{DriverError, PublicAddress};

fn address(text: &str) -> Done<Ipv4Addr> {
    text.parse().map_err(|_| DriverError::Failed(format!("public address {text:?} is none")))
}

fn with_prefix(public: &PublicAddress) -> Done<String> {
    let net = Ipv4Net::with_netmask(address(&public.address)?, address(&public.netmask)?);
    net.map(|net| net.to_string()).map_err(|_| DriverError::Failed(format!("netmask {:?} is none", public.netmask)))
}

/// The router's whole translation and filter, as one transaction.
fn rules(all: &[PublicAddress]) -> Done<String> {
    let (mut before, mut after, mut let_in) = (String::new(), String::new(), String::new());
    for public in all {
        let outside = address(&public.address)?;
        let Some(nat) = &public.static_nat else { continue };
        let guest = address(&nat.guest)?;
        // Writing into a string cannot fail, here and below.
        let _ = writeln!(before, "ip daddr {outside} dnat to {guest}");
        let _ = writeln!(after, "ip saddr {guest} oifname \"public\" snat to {outside}");
        for port in nat.ports.iter().flatten() {
            let protocol = match plain("a protocol", &port.protocol)? {
                known @ ("tcp" | "udp") => known,
                other => return Err(DriverError::Failed(format!("protocol {other:?} has no ports"))),
            };
            for cidr in &port.cidrs {
                let cidr: Ipv4Net = cidr.parse().map_err(|_| DriverError::Failed(format!("network {cidr:?} is none")))?;
                let _ = writeln!(
                    let_in,
                    "iifname \"public\" ct original ip daddr {outside} ip saddr {} {protocol} dport {}-{} accept",
                    cidr.trunc(),
                    port.first,
                    port.last
                );
            }
        }
        if nat.ports.is_none() {
            let _ = writeln!(let_in, "iifname \"public\" ct original ip daddr {outside} accept");
        }
    }
    if let Some(source) = all.iter().find(|public| public.source_nat) {
        let _ = writeln!(after, "oifname \"public\" snat to {}", address(&source.address)?);
    }
    Ok(format!(
        "add table ip public\nflush table ip public\n\
         table ip public {{\n\
         chain before {{\ntype nat hook prerouting priority -100; policy accept;\n{before}}}\n\
         chain after {{\ntype nat hook postrouting priority 100; policy accept;\n{after}}}\n\
         chain passing {{\ntype filter hook forward priority 0; policy drop;\n\
         ct state established,related accept\niifname \"guest\" accept\n{let_in}}}\n\
         chain coming {{\ntype filter hook input priority 0; policy accept;\n\
         ct state established,related accept\niifname \"public\" ip protocol != icmp drop\n}}\n}}\n"
    ))
}

impl Kvm {
    /// The sequence of the public addresses that a network's router answers for, by the network's uuid.
    pub fn public_sequence(&self, network: &str) -> Option<i64> {
        self.net(network).ok().flatten().map(|net| net.public.sequence)
    }

    /// Makes the router answer for the network's public addresses, and for no other.
    pub(crate) async fn public_up(&self, net: &Net) -> Done {
        let (router, all) = (self.router(&net.spec.uuid), &net.public.addresses);
        let inside = router.run();
        inside.pipe("nft", &["-f", "-"], &rules(all)?).await?;
        let leg = self.link_there(&router.public_leg).await?;
        let Some(first) = all.iter().find(|public| public.source_nat).or(all.first()) else {
            return if leg { self.run.run("ip", &["link", "del", &router.public_leg]).await.map(drop) } else { Ok(()) };
        };
        let bridge = self.config.public_bridge.as_deref();
        let bridge = bridge.ok_or_else(|| DriverError::Unsupported("public addresses on a host without public_bridge".into()))?;
        if all.iter().any(|public| public.broadcast_uri != first.broadcast_uri) {
            return Err(DriverError::Unsupported("public addresses of several VLANs for one network on KVM".into()));
        }
        self.leg_up(&router, &router.public_leg, "public", bridge).await?;
        self.addresses_are(&router, "public", &all.iter().map(with_prefix).collect::<Done<Vec<_>>>()?).await?;
        let gateway = address(&first.gateway)?.to_string();
        inside.run("ip", &["route", "replace", "default", "via", &gateway, "dev", "public"]).await.map(drop)
    }

    /// Gives a leg of a router these addresses and no others.
    pub(crate) async fn addresses_are(&self, router: &crate::router::Router, leg: &str, wanted: &[String]) -> Done {
        let inside = router.run();
        let text = inside.run("ip", &["-j", "-4", "addr", "show", "dev", leg]).await?;
        let links: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap_or_default();
        let there = links.iter().flat_map(|link| link["addr_info"].as_array().into_iter().flatten());
        let there: Vec<String> =
            there.filter_map(|info| Some(format!("{}/{}", info["local"].as_str()?, info["prefixlen"].as_u64()?))).collect();
        for address in wanted.iter().filter(|address| !there.contains(address)) {
            inside.run("ip", &["addr", "add", address, "dev", leg]).await?;
        }
        // Removing a first address takes the others of its network along, unless the kernel is told to promote them.
        inside.pipe("tee", &[&format!("/proc/sys/net/ipv4/conf/{leg}/promote_secondaries")], "1").await?;
        for address in there.iter().filter(|address| !wanted.contains(address)) {
            inside.run("ip", &["addr", "del", address, "dev", leg]).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stratus_drivers::{PortRule, StaticNat};

    fn public(last: u8, ports: Option<Vec<PortRule>>) -> PublicAddress {
        PublicAddress {
            address: format!("203.0.113.{last}"),
            netmask: "255.255.255.0".into(),
            gateway: "203.0.113.1".into(),
            broadcast_uri: "vlan://untagged".into(),
            source_nat: last == 2,
            static_nat: (last > 2).then(|| StaticNat { guest: "10.1.1.11".into(), ports, pod: None }),
        }
    }

    #[test]
    fn ports_are_filtered_by_the_address_that_was_asked() {
        let web = PortRule { protocol: "tcp".into(), first: 80, last: 81, cidrs: vec!["0.0.0.0/0".into()] };
        let text = rules(&[public(2, None), public(3, Some(vec![web]))]).unwrap();
        assert!(text.contains("ip daddr 203.0.113.3 dnat to 10.1.1.11\n"));
        assert!(text.contains("ct original ip daddr 203.0.113.3 ip saddr 0.0.0.0/0 tcp dport 80-81 accept\n"));
        assert!(text.contains("oifname \"public\" snat to 203.0.113.2\n"));
        let bad = PortRule { protocol: "icmp".into(), first: 1, last: 1, cidrs: Vec::new() };
        assert!(rules(&[public(3, Some(vec![bad]))]).is_err());
        assert!(rules(&[PublicAddress { address: "x; drop".into(), ..public(3, None) }]).is_err());
    }
}
