//! A reminder of the socket command `scheduleEvent` is due.

use futures::{FutureExt as _, future::BoxFuture};
use proto::calendar::v1::DeliverScheduledReminderRequest;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Handler, event_reminder::LATE};
use crate::{
    calendar::CalendarClient,
    model::{Kind, Outcome, Work},
    webhook::Schedule,
};

/// Reminders that somebody scheduled.
pub(crate) const SCHEDULED_REMINDER: Kind = Kind("scheduled_reminder");

/// What a row of this kind carries.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Payload {
    /// What it is about.
    pub(crate) name: String,
    /// When, as its author was told.
    pub(crate) time: String,
    /// The room; empty: everybody.
    pub(crate) calendar_id: String,
}

/// Tells calendar-service, which has the sockets.
pub(crate) struct ScheduledReminder {
    pub(super) calendar: CalendarClient,
}

// === impl Payload ===

impl Payload {
    pub(crate) fn to_json(&self) -> Value {
        json!(self)
    }
}

// === impl ScheduledReminder ===

impl Handler for ScheduledReminder {
    fn kind(&self) -> Kind {
        SCHEDULED_REMINDER
    }

    fn schedule(&self) -> Schedule {
        Schedule::internal()
    }

    fn deliver<'a>(&'a self, work: &'a Work) -> BoxFuture<'a, Outcome> {
        async move {
            let (Ok(payload), Some(account_id)) = (Payload::deserialize(&work.payload), work.account_id)
            else {
                return Outcome::Refused { status: 0, why: "the reminder cannot be read".to_owned() };
            };
            let request = DeliverScheduledReminderRequest {
                id: work.work_id.to_string(),
                name: payload.name,
                time: payload.time,
                calendar_id: payload.calendar_id,
                account_id: account_id.to_string(),
                late: work.lateness() > LATE,
            };
            self.calendar.deliver_scheduled_reminder(request).await
        }
        .boxed()
    }
}
