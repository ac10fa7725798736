//! Origins as browsers spell them (RFC 6454, 6.2).

use std::net::SocketAddr;

use http::Uri;

/// `HTTPS://Calendar.Example:443/` → `https://calendar.example`.
pub(super) fn normal(text: &str) -> Result<String, &'static str> {
    const FORM: &str = "must be like https://host or http://host:port";
    let uri: Uri = text.trim().parse().map_err(|_| FORM)?;
    let scheme = uri.scheme_str().filter(|scheme| ["http", "https"].contains(scheme)).ok_or(FORM)?;
    let host = uri.host().filter(|host| !host.is_empty() && *host != "*").ok_or(FORM)?.to_ascii_lowercase();
    if !["", "/"].contains(&uri.path()) || uri.query().is_some() {
        return Err("must not have a path");
    }
    let usual = if scheme == "https" { 443 } else { 80 };
    Ok(match uri.port_u16().filter(|port| *port != usual) {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    })
}

/// Where nobody said otherwise: the listener's own address, and `localhost`
/// where that is the same.
pub(super) fn of_listener(listen: SocketAddr, tls: bool) -> Vec<String> {
    let (scheme, port) = (if tls { "https" } else { "http" }, listen.port());
    let mut origins = vec![format!("{scheme}://{listen}")];
    if listen.ip().is_loopback() || listen.ip().is_unspecified() {
        origins = vec![format!("{scheme}://127.0.0.1:{port}"), format!("{scheme}://localhost:{port}")];
    }
    origins.iter().filter_map(|origin| normal(origin).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_spelt_as_browsers_do() {
        assert_eq!(normal("HTTPS://Calendar.Example:443/").as_deref(), Ok("https://calendar.example"));
        assert_eq!(normal(" http://a.example:8080").as_deref(), Ok("http://a.example:8080"));
        assert_eq!(normal("http://[::1]:8080").as_deref(), Ok("http://[::1]:8080"));
        for bad in ["", "*", "null", "calendar.example", "ws://a", "https://*", "https://a/b", "https://a?b"]
        {
            assert!(normal(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_listener_is_its_own_origin() {
        let of = |listen: &str| of_listener(listen.parse().expect("an address"), false);
        assert_eq!(of("127.0.0.1:8080"), ["http://127.0.0.1:8080", "http://localhost:8080"]);
        assert_eq!(of("192.0.2.1:80"), ["http://192.0.2.1"]);
        let with_tls = of_listener("0.0.0.0:8443".parse().expect("an address"), true);
        assert_eq!(with_tls, ["https://127.0.0.1:8443", "https://localhost:8443"]);
    }
}
