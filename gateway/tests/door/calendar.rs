//! calendar-service as the gateway sees it: gRPC methods that answer nothing
//! much, or as told; and a socket listener that echoes.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use axum::{
    Router,
    body::Bytes,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
    routing::any,
};
use chassis::fault::{Fault, Reason};
use futures::{FutureExt as _, future::BoxFuture, stream};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use hyper_util::rt::TokioIo;
use tokio::{io::AsyncWriteExt as _, sync::watch};
use tonic::{Status, body::Body as GrpcBody, server::NamedService};

/// What the next call gets.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Next {
    Refusal(Reason),
    /// An answer that was given before.
    Replay,
    RefusalAgain(Reason),
    Hangs,
}

/// What arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
}

#[derive(Clone)]
pub(crate) struct Calendar(Arc<Inner>);

struct Inner {
    next: Mutex<VecDeque<Next>>,
    seen: Mutex<Vec<Seen>>,
    /// True once somebody asked to close the tunnels.
    goodbye: watch::Sender<bool>,
    refuse_sockets: Mutex<bool>,
}

/// One gRPC service of it.
#[derive(Clone)]
pub(crate) struct Rpc<const TUNNEL: bool>(pub(crate) Calendar);

// === impl Calendar ===

impl Calendar {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Inner {
            next: Mutex::default(),
            seen: Mutex::default(),
            goodbye: watch::Sender::new(false),
            refuse_sockets: Mutex::new(false),
        }))
    }

    /// The answers to the next calls; good ones after that.
    pub(crate) fn script(&self, next: impl IntoIterator<Item = Next>) {
        *self.0.next.lock().unwrap() = next.into_iter().collect();
    }

    pub(crate) fn refuse_sockets(&self) {
        *self.0.refuse_sockets.lock().unwrap() = true;
    }

    /// What arrived so far, gRPC and sockets, in order.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.0.seen.lock().unwrap().clone()
    }

    fn see<B>(&self, request: &http::Request<B>) {
        let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
        let seen = Seen { method: request.method().clone(), path, headers: request.headers().clone() };
        self.0.seen.lock().unwrap().push(seen);
    }

    /// The socket listener.
    pub(crate) fn sockets(&self) -> Router {
        Router::new().fallback(any(socket)).with_state(self.clone())
    }
}

/// Echoes a WebSocket's bytes until it ends or everybody is told to go; echoes
/// polls; never answers `?hang`.
async fn socket(State(calendar): State<Calendar>, mut request: Request) -> Response {
    // A gateway's own question, and no client's.
    if request.uri().path() == "/readyz" {
        return StatusCode::OK.into_response();
    }
    calendar.see(&request);
    if *calendar.0.refuse_sockets.lock().unwrap() {
        let body = r#"{"code":"too_many_sockets","detail":"10 are open","status":429}"#;
        let headers = [(header::CONTENT_TYPE, "application/problem+json"), (header::RETRY_AFTER, "7")];
        return (StatusCode::TOO_MANY_REQUESTS, headers, body).into_response();
    }
    if request.headers().contains_key(header::UPGRADE) {
        let mut goodbye = calendar.0.goodbye.subscribe();
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let socket = TokioIo::new(upgrade.await.unwrap());
            let (mut from, mut to) = tokio::io::split(socket);
            to.write_all(b"welcome ").await.unwrap();
            let told = async { goodbye.wait_for(|told| *told).await.is_ok() };
            let told = tokio::select! {
                _ = tokio::io::copy(&mut from, &mut to) => false,
                told = told => told,
            };
            if told {
                let _ = to.write_all(b"1012").await;
            }
            let _ = to.shutdown().await;
        });
        let headers = [
            (header::CONNECTION, "Upgrade"),
            (header::UPGRADE, "websocket"),
            (header::SEC_WEBSOCKET_ACCEPT, "accepted"),
            (header::SERVER, "not-for-clients"),
        ];
        return (StatusCode::SWITCHING_PROTOCOLS, headers).into_response();
    }
    if request.uri().query().is_some_and(|query| query.contains("hang")) {
        std::future::pending::<()>().await;
    }
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=UTF-8"), (header::SERVER, "not-for-clients")];
    (headers, [&b"polled "[..], &body].concat()).into_response()
}

// === impl Rpc ===

impl NamedService for Rpc<false> {
    const NAME: &'static str = "calendar.v1.CalendarService";
}

impl NamedService for Rpc<true> {
    const NAME: &'static str = "calendar.v1.TunnelService";
}

impl<const TUNNEL: bool> tower::Service<http::Request<GrpcBody>> for Rpc<TUNNEL> {
    type Response = http::Response<GrpcBody>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<GrpcBody>) -> Self::Future {
        let calendar = self.0.clone();
        calendar.see(&request);
        if TUNNEL {
            calendar.0.goodbye.send_replace(true);
        }
        async move {
            let next = calendar.0.next.lock().unwrap().pop_front();
            match next {
                Some(Next::Refusal(reason)) => Ok(Status::from(Fault::of(reason)).into_http()),
                Some(Next::RefusalAgain(reason)) => {
                    Ok(Status::from(Fault::of(reason).as_replay()).into_http())
                }
                Some(Next::Replay) => {
                    let mut answer = empty_message();
                    answer.headers_mut().insert("idempotent-replayed", HeaderValue::from_static("true"));
                    Ok(answer)
                }
                Some(Next::Hangs) => std::future::pending().await,
                None => Ok(empty_message()),
            }
        }
        .boxed()
    }
}

/// A message with nothing in it, and `grpc-status: 0` after it.
fn empty_message() -> http::Response<GrpcBody> {
    let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from_static("0"))]);
    let frames = [Frame::data(Bytes::from_static(&[0; 5])), Frame::trailers(trailers)];
    let body = StreamBody::new(stream::iter(frames.map(Ok::<_, Status>)));
    let mut response = http::Response::new(GrpcBody::new(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}
