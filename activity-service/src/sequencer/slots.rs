//! Room for lines that wait: slots of one size in chunks, used again and again.

use crate::relay::wire::EVENT_MAX;

/// No slot.
pub(super) const NONE: u32 = u32::MAX;
/// Slots in a chunk.
const CHUNK: usize = 1024;
/// Chunks that are kept when nothing waits.
const KEPT: usize = 8;

/// A line that waits, with its line end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    length: u8,
    bytes: [u8; EVENT_MAX],
}

/// The slots. Their number is bounded by the sequencer's window.
#[derive(Debug, Default)]
pub(super) struct Slots {
    chunks: Vec<Box<[Waiting]>>,
    /// Slots that were used and are free; the last one is warm in the cache.
    free: Vec<u32>,
    /// Slots from here on were never used.
    fresh: u32,
    used: usize,
}

// === impl Waiting ===

impl Waiting {
    const EMPTY: Self = Self { length: 0, bytes: [0; EVENT_MAX] };

    /// The line; empty for a place that is only passed over.
    pub(crate) fn line(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

// === impl Slots ===

impl Slots {
    pub(super) const fn used(&self) -> usize {
        self.used
    }

    /// Keeps a line. One that is longer than an event can be is no event.
    #[inline]
    pub(super) fn put(&mut self, line: &[u8]) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| self.fresh_slot());
        let waiting = &mut self.chunks[slot as usize / CHUNK][slot as usize % CHUNK];
        let length = line.len().min(EVENT_MAX);
        waiting.length = length as u8;
        waiting.bytes[..length].copy_from_slice(&line[..length]);
        self.used += 1;
        slot
    }

    /// Empties a slot.
    #[inline]
    pub(super) fn take(&mut self, slot: u32) -> Waiting {
        self.free.push(slot);
        self.used -= 1;
        *self.get(slot)
    }

    #[inline]
    pub(super) fn get(&self, slot: u32) -> &Waiting {
        &self.chunks[slot as usize / CHUNK][slot as usize % CHUNK]
    }

    /// Gives back what a gap needed; answers whether that was much. Only when nothing is used.
    pub(super) fn relax(&mut self) -> bool {
        let large = self.chunks.len() > KEPT;
        if large {
            *self = Self::default();
        }
        large
    }

    #[cold]
    fn fresh_slot(&mut self) -> u32 {
        let slot = self.fresh;
        if slot as usize == self.chunks.len() * CHUNK {
            self.chunks.push(vec![Waiting::EMPTY; CHUNK].into_boxed_slice());
        }
        self.fresh += 1;
        slot
    }
}
