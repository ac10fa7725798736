//! `POST /v1/event`, before an activity-service that takes what has a type and
//! remembers ids and keys.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use chassis::{fault::Fault, lifecycle::Lifecycle};
use proto::activity::v1::{
    EventResult, FieldError, RecordEventsRequest, RecordEventsResponse, StatusRequest, StatusResponse,
    activity_service_server::{ActivityService, ActivityServiceServer},
};
use serde_json::{Value, json};
use tonic::{Request, Response, Status, service::Routes};

use crate::{
    client::Answer,
    stack::{Gateway, Stack, listener},
};

/// What arrived, and what it remembers.
#[derive(Clone, Default)]
struct Activity {
    requests: Arc<Mutex<Vec<RecordEventsRequest>>>,
    known: Arc<Mutex<HashSet<String>>>,
    away: Arc<Mutex<bool>>,
}

impl Activity {
    fn result(&self, json: &str, key: &str, place: usize, is_batch: bool) -> EventResult {
        let event: Value = serde_json::from_str(json).unwrap_or_default();
        let refused = |field: &str| {
            let field = if is_batch { format!("events[{place}].{field}") } else { field.to_owned() };
            let errors = vec![FieldError { field, message: "is required".to_owned() }];
            EventResult { errors, ..EventResult::default() }
        };
        if event["type"].is_null() {
            return refused("type");
        }
        if key == "used before" {
            return refused("idempotency_key");
        }
        let named = (!key.is_empty()).then(|| format!("{key}/{place}"));
        let named = event["id"].as_str().map(str::to_owned).or(named);
        let repeated_event = named.is_some_and(|name| !self.known.lock().unwrap().insert(name));
        let supported = event["type"] != "coffee";
        EventResult { event_json: event.to_string(), supported, repeated_event, errors: Vec::new() }
    }
}

#[tonic::async_trait]
impl ActivityService for Activity {
    async fn record_events(
        &self,
        request: Request<RecordEventsRequest>,
    ) -> Result<Response<RecordEventsResponse>, Status> {
        assert!(request.metadata().get(chassis::rpc::TOKEN).is_some(), "the caller's token goes on");
        if *self.away.lock().unwrap() {
            return Err(Fault::unavailable("the database").into());
        }
        let request = request.into_inner();
        let is_batch = request.events_json.len() > 1;
        let events = request.events_json.iter().enumerate();
        let results =
            events.map(|(place, json)| self.result(json, &request.idempotency_key, place, is_batch));
        let results = results.collect();
        self.requests.lock().unwrap().push(request);
        Ok(Response::new(RecordEventsResponse { results }))
    }

    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        Ok(Response::new(StatusResponse {}))
    }
}

struct House {
    stack: Stack,
    gateway: Gateway,
    activity: Activity,
    bearer: String,
}

impl House {
    async fn open() -> Self {
        let stack = Stack::start().await;
        let activity = Activity::default();
        let (listening, at) = listener().await;
        let routes = Routes::new(ActivityServiceServer::new(activity.clone()));
        tokio::spawn(chassis::rpc::serve("activity", listening, routes, Lifecycle::new()));
        let gateway = stack.gateway(&["--activity-url", &format!("http://{at}")]).await;
        let bearer = format!("Bearer {}", stack.auth.person().token);
        Self { stack, gateway, activity, bearer }
    }

    async fn post(&self, kind: &str, key: Option<&str>, body: &str) -> Answer {
        let mut headers = vec![("Authorization", &*self.bearer), ("Content-Type", kind)];
        headers.extend(key.map(|key| ("Idempotency-Key", key)));
        self.gateway.client().send("POST", "/v1/event", &headers, body).await
    }

    async fn json(&self, body: &str) -> Answer {
        self.post("application/json", None, body).await
    }
}

