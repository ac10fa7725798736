//! Serves gRPC.

use std::{future::Future, io, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::{FutureExt as _, Stream, StreamExt as _};
use tokio::{net::TcpListener, time::timeout};
use tonic::{
    Request, Response, Status,
    service::Routes,
    transport::{Server, server::TcpIncoming},
};

use super::{
    callers::{Callers, CallersLayer},
    credentials,
    observe::{self, ObserveLayer},
};
use crate::{
    fault::{Fault, Reason},
    lifecycle::Lifecycle,
    tls::{self, Acceptor},
    tokens::{Identity, Verifier},
};

/// A handler answers within this, so that its caller hears *our* words before
/// its own two seconds are over.
const ANSWER_WITHIN: Duration = Duration::from_millis(1800);
/// Between "not serving" and the end of accepting. Callers watch health and hear
/// it at once: this is for what they have sent, or are connecting for, until then.
const LAME_DUCK: Duration = Duration::from_millis(250);
/// For a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(2);
/// Handshakes at once; further connections wait to be accepted.
const HANDSHAKES: usize = 256;

/// Who gets in.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    /// What becomes of a connection.
    pub acceptor: Acceptor,
    /// Who may call what, where callers show certificates.
    pub callers: Callers,
}

/// Reads the caller off a request.
#[derive(Clone)]
pub struct Caller {
    verifier: Arc<Verifier>,
}

// === impl Caller ===

impl Caller {
    /// Identities as this verifier accepts them.
    pub const fn new(verifier: Arc<Verifier>) -> Self {
        Self { verifier }
    }

    /// The caller, or `unauthenticated`.
    pub async fn identify<T>(&self, request: &Request<T>) -> Result<Identity, Fault> {
        self.verifier.verify(credentials::token(request.metadata())?).await
    }
}

/// Runs a handler: bounded in time, and a panic costs this one call.
pub async fn answer<T>(handler: impl Future<Output = Result<T, Fault>>) -> Result<Response<T>, Status> {
    let guarded = AssertUnwindSafe(handler).catch_unwind();
    let outcome = match tokio::time::timeout(ANSWER_WITHIN, guarded).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_panic)) => {
            metrics::counter!("handler_panics_total", "service" => observe::current_service()).increment(1);
            tracing::error!("a handler panicked");
            Err(Fault::of(Reason::Internal))
        }
        Err(_elapsed) => Err(Fault::unavailable("a part of the service")),
    };
    outcome.map(Response::new).map_err(Status::from)
}

/// Serves `routes` without TLS, as [`serve_guarded`] does.
pub async fn serve(
    service: &'static str,
    listener: TcpListener,
    routes: Routes,
    lifecycle: Lifecycle,
) -> Result<(), tonic::transport::Error> {
    serve_guarded(service, listener, Guard::default(), routes, lifecycle).await
}

/// Serves `routes` with health and reflection on an internal listener until
/// the lifecycle drains and running calls have ended, at the latest until the
/// hard stop.
pub async fn serve_guarded(
    service: &'static str,
    listener: TcpListener,
    guard: Guard,
    routes: Routes,
    lifecycle: Lifecycle,
) -> Result<(), tonic::transport::Error> {
    let (health, health_service) = tonic_health::server::health_reporter();
    let watched = lifecycle.clone();
    lifecycle.spawn(async move { report(health, watched).await });
    let mut routes = routes.add_service(health_service);
    match tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(proto::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
    {
        Ok(reflection) => routes = routes.add_service(reflection),
        Err(error) => tracing::warn!(%error, "reflection is not available"),
    }
    let stop = lifecycle.clone();
    let serving = Server::builder()
        .layer(ObserveLayer::new(service))
        .layer(CallersLayer { callers: guard.callers, mutual: guard.acceptor.is_tls() })
        .http2_keepalive_interval(Some(Duration::from_secs(10)))
        .http2_keepalive_timeout(Some(Duration::from_secs(5)))
        .max_concurrent_streams(Some(1024))
        .add_routes(routes)
        .serve_with_incoming_shutdown(accept(listener, guard.acceptor), stop_accepting(stop));
    // A connection whose last call does not end keeps the server waiting.
    tokio::select! { served = serving => served, () = lifecycle.aborting() => Ok(()) }
}

async fn stop_accepting(lifecycle: Lifecycle) {
    lifecycle.draining().await;
    tokio::select! { () = tokio::time::sleep(LAME_DUCK) => {}, () = lifecycle.aborting() => {} }
}

/// Not by the server's builder, whose setting counts only for listeners that it
/// opens itself: without it the end of an answer waits up to 40 ms for a delayed
/// acknowledgement of its beginning. Handshakes run side by side, so that nobody
/// waits for a peer that says nothing.
fn accept(listener: TcpListener, acceptor: Acceptor) -> impl Stream<Item = io::Result<tls::Stream>> {
    let accepted = TcpIncoming::from(listener).with_nodelay(Some(true));
    let shaken = accepted.map(move |accepted| {
        let acceptor = acceptor.clone();
        async move {
            let shaken = timeout(HANDSHAKE, acceptor.accept(accepted?)).await;
            match shaken.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                Ok(stream) => Ok(Some(stream)),
                Err(error) => {
                    tracing::warn!(%error, "a caller was not let in");
                    Ok(None)
                }
            }
        }
    });
    shaken.buffer_unordered(HANDSHAKES).filter_map(|shaken| std::future::ready(shaken.transpose()))
}

/// Mirrors readiness into gRPC health, four times a second, and the drain at once.
async fn report(mut health: tonic_health::server::HealthReporter, lifecycle: Lifecycle) {
    let mut serving = None;
    while !lifecycle.is_draining() {
        let ready = lifecycle.health().missing().is_empty();
        if serving != Some(ready) {
            serving = Some(ready);
            let status = if ready {
                tonic_health::ServingStatus::Serving
            } else {
                tonic_health::ServingStatus::NotServing
            };
            health.set_service_status("", status).await;
        }
        let tick = tokio::time::sleep(Duration::from_millis(250));
        tokio::select! { () = tick => {}, () = lifecycle.draining() => {} }
    }
    health.set_service_status("", tonic_health::ServingStatus::NotServing).await;
    // Whoever watches has heard it; a watch without an end would keep the server
    // from ending.
    health.clear_service_status("").await;
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn an_accepted_connection_sends_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut incoming = pin!(accept(listener, Acceptor::plain()));
        let (client, accepted) = tokio::join!(TcpStream::connect(address), incoming.next());
        assert!(!client.unwrap().nodelay().unwrap(), "the system's default");
        let tls::Stream::Plain(accepted) = accepted.unwrap().unwrap() else { panic!("no TLS here") };
        assert!(accepted.nodelay().unwrap());
    }
}
