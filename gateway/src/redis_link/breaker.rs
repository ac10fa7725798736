//! Closed: everybody passes. Open: nobody, for a while. Then one at a time
//! looks whether it is over.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// How long nobody looks after the first failure; doubled up to [`MAX_OPEN`].
const MIN_OPEN: Duration = Duration::from_millis(100);
/// Redis is back in use this soon after it serves, and one look later.
const MAX_OPEN: Duration = Duration::from_secs(1);

/// Lets calls through while they succeed.
pub(super) struct Breaker(Mutex<State>);

struct State {
    /// Failures in a row; none: closed.
    failures: u32,
    open_until: Option<Instant>,
    looking: bool,
}

/// The right to make one call; to be given back with its outcome. Dropped (the
/// caller went away), it says nothing about Redis.
pub(super) struct Permit<'a> {
    breaker: &'a Breaker,
    looks: bool,
}

// === impl Breaker ===

impl Breaker {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(State { failures: 0, open_until: None, looking: false }))
    }

    /// A permit, if calls pass at `now`.
    pub(super) fn admit(&self, now: Instant) -> Option<Permit<'_>> {
        let mut state = self.state();
        let Some(open_until) = state.open_until else {
            return Some(Permit { breaker: self, looks: false });
        };
        if now < open_until || state.looking {
            return None;
        }
        state.looking = true;
        Some(Permit { breaker: self, looks: true })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Permit ===

impl Permit<'_> {
    /// The call was answered; true when that closed the breaker.
    pub(super) fn succeed(self) -> bool {
        let mut state = self.breaker.state();
        // A call from before the failure that comes back late proves nothing.
        let closes = self.looks && state.open_until.is_some();
        if closes {
            (state.failures, state.open_until) = (0, None);
        }
        closes
    }

    /// The call was not answered; how many looks in a row failed.
    pub(super) fn fail(self, now: Instant) -> u32 {
        let mut state = self.breaker.state();
        if state.open_until.is_none() || self.looks {
            let wait = MIN_OPEN * 2_u32.saturating_pow(state.failures.min(10));
            state.failures = state.failures.saturating_add(1);
            state.open_until = Some(now + wait.min(MAX_OPEN));
        }
        state.failures
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if self.looks {
            self.breaker.state().looking = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[tokio::test(start_paused = true)]
    async fn one_failure_opens_and_one_good_look_closes() {
        let (breaker, start) = (Breaker::new(), Instant::now());
        let late = breaker.admit(start).expect("closed");
        assert_eq!(breaker.admit(start).expect("closed").fail(start), 1);
        assert!(breaker.admit(start + ms(99)).is_none(), "open");
        let look = breaker.admit(start + ms(100)).expect("somebody may look");
        assert!(breaker.admit(start + ms(100)).is_none(), "one at a time");
        assert!(!late.succeed(), "a late answer does not close");
        assert!(look.succeed());
        assert!(breaker.admit(start + ms(100)).is_some());
        assert!(breaker.admit(start + ms(100)).is_some(), "closed for all");
    }

    #[tokio::test(start_paused = true)]
    async fn waits_grow_to_a_second_and_not_further() {
        let (breaker, mut now) = (Breaker::new(), Instant::now());
        let mut waits = Vec::new();
        for _ in 0..8 {
            breaker.admit(now).expect("may look").fail(now);
            let from = now;
            while breaker.admit(now).is_none() {
                now += ms(10);
            }
            waits.push((now - from).as_millis());
        }
        assert_eq!(waits, [100, 200, 400, 800, 1000, 1000, 1000, 1000]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_is_given_up_lets_the_next_one_look() {
        let (breaker, now) = (Breaker::new(), Instant::now());
        breaker.admit(now).expect("closed").fail(now);
        drop(breaker.admit(now + ms(100)).expect("may look"));
        assert!(breaker.admit(now + ms(100)).is_some());
    }
}
