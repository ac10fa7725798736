//! What the relay tells the operator; docs/RELAY.md has the list.

use metrics::{describe_counter, describe_gauge, describe_histogram};

use super::{engine::Counts, wire::Fault};

/// Says what each metric of the relay means.
pub(crate) fn describe() {
    describe_gauge!("relay_gap_events", "Events that wait for the one that is missing.");
    describe_gauge!("relay_gap_age_seconds", "How long they have.");
    describe_gauge!("relay_queue_packs", "Packs in the broker.");
    describe_gauge!("relay_unacknowledged_packs", "Packs that no snapshot holds yet.");
    describe_gauge!("relay_unconfirmed_bytes", "Bytes that the broker has not confirmed.");
    describe_gauge!("relay_clients", "User clients.");
    describe_gauge!("relay_clients_unsent_bytes", "Bytes kept for those that are slow.");
    describe_counter!("relay_clients_dropped_total", "User clients dropped.");
    describe_counter!("relay_clients_refused_total", "User clients refused.");
    describe_gauge!("relay_sources", "Event sources.");
    describe_counter!("relay_sources_refused_total", "Event sources refused.");
    describe_gauge!("relay_leads", "1 where the processor leads.");
    describe_counter!("relay_notifications_total", "Events told to a client.");
    describe_counter!("relay_duplicates_total", "Events that had come before.");
    describe_counter!("relay_packs_repeated_total", "Packs that the broker delivered again.");
    describe_counter!("relay_malformed_total", "Lines that are no event.");
    describe_counter!("relay_skipped_total", "Events given up for a gap.");
    describe_counter!("relay_follows_refused_total", "Follows beyond the bound.");
    describe_counter!("relay_resets_total", "Streams begun anew.");
    describe_gauge!("relay_graph_bytes", "The followers in memory.");
    describe_counter!("relay_snapshots_total", "Snapshots of followers and position.");
    describe_histogram!("relay_snapshot_seconds", "How long one took.");
    describe_gauge!("relay_snapshot_bytes", "How large the last one was.");
}

/// What a block of input did.
pub(crate) fn block(counts: &Counts) {
    let event = |kind: &'static str, count: u64| {
        if count > 0 {
            metrics::counter!("activity_events_total", "service" => "activity", "lane" => "relay", "type" => kind)
                .increment(count);
        }
    };
    event("follow", counts.follows);
    event("unfollow", counts.unfollows);
    event("broadcast", counts.broadcasts);
    event("private", counts.privates);
    event("status", counts.statuses);
    event("passed", counts.passed);
    metrics::counter!("relay_notifications_total", "service" => "activity").increment(counts.notifications);
    metrics::counter!("relay_duplicates_total", "service" => "activity").increment(counts.duplicates);
    metrics::counter!("relay_packs_repeated_total", "service" => "activity").increment(counts.repeated_packs);
    metrics::counter!("relay_skipped_total", "service" => "activity").increment(counts.skipped);
    metrics::counter!("relay_follows_refused_total", "service" => "activity")
        .increment(counts.refused_follows);
}

/// A line that is no event.
pub(crate) fn malformed(fault: Fault) {
    metrics::counter!("relay_malformed_total", "service" => "activity", "fault" => fault.name()).increment(1);
}

/// The stream was forgotten: by the end of all sources, or by hand.
pub(crate) fn reset(by: &'static str) {
    metrics::counter!("relay_resets_total", "service" => "activity", "by" => by).increment(1);
}

/// What waits for the events before it, and for how many seconds.
pub(crate) fn gap(waiting: usize, age: f64) {
    metrics::gauge!("relay_gap_events", "service" => "activity").set(waiting as f64);
    metrics::gauge!("relay_gap_age_seconds", "service" => "activity").set(age);
}

/// Clients, and bytes that they have yet to take.
pub(crate) fn clients(connected: usize, unsent: usize) {
    metrics::gauge!("relay_clients", "service" => "activity").set(connected as f64);
    metrics::gauge!("relay_clients_unsent_bytes", "service" => "activity").set(unsent as f64);
}

/// A client was dropped.
pub(crate) fn client_dropped(reason: &'static str) {
    metrics::counter!("relay_clients_dropped_total", "service" => "activity", "reason" => reason)
        .increment(1);
}

/// A connection did not become a client.
pub(crate) fn client_refused(reason: &'static str) {
    metrics::counter!("relay_clients_refused_total", "service" => "activity", "reason" => reason)
        .increment(1);
}

/// Bytes of the follower graph.
pub(crate) fn graph(bytes: usize) {
    metrics::gauge!("relay_graph_bytes", "service" => "activity").set(bytes as f64);
}

/// Whether this process leads.
pub(crate) fn leads(leads: bool) {
    metrics::gauge!("relay_leads", "service" => "activity").set(f64::from(u8::from(leads)));
}

/// A snapshot was written, or not.
pub(crate) fn snapshot(outcome: &'static str, bytes: usize, seconds: f64) {
    metrics::counter!("relay_snapshots_total", "service" => "activity", "outcome" => outcome).increment(1);
    metrics::gauge!("relay_snapshot_bytes", "service" => "activity").set(bytes as f64);
    metrics::histogram!("relay_snapshot_seconds", "service" => "activity").record(seconds);
}

/// Packs that were taken from the broker and are not acknowledged.
pub(crate) fn unacknowledged(packs: usize) {
    metrics::gauge!("relay_unacknowledged_packs", "service" => "activity").set(packs as f64);
}

/// Packs in the broker's queue, as far as this process can see it.
pub(crate) fn queue(packs: usize) {
    metrics::gauge!("relay_queue_packs", "service" => "activity").set(packs as f64);
}

/// Bytes that the broker has not confirmed.
pub(crate) fn unconfirmed(bytes: usize) {
    metrics::gauge!("relay_unconfirmed_bytes", "service" => "activity").set(bytes as f64);
}

/// Sources that are connected.
pub(crate) fn sources(connected: usize) {
    metrics::gauge!("relay_sources", "service" => "activity").set(connected as f64);
}

/// A source was refused for there were too many.
pub(crate) fn source_refused() {
    metrics::counter!("relay_sources_refused_total", "service" => "activity").increment(1);
}
