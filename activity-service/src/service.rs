//! What every use-case stands on.

use std::sync::Arc;

use chassis::lifecycle::Lifecycle;
use tokio::sync::Notify;

use crate::{receiver::Receiver, rules::Rules, store::Store};

/// The service's parts; clones share them.
#[derive(Clone)]
pub struct Service {
    /// The activity database.
    pub store: Store,
    /// What events mean.
    pub rules: Rules,
    /// Who is told.
    pub receiver: Receiver,
    /// Wakes the background loops.
    pub nudge: Nudge,
    /// The end of the process.
    pub lifecycle: Lifecycle,
}

/// Wakes the background loops before their next poll. A lost wake-up costs the
/// time to that poll.
#[derive(Clone, Debug, Default)]
pub struct Nudge {
    /// Something is in the inbox.
    pub inbox: Arc<Notify>,
    /// Something may be due.
    pub notifications: Arc<Notify>,
}
