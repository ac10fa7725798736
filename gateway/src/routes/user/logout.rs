//! `POST /user/logout`: the session of the token ends, everywhere.

use axum::{extract::State, response::Response};
use proto::auth::v1::LogoutRequest;
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

pub(in crate::routes) fn endpoint() -> Endpoint {
    Endpoint::new(routes!(logout), "logout", Audience::Callers, &[])
}

/// Log out
///
/// Within a second the token is dead on every gateway and the session's sockets are closed (4401).
#[utoipa::path(
    post, path = "/user/logout", tag = "Accounts",
    responses((status = 204, description = "The session has ended")),
)]
async fn logout(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    let ended = app.upstream.auth().logout(caller.request(LogoutRequest {})).await?.into_inner();
    app.sessions.revoke(&ended.session_ids).await;
    Ok(answer::no_content())
}
