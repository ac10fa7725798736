//! The event-reminder protocol: `command`, as the source document's clients say
//! it, and the answer that they know.
//!
//! Source: CONTRACTS, "The same room: Socket.IO".

use std::sync::LazyLock;

use chassis::{
    fault::{Fault, Reason},
    idempotency::{Answered, IdempotencyKey},
    tokens::Identity,
};
use serde::Serialize;
use serde_json::{Map, Value};

use super::frame::EventReminder;
use crate::{
    model::Zone,
    reminder::{self, NewReminder},
    service::Service,
};

/// What is no command at all.
const NO_COMMAND: &str =
    "Invalid message passed. Socket message must be a JSON with valid 'command' property";
/// A command that nobody knows.
const UNKNOWN: &str = "un-recognized command";

/// Every zone that `scheduleEvent` takes.
static ZONES: LazyLock<Vec<String>> = LazyLock::new(Zone::all);

/// What a client commands. Whatever it says is one of these: its answer is a
/// [`Report`] in any case.
#[derive(Debug)]
pub(super) enum Order {
    /// Name all time zones.
    GetAllTimeZones,
    /// Schedule a reminder.
    ScheduleEvent(Box<NewReminder>),
    /// A reminder whose room is no text: it must not go to everybody instead.
    NoRoom,
    /// A key that is none: whoever gave it would believe in it.
    NoKey,
    /// A command that nobody knows.
    Unknown,
    /// No JSON object, or none with a `command`.
    NoObject,
}

/// The answer to a command.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<Response>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// An earlier command with the same key was told the same.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    replayed: bool,
    #[serde(skip)]
    fault: Option<Fault>,
}

/// What a command came to.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Response {
    /// IANA names.
    TimeZones(&'static [String]),
    /// The reminder as it will come.
    Scheduled(EventReminder),
}

// === impl Order ===

impl Order {
    /// Reads `{command, data}`. A field of `data` that is no text counts as absent.
    pub(super) fn read(mut payload: Map<String, Value>) -> Self {
        let Some(Value::String(command)) = payload.remove("command") else { return Self::NoObject };
        match command.as_str() {
            "" => Self::NoObject,
            "getAllTimeZones" => Self::GetAllTimeZones,
            "scheduleEvent" => Self::read_event(payload),
            _ => Self::Unknown,
        }
    }

    fn read_event(mut payload: Map<String, Value>) -> Self {
        let key = match payload.remove("idempotency_key") {
            None | Some(Value::Null) => None,
            Some(Value::String(key)) => match IdempotencyKey::parse(&key) {
                Ok(key) => Some(key),
                Err(_) => return Self::NoKey,
            },
            Some(_) => return Self::NoKey,
        };
        let mut data = match payload.remove("data") {
            Some(Value::Object(data)) => data,
            _ => Map::new(),
        };
        let calendar_name = match data.remove("calendar_name") {
            None | Some(Value::Null) => None,
            Some(Value::String(name)) => Some(name),
            Some(_) => return Self::NoRoom,
        };
        let mut text = |field: &str| match data.remove(field) {
            Some(Value::String(text)) => text,
            _ => String::new(),
        };
        Self::ScheduleEvent(Box::new(NewReminder {
            name: text("eventName"),
            time: text("time"),
            time_zone: text("timeZone"),
            calendar_name,
            idempotency_key: key,
        }))
    }
}

/// Does what a client commands.
pub(super) async fn carry_out(
    service: &Service,
    caller: &Identity,
    order: Order,
) -> Result<Answered<Response>, Fault> {
    match order {
        Order::GetAllTimeZones => Ok(Answered::first(Response::TimeZones(&ZONES))),
        Order::ScheduleEvent(new) => {
            let scheduled = reminder::schedule(service, caller, *new).await?;
            Ok(scheduled.map(|reminder::Scheduled { id, name, time }| {
                Response::Scheduled(EventReminder { name, time, id, late: false })
            }))
        }
        Order::NoKey => {
            let text = format!("'idempotency_key' {}", IdempotencyKey::RULE);
            Err(Fault::new(Reason::Invalid, text).with_field("idempotency_key", IdempotencyKey::RULE))
        }
        Order::NoRoom => Err(Fault::new(Reason::Invalid, "'calendar_name' must be a text")),
        Order::Unknown => Err(Fault::new(Reason::Invalid, UNKNOWN)),
        Order::NoObject => Err(Fault::new(Reason::Invalid, NO_COMMAND)),
    }
}

// === impl Report ===

impl Report {
    /// The report of an outcome.
    pub(super) fn new(outcome: Result<Answered<Response>, Fault>) -> Self {
        match outcome {
            Ok(Answered { answer, replayed }) => {
                Self { status: "success", response: Some(answer), error: None, replayed, fault: None }
            }
            Err(fault) => {
                let error = Some(fault.detail.clone());
                // On a raw socket the failure around this one says whether it is a repeat.
                Self { status: "failure", response: None, error, replayed: false, fault: Some(fault) }
            }
        }
    }

    /// Why it failed, if it did.
    pub(super) const fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    /// The same, for who needs nothing else.
    pub(super) fn into_fault(self) -> Option<Fault> {
        self.fault
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(payload: &Value) -> Order {
        Order::read(payload.as_object().unwrap().clone())
    }

    #[test]
    fn whatever_is_said_is_an_order() {
        for nothing in [json!({}), json!({ "command": 3 }), json!({ "command": "" }), json!({ "data": {} })] {
            assert!(matches!(read(&nothing), Order::NoObject), "{nothing}");
        }
        assert!(matches!(read(&json!({ "command": "dance" })), Order::Unknown));
        assert!(matches!(read(&json!({ "command": "getAllTimeZones", "data": 3 })), Order::GetAllTimeZones));
        for data in [json!(null), json!([]), json!("x"), json!({ "time": 4, "eventName": null })] {
            let order = read(&json!({ "command": "scheduleEvent", "data": data }));
            let Order::ScheduleEvent(new) = order else { panic!("{order:?}") };
            assert!(new.name.is_empty() && new.time.is_empty() && new.calendar_name.is_none());
        }
        let order = json!({ "command": "scheduleEvent", "data": { "calendar_name": 3 } });
        assert!(matches!(read(&order), Order::NoRoom));
        for key in [json!(3), json!(""), json!("ä"), json!("k".repeat(256))] {
            let order = json!({ "command": "scheduleEvent", "idempotency_key": key, "data": {} });
            assert!(matches!(read(&order), Order::NoKey), "{key}");
        }
        for none in [json!({}), json!({ "idempotency_key": null })] {
            let mut order = none.clone();
            order["command"] = json!("scheduleEvent");
            let Order::ScheduleEvent(new) = read(&order) else { panic!("{order}") };
            assert!(new.idempotency_key.is_none());
        }
    }

    #[test]
    fn every_zone_that_is_named_is_one() {
        assert!(ZONES.len() > 400 && ZONES.is_sorted(), "{}", ZONES.len());
        for name in ZONES.iter() {
            assert_eq!(Zone::find(name).unwrap().name(), name);
        }
        for known in ["Europe/Berlin", "America/Toronto", "UTC"] {
            assert!(ZONES.iter().any(|name| name == known), "{known}");
        }
    }
}
