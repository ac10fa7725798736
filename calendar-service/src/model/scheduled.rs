//! A reminder of the socket command `scheduleEvent`.

use uuid::Uuid;

/// A reminder that somebody scheduled, when it is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduledReminder {
    /// Its id.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// When it was to come, RFC 3339 UTC with milliseconds.
    pub time: String,
    /// The room; none: for everybody, as BROADCAST_SCOPE says.
    pub calendar_id: Option<Uuid>,
    /// Who scheduled it.
    pub account_id: Uuid,
    /// It comes late.
    pub late: bool,
}
