//! Log lines on their way to stdout.
//!
//! One line per request is one system call per request, which costs as much as
//! the rest of its line. Lines of the target `access` are therefore collected
//! and written together, every [`TOGETHER`]; every other line is written at
//! once, behind those that were collected before it. `kill -9` loses at most
//! what was collected; a panic and an orderly end lose nothing that was said
//! before their last line.

use std::{
    io::{self, Write},
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;

/// The target of lines that may wait.
pub(super) const PATIENT_TARGET: &str = "access";
/// How long they wait.
const TOGETHER: Duration = Duration::from_millis(20);
/// More than this is not collected: whoever logs then writes, and so waits for
/// a slow reader of our stdout.
const MOST: usize = 256 * 1024;

/// Where lines go. Clones share one output.
#[derive(Clone)]
pub(super) struct Lines<W>(Arc<Shared<W>>);

struct Shared<W> {
    /// Taken before `collected` by who writes: lines keep their order.
    output: Mutex<W>,
    collected: Mutex<Vec<u8>>,
    some: Condvar,
}

/// Writes one line.
pub(super) struct Line<'a, W> {
    shared: &'a Shared<W>,
    patient: bool,
}

// === impl Lines ===

impl<W: Write + Send + 'static> Lines<W> {
    /// Lines to `output`, with a thread that writes what was collected.
    pub(super) fn new(output: W) -> io::Result<Self> {
        let shared = Shared { output: Mutex::new(output), collected: Mutex::default(), some: Condvar::new() };
        let this = Self(Arc::new(shared));
        let shared = Arc::downgrade(&this.0);
        thread::Builder::new().name("log".to_owned()).spawn(move || {
            while let Some(shared) = shared.upgrade() {
                shared.write_together();
            }
        })?;
        Ok(this)
    }
}

impl<'a, W: Write + Send + 'static> MakeWriter<'a> for Lines<W> {
    type Writer = Line<'a, W>;

    fn make_writer(&'a self) -> Line<'a, W> {
        Line { shared: &self.0, patient: false }
    }

    fn make_writer_for(&'a self, of: &Metadata<'_>) -> Line<'a, W> {
        Line { shared: &self.0, patient: of.target() == PATIENT_TARGET }
    }
}

// === impl Shared ===

impl<W: Write> Shared<W> {
    /// Waits a moment for lines, then writes them.
    fn write_together(&self) {
        let collected = lock(&self.collected);
        let (collected, _) = self
            .some
            .wait_timeout_while(collected, Duration::from_secs(1), |collected| collected.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        if collected.is_empty() {
            return;
        }
        // Nobody signals this: it is a pause in which lines come together.
        let (collected, _) = self
            .some
            .wait_timeout_while(collected, TOGETHER, |collected| collected.len() < MOST)
            .unwrap_or_else(PoisonError::into_inner);
        drop(collected);
        // Nobody is there to hear that stdout is gone.
        let _ = self.write_out(&[]);
    }

    /// Writes what was collected, and `line` after it.
    fn write_out(&self, line: &[u8]) -> io::Result<()> {
        let mut output = lock(&self.output);
        let collected = mem::take(&mut *lock(&self.collected));
        output.write_all(&collected)?;
        output.write_all(line)?;
        output.flush()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

// === impl Line ===

impl<W: Write> Write for Line<'_, W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if !self.patient {
            self.shared.write_out(line)?;
            return Ok(line.len());
        }
        let mut collected = lock(&self.shared.collected);
        if collected.len() + line.len() > MOST {
            drop(collected);
            self.shared.write_out(line)?;
            return Ok(line.len());
        }
        if collected.is_empty() {
            self.shared.some.notify_one();
        }
        collected.extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An output that tests can look into, and how often it was flushed.
    #[derive(Clone, Default)]
    struct Seen(Arc<Mutex<(Vec<u8>, u32)>>);

    impl Write for Seen {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            lock(&self.0).0.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            lock(&self.0).1 += 1;
            Ok(())
        }
    }

    fn say(lines: &Lines<Seen>, line: &str, patient: bool) {
        let mut writer = Line { shared: &lines.0, patient };
        writer.write_all(line.as_bytes()).expect("written");
    }

    #[test]
    fn lines_keep_their_order_and_patient_ones_come_together() {
        let seen = Seen::default();
        let lines = Lines::new(seen.clone()).expect("a thread");
        for n in 0..1000 {
            say(&lines, &format!("{n}\n"), true);
        }
        say(&lines, "at once\n", false);
        let (text, writes) = lock(&seen.0).clone();
        let expected: String = (0..1000).map(|n| format!("{n}\n")).chain(["at once\n".to_owned()]).collect();
        assert_eq!(String::from_utf8(text).expect("text"), expected);
        assert!(writes < 100, "{writes}");
    }

    #[test]
    fn a_patient_line_is_not_forgotten() {
        let seen = Seen::default();
        let lines = Lines::new(seen.clone()).expect("a thread");
        say(&lines, "alone\n", true);
        for _ in 0..1000 {
            if lock(&seen.0).0 == b"alone\n" {
                return;
            }
            thread::park_timeout(Duration::from_millis(10));
        }
        panic!("not written");
    }

    #[test]
    fn a_flood_is_bounded() {
        let seen = Seen::default();
        let lines = Lines::new(seen.clone()).expect("a thread");
        let line = "x".repeat(1000);
        for _ in 0..10_000 {
            say(&lines, &line, true);
            assert!(lock(&lines.0.collected).len() <= MOST);
        }
        say(&lines, "\n", false);
        assert_eq!(lock(&seen.0).0.len(), 10_000_001);
    }
}
