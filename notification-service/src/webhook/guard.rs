//! Which addresses may be connected to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Not on the public internet (IANA's special-purpose registries), or never a
/// receiver of ours.
const REFUSED_V4: &[Ipv4Net] = &[
    v4([0, 0, 0, 0], 8),
    v4([10, 0, 0, 0], 8),
    v4([100, 64, 0, 0], 10),
    v4([127, 0, 0, 0], 8),
    // A cloud's metadata service speaks here …
    v4([169, 254, 0, 0], 16),
    v4([172, 16, 0, 0], 12),
    v4([192, 0, 0, 0], 24),
    v4([192, 0, 2, 0], 24),
    v4([192, 88, 99, 0], 24),
    v4([192, 168, 0, 0], 16),
    v4([198, 18, 0, 0], 15),
    v4([198, 51, 100, 0], 24),
    v4([203, 0, 113, 0], 24),
    v4([224, 0, 0, 0], 4),
    v4([240, 0, 0, 0], 4),
    // … and another one's on this otherwise public address.
    v4([168, 63, 129, 16], 32),
];

/// Everything public lies in here …
const PUBLIC_V6: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);
/// … but for these.
const REFUSED_V6: &[Ipv6Net] = &[
    // Protocol assignments; Teredo, which hides an IPv4 address, is among them.
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),
    v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
    v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),
];

const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);
const SIX_TO_FOUR: Ipv6Net = v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16);

/// Lets public addresses through, and those of the operator's list.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    allowed: Vec<IpNet>,
}

// === impl Guard ===

impl Guard {
    /// A guard that lets these ranges through besides the public addresses.
    pub fn new(allowed: Vec<IpNet>) -> Self {
        Self { allowed }
    }

    /// Whether this address may be connected to. What an address stands for
    /// counts as much as the address.
    pub fn allows(&self, address: IpAddr) -> bool {
        let inner = meant(address);
        self.is_listed(address) || self.is_listed(inner) || is_public(inner)
    }

    fn is_listed(&self, address: IpAddr) -> bool {
        self.allowed.iter().any(|range| range.contains(&address))
    }
}

const fn v4(octets: [u8; 4], length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(octets[0], octets[1], octets[2], octets[3]), length)
}

const fn v6(s: [u16; 8], length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]), length)
}

/// The IPv4 address that an IPv6 one leads to, if it does.
fn meant(address: IpAddr) -> IpAddr {
    let IpAddr::V6(outer) = address else { return address };
    let bytes = outer.octets();
    let at = |from: usize| {
        IpAddr::V4(Ipv4Addr::new(bytes[from], bytes[from + 1], bytes[from + 2], bytes[from + 3]))
    };
    if NAT64.contains(&outer) || outer.to_ipv4_mapped().is_some() {
        at(12)
    } else if SIX_TO_FOUR.contains(&outer) {
        at(2)
    } else {
        address
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !REFUSED_V4.iter().any(|range| range.contains(&address)),
        IpAddr::V6(address) => {
            PUBLIC_V6.contains(&address) && !REFUSED_V6.iter().any(|range| range.contains(&address))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn allows(text: &str) -> bool {
        Guard::default().allows(text.parse().unwrap())
    }

    #[test]
    fn private_and_special_addresses_are_refused() {
        for text in [
            "0.0.0.0",
            "10.1.2.3",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "172.31.255.255",
            "192.0.0.192",
            "192.168.0.1",
            "198.19.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "100::1",
            "2001::7f00:1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:c0a8:101::1",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!allows(text), "{text}");
        }
    }

    #[test]
    fn public_addresses_are_let_through() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "172.15.255.255",
            "172.32.0.0",
            "192.169.0.1",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2a00:1450:4001::1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
        ] {
            assert!(allows(text), "{text}");
        }
    }

    #[test]
    fn the_operators_list_opens_ranges_in_either_spelling() {
        let guard = Guard::new(vec!["127.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        for text in ["127.0.0.1", "::ffff:127.0.0.1", "fd12::1", "8.8.8.8"] {
            assert!(guard.allows(text.parse().unwrap()), "{text}");
        }
        for text in ["10.0.0.1", "fe80::1", "::1"] {
            assert!(!guard.allows(text.parse().unwrap()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_wrapping_of_an_address_is_judged_like_the_address(bits in any::<u32>()) {
            let inner = Ipv4Addr::from_bits(bits);
            let (high, low) = ((bits >> 16) as u16, bits as u16);
            let verdict = Guard::default().allows(inner.into());
            for wrapped in [
                inner.to_ipv6_mapped(),
                Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
            ] {
                prop_assert_eq!(Guard::default().allows(wrapped.into()), verdict, "{}", wrapped);
            }
            let compatible = Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low);
            prop_assert!(!Guard::default().allows(compatible.into()));
        }

        #[test]
        fn no_private_address_gets_through(bits in any::<u32>()) {
            let address = Ipv4Addr::from_bits(bits);
            if address.is_private() || address.is_loopback() || address.is_link_local()
                || address.is_multicast() || address.is_broadcast() || address.is_documentation()
                || address.is_unspecified()
            {
                prop_assert!(!Guard::default().allows(address.into()));
            }
        }

        #[test]
        fn no_local_v6_address_gets_through(bits in any::<u128>(), prefix in prop::sample::select(vec![
            0xfc00_u16, 0xfd00, 0xfe80, 0xfebf, 0xff00, 0xff02, 0x0000, 0x0100, 0x5f00,
        ])) {
            let mut segments = Ipv6Addr::from_bits(bits).segments();
            segments[0] = prefix;
            let address = Ipv6Addr::from(segments);
            prop_assume!(address.to_ipv4_mapped().is_none());
            prop_assert!(!Guard::default().allows(address.into()));
        }
    }
}
