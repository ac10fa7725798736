//! Timers as their owners see them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Where a timer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimerState {
    /// Its time has not come.
    Waiting,
    /// Due; attempts are under way.
    Delivering,
    /// Its webhook has taken it.
    Delivered,
    /// A dead letter.
    Failed,
    /// Taken back in time.
    Cancelled,
}

/// A timer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimerView {
    /// Unguessable.
    pub timer_id: Uuid,
    /// Whole seconds, rounded up; 0 when due or over.
    pub time_left: u64,
    /// Where it is.
    pub state: TimerState,
    /// Requests so far.
    pub attempts: u32,
    /// The HTTP status of the last one; 0: none, or it had no answer.
    pub last_status: u32,
    /// When it fired.
    pub fired_at: Option<Timestamp>,
    /// When it fires.
    pub due_at: Timestamp,
    /// Whom it calls.
    pub url: String,
    /// When it was set.
    pub created_at: Timestamp,
}

/// Which timers of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerPage {
    /// Only those in this state.
    pub state: Option<TimerState>,
    /// Only those set before this one: the last of the page before.
    pub before: Option<(Timestamp, Uuid)>,
    /// How many.
    pub limit: i64,
}

// === impl TimerState ===

impl TimerState {
    /// Every state.
    pub const ALL: [Self; 5] =
        [Self::Waiting, Self::Delivering, Self::Delivered, Self::Failed, Self::Cancelled];

    /// The spelling that clients see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivering => "delivering",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state of this spelling.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}
