//! Who calls: extractors for handlers.

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use chassis::{
    fault::{Fault, Reason},
    tokens::Identity,
};
use http::{Uri, request::Parts};

use super::{client_address::ClientAddress, request_id::RequestId};
use crate::{problem::Problem, sessions::Sessions, state::App, upstream::Onward};

/// Query parameters in which clients put tokens.
const TOKEN_NAMES: [&str; 6] = ["token", "access_token", "auth_token", "authorization", "bearer", "jwt"];

/// A caller with a verified token and a live session; else 401, or 503 while
/// that cannot be told.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who it is.
    pub identity: Identity,
    onward: Onward,
}

/// Anybody, for routes that need no token.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// Where the request comes from, as far as it can be trusted.
    pub address: ClientAddress,
    onward: Onward,
}

/// What became of a request's credentials; in its extensions once looked at.
#[derive(Clone, Debug)]
pub(super) enum Known {
    /// None were shown.
    Nobody,
    /// Good ones.
    Caller(Box<Caller>),
    /// Bad ones, or nobody could tell.
    Refused(Fault),
}

// === impl Caller ===

impl Caller {
    /// A message on its way to a service, in this caller's name: token and
    /// request id in its metadata.
    pub fn request<T>(&self, message: T) -> tonic::Request<T> {
        self.onward.request(message)
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        match Known::of(parts, &app.sessions).await {
            Known::Caller(caller) => Ok(*caller),
            Known::Nobody => Err(Fault::of(Reason::Unauthenticated).into()),
            Known::Refused(fault) => Err(fault.into()),
        }
    }
}

/// `None` when no credentials were shown; bad ones are refused all the same.
impl OptionalFromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Option<Self>, Problem> {
        match Known::of(parts, &app.sessions).await {
            Known::Caller(caller) => Ok(Some(*caller)),
            Known::Nobody => Ok(None),
            Known::Refused(fault) => Err(fault.into()),
        }
    }
}

// === impl Visitor ===

impl Visitor {
    /// A message on its way to a service: the request id in its metadata.
    pub fn request<T>(&self, message: T) -> tonic::Request<T> {
        self.onward.request(message)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Visitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let address = ClientAddress::of(&parts.extensions);
        let onward = Onward::new(RequestId::in_extensions(&parts.extensions), None);
        Ok(Self { address, onward })
    }
}

// === impl Known ===

impl Known {
    /// Looks at the credentials once per request; whoever asks again is told
    /// what was found.
    pub(super) async fn of(parts: &mut Parts, sessions: &Sessions) -> Self {
        if let Some(known) = parts.extensions.get::<Self>() {
            return known.clone();
        }
        let found = match token_in_url(&parts.uri) {
            Some(fault) => Err(fault),
            None => sessions.authenticate(&parts.headers).await,
        };
        let known = match found {
            Ok(None) => Self::Nobody,
            Ok(Some(identity)) => {
                let id = RequestId::in_extensions(&parts.extensions);
                let onward = Onward::new(id, Some(&identity));
                Self::Caller(Box::new(Caller { identity, onward }))
            }
            Err(fault) => Self::Refused(fault),
        };
        parts.extensions.insert(known.clone());
        known
    }
}

/// URLs end up in logs and histories: a token there is refused, so that nobody
/// gets used to it.
fn token_in_url(uri: &Uri) -> Option<Fault> {
    let query = uri.query()?.as_bytes();
    let (name, _) = form_urlencoded::parse(query).find(|(name, _)| TOKEN_NAMES.contains(&name.as_ref()))?;
    Some(Fault::invalid(name, "a token must be in the Authorization header, not in the URL"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_in_the_url_is_refused_by_name() {
        for (uri, field) in [
            ("/ws?token=x", Some("token")),
            ("/ws?a=b&access_token=", Some("access_token")),
            ("/ws?%74oken=x", Some("token")),
            ("/ws?ticket=x", None),
            ("/socket.io/?EIO=4&transport=polling&t=abc", None),
            ("/token", None),
        ] {
            let fault = token_in_url(&Uri::from_static(uri));
            assert_eq!(fault.map(|fault| fault.fields[0].field.clone()).as_deref(), field, "{uri}");
        }
    }
}
