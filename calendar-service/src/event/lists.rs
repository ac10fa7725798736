//! Lists of events as they were told last. The members of a calendar read the same windows again
//! and again, mostly without anything new in them: whoever reads a window once more
//! asks the database how far its calendars are, and gets what was told if nothing has changed since.
//!
//! A list is kept with what was [known](Known) of its calendars before it was read, where that was known after it as
//! well: then it shows just that, whoever came, left or wrote meanwhile. It is kept from its second reading on,
//! for many windows are read once.

use std::{
    hash::{BuildHasher as _, Hash, RandomState},
    iter::repeat_with,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use chassis::fault::Fault;
use metrics::{counter, gauge};
use moka::sync::Cache;
use uuid::Uuid;

use crate::store::{Known, Window, WindowPage};

/// Bytes of all lists.
const CAPACITY: u64 = 16 << 20;
/// Bytes of a list that is kept: many small ones are worth more.
const LONGEST: usize = 1 << 20;
/// What a list takes besides what is counted, about.
const OVERHEAD: usize = 400;
/// So many questions are remembered, at most.
const REMEMBERED: usize = 8192;
/// A list is read anew after this, whatever is known: what somebody changed past the log is seen then.
const LIFETIME: Duration = Duration::from_mins(10);

/// Lists of events by what they show.
#[derive(Debug)]
pub struct Lists {
    told: Cache<Shown, Arc<Told>>,
    /// Hashes of what was asked lately, each at the place that it gives itself.
    asked: Box<[AtomicU64]>,
    hasher: RandomState,
}

/// What a list shows: the same to everybody who may see it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Shown {
    /// The events of these calendars.
    Window(Vec<Uuid>, Window),
    /// A page of a calendar.
    Page(Uuid, WindowPage),
}

/// A question as it was heard now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Heard {
    place: usize,
    /// Whether it was asked lately.
    pub(super) again: bool,
}

/// Events as their readers see them (docs/adr/0016).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventList {
    /// A JSON array of events, ordered by start.
    pub json: Bytes,
    /// Where the next page begins; empty after the last.
    pub next_cursor: String,
}

#[derive(Debug)]
struct Told {
    known: Arc<[Known]>,
    list: EventList,
}

// === impl Lists ===

impl Default for Lists {
    fn default() -> Self {
        let weigh = |shown: &Shown, told: &Arc<Told>| told.weight(shown);
        Self {
            told: Cache::builder().weigher(weigh).max_capacity(CAPACITY).time_to_live(LIFETIME).build(),
            asked: repeat_with(AtomicU64::default).take(REMEMBERED).collect(),
            hasher: RandomState::new(),
        }
    }
}

impl Lists {
    /// Hears a question: if it was asked lately, it is worth to find out what is known.
    pub(super) fn hear(&self, question: &impl Hash) -> Heard {
        let hash = self.hasher.hash_one(question);
        let place = hash as usize % REMEMBERED;
        let before = self.asked[place].swap(hash, Ordering::Relaxed);
        Heard { place, again: before == hash }
    }

    /// The answer to a question that was asked before: what was told, while what is known is the same;
    /// else what `read` reads now. `know` says what is known after that.
    pub(super) async fn tell_again(
        &self,
        heard: Heard,
        (shown, known): (Shown, Arc<[Known]>),
        read: impl AsyncFnOnce() -> Result<EventList, Fault>,
        know: impl AsyncFnOnce() -> Result<Arc<[Known]>, Fault>,
    ) -> Result<EventList, Fault> {
        if let Some(told) = self.told.get(&shown)
            && told.known == known
        {
            count("kept");
            return Ok(told.list.clone());
        }
        let list = self.tell(read).await?;
        if list.json.len() > LONGEST {
            // It will not be kept the next time either.
            self.asked[heard.place].store(0, Ordering::Relaxed);
        } else if know().await.is_ok_and(|after| after == known) {
            // Without the room that was left at its end.
            let json = Bytes::copy_from_slice(&list.json);
            let kept = EventList { json, next_cursor: list.next_cursor.clone() };
            self.told.insert(shown, Arc::new(Told { known, list: kept }));
        }
        Ok(list)
    }

