//! Logs and metrics of a process: both installed once.
//!
//! Logs are JSON lines on stdout. Metrics carry `service` where they are
//! counted and `instance` for the whole process.

mod json;
mod lines;
mod meanings;

use std::sync::OnceLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::{
    filter::Targets, fmt, fmt::format::JsonFields, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use self::{json::JsonLine, lines::Lines};

/// Seconds: from a cache hit to the edge deadline.
const LATENCY_BUCKETS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0];

static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// How a process logs.
#[derive(Clone, Debug, clap::Args)]
pub struct TelemetrySettings {
    /// What is logged: a level, and others by target, such as `info,gateway=debug`.
    #[arg(long = "log", env = "LOG", default_value = "info")]
    pub filter: String,
    /// The name of this process among its like, the `instance` label.
    #[arg(long, env = "INSTANCE", default_value = "0")]
    pub instance: String,
}

/// Installs the log subscriber and the metrics recorder. A second call (tests)
/// changes nothing.
pub fn init(settings: &TelemetrySettings) -> Result<(), tracing_subscriber::filter::ParseError> {
    // Not `EnvFilter`: that looks at its own directives whenever a span is entered.
    let wanted = tracing_subscriber::registry().with(settings.filter.parse::<Targets>()?);
    let logs = fmt::layer().event_format(JsonLine).fmt_fields(JsonFields::new());
    // An error means that a subscriber is installed already.
    let _ = match Lines::new(std::io::stdout()) {
        Ok(lines) => wanted.with(logs.with_writer(lines)).try_init(),
        // No thread for it: each line by itself.
        Err(_) => wanted.with(logs.with_writer(std::io::stdout)).try_init(),
    };
    recorder(&settings.instance);
    Ok(())
}

/// The metrics of this process, installing the recorder at the first call.
pub fn recorder(instance: &str) -> &'static PrometheusHandle {
    RECORDER.get_or_init(|| {
        let builder = PrometheusBuilder::new().add_global_label("instance", instance);
        let builder = builder
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), LATENCY_BUCKETS)
            .unwrap_or_else(|_| unreachable!("the bucket list is not empty"));
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        // An error means that somebody else's recorder is installed; ours then stays empty.
        let _ = metrics::set_global_recorder(recorder);
        meanings::describe();
        handle
    })
}

/// The current metrics in Prometheus' text format.
pub fn render() -> String {
    let handle = recorder("0");
    handle.run_upkeep();
    handle.render()
}
