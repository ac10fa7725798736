//! Position, graph and what waits, as bytes: all of it together or nothing.
//!
//! Whoever takes the lead goes on from here. A pack is acknowledged only after a
//! snapshot that holds it, so nothing of a pack is ever in neither place.

use uuid::Uuid;

use super::{engine::Engine, followers::Set};

/// The first bytes; the digit is the version of what follows.
const MAGIC: &[u8; 8] = b"relay/1\n";

/// Marks the size of a set that is written as words of bits.
const BITS: usize = 1 << 31;

/// The bytes are no snapshot of this version, or damaged.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the snapshot cannot be read (at byte {at} of {length})")]
pub(crate) struct Unreadable {
    at: usize,
    length: usize,
}

struct Writer(Vec<u8>);

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// The state of the stream, without the clients.
pub(crate) fn write(engine: &Engine) -> Vec<u8> {
    let mut out = Writer(Vec::with_capacity(engine.followers.bytes() / 2 + 64 * 1024));
    out.0.extend_from_slice(MAGIC);
    out.number(engine.sequencer.next());
    out.size(engine.listeners.len());
    for listener in &engine.listeners {
        out.bytes(listener.as_bytes());
    }
    out.size(engine.recent.iter().len());
    for id in engine.recent.iter() {
        out.0.extend_from_slice(id.as_bytes());
    }
    out.size(engine.followers.iter().len());
    for (id, _) in engine.followers.iter() {
        out.number(id);
    }
    for (_, set) in engine.followers.iter() {
        out.set(set);
    }
    out.size(engine.sequencer.waiting());
    for (seq, line) in engine.sequencer.iter() {
        out.number(seq);
        out.0.push(line.len() as u8);
        out.0.extend_from_slice(line);
    }
    out.0
}

/// Puts the state into a new engine.
pub(crate) fn read(bytes: &[u8], engine: &mut Engine) -> Result<(), Unreadable> {
    let mut reader = Reader { bytes, at: 0 };
    reader.engine(engine).ok_or(Unreadable { at: reader.at, length: bytes.len() })
}

// === impl Writer ===

impl Writer {
    fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    /// Answers where the size stands.
    fn size(&mut self, size: usize) -> usize {
        let place = self.0.len();
        self.0.extend_from_slice(&(size as u32).to_le_bytes());
        place
    }

    /// As it is kept: its bits, or its members.
    fn set(&mut self, set: &Set) {
        if let Some(words) = set.words() {
            self.size(words.len() | BITS);
            for word in words {
                self.number(*word);
            }
            return;
        }
        let place = self.size(0);
        let mut members = 0_u32;
        set.each(|number| {
            self.size(number as usize);
            members += 1;
        });
        self.0[place..place + 4].copy_from_slice(&members.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.size(bytes.len());
        self.0.extend_from_slice(bytes);
    }
}

// === impl Reader ===

impl Reader<'_> {
    fn engine(&mut self, engine: &mut Engine) -> Option<()> {
        if self.take(MAGIC.len())? != MAGIC {
            return None;
        }
        let next = self.number().filter(|next| (1..=i64::MAX as u64 + 1).contains(next))?;
        engine.sequencer.start_at(next);
        for _ in 0..self.size()? {
            let length = self.size()?;
            let name = std::str::from_utf8(self.take(length)?).ok()?;
            engine.listeners.insert(name.to_owned());
        }
        for _ in 0..self.size()? {
            engine.recent.insert(Uuid::from_slice(self.take(16)?).ok()?);
        }
        let users = self.size()?;
        for _ in 0..users {
            let id = self.number()?;
            engine.followers.restore_user(id).then_some(())?;
        }
        for user in 0..users {
            self.set(|member| engine.followers.restore(user as u32, member))?;
        }
        for _ in 0..self.size()? {
            let seq = self.number()?;
            let length = usize::from(*self.take(1)?.first()?);
            let line = self.take(length)?;
            if seq <= next || seq > i64::MAX as u64 {
                return None;
            }
            engine.sequencer.offer(seq, line, length);
        }
        (self.at == self.bytes.len()).then_some(())
    }

    fn set(&mut self, mut restore: impl FnMut(u32) -> bool) -> Option<()> {
        let size = self.size()?;
        if size & BITS == 0 {
            for _ in 0..size {
                restore(self.size()? as u32).then_some(())?;
            }
            return Some(());
        }
        for place in 0..(size & !BITS) as u32 {
            let mut word = self.number()?;
            while word != 0 {
                restore(place.checked_mul(64)?.checked_add(word.trailing_zeros())?).then_some(())?;
                word &= word - 1;
            }
        }
        Some(())
    }

    fn take(&mut self, length: usize) -> Option<&[u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(length)?)?;
        self.at += length;
        Some(taken)
    }

    fn number(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn size(&mut self) -> Option<usize> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?) as usize)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::relay::{
        clients::{Clients, link::Budget},
        engine::EngineBounds,
    };

    fn engine() -> Engine {
        let bounds = EngineBounds { gap_window: 1000, graph_bytes: 1 << 20, recent_packs: 8 };
        Engine::new(bounds, Clients::new(Arc::new(Budget::new(1024, 1024, 10))))
    }

    fn lived() -> Engine {
        let mut engine = engine();
        engine.apply(Uuid::from_u128(1), b"#sources 1 here\n");
        for from in 1..100 {
            let line = format!("{from}|F|{from}|{}\n", from % 7 + (1 << 40));
            engine.apply(Uuid::from_u128(from + 1), line.as_bytes());
        }
        engine.apply(Uuid::from_u128(500), b"100|U|1|1099511627777\n200|P|1|2\r\n201\n");
        engine
    }

    #[test]
    fn what_was_written_is_read_again() {
        let before = lived();
        let bytes = write(&before);
        let mut after = engine();
        read(&bytes, &mut after).expect("readable");
        assert_eq!((after.position(), after.sequencer.waiting()), (100, 2));
        assert_eq!(after.listeners, before.listeners);
        assert_eq!(write(&after), bytes);
        assert!(!after.recent.insert(Uuid::from_u128(500)));
    }

    #[test]
    fn no_damage_is_taken_for_a_snapshot_or_panics() {
        let bytes = write(&lived());
        for end in 0..bytes.len() {
            assert!(read(&bytes[..end], &mut engine()).is_err(), "cut at {end}");
        }
        for place in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 0xff;
            let _ = read(&damaged, &mut engine());
        }
    }
}
