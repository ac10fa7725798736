//! What follows a commit, forward only: words to auth-service and to
//! notification-service, and jobs of our own. A row is written with the change it
//! follows, taken in order per key by whichever instance claims it, and done at
//! least once: every receiver is idempotent. Each receiver has a lane of its own:
//! one that is away delays nobody else.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use chassis::{
    backoff::Backoff,
    failpoint::hit,
    fault::{Fault, Reason},
};
use futures::{StreamExt as _, stream};
use rand::Rng as _;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;
use tokio::time::timeout;
use uuid::Uuid;

use crate::{
    model::Instant,
    patience::in_time,
    service::Service,
    store::{Lane, OutboxRow, Tx},
};

/// A claim, in seconds; what a dead instance holds is free after it.
const LEASE: f64 = 3.0;
/// One try, shorter than the lease.
const TRY: Duration = Duration::from_millis(2500);
/// A lost wake-up costs this.
const POLL: Duration = Duration::from_millis(250);
/// While the database is away.
const PAUSE: Duration = Duration::from_secs(1);
/// Claims of one round, and how many of them at once.
const ROUND: i64 = 64;
const AT_ONCE: usize = 8;
/// Events of one step of a job.
const STEP: i64 = 500;
const RETRY: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));

/// ConfirmParticipants of a saga; ends the saga.
const CONFIRM: &str = "confirm_participants";
/// SetParticipants of an event's revision.
const SET: &str = "set_participants";
/// An account left a calendar: takes it off further events.
const DEPARTURE: &str = "departure";
/// A calendar is gone: none of its events has participants, or reminders.
const CALENDAR_GONE: &str = "calendar_gone";
/// SetEventReminders of an event; what they are is read when it is sent.
const SET_REMINDERS: &str = "set_reminders";
/// The reminders of a calendar's future events are others.
const CALENDAR_REMINDERS: &str = "calendar_reminders";

#[derive(Deserialize)]
struct Confirm {
    saga_id: Uuid,
}

#[derive(Deserialize)]
struct Set {
    revision: i64,
    account_ids: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Departure {
    account_id: Uuid,
    /// The seq of the departure: later events are none of its business.
    seq: i64,
}

#[derive(Serialize, Deserialize)]
struct CalendarGone {
    /// The last event that was done.
    after: Uuid,
}

#[derive(Deserialize)]
struct SetReminders {
    revision: i64,
    /// The event is deleted.
    #[serde(default)]
    gone: bool,
}

#[derive(Serialize, Deserialize)]
struct CalendarReminders {
    /// Of all events, or of those that follow the calendar's default.
    #[serde(default)]
    all: bool,
    /// The last event that was done: its start, in seconds, and its id.
    #[serde(default)]
    after: Option<(i64, Uuid)>,
}

/// What a round came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    /// There was nothing to do.
    Idle,
    /// Something was done.
    Worked,
    /// Whoever it is for is away.
    Away,
}

/// Queues the participants of an event's revision; nobody: the event is gone.
pub(crate) async fn queue_participants(
    tx: &mut Tx,
    event_id: Uuid,
    revision: i64,
    accounts: &[Uuid],
) -> Result<(), Fault> {
    tx.queue(Lane::Accounts, event_id, SET, json!({ "revision": revision, "account_ids": accounts })).await
}

/// Queues the rest of a departure.
pub(crate) async fn queue_departure(
    tx: &mut Tx,
    calendar_id: Uuid,
    account_id: Uuid,
    seq: i64,
) -> Result<(), Fault> {
    tx.queue(Lane::Accounts, calendar_id, DEPARTURE, json!(Departure { account_id, seq })).await
}

/// Queues the end of all participations in a calendar.
pub(crate) async fn queue_calendar_gone(tx: &mut Tx, calendar_id: Uuid) -> Result<(), Fault> {
    let payload = json!(CalendarGone { after: Uuid::nil() });
    tx.queue(Lane::Accounts, calendar_id, CALENDAR_GONE, payload).await
}

/// Queues the walk through the events that follow a calendar's default reminders.
pub(crate) async fn queue_calendar_reminders(tx: &mut Tx, calendar_id: Uuid) -> Result<(), Fault> {
    let payload = json!(CalendarReminders { all: false, after: None });
    tx.queue(Lane::Reminders, calendar_id, CALENDAR_REMINDERS, payload).await
}

