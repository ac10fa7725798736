//! Lists of events as they were told last. The members of a calendar read the same windows again
//! and again, mostly without anything new in them: whoever reads a window once more
//! asks the database how far its calendars are, and gets what was told if nothing has changed since.
//!
//! A list is kept with what was [known](Known) of its calendars before it was read: it may hold
//! more than that, and never less. It is kept from its second reading on, for many windows are read once.

use std::{sync::Arc, time::Duration};

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
/// A list is read anew after this, whatever is known.
const LIFETIME: Duration = Duration::from_mins(1);

/// Lists of events by what was asked for.
#[derive(Debug)]
pub struct Lists {
    /// None: it was read once.
    told: Cache<Asked, Option<Arc<Told>>>,
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
        let weigh = |_: &Asked, told: &Option<Arc<Told>>| {
            let bytes = told.as_ref().map_or(0, |told| told.list.json.len());
            u32::try_from(OVERHEAD + bytes).unwrap_or(u32::MAX)
        };
        Self { told: Cache::builder().weigher(weigh).max_capacity(CAPACITY).time_to_live(LIFETIME).build() }
    }
}

impl Lists {
    /// Whether it was asked for lately: then it is worth to find out what is known.
    pub(super) fn has_heard(&self, asked: &Asked) -> bool {
        self.told.contains_key(asked)
    }

    /// What was told, where what is known is the same; else what `read` reads now.
    pub(super) async fn tell(
        &self,
        asked: Asked,
        known: Option<Arc<[Known]>>,
        read: impl AsyncFnOnce() -> Result<EventList, Fault>,
    ) -> Result<EventList, Fault> {
        if let Some(known) = &known
            && let Some(told) = self.told.get(&asked).flatten()
            && told.known == *known
        {
            count("kept");
            return Ok(told.list.clone());
        }
        let list = read().await?;
        count("read");
        self.keep(asked, known, &list);
        Ok(list)
    }

    /// What was read after this was known; without that only that it was asked for.
    fn keep(&self, asked: Asked, known: Option<Arc<[Known]>>, list: &EventList) {
        if list.json.len() > LONGEST {
            return;
        }
        let told = known.map(|known| {
            // Without the room that was left at its end.
            let json = Bytes::copy_from_slice(&list.json);
            Arc::new(Told { known, list: EventList { json, next_cursor: list.next_cursor.clone() } })
        });
        self.told.insert(asked, told);
        gauge!("event_lists_bytes", "service" => "calendar").set(self.told.weighted_size() as f64);
    }
}

fn count(outcome: &'static str) {
    counter!("event_lists_total", "service" => "calendar", "outcome" => outcome).increment(1);
}
