//! Due work: what it is while it waits, while it is held, and what came of it.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;
use uuid::Uuid;

/// Which handler delivers it. A closed list, in the spelling of the database
/// and of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Kind(pub &'static str);

/// Where a piece of work is. `open` until it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WorkState {
    /// To be delivered when its time comes.
    Open,
    /// Over: delivered.
    Done,
    /// Over: given up, or refused for good.
    Failed,
    /// Over: taken back before its time.
    Cancelled,
}

/// A wish for something to happen.
#[derive(Clone, Debug)]
pub struct NewWork {
    /// A fresh id; receivers know it as the id of the delivery.
    pub work_id: Uuid,
    /// Which handler.
    pub kind: Kind,
    /// Whose it is.
    pub account_id: Option<Uuid>,
    /// Makes a repeat harmless, within account and kind.
    pub dedupe: Option<String>,
    /// What the handler needs.
    pub payload: Value,
    /// Shares a limit with others of the lane.
    pub lane: String,
}

/// Work that this instance holds until its lease ends.
#[derive(Clone, Debug)]
pub struct Work {
    /// Its id.
    pub work_id: Uuid,
    /// Which handler.
    pub kind: Kind,
    /// Whose it is.
    pub account_id: Option<Uuid>,
    /// What the handler needs.
    pub payload: Value,
    /// The lane it is delivered in.
    pub lane: Arc<str>,
    /// When it was meant to happen.
    pub due_at: Timestamp,
    /// When it was claimed for the first time.
    pub fired_at: Timestamp,
    /// Attempts before this one.
    pub attempts: i32,
    /// Failed attempts of the present schedule.
    pub failures: i32,
    /// The fencing token of this claim.
    pub fence: i64,
    /// The database's clock at the claim …
    pub claimed_at: Timestamp,
    /// … and the moment when we heard of it.
    pub heard: Instant,
}

/// What came of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Delivered.
    Done {
        /// The HTTP status, where there is one.
        status: u16,
    },
    /// Refused for good.
    Refused {
        /// The HTTP status; 0: there was none.
        status: u16,
        /// Why, in a few words.
        why: String,
    },
    /// Not this time.
    Again {
        /// The HTTP status; 0: there was none.
        status: u16,
        /// Why, in a few words.
        why: String,
    },
}

/// An attempt, to be recorded.
#[derive(Clone, Debug)]
pub struct Report {
    /// The work.
    pub work_id: Uuid,
    /// The claim under which it was attempted.
    pub fence: i64,
    /// Where it is now.
    pub state: WorkState,
    /// Until the next attempt, while it is open.
    pub delay: Duration,
    /// The HTTP status; 0: there was none.
    pub status: u16,
    /// How long the attempt took.
    pub took: Duration,
    /// Why it failed; empty when it did not.
    pub failure: String,
    /// Whether it was a request to a webhook, and belongs into the ledger.
    pub is_request: bool,
}

// === impl WorkState ===

impl WorkState {
    /// The spelling in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

// === impl Work ===

impl Work {
    /// The database's clock, now: that of the claim, and what passed since.
    pub fn now(&self) -> Timestamp {
        self.claimed_at.saturating_add(self.heard.elapsed()).unwrap_or(self.claimed_at)
    }

    /// How late it is.
    pub fn lateness(&self) -> Duration {
        self.now().duration_since(self.due_at).try_into().unwrap_or_default()
    }
}