/// Delivers what is in a lane until the process drains.
pub async fn run(service: Service, lane: Lane) {
    let nudge = match lane {
        Lane::Accounts => &service.nudge.outbox,
        Lane::Reminders => &service.nudge.reminders,
    };
    let mut away = 0_u32;
    while !service.lifecycle.is_draining() {
        // Who is away is asked again with one word, not with all that wait.
        let limit = if away == 0 { ROUND } else { 1 };
        let pause = match lane_round(&service, lane, limit).await {
            Ok(Round::Worked) => {
                away = 0;
                continue;
            }
            Ok(Round::Away) => {
                away = away.saturating_add(1);
                RETRY.bound(away)
            }
            Ok(Round::Idle) => POLL,
            // The store has said why; it is the database's turn.
            Err(_) => PAUSE,
        };
        tokio::select! {
            () = nudge.notified(), if away == 0 => {},
            () = tokio::time::sleep(pause) => {},
            () = service.lifecycle.draining() => {},
        }
    }
}

/// One round of every lane; answers whether there was something to do.
pub async fn round(service: &Service) -> Result<bool, Fault> {
    let mut worked = false;
    for lane in Lane::ALL {
        worked |= lane_round(service, lane, ROUND).await? != Round::Idle;
    }
    Ok(worked)
}

async fn lane_round(service: &Service, lane: Lane, limit: i64) -> Result<Round, Fault> {
    let claimed = in_time(service.store.claim_outbox(lane, limit, LEASE)).await?;
    if claimed.is_empty() {
        return Ok(Round::Idle);
    }
    let away = AtomicBool::new(false);
    let try_one = async |row| {
        let reached = attempt(service, row).await;
        // In the other lane are jobs of our own too: those go on.
        if lane == Lane::Reminders && !reached {
            away.store(true, Ordering::Relaxed);
        }
    };
    stream::iter(claimed).for_each_concurrent(AT_ONCE, try_one).await;
    Ok(if away.into_inner() { Round::Away } else { Round::Worked })
}

/// One try; false when whoever it is for cannot be reached.
async fn attempt(service: &Service, row: OutboxRow) -> bool {
    let fault = match timeout(TRY, deliver(service, &row)).await {
        Ok(Ok(())) => return true,
        Ok(Err(fault)) => fault,
        Err(_) => Fault::unavailable("delivering in time"),
    };
    metrics::counter!("outbox_failures_total", "service" => "calendar", "kind" => row.kind.clone())
        .increment(1);
    tracing::warn!(
        outbox_id = row.outbox_id, key = %row.key, kind = row.kind, attempts = row.attempts, error = %fault,
        "cannot deliver yet"
    );
    let bound = RETRY.bound(row.attempts.unsigned_abs());
    let delay = bound.mul_f64(rand::rng().random_range(0.5..1.0));
    // If this fails as well, the lease runs out and somebody tries again.
    if let Err(fault) = in_time(service.store.postpone_outbox(&row, delay.as_secs_f64())).await {
        tracing::warn!(outbox_id = row.outbox_id, error = %fault, "cannot postpone a delivery");
    }
    !matches!(fault.reason, Reason::Unavailable | Reason::DeadlineExceeded)
}

async fn deliver(service: &Service, row: &OutboxRow) -> Result<(), Fault> {
    match row.kind.as_str() {
        CONFIRM => confirm(service, row).await,
        SET => {
            let Set { revision, account_ids } = read(row)?;
            service.participants.set(row.key, revision, account_ids).await?;
            done(service.store.begin().await?, row).await
        }
        DEPARTURE => departure(service, row).await,
        CALENDAR_GONE => calendar_gone(service, row).await,
        SET_REMINDERS => set_reminders(service, row).await,
        CALENDAR_REMINDERS => calendar_reminders(service, row).await,
        // Written by a newer version: left for it.
        kind => {
            tracing::warn!(kind, "a kind of message that this version does not know");
            Err(Fault::of(Reason::Unsupported))
        }
    }
}

