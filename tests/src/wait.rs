//! Waiting for a condition, with a deadline.

use std::time::Duration;

use anyhow::{Result, anyhow};
use tokio::time::{Instant, sleep};

use crate::regret;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Long enough for anything on a busy machine; nothing that works waits for it.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Looks until there is something to see; `what` names it when it does not come within [`PATIENCE`].
pub async fn until<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> Result<T> {
    until_within(PATIENCE, what, look).await
}

/// [`until`] with a limit of its own.
pub async fn until_within<T>(
    limit: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> Result<T> {
    let deadline = Deadline::after(limit);
    loop {
        if let Some(seen) = look().await {
            return Ok(seen);
        }
        if !deadline.look_again().await {
            let error = anyhow!("waited {limit:?} in vain for: {what}");
            regret::note(&error);
            return Err(error);
        }
    }
}

/// The end of patience, for loops of one's own.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

// === impl Deadline ===

impl Deadline {
    /// So long from now.
    pub fn after(limit: Duration) -> Self {
        Self(Instant::now() + limit)
    }

    /// Returns when it is time for another look; false when there is no time left.
    pub async fn look_again(self) -> bool {
        sleep(LOOK_EVERY).await;
        Instant::now() < self.0
    }
}
