//! A reminder of an event is due: whom it concerns is asked now.

use chassis::fault::Fault;
use uuid::Uuid;

use crate::{
    model::{InboxKind, Instant, ReminderPayload},
    service::Service,
    store::{DeliveryScope, NewEntry},
};

/// A reminder of an event that is due.
#[derive(Clone, Debug)]
pub struct DueReminder {
    /// The id of the delivery: a repeat changes nothing.
    pub id: String,
    /// The event.
    pub event_id: Uuid,
    /// Which of its reminders.
    pub minutes_before: u32,
    /// The start that it was computed from.
    pub starts_at: Instant,
    /// It comes late.
    pub late: bool,
}

/// Puts a reminder into the inboxes of the members whom it concerns: those whose
/// own choice has these minutes, or else the event, or else its calendar. One of
/// an event that is gone, or starts at another time now, concerns nobody.
pub async fn remind(service: &Service, due: DueReminder) -> Result<(), Fault> {
    let mut tx = service.store.begin().await?;
    if !tx.first_delivery(DeliveryScope::EventReminder, &due.id).await? {
        count("repeated");
        return Ok(());
    }
    let event = tx.reminded_event(due.event_id).await?;
    let Some(event) = event.filter(|event| event.starts_at.clamped() == due.starts_at.clamped()) else {
        count("stale");
        return tx.commit().await;
    };
    let accounts = tx.reminded_members(due.event_id, due.minutes_before).await?;
    let payload = ReminderPayload {
        name: &event.name,
        time: &event.starts_at.to_rfc3339_millis(),
        id: &due.id,
        event_id: due.event_id,
        calendar_name: &event.calendar_name,
        minutes_before: due.minutes_before,
        late: due.late,
    };
    let payload = serde_json::to_string(&payload).map_err(|error| Fault::internal(&error))?;
    let entry = NewEntry { kind: InboxKind::Reminder, payload: &payload, until: Some(event.ends_at) };
    tx.put_into_inboxes(&accounts, entry).await?;
    tx.commit().await?;
    count("delivered");
    service.call(accounts);
    Ok(())
}

fn count(outcome: &'static str) {
    metrics::counter!("inbox_deliveries_total", "service" => "calendar", "kind" => "reminder", "outcome" => outcome)
        .increment(1);
}
