//! What this instance holds: how much of each lane, and under which claims.
//!
//! A lane is whatever shares a limit: a webhook host, or another service. A
//! claim leaves out the lanes that have enough to do, so that a receiver which
//! does not answer delays nobody else's deliveries.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};
use uuid::Uuid;

use crate::model::Work;

/// How much may be under way at once.
#[derive(Clone, Debug)]
pub struct Lanes {
    total: usize,
    usual: usize,
    named: Arc<[(&'static str, usize)]>,
}

/// What is under way.
pub(super) struct Flight {
    lanes: Lanes,
    state: Mutex<State>,
    /// Somebody who had no room may have some now.
    pub(super) freed: Notify,
}

#[derive(Default)]
struct State {
    /// Deliveries under way, by lane.
    under_way: HashMap<Arc<str>, usize>,
    /// Claims, until they are recorded.
    held: HashMap<Uuid, Held>,
}

struct Held {
    fence: i64,
    /// Since the claim, or its last renewal.
    since: Instant,
}

/// What the next claim may take.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// Of everything together.
    pub(super) total: usize,
    /// Nothing of these lanes.
    pub(super) busy: Vec<String>,
    /// At most so much of these …
    pub(super) lanes: Vec<(String, usize)>,
    /// … and of every other.
    pub(super) usual: usize,
}

// === impl Lanes ===

impl Lanes {
    /// At most `total` deliveries at once, `usual` of a lane, but for lanes named.
    pub fn new(total: usize, usual: usize, named: &[(&'static str, usize)]) -> Self {
        Self { total: total.max(1), usual: usual.max(1), named: named.into() }
    }

    /// Deliveries at once.
    pub(super) const fn total(&self) -> usize {
        self.total
    }

    fn of(&self, lane: &str) -> usize {
        self.named.iter().find(|(name, _)| *name == lane).map_or(self.usual, |(_, limit)| *limit)
    }
}

// === impl Flight ===

impl Flight {
    pub(super) fn new(lanes: Lanes) -> Self {
        Self { lanes, state: Mutex::default(), freed: Notify::new() }
    }

    /// What the next claim may take. A lane is asked for again when half of it
    /// is free: claims of one row each would cost more than they bring.
    pub(super) fn room(&self) -> Room {
        let state = self.state.lock();
        let free = self.lanes.total.saturating_sub(state.held.len());
        let total = if free >= self.lanes.total.div_ceil(2) { free } else { 0 };
        let mut room = Room { total, busy: Vec::new(), lanes: Vec::new(), usual: self.lanes.usual };
        for (lane, count) in &state.under_way {
            let limit = self.lanes.of(lane);
            if limit.saturating_sub(*count) < limit.div_ceil(2) {
                room.busy.push(lane.to_string());
            } else {
                room.lanes.push((lane.to_string(), limit - count));
            }
        }
        for (lane, limit) in self.lanes.named.iter() {
            if !state.under_way.contains_key(*lane) {
                room.lanes.push(((*lane).to_owned(), *limit));
            }
        }
        room
    }

    /// Takes claimed work on.
    pub(super) fn take(&self, work: &Work) {
        let mut state = self.state.lock();
        *state.under_way.entry(Arc::clone(&work.lane)).or_default() += 1;
        state.held.insert(work.work_id, Held { fence: work.fence, since: work.heard });
    }

    /// A delivery has ended, well or badly: its lane has room.
    pub(super) fn landed(&self, lane: &Arc<str>) {
        let mut state = self.state.lock();
        let limit = self.lanes.of(lane);
        let Some(count) = state.under_way.get_mut(lane) else { return };
        *count -= 1;
        let left = *count;
        if left == 0 {
            state.under_way.remove(lane);
        }
        drop(state);
        if left == limit - limit.div_ceil(2) {
            self.freed.notify_one();
        }
    }

    /// These claims are recorded, or lost.
    pub(super) fn let_go(&self, claims: impl Iterator<Item = (Uuid, i64)>) {
        let mut state = self.state.lock();
        let before = state.held.len();
        for (work_id, fence) in claims {
            // The same row may have been claimed again meanwhile.
            if state.held.get(&work_id).is_some_and(|held| held.fence == fence) {
                state.held.remove(&work_id);
            }
        }
        let (after, half) = (state.held.len(), self.lanes.total - self.lanes.total.div_ceil(2));
        drop(state);
        metrics::gauge!("due_in_flight", "service" => "notification").set(after as f64);
        if before > half && after <= half {
            self.freed.notify_one();
        }
    }

    /// The claims that are older than this, which are renewed by the caller now.
    pub(super) fn older_than(&self, age: Duration) -> Vec<(Uuid, i64)> {
        let (mut state, now) = (self.state.lock(), Instant::now());
        let mut old = Vec::new();
        for (work_id, held) in &mut state.held {
            if now.duration_since(held.since) >= age {
                held.since = now;
                old.push((*work_id, held.fence));
            }
        }
        old
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use jiff::Timestamp;
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::model::Kind;

    fn work(id: u128, lane: &str) -> Work {
        Work {
            work_id: Uuid::from_u128(id),
            kind: Kind("timer"),
            account_id: None,
            payload: Value::Null,
            lane: lane.into(),
            due_at: Timestamp::UNIX_EPOCH,
            fired_at: Timestamp::UNIX_EPOCH,
            attempts: 0,
            failures: 0,
            fence: 1,
            claimed_at: Timestamp::UNIX_EPOCH,
            heard: Instant::now(),
        }
    }

    fn of(lane: &str, flight: &Flight) -> usize {
        let room = flight.room();
        if room.busy.iter().any(|busy| busy == lane) {
            return 0;
        }
        room.lanes.iter().find(|(name, _)| name == lane).map_or(room.usual, |(_, room)| *room)
    }

    #[tokio::test]
    async fn a_full_lane_is_left_out_until_half_of_it_is_free() {
        let flight = Flight::new(Lanes::new(100, 4, &[("calendar", 10)]));
        assert_eq!((of("a", &flight), of("calendar", &flight)), (4, 10));
        let works: Vec<_> = (0..4).map(|id| work(id, "a")).collect();
        for (taken, left) in works.iter().zip([3, 2, 0, 0]) {
            flight.take(taken);
            assert_eq!(of("a", &flight), left);
        }
        flight.landed(&works[0].lane);
        assert_eq!(of("a", &flight), 0);
        flight.landed(&works[1].lane);
        assert_eq!(of("a", &flight), 2);
        // Whoever waited was woken.
        flight.freed.notified().await;
    }

    #[tokio::test]
    async fn a_limit_of_one_is_one() {
        let flight = Flight::new(Lanes::new(1, 1, &[]));
        let only = work(1, "a");
        flight.take(&only);
        assert_eq!((of("a", &flight), flight.room().total), (0, 0));
        flight.landed(&only.lane);
        flight.freed.notified().await;
        flight.let_go([(only.work_id, only.fence)].into_iter());
        flight.freed.notified().await;
        assert_eq!((of("a", &flight), flight.room().total), (1, 1));
    }

    proptest! {
        #[test]
        fn no_limit_is_ever_passed(
            total in 1_usize..20, usual in 1_usize..8, steps in prop::collection::vec((0_u8..3, any::<bool>()), 1..200),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let flight = Flight::new(Lanes::new(total, usual, &[]));
                let (mut under_way, mut next) = (Vec::<Work>::new(), 0);
                for (lane, takes) in steps {
                    let lane = ["a", "b", "c"][lane as usize];
                    if takes {
                        let room = flight.room();
                        for _ in 0..of(lane, &flight).min(room.total) {
                            next += 1;
                            let taken = work(next, lane);
                            flight.take(&taken);
                            under_way.push(taken);
                        }
                    } else if let Some(index) = under_way.iter().position(|work| &*work.lane == lane) {
                        let over = under_way.swap_remove(index);
                        flight.landed(&over.lane);
                        flight.let_go([(over.work_id, over.fence)].into_iter());
                    }
                    prop_assert!(under_way.len() <= total);
                    for lane in under_way.iter().map(|work| &work.lane).collect::<HashSet<_>>() {
                        prop_assert!(under_way.iter().filter(|work| work.lane == *lane).count() <= usual);
                    }
                }
                Ok(())
            })?;
        }
    }
}
