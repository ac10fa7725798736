//! Who notifies: a person, or one of the operator's own programs.

use axum::{RequestPartsExt as _, extract::FromRequestParts};
use chassis::{
    fault::{Fault, Reason},
    service_token,
};
use http::request::Parts;

use crate::{edge::session::Caller, problem::Problem, state::App};

/// Who sends a notification.
pub(super) enum Sender {
    Person(Caller),
    /// Whoever shows the service token. No other route of this door believes
    /// it; the contract wants it here.
    Service,
}

impl FromRequestParts<App> for Sender {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        match parts.headers.get(service_token::METADATA_KEY) {
            Some(shown) if app.upstream.is_service(shown.as_bytes()) => Ok(Self::Service),
            // As for any bad credential: one answer, whatever else is shown.
            Some(_) => Err(Fault::of(Reason::Unauthenticated).into()),
            None => parts.extract_with_state(app).await.map(Self::Person),
        }
    }
}
