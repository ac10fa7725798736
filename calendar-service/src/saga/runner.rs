//! The way back: undoes what is to be undone, whoever began it.

use std::time::Duration;

use chassis::{backoff::Backoff, failpoint::hit, fault::Fault};
use futures::{StreamExt as _, stream};
use rand::Rng as _;
use tokio::time::timeout;

use crate::{
    patience::in_time,
    service::Service,
    store::{ClaimedSaga, SagaState},
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
/// Failed tries after which a run is parked: shown to a person, tried slowly.
const PARK_AFTER: i32 = 8;
const RETRY: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
const RETRY_PARKED: Duration = Duration::from_secs(5);

/// Undoes until the process drains.
pub async fn run(service: Service) {
    while !service.lifecycle.is_draining() {
        let pause = match round(&service).await {
            Ok(true) => continue,
            Ok(false) => POLL,
            // The store has said why; it is the database's turn.
            Err(_) => PAUSE,
        };
        tokio::select! {
            () = service.nudge.sagas.notified() => {},
            () = tokio::time::sleep(pause) => {},
            () = service.lifecycle.draining() => {},
        }
    }
}

/// One round; answers whether there was something to do.
pub async fn round(service: &Service) -> Result<bool, Fault> {
    let claimed = in_time(service.store.claim_sagas(ROUND, LEASE)).await?;
    let worked = !claimed.is_empty();
    stream::iter(claimed).for_each_concurrent(AT_ONCE, |saga| attempt(service, saga)).await;
    Ok(worked)
}

async fn attempt(service: &Service, saga: ClaimedSaga) {
    let fault = match timeout(TRY, undo(service, &saga)).await {
        Ok(Ok(())) => return,
        Ok(Err(fault)) => fault,
        Err(_) => Fault::unavailable("undoing in time"),
    };
    let park = saga.attempts + 1 >= PARK_AFTER;
    let bound = if park { RETRY_PARKED } else { RETRY.bound(saga.attempts.unsigned_abs()) };
    let delay = bound.mul_f64(rand::rng().random_range(0.5..1.0));
    if park && saga.state != SagaState::NeedsAttention {
        metrics::counter!("calendar_sagas_parked_total", "service" => "calendar").increment(1);
        tracing::error!(saga_id = %saga.saga_id, event_id = %saga.event_id, error = %fault, "undoing a saga keeps failing");
    } else {
        tracing::warn!(saga_id = %saga.saga_id, attempts = saga.attempts, error = %fault, "cannot undo a saga yet");
    }
    // If this fails as well, the lease runs out and somebody tries again.
    if let Err(fault) = in_time(service.store.postpone_saga(&saga, delay.as_secs_f64(), park)).await {
        tracing::warn!(saga_id = %saga.saga_id, error = %fault, "cannot postpone a saga");
    }
}

/// Undoes one run in reverse. Each step may be a repeat.
async fn undo(service: &Service, saga: &ClaimedSaga) -> Result<(), Fault> {
    if saga.state == SagaState::Running {
        // Past its deadline: its instance is dead, or too late for T3.
        hit("saga.abort.before").await?;
        let aborted = service.store.abort_saga(saga.saga_id, "deadline_exceeded").await?;
        hit("saga.abort.after").await?;
        if !aborted && !is_undoing(service, saga).await? {
            return Ok(());
        }
    }
    hit("saga.release.before").await?;
    service.participants.release(saga.saga_id, saga.event_id).await?;
    hit("saga.release.after").await?;
    hit("saga.discard.before").await?;
    if !service.store.discard_saga(saga).await? {
        tracing::info!(saga_id = %saga.saga_id, "a claim on a saga was lost");
    }
    hit("saga.discard.after").await
}

/// Whether the run is being undone: not so when its T3 committed after the claim.
async fn is_undoing(service: &Service, saga: &ClaimedSaga) -> Result<bool, Fault> {
    let state = service.store.saga_state(saga.saga_id).await?;
    Ok(matches!(state, Some(SagaState::Aborting | SagaState::NeedsAttention)))
}
