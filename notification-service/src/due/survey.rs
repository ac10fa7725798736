//! What the looks at the table have shown so far, so that none reads it twice.
//!
//! A lane that is full may have any number of rows due; a look that begins at the
//! oldest one reads past all of them, for each handful that the lane takes. So a
//! look begins where the last one ended, and lanes that had more due than they may
//! take are remembered: each goes on from its own beginning when it has room.
//!
//! It is a memory of one instance and may be wrong: rows that another one had
//! locked and let go of, a transaction that came late, a clock that was set back.
//! Therefore now and then a look begins at the oldest row again.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::Instant;

use super::flight::Room;
use crate::{
    model::Kind,
    store::{CLAIM, Claim, ClaimOrder},
};

/// From the beginning again after this …
const WHOLE: Duration = Duration::from_millis(500);
/// … or, where that takes long, after so many times as long …
const REST: u32 = 20;
/// … but never later: what another instance had locked and let go of is late by that.
const LATEST: Duration = Duration::from_secs(1);
/// More lanes are not remembered: then every look begins at the oldest row.
const MOST_LANES: usize = 256;
/// A row that is due at once may be committed, and so be seen, so long after its time.
const UNSEEN: Duration = Duration::from_millis(50);
/// The alarm's moments are rounded up by a millisecond or two.
const ROUNDED: Duration = Duration::from_millis(2);

/// What is known of the rows that are due.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// All that were due at this time are claimed, or of a lane that waits.
    since: Option<Timestamp>,
    /// Lanes that may have more due than was claimed.
    waiting: BTreeSet<String>,
    /// Some of them have room, and were not asked for lack of room in all.
    unasked: bool,
    /// When to begin at the oldest row again.
    next_whole: Option<Instant>,
}

// === impl Survey ===

impl Survey {
    /// What to claim into this room. `first` is the earliest moment at which something is known to fall
    /// due, or has: it may be announced later than it is passed.
    pub(super) fn order(
        &mut self,
        room: Room,
        first: Option<Timestamp>,
        (kinds, lease): (Vec<Kind>, Duration),
    ) -> ClaimOrder {
        let whole = self.next_whole.is_none_or(|next| Instant::now() >= next);
        let before = |moment: Timestamp| moment.saturating_sub(ROUNDED).unwrap_or(Timestamp::MIN);
        let since = self.since.filter(|_| !whole);
        let since = since.map(|since| first.map_or(since, |first| since.min(before(first))));
        let (mut waiting, mut asked) = (Vec::new(), 0);
        self.unasked = false;
        for lane in self.waiting.iter().filter(|lane| !room.busy.contains(lane)) {
            let given = room.lanes.iter().find(|(name, _)| name == lane);
            let places = given.map_or(room.usual, |(_, room)| *room);
            if asked < room.total {
                waiting.push((lane.clone(), places));
            } else {
                self.unasked = true;
            }
            asked += places;
        }
        let others: Vec<_> = self.waiting.iter().filter(|lane| !room.busy.contains(lane)).cloned().collect();
        let left_out = [room.busy, others].concat();
        ClaimOrder {
            kinds,
            total: room.total,
            since,
            left_out,
            lanes: room.lanes,
            usual: room.usual,
            waiting,
            lease,
        }
    }

    /// Whether a lane that has more due may take some of it now.
    pub(super) fn can_go_on(&self, room: &Room) -> bool {
        room.total > 0 && self.waiting.iter().any(|lane| !room.busy.contains(lane))
    }

