//! A notification goes to the account's webhook.

use futures::{FutureExt as _, future::BoxFuture};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Handler, Webhooks};
use crate::{
    model::{Kind, Outcome, Work},
    webhook::Schedule,
};

/// Notifications on their way to a webhook.
pub(crate) const NOTIFICATION_WEBHOOK: Kind = Kind("notification_webhook");

/// What a row of this kind carries.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Payload {
    /// The receiver knows it by the id that it has in the inbox.
    pub(crate) notification_id: Uuid,
    /// The account's webhook when it was made.
    pub(crate) url: String,
    /// What it says.
    pub(crate) message: String,
    /// The device that it is about; empty: none.
    pub(crate) device_id: String,
}

/// Calls the account's webhook.
pub(crate) struct NotificationWebhook {
    pub(super) webhooks: Webhooks,
}

#[derive(Serialize)]
struct Created<'a> {
    message: &'a str,
    #[serde(rename = "deviceId", skip_serializing_if = "str::is_empty")]
    device_id: &'a str,
}

// === impl Payload ===

impl Payload {
    pub(crate) fn to_json(&self) -> Value {
        json!(self)
    }
}

// === impl NotificationWebhook ===

impl Handler for NotificationWebhook {
    fn kind(&self) -> Kind {
        NOTIFICATION_WEBHOOK
    }

    fn schedule(&self) -> Schedule {
        Schedule::webhook()
    }

    fn is_request(&self) -> bool {
        true
    }

    fn deliver<'a>(&'a self, work: &'a Work) -> BoxFuture<'a, Outcome> {
        async move {
            let Ok(payload) = Payload::deserialize(&work.payload) else {
                return Outcome::Refused { status: 0, why: "the notification cannot be read".to_owned() };
            };
            let target = match self.webhooks.target(&payload.url) {
                Ok(target) => target,
                Err(outcome) => return outcome,
            };
            let data = Created { message: &payload.message, device_id: &payload.device_id };
            let id = payload.notification_id;
            self.webhooks.post(work, id, &target, "notification.created", data).await
        }
        .boxed()
    }
}
