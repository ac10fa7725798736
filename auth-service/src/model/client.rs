//! Who is at the other end, as far as a login can tell.

use std::net::{IpAddr, Ipv6Addr};

/// Characters of a user agent that are kept.
const USER_AGENT: usize = 256;

/// The address of a client, as the key of what is remembered about it: IPv4 in
/// full, IPv6 by /64 (PROMISES, rule 12).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClientAddress(String);

/// What a client calls itself; shown in the list of sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UserAgent(String);

// === impl ClientAddress ===

impl ClientAddress {
    /// Reads the address that the gateway saw. `None`: no address, so never a known client.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        // The gateway may have shortened an IPv6 address to its /64 already.
        let text = text.trim();
        let address: IpAddr = text.strip_suffix("/64").unwrap_or(text).parse().ok()?;
        Some(Self(match address.to_canonical() {
            IpAddr::V4(v4) => v4.to_string(),
            IpAddr::V6(v6) => format!("{}/64", network(v6)),
        }))
    }

    /// The key.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

fn network(address: Ipv6Addr) -> Ipv6Addr {
    Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)
}

// === impl UserAgent ===

impl UserAgent {
    /// Keeps the first 256 characters; control characters become spaces.
    pub(crate) fn new(text: &str) -> Self {
        Self(text.chars().take(USER_AGENT).map(|c| if c.is_control() { ' ' } else { c }).collect())
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Option<String> {
        ClientAddress::parse(text).map(|address| address.0)
    }

    #[test]
    fn an_address_is_known_by_its_network() {
        assert_eq!(key("203.0.113.9").as_deref(), Some("203.0.113.9"));
        assert_eq!(key("::ffff:203.0.113.9").as_deref(), Some("203.0.113.9"));
        assert_eq!(key("2001:db8:1:2:3:4:5:6").as_deref(), Some("2001:db8:1:2::/64"));
        assert_eq!(key("2001:db8:1:2::/64"), key("2001:db8:1:2:ffff::1"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_eq!((key(""), key("unknown"), key("203.0.113.9:80")), (None, None, None));
    }

    #[test]
    fn a_user_agent_is_short_and_printable() {
        assert_eq!(UserAgent::new("curl/8\0\n").as_str(), "curl/8  ");
        assert_eq!(UserAgent::new(&"é".repeat(1000)).as_str().chars().count(), 256);
    }
}
