//! What a member wants to be reminded of, without touching the event.

use chassis::{fault::Fault, tokens::Identity};
use uuid::Uuid;

use crate::{event, model::read_reminders, service::Service};

/// What a member hears of an event now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnReminders {
    /// The event.
    pub event_id: Uuid,
    /// Minutes before its start.
    pub minutes: Vec<u32>,
    /// Whether that is their own choice.
    pub own: bool,
}

/// Keeps the caller's own choice for an event: these minutes, or with an empty
/// list none at all; without a list, as the event says again. Whatever their
/// role. `event_not_found`, `invalid`.
pub async fn set_own(
    service: &Service,
    caller: &Identity,
    event_id: Uuid,
    minutes: Option<Vec<u32>>,
) -> Result<OwnReminders, Fault> {
    let account_id = caller.account_id;
    let calendar_id = service.store.calendar_of(event_id, account_id).await?.ok_or_else(event::not_found)?;
    let chosen = minutes.map(|minutes| read_reminders(&minutes)).transpose();
    let chosen = chosen.map_err(|rule| Fault::invalid("minutes", rule))?;

    let mut tx = service.store.begin().await?;
    let place = tx.enter(calendar_id, account_id).await?.ok_or_else(event::not_found)?;
    tx.event_revision(calendar_id, event_id).await?.ok_or_else(event::not_found)?;
    if let Some(minutes) = &chosen {
        tx.choose_reminders(event_id, account_id, minutes, (calendar_id, place.last_seq)).await?;
    } else {
        tx.unchoose_reminders(event_id, account_id).await?;
    }
    tx.queue_reminders(event_id).await?;
    let own = chosen.is_some();
    let minutes = match chosen {
        Some(minutes) => minutes,
        None => tx.event_minutes(event_id).await?,
    };
    tx.commit().await?;
    service.nudge.reminders.notify_one();
    Ok(OwnReminders { event_id, minutes, own })
}
