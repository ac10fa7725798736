//! A stream as sources send it: shuffled, with repeats and with lines that are no events.

use std::{collections::BTreeMap, ops::RangeInclusive};

use rand::{Rng, rngs::StdRng, seq::SliceRandom as _};

/// An event, or a place that a malformed line took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Follow(u64, u64),
    Unfollow(u64, u64),
    Broadcast,
    Private(u64, u64),
    Status(u64),
    Malformed,
}

/// What a part of a stream is made of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Part {
    /// In order: the place, what it is, and its line with the line end.
    pub(crate) events: Vec<(u64, Event, Vec<u8>)>,
    /// In the order in which they are sent.
    pub(crate) lines: Vec<Vec<u8>>,
    pub(crate) duplicates: u64,
    /// By the label under which they are counted.
    pub(crate) malformed: BTreeMap<&'static str, u64>,
    /// Of these, those whose place could be read.
    pub(crate) passed: u64,
}

/// How a part is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recipe {
    pub(crate) users: u64,
    /// Lines are shuffled in batches of so many.
    pub(crate) batch: usize,
    /// Of a thousand.
    pub(crate) duplicates: u32,
    pub(crate) malformed: u32,
}

/// A line for each place, one after the other.
pub(crate) fn text(places: RangeInclusive<u64>, line: impl Fn(u64) -> String) -> String {
    let mut text = String::new();
    for seq in places {
        text.push_str(&line(seq));
    }
    text
}

/// Malformed lines that keep their place.
fn with_place(seq: u64, rng: &mut StdRng) -> (&'static str, Vec<u8>) {
    let (fault, rest) = match rng.random_range(0..11) {
        0 => ("type", "|X|1|2".to_owned()),
        1 => ("type", "|f|1|2".to_owned()),
        2 => ("type", "|".to_owned()),
        3 => ("type", String::new()),
        4 => ("user", "|F|1".to_owned()),
        5 => ("user", "|P|one|two".to_owned()),
        6 => ("user", "|S|-4".to_owned()),
        7 => ("user", "|U|1|18446744073709551616".to_owned()),
        8 => ("rest", "|B|9".to_owned()),
        9 => ("rest", "|F|1|2|3".to_owned()),
        _ => ("too_long", format!("|{}", "x".repeat(rng.random_range(1_100..3_000)))),
    };
    (fault, format!("{seq}{rest}").into_bytes())
}

/// Malformed lines whose place nobody knows.
fn without_place(rng: &mut StdRng) -> (&'static str, Vec<u8>) {
    match rng.random_range(0..6) {
        0 => ("empty", Vec::new()),
        1 => ("seq", b"nonsense".to_vec()),
        2 => ("seq", b"|B".to_vec()),
        3 => ("seq", b"0|B".to_vec()),
        4 => ("seq", b"99999999999999999999|B".to_vec()),
        _ => ("seq", vec![0xff, 0xfe, b'|', b'B']),
    }
}

fn event(seq: u64, users: u64, rng: &mut StdRng) -> (Event, String) {
    let (from, to) = (rng.random_range(1..=users), rng.random_range(1..=users));
    match rng.random_range(0..5) {
        0 => (Event::Follow(from, to), format!("{seq}|F|{from}|{to}")),
        1 => (Event::Unfollow(from, to), format!("{seq}|U|{from}|{to}")),
        2 => (Event::Broadcast, format!("{seq}|B")),
        3 => (Event::Private(from, to), format!("{seq}|P|{from}|{to}")),
        _ => (Event::Status(from), format!("{seq}|S|{from}")),
    }
}

// === impl Part ===

impl Part {
    /// Places from `first` on, `count` of them.
    pub(crate) fn new(first: u64, count: u64, recipe: Recipe, rng: &mut StdRng) -> Self {
        let mut part = Self::default();
        for seq in first..first + count {
            let end: &[u8] = if rng.random() { b"\n" } else { b"\r\n" };
            if rng.random_ratio(recipe.malformed, 1000) {
                if rng.random() {
                    let (fault, line) = with_place(seq, rng);
                    *part.malformed.entry(fault).or_default() += 1;
                    part.passed += 1;
                    part.lines.push([line.as_slice(), end].concat());
                    part.events.push((seq, Event::Malformed, Vec::new()));
                    continue;
                }
                let (fault, line) = without_place(rng);
                *part.malformed.entry(fault).or_default() += 1;
                part.lines.push([line.as_slice(), end].concat());
            }
            let (event, line) = event(seq, recipe.users, rng);
            let line = [line.as_bytes(), end].concat();
            part.lines.push(line.clone());
            part.events.push((seq, event, line));
        }
        part.lines.chunks_mut(recipe.batch).for_each(|batch| batch.shuffle(rng));
        part.repeat_some(recipe.duplicates, rng);
        part
    }

    /// Sends some events once more, later.
    fn repeat_some(&mut self, of_thousand: u32, rng: &mut StdRng) {
        let mut lines = Vec::with_capacity(self.lines.len() * 101 / 100);
        let mut owed: Vec<Vec<u8>> = Vec::new();
        let well_formed: std::collections::HashSet<&[u8]> =
            self.events.iter().map(|(_, _, line)| line.as_slice()).filter(|line| !line.is_empty()).collect();
        for line in &self.lines {
            lines.push(line.clone());
            if well_formed.contains(line.as_slice()) && rng.random_ratio(of_thousand, 1000) {
                owed.push(line.clone());
                self.duplicates += 1;
            }
            if rng.random_ratio(1, 50) {
                lines.append(&mut owed);
            }
        }
        lines.append(&mut owed);
        self.lines = lines;
    }
}
