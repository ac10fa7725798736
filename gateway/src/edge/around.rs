//! The shape of most layers here: look at the request on its way in, at the
//! response on its way out, and keep something in between.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::{extract::Request, response::Response};
use pin_project_lite::pin_project;
use tower::{Layer, Service};

/// What a layer does before and after. Neither waits, neither fails.
pub(super) trait Around: Clone {
    /// What is kept between the two.
    type Kept;

    /// The request comes in.
    fn before(&self, request: &mut Request) -> Self::Kept;

    /// The response goes out.
    fn after(&self, kept: Self::Kept, response: Response) -> Response;
}

/// Puts an [`Around`] around a service.
#[derive(Clone)]
pub(super) struct AroundLayer<A>(pub(super) A);

/// A service with an [`Around`] around it.
#[derive(Clone)]
pub(super) struct Surrounded<A, S> {
    around: A,
    inner: S,
}

pin_project! {
    /// The answer on its way.
    pub(super) struct Answer<A: Around, F> {
        #[pin]
        inner: F,
        around: A,
        kept: Option<A::Kept>,
    }
}

impl<A: Around, S> Layer<S> for AroundLayer<A> {
    type Service = Surrounded<A, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Surrounded { around: self.0.clone(), inner }
    }
}

impl<A, S> Service<Request> for Surrounded<A, S>
where
    A: Around,
    S: Service<Request, Response = Response, Error = Infallible>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Answer<A, S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let kept = Some(self.around.before(&mut request));
        Answer { inner: self.inner.call(request), around: self.around.clone(), kept }
    }
}

impl<A, F> Future for Answer<A, F>
where
    A: Around,
    F: Future<Output = Result<Response, Infallible>>,
{
    type Output = Result<Response, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.inner.poll(cx))?;
        Poll::Ready(Ok(match this.kept.take() {
            Some(kept) => this.around.after(kept, response),
            // Polled again after it was ready: against the contract of futures.
            None => response,
        }))
    }
}
