//! How many calls a service answered and how long they took, by method and status.
//!
//! The series are bounded by the methods of `proto`; each is looked up once and kept.

use std::{fmt, sync::OnceLock, time::Duration};

use metrics::{Counter, Histogram, counter, histogram};
use tonic::Code;

/// gRPC's status codes are 0 to 16.
const CODES: usize = 17;
/// The label of what is no method of ours: strangers cannot make up series.
const UNKNOWN: &str = "unknown";

/// A method of one of our services, or none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Method(usize);

/// The figures of one service.
pub(super) struct Calls {
    service: &'static str,
    /// By method, the unknown one last.
    methods: Box<[OnceLock<Series>]>,
}

struct Series {
    seconds: Histogram,
    handled: [OnceLock<Counter>; CODES],
}

// === impl Method ===

impl Method {
    /// The method with this path, `/auth.v1.AuthService/Login`.
    pub(super) fn at(path: &str) -> Self {
        let name = path.trim_start_matches('/');
        Self(proto::METHODS.binary_search(&name).unwrap_or(proto::METHODS.len()))
    }

    /// `auth.v1.AuthService/Login`.
    pub(super) fn label(self) -> &'static str {
        proto::METHODS.get(self.0).copied().unwrap_or(UNKNOWN)
    }
}

// === impl Calls ===

impl Calls {
    pub(super) fn new(service: &'static str) -> Self {
        Self { service, methods: (0..=proto::METHODS.len()).map(|_| OnceLock::new()).collect() }
    }

    /// The service, as a metric label.
    pub(super) const fn service(&self) -> &'static str {
        self.service
    }

    /// Counts one call.
    pub(super) fn record(&self, method: Method, code: Code, took: Duration) {
        let (service, label) = (self.service, method.label());
        let series = self.methods[method.0].get_or_init(|| Series {
            seconds: histogram!("grpc_server_handling_seconds", "service" => service, "method" => label),
            handled: [const { OnceLock::new() }; CODES],
        });
        series.seconds.record(took);
        let handled = series.handled[code as usize].get_or_init(|| {
            let code = format!("{code:?}");
            counter!("grpc_server_handled_total", "service" => service, "method" => label, "code" => code)
        });
        handled.increment(1);
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls").field("service", &self.service).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[test]
    fn a_method_that_is_not_ours_is_one_label() {
        assert_eq!(Method::at("/auth.v1.AuthService/Login").label(), "auth.v1.AuthService/Login");
        for made_up in ["/auth.v1.AuthService/Log", "/", "", "/x/y"] {
            assert_eq!(Method::at(made_up).label(), UNKNOWN, "{made_up}");
        }
    }

    #[test]
    fn every_call_is_counted_by_method_and_status() {
        let recorder = PrometheusBuilder::new().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            let calls = Calls::new("auth");
            let (login, other) = (Method::at("/auth.v1.AuthService/Login"), Method::at("/x"));
            for (method, code) in
                [(login, Code::Ok), (login, Code::Ok), (login, Code::Unauthenticated), (other, Code::Ok)]
            {
                calls.record(method, code, Duration::from_millis(1));
            }
        });
        let text = recorder.handle().render();
        let mut counted: Vec<_> =
            text.lines().filter(|line| line.contains("_total{") || line.contains("_count{")).collect();
        counted.sort_unstable();
        let login = "method=\"auth.v1.AuthService/Login\"";
        assert_eq!(
            counted,
            [
                format!("grpc_server_handled_total{{service=\"auth\",{login},code=\"Ok\"}} 2"),
                format!("grpc_server_handled_total{{service=\"auth\",{login},code=\"Unauthenticated\"}} 1"),
                "grpc_server_handled_total{service=\"auth\",method=\"unknown\",code=\"Ok\"} 1".to_owned(),
                format!("grpc_server_handling_seconds_count{{service=\"auth\",{login}}} 3"),
                "grpc_server_handling_seconds_count{service=\"auth\",method=\"unknown\"} 1".to_owned(),
            ]
        );
    }
}
