//! `PATCH /calendar/events/{event_id}`: RFC 7396, within its calendar.

use axum::{extract::State, response::Response};
use chassis::fault::{Fault, Reason};
use http::StatusCode;
use proto::calendar::v1::{Event, GetEventRequest, UpdateEventRequest};
use utoipa_axum::routes;

use super::{
    event_fields::EventPatch,
    event_view::{self, EventView},
};
use crate::{
    edge::session::Caller,
    problem::Problem,
    routes::{
        endpoint::{Audience, Endpoint},
        ids::EventId,
        if_match::IfMatch,
        merge_patch::Edit,
        object::Body,
    },
    state::App,
};

pub(in crate::routes) fn endpoint() -> Endpoint {
    let faults = &[
        Reason::Invalid,
        Reason::Unsupported,
        Reason::ReadOnly,
        Reason::EventNotFound,
        Reason::ParticipantUnknown,
    ];
    Endpoint::new(routes!(update_event), "update_event", Audience::Callers, faults)
}

/// Change an event
///
/// A JSON merge patch (RFC 7396): what is absent stays, null is cleared. An event cannot move to another
/// calendar.
#[utoipa::path(
    patch, path = "/calendar/events/{event_id}", tag = "Events",
    params(
        ("event_id" = String, Path, format = Uuid),
        ("If-Match" = String, Header, description = "The event's etag in quotes, or `*`", example = "*"),
    ),
    request_body(content(
        (EventPatch = "application/merge-patch+json"),
        (EventPatch = "application/json"),
    )),
    responses((
        status = 200, description = "The event as it is now; its room was told", body = EventView,
        headers(("ETag" = String, description = "For If-Match")),
    )),
)]
async fn update_event(
    State(app): State<App>,
    caller: Caller,
    IfMatch(if_match): IfMatch,
    EventId(event_id): EventId,
    Body(patch): Body<EventPatch>,
) -> Result<Response, Problem> {
    let mut calendars = app.upstream.calendar();
    if names_a_calendar(&patch) {
        // Clients send back what they were sent: only another calendar is a fault.
        let message = GetEventRequest { event_id: event_id.clone() };
        let event = calendars.get_event(caller.request(message)).await?.into_inner();
        stays(&patch, &event)?;
    }
    let (fields, cleared) = patch.into_fields()?;
    let message = UpdateEventRequest { event_id, if_match, fields: Some(fields), cleared };
    let event = calendars.update_event(caller.request(message)).await?.into_inner();
    Ok(event_view::answer(StatusCode::OK, &event))
}

fn names_a_calendar(patch: &EventPatch) -> bool {
    patch.calendar_id != Edit::Keep || patch.calendar_name != Edit::Keep
}

/// CONTRACTS: a patch cannot move an event between calendars.
fn stays(patch: &EventPatch, event: &Event) -> Result<(), Fault> {
    let same = |named: &Edit<String>, is: &str| match named {
        Edit::Keep => true,
        Edit::Clear => false,
        // Names and ids are the same whatever their case.
        Edit::Set(named) => named.trim().to_lowercase() == is.to_lowercase(),
    };
    for (field, named, is) in [
        ("calendar_id", &patch.calendar_id, &event.calendar_id),
        ("calendar_name", &patch.calendar_name, &event.calendar_name),
    ] {
        if !same(named, is) {
            return Err(Fault::invalid(field, "an event cannot move to another calendar"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::routes::object::read;

    fn check(patch: &serde_json::Value) -> Result<(), String> {
        let event = Event { calendar_id: "c-1".into(), calendar_name: "Família".into(), ..Event::default() };
        let patch = read::<EventPatch>(patch).ok().unwrap();
        assert_eq!(
            names_a_calendar(&patch),
            patch.calendar_id != Edit::Keep || patch.calendar_name != Edit::Keep
        );
        stays(&patch, &event).map_err(|fault| fault.fields[0].field.clone())
    }

    #[test]
    fn an_event_may_name_its_own_calendar_but_no_other() {
        assert_eq!(check(&json!({})), Ok(()));
        assert_eq!(check(&json!({ "calendar_id": "c-1", "calendar_name": "Família" })), Ok(()));
        assert_eq!(check(&json!({ "calendar_name": " FAMÍLIA" })), Ok(()));
        assert_eq!(check(&json!({ "calendar_id": "c-2" })), Err("calendar_id".to_owned()));
        assert_eq!(check(&json!({ "calendar_name": "Other" })), Err("calendar_name".to_owned()));
        assert_eq!(check(&json!({ "calendar_name": null })), Err("calendar_name".to_owned()));
    }
}
