//! Puts a budget around a route.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    extract::Request,
    response::{IntoResponse as _, Response},
};
use chassis::fault::{Fault, Reason};
use futures::{FutureExt as _, future::BoxFuture};
use http::{HeaderName, HeaderValue};
use tower::{Layer, Service};

use super::{Key, Meter, Spent};
use crate::{
    edge::{client_address::ClientAddress, session::Known},
    problem::Problem,
    sessions::Sessions,
};

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");

/// Gives a route its budget; clones share it.
#[derive(Clone)]
pub struct LimitLayer {
    meter: Arc<dyn Meter>,
    /// Present: counted per account.
    accounts: Option<Sessions>,
    limit: HeaderValue,
    refused: metrics::Counter,
}

/// A route with a budget.
#[derive(Clone)]
pub struct Limited<S> {
    inner: S,
    layer: LimitLayer,
}

// === impl LimitLayer ===

impl LimitLayer {
    pub(super) fn new(meter: Arc<dyn Meter>, accounts: Option<Sessions>) -> Self {
        let budget = meter.budget();
        let refused = metrics::counter!("gateway_limit_refused_total", "service" => "gateway", "budget" => budget.route);
        Self { limit: budget.per_minute.get().into(), meter, accounts, refused }
    }

    /// Whose budget a request spends, or the fault of its credentials: nothing
    /// behind a budget per account may be reached with bad ones.
    async fn key(&self, request: Request) -> (Request, Key, Result<(), Fault>) {
        let address = ClientAddress::of(request.extensions());
        let Some(sessions) = &self.accounts else {
            return (request, Key::Address(address.network()), Ok(()));
        };
        let (mut parts, body) = request.into_parts();
        let known = Known::of(&mut parts, sessions).await;
        let request = Request::from_parts(parts, body);
        match known {
            Known::Caller(caller) => (request, Key::Account(caller.identity.account_id), Ok(())),
            Known::Nobody => (request, Key::Address(address.network()), Ok(())),
            Known::Refused(fault) => (request, Key::Address(address.network()), Err(fault)),
        }
    }

    fn label(&self, mut response: Response, remaining: u32) -> Response {
        let headers = response.headers_mut();
        headers.insert(LIMIT, self.limit.clone());
        headers.insert(REMAINING, remaining.into());
        response
    }
}

impl<S> Layer<S> for LimitLayer {
    type Service = Limited<S>;

    fn layer(&self, inner: S) -> Limited<S> {
        Limited { inner, layer: self.clone() }
    }
}

// === impl Limited ===

impl<S> Service<Request> for Limited<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let clone = self.inner.clone();
        // The one that was polled ready is the one to call.
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let layer = self.layer.clone();
        async move {
            let (request, key, credentials) = layer.key(request).await;
            match (layer.meter.spend(key).await, credentials) {
                (Spent::Refused { retry_after }, _) => {
                    layer.refused.increment(1);
                    let fault = Fault::of(Reason::RateLimited).with_retry_after(retry_after);
                    Ok(layer.label(Problem::from(fault).into_response(), 0))
                }
                (Spent::Allowed { remaining }, Err(fault)) => {
                    Ok(layer.label(Problem::from(fault).into_response(), remaining))
                }
                (Spent::Allowed { remaining }, Ok(())) => {
                    inner.call(request).await.map(|response| layer.label(response, remaining))
                }
            }
        }
        .boxed()
    }
}
