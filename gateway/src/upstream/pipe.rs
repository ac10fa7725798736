//! One service, as its generated client sees it.
//!
//! A call goes down: load shed → deadline → (at most one more try) → fail fast →
//! balancer → breaker → endpoint. A client never sees a transport error.
//! `UNAVAILABLE` means that nothing happened: the request was not taken, or the
//! method changes nothing. A write that broke off after it was sent, or was not
//! answered in time, is `DEADLINE_EXCEEDED`: nobody knows whether it happened.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures::{FutureExt as _, future::BoxFuture};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, request, uri::Authority};
use http_body_util::BodyExt as _;
use tokio::time::{Instant, sleep, timeout_at};
use tonic::{Code, Status, body::Body};
use tower::Service;

use super::{
    endpoint::{Endpoint, Whole},
    failure::Failure,
    pool::{Chosen, Member, Pool},
    retry::{self, Budget},
};
use crate::metrics::UpstreamCalls;

/// Every call out has a deadline, tries included (PROMISES, rule 5).
const DEADLINE: Duration = Duration::from_secs(2);
/// The first of two tries gets this much of it where another instance can do the
/// second: one that is frozen costs a read a second, and not its answer.
const FIRST_TRY: Duration = Duration::from_secs(1);
/// Calls to one service at once; more are refused, rather than kept until they
/// are too late.
const MOST: usize = 1_024;
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
/// A refusal in a service's own words has details.
const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

/// A service, under a generated client. A clone is one reference count.
#[derive(Clone)]
pub struct Pipe(Arc<Inner>);

struct Inner {
    pool: Pool<Endpoint>,
    budget: Budget,
    calls: UpstreamCalls,
    under_way: AtomicUsize,
}

/// One call among those that are under way.
struct Place<'a>(&'a AtomicUsize);

// === impl Pipe ===

impl Pipe {
    /// Calls to these instances; `service` is the metric label.
    pub(super) fn new(service: &'static str, pool: Pool<Endpoint>) -> Self {
        let (budget, calls) = (Budget::new(), UpstreamCalls::new(service));
        Self(Arc::new(Inner { pool, budget, calls, under_way: AtomicUsize::new(0) }))
    }

    /// Every instance, for what each of them must hear.
    pub(super) fn instances(&self) -> Vec<Instance> {
        self.0.pool.members().into_iter().map(Instance).collect()
    }

    async fn call_within(&self, request: Request<Body>) -> Result<Response<Body>, Status> {
        let Inner { budget, calls, under_way, .. } = &*self.0;
        let deadline = Instant::now() + DEADLINE;
        let (head, body) = request.into_parts();
        let idempotent = retry::is_idempotent(head.uri.path());
        let Some(_place) = Place::take(under_way) else {
            calls.shed.increment(1);
            return Err(Failure::TooMany.status(idempotent));
        };
        // Unary: its one message is in memory anyway.
        let message = body.collect().await?.to_bytes();
        budget.earn();
        let answer = self.try_twice(head, message, idempotent, deadline).await;
        calls.record(code(&answer));
        answer.map(|answer| answer.map(Body::new)).map_err(|failure| failure.status(idempotent))
    }

    async fn try_twice(
        &self,
        head: request::Parts,
        message: Bytes,
        idempotent: bool,
        deadline: Instant,
    ) -> Result<Response<Whole>, Failure> {
        let Inner { pool, budget, calls, .. } = &*self.0;
        if !pool.ready(deadline).await {
            return Err(Failure::NobodyReady);
        }
        let chosen = pool.choose(idempotent, None).ok_or(Failure::NobodyReady)?;
        let first = chosen.member().authority().clone();
        let hurry = idempotent && pool.count_ready() > 1;
        let until = if hurry { deadline.min(Instant::now() + FIRST_TRY) } else { deadline };
        let answer = exchange(chosen, head.clone(), message.clone(), until).await;
        let again = may_try_again(&answer, idempotent) || (hurry && matches!(answer, Err(Failure::Late)));
        if !again || !budget.spend() {
            return answer;
        }
        sleep(retry::wait()).await;
        // A connection that broke off is made anew in this time, or not.
        if !pool.ready(deadline).await {
            return answer;
        }
        let Some(chosen) = pool.choose(false, Some(&first)) else { return answer };
        calls.retries.increment(1);
        chosen.member().meters().retries.increment(1);
        match exchange(chosen, head, message, deadline).await {
            // A service's own words, and that nothing happened, say more than how the second try failed.
            Err(failure) if idempotent && (answer.is_ok() || matches!(failure, Failure::Late)) => answer,
            second => second,
        }
    }
}

