//! Budgets counted in this process, by governor's GCRA.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use chassis::clock::Clock;
use futures::{FutureExt as _, future, future::BoxFuture};
use governor::{
    Quota, RateLimiter, clock::Clock as GovernorClock, middleware::StateInformationMiddleware, nanos::Nanos,
};

use super::{
    Budget, Key, Meter, Spent, Store,
    keys::{Keys, Shelf},
};

/// A forgotten key is a budget that was whole this long ago: more than any two
/// readings of the clock here can differ.
const MARGIN: Duration = Duration::from_secs(1);

/// Counts in process; bounded, swept by [`LocalStore::sweep`].
pub struct LocalStore {
    keys: Arc<Keys>,
    elapsed: Elapsed,
    meters: Mutex<HashMap<&'static str, Arc<LocalMeter>>>,
}

/// One budget, counted in process.
pub(super) struct LocalMeter {
    budget: Budget,
    keys: Arc<Keys>,
    number: u16,
    limiter: RateLimiter<Key, Shelf, Elapsed, StateInformationMiddleware>,
    elapsed: Elapsed,
}

/// Time since the store began: the one time base of all budgets.
#[derive(Clone)]
struct Elapsed {
    clock: Arc<dyn Clock>,
    start: Instant,
}

// === impl LocalStore ===

impl LocalStore {
    /// Room for this many keys over all budgets.
    pub fn new(capacity: usize, clock: Arc<dyn Clock>) -> Self {
        let elapsed = Elapsed { start: clock.monotonic(), clock };
        Self { keys: Arc::new(Keys::new(capacity)), elapsed, meters: Mutex::default() }
    }

    /// Forgets whole budgets and shows how many keys there are.
    pub fn sweep(&self) {
        self.keys.sweep(self.elapsed.now().saturating_sub(MARGIN.into()).as_u64());
        metrics::gauge!("gateway_limit_keys").set(self.keys.len() as f64);
    }

    /// The meter of a budget; the same budget again is the same meter.
    pub(super) fn meter(&self, budget: Budget) -> Arc<LocalMeter> {
        let mut meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        let number = meters.len() as u16;
        let meter = meters.entry(budget.route).or_insert_with(|| {
            let keys = Arc::clone(&self.keys);
            let state = Shelf { keys: Arc::clone(&keys), number };
            let limiter = RateLimiter::new(Quota::per_minute(budget.per_minute), state, self.elapsed.clone());
            Arc::new(LocalMeter { budget, keys, number, limiter, elapsed: self.elapsed.clone() })
        });
        Arc::clone(meter)
    }
}

impl Store for LocalStore {
    fn open(&self, budget: Budget) -> Arc<dyn Meter> {
        self.meter(budget)
    }
}

// === impl LocalMeter ===

impl LocalMeter {
    /// Spends one request of this key's budget.
    pub(super) fn spend_now(&self, key: Key) -> Spent {
        match self.limiter.check_key(&key) {
            Ok(state) => Spent::Allowed { remaining: state.remaining_burst_capacity() },
            Err(until) => Spent::Refused { retry_after: until.wait_time_from(self.elapsed.now()) },
        }
    }

    /// How long until this key's budget is whole again.
    pub(super) fn owed(&self, key: Key) -> Duration {
        let whole_at = self.keys.whole_at(self.number, key).unwrap_or_default();
        Duration::from_nanos(whole_at.saturating_sub(self.elapsed.now().as_u64()))
    }
}

impl Meter for LocalMeter {
    fn budget(&self) -> Budget {
        self.budget
    }

    fn spend(&self, key: Key) -> BoxFuture<'_, Spent> {
        future::ready(self.spend_now(key)).boxed()
    }
}

// === impl Elapsed ===

impl GovernorClock for Elapsed {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.clock.monotonic().saturating_duration_since(self.start).into()
    }
}

#[cfg(test)]
mod tests {
    use std::{net::IpAddr, num::NonZeroU32};

    use chassis::clock::ManualClock;
    use jiff::{SignedDuration, Timestamp};
    use proptest::prelude::*;

    use super::*;

    fn meter(per_minute: u32) -> (ManualClock, LocalStore, Arc<dyn Meter>) {
        let clock = ManualClock::at(Timestamp::UNIX_EPOCH);
        let store = LocalStore::new(1000, Arc::new(clock.clone()));
        let per_minute = NonZeroU32::new(per_minute).expect("not zero");
        let meter = store.open(Budget { route: "test", per_minute });
        (clock, store, meter)
    }

    fn spend(meter: &Arc<dyn Meter>, last_byte: u8) -> Spent {
        let key = Key::Address(IpAddr::from([192, 0, 2, last_byte]));
        meter.spend(key).now_or_never().expect("counted at once")
    }

