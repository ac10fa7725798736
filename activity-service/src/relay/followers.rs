//! Who follows whom.
//!
//! Users get dense numbers as they appear, so that a set of followers is a short
//! list or, once that takes more room, a row of bits; asking which followers are
//! connected is then an `and` of words. The graph may take so many bytes and no
//! more: a follow beyond is refused, everything else goes on.

mod set;

use std::collections::HashMap;

pub(crate) use self::set::{Bits, Set};

/// Ids below this are looked up in a table instead of a map.
const LOW_IDS: u64 = 1 << 20;
/// No number.
const NONE: u32 = u32::MAX;
/// What a user costs beside the set: the id, the tables.
const USER_BYTES: usize = 80;

/// The graph.
#[derive(Debug)]
pub(crate) struct Followers {
    low: Vec<u32>,
    high: HashMap<u64, u32>,
    /// The id of each number.
    ids: Vec<u64>,
    /// The followers of each number.
    sets: Vec<Set>,
    bytes: usize,
    /// What `bytes` may reach.
    bound: usize,
}

/// The graph is as large as it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

// === impl Followers ===

impl Followers {
    /// Nobody follows anybody; it may grow to `bound` bytes.
    pub(crate) fn new(bound: usize) -> Self {
        let (low, high) = (Vec::new(), HashMap::new());
        Self { low, high, ids: Vec::new(), sets: Vec::new(), bytes: 0, bound }
    }

    /// The number of a user, if they have one.
    #[inline]
    pub(crate) fn number(&self, id: u64) -> Option<u32> {
        if id < LOW_IDS {
            self.low.get(id as usize).copied().filter(|number| *number != NONE)
        } else {
            self.high.get(&id).copied()
        }
    }

    /// How many have a number; the next one gets this.
    pub(crate) fn users(&self) -> u32 {
        self.ids.len() as u32
    }

    /// The bytes that the graph takes, roughly.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// `from` follows `to`.
    #[inline]
    pub(crate) fn follow(&mut self, from: u64, to: u64) -> Result<(), Full> {
        let (from, to) = (self.ensure(from)?, self.ensure(to)?);
        let users = self.ids.len();
        let set = &mut self.sets[to as usize];
        if self.bytes + set.growth(from, users) > self.bound {
            return Err(Full);
        }
        self.bytes += set.insert(from, users);
        Ok(())
    }

    /// `from` no longer follows `to`.
    #[inline]
    pub(crate) fn unfollow(&mut self, from: u64, to: u64) {
        if let (Some(from), Some(to)) = (self.number(from), self.number(to)) {
            self.sets[to as usize].remove(from);
        }
    }

    /// The followers of a user, by number.
    #[inline]
    pub(crate) fn of(&self, id: u64) -> Option<&Set> {
        self.number(id).map(|number| &self.sets[number as usize])
    }

    /// Every user with their followers, in the order of their numbers.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (u64, &Set)> {
        self.ids.iter().copied().zip(&self.sets)
    }

    /// Gives the next number to `id`, as a snapshot has it; false when it has one.
    pub(crate) fn restore_user(&mut self, id: u64) -> bool {
        let known = self.number(id).is_some();
        if !known {
            self.add(id);
        }
        !known
    }

    /// Puts a follower back, by number, as a snapshot has it. Bounds that were
    /// lowered since do not lose it. False when there is no such user.
    pub(crate) fn restore(&mut self, to: u32, from: u32) -> bool {
        let users = self.ids.len();
        let known = (from as usize) < users;
        if let (Some(set), true) = (self.sets.get_mut(to as usize), known) {
            self.bytes += set.insert(from, users);
            return true;
        }
        false
    }

    #[inline]
    fn ensure(&mut self, id: u64) -> Result<u32, Full> {
        match self.number(id) {
            Some(number) => Ok(number),
            None if self.bytes + USER_BYTES > self.bound => Err(Full),
            None => Ok(self.add(id)),
        }
    }

    fn add(&mut self, id: u64) -> u32 {
        let number = self.users();
        if id < LOW_IDS {
            let place = id as usize;
            if place >= self.low.len() {
                self.low.resize(place + 1, NONE);
            }
            self.low[place] = number;
        } else {
            self.high.insert(id, number);
        }
        self.ids.push(id);
        self.sets.push(Set::default());
        self.bytes += USER_BYTES;
        number
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn of(followers: &Followers, id: u64) -> BTreeSet<u64> {
        let mut found = BTreeSet::new();
        if let Some(set) = followers.of(id) {
            set.each(|number| {
                found.insert(followers.ids[number as usize]);
            });
        }
        found
    }

    proptest! {
        #[test]
        fn the_graph_is_a_set_of_pairs(
            steps in proptest::collection::vec((any::<bool>(), 0_u64..90, 0_u64..90), 0..3_000),
        ) {
            // Some ids are in the table, some in the map.
            let id = |user: u64| if user.is_multiple_of(3) { user } else { user << 40 };
            let mut followers = Followers::new(1 << 20);
            let mut model: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
            for (follows, from, to) in steps {
                let (from, to) = (id(from), id(to));
                if follows {
                    followers.follow(from, to).expect("room");
                    model.entry(to).or_default().insert(from);
                } else {
                    followers.unfollow(from, to);
                    model.entry(to).or_default().remove(&from);
                }
            }
            for (to, expected) in model {
                prop_assert_eq!(of(&followers, to), expected);
            }
        }
    }

    #[test]
    fn a_full_graph_refuses_and_keeps_what_it_has() {
        let mut followers = Followers::new(10_000);
        let refused = (1..10_000).find(|from| followers.follow(*from, 7).is_err()).expect("a bound");
        assert!(refused > 50 && followers.bytes() <= 10_000);
        assert_eq!(of(&followers, 7).len() as u64, refused - 1);
        followers.unfollow(1, 7);
        assert!(!of(&followers, 7).contains(&1));
    }
}
