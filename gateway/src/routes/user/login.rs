//! `POST /user/login`: a session and its token.

use axum::{extract::State, response::Response};
use chassis::fault::Reason;
use http::{HeaderMap, StatusCode, header};
use proto::auth::v1::LoginRequest;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::{
    edge::session::Visitor,
    problem::Problem,
    routes::{
        answer,
        endpoint::{Audience, Endpoint},
        object::Body,
    },
    state::App,
};

/// Kept with the session; what is longer is cut.
const USER_AGENT_CHARACTERS: usize = 256;

/// Who logs in.
#[derive(Deserialize, ToSchema)]
struct Credentials {
    #[schema(examples("ann"))]
    username: String,
    #[schema(value_type = String, format = Password, examples("correct horse battery"))]
    password: SecretString,
}

/// A session.
#[derive(Serialize, ToSchema)]
struct LoggedIn<'a> {
    #[schema(examples("Logged in successfully!"))]
    message: &'static str,
    /// For `Authorization: Bearer …`.
    token: &'a str,
    /// As it was spelt at registration.
    #[schema(examples("ann"))]
    username: &'a str,
    /// When token and session end, RFC 3339 UTC.
    #[schema(format = DateTime, examples("2026-04-01T12:00:00Z"))]
    expires_at: &'a str,
}

pub(in crate::routes) fn endpoint() -> Endpoint {
    let faults = &[Reason::Invalid, Reason::InvalidCredentials];
    Endpoint::new(routes!(login), "login", Audience::Visitors, faults)
}

/// Log in
///
/// An unknown username and a wrong password are answered alike.
#[utoipa::path(
    post, path = "/user/login", tag = "Accounts", request_body = Credentials,
    responses((status = 200, description = "A new session", body = LoggedIn)),
)]
async fn login(
    State(app): State<App>,
    visitor: Visitor,
    headers: HeaderMap,
    Body(input): Body<Credentials>,
) -> Result<Response, Problem> {
    let message = LoginRequest {
        username: input.username,
        password: input.password.expose_secret().to_owned(),
        user_agent: user_agent(&headers),
        client_address: visitor.address.network().to_string(),
    };
    let session = app.upstream.auth().login(visitor.request(message)).await?.into_inner();
    let answer = LoggedIn {
        message: "Logged in successfully!",
        token: &session.token,
        username: &session.username,
        expires_at: &session.expires_at,
    };
    Ok(answer::json(StatusCode::OK, &answer))
}

/// What the client calls itself, readable and short.
fn user_agent(headers: &HeaderMap) -> String {
    let sent = headers.get(header::USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()));
    sent.unwrap_or_default().chars().filter(|c| !c.is_control()).take(USER_AGENT_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use serde_json::json;

    use super::*;
    use crate::routes::object::read;

    #[test]
    fn only_missing_and_non_string_fields_are_refused() {
        for odd in ["", " ", "\u{0}", &"x".repeat(10_000)] {
            assert!(read::<Credentials>(&json!({ "username": odd, "password": odd })).is_ok(), "{odd:?}");
        }
        assert_eq!(read::<Credentials>(&json!({ "username": "a" })).err().as_deref(), Some("password"));
        assert_eq!(
            read::<Credentials>(&json!({ "username": {}, "password": "p" })).err().as_deref(),
            Some("username")
        );
    }

    #[test]
    fn a_user_agent_is_short_and_printable() {
        let mut headers = HeaderMap::new();
        assert_eq!(user_agent(&headers), "");
        headers.insert(header::USER_AGENT, HeaderValue::from_bytes(b"curl/8\t\xff").unwrap());
        assert_eq!(user_agent(&headers), "curl/8\u{fffd}");
        headers.insert(header::USER_AGENT, HeaderValue::from_str(&"x".repeat(1000)).unwrap());
        assert_eq!(user_agent(&headers).len(), 256);
    }
}
