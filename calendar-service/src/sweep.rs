//! Removes what is over: finished sagas, delivered messages, old password
//! tries, answers to old idempotency keys, calendars deleted 30 days ago.

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
        let all = async {
            sweep("sagas", &lifecycle, || store.sweep_sagas(STEP)).await;
            sweep("outbox", &lifecycle, || store.sweep_outbox(STEP)).await;
            sweep("password_tries", &lifecycle, || store.sweep_password_tries(STEP)).await;
            sweep("idempotency", &lifecycle, || store.idempotency().sweep(STEP)).await;
            sweep("calendars", &lifecycle, || store.sweep_calendars(STEP)).await;
        };
        all.await;
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
                metrics::counter!("swept_rows_total", "service" => "calendar", "table" => what)
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
