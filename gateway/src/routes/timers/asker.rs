//! Who sets and reads timers: a caller, or with `TIMERS_PUBLIC` anybody.

use axum::{RequestPartsExt as _, extract::FromRequestParts};
use chassis::fault::{Fault, Reason};
use http::request::Parts;
use tonic::Request;

use crate::{
    edge::{
        repeat::RepeatKey,
        session::{Caller, Visitor},
    },
    problem::Problem,
    state::App,
};

/// Who asks. A token that is shown is believed or refused, never ignored.
pub(in crate::routes) enum Asker {
    Caller(Caller),
    /// The source knows no accounts; its timers are found by whoever knows the id.
    Anybody(Visitor),
}

// === impl Asker ===

impl Asker {
    /// A message on its way to a service, in the caller's name where there is one.
    pub(super) fn request<T>(&self, message: T) -> Request<T> {
        match self {
            Self::Caller(caller) => caller.request(message),
            Self::Anybody(visitor) => visitor.request(message),
        }
    }

    /// The same, with a key of theirs.
    pub(super) fn request_once<T>(&self, key: &RepeatKey, message: T) -> Request<T> {
        match self {
            Self::Caller(caller) => key.of_caller(caller, message),
            Self::Anybody(visitor) => key.of_visitor(visitor, message),
        }
    }
}

impl FromRequestParts<App> for Asker {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let caller: Option<Caller> = parts.extract_with_state(app).await?;
        match caller {
            Some(caller) => Ok(Self::Caller(caller)),
            None if app.timers_public => parts.extract().await.map(Self::Anybody),
            None => Err(Fault::of(Reason::Unauthenticated).into()),
        }
    }
}