    #[test]
    fn a_burst_of_n_then_one_every_sixty_nth() {
        let (clock, _, meter) = meter(5);
        for remaining in (0..5).rev() {
            assert_eq!(spend(&meter, 1), Spent::Allowed { remaining });
        }
        assert_eq!(spend(&meter, 1), Spent::Refused { retry_after: Duration::from_secs(12) });
        assert_eq!(spend(&meter, 2), Spent::Allowed { remaining: 4 }, "another address has its own");
        clock.advance(SignedDuration::from_millis(11_999));
        assert_eq!(spend(&meter, 1), Spent::Refused { retry_after: Duration::from_millis(1) });
        clock.advance(SignedDuration::from_millis(1));
        assert_eq!(spend(&meter, 1), Spent::Allowed { remaining: 0 });
        assert!(matches!(spend(&meter, 1), Spent::Refused { .. }));
    }

    #[test]
    fn refused_requests_do_not_count() {
        let (clock, _, meter) = meter(5);
        for _ in 0..5 {
            spend(&meter, 1);
        }
        for _ in 0..1000 {
            assert!(matches!(spend(&meter, 1), Spent::Refused { .. }));
        }
        clock.advance(SignedDuration::from_secs(60));
        assert_eq!(spend(&meter, 1), Spent::Allowed { remaining: 4 });
    }

    #[test]
    fn the_same_route_again_is_the_same_budget() {
        let (_, store, meter) = meter(5);
        let again = store.open(meter.budget());
        spend(&meter, 1);
        assert_eq!(spend(&again, 1), Spent::Allowed { remaining: 3 });
    }

    #[test]
    fn what_is_owed_is_what_was_spent_and_goes_with_time() {
        let (clock, store, meter) = meter(5);
        let local = store.meter(meter.budget());
        let key = Key::Address(IpAddr::from([192, 0, 2, 1]));
        assert_eq!(local.owed(key), Duration::ZERO);
        for spent in 1..=5 {
            spend(&meter, 1);
            assert_eq!(local.owed(key), Duration::from_secs(12) * spent);
        }
        spend(&meter, 1);
        assert_eq!(local.owed(key), Duration::from_mins(1), "a refusal owes nothing");
        clock.advance(SignedDuration::from_secs(50));
        assert_eq!(local.owed(key), Duration::from_secs(10));
        clock.advance(SignedDuration::from_secs(50));
        assert_eq!(local.owed(key), Duration::ZERO);
    }

    #[test]
    fn a_sweep_changes_no_answer() {
        let (clock, store, meter) = meter(5);
        for _ in 0..5 {
            spend(&meter, 1);
        }
        clock.advance(SignedDuration::from_secs(12));
        store.sweep();
        assert_eq!(spend(&meter, 1), Spent::Allowed { remaining: 0 });
        clock.advance(SignedDuration::from_secs(3600));
        store.sweep();
        assert_eq!(store.keys.len(), 0);
        assert_eq!(spend(&meter, 1), Spent::Allowed { remaining: 4 });
    }

    proptest! {
        /// Over any stretch of time no more than burst + stretch · rate get through.
        #[test]
        fn no_arrival_pattern_beats_the_budget(
            per_minute in 1_u32..200,
            gaps in proptest::collection::vec(0_i64..5_000, 1..300),
        ) {
            let (clock, _, meter) = meter(per_minute);
            let mut allowed = 0_u64;
            let mut elapsed_ms = 0;
            for gap in gaps {
                clock.advance(SignedDuration::from_millis(gap));
                elapsed_ms += gap as u64;
                match spend(&meter, 1) {
                    Spent::Allowed { remaining } => {
                        allowed += 1;
                        prop_assert!(remaining < per_minute);
                    }
                    Spent::Refused { retry_after } => {
                        prop_assert!(retry_after > Duration::ZERO);
                        prop_assert!(retry_after <= Duration::from_mins(1) / per_minute);
                    }
                }
                let bound = u64::from(per_minute) + elapsed_ms * u64::from(per_minute) / 60_000;
                prop_assert!(allowed <= bound, "{allowed} > {bound}");
            }
        }

        /// Who waits as told is let through.
        #[test]
        fn retry_after_is_honest(per_minute in 1_u32..200, spends in 1_usize..500) {
            let (clock, _, meter) = meter(per_minute);
            for _ in 0..spends {
                if let Spent::Refused { retry_after } = spend(&meter, 1) {
                    clock.advance(SignedDuration::try_from(retry_after).expect("is short"));
                    let allowed = matches!(spend(&meter, 1), Spent::Allowed { .. });
                    prop_assert!(allowed);
                }
            }
        }
    }
}
