//! `POST /ws/ticket`: how a browser opens `/ws` without a token in the URL.

use axum::{extract::State, response::Response};
use http::StatusCode;
use proto::auth::v1::IssueTicketRequest;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::{
    edge::session::Caller,
    problem::Problem,
    routes::{
        answer,
        endpoint::{Audience, Endpoint},
    },
    state::App,
};

/// Good for one connection.
#[derive(Serialize, ToSchema)]
struct Ticket<'a> {
    /// For `/ws?ticket=…`.
    ticket: &'a str,
    /// Seconds until it is worthless.
    #[schema(examples(30))]
    expires_in: u32,
}

pub(super) fn endpoint() -> Endpoint {
    Endpoint::new(routes!(ticket), "ticket", Audience::Callers, &[])
}

/// A ticket for the socket
///
/// Browsers cannot set headers on a WebSocket: they open `/ws?ticket=…` once, within 30 seconds.
#[utoipa::path(
    post, path = "/ws/ticket", tag = "Room",
    responses((status = 201, description = "A new ticket", body = Ticket)),
)]
async fn ticket(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    let issued = app.upstream.auth().issue_ticket(caller.request(IssueTicketRequest {})).await?.into_inner();
    let answer = Ticket { ticket: &issued.ticket, expires_in: issued.expires_in };
    Ok(answer::json(StatusCode::CREATED, &answer))
}
