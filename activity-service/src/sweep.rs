//! Removes what is over: events and notifications past the retention, devices
//! of which nothing is left.

use std::{future::Future, time::Duration};

use chassis::{fault::Fault, lifecycle::Lifecycle};

use crate::{patience::in_time, store::Store};

/// Between two sweeps.
const EVERY: Duration = Duration::from_mins(1);
/// Rows of one statement.
const STEP: i64 = 1000;

/// Sweeps until the process drains; what is younger than `keep` stays.
pub(crate) async fn run(store: Store, keep: Duration, lifecycle: Lifecycle) {
    let keep = keep.as_secs_f64();
    while !lifecycle.is_draining() {
        sweep("device_events", &lifecycle, || store.sweep_events(keep, STEP)).await;
        sweep("notifications", &lifecycle, || store.sweep_notifications(keep, STEP)).await;
        sweep("devices", &lifecycle, || store.sweep_devices(keep, STEP)).await;
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
                metrics::counter!("swept_rows_total", "service" => "activity", "table" => what)
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
