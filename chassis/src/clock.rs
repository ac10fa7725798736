//! Time as an argument.
//!
//! What is *due* is decided by the database (`app_now()`); a process clock
//! serves tokens, log lines and waiting. `clippy.toml` bans the direct calls
//! everywhere but here.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Instant,
};

use jiff::{SignedDuration, Timestamp};

/// Where a component gets the time from.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock, UTC.
    fn now(&self) -> Timestamp;
    /// The monotonic clock, for measuring and waiting only.
    fn monotonic(&self) -> Instant;
}

/// The machine's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// A clock that tests move by hand.
#[derive(Clone, Debug)]
pub struct ManualClock {
    start: Timestamp,
    start_monotonic: Instant,
    /// Nanoseconds since `start`.
    offset: Arc<AtomicI64>,
}

// === impl SystemClock ===

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that reads the monotonic clock")]
    fn monotonic(&self) -> Instant {
        Instant::now()
    }
}

// === impl ManualClock ===

impl ManualClock {
    /// A clock that stands at `start`.
    pub fn at(start: Timestamp) -> Self {
        Self { start, start_monotonic: SystemClock.monotonic(), offset: Arc::new(AtomicI64::new(0)) }
    }

    /// Moves the clock; wall and monotonic time alike. Up to 292 years.
    pub fn advance(&self, by: SignedDuration) {
        self.offset.fetch_add(by.as_nanos() as i64, Ordering::SeqCst);
    }

    fn elapsed(&self) -> SignedDuration {
        SignedDuration::from_nanos(self.offset.load(Ordering::SeqCst))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.start.saturating_add(self.elapsed()).unwrap_or(Timestamp::MAX)
    }

    fn monotonic(&self) -> Instant {
        self.start_monotonic + self.elapsed().unsigned_abs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = ManualClock::at(Timestamp::UNIX_EPOCH);
        let before = clock.monotonic();
        assert_eq!(clock.now(), Timestamp::UNIX_EPOCH);
        clock.advance(SignedDuration::from_secs(90));
        assert_eq!(clock.now().as_second(), 90);
        assert_eq!((clock.monotonic() - before).as_secs(), 90);
    }
}
