//! What follows a commit, forward only: words to auth-service, and jobs of our
//! own. A row is written with the change it follows, taken in order per key by
//! whichever instance claims it, and done at least once: every receiver is
//! idempotent.

use std::time::Duration;

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
    patience::in_time,
    service::Service,
    store::{OutboxRow, Tx},
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
/// A calendar is gone: none of its events has participants.
const CALENDAR_GONE: &str = "calendar_gone";

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

/// Queues the participants of an event's revision; nobody: the event is gone.
pub(crate) async fn queue_participants(
    tx: &mut Tx,
    event_id: Uuid,
    revision: i64,
    accounts: &[Uuid],
) -> Result<(), Fault> {
    tx.queue(event_id, SET, json!({ "revision": revision, "account_ids": accounts })).await
}

/// Queues the rest of a departure.
pub(crate) async fn queue_departure(
    tx: &mut Tx,
    calendar_id: Uuid,
    account_id: Uuid,
    seq: i64,
) -> Result<(), Fault> {
    tx.queue(calendar_id, DEPARTURE, json!(Departure { account_id, seq })).await
}

/// Queues the end of all participations in a calendar.
pub(crate) async fn queue_calendar_gone(tx: &mut Tx, calendar_id: Uuid) -> Result<(), Fault> {
    tx.queue(calendar_id, CALENDAR_GONE, json!(CalendarGone { after: Uuid::nil() })).await
}

/// Delivers until the process drains.
pub async fn run(service: Service) {
    while !service.lifecycle.is_draining() {
        let pause = match round(&service).await {
            Ok(true) => continue,
            Ok(false) => POLL,
            // The store has said why; it is the database's turn.
            Err(_) => PAUSE,
        };
        tokio::select! {
            () = service.nudge.outbox.notified() => {},
            () = tokio::time::sleep(pause) => {},
            () = service.lifecycle.draining() => {},
        }
    }
}

/// One round; answers whether there was something to do.
pub async fn round(service: &Service) -> Result<bool, Fault> {
    let claimed = in_time(service.store.claim_outbox(ROUND, LEASE)).await?;
    let worked = !claimed.is_empty();
    stream::iter(claimed).for_each_concurrent(AT_ONCE, |row| attempt(service, row)).await;
    Ok(worked)
}

async fn attempt(service: &Service, row: OutboxRow) {
    let fault = match timeout(TRY, deliver(service, &row)).await {
        Ok(Ok(())) => return,
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
    if touched < STEP as u64 {
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
    }
}
