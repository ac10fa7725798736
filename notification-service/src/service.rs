//! What every use-case stands on.

use crate::{calendar::CalendarClient, due::Alarm, store::Store, webhook::Guard};

/// The service's parts; clones share them.
#[derive(Clone)]
pub struct Service {
    /// The notification database.
    pub store: Store,
    /// Wakes the engine.
    pub alarm: Alarm,
    /// Who shares a calendar with whom.
    pub calendar: CalendarClient,
    /// Which addresses webhooks may have.
    pub guard: Guard,
    /// Whether timers need no account.
    pub timers_public: bool,
}
