//! What the database knows and a counter cannot: the backlog, the pool. Read
//! every few seconds; idle webhook connections are closed on the way.

use std::time::Duration;

use chassis::lifecycle::Lifecycle;
use metrics::{describe_counter, describe_gauge, describe_histogram, gauge};

use crate::{patience::in_time, store::Store, webhook::Client};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(3);

/// Says what each metric of the service means.
pub(crate) fn describe() {
    describe_histogram!("due_lateness_seconds", "From the due time to the first attempt, by kind.");
    describe_counter!("due_deliveries_total", "Attempts, by kind and result: done, again, failed.");
    describe_counter!("due_leases_lost_total", "Claims that ran out before they could be recorded.");
    describe_gauge!("due_backlog", "Work that is overdue and not claimed; counted to 10,000.");
    describe_gauge!("due_oldest_seconds", "How long the oldest of it is overdue.");
    describe_gauge!("due_in_flight", "Claims that this instance holds.");
    describe_gauge!("due_wheel_moments", "Near moments at which something is due.");
    describe_counter!("webhook_refused_total", "Webhooks whose address may not be connected to.");
    describe_gauge!("webhook_idle_connections", "Connections to webhooks that wait for a request.");
    describe_counter!("swept_rows_total", "Rows removed because they were over, by table.");
    // What has no series before it first happens is there from the start, so that the first time is a change.
    metrics::counter!("handler_panics_total", "service" => "notification").increment(0);
}

/// Looks until the process drains.
pub(crate) async fn run(store: Store, client: Client, lifecycle: Lifecycle) {
    while !lifecycle.is_draining() {
        client.close_idle();
        match in_time(store.backlog()).await {
            Ok((count, age)) => {
                gauge!("due_backlog", "service" => "notification").set(count as f64);
                gauge!("due_oldest_seconds", "service" => "notification").set(age);
            }
            Err(fault) => tracing::debug!(error = %fault, "cannot look at the backlog"),
        }
        tokio::select! { () = tokio::time::sleep(EVERY) => {}, () = lifecycle.draining() => {} }
    }
}
