//! A set of small numbers: a sorted list, or bits once those take less room.

/// Below this many a list is always good enough.
const LIST_MAX: usize = 16;

/// Bits by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bits(Vec<u64>);

/// A set of users, by number.
#[derive(Clone, Debug)]
pub(crate) enum Set {
    /// Few of many.
    List(Vec<u32>),
    /// Many of those there are.
    Bits(Bits),
}

// === impl Bits ===

impl Bits {
    #[inline]
    pub(crate) fn contains(&self, number: u32) -> bool {
        self.0.get(number as usize / 64).is_some_and(|word| word & mask(number) != 0)
    }

    /// Answers the bytes it grew by.
    #[inline]
    pub(crate) fn insert(&mut self, number: u32) -> usize {
        let place = number as usize / 64;
        let mut grown = 0;
        if place >= self.0.len() {
            grown = (place + 1 - self.0.len()) * 8;
            // Not twice as much as is needed, as a push would.
            self.0.reserve_exact(place + 1 - self.0.len());
            self.0.resize(place + 1, 0);
        }
        self.0[place] |= mask(number);
        grown
    }

    #[inline]
    pub(crate) fn remove(&mut self, number: u32) {
        if let Some(word) = self.0.get_mut(number as usize / 64) {
            *word &= !mask(number);
        }
    }
}

// === impl Set ===

impl Set {
    /// What one more member may cost, in bytes, in a universe of `users`.
    #[inline]
    pub(crate) fn growth(&self, number: u32, users: usize) -> usize {
        match self {
            Self::List(list) if list.len() < list.capacity() => 0,
            Self::List(list) => (list.capacity().max(2) * 4).min(users.div_ceil(64) * 8 + 8),
            Self::Bits(bits) => (number as usize / 64 + 1).saturating_sub(bits.0.len()) * 8,
        }
    }

    /// Answers the bytes it grew by.
    #[inline]
    pub(crate) fn insert(&mut self, number: u32, users: usize) -> usize {
        match self {
            Self::Bits(bits) => bits.insert(number),
            Self::List(list) => {
                let Err(place) = list.binary_search(&number) else { return 0 };
                let before = list.capacity() * 4;
                if list.len() >= LIST_MAX && (list.len() + 1) * 4 > users.div_ceil(64) * 8 {
                    let mut bits = Bits::default();
                    // The highest first: one allocation.
                    let highest = list.last().copied().unwrap_or(0).max(number);
                    let grown = bits.insert(highest);
                    bits.insert(number);
                    for member in &*list {
                        bits.insert(*member);
                    }
                    *self = Self::Bits(bits);
                    return grown.saturating_sub(before);
                }
                list.insert(place, number);
                list.capacity() * 4 - before
            }
        }
    }

    #[inline]
    pub(crate) fn remove(&mut self, number: u32) {
        match self {
            Self::Bits(bits) => bits.remove(number),
            Self::List(list) => {
                if let Ok(place) = list.binary_search(&number) {
                    list.remove(place);
                }
            }
        }
    }

    /// Visits the members.
    pub(crate) fn each(&self, mut visit: impl FnMut(u32)) {
        match self {
            Self::List(list) => list.iter().copied().for_each(visit),
            Self::Bits(bits) => {
                for (place, word) in bits.0.iter().enumerate() {
                    each_bit(*word, place, &mut visit);
                }
            }
        }
    }

    /// The words of bits, when it is kept as such.
    pub(crate) fn words(&self) -> Option<&[u64]> {
        match self {
            Self::List(_) => None,
            Self::Bits(bits) => Some(&bits.0),
        }
    }

    /// Visits the members that are in `others` too.
    #[inline]
    pub(crate) fn each_in(&self, others: &Bits, mut visit: impl FnMut(u32)) {
        match self {
            Self::List(list) => {
                list.iter().copied().filter(|number| others.contains(*number)).for_each(visit);
            }
            Self::Bits(bits) => {
                for (place, (word, other)) in bits.0.iter().zip(&others.0).enumerate() {
                    each_bit(word & other, place, &mut visit);
                }
            }
        }
    }
}

impl Default for Set {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

#[inline]
const fn mask(number: u32) -> u64 {
    1 << (number % 64)
}

#[inline]
fn each_bit(mut word: u64, place: usize, visit: &mut impl FnMut(u32)) {
    while word != 0 {
        visit(place as u32 * 64 + word.trailing_zeros());
        word &= word - 1;
    }
}
