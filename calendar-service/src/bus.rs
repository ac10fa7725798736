//! Tells the rooms of every instance what was committed.
//!
//! A publication is a wake-up and a copy, never the truth: a lost one is healed
//! by reading the log. That is why [`RoomBus::publish`] cannot fail.

use std::sync::Arc;

use tokio::sync::broadcast;

use crate::model::Change;

/// Publications a subscriber may be behind before it has to read the log instead.
const BACKLOG: usize = 4096;

/// One publication: committed changes, in order within each calendar.
pub type Published = Arc<[Change]>;

/// What a subscriber reads. `RecvError::Lagged` means: read the log.
pub type Feed = broadcast::Receiver<Published>;

/// Carries committed changes to whoever keeps rooms.
pub trait RoomBus: Send + Sync + 'static {
    /// Hands on what was committed. Never blocks, never fails.
    fn publish(&self, changes: Vec<Change>);
    /// The same for changes that this instance's rooms have told already: only
    /// the others need to hear of them.
    fn forward(&self, changes: Vec<Change>) {
        self.publish(changes);
    }
    /// Everything published from now on, by any instance.
    fn subscribe(&self) -> Feed;
}

/// The bus of one process.
#[derive(Debug)]
pub struct MemoryBus {
    sender: broadcast::Sender<Published>,
}

// === impl MemoryBus ===

impl MemoryBus {
    /// A bus without subscribers.
    pub fn new() -> Self {
        Self { sender: broadcast::channel(BACKLOG).0 }
    }
}

impl Default for MemoryBus {
    fn default() -> Self {
        Self::new()
    }
}

impl RoomBus for MemoryBus {
    fn publish(&self, changes: Vec<Change>) {
        if changes.is_empty() {
            return;
        }
        count(&changes);
        // An error means that nobody listens: nobody is in a room here.
        let _ = self.sender.send(changes.into());
    }

    /// There are no other instances.
    fn forward(&self, changes: Vec<Change>) {
        count(&changes);
    }

    fn subscribe(&self) -> Feed {
        self.sender.subscribe()
    }
}

fn count(changes: &[Change]) {
    for change in changes {
        let kind = change.kind.as_str();
        metrics::counter!("calendar_changes_total", "service" => "calendar", "kind" => kind).increment(1);
    }
}
