//! `POST /calendar/create_event`: the saga's way in by REST.

use axum::{
    extract::{OriginalUri, State},
    response::Response,
};
use chassis::fault::Reason;
use http::StatusCode;
use proto::calendar::v1::CreateEventRequest;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::{event_fields::NewEvent, event_view::EventView};
use crate::{
    edge::{repeat::RepeatKey, session::Caller},
    problem::Problem,
    routes::{
        answer,
        endpoint::{Audience, Endpoint},
        object::Body,
    },
    state::App,
};

/// An event was made.
#[derive(Serialize, ToSchema)]
struct EventCreated<'a> {
    #[schema(examples("New event created"))]
    message: &'static str,
    event: EventView<'a>,
}

pub(in crate::routes) fn endpoint() -> Endpoint {
    let faults = &[
        Reason::Invalid,
        Reason::Unsupported,
        Reason::ReadOnly,
        Reason::CalendarNotFound,
        Reason::NotAMember,
        Reason::ParticipantUnknown,
    ];
    Endpoint::new(routes!(create_event), "create_event", Audience::Callers, faults)
}

/// Create an event
///
/// `unavailable` means that it was undone or is being undone: it will not appear later.
/// `deadline_exceeded` means that the outcome is not known yet: with an
/// `Idempotency-Key` the same request may be sent again until it is.
#[utoipa::path(
    post, path = "/calendar/create_event", tag = "Events", params(RepeatKey), request_body = NewEvent,
    responses((
        status = 201, description = "The event exists; its room was told", body = EventCreated,
        headers(
            ("ETag" = String, description = "For If-Match"),
            ("Location" = String, description = "Where the event is"),
        ),
    )),
)]
async fn create_event(
    State(app): State<App>,
    caller: Caller,
    asked: OriginalUri,
    key: RepeatKey,
    Body(mut input): Body<NewEvent>,
) -> Result<Response, Problem> {
    let calendar_name = std::mem::take(&mut input.calendar_name);
    let message = CreateEventRequest { calendar_name, fields: Some(input.into_fields()?) };
    let answered = app.upstream.calendar().create_event(key.of_caller(&caller, message)).await?;
    let (said, event, _) = answered.into_parts();
    let answer = EventCreated { message: "New event created", event: EventView::from(&event) };
    let response = answer::tagged(answer::json(StatusCode::CREATED, &answer), &event.etag);
    let response = answer::located(response, &asked, &format!("/calendar/events/{}", event.event_id));
    Ok(answer::marked(response, &said))
}
