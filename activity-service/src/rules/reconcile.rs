//! What is wanted now, compared with what was wanted before.

use std::collections::{BTreeMap, HashSet};

use uuid::Uuid;

use super::{Firing, Known, Rules, Span, Standing, Wanted, observation::changes};
use crate::model::{Device, Instant};

/// What has to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// New notifications.
    pub tell: Vec<(Uuid, Wanted)>,
    /// Waiting ones that nobody wants any more, each with its rule.
    pub cancel: Vec<(Uuid, &'static str)>,
}

/// What was told, by rule, subject and beginning. No two of a subject overlap.
struct Told<'a>(BTreeMap<(&'a str, &'a str, Instant), Instant>);

/// Compares. `known` are at least those firings of the device that begin in
/// what the span changes, or reach into it.
pub fn reconcile(rules: &Rules, device: &Device, span: Span, wanted: Vec<Wanted>, known: &[Known]) -> Plan {
    let waiting: HashSet<Uuid> = with(known, Standing::Waiting).map(|known| known.notification_id).collect();
    let told = Told::among(known);
    let mut plan = Plan::default();
    let mut still_wanted = HashSet::new();
    for wanted in wanted {
        let id = wanted.firing.notification_id(device, wanted.rule);
        // A rule that says the same twice says it once.
        let is_new = still_wanted.insert(id) && !waiting.contains(&id);
        if is_new && !told.covers(wanted.rule, &wanted.firing) {
            plan.tell.push((id, wanted));
        }
    }
    for rule in rules.each() {
        let changes = changes(rule, span);
        let over = with(known, Standing::Waiting).filter(|known| {
            known.rule == rule.name()
                && changes.contains(known.from)
                && !still_wanted.contains(&known.notification_id)
        });
        plan.cancel.extend(over.map(|known| (known.notification_id, rule.name())));
    }
    plan
}

fn with(known: &[Known], standing: Standing) -> impl Iterator<Item = &Known> {
    known.iter().filter(move |known| known.standing == standing)
}

// === impl Told ===

impl<'a> Told<'a> {
    fn among(known: &'a [Known]) -> Self {
        let told = with(known, Standing::Delivered);
        Self(told.map(|known| ((&*known.rule, &*known.about, known.from), known.to)).collect())
    }

    /// Whether the same was told before, in other words perhaps: something that
    /// went on at the same time.
    fn covers(&self, rule: &str, firing: &Firing) -> bool {
        let key = |from| (rule, &*firing.about, from);
        let same = self.0.get(&key(firing.from)) == Some(&firing.to);
        // None overlap, so the last that began before our end is the one to ask.
        let before = self.0.range(key(Instant::FIRST)..key(firing.to)).next_back();
        same || before.is_some_and(|(_, to)| *to > firing.from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::RuleSettings;

    const RULE: &str = "training";

    fn wanted(from: i64, to: i64) -> Wanted {
        let [from, to] = [from, to].map(Instant::from_micros);
        let firing = Firing { about: "a".to_owned(), from, to, due: None, message: String::new() };
        Wanted { rule: RULE, firing }
    }

    fn device() -> Device {
        Device { account_id: Uuid::nil(), device_id: "d".to_owned() }
    }

    fn known(from: i64, to: i64, standing: Standing) -> Known {
        let Wanted { firing, .. } = wanted(from, to);
        Known {
            notification_id: firing.notification_id(&device(), RULE),
            rule: RULE.to_owned(),
            about: firing.about,
            from: firing.from,
            to: firing.to,
            standing,
        }
    }

    /// How many are told and cancelled.
    fn outcome(wanted: Vec<Wanted>, known: &[Known]) -> (usize, usize) {
        let span = Span { from: Instant::from_micros(0), to: Instant::from_micros(100) };
        let plan = reconcile(&RuleSettings::default().rules(), &device(), span, wanted, known);
        (plan.tell.len(), plan.cancel.len())
    }

    #[test]
    fn what_waits_stays_while_it_is_wanted_and_ends_when_it_is_not() {
        assert_eq!(outcome(vec![wanted(1, 9)], &[]), (1, 0));
        assert_eq!(outcome(vec![wanted(1, 9), wanted(1, 9)], &[]), (1, 0));
        assert_eq!(outcome(vec![wanted(1, 9)], &[known(1, 9, Standing::Waiting)]), (0, 0));
        assert_eq!(outcome(vec![], &[known(1, 9, Standing::Waiting)]), (0, 1));
        assert_eq!(outcome(vec![wanted(5, 9)], &[known(1, 9, Standing::Waiting)]), (1, 1));
        assert_eq!(outcome(vec![wanted(1, 9)], &[known(1, 9, Standing::Cancelled)]), (1, 0));
    }

    #[test]
    fn what_was_told_is_not_told_again_in_other_words() {
        for told in [(1, 9), (5, 20), (3, 4), (0, 50), (0, 2)] {
            let told = [known(told.0, told.1, Standing::Delivered)];
            assert_eq!(outcome(vec![wanted(1, 9)], &told), (0, 0), "{told:?}");
            assert_eq!(outcome(vec![], &told), (0, 0), "and is not called back");
        }
        for told in [(0, 1), (9, 20), (50, 60)] {
            let told = [known(told.0, told.1, Standing::Delivered)];
            assert_eq!(outcome(vec![wanted(1, 9)], &told), (1, 0), "{told:?}");
        }
        let mut other = known(1, 9, Standing::Delivered);
        other.about = "b".to_owned();
        assert_eq!(outcome(vec![wanted(1, 9)], &[other]), (1, 0));
    }

    #[test]
    fn what_the_span_cannot_change_is_left_alone() {
        let long_ago = -(48 * 3600 * 1_000_000);
        assert_eq!(outcome(vec![], &[known(long_ago, 0, Standing::Waiting)]), (0, 0));
        assert_eq!(outcome(vec![], &[known(101, 200, Standing::Waiting)]), (0, 0));
    }
}
