//! `GET · PUT /user/webhook-url`: where the caller's notifications go besides
//! the inbox.

use axum::{extract::State, response::Response};
use chassis::fault::{Fault, Reason};
use http::StatusCode;
use proto::notification::v1::{GetWebhookUrlRequest, SetWebhookUrlRequest, WebhookUrl};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::{
    edge::session::Caller,
    problem::Problem,
    routes::{
        answer,
        endpoint::{Audience, Endpoint},
        merge_patch::Edit,
        object::Body,
    },
    state::App,
};

/// Where notifications go.
#[derive(Serialize, ToSchema)]
struct Destination<'a> {
    /// Null: to the inbox alone.
    #[schema(required, format = "uri", examples("https://receiver.example/notifications"))]
    url: Option<&'a str>,
}

/// Where notifications are to go.
#[derive(Deserialize, ToSchema)]
#[schema(examples(json!({ "url": "https://receiver.example/notifications" })))]
struct NewDestination {
    /// As the `url` of a timer, but that nothing is appended; null: to the inbox alone.
    #[schema(value_type = Option<String>, required, format = "uri", max_length = 2048)]
    #[serde(default)]
    url: Edit<String>,
}

pub(in crate::routes) fn get_endpoint() -> Endpoint {
    Endpoint::new(routes!(get_webhook_url), "get_webhook_url", Audience::Callers, &[])
}

pub(in crate::routes) fn set_endpoint() -> Endpoint {
    Endpoint::new(routes!(set_webhook_url), "set_webhook_url", Audience::Callers, &[Reason::Invalid])
}

/// Get the webhook address
#[utoipa::path(
    get, path = "/user/webhook-url", tag = "Notifications",
    responses((status = 200, description = "Where notifications go besides the inbox", body = Destination)),
)]
async fn get_webhook_url(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    let request = caller.request(GetWebhookUrlRequest {});
    let set = app.upstream.notification().get_webhook_url(request).await?.into_inner();
    Ok(answer(&set))
}

/// Set the webhook address
///
/// Every notification is then sent there too, signed like a timer's webhook.
#[utoipa::path(
    put, path = "/user/webhook-url", tag = "Notifications", request_body = NewDestination,
    responses((status = 200, description = "Where notifications go now", body = Destination)),
)]
async fn set_webhook_url(
    State(app): State<App>,
    caller: Caller,
    Body(input): Body<NewDestination>,
) -> Result<Response, Problem> {
    let request = caller.request(input.into_message()?);
    let set = app.upstream.notification().set_webhook_url(request).await?.into_inner();
    Ok(answer(&set))
}

fn answer(set: &WebhookUrl) -> Response {
    let url = Some(set.url.as_str()).filter(|url| !url.is_empty());
    answer::json(StatusCode::OK, &Destination { url })
}

// === impl NewDestination ===

impl NewDestination {
    fn into_message(self) -> Result<SetWebhookUrlRequest, Fault> {
        match self.url.or(String::new()) {
            Some(url) => Ok(SetWebhookUrlRequest { url }),
            None => Err(Fault::invalid("url", "is required; null for none")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::routes::object::read;

    fn url(body: &Value) -> Result<String, String> {
        let message = read::<NewDestination>(body)?.into_message();
        message.map(|message| message.url).map_err(|fault| fault.fields[0].field.clone())
    }

    #[test]
    fn an_address_or_null_must_be_said() {
        assert_eq!(url(&json!({ "url": "https://a.example" })).as_deref(), Ok("https://a.example"));
        assert_eq!(url(&json!({ "url": null })).as_deref(), Ok(""));
        for body in [json!({}), json!({ "url": 5 })] {
            assert_eq!(url(&body), Err("url".to_owned()), "{body}");
        }
    }
}
