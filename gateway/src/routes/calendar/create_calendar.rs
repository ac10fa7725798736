//! `POST /calendar/create_calendar`: a new room, its creator the owner.

use axum::{
    extract::{OriginalUri, State},
    response::Response,
};
use chassis::fault::Reason;
use http::StatusCode;
use proto::calendar::v1::CreateCalendarRequest;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::calendar_view::CalendarView;
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

/// A new calendar.
#[derive(Deserialize, ToSchema)]
struct NewCalendar {
    /// 1 to 100 characters after trimming; unique without its case.
    #[schema(min_length = 1, max_length = 100, examples("Family"))]
    calendar_name: String,
    /// Who knows it may join as editor; 1 to 128 characters.
    #[schema(value_type = String, min_length = 1, max_length = 128, format = Password, examples("sunday roast"))]
    calendar_password: SecretString,
    /// IANA name; UTC without one.
    #[schema(nullable, examples("Europe/Berlin"))]
    time_zone: Option<String>,
    /// `#rrggbb`.
    #[schema(nullable, pattern = "^(#[0-9A-Fa-f]{6})?$", examples("#3366cc"))]
    color: Option<String>,
}

/// A calendar was made.
#[derive(Serialize, ToSchema)]
struct CalendarCreated<'a> {
    #[schema(examples("New calendar created"))]
    message: &'static str,
    calendar: CalendarView<'a>,
}

pub(in crate::routes) fn endpoint() -> Endpoint {
    let faults = &[Reason::Invalid, Reason::CalendarNameTaken];
    Endpoint::new(routes!(create_calendar), "create_calendar", Audience::Callers, faults)
}

/// Create a calendar
///
/// The creator is its owner and first member.
#[utoipa::path(
    post, path = "/calendar/create_calendar", tag = "Calendars", params(RepeatKey), request_body = NewCalendar,
    responses((
        status = 201, description = "The calendar exists", body = CalendarCreated,
        headers(("Location" = String, description = "Where the calendar is changed and deleted")),
    )),
)]
async fn create_calendar(
    State(app): State<App>,
    caller: Caller,
    asked: OriginalUri,
    key: RepeatKey,
    Body(input): Body<NewCalendar>,
) -> Result<Response, Problem> {
    let message = CreateCalendarRequest {
        calendar_name: input.calendar_name,
        calendar_password: input.calendar_password.expose_secret().to_owned(),
        time_zone: input.time_zone.unwrap_or_default(),
        color: input.color.unwrap_or_default(),
    };
    let answered = app.upstream.calendar().create_calendar(key.of_caller(&caller, message)).await?;
    let (said, calendar, _) = answered.into_parts();
    let answer = CalendarCreated { message: "New calendar created", calendar: CalendarView::from(&calendar) };
    let path = format!("/calendar/calendars/{}", calendar.calendar_id);
    let response = answer::located(answer::json(StatusCode::CREATED, &answer), &asked, &path);
    Ok(answer::marked(response, &said))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::routes::object::read;

    #[test]
    fn name_and_password_are_texts_and_the_rest_may_be_absent() {
        let body =
            json!({ "calendar_name": "c", "calendar_password": "p", "color": null, "owner": "mallory" });
        let input: NewCalendar = read(&body).ok().unwrap();
        assert_eq!((input.calendar_name.as_str(), input.time_zone, input.color), ("c", None, None));
        for (body, field) in [
            (json!({ "calendar_password": "p" }), "calendar_name"),
            (json!({ "calendar_name": "c" }), "calendar_password"),
            (json!({ "calendar_name": "c", "calendar_password": 1 }), "calendar_password"),
            (json!({ "calendar_name": "c", "calendar_password": "p", "time_zone": 1 }), "time_zone"),
        ] {
            assert_eq!(read::<NewCalendar>(&body).err().as_deref(), Some(field), "{body}");
        }
    }
}
