//! The near moments at which something is due, in memory.
//!
//! Moments are milliseconds of the database's clock. Between two answers of the
//! database its clock is estimated by our monotonic one.

use std::{collections::BTreeSet, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// More moments than a horizon of milliseconds has are not needed.
const MOST: usize = 8192;

/// Moments to come.
#[derive(Debug, Default)]
pub(super) struct Wheel {
    /// An answer of the database: when it came, and what its clock said.
    anchor: Option<(Instant, Timestamp)>,
    moments: BTreeSet<i64>,
}

// === impl Wheel ===

impl Wheel {
    /// The database says what time it is.
    pub(super) fn observe(&mut self, heard: Instant, now: Timestamp) {
        self.anchor = Some((heard, now));
    }

    /// Adds a moment, rounded up; false: it is there already, or far beyond the others.
    pub(super) fn add(&mut self, at: Timestamp) -> bool {
        let moment =
            at.as_microsecond().div_euclid(1000) + i64::from(at.as_microsecond().rem_euclid(1000) > 0);
        let added = self.moments.insert(moment);
        if self.moments.len() > MOST {
            return self.moments.pop_last() != Some(moment) && added;
        }
        added
    }

    /// Whether a moment lies within `horizon`, as far as is known.
    pub(super) fn is_near(&self, at: Timestamp, horizon: Duration) -> bool {
        self.anchor.is_none_or(|(heard, now)| {
            let now = now.saturating_add(heard.elapsed()).unwrap_or(now);
            at.duration_since(now) <= SignedDuration::try_from(horizon).unwrap_or(SignedDuration::MAX)
        })
    }

    /// Everything up to this moment was asked for: the database's clock has passed it.
    pub(super) fn passed(&mut self, now: Timestamp) {
        let now = now.as_millisecond();
        while self.moments.first().is_some_and(|moment| *moment <= now) {
            self.moments.pop_first();
        }
    }

    /// When to ask next; none: nothing is near, or the database has not answered yet.
    pub(super) fn next(&self) -> Option<Instant> {
        let (heard, now) = self.anchor?;
        let moment = Timestamp::from_millisecond(*self.moments.first()?).ok()?;
        let ahead = Duration::try_from(moment.duration_since(now)).unwrap_or_default();
        Some(heard + ahead)
    }

    /// The earliest moment that was not asked for yet.
    pub(super) fn first(&self) -> Option<Timestamp> {
        Timestamp::from_millisecond(*self.moments.first()?).ok()
    }

    /// How many moments are near.
    pub(super) fn len(&self) -> usize {
        self.moments.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(microsecond: i64) -> Timestamp {
        Timestamp::from_microsecond(microsecond).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_moment_comes_when_the_databases_clock_gets_there() {
        let mut wheel = Wheel::default();
        assert!(wheel.add(at(5_000_400)) && !wheel.add(at(5_000_900)), "the same millisecond");
        assert_eq!(wheel.next(), None, "what time it is there is not known");
        assert_eq!(wheel.first(), Some(at(5_001_000)), "rounded up");
        let heard = Instant::now();
        wheel.observe(heard, at(1_000_000));
        assert_eq!(wheel.next(), Some(heard + Duration::from_millis(4001)));
        assert!(wheel.is_near(at(3_000_000), Duration::from_secs(2)));
        assert!(!wheel.is_near(at(3_000_001), Duration::from_secs(2)));
        // The clock there is set forward: what lies behind it is to be asked for at once.
        wheel.observe(heard, at(9_000_000));
        assert_eq!(wheel.next(), Some(heard));
        wheel.passed(at(5_000_999));
        assert_eq!(wheel.len(), 1, "its millisecond has not passed");
        wheel.passed(at(5_001_000));
        assert_eq!(wheel.next(), None);
    }

    proptest! {
        #[test]
        fn no_moment_is_early_and_none_gets_lost(
            due in prop::collection::vec(0_i64..10_000_000, 1..200),
            steps in prop::collection::vec(1_i64..500_000, 1..50),
        ) {
            let mut wheel = Wheel::default();
            for moment in &due {
                wheel.add(at(*moment));
            }
            let mut now = 0;
            for step in steps {
                now += step;
                wheel.passed(at(now));
                let left = due.iter().filter(|moment| **moment > now).min();
                let first = wheel.moments.first().copied();
                // The first one that is left is never dropped, and never rounded down.
                if let Some(left) = left {
                    let first = first.expect("a moment");
                    prop_assert!(first * 1000 <= left + 999);
                }
                if let Some(first) = first {
                    prop_assert!(due.iter().any(|moment| *moment <= first * 1000 && *moment > first * 1000 - 1000));
                }
            }
        }

        #[test]
        fn it_is_bounded_and_keeps_the_near_ones(count in 1_i64..20_000) {
            let mut wheel = Wheel::default();
            for moment in (1..=count).rev() {
                wheel.add(at(moment * 1000));
            }
            prop_assert!(wheel.len() <= MOST);
            prop_assert_eq!(wheel.moments.first(), Some(&1));
        }
    }
}
