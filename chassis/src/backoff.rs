//! Exponential back-off with full jitter.

use std::time::Duration;

use rand::Rng;

/// Delays that double from `base` up to `cap`; each drawn evenly from zero to
/// the current bound ("full jitter"), so that many waiters do not march in step.
#[derive(Clone, Debug)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
    attempt: u32,
}

// === impl Backoff ===

impl Backoff {
    /// Starts at `base`, never over `cap`.
    pub const fn new(base: Duration, cap: Duration) -> Self {
        Self { base, cap, attempt: 0 }
    }

    /// The upper bound of the delay before try number `attempt` (0 is the first retry).
    pub fn bound(&self, attempt: u32) -> Duration {
        let factor = 1_u32.checked_shl(attempt.min(31)).unwrap_or(u32::MAX);
        self.base.saturating_mul(factor).min(self.cap)
    }

    /// The next delay.
    pub fn next_delay(&mut self, rng: &mut impl Rng) -> Duration {
        let bound = self.bound(self.attempt);
        self.attempt = self.attempt.saturating_add(1);
        bound.mul_f64(rng.random::<f64>())
    }

    /// Starts anew after a success.
    pub const fn reset(&mut self) {
        self.attempt = 0;
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;

    #[test]
    fn delays_stay_within_their_bounds_and_the_bounds_grow_to_the_cap() {
        let mut rng = StdRng::seed_from_u64(7);
        let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_secs(1));
        for attempt in 0..80 {
            let bound = backoff.bound(attempt);
            assert!(bound >= Duration::from_millis(10) && bound <= Duration::from_secs(1));
            assert!(attempt == 0 || bound >= backoff.bound(attempt - 1));
            assert!(backoff.next_delay(&mut rng) <= bound);
        }
        assert_eq!(backoff.bound(79), Duration::from_secs(1));
        backoff.reset();
        assert!(backoff.next_delay(&mut rng) <= Duration::from_millis(10));
    }
}
