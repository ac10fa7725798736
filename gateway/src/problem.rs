//! What a failure looks like from outside: `application/problem+json`
//! (RFC 9457; CONTRACTS, General).
//!
//! A handler answers with a [`Problem`]; it becomes a response without a body
//! that carries the problem in its extensions. [`crate::rescue`] writes the
//! body, because only the edge knows the request id. The members: `type`,
//! `title`, `status`, `detail`, `code`, `request_id`, `errors`, `names`.

use std::{borrow::Cow, time::Duration};

use axum::response::{IntoResponse, Response};
use chassis::fault::{Fault, FaultCode, FieldError, Reason};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::Value;

use crate::edge::repeat;

/// The media type of every failure.
pub const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");
/// When to come back after a 503 that does not say.
const COME_BACK: Duration = Duration::from_secs(1);
/// What `type` starts with; the `code` follows.
const TYPE: &str = "urn:shared-calendar:problem:";

/// One failure, on its way out. Boxed: it is the rare end of every `Result`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem(Box<Members>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Members {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    detail: Cow<'static, str>,
    fields: Vec<FieldError>,
    names: Vec<String>,
    retry_after: Option<Duration>,
    replayed: bool,
}

/// The members in the order in which people read them.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<BrokenField<'a>>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    names: &'a [String],
}

#[derive(Serialize)]
struct BrokenField<'a> {
    field: &'a str,
    message: &'a str,
}

// === impl Problem ===

impl Problem {
    /// What no service answers: a status that only HTTP knows, with its code.
    fn of_http(status: StatusCode, code: &'static str, title: &'static str) -> Self {
        Self(Box::new(Members {
            status,
            code,
            title,
            detail: Cow::Borrowed(title),
            fields: Vec::new(),
            names: Vec::new(),
            retry_after: None,
            replayed: false,
        }))
    }

    /// 404: no such route.
    pub fn no_such_route() -> Self {
        Fault::of(Reason::NotFound).into()
    }

    /// 405: the route exists, for other methods.
    pub fn method_not_allowed() -> Self {
        let title = "This method is not allowed here";
        Self::of_http(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", title)
    }

    /// 408: the body did not arrive in time.
    pub fn body_timeout() -> Self {
        let title = "The request took too long to arrive";
        Self::of_http(StatusCode::REQUEST_TIMEOUT, "request_timeout", title)
    }

    /// 413: over 256 KiB.
    pub fn body_too_large() -> Self {
        let title = "The request is too large";
        Self::of_http(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", title)
    }

    /// 415: not JSON.
    pub fn unsupported_media_type() -> Self {
        let title = "The body must be application/json";
        Self::of_http(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", title)
    }

    /// 426: a socket route without `Upgrade: websocket`, version 13.
    pub fn upgrade_required() -> Self {
        let title = "This is a WebSocket";
        Self::of_http(StatusCode::UPGRADE_REQUIRED, "upgrade_required", title)
    }

    /// 428: a write without `If-Match`.
    pub fn precondition_required() -> Self {
        let title = "If-Match is required";
        Self::of_http(StatusCode::PRECONDITION_REQUIRED, "precondition_required", title)
    }

    /// A failure of the framework's own making, by its status.
    pub fn by_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::no_such_route(),
            StatusCode::METHOD_NOT_ALLOWED => Self::method_not_allowed(),
            StatusCode::REQUEST_TIMEOUT => Self::body_timeout(),
            StatusCode::PAYLOAD_TOO_LARGE => Self::body_too_large(),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::unsupported_media_type(),
            StatusCode::UNAUTHORIZED => Fault::of(Reason::Unauthenticated).into(),
            StatusCode::FORBIDDEN => Fault::of(Reason::Forbidden).into(),
            StatusCode::TOO_MANY_REQUESTS => Fault::of(Reason::RateLimited).into(),
            StatusCode::SERVICE_UNAVAILABLE => Fault::of(Reason::Unavailable).into(),
            StatusCode::GATEWAY_TIMEOUT => Fault::of(Reason::DeadlineExceeded).into(),
            status if status.is_client_error() => {
                let mut problem = Self::from(Fault::of(Reason::Invalid));
                problem.0.status = status;
                problem
            }
            _ => Fault::of(Reason::Internal).into(),
        }
    }

    /// The stable `code`.
    pub const fn code(&self) -> &'static str {
        self.0.code
    }

