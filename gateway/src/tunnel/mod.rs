//! The sockets of calendar-service, through the one door.
//!
//! `/ws` is authenticated here, before the upgrade; `/socket.io/` may bring its
//! token later, inside, where only calendar-service sees it. Either way the
//! request goes on over HTTP/1.1 to calendar-service's socket listener, made
//! anew from an allow-list; when both sides have switched protocols, bytes are
//! carried and nothing is understood ([`splice()`]).
//!
//! A tunnel of bytes cannot say goodbye: a draining gateway asks calendar-service
//! to ([`goodbye`]).

mod goodbye;
mod onward;
mod socketio;
mod splice;
mod ws;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    response::{IntoResponse as _, Response},
    routing::{any, get},
};
use chassis::{fault::Fault, lifecycle::Lifecycle};
use http::{StatusCode, uri::Authority};
use hyper::upgrade::OnUpgrade;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use self::splice::{End, splice};
use crate::{edge::limit::Limits, problem::Problem, state::App, upstream::Upstream};

/// Connecting to the socket listener.
const CONNECT: Duration = Duration::from_secs(1);
/// Idle connections for polling.
const IDLE: Duration = Duration::from_secs(15);

/// The way to the socket listener, and the tunnels that are open.
pub struct Tunnels {
    client: Client<HttpConnector, Body>,
    service: Authority,
    /// This process, among all gateways.
    gateway_id: String,
    most: usize,
    open: AtomicUsize,
    /// Cancelled when tunnels are cut that did not end in time.
    cut: CancellationToken,
    /// Cancelled when long polls are to end.
    no_more_polls: CancellationToken,
    lifecycle: Lifecycle,
}

/// One open tunnel; counted until it is dropped.
struct Place(Arc<Tunnels>);

/// The two socket routes. They hold connections open: no edge deadline.
pub fn router(limits: &Limits) -> Router<App> {
    let socketio = any(socketio::socketio).layer(limits.open("socket_io"));
    Router::new()
        .route("/ws", get(ws::ws).layer(limits.per_account("ws")))
        .route("/socket.io/", socketio.clone())
        .route("/socket.io", socketio)
}

// === impl Tunnels ===

impl Tunnels {
    /// Tunnels to the socket listener at `service`, at most `most` at once.
    pub fn new(service: Authority, most: usize, upstream: Upstream, lifecycle: &Lifecycle) -> Arc<Self> {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(64)
            .http1_max_buf_size(64 * 1024)
            .build(connector);
        let this = Arc::new(Self {
            client,
            service,
            gateway_id: uuid::Uuid::now_v7().to_string(),
            most,
            open: AtomicUsize::new(0),
            cut: CancellationToken::new(),
            no_more_polls: CancellationToken::new(),
            lifecycle: lifecycle.clone(),
        });
        lifecycle.spawn(goodbye::say(Arc::clone(&this), upstream));
        this
    }

    /// How many tunnels are open.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Sends a request to the socket listener. An answer comes back as it is, but
    /// for failures, which become problems of ours.
    async fn ask(&self, request: http::Request<Body>) -> Result<Response, Problem> {
        let answer = self.client.request(request).await.map_err(|error| {
            tracing::warn!(error = chassis::fault::chain(&error), "the socket listener cannot be reached");
            Fault::unavailable("the room")
        })?;
        Ok(answer.map(Body::new))
    }

    /// Joins both sides of an upgrade once the client has heard of it.
    fn join(self: &Arc<Self>, place: Place, client: OnUpgrade, service: OnUpgrade) {
        let cut = self.cut.clone();
        self.lifecycle.spawn(async move {
            // Boxed: what the hand-over needs is not kept for the life of the tunnel.
            let Some((client, service)) = Box::pin(hand_over(client, service)).await else { return };
            tokio::select! {
                ended = splice(client, service) => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "tunnel broke off");
                    }
                }
                () = cut.cancelled() => {}
            }
            drop(place);
        });
    }

    /// A place for one more tunnel; 503 when there is none, or no time for it.
    fn place(self: &Arc<Self>) -> Result<Place, Fault> {
        let place = Place::take(Arc::clone(self));
        if self.lifecycle.is_draining() || self.open() > self.most {
            return Err(Fault::unavailable("a place for another socket"));
        }
        Ok(place)
    }
}

/// The bare sockets of both sides, free of what HTTP kept for them.
async fn hand_over(client: OnUpgrade, service: OnUpgrade) -> Option<(End, End)> {
    let (client, service) = tokio::try_join!(client, service)
        .inspect_err(|error| tracing::debug!(%error, "upgrade broke off"))
        .ok()?;
    let client = chassis::http_server::reclaim(client).ok();
    let service = service.downcast::<TokioIo<TcpStream>>().ok();
    let (Some((stream, already_read)), Some(service)) = (client, service) else {
        tracing::error!("an upgraded connection is no plain TCP stream");
        return None;
    };
    let client = End { stream, already_read };
    Some((client, End { stream: service.io.into_inner(), already_read: service.read_buf }))
}

/// Completes an upgrade that the socket listener has agreed to.
fn switch(tunnels: &Arc<Tunnels>, place: Place, request: &mut Request, answer: &mut Response) -> Response {
    tunnels.join(place, hyper::upgrade::on(request), hyper::upgrade::on(&mut *answer));
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    onward::copy(answer.headers(), response.headers_mut(), onward::HANDSHAKE_ANSWER);
    response
}

// === impl Place ===

impl Place {
    fn take(tunnels: Arc<Tunnels>) -> Self {
        tunnels.open.fetch_add(1, Ordering::Relaxed);
        metrics::gauge!("gateway_tunnels", "service" => "gateway").increment(1);
        Self(tunnels)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
        metrics::gauge!("gateway_tunnels", "service" => "gateway").decrement(1);
    }
}
