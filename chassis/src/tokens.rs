//! Access tokens: EdDSA JSON Web Tokens, checked by every service again.
//!
//! jsonwebtoken's defaults are soft; what we require instead stands in
//! `verifier.rs` (PROMISES, rule 13).

mod key_set;
mod source;
mod verifier;

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use self::{
    source::{KeySource, RpcKeySource},
    verifier::Verifier,
};

/// `iss` of every token.
pub const ISSUER: &str = "shared-calendar/auth";
/// `aud` of every token.
pub const AUDIENCE: &str = "shared-calendar";
/// `purpose` of an access token, the only one there is today.
pub const PURPOSE_ACCESS: &str = "access";

/// What a token says. Times are seconds since the epoch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    /// Always [`ISSUER`].
    pub iss: String,
    /// Always [`AUDIENCE`].
    pub aud: String,
    /// The account.
    pub sub: Uuid,
    /// The username, as it was spelt at login.
    pub name: String,
    /// The session; the token is worth what the session is.
    pub sid: Uuid,
    /// Issued at.
    pub iat: i64,
    /// Not before.
    pub nbf: i64,
    /// Expiry, that of the session.
    pub exp: i64,
    /// What the token is for.
    pub purpose: String,
}

/// Who calls: read off a verified token.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The account.
    pub account_id: Uuid,
    /// The username.
    pub username: Arc<str>,
    /// The session.
    pub session_id: Uuid,
    /// When token and session end.
    pub expires_at: Timestamp,
    /// The token itself, to be passed on; never logged.
    pub token: BearerToken,
}

/// A token's text, without `Debug` output.
#[derive(Clone, PartialEq, Eq)]
pub struct BearerToken(Arc<str>);

// === impl BearerToken ===

impl BearerToken {
    /// Wraps a token.
    pub fn new(token: impl Into<Arc<str>>) -> Self {
        Self(token.into())
    }

    /// The text, for the `Authorization` header or the metadata of a call, and nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The same, shared: what is known of a token is found by it.
    fn text(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

impl std::fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BearerToken(..)")
    }
}