    /// The HTTP status.
    pub const fn status(&self) -> StatusCode {
        self.0.status
    }

    /// The document of one request, JSON.
    pub fn to_json(&self, request_id: &str) -> String {
        serde_json::to_string(&self.members(request_id)).unwrap_or_default()
    }

    /// The document of one request, for what describes the interface.
    pub fn document(&self, request_id: &str) -> Value {
        serde_json::to_value(self.members(request_id)).unwrap_or_default()
    }

    fn members<'a>(&'a self, request_id: &'a str) -> Document<'a> {
        let Members { status, code, title, detail, fields, names, .. } = &*self.0;
        let errors = fields.iter().map(|error| BrokenField { field: &error.field, message: &error.message });
        Document {
            kind: format!("{TYPE}{code}"),
            title,
            status: status.as_u16(),
            detail,
            code,
            request_id,
            errors: errors.collect(),
            names,
        }
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        let code = fault.code();
        let inside = matches!(code, FaultCode::Internal | FaultCode::Unavailable | FaultCode::Deadline);
        // 5xx texts never leave the process, and there is one body for every bad credential.
        let one_text = inside || code == FaultCode::Unauthenticated;
        let detail = if one_text { fault.reason.title().into() } else { fault.detail.into() };
        Self(Box::new(Members {
            status: code.http(),
            code: fault.reason.as_str(),
            title: fault.reason.title(),
            detail,
            fields: fault.fields,
            names: fault.names,
            retry_after: fault.retry_after,
            replayed: fault.replayed,
        }))
    }
}

impl From<tonic::Status> for Problem {
    fn from(status: tonic::Status) -> Self {
        Fault::from_status(&status).into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.0.status;
        let mut response = status.into_response();
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        let says_when = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE];
        if says_when.contains(&status) {
            let after = self.0.retry_after.unwrap_or(COME_BACK);
            // Rounded up: who comes back after a second cut short is refused again.
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, seconds.max(1).into());
        }
        if self.0.replayed {
            repeat::mark(response.headers_mut());
        }
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_keeps_its_code_fields_and_names() {
        let fault = Fault::invalid("event_start", "is not a date-time").with_names(vec!["ann".into()]);
        let problem = Problem::from(fault);
        let document = problem.document("r-1");
        assert_eq!(document["status"], 400);
        assert_eq!(document["code"], "invalid");
        assert_eq!(document["type"], "urn:shared-calendar:problem:invalid");
        assert_eq!(document["request_id"], "r-1");
        assert_eq!(document["errors"][0]["field"], "event_start");
        assert_eq!(document["names"][0], "ann");
    }

    #[test]
    fn the_text_of_a_server_error_stays_inside() {
        for reason in [Reason::Internal, Reason::Unavailable, Reason::DeadlineExceeded] {
            let problem = Problem::from(Fault::new(reason, "relation \"account\" does not exist"));
            assert!(!problem.to_json("r").contains("relation"), "{reason:?}");
        }
    }

    #[test]
    fn every_401_reads_the_same() {
        let one = Problem::from(Fault::new(Reason::Unauthenticated, "expired"));
        let other = Problem::from(Fault::new(Reason::Unauthenticated, "revoked"));
        assert_eq!(one.document("r"), other.document("r"));
        let response = one.into_response();
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
    }

    #[test]
    fn a_wait_is_rounded_up_to_whole_seconds() {
        let fault = Fault::of(Reason::RateLimited).with_retry_after(Duration::from_millis(11_200));
        let response = Problem::from(fault).into_response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "12");
        let response = Problem::from(Fault::of(Reason::Unavailable)).into_response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
    }
}
