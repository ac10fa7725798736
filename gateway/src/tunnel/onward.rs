//! The request that goes on to the socket listener, made anew.
//!
//! Where it goes is the operator's setting, its path one of two constants: no
//! part of the target comes from the client. Headers are an allow-list, so a
//! client can neither smuggle hop-by-hop headers nor pass itself off as a
//! gateway.

use axum::{body::Body, extract::Request, response::Response};
use chassis::{
    fault::{Fault, Reason},
    tokens::BearerToken,
};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Uri, header,
    uri::{Authority, PathAndQuery},
};
use http_body_util::{BodyExt as _, Limited};
use serde::Deserialize;

use super::Tunnels;
use crate::{
    edge::{
        body,
        client_address::ClientAddress,
        request_id::{self, RequestId},
    },
    problem::Problem,
};

/// Of a WebSocket handshake (RFC 6455, 4.1). No extensions: compression would
/// hold its windows for every idle socket.
pub(super) const HANDSHAKE: &[HeaderName] = &[
    header::CONNECTION,
    header::UPGRADE,
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_VERSION,
    header::SEC_WEBSOCKET_PROTOCOL,
    header::USER_AGENT,
];
/// Of the answer to one.
pub(super) const HANDSHAKE_ANSWER: &[HeaderName] =
    &[header::CONNECTION, header::UPGRADE, header::SEC_WEBSOCKET_ACCEPT, header::SEC_WEBSOCKET_PROTOCOL];
/// Of a poll.
pub(super) const POLL: &[HeaderName] =
    &[header::ACCEPT, header::CONTENT_TYPE, header::CONTENT_LENGTH, header::USER_AGENT];
/// Of the answer to one.
pub(super) const POLL_ANSWER: &[HeaderName] =
    &[header::CONTENT_TYPE, header::CONTENT_LENGTH, header::CACHE_CONTROL];

const GATEWAY_ID: HeaderName = HeaderName::from_static("x-gateway-id");
const CLIENT_ADDRESS: HeaderName = HeaderName::from_static("x-client-address");
/// The one version of WebSocket there is.
pub(super) const VERSION: HeaderValue = HeaderValue::from_static("13");
/// A refusal is a short document.
const MAX_REFUSAL_BYTES: usize = 64 * 1024;

/// What is read of a refusal.
#[derive(Deserialize)]
struct Refusal {
    code: String,
    detail: String,
}

/// Copies the headers that are listed.
pub(super) fn copy(from: &HeaderMap, to: &mut HeaderMap, listed: &[HeaderName]) {
    for name in listed {
        for value in from.get_all(name) {
            to.append(name, value.clone());
        }
    }
}

/// Whether a client asks for a WebSocket.
pub(super) fn is_websocket(request: &Request) -> bool {
    let upgrade = request.headers().get(header::UPGRADE).map(HeaderValue::as_bytes);
    request.method() == Method::GET && upgrade.is_some_and(|to| to.eq_ignore_ascii_case(b"websocket"))
}

/// Whether it asks for the version that we speak (RFC 6455, section 4.4).
pub(super) fn speaks_our_version(request: &Request) -> bool {
    request.headers().get(header::SEC_WEBSOCKET_VERSION) == Some(&VERSION)
}

impl Tunnels {
    /// What goes on of a request's headers: the listed ones, `token` and what the
    /// gateway vouches for.
    pub(super) fn headers(
        &self,
        request: &Request,
        listed: &[HeaderName],
        token: Option<&BearerToken>,
    ) -> Result<HeaderMap, Fault> {
        let mut headers = HeaderMap::new();
        copy(request.headers(), &mut headers, listed);
        let own = |text: &str| HeaderValue::try_from(text).map_err(|error| Fault::internal(&error));
        let id = RequestId::in_extensions(request.extensions());
        headers.insert(request_id::HEADER, id.as_value().clone());
        headers.insert(GATEWAY_ID, own(&self.gateway_id)?);
        headers.insert(CLIENT_ADDRESS, own(&ClientAddress::of(request.extensions()).to_string())?);
        if let Some(token) = token {
            let mut bearer = own(&format!("Bearer {}", token.expose()))?;
            bearer.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, bearer);
        }
        Ok(headers)
    }
}

/// A request to the socket listener `to`.
pub(super) fn request(
    method: Method,
    to: &Authority,
    path: PathAndQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<http::Request<Body>, Fault> {
    let uri = Uri::builder().scheme("http").authority(to.clone()).path_and_query(path);
    let uri = uri.build().map_err(|error| Fault::internal(&error))?;
    let mut onward = http::Request::new(body);
    *onward.method_mut() = method;
    *onward.uri_mut() = uri;
    *onward.headers_mut() = headers;
    Ok(onward)
}

/// The client's body, bounded like every other.
pub(super) fn bounded(body: Body) -> Body {
    Body::new(Limited::new(body, body::MAX_BYTES))
}

/// A refusal of the socket listener's, as a problem of this request: the same
/// code, our form.
pub(super) async fn refusal(answer: Response) -> Problem {
    let (head, body) = answer.into_parts();
    let Ok(body) = Limited::new(body, MAX_REFUSAL_BYTES).collect().await else {
        return Fault::unavailable("the room").into();
    };
    let said: Option<Refusal> = serde_json::from_slice(&body.to_bytes()).ok();
    let known = said.and_then(|said| Some(Fault::new(Reason::parse(&said.code)?, said.detail)));
    let after = head.headers.get(header::RETRY_AFTER).and_then(|after| after.to_str().ok()?.parse().ok());
    match (known, after) {
        (Some(fault), Some(seconds)) => {
            fault.with_retry_after(std::time::Duration::from_secs(seconds)).into()
        }
        (Some(fault), None) => fault.into(),
        (None, _) => Problem::by_status(head.status),
    }
}
