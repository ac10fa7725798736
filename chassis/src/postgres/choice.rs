//! Which of several servers is the primary: a decision without a network.
//!
//! A promotion begins a new timeline, so of two servers that take writes the
//! one with the higher timeline is the primary and the other one was. What is
//! remembered only rises: a former primary that comes back, and is the only one
//! in sight, is not gone back to.

/// What was seen of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// It did not answer.
    Nothing,
    /// It takes writes, on this timeline.
    Primary(i64),
    /// It is in recovery; the timeline that it streams, where it streams and we may know.
    Standby(Option<i64>),
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tenure {
    /// The place of the primary among the servers; it may be away.
    pub(super) server: usize,
    /// The highest timeline ever seen; 0: none yet.
    pub(super) timeline: i64,
}

// === impl Sight ===

impl Sight {
    const fn timeline(self) -> Option<i64> {
        match self {
            Self::Primary(timeline) => Some(timeline),
            Self::Standby(timeline) => timeline,
            Self::Nothing => None,
        }
    }
}

// === impl Tenure ===

impl Tenure {
    /// Whether any server has been seen.
    pub(super) const fn is_known(self) -> bool {
        self.timeline > 0
    }

    /// Whether a server may be written to that looks like this.
    pub(super) fn admits(self, seen: Sight) -> bool {
        matches!(seen, Sight::Primary(timeline) if self.is_known() && timeline >= self.timeline)
    }

    /// Whether a server that looks like this has a share of the primary's history, and
    /// none of another one's.
    pub(super) fn is_followed_by(self, seen: Sight) -> bool {
        seen == Sight::Standby(Some(self.timeline))
    }

    /// Whose turn it is after this look at all servers.
    pub(super) fn after(self, seen: &[Sight]) -> Self {
        // Standbys count too: one that streams the next timeline says that there is
        // a new primary, also to those who do not see it.
        let timeline = seen.iter().filter_map(|sight| sight.timeline()).fold(self.timeline, i64::max);
        let is_primary = |sight: &Sight| *sight == Sight::Primary(timeline);
        // Of two that nobody can tell apart, the one that we know.
        let stays = seen.get(self.server).is_some_and(is_primary);
        let server = if stays { None } else { seen.iter().position(is_primary) };
        Self { server: server.unwrap_or(self.server), timeline }
    }

    /// Whether connections of the tenure before must not be used any more: they lead
    /// to another server, or to what this one was before.
    pub(super) fn replaces(self, before: Self) -> bool {
        self.server != before.server || (before.is_known() && self.timeline != before.timeline)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::{
        Sight::{Nothing, Primary, Standby},
        *,
    };

    const BEGINNING: Tenure = Tenure { server: 0, timeline: 0 };

    #[test]
    fn the_one_that_takes_writes_is_the_primary() {
        let first = BEGINNING.after(&[Standby(Some(1)), Primary(1), Nothing]);
        assert_eq!(first, Tenure { server: 1, timeline: 1 });
        assert!(first.replaces(BEGINNING));
        let usual = BEGINNING.after(&[Primary(1), Standby(Some(1)), Standby(None)]);
        assert_eq!(usual, Tenure { server: 0, timeline: 1 });
        assert!(!usual.replaces(BEGINNING), "the first look confirms what was assumed");
    }

    #[test]
    fn a_promotion_is_followed_and_nobody_goes_back() {
        let before = Tenure { server: 0, timeline: 1 };
        assert_eq!(before.after(&[Nothing, Standby(None), Standby(None)]), before, "it may come back");
        let promoted = before.after(&[Nothing, Primary(2), Standby(None)]);
        assert_eq!(promoted, Tenure { server: 1, timeline: 2 });
        assert!(promoted.replaces(before));
        // The old primary comes back, even alone.
        for seen in [[Primary(1), Primary(2), Standby(Some(2))], [Primary(1), Nothing, Nothing]] {
            assert_eq!(promoted.after(&seen), promoted);
            assert!(!promoted.admits(seen[0]));
        }
        // A service that starts now takes the right one, in whatever order they are given.
        assert_eq!(BEGINNING.after(&[Primary(1), Nothing, Primary(2)]).server, 2);
    }

    #[test]
    fn a_standby_of_the_next_primary_is_believed() {
        let before = Tenure { server: 0, timeline: 1 };
        let now = before.after(&[Primary(1), Nothing, Standby(Some(2))]);
        assert_eq!(now, Tenure { server: 0, timeline: 2 });
        assert!(
            now.replaces(before) && !now.admits(Primary(1)),
            "nobody writes until the primary is in sight"
        );
    }

    #[test]
    fn a_server_promoted_in_its_place_loses_the_connections_of_before() {
        let before = Tenure { server: 0, timeline: 1 };
        let now = before.after(&[Primary(2)]);
        assert_eq!(now.server, 0);
        assert!(now.replaces(before));
    }

    #[test]
    fn who_follows_somebody_else_is_not_read() {
        let now = Tenure { server: 1, timeline: 2 };
        assert!(now.is_followed_by(Standby(Some(2))));
        for seen in [Standby(Some(1)), Standby(None), Primary(2), Primary(1), Nothing] {
            assert!(!now.is_followed_by(seen), "{seen:?}");
        }
    }

    fn sight() -> impl Strategy<Value = Sight> {
        prop_oneof![
            Just(Nothing),
            (1_i64..6).prop_map(Primary),
            proptest::option::of(1_i64..6).prop_map(Standby),
        ]
    }

    proptest! {
        #[test]
        fn whatever_is_seen_nobody_goes_back(looks in vec(vec(sight(), 3), 1..30)) {
            let mut now = BEGINNING;
            for seen in looks {
                let next = now.after(&seen);
                prop_assert!(next.timeline >= now.timeline);
                if next.server != now.server {
                    prop_assert_eq!(seen[next.server], Primary(next.timeline));
                }
                // Where the highest timeline has a primary in sight, it is the one.
                if seen.contains(&Primary(next.timeline)) {
                    prop_assert!(next.admits(seen[next.server]));
                }
                for former in seen.iter().filter(|seen| matches!(seen, Primary(old) if *old < next.timeline)) {
                    prop_assert!(!next.admits(*former));
                }
                // The same again changes nothing.
                prop_assert_eq!(next.after(&seen), next);
                now = next;
            }
        }
    }
}
