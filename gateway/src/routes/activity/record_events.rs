//! `POST /v1/event`: events of devices, one or many.

use axum::{extract::State, response::Response};
use chassis::fault::{Fault, FieldError, Reason};
use http::StatusCode;
use proto::activity::v1::{EventResult, RecordEventsRequest};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::event_batch::{Events, MOST};
use crate::{
    edge::{
        repeat::{self, RepeatKey},
        session::Caller,
    },
    problem::Problem,
    routes::{
        answer,
        endpoint::{Audience, Endpoint},
    },
    state::App,
};

/// An event of a device. The shape of the original service is taken too:
/// `user_id, device_id, type, training_program_id, training_program_title,
/// time_stamp` (`YYYY-MM-DD HH:MM:SS`, UTC).
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes what activity-service reads")]
struct DeviceEvent {
    /// Makes a repeat harmless; 1 to 255 characters.
    #[schema(nullable, min_length = 1, max_length = 255, examples("0198-17"))]
    id: Option<String>,
    /// A device of the caller's; 1 to 255 characters.
    #[schema(min_length = 1, max_length = 255, examples("bar1"))]
    device_id: String,
    /// `APP_LAUNCHED`, `TRAINING_PROGRAM_STARTED`, `…_FINISHED`, `…_CANCELLED`, in
    /// either spelling; others are kept, and no rule looks at them.
    #[serde(rename = "type")]
    #[schema(min_length = 1, max_length = 255, examples("TRAINING_PROGRAM_STARTED"))]
    kind: String,
    /// ISO 8601; UTC without an offset.
    #[schema(format = DateTime, examples("2021-02-28T16:23:25Z"))]
    timestamp: String,
    /// What else there is to say, such as `programId` and `programTitle`.
    #[schema(value_type = Option<Object>, nullable)]
    details: Option<serde_json::Value>,
}

/// An event is kept.
#[derive(Serialize, ToSchema)]
struct EventRecorded<'a> {
    #[schema(examples("ok"))]
    status: &'static str,
    data: EventData<'a>,
    details: EventAnswer,
}

#[derive(Serialize, ToSchema)]
struct EventData<'a> {
    /// As it is kept.
    #[schema(value_type = DeviceEvent)]
    event: &'a RawValue,
}

#[derive(Serialize, ToSchema)]
struct EventAnswer {
    /// Whether any rule looks at events of its type.
    supported: bool,
    /// Whether it was kept before, and nothing was done again.
    repeated: bool,
}

/// What became of one event of a batch: `status` is `ok` or `refused`.
#[derive(Serialize, ToSchema)]
struct BatchResult<'a> {
    #[schema(examples("ok"))]
    status: &'static str,
    /// Of one that is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<EventData<'a>>,
    /// Of one that is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<EventAnswer>,
    /// Of one that was refused: `events[3].timestamp` is a field of the fourth.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<RefusedField<'a>>,
}

#[derive(Serialize, ToSchema)]
struct RefusedField<'a> {
    field: &'a str,
    message: &'a str,
}

/// A batch is kept, but for what was refused.
#[derive(Serialize, ToSchema)]
struct BatchRecorded<'a> {
    #[schema(examples("ok"))]
    status: &'static str,
    data: BatchData<'a>,
    details: BatchAnswer,
}

#[derive(Serialize, ToSchema)]
struct BatchData<'a> {
    /// In the order of the events.
    results: Vec<BatchResult<'a>>,
}

#[derive(Serialize, ToSchema)]
struct BatchAnswer {
    kept: usize,
    refused: usize,
}

/// Either answer.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes the answers, which are written one by one")]
enum Recorded<'a> {
    One(EventRecorded<'a>),
    Batch(BatchRecorded<'a>),
}

pub(in crate::routes) fn endpoint() -> Endpoint {
    Endpoint::new(routes!(record_events), "record_events", Audience::Callers, &[Reason::Invalid])
}

/// Record device events
///
/// One event as an object, or up to 1,000 as an array or as lines of JSON
/// (`application/x-ndjson`), all of them in one commit. A malformed event of a batch
/// is a result of its own; a single one, and a batch of nothing else, is refused.
/// With a key, event n of a batch is repeated when key and n are.
#[utoipa::path(
    post, path = "/v1/event", tag = "Activity",
    request_body(content(
        (DeviceEvent = "application/json"),
        (String = "application/x-ndjson"),
    )),
    params(RepeatKey),
    responses((status = 202, description = "Committed: one answer, or one result each", body = Recorded)),
)]
async fn record_events(
    State(app): State<App>,
    caller: Caller,
    key: RepeatKey,
    events: Events,
) -> Result<Response, Problem> {
    let idempotency_key = key.as_str().to_owned();
    let (is_batch, events_json) = events.into_list();
    let request = caller.request(RecordEventsRequest { events_json, idempotency_key });
    let mut results = app.upstream.activity().record_events(request).await?.into_inner().results;
    if is_batch && results.len() == 1 {
        results.iter_mut().for_each(name_place);
    }
    if results.iter().all(|result| !result.errors.is_empty()) {
        return Err(refused(results));
    }
    let replayed = results.iter().all(|result| result.repeated_event || !result.errors.is_empty());
    let mut response = if is_batch { batch(&results) } else { single(&results[0]) };
    if replayed {
        repeat::mark(response.headers_mut());
    }
    Ok(response)
}

/// The service names no place where there is one event only.
fn name_place(result: &mut EventResult) {
    for error in &mut result.errors {
        let field = std::mem::take(&mut error.field);
        error.field = if field == "body" { "events[0]".to_owned() } else { format!("events[0].{field}") };
    }
}

/// Nothing is kept. A batch has many errors: as many are named as it may have events.
fn refused(results: Vec<EventResult>) -> Problem {
    let errors = results.into_iter().flat_map(|result| result.errors).take(MOST);
    let fields = errors.map(|error| FieldError { field: error.field, message: error.message });
    let fields: Vec<_> = fields.collect();
    if fields.iter().all(|error| error.field.ends_with("idempotency_key")) {
        return Fault::of(Reason::IdempotencyMismatch).into();
    }
    Fault::of(Reason::Invalid).with_fields(fields).into()
}

fn single(result: &EventResult) -> Response {
    let answer = EventRecorded { status: "ok", data: data(result), details: details(result) };
    answer::json(StatusCode::ACCEPTED, &answer)
}

fn batch(results: &[EventResult]) -> Response {
    let refused = results.iter().filter(|result| !result.errors.is_empty()).count();
    let results: Vec<_> = results.iter().map(batch_result).collect();
    let answer = BatchRecorded {
        status: "ok",
        details: BatchAnswer { kept: results.len() - refused, refused },
        data: BatchData { results },
    };
    answer::json(StatusCode::ACCEPTED, &answer)
}

fn batch_result(result: &EventResult) -> BatchResult<'_> {
    if result.errors.is_empty() {
        let (data, details) = (Some(data(result)), Some(details(result)));
        return BatchResult { status: "ok", data, details, errors: Vec::new() };
    }
    let errors = result.errors.iter();
    let errors = errors.map(|error| RefusedField { field: &error.field, message: &error.message });
    BatchResult { status: "refused", data: None, details: None, errors: errors.collect() }
}

fn data(result: &EventResult) -> EventData<'_> {
    EventData { event: serde_json::from_str(&result.event_json).unwrap_or(RawValue::NULL) }
}

const fn details(result: &EventResult) -> EventAnswer {
    EventAnswer { supported: result.supported, repeated: result.repeated_event }
}
