//! `GET /calendar/calendars`, `DELETE /calendar/calendars/{calendar_id}`.

use axum::{extract::State, response::Response};
use chassis::fault::Reason;
use http::StatusCode;
use proto::calendar::v1::{DeleteCalendarRequest, ListCalendarsRequest};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::calendar_view::CalendarView;
use crate::{
    edge::session::Caller,
    problem::Problem,
    routes::{
        answer,
        endpoint::{Audience, Endpoint},
        ids::CalendarId,
    },
    state::App,
};

/// The calendars that the caller is in.
#[derive(Serialize, ToSchema)]
struct Calendars<'a> {
    calendars: Vec<CalendarView<'a>>,
}

pub(in crate::routes) fn list_endpoint() -> Endpoint {
    Endpoint::new(routes!(list_calendars), "list_calendars", Audience::Callers, &[])
}

pub(in crate::routes) fn delete_endpoint() -> Endpoint {
    let faults = &[Reason::Forbidden, Reason::CalendarNotFound];
    Endpoint::new(routes!(delete_calendar), "delete_calendar", Audience::Callers, faults)
}

/// List calendars
#[utoipa::path(
    get, path = "/calendar/calendars", tag = "Calendars",
    responses((status = 200, description = "Those that the caller is in, by name", body = Calendars)),
)]
async fn list_calendars(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    let list =
        app.upstream.calendar().list_calendars(caller.request(ListCalendarsRequest {})).await?.into_inner();
    let calendars = list.calendars.iter().map(CalendarView::from).collect();
    Ok(answer::json(StatusCode::OK, &Calendars { calendars }))
}

/// Delete a calendar
///
/// Owners only. All its members are told and taken out; its name is free again.
#[utoipa::path(
    delete, path = "/calendar/calendars/{calendar_id}", tag = "Calendars",
    params(("calendar_id" = String, Path, format = Uuid)),
    responses((status = 204, description = "The calendar is gone")),
)]
async fn delete_calendar(
    State(app): State<App>,
    caller: Caller,
    CalendarId(calendar_id): CalendarId,
) -> Result<Response, Problem> {
    app.upstream.calendar().delete_calendar(caller.request(DeleteCalendarRequest { calendar_id })).await?;
    Ok(answer::no_content())
}
