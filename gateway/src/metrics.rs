//! What the gateway counts.

use std::{
    collections::HashMap,
    fmt,
    sync::{PoisonError, RwLock},
    time::Duration,
};

use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};
use tonic::Code;

/// Says what each metric of the gateway means. What has no series before it first
/// happens is there from the start, so that the first time is a change.
pub(crate) fn describe() {
    describe_counter!("gateway_requests_total", "Requests answered, by route, method and status.");
    describe_histogram!("gateway_request_seconds", "How long they took, by route and method.");
    describe_counter!("gateway_session_lookups_total", "Who told whether a session lives, by layer.");
    describe_counter!("gateway_upstream_calls_total", "Calls to services, by gRPC status.");
    describe_counter!("gateway_upstream_retries_total", "Calls that were tried once more.");
    describe_counter!("gateway_upstream_shed_total", "Calls refused because too many were under way.");
    describe_gauge!("gateway_endpoint_breaker", "1 for the state of an instance's breaker.");
    describe_gauge!("gateway_endpoint_pending", "Calls under way and open tunnels, by instance.");
    describe_counter!("gateway_endpoint_failures_total", "Calls that went wrong, by instance.");
    describe_counter!("gateway_endpoint_retries_total", "Second tries that went to an instance.");
    describe_counter!("gateway_limit_counted_total", "Requests counted, by budget and place.");
    describe_gauge!("gateway_tunnels", "Sockets that pass through.");
    describe_counter!("gateway_limit_refused_total", "Requests refused by a rate limit, by budget.");
    describe_gauge!("gateway_limit_keys", "Clients and accounts that are counted.");
    describe_counter!("gateway_limit_keys_evicted_total", "Those forgotten early for want of room.");
    describe_gauge!("gateway_session_tombstones_waiting", "Ended sessions that Redis has not heard of.");
    describe_counter!("gateway_session_tombstones_dropped_total", "Those that were too many to remember.");
    describe_counter!("gateway_session_fills_dropped_total", "Sessions not cached because too many waited.");
    counter!("handler_panics_total", "service" => "gateway").increment(0);
    counter!("gateway_limit_keys_evicted_total", "service" => "gateway").increment(0);
    counter!("gateway_session_tombstones_dropped_total", "service" => "gateway").increment(0);
    counter!("gateway_session_fills_dropped_total", "service" => "gateway").increment(0);
    gauge!("gateway_tunnels", "service" => "gateway").increment(0.0);
    gauge!("gateway_session_tombstones_waiting", "service" => "gateway").increment(0.0);
}

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
        let layer = |name: &'static str| counter!("gateway_session_lookups_total", "service" => "gateway", "layer" => name);
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
    /// Calls that were refused because too many were under way.
    pub shed: Counter,
    ok: Counter,
}

// === impl UpstreamCalls ===

impl UpstreamCalls {
    /// Counters labelled with the service.
    pub fn new(service: &'static str) -> Self {
        let retries =
            counter!("gateway_upstream_retries_total", "service" => "gateway", "upstream" => service);
        let shed = counter!("gateway_upstream_shed_total", "service" => "gateway", "upstream" => service);
        Self { service, retries, shed, ok: Self::counter(service, Code::Ok) }
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
        counter!("gateway_upstream_calls_total", "service" => "gateway", "upstream" => service, "code" => code)
    }
}

/// One instance of a service.
pub struct EndpointMeters {
    /// 1 for the state of its breaker, 0 for the others: closed, half open, open.
    pub states: [Gauge; 3],
    /// Calls under way; open tunnels.
    pub pending: Gauge,
    /// Second tries that went to it.
    pub retries: Counter,
    /// Calls that went wrong, by the instance or on the way to it.
    pub failures: Counter,
}

// === impl EndpointMeters ===

impl EndpointMeters {
    /// Figures labelled with the service and the instance's address.
    pub fn new(service: &'static str, endpoint: &str) -> Self {
        let labels = [
            ("service", "gateway".to_owned()),
            ("upstream", service.to_owned()),
            ("endpoint", endpoint.to_owned()),
        ];
        let state = |state: &'static str| {
            gauge!(
                "gateway_endpoint_breaker", "service" => "gateway", "upstream" => service,
                "endpoint" => endpoint.to_owned(), "state" => state
            )
        };
        Self {
            states: [state("closed"), state("half_open"), state("open")],
            pending: gauge!("gateway_endpoint_pending", &labels),
            retries: counter!("gateway_endpoint_retries_total", &labels),
            failures: counter!("gateway_endpoint_failures_total", &labels),
        }
    }
}

impl fmt::Debug for EndpointMeters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointMeters").finish_non_exhaustive()
    }
}

/// Requests by route, method and status. The series are bounded by the route
/// table; their handles are looked up once and kept.
#[derive(Default)]
pub struct Requests {
    /// By route, so that a look costs no allocation.
    series: RwLock<HashMap<Box<str>, OfRoute>>,
}

/// By method and status.
type OfRoute = HashMap<(&'static str, u16), Series>;

#[derive(Clone)]
struct Series {
    count: Counter,
    seconds: Histogram,
}

// === impl Requests ===

impl Requests {
    /// Counts one request. `route` is a template, `method` one of a closed set.
    pub fn record(&self, route: &str, method: &'static str, status: u16, took: Duration) {
        let series = self.known(route, method, status).unwrap_or_else(|| {
            let mut series = self.series.write().unwrap_or_else(PoisonError::into_inner);
            let of_route = series.entry(route.into()).or_default();
            of_route.entry((method, status)).or_insert_with(|| Series::new(route, method, status)).clone()
        });
        series.count.increment(1);
        series.seconds.record(took);
    }

    fn known(&self, route: &str, method: &'static str, status: u16) -> Option<Series> {
        let series = self.series.read().unwrap_or_else(PoisonError::into_inner);
        series.get(route)?.get(&(method, status)).cloned()
    }
}

// === impl Series ===

impl Series {
    fn new(route: &str, method: &'static str, status: u16) -> Self {
        let labels = [
            ("service", "gateway".to_owned()),
            ("route", route.to_owned()),
            ("method", method.to_owned()),
            ("status", status.to_string()),
        ];
        Self {
            count: counter!("gateway_requests_total", &labels),
            seconds: histogram!("gateway_request_seconds", &labels[..3]),
        }
    }
}
