//! `POST /timers/{timer_id}/resend`: a dead letter once more.

use axum::{extract::State, response::Response};
use chassis::fault::Reason;
use http::StatusCode;
use proto::notification::v1::ResendTimerRequest;
use utoipa_axum::routes;

use super::timer_view::TimerStatus;
use crate::{
    edge::session::Caller,
    problem::Problem,
    routes::{
        answer,
        endpoint::{Audience, Endpoint},
        ids::TimerId,
    },
    state::App,
};

pub(in crate::routes) fn endpoint() -> Endpoint {
    let faults = &[Reason::TimerNotFound, Reason::TimerNotFailed];
    Endpoint::new(routes!(resend_timer), "resend_timer", Audience::Callers, faults)
}

/// Send a dead letter again
///
/// A timer that is `failed` is due at once, with a fresh schedule of retries.
#[utoipa::path(
    post, path = "/timers/{timer_id}/resend", tag = "Timers",
    params(("timer_id" = String, Path, format = Uuid)),
    responses((status = 200, description = "It is due now", body = TimerStatus)),
)]
async fn resend_timer(
    State(app): State<App>,
    caller: Caller,
    TimerId(timer_id): TimerId,
) -> Result<Response, Problem> {
    let message = ResendTimerRequest { timer_id };
    let timer = app.upstream.notification().resend_timer(caller.request(message)).await?.into_inner();
    Ok(answer::json(StatusCode::OK, &TimerStatus::from(&timer)))
}
