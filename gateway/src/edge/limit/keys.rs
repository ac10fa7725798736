//! Budget states, bounded however many addresses come by (PROMISES, rule 4).

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::{Arc, Mutex, PoisonError},
};

use governor::{nanos::Nanos, state::StateStore};

use super::Key;

/// Keys are spread over this many locks.
const SHARDS: usize = 16;

/// A budget's number and whose it is.
type Place = (u16, Key);
/// When a key's budget is whole again, in nanoseconds since the store began.
type Shard = HashMap<Place, u64>;

/// The states of all budgets.
pub(super) struct Keys {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
    capacity: usize,
}

/// One budget's view of [`Keys`].
#[derive(Clone)]
pub(super) struct Shelf {
    pub(super) keys: Arc<Keys>,
    pub(super) number: u16,
}

// === impl Keys ===

impl Keys {
    /// Room for this many keys in all.
    pub(super) fn new(capacity: usize) -> Self {
        Self { shards: Default::default(), hasher: RandomState::new(), capacity: capacity.div_ceil(SHARDS) }
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    /// Forgets the keys whose budget is whole: to forget them changes nothing.
    pub(super) fn sweep(&self, now: u64) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            shard.retain(|_, whole_at| *whole_at > now);
            if shard.capacity() > 4 * shard.len() + 1024 {
                shard.shrink_to_fit();
            }
        }
    }

    /// When a key's budget is whole again; none when it is.
    pub(super) fn whole_at(&self, number: u16, key: Key) -> Option<u64> {
        let place = (number, key);
        lock(self.shard(&place)).get(&place).copied()
    }

    fn shard(&self, place: &Place) -> &Mutex<Shard> {
        &self.shards[self.hasher.hash_one(place) as usize % SHARDS]
    }
}

/// Makes room in a full shard: the half that has spent the least is forgotten,
/// so that who has spent much gains nothing by crowding others in.
fn make_room(shard: &mut Shard) {
    let mut times: Vec<u64> = shard.values().copied().collect();
    let middle = times.len() / 2;
    let (_, median, _) = times.select_nth_unstable(middle);
    let median = *median;
    let before = shard.len();
    shard.retain(|_, whole_at| *whole_at > median);
    metrics::counter!("gateway_limit_keys_evicted_total", "service" => "gateway")
        .increment((before - shard.len()) as u64);
}

fn lock(shard: &Mutex<Shard>) -> std::sync::MutexGuard<'_, Shard> {
    // A poisoned shard is a map in a good state: nothing in here leaves it half-changed.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl Shelf ===

impl StateStore for Shelf {
    type Key = Key;

    fn measure_and_replace<T, F, E>(&self, key: &Key, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let place = (self.number, *key);
        let mut shard = lock(self.keys.shard(&place));
        let known = shard.get(&place).copied();
        let (answer, whole_at) = decide(known.map(Nanos::from))?;
        if known.is_none() && shard.len() >= self.keys.capacity {
            make_room(&mut shard);
        }
        shard.insert(place, whole_at.as_u64());
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn key(number: u32) -> Key {
        Key::Address(IpAddr::V4(Ipv4Addr::from_bits(number)))
    }

    fn put(shelf: &Shelf, number: u32, whole_at: u64) {
        let outcome: Result<(), ()> = shelf.measure_and_replace(&key(number), |_| Ok(((), whole_at.into())));
        assert_eq!(outcome, Ok(()));
    }

    fn get(shelf: &Shelf, number: u32) -> Option<u64> {
        let seen: Result<(), Option<u64>> =
            shelf.measure_and_replace(&key(number), |state| Err(state.map(Nanos::as_u64)));
        seen.unwrap_err()
    }

    #[test]
    fn a_flood_of_keys_stays_within_the_bound_and_keeps_who_spent_most() {
        let shelf = Shelf { keys: Arc::new(Keys::new(1600)), number: 1 };
        put(&shelf, 0, u64::MAX);
        for number in 1..20_000 {
            put(&shelf, number, u64::from(number));
            assert!(shelf.keys.len() <= 1600);
        }
        assert_eq!(get(&shelf, 0), Some(u64::MAX), "who has spent most is still known");
        assert!(shelf.keys.len() > 700);
    }

    #[test]
    fn a_sweep_forgets_whole_budgets_only() {
        let shelf = Shelf { keys: Arc::new(Keys::new(100)), number: 1 };
        put(&shelf, 1, 10);
        put(&shelf, 2, 20);
        shelf.keys.sweep(10);
        assert_eq!((get(&shelf, 1), get(&shelf, 2)), (None, Some(20)));
    }

    #[test]
    fn budgets_do_not_share_keys() {
        let keys = Arc::new(Keys::new(100));
        let (one, other) = (Shelf { keys: Arc::clone(&keys), number: 1 }, Shelf { keys, number: 2 });
        put(&one, 1, 10);
        assert_eq!(get(&other, 1), None);
    }
}
