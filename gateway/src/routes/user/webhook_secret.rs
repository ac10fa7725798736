//! `GET · POST /user/webhook-secret`: what signs the caller's webhooks.

use axum::{extract::State, response::Response};
use http::StatusCode;
use proto::notification::v1::{GetWebhookSecretRequest, RotateWebhookSecretRequest, WebhookSecret};
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

/// A secret of Standard Webhooks.
#[derive(Serialize, ToSchema)]
struct Secret<'a> {
    /// `whsec_` and base64: give it to the receiver, who verifies `webhook-signature` with it.
    #[schema(pattern = "^whsec_", examples("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))]
    secret: &'a str,
}

pub(in crate::routes) fn get_endpoint() -> Endpoint {
    Endpoint::new(routes!(get_webhook_secret), "get_webhook_secret", Audience::Callers, &[])
}

pub(in crate::routes) fn rotate_endpoint() -> Endpoint {
    Endpoint::new(routes!(rotate_webhook_secret), "rotate_webhook_secret", Audience::Callers, &[])
}

/// Get the webhook secret
///
/// One for each account, made at the first call.
#[utoipa::path(
    get, path = "/user/webhook-secret", tag = "Timers",
    responses((status = 200, description = "What signs the caller's webhooks", body = Secret)),
)]
async fn get_webhook_secret(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    let request = caller.request(GetWebhookSecretRequest {});
    let WebhookSecret { secret } =
        app.upstream.notification().get_webhook_secret(request).await?.into_inner();
    Ok(answer::json(StatusCode::OK, &Secret { secret: &secret }))
}

/// Rotate the webhook secret
///
/// For 24 hours webhooks are signed with both, so that receivers can change in their own time.
#[utoipa::path(
    post, path = "/user/webhook-secret", tag = "Timers",
    responses((status = 200, description = "The new secret", body = Secret)),
)]
async fn rotate_webhook_secret(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    let request = caller.request(RotateWebhookSecretRequest {});
    let WebhookSecret { secret } =
        app.upstream.notification().rotate_webhook_secret(request).await?.into_inner();
    Ok(answer::json(StatusCode::OK, &Secret { secret: &secret }))
}
