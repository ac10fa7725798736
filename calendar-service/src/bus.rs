//! Tells every instance what was committed: rooms what changed in them, people
//! that something is there for them.
//!
//! A publication is a wake-up and a copy, never the truth: a lost one is healed
//! by reading the database. That is why publishing cannot fail.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;
use uuid::Uuid;

use crate::model::Change;

/// Publications a subscriber may be behind before it has to read the log instead.
const BACKLOG: usize = 4096;

/// One publication.
#[derive(Clone, Debug)]
pub enum Published {
    /// Committed changes, in order within each calendar.
    Changes(Arc<[Change]>),
    /// Something for people, in a room or not.
    Call(Arc<Call>),
}

/// Says that something is there for people; what it is stands in the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// Each of these accounts has something new in its inbox.
    Inbox(Vec<Uuid>),
    /// This reminder is for a room, or for everybody.
    Reminder(String),
}

/// What a subscriber reads. `RecvError::Lagged` means: read the database.
pub type Feed = broadcast::Receiver<Published>;

/// Carries what was committed to whoever keeps sockets.
pub trait RoomBus: Send + Sync + 'static {
    /// Hands on what was committed. Never blocks, never fails.
    fn publish(&self, changes: Vec<Change>);
    /// The same for changes that this instance's rooms have told already: only
    /// the others need to hear of them.
    fn forward(&self, changes: Vec<Change>) {
        self.publish(changes);
    }
    /// Calls people. Never blocks, never fails.
    fn call(&self, call: Call);
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
        let _ = self.sender.send(Published::Changes(changes.into()));
    }

    /// There are no other instances.
    fn forward(&self, changes: Vec<Change>) {
        count(&changes);
    }

    fn call(&self, call: Call) {
        let _ = self.sender.send(Published::Call(Arc::new(call)));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_crosses_a_wire() {
        for call in [Call::Inbox(vec![Uuid::from_u128(7)]), Call::Reminder("r".to_owned())] {
            let wire = serde_json::to_string(&call).unwrap();
            assert_eq!(serde_json::from_str::<Call>(&wire).unwrap(), call, "{wire}");
        }
    }
}
