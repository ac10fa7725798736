//! What one connection may do: the figures of the contract, and the two
//! counters that hold a client to them.
//!
//! Source: CONTRACTS, "The room", Limits.

use std::time::{Duration, Instant};

/// The bounds of a connection. Each is a setting; the defaults are the contract's.
#[derive(Clone, Copy, Debug)]
pub struct SocketLimits {
    /// Bytes of one message from a client; more closes with 1009.
    pub frame_bytes: usize,
    /// Frames per second that a client may keep up.
    pub frames_per_second: u32,
    /// Frames that a client may send at once after a rest.
    pub frame_burst: u32,
    /// Malformed frames in a minute; the last of them closes with 1008.
    pub malformed_per_minute: u32,
    /// Connections of one account, on all instances together; more are refused
    /// with 429. An instance knows of the others' within moments, so as many at
    /// once as there are instances may come in above it; while the bus does not
    /// work each counts its own.
    pub sockets_per_account: usize,
    /// Frames that may wait for a slow reader; more close with 1013.
    pub queued_frames: usize,
    /// Bytes that may wait for a slow reader; more close with 1013.
    pub queued_bytes: usize,
    /// From one ping to the next.
    pub ping_every: Duration,
    /// From a ping to the end of patience.
    pub pong_within: Duration,
    /// Missed changes that are still replayed; more answer `resync`.
    pub replay_changes: i64,
    /// From one look at the logs of all open rooms to the next: a lost wake-up
    /// heals in this time …
    pub look_every: Duration,
    /// … and in this time while the bus does not work.
    pub look_often: Duration,
    /// From one telling of who is connected here to the next; an instance that
    /// misses three is gone.
    pub roster_every: Duration,
}

/// Who hears a message that names no calendar (`BROADCAST_SCOPE`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum BroadcastScope {
    /// Everybody who is connected, as in the source document.
    #[default]
    Everyone,
    /// Who shares a calendar with the sender.
    Shared,
    /// Nobody: such a message is refused.
    Off,
}

/// A token bucket over the monotonic clock, kept as the one instant at which
/// the bucket will be full again (GCRA).
#[derive(Debug)]
pub(super) struct Pace {
    full_at: Option<Instant>,
    cost: Duration,
    depth: Duration,
}

/// Counts events in a sliding minute, coarsely: the oldest of the last N
/// decides, so N in any minute are noticed and nothing else is kept.
#[derive(Debug)]
pub(super) struct Strikes {
    last: Vec<Instant>,
    allowed: usize,
}

const MINUTE: Duration = Duration::from_mins(1);

// === impl SocketLimits ===

impl Default for SocketLimits {
    fn default() -> Self {
        Self {
            frame_bytes: 64 * 1024,
            frames_per_second: 20,
            frame_burst: 60,
            malformed_per_minute: 10,
            sockets_per_account: 10,
            queued_frames: 1_000,
            queued_bytes: 1024 * 1024,
            ping_every: Duration::from_secs(25),
            pong_within: Duration::from_secs(20),
            replay_changes: 10_000,
            look_every: Duration::from_secs(5),
            look_often: Duration::from_secs(1),
            roster_every: Duration::from_secs(5),
        }
    }
}

// === impl Pace ===

impl Pace {
    /// `rate` a second on average, `burst` at once.
    pub(super) fn new(rate: u32, burst: u32) -> Self {
        let cost = Duration::from_secs(1) / rate.max(1);
        Self { full_at: None, cost, depth: cost * burst.max(1) }
    }

    /// Takes one place; false when there is none, and then nothing is taken.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let full_at = self.full_at.map_or(now, |at| at.max(now)) + self.cost;
        let allowed = full_at - now <= self.depth;
        if allowed {
            self.full_at = Some(full_at);
        }
        allowed
    }
}

// === impl Strikes ===

impl Strikes {
    /// `allowed` in a minute are one too many.
    pub(super) fn new(allowed: u32) -> Self {
        Self { last: Vec::new(), allowed: allowed.max(1) as usize }
    }

    /// Counts one; true when it was the last straw.
    pub(super) fn add(&mut self, now: Instant) -> bool {
        self.last.retain(|at| now.saturating_duration_since(*at) < MINUTE);
        self.last.push(now);
        self.last.len() >= self.allowed
    }
}

#[cfg(test)]
mod tests {
    use chassis::clock::{Clock as _, SystemClock};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sixty_at_once_then_twenty_a_second() {
        let start = SystemClock.monotonic();
        let mut pace = Pace::new(20, 60);
        assert_eq!((0..100).filter(|_| pace.take(start)).count(), 60);
        let later = start + Duration::from_secs(1);
        assert_eq!((0..100).filter(|_| pace.take(later)).count(), 20);
        let rested = later + MINUTE;
        assert_eq!((0..100).filter(|_| pace.take(rested)).count(), 60);
    }

    #[test]
    fn ten_in_a_minute_are_too_many_and_nine_are_not() {
        let start = SystemClock.monotonic();
        let mut strikes = Strikes::new(10);
        assert!((0..9).all(|_| !strikes.add(start)));
        assert!(!strikes.add(start + MINUTE), "the first nine are forgotten");
        assert!((0..8).all(|_| !strikes.add(start + MINUTE)));
        assert!(strikes.add(start + MINUTE + Duration::from_secs(1)));
    }

    proptest! {
        /// Whatever the gaps, no window lets more through than burst + rate × its length.
        #[test]
        fn no_window_exceeds_the_bound(gaps in prop::collection::vec(0_u64..200, 1..400)) {
            let start = SystemClock.monotonic();
            let mut pace = Pace::new(20, 60);
            let mut at = Duration::ZERO;
            let mut taken = Vec::new();
            for gap in gaps {
                at += Duration::from_millis(gap);
                if pace.take(start + at) {
                    taken.push(at);
                }
            }
            for (i, from) in taken.iter().enumerate() {
                for (j, to) in taken.iter().enumerate().skip(i) {
                    let bound = 60.0 + 20.0 * to.saturating_sub(*from).as_secs_f64() + 1e-6;
                    prop_assert!((j - i + 1) as f64 <= bound);
                }
            }
        }
    }
}
