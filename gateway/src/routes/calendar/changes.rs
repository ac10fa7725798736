//! `GET /calendar/calendars/{calendar_id}/changes`: what happened since.

use axum::{extract::State, response::Response};
use chassis::fault::Reason;
use http::StatusCode;
use proto::calendar::v1::{ListChangesRequest, ListChangesResponse};
use serde::Deserialize;
use serde_json::Value;
use utoipa::{
    IntoParams, PartialSchema, ToSchema,
    openapi::{KnownFormat, Object, ObjectBuilder, RefOr, Schema, SchemaFormat, Type, schema::ArrayBuilder},
};
use utoipa_axum::routes;

use crate::{
    edge::{query::Query, session::Caller},
    problem::Problem,
    routes::{
        answer,
        endpoint::{Audience, Endpoint},
        ids::CalendarId,
        paging::{Limit, Seq},
    },
    state::App,
};

const INT64: SchemaFormat = SchemaFormat::KnownFormat(KnownFormat::Int64);

/// Which changes.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
struct Since {
    /// Those with a greater `seq`; all without it.
    #[param(value_type = Option<i64>, minimum = 0)]
    since: Seq,
    /// At most so many; 100 without one.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Limit<1000>,
}

/// A stretch of a calendar's log: `{"changes":[…],"last_seq"}`, the frames in
/// order of `seq`, each as the room's sockets got it.
struct Changes(ListChangesResponse);

pub(in crate::routes) fn endpoint() -> Endpoint {
    let faults = &[Reason::Invalid, Reason::CalendarNotFound];
    Endpoint::new(routes!(list_changes), "list_changes", Audience::Callers, faults)
}

/// List changes
///
/// The same log and the same frames as sockets replay with `last_seq`.
#[utoipa::path(
    get, path = "/calendar/calendars/{calendar_id}/changes", tag = "Room",
    params(("calendar_id" = String, Path, format = Uuid), Since),
    responses((status = 200, description = "The changes after `since`, in order", body = Changes)),
)]
async fn list_changes(
    State(app): State<App>,
    caller: Caller,
    CalendarId(calendar_id): CalendarId,
    Query(Since { since: Seq(since), limit: Limit(limit) }): Query<Since>,
) -> Result<Response, Problem> {
    let message = ListChangesRequest { calendar_id, since, limit };
    let list = app.upstream.calendar().list_changes(caller.request(message)).await?.into_inner();
    Ok(answer::raw_json(StatusCode::OK, Changes(list).into_json()))
}

// === impl Changes ===

impl PartialSchema for Changes {
    fn schema() -> RefOr<Schema> {
        Schema::from(changes_schema()).into()
    }
}

impl ToSchema for Changes {}

impl Changes {
    /// The frames are JSON already: they are joined, not read again.
    fn into_json(self) -> String {
        let Self(ListChangesResponse { frames_json, last_seq }) = self;
        let length = frames_json.iter().map(|frame| frame.len() + 1).sum::<usize>();
        let mut json = String::with_capacity(length + 64);
        json.push_str("{\"changes\":[");
        for (place, frame) in frames_json.iter().enumerate() {
            if place > 0 {
                json.push(',');
            }
            json.push_str(frame);
        }
        json.push_str("],\"last_seq\":");
        json.push_str(&last_seq.to_string());
        json.push('}');
        json
    }
}

fn changes_schema() -> Object {
    let text = |example: &str| {
        ObjectBuilder::new().schema_type(Type::String).examples([Value::from(example)]).build()
    };
    let number = || {
        ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(INT64))
            .examples([Value::from(42)])
            .build()
    };
    let members = [
        ("type", text("message")),
        ("seq", number()),
        ("calendar_id", text("019a9d2e-2222-7e70-a1f6-0123456789ab")),
        ("calendar_name", text("Family")),
        ("by", text("ann")),
        ("at", text("2026-03-01T12:00:00Z")),
    ];
    let about = "A room frame; beside these members it has those of its type";
    let frame =
        members.into_iter().fold(ObjectBuilder::new().description(Some(about)), |frame, (name, schema)| {
            frame.property(name, schema).required(name)
        });
    let last =
        "The seq of the newest change: there is more when it is greater than that of the last one here";
    ObjectBuilder::new()
        .property("changes", ArrayBuilder::new().items(frame))
        .required("changes")
        .property("last_seq", ObjectBuilder::from(number()).description(Some(last)))
        .required("last_seq")
        .build()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(frames: &[&str], last_seq: i64) -> Value {
        let frames_json = frames.iter().map(|&frame| frame.to_owned()).collect();
        let json = Changes(ListChangesResponse { frames_json, last_seq }).into_json();
        serde_json::from_str(&json).expect("JSON")
    }

    #[test]
    fn frames_are_passed_on_as_they_are() {
        assert_eq!(written(&[], 0), json!({ "changes": [], "last_seq": 0 }));
        assert_eq!(written(&[r#"{"seq":1}"#], 5), json!({ "changes": [{ "seq": 1 }], "last_seq": 5 }));
        let two = written(&[r#"{"seq":1,"message":"\"]}"}"#, r#"{"seq":2}"#], 2);
        assert_eq!(two["changes"][0]["message"], "\"]}");
        assert_eq!(two["changes"][1]["seq"], 2);
    }
}
