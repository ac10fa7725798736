//! Events as they are kept, and as rules see them.

use serde::Serialize;
use serde_json::{Map, Value, value::RawValue};
use uuid::Uuid;

use super::{Device, Instant, derived};

/// What an event says beside who, what and when.
pub type Details = Map<String, Value>;

/// The most characters of an id.
pub(super) const LONGEST_ID: usize = 255;

/// An event as it is kept and answered: normal, whatever its shape was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentEvent {
    /// The id that the client gave it.
    pub id: Option<String>,
    /// Which device of the account.
    pub device_id: String,
    /// In the one spelling where a rule knows it, else as it was sent.
    pub kind: String,
    /// When it happened.
    pub at: Instant,
    /// The text of a JSON object.
    pub details: String,
}

/// An event as rules see it.
#[derive(Clone, Debug)]
pub struct Event {
    /// In its one spelling.
    pub kind: String,
    /// When it happened, by the device.
    pub at: Instant,
    /// When it arrived, by the database.
    pub received_at: Instant,
    /// What else it says.
    pub details: Details,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    device_id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    timestamp: String,
    details: &'a RawValue,
}

// === impl SentEvent ===

impl SentEvent {
    /// The event's own id in the database: a repeat has the same. `place` is its
    /// place in a request whose key is `key`.
    pub fn event_id(&self, account_id: Uuid, key: &str, place: usize) -> Uuid {
        let account = account_id.as_bytes();
        match &self.id {
            Some(id) => derived(&[b"event", account, id.as_bytes()]),
            None if key.is_empty() => Uuid::now_v7(),
            None => derived(&[b"key", account, key.as_bytes(), &(place as u64).to_be_bytes()]),
        }
    }

    /// Where it happened.
    pub fn device(&self, account_id: Uuid) -> Device {
        Device { account_id, device_id: self.device_id.clone() }
    }

    /// As JSON, in the improved shape.
    pub fn to_json(&self) -> String {
        let details = serde_json::from_str(&self.details).unwrap_or(RawValue::NULL);
        let written = Written {
            id: self.id.as_deref(),
            device_id: &self.device_id,
            kind: &self.kind,
            timestamp: self.at.to_string(),
            details,
        };
        serde_json::to_string(&written).unwrap_or_default()
    }
}

// === impl Event ===

impl Event {
    /// The training programme that it is about; empty: it names none.
    pub fn programme(&self) -> String {
        programme(&self.details).unwrap_or_default()
    }
}

/// `programId` of an event's details: a text or a number; none when it is
/// neither, or no good as an id.
pub fn programme(details: &Details) -> Option<String> {
    match details.get("programId") {
        None | Some(Value::Null) => Some(String::new()),
        Some(Value::Number(number)) => Some(number.to_string()),
        Some(Value::String(text)) if is_id(text, 0) => Some(text.clone()),
        Some(_) => None,
    }
}

/// Whether a text can stand for an id: bounded, and nothing in it that the
/// database or a log cannot hold.
pub(super) fn is_id(text: &str, shortest: usize) -> bool {
    (shortest..=LONGEST_ID).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}
