//! Log lines as JSON: one object, with the event's fields and the span it happened in.
//!
//! The lines are those of `tracing_subscriber::fmt::format::Json`, flattened. That one takes
//! 20,000 instructions for a line of the access log, an eighth of what the gateway does for a
//! request: every value passes through several layers, and a span's fields are parsed again for
//! every line. This one writes the same text straight through.

use std::{
    cell::RefCell,
    fmt::{self, Debug, Write as _},
};

use jiff::Timestamp;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_log::NormalizeEvent as _;
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields, format::Writer},
    registry::LookupSpan,
};

use crate::clock::{Clock as _, SystemClock};

thread_local! {
    /// The last second a line was written in, as text: most lines are of the same one.
    static SECOND: RefCell<(i64, String)> = const { RefCell::new((0, String::new())) };
}

/// Formats events; fields of spans must be formatted by `JsonFields`.
#[derive(Clone, Copy, Debug)]
pub(super) struct JsonLine;

/// Writes fields as members of an object that has one already.
struct Members<'a> {
    writer: Writer<'a>,
    outcome: fmt::Result,
}

/// Writes what stands inside a JSON string.
struct Escaped<'a, 'b>(&'a mut Writer<'b>);

// === impl JsonLine ===

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        write_timestamp(&mut writer, SystemClock.now())?;
        write!(writer, ",\"level\":\"{}\"", metadata.level())?;
        let mut members = Members { writer: writer.by_ref(), outcome: Ok(()) };
        event.record(&mut members);
        members.outcome?;
        writer.write_str(",\"target\":")?;
        write_string(&mut writer, metadata.target())?;
        let parent = event.parent().and_then(|id| context.span(id));
        if let Some(span) = parent.or_else(|| context.lookup_current()) {
            writer.write_str(",\"span\":{")?;
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>() {
                let members = fields.strip_prefix('{').and_then(|fields| fields.strip_suffix('}'));
                if let Some(members) = members.filter(|members| !members.is_empty()) {
                    write!(writer, "{members},")?;
                }
            }
            writer.write_str("\"name\":")?;
            write_string(&mut writer, span.name())?;
            writer.write_char('}')?;
        }
        writer.write_str("}\n")
    }
}

// === impl Members ===

impl Members<'_> {
    fn member(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        if self.outcome.is_ok() {
            self.outcome = write_name(&mut self.writer, field.name()).and_then(|()| value(&mut self.writer));
        }
    }
}

impl Visit for Members<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.member(field, |writer| match serde_json::Number::from_f64(value) {
            Some(number) => write!(writer, "{number}"),
            None => writer.write_str("null"),
        });
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, |writer| write!(writer, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, |writer| write!(writer, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, |writer| write!(writer, "{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.member(field, |writer| write_string(writer, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.member(field, |writer| {
            writer.write_char('"')?;
            write!(Escaped(writer), "{value:?}")?;
            writer.write_char('"')
        });
    }
}

/// `{"timestamp":"…"`: UTC, to the microsecond.
fn write_timestamp(writer: &mut Writer<'_>, now: Timestamp) -> fmt::Result {
    SECOND.with_borrow_mut(|(second, text)| {
        if *second != now.as_second() || text.is_empty() {
            (*second, *text) = (now.as_second(), now.strftime("%Y-%m-%dT%H:%M:%S").to_string());
        }
        write!(writer, "{{\"timestamp\":\"{text}.{:06}Z\"", now.subsec_microsecond())
    })
}

fn write_name(writer: &mut Writer<'_>, name: &str) -> fmt::Result {
    writer.write_char(',')?;
    write_string(writer, name)?;
    writer.write_char(':')
}

/// A JSON string (RFC 8259, section 7).
fn write_string(writer: &mut Writer<'_>, text: &str) -> fmt::Result {
    writer.write_char('"')?;
    Escaped(writer).write_str(text)?;
    writer.write_char('"')
}

// === impl Escaped ===

impl fmt::Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.bytes().all(|byte| byte >= 0x20 && !matches!(byte, b'"' | b'\\')) {
            return self.0.write_str(text);
        }
        // With quotation marks around it, which are not part of what is inside a string.
        let quoted = serde_json::to_string(text).map_err(|_| fmt::Error)?;
        self.0.write_str(&quoted[1..quoted.len() - 1])
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };

    use proptest::prelude::*;
    use tracing::subscriber::with_default;
    use tracing_subscriber::{
        fmt::{self as layer, MakeWriter, format::JsonFields},
        layer::SubscriberExt as _,
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Seen(Arc<Mutex<Vec<u8>>>);

    impl Write for Seen {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Seen {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    impl Seen {
        /// The lines, each without its time, which stands first.
        fn lines(&self) -> Vec<String> {
            let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            let start = "{\"timestamp\":\"2026-11-26T18:59:04.022147Z\"".len();
            text.lines().map(|line| line[start..].to_owned()).collect()
        }
    }

    /// What is said, as this module writes it and as the library does.
    fn both(say: impl FnOnce()) -> (Seen, Seen) {
        let (ours, theirs) = (Seen::default(), Seen::default());
        let json = layer::layer().json().flatten_event(true).with_current_span(true).with_span_list(false);
        let subscriber = tracing_subscriber::registry()
            .with(
                layer::layer().event_format(JsonLine).fmt_fields(JsonFields::new()).with_writer(ours.clone()),
            )
            .with(json.with_writer(theirs.clone()));
        with_default(subscriber, say);
        (ours, theirs)
    }

    #[test]
    fn lines_are_those_of_the_library() {
        let (ours, theirs) = both(|| {
            tracing::info!(target: "access", route = "/a", status = 200_u16, took_us = 7_u64, "request");
            tracing::warn!(minus = -3, part = 0.5, odd = f64::NAN, yes = true, text = ?Some("x"), "with \"all\"");
            let span = tracing::info_span!("request", request_id = "1", empty = tracing::field::Empty);
            span.in_scope(|| {
                tracing::error!(error = %io::Error::other("broken\n"), "inside");
                span.record("empty", 7);
                tracing::info!("after more was recorded");
                tracing::info_span!("bare").in_scope(|| tracing::info!("in a span without fields"));
            });
            tracing::info!(parent: &span, "said of it");
        });
        assert_eq!(ours.lines(), theirs.lines());
        assert_eq!(ours.lines().len(), 6);
    }

    #[test]
    fn a_line_begins_with_its_time() {
        let (ours, theirs) = both(|| tracing::info!("now"));
        let time = |seen: &Seen| {
            let line: serde_json::Value = serde_json::from_slice(&seen.0.lock().unwrap()).unwrap();
            line["timestamp"].as_str().unwrap().parse::<Timestamp>().unwrap()
        };
        let apart = time(&theirs).duration_since(time(&ours));
        assert!(apart.abs() < jiff::SignedDuration::from_mins(1), "{apart}");
        let mut text = String::new();
        let at = Timestamp::from_microsecond(1_700_000_000_000_042).unwrap();
        write_timestamp(&mut Writer::new(&mut text), at).unwrap();
        assert_eq!(text, "{\"timestamp\":\"2023-11-14T22:13:20.000042Z\"");
    }

    proptest! {
        #[test]
        fn any_text_is_written_as_the_library_writes_it(text in any::<String>(), of_span in "\\PC{0,20}[{}\"\\\\]{0,3}") {
            let (ours, theirs) = both(|| {
                let span = tracing::info_span!("request", of_span);
                span.in_scope(|| tracing::info!(text, shown = ?text, "{text}"));
            });
            prop_assert_eq!(ours.lines(), theirs.lines());
        }
    }
}
