//! Liveness: a ping every 25 s, and the end when no pong comes in 20 s.
//!
//! Two states and no timer: the pump asks when to look again and what to do
//! then, so the whole thing is tested without waiting.

use std::time::{Duration, Instant};

/// Where a connection stands.
#[derive(Debug)]
pub(super) struct Heartbeat {
    state: State,
    every: Duration,
    within: Duration,
}

#[derive(Debug)]
enum State {
    /// Nothing is out; the next ping goes at this instant.
    Quiet { ping_at: Instant },
    /// A ping is out; without a pong the connection ends at this instant.
    Waiting { dead_at: Instant },
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Beat {
    /// Nothing yet.
    Wait,
    /// Send a ping.
    Ping,
    /// The peer is gone.
    Dead,
}

// === impl Heartbeat ===

impl Heartbeat {
    /// A connection that has just been heard.
    pub(super) fn new(now: Instant, every: Duration, within: Duration) -> Self {
        Self { state: State::Quiet { ping_at: now + every }, every, within }
    }

    /// When [`Self::beat`] has something to say next.
    pub(super) const fn next(&self) -> Instant {
        match self.state {
            State::Quiet { ping_at } => ping_at,
            State::Waiting { dead_at } => dead_at,
        }
    }

    /// The time is `now`.
    pub(super) fn beat(&mut self, now: Instant) -> Beat {
        match self.state {
            State::Quiet { ping_at } if now >= ping_at => {
                self.state = State::Waiting { dead_at: now + self.within };
                Beat::Ping
            }
            State::Waiting { dead_at } if now >= dead_at => Beat::Dead,
            State::Quiet { .. } | State::Waiting { .. } => Beat::Wait,
        }
    }

    /// A pong came. One that nobody asked for (RFC 6455, 5.5.3) changes nothing.
    pub(super) fn pong(&mut self, now: Instant) {
        if matches!(self.state, State::Waiting { .. }) {
            self.state = State::Quiet { ping_at: now + self.every };
        }
    }
}

#[cfg(test)]
mod tests {
    use chassis::clock::{Clock as _, SystemClock};

    use super::*;

    const EVERY: Duration = Duration::from_secs(25);
    const WITHIN: Duration = Duration::from_secs(20);

    #[test]
    fn a_silent_peer_is_pinged_after_25_s_and_dead_after_45() {
        let start = SystemClock.monotonic();
        let mut heartbeat = Heartbeat::new(start, EVERY, WITHIN);
        assert_eq!(heartbeat.beat(start + Duration::from_secs(24)), Beat::Wait);
        assert_eq!(heartbeat.next(), start + EVERY);
        assert_eq!(heartbeat.beat(start + EVERY), Beat::Ping);
        assert_eq!(heartbeat.beat(start + EVERY), Beat::Wait);
        assert_eq!(heartbeat.next(), start + EVERY + WITHIN);
        assert_eq!(heartbeat.beat(start + EVERY + WITHIN), Beat::Dead);
    }

    #[test]
    fn a_pong_starts_the_next_round_and_an_unasked_one_does_not() {
        let start = SystemClock.monotonic();
        let mut heartbeat = Heartbeat::new(start, EVERY, WITHIN);
        heartbeat.pong(start + Duration::from_secs(20));
        assert_eq!(heartbeat.beat(start + EVERY), Beat::Ping);
        let answered = start + EVERY + Duration::from_secs(1);
        heartbeat.pong(answered);
        assert_eq!(heartbeat.beat(answered + WITHIN), Beat::Wait);
        assert_eq!(heartbeat.beat(answered + EVERY), Beat::Ping);
    }
}