    /// What came of it. True: everything that is due was claimed, or belongs to lanes that are full.
    pub(super) fn learn(&mut self, order: &ClaimOrder, claim: &Claim, begun: Instant) -> bool {
        if order.since.is_none() {
            self.next_whole =
                Some(claim.heard + WHOLE.max(claim.heard.duration_since(begun) * REST).min(LATEST));
        }
        // With room for all of them together; else what was not taken is not told from what is not there.
        let is_cut = claim.works.len() >= order.total;
        if !is_cut {
            let mut taken = BTreeMap::<&str, usize>::new();
            for work in &claim.works {
                *taken.entry(&work.lane).or_default() += 1;
            }
            for (lane, room) in &order.waiting {
                if taken.get(lane.as_str()).copied().unwrap_or_default() < *room {
                    self.waiting.remove(lane);
                }
            }
        }
        self.waiting.extend(claim.leftover.iter().cloned());
        let all = !is_cut && !self.unasked && claim.seen < CLAIM;
        if all {
            // A lane that was left out because it is full may have anything.
            let asked: BTreeSet<_> = order.waiting.iter().map(|(lane, _)| lane).collect();
            let full = order.left_out.iter().filter(|lane| !asked.contains(lane));
            self.waiting.extend(full.cloned());
            self.since = claim.now.saturating_sub(UNSEEN).ok();
        } else if order.since.is_none() {
            // It has not come to its end: the next one begins at the oldest again.
            self.since = None;
        }
        if self.waiting.len() > MOST_LANES {
            *self = Self::default();
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use serde_json::Value;
    use uuid::Uuid;

    use super::*;
    use crate::model::Work;

    /// Rooms of each lane, rows that are due: a table as the claim's statement reads it.
    #[derive(Default)]
    struct Table {
        now: i64,
        /// When it fell due, its lane.
        open: Vec<(i64, &'static str)>,
        read: usize,
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn work(lane: &str) -> Work {
        Work {
            work_id: Uuid::nil(),
            kind: Kind("timer"),
            account_id: None,
            payload: Value::Null,
            lane: Arc::from(lane),
            due_at: Timestamp::UNIX_EPOCH,
            fired_at: Timestamp::UNIX_EPOCH,
            attempts: 0,
            failures: 0,
            fence: 1,
            claimed_at: Timestamp::UNIX_EPOCH,
            heard: Instant::now(),
        }
    }

    impl Table {
        fn claim(&mut self, order: &ClaimOrder) -> Claim {
            self.open.sort_unstable();
            let (mut seen, mut taken, mut leftover) = (0, BTreeMap::<&str, usize>::new(), BTreeSet::new());
            let mut left: BTreeMap<&str, usize> =
                order.waiting.iter().map(|(lane, room)| (lane.as_str(), *room)).collect();
            let mut works = Vec::new();
            let now = self.now;
            self.open.retain(|(due, lane)| {
                if *due > now {
                    return true;
                }
                if let Some(room) = left.get_mut(lane)
                    && *room > 0
                    && works.len() < order.total
                {
                    *room -= 1;
                    works.push(work(lane));
                    return false;
                }
                if order.since.is_some_and(|since| at(*due) <= since) {
                    return true;
                }
                self.read += 1;
                if seen == CLAIM || order.left_out.iter().any(|out| out == lane) {
                    return true;
                }
                seen += 1;
                let room = order.lanes.iter().find(|(name, _)| name == lane);
                let count = taken.entry(*lane).or_default();
                if *count >= room.map_or(order.usual, |(_, room)| *room) {
                    leftover.insert((*lane).to_owned());
                    return true;
                }
                if works.len() >= order.total {
                    return true;
                }
                *count += 1;
                works.push(work(lane));
                false
            });
            let (now, heard) = (at(self.now), Instant::now());
            Claim { now, heard, seen, leftover: leftover.into_iter().collect(), works }
        }
    }

    /// Lanes of two; `full` is left out.
    fn room(total: usize, full: &[&str]) -> Room {
        let busy = full.iter().map(|lane| (*lane).to_owned()).collect();
        Room { total, busy, lanes: Vec::new(), usual: 2 }
    }

    fn turn(survey: &mut Survey, table: &mut Table, room: Room) -> (bool, Vec<Arc<str>>) {
        let order = survey.order(room, None, (vec![Kind("timer")], Duration::from_secs(3)));
        let claim = table.claim(&order);
        let all = survey.learn(&order, &claim, Instant::now());
        (all, claim.works.into_iter().map(|work| work.lane).collect())
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_lane_is_read_once_however_much_of_it_is_due() {
        let (mut survey, mut table) = (Survey::default(), Table { now: 10, ..Table::default() });
        table.open.extend(std::iter::repeat_n((5, "hot"), 400));
        table.open.push((9, "cold"));
        let (all, works) = turn(&mut survey, &mut table, room(100, &[]));
        assert!(all);
        assert_eq!(works.len(), 3, "two of the full one, and nobody else waits for it");
        let read = table.read;
        for _ in 0..100 {
            assert_eq!(turn(&mut survey, &mut table, room(100, &["hot"])), (true, vec![]));
            let (_, works) = turn(&mut survey, &mut table, room(100, &[]));
            assert_eq!(works.len(), 2);
        }
        assert_eq!(table.read, read, "not read past again");
        // What falls due now is found at once, and the rest of the lane is there.
        table.now = 11;
        table.open.push((11, "cold"));
        assert_eq!(turn(&mut survey, &mut table, room(100, &["hot"])).1, ["cold".into()]);
        assert_eq!(turn(&mut survey, &mut table, room(100, &[])).1.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_missed_is_found_by_the_next_whole_look() {
        let (mut survey, mut table) = (Survey::default(), Table { now: 10, ..Table::default() });
        assert!(turn(&mut survey, &mut table, room(100, &[])).0);
        // Another instance had it locked, and is gone.
        table.open.push((5, "a"));
        assert!(turn(&mut survey, &mut table, room(100, &[])).1.is_empty());
        tokio::time::advance(WHOLE).await;
        assert_eq!(turn(&mut survey, &mut table, room(100, &[])).1.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_announced_after_its_moment_is_looked_for() {
        let mut survey = Survey::default();
        let mut table = Table { now: 10, ..Table::default() };
        turn(&mut survey, &mut table, room(100, &[]));
        let mut order = |first| survey.order(room(1, &[]), first, (Vec::new(), Duration::ZERO)).since;
        let since = at(10) - UNSEEN;
        assert_eq!((order(None), order(Some(at(12)))), (Some(since), Some(since)));
        assert!(order(Some(at(9))).is_some_and(|since| since < at(9)));
    }

    proptest! {
        #[test]
        fn nothing_waits_while_its_lane_has_room(
            steps in prop::collection::vec((0_usize..4, 0_usize..30, 1_usize..8, prop::collection::vec(any::<bool>(), 3)), 1..60),
        ) {
            const LANES: [&str; 3] = ["a", "b", "c"];
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            runtime.block_on(async {
                let (mut survey, mut table) = (Survey::default(), Table::default());
                for (lane, count, total, busy) in steps {
                    table.now += 1;
                    if let Some(lane) = LANES.get(lane) {
                        table.open.extend(std::iter::repeat_n((table.now, *lane), count));
                    }
                    let full: Vec<_> = LANES.into_iter().zip(busy).filter(|(_, busy)| *busy).map(|(lane, _)| lane).collect();
                    let before = table.open.clone();
                    let (all, works) = turn(&mut survey, &mut table, room(total, &full));
                    prop_assert!(works.iter().all(|lane| !full.contains(&&**lane)), "a full lane got more");
                    // One that says "all" has left nothing that there was room for, of any lane.
                    for lane in LANES.into_iter().filter(|lane| all && !full.contains(lane)) {
                        let due = before.iter().filter(|(_, of)| *of == lane).count();
                        let taken = works.iter().filter(|of| &***of == lane).count();
                        prop_assert_eq!(taken, due.min(2), "of lane {}", lane);
                    }
                }
                Ok(())
            })?;
        }
    }
}
