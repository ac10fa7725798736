//! What the database knows and a counter cannot: sagas by state, the outbox,
//! the pool. Read every few seconds.

use std::time::Duration;

use chassis::{fault::Fault, lifecycle::Lifecycle};
use metrics::{describe_counter, describe_gauge, describe_histogram, gauge};

use crate::{
    patience::in_time,
    store::{Lane, SagaState, Store},
};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(5);

/// Says what each metric of the service means.
pub(crate) fn describe() {
    describe_counter!("calendar_changes_total", "Committed changes, by kind.");
    describe_histogram!("calendar_saga_seconds", "From a create_event to its outcome.");
    describe_counter!("calendar_sagas_parked_total", "Sagas whose undo kept failing.");
    describe_gauge!("calendar_sagas", "Sagas that are not over, by state; needs_attention wants a person.");
    describe_gauge!("calendar_saga_oldest_seconds", "Age of the oldest saga that is not over.");
    describe_gauge!("outbox_depth", "Messages that are not delivered.");
    describe_gauge!("outbox_oldest_seconds", "Age of the oldest message that is not delivered.");
    describe_counter!("outbox_failures_total", "Deliveries that failed and come again, by kind.");
    describe_gauge!("database_connections", "Connections of the pool, by state.");
    describe_counter!("password_hashes_refused_total", "Hashes refused because too many waited.");
    describe_counter!("inbox_deliveries_total", "What was delivered to us, by kind and outcome.");
    describe_counter!("swept_rows_total", "Rows removed because they were over, by table.");
}

/// Looks until the process drains.
pub(crate) async fn run(store: Store, lifecycle: Lifecycle) {
    while !lifecycle.is_draining() {
        look_at_pool(&store);
        if let Err(fault) = in_time(look(&store)).await {
            tracing::debug!(error = %fault, "cannot look at sagas and outbox");
        }
        tokio::select! { () = tokio::time::sleep(EVERY) => {}, () = lifecycle.draining() => {} }
    }
}

fn look_at_pool(store: &Store) {
    let idle = store.pool().num_idle();
    let used = (store.pool().size() as usize).saturating_sub(idle);
    gauge!("database_connections", "service" => "calendar", "state" => "idle").set(idle as f64);
    gauge!("database_connections", "service" => "calendar", "state" => "used").set(used as f64);
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
