//! Removes what is over: finished sagas, delivered messages, old password
//! tries, answers to old idempotency keys, what was seen 30 days ago, calendars
//! deleted 30 days ago.

use std::{future::Future, time::Duration};

use chassis::{fault::Fault, lifecycle::Lifecycle};

use crate::{patience::in_time, store::Store};

/// Between two sweeps.
const EVERY: Duration = Duration::from_mins(1);
/// Rows of one statement.
const STEP: i64 = 500;
/// The same where each row takes thousands of others with it.
const RECENT_STEP: i64 = 5;

/// Sweeps until the process drains.
pub(crate) async fn run(store: Store, lifecycle: Lifecycle) {
    while !lifecycle.is_draining() {
        let all = async {
            sweep("sagas", &lifecycle, STEP, |rows| store.sweep_sagas(rows)).await;
            sweep("outbox", &lifecycle, STEP, |rows| store.sweep_outbox(rows)).await;
            sweep("password_tries", &lifecycle, STEP, |rows| store.sweep_password_tries(rows)).await;
            sweep("idempotency", &lifecycle, STEP, |rows| store.idempotency().sweep(rows)).await;
            sweep("inbox_entries", &lifecycle, STEP, |rows| store.sweep_inboxes(rows)).await;
            sweep("deliveries", &lifecycle, STEP, |rows| store.sweep_deliveries(rows)).await;
            sweep("recent_reminders", &lifecycle, RECENT_STEP, |rows| store.sweep_recent_reminders(rows))
                .await;
            sweep("calendars", &lifecycle, STEP, |rows| store.sweep_calendars(rows)).await;
        };
        all.await;
        tokio::select! { () = tokio::time::sleep(EVERY) => {}, () = lifecycle.draining() => {} }
    }
}

/// Goes on while there was a full step's worth.
async fn sweep<F>(what: &'static str, lifecycle: &Lifecycle, size: i64, mut step: impl FnMut(i64) -> F)
where
    F: Future<Output = Result<u64, Fault>>,
{
    while !lifecycle.is_draining() {
        match in_time(step(size)).await {
            Ok(rows) => {
                metrics::counter!("swept_rows_total", "service" => "calendar", "table" => what)
                    .increment(rows);
                if rows < size as u64 {
                    return;
                }
            }
            Err(fault) => {
                tracing::warn!(table = what, error = %fault, "cannot sweep");
                return;
            }
        }
    }
}
