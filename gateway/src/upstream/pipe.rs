//! One service, as its generated client sees it.
//!
//! A call goes down: deadline → (at most one more try) → endpoint. A client
//! never sees a transport error. `UNAVAILABLE` means that nothing happened: the
//! request was not taken, or the method changes nothing. A write that broke off
//! after it was sent, or was not answered in time, is `DEADLINE_EXCEEDED`: nobody
//! knows whether it happened.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, request};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, sleep, timeout_at};
use tonic::{Code, Status, body::Body};
use tower::Service;

use super::{
    endpoint::{Endpoint, Whole},
    failure::Failure,
    retry::{self, Budget},
};
use crate::metrics::UpstreamCalls;

/// Every call out has a deadline, tries included (PROMISES, rule 5).
const DEADLINE: Duration = Duration::from_secs(2);
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// A service, under a generated client. A clone is one reference count.
#[derive(Clone)]
pub struct Pipe(Arc<Inner>);

struct Inner {
    endpoint: Endpoint,
    budget: Budget,
    calls: UpstreamCalls,
}

// === impl Pipe ===

impl Pipe {
    /// `service` is the metric label, `origin` is `http://host:port`.
    pub(super) fn new(service: &'static str, origin: Uri) -> Self {
        let calls = UpstreamCalls::new(service);
        Self(Arc::new(Inner { endpoint: Endpoint::new(origin), budget: Budget::new(), calls }))
    }

    async fn call_within(&self, request: Request<Body>) -> Result<Response<Body>, Status> {
        let Inner { budget, calls, .. } = &*self.0;
        let deadline = Instant::now() + DEADLINE;
        let (head, body) = request.into_parts();
        let idempotent = retry::is_idempotent(head.uri.path());
        // Unary: its one message is in memory anyway.
        let message = body.collect().await?.to_bytes();
        budget.earn();
        let first = self.once(head.clone(), message.clone(), deadline).await;
        let answer = if may_try_again(&first, idempotent) && budget.spend() {
            sleep(retry::wait()).await;
            calls.retries.increment(1);
            self.once(head, message, deadline).await
        } else {
            first
        };
        calls.record(code(&answer));
        answer.map(|answer| answer.map(Body::new)).map_err(|failure| failure.status(idempotent))
    }

    async fn once(
        &self,
        mut head: request::Parts,
        message: Bytes,
        deadline: Instant,
    ) -> Result<Response<Whole>, Failure> {
        let left = deadline.saturating_duration_since(Instant::now());
        // `m`: milliseconds (gRPC over HTTP/2, Timeout).
        if let Ok(timeout) = HeaderValue::try_from(format!("{}m", left.as_millis().max(1))) {
            head.headers.insert(GRPC_TIMEOUT, timeout);
        }
        let exchange = self.0.endpoint.exchange(head, message);
        timeout_at(deadline, exchange).await.unwrap_or(Err(Failure::Late))
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

/// A request that was not taken did nothing; a read may be repeated.
fn may_try_again(answer: &Result<Response<Whole>, Failure>, idempotent: bool) -> bool {
    match answer {
        Err(Failure::NotTaken) => true,
        Err(Failure::BrokeOff) => idempotent,
        Err(Failure::Late) => false,
        Ok(_) => idempotent && code(answer) == Code::Unavailable,
    }
}

fn code(answer: &Result<Response<Whole>, Failure>) -> Code {
    match answer {
        Ok(answer) => grpc_status(answer.headers()).or_else(|| grpc_status(answer.body().trailers()?)),
        Err(failure) => Some(failure.code()),
    }
    // Neither here nor there: not gRPC.
    .unwrap_or(Code::Unknown)
}

/// A refusal without a message has its status in the headers.
fn grpc_status(headers: &HeaderMap) -> Option<Code> {
    headers.get(GRPC_STATUS).map(|status| Code::from_bytes(status.as_bytes()))
}
