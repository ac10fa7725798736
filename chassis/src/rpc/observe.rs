//! What every gRPC call carries and leaves behind: the request id in its log
//! lines and onward calls, one count and one duration per method.

use std::{
    future::Future,
    sync::Arc,
    task::{Context, Poll},
};

use futures::{FutureExt as _, future::BoxFuture};
use http::{Request, Response};
use tokio::time::Instant;
use tonic::Code;
use tower::{Layer, Service};
use tracing::Instrument as _;

use super::calls::{Calls, Method};

/// Metadata key and HTTP header of the request id.
pub const REQUEST_ID: &str = "x-request-id";
const GRPC_STATUS: &str = "grpc-status";

tokio::task_local! {
    static CURRENT: Arc<str>;
    static SERVICE: &'static str;
}

/// The id of the request that this task answers, if it answers one.
pub fn current_request_id() -> Option<Arc<str>> {
    CURRENT.try_with(Arc::clone).ok()
}

/// The service that answers the call of this task, as a metric label.
pub(super) fn current_service() -> &'static str {
    SERVICE.try_with(|service| *service).unwrap_or("none")
}

/// Runs `task` as part of the request `id`.
pub async fn with_request_id<T>(id: Arc<str>, task: impl Future<Output = T>) -> T {
    CURRENT.scope(id, task).await
}

/// Puts [`Observed`] around a gRPC server.
#[derive(Clone, Debug)]
pub(super) struct ObserveLayer(Arc<Calls>);

/// A gRPC server whose calls are logged and counted.
#[derive(Clone, Debug)]
pub(super) struct Observed<S> {
    inner: S,
    calls: Arc<Calls>,
}

impl ObserveLayer {
    /// For the calls that this service answers.
    pub(super) fn new(service: &'static str) -> Self {
        Self(Arc::new(Calls::new(service)))
    }
}

impl<S> Layer<S> for ObserveLayer {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Observed<S> {
        Observed { inner, calls: Arc::clone(&self.0) }
    }
}

impl<S, A, B> Service<Request<A>> for Observed<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let id: Arc<str> = match request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()) {
            Some(id) => id.into(),
            None => uuid::Uuid::now_v7().to_string().into(),
        };
        let calls = Arc::clone(&self.calls);
        let (service, method) = (calls.service(), Method::at(request.uri().path()));
        let span = tracing::info_span!("rpc", service, method = method.label(), request_id = &*id);
        let answer = self.inner.call(request);
        async move {
            let started = Instant::now();
            let response = SERVICE.scope(service, with_request_id(id, answer)).await;
            calls.record(method, code(&response), started.elapsed());
            response
        }
        .instrument(span)
        .boxed()
    }
}

/// A refusal has its status in the headers; what has none there has begun to send an answer.
fn code<B, E>(response: &Result<Response<B>, E>) -> Code {
    match response {
        Ok(response) => {
            response.headers().get(GRPC_STATUS).map_or(Code::Ok, |it| Code::from_bytes(it.as_bytes()))
        }
        Err(_) => Code::Internal,
    }
}
