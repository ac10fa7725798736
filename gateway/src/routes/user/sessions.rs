//! `GET /user/sessions`, `DELETE /user/sessions/{session_id}`: where the
//! caller is logged in.

use axum::{extract::State, response::Response};
use chassis::fault::Reason;
use http::StatusCode;
use proto::auth::v1::{self as words, EndSessionRequest, ListSessionsRequest};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::{
    edge::session::Caller,
    problem::Problem,
    routes::{
        answer,
        endpoint::{Audience, Endpoint},
        ids::SessionId,
    },
    state::App,
};

/// One place where the caller is logged in.
#[derive(Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the names are the contract's")]
struct Session<'a> {
    #[schema(format = Uuid, examples("019a9d2e-1c1b-7e70-a1f6-0123456789ab"))]
    session_id: &'a str,
    #[schema(format = DateTime, examples("2026-03-01T12:00:00Z"))]
    created_at: &'a str,
    #[schema(format = DateTime, examples("2026-03-02T08:30:00Z"))]
    last_seen_at: &'a str,
    #[schema(format = DateTime, examples("2026-03-31T12:00:00Z"))]
    expires_at: &'a str,
    /// What the client called itself at login.
    #[schema(examples("Mozilla/5.0"))]
    user_agent: &'a str,
    /// Whether it is the session of this request.
    current: bool,
}

/// The caller's live sessions, newest first.
#[derive(Serialize, ToSchema)]
struct Sessions<'a> {
    sessions: Vec<Session<'a>>,
}

// === impl Session ===

impl<'a> From<&'a words::Session> for Session<'a> {
    fn from(session: &'a words::Session) -> Self {
        Self {
            session_id: &session.session_id,
            created_at: &session.created_at,
            last_seen_at: &session.last_seen_at,
            expires_at: &session.expires_at,
            user_agent: &session.user_agent,
            current: session.current,
        }
    }
}

pub(in crate::routes) fn list_endpoint() -> Endpoint {
    Endpoint::new(routes!(list_sessions), "list_sessions", Audience::Callers, &[])
}

pub(in crate::routes) fn end_endpoint() -> Endpoint {
    Endpoint::new(routes!(end_session), "end_session", Audience::Callers, &[Reason::SessionNotFound])
}

/// List sessions
#[utoipa::path(
    get, path = "/user/sessions", tag = "Accounts",
    responses((status = 200, description = "The caller's sessions, newest first", body = Sessions)),
)]
async fn list_sessions(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    let list = app.upstream.auth().list_sessions(caller.request(ListSessionsRequest {})).await?.into_inner();
    let sessions = list.sessions.iter().map(Session::from).collect();
    Ok(answer::json(StatusCode::OK, &Sessions { sessions }))
}

/// End a session
///
/// One of the caller's; its token is dead within a second, its sockets close (4401).
#[utoipa::path(
    delete, path = "/user/sessions/{session_id}", tag = "Accounts",
    params(("session_id" = String, Path, format = Uuid)),
    responses((status = 204, description = "The session has ended")),
)]
async fn end_session(
    State(app): State<App>,
    caller: Caller,
    SessionId(session_id): SessionId,
) -> Result<Response, Problem> {
    let ended =
        app.upstream.auth().end_session(caller.request(EndSessionRequest { session_id })).await?.into_inner();
    app.sessions.revoke(&ended.session_ids).await;
    Ok(answer::no_content())
}
