//! What the metrics mean that every service has.

use metrics::{describe_counter, describe_gauge, describe_histogram};

/// Says it to the recorder of the process.
pub(super) fn describe() {
    describe_counter!("grpc_server_handled_total", "gRPC calls answered, by method and status.");
    describe_histogram!("grpc_server_handling_seconds", "How long they took, by method.");
    describe_counter!("token_signatures_checked_total", "Signatures of access tokens that were checked.");
    describe_counter!("idempotency_requests_total", "Requests with an idempotency key, by outcome.");
    describe_counter!("handler_panics_total", "Calls and frames whose handler panicked.");
    describe_counter!("background_task_deaths_total", "Background loops that ended and were started again.");
    describe_gauge!("tls_certificate_not_after_seconds", "When a certificate's validity ends, since 1970.");
    describe_counter!("tls_certificates_refused_total", "New certificates that could not be used.");
    describe_gauge!("database_connections", "Connections of the pool, by state.");
    describe_gauge!("database_connections_max", "Connections that the pool may have.");
    describe_gauge!("database_timeline", "The primary's timeline; each promotion begins the next one.");
    describe_gauge!(
        "database_former_primaries",
        "Servers that take writes and are not the primary any more."
    );
    describe_gauge!("database_standbys", "Standbys that stream from the database.");
    describe_gauge!("database_standby_lag_seconds", "How far a standby is behind in time.");
    describe_gauge!("database_standby_lag_bytes", "How far a standby is behind in bytes of the log.");
}
