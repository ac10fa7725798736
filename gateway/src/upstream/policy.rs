//! The rules of a circuit breaker: when it opens, and for how long. It knows no
//! [gate](super::gate), no clock and no chance: they are arguments.

use std::time::Duration;

use tokio::time::Instant;

/// When to open, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// So many failures in a row …
    pub failures: u32,
    /// … or failures, more than one, and no success for so long.
    pub without_success: Duration,
    /// The first time it stays open this long; each time in a row twice as long …
    pub first_wait: Duration,
    /// … up to this.
    pub longest_wait: Duration,
    /// A wait is longer by up to this part of it, so that gateways do not try
    /// an instance in step.
    pub jitter: f64,
}

/// What happened lately.
#[derive(Debug)]
pub(super) struct Policy {
    rules: Rules,
    failures: u32,
    /// When the first call after the last success began that failed.
    failing_since: Option<Instant>,
    /// Waits in a row.
    waits: u32,
}

// === impl Rules ===

impl Default for Rules {
    /// An instance that heals is found within five seconds: the longest wait
    /// with its jitter, and a call to try it with.
    fn default() -> Self {
        Self {
            failures: 5,
            without_success: Duration::from_secs(2),
            first_wait: Duration::from_millis(200),
            longest_wait: Duration::from_secs(2),
            jitter: 0.5,
        }
    }
}

// === impl Policy ===

impl Policy {
    /// Nothing has happened yet.
    pub(super) const fn new(rules: Rules) -> Self {
        Self { rules, failures: 0, failing_since: None, waits: 0 }
    }

    /// A call that began then has failed; true when that is enough.
    pub(super) fn failure(&mut self, begun: Instant, now: Instant) -> bool {
        self.failures = self.failures.saturating_add(1);
        let since = *self.failing_since.get_or_insert(begun);
        // One call that is slow by itself is no reason to refuse all others.
        let for_long = self.failures > 1 && now.duration_since(since) >= self.rules.without_success;
        self.failures >= self.rules.failures || for_long
    }

    /// A call went well.
    pub(super) const fn success(&mut self) {
        self.failures = 0;
        self.failing_since = None;
    }

    /// How long to stay open now. `chance` is even between 0 and 1.
    pub(super) fn wait(&mut self, chance: f64) -> Duration {
        self.success();
        let factor = 1_u32.checked_shl(self.waits.min(31)).unwrap_or(u32::MAX);
        self.waits = self.waits.saturating_add(1);
        let wait = self.rules.first_wait.saturating_mul(factor).min(self.rules.longest_wait);
        wait + wait.mul_f64(self.rules.jitter * chance)
    }

    /// It is closed again.
    pub(super) const fn recovered(&mut self) {
        self.success();
        self.waits = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn five_failures_in_a_row_are_enough_and_a_success_starts_anew() {
        let (mut policy, now) = (Policy::new(Rules::default()), Instant::now());
        let four = |policy: &mut Policy| (0..4).any(|_| policy.failure(now, now));
        assert!(!four(&mut policy));
        policy.success();
        assert!(!four(&mut policy));
        assert!(policy.failure(now, now));
    }

    #[tokio::test(start_paused = true)]
    async fn two_seconds_of_nothing_but_failures_are_enough() {
        let (mut policy, start) = (Policy::new(Rules::default()), Instant::now());
        assert!(!policy.failure(start, start + MS * 10));
        assert!(!policy.failure(start + MS * 1_000, start + MS * 1_999));
        assert!(policy.failure(start + MS * 1_000, start + MS * 2_000));
        // One call that took that long by itself is not enough.
        policy.success();
        assert!(!policy.failure(start, start + MS * 2_000));
        assert!(policy.failure(start + MS * 1_900, start + MS * 3_900));
        // A failure after a long rest is one failure.
        policy.success();
        assert!(!policy.failure(start + MS * 60_000, start + MS * 60_001));
    }

    #[test]
    fn waits_double_to_the_longest_and_start_anew_after_a_recovery() {
        let mut policy = Policy::new(Rules::default());
        let waits: Vec<_> = (0..6).map(|_| policy.wait(0.0).as_millis()).collect();
        assert_eq!(waits, [200, 400, 800, 1600, 2000, 2000]);
        policy.recovered();
        assert_eq!(policy.wait(0.0).as_millis(), 200);
    }

    proptest! {
        #[test]
        fn a_wait_is_never_shorter_than_its_base_nor_over_its_bound(n in 0_u32..100, chance in 0.0..=1.0) {
            let (mut policy, rules) = (Policy::new(Rules::default()), Rules::default());
            for _ in 0..n {
                policy.wait(chance);
            }
            let wait = policy.wait(chance);
            prop_assert!(wait >= rules.first_wait);
            prop_assert!(wait <= rules.longest_wait.mul_f64(1.0 + rules.jitter));
        }
    }
}
