//! The mechanism of a circuit breaker: who may pass. It knows no rules: when it
//! opens and for how long is the [policy](super::policy)'s business.
//!
//! Closed: everybody passes. Open: nobody. Half open: one at a time. Each change
//! begins a new epoch, and a ticket knows its own: what comes back with an old
//! one is late, and changes nothing.

use std::sync::atomic::{AtomicU64, Ordering};

const CLOSED: u64 = 0;
const OPEN: u64 = 1;
const HALF_OPEN: u64 = 2;
const TAKEN: u64 = 3;
/// Bits of the state; the epoch lies above them.
const BITS: u32 = 2;
const STATE: u64 = (1 << BITS) - 1;

/// Epoch and state, in one word.
#[derive(Debug)]
pub(super) struct Gate(AtomicU64);

/// How the gate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stand {
    /// Everybody passes.
    Closed,
    /// Nobody passes.
    Open,
    /// One at a time passes.
    HalfOpen,
}

/// The right to pass once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    /// The word as it was given out.
    word: u64,
}

// === impl Gate ===

impl Gate {
    /// Closed.
    pub(super) const fn new() -> Self {
        Self(AtomicU64::new(CLOSED))
    }

    /// How it stands now.
    pub(super) fn stand(&self) -> Stand {
        match self.0.load(Ordering::Acquire) & STATE {
            CLOSED => Stand::Closed,
            OPEN => Stand::Open,
            _ => Stand::HalfOpen,
        }
    }

    /// A ticket, if one may pass now.
    pub(super) fn admit(&self) -> Option<Ticket> {
        let word = self.0.load(Ordering::Acquire);
        match word & STATE {
            CLOSED => Some(Ticket { word }),
            HALF_OPEN => {
                let taken = (word & !STATE) | TAKEN;
                self.turn(word, taken).then_some(Ticket { word: taken })
            }
            _ => None,
        }
    }

    /// Opens; false when the ticket is of an earlier epoch.
    pub(super) fn open(&self, ticket: Ticket) -> bool {
        self.turn(ticket.word, Self::next(ticket.word, OPEN))
    }

    /// Lets one at a time pass; false when it is not open.
    pub(super) fn half_open(&self) -> bool {
        let word = self.0.load(Ordering::Acquire);
        word & STATE == OPEN && self.turn(word, Self::next(word, HALF_OPEN))
    }

    /// The probe went well: closes. False for any other ticket.
    pub(super) fn close(&self, ticket: Ticket) -> bool {
        ticket.is_probe() && self.turn(ticket.word, Self::next(ticket.word, CLOSED))
    }

    /// The probe says nothing: another one may pass.
    pub(super) fn give_back(&self, ticket: Ticket) {
        if ticket.is_probe() {
            self.turn(ticket.word, (ticket.word & !STATE) | HALF_OPEN);
        }
    }

    /// Whether nothing has changed since the ticket was given out.
    pub(super) fn is_current(&self, ticket: Ticket) -> bool {
        self.0.load(Ordering::Acquire) == ticket.word
    }

    const fn next(word: u64, state: u64) -> u64 {
        ((word >> BITS).wrapping_add(1) << BITS) | state
    }

    fn turn(&self, from: u64, to: u64) -> bool {
        self.0.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

// === impl Ticket ===

impl Ticket {
    /// Whether its outcome decides how it goes on.
    pub(super) const fn is_probe(self) -> bool {
        self.word & STATE == TAKEN
    }
}

// === impl Stand ===

impl Stand {
    /// Every one of them, in the order of their metrics.
    pub(super) const ALL: [Self; 3] = [Self::Closed, Self::HalfOpen, Self::Open];
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn half_open_lets_one_pass_and_a_late_answer_changes_nothing() {
        let gate = Gate::new();
        let (late, later) = (gate.admit().unwrap(), gate.admit().unwrap());
        assert!(gate.open(late), "closed: anybody's failure may open it");
        assert!(!gate.open(later), "once");
        assert_eq!((gate.stand(), gate.admit()), (Stand::Open, None));
        assert!(gate.half_open() && !gate.half_open());
        let probe = gate.admit().unwrap();
        assert!(probe.is_probe());
        assert_eq!(gate.admit(), None, "one at a time");
        assert!(!gate.close(later) && !gate.open(later), "late answers");
        gate.give_back(probe);
        let probe = gate.admit().unwrap();
        assert!(gate.close(probe) && !gate.close(probe));
        assert_eq!(gate.stand(), Stand::Closed);
        assert!(!gate.is_current(later) && gate.is_current(gate.admit().unwrap()));
        gate.give_back(probe);
        assert_eq!(gate.stand(), Stand::Closed, "too late");
    }

    proptest! {
        /// Whatever is done with whichever tickets: never two probes at once,
        /// and nobody passes an open gate.
        #[test]
        fn there_is_one_probe_at_a_time(acts in prop::collection::vec((0_u8..6, any::<prop::sample::Index>()), 0..200)) {
            let gate = Gate::new();
            let mut tickets: Vec<Ticket> = Vec::new();
            for (act, index) in acts {
                let ticket = (!tickets.is_empty()).then(|| tickets[index.index(tickets.len())]);
                let stand = gate.stand();
                match (act, ticket) {
                    (0 | 1, _) => {
                        let admitted = gate.admit();
                        prop_assert!(stand != Stand::Open || admitted.is_none());
                        prop_assert!(stand != Stand::Closed || admitted.is_some_and(|ticket| !ticket.is_probe()));
                        tickets.extend(admitted);
                    }
                    (2, Some(ticket)) => {
                        gate.open(ticket);
                    }
                    (3, Some(ticket)) => {
                        gate.close(ticket);
                    }
                    (4, Some(ticket)) => gate.give_back(ticket),
                    _ => {
                        gate.half_open();
                    }
                }
                let probes = tickets.iter().filter(|ticket| ticket.is_probe() && gate.is_current(**ticket));
                let mut words: Vec<_> = probes.map(|ticket| ticket.word).collect();
                words.dedup();
                prop_assert!(words.len() <= 1);
            }
        }
    }
}