/// One try, and what it says of the instance.
async fn exchange(
    mut chosen: Chosen<Endpoint>,
    head: request::Parts,
    message: Bytes,
    until: Instant,
) -> Result<Response<Whole>, Failure> {
    let answer = ask(chosen.member().place(), head, message, until).await;
    let blames = match &answer {
        Err(Failure::NotTaken) => return answer,
        Err(failure) => failure.blames(),
        Ok(whole) => is_nobodys_answer(whole),
    };
    if blames {
        chosen.failed();
    } else {
        chosen.succeeded();
    }
    answer
}

async fn ask(
    endpoint: &Endpoint,
    mut head: request::Parts,
    message: Bytes,
    until: Instant,
) -> Result<Response<Whole>, Failure> {
    let left = until.saturating_duration_since(Instant::now());
    // `m`: milliseconds (gRPC over HTTP/2, Timeout).
    if let Ok(mut timeout) = HeaderValue::try_from(format!("{}m", left.as_millis().max(1))) {
        // Another one with nearly every call: not worth a place in the connection's table.
        timeout.set_sensitive(true);
        head.headers.insert(GRPC_TIMEOUT, timeout);
    }
    timeout_at(until, endpoint.exchange(head, message)).await.unwrap_or(Err(Failure::Late))
}

/// One instance of a service, under a generated client: called once, whatever
/// the breaker says.
#[derive(Clone)]
pub struct Instance(Arc<Member<Endpoint>>);

impl Instance {
    /// Which one.
    pub(super) fn authority(&self) -> &Authority {
        self.0.authority()
    }
}

impl Service<Request<Body>> for Instance {
    type Response = Response<Body>;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Response<Body>, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let member = Arc::clone(&self.0);
        async move {
            let (head, body) = request.into_parts();
            let message = body.collect().await?.to_bytes();
            let answer = ask(member.place(), head, message, Instant::now() + DEADLINE).await;
            answer.map(|answer| answer.map(Body::new)).map_err(|failure| failure.status(false))
        }
        .boxed()
    }
}

// === impl Place ===

impl<'a> Place<'a> {
    fn take(under_way: &'a AtomicUsize) -> Option<Self> {
        let place = Self(under_way);
        (under_way.fetch_add(1, Ordering::Relaxed) < MOST).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
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
        Err(Failure::Unreached | Failure::NotTaken) => true,
        Err(Failure::BrokeOff) => idempotent,
        Err(Failure::Late | Failure::NobodyReady | Failure::TooMany) => false,
        Ok(_) => idempotent && code(answer) == Code::Unavailable,
    }
}

/// Not of the service, but of what stands in its place: no gRPC at all, or an
/// `UNAVAILABLE` of the transport's. A refusal in its own words is an answer:
/// what it lacks, its health says.
fn is_nobodys_answer(whole: &Response<Whole>) -> bool {
    let own_words = |headers: &HeaderMap| headers.contains_key(DETAILS);
    match status(whole) {
        None => true,
        Some(Code::Unavailable) => {
            !own_words(whole.headers()) && !whole.body().trailers().is_some_and(own_words)
        }
        Some(_) => false,
    }
}

fn code(answer: &Result<Response<Whole>, Failure>) -> Code {
    match answer {
        // Neither here nor there: not gRPC.
        Ok(whole) => status(whole).unwrap_or(Code::Unknown),
        Err(failure) => failure.code(),
    }
}

/// A refusal without a message has its status in the headers.
fn status(whole: &Response<Whole>) -> Option<Code> {
    grpc_status(whole.headers()).or_else(|| grpc_status(whole.body().trailers()?))
}

/// The status in these headers, if there is one.
pub(super) fn grpc_status(headers: &HeaderMap) -> Option<Code> {
    headers.get(GRPC_STATUS).map(|status| Code::from_bytes(status.as_bytes()))
}
