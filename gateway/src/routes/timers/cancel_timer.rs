//! `DELETE /timers/{timer_id}`: it will not fire.

use axum::{extract::State, response::Response};
use chassis::fault::Reason;
use proto::notification::v1::CancelTimerRequest;
use utoipa_axum::routes;

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
    let faults = &[Reason::TimerNotFound, Reason::TimerFired];
    Endpoint::new(routes!(cancel_timer), "cancel_timer", Audience::Callers, faults)
}

/// Cancel a timer
///
/// As long as it has not fired.
#[utoipa::path(
    delete, path = "/timers/{timer_id}", tag = "Timers",
    params(("timer_id" = String, Path, format = Uuid)),
    responses((status = 204, description = "It will not fire")),
)]
async fn cancel_timer(
    State(app): State<App>,
    caller: Caller,
    TimerId(timer_id): TimerId,
) -> Result<Response, Problem> {
    app.upstream.notification().cancel_timer(caller.request(CancelTimerRequest { timer_id })).await?;
    Ok(answer::no_content())
}
