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
#[derive(Clone, Copy, Debug)]
pub(super) struct ObserveLayer {
    pub(super) service: &'static str,
}

/// A gRPC server whose calls are logged and counted.
#[derive(Clone, Debug)]
pub(super) struct Observed<S> {
    inner: S,
    service: &'static str,
}

impl<S> Layer<S> for ObserveLayer {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Observed<S> {
        Observed { inner, service: self.service }
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
        let service = self.service;
        let id: Arc<str> = match request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()) {
            Some(id) => id.into(),
            None => uuid::Uuid::now_v7().to_string().into(),
        };
        let method = method_label(request.uri().path());
        let span = tracing::info_span!("rpc", service, %method, request_id = %id);
        let answer = self.inner.call(request);
        async move {
            let started = Instant::now();
            let response = SERVICE.scope(service, with_request_id(id, answer)).await;
            let code = code_label(&response);
            let labels = [("service", service.to_owned()), ("method", method), ("code", code)];
            metrics::counter!("grpc_server_handled_total", &labels).increment(1);
            metrics::histogram!("grpc_server_handling_seconds", &labels[..2]).record(started.elapsed());
            response
        }
        .instrument(span)
        .boxed()
    }
}

/// The status by its name. A refusal has it in the headers; what has none there
/// has begun to send an answer.
fn code_label<B, E>(response: &Result<Response<B>, E>) -> String {
    let code = match response {
        Ok(response) => {
            response.headers().get(GRPC_STATUS).map_or(Code::Ok, |it| Code::from_bytes(it.as_bytes()))
        }
        Err(_) => Code::Internal,
    };
    format!("{code:?}")
}

/// `/auth.v1.AuthService/Login` → `auth.v1.AuthService/Login`; anything that is
/// not of that form is one label, so that strangers cannot make up series.
fn method_label(path: &str) -> String {
    let path = path.trim_start_matches('/');
    let known = proto::METHODS.binary_search(&path).is_ok();
    if known { path.to_owned() } else { "unknown".to_owned() }
}