fn fields(answer: &Answer) -> Vec<String> {
    let json = answer.json();
    let errors = json["errors"].as_array().cloned().unwrap_or_default();
    errors.iter().map(|error| error["field"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn one_event_is_answered_with_itself() {
    let house = House::open().await;
    let event = json!({ "deviceId": "a", "type": "APP_LAUNCHED", "id": "one" });
    let answer = house.json(&event.to_string()).await;
    assert_eq!((answer.status, answer.header("idempotent-replayed")), (202, None));
    let expected = json!({
        "status": "ok", "data": { "event": event }, "details": { "supported": true, "repeated": false },
    });
    assert_eq!(answer.json(), expected);
    let again = house.gateway.client();
    let headers = [("Authorization", &*house.bearer)];
    let again = again.send("POST", "/api/v1/event", &headers, &event.to_string()).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (202, Some("true")));
    assert_eq!(again.json()["details"], json!({ "supported": true, "repeated": true }));
    let unknown = house.json(r#"{"type":"coffee"}"#).await;
    assert_eq!((unknown.status, &unknown.json()["details"]["supported"]), (202, &json!(false)));
}

#[tokio::test]
async fn arrays_and_lines_have_one_result_each() {
    let house = House::open().await;
    let lines = "{\"type\":\"a\"}\r\n{\"deviceId\":1}\n\n{\"type\":\"coffee\"}\n";
    let array = r#"[{"type":"a"}, {"deviceId":1}, {"type":"coffee"}]"#;
    for (kind, body) in [("application/x-ndjson", lines), ("application/json", array)] {
        let answer = house.post(kind, None, body).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        let json = answer.json();
        assert_eq!((&json["status"], &json["details"]), (&json!("ok"), &json!({ "kept": 2, "refused": 1 })));
        let results = json["data"]["results"].as_array().expect("results");
        let statuses: Vec<_> = results.iter().map(|result| &result["status"]).collect();
        assert_eq!(statuses, ["ok", "refused", "ok"]);
        assert_eq!(results[0]["data"]["event"], json!({ "type": "a" }));
        assert_eq!(results[1]["errors"], json!([{ "field": "events[1].type", "message": "is required" }]));
        assert_eq!(results[2]["details"]["supported"], false);
    }
    let one = house.json(r#"[{"type":"a"}]"#).await;
    assert_eq!(one.json()["data"]["results"].as_array().map(Vec::len), Some(1), "a batch of one is a batch");
}

#[tokio::test]
async fn what_is_malformed_is_400_and_named() {
    let house = House::open().await;
    for (body, named) in [
        ("{}", vec!["type"]),
        ("[{}]", vec!["events[0].type"]),
        ("[{}, 5]", vec!["events[0].type", "events[1].type"]),
        ("nonsense", vec!["type"]),
        ("[]", vec!["body"]),
        ("[{}", vec!["body"]),
    ] {
        let answer = house.json(body).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid"), "{body}");
        assert_eq!(fields(&answer), named, "{body}");
    }
    let too_many = format!("[{}]", vec!["{}"; 1001].join(","));
    assert_eq!(fields(&house.json(&too_many).await), ["body"]);
    let too_large = format!(r#"{{"type":"a","x":"{}"}}"#, "x".repeat(256 * 1024));
    assert_eq!(house.json(&too_large).await.status, 413);
    assert_eq!(house.post("text/plain", None, "{}").await.status, 415);
}

#[tokio::test]
async fn the_key_goes_on_and_a_repeat_is_told() {
    let house = House::open().await;
    let body = r#"[{"type":"a"},{"type":"b"}]"#;
    let first = house.post("application/json", Some("k 1"), body).await;
    assert_eq!((first.status, first.header("idempotent-replayed")), (202, None));
    let again = house.post("application/json", Some("k 1"), body).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (202, Some("true")));
    assert_eq!(house.activity.requests.lock().unwrap()[1].idempotency_key, "k 1");
    let more =
        house.post("application/json", Some("k 1"), r#"[{"type":"a"},{"type":"b"},{"type":"c"}]"#).await;
    assert_eq!(more.header("idempotent-replayed"), None, "not all of it was there");
    let other = house.post("application/json", Some("used before"), r#"{"type":"c"}"#).await;
    assert_eq!((other.status, other.code().as_str()), (422, "idempotency_mismatch"));
    for key in ["", &"x".repeat(256)] {
        let refused = house.post("application/json", Some(key), body).await;
        assert_eq!((refused.status, fields(&refused)), (400, vec!["Idempotency-Key".to_owned()]));
    }
}

#[tokio::test]
async fn without_a_caller_or_a_service_nothing_is_taken() {
    let house = House::open().await;
    let client = house.gateway.client();
    assert_eq!(client.send("POST", "/v1/event", &[], r#"{"type":"a"}"#).await.status, 401);
    *house.activity.away.lock().unwrap() = true;
    let answer = house.json(r#"{"type":"a"}"#).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    assert!(house.activity.requests.lock().unwrap().is_empty());
    drop(house.stack);
}
