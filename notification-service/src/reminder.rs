//! Reminders: those of calendar events, and those that somebody scheduled.

use chassis::{
    fault::{Fault, Reason},
    idempotency::{Answered, IdempotencyKey, Who},
};
use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization as _;
use uuid::Uuid;

use crate::{
    calendar::LANE,
    handlers::{
        event_reminder::{self, EVENT_REMINDER},
        scheduled_reminder::{self, SCHEDULED_REMINDER},
    },
    model::NewWork,
    service::Service,
    store::{Due, NewReminder},
    zone,
};

/// Minutes of one event: what all its members chose together.
const MOST_MINUTES: usize = 2000;
/// Longest name of a reminder, in characters.
const LONGEST_NAME: usize = 100;

/// The reminders of an event, as of one revision.
#[derive(Clone, Debug)]
pub struct EventReminders {
    /// The event.
    pub event_id: Uuid,
    /// Greater than that of anything earlier.
    pub revision: i64,
    /// RFC 3339 UTC.
    pub starts_at: String,
    /// Before the start; none: the event has no reminders, or is gone.
    pub minutes: Vec<u32>,
}

/// A reminder as somebody wishes it; empty texts are absent ones.
#[derive(Clone, Debug, Default)]
pub struct ReminderWish {
    /// What it is about.
    pub name: String,
    /// Wall clock, `YYYY-MM-DD HH:mm`.
    pub time: String,
    /// Where that wall clock hangs.
    pub time_zone: String,
    /// The room; none: everybody.
    pub calendar_id: Option<Uuid>,
    /// Who wishes it.
    pub account_id: Uuid,
    /// Makes a repeat harmless.
    pub idempotency_key: Option<IdempotencyKey>,
}

/// A reminder that will come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduledReminder {
    /// Its id.
    pub reminder_id: Uuid,
    /// What it is about.
    pub name: String,
    /// UTC with milliseconds.
    pub time: String,
}

/// Makes these the reminders of the event. A revision that is not greater than
/// the one known changes nothing.
pub async fn set_event_reminders(service: &Service, event: &EventReminders) -> Result<(), Fault> {
    let mut minutes = event.minutes.clone();
    minutes.sort_unstable();
    minutes.dedup();
    if minutes.len() > MOST_MINUTES {
        return Err(Fault::invalid("minutes", format!("must be at most {MOST_MINUTES}")));
    }
    let reminders = if minutes.is_empty() {
        Vec::new()
    } else {
        let start = read_utc(&event.starts_at).ok_or_else(|| {
            Fault::invalid("starts_at", "must be an RFC 3339 date-time in UTC such as 2026-03-01T10:00:00Z")
        })?;
        minutes.into_iter().map(|minutes| reminder(event, start, minutes)).collect()
    };
    let mut tx = service.store.begin().await?;
    if !tx.advance_revision(event.event_id, event.revision).await? {
        return Ok(());
    }
    let planned = tx.replace_reminders(event.event_id, (EVENT_REMINDER, LANE), &reminders).await?;
    tx.commit().await?;
    for due_at in planned {
        service.alarm.set(due_at);
    }
    Ok(())
}

fn reminder(event: &EventReminders, start: Timestamp, minutes: u32) -> NewReminder {
    let before = SignedDuration::from_mins(i64::from(minutes));
    let payload =
        event_reminder::Payload { event_id: event.event_id, minutes, starts_at: event.starts_at.clone() };
    // Before the first instant there is: passed long ago.
    let due_at = start.saturating_sub(before).unwrap_or(Timestamp::MIN);
    NewReminder { due_at, payload: payload.to_json() }
}

/// Reads RFC 3339 in UTC. Instants after the last one that we can count to, on
/// the last day of the year 9999, become that one.
fn read_utc(text: &str) -> Option<Timestamp> {
    let wall: DateTime = text.strip_suffix(['Z', 'z'])?.parse().ok()?;
    Some(TimeZone::UTC.to_timestamp(wall).unwrap_or(Timestamp::MAX))
}

