//! The ledger of a promise test: what was tried, what was answered, what is true.
//!
//! An attempt is written down before it is sent. The answer settles it; an
//! attempt that is never settled stays unknown. At the end the truth, read from
//! the databases and from what receivers heard, is held against it.
//! Source: PROMISES, "How a promise is tested".

use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io::Write as _,
    sync::{Mutex, MutexGuard, PoisonError},
};

use anyhow::{Result, ensure};

use crate::folder;

/// What the answer made of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Promised: it must be there.
    Ack,
    /// A definite no: it must not be there.
    Refused,
    /// A timeout, a reset, a 5xx: both are right.
    Unknown,
}

/// All attempts of one test.
#[derive(Debug)]
pub struct Ledger {
    seed: u64,
    pages: Mutex<Pages>,
}

#[derive(Debug)]
struct Pages {
    attempts: BTreeMap<String, Outcome>,
    in_flight: usize,
    file: File,
}

/// An attempt that was written down and not settled yet. Dropping it leaves it unknown.
#[derive(Debug)]
pub struct Attempt<'a> {
    ledger: &'a Ledger,
    id: String,
}

/// The ledger held against the truth.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Attempts of each outcome.
    pub acked: usize,
    /// Definite refusals.
    pub refused: usize,
    /// Attempts without a definite answer.
    pub unknown: usize,
    /// Acked and not there.
    pub lost: Vec<String>,
    /// There, but refused or never tried.
    pub unexpected: Vec<String>,
    /// There more than once.
    pub duplicated: Vec<String>,
    /// Heard, but not in its place.
    pub misordered: Vec<String>,
}

// === impl Outcome ===

impl Outcome {
    /// What an HTTP status means; `None`: there was no answer at all.
    pub const fn of_status(status: Option<u16>) -> Self {
        match status {
            Some(200..=299) => Self::Ack,
            Some(400..=499) => Self::Refused,
            _ => Self::Unknown,
        }
    }

    /// The same for `create_event`, whose 503 is a promise too: it will not appear later.
    pub const fn of_create(status: Option<u16>) -> Self {
        match status {
            Some(503) => Self::Refused,
            status => Self::of_status(status),
        }
    }
}

// === impl Ledger ===

impl Ledger {
    /// An empty ledger, kept in `target/ledgers/NAME.log` too. `SEED` re-runs an earlier one.
    pub fn open(name: &str) -> Result<Self> {
        let seed = match std::env::var("SEED") {
            Ok(seed) => seed.parse()?,
            Err(_) => rand::random(),
        };
        println!("{name}: SEED={seed}");
        let mut file = File::create(folder::target("ledgers")?.join(format!("{name}.log")))?;
        writeln!(file, "seed {seed}")?;
        Ok(Self { seed, pages: Mutex::new(Pages { attempts: BTreeMap::new(), in_flight: 0, file }) })
    }

    /// The seed of everything random in this test.
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// Writes an attempt down. `id` is made by the client and unique.
    pub fn attempt(&self, id: impl Into<String>) -> Result<Attempt<'_>> {
        let id = id.into();
        let mut pages = self.pages();
        ensure!(!pages.attempts.contains_key(&id), "{id} is in the ledger already");
        writeln!(pages.file, "try {id}")?;
        pages.attempts.insert(id.clone(), Outcome::Unknown);
        pages.in_flight += 1;
        Ok(Attempt { ledger: self, id })
    }

    /// Attempts that were promised so far.
    pub fn acked(&self) -> usize {
        self.pages().attempts.values().filter(|outcome| **outcome == Outcome::Ack).count()
    }

    /// Attempts that wait for an answer: a fault now hits a busy process.
    pub fn in_flight(&self) -> usize {
        self.pages().in_flight
    }

    /// Holds the ledger against the ids that are there.
    pub fn judge(&self, there: &[String]) -> Verdict {
        let pages = self.pages();
        let mut counts = BTreeMap::<&str, usize>::new();
        for id in there {
            *counts.entry(id).or_default() += 1;
        }
        let mut verdict = Verdict::default();
        for (id, outcome) in &pages.attempts {
            let count = counts.remove(id.as_str()).unwrap_or_default();
            match (outcome, count) {
                (Outcome::Ack, 0) => verdict.lost.push(id.clone()),
                (Outcome::Refused, 1..) => verdict.unexpected.push(id.clone()),
                _ => {}
            }
            if count > 1 {
                verdict.duplicated.push(id.clone());
            }
            *match outcome {
                Outcome::Ack => &mut verdict.acked,
                Outcome::Refused => &mut verdict.refused,
                Outcome::Unknown => &mut verdict.unknown,
            } += 1;
        }
        verdict.unexpected.extend(counts.into_keys().map(str::to_owned));
        verdict
    }

    fn settle(&self, id: &str, outcome: Outcome) {
        let mut pages = self.pages();
        // The map decides; the file is for whoever reads a failure.
        let _ = writeln!(pages.file, "{outcome:?} {id}");
        if let Some(slot) = pages.attempts.get_mut(id) {
            *slot = outcome;
        }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Attempt ===

impl Attempt<'_> {
    /// The id that was written down.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Writes the answer down.
    pub fn settle(self, outcome: Outcome) {
        self.ledger.settle(&self.id, outcome);
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.ledger.pages().in_flight -= 1;
    }
}

