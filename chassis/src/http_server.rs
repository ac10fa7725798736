//! An accept loop of our own over hyper.
//!
//! `axum::serve` has no header timeout: half-sent requests stay open for ever.
//! This loop bounds what a stranger can hold: connections, header time, header
//! size, HTTP/2 streams and resets (PROMISES, rule 11), and drains in the order
//! the contract gives (rule 22).

use std::{convert::Infallible, future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use http::{HeaderValue, Request, Response, header};
use hyper::{
    body::{Body, Bytes, Incoming},
    upgrade::Upgraded,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, Semaphore},
    time::{Instant, sleep, timeout_at},
};
use tower::{Service, ServiceExt as _};

use crate::{
    lifecycle::Lifecycle,
    tls::{Acceptor, Stream},
};

/// Between "unready" and "stop accepting": balancers and keep-alive clients move on.
const LAME_DUCK: Duration = Duration::from_secs(1);

/// What a peer may hold.
#[derive(Clone, Copy, Debug)]
pub struct HttpLimits {
    /// Connections at once; more wait in the kernel's backlog.
    pub connections: usize,
    /// From the connection, or the last answer, to the end of a request's head.
    pub header_timeout: Duration,
    /// Bytes of a request's head.
    pub header_bytes: usize,
    /// Concurrent HTTP/2 streams a connection.
    pub streams: u32,
    /// HTTP/2 in addition to HTTP/1.1; off where every connection upgrades.
    pub http2: bool,
    /// Goes on accepting while draining, until the end: the operator's listener.
    pub serve_while_draining: bool,
}

/// The peer of a connection, in the extensions of each of its requests.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

// === impl HttpLimits ===

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connections: 16_384,
            header_timeout: Duration::from_secs(10),
            header_bytes: 32 * 1024,
            streams: 128,
            http2: true,
            serve_while_draining: false,
        }
    }
}

/// Serves `service` without TLS, as [`serve_accepted`] does.
pub async fn serve<S, F, B>(
    listener: TcpListener,
    service: S,
    limits: HttpLimits,
    lifecycle: Lifecycle,
) -> io::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future = F>
        + Clone
        + Send
        + Sync
        + 'static,
    F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    serve_accepted(listener, Acceptor::plain(), service, limits, lifecycle).await
}

/// Serves `service` on `listener`, each connection as `acceptor` makes it,
/// until the lifecycle drains and every connection has ended, at the latest
/// until the hard stop.
pub async fn serve_accepted<S, F, B>(
    listener: TcpListener,
    acceptor: Acceptor,
    service: S,
    limits: HttpLimits,
    lifecycle: Lifecycle,
) -> io::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future = F>
        + Clone
        + Send
        + Sync
        + 'static,
    F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let builder = Arc::new(builder(&limits));
    let places = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    let stop = stop_accepting(lifecycle.clone(), limits.serve_while_draining);
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let Some((stream, peer, place)) = accepted else { continue };
        let service = service.clone();
        let draining = lifecycle.clone();
        let spoken = Arc::new(Notify::new());
        let first_words = Arc::clone(&spoken);
        let answer = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            first_words.notify_one();
            request.extensions_mut().insert(Peer(peer));
            let answer = service.clone().oneshot(request);
            let draining = draining.clone();
            async move {
                let mut response = answer.await?;
                // Only HTTP/1.1 knows the header; hyper says GOAWAY on HTTP/2.
                if draining.is_draining() && response.version() < http::Version::HTTP_2 {
                    response
                        .headers_mut()
                        .entry(header::CONNECTION)
                        .or_insert(HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response)
            }
        });
        let builder = Arc::clone(&builder);
        let watcher = graceful.watcher();
        let (acceptor, draining) = (acceptor.clone(), lifecycle.clone());
        tokio::spawn(async move {
            // One time for the handshake and the first words together.
            let by = Instant::now() + limits.header_timeout;
            let shaken = tokio::select! {
                // Without TLS there is nothing to wait for.
                biased;
                shaken = timeout_at(by, acceptor.accept(stream)) => shaken,
                () = stop_accepting(draining, limits.serve_while_draining) => return,
            };
            let stream = match shaken.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                Ok(stream) => stream,
                Err(error) => {
                    tracing::debug!(%error, "no TLS came about");
                    return;
                }
            };
            let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), answer);
            let connection = watcher.watch(connection.into_owned());
            tokio::pin!(connection);
            // hyper's header timeout begins once it knows which HTTP is spoken, and it learns that
            // from the first bytes: a peer that sends none, or half a preface, is ours to end.
            let ended = tokio::select! {
                ended = &mut connection => Some(ended),
                first = timeout_at(by, spoken.notified()) => {
                    if first.is_ok() { Some(connection.await) } else { None }
                }
            };
            match ended {
                Some(Ok(())) => {}
                Some(Err(error)) => tracing::debug!(%error, "connection ended early"),
                None => tracing::debug!("connection without a request ended"),
            }
            drop(place);
        });
    }
    drop(listener);
    tokio::select! {
        () = graceful.shutdown() => {}
        () = lifecycle.aborting() => {}
    }
    Ok(())
}

/// The socket of a connection that [`serve`] accepted and a handler
/// upgraded, with what was read past the request: nothing of HTTP stays in
/// memory. An upgrade of another making comes back as it was.
pub fn reclaim(upgraded: Upgraded) -> Result<(Stream, Bytes), Upgraded> {
    let parts = auto::upgrade::downcast::<TokioIo<Stream>>(upgraded)?;
    Ok((parts.io.into_inner(), parts.read_buf))
}

fn builder(limits: &HttpLimits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    if !limits.http2 {
        builder = builder.http1_only();
    }
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(limits.header_bytes.max(8 * 1024))
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(limits.header_bytes as u32)
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(256)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(10));
    builder
}

/// Ends one second after the soft stop began, or not before the hard stop.
async fn stop_accepting(lifecycle: Lifecycle, serve_while_draining: bool) {
    if serve_while_draining {
        return lifecycle.aborting().await;
    }
    lifecycle.draining().await;
    tokio::select! { () = sleep(LAME_DUCK) => {}, () = lifecycle.aborting() => {} }
}

/// The next connection, once there is a place for it. Errors of a single
/// accept (out of descriptors, aborted handshakes) are waited out.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            // Frames are small and latency is what people feel.
            let _ = stream.set_nodelay(true);
            Some((stream, peer, place))
        }
        Err(error) => {
            tracing::warn!(%error, "cannot accept a connection");
            sleep(Duration::from_millis(50)).await;
            None
        }
    }
}
