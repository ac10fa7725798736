//! What was heard of each instance, by its envelopes' numbers: a number that
//! was skipped is a publication that did not come here.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;
use uuid::Uuid;

/// An instance that was not heard of for so long is not remembered.
const REMEMBERED: Duration = Duration::from_mins(1);

/// The last number of each instance.
#[derive(Debug, Default)]
pub(super) struct Peers(HashMap<Uuid, Peer>);

#[derive(Debug)]
struct Peer {
    number: u64,
    heard_at: Instant,
}

/// What a number says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbered {
    /// It is the next one.
    Next,
    /// There were others between the last one and this.
    Gap,
    /// It was here already.
    Again,
}

// === impl Peers ===

impl Peers {
    /// Hears an envelope.
    pub(super) fn hear(&mut self, by: Uuid, number: u64, now: Instant) -> Numbered {
        if !self.0.contains_key(&by) {
            self.0.retain(|_, peer| now.duration_since(peer.heard_at) < REMEMBERED);
        }
        let peer = self.0.entry(by).or_insert(Peer { number: 0, heard_at: now });
        peer.heard_at = now;
        if number <= peer.number {
            return Numbered::Again;
        }
        let next = number == peer.number + 1;
        peer.number = number;
        if next { Numbered::Next } else { Numbered::Gap }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_skipped_number_is_a_gap_and_an_old_one_is_heard_once() {
        use Numbered::{Again, Gap, Next};

        let (mut peers, now) = (Peers::default(), Instant::now());
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let heard: Vec<_> = [1, 2, 2, 1, 4, 5].into_iter().map(|n| peers.hear(one, n, now)).collect();
        assert_eq!(heard, [Next, Next, Again, Again, Gap, Next]);
        assert_eq!(peers.hear(two, 40, now), Gap, "it spoke before we listened");
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_silent_for_long_takes_no_memory() {
        let (mut peers, start) = (Peers::default(), Instant::now());
        for n in 0..1_000_u32 {
            peers.hear(Uuid::from_u128(u128::from(n)), 1, start + Duration::from_secs(1) * n);
        }
        assert!(peers.0.len() <= 60, "{}", peers.0.len());
    }
}
