//! `GET /calendar/calendars/{calendar_id}/messages`: what was said.

use axum::{extract::State, response::Response};
use chassis::fault::Reason;
use http::StatusCode;
use proto::calendar::v1::{self as words, ListMessagesRequest};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
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

/// Which messages.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
struct Before {
    /// Those with a smaller `seq`; the newest without it.
    #[param(value_type = Option<i64>, minimum = 0)]
    before: Seq,
    /// At most so many; 50 without one.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200)]
    limit: Limit<200>,
}

/// Something that was said in the room and kept.
#[derive(Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the names are the contract's")]
struct Message<'a> {
    #[schema(examples(42))]
    seq: i64,
    #[schema(examples("See you at seven"))]
    message: &'a str,
    /// A username.
    #[schema(examples("ann"))]
    by: &'a str,
    #[schema(format = DateTime, examples("2026-03-01T12:00:00Z"))]
    at: &'a str,
}

/// Messages, newest first.
#[derive(Serialize, ToSchema)]
struct Messages<'a> {
    messages: Vec<Message<'a>>,
}

// === impl Message ===

impl<'a> From<&'a words::Message> for Message<'a> {
    fn from(said: &'a words::Message) -> Self {
        Self { seq: said.seq, message: &said.message, by: &said.by, at: &said.at }
    }
}

pub(in crate::routes) fn endpoint() -> Endpoint {
    let faults = &[Reason::Invalid, Reason::CalendarNotFound];
    Endpoint::new(routes!(list_messages), "list_messages", Audience::Callers, faults)
}

/// List messages
#[utoipa::path(
    get, path = "/calendar/calendars/{calendar_id}/messages", tag = "Room",
    params(("calendar_id" = String, Path, format = Uuid), Before),
    responses((status = 200, description = "Messages, newest first", body = Messages)),
)]
async fn list_messages(
    State(app): State<App>,
    caller: Caller,
    CalendarId(calendar_id): CalendarId,
    Query(Before { before: Seq(before), limit: Limit(limit) }): Query<Before>,
) -> Result<Response, Problem> {
    let message = ListMessagesRequest { calendar_id, before, limit };
    let list = app.upstream.calendar().list_messages(caller.request(message)).await?.into_inner();
    let messages = list.messages.iter().map(Message::from).collect();
    Ok(answer::json(StatusCode::OK, &Messages { messages }))
}
