//! The route table, the OpenAPI document and the Postman collection say the
//! same.

use std::collections::BTreeSet;

use serde_json::Value;

use super::endpoints;
use crate::{openapi, snapshot};

/// `GET /calendar/events/{}`: a method and a path, whatever its parameters are called.
type Route = String;

/// What a POST answers that creates nothing of the caller's, or nothing that a
/// repeat would double: it takes no `Idempotency-Key`. Any other does
/// (`params(RepeatKey)`, see `edge/repeat.rs`), or stands here with a reason.
const TAKE_NO_KEY: [&str; 7] = [
    // Secrets, which are not kept to be told again.
    "login",
    "ticket",
    "rotate_webhook_secret",
    // They change or end what is there.
    "logout",
    "password",
    "resend_timer",
    "mark_inbox_seen",
];

/// Paths that the collection asks for because they are none, and the socket.
const NO_ROUTES: [&str; 4] =
    ["GET /nothing-here", "GET /user/register", "GET /socket.io/", "POST /socket.io/"];

#[test]
fn every_route_is_documented_and_nothing_else() {
    let document = serde_json::to_value(openapi::document()).expect("JSON");
    let paths = document["paths"].as_object().expect("paths");
    let documented = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().expect("operations").keys();
        methods.map(move |method| route(method, path))
    });
    assert_eq!(documented.collect::<BTreeSet<Route>>(), table());
    assert_eq!(endpoints().len(), table().len(), "a route stands in the table twice");
}

#[test]
fn every_post_that_creates_takes_an_idempotency_key_and_nothing_else_does() {
    let document = serde_json::to_value(openapi::document()).expect("JSON");
    let paths = document["paths"].as_object().expect("paths");
    for (method, operation) in paths.values().flat_map(|item| item.as_object().expect("operations")) {
        let name = operation["operationId"].as_str().expect("a name");
        let creates = method == "post" && !TAKE_NO_KEY.contains(&name);
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let takes = parameters.iter().any(|parameter| parameter["name"] == "Idempotency-Key");
        assert_eq!(takes, creates, "{name}");
    }
}

#[test]
fn every_route_is_in_the_collection_and_nothing_else() {
    let asked: BTreeSet<Route> =
        requests().iter().map(|(method, path)| route(method, without_prefix(path))).collect();
    let missing: Vec<_> = table().difference(&asked).cloned().collect();
    assert!(missing.is_empty(), "not in postman_collection.json: {missing:?}");
    let known = |asked: &&Route| table().contains(*asked) || NO_ROUTES.contains(&asked.as_str());
    let unknown: Vec<_> =
        asked.iter().filter(|asked| !known(asked)).filter(|asked| !asked.starts_with("HEAD ")).collect();
    assert!(unknown.is_empty(), "no such route: {unknown:?}");
}

#[test]
fn the_collection_uses_both_prefixes_and_asserts_something_of_every_answer() {
    let (with, without): (Vec<_>, Vec<_>) =
        requests().into_iter().partition(|(_, path)| path.starts_with("/api/"));
    assert!(with.len() >= 10 && without.len() > with.len(), "{} of {}", with.len(), without.len());
    for item in items(&collection()) {
        let tests = item["event"][0]["script"]["exec"].to_string();
        assert!(tests.contains("pm.test("), "{} asserts nothing", item["name"]);
    }
}

fn table() -> BTreeSet<Route> {
    let routes = endpoints().into_iter().map(|endpoint| {
        let (path, item) = endpoint.paths.paths.first_key_value().expect("a path");
        let item = serde_json::to_value(item).expect("JSON");
        let method = item.as_object().and_then(|methods| methods.keys().next().cloned()).expect("a method");
        route(&method, path)
    });
    routes.collect()
}

fn route(method: &str, path: &str) -> Route {
    let segments = path.split('?').next().unwrap_or_default().split('/').map(|segment| {
        let is_event_or_calendar_id =
            !segment.is_empty() && segment.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        let stands_for_an_id = ["1", "family", "dinner"].contains(&segment) || is_event_or_calendar_id;
        if segment.contains('{') || stands_for_an_id { "{}" } else { segment }
    });
    format!("{} {}", method.to_uppercase(), segments.collect::<Vec<_>>().join("/"))
}

fn without_prefix(path: &str) -> &str {
    path.strip_prefix("/api").unwrap_or(path)
}

fn collection() -> Value {
    serde_json::from_str(&snapshot::read("postman_collection.json")).expect("JSON")
}

/// Methods and paths of all requests.
fn requests() -> Vec<(String, String)> {
    let request = |item: Value| {
        let url = item["request"]["url"].as_str().expect("a url");
        let path = url.strip_prefix("{{base_url}}").expect("relative to base_url").to_owned();
        (item["request"]["method"].as_str().expect("a method").to_owned(), path)
    };
    items(&collection()).into_iter().map(request).collect()
}

/// Requests, out of their folders.
fn items(folder: &Value) -> Vec<Value> {
    match folder["item"].as_array() {
        Some(inner) => inner.iter().flat_map(items).collect(),
        None => vec![folder.clone()],
    }
}
