//! Tells every instance what was committed, what was said, and who is where.
//!
//! A publication is a wake-up and a copy, never the truth: a lost one is healed
//! by reading the log, and what is in no log is best effort. That is why
//! [`RoomBus::publish`] cannot fail.

mod memory;
mod peers;
mod pulse;
mod redis;
mod wire;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;
use uuid::Uuid;

pub use self::{memory::MemoryBus, redis::RedisBus};
use crate::model::Change;

/// Publications a subscriber may be behind before it has to read the log instead.
const BACKLOG: usize = 4096;

/// What an instance tells the others.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Publication {
    /// Committed changes, in order within each calendar.
    Changes(Vec<Change>),
    /// A frame that is in no calendar's log, for whoever is connected now.
    Frame {
        /// Who hears it.
        to: Audience,
        /// Its JSON text.
        frame: Arc<str>,
    },
    /// Every account that is connected to the sending instance, and how often.
    Roster(Vec<(Uuid, u32)>),
    /// How often one account is connected to the sending instance now.
    Sockets(Uuid, u32),
    /// A wish to hear every roster, now: from who just came, or missed something.
    WhoIsThere,
    /// Something for people, in a room or not.
    Call(Call),
}

/// Says that something is there for people; what it is stands in the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// Each of these accounts has something new in its inbox.
    Inbox(Vec<Uuid>),
    /// This reminder is for a room, or for everybody.
    Reminder(String),
}

/// Who hears a frame that is in no calendar's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// Every connection.
    Everybody,
    /// The connections of these accounts.
    Accounts(Vec<Uuid>),
}

/// What a subscriber reads.
#[derive(Clone, Debug)]
pub enum Heard {
    /// An instance, perhaps this one, has published something.
    Said {
        /// The instance.
        by: Uuid,
        /// What it says.
        what: Arc<Publication>,
    },
    /// Something may have been published and not come here: read the log.
    Missed,
}

/// What a subscriber reads from. `RecvError::Lagged` means the same as [`Heard::Missed`].
pub type Feed = broadcast::Receiver<Heard>;

/// Carries publications to whoever keeps rooms.
pub trait RoomBus: Send + Sync + 'static {
    /// The name under which this instance speaks.
    fn instance(&self) -> Uuid;
    /// Hands something to this instance and all others. Never blocks, never fails.
    fn publish(&self, publication: Publication);
    /// Hands something to the others only: this instance has seen to it already.
    fn forward(&self, publication: Publication);
    /// Everything published from now on, by any instance.
    fn subscribe(&self) -> Feed;
    /// Whether what is published comes to the others, as far as is known.
    fn is_healthy(&self) -> bool;
    /// Whether there can be others.
    fn has_others(&self) -> bool;
    /// What is published from now on goes nowhere; what waits still goes out.
    fn close(&self);
}

/// Counts what was committed, where it was committed.
fn count(publication: &Publication) {
    if let Publication::Changes(changes) = publication {
        for change in changes {
            let kind = change.kind.as_str();
            metrics::counter!("calendar_changes_total", "service" => "calendar", "kind" => kind).increment(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_crosses_a_wire() {
        for call in [Call::Inbox(vec![Uuid::from_u128(7)]), Call::Reminder("r".to_owned())] {
            let wire = serde_json::to_string(&call).unwrap();
            assert_eq!(serde_json::from_str::<Call>(&wire).unwrap(), call, "{wire}");
        }
    }
}
