//! `GET · DELETE /calendar/events/{event_id}`.

use axum::{extract::State, response::Response};
use chassis::fault::Reason;
use http::StatusCode;
use proto::calendar::v1::{DeleteEventRequest, GetEventRequest};
use utoipa_axum::routes;

use super::event_view::{self, EventView};
use crate::{
    edge::session::Caller,
    problem::Problem,
    routes::{
        answer,
        endpoint::{Audience, Endpoint},
        ids::EventId,
        if_match::IfMatch,
    },
    state::App,
};

pub(in crate::routes) fn get_endpoint() -> Endpoint {
    Endpoint::new(routes!(get_event), "get_event", Audience::Callers, &[Reason::EventNotFound])
}

pub(in crate::routes) fn delete_endpoint() -> Endpoint {
    let faults = &[Reason::ReadOnly, Reason::EventNotFound];
    Endpoint::new(routes!(delete_event), "delete_event", Audience::Callers, faults)
}

/// Get an event
#[utoipa::path(
    get, path = "/calendar/events/{event_id}", tag = "Events",
    params(("event_id" = String, Path, format = Uuid)),
    responses((
        status = 200, description = "The event", body = EventView,
        headers(("ETag" = String, description = "For If-Match")),
    )),
)]
async fn get_event(
    State(app): State<App>,
    caller: Caller,
    EventId(event_id): EventId,
) -> Result<Response, Problem> {
    let event =
        app.upstream.calendar().get_event(caller.request(GetEventRequest { event_id })).await?.into_inner();
    Ok(event_view::answer(StatusCode::OK, &event))
}

/// Delete an event
#[utoipa::path(
    delete, path = "/calendar/events/{event_id}", tag = "Events",
    params(
        ("event_id" = String, Path, format = Uuid),
        ("If-Match" = String, Header, description = "The event's etag in quotes, or `*`", example = "*"),
    ),
    responses((status = 204, description = "The event is gone; its room was told")),
)]
async fn delete_event(
    State(app): State<App>,
    caller: Caller,
    IfMatch(if_match): IfMatch,
    EventId(event_id): EventId,
) -> Result<Response, Problem> {
    let message = DeleteEventRequest { event_id, if_match };
    app.upstream.calendar().delete_event(caller.request(message)).await?;
    Ok(answer::no_content())
}
