//! Security headers on every answer (OWASP Secure Headers). A handler that
//! sets one of them itself (the documentation page, its policy) keeps its own.

use axum::{extract::Request, response::Response};
use http::{HeaderName, HeaderValue, header};

use super::around::Around;

/// What every answer says unless it says otherwise.
const HEADERS: [(HeaderName, HeaderValue); 6] = [
    // Nothing here is to be rendered, framed or guessed at.
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'"),
    ),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    // People's calendars: no cache between us and them may keep a copy.
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// Adds the headers.
#[derive(Clone)]
pub(super) struct Harden {
    /// The public origin is `https`: browsers are told to stay there.
    pub(super) https: bool,
}

impl Around for Harden {
    type Kept = ();

    fn before(&self, _: &mut Request) {}

    fn after(&self, (): (), mut response: Response) -> Response {
        let headers = response.headers_mut();
        headers.reserve(HEADERS.len() + 1);
        for (name, value) in HEADERS {
            headers.entry(name).or_insert(value);
        }
        if self.https {
            let two_years = HeaderValue::from_static("max-age=63072000");
            headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(two_years);
        }
        response
    }
}
