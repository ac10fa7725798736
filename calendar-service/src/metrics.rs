//! What the database knows and a counter cannot: sagas by state, the outbox.
//! Read every few seconds.

use std::{sync::Arc, time::Duration};

use chassis::{fault::Fault, lifecycle::Lifecycle};
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge};

use crate::{
    event::Lists,
    patience::in_time,
    store::{Lane, SagaState, Store},
};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(5);

/// Says what each metric of the service means. What has no series before it first
/// happens is there from the start, so that the first time is a change.
pub(crate) fn describe() {
    describe_counter!("calendar_changes_total", "Committed changes, by kind.");
    describe_histogram!("calendar_saga_seconds", "From a create_event to its outcome.");
    describe_counter!("calendar_sagas_parked_total", "Sagas whose undo kept failing.");
    describe_gauge!("calendar_sagas", "Sagas that are not over, by state; needs_attention wants a person.");
    describe_gauge!("calendar_saga_oldest_seconds", "Age of the oldest saga that is not over.");
    describe_gauge!("outbox_depth", "Messages that are not delivered.");
    describe_gauge!("outbox_oldest_seconds", "Age of the oldest message that is not delivered.");
    describe_counter!("outbox_failures_total", "Deliveries that failed and come again, by kind.");
    describe_counter!("password_hashes_refused_total", "Hashes refused because too many waited.");
    describe_gauge!("password_hashes_waiting", "Hashes of calendar passwords that wait for their turn.");
    describe_histogram!("password_hash_seconds", "How long such a hash took, waiting not counted.");
    describe_counter!("inbox_deliveries_total", "What was delivered to us, by kind and outcome.");
    describe_counter!("calendar_standby_reads_total", "Reads that a standby could have served, by outcome.");
    describe_counter!("event_lists_total", "Lists of events told, by outcome.");
    describe_gauge!("event_lists_bytes", "Memory of the lists of events that are kept, in bytes.");
    describe_counter!("swept_rows_total", "Rows removed because they were over, by table.");
    counter!("handler_panics_total", "service" => "calendar").increment(0);
    counter!("calendar_sagas_parked_total", "service" => "calendar").increment(0);
    counter!("password_hashes_refused_total", "service" => "calendar").increment(0);
    gauge!("password_hashes_waiting", "service" => "calendar").increment(0.0);
    for outcome in ["kept", "read"] {
        counter!("event_lists_total", "service" => "calendar", "outcome" => outcome).increment(0);
    }
}

/// Looks until the process drains.
pub(crate) async fn run(store: Store, lists: Arc<Lists>, lifecycle: Lifecycle) {
    while !lifecycle.is_draining() {
        lists.measure();
        if let Err(fault) = in_time(look(&store)).await {
            tracing::debug!(error = %fault, "cannot look at sagas and outbox");
        }
        tokio::select! { () = tokio::time::sleep(EVERY) => {}, () = lifecycle.draining() => {} }
    }
}

async fn look(store: &Store) -> Result<(), Fault> {
    let census = store.saga_census().await?;
    let mut oldest: f64 = 0.0;
    for state in SagaState::ALL {
        let found = census.iter().find(|(there, _, _)| *there == state);
        let count = found.map_or(0, |(_, count, _)| *count);
        oldest = found.map_or(oldest, |(_, _, age)| oldest.max(*age));
        gauge!("calendar_sagas", "service" => "calendar", "state" => state.as_str()).set(count as f64);
    }
    gauge!("calendar_saga_oldest_seconds", "service" => "calendar").set(oldest);
    for lane in Lane::ALL {
        let (depth, age) = store.outbox_depth(lane).await?;
        gauge!("outbox_depth", "service" => "calendar", "lane" => lane.as_str()).set(depth as f64);
        gauge!("outbox_oldest_seconds", "service" => "calendar", "lane" => lane.as_str()).set(age);
    }
    Ok(())
}
