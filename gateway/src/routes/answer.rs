//! Successful answers.

use axum::{
    body::Body,
    extract::OriginalUri,
    response::{IntoResponse as _, Response},
};
use chassis::{fault::Fault, idempotency::wire};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use tonic::metadata::MetadataMap;

use crate::{edge::repeat, problem::Problem};

/// The media type of every success that has a body.
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// A small answer fits without growing: one event is about 500 bytes.
const FIRST_ALLOCATION: usize = 1024;

/// A JSON answer, written straight from what borrows the service's message.
pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let mut bytes = Vec::with_capacity(FIRST_ALLOCATION);
    match serde_json::to_writer(&mut bytes, body) {
        Ok(()) => raw_json(status, bytes),
        Err(error) => Problem::from(Fault::internal(&error)).into_response(),
    }
}

/// A JSON answer that is JSON already.
pub(super) fn raw_json(status: StatusCode, json: impl Into<Body>) -> Response {
    let mut response = Response::new(json.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    response
}

/// 204.
pub(super) fn no_content() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// Adds where the thing that was made lives, under the prefix of the request:
/// who came by `/api/…` may have a proxy that knows no other.
pub(super) fn located(mut response: Response, asked: &OriginalUri, path: &str) -> Response {
    let prefix = if asked.path().starts_with("/api/") { "/api" } else { "" };
    if let Ok(value) = HeaderValue::try_from(format!("{prefix}{path}")) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    response
}

/// Says that this is the first answer again, where the service says so.
pub(super) fn marked(mut response: Response, said: &MetadataMap) -> Response {
    if wire::was_replayed(said) {
        repeat::mark(response.headers_mut());
    }
    response
}

/// Adds the entity tag: quoted, strong.
pub(super) fn tagged(mut response: Response, etag: &str) -> Response {
    if let Ok(value) = HeaderValue::try_from(format!("\"{etag}\"")) {
        response.headers_mut().insert(header::ETAG, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use http::Uri;

    use super::*;

    #[test]
    fn a_location_keeps_the_prefix_of_the_request() {
        for (asked, expected) in [
            ("/calendar/create_event", "/calendar/events/1"),
            ("/api/calendar/create_event", "/api/calendar/events/1"),
            ("/apiary", "/calendar/events/1"),
        ] {
            let response = located(no_content(), &OriginalUri(Uri::from_static(asked)), "/calendar/events/1");
            assert_eq!(response.headers()[header::LOCATION], expected);
        }
    }

    #[test]
    fn an_entity_tag_is_quoted() {
        assert_eq!(tagged(no_content(), "9f-1").headers()[header::ETAG], "\"9f-1\"");
    }
}
