//! One entry of a calendar's log, and the one JSON shape of it.

use std::{fmt::Write as _, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::Role;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// An event became visible.
    EventCreated,
    /// An event has new content.
    EventUpdated,
    /// An event is gone.
    EventDeleted,
    /// Somebody is in (new, or re-admitted).
    MemberJoined,
    /// Somebody is out: left, was removed, or their account is gone. They are
    /// no participant of the calendar's events any more.
    MemberLeft,
    /// Somebody's role is another.
    RoleChanged,
    /// Somebody said something.
    Message,
    /// Name, zone, colour or default reminders are others.
    SettingsChanged,
    /// The calendar is gone; its last change.
    CalendarDeleted,
}

/// A change that has no place in the log yet.
#[derive(Clone, Debug)]
pub struct NewChange {
    /// What happened.
    pub kind: ChangeKind,
    /// The username of who did it.
    pub by: Arc<str>,
    /// The account that a member change is about.
    pub subject: Option<Uuid>,
    /// A JSON object: what the frame says beyond the other fields.
    pub payload: String,
}

/// An entry of a calendar's log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Change {
    /// Whose log.
    pub calendar_id: Uuid,
    /// Its place: 1, 2, 3 … without a gap.
    pub seq: i64,
    /// What happened.
    pub kind: ChangeKind,
    /// The username of who did it.
    pub by: Arc<str>,
    /// When, by the database's clock.
    pub at: Timestamp,
    /// The account that a member change is about.
    pub subject: Option<Uuid>,
    /// A JSON object: what the frame says beyond the other fields. An event in
    /// it says neither its calendar nor its seq: [`frame`] adds them.
    pub payload: Arc<str>,
}

// === impl ChangeKind ===

impl ChangeKind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::EventCreated,
        Self::EventUpdated,
        Self::EventDeleted,
        Self::MemberJoined,
        Self::MemberLeft,
        Self::RoleChanged,
        Self::Message,
        Self::SettingsChanged,
        Self::CalendarDeleted,
    ];

    /// The frame's `type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EventCreated => "event_created",
            Self::EventUpdated => "event_updated",
            Self::EventDeleted => "event_deleted",
            Self::MemberJoined => "member_joined",
            Self::MemberLeft => "member_left",
            Self::RoleChanged => "role_changed",
            Self::Message => "message",
            Self::SettingsChanged => "settings_changed",
            Self::CalendarDeleted => "calendar_deleted",
        }
    }

    /// The kind with this spelling.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

// === impl NewChange ===

impl NewChange {
    /// A change about one member: `{"username", "role"?}`.
    pub fn member(kind: ChangeKind, by: &Arc<str>, who: (Uuid, &str), role: Option<Role>) -> Self {
        let (account_id, username) = who;
        let payload = match role {
            Some(role) => json!({ "username": username, "role": role.as_str() }),
            None => json!({ "username": username }),
        };
        Self { kind, by: Arc::clone(by), subject: Some(account_id), payload: payload.to_string() }
    }
}

/// The room frame of a change, as sockets and REST `since` send it:
/// `{"type","seq","calendar_id","calendar_name","by","at", …payload}`.
pub fn frame(change: &Change, calendar_name: &str) -> String {
    let name = quoted(calendar_name);
    let mut frame = String::with_capacity(change.payload.len() + 2 * name.len() + 240);
    let Change { calendar_id, seq, kind, by, at, payload, .. } = change;
    // Writing to a String cannot fail.
    let _ = write!(
        frame,
        r#"{{"type":"{}","seq":{seq},"calendar_id":"{calendar_id}","calendar_name":{name},"by":{},"at":"{at}""#,
        kind.as_str(),
        quoted(by),
    );
    let inner = payload.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or("");
    if !inner.is_empty() {
        frame.push(',');
        frame.push_str(inner);
    }
    if matches!(kind, ChangeKind::EventCreated | ChangeKind::EventUpdated) && frame.ends_with('}') {
        frame.pop();
        let _ = write!(frame, r#","calendar_id":"{calendar_id}","calendar_name":{name},"seq":{seq}}}"#);
    }
    frame.push('}');
    frame
}

/// A JSON string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn change(kind: ChangeKind, payload: &str) -> Change {
        Change {
            calendar_id: Uuid::nil(),
            seq: 7,
            kind,
            by: "zoë \"z\"".into(),
            at: "2026-03-01T10:00:00Z".parse().unwrap(),
            subject: None,
            payload: payload.into(),
        }
    }

    #[test]
    fn a_frame_is_the_columns_and_the_payload() {
        let frame: Value =
            serde_json::from_str(&frame(&change(ChangeKind::Message, r#"{"message":"hi \"}"}"#), "A \"b\""))
                .unwrap();
        assert_eq!(
            frame,
            json!({
                "type": "message", "seq": 7, "calendar_id": Uuid::nil(), "calendar_name": "A \"b\"",
                "by": "zoë \"z\"", "at": "2026-03-01T10:00:00Z", "message": "hi \"}",
            })
        );
    }

    #[test]
    fn an_event_in_a_frame_gets_its_calendar_and_its_seq() {
        let payload = r#"{"event":{"event_name":"x"}}"#;
        let frame: Value =
            serde_json::from_str(&frame(&change(ChangeKind::EventCreated, payload), "n")).unwrap();
        let event = json!({ "event_name": "x", "calendar_id": Uuid::nil(), "calendar_name": "n", "seq": 7 });
        assert_eq!(frame["event"], event);
    }

    #[test]
    fn an_empty_payload_adds_nothing() {
        let frame: Value =
            serde_json::from_str(&frame(&change(ChangeKind::CalendarDeleted, "{}"), "n")).unwrap();
        assert_eq!(frame.as_object().unwrap().len(), 6);
    }

    #[test]
    fn kinds_are_read_back_from_their_spelling() {
        for kind in ChangeKind::ALL {
            assert_eq!(ChangeKind::parse(kind.as_str()), Some(kind));
            assert_eq!(json!(kind), kind.as_str(), "instances spell it alike");
        }
    }
}
