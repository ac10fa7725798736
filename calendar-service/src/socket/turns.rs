//! When a room writes to its sockets.
//!
//! A write costs about the same whether it carries one frame or twenty. So a
//! room tells at once what comes after a rest, and what comes soon after that
//! goes out together, when a pause is over that grows with the writes it saves.
//! In a small room there is none, and nowhere is it long enough to be noticed.

use std::time::Duration;

use tokio::time::Instant;

/// The pause after a telling, for each socket that was written.
const A_SOCKET: Duration = Duration::from_micros(100);
/// A shorter one is not worth a timer.
const SHORTEST: Duration = Duration::from_millis(1);
/// However many there are.
const LONGEST: Duration = Duration::from_millis(5);

/// Says when the next telling is due.
#[derive(Debug)]
pub(super) struct Turns {
    next: Instant,
}

// === impl Turns ===

impl Turns {
    /// Nothing was told yet.
    pub(super) const fn new(now: Instant) -> Self {
        Self { next: now }
    }

    /// When what is there goes out.
    pub(super) const fn next(&self) -> Instant {
        self.next
    }

    /// Whether it goes out now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        now >= self.next
    }

    /// So many sockets were written.
    pub(super) fn told(&mut self, now: Instant, sockets: usize) {
        let pause = A_SOCKET.saturating_mul(u32::try_from(sockets).unwrap_or(u32::MAX)).min(LONGEST);
        self.next = if pause < SHORTEST { now } else { now + pause };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn after_a_rest_it_is_told_at_once_and_then_after_a_pause() {
        let start = Instant::now();
        let mut turns = Turns::new(start);
        assert!(turns.is_due(start));
        turns.told(start, 20);
        assert!(!turns.is_due(start) && turns.is_due(start + A_SOCKET * 20));
        assert_eq!(turns.next(), start + A_SOCKET * 20);
        turns.told(start, 1_000_000);
        assert_eq!(turns.next(), start + LONGEST);
    }

    #[tokio::test(start_paused = true)]
    async fn a_small_room_never_waits() {
        let start = Instant::now();
        let mut turns = Turns::new(start);
        for sockets in 0..10 {
            turns.told(start, sockets);
            assert!(turns.is_due(start), "{sockets} sockets");
        }
    }
}