    /// What `read` reads now.
    pub(super) async fn tell(
        &self,
        read: impl AsyncFnOnce() -> Result<EventList, Fault>,
    ) -> Result<EventList, Fault> {
        let list = read().await?;
        count("read");
        Ok(list)
    }

    /// Says how much is kept.
    pub(crate) fn measure(&self) {
        self.told.run_pending_tasks();
        gauge!("event_lists_bytes", "service" => "calendar").set(self.told.weighted_size() as f64);
    }
}

fn count(outcome: &'static str) {
    counter!("event_lists_total", "service" => "calendar", "outcome" => outcome).increment(1);
}

// === impl EventList ===

impl EventList {
    /// Whether there are no events in it.
    pub(super) fn is_empty(&self) -> bool {
        self.json == "[]"
    }
}

// === impl Told ===

impl Told {
    fn weight(&self, shown: &Shown) -> u32 {
        let calendars = match shown {
            Shown::Window(calendars, _) => size_of_val(calendars.as_slice()),
            Shown::Page(..) => 0,
        };
        let list = self.list.json.len() + self.list.next_cursor.len();
        u32::try_from(OVERHEAD + calendars + size_of_val(&*self.known) + list).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn known(last_seq: i64) -> Arc<[Known]> {
        [Known { calendar_id: Uuid::nil(), timeline: 1, last_seq, messages: 0, withdrawals: 0 }].into()
    }

    fn shown() -> Shown {
        Shown::Window(vec![Uuid::nil()], Window::default())
    }

    /// Asks for a list of so many bytes, while this is known; answers how often it was read.
    async fn ask(lists: &Lists, last_seq: i64, bytes: usize) -> usize {
        ask_while_moving(lists, last_seq, last_seq, bytes).await
    }

    /// The same, while what is known becomes this.
    async fn ask_while_moving(lists: &Lists, before: i64, after: i64, bytes: usize) -> usize {
        let reads = Cell::new(0);
        let read = async || {
            reads.set(reads.get() + 1);
            Ok(EventList { json: vec![b' '; bytes].into(), next_cursor: String::new() })
        };
        let heard = lists.hear(&"question");
        let list = if heard.again {
            lists.tell_again(heard, (shown(), known(before)), read, async || Ok(known(after))).await
        } else {
            lists.tell(read).await
        };
        assert_eq!(list.unwrap().json.len(), bytes);
        reads.get()
    }

    #[tokio::test]
    async fn a_list_is_kept_from_its_second_reading_to_the_next_change() {
        let lists = Lists::default();
        let mut reads = Vec::new();
        for last_seq in [1, 1, 1, 1, 2, 2] {
            reads.push(ask(&lists, last_seq, 10).await);
        }
        assert_eq!(reads, [1, 1, 0, 0, 1, 0]);
    }

    #[tokio::test]
    async fn what_was_read_while_something_changed_is_not_kept() {
        let lists = Lists::default();
        lists.hear(&"question");
        assert_eq!(ask_while_moving(&lists, 1, 2, 10).await, 1);
        assert_eq!(ask(&lists, 1, 10).await, 1, "it may show more or less than was known");
        assert_eq!(ask(&lists, 1, 10).await, 0);
    }

    #[tokio::test]
    async fn a_long_list_is_read_each_time_and_its_question_forgotten() {
        let lists = Lists::default();
        for _ in 0..4 {
            assert_eq!(ask(&lists, 1, LONGEST + 1).await, 1);
        }
        assert_eq!(lists.told.iter().count(), 0);
        assert!(!lists.hear(&"question").again, "the fourth reading was a second one");
    }

    #[tokio::test]
    async fn lists_take_no_more_than_their_room() {
        let lists = Lists::default();
        let calendars = CAPACITY as usize / LONGEST + 4;
        for calendar in 0..calendars {
            let shown = Shown::Window(vec![Uuid::from_u128(calendar as u128)], Window::default());
            let read =
                async || Ok(EventList { json: vec![b' '; LONGEST].into(), next_cursor: String::new() });
            let heard = lists.hear(&calendar);
            lists.tell_again(heard, (shown, known(1)), read, async || Ok(known(1))).await.unwrap();
        }
        lists.measure();
        assert!(lists.told.weighted_size() <= CAPACITY);
        assert!((1..calendars).contains(&lists.told.iter().count()));
    }
}