// === impl Verdict ===

impl Verdict {
    /// Adds what one receiver heard: every number of `expected` once, in order.
    pub fn hear(&mut self, receiver: &str, heard: &[i64], expected: std::ops::RangeInclusive<i64>) {
        let mut next = *expected.start();
        let mut seen = std::collections::BTreeSet::new();
        for seq in heard {
            let name = format!("{receiver} seq {seq}");
            if !seen.insert(*seq) {
                self.duplicated.push(name);
            } else if !expected.contains(seq) {
                self.unexpected.push(name);
            } else if *seq < next {
                self.misordered.push(name);
            }
            next = next.max(seq + 1);
        }
        let missed = expected.filter(|seq| !seen.contains(seq));
        self.lost.extend(missed.map(|seq| format!("{receiver} seq {seq}")));
    }

    /// Nothing lost, unexpected, doubled or misordered.
    pub fn is_clean(&self) -> bool {
        [&self.lost, &self.unexpected, &self.duplicated, &self.misordered].iter().all(|list| list.is_empty())
    }

    /// Fails unless the verdict is clean and enough was acked to mean something.
    pub fn must_be_clean(&self, enough_acked: usize) -> Result<()> {
        println!("{self}");
        ensure!(self.is_clean(), "the ledger is red: {self}");
        ensure!(self.acked >= enough_acked, "only {} acked, {enough_acked} needed: {self}", self.acked);
        Ok(())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "acked {}, refused {}, unknown {}", self.acked, self.refused, self.unknown)?;
        let lists = [
            ("lost", &self.lost),
            ("unexpected", &self.unexpected),
            ("duplicated", &self.duplicated),
            ("misordered", &self.misordered),
        ];
        for (name, list) in lists {
            write!(f, "; {name} {}", list.len())?;
            if !list.is_empty() {
                write!(f, " {:?}", &list[..list.len().min(8)])?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_wrong_is_told_apart() -> Result<()> {
        let ledger = Ledger::open("each_kind_of_wrong")?;
        for (id, outcome) in
            [("a", Outcome::Ack), ("b", Outcome::Ack), ("c", Outcome::Refused), ("d", Outcome::Ack)]
        {
            ledger.attempt(id)?.settle(outcome);
        }
        drop(ledger.attempt("e")?);
        let pending = ledger.attempt("f")?;
        assert_eq!(ledger.in_flight(), 1);
        drop(pending);
        assert!(ledger.attempt("a").is_err(), "an id is used once");
        let there = ["a", "c", "d", "d", "e", "g"].map(str::to_owned);
        let verdict = ledger.judge(&there);
        assert_eq!((verdict.acked, verdict.refused, verdict.unknown), (3, 1, 2));
        assert_eq!(verdict.lost, ["b"]);
        assert_eq!(verdict.unexpected, ["c", "g"]);
        assert_eq!(verdict.duplicated, ["d"]);
        assert!(verdict.must_be_clean(0).is_err());
        Ok(())
    }

    #[test]
    fn a_receiver_hears_all_once_and_in_order() {
        let mut verdict = Verdict::default();
        verdict.hear("ann", &[3, 4, 5], 3..=5);
        assert!(verdict.is_clean());
        verdict.hear("bob", &[3, 5, 4, 5, 9], 3..=6);
        assert_eq!(verdict.misordered, ["bob seq 4"]);
        assert_eq!(verdict.duplicated, ["bob seq 5"]);
        assert_eq!(verdict.unexpected, ["bob seq 9"]);
        assert_eq!(verdict.lost, ["bob seq 6"]);
    }
}
