//! Rule sets in the language of `nft -f`. Every text is one transaction: it stands whole or not at all.
//!
//! Two tables. In the bridge family, by tap: nobody sends with an address that is not his, nor answers DHCP, nor speaks anything but
//! ARP and IPv4. In the ip family, by bridge and address, which the first table made trustworthy: security groups, with connection
//! tracking (the bridge family has none on some kernels). The second needs `bridge-nf-call-iptables`.
use crate::domain::short;
use crate::router::METADATA;
use std::fmt::Write;
use std::net::Ipv4Addr;
use stratus_drivers::{DriverError, GroupMembers, GroupRule, NicRules, NicSpec};

/// The tables' name for a prefix.
pub(crate) fn table(prefix: &str) -> String {
    format!("{prefix}_filter")
}

/// The name of a NIC's chains.
fn chain(nic: &str) -> String {
    format!("n_{}", short(nic, 12))
}

/// The name of a group's set.
fn set(group: &str) -> String {
    format!("g_{}", short(group, 12))
}

/// The tables with nobody in them. Said again it changes nothing; taps that nobody was told of send nothing.
pub(crate) fn base(prefix: &str) -> String {
    let t = table(prefix);
    format!(
        "add table bridge {t}\n\
         add map bridge {t} taps {{ type ifname : verdict; }}\n\
         add map bridge {t} tunnels {{ type ifname : verdict; }}\n\
         add chain bridge {t} from_port {{ type filter hook prerouting priority -300; policy accept; }}\n\
         flush chain bridge {t} from_port\n\
         add rule bridge {t} from_port iifname vmap @taps\n\
         add rule bridge {t} from_port iifname \"{prefix}t*\" counter drop\n\
         add rule bridge {t} from_port iifname vmap @tunnels\n\
         add table ip {t}\n\
         add map ip {t} sends {{ type ifname . ipv4_addr : verdict; }}\n\
         add map ip {t} gets {{ type ifname . ipv4_addr : verdict; }}\n\
         add chain ip {t} forward {{ type filter hook forward priority 0; policy accept; }}\n\
         flush chain ip {t} forward\n\
         add rule ip {t} forward ct state established,related accept\n\
         add rule ip {t} forward iifname . ip saddr vmap @sends\n\
         add rule ip {t} forward iifname . ip daddr vmap @gets\n"
    )
}

/// Lets a NIC's tap send, as itself, and no more of what others have to answer than a guest needs (`flood.rs` counts the rest).
pub(crate) fn guard(prefix: &str, tap: &str, vm: &str, nic: &NicSpec) -> String {
    let (t, c) = (table(prefix), chain(&nic.uuid));
    let (mac, ip, gateway) = (&nic.mac, &nic.ip, &nic.gateway);
    let over = |limit: &str, what: &str| format!("limit rate over {limit} packets counter name {what}_{vm} drop");
    let counters = crate::flood::KINDS.map(|(kind, _)| format!("add counter bridge {t} {kind}_{vm}\n")).concat();
    let (arp, dhcp) = (over("50/second burst 100", "arp"), over("10/second burst 20", "dhcp"));
    let (names, asks) = (over("200/second burst 400", "ask"), over("50/second burst 100", "ask"));
    format!(
        "{counters}\
         add chain bridge {t} {c}\n\
         flush chain bridge {t} {c}\n\
         add rule bridge {t} {c} ether saddr != {mac} counter drop\n\
         add rule bridge {t} {c} ether type arp arp saddr ether != {mac} counter drop\n\
         add rule bridge {t} {c} ether type arp arp saddr ip != {{ {ip}, 0.0.0.0 }} counter drop\n\
         add rule bridge {t} {c} ether type arp {arp}\n\
         add rule bridge {t} {c} ether type arp accept\n\
         add rule bridge {t} {c} ether type != ip counter drop\n\
         add rule bridge {t} {c} udp dport 67 {dhcp}\n\
         add rule bridge {t} {c} ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept\n\
         add rule bridge {t} {c} ip saddr != {ip} counter drop\n\
         add rule bridge {t} {c} udp sport 67 counter drop\n\
         add rule bridge {t} {c} ip daddr {{ {gateway}, {METADATA} }} udp dport 53 {names}\n\
         add rule bridge {t} {c} ip daddr {{ {gateway}, {METADATA} }} tcp dport {{ 53, 80, 8080 }} tcp flags & (syn | ack) == syn {asks}\n\
         add rule bridge {t} {c} accept\n\
         add element bridge {t} taps {{ \"{tap}\" : jump {c} }}\n"
    )
}

/// Takes back what `guard` said. The table has to know the tap.
pub(crate) fn unguard(prefix: &str, tap: &str, nic: &str) -> String {
    let (t, c) = (table(prefix), chain(nic));
    format!("delete element bridge {t} taps {{ \"{tap}\" }}\nflush chain bridge {t} {c}\ndelete chain bridge {t} {c}\n")
}

