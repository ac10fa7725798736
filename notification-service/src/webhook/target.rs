//! Where a webhook goes: parsed strictly, once for all.

use std::net::IpAddr;

use http::Uri;
use url::{Host, Url};

use super::Guard;

/// Longest address, in characters.
const LONGEST: usize = 2048;

const RULE: &str = "must be an http or https address such as https://example.com/hook";
const NOT_PUBLIC: &str = "must not lead to a private, loopback, link-local, multicast or metadata address";

/// A webhook's address. Odd spellings of its host (decimal, octal, hexadecimal,
/// percent-encoded) are by then what they mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    url: Url,
}

/// What a connection leads to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    pub(super) tls: bool,
    /// A name, or an address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

// === impl Target ===

impl Target {
    /// Reads an address: http or https, at most 2,048 characters, no
    /// credentials, no fragment; one that says an address says one that the
    /// guard allows. Names are resolved, and their addresses checked, when
    /// something is sent.
    pub fn parse(text: &str, guard: &Guard) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Err("is required");
        }
        if text.chars().count() > LONGEST {
            return Err("must have at most 2048 characters");
        }
        // What browsers forgive, and others read differently.
        let forgiven = |c: char| c.is_control() || c.is_whitespace() || c == '\\';
        let rest = after_scheme(text).ok_or(RULE)?;
        if text.contains(forgiven) || rest.starts_with(['/', '?', '#', '@', ':']) {
            return Err(RULE);
        }
        let url = Url::parse(text).map_err(|_| RULE)?;
        if !matches!(url.scheme(), "http" | "https") || url.port() == Some(0) {
            return Err(RULE);
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') || !url.username().is_empty() || url.password().is_some() {
            return Err("must not contain credentials");
        }
        if url.fragment().is_some() {
            return Err("must not have a fragment");
        }
        let target = Self { url };
        match target.url.host().ok_or(RULE)? {
            Host::Ipv4(address) if !guard.allows(address.into()) => Err(NOT_PUBLIC),
            Host::Ipv6(address) if !guard.allows(address.into()) => Err(NOT_PUBLIC),
            Host::Domain(name) if is_localhost(name) && !guard.allows([127, 0, 0, 1].into()) => {
                Err(NOT_PUBLIC)
            }
            _ if target.uri().is_none() => Err(RULE),
            _ => Ok(target),
        }
    }

    /// With this as a last path segment; the query stays.
    pub fn with_segment(mut self, segment: &str) -> Self {
        // An error means an address without a path, which http has not.
        if let Ok(mut segments) = self.url.path_segments_mut() {
            segments.pop_if_empty().push(segment);
        }
        self
    }

    /// Who shares a limit with it: scheme, host and port.
    pub fn lane(&self) -> String {
        let Origin { tls, host, port } = self.origin();
        format!("{}://{host}:{port}", if tls { "https" } else { "http" })
    }

    /// The address as text.
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    pub(super) fn origin(&self) -> Origin {
        let host = match self.url.host() {
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            // A name at the root is the same name.
            Some(Host::Domain(name)) => name.strip_suffix('.').unwrap_or(name).to_owned(),
            None => String::new(),
        };
        let port = self.url.port_or_known_default().unwrap_or(80);
        Origin { tls: self.url.scheme() == "https", host, port }
    }

    /// The `Host` of a request.
    pub(super) fn authority(&self) -> &str {
        &self.url[url::Position::BeforeHost..url::Position::AfterPort]
    }

    /// Path and query: the target of a request.
    pub(super) fn uri(&self) -> Option<Uri> {
        self.url[url::Position::BeforePath..url::Position::AfterQuery].parse().ok()
    }
}

// === impl Origin ===

