//! One entry of a person's inbox, and the one JSON shape of it.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InboxKind {
    /// A reminder of an event.
    Reminder,
    /// Something that a service, or somebody through it, says to the person.
    Notification,
}

/// An entry of a person's inbox.
#[derive(Clone, Debug)]
pub struct InboxEntry {
    /// Whose inbox.
    pub account_id: Uuid,
    /// Its place: 1, 2, 3 … without a gap.
    pub seq: i64,
    /// What it is.
    pub kind: InboxKind,
    /// A JSON object: what the frame says beyond the other fields.
    pub payload: String,
    /// When it came, by the database's clock.
    pub at: Timestamp,
    /// Whether the person has seen it.
    pub seen: bool,
}

/// The payload of a notification.
#[derive(Debug, Serialize)]
pub struct NotificationPayload<'a> {
    /// The id under which it was delivered.
    pub id: &'a str,
    /// The text.
    pub message: &'a str,
    /// The device it is about; empty: none.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub device_id: &'a str,
}

/// The payload of a reminder of an event.
#[derive(Debug, Serialize)]
pub struct ReminderPayload<'a> {
    /// The event's name.
    pub name: &'a str,
    /// The event's start, RFC 3339 UTC with milliseconds.
    pub time: &'a str,
    /// The id under which it was delivered.
    #[serde(rename = "_id")]
    pub id: &'a str,
    /// The event.
    pub event_id: Uuid,
    /// Its calendar's name.
    pub calendar_name: &'a str,
    /// How long before the start it was to come.
    pub minutes_before: u32,
    /// It comes late.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
}

// === impl InboxKind ===

impl InboxKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Reminder, Self::Notification];

    /// The spelling in the database and on REST.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reminder => "reminder",
            Self::Notification => "notification",
        }
    }

    /// The kind with this spelling.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

// === impl InboxEntry ===

impl InboxEntry {
    /// The frame, as sockets and REST give it:
    /// `{"type":"notification","seq", …payload,"at"}`, and for reminders, whose
    /// fields are the source's, `{"type":"eventReminder", …payload,"inbox_seq"}`.
    pub fn frame(&self) -> String {
        let inner = self.payload.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let inner = inner.unwrap_or_default();
        let comma = if inner.is_empty() { "" } else { "," };
        let mut frame = String::with_capacity(inner.len() + 100);
        // Writing to a String cannot fail.
        let _ = match self.kind {
            InboxKind::Notification => write!(
                frame,
                r#"{{"type":"notification","seq":{}{comma}{inner},"at":"{}"}}"#,
                self.seq, self.at
            ),
            InboxKind::Reminder => {
                write!(frame, r#"{{"type":"eventReminder"{comma}{inner},"inbox_seq":{}}}"#, self.seq)
            }
        };
        frame
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn entry(kind: InboxKind, payload: &str) -> InboxEntry {
        InboxEntry {
            account_id: Uuid::nil(),
            seq: 3,
            kind,
            payload: payload.to_owned(),
            at: "2026-03-01T10:00:00Z".parse().unwrap(),
            seen: false,
        }
    }

    fn frame(entry: &InboxEntry) -> Value {
        serde_json::from_str(&entry.frame()).unwrap()
    }

    #[test]
    fn a_frame_is_the_columns_and_the_payload() {
        let payload = NotificationPayload { id: "a", message: "hi \"}\u{0}", device_id: "" };
        let payload = serde_json::to_string(&payload).unwrap();
        assert_eq!(
            frame(&entry(InboxKind::Notification, &payload)),
            json!({
                "type": "notification", "seq": 3, "id": "a", "message": "hi \"}\u{0}", "at": "2026-03-01T10:00:00Z",
            })
        );
        let payload = ReminderPayload {
            name: "Dinner",
            time: "2026-03-01T11:00:00.000Z",
            id: "b",
            event_id: Uuid::nil(),
            calendar_name: "Home",
            minutes_before: 60,
            late: true,
        };
        let payload = serde_json::to_string(&payload).unwrap();
        assert_eq!(
            frame(&entry(InboxKind::Reminder, &payload)),
            json!({
                "type": "eventReminder", "name": "Dinner", "time": "2026-03-01T11:00:00.000Z", "_id": "b",
                "event_id": Uuid::nil(), "calendar_name": "Home", "minutes_before": 60, "late": true, "inbox_seq": 3,
            })
        );
        assert_eq!(frame(&entry(InboxKind::Reminder, "{}"))["inbox_seq"], 3);
    }

    #[test]
    fn kinds_are_read_back_from_their_spelling() {
        for kind in InboxKind::ALL {
            assert_eq!(InboxKind::parse(kind.as_str()), Some(kind));
        }
    }
}
