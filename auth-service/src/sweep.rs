//! Removes what has expired, and measures what waits.

use std::time::Duration;

use chassis::{fault::Fault, lifecycle::Lifecycle};

use crate::store::{Store, Swept};

/// Between two sweeps.
const PERIOD: Duration = Duration::from_secs(30);
/// Between two batches of one sweep: the service has other work to do.
const BREATH: Duration = Duration::from_millis(50);

/// Sweeps until the soft stop.
pub(crate) async fn run(store: Store, lifecycle: Lifecycle) {
    while !lifecycle.is_draining() {
        // An error was logged by the store; the next round tries again.
        let more = sweep(&store).await.is_ok_and(|swept| swept.more);
        measure(&store).await;
        let wait = if more { BREATH } else { PERIOD };
        tokio::select! { () = tokio::time::sleep(wait) => {}, () = lifecycle.draining() => return }
    }
}

/// One round.
pub(crate) async fn sweep(store: &Store) -> Result<Swept, Fault> {
    let swept = store.sweep().await?;
    metrics::counter!("auth_swept_rows_total", "service" => "auth").increment(swept.rows);
    Ok(swept)
}

async fn measure(store: &Store) {
    let Ok(backlog) = store.backlog().await else { return };
    metrics::gauge!("auth_outbox_waiting", "service" => "auth").set(backlog.waiting as f64);
    metrics::gauge!("auth_outbox_oldest_seconds", "service" => "auth").set(backlog.oldest);
}
