//! What each client is told, computed the plain way and beforehand.

use std::collections::{BTreeMap, BTreeSet};

use super::stream::{Event, Part};

/// The state of a stream between its parts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Oracle {
    followers: BTreeMap<u64, BTreeSet<u64>>,
}

// === impl Oracle ===

impl Oracle {
    /// Goes through a part while these clients are connected; what each is told.
    pub(crate) fn tell(&mut self, part: &Part, connected: &[u64]) -> BTreeMap<u64, Vec<u8>> {
        let mut told: BTreeMap<u64, Vec<u8>> = connected.iter().map(|id| (*id, Vec::new())).collect();
        for (_, event, line) in &part.events {
            match event {
                Event::Malformed => {}
                Event::Follow(from, to) => {
                    self.followers.entry(*to).or_default().insert(*from);
                    say(&mut told, *to, line);
                }
                Event::Unfollow(from, to) => {
                    self.followers.entry(*to).or_default().remove(from);
                }
                Event::Broadcast => told.values_mut().for_each(|bytes| bytes.extend(line)),
                Event::Private(_, to) => say(&mut told, *to, line),
                Event::Status(from) => {
                    for follower in self.followers.get(from).into_iter().flatten() {
                        say(&mut told, *follower, line);
                    }
                }
            }
        }
        told
    }
}

fn say(told: &mut BTreeMap<u64, Vec<u8>>, id: u64, line: &[u8]) {
    if let Some(bytes) = told.get_mut(&id) {
        bytes.extend(line);
    }
}
