//! `POST /timers`: something is to be called, some time from now.

use axum::{
    extract::{OriginalUri, State},
    response::Response,
};
use chassis::fault::Reason;
use http::StatusCode;
use proto::notification::v1::CreateTimerRequest;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::{asker::Asker, timer_view::Timer};
use crate::{
    edge::repeat::RepeatKey,
    problem::Problem,
    routes::{
        answer,
        endpoint::{Audience, Endpoint},
        object::Body,
        whole::Whole,
    },
    state::App,
};

/// A new timer: from one second to ten years from now, in all.
#[derive(Deserialize, ToSchema)]
#[schema(examples(json!({ "hours": 4, "minutes": 0, "seconds": 1, "url": "https://receiver.example/timers" })))]
struct NewTimer {
    #[schema(value_type = Option<u64>, nullable = false, minimum = 0)]
    #[serde(default)]
    hours: Whole,
    #[schema(value_type = Option<u64>, nullable = false, minimum = 0)]
    #[serde(default)]
    minutes: Whole,
    #[schema(value_type = Option<u64>, nullable = false, minimum = 0)]
    #[serde(default)]
    seconds: Whole,
    /// `http` or `https`, without credentials and without a fragment, and no address inside the
    /// operator's own network. The timer's id is appended as one path segment.
    #[schema(format = "uri", max_length = 2048)]
    url: String,
}

pub(in crate::routes) fn endpoint() -> Endpoint {
    Endpoint::new(routes!(create_timer), "create_timer", Audience::Callers, &[Reason::Invalid])
}

/// Set a timer
///
/// When it is due, `POST {url}/{id}` is sent, signed by Standard Webhooks, until it is answered with 2xx.
/// A crash may repeat the request with the same `webhook-id`; no timer is lost. Where the operator has
/// set `TIMERS_PUBLIC`, no token is needed.
#[utoipa::path(
    post, path = "/timers", tag = "Timers", params(RepeatKey), request_body = NewTimer,
    responses((
        status = 201, description = "The timer runs", body = Timer,
        headers(("Location" = String, description = "Where the timer is")),
    )),
)]
async fn create_timer(
    State(app): State<App>,
    asker: Asker,
    asked: OriginalUri,
    key: RepeatKey,
    Body(input): Body<NewTimer>,
) -> Result<Response, Problem> {
    let message = asker.request_once(&key, input.into_message());
    let (said, timer, _) = app.upstream.notification().create_timer(message).await?.into_parts();
    let response = answer::json(StatusCode::CREATED, &Timer::from(&timer));
    let response = answer::located(response, &asked, &format!("/timers/{}", timer.timer_id));
    Ok(answer::marked(response, &said))
}

// === impl NewTimer ===

impl NewTimer {
    fn into_message(self) -> CreateTimerRequest {
        let Self { hours: Whole(hours), minutes: Whole(minutes), seconds: Whole(seconds), url } = self;
        CreateTimerRequest { hours, minutes, seconds, url }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::routes::object::read;

    #[test]
    fn what_is_omitted_is_zero() {
        let timer: NewTimer = read(&json!({ "seconds": 1, "url": "https://a.example" })).ok().unwrap();
        let expected = CreateTimerRequest {
            seconds: 1,
            url: "https://a.example".into(),
            ..CreateTimerRequest::default()
        };
        assert_eq!(timer.into_message(), expected);
    }

    #[test]
    fn the_field_at_fault_is_named() {
        for (body, field) in [
            (json!({}), "url"),
            (json!({ "url": 5 }), "url"),
            (json!({ "url": "https://a.example", "minutes": "5" }), "minutes"),
            (json!({ "url": "https://a.example", "seconds": 0.5 }), "seconds"),
        ] {
            assert_eq!(read::<NewTimer>(&body).err().as_deref(), Some(field), "{body}");
        }
    }
}
