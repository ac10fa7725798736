//! One service, as its generated client sees it.
//!
//! A call goes down: deadline → (idempotent: at most one more try) → channel.
//! A client never sees a transport error. `UNAVAILABLE` means that nothing
//! happened: the service was not reached, or the method changes nothing. A write
//! that broke off after it was sent, or was not answered in time, is
//! `DEADLINE_EXCEEDED`: nobody knows whether it happened.

use std::{
    error::Error,
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

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    /// The request never left.
    NotSent,
    /// It left, and then the connection broke.
    BrokeOff,
    /// No answer within the deadline.
    Late,
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
                answer if code(&answer) == Code::Unavailable && budget.spend() => {
                    sleep(retry::wait()).await;
                    calls.retries.increment(1);
                    self.once(second, deadline).await
                }
                answer => answer,
            }
            .map_err(|failure| failure.status(true))
        } else {
            self.once(request, deadline).await.map_err(|failure| failure.status(false))
        };
        calls.record(answer.as_ref().map_or_else(Status::code, |answer| grpc_status(answer.headers())));
        answer
    }

    async fn once(&self, mut request: Request<Body>, deadline: Instant) -> Result<Response<Body>, Failure> {
        let left = deadline.saturating_duration_since(Instant::now());
        // `m`: milliseconds (gRPC over HTTP/2, Timeout).
        let timeout = HeaderValue::try_from(format!("{}m", left.as_millis().max(1)));
        if let Ok(timeout) = timeout {
            request.headers_mut().insert(GRPC_TIMEOUT, timeout);
        }
        match timeout_at(deadline, self.0.channel.clone().oneshot(request)).await {
            Ok(answer) => answer.map_err(|error| Failure::of(&error)),
            Err(_elapsed) => Err(Failure::Late),
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

fn code(answer: &Result<Response<Body>, Failure>) -> Code {
    match answer {
        Ok(response) => grpc_status(response.headers()),
        Err(Failure::NotSent | Failure::BrokeOff) => Code::Unavailable,
        Err(Failure::Late) => Code::DeadlineExceeded,
    }
}

// === impl Failure ===

impl Failure {
    fn of(error: &(dyn Error + 'static)) -> Self {
        let failure = chain(error).find_map(|cause| {
            let unsent = cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled);
            match cause {
                cause if cause.is::<tonic::ConnectError>() || unsent => Some(Self::NotSent),
                cause if cause.is::<tonic::TimeoutExpired>() => Some(Self::Late),
                _ => None,
            }
        });
        let failure = failure.unwrap_or(Self::BrokeOff);
        if !matches!(failure, Self::Late) {
            tracing::warn!(error = chassis::fault::chain(error), "a service cannot be reached");
        }
        failure
    }

    fn status(self, idempotent: bool) -> Status {
        match self {
            Self::NotSent => Status::unavailable("cannot be reached"),
            Self::BrokeOff if idempotent => Status::unavailable("broke off"),
            Self::BrokeOff | Self::Late => Status::deadline_exceeded("no answer in time"),
        }
    }
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let this = next?;
        next = this.source();
        Some(this)
    })
}