impl Origin {
    /// The address it says, if it says one.
    pub(super) fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

fn after_scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once("://")?;
    (scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")).then_some(rest)
}

fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Target, &'static str> {
        Target::parse(text, &Guard::default())
    }

    #[test]
    fn the_id_becomes_one_segment_and_the_query_stays() {
        for (url, with) in [
            ("https://someserver.com", "https://someserver.com/id"),
            ("https://someserver.com/", "https://someserver.com/id"),
            ("https://someserver.com/hook", "https://someserver.com/hook/id"),
            ("https://someserver.com/hook/", "https://someserver.com/hook/id"),
            ("https://someserver.com/hook?a=1&b=%20", "https://someserver.com/hook/id?a=1&b=%20"),
            ("HTTP://someserver.com:8080/a%2Fb", "http://someserver.com:8080/a%2Fb/id"),
        ] {
            assert_eq!(parse(url).unwrap().with_segment("id").as_str(), with);
        }
        let odd = parse("https://someserver.com/x").unwrap().with_segment("../a?b");
        assert_eq!(odd.as_str(), "https://someserver.com/x/..%2Fa%3Fb");
    }

    #[test]
    fn what_is_no_plain_address_is_refused() {
        let long = format!("https://example.com/{}", "x".repeat(2029));
        for text in [
            "",
            "example.com",
            "ftp://example.com",
            "file:///etc/passwd",
            "http:example.com",
            "http:/example.com",
            "http:///example.com",
            "http://",
            "http://?x",
            "http://:80/",
            "https://example.com:0/",
            "https://example.com:99999/",
            "https://example.com/#part",
            "https://example.com#",
            "https://user@example.com",
            "https://user:pass@example.com",
            "https://@example.com",
            "https://example.com\\@127.0.0.1/",
            "https://exa mple.com",
            " https://example.com",
            "https://example.com\n",
            "https://exam\tple.com",
            "javascript:alert(1)",
            &long,
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
        assert!(parse(&long[..2048]).is_ok());
    }

    #[test]
    fn odd_spellings_of_private_addresses_are_seen_through() {
        for text in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://127.1/",
            "http://%31%32%37.0.0.1/",
            "http://１２７.0.0.1/",
            "http://127。0。0。1/",
            "http://169.254.169.254/latest/meta-data",
            "http://[::1]/",
            "http://[::ffff:7f00:1]/",
            "http://[::ffff:127.0.0.1]:8080/",
            "http://[64:ff9b::7f00:1]/",
            "http://[2002:7f00:1::]/",
            "http://0/",
            "http://localhost/",
            "http://LOCALHOST./",
            "http://a.localhost:9000/",
        ] {
            assert_eq!(parse(text), Err(NOT_PUBLIC), "{text}");
        }
        let home = Guard::new(vec!["127.0.0.0/8".parse().unwrap()]);
        for text in ["http://127.0.0.1:9000/", "http://localhost:9000/", "http://[::ffff:7f00:1]/"] {
            assert!(Target::parse(text, &home).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_lane_is_a_host_in_one_spelling() {
        let lane = |text| parse(text).unwrap().lane();
        assert_eq!(lane("https://EXAMPLE.com./a"), "https://example.com:443");
        assert_eq!(lane("https://example.com:443/b?c"), "https://example.com:443");
        assert_eq!(lane("http://0x08080808/"), "http://8.8.8.8:80");
        let target = parse("http://[2606:4700::1111]:81/a b".replace(' ', "+").as_str()).unwrap();
        assert_eq!(target.authority(), "[2606:4700::1111]:81");
        assert_eq!(target.uri().unwrap().to_string(), "/a+b");
        assert_eq!(target.origin().address(), Some("2606:4700::1111".parse().unwrap()));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_what_is_taken_can_be_sent(text in "\\PC{0,60}|https?://[a-z0-9.:/?#@\\[\\]%-]{0,40}") {
            if let Ok(target) = parse(&text) {
                prop_assert!(target.uri().is_some() && !target.origin().host.is_empty());
                let with = target.clone().with_segment("id");
                prop_assert_eq!(with.origin(), target.origin());
                prop_assert!(with.uri().is_some_and(|uri| uri.path().ends_with("/id")));
                prop_assert_eq!(parse(target.as_str()).map(|again| again.origin()), Ok(target.origin()));
            }
        }
    }
}
