//! `GET /user/status`, `GET /calendar/status`: whether a service and its
//! database are up.

use axum::{extract::State, response::Response};
use http::StatusCode;
use proto::{auth::v1 as auth, calendar::v1 as calendar};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use super::{
    answer,
    endpoint::{Audience, Endpoint},
};
use crate::{edge::session::Visitor, problem::Problem, state::App};

/// All is well.
#[derive(Serialize, ToSchema)]
struct Status {
    #[schema(examples("Service and database are up and running"))]
    message: &'static str,
}

pub(super) fn user_endpoint() -> Endpoint {
    Endpoint::new(routes!(user_status), "user_status", Audience::Anybody, &[])
}

pub(super) fn calendar_endpoint() -> Endpoint {
    Endpoint::new(routes!(calendar_status), "calendar_status", Audience::Anybody, &[])
}

/// Status of accounts
#[utoipa::path(
    get, path = "/user/status", tag = "Status",
    responses((status = 200, description = "Service and database are up", body = Status)),
)]
async fn user_status(State(app): State<App>, visitor: Visitor) -> Result<Response, Problem> {
    app.upstream.auth().status(visitor.request(auth::StatusRequest {})).await?;
    Ok(up())
}

/// Status of calendars
#[utoipa::path(
    get, path = "/calendar/status", tag = "Status",
    responses((status = 200, description = "Service and database are up", body = Status)),
)]
async fn calendar_status(State(app): State<App>, visitor: Visitor) -> Result<Response, Problem> {
    app.upstream.calendar().status(visitor.request(calendar::StatusRequest {})).await?;
    Ok(up())
}

fn up() -> Response {
    answer::json(StatusCode::OK, &Status { message: "Service and database are up and running" })
}
