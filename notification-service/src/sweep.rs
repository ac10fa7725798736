//! Removes what is over: finished work, revisions that nobody sends again,
//! answers to old idempotency keys.

use std::{future::Future, time::Duration};

use chassis::{fault::Fault, lifecycle::Lifecycle};

use crate::{patience::in_time, store::Store};

/// Between two sweeps.
const EVERY: Duration = Duration::from_mins(1);
/// Rows of one statement.
const STEP: i64 = 500;

/// Sweeps until the process drains.
pub(crate) async fn run(store: Store, lifecycle: Lifecycle) {
    while !lifecycle.is_draining() {
        sweep("due_work", &lifecycle, || store.sweep_work(STEP)).await;
        sweep("idempotency", &lifecycle, || store.idempotency().sweep(STEP)).await;
        sweep("event_revisions", &lifecycle, || store.sweep_revisions(STEP)).await;
        tokio::select! { () = tokio::time::sleep(EVERY) => {}, () = lifecycle.draining() => {} }
    }
}

/// Goes on while there was a full step's worth.
async fn sweep<F>(what: &'static str, lifecycle: &Lifecycle, mut step: impl FnMut() -> F)
where
    F: Future<Output = Result<u64, Fault>>,
{
    while !lifecycle.is_draining() {
        match in_time(step()).await {
            Ok(rows) => {
                metrics::counter!("swept_rows_total", "service" => "notification", "table" => what)
                    .increment(rows);
                if rows < STEP as u64 {
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
