//! `GET /timers/{timer_id}`: how long it still takes, and what became of it.

use axum::{extract::State, response::Response};
use chassis::fault::Reason;
use http::StatusCode;
use proto::notification::v1::GetTimerRequest;
use serde::{Deserialize, Serialize};
use utoipa::{
    IntoParams, PartialSchema, ToSchema,
    openapi::{RefOr, Schema, schema::AnyOfBuilder},
};
use utoipa_axum::routes;

use super::{
    asker::Asker,
    timer_view::{Timer, TimerStatus},
};
use crate::{
    edge::query::Query,
    problem::Problem,
    routes::{
        answer,
        endpoint::{Audience, Endpoint},
        ids::TimerId,
        paging::Switch,
    },
    state::App,
};

/// How much is told.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
struct Detail {
    /// `true` adds `state`, `attempts`, `last_status` and `fired_at`.
    #[param(value_type = Option<bool>)]
    verbose: Switch,
}

/// Two members, or all of them.
#[derive(Serialize)]
#[serde(untagged)]
enum TimerAnswer<'a> {
    Short(Timer<'a>),
    Verbose(TimerStatus<'a>),
}

pub(in crate::routes) fn endpoint() -> Endpoint {
    let faults = &[Reason::Invalid, Reason::TimerNotFound];
    Endpoint::new(routes!(get_timer), "get_timer", Audience::Callers, faults)
}

/// Get a timer
///
/// Where the operator has set `TIMERS_PUBLIC`, timers that were set without a token need none here.
#[utoipa::path(
    get, path = "/timers/{timer_id}", tag = "Timers",
    params(("timer_id" = String, Path, format = Uuid), Detail),
    responses((status = 200, description = "The timer", body = TimerAnswer)),
)]
async fn get_timer(
    State(app): State<App>,
    asker: Asker,
    TimerId(timer_id): TimerId,
    Query(Detail { verbose: Switch(verbose) }): Query<Detail>,
) -> Result<Response, Problem> {
    let message = GetTimerRequest { timer_id };
    let timer = app.upstream.notification().get_timer(asker.request(message)).await?.into_inner();
    let answer =
        if verbose { TimerAnswer::Verbose((&timer).into()) } else { TimerAnswer::Short((&timer).into()) };
    Ok(answer::json(StatusCode::OK, &answer))
}

// === impl TimerAnswer ===

impl PartialSchema for TimerAnswer<'_> {
    fn schema() -> RefOr<Schema> {
        // `anyOf`: what is verbose is also the short answer, which `oneOf` would not have.
        Schema::from(AnyOfBuilder::new().item(TimerStatus::schema()).item(Timer::schema()).build()).into()
    }
}

impl ToSchema for TimerAnswer<'_> {}
