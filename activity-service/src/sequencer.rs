//! Puts a stream in order: whatever the order of arrival, `n` comes out after
//! `n - 1`, once. What comes early waits here, at most `window` of it.
//!
//! No allocation per event: lines wait in slots of a fixed size ([`slots`]), found
//! by their distance from the next one in a ring; what is further ahead than the
//! ring may reach is found in a tree.

mod slots;

use std::{collections::BTreeMap, ops::Range};

use self::slots::{NONE, Slots};
use crate::relay::wire::Line;

/// The ring's size at first, and after the last waiting event came out.
const RING_MIN: usize = 1 << 12;
/// A distance beyond this is looked up in the tree.
const RING_MAX: usize = 1 << 21;

/// A stream from 1, and what arrived ahead of it.
#[derive(Debug)]
pub(crate) struct Sequencer {
    /// The one that goes out next.
    next: u64,
    /// How many may wait.
    window: usize,
    /// The slot of event `seq` is at `seq % ring.len()`, for those within reach.
    ring: Vec<u32>,
    /// The slots of those beyond.
    far: BTreeMap<u64, u32>,
    slots: Slots,
}

/// What became of an event that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offered {
    /// It was the next one: it goes out now, and then what [`Sequencer::take`] gives.
    Next,
    /// It waits for those before it.
    Waits,
    /// It has gone out, or waits already: drop it.
    Duplicate,
}

// === impl Sequencer ===

impl Sequencer {
    /// A stream that begins with `next`.
    pub(crate) fn new(next: u64, window: usize) -> Self {
        Self { next, window, ring: vec![NONE; RING_MIN], far: BTreeMap::new(), slots: Slots::default() }
    }

    /// Goes on from elsewhere: nothing may wait yet.
    pub(crate) fn start_at(&mut self, next: u64) {
        *self = Self::new(next, self.window);
    }

    /// The event that goes out next.
    pub(crate) const fn next(&self) -> u64 {
        self.next
    }

    /// How many wait for those before them.
    pub(crate) const fn waiting(&self) -> usize {
        self.slots.used()
    }

    /// Takes in an event, the line that `text` begins with, of so many bytes. An
    /// empty line stands for one that is only passed over.
    #[inline]
    pub(crate) fn offer(&mut self, seq: u64, text: &[u8], length: usize) -> Offered {
        if seq < self.next {
            return Offered::Duplicate;
        }
        if seq - self.next >= self.ring.len() as u64 {
            return self.offer_far(seq, text, length);
        }
        let place = self.place(seq);
        if self.ring[place] != NONE || self.is_far(seq) {
            return Offered::Duplicate;
        }
        if seq == self.next {
            self.next += 1;
            return Offered::Next;
        }
        self.ring[place] = self.slots.put(Line::cut(text, length));
        Offered::Waits
    }

    /// The next one, when it waits here.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<&Line> {
        let place = self.place(self.next);
        let mut slot = std::mem::replace(&mut self.ring[place], NONE);
        if slot == NONE {
            if self.far.is_empty() {
                return None;
            }
            slot = self.far.remove(&self.next)?;
        }
        self.next += 1;
        Some(self.slots.take(slot))
    }

    /// Whether more wait than may.
    pub(crate) const fn is_overfull(&self) -> bool {
        self.slots.used() > self.window
    }

    /// Gives up on what is missing before the first that waits; answers what that was.
    pub(crate) fn skip(&mut self) -> Option<Range<u64>> {
        let first = self.first_waiting()?;
        let skipped = self.next..first;
        self.next = first;
        Some(skipped)
    }

    /// What waits, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let near = (self.next..).take(self.ring.len()).filter_map(|seq| {
            let slot = self.ring[self.place(seq)];
            (slot != NONE).then_some((seq, slot))
        });
        let mut all: Vec<(u64, u32)> = near.chain(self.far.iter().map(|(seq, slot)| (*seq, *slot))).collect();
        all.sort_unstable();
        all.into_iter().map(|(seq, slot)| (seq, self.slots.get(slot).as_bytes()))
    }

    /// Gives memory back that only a gap needed.
    pub(crate) fn relax(&mut self) {
        if self.slots.used() == 0 && self.slots.relax() && self.ring.len() > RING_MIN {
            self.ring = vec![NONE; RING_MIN];
        }
    }

    #[inline]
    fn is_far(&self, seq: u64) -> bool {
        !self.far.is_empty() && self.far.contains_key(&seq)
    }

    /// Beyond the ring, which grows as far as it may.
    #[cold]
    fn offer_far(&mut self, seq: u64, text: &[u8], length: usize) -> Offered {
        if self.is_far(seq) {
            return Offered::Duplicate;
        }
        let slot = self.slots.put(Line::cut(text, length));
        let distance = seq - self.next;
        if distance < RING_MAX as u64 {
            self.grow(distance as usize);
            let place = self.place(seq);
            self.ring[place] = slot;
        } else {
            self.far.insert(seq, slot);
        }
        Offered::Waits
    }

    #[inline]
    const fn place(&self, seq: u64) -> usize {
        seq as usize & (self.ring.len() - 1)
    }

    fn grow(&mut self, distance: usize) {
        let old = std::mem::take(&mut self.ring);
        self.ring = vec![NONE; (distance + 1).next_power_of_two()];
        for seq in (self.next..).take(old.len()) {
            let place = self.place(seq);
            self.ring[place] = old[seq as usize & (old.len() - 1)];
        }
    }

    fn first_waiting(&self) -> Option<u64> {
        if self.slots.used() == 0 {
            return None;
        }
        let near = (self.next..).take(self.ring.len()).find(|seq| self.ring[self.place(*seq)] != NONE);
        let far = self.far.first_key_value().map(|(seq, _)| *seq);
        near.into_iter().chain(far).min()
    }
}

#[cfg(test)]
mod tests;
