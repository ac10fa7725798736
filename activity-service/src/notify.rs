//! Tells what is due: in order per device, at least once with a stable id, for
//! ever until it is heard.
//!
//! A notification is a row with a time; whoever claims it holds a lease and a
//! fencing token. A crash, or a lease that ran out, makes it due again, so its
//! receiver must not mind repeats.

use std::time::Duration;

use chassis::{backoff::Backoff, failpoint::hit, fault::Fault};
use futures::{StreamExt as _, stream};
use metrics::counter;
use rand::Rng as _;
use tokio::time::timeout;

use crate::{patience::in_time, service::Service, store::Outgoing};

/// A claim, in seconds; what a dead instance holds is free after it.
const LEASE: f64 = 15.0;
/// One try, shorter than the lease.
const TRY: Duration = Duration::from_secs(5);
/// How late a notification may be when nothing wakes us.
const POLL: Duration = Duration::from_millis(250);
/// While the database is away.
const PAUSE: Duration = Duration::from_secs(1);
/// Claims of one round, and how many of them at once.
const ROUND: i64 = 64;
const AT_ONCE: usize = 16;
/// Delays of one notification's tries.
const RETRY: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
/// Delays between rounds of which nothing was heard: the receiver is down.
const DOWN: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));

/// What one round did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// Notifications that were tried.
    pub tried: usize,
    /// Those of them that were heard.
    pub delivered: usize,
}

/// Delivers until the process drains; what is under way then is finished.
pub async fn run(service: Service) {
    let mut unheard = 0_u32;
    while !service.lifecycle.is_draining() {
        let pause = match round(&service).await {
            Ok(Round { tried: 0, .. }) => POLL,
            Ok(Round { delivered: 0, .. }) => {
                unheard = unheard.saturating_add(1);
                DOWN.bound(unheard)
            }
            Ok(_) => {
                unheard = 0;
                continue;
            }
            // The store has said why; it is the database's turn.
            Err(_) => PAUSE,
        };
        tokio::select! {
            // While nobody hears us, news are no reason to hurry.
            () = service.nudge.notifications.notified(), if unheard == 0 => {},
            () = tokio::time::sleep(pause) => {},
            () = service.lifecycle.draining() => {},
        }
    }
}

/// One round.
pub async fn round(service: &Service) -> Result<Round, Fault> {
    let claimed = in_time(service.store.claim_notifications(ROUND, LEASE)).await?;
    let tried = claimed.len();
    let heard = stream::iter(claimed).map(|claim| attempt(service, claim)).buffer_unordered(AT_ONCE);
    let delivered = heard.filter(|heard| std::future::ready(*heard)).count().await;
    Ok(Round { tried, delivered })
}

/// Tries once, and records what became of it.
async fn attempt(service: &Service, claim: Outgoing) -> bool {
    let outcome = match timeout(TRY, deliver(service, &claim)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Fault::unavailable("the receiver of notifications")),
    };
    let recorded = match &outcome {
        Ok(()) => in_time(service.store.settle_notification(&claim)).await,
        Err(fault) => {
            tracing::warn!(
                notification_id = %claim.notification_id, attempts = claim.attempts, error = %fault,
                "a notification was not heard, it will be tried again"
            );
            let bound = RETRY.bound(claim.attempts.unsigned_abs());
            let delay = bound.mul_f64(rand::rng().random_range(0.5..=1.0));
            in_time(service.store.postpone_notification(&claim, delay.as_secs_f64())).await.map(|()| true)
        }
    };
    match recorded {
        Ok(true) => {}
        Ok(false) => {
            tracing::warn!(notification_id = %claim.notification_id, "a claim ran out while it was delivered");
        }
        // The lease runs out, and somebody tries again.
        Err(fault) => {
            tracing::warn!(notification_id = %claim.notification_id, error = %fault, "cannot record a delivery");
        }
    }
    let label = if outcome.is_ok() { "delivered" } else { "failed" };
    counter!("activity_notifications_total", "service" => "activity", "outcome" => label).increment(1);
    outcome.is_ok()
}

async fn deliver(service: &Service, claim: &Outgoing) -> Result<(), Fault> {
    hit("activity.notify.before").await?;
    service.receiver.tell(claim).await?;
    hit("activity.notify.after").await
}
