//! `GET /.well-known/jwks.json`: the keys that tokens are checked with.

use axum::{extract::State, response::Response};
use http::{HeaderValue, StatusCode, header};
use proto::auth::v1::JwksRequest;
use utoipa_axum::routes;

use crate::{
    edge::session::Visitor,
    problem::Problem,
    routes::{
        answer,
        endpoint::{Audience, Endpoint},
    },
    state::App,
};

/// A new key is published five minutes before it signs: a minute old is early enough.
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=60");

pub(super) fn endpoint() -> Endpoint {
    Endpoint::new(routes!(jwks), "jwks", Audience::Anybody, &[])
}

/// Public keys
///
/// An RFC 7517 JSON Web Key Set (Ed25519). Tokens name their key by `kid`.
#[utoipa::path(
    get, path = "/.well-known/jwks.json", tag = "Accounts",
    responses((
        status = 200, description = "The key set", body = Value,
        example = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "…", "x": "…" }] }),
    )),
)]
async fn jwks(State(app): State<App>, visitor: Visitor) -> Result<Response, Problem> {
    let keys = app.upstream.auth().jwks(visitor.request(JwksRequest {})).await?.into_inner();
    let mut response = answer::raw_json(StatusCode::OK, keys.jwks_json);
    response.headers_mut().insert(header::CACHE_CONTROL, CACHE);
    Ok(response)
}
