//! Sends what other services must hear: at least once, in order per account and
//! receiver. A receiver that is away stops none of the others.
//!
//! A message is a row, written in the transaction that it follows. Whoever
//! claims it holds a lease and a fencing number; a crash, or a lease that ran
//! out, makes it due again, so the receiver must not mind repeats.

use std::{sync::Arc, time::Duration};

use chassis::{backoff::Backoff, failpoint, fault::Fault, lifecycle::Lifecycle};
use futures::future::join_all;
use rand::Rng as _;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::{
    receivers::Receivers,
    store::{Message, MessageKind, Receiver, Store, Tx},
};

/// Messages that are sent side by side.
const AT_ONCE: u32 = 16;
/// How long a claim lasts: well over the deadline of a call (2 s).
const LEASE: Duration = Duration::from_secs(15);
/// A look without a wake-up: another instance's rows, retries, lost wake-ups.
const POLL: Duration = Duration::from_millis(500);
/// Delays of retries; they go on for ever.
const RETRIES: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_mins(1));

/// The sending end. Clones share one wake-up.
#[derive(Clone)]
pub(crate) struct Outbox {
    store: Store,
    receivers: Receivers,
    written: Arc<Notify>,
}

// === impl Outbox ===

impl Outbox {
    /// Sends the rows of `store`.
    pub(crate) fn new(store: Store, receivers: Receivers) -> Self {
        Self { store, receivers, written: Arc::default() }
    }

    /// Writes a message to each receiver, in the transaction that it follows.
    pub(crate) async fn post(&self, tx: &mut Tx, key: Uuid, kind: MessageKind) -> Result<(), Fault> {
        for receiver in self.receivers.all() {
            tx.post(key, kind, receiver).await?;
        }
        Ok(())
    }

    /// A row was committed.
    pub(crate) fn wake(&self) {
        self.written.notify_one();
    }

    /// Sends until the soft stop; what is under way then is finished.
    pub(crate) async fn run(&self, lifecycle: Lifecycle) {
        while !lifecycle.is_draining() {
            // An error was logged by the store; the next look tries again.
            if self.send_due().await.is_ok_and(|sent| sent > 0) {
                continue;
            }
            let poll = tokio::time::sleep(POLL);
            tokio::select! {
                () = poll => {},
                () = self.written.notified() => {},
                () = lifecycle.draining() => return,
            }
        }
    }

    /// Claims and sends what is due; answers how many were delivered.
    pub(crate) async fn send_due(&self) -> Result<usize, Fault> {
        let claimed = self.store.claim_messages(AT_ONCE, LEASE).await?;
        let sent = join_all(claimed.iter().map(|message| self.send(message))).await;
        Ok(sent.into_iter().filter(|delivered| *delivered).count())
    }

    async fn send(&self, message: &Message) -> bool {
        let outcome = self.deliver(message).await;
        let recorded = match &outcome {
            Ok(()) => self.store.settle_message(message).await,
            Err(fault) => {
                tracing::warn!(
                    outbox_id = message.outbox_id, receiver = message.receiver.map(Receiver::as_str),
                    attempts = message.attempts, error = %fault,
                    "a message was not delivered, it will be tried again"
                );
                let bound = RETRIES.bound(message.attempts.saturating_sub(1));
                let delay = bound.mul_f64(rand::rng().random_range(0.5..=1.0));
                self.store.postpone_message(message, delay).await
            }
        };
        if let Ok(false) = recorded {
            tracing::warn!(outbox_id = message.outbox_id, "the lease ran out while a message was sent");
        }
        let label = if outcome.is_ok() { "delivered" } else { "failed" };
        metrics::counter!("auth_outbox_sent_total", "service" => "auth", "outcome" => label).increment(1);
        outcome.is_ok()
    }

    async fn deliver(&self, message: &Message) -> Result<(), Fault> {
        failpoint::hit("auth.outbox.before").await?;
        match (message.kind, message.receiver) {
            (Some(MessageKind::AccountRemoved), Some(receiver)) => {
                self.receivers.remove_account(receiver, message.key).await?;
            }
            _ => return Err(Fault::unavailable("the handler of this message")),
        }
        failpoint::hit("auth.outbox.after").await
    }
}
