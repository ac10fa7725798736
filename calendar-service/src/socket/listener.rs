//! One HTTP/1.1 listener for both kinds of sockets.

use std::{convert::Infallible, io, sync::Arc};

use bytes::Bytes;
use chassis::{
    fault::{Fault, Reason},
    http_server::{self, HttpLimits},
    tls::Acceptor,
};
use http::{Request, Response};
use http_body_util::{Either, Full};
use hyper::body::{Body, Incoming};
use tokio::net::TcpListener;
use tower::Service;

use super::{
    Parts,
    upgrade::{problem, upgrade},
};

/// Serves until the process drains.
pub(super) async fn serve<S, B>(
    parts: Arc<Parts>,
    listener: TcpListener,
    door: Acceptor,
    socketio: S,
) -> io::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // Every connection upgrades or polls: HTTP/2 has no use here. An upgraded
    // connection gives its place back, so this bounds handshakes and polls only.
    let limits = HttpLimits { http2: false, header_bytes: 16 * 1024, ..HttpLimits::default() };
    let lifecycle = parts.hub.service.lifecycle.clone();
    let route = tower::service_fn(move |request: Request<Incoming>| {
        let parts = Arc::clone(&parts);
        let mut socketio = socketio.clone();
        async move {
            let path = request.uri().path();
            let response = if path == "/ws" {
                upgrade(&parts, request).await.map(Either::Left)
            } else if path == "/socket.io" || path.starts_with("/socket.io/") {
                socketio.call(request).await?.map(Either::Right)
            } else if path == "/readyz" {
                ready(&parts).map(Either::Left)
            } else {
                problem(&Fault::of(Reason::NotFound)).map(Either::Left)
            };
            Ok::<Response<Either<Full<Bytes>, B>>, Infallible>(response)
        }
    });
    http_server::serve_accepted(listener, door, route, limits, lifecycle).await
}

/// Whether new sockets are welcome: gateways ask before they choose.
fn ready(parts: &Parts) -> Response<Full<Bytes>> {
    let lifecycle = &parts.hub.service.lifecycle;
    let welcome = !lifecycle.is_draining() && lifecycle.health().missing().is_empty();
    if welcome { Response::new(Full::default()) } else { problem(&Fault::unavailable("a place for sockets")) }
}
