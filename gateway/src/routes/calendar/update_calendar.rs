//! `PATCH /calendar/calendars/{calendar_id}`: its name, password, colour,
//! zone and default reminders.

use axum::{extract::State, response::Response};
use chassis::fault::{Fault, Reason};
use http::StatusCode;
use proto::calendar::v1::{MinuteList, UpdateCalendarRequest};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::{calendar_view::CalendarView, event_fields::minutes};
use crate::{
    edge::session::Caller,
    problem::Problem,
    routes::{
        answer,
        endpoint::{Audience, Endpoint},
        ids::CalendarId,
        merge_patch::Edit,
        object::Body,
    },
    state::App,
};

/// Other settings of a calendar (RFC 7396): what is absent stays.
#[derive(Deserialize, ToSchema)]
#[schema(examples(json!({ "color": "#cc6633", "default_reminders": [10] })))]
struct CalendarPatch {
    #[schema(value_type = Option<String>, nullable = false, min_length = 1, max_length = 100)]
    #[serde(default)]
    calendar_name: Edit<String>,
    #[schema(value_type = Option<String>, nullable = false, min_length = 1, max_length = 128, format = Password)]
    #[serde(default)]
    calendar_password: Edit<SecretString>,
    /// IANA name.
    #[schema(value_type = Option<String>, nullable = false)]
    #[serde(default)]
    time_zone: Edit<String>,
    /// `#rrggbb`; null for none.
    #[schema(value_type = Option<String>, pattern = "^(#[0-9A-Fa-f]{6})?$")]
    #[serde(default)]
    color: Edit<String>,
    /// Null for none.
    #[schema(schema_with = minutes)]
    #[serde(default)]
    default_reminders: Edit<Vec<u32>>,
}

pub(in crate::routes) fn endpoint() -> Endpoint {
    let faults = &[Reason::Invalid, Reason::Forbidden, Reason::CalendarNotFound, Reason::CalendarNameTaken];
    Endpoint::new(routes!(update_calendar), "update_calendar", Audience::Callers, faults)
}

/// Change a calendar
///
/// Owners only. A JSON merge patch (RFC 7396).
#[utoipa::path(
    patch, path = "/calendar/calendars/{calendar_id}", tag = "Calendars",
    params(("calendar_id" = String, Path, format = Uuid)),
    request_body(content(
        (CalendarPatch = "application/merge-patch+json"),
        (CalendarPatch = "application/json"),
    )),
    responses((status = 200, description = "The calendar as it is now; its room was told", body = CalendarView)),
)]
async fn update_calendar(
    State(app): State<App>,
    caller: Caller,
    CalendarId(calendar_id): CalendarId,
    Body(patch): Body<CalendarPatch>,
) -> Result<Response, Problem> {
    let message = patch.into_message(calendar_id)?;
    let calendar = app.upstream.calendar().update_calendar(caller.request(message)).await?.into_inner();
    Ok(answer::json(StatusCode::OK, &CalendarView::from(&calendar)))
}

// === impl CalendarPatch ===

impl CalendarPatch {
    fn into_message(self, calendar_id: String) -> Result<UpdateCalendarRequest, Fault> {
        let mut cleared = Vec::new();
        let calendar_name = self.calendar_name.take("calendar_name", &mut cleared);
        let calendar_password = self.calendar_password.take("calendar_password", &mut cleared);
        let time_zone = self.time_zone.take("time_zone", &mut cleared);
        if !cleared.is_empty() {
            let fault = Fault::of(Reason::Invalid);
            return Err(cleared
                .into_iter()
                .fold(fault, |fault, field| fault.with_field(field, "must not be null")));
        }
        Ok(UpdateCalendarRequest {
            calendar_id,
            calendar_name,
            calendar_password: calendar_password.map(|password| password.expose_secret().to_owned()),
            time_zone,
            color: self.color.or(String::new()),
            default_reminders: self.default_reminders.or(Vec::new()).map(|minutes| MinuteList { minutes }),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::routes::object::read;

    #[test]
    fn what_is_absent_stays_and_what_is_null_is_cleared() {
        let patch: CalendarPatch = read(&json!({ "color": null, "default_reminders": [5] })).ok().unwrap();
        let expected = UpdateCalendarRequest {
            calendar_id: "c".into(),
            color: Some(String::new()),
            default_reminders: Some(MinuteList { minutes: vec![5] }),
            ..UpdateCalendarRequest::default()
        };
        assert_eq!(patch.into_message("c".into()), Ok(expected));
    }

    #[test]
    fn name_password_and_zone_cannot_be_cleared() {
        let patch: CalendarPatch = read(&json!({ "calendar_name": null, "time_zone": null })).ok().unwrap();
        let fields = patch.into_message("c".into()).unwrap_err().fields;
        assert_eq!(
            fields.iter().map(|f| f.field.as_str()).collect::<Vec<_>>(),
            ["calendar_name", "time_zone"]
        );
        assert_eq!(read::<CalendarPatch>(&json!({ "color": 5 })).err().as_deref(), Some("color"));
    }
}
