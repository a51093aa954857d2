//! Small things about addresses that the standard library leaves out.
use std::net::Ipv4Addr;

/// The dotted netmask of a prefix length, `24` to `255.255.255.0`.
pub fn netmask(prefix: u8) -> Ipv4Addr {
    Ipv4Addr::from(u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0))
}

/// The prefix length of a dotted netmask; `None` when its bits are not one run.
pub fn prefix(mask: Ipv4Addr) -> Option<u8> {
    let bits = u32::from(mask);
    (bits.leading_ones() + bits.trailing_zeros() == 32 || bits == u32::MAX).then_some(bits.leading_ones() as u8)
}

/// The network in CIDR form that an address with this netmask lies in: `10.1.1.1`, `255.255.255.0` to `10.1.1.0/24`.
pub fn cidr(address: Ipv4Addr, mask: Ipv4Addr) -> Option<String> {
    let len = prefix(mask)?;
    Some(format!("{}/{len}", Ipv4Addr::from(u32::from(address) & u32::from(mask))))
}

/// Every address from `first` to `last`, both included; empty when they are the wrong way round.
pub fn range(first: Ipv4Addr, last: Ipv4Addr) -> impl Iterator<Item = Ipv4Addr> {
    (u32::from(first)..=u32::from(last)).map(Ipv4Addr::from)
}

/// A MAC address of the locally administered block that the cloud uses, from the number of the NIC: `06:…` with the number below it.
pub fn mac(number: i64) -> String {
    let n = number.unsigned_abs();
    let b = n.to_be_bytes();
    format!("06:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", b[3], b[4], b[5], b[6], b[7])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_and_prefixes_agree() {
        for p in 0..=32 {
            assert_eq!(prefix(netmask(p)), Some(p));
        }
        assert_eq!(prefix(Ipv4Addr::new(255, 0, 255, 0)), None);
        assert_eq!(cidr(Ipv4Addr::new(10, 1, 1, 7), netmask(24)).as_deref(), Some("10.1.1.0/24"));
    }

    #[test]
    fn macs_differ_while_numbers_do() {
        assert_ne!(mac(1), mac(2));
        assert_eq!(mac(258), "06:00:00:00:01:02");
    }
}
