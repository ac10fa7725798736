//! Which web pages may talk to us (CONTRACTS, General): `ALLOWED_ORIGINS`, by
//! default `PUBLIC_ORIGIN` alone; never derived from `Host`.

use std::{sync::Arc, time::Duration};

use chassis::fault::{Fault, Reason};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

/// Browsers ask again after this.
const REMEMBER: Duration = Duration::from_mins(10);

/// The allowed origins, as browsers spell them: scheme, host, port if odd.
#[derive(Clone, Debug, Default)]
pub struct Origins(Arc<[HeaderValue]>);

// === impl Origins ===

impl Origins {
    /// Exactly these.
    pub fn new(origins: impl Into<Arc<[HeaderValue]>>) -> Self {
        Self(origins.into())
    }

    /// For what CORS does not protect: WebSockets, and polling beside them. A
    /// request without `Origin` does not come from a page and is let through.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), Fault> {
        let mut shown = headers.get_all(header::ORIGIN).iter();
        match (shown.next(), shown.next()) {
            (None, _) => Ok(()),
            (Some(origin), None) if self.0.contains(origin) => Ok(()),
            _ => Err(Fault::of(Reason::OriginRefused)),
        }
    }

    /// What the pages of these origins may send and read.
    pub(super) fn cors(&self) -> CorsLayer {
        let methods = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
        let name = HeaderName::from_static;
        CorsLayer::new()
            .allow_origin(AllowOrigin::list(self.0.iter().cloned()))
            .allow_methods(methods)
            .allow_headers([
                header::AUTHORIZATION,
                header::CONTENT_TYPE,
                header::IF_MATCH,
                header::IF_NONE_MATCH,
                name("idempotency-key"),
                name("x-request-id"),
            ])
            .expose_headers([
                header::ETAG,
                header::LOCATION,
                header::RETRY_AFTER,
                name("idempotent-replayed"),
                name("x-ratelimit-limit"),
                name("x-ratelimit-remaining"),
                name("x-request-id"),
            ])
            .max_age(REMEMBER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(shown: &[&'static str]) -> bool {
        let origins = Origins::new([HeaderValue::from_static("https://calendar.example")]);
        let mut headers = HeaderMap::new();
        for origin in shown {
            headers.append(header::ORIGIN, HeaderValue::from_static(origin));
        }
        origins.check(&headers).is_ok()
    }

    #[test]
    fn only_the_listed_origin_or_none_at_all_passes() {
        assert!(check(&[]));
        assert!(check(&["https://calendar.example"]));
        for foreign in [
            "http://calendar.example",
            "https://calendar.example:8443",
            "https://calendar.example.evil.example",
            "https://evil.example",
            "null",
            "",
        ] {
            assert!(!check(&[foreign]), "{foreign}");
        }
        assert!(!check(&["https://calendar.example", "https://evil.example"]));
    }
}
