//! What every use-case stands on.

use std::sync::Arc;

use chassis::lifecycle::Lifecycle;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::{
    bus::{Call, Publication, RoomBus},
    event::Lists,
    model::Change,
    password::Passwords,
    reminder::Reminders,
    saga::Participants,
    store::Store,
};

/// The service's parts; clones share them.
#[derive(Clone)]
pub struct Service {
    /// The calendar database.
    pub store: Store,
    /// Lists of events as they were told last.
    pub lists: Arc<Lists>,
    /// Where committed changes are announced.
    pub bus: Arc<dyn RoomBus>,
    /// Calendar passwords.
    pub passwords: Passwords,
    /// auth-service's side of create_event.
    pub participants: Participants,
    /// notification-service's side of reminders.
    pub reminders: Reminders,
    /// Wakes the background loops.
    pub nudge: Nudge,
    /// The end of the process.
    pub lifecycle: Lifecycle,
}

/// Wakes the background loops before their next poll. A lost wake-up costs the
/// time to that poll.
#[derive(Clone, Debug, Default)]
pub struct Nudge {
    /// Something is to be undone.
    pub sagas: Arc<Notify>,
    /// Something is in the outbox for auth-service, or a job.
    pub outbox: Arc<Notify>,
    /// Something is in the outbox for notification-service.
    pub reminders: Arc<Notify>,
}

// === impl Service ===

impl Service {
    /// After a commit: tells the rooms, wakes the outbox.
    pub fn announce(&self, changes: Vec<Change>) {
        self.nudge.outbox.notify_one();
        self.nudge.reminders.notify_one();
        if !changes.is_empty() {
            self.bus.publish(Publication::Changes(changes));
        }
    }

    /// After a commit: something is in the inboxes of these accounts.
    pub fn call(&self, accounts: Vec<Uuid>) {
        if !accounts.is_empty() {
            self.bus.publish(Publication::Call(Call::Inbox(accounts)));
        }
    }
}
