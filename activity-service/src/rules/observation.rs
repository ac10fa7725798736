//! All rules at work on one device.

use super::{Firing, Rule, Rules, Watch};
use crate::model::{Event, Instant};

/// From when to when, in event time, there is something new. Both belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first new event.
    pub from: Instant,
    /// The last.
    pub to: Instant,
}

/// Something that a rule wants to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Which rule.
    pub rule: &'static str,
    /// What.
    pub firing: Firing,
}

/// The rules, watching a device.
///
/// Something new in `span` can change a firing only if that begins in the span
/// or at most its rule's reach before it; and all that such a firing depends on
/// lies from there to the reach after the span. So it is enough to see the
/// events [`Observation::reads`], and firings that begin elsewhere are none of
/// this observation's business: half of their events may be missing.
pub struct Observation {
    span: Span,
    watches: Vec<Watched>,
}

struct Watched {
    rule: &'static str,
    types: &'static [&'static str],
    changes: Span,
    watch: Box<dyn Watch>,
}

// === impl Span ===

impl Span {
    /// Longer by so many seconds before and after.
    pub fn widened(self, before: i64, after: i64) -> Self {
        Self { from: self.from.plus(-before), to: self.to.plus(after) }
    }

    /// Whether an instant belongs to it.
    pub fn contains(self, at: Instant) -> bool {
        self.from <= at && at <= self.to
    }
}

// === impl Observation ===

impl Observation {
    /// The rules begin to watch a device in which `span` is new.
    pub fn begin(rules: &Rules, span: Span) -> Self {
        let watched = |rule: &dyn Rule| Watched {
            rule: rule.name(),
            types: rule.types(),
            changes: changes(rule, span),
            watch: rule.watch(),
        };
        Self { span, watches: rules.each().map(watched).collect() }
    }

    /// The events that have to be seen, in order.
    pub fn reads(rules: &Rules, span: Span) -> Span {
        span.widened(rules.reach(), rules.reach())
    }

    /// The next event.
    pub fn see(&mut self, event: &Event) {
        for watched in &mut self.watches {
            if watched.types.contains(&event.kind.as_str()) {
                watched.watch.see(event);
            }
        }
    }

    /// What is wanted of all that the new events may have changed, and the span.
    pub fn end(self) -> (Span, Vec<Wanted>) {
        let mut wanted = Vec::new();
        for Watched { rule, changes, watch, .. } in self.watches {
            let firings = watch.firings().into_iter().filter(|firing| changes.contains(firing.from));
            wanted.extend(firings.map(|firing| Wanted { rule, firing }));
        }
        (self.span, wanted)
    }
}

/// Where firings of a rule begin that something new in `span` can change.
pub(super) fn changes(rule: &dyn Rule, span: Span) -> Span {
    span.widened(rule.reach(), 0)
}
