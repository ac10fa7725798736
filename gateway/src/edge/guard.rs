//! A handler's panic costs its one request, and a handler that does not come
//! back is given up (PROMISES, rules 5 and 21).

use std::{
    convert::Infallible,
    panic::AssertUnwindSafe,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    extract::Request,
    response::{IntoResponse as _, Response},
};
use chassis::fault::{Fault, Reason};
use futures::{FutureExt as _, future::BoxFuture};
use http_body::Body as _;
use tokio::time::timeout;
use tower::{Layer, Service};
use tracing::Instrument as _;

use super::{body, request_id::RequestId};
use crate::problem::Problem;

/// What the edge gives a request in all.
const DEADLINE: Duration = Duration::from_secs(5);
/// For what is meant to stay open: long polls, tunnels being set up. Each has
/// deadlines of its own; this one only ends what nobody else ends.
const LONG: Duration = Duration::from_mins(2);

/// Guards handlers.
#[derive(Clone, Copy)]
pub(super) struct GuardLayer {
    deadline: Duration,
}

/// A guarded handler.
#[derive(Clone)]
pub(super) struct Guarded<S> {
    inner: S,
    deadline: Duration,
}

// === impl GuardLayer ===

impl GuardLayer {
    /// For handlers that answer: five seconds.
    pub(super) const fn answering() -> Self {
        Self { deadline: DEADLINE }
    }

    /// For handlers that hold a connection open.
    pub(super) const fn holding() -> Self {
        Self { deadline: LONG }
    }
}

impl<S> Layer<S> for GuardLayer {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner, deadline: self.deadline }
    }
}

// === impl Guarded ===

impl<S> Service<Request> for Guarded<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // The time that a client takes for its body is not ours; it has a
        // bound of its own.
        let arrival = if request.body().is_end_stream() { Duration::ZERO } else { body::ARRIVES_WITHIN };
        let deadline = self.deadline + arrival;
        let id = RequestId::in_extensions(request.extensions());
        let span = tracing::info_span!("request", request_id = id.as_str());
        let answer = AssertUnwindSafe(timeout(deadline, self.inner.call(request))).catch_unwind();
        async move {
            match answer.await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_elapsed)) => Ok(refuse(Reason::DeadlineExceeded)),
                Err(_panic) => {
                    metrics::counter!("handler_panics_total", "service" => "gateway").increment(1);
                    tracing::error!("a handler panicked");
                    Ok(refuse(Reason::Internal))
                }
            }
        }
        .instrument(span)
        .boxed()
    }
}

fn refuse(reason: Reason) -> Response {
    Problem::from(Fault::of(reason)).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::StatusCode;
    use tower::{ServiceExt as _, service_fn};

    use super::*;

    async fn answer<F>(handler: fn() -> F, body: Body) -> StatusCode
    where
        F: Future<Output = Result<Response, Infallible>> + Send + 'static,
    {
        let guarded = GuardLayer::answering().layer(service_fn(move |_: Request| handler()));
        let Ok(response) = guarded.oneshot(Request::new(body)).await;
        response.status()
    }

    #[tokio::test(start_paused = true)]
    async fn a_handler_that_does_not_come_back_is_given_up_after_five_seconds() {
        let begun = tokio::time::Instant::now();
        assert_eq!(answer(std::future::pending, Body::empty()).await, StatusCode::GATEWAY_TIMEOUT);
        assert_eq!(begun.elapsed().as_secs(), 5);
        let begun = tokio::time::Instant::now();
        assert_eq!(answer(std::future::pending, Body::from("x")).await, StatusCode::GATEWAY_TIMEOUT);
        assert_eq!(begun.elapsed().as_secs(), 15, "the body's own ten seconds come on top");
    }

    #[tokio::test]
    async fn a_panic_is_a_500_for_this_request() {
        let panics = || async { panic!("on purpose") };
        assert_eq!(answer(panics, Body::empty()).await, StatusCode::INTERNAL_SERVER_ERROR);
    }
}
