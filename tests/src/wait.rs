//! Waiting for a condition, with a deadline.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

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
    let deadline = Instant::now() + limit;
    loop {
        if let Some(seen) = look().await {
            return Ok(seen);
        }
        if Instant::now() >= deadline {
            bail!("waited {limit:?} in vain for: {what}");
        }
        sleep(LOOK_EVERY).await;
    }
}
