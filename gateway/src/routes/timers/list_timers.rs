//! `GET /timers`: the caller's timers.

use axum::{extract::State, response::Response};
use chassis::fault::Reason;
use http::StatusCode;
use proto::notification::v1::ListTimersRequest;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::routes;

use super::timer_view::TimerPage;
use crate::{
    edge::{query::Query, session::Caller},
    problem::Problem,
    routes::{
        answer,
        endpoint::{Audience, Endpoint},
        paging::Limit,
    },
    state::App,
};

/// Which timers. An empty parameter is one that was not given.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// `waiting`, `delivering`, `delivered`, `failed` (the dead letters) or `cancelled`; all without one.
    #[param(
        required = false,
        pattern = "^(waiting|delivering|delivered|failed|cancelled)?$",
        example = "failed"
    )]
    state: String,
    /// Page size; 100 without one.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Limit<1000>,
    /// `next_cursor` of the page before.
    #[param(required = false)]
    cursor: String,
}

pub(in crate::routes) fn endpoint() -> Endpoint {
    Endpoint::new(routes!(list_timers), "list_timers", Audience::Callers, &[Reason::Invalid])
}

/// List timers
///
/// The caller's, newest first, in pages.
#[utoipa::path(
    get, path = "/timers", tag = "Timers",
    params(Wanted),
    responses((status = 200, description = "A page of timers", body = TimerPage)),
)]
async fn list_timers(
    State(app): State<App>,
    caller: Caller,
    Query(Wanted { state, limit: Limit(limit), cursor }): Query<Wanted>,
) -> Result<Response, Problem> {
    let message = ListTimersRequest { state, limit, cursor };
    let list = app.upstream.notification().list_timers(caller.request(message)).await?.into_inner();
    Ok(answer::json(StatusCode::OK, &TimerPage::from(&list)))
}