/// Schedules a reminder, once for a key of the account's. `invalid` with the
/// contract's text, `idempotency_mismatch`, `idempotency_in_flight`.
pub async fn schedule(service: &Service, wish: &ReminderWish) -> Result<Answered<ScheduledReminder>, Fault> {
    let idempotency = service.store.idempotency();
    let (who, key) = (Who::Account(wish.account_id), wish.idempotency_key.as_ref());
    let body = (&wish.name, &wish.time, &wish.time_zone, wish.calendar_id);
    let claim = idempotency.claim(who, "schedule_event", key, &body).await?;
    // Before the wish is read: a repeat may come when its time has passed.
    if let Some(first) = idempotency.first(claim.as_ref()).await? {
        return Ok(first);
    }
    let (work, due_at, scheduled) = read_wish(wish)?;
    // The quotation mark that is missing in it is missing in the source, too.
    let passed = || refused("time", format!("time='{} should be in future", wish.time));
    if let Some(claim) = &claim {
        let mut tx = service.store.begin().await?;
        if let Some(first) = tx.enter_claim(claim).await? {
            return Ok(first);
        }
        if tx.plan(&work, Due::At(due_at)).await?.is_none() {
            tx.roll_back().await?;
            return Err(passed());
        }
        tx.keep_answer(claim, &scheduled).await?;
        tx.commit().await?;
    } else {
        // By itself it is one statement.
        service.store.plan(&work, Due::At(due_at)).await?.ok_or_else(passed)?;
    }
    // No refusal is kept: all of them are `invalid`, and the next try may be right.
    service.alarm.set(due_at);
    Ok(Answered::first(scheduled))
}

/// What a wish comes to, checked in the contract's order; whether its time has
/// passed is for the database's clock to say.
fn read_wish(wish: &ReminderWish) -> Result<(NewWork, Timestamp, ScheduledReminder), Fault> {
    let name: String = wish.name.trim().nfc().collect();
    if name.is_empty() {
        return Err(refused("eventName", "'eventName' is required"));
    }
    if name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        let rule = "'eventName' must have 1 to 100 characters, no control characters";
        return Err(refused("eventName", rule));
    }
    let ReminderWish { time, time_zone, .. } = wish;
    if time_zone.is_empty() {
        return Err(refused("timeZone", "'timeZone' is required"));
    }
    let zone = zone::find(time_zone)
        .ok_or_else(|| refused("timeZone", format!("timeZone='{time_zone}' is invalid")))?;
    if time.is_empty() {
        return Err(refused("time", "'time' is required in format 'YYYY-MM-DD HH:mm'"));
    }
    let due_at = zone::read_wall(time).and_then(|wall| zone::instant(wall, &zone)).ok_or_else(|| {
        let rule = "is invalid.'time' should be in format 'YYYY-MM-DD HH:mm' and valid";
        refused("time", format!("time='{time}' {rule}"))
    })?;
    let iso = due_at.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string();
    let payload = scheduled_reminder::Payload {
        name: name.clone(),
        time: iso.clone(),
        calendar_id: wish.calendar_id.map(|id| id.to_string()).unwrap_or_default(),
    };
    let work = NewWork {
        work_id: Uuid::now_v7(),
        kind: SCHEDULED_REMINDER,
        account_id: Some(wish.account_id),
        dedupe: None,
        payload: payload.to_json(),
        lane: LANE.to_owned(),
    };
    let scheduled = ScheduledReminder { reminder_id: work.work_id, name, time: iso };
    Ok((work, due_at, scheduled))
}

fn refused(field: &str, text: impl Into<String>) -> Fault {
    let text = text.into();
    Fault::new(Reason::Invalid, text.clone()).with_field(field, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_read_to_the_end_of_time() {
        assert_eq!(read_utc("2026-03-01T10:00:00Z").unwrap().to_string(), "2026-03-01T10:00:00Z");
        assert_eq!(read_utc("9999-12-31T23:59:59Z"), Some(Timestamp::MAX));
        assert!(read_utc("0001-01-01T00:00:00Z").is_some());
        for text in ["", "tomorrow", "2026-03-01T10:00:00", "2026-03-01T10:00:00+01:00"] {
            assert!(read_utc(text).is_none(), "{text}");
        }
    }
}
