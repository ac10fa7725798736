//! The inbound side: what happens to a request before and after its handler.

mod around;
pub mod body;
pub mod client_address;
mod explain;
mod field;
mod guard;
mod harden;
mod identify;
pub mod limit;
pub mod origins;
pub mod query;
mod record;
pub mod repeat;
pub mod request_id;
mod route;
pub mod session;

use std::{convert::Infallible, sync::Arc};

use axum::{Router, body::Body, extract::Request, response::Response};
use hyper::body::Incoming;
use tower::{Service, ServiceBuilder};

use self::{
    around::AroundLayer,
    client_address::TrustedProxies,
    explain::Explain,
    guard::GuardLayer,
    harden::Harden,
    identify::Identify,
    origins::Origins,
    record::Record,
    route::{NoteRoute, TakePrefixOff},
};
use crate::{metrics::Requests, problem::Problem};

/// What the edge is told by the settings.
pub struct EdgeRules {
    /// Whose `X-Forwarded-For` is believed.
    pub proxies: TrustedProxies,
    /// Which web pages may talk to us.
    pub origins: Origins,
    /// The public origin is `https`.
    pub https: bool,
    /// Where requests are counted.
    pub requests: Arc<Requests>,
}

/// Everything around the handlers, from the outside in. `answering` are the
/// routes that answer soon, `holding` those that keep a connection.
///
/// Budgets and sessions are below, at each route ([`limit`], [`session`]):
/// which budget, and whether a token is needed, is the route's to say.
pub fn inbound(
    answering: Router,
    holding: Router,
    rules: EdgeRules,
) -> impl Service<
    http::Request<Incoming>,
    Response = Response,
    Error = Infallible,
    Future: Future<Output = Result<Response, Infallible>> + Send + 'static,
> + Clone
+ Send
+ Sync
+ 'static {
    let routes = answering
        .fallback(async || Problem::no_such_route())
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        // Five seconds and one panic at most.
        .layer(GuardLayer::answering())
        // The same for what stays open, without the five seconds.
        .merge(holding.layer(GuardLayer::holding()))
        // Right below routing, where the matched route is known, and above the
        // guard, so that a time-out is counted under its route too.
        .layer(AroundLayer(NoteRoute));

    ServiceBuilder::new()
        // The layers below speak one body type.
        .map_request(|request: http::Request<Incoming>| -> Request { request.map(Body::new) })
        // First in, last out: it sees what the client sees, and how long all of it took.
        .layer(AroundLayer(Record { requests: rules.requests }))
        // Before anything can fail, so that every answer carries the id.
        .layer(AroundLayer(Identify { proxies: rules.proxies }))
        // On every answer, those to preflights and the failures below included.
        .layer(AroundLayer(Harden { https: rules.https }))
        // Below this line a failure is a value; above it, a document.
        .layer(AroundLayer(Explain))
        // Above routing: preflights have no route, and a failure without these
        // headers is a riddle to the page that caused it.
        .layer(rules.origins.cors())
        // Last before routing, so that both prefixes are one route.
        .layer(AroundLayer(TakePrefixOff))
        .service(routes)
}
