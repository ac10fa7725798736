//! One log line and one count for every request.
//!
//! The fields are an allow-list: no query strings, no headers, no bodies. The
//! route is its template, so ids and names stay out, and strangers cannot make
//! up metric series.

use std::sync::Arc;

use axum::{
    extract::{MatchedPath, Request},
    response::Response,
};
use http::{Method, Version};
use tokio::time::Instant;

use super::{around::Around, identify::Origin};
use crate::metrics::Requests;

/// Logs and counts.
#[derive(Clone)]
pub(super) struct Record {
    pub(super) requests: Arc<Requests>,
}

/// What the end of a request needs to know of its beginning.
pub(super) struct Begun {
    at: Instant,
    method: Method,
    version: Version,
}

impl Around for Record {
    type Kept = Begun;

    fn before(&self, request: &mut Request) -> Begun {
        Begun { at: Instant::now(), method: request.method().clone(), version: request.version() }
    }

    fn after(&self, begun: Begun, response: Response) -> Response {
        let took = begun.at.elapsed();
        let route = response.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str);
        let status = response.status().as_u16();
        let method = label(&begun.method);
        self.requests.record(route, method, status, took);
        if let Some(Origin { id, client }) = response.extensions().get() {
            tracing::info!(
                target: "access",
                request_id = id.as_str(),
                method,
                route,
                status,
                took_us = took.as_micros() as u64,
                client = %client,
                version = version(begun.version),
                "request"
            );
        }
        response
    }
}

/// HTTP's versions as they are written (RFC 9110, section 2.5).
fn version(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_10 => "HTTP/1.0",
        _ => "HTTP/1.1",
    }
}

/// A method as a label: a closed set.
fn label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
