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
    filter::{LevelFilter, ParseError, Targets},
    fmt,
    fmt::format::JsonFields,
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use self::{json::JsonLine, lines::Lines};

/// Seconds: from a cache hit to the edge deadline.
const LATENCY_BUCKETS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0];

/// What is logged where nobody says anything.
const DEFAULT: &str = "info";

static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// How a process logs.
#[derive(Clone, Debug, clap::Args)]
pub struct TelemetrySettings {
    /// What is logged: a level, and others by target, such as `info,gateway=debug`.
    #[arg(long = "log", env = "LOG", default_value = DEFAULT)]
    pub filter: String,
    /// The name of this process among its like, the `instance` label.
    #[arg(long, env = "INSTANCE", default_value = "0")]
    pub instance: String,
}

/// A `LOG` that says nothing sensible.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// Not a level, or not a target.
    #[error(transparent)]
    Directive(#[from] ParseError),
    /// Read as "errors alone", or as a target that there is not.
    #[error("`{0}` is neither a level nor a target with one, such as `gateway=debug`")]
    Part(String),
}

/// Installs the log subscriber and the metrics recorder. A second call (tests)
/// changes nothing.
pub fn init(settings: &TelemetrySettings) -> Result<(), FilterError> {
    let wanted = tracing_subscriber::registry().with(filter(&settings.filter)?);
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

/// Levels by target. Not `EnvFilter`: that looks at its own directives whenever a span is entered.
fn filter(text: &str) -> Result<Targets, FilterError> {
    // `LOG=${LOG:-}` in somebody's script.
    let text = if text.is_empty() { DEFAULT } else { text };
    let sensible = |part: &&str| {
        let (target, level) = part.rsplit_once('=').unwrap_or(("any", *part));
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        let says_level = !level.is_empty() && level.parse::<LevelFilter>().is_ok();
        says_level && !target.is_empty() && target.chars().all(is_name)
    };
    match text.split(',').find(|part| !sensible(part)) {
        Some(part) => Err(FilterError::Part(part.to_owned())),
        None => Ok(text.parse()?),
    }
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

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn a_filter_is_a_level_and_others_by_target() {
        let some = filter("info,gateway=debug").unwrap();
        assert_eq!(filter("").unwrap(), filter("info").unwrap());
        assert!(some.would_enable("gateway::routes", &Level::DEBUG));
        assert!(some.would_enable("chassis", &Level::INFO) && !some.would_enable("chassis", &Level::DEBUG));
    }

    #[test]
    fn what_would_be_read_as_something_else_is_refused() {
        for text in [
            "info,",
            "info,,gateway=debug",
            "info, gateway=debug",
            "gateway[request]=debug",
            "gateway=loud",
            "inof",
            "gateway",
            "=debug",
        ] {
            assert!(filter(text).is_err(), "{text:?}");
        }
    }
}
