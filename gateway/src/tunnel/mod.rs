//! The sockets of calendar-service, through the one door.
//!
//! `/ws` is authenticated here, before the upgrade; `/socket.io/` may bring its
//! token later, inside, where only calendar-service sees it. Either way the
//! request goes on over HTTP/1.1 to calendar-service's socket listener, made
//! anew from an allow-list; when both sides have switched protocols, bytes are
//! carried and nothing is understood ([`splice()`]).
//!
//! A new socket goes to the less busy of two instances that are ready, and to
//! another one where that one has just gone ([`opening`]). What Socket.IO does in several requests goes by the client's address to always the
//! same one, so that polls and their upgrade meet; an instance that comes or
//! goes moves only its share of the clients.
//!
//! A tunnel of bytes cannot say goodbye: a draining gateway asks calendar-service
//! to ([`goodbye`]).

mod connector;
mod goodbye;
mod listener;
mod onward;
mod opening;
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
use chassis::{
    fault::Fault,
    lifecycle::Lifecycle,
    rpc::Targets,
    tls::{Stream, Way},
};
use http::StatusCode;
use hyper::upgrade::OnUpgrade;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::{
    connector::Connector,
    listener::SocketListener,
    splice::{End, splice},
};
use crate::{
    edge::limit::Limits,
    problem::Problem,
    state::App,
    upstream::{
        Rules, Upstream,
        pool::{Chosen, Pool},
        retry::Budget,
    },
};

/// For an instance to be ready, where none is.
const READY: Duration = Duration::from_secs(2);
/// Idle connections for polling.
const IDLE: Duration = Duration::from_secs(15);

/// The ways to the socket listeners, and the tunnels that are open.
pub struct Tunnels {
    client: Client<Connector, Body>,
    listeners: Pool<SocketListener>,
    /// Of handshakes that are tried again.
    budget: Budget,
    /// This process, among all gateways.
    gateway_id: String,
    most: usize,
    open: AtomicUsize,
    /// Cancelled when tunnels are cut that did not end in time.
    cut: CancellationToken,
    /// Cancelled when the second is over in which a gateway that goes still
    /// answers: long polls end, and there are no new sockets.
    closing: CancellationToken,
    lifecycle: Lifecycle,
}

/// One open tunnel; counted until it is dropped.
struct Place {
    tunnels: Arc<Tunnels>,
    /// Where it leads, once that is known.
    listener: Option<Chosen<SocketListener>>,
}

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
    /// Tunnels to these socket listeners on this way, at most `most` at once.
    pub fn new(
        (listeners, way): (Targets, Way),
        rules: Rules,
        most: usize,
        upstream: Upstream,
        lifecycle: &Lifecycle,
    ) -> Arc<Self> {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(64)
            .http1_max_buf_size(64 * 1024)
            .build(Connector::new(way.clone()));
        let this = Arc::new(Self {
            client,
            listeners: Pool::start(
                "calendar-sockets",
                "socket-listeners",
                (listeners, way),
                rules,
                lifecycle,
            ),
            budget: Budget::new(),
            gateway_id: uuid::Uuid::now_v7().to_string(),
            most,
            open: AtomicUsize::new(0),
            cut: CancellationToken::new(),
            closing: CancellationToken::new(),
            lifecycle: lifecycle.clone(),
        });
        lifecycle.spawn(goodbye::say(Arc::clone(&this), upstream));
        this
    }

    /// How many tunnels are open.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// The instance for what a client does in several requests.
    async fn of_client(&self, address: &str) -> Result<Chosen<SocketListener>, Fault> {
        self.ready().await?;
        self.listeners.choose_for(address).ok_or_else(|| Fault::unavailable("the room"))
    }

    async fn ready(&self) -> Result<(), Fault> {
        let ready = self.listeners.ready(Instant::now() + READY).await;
        if ready { Ok(()) } else { Err(Fault::unavailable("the room")) }
    }

    /// Sends a request to its socket listener. An answer comes back as it is, but
    /// for failures, which become problems of ours.
    async fn ask(
        &self,
        listener: &mut Chosen<SocketListener>,
        request: http::Request<Body>,
    ) -> Result<Response, Problem> {
        match self.client.request(request).await {
            Ok(answer) => {
                listener.succeeded();
                Ok(answer.map(Body::new))
            }
            Err(error) => {
                let at = listener.member().authority();
                tracing::warn!(
                    error = chassis::fault::chain(&error), instance = %at, "a socket listener cannot be reached"
                );
                // A long poll that is cut says nothing of who was polled.
                if error.is_connect() {
                    listener.failed();
                }
                Err(Fault::unavailable("the room").into())
            }
        }
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
        if self.closing.is_cancelled() || self.open() > self.most {
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
    let service = service.downcast::<TokioIo<Stream>>().ok();
    let (Some((stream, already_read)), Some(service)) = (client, service) else {
        tracing::error!("an upgraded connection is none of ours");
        return None;
    };
    let client = End { stream, already_read };
    Some((client, End { stream: service.io.into_inner(), already_read: service.read_buf }))
}

/// Completes an upgrade that the socket listener has agreed to.
fn switch(place: Place, request: &mut Request, answer: &mut Response) -> Response {
    Arc::clone(&place.tunnels).join(place, hyper::upgrade::on(request), hyper::upgrade::on(&mut *answer));
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    onward::copy(answer.headers(), response.headers_mut(), onward::HANDSHAKE_ANSWER);
    response
}

// === impl Place ===

impl Place {
    fn take(tunnels: Arc<Tunnels>) -> Self {
        tunnels.open.fetch_add(1, Ordering::Relaxed);
        metrics::gauge!("gateway_tunnels", "service" => "gateway").increment(1);
        Self { tunnels, listener: None }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.tunnels.open.fetch_sub(1, Ordering::Relaxed);
        metrics::gauge!("gateway_tunnels", "service" => "gateway").decrement(1);
    }
}
