//! The bus of one process.

use std::sync::Arc;

use tokio::sync::broadcast;
use uuid::Uuid;

use super::{BACKLOG, Feed, Heard, Publication, RoomBus, count};

/// The bus of one process, which is one instance.
#[derive(Debug)]
pub struct MemoryBus {
    sender: broadcast::Sender<Heard>,
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
    fn instance(&self) -> Uuid {
        Uuid::nil()
    }

    fn publish(&self, publication: Publication) {
        count(&publication);
        // An error means that nobody listens: nobody is in a room here.
        let _ = self.sender.send(Heard::Said { by: self.instance(), what: Arc::new(publication) });
    }

    /// There are no other instances.
    fn forward(&self, publication: Publication) {
        count(&publication);
    }

    fn subscribe(&self) -> Feed {
        self.sender.subscribe()
    }

    fn is_healthy(&self) -> bool {
        true
    }

    fn has_others(&self) -> bool {
        false
    }

    fn close(&self) {}
}
