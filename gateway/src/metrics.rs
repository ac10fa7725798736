//! What the gateway counts.

use metrics::{Counter, counter};
use tonic::Code;

/// Which layer answered whether a session is live.
pub struct SessionLookups {
    /// This process, within the last second.
    pub recent: Counter,
    /// The shared cache.
    pub shared: Counter,
    /// auth-service.
    pub authority: Counter,
}

// === impl SessionLookups ===

impl SessionLookups {
    /// The counters, registered.
    pub fn new() -> Self {
        let layer = |name: &'static str| counter!("gateway_session_lookups_total", "layer" => name);
        Self { recent: layer("recent"), shared: layer("shared"), authority: layer("authority") }
    }
}

impl Default for SessionLookups {
    fn default() -> Self {
        Self::new()
    }
}

/// Calls to one service.
pub struct UpstreamCalls {
    service: &'static str,
    /// Second tries.
    pub retries: Counter,
    ok: Counter,
}

// === impl UpstreamCalls ===

impl UpstreamCalls {
    /// Counters labelled with the service.
    pub fn new(service: &'static str) -> Self {
        let retries = counter!("gateway_upstream_retries_total", "upstream" => service);
        Self { service, retries, ok: Self::counter(service, Code::Ok) }
    }

    /// Counts an answer by its gRPC status.
    pub fn record(&self, code: Code) {
        match code {
            Code::Ok => self.ok.increment(1),
            code => Self::counter(self.service, code).increment(1),
        }
    }

    fn counter(service: &'static str, code: Code) -> Counter {
        let code = (code as i32).to_string();
        counter!("gateway_upstream_calls_total", "upstream" => service, "code" => code)
    }
}
