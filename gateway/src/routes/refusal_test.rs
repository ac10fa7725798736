//! What every route refuses before any service is asked. The services that the
//! router knows here do not exist.

use std::sync::Arc;

use axum::{Router, body::Body};
use chassis::{
    clock::SystemClock,
    lifecycle::Lifecycle,
    rpc::Targets,
    service_token::ServiceToken,
    tls::{Way, Wire},
    tokens::Verifier,
};
use clap::Parser as _;
use http::{Method, Request, StatusCode, Uri, header};
use tower::ServiceExt as _;

use super::{Audience, endpoints, router};
use crate::{
    edge::{
        limit::{LimitSettings, Limits, LocalStore},
        origins::Origins,
    },
    problem::Problem,
    session_cache::MemorySessions,
    sessions::Sessions,
    state::{App, Parts},
    tunnel::Tunnels,
    upstream::{Places, Rules, Upstream},
};

/// Nobody listens there.
const NOWHERE: &str = "http://127.0.0.1:1";

/// The contract's figures.
#[derive(clap::Parser)]
struct DefaultLimits {
    #[command(flatten)]
    limits: LimitSettings,
}

fn lonely_router() -> Router {
    let clock = Arc::new(SystemClock);
    let nowhere = || Targets::from(Uri::from_static(NOWHERE));
    let lifecycle = Lifecycle::new();
    let places =
        Places { auth: nowhere(), calendar: nowhere(), notification: nowhere(), activity: nowhere() };
    let upstream =
        Upstream::new(places, &Wire::plain(), Rules::default(), ServiceToken::random(), &lifecycle);
    let verifier = Verifier::new("gateway", Arc::new(upstream.clone()), clock.clone());
    let sessions =
        Sessions::new(verifier, Arc::new(MemorySessions::new(10)), upstream.clone(), clock.clone());
    let limits = Limits::new(
        DefaultLimits::parse_from(["gateway"]).limits,
        Arc::new(LocalStore::new(100, clock)),
        sessions.clone(),
    );
    let tunnels = Tunnels::new((nowhere(), Way::plain()), Rules::default(), 1, upstream.clone(), &lifecycle);
    let app =
        App::from(Parts { upstream, sessions, tunnels, origins: Origins::new([]), timers_public: false });
    router(&limits).with_state(app)
}

/// Method and path of each route, its ids malformed.
fn calls(audience: impl Fn(Audience) -> bool) -> Vec<(Method, String)> {
    let wanted = endpoints().into_iter().filter(|endpoint| audience(endpoint.audience));
    let call = wanted.map(|endpoint| {
        let (path, item) = endpoint.paths.paths.first_key_value().expect("a path");
        let item = serde_json::to_value(item).expect("JSON");
        let method =
            item.as_object().and_then(|methods| methods.keys().next()).expect("a method").to_uppercase();
        (method.parse().expect("a method"), path.replace(['{', '}'], "~"))
    });
    call.collect()
}

async fn answer(router: &Router, request: Request<Body>) -> (StatusCode, Option<&'static str>) {
    let response = router.clone().oneshot(request).await.expect("a router does not fail");
    (response.status(), response.extensions().get::<Problem>().map(Problem::code))
}

#[tokio::test]
async fn without_a_token_every_route_for_callers_is_401_whatever_else_is_wrong() {
    let router = lonely_router();
    let calls = calls(Audience::is_closed);
    assert!(calls.len() > 15, "{}", calls.len());
    for (method, path) in calls {
        let request =
            Request::builder().method(&method).uri(&path).body(Body::from("no json")).expect("a request");
        let refused = (StatusCode::UNAUTHORIZED, Some("unauthenticated"));
        assert_eq!(answer(&router, request).await, refused, "{method} {path}");
    }
}

#[tokio::test]
async fn a_broken_credential_is_401_too() {
    let router = lonely_router();
    for credential in ["Bearer", "Bearer ", "Basic YTpi", "Bearer x.y.z"] {
        let request = Request::get("/calendar/calendars").header(header::AUTHORIZATION, credential);
        let (status, _) = answer(&router, request.body(Body::empty()).expect("a request")).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{credential}");
    }
}

#[tokio::test]
async fn other_methods_are_405_and_other_paths_404() {
    let router = lonely_router();
    for (method, path) in calls(|_| true) {
        let request =
            Request::builder().method(Method::TRACE).uri(&path).body(Body::empty()).expect("a request");
        let refused = (StatusCode::METHOD_NOT_ALLOWED, Some("method_not_allowed"));
        assert_eq!(answer(&router, request).await, refused, "{method} {path}");
    }
    for path in
        ["/", "/calendar", "/calendar/events/", "/user/login/", "/docs/index.html", "/docs/../Cargo.toml"]
    {
        let request = Request::get(path).body(Body::empty()).expect("a request");
        assert_eq!(answer(&router, request).await, (StatusCode::NOT_FOUND, Some("not_found")), "{path}");
    }
}

#[tokio::test]
async fn bodies_of_visitors_are_read_before_a_service_is_asked() {
    let router = lonely_router();
    for (body, status) in [("[]", 400), ("{}", 400), (r#"{"username":"a","password":1}"#, 400), ("", 400)] {
        let request = Request::post("/user/login").body(Body::from(body)).expect("a request");
        assert_eq!(answer(&router, request).await.0.as_u16(), status, "{body}");
    }
    let whole = r#"{"username":"a","password":"b"}"#;
    let request = Request::post("/user/register").body(Body::from(whole)).expect("a request");
    let away = (StatusCode::SERVICE_UNAVAILABLE, Some("unavailable"));
    assert_eq!(answer(&router, request).await, away, "a whole one goes on to nobody");
}

#[tokio::test]
async fn a_head_request_is_answered_like_its_get() {
    let router = lonely_router();
    for path in ["/openapi.json", "/docs", "/docs/swagger-ui.css"] {
        let request = Request::head(path).body(Body::empty()).expect("a request");
        assert_eq!(answer(&router, request).await, (StatusCode::OK, None), "{path}");
    }
}
