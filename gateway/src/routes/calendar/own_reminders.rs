//! `PUT /calendar/events/{event_id}/reminders`: the caller's own, without
//! touching the event.

use axum::{extract::State, response::Response};
use chassis::fault::{Fault, Reason};
use http::StatusCode;
use proto::calendar::v1::{MinuteList, SetOwnRemindersRequest};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::event_fields::minutes;
use crate::{
    edge::session::Caller,
    problem::Problem,
    routes::{
        answer,
        endpoint::{Audience, Endpoint},
        ids::EventId,
        merge_patch::Edit,
        object::Body,
    },
    state::App,
};

/// When the caller wants to be reminded.
#[derive(Deserialize, ToSchema)]
#[schema(examples(json!({ "minutes": [60, 10] })))]
struct Choice {
    /// None at all: `[]`. As the event says: null.
    #[schema(schema_with = minutes, required)]
    #[serde(default)]
    minutes: Edit<Vec<u32>>,
}

/// When the caller is reminded.
#[derive(Serialize, ToSchema)]
struct OwnReminders<'a> {
    #[schema(format = Uuid, examples("019a9d2e-1111-7e70-a1f6-0123456789ab"))]
    event_id: &'a str,
    /// Minutes before the start.
    minutes: &'a [u32],
    /// Whether that is the caller's own choice.
    own: bool,
}

pub(in crate::routes) fn endpoint() -> Endpoint {
    let faults = &[Reason::Invalid, Reason::EventNotFound];
    Endpoint::new(routes!(set_own_reminders), "set_own_reminders", Audience::Callers, faults)
}

/// Choose one's own reminders
///
/// For the caller alone; viewers may, too. The event and its other members notice nothing.
#[utoipa::path(
    put, path = "/calendar/events/{event_id}/reminders", tag = "Events",
    params(("event_id" = String, Path, format = Uuid)), request_body = Choice,
    responses((status = 200, description = "When the caller is reminded now", body = OwnReminders)),
)]
async fn set_own_reminders(
    State(app): State<App>,
    caller: Caller,
    EventId(event_id): EventId,
    Body(choice): Body<Choice>,
) -> Result<Response, Problem> {
    let message = choice.into_message(event_id)?;
    let now = app.upstream.calendar().set_own_reminders(caller.request(message)).await?.into_inner();
    let answer = OwnReminders { event_id: &now.event_id, minutes: &now.minutes, own: now.own };
    Ok(answer::json(StatusCode::OK, &answer))
}

// === impl Choice ===

impl Choice {
    fn into_message(self, event_id: String) -> Result<SetOwnRemindersRequest, Fault> {
        let minutes = match self.minutes {
            Edit::Keep => return Err(Fault::invalid("minutes", "is required; null for those of the event")),
            Edit::Clear => None,
            Edit::Set(minutes) => Some(MinuteList { minutes }),
        };
        Ok(SetOwnRemindersRequest { event_id, minutes })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::routes::object::read;

    fn minutes_of(body: &Value) -> Result<Option<Vec<u32>>, String> {
        let message = read::<Choice>(body)?.into_message("e".into());
        message
            .map(|message| message.minutes.map(|list| list.minutes))
            .map_err(|fault| fault.fields[0].field.clone())
    }

    #[test]
    fn none_at_all_and_those_of_the_event_are_two_things() {
        assert_eq!(minutes_of(&json!({ "minutes": [60, 10] })), Ok(Some(vec![60, 10])));
        assert_eq!(minutes_of(&json!({ "minutes": [] })), Ok(Some(Vec::new())));
        assert_eq!(minutes_of(&json!({ "minutes": null })), Ok(None));
    }

    #[test]
    fn the_field_at_fault_is_named() {
        for (body, field) in [
            (json!({}), "minutes"),
            (json!({ "minutes": 5 }), "minutes"),
            (json!({ "minutes": [5, -1] }), "minutes[1]"),
            (json!({ "minutes": ["5"] }), "minutes[0]"),
        ] {
            assert_eq!(minutes_of(&body), Err(field.to_owned()), "{body}");
        }
    }
}
