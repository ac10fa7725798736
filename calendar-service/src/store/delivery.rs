//! `deliveries`: what was delivered to us, by the ids that others gave it.

use chassis::fault::Fault;
use uuid::Uuid;

use super::Tx;

/// What an id belongs to: the same id elsewhere is another delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryScope {
    /// Notifications of this account: their ids may come from people.
    Notification(Uuid),
    /// Reminders of events.
    EventReminder,
    /// Reminders that were scheduled.
    ScheduledReminder,
}

// === impl DeliveryScope ===

impl DeliveryScope {
    fn key(self, id: &str) -> String {
        match self {
            Self::Notification(account_id) => format!("notification/{account_id}/{id}"),
            Self::EventReminder => format!("event_reminder/{id}"),
            Self::ScheduledReminder => format!("scheduled_reminder/{id}"),
        }
    }
}

impl Tx {
    /// Records a delivery with what it does; false: it was made before. Of two
    /// at once, the second waits for the first.
    pub async fn first_delivery(&mut self, scope: DeliveryScope, id: &str) -> Result<bool, Fault> {
        let done = sqlx::query!(
            "insert into deliveries (delivery_id) values ($1) on conflict do nothing",
            scope.key(id),
        );
        Ok(done.execute(&mut *self.inner).await?.rows_affected() == 1)
    }
}
