//! What clients say, every frame of it.
//!
//! `/ws` sends `{"type": T, "id": any?, …payload}`; Socket.IO names the event T
//! and sends the payload. Both are read here, into the same [`Ask`]. Unknown
//! fields are ignored; every wrong type is answered with the field named.

use chassis::{
    fault::{Fault, FieldError, Reason},
    idempotency::IdempotencyKey,
};
use secrecy::SecretString;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::command::Order;
use crate::model::EventFields;

/// Calendars that one `resume` may name.
const MAX_RESUMED: usize = 200;

/// A frame that can be read: what the client wants, and the `id` it gave.
#[derive(Debug)]
pub(super) struct ClientFrame {
    /// Echoed in the ack; null counts as absent.
    pub(super) id: Option<Value>,
    /// What the client wants, or why it cannot be understood.
    pub(super) ask: Result<Ask, Fault>,
}

/// Not a frame at all: not JSON, no object, no `type`.
#[derive(Debug)]
pub(super) struct Malformed {
    /// The `id`, where one could be read.
    pub(super) id: Option<Value>,
    /// What is wrong.
    pub(super) fault: Fault,
}

/// What a client wants.
#[derive(Debug)]
pub(super) enum Ask {
    /// Say something: in a room, or to everybody.
    Message {
        /// The room; `None`: everybody.
        calendar_name: Option<String>,
        /// The text.
        message: String,
        /// A repeat is not kept again. Without a room nothing is kept at all.
        key: Option<IdempotencyKey>,
    },
    /// Become a member if need be, and put this connection into the room.
    JoinCalendar {
        /// The room.
        calendar_name: String,
        /// Needed of who is not a member yet.
        calendar_password: Option<SecretString>,
        /// The newest change that the client has: what it missed is replayed.
        last_seq: Option<i64>,
    },
    /// End the membership.
    LeaveCalendar {
        /// The room.
        calendar_name: String,
    },
    /// Create an event.
    CreateEvent {
        /// The room.
        calendar_name: String,
        /// Its content.
        fields: Box<EventFields>,
        /// A repeat creates nothing.
        key: Option<IdempotencyKey>,
    },
    /// Merge fields into an event.
    UpdateEvent {
        /// The event.
        event_id: Uuid,
        /// The revision the client knows, or `*`.
        etag: String,
        /// What is to change.
        fields: Box<EventFields>,
    },
    /// Delete an event.
    DeleteEvent {
        /// The event.
        event_id: Uuid,
        /// The revision the client knows, or `*`.
        etag: String,
    },
    /// Put this connection into several rooms and replay each.
    Resume {
        /// Names, each with the newest change that the client has.
        calendars: Vec<(String, i64)>,
    },
    /// The event-reminder protocol of the source.
    Command(Order),
}

/// Reads the fields of a payload and collects what is wrong with them.
struct Reader {
    payload: Map<String, Value>,
    errors: Vec<FieldError>,
}

// === impl ClientFrame ===

impl ClientFrame {
    /// Reads a frame of `/ws`.
    pub(super) fn parse(text: &str) -> Result<Self, Box<Malformed>> {
        let broken =
            |id, detail: &str| Box::new(Malformed { id, fault: Fault::new(Reason::Invalid, detail) });
        let payload: Value =
            serde_json::from_str(text).map_err(|error| broken(None, &format!("not JSON: {error}")))?;
        let Value::Object(mut payload) = payload else {
            return Err(broken(None, "a frame is a JSON object"));
        };
        let id = payload.remove("id").filter(|id| !id.is_null());
        let Some(Value::String(kind)) = payload.remove("type") else {
            return Err(broken(id, "a frame needs a `type`, a text"));
        };
        Ok(Self { id, ask: Ask::read(&kind, payload) })
    }
}

// === impl Ask ===

impl Ask {
    /// Reads the payload of a frame, or a Socket.IO event, of this name.
    pub(super) fn read(kind: &str, payload: Map<String, Value>) -> Result<Self, Fault> {
        let mut reader = Reader { payload, errors: Vec::new() };
        let ask = match kind {
            "message" => Self::Message {
                calendar_name: reader.optional_text("calendar_name"),
                message: reader.text("message"),
                key: reader.idempotency_key(),
            },
            "join_calendar" => Self::JoinCalendar {
                calendar_name: reader.text("calendar_name"),
                calendar_password: reader.optional_text("calendar_password").map(SecretString::from),
                last_seq: reader.optional_seq("last_seq"),
            },
            "leave_calendar" => Self::LeaveCalendar { calendar_name: reader.text("calendar_name") },
            "create_event" => Self::CreateEvent {
                calendar_name: reader.text("calendar_name"),
                key: reader.idempotency_key(),
                fields: Box::new(reader.fields()?),
            },
            "update_event" => Self::UpdateEvent {
                event_id: reader.event_id()?,
                etag: reader.text("etag"),
                fields: Box::new(reader.fields()?),
            },
            "delete_event" => Self::DeleteEvent { event_id: reader.event_id()?, etag: reader.text("etag") },
            "resume" => Self::Resume { calendars: reader.calendars() },
            "command" => return Ok(Self::Command(Order::read(reader.payload))),
            unknown => {
                let known = "message, join_calendar, leave_calendar, create_event, update_event, delete_event, \
                             resume, command";
                let unknown: String = unknown.chars().take(64).collect();
                return Err(Fault::invalid("type", format!("`{unknown}` is not one of {known}")));
            }
        };
        if reader.errors.is_empty() {
            Ok(ask)
        } else {
            Err(Fault::of(Reason::Invalid).with_fields(reader.errors))
        }
    }
}

