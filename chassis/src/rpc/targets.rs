//! Where a service is, as an operator says it: addresses, separated by commas,
//! or a name whose addresses are looked up again and again.

use std::{fmt, str::FromStr};

use http::{Uri, uri::Authority};

/// Where the instances of a service are.
#[derive(Clone, PartialEq, Eq)]
pub struct Targets(Vec<Target>);

/// One part of that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `http://host:port`: one instance.
    At(Authority),
    /// `dns:///host:port`: as many as the name has addresses.
    Dns {
        /// The name.
        host: String,
        /// The port, the same on each.
        port: u16,
    },
}

/// None of the forms.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("must be like http://host:port or dns:///name:port, several separated by commas")]
pub struct InvalidTarget;

// === impl Targets ===

impl Targets {
    /// Its parts, as they were said.
    pub fn iter(&self) -> impl Iterator<Item = &Target> {
        self.0.iter()
    }
}

impl FromStr for Targets {
    type Err = InvalidTarget;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split(',').map(|part| part.trim().parse()).collect::<Result<_, _>>().map(Self)
    }
}

/// The one instance behind this URI; none where it names no host.
impl From<Uri> for Targets {
    fn from(uri: Uri) -> Self {
        Self(uri.authority().cloned().map(Target::At).into_iter().collect())
    }
}

impl fmt::Debug for Targets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

// === impl Target ===

impl Target {
    /// The name or address, an IPv6 address without its brackets.
    pub fn host(&self) -> &str {
        match self {
            Self::At(authority) => authority.host().trim_start_matches('[').trim_end_matches(']'),
            Self::Dns { host, .. } => host,
        }
    }

    /// The port; 80 where none was said.
    pub fn port(&self) -> u16 {
        match self {
            Self::At(authority) => authority.port_u16().unwrap_or(80),
            Self::Dns { port, .. } => *port,
        }
    }
}

impl FromStr for Target {
    type Err = InvalidTarget;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(name) = text.strip_prefix("dns:///") {
            let (host, port) = name.rsplit_once(':').ok_or(InvalidTarget)?;
            let port = port.parse().map_err(|_| InvalidTarget)?;
            let is_name =
                !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
            return if is_name { Ok(Self::Dns { host: host.to_owned(), port }) } else { Err(InvalidTarget) };
        }
        let uri: Uri = text.parse().map_err(|_| InvalidTarget)?;
        let bare = uri.path() == "/" && uri.query().is_none();
        let authority = uri.authority().filter(|at| bare && !at.as_str().contains('@'));
        match (uri.scheme_str(), authority) {
            (Some("http"), Some(authority)) => Ok(Self::At(authority.clone())),
            _ => Err(InvalidTarget),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_are_read() {
        let targets: Targets =
            "http://10.0.0.1:50052, http://[::1]:50052,dns:///calendar-service:50052".parse().unwrap();
        let at = |text: &str| Target::At(text.parse().unwrap());
        let dns = Target::Dns { host: "calendar-service".to_owned(), port: 50052 };
        assert_eq!(targets.0, [at("10.0.0.1:50052"), at("[::1]:50052"), dns]);
        assert_eq!(Targets::from(Uri::from_static("http://a:1")), "http://a:1".parse().unwrap());
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "127.0.0.1:50051",
            "https://calendar",
            "http://a:1,",
            "http://a:1/path",
            "http://user@a:1",
            "dns://server/calendar:1",
            "dns:///calendar",
            "dns:///:1",
            "dns:///calendar:x",
            "dns:///a b:1",
        ] {
            assert!(text.parse::<Targets>().is_err(), "{text}");
        }
    }
}
