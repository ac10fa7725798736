//! A reminder of a calendar event is due.

use std::time::Duration;

use futures::{FutureExt as _, future::BoxFuture};
use proto::calendar::v1::DeliverEventReminderRequest;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Handler;
use crate::{
    calendar::CalendarClient,
    model::{Kind, Outcome, Work},
    webhook::Schedule,
};

/// Reminders of calendar events.
pub(crate) const EVENT_REMINDER: Kind = Kind("event_reminder");
/// What comes after more than this is marked late: the service was down.
pub(super) const LATE: Duration = Duration::from_secs(5);

/// What a row of this kind carries. Two rows with the same are the same reminder.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Payload {
    /// The event.
    pub(crate) event_id: Uuid,
    /// Minutes before its start.
    pub(crate) minutes: u32,
    /// The start that this was computed from, as calendar-service said it.
    pub(crate) starts_at: String,
}

/// Tells calendar-service, which knows whom it concerns.
pub(crate) struct EventReminder {
    pub(super) calendar: CalendarClient,
}

// === impl Payload ===

impl Payload {
    pub(crate) fn to_json(&self) -> Value {
        json!(self)
    }
}

// === impl EventReminder ===

impl Handler for EventReminder {
    fn kind(&self) -> Kind {
        EVENT_REMINDER
    }

    fn schedule(&self) -> Schedule {
        Schedule::internal()
    }

    fn deliver<'a>(&'a self, work: &'a Work) -> BoxFuture<'a, Outcome> {
        async move {
            let Ok(payload) = Payload::deserialize(&work.payload) else {
                return Outcome::Refused { status: 0, why: "the reminder cannot be read".to_owned() };
            };
            let request = DeliverEventReminderRequest {
                id: work.work_id.to_string(),
                event_id: payload.event_id.to_string(),
                minutes_before: payload.minutes,
                starts_at: payload.starts_at,
                late: work.lateness() > LATE,
            };
            self.calendar.deliver_event_reminder(request).await
        }
        .boxed()
    }
}
