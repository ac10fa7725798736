//! A notification goes into the account's inbox.

use futures::{FutureExt as _, future::BoxFuture};
use proto::calendar::v1::DeliverNotificationRequest;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Handler;
use crate::{
    calendar::CalendarClient,
    model::{Kind, Outcome, Work},
    webhook::Schedule,
};

/// Notifications on their way to an inbox.
pub(crate) const NOTIFICATION_INBOX: Kind = Kind("notification_inbox");

/// What a row of this kind carries.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Payload {
    /// What it says.
    pub(crate) message: String,
    /// The device that it is about; empty: none.
    pub(crate) device_id: String,
}

/// Tells calendar-service.
pub(crate) struct NotificationInbox {
    pub(super) calendar: CalendarClient,
}

// === impl Payload ===

impl Payload {
    pub(crate) fn to_json(&self) -> Value {
        json!(self)
    }
}

// === impl NotificationInbox ===

impl Handler for NotificationInbox {
    fn kind(&self) -> Kind {
        NOTIFICATION_INBOX
    }

    fn schedule(&self) -> Schedule {
        Schedule::internal()
    }

    fn deliver<'a>(&'a self, work: &'a Work) -> BoxFuture<'a, Outcome> {
        async move {
            let (Ok(payload), Some(account_id)) = (Payload::deserialize(&work.payload), work.account_id)
            else {
                return Outcome::Refused { status: 0, why: "the notification cannot be read".to_owned() };
            };
            let request = DeliverNotificationRequest {
                id: work.work_id.to_string(),
                account_id: account_id.to_string(),
                message: payload.message,
                device_id: payload.device_id,
            };
            self.calendar.deliver_notification(request).await
        }
        .boxed()
    }
}
