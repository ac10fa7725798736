//! When a delivery that failed comes again.

use std::time::Duration;

use rand::Rng;

/// What the contract gives a webhook: 5 s, 30 s, 2 min, 10 min, 1 h, 6 h, 24 h.
const WEBHOOK: &[Duration] = &[
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_mins(2),
    Duration::from_mins(10),
    Duration::from_hours(1),
    Duration::from_hours(6),
    Duration::from_hours(24),
];
/// To a service of our own: soon, then steadily until it is back.
const INTERNAL: &[Duration] = &[
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];
/// A week of the last step.
const INTERNAL_LAST: i32 = 75_600;
/// A delay is at most this much longer, so that what failed together does not
/// come back together.
const JITTER: f64 = 0.1;

/// The delays between attempts.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    steps: &'static [Duration],
    /// Failures after which it is over.
    last: i32,
}

// === impl Schedule ===

impl Schedule {
    /// Of a webhook: eight attempts over 31 hours.
    pub const fn webhook() -> Self {
        Self { steps: WEBHOOK, last: WEBHOOK.len() as i32 }
    }

    /// Of a service of our own, for a week.
    pub const fn internal() -> Self {
        Self { steps: INTERNAL, last: INTERNAL_LAST }
    }

    /// The delay after one more failure than `failures`; none: it was the last try.
    pub fn after(&self, failures: i32, rng: &mut impl Rng) -> Option<Duration> {
        if failures >= self.last {
            return None;
        }
        let step = usize::try_from(failures).unwrap_or_default().min(self.steps.len() - 1);
        Some(self.steps[step].mul_f64(1.0 + rng.random_range(0.0..JITTER)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{SeedableRng as _, rngs::StdRng};

    use super::*;

    #[test]
    fn a_webhook_is_tried_eight_times() {
        let mut rng = StdRng::seed_from_u64(1);
        let delays: Vec<_> =
            (0..).map_while(|failures| Schedule::webhook().after(failures, &mut rng)).collect();
        assert_eq!(delays.len(), 7);
    }

    proptest! {
        #[test]
        fn delays_are_those_of_the_contract_and_a_little_more(failures in 0_i32..12, seed in any::<u64>()) {
            let delay = Schedule::webhook().after(failures, &mut StdRng::seed_from_u64(seed));
            let step = WEBHOOK.get(failures as usize);
            prop_assert_eq!(delay.is_some(), step.is_some());
            if let (Some(delay), Some(step)) = (delay, step) {
                prop_assert!(delay >= *step && delay <= step.mul_f64(1.0 + JITTER));
            }
        }

        #[test]
        fn a_service_of_ours_is_asked_at_least_every_nine_seconds(failures in 0_i32..INTERNAL_LAST) {
            let delay = Schedule::internal().after(failures, &mut StdRng::seed_from_u64(7)).unwrap();
            prop_assert!(delay <= Duration::from_secs(9));
        }
    }
}
