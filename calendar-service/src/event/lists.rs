//! Lists of events as they were told last. The members of a calendar read the same windows again
//! and again, mostly without anything new in them: whoever reads a window once more
//! asks the database how far its calendars are, and gets what was told if nothing has changed since.
//!
//! A list is kept with what was [known](Known) of its calendars before it was read: it may hold
//! more than that, and never less. It is kept from its second reading on, for many windows are read once.

use std::{
    hash::{BuildHasher as _, RandomState},
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
/// What a list takes besides its bytes, about.
const OVERHEAD: usize = 400;
/// So many questions are remembered, at most.
const REMEMBERED: usize = 8192;
/// A list is read anew after this, whatever is known.
const LIFETIME: Duration = Duration::from_mins(1);

/// Lists of events by what was asked for.
#[derive(Debug)]
pub struct Lists {
    told: Cache<Asked, Arc<Told>>,
    /// Hashes of what was asked for lately, each at the place that it gives itself.
    asked: Box<[AtomicU64]>,
    hasher: RandomState,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Asked {
    /// The events of all calendars of an account, or of the one with this name key.
    Joined { account_id: Uuid, name_key: Option<String>, window: Window },
    /// A page of a calendar, the same for all members.
    Page { calendar_id: Uuid, page: WindowPage },
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
        let weigh =
            |_: &Asked, told: &Arc<Told>| u32::try_from(OVERHEAD + told.list.json.len()).unwrap_or(u32::MAX);
        Self {
            told: Cache::builder().weigher(weigh).max_capacity(CAPACITY).time_to_live(LIFETIME).build(),
            asked: repeat_with(AtomicU64::default).take(REMEMBERED).collect(),
            hasher: RandomState::new(),
        }
    }
}

impl Lists {
    /// Whether it was asked for lately: then it is worth to find out what is known. From now on it was.
    pub(super) fn has_heard(&self, asked: &Asked) -> bool {
        let hash = self.hasher.hash_one(asked);
        self.asked[hash as usize % REMEMBERED].swap(hash, Ordering::Relaxed) == hash
    }

    /// What was told, where what is known is the same; else what `read` reads now.
    pub(super) async fn tell(
        &self,
        asked: Asked,
        known: Option<Arc<[Known]>>,
        read: impl AsyncFnOnce() -> Result<EventList, Fault>,
    ) -> Result<EventList, Fault> {
        if let Some(known) = &known
            && let Some(told) = self.told.get(&asked)
            && told.known == *known
        {
            count("kept");
            return Ok(told.list.clone());
        }
        let list = read().await?;
        count("read");
        if let Some(known) = known
            && list.json.len() <= LONGEST
        {
            self.keep(asked, known, &list);
        }
        Ok(list)
    }

    /// What was read after this was known.
    fn keep(&self, asked: Asked, known: Arc<[Known]>, list: &EventList) {
        // Without the room that was left at its end.
        let json = Bytes::copy_from_slice(&list.json);
        let list = EventList { json, next_cursor: list.next_cursor.clone() };
        self.told.insert(asked, Arc::new(Told { known, list }));
        gauge!("event_lists_bytes", "service" => "calendar").set(self.told.weighted_size() as f64);
    }
}

fn count(outcome: &'static str) {
    counter!("event_lists_total", "service" => "calendar", "outcome" => outcome).increment(1);
}