// === impl Reader ===

impl Reader {
    fn wrong(&mut self, field: &str, rule: &str) {
        self.errors.push(FieldError { field: field.to_owned(), message: rule.to_owned() });
    }

    fn text(&mut self, field: &str) -> String {
        match self.payload.remove(field) {
            Some(Value::String(text)) => return text,
            None | Some(Value::Null) => self.wrong(field, "is required"),
            Some(_) => self.wrong(field, "must be a text"),
        }
        String::new()
    }

    fn optional_text(&mut self, field: &str) -> Option<String> {
        match self.payload.remove(field) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text),
            Some(_) => {
                self.wrong(field, "must be a text");
                None
            }
        }
    }

    /// Every frame that creates something takes one.
    fn idempotency_key(&mut self) -> Option<IdempotencyKey> {
        let text = self.optional_text("idempotency_key")?;
        IdempotencyKey::parse(&text).map_err(|rule| self.wrong("idempotency_key", rule)).ok()
    }

    fn optional_seq(&mut self, field: &str) -> Option<i64> {
        let value = self.payload.remove(field).filter(|value| !value.is_null())?;
        let seq = value.as_i64().filter(|seq| *seq >= 0);
        if seq.is_none() {
            self.wrong(field, "must be a whole number, 0 or more");
        }
        seq
    }

    /// An id that is none is an event that is not there: a stranger learns nothing.
    fn event_id(&mut self) -> Result<Uuid, Fault> {
        let text = self.text("event_id");
        if self.errors.is_empty() {
            Uuid::parse_str(&text).map_err(|_| Fault::of(Reason::EventNotFound))
        } else {
            Ok(Uuid::nil())
        }
    }

    fn fields(&mut self) -> Result<EventFields, Fault> {
        match EventFields::from_json(&self.payload) {
            Err(fault) if fault.reason == Reason::Invalid => {
                self.errors.extend(fault.fields);
                Ok(EventFields::default())
            }
            outcome => outcome,
        }
    }

    fn calendars(&mut self) -> Vec<(String, i64)> {
        const RULE: &str = "must be an object: calendar name to the last seq you have";
        let Some(Value::Object(named)) = self.payload.remove("calendars") else {
            self.wrong("calendars", RULE);
            return Vec::new();
        };
        if named.len() > MAX_RESUMED {
            self.wrong("calendars", "names too many calendars, 200 are the most");
            return Vec::new();
        }
        let mut calendars = Vec::with_capacity(named.len());
        for (name, seq) in named {
            match seq.as_i64().filter(|seq| *seq >= 0) {
                Some(seq) => calendars.push((name, seq)),
                None => self.wrong("calendars", RULE),
            }
        }
        calendars
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Fault {
        ClientFrame::parse(text).unwrap().ask.unwrap_err()
    }

    #[test]
    fn a_frame_is_its_type_its_id_and_its_payload() {
        let frame = ClientFrame::parse(
            r#"{"type":"join_calendar","id":{"n":[1]},"calendar_name":"Home","calendar_password":"p","last_seq":4,"role":"owner"}"#,
        )
        .unwrap();
        assert_eq!(frame.id, Some(serde_json::json!({"n": [1]})));
        let Ok(Ask::JoinCalendar { calendar_name, last_seq: Some(4), .. }) = frame.ask else { panic!() };
        assert_eq!(calendar_name, "Home");
    }

    #[test]
    fn what_is_no_frame_is_malformed() {
        for text in ["", "{", "[]", "3", "\"message\"", "{}", r#"{"type":3}"#, "{\"type\":\"a\",}"] {
            assert!(ClientFrame::parse(text).is_err(), "{text}");
        }
        let nested = "[".repeat(200_000);
        assert!(ClientFrame::parse(&nested).is_err());
        assert_eq!(ClientFrame::parse(r#"{"id":7}"#).unwrap_err().id, Some(7.into()));
    }

    #[test]
    fn a_wrong_payload_names_its_fields() {
        let fault = refused(r#"{"type":"join_calendar","calendar_password":1,"last_seq":-1}"#);
        let named: Vec<_> = fault.fields.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(named, ["calendar_name", "calendar_password", "last_seq"]);
        assert_eq!(refused(r#"{"type":"shout"}"#).fields[0].field, "type");
        assert_eq!(refused(r#"{"type":"resume","calendars":{"a":"b"}}"#).fields[0].field, "calendars");
        let fault = refused(r#"{"type":"create_event","calendar_name":"a","event_name":3}"#);
        assert_eq!(fault.fields[0].field, "event_name");
        for key in ["1", r#""""#, r#""ä""#, &format!("\"{}\"", "k".repeat(256))] {
            for kind in ["create_event", "message"] {
                let text = format!(
                    r#"{{"type":"{kind}","calendar_name":"a","message":"b","idempotency_key":{key}}}"#
                );
                assert_eq!(refused(&text).fields[0].field, "idempotency_key", "{text}");
            }
        }
    }

    #[test]
    fn an_id_that_is_none_is_not_found() {
        let fault = refused(r#"{"type":"delete_event","event_id":"x","etag":"*"}"#);
        assert_eq!(fault.reason, Reason::EventNotFound);
        assert_eq!(refused(r#"{"type":"delete_event","etag":"*"}"#).reason, Reason::Invalid);
    }
}
