//! What every use-case stands on.

use std::sync::Arc;

use chassis::lifecycle::Lifecycle;

use crate::{bus::RoomBus, store::Store};

/// The service's parts; clones share them.
#[derive(Clone)]
pub struct Service {
    /// The calendar database.
    pub store: Store,
    /// Where committed changes are announced.
    pub bus: Arc<dyn RoomBus>,
    /// The end of the process.
    pub lifecycle: Lifecycle,
}
