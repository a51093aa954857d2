//! Who may be asked. A URL is given by a user and fetched by the server, which stands where users do not: addresses of the inside
//! (loopback, private, link-local, shared and reserved ones) are refused unless the administrator lists them.
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use stratus_drivers::DriverError;

/// The networks of the inside that may be asked all the same.
#[derive(Debug, Clone, Default)]
pub struct Inside(Arc<Vec<IpNet>>);

impl Inside {
    /// From CIDRs or single addresses.
    pub fn read(given: &[String]) -> Result<Self, DriverError> {
        let one = |text: &String| {
            let text = text.trim();
            let net = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
            net.map_err(|_| DriverError::Failed(format!("secstorage.allowed.internal.sites: `{text}` is no address and no CIDR")))
        };
        let nets: Result<Vec<_>, _> = given.iter().filter(|t| !t.trim().is_empty()).map(one).collect();
        Ok(Self(Arc::new(nets?)))
    }

    /// Whether an address may be asked.
    pub fn lets(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        is_outside(ip) || self.0.iter().any(|net| net.contains(&ip))
    }

    /// The refusal of an address.
    pub fn refusal(host: &str) -> String {
        format!(
            "{host} is an address of the inside, which templates are not fetched from unless secstorage.allowed.internal.sites lists it"
        )
    }
}

/// Whether an address is one of the Internet at large.
fn is_outside(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_outside_v4(ip),
        IpAddr::V6(ip) => is_outside_v6(ip),
    }
}

/// By the special-purpose registry of IPv4.
fn is_outside_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_broadcast()
        || ip.is_documentation()
        || ip.is_multicast()
        || a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a, b, c) == (192, 0, 0)
        || (a, b, c) == (192, 88, 99)
        || (a == 198 && (18..20).contains(&b))
        || a >= 240;
    !special
}

/// Global unicast alone, without the ranges in which a v4 address hides.
fn is_outside_v6(ip: Ipv6Addr) -> bool {
    let s = ip.segments();
    let global = s[0] & 0xe000 == 0x2000;
    let special = (s[0] == 0x2001 && (s[1] < 0x0200 || s[1] == 0x0db8)) || s[0] == 0x2002 || (s[0] == 0x3fff && s[1] < 0x1000);
    global && !special
}

/// Resolves names and leaves out what may not be asked; what is connected to is what was checked.
pub(crate) struct Guard(pub Inside);

impl reqwest::dns::Resolve for Guard {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let inside = self.0.clone();
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            let let_in: Vec<SocketAddr> = found.into_iter().filter(|a| inside.lets(a.ip())).collect();
            if let_in.is_empty() {
                return Err(Inside::refusal(&host).into());
            }
            Ok(Box::new(let_in.into_iter()) as reqwest::dns::Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inside_is_refused_unless_it_is_listed() {
        let none = Inside::default();
        for ip in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "::ffff:10.0.0.1",
            "2002:0a00:0001::",
            "64:ff9b::a00:1",
            "2001:db8::1",
        ] {
            assert!(!none.lets(ip.parse().expect("an address")), "{ip}");
        }
        for ip in ["8.8.8.8", "151.101.1.1", "2606:4700::1111", "::ffff:8.8.8.8"] {
            assert!(none.lets(ip.parse().expect("an address")), "{ip}");
        }
        let some = Inside::read(&["10.0.0.0/8".into(), " 127.0.0.1 ".into(), String::new()]).expect("reads");
        assert!(some.lets("10.9.9.9".parse().expect("an address")) && some.lets("127.0.0.1".parse().expect("an address")));
        assert!(!some.lets("127.0.0.2".parse().expect("an address")));
        assert!(Inside::read(&["ten".into()]).is_err());
    }
}
