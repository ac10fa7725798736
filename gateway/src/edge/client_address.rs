//! Where a request comes from, as far as it can be trusted (PROMISES, rule 12).
//!
//! The socket peer, unless that is one of `TRUSTED_PROXIES`: then the
//! right-most hop of `X-Forwarded-For` that is not. Only the hops to the right
//! of it were written by proxies of ours; everything to the left is what the
//! client says. `Forwarded` is not read: a proxy that writes only one of the
//! two passes the client's version of the other on.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use chassis::http_server::Peer;
use http::{Extensions, HeaderMap, HeaderName};
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// More hops than any honest chain has; the rest is not looked at.
const MAX_HOPS: usize = 32;
/// A household or a machine is given a /64.
const V6_PREFIX: u32 = 64;

/// The address that limits count by and services are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientAddress(IpAddr);

/// The networks whose `X-Forwarded-For` is believed (`TRUSTED_PROXIES`).
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Arc<[IpNet]>);

// === impl ClientAddress ===

impl ClientAddress {
    /// The address of the request with these extensions.
    pub fn of(extensions: &Extensions) -> Self {
        // Absent only where a part is driven without the edge, in a test.
        extensions.get().copied().unwrap_or(Self(IpAddr::V4(Ipv4Addr::UNSPECIFIED)))
    }

    /// An address; IPv4 mapped into IPv6 is IPv4.
    pub const fn new(ip: IpAddr) -> Self {
        Self(ip.to_canonical())
    }

    /// The address itself.
    pub const fn ip(self) -> IpAddr {
        self.0
    }

    /// What limits count by: IPv4 whole, IPv6 by its /64.
    pub fn network(self) -> IpAddr {
        match self.0 {
            IpAddr::V4(_) => self.0,
            IpAddr::V6(ip) => {
                let mask = u128::MAX << (Ipv6Addr::BITS - V6_PREFIX);
                IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & mask))
            }
        }
    }
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

// === impl TrustedProxies ===

impl TrustedProxies {
    /// Believes these networks.
    pub fn new(networks: impl Into<Arc<[IpNet]>>) -> Self {
        Self(networks.into())
    }

    /// The client's address, given the peer and the request's headers.
    pub fn client(&self, peer: Option<&Peer>, headers: &HeaderMap) -> ClientAddress {
        let Some(Peer(peer)) = peer else { return ClientAddress(IpAddr::V4(Ipv4Addr::UNSPECIFIED)) };
        let mut client = peer.ip().to_canonical();
        if self.contains(client) {
            for hop in hops_from_the_right(headers).take(MAX_HOPS) {
                // A hop that is no address was not written by a proxy of ours:
                // the last one that was is as far as we can see.
                let Some(ip) = address(hop) else { break };
                client = ip;
                if !self.contains(ip) {
                    break;
                }
            }
        }
        ClientAddress(client)
    }

    fn contains(&self, ip: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&ip))
    }
}

fn hops_from_the_right(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(FORWARDED_FOR).iter();
    lines.rev().flat_map(|line| line.to_str().unwrap_or("?").rsplit(',')).map(str::trim)
}

/// `203.0.113.7`, `203.0.113.7:4711`, `2001:db8::7` or `[2001:db8::7]:4711`.
fn address(hop: &str) -> Option<IpAddr> {
    let bare = || hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let ip = hop.parse().ok().or_else(|| hop.parse().ok().map(|socket: SocketAddr| socket.ip()));
    ip.or_else(bare).map(|ip: IpAddr| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn proxies(networks: &[&str]) -> TrustedProxies {
        let networks = networks.iter().map(|network| network.parse().expect("a network"));
        TrustedProxies::new(networks.collect::<Vec<_>>())
    }

    fn client(trusted: &[&str], peer: &str, lines: &[&str]) -> String {
        let peer = Peer(SocketAddr::new(peer.parse().expect("an address"), 4711));
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_bytes(line.as_bytes()).expect("a value"));
        }
        proxies(trusted).client(Some(&peer), &headers).to_string()
    }

    #[test]
    fn a_header_from_an_untrusted_peer_means_nothing() {
        assert_eq!(client(&[], "192.0.2.1", &["203.0.113.7"]), "192.0.2.1");
        assert_eq!(client(&["10.0.0.0/8"], "192.0.2.1", &["203.0.113.7"]), "192.0.2.1");
    }

    #[test]
    fn behind_proxies_it_is_the_right_most_hop_that_is_not_one() {
        let ours = &["10.0.0.0/8", "2001:db8:1::/48"];
        for (lines, expected) in [
            (&["203.0.113.7"][..], "203.0.113.7"),
            // The client may write what it likes on the left.
            (&["198.51.100.9, 203.0.113.7"], "203.0.113.7"),
            (&["10.9.9.9, 203.0.113.7, 10.0.0.2"], "203.0.113.7"),
            (&["198.51.100.9", "203.0.113.7, 10.0.0.2"], "203.0.113.7"),
            (&["203.0.113.7, 2001:db8:1::5"], "203.0.113.7"),
            (&["2001:db8:2::7"], "2001:db8:2::7"),
            // With a port, in brackets, mapped.
            (&["203.0.113.7:5000"], "203.0.113.7"),
            (&["[2001:db8:2::7]:5000"], "2001:db8:2::7"),
            (&["[2001:db8:2::7]"], "2001:db8:2::7"),
            (&["::ffff:203.0.113.7"], "203.0.113.7"),
            // What is no address ends the search at what a proxy of ours wrote.
            (&["203.0.113.7, nonsense, 10.0.0.2"], "10.0.0.2"),
            (&["203.0.113.7, "], "10.0.0.1"),
            (&["unknown"], "10.0.0.1"),
            (&["\u{fc}"], "10.0.0.1"),
            // Nobody but proxies: the one farthest out.
            (&["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            (&[], "10.0.0.1"),
        ] {
            assert_eq!(client(ours, "10.0.0.1", lines), expected, "{lines:?}");
        }
        assert_eq!(client(ours, "::ffff:10.0.0.1", &["203.0.113.7"]), "203.0.113.7", "a mapped peer");
    }

    #[test]
    fn ipv6_counts_by_its_64() {
        let network = |ip: &str| ClientAddress::new(ip.parse().expect("an address")).network().to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("192.0.2.1"), "192.0.2.1");
        assert_eq!(network("::ffff:192.0.2.1"), "192.0.2.1");
    }

    proptest! {
        /// Whatever a client puts in front, what our proxy appended is what counts.
        #[test]
        fn a_client_cannot_choose_its_address(forged in "[ -~]{0,80}", real in any::<[u8; 4]>()) {
            let real = IpAddr::from(real);
            prop_assume!(!proxies(&["10.0.0.0/8"]).contains(real));
            let line = format!("{forged}, {real}");
            prop_assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &[&line]), real.to_string());
        }
    }
}
