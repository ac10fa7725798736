//! `GET /calendar/calendars/{calendar_id}/events`: a window of one calendar.

use axum::{extract::State, response::Response};
use chassis::fault::Reason;
use http::StatusCode;
use proto::calendar::v1::ListEventsRequest;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;

use super::event_view::EventPage;
use crate::{
    edge::{query::Query, session::Caller},
    problem::Problem,
    routes::{
        answer,
        endpoint::{Audience, Endpoint},
        ids::CalendarId,
        paging::Limit,
    },
    state::App,
};

/// Which events. An empty parameter is one that was not given.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
struct Window {
    /// RFC 3339: events that end after it.
    #[param(required = false, example = "2026-03-01T00:00:00Z")]
    from: String,
    /// RFC 3339: events that start before it; at most two years after `from`.
    #[param(required = false, example = "2026-04-01T00:00:00Z")]
    to: String,
    /// Page size; 100 without one.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Limit<1000>,
    /// `next_cursor` of the page before.
    #[param(required = false)]
    cursor: String,
}

pub(in crate::routes) fn endpoint() -> Endpoint {
    let faults = &[Reason::Invalid, Reason::CalendarNotFound];
    Endpoint::new(routes!(list_events), "list_events", Audience::Callers, faults)
}

/// List events of a calendar
///
/// Those that overlap the half-open window, ordered by start, in pages.
#[utoipa::path(
    get, path = "/calendar/calendars/{calendar_id}/events", tag = "Events",
    params(("calendar_id" = String, Path, format = Uuid), Window),
    responses((status = 200, description = "A page of events", body = EventPage)),
)]
async fn list_events(
    State(app): State<App>,
    caller: Caller,
    CalendarId(calendar_id): CalendarId,
    Query(window): Query<Window>,
) -> Result<Response, Problem> {
    let Window { from, to, limit: Limit(limit), cursor } = window;
    let message = ListEventsRequest { calendar_id, from, to, limit, cursor };
    let list = app.upstream.calendar().list_events(caller.request(message)).await?.into_inner();
    Ok(answer::raw_json(StatusCode::OK, EventPage::json(&list)?))
}
