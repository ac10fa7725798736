//! One service, as its generated client sees it.
//!
//! A call goes down: deadline → (idempotent: at most one more try) → channel.
//! What cannot be reached is `UNAVAILABLE`, what does not answer in time
//! `DEADLINE_EXCEEDED`; a client never sees a transport error.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::{FutureExt as _, future::BoxFuture};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, sleep, timeout_at};
use tonic::{Code, Status, body::Body, transport::Channel};
use tower::{Service, ServiceExt as _};

use super::retry::{self, Budget};
use crate::metrics::UpstreamCalls;

/// Every call out has a deadline, tries included (PROMISES, rule 5).
const DEADLINE: Duration = Duration::from_secs(2);
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// A connection to one service, under a generated client. A clone is one
/// reference count.
#[derive(Clone)]
pub struct Pipe(Arc<Inner>);

struct Inner {
    channel: Channel,
    budget: Budget,
    calls: UpstreamCalls,
}

// === impl Pipe ===

impl Pipe {
    /// `service` is the metric label.
    pub(super) fn new(service: &'static str, channel: Channel) -> Self {
        Self(Arc::new(Inner { channel, budget: Budget::new(), calls: UpstreamCalls::new(service) }))
    }

    async fn call_within(&self, request: Request<Body>) -> Result<Response<Body>, Status> {
        let Inner { budget, calls, .. } = &*self.0;
        let deadline = Instant::now() + DEADLINE;
        budget.earn();
        let answer = if retry::is_idempotent(request.uri().path()) {
            let (first, second) = twice(request).await?;
            match self.once(first, deadline).await {
                answer if is_unavailable(&answer) && budget.spend() => {
                    sleep(retry::wait()).await;
                    calls.retries.increment(1);
                    self.once(second, deadline).await
                }
                answer => answer,
            }
        } else {
            self.once(request, deadline).await
        };
        calls.record(code(&answer));
        answer
    }

    async fn once(&self, mut request: Request<Body>, deadline: Instant) -> Result<Response<Body>, Status> {
        let left = deadline.saturating_duration_since(Instant::now());
        // `m`: milliseconds (gRPC over HTTP/2, Timeout).
        let timeout = HeaderValue::try_from(format!("{}m", left.as_millis().max(1)));
        if let Ok(timeout) = timeout {
            request.headers_mut().insert(GRPC_TIMEOUT, timeout);
        }
        match timeout_at(deadline, self.0.channel.clone().oneshot(request)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => {
                tracing::warn!(error = chassis::fault::chain(&error), "a service cannot be reached");
                Err(Status::unavailable("cannot be reached"))
            }
            Err(_elapsed) => Err(Status::deadline_exceeded("no answer in time")),
        }
    }
}

impl Service<Request<Body>> for Pipe {
    type Response = Response<Body>;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Response<Body>, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let pipe = self.clone();
        async move { pipe.call_within(request).await }.boxed()
    }
}

/// The same unary request two times: its one message is in memory anyway.
async fn twice(request: Request<Body>) -> Result<(Request<Body>, Request<Body>), Status> {
    let (head, body) = request.into_parts();
    let message = body.collect().await?.to_bytes();
    let body = || Body::new(http_body_util::Full::new(message.clone()));
    let (first, second) = (body(), body());
    Ok((Request::from_parts(head.clone(), first), Request::from_parts(head, second)))
}

/// A refusal that a service makes without a message has its status in the headers.
fn grpc_status(headers: &HeaderMap) -> Code {
    headers.get(GRPC_STATUS).map_or(Code::Ok, |status| Code::from_bytes(status.as_bytes()))
}

fn code(answer: &Result<Response<Body>, Status>) -> Code {
    match answer {
        Ok(response) => grpc_status(response.headers()),
        Err(status) => status.code(),
    }
}

fn is_unavailable(answer: &Result<Response<Body>, Status>) -> bool {
    code(answer) == Code::Unavailable
}
