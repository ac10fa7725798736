//! Remembers when sessions were seen, beside the requests that see them.
//!
//! A look-up only notes the id; a loop writes what came together in one
//! statement. What finds the queue full is noted at the next look-up.

use std::{sync::Arc, time::Duration};

use chassis::lifecycle::Lifecycle;
use tokio::sync::{Mutex, mpsc};
use uuid::Uuid;

use crate::store::Store;

/// Ids that wait to be written.
const QUEUE: usize = 4096;
/// How long ids are collected for one statement.
const COLLECT: Duration = Duration::from_millis(500);

/// The queue's two ends. Clones share them.
#[derive(Clone)]
pub(crate) struct LastSeen {
    seen: mpsc::Sender<Uuid>,
    /// Taken by the loop, also by one that was started anew.
    waiting: Arc<Mutex<mpsc::Receiver<Uuid>>>,
}

// === impl LastSeen ===

impl LastSeen {
    /// An empty queue.
    pub(crate) fn new() -> Self {
        let (seen, waiting) = mpsc::channel(QUEUE);
        Self { seen, waiting: Arc::new(Mutex::new(waiting)) }
    }

    /// The session was seen just now. Never waits.
    pub(crate) fn note(&self, session_id: Uuid) {
        if self.seen.try_send(session_id).is_err() {
            metrics::counter!("auth_last_seen_dropped_total", "service" => "auth").increment(1);
        }
    }

    /// Writes what was noted, until the soft stop.
    pub(crate) async fn run(&self, store: Store, lifecycle: Lifecycle) {
        while !lifecycle.is_draining() {
            tokio::select! { () = tokio::time::sleep(COLLECT) => {}, () = lifecycle.draining() => {} }
            self.flush(&store).await;
        }
    }

    /// Writes what was noted so far. A failure loses at most a minute's truth.
    pub(crate) async fn flush(&self, store: &Store) {
        let mut waiting = self.waiting.lock().await;
        let mut ids = Vec::new();
        while let Ok(id) = waiting.try_recv() {
            ids.push(id);
        }
        if !ids.is_empty() {
            // The store has logged why it failed; the next look-up notes again.
            let _ = store.touch_sessions(&ids).await;
        }
    }
}
