//! `POST /v1/notify`: a message to one person.

mod sender;

use axum::{extract::State, response::Response};
use chassis::fault::{Fault, Reason};
use http::StatusCode;
use proto::notification::v1::{NotifyAccountRequest, NotifyRequest};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;
use uuid::Uuid;

use self::sender::Sender;
use crate::{
    edge::repeat::RepeatKey,
    problem::Problem,
    routes::{
        answer,
        endpoint::{Audience, Endpoint},
        object::Body,
    },
    state::App,
    upstream::Upstream,
};

/// A message, and whom it is for.
#[derive(Deserialize, ToSchema)]
#[schema(examples(json!({ "username": "bob", "message": "Dinner is ready" })))]
struct NewNotification {
    /// Oneself, or somebody with whom the caller shares a calendar.
    #[schema(min_length = 1)]
    username: Option<String>,
    /// A device of the caller's own, instead of a name.
    #[serde(rename = "deviceId")]
    #[schema(min_length = 1)]
    device_id: Option<String>,
    /// Whom it is for, with the service token only: the rules know no names.
    #[schema(format = Uuid)]
    account_id: Option<String>,
    #[schema(min_length = 1)]
    message: String,
    /// Makes a repeat harmless; a new one is made where there is none.
    #[schema(max_length = 255)]
    id: Option<String>,
}

/// It was taken.
#[derive(Serialize, ToSchema)]
struct Notified<'a> {
    #[schema(examples("ok"))]
    status: &'static str,
    #[schema(examples("019a9d2e-4444-7e70-a1f6-0123456789ab"))]
    id: &'a str,
}

pub(super) fn endpoint() -> Endpoint {
    let faults = &[Reason::Invalid, Reason::TooLong, Reason::NotFound];
    Endpoint::new(routes!(notify), "notify", Audience::CallersAndServices, faults)
}

/// Notify somebody
///
/// Oneself, or members of shared calendars; the operator's own programs, which show the service token in
/// `x-service-token` instead of a person's, anybody. It is kept in the inbox, heard on the sockets, and
/// sent to that person's webhook address if they have set one.
#[utoipa::path(
    post, path = "/v1/notify", tag = "Notifications", params(RepeatKey), request_body = NewNotification,
    responses((status = 202, description = "It is kept and on its way", body = Notified)),
)]
async fn notify(
    State(app): State<App>,
    sender: Sender,
    key: RepeatKey,
    Body(input): Body<NewNotification>,
) -> Result<Response, Problem> {
    match sender {
        Sender::Person(caller) => {
            let request = key.of_caller(&caller, input.of_a_person()?);
            let (said, told, _) = app.upstream.notification().notify(request).await?.into_parts();
            Ok(answer::marked(notified(&told.notification_id), &said))
        }
        // A service says `id`.
        Sender::Service => {
            let message = input.of_a_service(&app.upstream).await?;
            Ok(notified(&app.upstream.notify_account(message).await?))
        }
    }
}

fn notified(id: &str) -> Response {
    answer::json(StatusCode::ACCEPTED, &Notified { status: "ok", id })
}

// === impl NewNotification ===

impl NewNotification {
    /// One of both, a name or a device.
    fn of_a_person(self) -> Result<NotifyRequest, Fault> {
        let Self { username, device_id, message, id, .. } = self;
        match (&username, &device_id) {
            (None, None) => return Err(Fault::invalid("username", "is required, or deviceId")),
            (Some(_), Some(_)) => return Err(Fault::invalid("deviceId", "a username is named already")),
            _ => {}
        }
        Ok(NotifyRequest {
            username: username.unwrap_or_default(),
            device_id: device_id.unwrap_or_default(),
            message,
            id: id.unwrap_or_default(),
        })
    }

    /// An account or a name, and the device beside it.
    async fn of_a_service(self, upstream: &Upstream) -> Result<NotifyAccountRequest, Fault> {
        let account_id = match (self.account_id, self.username) {
            (Some(id), _) => {
                Uuid::try_parse(&id).map_err(|_| Fault::invalid("account_id", "must be a UUID"))?.to_string()
            }
            (None, Some(username)) => {
                upstream.find_account(username).await?.ok_or_else(|| Fault::of(Reason::NotFound))?
            }
            (None, None) => return Err(Fault::invalid("username", "is required: a device is somebody's")),
        };
        Ok(NotifyAccountRequest {
            account_id,
            device_id: self.device_id.unwrap_or_default(),
            message: self.message,
            id: self.id.filter(|id| !id.is_empty()).unwrap_or_else(|| Uuid::new_v4().to_string()),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::routes::object::read;

    fn of_a_person(body: &Value) -> Result<NotifyRequest, String> {
        let message = read::<NewNotification>(body)?.of_a_person();
        message.map_err(|fault| fault.fields[0].field.clone())
    }

    #[test]
    fn a_person_names_a_person_or_a_device() {
        let to_bob =
            of_a_person(&json!({ "username": "bob", "message": "hi", "id": "1", "account_id": "x" }));
        let expected = NotifyRequest {
            username: "bob".into(),
            message: "hi".into(),
            id: "1".into(),
            ..NotifyRequest::default()
        };
        assert_eq!(to_bob, Ok(expected), "no account but by its name");
        let to_device = of_a_person(&json!({ "deviceId": "watch", "message": "hi" })).expect("is valid");
        assert_eq!((to_device.device_id.as_str(), to_device.username.as_str()), ("watch", ""));
        for (body, field) in [
            (json!({ "message": "hi" }), "username"),
            (json!({ "message": "hi", "account_id": "019a9d2e-4444-7e70-a1f6-0123456789ab" }), "username"),
            (json!({ "message": "hi", "username": "bob", "deviceId": "watch" }), "deviceId"),
            (json!({ "username": "bob" }), "message"),
            (json!({ "username": 5, "message": "hi" }), "username"),
            (json!({ "username": "bob", "message": "hi", "id": 7 }), "id"),
        ] {
            assert_eq!(of_a_person(&body).unwrap_err(), field, "{body}");
        }
    }
}
