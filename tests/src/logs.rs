//! What the services logged: an ERROR that no test expects is a failure.

use std::{
    fmt::{self, Write as _},
    sync::{Mutex, MutexGuard, Once, PoisonError},
};

use serde_json::Value;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Layer,
    filter::Targets,
    layer::{Context, SubscriberExt as _},
    util::SubscriberInitExt as _,
};

static ERRORS: Mutex<Vec<String>> = Mutex::new(Vec::new());
static INSTALL: Once = Once::new();

/// Keeps ERROR events and drops all others.
struct Keeper;

/// One event as one line.
struct Line(String);

/// Installs the subscriber of this process: errors are kept, and what `LOG` selects (warnings without
/// it) is printed for whoever reads a failed test.
pub fn install() {
    INSTALL.call_once(|| {
        let filter = std::env::var("LOG").ok().and_then(|log| log.parse().ok());
        let filter = filter.unwrap_or_else(|| Targets::new().with_default(Level::WARN));
        let print = tracing_subscriber::fmt::layer().with_test_writer().with_filter(filter);
        // An error means that somebody else's is installed already; then nothing is kept.
        let _ = tracing_subscriber::registry().with(Keeper).with(print).try_init();
    });
}

/// Takes the errors that were logged in this process since the last call.
pub fn take_errors() -> Vec<String> {
    std::mem::take(&mut *errors())
}

/// Whether a line of a process's JSON log is an error.
pub fn is_error(line: &str) -> bool {
    match serde_json::from_str::<Value>(line) {
        Ok(entry) => entry["level"] == "ERROR",
        Err(_) => line.contains("panicked"),
    }
}

fn errors() -> MutexGuard<'static, Vec<String>> {
    ERRORS.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl Keeper ===

impl<S: Subscriber> Layer<S> for Keeper {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() == Level::ERROR {
            let mut line = Line(event.metadata().target().to_owned());
            event.record(&mut line);
            errors().push(line.0);
        }
    }
}

// === impl Line ===

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}
