//! From an HTTP request to a raw WebSocket: everything that is refused before
//! the upgrade is refused here, with a status.

use std::sync::Arc;

use bytes::Bytes;
use chassis::{
    fault::{Fault, Reason},
    http_server::reclaim,
    tokens::Identity,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, upgrade::OnUpgrade};
use serde_json::json;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use uuid::Uuid;

use super::{Parts, connection::Connection, hub::Hub, link::Link, outbox::Outbox, peer::Visitor, pump::Pump};

/// Answers a request for `/ws`.
pub(super) async fn upgrade(parts: &Parts, mut request: Request<Incoming>) -> Response<Full<Bytes>> {
    let accept = match accept_key(&request) {
        Ok(accept) => accept,
        Err(status) => return handshake_refused(status),
    };
    let admitted = async {
        let token = bearer(request.headers()).ok_or_else(|| Fault::of(Reason::Unauthenticated))?;
        let identity = parts.verifier.verify(token).await?;
        let seat = parts.hub.seat(identity.account_id)?;
        Ok((identity, seat))
    };
    let (identity, seat) = match admitted.await {
        Ok(admitted) => admitted,
        Err(fault) => return problem(&fault),
    };
    let gateway_id = gateway_id(request.headers());
    let upgraded = hyper::upgrade::on(&mut request);
    let hub = Arc::clone(&parts.hub);
    parts.hub.service.lifecycle.spawn(async move {
        // Boxed: what the beginning needs is not kept for the life of the socket.
        let pump = Box::pin(begin(hub, identity, gateway_id, upgraded)).await;
        if let Some(pump) = pump {
            pump.run(seat).await;
        }
    });
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    response
}

/// The token of an `Authorization: Bearer …` header.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The gateway that the request came through.
pub(super) fn gateway_id(headers: &HeaderMap) -> Option<Arc<str>> {
    headers.get("x-gateway-id")?.to_str().ok().map(Arc::from)
}

/// A fault as `application/problem+json` (RFC 9457).
pub(super) fn problem(fault: &Fault) -> Response<Full<Bytes>> {
    let status = fault.code().http();
    let body = json!({
        "type": format!("/errors/{}", fault.reason.as_str()),
        "title": fault.reason.title(),
        "status": status.as_u16(),
        "detail": fault.detail,
        "code": fault.reason.as_str(),
    });
    let mut response = Response::new(Full::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(after) = fault.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
    }
    response
}

/// The whole beginning of a connection: the raw socket, the hub, `connected`.
async fn begin(
    hub: Arc<Hub>,
    identity: Identity,
    gateway_id: Option<Arc<str>>,
    upgraded: OnUpgrade,
) -> Option<Box<Pump>> {
    let upgraded = upgraded.await.inspect_err(|error| tracing::debug!(%error, "upgrade broke off")).ok()?;
    let Ok((stream, already_read)) = reclaim(upgraded) else {
        tracing::error!("an upgraded connection is not one of this listener");
        return None;
    };
    let outbox = Outbox::new(Link::new(stream), &hub.limits, Arc::clone(&hub.meters));
    let connection_id = Uuid::new_v4();
    let (member, connected) = Visitor::new(&hub.limits).admit(&identity.username, connection_id);
    let serial = hub.next_serial();
    let connection = Arc::new(Connection::new(serial, connection_id, identity, gateway_id, outbox));
    connection.say(&connected);
    hub.connect(Arc::<Connection<Outbox>>::clone(&connection));
    Some(Pump::new(hub, &already_read, connection, member))
}

/// What RFC 6455, 4.2.1 wants of a request; the answer to its key, or the
/// status that says what is missing.
fn accept_key<B>(request: &Request<B>) -> Result<HeaderValue, StatusCode> {
    let headers = request.headers();
    let says = |name: header::HeaderName, token: &str| {
        let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case(token))
    };
    if request.method() != Method::GET {
        return Err(StatusCode::METHOD_NOT_ALLOWED);
    }
    let wanted = says(header::CONNECTION, "upgrade") && says(header::UPGRADE, "websocket");
    if !wanted || !says(header::SEC_WEBSOCKET_VERSION, "13") {
        return Err(StatusCode::UPGRADE_REQUIRED);
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).ok_or(StatusCode::BAD_REQUEST)?;
    HeaderValue::from_str(&derive_accept_key(key.as_bytes())).map_err(|_| StatusCode::BAD_REQUEST)
}

fn handshake_refused(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = problem(&Fault::new(Reason::Invalid, "this address speaks WebSocket, version 13"));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    match status {
        StatusCode::METHOD_NOT_ALLOWED => {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET"));
        }
        StatusCode::UPGRADE_REQUIRED => {
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        _ => {}
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(change: impl FnOnce(&mut Request<()>)) -> Request<()> {
        let mut request = Request::new(());
        for (name, value) in [
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ] {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        change(&mut request);
        request
    }

    #[test]
    fn the_example_of_rfc_6455_is_answered_as_there() {
        assert_eq!(accept_key(&request(|_| {})).unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn what_is_no_upgrade_is_told_what_is_missing() {
        let without = |name: &'static str| {
            accept_key(&request(|request| drop(request.headers_mut().remove(name)))).unwrap_err()
        };
        assert_eq!(without("connection"), StatusCode::UPGRADE_REQUIRED);
        assert_eq!(without("sec-websocket-version"), StatusCode::UPGRADE_REQUIRED);
        assert_eq!(without("sec-websocket-key"), StatusCode::BAD_REQUEST);
        let post = request(|request| *request.method_mut() = Method::POST);
        assert_eq!(accept_key(&post).unwrap_err(), StatusCode::METHOD_NOT_ALLOWED);
    }

    #[test]
    fn only_bearer_tokens_are_tokens() {
        let headers = |value: &str| HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]);
        assert_eq!(bearer(&headers("bearer abc")), Some("abc"));
        assert_eq!(bearer(&headers("Basic abc")), None);
        assert_eq!(bearer(&headers("abc")), None);
    }
}