/// The last steps of create_event.
async fn confirm(service: &Service, row: &OutboxRow) -> Result<(), Fault> {
    let Confirm { saga_id } = read(row)?;
    hit("saga.confirm.before").await?;
    service.participants.confirm(saga_id, row.key).await?;
    hit("saga.confirm.after").await?;
    hit("saga.confirmed.before").await?;
    let mut tx = service.store.begin().await?;
    tx.finish_saga(saga_id).await?;
    done(tx, row).await?;
    hit("saga.confirmed.after").await
}

async fn departure(service: &Service, row: &OutboxRow) -> Result<(), Fault> {
    let Departure { account_id, seq } = read(row)?;
    let mut tx = service.store.begin().await?;
    if tx.lock_calendar(row.key).await?.is_none() {
        // The calendar is gone, and with it every participation.
        return done(tx, row).await;
    }
    let touched = tx.withdraw_participant(row.key, account_id, seq, STEP).await?;
    let forgotten = tx.forget_choices(row.key, account_id, seq, STEP).await?;
    if touched.max(forgotten) < STEP as u64 {
        return done(tx, row).await;
    }
    if tx.outbox_continue(row, row.payload.clone()).await? {
        tx.commit().await?;
    }
    Ok(())
}

async fn calendar_gone(service: &Service, row: &OutboxRow) -> Result<(), Fault> {
    let CalendarGone { after } = read(row)?;
    let mut tx = service.store.begin().await?;
    let Some(after) = tx.withdraw_events(row.key, after, STEP).await? else {
        return done(tx, row).await;
    };
    if tx.outbox_continue(row, json!(CalendarGone { after })).await? {
        tx.commit().await?;
    }
    Ok(())
}

/// The word that an event's reminders are others: what they are is read now, so
/// that a word that was overtaken by a later one need not be said at all.
async fn set_reminders(service: &Service, row: &OutboxRow) -> Result<(), Fault> {
    let SetReminders { revision, gone } = read(row)?;
    match service.store.known_reminders(row.key).await? {
        Some(known) if known.revision <= revision => service.reminders.set(row.key, &known).await?,
        None if gone => service.reminders.cancel(row.key, revision).await?,
        Some(_) | None => {}
    }
    done(service.store.begin().await?, row).await
}

async fn calendar_reminders(service: &Service, row: &OutboxRow) -> Result<(), Fault> {
    let CalendarReminders { all, after } = read(row)?;
    let mut tx = service.store.begin().await?;
    if tx.lock_calendar(row.key).await?.is_none() {
        // The end of the calendar has its own word for each event.
        return done(tx, row).await;
    }
    let after = after.map(|(second, event_id)| (Instant::from_second(second), event_id));
    let Some((start, event_id)) = tx.queue_reminders_of(row.key, all, after, STEP).await? else {
        return done(tx, row).await;
    };
    let after = Some((start.as_second(), event_id));
    if tx.outbox_continue(row, json!(CalendarReminders { all, after })).await? {
        tx.commit().await?;
    }
    Ok(())
}

/// Records the delivery, and what was written with it. A claim that was lost
/// meanwhile records nothing: whoever has it now does it again.
async fn done(mut tx: Tx, row: &OutboxRow) -> Result<(), Fault> {
    if tx.outbox_delivered(row).await? {
        tx.commit().await?;
    }
    Ok(())
}

fn read<T: DeserializeOwned>(row: &OutboxRow) -> Result<T, Fault> {
    T::deserialize(&row.payload).map_err(|error| Fault::internal(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_read_back_as_they_are_queued() {
        let value = json!(Departure { account_id: Uuid::from_u128(1), seq: 9 });
        assert_eq!(Departure::deserialize(&value).unwrap().seq, 9);
        let value = json!({ "revision": 3, "account_ids": [Uuid::from_u128(1)] });
        assert_eq!(Set::deserialize(&value).unwrap().account_ids.len(), 1);
        // As the schema queues it for what was there before.
        assert!(CalendarReminders::deserialize(&json!({ "all": true })).unwrap().after.is_none());
        let value = json!(CalendarReminders { all: false, after: Some((7, Uuid::from_u128(1))) });
        assert_eq!(CalendarReminders::deserialize(&value).unwrap().after, Some((7, Uuid::from_u128(1))));
    }
}