/// Keeps answers for guests from coming out of a tunnel when this host has a router that gives them.
pub(crate) fn home(prefix: &str, port: &str, gateways: &[Ipv4Addr]) -> String {
    let (t, c) = (table(prefix), chain(port));
    let mut text = format!("add chain bridge {t} {c}\nflush chain bridge {t} {c}\n");
    // Writing into a string cannot fail, here and below.
    let _ = writeln!(text, "add rule bridge {t} {c} udp sport 67 udp dport 68 counter drop");
    for gateway in gateways {
        let _ = writeln!(text, "add rule bridge {t} {c} ether type arp arp saddr ip {gateway} counter drop");
    }
    let _ = writeln!(text, "add element bridge {t} tunnels {{ \"{port}\" : jump {c} }}");
    text
}

/// Takes back what `home` said. The table has to know the port.
pub(crate) fn anywhere(prefix: &str, port: &str) -> String {
    let (t, c) = (table(prefix), chain(port));
    format!("delete element bridge {t} tunnels {{ \"{port}\" }}\nflush chain bridge {t} {c}\ndelete chain bridge {t} {c}\n")
}

fn refuse(what: &str) -> DriverError {
    DriverError::Failed(format!("a rule of a security group cannot be read: {what}"))
}

/// The part of a rule about protocol and ports.
fn matches(rule: &GroupRule) -> Result<String, DriverError> {
    let port = |port: i32| u16::try_from(port).map_err(|_| refuse(&format!("port {port}")));
    let any = rule.first < 0 || rule.last < 0;
    Ok(match rule.protocol.to_lowercase().as_str() {
        "all" | "-1" => String::new(),
        name @ ("tcp" | "udp") if any => format!("ip protocol {name}"),
        name @ ("tcp" | "udp") => format!("{name} dport {}-{}", port(rule.first)?, port(rule.last)?),
        "icmp" if rule.first < 0 => "ip protocol icmp".into(),
        "icmp" if rule.last < 0 => format!("icmp type {}", port(rule.first)?),
        "icmp" => format!("icmp type {} icmp code {}", port(rule.first)?, port(rule.last)?),
        number => {
            let number: u8 = number.parse().map_err(|_| refuse(&format!("protocol {:?}", rule.protocol)))?;
            format!("ip protocol {number}")
        }
    })
}

/// The rules of one direction, each letting through by `verdict` what it allows.
fn allowed(text: &mut String, chain: &str, rules: &NicRules, ingress: bool, verdict: &str) -> Result<(), DriverError> {
    let side = if ingress { "saddr" } else { "daddr" };
    for rule in rules.rules.iter().filter(|rule| rule.ingress == ingress) {
        let what = matches(rule)?;
        for cidr in &rule.cidrs {
            match cidr.parse::<ipnet::IpNet>() {
                Ok(ipnet::IpNet::V4(cidr)) => {
                    let _ = writeln!(text, "add rule ip {chain} ip {side} {} {what} {verdict}", cidr.trunc());
                }
                // Guests have no IPv6 here, so nothing of it is to be let through.
                Ok(ipnet::IpNet::V6(_)) => {}
                Err(_) => return Err(refuse(&format!("network {cidr:?}"))),
            }
        }
        for group in &rule.groups {
            let _ = writeln!(text, "add rule ip {chain} ip {side} @{} {what} {verdict}", set(group));
        }
    }
    Ok(())
}

/// The rule set of a NIC on a bridge.
pub(crate) fn rules(prefix: &str, bridge: &str, rules: &NicRules) -> Result<String, DriverError> {
    let (t, c) = (table(prefix), chain(&rules.nic.uuid));
    let (ip, gateway) = (&rules.nic.ip, &rules.nic.gateway);
    let mut text = String::new();
    for group in rules.rules.iter().flat_map(|rule| &rule.groups) {
        let _ = writeln!(text, "add set ip {t} {} {{ type ipv4_addr; flags interval; }}", set(group));
    }
    let _ = write!(
        text,
        "add chain ip {t} {c}_out\nflush chain ip {t} {c}_out\nadd chain ip {t} {c}_in\nflush chain ip {t} {c}_in\n\
         add rule ip {t} {c}_out ip daddr {{ {gateway}, {METADATA} }} udp dport {{ 53, 67 }} return\n\
         add rule ip {t} {c}_out ip daddr {{ {gateway}, {METADATA} }} tcp dport {{ 53, 80, 8080 }} return\n"
    );
    allowed(&mut text, &format!("{t} {c}_out"), rules, false, "return")?;
    let _ = write!(
        text,
        "add rule ip {t} {c}_out counter drop\n\
         add rule ip {t} {c}_in ip saddr {gateway} udp sport 67 udp dport 68 accept\n"
    );
    allowed(&mut text, &format!("{t} {c}_in"), rules, true, "accept")?;
    let _ = write!(
        text,
        "add rule ip {t} {c}_in counter drop\n\
         add element ip {t} sends {{ \"{bridge}\" . {ip} : jump {c}_out }}\n\
         add element ip {t} gets {{ \"{bridge}\" . {ip} : jump {c}_in }}\n"
    );
    Ok(text)
}

