//! Room for lines that wait: slots of one size in chunks, used again and again.

use crate::relay::wire::Line;

/// No slot.
pub(super) const NONE: u32 = u32::MAX;
/// Slots in a chunk.
const CHUNK: usize = 1024;
/// Chunks that are kept when nothing waits.
const KEPT: usize = 8;

/// The slots. Their number is bounded by the sequencer's window.
#[derive(Debug, Default)]
pub(super) struct Slots {
    chunks: Vec<Box<[Line]>>,
    /// Slots that were used and are free; the last one is warm in the cache.
    free: Vec<u32>,
    /// Slots from here on were never used.
    fresh: u32,
    used: usize,
}

// === impl Slots ===

impl Slots {
    pub(super) const fn used(&self) -> usize {
        self.used
    }

    /// Keeps a line.
    #[inline]
    pub(super) fn put(&mut self, line: Line) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| self.fresh_slot());
        self.chunks[slot as usize / CHUNK][slot as usize % CHUNK] = line;
        self.used += 1;
        slot
    }

    /// Empties a slot; what was in it can be read until something else is put there.
    #[inline]
    pub(super) fn take(&mut self, slot: u32) -> &Line {
        self.free.push(slot);
        self.used -= 1;
        self.get(slot)
    }

    #[inline]
    pub(super) fn get(&self, slot: u32) -> &Line {
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
            self.chunks.push(vec![Line::EMPTY; CHUNK].into_boxed_slice());
        }
        self.fresh += 1;
        slot
    }
}
