//! What is done when something is due: one file a kind, one line in a list.

pub(crate) mod event_reminder;
pub(crate) mod notification_inbox;
pub(crate) mod notification_webhook;
pub(crate) mod scheduled_reminder;
pub(crate) mod timer_webhook;
mod webhooks;

use futures::future::BoxFuture;

use self::{
    event_reminder::EventReminder, notification_inbox::NotificationInbox,
    notification_webhook::NotificationWebhook, scheduled_reminder::ScheduledReminder,
    timer_webhook::TimerWebhook, webhooks::Webhooks,
};
use crate::{
    calendar::CalendarClient,
    model::{Kind, Outcome, Work},
    store::Store,
    webhook::{Client, Schedule},
};

/// Delivers one kind of due work.
pub trait Handler: Send + Sync + 'static {
    /// Which kind.
    fn kind(&self) -> Kind;

    /// When what failed comes again.
    fn schedule(&self) -> Schedule;

    /// Whether a delivery is a request to a webhook, and belongs into the ledger.
    fn is_request(&self) -> bool {
        false
    }

    /// Delivers, within a time of its own. A repeat must do no harm.
    fn deliver<'a>(&'a self, work: &'a Work) -> BoxFuture<'a, Outcome>;
}

/// Every kind that this version can deliver.
pub struct Handlers {
    list: Vec<Box<dyn Handler>>,
}

// === impl Handlers ===

impl Handlers {
    /// The list: a new kind of due work is a file and a line here.
    pub fn all(store: Store, client: Client, calendar: &CalendarClient) -> Self {
        let webhooks = Webhooks::new(store, client);
        Self::of(vec![
            Box::new(TimerWebhook { webhooks: webhooks.clone() }),
            Box::new(EventReminder { calendar: calendar.clone() }),
            Box::new(ScheduledReminder { calendar: calendar.clone() }),
            Box::new(NotificationInbox { calendar: calendar.clone() }),
            Box::new(NotificationWebhook { webhooks }),
        ])
    }

    /// These and no others.
    pub fn of(list: Vec<Box<dyn Handler>>) -> Self {
        Self { list }
    }

    /// The kinds that can be delivered.
    pub(crate) fn kinds(&self) -> Vec<Kind> {
        self.list.iter().map(|handler| handler.kind()).collect()
    }

    /// The handler of a kind.
    pub(crate) fn of_kind(&self, kind: Kind) -> Option<&dyn Handler> {
        self.list.iter().find(|handler| handler.kind() == kind).map(AsRef::as_ref)
    }
}
