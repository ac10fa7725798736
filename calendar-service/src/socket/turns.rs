//! When a room writes to its sockets, and when it commits what they say.
//!
//! A write costs about the same whether it carries one frame or twenty. So a
//! room tells at once what comes after a rest, and what comes soon after that
//! goes out together, when a pause is over that grows with the writes it saves.
//! In a room of a few there is none, and nowhere is it long enough to be noticed.
//!
//! Where several instances commit, their groups come one after the other, and each over the bus: a pause is
//! longer by as much, so that a write still carries some of each. During such a pause messages are gathered
//! for a moment before they are committed, since nobody would hear them at once.

use std::time::Duration;

use tokio::time::Instant;

/// The pause after a telling, for each socket that was written.
const A_SOCKET: Duration = Duration::from_micros(100);
/// A shorter one is not worth a timer.
const SHORTEST: Duration = Duration::from_millis(1);
/// However many there are, while one instance has something to say.
const LONGEST: Duration = Duration::from_millis(5);
/// Each of several instances makes it longer by that many times, for its commit and for its way over the bus.
const A_VOICE: u32 = 2;
/// So many instances are waited for.
const MOST_VOICES: u32 = 4;
/// This part of a pause that is for several instances passes from the first message that waits to its commit.
/// Most who answer what was written, or wait for their ack to say more, have done so by then; and the rest of
/// the pause is left for the commit and the bus.
const GATHERING: u32 = 6;

/// Says when the next telling is due, and the next commit.
#[derive(Debug)]
pub(super) struct Turns {
    next: Instant,
    /// How long messages are gathered until then.
    gather: Duration,
}

// === impl Turns ===

impl Turns {
    /// Nothing was told yet.
    pub(super) const fn new(now: Instant) -> Self {
        Self { next: now, gather: Duration::ZERO }
    }

    /// When what is there goes out.
    pub(super) const fn next(&self) -> Instant {
        self.next
    }

    /// Whether it goes out now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        now >= self.next
    }

    /// When a message that comes now, and finds none waiting, is committed.
    pub(super) fn commit_at(&self, now: Instant) -> Instant {
        // Never later than what was held is told: then the room has rested.
        (now + self.gather).min(self.next).max(now)
    }

    /// So many sockets were written what so many instances had to say; the others have as many sockets
    /// in this room, as a rule.
    pub(super) fn told(&mut self, now: Instant, sockets: usize, voices: usize) {
        let voices = u32::try_from(voices).unwrap_or(u32::MAX).clamp(1, MOST_VOICES);
        let everywhere = u32::try_from(sockets).unwrap_or(u32::MAX).saturating_mul(voices);
        let pause = A_SOCKET.saturating_mul(everywhere).min(LONGEST);
        let pause = if pause < SHORTEST { Duration::ZERO } else { pause };
        let times = if voices == 1 { 1 } else { voices * A_VOICE };
        self.next = now + pause * times;
        let gather = if voices == 1 { Duration::ZERO } else { pause * times / GATHERING };
        self.gather = if gather < SHORTEST { Duration::ZERO } else { gather };
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
        turns.told(start, 20, 1);
        assert!(!turns.is_due(start) && turns.is_due(start + A_SOCKET * 20));
        assert_eq!(turns.next(), start + A_SOCKET * 20);
        turns.told(start, usize::MAX, 1);
        assert_eq!(turns.next(), start + LONGEST);
    }

    #[tokio::test(start_paused = true)]
    async fn several_instances_are_waited_for_but_not_any_number() {
        let start = Instant::now();
        let mut turns = Turns::new(start);
        for (sockets, voices, pause) in [
            (10, 0, A_SOCKET * 10),
            (10, 2, A_SOCKET * 10 * 2 * 2 * A_VOICE),
            (1_000, 3, LONGEST * 3 * A_VOICE),
            (1_000, 1_000, LONGEST * MOST_VOICES * A_VOICE),
        ] {
            turns.told(start, sockets, voices);
            assert_eq!(turns.next() - start, pause, "{sockets} sockets, {voices} voices");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn messages_are_gathered_while_several_instances_talk_and_at_no_other_time() {
        let start = Instant::now();
        let mut turns = Turns::new(start);
        assert_eq!(turns.commit_at(start), start, "after a rest");
        turns.told(start, 100, 1);
        assert_eq!(turns.commit_at(start), start, "nobody else commits");
        turns.told(start, 100, 3);
        let (pause, soon) = (LONGEST * 3 * A_VOICE, start + Duration::from_millis(7));
        assert_eq!(turns.commit_at(soon), soon + pause / GATHERING);
        assert_eq!(turns.commit_at(start + pause), start + pause, "the pause is over");
        let late = start + pause - Duration::from_millis(1);
        assert_eq!(turns.commit_at(late), start + pause, "not longer than the pause");
        turns.told(start, 10, 2);
        assert_eq!(turns.commit_at(start), start + A_SOCKET * 10 * 2 * 2 * A_VOICE / GATHERING);
        turns.told(start, 5, 2);
        assert_eq!(turns.commit_at(start), start, "too short for a timer");
    }

    #[tokio::test(start_paused = true)]
    async fn a_room_of_less_than_ten_sockets_in_all_never_waits() {
        let start = Instant::now();
        let mut turns = Turns::new(start);
        for (sockets, voices) in (0..10).map(|sockets| (sockets, 1)).chain([(4, 2), (3, 3), (2, 4)]) {
            turns.told(start, sockets, voices);
            assert!(turns.is_due(start), "{sockets} sockets, {voices} voices");
        }
    }
}
