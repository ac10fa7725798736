//! What this process found out within the last second.

use std::time::{Duration, Instant};

use moka::sync::Cache;
use uuid::Uuid;

use super::{ENDED_FOR, Standing};

/// Below the second in which a revoked token must be dead everywhere, with
/// room for the request that is answered on the strength of it.
const FRESH_FOR: Duration = Duration::from_millis(750);

/// The layer in front of a [`super::SessionCache`].
pub struct Recent {
    live: Cache<Uuid, Seen>,
    ended: Cache<Uuid, ()>,
}

#[derive(Clone, Copy)]
struct Seen {
    account: Uuid,
    /// When the question was asked, not when it was answered: an answer that
    /// took long is old already.
    asked: Instant,
}

// === impl Recent ===

impl Recent {
    /// Room for this many live and as many ended sessions.
    pub fn new(capacity: u64) -> Self {
        let live = Cache::builder().max_capacity(capacity).time_to_live(FRESH_FOR * 2).build();
        let ended = Cache::builder().max_capacity(capacity).time_to_live(ENDED_FOR).build();
        Self { live, ended }
    }

    /// What is known and fresh at `now`.
    pub fn look(&self, session: Uuid, now: Instant) -> Option<Standing> {
        if self.ended.contains_key(&session) {
            return Some(Standing::Ended);
        }
        let seen = self.live.get(&session)?;
        let fresh = now.saturating_duration_since(seen.asked) < FRESH_FOR;
        fresh.then_some(Standing::Live { account: seen.account })
    }

    /// Remembers an answer to a question that was asked at `asked`.
    pub fn put(&self, session: Uuid, standing: Standing, asked: Instant) {
        match standing {
            Standing::Live { account } => self.live.insert(session, Seen { account, asked }),
            Standing::Ended => {
                self.ended.insert(session, ());
                self.live.invalidate(&session);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use chassis::clock::{Clock as _, ManualClock};
    use jiff::{SignedDuration, Timestamp};

    use super::*;

    const SESSION: Uuid = Uuid::from_u128(1);
    const LIVE: Standing = Standing::Live { account: Uuid::from_u128(2) };

    #[test]
    fn live_is_forgotten_within_a_second_of_the_question() {
        let clock = ManualClock::at(Timestamp::UNIX_EPOCH);
        let recent = Recent::new(10);
        let asked = clock.monotonic();
        clock.advance(SignedDuration::from_millis(700));
        recent.put(SESSION, LIVE, asked);
        assert_eq!(recent.look(SESSION, clock.monotonic()), Some(LIVE));
        clock.advance(SignedDuration::from_millis(100));
        assert_eq!(recent.look(SESSION, clock.monotonic()), None, "a slow answer is old");
    }

    #[test]
    fn ended_wins_over_an_answer_that_was_on_its_way() {
        let now = ManualClock::at(Timestamp::UNIX_EPOCH).monotonic();
        let recent = Recent::new(10);
        recent.put(SESSION, Standing::Ended, now);
        recent.put(SESSION, LIVE, now);
        assert_eq!(recent.look(SESSION, now), Some(Standing::Ended));
    }
}
