//! What the service counts, in words.

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge};

/// Says what each metric of the service means. What has no series before it first
/// happens is there from the start, so that the first time is a change.
pub(crate) fn describe() {
    describe_counter!("auth_registrations_total", "Accounts made.");
    describe_counter!("auth_logins_total", "Logins, by outcome.");
    describe_counter!("auth_removals_total", "Accounts removed.");
    describe_histogram!("auth_hash_seconds", "How long a password hash took, waiting not counted.");
    describe_gauge!("auth_hash_queue", "Password hashes that wait for their turn.");
    describe_counter!("auth_hash_refused_total", "Password hashes refused because too many waited.");
    describe_gauge!("auth_signing_keys", "Signing keys that are published.");
    describe_gauge!("auth_outbox_waiting", "Messages to other services that are not delivered.");
    describe_gauge!("auth_outbox_oldest_seconds", "Age of the oldest of them.");
    describe_counter!("auth_outbox_sent_total", "Tries to deliver one, by outcome.");
    describe_counter!("auth_last_seen_dropped_total", "Times of last use not noted because too many waited.");
    describe_counter!("auth_swept_rows_total", "Rows removed because they were over.");
    counter!("handler_panics_total", "service" => "auth").increment(0);
    counter!("auth_registrations_total", "service" => "auth").increment(0);
    counter!("auth_removals_total", "service" => "auth").increment(0);
    counter!("auth_hash_refused_total", "service" => "auth").increment(0);
    counter!("auth_last_seen_dropped_total", "service" => "auth").increment(0);
    counter!("auth_swept_rows_total", "service" => "auth").increment(0);
    gauge!("auth_hash_queue", "service" => "auth").increment(0.0);
}
