//! Reads an event in either shape into the one that is kept.
//!
//! Improved: `deviceId, type, timestamp, details`, and `id` if the client wants
//! repeats to be harmless. Original: `user_id, device_id, type,
//! training_program_id, training_program_title, time_stamp`.

use serde_json::{Map, Value};

use super::{
    Details, Instant, SentEvent,
    event::{LONGEST_ID, is_id},
    programme,
};
use crate::error::FieldErrors;

/// The names that an event's fields have in its shape.
struct Shape {
    device: &'static str,
    time: &'static str,
    read_time: fn(&str) -> Result<Instant, &'static str>,
}

const IMPROVED: Shape = Shape { device: "deviceId", time: "timestamp", read_time: Instant::read };
const ORIGINAL: Shape = Shape { device: "device_id", time: "time_stamp", read_time: Instant::read_plain };

/// Fields of the original shape that became details.
const MOVED: [(&str, &str); 3] =
    [("user_id", "userId"), ("training_program_id", "programId"), ("training_program_title", "programTitle")];

/// Reads one event. `spell` puts a type that some rule knows into its one
/// spelling, and leaves others as they are.
pub fn read_event(json: &str, spell: impl Fn(&str) -> String) -> Result<SentEvent, FieldErrors> {
    let mut errors = FieldErrors::new();
    let mut object = match serde_json::from_str::<Value>(json) {
        Ok(Value::Object(object)) => object,
        Ok(_) => return Err(errors.and("body", "must be a JSON object")),
        Err(error) => return Err(errors.and("body", format_args!("is not JSON: {}", without_place(&error)))),
    };
    let original = ["device_id", "time_stamp"].iter().any(|name| object.contains_key(*name))
        && !["deviceId", "timestamp"].iter().any(|name| object.contains_key(*name));
    let shape = if original { &ORIGINAL } else { &IMPROVED };
    let given = object.remove("details");
    let id = errors.take("id", read_id(object.get("id"))).flatten();
    let device_id = errors.take(shape.device, read_name(object.get(shape.device)));
    let kind = errors.take("type", read_name(object.get("type")));
    let at = errors.take(shape.time, read_text(object.get(shape.time)).and_then(shape.read_time));
    let details = if original { Ok(moved(&object)) } else { as_object(given) };
    let details = errors.take("details", details);
    let programme_field = if original { "training_program_id" } else { "details.programId" };
    if details.as_ref().is_some_and(|details| programme(details).is_none()) {
        errors.add(programme_field, "must be a text of at most 255 characters, or a number");
    }
    match (device_id, kind, at, details) {
        (Some(device_id), Some(kind), Some(at), Some(details)) if errors.is_empty() => Ok(SentEvent {
            id,
            device_id: device_id.to_owned(),
            kind: spell(kind),
            at,
            details: Value::Object(details).to_string(),
        }),
        _ => Err(errors),
    }
}

/// The details of the improved shape.
fn as_object(given: Option<Value>) -> Result<Details, &'static str> {
    match given {
        None | Some(Value::Null) => Ok(Details::new()),
        Some(Value::Object(details)) => Ok(details),
        Some(_) => Err("must be an object"),
    }
}

/// The details of the original shape.
fn moved(object: &Map<String, Value>) -> Details {
    let there = MOVED.iter().filter_map(|(from, to)| {
        let value = object.get(*from).filter(|value| !value.is_null())?;
        Some(((*to).to_owned(), value.clone()))
    });
    there.collect()
}

fn read_text(value: Option<&Value>) -> Result<&str, &'static str> {
    match value {
        None | Some(Value::Null) => Err("is required"),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err("must be a text"),
    }
}

fn read_name(value: Option<&Value>) -> Result<&str, String> {
    let text = read_text(value)?;
    if is_id(text, 1) { Ok(text) } else { Err(rule()) }
}

/// A text, or a whole number taken as one.
fn read_id(value: Option<&Value>) -> Result<Option<String>, String> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if is_id(text, 1) => Ok(Some(text.clone())),
        Some(Value::Number(number)) if number.is_i64() || number.is_u64() => Ok(Some(number.to_string())),
        Some(_) => Err(rule()),
    }
}

fn rule() -> String {
    format!("must be 1 to {LONGEST_ID} characters, none of them control characters")
}

/// What serde says, without line and column: clients count events, not columns.
fn without_place(error: &serde_json::Error) -> String {
    error.to_string().split(" at line ").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
