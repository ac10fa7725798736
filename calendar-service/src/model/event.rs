//! An event as its readers see it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An event: the same object on REST and sockets. Times are ready for clients:
/// RFC 3339 UTC with `Z`, or dates when `all_day`.
///
/// Answers to idempotency keys are kept in this form for 24 hours: a field that
/// is new one day needs a `serde(default)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventView {
    /// The event.
    pub event_id: Uuid,
    /// Its calendar.
    pub calendar_id: Uuid,
    /// Its calendar's name.
    pub calendar_name: String,
    /// 1 to 100 characters.
    pub event_name: String,
    /// The first instant, or the first day.
    pub event_start: String,
    /// The instant after the last, or the last day.
    pub event_end: String,
    /// IANA name: the zone that the user meant.
    pub time_zone: String,
    /// Whether start and end are dates.
    pub all_day: bool,
    /// May be empty.
    pub location: String,
    /// May be empty.
    pub description: String,
    /// Usernames.
    pub participants: Vec<String>,
    /// Minutes before the start.
    pub reminders: Vec<u32>,
    /// The creator's username.
    pub created_by: String,
    /// Opaque; changes with every change of the event.
    pub etag: String,
    /// RFC 3339 UTC.
    pub created_at: String,
    /// RFC 3339 UTC.
    pub updated_at: String,
    /// The seq of the change that made this revision.
    pub seq: i64,
}

/// The event inside a stored change: what the frame knows anyway is left out.
#[derive(Serialize)]
struct Logged<'a> {
    event_id: Uuid,
    event_name: &'a str,
    event_start: &'a str,
    event_end: &'a str,
    time_zone: &'a str,
    all_day: bool,
    location: &'a str,
    description: &'a str,
    participants: &'a [String],
    reminders: &'a [u32],
    created_by: &'a str,
    etag: &'a str,
    created_at: &'a str,
    updated_at: &'a str,
}

#[derive(Serialize)]
struct Payload<'a> {
    event: Logged<'a>,
}

// === impl EventView ===

impl EventView {
    /// The payload of `event_created` and `event_updated`: `{"event":{…}}`.
    pub fn payload(&self) -> String {
        let event = Logged {
            event_id: self.event_id,
            event_name: &self.event_name,
            event_start: &self.event_start,
            event_end: &self.event_end,
            time_zone: &self.time_zone,
            all_day: self.all_day,
            location: &self.location,
            description: &self.description,
            participants: &self.participants,
            reminders: &self.reminders,
            created_by: &self.created_by,
            etag: &self.etag,
            created_at: &self.created_at,
            updated_at: &self.updated_at,
        };
        serde_json::to_string(&Payload { event })
            .unwrap_or_else(|_| unreachable!("an event has neither maps nor floats to fail on"))
    }
}
