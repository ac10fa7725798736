//! Records what came of deliveries, many in one statement, and renews the
//! claims of those that take long. One task does both: two statements over the
//! same rows at once could wait for each other.

use std::{sync::Arc, time::Duration};

use chassis::backoff::Backoff;
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval, sleep},
};

use super::{LEASE, flight::Flight};
use crate::{model::Report, patience::in_time, store::Store};

/// Reports of one statement.
const BATCH: usize = 512;
/// Claims that are older are renewed; three tries within a lease.
const RENEW: Duration = Duration::from_secs(1);

pub(super) struct Recorder {
    pub(super) store: Store,
    pub(super) flight: Arc<Flight>,
    pub(super) inbox: mpsc::Receiver<Report>,
}

// === impl Recorder ===

impl Recorder {
    /// Until every sender is gone.
    pub(super) async fn run(mut self) {
        let mut renewal = interval(RENEW);
        renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut reports = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                count = self.inbox.recv_many(&mut reports, BATCH) => {
                    if count == 0 {
                        return;
                    }
                    self.record(&reports).await;
                    reports.clear();
                }
                _ = renewal.tick() => self.renew().await,
            }
        }
    }

    /// Tries until the database takes it: while the rows are not claimed by
    /// somebody else, the record is as good as it was.
    async fn record(&self, reports: &[Report]) {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
        let recorded = loop {
            match in_time(self.store.record(reports)).await {
                Ok(recorded) => break recorded,
                Err(fault) => {
                    tracing::warn!(count = reports.len(), error = %fault, "cannot record deliveries yet");
                    let pause = backoff.next_delay(&mut rand::rng()) + Duration::from_millis(20);
                    sleep(pause).await;
                    self.renew().await;
                }
            }
        };
        let lost = (reports.len() as u64).saturating_sub(recorded);
        if lost > 0 {
            tracing::warn!(lost, "claims were lost before their deliveries could be recorded");
            metrics::counter!("due_leases_lost_total", "service" => "notification").increment(lost);
        }
        self.flight.let_go(reports.iter().map(|report| (report.work_id, report.fence)));
    }

    async fn renew(&self) {
        let old = self.flight.older_than(RENEW);
        if old.is_empty() {
            return;
        }
        if let Err(fault) = in_time(self.store.renew(&old, LEASE)).await {
            tracing::warn!(count = old.len(), error = %fault, "cannot renew claims");
        }
    }
}