/// Takes back a NIC's rule set. The table has to know it.
pub(crate) fn no_rules(prefix: &str, bridge: &str, nic: &NicSpec) -> String {
    let (t, c, ip) = (table(prefix), chain(&nic.uuid), &nic.ip);
    format!(
        "delete element ip {t} sends {{ \"{bridge}\" . {ip} }}\ndelete element ip {t} gets {{ \"{bridge}\" . {ip} }}\n\
         flush chain ip {t} {c}_out\nflush chain ip {t} {c}_in\ndelete chain ip {t} {c}_out\ndelete chain ip {t} {c}_in\n"
    )
}

/// Takes back who is in a group; refused while rules name it.
pub(crate) fn no_members(prefix: &str, group: &str) -> String {
    format!("delete set ip {} {}\n", table(prefix), set(group))
}

/// Everybody in a group.
pub(crate) fn members(prefix: &str, group: &GroupMembers) -> Result<String, DriverError> {
    let (t, s) = (table(prefix), set(&group.group));
    let mut text = format!("add set ip {t} {s} {{ type ipv4_addr; flags interval; }}\nflush set ip {t} {s}\n");
    let mut nets = Vec::new();
    for cidr in &group.cidrs {
        match cidr.parse::<ipnet::IpNet>() {
            Ok(ipnet::IpNet::V4(cidr)) => nets.push(cidr.trunc()),
            Ok(ipnet::IpNet::V6(_)) => {}
            Err(_) => return Err(refuse(&format!("network {cidr:?}"))),
        }
    }
    // nft refuses a set in which one network is inside another.
    let nets: Vec<String> = ipnet::Ipv4Net::aggregate(&nets).iter().map(ToString::to_string).collect();
    if !nets.is_empty() {
        let _ = writeln!(text, "add element ip {t} {s} {{ {} }}", nets.join(", "));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(protocol: &str, first: i32, last: i32, cidrs: &[&str]) -> GroupRule {
        let cidrs = cidrs.iter().map(|cidr| (*cidr).to_owned()).collect();
        GroupRule { ingress: true, protocol: protocol.into(), first, last, cidrs, groups: Vec::new() }
    }

    #[test]
    fn protocols_and_ports_are_said_as_nft_says_them() {
        for (protocol, first, last, text) in [
            ("tcp", 80, 443, "tcp dport 80-443"),
            ("TCP", -1, -1, "ip protocol tcp"),
            ("udp", 53, 53, "udp dport 53-53"),
            ("icmp", -1, -1, "ip protocol icmp"),
            ("icmp", 8, -1, "icmp type 8"),
            ("icmp", 8, 0, "icmp type 8 icmp code 0"),
            ("all", -1, -1, ""),
            ("47", -1, -1, "ip protocol 47"),
        ] {
            assert_eq!(matches(&rule(protocol, first, last, &[])).unwrap(), text);
        }
        for (protocol, first, last) in [("tcp; flush", 1, 1), ("tcp", 1, 70_000), ("256", -1, -1), ("", 1, 1)] {
            assert!(matches(&rule(protocol, first, last, &[])).is_err(), "{protocol} {first} {last}");
        }
    }

    #[test]
    fn a_network_that_is_none_is_refused_whole() {
        let nic = NicSpec {
            uuid: "nic".into(),
            mac: "06:00:00:00:00:01".into(),
            ip: "10.1.1.11".into(),
            netmask: "255.255.255.0".into(),
            gateway: "10.1.1.1".into(),
            broadcast_uri: "vlan://untagged".into(),
            default: true,
            rate_mbps: None,
        };
        let of = |cidr: &str| NicRules { vm: "v".into(), nic: nic.clone(), sequence: 1, rules: vec![rule("tcp", 1, 2, &[cidr])] };
        assert!(rules("st", "br", &of("10.0.0.5/8")).unwrap().contains("ip saddr 10.0.0.0/8 tcp dport 1-2 accept\n"));
        assert!(rules("st", "br", &of("10.0.0.0/8 accept\nflush ruleset")).is_err());
        let group = |cidrs: &[&str]| GroupMembers { group: "g".into(), sequence: 1, cidrs: cidrs.iter().map(|c| (*c).into()).collect() };
        let text = members("st", &group(&["10.1.1.11/32", "10.1.1.0/24", "10.2.0.1/32", "2001:db8::/64"])).unwrap();
        assert!(text.contains("{ 10.1.1.0/24, 10.2.0.1/32 }"), "{text}");
        assert!(members("st", &group(&["}"])).is_err());
    }
}
