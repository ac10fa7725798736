//! The stream and what it must come to, both made before anything is sent.

use std::io::Write as _;

use super::sum::Sum;

/// Users are numbered from 1.
const USERS: usize = 1000;
/// Of these, so many are connected: the first.
const CONNECTED: usize = 100;
/// Lines are shuffled within batches of so many.
const BATCH: usize = 100;
/// A client's bytes are summed in pieces of this size.
const PIECE: usize = 4096;

/// A stream.
#[derive(Debug)]
pub struct Stream {
    events: u64,
    bytes: Vec<u8>,
    notifications: u64,
    expected: Vec<Sum>,
}

/// Numbers that look random, the same in each run.
struct Dice(u64);

/// A naive relay: rows of flags, a stage for each client.
struct Oracle {
    /// `follows[to][from]`.
    follows: Vec<[bool; CONNECTED + 1]>,
    stages: Vec<(Vec<u8>, Sum)>,
    notifications: u64,
}

// === impl Stream ===

impl Stream {
    /// So many events, the five types alike, users at random.
    pub fn new(events: u64) -> Self {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        let mut oracle = Oracle::new();
        let mut bytes = Vec::with_capacity(events as usize * 20);
        let mut batch: Vec<Vec<u8>> = Vec::with_capacity(BATCH);
        for seq in 1..=events {
            let mut line = Vec::with_capacity(32);
            oracle.event(seq, &mut dice, &mut line);
            batch.push(line);
            if batch.len() == BATCH || seq == events {
                for place in (1..batch.len()).rev() {
                    batch.swap(place, dice.below(place + 1));
                }
                batch.drain(..).for_each(|line| bytes.extend_from_slice(&line));
            }
        }
        let (expected, notifications) = oracle.finish();
        Self { events, bytes, notifications, expected }
    }

    /// How many events.
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// How many lines all clients together are told.
    pub const fn notifications(&self) -> u64 {
        self.notifications
    }

    /// The lines as they are sent.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What each client is told, by id from 1.
    pub fn expected(&self) -> &[Sum] {
        &self.expected
    }
}

// === impl Oracle ===

impl Oracle {
    fn new() -> Self {
        let stages = vec![(Vec::with_capacity(2 * PIECE), Sum::default()); CONNECTED];
        Self { follows: vec![[false; CONNECTED + 1]; USERS + 1], stages, notifications: 0 }
    }

    fn event(&mut self, seq: u64, dice: &mut Dice, line: &mut Vec<u8>) {
        let (from, to) = (dice.below(USERS) + 1, dice.below(USERS) + 1);
        let kind = dice.below(5);
        let written = match kind {
            0 => writeln!(line, "{seq}|F|{from}|{to}"),
            1 => writeln!(line, "{seq}|U|{from}|{to}"),
            2 => writeln!(line, "{seq}|B"),
            3 => writeln!(line, "{seq}|P|{from}|{to}"),
            _ => writeln!(line, "{seq}|S|{from}"),
        };
        debug_assert!(written.is_ok(), "a vector takes everything");
        match kind {
            // Of those who are not connected nobody needs to know whom they follow.
            0 | 1 if from <= CONNECTED => self.follows[to][from] = kind == 0,
            _ => {}
        }
        match kind {
            0 | 3 => self.tell(to, line),
            2 | 4 => {
                for id in 1..=CONNECTED {
                    if kind == 2 || self.follows[from][id] {
                        self.tell(id, line);
                    }
                }
            }
            _ => {}
        }
    }

    fn tell(&mut self, id: usize, line: &[u8]) {
        if let Some((stage, sum)) = self.stages.get_mut(id - 1) {
            self.notifications += 1;
            stage.extend_from_slice(line);
            if stage.len() > PIECE {
                sum.add(stage);
                stage.clear();
            }
        }
    }

    fn finish(self) -> (Vec<Sum>, u64) {
        let sums = self.stages.into_iter().map(|(stage, mut sum)| {
            sum.add(&stage);
            sum
        });
        (sums.collect(), self.notifications)
    }
}

// === impl Dice ===

impl Dice {
    /// xorshift64*: good enough to spread users and cheap enough for millions.
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        ((self.next() >> 32) as usize * bound) >> 32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_has_every_place_once_and_tells_about_27_a_event() {
        let stream = Stream::new(100_000);
        let mut places: Vec<u64> = stream
            .bytes()
            .split(|byte| *byte == b'\n')
            .filter_map(|line| std::str::from_utf8(line).ok()?.split('|').next()?.parse().ok())
            .collect();
        assert!(!places.is_sorted());
        places.sort_unstable();
        assert_eq!(places, (1..=100_000).collect::<Vec<_>>());
        let each = stream.notifications() / stream.events();
        assert!((18..30).contains(&each), "{each}");
    }
}
