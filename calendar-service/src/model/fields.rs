//! The fields of an event that a client may set, as sent: not yet checked.

use chassis::fault::{Fault, FieldError, Reason};
use serde::Serialize;
use serde_json::{Map, Value};

/// What a client says about one field (RFC 7396: absent, null, a value).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Edit<T> {
    /// Not said: stays as it is.
    #[default]
    Keep,
    /// Null: back to its default.
    Clear,
    /// This.
    Set(T),
}

/// The fields of an event that a client may set. In a create, `Keep` and
/// `Clear` both mean the default.
///
/// What is not said is not written: an idempotency key's request stays the same
/// when there are more fields one day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EventFields {
    /// 1 to 100 characters after trimming and NFC.
    #[serde(skip_serializing_if = "Edit::is_unsaid")]
    pub event_name: Edit<String>,
    /// RFC 3339, or a date when `all_day`.
    #[serde(skip_serializing_if = "Edit::is_unsaid")]
    pub event_start: Edit<String>,
    /// Not before the start. All day: the last day.
    #[serde(skip_serializing_if = "Edit::is_unsaid")]
    pub event_end: Edit<String>,
    /// IANA name; the default is the calendar's.
    #[serde(skip_serializing_if = "Edit::is_unsaid")]
    pub time_zone: Edit<String>,
    /// Whether start and end are dates.
    #[serde(skip_serializing_if = "Edit::is_unsaid")]
    pub all_day: Edit<bool>,
    /// At most 1,000 characters.
    #[serde(skip_serializing_if = "Edit::is_unsaid")]
    pub location: Edit<String>,
    /// At most 10,000 characters.
    #[serde(skip_serializing_if = "Edit::is_unsaid")]
    pub description: Edit<String>,
    /// Usernames of members, at most 200.
    #[serde(skip_serializing_if = "Edit::is_unsaid")]
    pub participants: Edit<Vec<String>>,
    /// Minutes before the start; the default is the calendar's.
    #[serde(skip_serializing_if = "Edit::is_unsaid")]
    pub reminders: Edit<Vec<u32>>,
}

// === impl Edit ===

impl<T> Edit<T> {
    /// The value, where one is set.
    pub const fn set(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Keep | Self::Clear => None,
        }
    }

    /// Whether something was said.
    pub const fn is_said(&self) -> bool {
        !matches!(self, Self::Keep)
    }

    /// Whether nothing was said.
    pub const fn is_unsaid(&self) -> bool {
        !self.is_said()
    }

    /// From gRPC's "absent or a value".
    pub fn from_option(value: Option<T>) -> Self {
        value.map_or(Self::Keep, Self::Set)
    }

    /// `null` where the field is listed as cleared.
    pub fn or_cleared(self, cleared: bool) -> Self {
        if cleared { Self::Clear } else { self }
    }
}

// === impl EventFields ===

impl EventFields {
    /// Reads the fields off a JSON object; unknown keys are ignored. All wrong
    /// types are named at once; `rrule` is `unsupported`.
    pub fn from_json(body: &Map<String, Value>) -> Result<Self, Fault> {
        if body.get("rrule").is_some_and(|rule| !rule.is_null()) {
            return Err(Fault::of(Reason::Unsupported).with_field("rrule", "recurrence is not supported yet"));
        }
        let mut reader = Reader { body, errors: Vec::new() };
        let fields = Self {
            event_name: reader.text("event_name"),
            event_start: reader.text("event_start"),
            event_end: reader.text("event_end"),
            time_zone: reader.text("time_zone"),
            all_day: reader.read("all_day", "must be true or false", Value::as_bool),
            location: reader.text("location"),
            description: reader.text("description"),
            participants: reader.read("participants", "must be a list of usernames", names),
            reminders: reader.read("reminders", "must be a list of whole minutes", minutes),
        };
        if reader.errors.is_empty() {
            Ok(fields)
        } else {
            Err(Fault::of(Reason::Invalid).with_fields(reader.errors))
        }
    }
}

struct Reader<'a> {
    body: &'a Map<String, Value>,
    errors: Vec<FieldError>,
}

impl Reader<'_> {
    fn text(&mut self, field: &str) -> Edit<String> {
        self.read(field, "must be a text", |value| value.as_str().map(str::to_owned))
    }

    fn read<T>(&mut self, field: &str, rule: &str, read: impl FnOnce(&Value) -> Option<T>) -> Edit<T> {
        let Some(value) = self.body.get(field) else { return Edit::Keep };
        if value.is_null() {
            return Edit::Clear;
        }
        if let Some(value) = read(value) {
            return Edit::Set(value);
        }
        self.errors.push(FieldError { field: field.to_owned(), message: rule.to_owned() });
        Edit::Keep
    }
}

fn names(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|name| name.as_str().map(str::to_owned)).collect()
}

fn minutes(value: &Value) -> Option<Vec<u32>> {
    value.as_array()?.iter().map(|number| u32::try_from(number.as_u64()?).ok()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: &Value) -> Result<EventFields, Fault> {
        EventFields::from_json(body.as_object().unwrap())
    }

    #[test]
    fn absent_null_and_a_value_are_three_things() {
        let fields = read(&json!({ "event_name": "x", "location": null, "seq": 9 })).unwrap();
        assert_eq!(fields.event_name, Edit::Set("x".to_owned()));
        assert_eq!(fields.location, Edit::Clear);
        assert_eq!(fields.description, Edit::Keep);
    }

    #[test]
    fn every_wrong_type_is_named_at_once() {
        let fault =
            read(&json!({ "event_name": 5, "all_day": "no", "participants": ["a", 1], "reminders": [-1] }));
        let named: Vec<_> = fault.unwrap_err().fields.into_iter().map(|error| error.field).collect();
        assert_eq!(named, ["event_name", "all_day", "participants", "reminders"]);
    }

    #[test]
    fn recurrence_is_not_supported_yet() {
        assert_eq!(read(&json!({ "rrule": "FREQ=DAILY" })).unwrap_err().reason, Reason::Unsupported);
    }
}
