//! What travels through the broker: lines of one source as they came, packed.
//!
//! A pack is plain text. A malformed line whose place can be read travels as that
//! number alone. A pack that begins with `#` is a note of a listener: whether it
//! has sources. It comes after everything that those sources sent.

use std::collections::{HashSet, VecDeque};

use uuid::Uuid;

/// The identity of a pack: the same when it is sent or delivered again.
pub(crate) type PackId = Uuid;

/// Marks a note; no event begins with it.
const NOTE: &str = "#sources ";

/// The ids of the last packs. Bounded: what may come again is.
#[derive(Debug)]
pub(crate) struct Recent {
    known: HashSet<PackId>,
    order: VecDeque<PackId>,
    bound: usize,
}

/// A note that `listener` has sources, or has none any more.
pub(crate) fn write_sources(listener: &str, open: bool) -> Vec<u8> {
    format!("{NOTE}{} {listener}\n", u8::from(open)).into_bytes()
}

/// Reads such a note.
pub(crate) fn read_sources(body: &[u8]) -> Option<(String, bool)> {
    let text = std::str::from_utf8(body.strip_prefix(NOTE.as_bytes())?).ok()?;
    let (open, listener) = text.trim_end().split_once(' ')?;
    Some((listener.to_owned(), open == "1"))
}

// === impl Recent ===

impl Recent {
    /// Remembers at least `bound` ids.
    pub(crate) fn new(bound: usize) -> Self {
        Self { known: HashSet::new(), order: VecDeque::new(), bound }
    }

    /// Adds an id; false when it was known.
    pub(crate) fn insert(&mut self, id: PackId) -> bool {
        if !self.known.insert(id) {
            return false;
        }
        self.order.push_back(id);
        if self.order.len() > self.bound
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }

    /// The ids, oldest first.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = PackId> {
        self.order.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_says_which_listener_and_whether() {
        assert_eq!(read_sources(&write_sources("a b:1", true)), Some(("a b:1".to_owned(), true)));
        assert_eq!(read_sources(&write_sources("host", false)), Some(("host".to_owned(), false)));
        assert_eq!(read_sources(b"1|B\n"), None);
    }

    #[test]
    fn only_the_last_are_remembered() {
        let mut recent = Recent::new(2);
        let ids = [1, 2, 3].map(Uuid::from_u128);
        assert!(ids.iter().all(|id| recent.insert(*id)));
        assert!(!recent.insert(ids[2]) && !recent.insert(ids[1]) && recent.insert(ids[0]));
        assert_eq!(recent.iter().collect::<Vec<_>>(), [ids[2], ids[0]]);
    }
}
