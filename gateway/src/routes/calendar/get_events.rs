//! `GET /calendar/get_events`: the source's call, for all joined calendars.

use axum::{extract::State, response::Response};
use chassis::fault::Reason;
use http::StatusCode;
use proto::calendar::v1::GetEventsRequest;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;

use super::event_view::Events;
use crate::{
    edge::{query::Query, session::Caller},
    problem::Problem,
    routes::{
        answer,
        endpoint::{Audience, Endpoint},
    },
    state::App,
};

/// Which events. An empty parameter is one that was not given.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// One of the caller's calendars; all of them without it.
    #[param(required = false)]
    calendar_name: String,
    /// RFC 3339: events that end after it.
    #[param(required = false, example = "2026-03-01T00:00:00Z")]
    from: String,
    /// RFC 3339: events that start before it.
    #[param(required = false, example = "2026-04-01T00:00:00Z")]
    to: String,
}

pub(in crate::routes) fn endpoint() -> Endpoint {
    let faults = &[Reason::Invalid, Reason::NoEvents, Reason::CalendarNotFound, Reason::NotAMember];
    Endpoint::new(routes!(get_events), "get_events", Audience::Callers, faults)
}

/// Get events
///
/// Those of all the caller's calendars, or of the one named, ordered by start. 404 when there are none.
#[utoipa::path(
    get, path = "/calendar/get_events", tag = "Events", params(Wanted),
    responses((status = 200, description = "The events, ordered by start", body = Events)),
)]
async fn get_events(
    State(app): State<App>,
    caller: Caller,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Problem> {
    let Wanted { calendar_name, from, to } = wanted;
    let message = GetEventsRequest { calendar_name, from, to };
    let list = app.upstream.calendar().get_events(caller.request(message)).await?.into_inner();
    Ok(answer::raw_json(StatusCode::OK, Events::json(&list)?))
}
