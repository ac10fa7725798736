//! The socket command `scheduleEvent`: from its words to notification-service,
//! and back when it is due.

use chassis::{
    fault::Fault,
    idempotency::{Answered, IdempotencyKey},
    tokens::Identity,
};
use proto::notification::v1::ScheduleReminderRequest;

use crate::{
    bus::{Call, Publication},
    member,
    model::ScheduledReminder,
    service::Service,
    store::DeliveryScope,
};

/// A reminder to be, in the client's words; empty: not said.
#[derive(Clone, Debug, Default)]
pub struct NewReminder {
    /// What it is called.
    pub name: String,
    /// Wall clock, `YYYY-MM-DD HH:mm`.
    pub time: String,
    /// IANA name.
    pub time_zone: String,
    /// The room; none: for everybody, as BROADCAST_SCOPE says.
    pub calendar_name: Option<String>,
    /// Makes a repeat harmless.
    pub idempotency_key: Option<IdempotencyKey>,
}

/// A reminder that is scheduled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheduled {
    /// Its id.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// UTC with milliseconds.
    pub time: String,
}

/// Schedules a reminder for a room of the caller's, or for everybody, once for a
/// key of the caller's. `invalid` with the contract's text as detail,
/// `calendar_not_found`, `not_a_member`, `idempotency_mismatch`, `idempotency_in_flight`.
pub async fn schedule(
    service: &Service,
    caller: &Identity,
    new: NewReminder,
) -> Result<Answered<Scheduled>, Fault> {
    let calendar_id = match &new.calendar_name {
        Some(name) => member::find(service, caller, name).await?.calendar_id.to_string(),
        None => String::new(),
    };
    let request = ScheduleReminderRequest {
        name: new.name,
        time: new.time,
        time_zone: new.time_zone,
        calendar_id,
        account_id: caller.account_id.to_string(),
        idempotency_key: new.idempotency_key.map(|key| key.as_str().to_owned()).unwrap_or_default(),
    };
    let scheduled = service.reminders.schedule(request).await?;
    Ok(scheduled.map(|scheduled| Scheduled {
        id: scheduled.reminder_id,
        name: scheduled.name,
        time: scheduled.time,
    }))
}

/// A scheduled reminder is due: for the sockets that are there, and for a while
/// for those that come. A repeat changes nothing.
pub async fn deliver_scheduled(service: &Service, reminder: ScheduledReminder) -> Result<(), Fault> {
    let mut tx = service.store.begin().await?;
    let first = tx.first_delivery(DeliveryScope::ScheduledReminder, &reminder.id).await?;
    if first {
        tx.keep_recent(&reminder).await?;
        tx.commit().await?;
        service.bus.publish(Publication::Call(Call::Reminder(reminder.id)));
    }
    let outcome = if first { "delivered" } else { "repeated" };
    metrics::counter!("inbox_deliveries_total", "service" => "calendar", "kind" => "scheduled", "outcome" => outcome)
        .increment(1);
    Ok(())
}
