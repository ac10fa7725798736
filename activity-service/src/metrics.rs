//! What the database knows and a counter cannot: the inbox, what is due.
//! Read every few seconds.

use std::time::Duration;

use chassis::{fault::Fault, lifecycle::Lifecycle};
use metrics::{describe_counter, describe_gauge, gauge};

use crate::{patience::in_time, store::Store};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(5);

/// Says what each metric of the rules lane means.
pub(crate) fn describe() {
    describe_counter!(
        "activity_events_total",
        "Events kept or passed on, by lane and type; those that no rule knows are `unknown`."
    );
    describe_counter!("activity_events_repeated_total", "Events that were there before.");
    describe_counter!("activity_events_refused_total", "Events that were none.");
    describe_counter!("activity_rule_firings_total", "Notifications that a rule wanted, by rule.");
    describe_counter!(
        "activity_rule_cancellations_total",
        "Those that it did not want any more in time, by rule."
    );
    describe_counter!("activity_notifications_total", "Tries to deliver, by outcome.");
    describe_gauge!("activity_inbox_depth", "Events that the rules have not seen.");
    describe_gauge!("activity_inbox_oldest_seconds", "How long the oldest of them has waited.");
    describe_gauge!("activity_notifications_waiting", "Notifications ahead of their time, and due.");
    describe_gauge!("activity_notifications_oldest_seconds", "How long the oldest of those that are due is.");
    describe_counter!("swept_rows_total", "Rows removed because they were over, by table.");
    // What has no series before it first happens is there from the start, so that the first time is a change.
    metrics::counter!("handler_panics_total", "service" => "activity").increment(0);
}

/// Looks until the process drains.
pub(crate) async fn run(store: Store, lifecycle: Lifecycle) {
    while !lifecycle.is_draining() {
        if let Err(fault) = in_time(look(&store)).await {
            tracing::debug!(error = %fault, "cannot look at inbox and notifications");
        }
        tokio::select! { () = tokio::time::sleep(EVERY) => {}, () = lifecycle.draining() => {} }
    }
}

async fn look(store: &Store) -> Result<(), Fault> {
    let census = store.census().await?;
    gauge!("activity_inbox_depth", "service" => "activity").set(census.inbox as f64);
    gauge!("activity_inbox_oldest_seconds", "service" => "activity").set(census.inbox_oldest);
    gauge!("activity_notifications_waiting", "service" => "activity", "state" => "ahead")
        .set(census.ahead as f64);
    gauge!("activity_notifications_waiting", "service" => "activity", "state" => "due")
        .set(census.due as f64);
    gauge!("activity_notifications_oldest_seconds", "service" => "activity").set(census.due_oldest);
    Ok(())
}
