//! The one place where a failure gets its body.
//!
//! - A [`Problem`] that a handler or a layer answered: its document, with the
//!   id of this request.
//! - A failure of the framework's own making (plain text or nothing): the
//!   document of its status.
//! - A problem document that came through from a service's socket listener:
//!   as it is.

use axum::{body::Body, response::Response};
use http::{HeaderValue, Method, header};

use crate::{
    edge::request_id::RequestId,
    problem::{self, Problem},
};

/// Writes the body of a failure; success passes.
pub fn rescue(mut response: Response, id: &RequestId, method: &Method) -> Response {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        return write(response, &problem, id, method);
    }
    let status = response.status();
    let failed = status.is_client_error() || status.is_server_error();
    if failed && is_the_frameworks_own(&response) {
        return write(response, &Problem::by_status(status), id, method);
    }
    response
}

fn write(mut response: Response, problem: &Problem, id: &RequestId, method: &Method) -> Response {
    let document = problem.to_json(id.as_str());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, problem::CONTENT_TYPE);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(document.len()));
    *response.status_mut() = problem.status();
    // HEAD: the same head, no body (RFC 9110, 9.3.2).
    *response.body_mut() = if method == Method::HEAD { Body::empty() } else { document.into() };
    response
}

/// Text or nothing: an answer of ours would be JSON.
fn is_the_frameworks_own(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    kind.is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"))
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;
    use chassis::fault::Fault;
    use http::StatusCode;
    use http_body_util::BodyExt as _;
    use serde_json::Value;

    use super::*;

    async fn body(response: Response) -> Value {
        let bytes = response.into_body().collect().await.expect("a body in memory").to_bytes();
        serde_json::from_slice(&bytes).expect("JSON")
    }

    #[tokio::test]
    async fn a_problem_gets_a_body_with_the_request_id() {
        let id = RequestId::random();
        let answer = Problem::from(Fault::invalid("name", "is empty")).into_response();
        let rescued = rescue(answer, &id, &Method::POST);
        assert_eq!(rescued.headers()[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(body(rescued).await["request_id"], id.as_str());
    }

    #[tokio::test]
    async fn a_text_of_the_framework_is_replaced() {
        let answer = (StatusCode::METHOD_NOT_ALLOWED, "whatever the library says").into_response();
        let rescued = rescue(answer, &RequestId::random(), &Method::PUT);
        assert_eq!(body(rescued).await["code"], "method_not_allowed");
    }

    #[tokio::test]
    async fn a_head_request_gets_no_body() {
        let answer = Problem::no_such_route().into_response();
        let rescued = rescue(answer, &RequestId::random(), &Method::HEAD);
        assert_ne!(rescued.headers()[header::CONTENT_LENGTH], "0");
        assert!(rescued.into_body().collect().await.expect("a body").to_bytes().is_empty());
    }

    #[tokio::test]
    async fn json_and_success_pass() {
        let answer =
            (StatusCode::CONFLICT, [(header::CONTENT_TYPE, "application/problem+json")], r#"{"a":1}"#);
        let rescued = rescue(answer.into_response(), &RequestId::random(), &Method::GET);
        assert_eq!(body(rescued).await["a"], 1);
        let rescued = rescue("fine".into_response(), &RequestId::random(), &Method::GET);
        assert_eq!(rescued.status(), StatusCode::OK);
    }
}
